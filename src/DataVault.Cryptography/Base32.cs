using System.Text;

namespace DataVault.Cryptography;

/// <summary>Base32 (RFC 4648 §6, upper case, no padding): letters and digits only, so that people can read it out and type it.</summary>
public static class Base32
{
    private const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    private const int BitsOfLetter = 5;

    public static string Encode(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(((bytes.Length * 8) + 4) / BitsOfLetter);
        var buffer = 0;
        var bits = 0;
        foreach (var b in bytes)
        {
            buffer = (buffer << 8) | b;
            bits += 8;
            for (; bits >= BitsOfLetter; bits -= BitsOfLetter) text.Append(Alphabet[(buffer >> (bits - BitsOfLetter)) & 31]);
            buffer &= (1 << bits) - 1;
        }

        if (bits > 0) text.Append(Alphabet[(buffer << (BitsOfLetter - bits)) & 31]);
        return text.ToString();
    }

    /// <summary>In either case, with spaces and hyphens where somebody put them; null when it is not Base32. Bits beyond the last whole byte are left out.</summary>
    public static byte[]? Decode(string text)
    {
        var bytes = new List<byte>(text.Length * BitsOfLetter / 8);
        var buffer = 0;
        var bits = 0;
        foreach (var letter in text)
        {
            if (letter is ' ' or '-') continue;
            var value = Alphabet.IndexOf(char.ToUpperInvariant(letter), StringComparison.Ordinal);
            if (value < 0) return null;
            buffer = (buffer << BitsOfLetter) | value;
            bits += BitsOfLetter;
            if (bits < 8) continue;
            bits -= 8;
            bytes.Add((byte)(buffer >> bits));
            buffer &= (1 << bits) - 1;
        }

        return [.. bytes];
    }
}
