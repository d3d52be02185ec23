using System.Security.Cryptography;
using DataVault.Cryptography;
using Npgsql;

namespace DataVault.Vault.Keys;

/// <summary>
/// The keys of blind indexes: one random key per index and epoch, in the keys database, wrapped by the epoch root as page keys are. Destroying one makes
/// the terms under it noise; an old copy of the keys database brings it back for as long only as that copy's epoch root lives.
/// </summary>
internal sealed class IndexKeys(KeysDatabase database, VaultKeyring keyring, IRandomBytes random, TimeProvider clock)
{
    /// <summary>The epoch of an index whose key is derived and not stored: what a vault had before there were epochs.</summary>
    public const int DerivedEpoch = 0;

    private const string Living = "living";
    private const string Destroyed = "destroyed";

    /// <summary>Makes a key; returns its epoch, the next of the index.</summary>
    public async Task<int> CreateAsync(int indexId, CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // INVARIANT: no epoch turns over between choosing its root and storing what it wraps.
        await ExecuteAsync(connection, KeyRegistry.StandBack, ct);
        await ExecuteAsync(connection, "lock table keys.index_epoch in share row exclusive mode", ct);
        await using var newest = new NpgsqlCommand("select coalesce(max(epoch), 0) from keys.index_epoch where index_id = $1", connection) { Parameters = { new() { Value = indexId } } };
        var epoch = (int)(await newest.ExecuteScalarAsync(ct))! + 1;
        using var key = SecretBytes.Random(KeyDerivation.KeySize, random);
        await using var current = new NpgsqlCommand(VaultKeyring.SelectCurrentEpoch, connection);
        var keyEpoch = (int)(await current.ExecuteScalarAsync(ct))!;
        using var root = await keyring.EpochRootAsync(keyEpoch, connection, ct);
        await using var insert = new NpgsqlCommand(
            "insert into keys.index_epoch (index_id, epoch, state, wrapped, created_at, key_epoch) values ($1, $2, $3, $4, $5, $6)", connection)
        {
            Parameters =
            {
                new() { Value = indexId }, new() { Value = epoch }, new() { Value = Living }, new() { Value = Wrap(indexId, epoch, keyEpoch, key, root) },
                new() { Value = clock.GetUtcNow().UtcDateTime }, new() { Value = keyEpoch },
            },
        };
        await insert.ExecuteNonQueryAsync(ct);
        await DurabilityGuard.CommitAsync(transaction);
        return epoch;
    }

    /// <summary>Null: the key was destroyed, this database never had it, or it does not open. The index is built anew then, under another.</summary>
    public async Task<BlindIndexEpoch?> OpenAsync(int indexId, IndexShape shape, CancellationToken ct)
    {
        if (shape.Epoch == DerivedEpoch) return new BlindIndexEpoch(keyring.Index(indexId));
        await using var command = database.Source.CreateCommand("select wrapped, key_epoch from keys.index_epoch where index_id = $1 and epoch = $2 and wrapped is not null");
        command.Parameters.Add(new() { Value = indexId });
        command.Parameters.Add(new() { Value = shape.Epoch });
        var found = await Rows.ReadAsync(command, row => (Wrapped: row.GetFieldValue<byte[]>(0), KeyEpoch: row.GetInt32(1)), ct);
        if (found.Count == 0) return null;
        using var root = await keyring.TryEpochRootAsync(found[0].KeyEpoch, null, ct);
        using var key = TryUnwrap((indexId, shape.Epoch, found[0].KeyEpoch), found[0].Wrapped, root);
        return key is null ? null : new BlindIndexEpoch(key.Span, shape.Bits, shape.Partitions);
    }

    /// <summary>The newest epoch of an index whose key was not destroyed, and when it was made.</summary>
    public async Task<(int Epoch, DateTimeOffset CreatedAt)?> NewestAsync(int indexId, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select epoch, created_at from keys.index_epoch where index_id = $1 and wrapped is not null order by epoch desc limit 1");
        command.Parameters.Add(new() { Value = indexId });
        var found = await Rows.ReadAsync(command, row => (row.GetInt32(0), row.GetFieldValue<DateTimeOffset>(1)), ct);
        return found.Count == 0 ? null : found[0];
    }

    /// <summary>The key is overwritten; done twice it answers the same.</summary>
    public async Task DestroyAsync(int indexId, int epoch, CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await using var command = new NpgsqlCommand(
            "update keys.index_epoch set wrapped = null, state = $3, destroyed_at = $4 where index_id = $1 and epoch = $2 and wrapped is not null", connection)
        {
            Parameters = { new() { Value = indexId }, new() { Value = epoch }, new() { Value = Destroyed }, new() { Value = clock.GetUtcNow().UtcDateTime } },
        };
        await command.ExecuteNonQueryAsync(ct);
        await DurabilityGuard.CommitAsync(transaction);
    }

    /// <summary>Destroys what no index uses: keys of epochs that were begun and given up.</summary>
    public async Task DestroyAllButAsync(int indexId, IReadOnlyCollection<int> kept, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select epoch from keys.index_epoch where index_id = $1 and wrapped is not null and not epoch = any($2)");
        command.Parameters.Add(new() { Value = indexId });
        command.Parameters.Add(new() { Value = kept.ToArray() });
        foreach (var epoch in await Rows.ReadAsync(command, row => row.GetInt32(0), ct)) await DestroyAsync(indexId, epoch, ct);
    }

    /// <summary>Keys that are not destroyed and do not open.</summary>
    public async Task<IReadOnlyList<(int Index, int Epoch)>> DamagedAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select index_id, epoch, key_epoch, wrapped from keys.index_epoch where wrapped is not null order by 1, 2");
        var damaged = new List<(int, int)>();
        foreach (var (index, epoch, keyEpoch, wrapped) in await Rows.ReadAsync(command, row => (row.GetInt32(0), row.GetInt32(1), row.GetInt32(2), row.GetFieldValue<byte[]>(3)), ct))
        {
            using var root = await keyring.TryEpochRootAsync(keyEpoch, null, ct);
            using var key = TryUnwrap((index, epoch, keyEpoch), wrapped, root);
            if (key is null) damaged.Add((index, epoch));
        }

        return damaged;
    }

    /// <summary>
    /// Wraps again what is still wrapped by an older epoch root; part of the turn of an epoch, in its transaction. A key that does not open under a root that
    /// does is set aside: its index is built anew, and it goes with the root.
    /// </summary>
    public async Task RewrapAsync(NpgsqlConnection connection, EpochRoots roots, CancellationToken ct)
    {
        var keyEpoch = roots.Epoch;
        var rows = new List<(int Index, int Epoch, int KeyEpoch, byte[] Wrapped)>();
        await using (var select = new NpgsqlCommand("select index_id, epoch, key_epoch, wrapped from keys.index_epoch where key_epoch < $1 and wrapped is not null and damaged_at is null and key_epoch <> all($2)", connection)
        {
            Parameters = { new() { Value = keyEpoch }, new() { Value = roots.Stuck.ToArray() } },
        })
        await using (var reader = await select.ExecuteReaderAsync(ct))
        {
            while (await reader.ReadAsync(ct)) rows.Add((reader.GetInt32(0), reader.GetInt32(1), reader.GetInt32(2), reader.GetFieldValue<byte[]>(3)));
        }

        foreach (var row in rows)
        {
            using var key = TryUnwrap((row.Index, row.Epoch, row.KeyEpoch), row.Wrapped, roots.Of(row.KeyEpoch));
            // Another process may have done it meanwhile, or destroyed the key.
            await using var update = key is null
                ? new NpgsqlCommand("update keys.index_epoch set damaged_at = $3 where index_id = $1 and epoch = $2 and key_epoch < $4 and wrapped is not null", connection)
                {
                    Parameters = { new() { Value = row.Index }, new() { Value = row.Epoch }, new() { Value = clock.GetUtcNow().UtcDateTime }, new() { Value = keyEpoch } },
                }
                : new NpgsqlCommand("update keys.index_epoch set wrapped = $3, key_epoch = $4 where index_id = $1 and epoch = $2 and key_epoch < $4 and wrapped is not null", connection)
                {
                    Parameters = { new() { Value = row.Index }, new() { Value = row.Epoch }, new() { Value = Wrap(row.Index, row.Epoch, keyEpoch, key, roots.Root) }, new() { Value = keyEpoch } },
                };
            await update.ExecuteNonQueryAsync(ct);
        }
    }

    private byte[] Wrap(int indexId, int epoch, int keyEpoch, SecretBytes key, SecretBytes root) =>
        SealedValue.Seal(root.Span, (uint)epoch, 0, key.Span, Context(indexId, epoch, keyEpoch, stackalloc byte[AssociatedData.Limit]), random);

    private SecretBytes? TryUnwrap((int Index, int Epoch, int KeyEpoch) of, byte[] wrapped, SecretBytes? root)
    {
        if (root is null) return null;
        try
        {
            return SealedValue.OpenSecret(root.Span, wrapped, Context(of.Index, of.Epoch, of.KeyEpoch, stackalloc byte[AssociatedData.Limit]));
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private ReadOnlySpan<byte> Context(int indexId, int epoch, int keyEpoch, Span<byte> buffer) =>
        new AssociatedData(buffer, "index-key").Add(keyring.VaultId).Add(indexId).Add(epoch).Add(keyEpoch).Bytes;

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(ct);
    }
}

/// <summary>One epoch of an index: under which key terms are made, how much of each is stored, over how many partitions.</summary>
internal readonly record struct IndexShape(int Epoch, int Bits, int Partitions);
