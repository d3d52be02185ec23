using System.Security.Cryptography;
using System.Text;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>What was answered to a key.</summary>
public sealed record StoredAnswer(int Status, byte[] Body);

/// <summary>
/// Remembers the outcome of a keyed call in the transaction of its write, so that a repeated call finds either both or neither.
/// Bodies hold ids and versions, never a field; of the request there is a hash under a key of the vault, which tells nobody else what it was.
/// </summary>
public sealed class IdempotencyStore
{
    private readonly VaultDatabase database;
    private readonly KeyRegistry keys;
    private readonly TimeProvider clock;

    internal IdempotencyStore(VaultDatabase database, KeyRegistry keys, TimeProvider clock) => (this.database, this.keys, this.clock) = (database, keys, clock);

    /// <exception cref="VaultException">The key was used for a different request.</exception>
    public async Task<StoredAnswer?> FindAsync(IdempotencyKey key, CancellationToken ct)
    {
        await using var command = database.Reads.CreateCommand("select request_hash, status, body from vault.idempotency where key = $1");
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = Digest(key) });
        var rows = await Rows.ReadAsync(database, command, row => (Hash: row.GetFieldValue<byte[]>(0), Answer: new StoredAnswer(row.GetInt32(1), row.GetFieldValue<byte[]>(2))), ct);
        if (rows.Count == 0) return null;
        return CryptographicOperations.FixedTimeEquals(Keyed(key), rows[0].Hash) ? rows[0].Answer : throw VaultException.IdempotencyMismatch();
    }

    /// <summary>
    /// Takes the key before the write, and waits for another call that holds it. False: that call has committed, and its answer is to be found.
    /// INVARIANT: called before the log's head row is locked, or two calls with one key would wait for each other.
    /// </summary>
    internal async Task<bool> TryClaimAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, IdempotencyKey key, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            "insert into vault.idempotency (key, request_hash, status, body, created_at) values ($1, $2, 0, '', $3) on conflict (key) do nothing", connection, transaction);
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = Digest(key) });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = Keyed(key) });
        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = clock.GetUtcNow().UtcDateTime });
        return await command.ExecuteNonQueryAsync(ct) == 1;
    }

    internal static async Task AnswerAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, IdempotencyKey key, StoredAnswer answer, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("update vault.idempotency set status = $2, body = $3 where key = $1", connection, transaction);
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = Digest(key) });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = answer.Status });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = answer.Body });
        await command.ExecuteNonQueryAsync(ct);
    }

    private byte[] Keyed(IdempotencyKey key)
    {
        using var secret = keys.Derive("idempotency");
        return HMACSHA256.HashData(secret.Span, key.RequestHash.Span);
    }

    private static byte[] Digest(IdempotencyKey key) => SHA256.HashData(Encoding.UTF8.GetBytes($"{key.ClientId.Length}:{key.ClientId}{key.Key}"));
}
