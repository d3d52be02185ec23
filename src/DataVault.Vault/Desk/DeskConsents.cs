using System.Globalization;
using DataVault.Transparency;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>
/// The acts behind the desk's figures of consents, a page at a time: each stands there by its entry of the log, the earliest first. The words are those by which
/// <see cref="ConsentHealth"/> counts, so that a figure and its list agree.
/// </summary>
internal sealed class DeskConsents(VaultDatabase database, ActivePolicy policy, VaultClock clock)
{
    // 6, renewed, is given; a question (4, 5) takes no answer's place, and an objection by signal (9) is none.
    private const string State = "(case when c.state = 6 then 1 else c.state end)";
    private const string Newest =
        "not exists (select from vault.consent_event n where n.subject_id = c.subject_id and n.purpose_id = c.purpose_id and n.sequence > c.sequence and n.state not in (4, 5, 9))";

    private static readonly DeskColumn[] s_columns = [new("since", DeskCells.Instant), new("ends", DeskCells.Instant), new("notice"), new("language"), new("channel")];

    private static readonly Dictionary<string, string> s_conditions = new(StringComparer.Ordinal)
    {
        ["given"] = $"{State} = 1 and (c.expires is null or c.expires > @now) and {Newest}",
        ["expired"] = $"{State} = 1 and c.expires <= @now and {Newest}",
        ["renewal-due"] = $"{State} = 1 and c.expires > @now and c.expires <= @renewal and {Newest}",
        ["without-notice"] = $"c.state in (1, 6) and c.notice_hash is null and (c.expires is null or c.expires > @now) and {Newest}",
        ["withdrawn"] = $"{State} = {Code("withdrawn")} and {Newest}",
        ["refused"] = $"{State} = {Code("refused")} and {Newest}",
        ["withdrawn-today"] = $"{State} = {Code("withdrawn")} and c.at >= @today",
        ["objected-by-signal"] = $"{State} = 9 and not exists (select from vault.consent_event n where n.subject_id = c.subject_id and n.purpose_id = c.purpose_id and n.sequence > c.sequence and (n.state = 9 or n.lifts_objection))",
    };

    public static IEnumerable<string> Figures => s_conditions.Keys;

    /// <exception cref="VaultException">No such purpose is named, or the limit or the cursor is not valid.</exception>
    public async Task<DeskList> ListAsync(string figure, string? of, int limit, string? cursor, CancellationToken ct)
    {
        if (limit is < 1 or > DeskReader.LargestPage) throw VaultException.BadRequest($"The limit is between 1 and {DeskReader.LargestPage}.");
        var purpose = policy.Current.Purposes.Find(of ?? "") ?? throw VaultException.BadRequest("The figure is one of a purpose: name it (of).");
        var after = Position(cursor);
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, ct);
        var asOf = await DeskReader.AsOfAsync(connection, ct);
        var condition = s_conditions[figure];
        await using var command = new NpgsqlCommand(
            $"""
            select c.at, c.log_index, c.expires, c.notice_version, c.language, c.channel from vault.consent_event c
            where c.purpose_id = @purpose and (c.at, c.log_index) > (@after, @index) and {condition} order by c.at, c.log_index limit @limit
            """, connection);
        command.Parameters.Add(new("purpose", NpgsqlDbType.Integer) { Value = purpose.Id });
        command.Parameters.Add(new("after", NpgsqlDbType.TimestampTz) { Value = after.At });
        command.Parameters.Add(new("index", NpgsqlDbType.Bigint) { Value = after.Index });
        command.Parameters.Add(new("limit", NpgsqlDbType.Integer) { Value = limit + 1 });
        var now = clock.Now.UtcDateTime;
        foreach (var (name, at) in new[] { ("now", now), ("today", now.Date), ("renewal", now.AddDays(purpose.RenewalDays ?? 0)) })
        {
            if (condition.Contains('@' + name, StringComparison.Ordinal)) command.Parameters.Add(new(name, NpgsqlDbType.TimestampTz) { Value = at });
        }

        var rows = await Rows.ReadAsync(command, row => (At: row.GetDateTime(0), Index: row.GetInt64(1), Row: new DeskRow(
            [DeskReader.Cell(row.GetDateTime(0)), .. Enumerable.Range(2, 4).Select(column => DeskReader.Cell(row.GetValue(column)))], DeskReader.Cell(row.GetInt64(1)))), ct);
        var shown = rows.Take(limit).ToList();
        var next = rows.Count > limit ? string.Create(CultureInfo.InvariantCulture, $"{shown[^1].At.Ticks}.{shown[^1].Index}") : null;
        return new DeskList(DeskTiles.Consents, figure, of, "entry", asOf, s_columns, [.. shown.Select(one => one.Row)], next);
    }

    private static (DateTime At, long Index) Position(string? cursor)
    {
        if (cursor is null) return (DateTime.UnixEpoch, -1);
        return cursor.Split('.') is [var at, var index] && long.TryParse(at, NumberStyles.None, CultureInfo.InvariantCulture, out var ticks) && ticks <= DateTime.MaxValue.Ticks
            && long.TryParse(index, NumberStyles.None, CultureInfo.InvariantCulture, out var entry)
            ? (new DateTime(ticks, DateTimeKind.Utc), entry)
            : throw VaultException.BadRequest("The cursor is not valid.");
    }

    private static byte Code(string state) => ConsentStates.TryParse(state, out var code) ? code : throw new InvalidOperationException($"There is no state {state} of a consent.");
}
