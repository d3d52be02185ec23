using System.Security.Cryptography;
using DataVault.Cryptography;

namespace DataVault.Vault.Keys;

/// <summary>
/// A keyed hash over what a row says, under a key of the vault that is in neither database in the clear: it tells the rows that this program wrote from those that
/// somebody else changed. It does not tell whether a row is the newest of its kind.
/// </summary>
internal static class RowSeal
{
    private const int MicrosecondTicks = 10;

    /// <param name="keys">Derives the key.</param>
    /// <param name="label">Of the key: rows of different kinds have different ones.</param>
    /// <param name="write">Writes what is sealed; two rows that differ must not write the same.</param>
    public static byte[] Of(IServiceKeys keys, string label, Action<BinaryWriter> write)
    {
        using var key = keys.Derive(label);
        return Of(key, write);
    }

    /// <inheritdoc cref="Of(IServiceKeys, string, Action{BinaryWriter})"/>
    public static byte[] Of(SecretBytes key, Action<BinaryWriter> write)
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        write(writer);
        writer.Flush();
        return HMACSHA256.HashData(key.Span, bytes.ToArray());
    }

    public static bool Is(byte[]? seal, byte[] of) => seal is not null && CryptographicOperations.FixedTimeEquals(seal, of);

    public static void Add(this BinaryWriter writer, Guid id) => writer.Write(id.ToByteArray(bigEndian: true));

    /// <summary>As PostgreSQL keeps it.</summary>
    public static void Add(this BinaryWriter writer, DateTimeOffset? at) => writer.Write(at?.UtcTicks / MicrosecondTicks ?? -1);

    public static void Add(this BinaryWriter writer, long? number)
    {
        writer.Write(number.HasValue);
        writer.Write(number ?? 0);
    }
}
