using DataVault.Cryptography;
using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault.Keys;

/// <summary>
/// New versions of people's keys, a page at a time:
/// <code>
/// in force v ──prepare──> in force v, beside it v+1 ──(values sealed anew)──> switch ──> in force v+1, beside it v ──(grace)──> settle ──> in force v+1
/// </code>
/// As long as two versions stand beside each other, values of both open.
/// </summary>
internal sealed partial class KeyRegistry
{
    /// <summary>
    /// Notes that a renewal begins: in the journal, then here, and by the caller in the vault database. A copy of either database from before it is known by that.
    /// </summary>
    internal async Task<RenewalMark> NoteRenewalAsync(Guid rotation, CancellationToken ct)
    {
        var mark = new RenewalMark(RenewalMark.NameOf(rotation), clock.GetUtcNow());
        await journal.AppendAsync(VaultId, mark, ct);
        await using var connection = await database.OpenAsync(ct);
        await using var epoch = new NpgsqlCommand(VaultKeyring.SelectCurrentEpoch, connection);
        var current = (int)(await epoch.ExecuteScalarAsync(ct))!;
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { Note(mark.Name, new KeyDestruction(new byte[32], 0, 0, current, mark.At)) } };
        await batch.ExecuteNonQueryAsync(ct);
        return mark;
    }

    /// <summary>
    /// Gives each member of a page a next version; one who has a second version already, or whose key does not open, keeps what he has. One whose key is about to
    /// be replaced (<see cref="SuccessorAsync"/>) is left out.
    /// </summary>
    internal Task<IReadOnlyList<SubjectId>> PrepareAsync(long page, CancellationToken ct) => ChangePageAsync(page, members => members.ConvertAll(m => (m.Wrapped, Prepared(m.Wrapped, m.Page))), ct);

    /// <summary>Puts the version in force that the people's records are sealed under by now.</summary>
    internal Task<IReadOnlyList<SubjectId>> SwitchAsync(long page, IReadOnlyDictionary<SubjectId, int> sealedUnder, CancellationToken ct) => ChangePageAsync(
        page, members => members.ConvertAll(m => (m.Wrapped, sealedUnder.TryGetValue(m.Wrapped.Subject, out var version) ? Switched(m.Wrapped, version) : m.Wrapped)), ct);

    /// <summary>
    /// Drops every version that a record is not sealed under. INVARIANT: the caller holds the locks of all these records, so that none changes its version meanwhile.
    /// </summary>
    internal Task<IReadOnlyList<SubjectId>> SettleAsync(long page, IReadOnlyDictionary<SubjectId, int> sealedUnder, CancellationToken ct) => ChangePageAsync(
        page, members => members.ConvertAll(m => (m.Wrapped, sealedUnder.TryGetValue(m.Wrapped.Subject, out var version) ? Alone(Switched(m.Wrapped, version), version) : m.Wrapped)), ct);

    /// <summary>The page after this one in the order of their numbers, and who is on it; null at the end.</summary>
    internal async Task<(long Page, List<SubjectId> Members)?> NextPageAsync(long after, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            "select page_id, subject_id from keys.subject_key where page_id = (select min(page_id) from keys.subject_key where page_id > $1)");
        command.Parameters.Add(new() { Value = after });
        var rows = await Rows.ReadAsync(command, row => (Page: row.GetInt64(0), Subject: new SubjectId(row.GetGuid(1))), ct);
        return rows.Count == 0 ? null : (rows[0].Page, rows.ConvertAll(row => row.Subject));
    }

    private async Task<IReadOnlyList<SubjectId>> ChangePageAsync(
        long page, Func<List<(WrappedKey Wrapped, SecretBytes? Page)>, List<(WrappedKey Before, WrappedKey After)>> change, CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await using (var take = TakePage(connection, page)) await take.ExecuteNonQueryAsync(ct);
        await using var select = new NpgsqlCommand(Select + " where s.page_id = $1 and s.successor is null" + LockMembers, connection) { Parameters = { new() { Value = page } } };
        var changes = change(await WithPagesAsync(await Rows.ReadAsync(select, Member, ct), connection, ct));
        var changed = changes.Where(c => !ReferenceEquals(c.Before, c.After)).Select(c => c.After).ToList();
        if (changed.Count > 0)
        {
            await using var write = new NpgsqlBatch(connection) { BatchCommands = { UpdateKeys(changed) } };
            foreach (var one in changed) AddNotice(write, one.Subject);
            await write.ExecuteNonQueryAsync(ct);
        }

        await DurabilityGuard.CommitAsync(transaction);
        foreach (var one in changed) cache.Remove(one.Subject);
        return changes.ConvertAll(c => c.After.Subject);
    }

    private WrappedKey Prepared(WrappedKey member, SecretBytes? page)
    {
        if (member.Other is not null || page is null) return member;
        using var keys = TryUnwrap(member, page, damaged: null);
        if (keys is null) return member;
        using var next = keys.Renewed(random);
        var context = SubjectContext(member.Subject, member.PageId, member.Generation, stackalloc byte[AssociatedData.Limit]);
        var other = SealedValue.Seal(page.Span, (uint)(member.KeyVersion + 1), 0, next.Span, context, random);
        return new WrappedKey(member.Subject, member.KeyVersion, member.PageId, member.Generation, member.Wrapped, other);
    }

    private static WrappedKey Switched(WrappedKey member, int version) =>
        member.KeyVersion == version || member.Other is null || SealedValue.KeyVersionOf(member.Other) != version
            ? member
            : new WrappedKey(member.Subject, version, member.PageId, member.Generation, member.Other, member.Wrapped);

    private static WrappedKey Alone(WrappedKey member, int version) =>
        member.KeyVersion != version || member.Other is null ? member : new WrappedKey(member.Subject, version, member.PageId, member.Generation, member.Wrapped, null);
}
