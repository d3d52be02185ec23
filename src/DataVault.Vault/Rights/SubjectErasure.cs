using System.Security.Cryptography;
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
    /// <summary>Whatever it has of that person: the account, and what hangs on it.</summary>
    Task RemoveForSubjectAsync(Guid subject, CancellationToken cancellation);

    /// <summary>Whether there is one of that person.</summary>
    Task<bool> HasForSubjectAsync(Guid subject, CancellationToken cancellation);

    /// <summary>Every account that belongs to a customer, as the database has it now.</summary>
    IAsyncEnumerable<LinkedAccount> ListAsync(CancellationToken cancellation);
}

/// <summary>An account that belongs to a customer.</summary>
/// <param name="Subject">The vault's customer id.</param>
/// <param name="CreatedAt">When the account was made.</param>
public sealed record LinkedAccount(Guid Subject, DateTimeOffset CreatedAt);

/// <summary>The points at which an erasure may be cut off and taken up again.</summary>
internal enum ErasureStep { Requested, KeyDestroyed, AccountsRemoved, RowsDeleted, Certified }

/// <summary>
/// Erases a person, in steps that each leave a durable mark and may each be repeated:
/// <code>
/// approved, no work ──(1)──> work ──(2)──> key destroyed ──(3)──> accounts gone ──(4)──> closed row ──(5)──> certificate ──> final
/// (1) tag, commitment and pseudonyms noted down, erase.request in the log: one transaction
///     where a hold keeps something: everything else is erased first, and the rest once the last hold on it ends (<see cref="PartialErasure"/>)
/// (2) tombstone in the journal, key destroyed, neighbours' page re-keyed (<see cref="KeyRegistry"/>)
/// (3) accounts removed wherever they are kept
/// (4) every row of the person deleted, erase.executed in the log: one transaction
/// (5) certificate signed once a checkpoint covers (4); a second one when the erasure is final (<see cref="ErasureFinality"/>)
/// </code>
/// INVARIANT: from (2) on nothing of the person can be read, whatever else still stands; from (1) on there is no way back.
/// </summary>
internal sealed class SubjectErasure(
    RequestStore store, KeyRegistry keys, ErasureNotebook notebook, PartialErasure part, ErasureAftermath aftermath, ErasureCertificates certificates)
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
            if (notebook.Open(row).Partial) row = await ContinueAsync(row, subject, cancellation);
            if (notebook.Open(row).Partial)
            {
                await certificates.IssuePartAsync(row, cancellation);
                return row;
            }

            // The key may have been damaged since (1), or an officer may have ordered the erasure because it was.
            var destroyed = await keys.DestroyAsync(subject, notebook.Open(row).Commitment, cancellation);
            StepDone(ErasureStep.KeyDestroyed);
            await aftermath.RemoveAccountsAsync(subject, cancellation);
            StepDone(ErasureStep.AccountsRemoved);
            row = await ExecuteAsync(row, subject, destroyed, cancellation);
        }
        row = await certificates.IssueAsync(row, cancellation);
        StepDone(ErasureStep.Certified);
        return row;
    }

    // (1) The hold and the policy are asked under a lock of the person's row, so that neither changes between the question and the mark.
    private async Task<RequestRow> RequestAsync(RequestRow row, SubjectId subject, CancellationToken cancellation)
    {
        var damaged = new List<SubjectId>();
        var known = await keys.GetManyFreshAsync([subject], damaged, cancellation);
        if (damaged.Count > 0) return await DeferDamagedAsync(row, subject, cancellation);
        if (known.Count == 0) return await CloseLeftoversAsync(row, subject, cancellation);
        using var held = known[0];
        var tag = held.Tag.ToArray();
        var pseudonyms = AnalyticsRows.PseudonymsOf(held, keys, part.Policy).ToDictionary(p => p.Domain.Schema, p => p.Pseudonym);
        IReadOnlyList<SuppressionMark> marks = [];
        var result = await store.TransactAsync(async (connection, transaction) =>
        {
            var current = await store.LockAsync(connection, row.Id, cancellation);
            if (current.State != RequestStates.Approved || current.Work is not null) return current;
            var record = await SubjectRows.LockAsync(connection, transaction, subject, cancellation) ?? throw VaultException.NotFound();
            var facts = await part.TryFactsAsync(record, held, cancellation);
            if (facts is null) return await DeferAsync(connection, transaction, current, tag, RequestReasons.Damaged, cancellation);
            if (Obstacle(subject, facts) is { } obstacle) return await DeferAsync(connection, transaction, current, tag, obstacle, cancellation);
            var commitment = held.Commitment;
            var kept = part.KeptBy(facts);
            var partial = kept.Count > 0;
            var duty = new DutyWork(connection, transaction, cancellation);
            marks = await aftermath.MarkAsync(duty, current, record, held);
            var letter = await aftermath.WriteAsync(duty, current, (held, tag), kept, marks);
            // INVARIANT: whoever holds this person's key by now opens nothing with it from here on, told or not told of its destruction.
            if (!partial) await SubjectRows.CloseAsync(connection, subject, cancellation);
            var entry = store.Entry(EntryType.EraseRequest, Eraser, current, tag, row.Id) with { KeyCommitment = commitment };
            var saved = await store.SaveAsync(connection, transaction, current with { Reason = null }, letter is null ? [entry] : [letter.Entry, entry], cancellation);
            await aftermath.KeepAsync(duty, letter, saved.LogIndex - 1);
            var work = new ErasureWork(tag, commitment, saved.LogIndex, pseudonyms, 0, new Dictionary<string, long>()) { Partial = partial, Marks = marks.Count };
            return await store.NoteWorkAsync(connection, saved with { Work = notebook.Seal(row.Id, work) }, cancellation);
        }, cancellation);
        await aftermath.RememberAsync(marks, cancellation);
        if (result.Work is not null) StepDone(ErasureStep.Requested);
        return result;
    }

    // What is left of somebody of whom a part is erased may be damaged too.
    private async Task<RequestRow> ContinueAsync(RequestRow row, SubjectId subject, CancellationToken cancellation)
    {
        try
        {
            return await part.RunAsync(row, subject, cancellation);
        }
        catch (CryptographicException e) when (e is not StaleKeyException)
        {
            return await DeferDamagedAsync(row, subject, cancellation);
        }
    }

    private async Task<RequestRow> DeferDamagedAsync(RequestRow row, SubjectId subject, CancellationToken cancellation)
    {
        var tag = row.Work is null ? await store.TagAsync(subject, cancellation) : notebook.Open(row).Tag;
        return await store.TransactAsync(async (connection, transaction) =>
        {
            var current = await store.LockAsync(connection, row.Id, cancellation);
            return current.State == RequestStates.Approved ? await DeferAsync(connection, transaction, current, tag, RequestReasons.Damaged, cancellation) : current;
        }, cancellation);
    }

    /// <summary>
    /// (1) for what does not open, on an officer's word: who ordered it and why stands in the log. Whatever holds the record itself named cannot be read; so none
    /// may be in force that names the person elsewhere: neither in the rows nor in the log, which keeps what somebody deleted there.
    /// </summary>
    /// <param name="officer">Who orders it.</param>
    /// <param name="row">A request that waits because of the damage.</param>
    /// <param name="why">One of <see cref="RequestReasons.DamagedOrders"/>.</param>
    /// <param name="requestId">For the log.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async Task<RequestRow> OrderAsync(Recipient officer, RequestRow row, string why, Guid requestId, CancellationToken cancellation)
    {
        var subject = store.Genuine(row).Subject ?? throw VaultException.NotFound();
        var damaged = new List<SubjectId>();
        var known = await keys.GetManyFreshAsync([subject], damaged, cancellation);
        using var held = known.Count > 0 ? known[0] : null;
        if (held is null && damaged.Count == 0) throw VaultException.InvalidState("The person's key is destroyed already; the erasure goes on by itself.");
        var logged = held is null ? await store.LoggedAsync(subject, cancellation) : new LoggedKey(held.Tag.ToArray(), held.Commitment);
        var pseudonyms = held is null ? [] : AnalyticsRows.PseudonymsOf(held, keys, part.Policy).ToDictionary(p => p.Domain.Schema, p => p.Pseudonym);
        // A person whose record does not open is placed under no further hold: what the log tells here does not change before the end.
        var told = await store.ToldHoldsAsync(cancellation);
        return await store.TransactAsync(async (connection, transaction) =>
        {
            var current = await store.LockAsync(connection, row.Id, cancellation);
            if (current is not { State: RequestStates.Approved, Kind: RequestKinds.Erasure, Reason: RequestReasons.Damaged }) throw VaultException.InvalidState("The request does not wait for this.");
            if (told.IsHeld(logged.Tag) || await ErasureRows.IsHeldAsync(connection, subject, cancellation)) throw VaultException.InvalidState("A hold in force names this person: end it first.");
            var record = await SubjectRows.LockAsync(connection, transaction, subject, cancellation) ?? throw VaultException.NotFound();
            if (held is not null && await IsReadableAsync(record, held, cancellation)) throw VaultException.InvalidState("The record opens; the erasure goes on by itself.");
            var duty = new DutyWork(connection, transaction, cancellation);
            var letter = current.Work is null ? await aftermath.WriteAsync(duty, current, (null, logged.Tag), [], []) : null;
            await SubjectRows.CloseAsync(connection, subject, cancellation);
            var ordered = store.Entry(EntryType.RequestChange, officer, current, logged.Tag, requestId, "request:erasure:damaged-ordered");
            ordered = ordered with { Rules = [.. ordered.Rules, "reason:" + why] };
            var before = current.Work is null ? null : notebook.Open(current);
            List<LogEntry> entries = letter is null ? [ordered] : [letter.Entry, ordered];
            if (before is null) entries.Add(store.Entry(EntryType.EraseRequest, Eraser, current, logged.Tag, row.Id) with { KeyCommitment = logged.Commitment });
            var saved = await store.SaveAsync(connection, transaction, current with { Reason = null }, entries, cancellation);
            await aftermath.KeepAsync(duty, letter, saved.LogIndex - entries.Count + 1);
            var work = before is null
                ? new ErasureWork(logged.Tag, logged.Commitment, saved.LogIndex, pseudonyms, 0, new Dictionary<string, long>())
                : before with { Partial = false, Commitment = logged.Commitment };
            return await store.NoteWorkAsync(connection, saved with { Work = notebook.Seal(row.Id, work with { RecordDamaged = true, KeyDamaged = held is null }) }, cancellation);
        }, cancellation);
    }

    private async Task<bool> IsReadableAsync(SealedRecord record, SubjectKeys held, CancellationToken cancellation)
    {
        try
        {
            return await part.TryFactsAsync(record, held, cancellation) is not null;
        }
        catch (StaleKeyException)
        {
            return false;
        }
    }

    // A restored backup brings back requests of people who are erased already: they are closed like the others. While another request carries the
    // erasure out, this one waits to be closed by it: that one alone knows the pseudonyms.
    private async Task<RequestRow> CloseLeftoversAsync(RequestRow row, SubjectId subject, CancellationToken cancellation)
    {
        await store.TransactAsync(async (connection, _) =>
        {
            if ((await ErasureRows.UnderWayAsync(connection, subject, cancellation)).Count > 0) return false;
            await ErasureRows.DeleteAsync(connection, subject, notebook.TombstoneHash(subject), Guid.Empty, new Dictionary<string, string>(), store.Now, cancellation);
            return true;
        }, cancellation);
        return await store.FindAsync(row.Id, cancellation) ?? row;
    }

    /// <summary>Why the person may not be erased now, but for holds on single items: a hold on everything that nothing is known of, or a policy that does not permit it.</summary>
    private string? Obstacle(SubjectId subject, DecisionFacts facts)
    {
        if (facts.OnHold) return RequestReasons.OnHold;
        var decision = RightsDecision.Of(part.Policy, Eraser, subject, AccessAction.Erase, facts with { Holds = [], Remainder = false }, store.Now);
        return decision.Items.Where(item => item.Permit is null).Select(item => item.Reason).FirstOrDefault() ?? (!Decider.IsBound(decision) ? null : Reasons.NotPermitted);
    }

    private async Task<RequestRow> DeferAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, RequestRow row, byte[] tag, string obstacle, CancellationToken cancellation)
    {
        if (row.Reason == obstacle) return row;
        row = row with { Reason = obstacle };
        return await store.SaveAsync(connection, transaction, row, store.Entry(EntryType.RequestChange, Eraser, row, tag, row.Id), cancellation);
    }

    // Said in the certificate: that nobody had read what was erased, that the commitment is the log's word, not the key's, and of how many identifiers a mark is kept.
    private static IEnumerable<KeyValuePair<string, long>> Besides(ErasureWork work)
    {
        if (work.Marks > 0) yield return new("suppression-marks", work.Marks);
        if (work.RecordDamaged) yield return new("record-unreadable", 1);
        if (work.KeyDamaged) yield return new("key-unreadable", 1);
    }

    // (4) The tag and the pseudonyms come from the work, since the keys that they were made from are gone.
    private async Task<RequestRow> ExecuteAsync(RequestRow row, SubjectId subject, KeyDestruction destroyed, CancellationToken cancellation)
    {
        var work = notebook.Open(row) with { Commitment = destroyed.Commitment, Epoch = destroyed.EpochId };
        var closed = await store.TransactAsync(async (connection, transaction) =>
        {
            var current = await store.LockAsync(connection, row.Id, cancellation);
            var buried = await EventLeaves.BuryAsync(connection, transaction, subject, work.Commitment, cancellation);
            var rows = await ErasureRows.DeleteAsync(connection, subject, notebook.TombstoneHash(subject), row.Id, work.Pseudonyms, store.Now, cancellation);
            // Nobody can compute the pseudonyms any more: the rows of all go, and the feed writes those of the living anew.
            if (work.KeyDamaged) await AnalyticsRows.RebuildAsync(connection, part.Policy.Analytics, cancellation);
            var told = work.Kept is null ? await aftermath.TellAsync(new DutyWork(connection, transaction, cancellation), row, subject, work) : [];
            var entry = store.Entry(EntryType.EraseExecuted, Eraser, row, work.Tag, row.Id);
            entry = entry with
            {
                KeyCommitment = work.Commitment,
                Reference = work.RequestedIndex,
                Rules = [.. entry.Rules, ErasureCertificate.RuleOf(work.Epoch)],
                Seal = buried,
            };
            var index = await store.AppendClosingAsync(connection, transaction, (row.Id, current.LogIndex, [.. told, entry]), cancellation);
            var erased = new Dictionary<string, long>(rows.Erased) { ["log-details"] = await ErasureRows.DeleteDetailsAsync(connection, subject, cancellation) };
            var done = work with
            {
                ExecutedIndex = index,
                Erased = erased,
                Residuals = Besides(work).Concat(rows.Residuals).ToDictionary(),
                Replayed = rows.Replayed,
                Pseudonyms = new Dictionary<string, string>(),
            };
            var result = row with { Subject = null, LogIndex = index, Notes = null, PackageKey = null, Work = notebook.Seal(row.Id, done) };
            await ErasureRows.NoteClosedAsync(connection, result, cancellation);
            return result;
        }, cancellation);
        StepDone(ErasureStep.RowsDeleted);
        return closed;
    }
}
