using System.Numerics;
using System.Security.Cryptography;

namespace DataVault.Cryptography;

/// <summary>
/// Hides how long a value is: <c>80 00 … 00</c> up to a multiple of 32 bytes as far as 256, above that to the next Padmé length
/// (Nikitin et al., PETS 2019, §4: at most 12 % more, O(log log n) bits leaked).
/// </summary>
public static class Padding
{
    private const int Step = 32;
    private const int StepsEnd = 256;

    /// <summary>Length after padding; always at least one byte more than <paramref name="length"/>.</summary>
    // SPEC envelope §4.1
    public static int PaddedLength(int length)
    {
        var needed = checked(length + 1);
        return needed <= StepsEnd ? (needed + Step - 1) / Step * Step : Padme(needed);
    }

    /// <summary>Writes the padding behind the first <paramref name="length"/> bytes of <paramref name="buffer"/>.</summary>
    public static void Write(Span<byte> buffer, int length)
    {
        buffer[length] = 0x80;
        buffer[(length + 1)..].Clear();
    }

    /// <summary>Length of the content within <paramref name="padded"/>.</summary>
    /// <exception cref="CryptographicException">The bytes do not end in padding.</exception>
    // SPEC envelope §4.2
    public static int ContentLength(ReadOnlySpan<byte> padded)
    {
        var last = padded.LastIndexOfAnyExcept((byte)0);
        return last >= 0 && padded[last] == 0x80 ? last : throw new CryptographicException("The value does not open.");
    }

    private static int Padme(int length)
    {
        var exponent = BitOperations.Log2((uint)length);
        var kept = BitOperations.Log2((uint)exponent) + 1;
        var mask = (1 << (exponent - kept)) - 1;
        return checked(length + mask) & ~mask;
    }
}
