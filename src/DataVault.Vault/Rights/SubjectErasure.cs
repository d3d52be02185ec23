using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Whoever keeps accounts that belong to a customer (the issuer does) removes them when the customer is erased. Called at least once;
/// removing what is gone already is no error.
/// </summary>
public interface ISubjectAccounts
{
    Task RemoveForSubjectAsync(Guid subject, CancellationToken cancellation);
}

/// <summary>The points at which an erasure may be cut off and taken up again.</summary>
internal enum ErasureStep { Requested, KeyDestroyed, AccountsRemoved, RowsDeleted, Certified }

/// <summary>
/// Erases a person, in steps that each leave a durable mark and may each be repeated:
/// <code>
/// approved, no work ──(1)──> work ──(2)──> key destroyed ──(3)──> accounts gone ──(4)──> closed row ──(5)──> certificate
/// (1) tag, commitment and pseudonyms noted down, erase.request in the log: one transaction
/// (2) tombstone in the journal, key destroyed, neighbours' page re-keyed (<see cref="KeyRegistry"/>)
/// (3) accounts removed wherever they are kept
/// (4) every row of the person deleted, erase.executed in the log: one transaction
/// (5) certificate signed once a checkpoint covers (4)
/// </code>
/// INVARIANT: from (2) on nothing of the person can be read, whatever else still stands; from (1) on there is no way back.
/// </summary>
internal sealed class SubjectErasure(
    RequestStore store, KeyRegistry keys, ErasureNotebook notebook, PolicySet policy, IEnumerable<ISubjectAccounts> accounts, ErasureCertificates certificates)
{
    internal static readonly Recipient Eraser = Recipient.Process("rights-erasure", SubjectRequests.Purpose);

    /// <summary>Called after each step; a test cuts the erasure off here.</summary>
    internal Action<ErasureStep> StepDone { get; set; } = static _ => { };

    /// <summary>Goes on from wherever the request stands; returns the row as it then is.</summary>
    public async Task<RequestRow> RunAsync(RequestRow row, CancellationToken cancellation)
    {
        if (row.Subject is { } subject)
        {
            if (row.Work is null) row = await RequestAsync(row, subject, cancellation);
            if (row.Work is null || row.Subject is null) return row;
            await keys.DestroyAsync(subject, cancellation);
            StepDone(ErasureStep.KeyDestroyed);
            foreach (var keeper in accounts) await keeper.RemoveForSubjectAsync(subject.Value, cancellation);
            StepDone(ErasureStep.AccountsRemoved);
            row = await ExecuteAsync(row, subject, cancellation);
        }
        row = await certificates.IssueAsync(row, cancellation);
        StepDone(ErasureStep.Certified);
        return row;
    }

    // (1) The hold and the policy are asked under a lock of the person's row, so that neither changes between the question and the mark.
    private async Task<RequestRow> RequestAsync(RequestRow row, SubjectId subject, CancellationToken cancellation)
    {
        var known = await keys.GetManyFreshAsync([subject], cancellation);
        if (known.Count == 0) return await CloseLeftoversAsync(row, subject, cancellation);
        using var held = known[0];
        var tag = held.Tag.ToArray();
        var pseudonyms = AnalyticsRows.PseudonymsOf(held, keys, policy).ToDictionary(p => p.Domain.Schema, p => p.Pseudonym);
        var result = await store.TransactAsync(async (connection, transaction) =>
        {
            var current = await RequestStore.LockAsync(connection, row.Id, cancellation);
            if (current.State != RequestStates.Approved || current.Work is not null) return current;
            var record = await SubjectRows.LockAsync(connection, transaction, subject, cancellation) ?? throw VaultException.NotFound();
            if (Obstacle(subject, FactsCodec.Decode(record.Facts)) is { } obstacle) return await DeferAsync(connection, transaction, current, tag, obstacle, cancellation);
            await keys.MatchAsync(held, record, cancellation);
            var commitment = held.Commitment;
            // INVARIANT: whoever holds this person's key by now opens nothing with it from here on, told or not told of its destruction.
            await SubjectRows.CloseAsync(connection, subject, cancellation);
            var entry = store.Entry(EntryType.EraseRequest, Eraser, current, tag, row.Id) with { KeyCommitment = commitment };
            var saved = await store.SaveAsync(connection, transaction, current with { Reason = null }, entry, cancellation);
            var work = new ErasureWork(tag, commitment, saved.LogIndex, pseudonyms, 0, new Dictionary<string, long>());
            saved = saved with { Work = notebook.Seal(row.Id, work) };
            await ErasureRows.NoteAsync(connection, subject, saved, cancellation);
            return saved;
        }, cancellation);
        if (result.Work is not null) StepDone(ErasureStep.Requested);
        return result;
    }

    // A restored backup brings back requests of people who are erased already: they are closed like the others. While another request carries the
    // erasure out, this one waits to be closed by it: that one alone knows the pseudonyms.
    private async Task<RequestRow> CloseLeftoversAsync(RequestRow row, SubjectId subject, CancellationToken cancellation)
    {
        await store.TransactAsync(async (connection, _) =>
        {
            if (await ErasureRows.IsUnderWayAsync(connection, subject, cancellation)) return false;
            await ErasureRows.DeleteAsync(connection, subject, notebook.TombstoneHash(subject), Guid.Empty, new Dictionary<string, string>(), store.Now, cancellation);
            return true;
        }, cancellation);
        return await store.FindAsync(row.Id, cancellation) ?? row;
    }

    /// <summary>Why the person may not be erased now: a hold, or a policy that does not permit it; null when nothing stands against it.</summary>
    private string? Obstacle(SubjectId subject, DecisionFacts facts)
    {
        if (facts.OnHold) return RequestReasons.OnHold;
        var decision = RightsDecision.Of(policy, Eraser, subject, AccessAction.Erase, facts, store.Now);
        return decision.Items.FirstOrDefault(item => item.Permit is null)?.Reason ?? (Decider.Unmet(decision, justification: null) is null ? null : Reasons.NotPermitted);
    }

    private async Task<RequestRow> DeferAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, RequestRow row, byte[] tag, string obstacle, CancellationToken cancellation)
    {
        if (row.Reason == obstacle) return row;
        row = row with { Reason = obstacle };
        return await store.SaveAsync(connection, transaction, row, store.Entry(EntryType.RequestChange, Eraser, row, tag, row.Id), cancellation);
    }

    // (4) The tag and the pseudonyms come from the work, since the keys that they were made from are gone.
    private async Task<RequestRow> ExecuteAsync(RequestRow row, SubjectId subject, CancellationToken cancellation)
    {
        var work = notebook.Open(row);
        var closed = await store.TransactAsync(async (connection, transaction) =>
        {
            await RequestStore.LockAsync(connection, row.Id, cancellation);
            var buried = await EventLeaves.BuryAsync(connection, transaction, subject, work.Commitment, cancellation);
            var erased = await ErasureRows.DeleteAsync(connection, subject, notebook.TombstoneHash(subject), row.Id, work.Pseudonyms, store.Now, cancellation);
            var entry = store.Entry(EntryType.EraseExecuted, Eraser, row, work.Tag, row.Id) with
            {
                KeyCommitment = work.Commitment,
                Reference = work.RequestedIndex,
                Seal = buried,
            };
            var index = await store.AppendAsync(connection, transaction, entry, cancellation);
            var done = work with { ExecutedIndex = index, Erased = erased, Pseudonyms = new Dictionary<string, string>() };
            var result = row with { Subject = null, LogIndex = index, Notes = null, PackageKey = null, Work = notebook.Seal(row.Id, done) };
            await ErasureRows.NoteClosedAsync(connection, result, cancellation);
            return result;
        }, cancellation);
        StepDone(ErasureStep.RowsDeleted);
        return closed;
    }
}

/// <summary>Every row that a person has in the database <c>vault</c>, wherever it lies.</summary>
internal static class ErasureRows
{
    // INVARIANT: the record goes first; whoever writes for the person holds its row, so that nothing is written behind the deletion.
    // A table that keeps anything of a person stands here or in the analytics domains; a test compares this list with the schema.
    private static readonly (string Table, string Counted)[] Tables =
    [
        ("vault.subject", "records"), ("vault.history", "history-versions"), ("vault.identifier", "identifiers"), ("vault.search_term", "search-terms"), ("vault.event", "events"),
        ("vault.consent_event", "consent-events"), ("audit.detail", "log-details"), ("vault.feed_queue", "queue-rows"), ("vault.hold_subject", "holds"),
    ];

    private static readonly string[] AnalyticsTables = ["customer", "purchase", "interaction"];

    public static IEnumerable<string> SubjectTables => Tables.Select(t => t.Table).Append("vault.request");

    public static async Task NoteAsync(NpgsqlConnection connection, SubjectId subject, RequestRow row, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("UPDATE vault.request SET work = $3 WHERE subject_id = $1 AND request_id = $2", connection)
        {
            Parameters = { new() { Value = subject.Value }, new() { Value = row.Id }, new() { Value = row.Work! } },
        };
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Whether a request of the person has the work of an erasure noted down that is not done.</summary>
    public static async Task<bool> IsUnderWayAsync(NpgsqlConnection connection, SubjectId subject, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT EXISTS (SELECT FROM vault.request WHERE subject_id = $1 AND work IS NOT NULL)", connection)
        {
            Parameters = { new() { Value = subject.Value } },
        };
        return await command.ExecuteScalarAsync(cancellation) is true;
    }

    public static async Task NoteClosedAsync(NpgsqlConnection connection, RequestRow row, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("UPDATE vault.closed_request SET work = $2, log_index = $3 WHERE request_id = $1", connection)
        {
            Parameters = { new() { Value = row.Id }, new() { Value = row.Work! }, new() { Value = row.LogIndex } },
        };
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Deletes them all and leaves of each request a row that names nobody; tells how many rows of what there were.</summary>
    public static async Task<IReadOnlyDictionary<string, long>> DeleteAsync(
        NpgsqlConnection connection, SubjectId subject, byte[] tombstone, Guid request, IReadOnlyDictionary<string, string> pseudonyms, DateTimeOffset now,
        CancellationToken cancellation)
    {
        await using var batch = new NpgsqlBatch(connection);
        foreach (var (table, _) in Tables)
            batch.BatchCommands.Add(Command($"DELETE FROM {table} WHERE subject_id = $1", subject.Value));
        foreach (var (schema, pseudonym) in pseudonyms)
            foreach (var table in AnalyticsTables)
                batch.BatchCommands.Add(Command($"DELETE FROM \"{schema}\".{table} WHERE pseudonym = $1", pseudonym));
        batch.BatchCommands.Add(Command("INSERT INTO vault.tombstone (subject_hash, at) VALUES ($1, $2) ON CONFLICT DO NOTHING", tombstone, now));
        batch.BatchCommands.Add(Command(CloseRequests, subject.Value, request, now));
        batch.BatchCommands.Add(Command("DELETE FROM vault.request WHERE subject_id = $1", subject.Value));
        await batch.ExecuteNonQueryAsync(cancellation);
        var counts = Tables.Select((t, i) => (t.Counted, (long)batch.BatchCommands[i].RecordsAffected)).ToDictionary();
        counts["analytics-rows"] = Enumerable.Range(Tables.Length, pseudonyms.Count * AnalyticsTables.Length).Sum(i => (long)batch.BatchCommands[i].RecordsAffected);
        counts["requests"] = (long)batch.BatchCommands[^1].RecordsAffected;
        return counts;
    }

    // What is left of a request: which right, when, how it ended. The one that is being carried out stays approved until its certificate stands.
    private const string CloseRequests =
        """
        INSERT INTO vault.closed_request (request_id, kind, state, jurisdiction, opened_at, due_at, extended_at, completed_at, reason, opened_by, log_index)
        SELECT request_id, kind,
               CASE WHEN request_id = $2 OR state IN ('refused', 'completed') THEN state WHEN kind = 'erasure' THEN 'completed' ELSE 'refused' END,
               jurisdiction, opened_at, due_at, extended_at, CASE WHEN request_id = $2 THEN NULL ELSE coalesce(completed_at, $3) END,
               CASE WHEN request_id = $2 OR state IN ('refused', 'completed') THEN reason ELSE 'subject-erased' END, opened_by, log_index
        FROM vault.request WHERE subject_id = $1
        """;

    private static NpgsqlBatchCommand Command(string sql, params object[] values)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var value in values) command.Parameters.Add(new NpgsqlParameter { Value = value });
        return command;
    }
}
