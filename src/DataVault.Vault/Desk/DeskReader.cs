using System.Globalization;
using System.Text;
using DataVault.Transparency;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>What was counted in one look at the database.</summary>
internal sealed record DeskCounts(AsOf AsOf, IReadOnlyList<DeskCount> Rows);

/// <summary>Rows of a source that have something in common, and the earliest of them.</summary>
internal sealed record DeskCount(string Tile, string Figure, string? Of, long Count, DateTimeOffset? At);

/// <summary>Counts and lists what the desk shows of the database. A look is one statement, and so one snapshot, of everything.</summary>
internal sealed class DeskReader(VaultDatabase database, VaultOptions options, VaultClock clock)
{
    public const int LargestPage = 500;

    private static readonly TimeSpan Month = TimeSpan.FromDays(30);

    // The head is read in the same snapshot: what is counted is the log of this size, of which so much is signed.
    private const string State =
        """
        select c.size, c.note, c.at, h.size from audit.head h
        left join lateral (select size, note, at from audit.checkpoint where size <= h.size order by size desc limit 1) c on true
        """;

    // A timestamp is of a checkpoint that was signed before it was asked for: an authority that saw it earlier has another time than the vault.
    private const string Anchors =
        """
        select '#', 'signed', null::text, c.size, c.at from (select size, at from audit.checkpoint order by size desc limit 1) c
        union all select '#', 'witnessed', null, c.size, c.at from (select size, at from audit.cosignature order by size desc, at desc limit 1) c
        union all select '#', 'timestamped', null, t.size, t.at from (select size, at from audit.timestamp order by size desc limit 1) t
        union all select '#', 'clock-ahead', null, greatest(0, extract(epoch from c.at - t.at))::bigint, t.at
            from (select size, at from audit.timestamp order by size desc limit 1) t join audit.checkpoint c using (size)
        """;

    private static readonly string s_counts = string.Join(
        "\nunion all ",
        DeskSources.All.Select((source, i) => $"select '{source.Tile}', '{source.Figure}', s.of, count(*), min(s.at) from ({source.Rows}) s group by s.of").Append(Anchors));

    /// <summary>Everything that is counted at each look.</summary>
    public async Task<DeskCounts> CountAsync(CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, ct);
        var asOf = await AsOfAsync(connection, ct);
        await using var command = Command(s_counts, connection);
        var rows = await Rows.ReadAsync(command, row => new DeskCount(row.GetString(0), row.GetString(1), row.IsDBNull(2) ? null : row.GetString(2), row.GetInt64(3), Instant(row, 4)), ct);
        return new DeskCounts(asOf, rows);
    }

    /// <summary>What a source counts, by its order.</summary>
    /// <exception cref="VaultException">The limit or the cursor is not valid.</exception>
    public async Task<DeskList> ListAsync(DeskSource source, string? of, int limit, string? cursor, CancellationToken ct)
    {
        if (limit is < 1 or > LargestPage) throw VaultException.BadRequest($"The limit is between 1 and {LargestPage}.");
        var after = Position(cursor);
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, ct);
        var asOf = await AsOfAsync(connection, ct);
        await using var command = Command(
            $"select * from ({source.Rows}) s where (@of::text is null or s.of = @of) and (@after::timestamptz is null or (s.at, s.key) > (@after, @key)) order by s.at, s.key limit @limit", connection);
        command.Parameters.Add(new("of", NpgsqlDbType.Text) { Value = (object?)of ?? DBNull.Value });
        command.Parameters.Add(new("after", NpgsqlDbType.TimestampTz) { Value = (object?)after?.At ?? DBNull.Value });
        command.Parameters.Add(new("key", NpgsqlDbType.Text) { Value = after?.Key ?? "" });
        command.Parameters.Add(new("limit", NpgsqlDbType.Integer) { Value = limit + 1 });
        var rows = await Rows.ReadAsync(command, row => (At: row.GetDateTime(0), Row: new DeskRow([.. Enumerable.Range(3, source.Columns.Count).Select(i => Cell(row.GetValue(i)))], row.GetString(1))), ct);
        var shown = rows.Take(limit).ToList();
        var next = rows.Count > limit ? Cursor(shown[^1].At, shown[^1].Row.Key!) : null;
        return new DeskList(source.Tile, source.Figure, of, source.About, asOf, source.Columns, [.. shown.Select(one => source.About is null ? one.Row with { Key = null } : one.Row)], next);
    }

    /// <summary>The newest signed state of the log, in the snapshot of a transaction.</summary>
    public static async Task<AsOf> AsOfAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(State, connection);
        var (size, note, at, head) = (await Rows.ReadAsync(
            command, row => (row.IsDBNull(0) ? 0 : row.GetInt64(0), row.IsDBNull(1) ? null : row.GetString(1), Instant(row, 2) ?? DateTimeOffset.UnixEpoch, row.GetInt64(3)), ct))[0];
        return new AsOf(size, note is null ? "" : RootOf(note), at, head - size);
    }

    /// <summary>As cells are written: everywhere alike.</summary>
    public static string Cell(object value) => value switch
    {
        DBNull => "",
        DateTime at => at.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    private static string RootOf(string note) =>
        SignedNote.TryParse(note, out var signed) && Checkpoint.TryParse(signed!.Text, out var checkpoint) ? Convert.ToBase64String(checkpoint!.Root.Span) : throw new InvalidDataException("The checkpoint is not a signed note.");

    // Npgsql sends those that the statement names.
    private NpgsqlCommand Command(string text, NpgsqlConnection connection)
    {
        var (now, limits) = (clock.Now, options.Desk);
        var command = new NpgsqlCommand(text, connection);
        foreach (var (name, at) in new (string, DateTimeOffset)[]
        {
            ("now", now), ("soon", now + limits.DueSoon), ("week", now.AddDays(7)), ("fortnight", now.AddDays(14)), ("month", now - Month), ("stuck", now - limits.Stuck),
            ("unfinished", now - limits.Erasure), ("unacknowledged", now - limits.Unacknowledged), ("unswept", now - options.RetentionEvery - options.RetentionEvery),
        })
        {
            if (text.Contains('@' + name, StringComparison.Ordinal)) command.Parameters.Add(new(name, NpgsqlDbType.TimestampTz) { Value = at.UtcDateTime });
        }

        return command;
    }

    private static string Cursor(DateTime at, string key) => string.Create(CultureInfo.InvariantCulture, $"{at.Ticks}.{Convert.ToHexStringLower(Encoding.UTF8.GetBytes(key))}");

    private static (DateTime At, string Key)? Position(string? cursor)
    {
        if (cursor is null) return null;
        return cursor.Split('.') is [var at, var key] && long.TryParse(at, NumberStyles.None, CultureInfo.InvariantCulture, out var ticks) && ticks <= DateTime.MaxValue.Ticks
            && key.Length % 2 == 0 && key.Length <= 200 && key.All(char.IsAsciiHexDigit)
            ? (new DateTime(ticks, DateTimeKind.Utc), Encoding.UTF8.GetString(Convert.FromHexString(key)))
            : throw VaultException.BadRequest("The cursor is not valid.");
    }

    private static DateTimeOffset? Instant(NpgsqlDataReader row, int at) => row.IsDBNull(at) ? null : row.GetFieldValue<DateTimeOffset>(at);
}
