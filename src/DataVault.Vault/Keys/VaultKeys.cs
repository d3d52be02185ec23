using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using Npgsql;

namespace DataVault.Vault.Keys;

/// <summary>The random keys that stand directly below the vault key, by what is derived from them.</summary>
internal static class RootNames
{
    public const string Index = "index";
    public const string Pseudonym = "pseudonym";
    public const string Service = "service";
    public const string Actor = "actor";
    public const string Tombstone = "tombstone";

    public static readonly IReadOnlyList<string> All = [Index, Pseudonym, Service, Actor, Tombstone];
}

/// <summary>
/// The vault key in its versions, wrapped by the root key, and the named roots wrapped under it. A version is opened when something wrapped under it is,
/// and forgotten when it is destroyed. Nothing is derived from a vault key: it wraps, and so can be replaced.
/// </summary>
internal sealed class VaultKeys(KeysDatabase database, RootKeyProviders rootKeys, IRandomBytes random, TimeProvider clock) : IDisposable
{
    private const string Current = "select version from keys.vault_key where wrapped is not null order by version desc limit 1";

    private readonly Lock guard = new();
    private readonly Dictionary<int, SecretBytes> opened = [];

    /// <summary>The vault's id, after making sure that its keys are there; those of a new vault are made here.</summary>
    public Guid Open(NpgsqlConnection connection)
    {
        if (ReadVault(connection) is { HasRoots: true } vault) return Complete(connection, vault.Id);
        using var transaction = connection.BeginTransaction();
        // Of two processes that start at once the second waits here and finds everything made.
        Execute(connection, "lock table keys.vault_key in share row exclusive mode");
        try
        {
            var id = ReadVault(connection) switch
            {
                null => CreateVault(connection),
                { HasRoots: false } old => AdoptRoots(connection, old.Id),
                { Id: var made } => made,
            };
            transaction.Commit();
            return id;
        }
        catch
        {
            // What was not committed is nobody's key.
            Forget(1);
            throw;
        }
    }

    /// <summary>
    /// The version under which new things are wrapped. Inside a transaction the version cannot be destroyed before its end, so what is wrapped meanwhile is
    /// either seen by the rotation or wrapped under the newer version.
    /// </summary>
    public static int CurrentVersion(NpgsqlConnection connection)
    {
        using var command = new NpgsqlCommand(Current + " for share", connection);
        return command.ExecuteScalar() as int? ?? throw new VaultStartException("The keys database holds no vault key.");
    }

    /// <summary>A copy of one version, to be disposed by the caller.</summary>
    /// <exception cref="VaultStartException">The version was destroyed, or the root key does not open it.</exception>
    public SecretBytes Copy(int version)
    {
        lock (guard)
        {
            if (opened.TryGetValue(version, out var known)) return SecretBytes.CopyOf(known.Span);
        }

        using var connection = database.Source.OpenConnection();
        return Copy(connection, version);
    }

    /// <summary>The same over a connection that the caller has; whoever asks meanwhile does not wait for it.</summary>
    public async ValueTask<SecretBytes> CopyAsync(NpgsqlConnection connection, int version, CancellationToken ct)
    {
        lock (guard)
        {
            if (opened.TryGetValue(version, out var known)) return SecretBytes.CopyOf(known.Span);
        }

        await using var command = Stored(connection, version);
        var rows = await Rows.ReadAsync(command, row => (VaultId: row.GetGuid(0), Wrapped: row.GetFieldValue<byte[]>(1), RootKey: row.IsDBNull(2) ? null : row.GetString(2)), ct);
        if (rows.Count == 0) throw Destroyed(version);
        var read = Unwrap(rows[0].VaultId, version, rows[0].Wrapped, rows[0].RootKey);
        lock (guard)
        {
            return opened.TryAdd(version, read) ? SecretBytes.CopyOf(read.Span) : read;
        }
    }

    /// <summary>The root of a name in its current version, to be disposed by the caller.</summary>
    public SecretBytes Root(Guid vaultId, string name)
    {
        using var connection = database.Source.OpenConnection();
        using var command = new NpgsqlCommand("select version, vault_key_version, wrapped from keys.root where name = $1 and wrapped is not null order by version desc limit 1", connection)
        {
            Parameters = { new() { Value = name } },
        };
        int version, vaultKeyVersion;
        byte[] wrapped;
        using (var reader = command.ExecuteReader())
        {
            if (!reader.Read()) throw new VaultStartException($"The keys database lacks the root '{name}': it is damaged or incomplete.");
            (version, vaultKeyVersion, wrapped) = (reader.GetInt32(0), reader.GetInt32(1), reader.GetFieldValue<byte[]>(2));
        }

        using var vaultKey = Copy(connection, vaultKeyVersion);
        return OpenRoot(vaultKey, wrapped, new RootContext(vaultId, name, version, vaultKeyVersion));
    }

    /// <summary>A root as stored under one version of the vault key, wrapped under another.</summary>
    public byte[] RewrapRoot(byte[] wrapped, RootContext context, SecretBytes vaultKey, int newVersion, SecretBytes newVaultKey)
    {
        using var root = OpenRoot(vaultKey, wrapped, context);
        return WrapRoot(newVaultKey, root, context with { VaultKeyVersion = newVersion });
    }

    /// <summary>A fresh version's row value: wrapped under the root key in use.</summary>
    public byte[] WrapFresh(Guid vaultId, int version)
    {
        using var fresh = SecretBytes.Random(KeyDerivation.KeySize, random);
        return rootKeys.Current.Wrap(fresh.Span, Context(vaultId, version));
    }

    /// <summary>The same vault key, wrapped under the root key in use.</summary>
    public byte[] RewrapUnderRoot(Guid vaultId, int version, byte[] wrapped, string? wrappedBy)
    {
        using var key = Unwrap(vaultId, version, wrapped, wrappedBy);
        return rootKeys.Current.Wrap(key.Span, Context(vaultId, version));
    }

    /// <summary>A version was destroyed, here or by another process.</summary>
    public void Forget(int version)
    {
        lock (guard)
        {
            if (opened.Remove(version, out var key)) key.Dispose();
        }
    }

    public IReadOnlyList<int> Remembered()
    {
        lock (guard) return [.. opened.Keys];
    }

    public void Dispose()
    {
        lock (guard)
        {
            foreach (var key in opened.Values) key.Dispose();
            opened.Clear();
        }
    }

    internal sealed record RootContext(Guid VaultId, string Name, int Version, int VaultKeyVersion);

    private SecretBytes Copy(NpgsqlConnection connection, int version)
    {
        lock (guard)
        {
            if (!opened.TryGetValue(version, out var key)) opened[version] = key = Read(connection, version);
            return SecretBytes.CopyOf(key.Span);
        }
    }

    private SecretBytes Read(NpgsqlConnection connection, int version)
    {
        using var command = Stored(connection, version);
        using var reader = command.ExecuteReader();
        if (!reader.Read()) throw Destroyed(version);
        return Unwrap(reader.GetGuid(0), version, reader.GetFieldValue<byte[]>(1), reader.IsDBNull(2) ? null : reader.GetString(2));
    }

    private static NpgsqlCommand Stored(NpgsqlConnection connection, int version) =>
        new("select vault_id, wrapped, root_key from keys.vault_key where version = $1 and wrapped is not null", connection) { Parameters = { new() { Value = version } } };

    private static VaultStartException Destroyed(int version) => new($"Version {version} of the vault key was destroyed: this keys database is an outdated copy, or damaged.");

    // A value from before names were stored was wrapped by the root key in use, or, if that does not open it, by the one before.
    private SecretBytes Unwrap(Guid vaultId, int version, byte[] wrapped, string? wrappedBy)
    {
        var context = Context(vaultId, version);
        try
        {
            return rootKeys.Unwrap(wrapped, context, wrappedBy);
        }
        catch (VaultStartException) when (wrappedBy is null && rootKeys.Previous is { } before)
        {
            return rootKeys.Unwrap(wrapped, context, before.Name);
        }
    }

    private static (Guid Id, bool HasRoots)? ReadVault(NpgsqlConnection connection)
    {
        using var command = new NpgsqlCommand("select vault_id, has_roots from keys.vault_key where wrapped is not null order by version desc limit 1", connection);
        using var reader = command.ExecuteReader();
        return reader.Read() ? (reader.GetGuid(0), reader.GetBoolean(1)) : null;
    }

    // INVARIANT: roots that are missing are never made anew: everything derived from them would silently differ.
    private static Guid Complete(NpgsqlConnection connection, Guid vaultId)
    {
        using var command = new NpgsqlCommand("select n from unnest($1) as n where not exists (select from keys.root r where r.name = n and r.wrapped is not null)", connection)
        {
            Parameters = { new() { Value = RootNames.All.ToArray() } },
        };
        if (command.ExecuteScalar() is string lacking) throw new VaultStartException($"The keys database lacks the root '{lacking}': it is damaged or incomplete.");
        return vaultId;
    }

    private Guid CreateVault(NpgsqlConnection connection)
    {
        using (var remains = new NpgsqlCommand("select exists (select from keys.root) or exists (select from keys.epoch)", connection))
        {
            if (remains.ExecuteScalar() is true) throw new VaultStartException("The keys database has lost its vault key: it is damaged or incomplete.");
        }

        var id = Uuid.Version7(clock, random);
        using (var insert = new NpgsqlCommand("insert into keys.vault_key (version, vault_id, wrapped, created_at, has_roots, root_key) values (1, $1, $2, $3, true, $4)", connection)
        {
            Parameters = { new() { Value = id }, new() { Value = WrapFresh(id, 1) }, new() { Value = clock.GetUtcNow().UtcDateTime }, new() { Value = rootKeys.Current.Name } },
        })
            insert.ExecuteNonQuery();
        using var vaultKey = Copy(connection, 1);
        foreach (var name in RootNames.All)
        {
            using var fresh = SecretBytes.Random(KeyDerivation.KeySize, random);
            InsertRoot(connection, vaultKey, fresh, new RootContext(id, name, 1, 1));
        }

        return id;
    }

    // SPEC keys §8.2: what was derived from the vault key of an older vault must stay what it is, so each root begins as a copy of it.
    private Guid AdoptRoots(NpgsqlConnection connection, Guid id)
    {
        using var vaultKey = Copy(connection, 1);
        foreach (var name in RootNames.All) InsertRoot(connection, vaultKey, vaultKey, new RootContext(id, name, 1, 1));
        Execute(connection, "update keys.vault_key set has_roots = true where version = 1");
        return id;
    }

    private void InsertRoot(NpgsqlConnection connection, SecretBytes vaultKey, SecretBytes root, RootContext context)
    {
        using var insert = new NpgsqlCommand("insert into keys.root (name, version, wrapped, vault_key_version, created_at) values ($1, $2, $3, $4, $5)", connection)
        {
            Parameters =
            {
                new() { Value = context.Name }, new() { Value = context.Version }, new() { Value = WrapRoot(vaultKey, root, context) },
                new() { Value = context.VaultKeyVersion }, new() { Value = clock.GetUtcNow().UtcDateTime },
            },
        };
        insert.ExecuteNonQuery();
    }

    private byte[] WrapRoot(SecretBytes vaultKey, SecretBytes root, RootContext context)
    {
        using var wrapping = KeyDerivation.Expand(vaultKey.Span, "root-wrap");
        return SealedValue.Seal(wrapping.Span, (uint)context.VaultKeyVersion, 0, root.Span, Context(context, stackalloc byte[AssociatedData.Limit]), random);
    }

    private static SecretBytes OpenRoot(SecretBytes vaultKey, byte[] wrapped, RootContext context)
    {
        using var wrapping = KeyDerivation.Expand(vaultKey.Span, "root-wrap");
        try
        {
            return SealedValue.OpenSecret(wrapping.Span, wrapped, Context(context, stackalloc byte[AssociatedData.Limit]));
        }
        catch (CryptographicException)
        {
            throw new VaultStartException($"The root '{context.Name}' does not open: the keys database is damaged.");
        }
    }

    private static ReadOnlySpan<byte> Context(RootContext root, Span<byte> buffer) =>
        new AssociatedData(buffer, "root").Add(root.VaultId).Add(Encoding.ASCII.GetBytes(root.Name)).Add(root.Version).Add(root.VaultKeyVersion).Bytes;

    // SPEC envelope §3.2: the first version is bound to the vault alone, as it was before there were versions.
    private static byte[] Context(Guid vaultId, int version)
    {
        var context = new AssociatedData(stackalloc byte[AssociatedData.Limit], "vault-key").Add(vaultId);
        return (version == 1 ? context : context.Add(version)).Bytes.ToArray();
    }

    private static void Execute(NpgsqlConnection connection, string sql)
    {
        using var command = new NpgsqlCommand(sql, connection);
        command.ExecuteNonQuery();
    }
}
