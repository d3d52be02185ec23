using System.Globalization;
using DataVault.Policy;
using DataVault.Transparency;
using Npgsql;

namespace DataVault.Vault;

/// <summary>How many people stand how to a purpose that rests on consent.</summary>
/// <param name="Purpose">The purpose.</param>
/// <param name="States">State to people; <c>given</c> counts those in force, <c>expired</c> those that have ended.</param>
/// <param name="RenewalDue">Of the given, how many end soon.</param>
/// <param name="Objected">How many object by a signal.</param>
/// <param name="WithoutNotice">Of the given, how many name no notice whose text the vault has.</param>
public sealed record PurposeHealth(Purpose Purpose, IReadOnlyDictionary<string, long> States, long RenewalDue, long Objected, long WithoutNotice);

/// <summary>A consent that ends soon.</summary>
public sealed record EndingConsent(SubjectId Subject, DateTimeOffset Expires);

/// <summary>Those that end first come first.</summary>
public sealed record EndingConsents(IReadOnlyList<EndingConsent> Items, string? Next);

/// <summary>Consents by number, for the officer; and by name those to ask again, for whoever may record the answer.</summary>
public sealed class ConsentHealth
{
    private const int LargestPage = 500;
    private const int ExpiredCode = 100;

    // Of each person the newest answer, and where there is none the newest question.
    private const string FiguresSql =
        """
        with newest as (
            select distinct on (purpose_id, subject_id) purpose_id, case state when 6 then 1 else state end as state, expires, notice_hash
            from vault.consent_event where state <> 9 order by purpose_id, subject_id, state in (4, 5), sequence desc)
        select n.purpose_id, case when n.state = 1 and n.expires <= $1 then 100 else n.state end, count(*),
               count(*) filter (where n.state = 1 and n.expires > $1 and n.expires <= $1 + r.days * interval '1 day'),
               count(*) filter (where n.state = 1 and (n.expires is null or n.expires > $1) and n.notice_hash is null)
        from newest n left join unnest($2, $3) as r(purpose_id, days) on r.purpose_id = n.purpose_id
        group by 1, 2
        """;

    private const string ObjectedSql =
        """
        select purpose_id, count(*) filter (where state = 9) from (
            select distinct on (purpose_id, subject_id) purpose_id, state from vault.consent_event where state = 9 or lifts_objection
            order by purpose_id, subject_id, sequence desc) as newest
        group by purpose_id
        """;

    private const string EndingSql =
        """
        select c.subject_id, c.expires from vault.consent_event c
        where c.purpose_id = $1 and c.state in (1, 6) and c.expires > $2 and c.expires <= $3 and (c.expires, c.subject_id) > ($4, $5) and not exists (
            select from vault.consent_event n
            where n.subject_id = c.subject_id and n.purpose_id = c.purpose_id and n.sequence > c.sequence and n.state not in (4, 5))
        order by c.expires, c.subject_id limit $6
        """;

    private readonly VaultDatabase database;
    private readonly AuditLog log;
    private readonly ActivePolicy policy;
    private readonly VaultClock clock;
    private readonly ConsentDoor door;

    internal ConsentHealth(VaultDatabase database, AuditLog log, ActivePolicy policy, VaultClock clock, ConsentDoor door) =>
        (this.database, this.log, this.policy, this.clock, this.door) = (database, log, policy, clock, door);

    public DateTimeOffset Now => clock.Now;

    public async Task<IReadOnlyList<PurposeHealth>> FiguresAsync(Recipient recipient, Guid requestId, CancellationToken ct)
    {
        if (!MayReadLog(recipient)) throw await DeniedAsync(recipient, requestId, ct);
        await using var connection = await database.OpenAsync(ct);
        var health = await CountAsync(connection, ct);
        await log.AppendAsync(log.Entry(EntryType.StatusRead, recipient, default, First(recipient), EntryResult.Ok, [], requestId), null, ct);
        return health;
    }

    /// <summary>The same for a part of the vault that has its own door; in the snapshot of the connection's transaction.</summary>
    internal async Task<IReadOnlyList<PurposeHealth>> CountAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        var asked = policy.Current.Purposes.All.Where(purpose => purpose.NeedsConsent || purpose.Gpc).ToList();
        var counts = await CountsAsync(connection, asked, ct);
        var objected = await ObjectedAsync(connection, ct);
        return [.. asked.Select(purpose => Health(purpose, [.. counts[purpose.Id]], objected.GetValueOrDefault(purpose.Id)))];
    }

    /// <summary>
    /// Whom to ask again before their consent ends: of each is decided whether the recipient may see and record their consents. Each of them is told of in the log.
    /// </summary>
    public async Task<EndingConsents> EndingAsync(Recipient recipient, string purpose, int limit, string? cursor, Guid requestId, CancellationToken ct)
    {
        if (limit is < 1 or > LargestPage) throw VaultException.BadRequest($"The limit is between 1 and {LargestPage}.");
        var known = policy.Current.Purposes.Find(purpose) ?? throw VaultException.UnknownPurpose();
        if (recipient.Kind == RecipientKind.Customer || !door.CouldEnter(recipient)) throw await DeniedAsync(recipient, requestId, ct);
        var found = await AdmittedAsync(recipient, known, limit + 1, Position(cursor), ct);
        var shown = found.Take(limit).ToList();
        var entry = log.Entry(EntryType.Search, recipient, default, known.Name, EntryResult.Ok, [], requestId);
        await log.AppendAsync(AuditLog.Concerning(entry, shown.Select(one => one.Tag)), ct);
        return new EndingConsents([.. shown.Select(one => one.Consent)], found.Count > limit ? Cursor(shown[^1].Consent) : null);
    }

    private async Task<ILookup<int, (int State, long People, long Due, long Unproven)>> CountsAsync(NpgsqlConnection connection, List<Purpose> asked, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(FiguresSql, connection);
        var reminded = asked.FindAll(purpose => purpose.RenewalDays is not null);
        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = clock.Now.UtcDateTime });
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = [.. reminded.Select(purpose => purpose.Id)] });
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = [.. reminded.Select(purpose => purpose.RenewalDays!.Value)] });
        var rows = await Rows.ReadAsync(command, row => (Purpose: row.GetInt32(0), State: row.GetInt32(1), People: row.GetInt64(2), Due: row.GetInt64(3), Unproven: row.GetInt64(4)), ct);
        return rows.ToLookup(row => row.Purpose, row => (row.State, row.People, row.Due, row.Unproven));
    }

    private static async Task<Dictionary<int, long>> ObjectedAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(ObjectedSql, connection);
        return (await Rows.ReadAsync(command, row => (row.GetInt32(0), row.GetInt64(1)), ct)).ToDictionary();
    }

    private static PurposeHealth Health(Purpose purpose, List<(int State, long People, long Due, long Unproven)> rows, long objected) => new(
        purpose, rows.ToDictionary(row => row.State == ExpiredCode ? "expired" : ConsentStates.NameOf((byte)row.State), row => row.People),
        rows.Sum(row => row.Due), objected, rows.Sum(row => row.Unproven));

    private async Task<List<EndingConsent>> ReadAsync(Purpose purpose, int limit, (DateTime At, Guid Subject) after, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(EndingSql);
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = purpose.Id });
        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = clock.Now.UtcDateTime });
        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = clock.Now.AddDays(purpose.RenewalDays ?? 0).UtcDateTime });
        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = after.At });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = after.Subject });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = limit });
        return await Rows.ReadAsync(command, row => new EndingConsent(new SubjectId(row.GetGuid(0)), new DateTimeOffset(row.GetDateTime(1))), ct);
    }

    // Whoever may not be seen takes nobody's place on the page.
    private async Task<List<(EndingConsent Consent, ReadOnlyMemory<byte> Tag)>> AdmittedAsync(
        Recipient recipient, Purpose purpose, int limit, (DateTime At, Guid Subject) after, CancellationToken ct)
    {
        var size = door.ReachesEverybody(recipient) ? limit : LargestPage;
        var admitted = new List<(EndingConsent, ReadOnlyMemory<byte>)>();
        while (admitted.Count < limit)
        {
            var page = await ReadAsync(purpose, size, after, ct);
            var opened = await door.OpenManyAsync(recipient, [.. page.Select(one => one.Subject).Distinct()], ct);
            foreach (var one in page)
            {
                if (opened.TryGetValue(one.Subject, out var person) && Lasts(purpose, person.Facts)) admitted.Add((one, person.Keys.Tag.ToArray()));
            }

            foreach (var person in opened.Values) person.Dispose();
            if (page.Count < size) break;
            after = (page[^1].Expires.UtcDateTime, page[^1].Subject.Value);
        }

        return [.. admitted.Take(limit)];
    }

    // By the facts that decisions look at. Whoever objects is not asked again.
    private bool Lasts(Purpose purpose, DecisionFacts facts) =>
        facts.Consents.Any(fact => fact.PurposeId == purpose.Id && fact.HoldsAt(clock.Now)) && !facts.ObjectedPurposes.Contains(purpose.Id);

    private static string Cursor(EndingConsent last) =>
        string.Create(CultureInfo.InvariantCulture, $"{ConsentEvidence.Microseconds(last.Expires)}.{last.Subject.Value:N}");

    private static (DateTime, Guid) Position(string? cursor)
    {
        if (cursor is null) return (DateTime.UnixEpoch, Guid.Empty);
        return cursor.Split('.') is [var at, var id] && long.TryParse(at, NumberStyles.None, CultureInfo.InvariantCulture, out var time) && time < long.MaxValue / 20
            && Guid.TryParseExact(id, "N", out var subject)
            ? (new DateTime(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddTicks(time * TimeSpan.TicksPerMicrosecond), subject)
            : throw VaultException.BadRequest("The cursor is not valid.");
    }

    private bool MayReadLog(Recipient recipient) =>
        recipient.Kind != RecipientKind.Customer && policy.Current.Decisions.HasCapability(recipient.Roles, Capabilities.AuditRead);

    private async Task<VaultException> DeniedAsync(Recipient recipient, Guid requestId, CancellationToken ct)
    {
        await log.AppendAsync(log.Entry(EntryType.Denied, recipient, default, First(recipient), EntryResult.Denied, [], requestId), null, ct);
        return VaultException.Forbidden();
    }

    private static string First(Recipient recipient) => recipient.Purposes.Count > 0 ? recipient.Purposes[0] : "";
}
