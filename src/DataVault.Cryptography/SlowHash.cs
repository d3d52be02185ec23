using System.Security.Cryptography;
using System.Text;

namespace DataVault.Cryptography;

/// <summary>
/// A hash that costs whoever tries values as much as whoever knows one: PBKDF2 (RFC 8018 §5.2) with HMAC-SHA-512. What it gives is only ever the input of a keyed
/// hash, and is kept nowhere.
/// </summary>
public static class SlowHash
{
    public const int Size = 32;

    /// <summary>INVARIANT: never changed: what was hashed with another number is not found again. About a millisecond of one core (docs/benchmarks.md).</summary>
    public const int Iterations = 2_000;

    /// <param name="kind">What the text is; equal texts of two kinds have nothing in common.</param>
    /// <param name="text">In its one canonical spelling.</param>
    /// <param name="salt">Of the vault: nothing that was computed for another one is of use.</param>
    public static byte[] Of(string kind, string text, ReadOnlySpan<byte> salt)
    {
        var bytes = Encoding.UTF8.GetBytes($"{kind.Length} {kind}{text}");
        try
        {
            return Rfc2898DeriveBytes.Pbkdf2(bytes, salt, Iterations, HashAlgorithmName.SHA512, Size);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }
}
