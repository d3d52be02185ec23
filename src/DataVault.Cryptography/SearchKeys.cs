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
