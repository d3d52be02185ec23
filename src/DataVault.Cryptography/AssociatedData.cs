using System.Buffers.Binary;
using System.Text;

namespace DataVault.Cryptography;

/// <summary>
/// What a sealed value is bound to. Each component is written as <c>u16 length ‖ bytes</c>, the first being the label of the use,
/// so no two different lists of components give the same bytes.
/// </summary>
/// <example><c>var aad = new AssociatedData(stackalloc byte[AssociatedData.Limit], "field").Add(vaultId).Add(subject).Add(classId);</c></example>
public ref struct AssociatedData
{
    public const int Limit = 256;

    private readonly Span<byte> buffer;
    private int length;

    // SPEC envelope §3.1
    public AssociatedData(Span<byte> buffer, string label)
    {
        this.buffer = buffer;
        length = 0;
        Span<byte> ascii = stackalloc byte[64];
        Write(ascii[..Encoding.ASCII.GetBytes(label, ascii)]);
    }

    public readonly ReadOnlySpan<byte> Bytes => buffer[..length];

    public AssociatedData Add(scoped ReadOnlySpan<byte> component)
    {
        Write(component);
        return this;
    }

    public AssociatedData Add(Guid component)
    {
        Span<byte> bytes = stackalloc byte[16];
        component.TryWriteBytes(bytes, bigEndian: true, out _);
        Write(bytes);
        return this;
    }

    public AssociatedData Add(int component)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, component);
        Write(bytes);
        return this;
    }

    public AssociatedData Add(long component)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64BigEndian(bytes, component);
        Write(bytes);
        return this;
    }

    /// <summary>The label and the components that were written, for a provider whose contexts have names.</summary>
    /// <exception cref="ArgumentException">Not of this encoding.</exception>
    public static IReadOnlyList<byte[]> Read(ReadOnlySpan<byte> bytes)
    {
        var components = new List<byte[]>();
        while (!bytes.IsEmpty)
        {
            if (bytes.Length < 2 || BinaryPrimitives.ReadUInt16BigEndian(bytes) is var size && bytes.Length < 2 + size)
                throw new ArgumentException("these are no components", nameof(bytes));
            components.Add(bytes.Slice(2, size).ToArray());
            bytes = bytes[(2 + size)..];
        }

        return components;
    }

    private void Write(scoped ReadOnlySpan<byte> component)
    {
        BinaryPrimitives.WriteUInt16BigEndian(buffer[length..], checked((ushort)component.Length));
        component.CopyTo(buffer[(length + 2)..]);
        length += 2 + component.Length;
    }
}
