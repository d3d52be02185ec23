using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using DataVault.Issuer.Keys;

namespace DataVault.Issuer.Tokens;

/// <summary>
/// What a proof must repeat to show that it was made just now (RFC 9449 §8): base64url(minute ‖ the first half of its HMAC under a key of the vault). All processes
/// give and take the same ones, and none remembers any.
/// </summary>
internal sealed class ProofNonces(IssuerSecrets secrets, TimeProvider clock)
{
    private const int Life = 5;
    private const int MacLength = 16;
    private const int SecondsPerMinute = 60;
    private volatile Given last = new(-1, "");

    /// <summary>The one of this minute.</summary>
    public string Current
    {
        get
        {
            var minute = Minute;
            if (last is var given && given.Minute == minute) return given.Text;
            return (last = new Given(minute, Make(minute))).Text;
        }
    }

    private long Minute => clock.GetUtcNow().ToUnixTimeSeconds() / SecondsPerMinute;

    /// <summary>One of the last five minutes.</summary>
    public bool IsFresh(string nonce)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long) + MacLength];
        if (!Base64Url.TryDecodeFromChars(nonce, bytes, out var length) || length != bytes.Length) return false;
        var minute = BinaryPrimitives.ReadInt64BigEndian(bytes);
        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(secrets.ProofNonces, bytes[..sizeof(long)], mac);
        return CryptographicOperations.FixedTimeEquals(mac[..MacLength], bytes[sizeof(long)..]) && minute <= Minute && Minute - minute < Life;
    }

    private string Make(long minute)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long) + HMACSHA256.HashSizeInBytes];
        BinaryPrimitives.WriteInt64BigEndian(bytes, minute);
        HMACSHA256.HashData(secrets.ProofNonces, bytes[..sizeof(long)], bytes[sizeof(long)..]);
        return Base64Url.EncodeToString(bytes[..(sizeof(long) + MacLength)]);
    }

    private sealed record Given(long Minute, string Text);
}
