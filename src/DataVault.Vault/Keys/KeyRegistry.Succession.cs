using DataVault.Cryptography;
using DataVault.Policy;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault.Keys;

/// <summary>
/// A key that takes the place of another of the same person, which is destroyed: unlike a renewal it is for people of whom a hold keeps a part. The old key
/// is not kept beside the new one for a moment longer than needed, and nothing but the identity is carried over.
/// </summary>
internal sealed partial class KeyRegistry
{
    /// <summary>
    /// The key that will take the place of a person's, made once however often it is asked for. Until <see cref="SucceedAsync"/> it is kept sealed under the
    /// key that it replaces, so that whatever destroys that one destroys it too. The identity secret stays: the person keeps their tag.
    /// </summary>
    /// <remarks>
    /// While the key is being renewed, with two versions beside each other, the successor comes after both, and the renewal leaves the person alone from here on:
    /// one that is paused, or has failed, keeps nobody from being erased in part.
    /// </remarks>
    /// <exception cref="VaultException">The key was renewed since it was fetched: unavailable, for the next try to fetch it again.</exception>
    public async Task<SubjectKeys> SuccessorAsync(SubjectKeys current, CancellationToken ct)
    {
        var wrapped = current.Wrapped;
        var number = Math.Max(wrapped.KeyVersion, wrapped.Other is { } two ? SealedValue.KeyVersionOf(two) : 0) + 1;
        using var fresh = current.Successor(random);
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // Whoever renews keys holds the page too, so that of the two one comes first.
        await LockPageAsync(connection, current.Subject, ct);
        await using var command = new NpgsqlCommand(
            "update keys.subject_key set successor = coalesce(successor, $2) where subject_id = $1 and key_version = $3 and other is not distinct from $4 returning successor", connection, transaction);
        command.Parameters.Add(new() { Value = current.Subject.Value });
        command.Parameters.Add(new() { Value = SealSuccessor(current, number, fresh) });
        command.Parameters.Add(new() { Value = wrapped.KeyVersion });
        command.Parameters.Add(new() { Value = (object?)wrapped.Other ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Bytea });
        if (await command.ExecuteScalarAsync(ct) is not byte[] kept) throw VaultException.Unavailable();
        await DurabilityGuard.CommitAsync(transaction);
        return new SubjectKeys(new WrappedKey(current.Subject, SealedValue.KeyVersionOf(kept), 0, 0, [], null), logContext, OpenSuccessor(current, kept));
    }

    /// <summary>
    /// Destroys a person's key and puts its successor in its place, in one transaction that gives the page a new key as <see cref="DestroyAsync"/> does.
    /// False when no such successor waits: done already, or never begun.
    /// </summary>
    /// <param name="subject">Whose.</param>
    /// <param name="version">
    /// The version that the record is sealed under by now. INVARIANT: no other is put in force: a process that came late may have made one more successor, under which
    /// nothing is sealed, and it would take the place of the only key that opens the record.
    /// </param>
    /// <param name="parts">What the destruction stands for: written to the journal first, and noted in the transaction.</param>
    /// <param name="ct">Ends the wait.</param>
    public async Task<bool> SucceedAsync(SubjectId subject, int version, IReadOnlyList<PartialTombstone> parts, CancellationToken ct)
    {
        cache.Remove(subject);
        foreach (var part in parts) await journal.AppendAsync(VaultId, part, ct);
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var (epoch, members) = await LockPageAsync(connection, subject, ct);
        if (members.Count == 0 || await SuccessorOfAsync(connection, subject, ct) is not { } successor || SealedValue.KeyVersionOf(successor) != version) return false;
        var (old, page) = members.Single(m => m.Wrapped.Subject == subject);
        using var freshKey = SecretBytes.Random(KeyDerivation.KeySize, random);
        using var root = await keyring.EpochRootAsync(epoch, connection, ct);
        var fresh = new Page(old.PageId, old.Generation + 1, epoch, freshKey);
        var neighbours = Rewrap(members.Where(m => m.Wrapped.Subject != subject), fresh);
        using (var current = Unwrap(old, page))
        using (var secrets = OpenSuccessor(current, successor))
        {
            var context = SubjectContext(subject, fresh.Id, fresh.Generation, stackalloc byte[AssociatedData.Limit]).ToArray();
            var wrapped = SealedValue.Seal(fresh.Key.Span, (uint)version, 0, secrets.Span, context, random);
            await using var batch = new NpgsqlBatch(connection)
            {
                BatchCommands = { new("update keys.subject_key set successor = null where subject_id = $1") { Parameters = { new() { Value = subject.Value } } } },
            };
            foreach (var part in parts) batch.BatchCommands.Add(Note(part.Name, new KeyDestruction(part.Of.Commitment, fresh.Id, fresh.Generation, fresh.Epoch, part.Of.At)));
            AddPage(batch, fresh, root, [new WrappedKey(subject, version, fresh.Id, fresh.Generation, wrapped, null), .. neighbours]);
            AddNotice(batch, subject);
            await batch.ExecuteNonQueryAsync(ct);
        }

        await DurabilityGuard.CommitAsync(transaction);
        cache.Remove(subject);
        return true;
    }

    private byte[] SealSuccessor(SubjectKeys current, int number, SecretBytes secrets)
    {
        using var key = new SecretBytes(KeyDerivation.KeySize);
        current.SuccessorKey(key.Span);
        return SealedValue.Seal(key.Span, (uint)number, 0, secrets.Span, SuccessorContext(current, number, stackalloc byte[AssociatedData.Limit]), random);
    }

    private SecretBytes OpenSuccessor(SubjectKeys current, byte[] successor)
    {
        using var key = new SecretBytes(KeyDerivation.KeySize);
        current.SuccessorKey(key.Span);
        return SealedValue.OpenSecret(key.Span, successor, SuccessorContext(current, SealedValue.KeyVersionOf(successor), stackalloc byte[AssociatedData.Limit]));
    }

    private ReadOnlySpan<byte> SuccessorContext(SubjectKeys current, int number, Span<byte> buffer) =>
        new AssociatedData(buffer, "subject-successor").Add(VaultId).Add(current.Subject.Value).Add(number).Bytes;

    private static async Task<byte[]?> SuccessorOfAsync(NpgsqlConnection connection, SubjectId subject, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select successor from keys.subject_key where subject_id = $1", connection) { Parameters = { new() { Value = subject.Value } } };
        return await command.ExecuteScalarAsync(ct) as byte[];
    }
}
