using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Tells what is wrong from what is under way. A check looks at one state of the vault database, and at keys that go on meanwhile: somebody who is erased,
/// erased in part or renewed in between seems damaged then. So each is looked at once more as things are at this moment:
/// <code>
/// row gone, or closed with an erasure noted and logged  ->  erased, or being erased: a note
/// it is sealed under a successor that waits              ->  being erased in part: a note
/// everything opens                                       ->  renewed or changed meanwhile: nothing
/// otherwise, several times in a row                      ->  wrong
/// </code>
/// </summary>
internal sealed class SecondLook(VaultDatabase database, KeysDatabase keysDatabase, KeyRegistry keys, RecordCipher cipher, ErasuresUnderWay erasures, ActivePolicy policy)
{
    private const int Looks = 4;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    /// <summary>As <see cref="RecordCipher.IsIntact"/>, under the version that the record names.</summary>
    public bool IsIntact(SealedRecord record, SubjectKeys held)
    {
        if (!held.Has(record.KeyVersion)) return false;
        held.Select(record.KeyVersion);
        return cipher.IsIntact(record, held);
    }

    /// <summary>False when it does not open; one whose type the policy does not know cannot be told.</summary>
    public bool IsIntact(EventRow row, SubjectKeys held) => policy.Current.Events.ById(row.TypeId) is not { } type || cipher.IsIntactEvent(held, type, row.Id, row.Sealed);

    /// <summary>Reports of a person what the first look found, unless there is another reason for it.</summary>
    public async Task JudgeAsync(CheckRun run, SubjectId subject, IEnumerable<CheckFinding> findings, CancellationToken ct)
    {
        for (var look = 1; look <= Looks; look++)
        {
            var record = await RowAsync(subject, ct);
            var underWay = record is null or { KeyVersion: SubjectRows.Closed } ? await IsBeingErasedAsync(subject, record, ct) : await WaitsForSuccessorAsync(record, ct);
            if (underWay) run.Note($"The erasure of {subject} is under way.");
            if (underWay || record is not null && await OpensAsync(record, ct)) return;
            await Task.Delay(Pause, ct);
        }

        foreach (var finding in findings) run.Wrong(finding.Check, finding.Message);
    }

    /// <summary>The same of pseudonyms that no key at hand gives.</summary>
    public async Task JudgeStrangersAsync(CheckRun run, List<(string Table, string Pseudonym)> strangers, CancellationToken ct)
    {
        if (strangers.Count == 0) return;
        var leaving = (await erasures.ListAsync(ct)).SelectMany(one => one.Work.Pseudonyms.Values).ToHashSet(StringComparer.Ordinal);
        foreach (var (table, pseudonym) in strangers.Where(one => !leaving.Contains(one.Pseudonym)))
        {
            await using var command = database.Source.CreateCommand($"select exists (select from {table} where pseudonym = $1)");
            command.Parameters.Add(new() { Value = pseudonym });
            if (await command.ExecuteScalarAsync(ct) is true) run.Wrong("analytics", $"{table} has rows of {pseudonym}, who is nobody");
        }
    }

    /// <summary>By which tags the log knows them, as far as their keys open.</summary>
    public async Task<List<(string Tag, SubjectId Subject)>> TagsAsync(IReadOnlyList<SubjectId> people, CancellationToken ct)
    {
        var tags = new List<(string, SubjectId)>();
        foreach (var held in await keys.GetManyFreshAsync(people, [], ct))
        {
            using (held) tags.Add((Convert.ToHexString(held.Tag.Span), held.Subject));
        }

        return tags;
    }

    /// <summary>Whether a part of somebody is deleted of which the log does not tell yet.</summary>
    public async Task<bool> IsPartUnderWayAsync(CancellationToken ct) => (await erasures.ListAsync(ct)).Exists(one => one.Work is { Partial: true, Kept: not null, PartSettled: false });

    private async Task<SealedRecord?> RowAsync(SubjectId subject, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {SubjectRows.Columns} from vault.subject where subject_id = $1");
        command.Parameters.Add(new() { Value = subject.Value });
        return (await Rows.ReadAsync(command, SubjectRows.Read, ct)).FirstOrDefault();
    }

    // A row that is gone was deleted by an erasure, or by somebody: the comparison with the log tells which. One that was closed must have its erasure.
    private async Task<bool> IsBeingErasedAsync(SubjectId subject, SealedRecord? record, CancellationToken ct) => record is null || await erasures.IncludesAsync(subject, ct);

    private async Task<bool> WaitsForSuccessorAsync(SealedRecord record, CancellationToken ct)
    {
        await using var command = keysDatabase.Source.CreateCommand("select successor from keys.subject_key where subject_id = $1");
        command.Parameters.Add(new() { Value = record.Subject.Value });
        return await command.ExecuteScalarAsync(ct) is byte[] successor && SealedValue.KeyVersionOf(successor) == record.KeyVersion;
    }

    private async Task<bool> OpensAsync(SealedRecord record, CancellationToken ct)
    {
        if (await keys.GetManyFreshAsync([record.Subject], ct) is not [var held]) return false;
        using var disposed = held;
        if (!IsIntact(record, held)) return false;
        await using var history = database.Source.CreateCommand("select sealed from vault.history where subject_id = $1");
        history.Parameters.Add(new() { Value = record.Subject.Value });
        await using var events = database.Source.CreateCommand("select subject_id, event_id, event_type, occurred_at, sealed from vault.event where subject_id = $1");
        events.Parameters.Add(new() { Value = record.Subject.Value });
        return (await Rows.ReadAsync(history, row => row.GetFieldValue<byte[]>(0), ct)).TrueForAll(row => cipher.IsIntactHistory(held, row))
            && (await Rows.ReadAsync(events, EventRows.Read, ct)).TrueForAll(row => IsIntact(row, held));
    }
}
