using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>A row of a person's history, and which of its fields are due.</summary>
internal sealed record HistoryDue(long Version, DateTimeOffset ChangedAt, byte[] Sealed, IReadOnlySet<int> Fields);

/// <summary>What a look at one person found.</summary>
internal sealed record PersonDue(SealedRecord Record, DateTimeOffset ActiveAt, DateTimeOffset LookAt)
{
    /// <summary>Something due is kept all the same: a hold names it, a request is open, or the person has it restricted.</summary>
    public bool Frozen { get; init; }

    /// <summary>Ids of the fields whose value is due.</summary>
    public IReadOnlySet<int> Fields { get; init; } = new HashSet<int>();

    public IReadOnlyList<HistoryDue> History { get; init; } = [];

    public IReadOnlyList<Guid> Events { get; init; } = [];

    /// <summary>Of what is due, each value and event by the item that it is of.</summary>
    public IReadOnlyList<CatalogueItem> Items { get; init; } = [];

    /// <summary>Everything that there is of the person is due.</summary>
    public bool Whole { get; init; }

    public IReadOnlyList<DecisionDue> Decisions { get; init; } = [];

    public bool IsChange => Decisions.Count > 0 || Fields.Count > 0 || Events.Count > 0 || History.Any(row => row.Fields.Count > 0);
}

/// <summary>
/// Looks at one person for what has been kept long enough, under the lock on their row. Nothing in clear leaves: of values, only when they were recorded.
/// <code>
/// last activity = the latest of: recorded, values recorded, consent acts, events (when they happened), and what an earlier look remembers of these
/// due           = the trigger of the item's rule + its months, not after now, and the policy permits the vault to erase it
/// look at       = the first moment at which something else may be due: the next due date, and at the latest the shortest period from now
/// </code>
/// </summary>
internal sealed class RetentionEye(RecordCipher cipher, KeyRegistry keys, RetentionLooks looks, Decider decider)
{
    /// <summary>What is kept for another reason is looked at again after this.</summary>
    public static readonly TimeSpan Again = TimeSpan.FromDays(1);

    private const int MostEvents = 50_000;

    private sealed record Row(long Version, DateTimeOffset ChangedAt, byte[] Sealed, List<StoredAge> Ages);

    /// <summary>Null: there is no such person any more, or they are being erased.</summary>
    /// <exception cref="CryptographicException">Something of the person is damaged: nothing is deleted by its word.</exception>
    public async Task<PersonDue?> LookAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, SubjectKeys held, RetentionSchedule schedule, CancellationToken ct)
    {
        if (await SubjectRows.LockAsync(connection, transaction, held.Subject, ct) is not { KeyVersion: not SubjectRows.Closed } record) return null;
        await keys.MatchAsync(held, record, ct);
        var now = decider.Clock.Now;
        var current = cipher.Ages(record, held);
        var history = await HistoryAsync(connection, held, ct);
        var facts = FactsCodec.Decode(record.Facts);
        var active = await ActiveAsync(connection, held.Subject, current.Concat(history.SelectMany(row => row.Ages)), ct);
        var due = new PersonDue(record, active, now.AddMonths(schedule.ShortestMonths));
        if (facts.Remainder) return due;
        var erasable = Erasable(held.Subject, schedule, facts);
        var still = facts.Restricted || await HasOpenRequestAsync(connection, held.Subject, ct);
        if (still) erasable = new HashSet<int>();
        due = await FindAsync(connection, due, (current, history), schedule, erasable, ct);
        // A hold names fields and events: while one is in force, what was decided by them stays too.
        return await RetentionDecisions.AddAsync(connection, due, schedule, (now, !still && !facts.OnHold && facts.Holds.Count == 0), ct);
    }

    private async Task<PersonDue> FindAsync(
        NpgsqlConnection connection, PersonDue due, (List<StoredAge> Current, List<Row> History) stored, RetentionSchedule schedule, HashSet<int> erasable, CancellationToken ct)
    {
        var (now, next, frozen) = (decider.Clock.Now, due.LookAt, false);
        bool IsDue(StoredAge age)
        {
            if (schedule.Field(age.FieldId) is not { } field) return false;
            var at = schedule.DueAt(field, age.RecordedAt, due.ActiveAt);
            if (at > now) next = at < next ? at : next;
            else if (!erasable.Contains(field.Code)) frozen = true;
            return at <= now && erasable.Contains(field.Code);
        }

        var fields = stored.Current.Where(IsDue).Select(age => age.FieldId).ToHashSet();
        var history = stored.History.ConvertAll(row => new HistoryDue(row.Version, row.ChangedAt, row.Sealed, row.Ages.Where(IsDue).Select(age => age.FieldId).ToHashSet()));
        var events = await EventsAsync(connection, due, schedule, ct);
        var taken = events.Due.Where(one => erasable.Contains(1000 + one.Type)).ToList();
        next = events.Next is { } later && later < next ? later : next;
        frozen |= taken.Count < events.Due.Count;
        var all = stored.Current.Count + stored.History.Sum(row => row.Ages.Count) + events.Total;
        var found = fields.Count + history.Sum(row => row.Fields.Count) + taken.Count;
        return due with
        {
            Fields = fields,
            History = history,
            Events = [.. taken.Select(one => one.Id)],
            Frozen = frozen,
            Items = [.. fields.Concat(history.SelectMany(row => row.Fields)).Select(id => (CatalogueItem)schedule.Field(id)!), .. taken.Select(one => schedule.EventType(one.Type)!)],
            Whole = found > 0 && found == all,
            LookAt = frozen && now + Again < next ? now + Again : events.Due.Count == MostEvents ? now : next,
        };
    }

    // By the same decision as everything else: what the policy does not let the vault erase stays, and so does what a hold keeps.
    private HashSet<int> Erasable(SubjectId subject, RetentionSchedule schedule, DecisionFacts facts)
    {
        var items = decider.Policy.Items.Select(item => new RequestedItem(item, null)).ToList();
        var decision = decider.Decide(IndexedValues.Keeper, subject, AccessAction.Erase, IndexedValues.Purpose, items, facts);
        return Decider.IsBound(decision) ? [] : [.. decision.Permits.Select(permit => permit.Item).Where(item => !facts.Keeps(item)).Select(item => item.Code)];
    }

    private async Task<List<Row>> HistoryAsync(NpgsqlConnection connection, SubjectKeys held, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select row_version, changed_at, sealed from vault.history where subject_id = $1 order by row_version", connection)
        {
            Parameters = { new() { Value = held.Subject.Value } },
        };
        var rows = await Rows.ReadAsync(command, row => (Version: row.GetInt64(0), At: row.GetFieldValue<DateTimeOffset>(1), Sealed: row.GetFieldValue<byte[]>(2)), ct);
        return rows.ConvertAll(row => new Row(row.Version, row.At, row.Sealed, cipher.AgesOfHistory(row.Sealed, held)));
    }

    private async Task<DateTimeOffset> ActiveAsync(NpgsqlConnection connection, SubjectId subject, IEnumerable<StoredAge> ages, CancellationToken ct)
    {
        var remembered = await looks.ActiveAtAsync(connection, subject, ct) ?? DateTimeOffset.MinValue;
        await using var command = new NpgsqlCommand(
            """
            select greatest(
                (select created_at from vault.subject where subject_id = $1),
                (select max(least(occurred_at, recorded_at)) from vault.event where subject_id = $1),
                (select max(at) from vault.consent_event where subject_id = $1))
            """, connection)
        {
            Parameters = { new() { Value = subject.Value } },
        };
        var told = (await Rows.ReadAsync(command, row => row.GetFieldValue<DateTimeOffset>(0), ct))[0];
        return ages.Select(age => age.RecordedAt).Append(told).Append(remembered).Max();
    }

    private static async Task<bool> HasOpenRequestAsync(NpgsqlConnection connection, SubjectId subject, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select exists (select from vault.request where subject_id = $1 and state in ('received', 'verified', 'confirming', 'approved'))", connection)
        {
            Parameters = { new() { Value = subject.Value } },
        };
        return await command.ExecuteScalarAsync(ct) is true;
    }

    // In calendar months of UTC, as RetentionSchedule counts them.
    private async Task<(List<(Guid Id, int Type)> Due, DateTimeOffset? Next, long Total)> EventsAsync(
        NpgsqlConnection connection, PersonDue person, RetentionSchedule schedule, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection);
        foreach (var sql in (string[])[
            $"select event_id, event_type from due where at <= $6 order by at limit {MostEvents}",
            "select min(at) from due where at > $6"])
            batch.BatchCommands.Add(EventsDue(sql, person, schedule));
        batch.BatchCommands.Add(new("select count(*) from vault.event where subject_id = $1") { Parameters = { new() { Value = person.Record.Subject.Value } } });
        await using var reader = await batch.ExecuteReaderAsync(ct);
        var due = new List<(Guid, int)>();
        while (await reader.ReadAsync(ct)) due.Add((reader.GetGuid(0), reader.GetInt32(1)));
        await reader.NextResultAsync(ct);
        await reader.ReadAsync(ct);
        DateTimeOffset? next = await reader.IsDBNullAsync(0, ct) ? null : reader.GetFieldValue<DateTimeOffset>(0);
        await reader.NextResultAsync(ct);
        await reader.ReadAsync(ct);
        return (due, next, reader.GetInt64(0));
    }

    private NpgsqlBatchCommand EventsDue(string question, PersonDue person, RetentionSchedule schedule)
    {
        var rules = schedule.EventTypes.Select(type => (type.Id, Rule: schedule.RuleOf(type))).ToList();
        return new(
            $"""
            with due as (
                select e.event_id, e.event_type, (((case r.trigger when 'recorded' then e.recorded_at when 'last-activity' then $5 else e.occurred_at end)
                    at time zone 'utc') + make_interval(months => r.months)) at time zone 'utc' as at
                from vault.event e join unnest($2, $3, $4) as r (type, trigger, months) on r.type = e.event_type where e.subject_id = $1)
            {question}
            """)
        {
            Parameters =
            {
                new NpgsqlParameter<Guid> { TypedValue = person.Record.Subject.Value },
                new NpgsqlParameter<int[]> { TypedValue = [.. rules.Select(one => one.Id)] },
                new NpgsqlParameter<string[]> { TypedValue = [.. rules.Select(one => one.Rule.Trigger)] },
                new NpgsqlParameter<int[]> { TypedValue = [.. rules.Select(one => one.Rule.Months)] },
                new NpgsqlParameter<DateTime> { TypedValue = person.ActiveAt.UtcDateTime },
                new NpgsqlParameter<DateTime> { TypedValue = decider.Clock.Now.UtcDateTime },
            },
        };
    }
}
