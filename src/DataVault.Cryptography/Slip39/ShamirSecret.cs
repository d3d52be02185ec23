// Shamir's secret sharing over GF(256) as SLIP-0039 defines it: polynomial x^8 + x^4 + x^3 + x + 1, the secret at x = 255, and at x = 254 a digest of it,
// so that shares of different secrets are noticed.

using System.Security.Cryptography;

namespace DataVault.Cryptography;

/// <summary>One point of the polynomials: an x, and a y for each byte of the secret.</summary>
internal readonly record struct SharePoint(byte X, SecretBytes Y);

internal static class ShamirSecret
{
    public const int MostShares = 16;

    private const byte SecretX = 255;
    private const byte DigestX = 254;
    private const int DigestSize = 4;

    /// <summary>Points 0 … <paramref name="count"/>-1, any <paramref name="threshold"/> of which give the secret. To be disposed by the caller.</summary>
    public static List<SharePoint> Split(int threshold, int count, SecretBytes secret, IRandomBytes random)
    {
        if (threshold == 1) return [.. Enumerable.Range(0, count).Select(x => new SharePoint((byte)x, SecretBytes.CopyOf(secret.Span)))];
        var points = new List<SharePoint>(count);
        for (var x = 0; x < threshold - 2; x++) points.Add(new((byte)x, SecretBytes.Random(secret.Length, random)));
        using var digest = Digest(secret, random);
        List<SharePoint> known = [.. points, new(DigestX, digest), new(SecretX, secret)];
        for (var x = points.Count; x < count; x++) points.Add(new((byte)x, Interpolate(known, (byte)x)));
        return points;
    }

    /// <param name="points">At least <paramref name="threshold"/>, each x once; those beyond the threshold are not looked at.</param>
    /// <exception cref="RecoveryShareException">The points are not all of one secret.</exception>
    public static SecretBytes Recover(int threshold, IReadOnlyList<SharePoint> points)
    {
        if (threshold == 1) return SecretBytes.CopyOf(points[0].Y.Span);
        var taken = points.Take(threshold).ToList();
        var secret = Interpolate(taken, SecretX);
        using var digest = Interpolate(taken, DigestX);
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(digest.Span[DigestSize..], secret.Span, expected);
        if (CryptographicOperations.FixedTimeEquals(expected[..DigestSize], digest.Span[..DigestSize])) return secret;
        secret.Dispose();
        throw new RecoveryShareException("The shares do not belong together: one of them is wrong.");
    }

    private static SecretBytes Digest(SecretBytes secret, IRandomBytes random)
    {
        var point = SecretBytes.Random(secret.Length, random);
        Span<byte> digest = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(point.Span[DigestSize..], secret.Span, digest);
        digest[..DigestSize].CopyTo(point.Span);
        return point;
    }

    private static SecretBytes Interpolate(List<SharePoint> points, byte x)
    {
        var value = new SecretBytes(points[0].Y.Length);
        foreach (var point in points)
        {
            var weight = Weight(points, point.X, x);
            for (var i = 0; i < value.Length; i++) value.Span[i] ^= Multiply(point.Y.Span[i], weight);
        }

        return value;
    }

    // Lagrange's coefficient of one point, from the public x values alone.
    private static byte Weight(List<SharePoint> points, byte own, byte x)
    {
        byte above = 1, below = 1;
        foreach (var other in points)
        {
            if (other.X == own) continue;
            above = Multiply(above, (byte)(x ^ other.X));
            below = Multiply(below, (byte)(own ^ other.X));
        }

        return Multiply(above, Inverse(below));
    }

    // INVARIANT: no branch and no table look-up depends on a secret byte.
    private static byte Multiply(byte a, byte b)
    {
        var (left, right, product) = ((int)a, (int)b, 0);
        for (var bit = 0; bit < 8; bit++)
        {
            product ^= -(right & 1) & left;
            left = (left << 1) ^ (-(left >> 7) & 0x11B);
            right >>= 1;
        }

        return (byte)product;
    }

    // a^254 = a^-1
    private static byte Inverse(byte a)
    {
        byte result = 1;
        for (var i = 0; i < 254; i++) result = Multiply(result, a);
        return result;
    }
}
