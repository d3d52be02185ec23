// Cosignatures of witnesses (c2sp.org/tlog-cosignature), Ed25519, type 0x04.
//
//    key id      first 4 bytes of SHA-256(name ‖ 0x0A ‖ 0x04 ‖ key)
//    signature   u64 big endian, Unix seconds ‖ Ed25519 over  cosignature/v1 LF  time <seconds> LF  <text of the checkpoint>
//
// A cosignature says: at this time this was the largest tree that I had seen of this log, and it continues all that I had seen before.

using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DataVault.Transparency;

/// <summary>What a cosignature holds beside the signature proper.</summary>
public static class Cosignature
{
    internal const int Size = sizeof(ulong) + Ed25519.SignatureSize;

    /// <summary>When the witness signed; null when the bytes are not a cosignature. Trust it no further than the signature was verified.</summary>
    public static DateTimeOffset? TimeOf(NoteSignature signature) =>
        signature.Signature.Length == Size && Seconds(signature.Signature.Span) is { } seconds && seconds <= DateTimeOffset.MaxValue.ToUnixTimeSeconds()
            ? DateTimeOffset.FromUnixTimeSeconds(seconds)
            : null;

    internal static byte[] Message(ReadOnlySpan<byte> text, long seconds) =>
        [.. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"cosignature/v1\ntime {seconds}\n")), .. text];

    // SPEC checkpoint §8: the time is at most 2^63 - 1.
    internal static long? Seconds(ReadOnlySpan<byte> signature) => BinaryPrimitives.ReadInt64BigEndian(signature) is >= 0 and var seconds ? seconds : null;
}

/// <summary>A witness's private key.</summary>
public sealed class CosignatureKey : IDisposable
{
    private readonly byte[] _seed;
    private readonly uint _keyId;

    /// <summary>A witness's key.</summary>
    /// <param name="name">Name of the witness, by custom an address without its scheme.</param>
    /// <param name="seed">The Ed25519 private key, 32 bytes; copied.</param>
    /// <exception cref="PlatformNotSupportedException">This machine has no libcrypto with Ed25519.</exception>
    public CosignatureKey(string name, ReadOnlySpan<byte> seed)
    {
        if (!SignedNote.IsKeyName(name))
            throw new ArgumentException("A key name is not empty and has neither blanks nor '+'.", nameof(name));
        var publicKey = Ed25519.PublicKeyOf(seed);
        (Name, _seed, _keyId) = (name, seed.ToArray(), CosignatureVerifier.IdOf(name, publicKey));
        VerifierKey = $"{name}+{_keyId:x8}+{Convert.ToBase64String([CosignatureVerifier.Type, .. publicKey])}";
    }

    /// <summary>Name of the witness.</summary>
    public string Name { get; }

    /// <summary>The line by which others know the witness.</summary>
    public string VerifierKey { get; }

    /// <summary>Cosigns a checkpoint. Whoever calls has seen that it continues all that this key ever signed.</summary>
    public NoteSignature Cosign(Checkpoint checkpoint, DateTimeOffset now)
    {
        var seconds = now.ToUnixTimeSeconds();
        var signature = new byte[Cosignature.Size];
        BinaryPrimitives.WriteInt64BigEndian(signature, seconds);
        Ed25519.Sign(_seed, Cosignature.Message(SignedNote.StrictUtf8.GetBytes(checkpoint.ToText()), seconds)).CopyTo(signature, sizeof(ulong));
        return new NoteSignature(Name, _keyId, signature);
    }

    /// <summary>Clears the key.</summary>
    public void Dispose() => CryptographicOperations.ZeroMemory(_seed);
}

internal sealed class CosignatureVerifier : KeyVerifier
{
    public const byte Type = CosignatureType;

    private readonly byte[] _key;

    public CosignatureVerifier(string name, byte[] key)
        : base(name, IdOf(name, key)) => _key = key;

    public static uint IdOf(string name, byte[] key) => FirstFour([.. Encoding.UTF8.GetBytes(name), 0x0A, Type, .. key]);

    private protected override NoteCheck CheckSignature(ReadOnlySpan<byte> text, ReadOnlySpan<byte> signature)
    {
        if (signature.Length != Cosignature.Size || Cosignature.Seconds(signature) is not { } seconds)
            return NoteCheck.Invalid;
        return Ed25519.Check(_key, Cosignature.Message(text, seconds), signature[sizeof(ulong)..]);
    }
}
