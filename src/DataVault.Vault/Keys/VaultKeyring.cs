using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault.Keys;

/// <summary>
/// The keys of the vault itself that are not the vault key: what is derived from the named roots, and the epoch roots.
/// Opened at first use; nothing here belongs to one person.
/// </summary>
internal sealed class VaultKeyring(KeysDatabase database, VaultKeys vaultKeys, VaultOptions options, IRandomBytes random, TimeProvider clock) : IServiceKeys, IDisposable
{
    /// <summary>
    /// The epoch that the database has now. Read in the transaction that wraps something under it, after the lock that keeps epochs from being destroyed:
    /// a process that has not heard of newer epochs never wraps under one that is gone.
    /// </summary>
    public const string SelectCurrentEpoch = "select max(epoch_id) from keys.epoch where destroyed_at is null";

    private const int ActorTagSize = 16;
    private readonly Lock opening = new();
    private readonly Lock epochs = new();
    private readonly Dictionary<int, SecretBytes> epochRoots = [];
    private readonly HashSet<int> forgotten = [];
    private readonly ConcurrentDictionary<int, BlindIndexKey> indexes = new();
    private readonly ConcurrentDictionary<string, PseudonymKey> pseudonyms = new(StringComparer.Ordinal);
    private readonly EpochSlots slots = new(options.Home, random);
    private Opened? opened;

    public Guid VaultId => Keys.VaultId;

    private Opened Keys => opened ?? Open();

    public SecretBytes Derive(string label) => KeyDerivation.Expand(Keys.Service.Span, "service", Encoding.UTF8.GetBytes(label));

    /// <summary>Blind index of a field as it was before indexes had epochs; every later epoch has a random key of its own (<see cref="IndexKeys"/>).</summary>
    public BlindIndexKey Index(int indexId) => indexes.GetOrAdd(indexId, id =>
    {
        using var key = KeyDerivation.Expand(Keys.Index.Span, "blind-index", KeyDerivation.Context(id));
        return new BlindIndexKey(key.Span);
    });

    // INVARIANT: the pseudonym root is held apart: opened here, for one domain of the feed, and not kept.
    public PseudonymKey Pseudonyms(string domain) => pseudonyms.GetOrAdd(domain, name =>
    {
        using var root = vaultKeys.Root(VaultId, RootNames.Pseudonym);
        using var key = KeyDerivation.Expand(root.Span, "pseudonym-domain", Encoding.UTF8.GetBytes(name));
        return new PseudonymKey(key.Span);
    });

    /// <summary>
    /// 16 bytes that stand for an application, a member of staff or a process in the log. All customers share one: the entry's subject tag says whose
    /// record it was, and that tag alone can be made meaningless by erasure.
    /// </summary>
    public byte[] ActorTag(Recipient recipient)
    {
        var id = recipient.Kind == RecipientKind.Customer ? "customer" : recipient.Id;
        return HMACSHA256.HashData(Keys.ActorKey.Span, Encoding.UTF8.GetBytes($"{(int)recipient.Kind}\0{id}"))[..ActorTagSize];
    }

    public byte[] TombstoneHash(SubjectId subject) => HMACSHA256.HashData(Keys.TombstoneKey.Span, subject.Value.ToByteArray(bigEndian: true));

    /// <summary>A copy of the root of an epoch, for wrapping and unwrapping page keys; the caller disposes it.</summary>
    /// <param name="epoch">Its number.</param>
    /// <param name="held">A connection that the caller has anyway: whoever holds one must not wait for another. Null to take one for the time of the question.</param>
    /// <param name="ct">Ends the wait.</param>
    /// <exception cref="VaultStartException">Its slot was destroyed: the row comes from an outdated copy of the database.</exception>
    /// <exception cref="CryptographicException">Its row or its slot is damaged.</exception>
    public async ValueTask<SecretBytes> EpochRootAsync(int epoch, NpgsqlConnection? held, CancellationToken ct)
    {
        lock (epochs)
        {
            if (epochRoots.TryGetValue(epoch, out var known)) return SecretBytes.CopyOf(known.Span);
        }

        var read = held is null ? await ReadEpochAsync(epoch, ct) : await ReadEpochAsync(epoch, held, ct);
        lock (epochs)
        {
            // Of two who read it at once, the second keeps it for itself; and what was destroyed meanwhile does not come back.
            if (forgotten.Contains(epoch)) read.Dispose();
            else if (epochRoots.TryAdd(epoch, read)) return SecretBytes.CopyOf(read.Span);
            else return read;
        }

        throw Destroyed(epoch);
    }

    /// <summary>The same; null when the root does not open, for whatever reason but that the database is away.</summary>
    public async ValueTask<SecretBytes?> TryEpochRootAsync(int epoch, NpgsqlConnection? held, CancellationToken ct)
    {
        try
        {
            return await EpochRootAsync(epoch, held, ct);
        }
        catch (Exception e) when (e is CryptographicException or VaultStartException)
        {
            return null;
        }
    }

    /// <summary>A fresh epoch root and what its row holds; its slot is on disk when this returns.</summary>
    public (byte[] Wrapped, byte[] Commitment) NewEpoch(int epoch, int vaultKeyVersion) => NewEpoch(VaultId, epoch, vaultKeyVersion);

    /// <summary>An epoch root as stored under one version of the vault key, wrapped under another.</summary>
    public byte[] RewrapEpoch(int epoch, byte[] wrapped, int fromVersion, int toVersion)
    {
        using var former = vaultKeys.Copy(fromVersion);
        using var root = UnwrapEpoch(epoch, wrapped, former);
        return WrapEpoch((VaultId, epoch), root, toVersion, slots.Open(epoch));
    }

    /// <summary>The epoch is destroyed: erases its root here and its slot everywhere.</summary>
    public void ForgetEpoch(int epoch)
    {
        lock (epochs)
        {
            forgotten.Add(epoch);
            if (epochRoots.Remove(epoch, out var root)) root.Dispose();
        }

        slots.Destroy(epoch);
    }

    /// <summary>True when no process that shares this home folder can open the root of the epoch, whatever copy of the keys database it is given.</summary>
    public bool IsSlotGone(int epoch) => !slots.Exists(epoch);

    public void Dispose()
    {
        opened?.Dispose();
        foreach (var root in epochRoots.Values) root.Dispose();
        foreach (var index in indexes.Values) index.Dispose();
        foreach (var domain in pseudonyms.Values) domain.Dispose();
    }

    // Synchronous, because a service may ask for its key while the host is being put together.
    private Opened Open()
    {
        lock (opening)
        {
            if (opened is not null) return opened;
            using var connection = database.Source.OpenConnection();
            var vaultId = vaultKeys.Open(connection);
            RefuseOtherVault(vaultId);
            EnsureFirstEpoch(connection, vaultId);
            return opened = new Opened(vaultId, vaultKeys);
        }
    }

    // The home folder remembers its vault, so an emptied or foreign keys database is noticed before anything is written under new keys.
    private void RefuseOtherVault(Guid vaultId)
    {
        var file = Path.Combine(options.Home, "vault-id");
        DurableFile.CreateOnce(file, Encoding.ASCII.GetBytes(vaultId.ToString()), random);
        if (File.ReadAllText(file) != vaultId.ToString())
            throw new VaultStartException("The keys database is not the one that this home folder belongs to.");
    }

    private void EnsureFirstEpoch(NpgsqlConnection connection, Guid vaultId)
    {
        using var transaction = connection.BeginTransaction();
        using (var any = new NpgsqlCommand("select exists (select from keys.epoch)", connection))
        {
            if (any.ExecuteScalar() is true) return;
        }

        var version = VaultKeys.CurrentVersion(connection);
        var (wrapped, commitment) = NewEpoch(vaultId, 1, version);
        using var command = new NpgsqlCommand(
            "insert into keys.epoch (epoch_id, wrapped, commitment, created_at, vault_key_version, complete_at) values (1, $1, $2, $3, $4, $3) on conflict do nothing", connection)
        {
            Parameters = { new() { Value = wrapped }, new() { Value = commitment }, new() { Value = clock.GetUtcNow().UtcDateTime }, new() { Value = version } },
        };
        command.ExecuteNonQuery();
        transaction.Commit();
    }

    private async Task<SecretBytes> ReadEpochAsync(int epoch, CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct);
        return await ReadEpochAsync(epoch, connection, ct);
    }

    private async Task<SecretBytes> ReadEpochAsync(int epoch, NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select wrapped, vault_key_version from keys.epoch where epoch_id = $1 and wrapped is not null", connection)
        {
            Parameters = { new() { Value = epoch } },
        };
        var rows = await Rows.ReadAsync(command, row => (Wrapped: row.GetFieldValue<byte[]>(0), Version: row.GetInt32(1)), ct);
        if (rows.Count == 0) throw Destroyed(epoch);
        using var vaultKey = await vaultKeys.CopyAsync(connection, rows[0].Version, ct);
        return UnwrapEpoch(epoch, rows[0].Wrapped, vaultKey);
    }

    private SecretBytes UnwrapEpoch(int epoch, byte[] wrapped, SecretBytes vaultKey)
    {
        if (!slots.Exists(epoch)) throw Destroyed(epoch);
        using var wrapping = EpochWrapping(epoch, vaultKey, slots.Open(epoch));
        return SealedValue.OpenSecret(wrapping.Span, wrapped, EpochContext(VaultId, epoch));
    }

    private (byte[] Wrapped, byte[] Commitment) NewEpoch(Guid vaultId, int epoch, int vaultKeyVersion)
    {
        using var root = SecretBytes.Random(KeyDerivation.KeySize, random);
        var commitment = new byte[32];
        KeyDerivation.Expand(root.Span, "commit", default, commitment);
        return (WrapEpoch((vaultId, epoch), root, vaultKeyVersion, slots.OpenOrCreate(epoch)), commitment);
    }

    private byte[] WrapEpoch((Guid Vault, int Id) epoch, SecretBytes root, int vaultKeyVersion, SecretBytes slot)
    {
        using var vaultKey = vaultKeys.Copy(vaultKeyVersion);
        using var wrapping = EpochWrapping(epoch.Id, vaultKey, slot);
        return SealedValue.Seal(wrapping.Span, (uint)vaultKeyVersion, 0, root.Span, EpochContext(epoch.Vault, epoch.Id), random);
    }

    // Opens with the vault key and the slot together, with neither alone.
    private static SecretBytes EpochWrapping(int epoch, SecretBytes vaultKey, SecretBytes slot)
    {
        using var half = slot;
        using var both = new SecretBytes(2 * KeyDerivation.KeySize);
        vaultKey.Span.CopyTo(both.Span);
        half.Span.CopyTo(both.Span[KeyDerivation.KeySize..]);
        return KeyDerivation.Expand(both.Span, "epoch", KeyDerivation.Context(epoch));
    }

    private static byte[] EpochContext(Guid vaultId, int epoch) => new AssociatedData(stackalloc byte[AssociatedData.Limit], "epoch").Add(vaultId).Add(epoch).Bytes.ToArray();

    private static VaultStartException Destroyed(int epoch) => new($"The root of key epoch {epoch} was destroyed: this keys database is an outdated copy.");

    private sealed class Opened(Guid vaultId, VaultKeys vaultKeys) : IDisposable
    {
        public Guid VaultId { get; } = vaultId;
        public SecretBytes Index { get; } = vaultKeys.Root(vaultId, RootNames.Index);
        public SecretBytes Service { get; } = vaultKeys.Root(vaultId, RootNames.Service);
        public SecretBytes ActorKey { get; } = DeriveOnly(vaultKeys.Root(vaultId, RootNames.Actor), "actor-tag");
        public SecretBytes TombstoneKey { get; } = DeriveOnly(vaultKeys.Root(vaultId, RootNames.Tombstone), "tombstone");

        public void Dispose()
        {
            Index.Dispose();
            Service.Dispose();
            ActorKey.Dispose();
            TombstoneKey.Dispose();
        }

        private static SecretBytes DeriveOnly(SecretBytes root, string label)
        {
            using (root) return KeyDerivation.Expand(root.Span, label);
        }
    }
}
