using DataVault.Cryptography;
using DataVault.Policy;
using Npgsql;

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
    /// <exception cref="VaultException">The key is being renewed: unavailable until that is done.</exception>
    public async Task<SubjectKeys> SuccessorAsync(SubjectKeys current, CancellationToken ct)
    {
        using var fresh = current.Successor(random);
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // Whoever renews keys holds the page too, so that of the two one comes first.
        await LockPageAsync(connection, current.Subject, ct);
        await using var command = new NpgsqlCommand(
            "update keys.subject_key set successor = coalesce(successor, $2) where subject_id = $1 and key_version = $3 and other is null returning successor", connection, transaction);
        command.Parameters.Add(new() { Value = current.Subject.Value });
        command.Parameters.Add(new() { Value = SealSuccessor(current, fresh) });
        command.Parameters.Add(new() { Value = current.KeyVersion });
        if (await command.ExecuteScalarAsync(ct) is not byte[] kept) throw VaultException.Unavailable();
        await DurabilityGuard.CommitAsync(transaction);
        return new SubjectKeys(new WrappedKey(current.Subject, current.KeyVersion + 1, 0, 0, [], null), logContext, OpenSuccessor(current, kept));
    }

    /// <summary>
    /// Destroys a person's key and puts its successor in its place, in one transaction that gives the page a new key as <see cref="DestroyAsync"/> does.
    /// False when no successor waits: done already, or never begun.
    /// </summary>
    /// <param name="subject">Whose key.</param>
    /// <param name="parts">What the destruction stands for: written to the journal first, and noted in the transaction.</param>
    /// <param name="ct">Ends the wait.</param>
    public async Task<bool> SucceedAsync(SubjectId subject, IReadOnlyList<PartialTombstone> parts, CancellationToken ct)
    {
        cache.Remove(subject);
        foreach (var part in parts) await journal.AppendAsync(VaultId, part, ct);
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var (epoch, members) = await LockPageAsync(connection, subject, ct);
        if (members.Count == 0 || await SuccessorOfAsync(connection, subject, ct) is not { } successor) return false;
        var (old, page) = members.Single(m => m.Wrapped.Subject == subject);
        using var freshKey = SecretBytes.Random(KeyDerivation.KeySize, random);
        var fresh = new Page(old.PageId, old.Generation + 1, epoch, freshKey);
        var neighbours = Rewrap(members.Where(m => m.Wrapped.Subject != subject), fresh);
        using (var current = Unwrap(old, page))
        using (var secrets = OpenSuccessor(current, successor))
        {
            var context = SubjectContext(subject, fresh.Id, fresh.Generation, stackalloc byte[AssociatedData.Limit]).ToArray();
            var wrapped = SealedValue.Seal(fresh.Key.Span, (uint)(old.KeyVersion + 1), 0, secrets.Span, context, random);
            await WriteSuccessionAsync(connection, new WrappedKey(subject, old.KeyVersion + 1, fresh.Id, fresh.Generation, wrapped, null), fresh, neighbours, parts, ct);
        }

        await DurabilityGuard.CommitAsync(transaction);
        cache.Remove(subject);
        return true;
    }

    private byte[] SealSuccessor(SubjectKeys current, SecretBytes secrets)
    {
        using var key = new SecretBytes(KeyDerivation.KeySize);
        current.SuccessorKey(key.Span);
        return SealedValue.Seal(key.Span, (uint)(current.KeyVersion + 1), 0, secrets.Span, SuccessorContext(current, stackalloc byte[AssociatedData.Limit]), random);
    }

    private SecretBytes OpenSuccessor(SubjectKeys current, byte[] successor)
    {
        using var key = new SecretBytes(KeyDerivation.KeySize);
        current.SuccessorKey(key.Span);
        return SealedValue.OpenSecret(key.Span, successor, SuccessorContext(current, stackalloc byte[AssociatedData.Limit]));
    }

    private ReadOnlySpan<byte> SuccessorContext(SubjectKeys current, Span<byte> buffer) =>
        new AssociatedData(buffer, "subject-successor").Add(VaultId).Add(current.Subject.Value).Add(current.KeyVersion + 1).Bytes;

    private static async Task<byte[]?> SuccessorOfAsync(NpgsqlConnection connection, SubjectId subject, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select successor from keys.subject_key where subject_id = $1", connection) { Parameters = { new() { Value = subject.Value } } };
        return await command.ExecuteScalarAsync(ct) as byte[];
    }

    private async Task WriteSuccessionAsync(
        NpgsqlConnection connection, WrappedKey successor, Page fresh, List<WrappedKey> neighbours, IReadOnlyList<PartialTombstone> parts, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands = { new("update keys.subject_key set successor = null where subject_id = $1") { Parameters = { new() { Value = successor.Subject.Value } } } },
        };
        foreach (var part in parts) batch.BatchCommands.Add(Note(part.Name, new KeyDestruction(part.Of.Commitment, fresh.Id, fresh.Generation, fresh.Epoch, part.Of.At)));
        foreach (var command in RekeyPage(fresh, [successor, .. neighbours], successor.Subject)) batch.BatchCommands.Add(command);
        await batch.ExecuteNonQueryAsync(ct);
    }
}
