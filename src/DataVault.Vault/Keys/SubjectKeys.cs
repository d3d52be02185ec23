using System.Buffers.Binary;
using System.Security.Cryptography;
using DataVault.Cryptography;
using DataVault.Policy;

namespace DataVault.Vault.Keys;

/// <summary>
/// A value is sealed under a version of the person's key that is not at hand: the key was renewed, or dropped, between the reading of the one and of the
/// other. Reading both again helps.
/// </summary>
internal class StaleKeyException(string message = "The value is sealed under another version of the key.") : CryptographicException(message);

/// <summary>
/// The keys of one person, unwrapped, for the length of one request. Not thread-safe. The person's root secrets are in pinned memory and erased on dispose;
/// what is derived is written into buffers of the caller, who erases them.
/// </summary>
/// <remarks>
/// While the person's values are being sealed anew under a new key, both versions are here. Values are opened under the version that they name; what is
/// sealed is sealed under the selected one, which is that of the record it belongs to.
/// </remarks>
internal sealed class SubjectKeys : IDisposable
{
    /// <summary>Subject key ‖ identity secret; from the second version on followed by the key of log details.</summary>
    public const int SecretSize = 2 * KeyDerivation.KeySize;

    public const int RenewedSize = 3 * KeyDerivation.KeySize;
    public const int TagSize = 16;

    private readonly byte[] logContext;
    private Version selected;
    private Version? other;

    /// <param name="wrapped">The same as stored; keeps the tag for the next request.</param>
    /// <param name="logContext">SHA-256 of the log's origin: tags of one person differ between logs.</param>
    /// <param name="secrets">Of the version that is in force; owned by this object from now on.</param>
    /// <param name="other">Secrets of the version before or after it, while values are being sealed anew.</param>
    public SubjectKeys(WrappedKey wrapped, byte[] logContext, SecretBytes secrets, (int Number, SecretBytes Secrets)? other = null)
    {
        (this.logContext, Wrapped, NotBefore) = (logContext, wrapped, wrapped.Newest);
        selected = new Version(wrapped.KeyVersion, secrets);
        this.other = other is { } two ? new Version(two.Number, two.Secrets) : null;
    }

    public WrappedKey Wrapped { get; private set; }

    /// <summary>The newest version that the person's record was known to have when these keys were taken: an older one is not to be served.</summary>
    public long NotBefore { get; }

    /// <summary>The version of the record that was last sealed with these keys: to be remembered once it is committed. 0 when there is none.</summary>
    public long Sealed { get; set; }

    public SubjectId Subject => Wrapped.Subject;

    /// <summary>The version under which values are sealed.</summary>
    public int KeyVersion => selected.Number;

    /// <summary>The person in the log: 16 bytes, the same in every entry of this log, computable by nobody once the person is erased.</summary>
    public ReadOnlyMemory<byte> Tag => Wrapped.Tag ??= DeriveTag();

    /// <summary>Public commitment to the subject key: logged at birth and at each renewal, cited at death.</summary>
    public byte[] Commitment
    {
        get
        {
            var bytes = new byte[32];
            selected.Key.Expand("commit", default, bytes);
            return bytes;
        }
    }

    public bool Has(int version) => selected.Number == version || other?.Number == version;

    /// <summary>Seals under this version from now on.</summary>
    /// <exception cref="StaleKeyException">It is not at hand.</exception>
    public void Select(int version)
    {
        if (selected.Number == version) return;
        if (other?.Number != version) throw new StaleKeyException();
        (selected, other) = (other, selected);
    }

    /// <summary>Key of one field class, or class of events, to seal under.</summary>
    public void ClassKey(int classId, Span<byte> key) => ClassKey(selected, classId, key);

    /// <summary>The same of the version that a value names.</summary>
    /// <exception cref="StaleKeyException">It is not at hand.</exception>
    public void ClassKey(int classId, int version, Span<byte> key) => ClassKey(At(version), classId, key);

    /// <summary>Key of what the log keeps about this person outside the tree: the same for all versions, since the log holds the hashes of what is sealed.</summary>
    public void AuditDetailKey(Span<byte> key)
    {
        var secrets = selected.Secrets.Span;
        if (secrets.Length == RenewedSize) secrets[SecretSize..].CopyTo(key);
        else selected.Key.Expand("audit-detail", default, key);
    }

    /// <summary>Key of notes on the person's requests, to seal under.</summary>
    public void NoteKey(Span<byte> key) => selected.Key.Expand("note", default, key);

    /// <exception cref="StaleKeyException">The version is not at hand.</exception>
    public void NoteKey(int version, Span<byte> key) => At(version).Key.Expand("note", default, key);

    /// <summary>Seals words that are kept with the person and are no field of the record: notes on requests, messages.</summary>
    /// <param name="about">What they are and to which row they belong: bound to what is sealed.</param>
    /// <param name="content">The words; the caller erases them.</param>
    /// <param name="random">For the nonce.</param>
    public byte[] SealWords(in WordsContext about, ReadOnlySpan<byte> content, IRandomBytes random)
    {
        Span<byte> key = stackalloc byte[KeyDerivation.KeySize];
        NoteKey(key);
        var value = SealedValue.Seal(key, (uint)KeyVersion, 0, content, about.Of(Subject, stackalloc byte[AssociatedData.Limit]), random);
        CryptographicOperations.ZeroMemory(key);
        return value;
    }

    /// <summary>Opens such words under the version that they name. The caller erases them.</summary>
    /// <exception cref="StaleKeyException">The version is not at hand.</exception>
    /// <exception cref="CryptographicException">They are not what was sealed for this row.</exception>
    public byte[] OpenWords(in WordsContext about, ReadOnlySpan<byte> value)
    {
        Span<byte> key = stackalloc byte[KeyDerivation.KeySize];
        NoteKey(SealedValue.KeyVersionOf(value), key);
        var content = new byte[SealedValue.OpenedLength(value.Length)];
        SealedValue.Open(key, value, about.Of(Subject, stackalloc byte[AssociatedData.Limit]), content);
        CryptographicOperations.ZeroMemory(key);
        return content;
    }

    /// <summary>Key under which the key that will take the place of this one is kept until then: of the version in force, whichever is selected.</summary>
    public void SuccessorKey(Span<byte> key) => At(Wrapped.KeyVersion).Key.Expand("successor", default, key);

    /// <summary>The secrets of a key that takes the place of this one and has nothing in common with it but the identity. The caller disposes them.</summary>
    public SecretBytes Successor(IRandomBytes random)
    {
        var next = new SecretBytes(RenewedSize);
        random.Fill(next.Span);
        Identity.CopyTo(next.Span[KeyDerivation.KeySize..]);
        return next;
    }

    /// <summary>MAC over the digest of the whole stored record.</summary>
    public void RecordSeal(ReadOnlySpan<byte> digest, Span<byte> seal) => selected.Key.Expand("record-seal", digest, seal);

    /// <summary>32 bytes that pseudonyms are made from; they go to <see cref="PseudonymKey"/> and nowhere else, and the caller erases them.</summary>
    public void PseudonymInput(Span<byte> input) => KeyDerivation.Expand(Identity, "pseudonym-input", default, input[..KeyDerivation.KeySize]);

    /// <summary>The secrets of a next version: a new subject key, the same identity, the same key of log details. The caller disposes them.</summary>
    public SecretBytes Renewed(IRandomBytes random)
    {
        var renewed = new SecretBytes(RenewedSize);
        random.Fill(renewed.Span[..KeyDerivation.KeySize]);
        Identity.CopyTo(renewed.Span[KeyDerivation.KeySize..]);
        AuditDetailKey(renewed.Span[SecretSize..]);
        return renewed;
    }

    /// <summary>Takes the place of keys that turned out to be stale.</summary>
    public void Adopt(SubjectKeys fresh)
    {
        selected.Dispose();
        other?.Dispose();
        fresh.Wrapped.Saw(Wrapped.Newest);
        (Wrapped, selected, other) = (fresh.Wrapped, fresh.selected, fresh.other);
    }

    public void Dispose()
    {
        selected.Dispose();
        other?.Dispose();
    }

    private ReadOnlySpan<byte> Identity => selected.Secrets.Span[KeyDerivation.KeySize..SecretSize];

    private Version At(int version) => selected.Number == version ? selected : other?.Number == version ? other : throw new StaleKeyException();

    private static void ClassKey(Version version, int classId, Span<byte> key)
    {
        Span<byte> context = stackalloc byte[8];
        BinaryPrimitives.WriteInt32BigEndian(context, classId);
        BinaryPrimitives.WriteInt32BigEndian(context[4..], version.Number);
        version.Key.Expand("field", context, key);
    }

    private byte[] DeriveTag()
    {
        var tag = new byte[TagSize];
        KeyDerivation.Expand(Identity, "subject-tag", logContext, tag);
        return tag;
    }

    private sealed class Version(int number, SecretBytes secrets) : IDisposable
    {
        private KeyDerivation? key;

        public int Number => number;

        public SecretBytes Secrets => secrets;

        public KeyDerivation Key => key ??= new KeyDerivation(secrets.Span[..KeyDerivation.KeySize]);

        public void Dispose()
        {
            key?.Dispose();
            secrets.Dispose();
        }
    }
}

/// <summary>Which row words belong to that are sealed under a person's key.</summary>
/// <param name="Kind">What they are.</param>
/// <param name="VaultId">The vault.</param>
/// <param name="Row">The id of the row.</param>
internal readonly record struct WordsContext(string Kind, Guid VaultId, Guid Row)
{
    public ReadOnlySpan<byte> Of(SubjectId subject, Span<byte> buffer) => new AssociatedData(buffer, Kind).Add(VaultId).Add(subject.Value).Add(Row).Bytes;
}

/// <summary>A person's keys as the keys database holds them: of no use without the page key.</summary>
/// <param name="subject">Whose.</param>
/// <param name="keyVersion">The version in force.</param>
/// <param name="pageId">The page that they are wrapped under.</param>
/// <param name="generation">Its generation.</param>
/// <param name="wrapped">The version in force.</param>
/// <param name="other">The version before or after it, while the person's values are being sealed anew.</param>
internal sealed class WrappedKey(SubjectId subject, int keyVersion, long pageId, int generation, byte[] wrapped, byte[]? other)
{
    private byte[]? tag;
    private long newest;

    public SubjectId Subject => subject;
    public int KeyVersion => keyVersion;
    public long PageId => pageId;
    public int Generation => generation;
    public byte[] Wrapped => wrapped;
    public byte[]? Other => other;

    /// <summary>Of the cache: the number of its last removal before this was fetched.</summary>
    public long Began { get; set; }

    /// <summary>The newest version of the record that anybody has seen, as far as is known here.</summary>
    public long Newest => Volatile.Read(ref newest);

    /// <returns>False when that is no news.</returns>
    public bool Saw(long version)
    {
        for (var known = Newest; version > known; known = Newest)
        {
            if (Interlocked.CompareExchange(ref newest, version, known) == known) return true;
        }

        return false;
    }

    public byte[]? Tag
    {
        get => Volatile.Read(ref tag);
        set => Volatile.Write(ref tag, value);
    }
}
