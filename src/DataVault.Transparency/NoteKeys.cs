// Keys of signed notes. A verifier key is one line, <name>+<key id, 8 hex digits>+<base64( type ‖ public key )>.
//
//    type 0x01  Ed25519      key id = first 4 bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key)
//    type 0x02  ECDSA P-256  key id = first 4 bytes of SHA-256(SubjectPublicKeyInfo DER), which does not bind the name
//    type 0x04  Ed25519 cosignature of a witness (Cosignatures.cs)
//
// DataVault signs with 0x02, which the platform offers everywhere. It verifies 0x01 and 0x04 too, because logs and witnesses of others use them:
// Ed25519 is in no .NET 10 class, so that goes to OpenSSL's libcrypto, and where there is none the answer is NoteCheck.NotAvailable, never "valid".
//
// A NoteVerifier is one key, the keys of a log that changed its key (LogKeys), or a whole trust policy (TrustPolicy): whoever verifies need not know.

using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DataVault.Transparency;

/// <summary>What a verifier found on a note.</summary>
public enum NoteCheck
{
    /// <summary>The key's signature is there and right.</summary>
    Valid,

    /// <summary>The key has not signed this note.</summary>
    NotSigned,

    /// <summary>A signature claims this key and is wrong: the note must be rejected.</summary>
    Invalid,

    /// <summary>This machine has no implementation of the key's algorithm.</summary>
    NotAvailable,
}

/// <summary>What verifies notes: a public key, or several with a rule of which must have signed.</summary>
public abstract class NoteVerifier
{
    private protected const byte Ed25519Type = 0x01;
    private protected const byte EcdsaType = 0x02;
    private protected const byte CosignatureType = 0x04;

    private protected NoteVerifier(string name, uint keyId) => (Name, KeyId) = (name, keyId);

    /// <summary>Name of the key; of a log's key, the log's origin.</summary>
    public string Name { get; }

    /// <summary>The first four bytes of the key's hash, big endian.</summary>
    public uint KeyId { get; }

    /// <summary>Reads a verifier key.</summary>
    /// <exception cref="FormatException">The line is not a verifier key of a known type, or its key id is not that of its key.</exception>
    public static NoteVerifier Parse(string verifierKey) =>
        TryParse(verifierKey, out var verifier) ? verifier! : throw new FormatException("Not a verifier key of the form name+hash+base64 with an ECDSA P-256 or Ed25519 key.");

    /// <summary>Reads a verifier key.</summary>
    public static bool TryParse(string verifierKey, out NoteVerifier? verifier)
    {
        verifier = null;
        var parts = verifierKey.Split('+', 3);
        if (parts.Length != 3 || !SignedNote.IsKeyName(parts[0]) || parts[1].Length != 8 || !Base64Strict.TryDecode(parts[2], out var key) || key.Length < 2)
            return false;
        if (!uint.TryParse(parts[1], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var id))
            return false;
        verifier = key[0] switch
        {
            Ed25519Type when key.Length == 33 => new Ed25519NoteVerifier(parts[0], key[1..]),
            CosignatureType when key.Length == 33 => new CosignatureVerifier(parts[0], key[1..]),
            EcdsaType => EcdsaNoteVerifier.TryCreate(parts[0], key[1..]),
            _ => null,
        };
        if (verifier?.KeyId != id)
            verifier = null;
        return verifier is not null;
    }

    /// <summary>
    /// Reads what people keep in a file: one verifier key, the list of a log's keys (<see cref="LogKeys"/>), or a trust policy about one log
    /// (<see cref="TrustPolicy"/>).
    /// </summary>
    public static bool TryParseFile(string text, out NoteVerifier? verifier)
    {
        if (TryParse(text.Trim(), out verifier))
            return true;
        if (LogKeys.TryParse(text, out var keys))
            verifier = keys;
        else if (TrustPolicy.TryParse(text, out var policy, out _) && policy!.Logs.Select(log => log.Key.Name).Distinct().ToList() is [var origin])
            verifier = policy.VerifierOf(origin);
        return verifier is not null;
    }

    /// <summary>Looks for this key's signatures on the note and checks every one.</summary>
    public abstract NoteCheck Check(SignedNote note);

    /// <summary>True when <see cref="Check"/> finds a valid signature.</summary>
    public bool Verify(SignedNote note) => Check(note) == NoteCheck.Valid;

    private protected static uint FirstFour(ReadOnlySpan<byte> input) => BinaryPrimitives.ReadUInt32BigEndian(SHA256.HashData(input));
}

/// <summary>One public key.</summary>
internal abstract class KeyVerifier(string name, uint keyId) : NoteVerifier(name, keyId)
{
    public override NoteCheck Check(SignedNote note)
    {
        var text = SignedNote.StrictUtf8.GetBytes(note.Text);
        var outcome = NoteCheck.NotSigned;
        foreach (var signature in note.Signatures)
        {
            if (signature.KeyId != KeyId || signature.Name != Name)
                continue;
            outcome = CheckSignature(text, signature.Signature.Span);
            if (outcome != NoteCheck.Valid)
                break;
        }
        return outcome;
    }

    private protected abstract NoteCheck CheckSignature(ReadOnlySpan<byte> text, ReadOnlySpan<byte> signature);
}

/// <summary>Signs notes with an ECDSA P-256 key (type 0x02).</summary>
public sealed class NoteSigner
{
    private readonly ECDsa _key;
    private readonly uint _keyId;
    private readonly Lock _turn = new();
    private NoteSigner? _beside;

    /// <summary>A signer of the name; for checkpoints, the log's origin.</summary>
    /// <param name="name">Name of the key: not empty, without blanks and '+'.</param>
    /// <param name="p256">The private key. The caller keeps and disposes it.</param>
    public NoteSigner(string name, ECDsa p256)
    {
        if (!SignedNote.IsKeyName(name))
            throw new ArgumentException("A key name is not empty and has neither blanks nor '+'.", nameof(name));
        if (p256.KeySize != 256)
            throw new ArgumentException("Notes are signed with a key on P-256.", nameof(p256));
        (Name, _key) = (name, p256);
        var spki = p256.ExportSubjectPublicKeyInfo();
        _keyId = EcdsaNoteVerifier.IdOf(spki);
        VerifierKey = $"{name}+{_keyId:x8}+{Convert.ToBase64String([0x02, .. spki])}";
    }

    /// <summary>Name of the key.</summary>
    public string Name { get; }

    /// <summary>The line that <see cref="NoteVerifier.Parse"/> reads.</summary>
    public string VerifierKey { get; }

    internal uint KeyId => _keyId;

    /// <summary>A signer with this key that adds the signature of another: while a log changes its key, both sign.</summary>
    public NoteSigner Beside(NoteSigner other) => new(Name, _key) { _beside = other };

    /// <summary>Signs a text, which ends with a newline.</summary>
    public SignedNote Sign(string text)
    {
        if (!text.EndsWith('\n'))
            throw new ArgumentException("The text of a note ends with a newline.", nameof(text));
        // A key object is not made for several threads at once.
        lock (_turn)
        {
            var signature = _key.SignData(SignedNote.StrictUtf8.GetBytes(text), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
            return new SignedNote(text, [.. _beside?.Sign(text).Signatures ?? [], new NoteSignature(Name, _keyId, signature)]);
        }
    }
}

internal sealed class EcdsaNoteVerifier : KeyVerifier
{
    private const string P256 = "1.2.840.10045.3.1.7";

    private readonly byte[] _spki;

    private EcdsaNoteVerifier(string name, byte[] spki)
        : base(name, IdOf(spki)) => _spki = spki;

    // SPEC checkpoint §4: the key id is over the SPKI alone.
    public static uint IdOf(byte[] spki) => FirstFour(spki);

    public static EcdsaNoteVerifier? TryCreate(string name, byte[] spki)
    {
        try
        {
            using var key = ECDsa.Create();
            key.ImportSubjectPublicKeyInfo(spki, out var read);
            return read == spki.Length && key.ExportParameters(false).Curve.Oid.Value == P256 ? new EcdsaNoteVerifier(name, spki) : null;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private protected override NoteCheck CheckSignature(ReadOnlySpan<byte> text, ReadOnlySpan<byte> signature) =>
        IsSignedBy(_spki, text, signature) ? NoteCheck.Valid : NoteCheck.Invalid;

    internal static bool IsSignedBy(byte[] spki, ReadOnlySpan<byte> text, ReadOnlySpan<byte> signature)
    {
        if (!IsStrictDer(signature))
            return false;
        using var key = ECDsa.Create();
        key.ImportSubjectPublicKeyInfo(spki, out _);
        return key.VerifyData(text, signature, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
    }

    /// <summary>
    /// True when the bytes are the DER of SEQUENCE { INTEGER r, INTEGER s } and nothing else. The platform tolerates longer encodings of the
    /// same numbers (Wycheproof ecdsa_secp256r1_sha256, tcId 6), by which anyone could turn one valid note into another.
    /// </summary>
    internal static bool IsStrictDer(ReadOnlySpan<byte> der)
    {
        if (der.Length < 2 || der[0] != 0x30 || der[1] != der.Length - 2)
            return false;
        var rest = der[2..];
        return TakeInteger(ref rest) && TakeInteger(ref rest) && rest.IsEmpty;
    }

    private static bool TakeInteger(ref ReadOnlySpan<byte> rest)
    {
        if (rest.Length < 3 || rest[0] != 0x02 || rest[1] is 0 or > 33 || rest[1] > rest.Length - 2)
            return false;
        var value = rest.Slice(2, rest[1]);
        rest = rest[(2 + value.Length)..];
        // Positive, and without a zero byte that the sign bit does not need.
        return value[0] < 0x80 && (value[0] != 0 || (value.Length > 1 && value[1] >= 0x80));
    }
}

internal sealed class Ed25519NoteVerifier : KeyVerifier
{
    private readonly byte[] _key;

    public Ed25519NoteVerifier(string name, byte[] key)
        : base(name, FirstFour([.. Encoding.UTF8.GetBytes(name), 0x0A, Ed25519Type, .. key])) => _key = key;

    private protected override NoteCheck CheckSignature(ReadOnlySpan<byte> text, ReadOnlySpan<byte> signature) => Ed25519.Check(_key, text, signature);
}
