using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>What a sweep did to one person, or would do.</summary>
/// <param name="Values">Values of fields deleted, those in the history among them.</param>
/// <param name="Events">Events and automated decisions deleted.</param>
/// <param name="ByRule">Both together, by retention rule.</param>
internal sealed record PersonSwept(int Values, int Events, IReadOnlyDictionary<string, long> ByRule)
{
    public static PersonSwept Nothing { get; } = new(0, 0, new Dictionary<string, long>());

    public bool Frozen { get; init; }

    /// <summary>Nothing would be left: the person is to be erased as a whole.</summary>
    public bool Whole { get; init; }
}

/// <summary>
/// Deletes of one person what has been kept long enough: one transaction that cuts the record, its history and the events, makes the look-ups again, queues the
/// person for analytics, notes when to look again, and says all of it in the log.
/// </summary>
/// <remarks>
/// The person's key stays, so copies in backups open until the keys of people are rotated or the backups are old enough to go: docs/rights.md. A restored
/// database is swept again by itself, since the clock says the same.
/// </remarks>
internal sealed class RetentionCut(RetentionEye eye, RetentionLooks looks, RecordCipher cipher, KeyRegistry keys, IndexPlans plans, AuditLog log)
{
    /// <summary>Null: there is no such person any more.</summary>
    /// <exception cref="CryptographicException">Something of the person is damaged; nothing was deleted.</exception>
    public async Task<PersonSwept?> SweepAsync(SubjectId subject, RetentionSchedule schedule, DateTimeOffset now, bool dry, CancellationToken ct)
    {
        using var held = await keys.FindAsync(subject, ct);
        if (held is null) return null;
        var swept = await plans.WriteAsync(static _ => { }, async (plan, connection, transaction) =>
        {
            if (await eye.LookAsync(connection, transaction, held, schedule, ct) is not { } due) return null;
            var found = Told(due, schedule);
            if (dry || found.Whole) return found;
            var entries = due.IsChange ? await CutAsync(connection, transaction, plan, due, held, now, ct) : [];
            await using var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { looks.Note(subject, due.LookAt, due.ActiveAt, schedule.Fingerprint) } };
            await batch.ExecuteNonQueryAsync(ct);
            if (entries.Count > 0) await log.AppendWithinAsync(connection, transaction, entries, ct);
            return found;
        }, ct);
        if (!dry && swept is { Values: > 0, Whole: false }) cipher.Committed(held);
        return swept;
    }

    private static PersonSwept Told(PersonDue due, RetentionSchedule schedule) => new(
        due.Fields.Count + due.History.Sum(row => row.Fields.Count), due.Events.Count + due.Decisions.Count,
        due.Items.Select(item => schedule.RuleOf(item)).Concat(due.Decisions.Select(one => one.Rule)).GroupBy(rule => rule.Name, StringComparer.Ordinal).ToDictionary(group => group.Key, group => (long)group.Count(), StringComparer.Ordinal))
    {
        Frozen = due.Frozen, Whole = due.Whole,
    };

    private async Task<List<LogEntry>> CutAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, IndexPlan plan, PersonDue due, SubjectKeys held, DateTimeOffset now, CancellationToken ct)
    {
        var entries = new List<LogEntry>();
        var about = Entry(due, held);
        if (due.Fields.Count > 0 || due.History.Any(row => row.Fields.Count > 0)) entries.Add(await CutRecordAsync(connection, transaction, plan, due, (held, about), now, ct));
        if (due.Events.Count > 0)
        {
            var buried = await EventLeaves.BuryAsync(connection, transaction, held.Subject, held.Commitment, ct, [.. due.Events]);
            await Rows.ExecuteAsync(connection, "delete from vault.event where subject_id = $1 and event_id = any($2)", ct, held.Subject.Value, due.Events.ToArray());
            entries.Add(about with { KeyCommitment = buried.IsEmpty ? default : held.Commitment, Seal = buried });
        }

        entries.AddRange(await RetentionDecisions.ForgetAsync(connection, due, about, ct));
        await using var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { FeedQueue.Enqueue([held.Subject], now) } };
        await batch.ExecuteNonQueryAsync(ct);
        return entries;
    }

    private async Task<LogEntry> CutRecordAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, IndexPlan plan, PersonDue due, (SubjectKeys Keys, LogEntry Entry) about, DateTimeOffset now, CancellationToken ct)
    {
        var held = about.Keys;
        held.Select(due.Record.KeyVersion);
        var after = cipher.Carry(due.Record, (held, held), due.Record.Facts, id => !due.Fields.Contains(id));
        await ForgetTermsAsync(connection, transaction, plan, due, ct);
        var left = new List<byte[]>();
        foreach (var row in due.History) await CutHistoryAsync(connection, row, held, left, ct);
        await SubjectRows.UpdateAsync(connection, transaction, after, now, ct);
        return about.Entry with
        {
            KeyCommitment = held.Commitment,
            Seal = cipher.Digest(after),
            RecordVersion = after.RowVersion,
            DetailHash = left.Count == 0 ? default : SHA256.HashData([.. left.SelectMany(hash => hash)]),
        };
    }

    private async Task CutHistoryAsync(NpgsqlConnection connection, HistoryDue row, SubjectKeys held, List<byte[]> left, CancellationToken ct)
    {
        var content = row.Sealed;
        if (row.Fields.Count > 0)
        {
            content = cipher.CarryHistory(row.Sealed, row.Version, (held, held), id => !row.Fields.Contains(id));
            // The vault's login may not update history, only write and delete it.
            await Rows.ExecuteAsync(connection, "delete from vault.history where subject_id = $1 and row_version = $2", ct, held.Subject.Value, row.Version);
            if (content.Length > 0)
            {
                await Rows.ExecuteAsync(
                    connection, "insert into vault.history (subject_id, row_version, changed_at, key_version, sealed) values ($1, $2, $3, $4, $5)", ct,
                    held.Subject.Value, row.Version, row.ChangedAt.UtcDateTime, held.KeyVersion, content);
            }
        }

        if (content.Length > 0) left.Add(ProfileTables.HistoryHash(row.ChangedAt, content));
    }

    // An index has a term where every field of it has a value: one that loses a field loses the term.
    private static async Task ForgetTermsAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, IndexPlan plan, PersonDue due, CancellationToken ct)
    {
        int[] indexes = [.. plan.Indexes.Where(index => index.Definition.Parts.Any(part => due.Fields.Contains(part.Field.Id))).Select(index => index.Definition.Id)];
        if (indexes.Length == 0) return;
        await IndexPlans.HoldAsync(connection, transaction, plan, ct);
        await using var batch = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands = { ProfileTables.Release([due.Record.Subject], indexes), ProfileTables.RemoveTerms(due.Record.Subject, indexes) },
        };
        await batch.ExecuteNonQueryAsync(ct);
    }

    // SPEC log-entry §18
    private LogEntry Entry(PersonDue due, SubjectKeys held) =>
        log.Entry(EntryType.RetentionSwept, IndexedValues.Keeper, held.Tag, IndexedValues.Purpose, EntryResult.Ok, [.. due.Items.Select(item => item.Code).Distinct().Order()]) with
        {
            Rules = [.. due.Items.Select(item => "retention:" + item.Retention).Distinct().Order(StringComparer.Ordinal)],
        };
}
