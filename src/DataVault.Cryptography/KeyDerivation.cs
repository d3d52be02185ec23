using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace DataVault.Cryptography;

/// <summary>
/// One way from a key to the keys below it: HKDF-Expand (RFC 5869 §2.3) over HMAC-SHA-512, with
/// <c>info = "datavault/v1/" ‖ label ‖ 00 ‖ context</c>. No extract step: every input is already a uniformly random key of 32 bytes or more.
/// Written over HMAC because <c>HKDF.Expand</c> with SHA-512 rejects a key of 32 bytes.
/// </summary>
/// <remarks>
/// An instance holds one key ready and derives many (the keyed state is the dear part); it is not thread-safe. The static form derives one.
/// </remarks>
public sealed class KeyDerivation : IDisposable
{
    public const int KeySize = 32;

    private const int BlockSize = HMACSHA512.HashSizeInBytes;
    private const int InfoLimit = 256;
    private const int OutputLimit = 255 * BlockSize;
    private readonly HmacSha512 keyed;

    public KeyDerivation(ReadOnlySpan<byte> key)
    {
        RefuseShort(key);
        keyed = new HmacSha512(key);
    }

    /// <summary>Fills <paramref name="output"/> from the key held.</summary>
    /// <param name="label">ASCII word naming the use; no label may contain a zero byte.</param>
    /// <param name="context">Anything; lengths must be fixed per label, or length-prefixed (<see cref="AssociatedData"/>).</param>
    public void Expand(string label, ReadOnlySpan<byte> context, Span<byte> output)
    {
        Span<byte> info = stackalloc byte[InfoLimit];
        ExpandInfo(info[..WriteInfo(info, label, context)], output);
    }

    /// <summary>RFC 5869 §2.3 with <paramref name="info"/> as it is.</summary>
    internal void ExpandInfo(ReadOnlySpan<byte> info, Span<byte> output)
    {
        if (output.Length > OutputLimit) throw new ArgumentException("HKDF-Expand gives no more than 255 blocks", nameof(output));
        Span<byte> block = stackalloc byte[BlockSize];
        Span<byte> counter = stackalloc byte[1];
        var previous = 0;
        for (var done = 0; done < output.Length; done += BlockSize)
        {
            counter[0]++;
            keyed.Compute(block[..previous], info, counter, block);
            previous = BlockSize;
            var take = Math.Min(BlockSize, output.Length - done);
            block[..take].CopyTo(output[done..]);
        }

        CryptographicOperations.ZeroMemory(block);
    }

    public SecretBytes Expand(string label, ReadOnlySpan<byte> context = default)
    {
        var secret = new SecretBytes(KeySize);
        Expand(label, context, secret.Span);
        return secret;
    }

    public void Dispose() => keyed.Dispose();

    /// <summary>Derives once from <paramref name="key"/> (at least 32 bytes).</summary>
    public static void Expand(ReadOnlySpan<byte> key, string label, ReadOnlySpan<byte> context, Span<byte> output)
    {
        using var derivation = new KeyDerivation(key);
        derivation.Expand(label, context, output);
    }

    /// <summary>Derives a key of 32 bytes once.</summary>
    public static SecretBytes Expand(ReadOnlySpan<byte> key, string label, ReadOnlySpan<byte> context = default)
    {
        using var derivation = new KeyDerivation(key);
        return derivation.Expand(label, context);
    }

    /// <summary>Context of one number, as four bytes in network order.</summary>
    public static byte[] Context(int number)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, number);
        return bytes;
    }

    private static int WriteInfo(Span<byte> info, string label, ReadOnlySpan<byte> context)
    {
        var prefix = "datavault/v1/"u8;
        if (prefix.Length + label.Length + 1 + context.Length > InfoLimit)
            throw new ArgumentException("label and context are too long", nameof(context));
        prefix.CopyTo(info);
        var length = prefix.Length + Encoding.ASCII.GetBytes(label, info[prefix.Length..]);
        info[length++] = 0;
        context.CopyTo(info[length..]);
        return length + context.Length;
    }

    private static void RefuseShort(ReadOnlySpan<byte> key)
    {
        if (key.Length < KeySize) throw new ArgumentException("a key has at least 32 bytes", nameof(key));
    }
}
