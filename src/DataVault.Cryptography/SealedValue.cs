using System.Buffers.Binary;
using System.Security.Cryptography;

namespace DataVault.Cryptography;

/// <summary>
/// The envelope, for every ciphertext that the vault stores (docs/formats/envelope.md):
/// <code>
/// offset  length
///  0       1   suite: 01 = AES-256-GCM, 96-bit random nonce, 128-bit tag
///  1       4   key version     u32, network order
///  5       8   record version  u64, network order
/// 13      12   nonce
/// 25       n   ciphertext
/// 25+n    16   tag
/// </code>
/// The authenticated data are the first 13 bytes followed by the caller's context (<see cref="AssociatedData"/>).
/// A key belongs to one person and use, so 2^32 random nonces per key (SP 800-38D §8.3) are out of reach.
/// </summary>
public static class SealedValue
{
    public const int HeaderSize = 13;
    public const int NonceSize = Aes256Gcm.NonceSize;
    public const int TagSize = Aes256Gcm.TagSize;
    public const int Overhead = HeaderSize + NonceSize + TagSize;

    private const byte SuiteAes256Gcm = 0x01;
    private const int ContextLimit = AssociatedData.Limit;

    public static int SealedLength(int plaintextLength) => checked(plaintextLength + Overhead);

    /// <summary>The key version that a sealed value names. Not to be believed before the value has been opened under it.</summary>
    public static int KeyVersionOf(ReadOnlySpan<byte> value) => value.Length >= Overhead ? (int)BinaryPrimitives.ReadUInt32BigEndian(value[1..]) : throw DoesNotOpen();

    /// <summary>The record version that a sealed value names, likewise.</summary>
    public static long RecordVersionOf(ReadOnlySpan<byte> value) => value.Length >= Overhead ? (long)BinaryPrimitives.ReadUInt64BigEndian(value[5..]) : throw DoesNotOpen();

    public static int OpenedLength(int sealedLength) =>
        sealedLength >= Overhead ? sealedLength - Overhead : throw DoesNotOpen();

    /// <summary>Seals into <paramref name="destination"/>, which has exactly <see cref="SealedLength"/> bytes.</summary>
    public static void Seal(
        ReadOnlySpan<byte> key, uint keyVersion, ulong recordVersion, ReadOnlySpan<byte> plaintext, ReadOnlySpan<byte> context,
        IRandomBytes random, Span<byte> destination)
    {
        if (destination.Length != SealedLength(plaintext.Length)) throw new ArgumentException("wrong length", nameof(destination));
        WriteHeader(destination, keyVersion, recordVersion);
        var nonce = destination.Slice(HeaderSize, NonceSize);
        random.Fill(nonce);
        Span<byte> bound = stackalloc byte[HeaderSize + ContextLimit];
        bound = Bind(destination[..HeaderSize], context, bound);
        Aes256Gcm.Encrypt(key, nonce, plaintext, destination[(HeaderSize + NonceSize)..^TagSize], destination[^TagSize..], bound);
    }

    public static byte[] Seal(
        ReadOnlySpan<byte> key, uint keyVersion, ulong recordVersion, ReadOnlySpan<byte> plaintext, ReadOnlySpan<byte> context, IRandomBytes random)
    {
        var destination = new byte[SealedLength(plaintext.Length)];
        Seal(key, keyVersion, recordVersion, plaintext, context, random, destination);
        return destination;
    }

    /// <summary>Opens into <paramref name="plaintext"/>, which has exactly <see cref="OpenedLength"/> bytes.</summary>
    /// <exception cref="CryptographicException">Unknown suite, wrong key, wrong context or changed bytes: one face for all.</exception>
    public static void Open(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, ReadOnlySpan<byte> context, Span<byte> plaintext)
    {
        // SPEC envelope §2.2: what this reader does not know, it refuses.
        if (value.Length < Overhead || value[0] != SuiteAes256Gcm || plaintext.Length != value.Length - Overhead) throw DoesNotOpen();
        Span<byte> bound = stackalloc byte[HeaderSize + ContextLimit];
        bound = Bind(value[..HeaderSize], context, bound);
        try
        {
            Aes256Gcm.Decrypt(key, value.Slice(HeaderSize, NonceSize), value[(HeaderSize + NonceSize)..^TagSize], value[^TagSize..], plaintext, bound);
        }
        catch (CryptographicException)
        {
            throw DoesNotOpen();
        }
    }

    /// <summary>Opens key material into a buffer that is erased on dispose.</summary>
    public static SecretBytes OpenSecret(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, ReadOnlySpan<byte> context)
    {
        var secret = new SecretBytes(OpenedLength(value.Length));
        try
        {
            Open(key, value, context, secret.Span);
            return secret;
        }
        catch
        {
            secret.Dispose();
            throw;
        }
    }

    public static uint KeyVersion(ReadOnlySpan<byte> value) => BinaryPrimitives.ReadUInt32BigEndian(Whole(value)[1..]);

    public static ulong RecordVersion(ReadOnlySpan<byte> value) => BinaryPrimitives.ReadUInt64BigEndian(Whole(value)[5..]);

    private static ReadOnlySpan<byte> Whole(ReadOnlySpan<byte> value) => value.Length >= Overhead ? value : throw DoesNotOpen();

    private static void WriteHeader(Span<byte> destination, uint keyVersion, ulong recordVersion)
    {
        destination[0] = SuiteAes256Gcm;
        BinaryPrimitives.WriteUInt32BigEndian(destination[1..], keyVersion);
        BinaryPrimitives.WriteUInt64BigEndian(destination[5..], recordVersion);
    }

    // SPEC envelope §3.2
    private static Span<byte> Bind(ReadOnlySpan<byte> header, ReadOnlySpan<byte> context, Span<byte> bound)
    {
        if (context.Length > ContextLimit) throw new ArgumentException("the context is too long", nameof(context));
        header.CopyTo(bound);
        context.CopyTo(bound[HeaderSize..]);
        return bound[..(HeaderSize + context.Length)];
    }

    private static CryptographicException DoesNotOpen() => new("The value does not open.");
}
