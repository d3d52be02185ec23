using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>The points at which the erasure of a part may be cut off and taken up again.</summary>
internal enum PartialStep { SuccessorMade, PartDeleted, KeyReplaced, PartSettled, HoldsEnded }

/// <summary>
/// Erases of a person what no hold keeps, at once, and what is left as soon as fewer holds keep it; when none keeps anything the erasure goes on as a whole.
/// <code>
/// work, partial ──(1)──> successor ──(2)──> remainder ──(3)──> old key gone ──(4)──> part executed ──┬── a hold ends in part ──> (1)
///                                                                                                   └── no hold is left ──(5)──> work, whole
/// (1) a next key of the person is made, kept under the one that it replaces
/// (2) one transaction: what is held is sealed under the next key, everything else goes; key.rotate in the log
/// (3) a line in the tombstone journal; one transaction of the keys database: the next key takes the place of the old one, whose page is keyed anew
/// (4) accounts removed, erase.executed for the items of the part in the log
/// (5) no way back from here
/// </code>
/// INVARIANT: between (2) and (3) the remainder opens through the successor alone, which (3) installs; nothing is lost wherever it stops.
/// INVARIANT: a hold that is placed before (2) is respected, for both lock the person's row; one that comes later keeps what is still there.
/// </summary>
internal sealed class PartialErasure(RequestStore store, KeyRegistry keys, Remainder remainder, ErasureNotebook notebook, ErasureAftermath aftermath, ActivePolicy policy)
{
    /// <summary>Called after each step; a test cuts off here.</summary>
    internal Action<PartialStep> StepDone { get; set; } = static _ => { };

    public PolicySet Policy => policy.Current;

    /// <summary>Codes of the items that holds keep from being erased.</summary>
    public IReadOnlyList<int> KeptBy(DecisionFacts facts) => [.. policy.Current.Items.Where(facts.Keeps).Select(item => item.Code).Order()];

    /// <summary>The facts of a record that is what was last written; null when it is not.</summary>
    public async Task<DecisionFacts?> TryFactsAsync(SealedRecord record, SubjectKeys held, CancellationToken cancellation)
    {
        await keys.MatchAsync(held, record, cancellation);
        try
        {
            return remainder.Facts(record, held);
        }
        catch (Exception e) when (e is CryptographicException or InvalidDataException)
        {
            return null;
        }
    }

    // What is gone does not come back when a later hold names it.
    private List<int> LeftOf(ErasureWork work, DecisionFacts facts) => [.. KeptBy(facts).Where(code => work.Kept?.Contains(code) ?? true)];

    /// <summary>Goes as far as the holds allow; the work of the row that it returns is partial no longer when nothing is held any more.</summary>
    public async Task<RequestRow> RunAsync(RequestRow row, SubjectId subject, CancellationToken cancellation)
    {
        row = await SettleAsync(row, subject, cancellation);
        var record = await remainder.RecordAsync(subject, cancellation);
        var work = notebook.Open(row);
        using var from = await keys.GetFreshAsync(subject, cancellation);
        var kept = LeftOf(work, await FactsAsync(record, from, cancellation));
        if (work.Kept?.SequenceEqual(kept) == true) return row;
        if (kept.Count == 0) return await EndAsync(row, from, cancellation);
        using var to = await keys.SuccessorAsync(from, cancellation);
        StepDone(PartialStep.SuccessorMade);
        row = await DeletePartAsync(row, (from, to), cancellation);
        remainder.Committed(to);
        StepDone(PartialStep.PartDeleted);
        return await SettleAsync(row, subject, cancellation);
    }

    // (2)
    private Task<RequestRow> DeletePartAsync(RequestRow row, (SubjectKeys From, SubjectKeys To) pair, CancellationToken cancellation) =>
        store.TransactAsync(async (connection, transaction) =>
        {
            var subject = pair.From.Subject;
            var current = await store.LockAsync(connection, row.Id, cancellation);
            var record = await SubjectRows.LockAsync(connection, transaction, subject, cancellation) ?? throw VaultException.NotFound();
            var work = notebook.Open(current);
            // Another process was quicker: its key is in the row, and this one's is not.
            if (record.KeyVersion != pair.From.KeyVersion) return work.Kept is null ? throw VaultException.Unavailable() : current;
            var facts = remainder.Facts(record, pair.From);
            var kept = LeftOf(work, facts);
            if (kept.Count == 0 || work.Kept?.SequenceEqual(kept) == true) return current;
            var cut = new RemainderCut(record, pair, facts, current.Id, work.Pseudonyms, kept.ToHashSet());
            var left = await remainder.CutAsync(connection, transaction, cut, cancellation);
            var told = work.Kept is null ? await aftermath.TellAsync(new DutyWork(connection, transaction, cancellation), current, subject, work) : [];
            var gone = (work.Kept ?? [.. policy.Current.Items.Select(item => item.Code)]).Except(kept).Order().ToList();
            work = work with { Kept = kept, PartSettled = false, PartGone = gone, PartBuried = left.Buried.ToArray(), Commitment = pair.From.Commitment };
            current = current with { Reason = RequestReasons.OnHold, Notes = null, Evidence = null, PackageKey = null, Work = notebook.Seal(current.Id, work) };
            current = current with { Course = current.Course with { AnsweredAt = current.Course.AnsweredAt ?? store.Now } };
            var entry = store.Entry(EntryType.RequestChange, SubjectErasure.Eraser, current, work.Tag, current.Id);
            var saved = await store.SaveAsync(connection, transaction, current, [.. told, .. remainder.TellOf(left, entry, pair.To), entry], cancellation);
            await ErasureRows.DeleteDetailsAsync(connection, subject, cancellation);
            return saved;
        }, cancellation);

    // (3) and (4)
    private async Task<RequestRow> SettleAsync(RequestRow row, SubjectId subject, CancellationToken cancellation)
    {
        if (notebook.Open(row) is not { Kept: { } kept, PartSettled: false, Commitment: var destroyed }) return row;
        var part = new PartialTombstone(new Tombstone(notebook.TombstoneHash(subject), destroyed, store.Now), kept);
        await keys.SucceedAsync(subject, (await remainder.RecordAsync(subject, cancellation)).KeyVersion, [part], cancellation);
        StepDone(PartialStep.KeyReplaced);
        await aftermath.RemoveAccountsAsync(subject, cancellation);
        var settled = await store.TransactAsync(async (connection, transaction) =>
        {
            var current = await store.LockAsync(connection, row.Id, cancellation);
            if (current.Work is null || notebook.Open(current) is not { PartSettled: false } work) return current;
            var executed = store.Entry(EntryType.EraseExecuted, SubjectErasure.Eraser, current, work.Tag, current.Id) with
            {
                KeyCommitment = work.Commitment,
                Reference = work.RequestedIndex,
                Items = work.PartGone,
                Seal = work.PartBuried,
            };
            await ErasureRows.NoteAsync(connection, [part.Name], part.Of.At, cancellation);
            work = work with { PartSettled = true, PartGone = [], PartBuried = [] };
            var saved = await store.SaveAsync(connection, transaction, current with { Work = notebook.Seal(current.Id, work) }, executed, cancellation);
            return await store.NoteWorkAsync(connection, saved with { Work = notebook.Seal(current.Id, work with { PartExecutedIndex = saved.LogIndex }) }, cancellation);
        }, cancellation);
        StepDone(PartialStep.PartSettled);
        return settled;
    }

    // INVARIANT: what holds keep is read only from a record that matches its seal; somebody who changes facts in the database ends no hold.
    private async Task<DecisionFacts> FactsAsync(SealedRecord record, SubjectKeys held, CancellationToken cancellation)
    {
        await keys.MatchAsync(held, record, cancellation);
        return remainder.Facts(record, held);
    }

    // (5) Under the lock of the person's row: from here on no hold is taken any more.
    private async Task<RequestRow> EndAsync(RequestRow row, SubjectKeys held, CancellationToken cancellation)
    {
        var subject = held.Subject;
        var whole = await store.TransactAsync(async (connection, transaction) =>
        {
            var current = await store.LockAsync(connection, row.Id, cancellation);
            var record = await SubjectRows.LockAsync(connection, transaction, subject, cancellation) ?? throw VaultException.NotFound();
            var work = notebook.Open(current);
            if (!work.Partial || LeftOf(work, await FactsAsync(record, held, cancellation)).Count > 0) return current;
            current = current with { Reason = null, Work = notebook.Seal(current.Id, work with { Partial = false }) };
            await SubjectRows.CloseAsync(connection, subject, cancellation);
            var entry = store.Entry(EntryType.RequestChange, SubjectErasure.Eraser, current, work.Tag, current.Id, "request:erasure:holds-ended");
            return await store.SaveAsync(connection, transaction, current, entry, cancellation);
        }, cancellation);
        StepDone(PartialStep.HoldsEnded);
        return whole;
    }
}

/// <summary>What is cut down, to what, under which keys.</summary>
internal sealed record RemainderCut(
    SealedRecord Record, (SubjectKeys From, SubjectKeys To) Keys, DecisionFacts Facts, Guid Request, IReadOnlyDictionary<string, string> Pseudonyms, IReadOnlySet<int> Kept);

/// <summary>What is left, as the log tells of it.</summary>
/// <param name="Buried">Digest over all events as they were sealed before; empty when there were none.</param>
/// <param name="History">Versions and hashes of the rows of the history that are left.</param>
/// <param name="EventLeaves">Over the events that are left; empty when there are none.</param>
internal sealed record RemainderLeft(
    SealedRecord Record, ReadOnlyMemory<byte> Buried, IReadOnlyList<(long Version, byte[] Hash)> History, ReadOnlyMemory<byte> EventLeaves);

/// <summary>Cuts what is stored of a person down to what is held, sealed under the person's next key.</summary>
internal sealed class Remainder(VaultDatabase database, RecordCipher cipher, ActivePolicy policy, VaultClock clock)
{
    public async Task<SealedRecord> RecordAsync(SubjectId subject, CancellationToken cancellation) =>
        await SubjectRows.FindAsync(database, subject, cancellation) ?? throw VaultException.NotFound();

    public byte[] Digest(SealedRecord record) => cipher.Digest(record);

    /// <summary>What was cut down is committed.</summary>
    public void Committed(SubjectKeys next) => cipher.Committed(next);

    /// <exception cref="System.Security.Cryptography.CryptographicException">The record is not what was last written.</exception>
    public DecisionFacts Facts(SealedRecord record, SubjectKeys held)
    {
        cipher.Verify(record, held);
        return FactsCodec.Decode(record.Facts);
    }

    // SPEC log-entry §14: the new key with the record that it seals, then each row that is left and was sealed anew.
    public List<LogEntry> TellOf(RemainderLeft left, LogEntry about, SubjectKeys next)
    {
        var rekeyed = about with { Type = EntryType.KeyRotate };
        List<LogEntry> entries = [rekeyed with { KeyCommitment = next.Commitment, Seal = Digest(left.Record), RecordVersion = left.Record.RowVersion }];
        entries.AddRange(left.History.Select(row => rekeyed with { RecordVersion = row.Version, DetailHash = row.Hash }));
        if (!left.EventLeaves.IsEmpty) entries.Add(about with { Type = EntryType.EventAppend, Seal = left.EventLeaves });
        return entries;
    }

    /// <summary>Under what names analytics know the person, by schema.</summary>
    public IReadOnlyDictionary<string, string> Pseudonyms(SubjectKeys held, KeyRegistry keys) =>
        AnalyticsRows.PseudonymsOf(held, keys, policy.Current).ToDictionary(p => p.Domain.Schema, p => p.Pseudonym);

    public async Task<RemainderLeft> CutAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, RemainderCut cut, CancellationToken cancellation)
    {
        // Consents and objections are about uses that have ended, and nobody looks after the person any more; who may still reach what is left stays as it was.
        var facts = new DecisionFacts([], [], cut.Facts.Restricted, OnHold: false) { Holds = cut.Facts.Holds, Remainder = true, Traits = cut.Facts.Traits };
        var record = cipher.Carry(cut.Record, cut.Keys, FactsCodec.Encode(facts), cut.Kept.Contains);
        var buried = await EventLeaves.BuryAsync(connection, transaction, record.Subject, cut.Keys.From.Commitment, cancellation);
        var leaves = await CutEventsAsync(connection, cut, cancellation);
        var history = await CutHistoryAsync(connection, cut, cancellation);
        await ErasureRows.DeleteUnheldAsync(connection, record.Subject, cut.Request, cut.Pseudonyms, clock.Now, cancellation);
        await SubjectRows.UpdateAsync(connection, transaction, record, clock.Now, cancellation);
        return new RemainderLeft(record, buried, history, leaves);
    }

    private async Task<ReadOnlyMemory<byte>> CutEventsAsync(NpgsqlConnection connection, RemainderCut cut, CancellationToken cancellation)
    {
        var subject = cut.Record.Subject;
        var types = policy.Current.Events.Types.Where(type => cut.Kept.Contains(type.Code)).ToDictionary(type => type.Id);
        await Rows.ExecuteAsync(connection, "delete from vault.event where subject_id = $1 and not event_type = any($2)", cancellation, subject.Value, types.Keys.ToArray());
        await using var select = new NpgsqlCommand("delete from vault.event where subject_id = $1 returning event_id, event_type, occurred_at, recorded_at, sealed", connection)
        {
            Parameters = { new() { Value = subject.Value } },
        };
        var (batch, leaves) = (clock.NewId(), new List<byte[]>());
        foreach (var (id, type, occurred, recorded, content) in await Rows.ReadAsync(
            select, row => (row.GetGuid(0), row.GetInt32(1), row.GetFieldValue<DateTimeOffset>(2), row.GetFieldValue<DateTimeOffset>(3), row.GetFieldValue<byte[]>(4)), cancellation))
        {
            var carried = cipher.CarryEvent(types[type], id, content, cut.Keys);
            leaves.Add(EventLeaves.Of(subject, id, type, occurred, recorded, carried));
            await Rows.ExecuteAsync(
                connection,
                "insert into vault.event (subject_id, event_id, event_type, occurred_at, recorded_at, key_version, sealed, batch) values ($1, $2, $3, $4, $5, $6, $7, $8)",
                cancellation, subject.Value, id, type, occurred.UtcDateTime, recorded.UtcDateTime, cut.Keys.To.KeyVersion, carried, batch);
        }

        return leaves.Count == 0 ? ReadOnlyMemory<byte>.Empty : EventLeaves.Digest(leaves);
    }

    private async Task<IReadOnlyList<(long, byte[])>> CutHistoryAsync(NpgsqlConnection connection, RemainderCut cut, CancellationToken cancellation)
    {
        var subject = cut.Record.Subject;
        await using var select = new NpgsqlCommand("delete from vault.history where subject_id = $1 returning row_version, changed_at, sealed", connection) { Parameters = { new() { Value = subject.Value } } };
        var rows = await Rows.ReadAsync(select, row => (Version: row.GetInt64(0), At: row.GetFieldValue<DateTimeOffset>(1), Sealed: row.GetFieldValue<byte[]>(2)), cancellation);
        var left = new List<(long, byte[])>();
        foreach (var (version, at, content) in rows.OrderBy(row => row.Version))
        {
            if (cipher.CarryHistory(content, version, cut.Keys, cut.Kept.Contains) is not { Length: > 0 } carried) continue;
            left.Add((version, ProfileTables.HistoryHash(at, carried)));
            await Rows.ExecuteAsync(
                connection, "insert into vault.history (subject_id, row_version, changed_at, key_version, sealed) values ($1, $2, $3, $4, $5)", cancellation,
                subject.Value, version, at.UtcDateTime, cut.Keys.To.KeyVersion, carried);
        }

        return left;
    }
}
