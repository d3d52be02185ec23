using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault.Keys;

/// <summary>
/// The keys of the vault itself: the vault key (random, in the keys database, wrapped by the root), what is derived from it, and the epoch roots.
/// Opened at first use; nothing here belongs to one person.
/// </summary>
internal sealed class VaultKeyring(KeysDatabase database, RootKeyProviders rootKeys, VaultOptions options, IRandomBytes random, TimeProvider clock) : IServiceKeys, IDisposable
{
    private const int ActorTagSize = 16;
    private readonly Lock opening = new();
    private readonly ConcurrentDictionary<int, SecretBytes> epochRoots = new();
    private readonly ConcurrentDictionary<int, BlindIndexKey> indexes = new();
    private readonly ConcurrentDictionary<string, PseudonymKey> pseudonyms = new(StringComparer.Ordinal);
    private readonly EpochSlots slots = new(options.Home, random);
    private Opened? opened;

    public Guid VaultId => Keys.VaultId;

    /// <summary>The epoch under which new pages are wrapped.</summary>
    public int CurrentEpoch => Volatile.Read(ref Keys.Epoch.Id);

    private Opened Keys => opened ?? Open();

    public SecretBytes Derive(string label) => KeyDerivation.Expand(Keys.VaultKey.Span, "service", Encoding.UTF8.GetBytes(label));

    /// <summary>Blind index of a field; <paramref name="indexId"/> is the field's id.</summary>
    public BlindIndexKey Index(int indexId) => indexes.GetOrAdd(indexId, id =>
    {
        using var key = KeyDerivation.Expand(Keys.VaultKey.Span, "blind-index", KeyDerivation.Context(id));
        return new BlindIndexKey(key.Span);
    });

    public PseudonymKey Pseudonyms(string domain) => pseudonyms.GetOrAdd(domain, name =>
    {
        using var key = KeyDerivation.Expand(Keys.VaultKey.Span, "pseudonym-domain", Encoding.UTF8.GetBytes(name));
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

    /// <summary>The root of an epoch, for wrapping and unwrapping page keys. Not to be disposed by the caller.</summary>
    /// <exception cref="VaultStartException">Its slot was destroyed: the row comes from an outdated copy of the database.</exception>
    public SecretBytes EpochRoot(int epoch) => epochRoots.GetOrAdd(epoch, id =>
    {
        using var connection = database.Source.OpenConnection();
        using var command = new NpgsqlCommand("select wrapped from keys.epoch where epoch_id = $1", connection) { Parameters = { new() { Value = id } } };
        return UnwrapEpoch(id, command.ExecuteScalar() as byte[]);
    });

    /// <summary>A fresh epoch root, to be disposed by the caller, and its row for the database; its slot is on disk when this returns.</summary>
    public (SecretBytes Root, byte[] Wrapped, byte[] Commitment) NewEpoch(int epoch)
    {
        var root = SecretBytes.Random(KeyDerivation.KeySize, random);
        using var wrapping = EpochWrapping(epoch, slots.OpenOrCreate(epoch));
        var wrapped = SealedValue.Seal(wrapping.Span, 1, 0, root.Span, EpochContext(epoch), random);
        var commitment = new byte[32];
        KeyDerivation.Expand(root.Span, "commit", default, commitment);
        return (root, wrapped, commitment);
    }

    public void UseEpoch(int epoch) => Volatile.Write(ref Keys.Epoch.Id, epoch);

    public void ForgetEpoch(int epoch)
    {
        if (epochRoots.TryRemove(epoch, out var root)) root.Dispose();
        slots.Destroy(epoch);
    }

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
            var (vaultId, vaultKey) = ReadVaultKey(connection) ?? CreateVaultKey(connection);
            RefuseOtherVault(vaultId);
            opened = new Opened(vaultId, vaultKey);
            opened.Epoch.Id = ReadCurrentEpoch(connection) ?? CreateFirstEpoch(connection);
            return opened;
        }
    }

    private (Guid Id, SecretBytes Key)? ReadVaultKey(NpgsqlConnection connection)
    {
        using var command = new NpgsqlCommand("select vault_id, wrapped from keys.vault_key order by version desc limit 1", connection);
        using var reader = command.ExecuteReader();
        if (!reader.Read()) return null;
        var id = reader.GetGuid(0);
        return (id, rootKeys.Unwrap(reader.GetFieldValue<byte[]>(1), VaultKeyContext(id), wrappedBy: null));
    }

    private (Guid Id, SecretBytes Key) CreateVaultKey(NpgsqlConnection connection)
    {
        var id = Uuid.Version7(clock, random);
        using var fresh = SecretBytes.Random(KeyDerivation.KeySize, random);
        using var command = new NpgsqlCommand("insert into keys.vault_key values (1, $1, $2, $3) on conflict do nothing", connection)
        {
            Parameters = { new() { Value = id }, new() { Value = rootKeys.Current.Wrap(fresh.Span, VaultKeyContext(id)) }, new() { Value = clock.GetUtcNow().UtcDateTime } },
        };
        command.ExecuteNonQuery();
        return ReadVaultKey(connection)!.Value;
    }

    // The home folder remembers its vault, so an emptied or foreign keys database is noticed before anything is written under new keys.
    private void RefuseOtherVault(Guid vaultId)
    {
        var file = Path.Combine(options.Home, "vault-id");
        DurableFile.CreateOnce(file, Encoding.ASCII.GetBytes(vaultId.ToString()), random);
        if (File.ReadAllText(file) != vaultId.ToString())
            throw new VaultStartException("The keys database is not the one that this home folder belongs to.");
    }

    private static int? ReadCurrentEpoch(NpgsqlConnection connection)
    {
        using var command = new NpgsqlCommand("select max(epoch_id) from keys.epoch where destroyed_at is null", connection);
        return command.ExecuteScalar() as int?;
    }

    private int CreateFirstEpoch(NpgsqlConnection connection)
    {
        var (root, wrapped, commitment) = NewEpoch(1);
        root.Dispose();
        using var command = new NpgsqlCommand("insert into keys.epoch (epoch_id, wrapped, commitment, created_at) values (1, $1, $2, $3) on conflict do nothing", connection)
        {
            Parameters = { new() { Value = wrapped }, new() { Value = commitment }, new() { Value = clock.GetUtcNow().UtcDateTime } },
        };
        command.ExecuteNonQuery();
        return 1;
    }

    private SecretBytes UnwrapEpoch(int epoch, byte[]? wrapped)
    {
        if (wrapped is null || !slots.Exists(epoch))
            throw new VaultStartException($"The root of key epoch {epoch} was destroyed: this keys database is an outdated copy.");
        using var wrapping = EpochWrapping(epoch, slots.Open(epoch));
        return SealedValue.OpenSecret(wrapping.Span, wrapped, EpochContext(epoch));
    }

    // Opens with the vault key and the slot together, with neither alone.
    private SecretBytes EpochWrapping(int epoch, SecretBytes slot)
    {
        using var half = slot;
        using var both = new SecretBytes(2 * KeyDerivation.KeySize);
        Keys.VaultKey.Span.CopyTo(both.Span);
        half.Span.CopyTo(both.Span[KeyDerivation.KeySize..]);
        return KeyDerivation.Expand(both.Span, "epoch", KeyDerivation.Context(epoch));
    }

    private byte[] EpochContext(int epoch) => new AssociatedData(stackalloc byte[AssociatedData.Limit], "epoch").Add(VaultId).Add(epoch).Bytes.ToArray();

    private static byte[] VaultKeyContext(Guid id) => new AssociatedData(stackalloc byte[AssociatedData.Limit], "vault-key").Add(id).Bytes.ToArray();

    private sealed class Opened(Guid vaultId, SecretBytes vaultKey) : IDisposable
    {
        public Guid VaultId { get; } = vaultId;
        public SecretBytes VaultKey { get; } = vaultKey;
        public SecretBytes ActorKey { get; } = KeyDerivation.Expand(vaultKey.Span, "actor-tag");
        public SecretBytes TombstoneKey { get; } = KeyDerivation.Expand(vaultKey.Span, "tombstone");
        public EpochNumber Epoch { get; } = new();

        public void Dispose()
        {
            VaultKey.Dispose();
            ActorKey.Dispose();
            TombstoneKey.Dispose();
        }
    }

    private sealed class EpochNumber
    {
        public int Id;
    }
}
