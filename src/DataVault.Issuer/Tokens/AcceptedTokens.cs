using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;

namespace DataVault.Issuer.Tokens;

/// <summary>SHA-256 of a token as a key of a dictionary.</summary>
internal readonly record struct TokenHash(ulong A, ulong B, ulong C, ulong D)
{
    private const int OnStack = 4096;
    private const int BytesOfCharacter = 3;

    public static TokenHash Of(string token)
    {
        Span<byte> utf8 = token.Length <= OnStack ? stackalloc byte[OnStack * BytesOfCharacter] : new byte[token.Length * BytesOfCharacter];
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(utf8[..Encoding.UTF8.GetBytes(token, utf8)], hash);
        return new TokenHash(
            BitConverter.ToUInt64(hash), BitConverter.ToUInt64(hash[8..]), BitConverter.ToUInt64(hash[16..]), BitConverter.ToUInt64(hash[24..]));
    }
}

/// <summary>Tokens that were accepted lately. Two generations: when the young one is full it becomes the old one, so memory is bounded and no call sweeps.</summary>
internal sealed class AcceptedTokens(TimeProvider clock)
{
    private const int Generation = 10_000;
    private ConcurrentDictionary<TokenHash, Entry> young = new();
    private ConcurrentDictionary<TokenHash, Entry> old = new();
    private int added;

    public ValidatedToken? Find(TokenHash hash)
    {
        if (!young.TryGetValue(hash, out var entry) && !old.TryGetValue(hash, out entry)) return null;
        return entry.Until > clock.GetUtcNow() ? entry.Token : null;
    }

    public void Add(TokenHash hash, ValidatedToken token, TimeSpan life)
    {
        young[hash] = new Entry(token, clock.GetUtcNow() + life);
        if (Interlocked.Increment(ref added) % Generation != 0) return;
        (old, young) = (young, new ConcurrentDictionary<TokenHash, Entry>());
    }

    private sealed record Entry(ValidatedToken Token, DateTimeOffset Until);
}
