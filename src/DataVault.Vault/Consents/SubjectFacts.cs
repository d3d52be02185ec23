using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Changes a subject's facts (consents, objections, restriction, hold) under the lock on the subject's row: whoever decides afterwards decides by
/// the new facts. Facts are sealed with the record, so the record's version and seal follow.
/// </summary>
internal sealed class SubjectFacts(KeyRegistry registry, RecordCipher cipher, NewestVersions newest, VaultClock clock)
{
    /// <returns>The facts before and the record after; null when there is no such subject. Sealed anew even if nothing differs.</returns>
    /// <exception cref="CryptographicException">The record does not match its seal: to seal it anew would hide that.</exception>
    public Task<(DecisionFacts Before, SealedRecord After)?> ChangeAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, SubjectKeys keys, Func<DecisionFacts, DecisionFacts> change, CancellationToken ct) =>
        ChangeAsync(connection, transaction, keys, (_, before) => change(before), ct);

    /// <inheritdoc cref="ChangeAsync(NpgsqlConnection, NpgsqlTransaction, SubjectKeys, Func{DecisionFacts, DecisionFacts}, CancellationToken)"/>
    public async Task<(DecisionFacts Before, SealedRecord After)?> ChangeAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, SubjectKeys keys, Func<SealedRecord, DecisionFacts, DecisionFacts> change, CancellationToken ct)
    {
        if (await SubjectRows.LockAsync(connection, transaction, keys.Subject, ct) is not { } record) return null;
        await registry.MatchAsync(keys, record, ct);
        var before = Read(record, keys);
        var after = cipher.WithFacts(record, keys, record.RowVersion + 1, FactsCodec.Encode(change(record, before)));
        await SubjectRows.UpdateAsync(connection, transaction, after, clock.Now, ct);
        return (before, after);
    }

    /// <summary>The facts of a record that matches its seal.</summary>
    /// <exception cref="CryptographicException">The record does not match its seal, or its facts cannot be read.</exception>
    public DecisionFacts Read(SealedRecord record, SubjectKeys keys)
    {
        cipher.Verify(record, keys);
        return FactsCodec.Decode(record.Facts);
    }

    /// <summary>
    /// To be called once the transaction is committed, and before anybody is told: from here on no process serves these people's records as they were before,
    /// whoever puts them back. Of those whose facts were not changed there is nothing to do.
    /// </summary>
    public Task CommittedAsync(IEnumerable<SubjectKeys> changed, CancellationToken ct) => newest.WroteAsync(changed, ct);

    /// <summary>What the log says of the record after the change.</summary>
    public byte[] Digest(SealedRecord record) => cipher.Digest(record);
}
