using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;

namespace DataVault.Cryptography;

/// <summary>
/// The key of one blind index: <c>HMAC-SHA-256(key, normalised value)</c>, first 16 bytes. Equal values give equal terms, and that is all a term tells
/// to someone without the key. Thread-safe; keyed states are kept and reused, since setting one up costs more than using it.
/// </summary>
public sealed class BlindIndexKey(ReadOnlySpan<byte> key) : IDisposable
{
    public const int TermSize = 16;

    private readonly KeyedHashes hashes = new(key);

    /// <param name="normalised">The value in its one canonical spelling (NFKC, trimmed, case-folded; E.164 for phones).</param>
    public byte[] Term(string normalised)
    {
        var term = new byte[TermSize];
        Span<byte> utf8 = stackalloc byte[512];
        var needed = Encoding.UTF8.GetMaxByteCount(normalised.Length);
        var bytes = needed <= utf8.Length ? utf8 : new byte[needed];
        bytes = bytes[..Encoding.UTF8.GetBytes(normalised, bytes)];
        hashes.Compute(bytes, term);
        CryptographicOperations.ZeroMemory(bytes);
        return term;
    }

    public void Term(ReadOnlySpan<byte> normalisedUtf8, Span<byte> term) => hashes.Compute(normalisedUtf8, term[..TermSize]);

    public void Dispose() => hashes.Dispose();
}

/// <summary>
/// One epoch of a blind index: a random key of its own, from which each partition's key is derived, and how many bits of a term are stored. The partition of
/// a person is a keyed hash of their id, so that who reads the database cannot sort terms by partition. Thread-safe.
/// </summary>
public sealed class BlindIndexEpoch : IDisposable
{
    private readonly BlindIndexKey[] partitions;
    private readonly KeyedHashes? members;
    private readonly bool isBorrowed;

    /// <param name="key">32 random bytes; they live until the epoch's terms are deleted.</param>
    /// <param name="bits">Bits of each stored term, 1 to 128.</param>
    /// <param name="partitionCount">Keys that people are spread over.</param>
    public BlindIndexEpoch(ReadOnlySpan<byte> key, int bits, int partitionCount)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bits, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bits, BlindIndexKey.TermSize * 8);
        ArgumentOutOfRangeException.ThrowIfLessThan(partitionCount, 1);
        Bits = bits;
        partitions = new BlindIndexKey[partitionCount];
        for (var number = 0; number < partitionCount; number++)
        {
            using var derived = KeyDerivation.Expand(key, "index-partition", KeyDerivation.Context(number));
            partitions[number] = new BlindIndexKey(derived.Span);
        }

        if (partitionCount == 1) return;
        using var member = KeyDerivation.Expand(key, "index-member");
        members = new KeyedHashes(member.Span);
    }

    /// <summary>An index whose one key is used as it is, at full length: what a vault had before there were epochs. The key stays the caller's.</summary>
    public BlindIndexEpoch(BlindIndexKey key) => (partitions, Bits, isBorrowed) = ([key], BlindIndexKey.TermSize * 8, true);

    public int Bits { get; }

    public int Partitions => partitions.Length;

    /// <summary>The partition of a person.</summary>
    /// <param name="subject">16 bytes of the person's id, in network order.</param>
    public int PartitionOf(ReadOnlySpan<byte> subject)
    {
        if (members is null) return 0;
        Span<byte> digest = stackalloc byte[8];
        members.Compute(subject, digest);
        return (int)(System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(digest) % (ulong)partitions.Length);
    }

    /// <summary>The first <see cref="Bits"/> of the keyed hash, in as few bytes as hold them; the bits left over are zero.</summary>
    public byte[] Term(ReadOnlySpan<byte> normalised, int partition)
    {
        Span<byte> full = stackalloc byte[BlindIndexKey.TermSize];
        partitions[partition].Term(normalised, full);
        var term = full[..((Bits + 7) / 8)].ToArray();
        if (Bits % 8 != 0) term[^1] &= (byte)(0xFF << (8 - Bits % 8));
        return term;
    }

    public void Dispose()
    {
        if (isBorrowed) return;
        foreach (var partition in partitions) partition.Dispose();
        members?.Dispose();
    }
}

/// <summary>
/// The key of one pseudonym domain: <c>base32(HMAC-SHA-256(key, "datavault/v1/pseudonym" ‖ 00 ‖ input)[..20])</c>, 32 lower-case letters and digits.
/// Two domains cannot be joined, and without the person's own secret (the input) nobody computes it again. Thread-safe.
/// </summary>
public sealed class PseudonymKey(ReadOnlySpan<byte> key) : IDisposable
{
    private const string Alphabet = "abcdefghijklmnopqrstuvwxyz234567";
    private readonly KeyedHashes hashes = new(key);

    /// <param name="input">32 bytes derived from the person's identity secret.</param>
    public string Pseudonym(ReadOnlySpan<byte> input)
    {
        var prefix = "datavault/v1/pseudonym\0"u8;
        Span<byte> message = stackalloc byte[prefix.Length + 64];
        prefix.CopyTo(message);
        input.CopyTo(message[prefix.Length..]);
        Span<byte> digest = stackalloc byte[20];
        hashes.Compute(message[..(prefix.Length + input.Length)], digest);
        CryptographicOperations.ZeroMemory(message);
        return Base32(digest);
    }

    public void Dispose() => hashes.Dispose();

    // RFC 4648 §6 in lower case; 160 bits need no padding.
    private static string Base32(ReadOnlySpan<byte> digest)
    {
        Span<char> text = stackalloc char[32];
        for (var i = 0; i < text.Length; i++)
        {
            var bit = i * 5;
            var pair = (digest[bit / 8] << 8) | (bit / 8 + 1 < digest.Length ? digest[bit / 8 + 1] : 0);
            text[i] = Alphabet[(pair >> (11 - bit % 8)) & 31];
        }

        return new string(text);
    }
}

/// <summary>HMAC-SHA-256 under one key from many threads: each use borrows a keyed state of its own.</summary>
internal sealed class KeyedHashes(ReadOnlySpan<byte> key) : IDisposable
{
    private readonly SecretBytes key = SecretBytes.CopyOf(key);
    private readonly ConcurrentBag<IncrementalHash> idle = [];

    public void Compute(ReadOnlySpan<byte> message, Span<byte> truncated)
    {
        if (!idle.TryTake(out var hash)) hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key.Span);
        Span<byte> digest = stackalloc byte[HMACSHA256.HashSizeInBytes];
        hash.AppendData(message);
        hash.GetHashAndReset(digest);
        idle.Add(hash);
        digest[..truncated.Length].CopyTo(truncated);
    }

    public void Dispose()
    {
        key.Dispose();
        while (idle.TryTake(out var hash)) hash.Dispose();
    }
}
