using DataVault.Cryptography;
using DataVault.Policy;

namespace DataVault.Vault.Keys;

/// <summary>
/// The keys of one person, unwrapped, for the length of one request. Not thread-safe. The person's root secrets are in pinned memory and erased on dispose;
/// what is derived is written into buffers of the caller, who erases them.
/// </summary>
internal sealed class SubjectKeys : IDisposable
{
    public const int SecretSize = 2 * KeyDerivation.KeySize;
    public const int TagSize = 16;

    private readonly SecretBytes secrets;
    private readonly byte[] logContext;
    private KeyDerivation? keys;

    /// <param name="secrets">Subject key ‖ identity secret; owned by this object from now on.</param>
    /// <param name="logContext">SHA-256 of the log's origin: tags of one person differ between logs.</param>
    /// <param name="wrapped">The same as stored; keeps the tag for the next request.</param>
    public SubjectKeys(SecretBytes secrets, byte[] logContext, WrappedKey wrapped) => (this.secrets, this.logContext, Wrapped) = (secrets, logContext, wrapped);

    public WrappedKey Wrapped { get; }

    public SubjectId Subject => Wrapped.Subject;

    public int KeyVersion => Wrapped.KeyVersion;

    /// <summary>The person in the log: 16 bytes, the same in every entry of this log, computable by nobody once the person is erased.</summary>
    public ReadOnlyMemory<byte> Tag => Wrapped.Tag ??= DeriveTag();

    /// <summary>Public commitment to the subject key: logged at birth, cited at death.</summary>
    public byte[] Commitment => Derive("commit", default, 32);

    private KeyDerivation Key => keys ??= new KeyDerivation(secrets.Span[..KeyDerivation.KeySize]);

    /// <summary>Key of one field class, or class of events.</summary>
    public void ClassKey(int classId, Span<byte> key)
    {
        Span<byte> context = stackalloc byte[8];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(context, classId);
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(context[4..], KeyVersion);
        Key.Expand("field", context, key);
    }

    /// <summary>Key of what the log keeps about this person outside the tree.</summary>
    public void AuditDetailKey(Span<byte> key) => Key.Expand("audit-detail", default, key);

    /// <summary>Key of notes on the person's requests.</summary>
    public void NoteKey(Span<byte> key) => Key.Expand("note", default, key);

    /// <summary>MAC over the digest of the whole stored record.</summary>
    public void RecordSeal(ReadOnlySpan<byte> digest, Span<byte> seal) => Key.Expand("record-seal", digest, seal);

    /// <summary>What pseudonyms are made from; goes to <see cref="PseudonymKey"/> and nowhere else.</summary>
    public byte[] PseudonymInput() => DeriveIdentity("pseudonym-input", default, 32);

    public void Dispose()
    {
        keys?.Dispose();
        secrets.Dispose();
    }

    private byte[] DeriveTag() => DeriveIdentity("subject-tag", logContext, TagSize);

    private byte[] Derive(string label, ReadOnlySpan<byte> context, int length)
    {
        var bytes = new byte[length];
        Key.Expand(label, context, bytes);
        return bytes;
    }

    private byte[] DeriveIdentity(string label, ReadOnlySpan<byte> context, int length)
    {
        var bytes = new byte[length];
        KeyDerivation.Expand(secrets.Span[KeyDerivation.KeySize..], label, context, bytes);
        return bytes;
    }
}

/// <summary>A person's keys as the keys database holds them: of no use without the page key.</summary>
internal sealed class WrappedKey(SubjectId subject, int keyVersion, long pageId, int generation, byte[] wrapped)
{
    private byte[]? tag;

    public SubjectId Subject => subject;
    public int KeyVersion => keyVersion;
    public long PageId => pageId;
    public int Generation => generation;
    public byte[] Wrapped => wrapped;

    public byte[]? Tag
    {
        get => Volatile.Read(ref tag);
        set => Volatile.Write(ref tag, value);
    }
}
