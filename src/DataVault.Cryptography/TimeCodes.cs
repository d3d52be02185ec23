using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DataVault.Cryptography;

/// <summary>
/// Codes of authenticator apps: TOTP (RFC 6238) over HMAC-SHA-1, six digits, thirty seconds, because that is what every such app computes, whatever else it is told.
/// </summary>
public static class TimeCodes
{
    /// <summary>As long as the hash, as RFC 4226 §4 asks for.</summary>
    public const int SecretLength = 20;

    public const int Digits = 6;

    private const int StepSeconds = 30;

    // RFC 6238 §5.2: clocks differ and people type slowly.
    private const int Tolerance = 1;

    public static long StepOf(DateTimeOffset time) => time.ToUnixTimeSeconds() / StepSeconds;

    /// <summary>The code of a step.</summary>
    public static string Code(ReadOnlySpan<byte> secret, long step, int digits = Digits)
    {
        Span<byte> counter = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(counter, step);
        Span<byte> hash = stackalloc byte[20];
#pragma warning disable CA5350 // RFC 6238 names it; what HMAC asks of its hash, SHA-1 still gives.
        HMACSHA1.HashData(secret, counter, hash);
#pragma warning restore CA5350
        // RFC 4226 §5.3.
        var offset = hash[^1] & 0x0f;
        var number = BinaryPrimitives.ReadUInt32BigEndian(hash[offset..]) & 0x7fff_ffff;
        var modulus = 1u;
        for (var i = 0; i < digits; i++) modulus *= 10;
        return (number % modulus).ToString(CultureInfo.InvariantCulture).PadLeft(digits, '0');
    }

    /// <summary>The step whose code it is, about now and later than the last one used (RFC 6238 §5.2: a code works once); null when there is none.</summary>
    public static long? Match(ReadOnlySpan<byte> secret, string code, DateTimeOffset now, long after)
    {
        var given = Encoding.UTF8.GetBytes(code);
        long? found = null;
        for (var step = StepOf(now) + Tolerance; step >= StepOf(now) - Tolerance; step--)
            if (CryptographicOperations.FixedTimeEquals(given, Encoding.UTF8.GetBytes(Code(secret, step))) && step > after) found = step;
        return found;
    }
}
