using System.Buffers.Binary;

namespace DataVault.Cryptography;

/// <summary>Time-ordered identifiers (RFC 9562 §5.7) from the injected clock and randomness.</summary>
public static class Uuid
{
    public static Guid Version7(TimeProvider clock, IRandomBytes random)
    {
        Span<byte> bytes = stackalloc byte[16];
        random.Fill(bytes[6..]);
        var milliseconds = clock.GetUtcNow().ToUnixTimeMilliseconds();
        BinaryPrimitives.WriteUInt16BigEndian(bytes, (ushort)(milliseconds >> 32));
        BinaryPrimitives.WriteUInt32BigEndian(bytes[2..], (uint)milliseconds);
        bytes[6] = (byte)(0x70 | (bytes[6] & 0x0F));
        bytes[8] = (byte)(0x80 | (bytes[8] & 0x3F));
        return new Guid(bytes, bigEndian: true);
    }
}
