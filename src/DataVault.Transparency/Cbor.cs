// The part of deterministic CBOR (RFC 8949 §4.2.1) that a log entry uses: unsigned integers, byte strings, text of printable ASCII, arrays
// and maps of definite length; every head in its shortest form. The reader accepts exactly what the writer writes.

using System.Buffers.Binary;
using System.Text;

namespace DataVault.Transparency;

internal enum CborMajor : byte
{
    Unsigned = 0,
    Bytes = 2,
    Text = 3,
    Array = 4,
    Map = 5,
}

internal ref struct CborWriter(Span<byte> destination)
{
    private readonly Span<byte> _destination = destination;

    public int Written { get; private set; }

    public void Head(CborMajor major, ulong value)
    {
        // SPEC log-entry §3: the shortest head that holds the value.
        var type = (byte)((byte)major << 5);
        switch (value)
        {
            case < 24:
                Take(1)[0] = (byte)(type | (byte)value);
                break;
            case <= byte.MaxValue:
                var two = Take(2);
                (two[0], two[1]) = ((byte)(type | 24), (byte)value);
                break;
            case <= ushort.MaxValue:
                BinaryPrimitives.WriteUInt16BigEndian(Head(type | 25, 2), (ushort)value);
                break;
            case <= uint.MaxValue:
                BinaryPrimitives.WriteUInt32BigEndian(Head(type | 26, 4), (uint)value);
                break;
            default:
                BinaryPrimitives.WriteUInt64BigEndian(Head(type | 27, 8), value);
                break;
        }
    }

    public void Unsigned(long value) => Head(CborMajor.Unsigned, (ulong)value);

    public void Bytes(ReadOnlySpan<byte> value)
    {
        Head(CborMajor.Bytes, (ulong)value.Length);
        value.CopyTo(Take(value.Length));
    }

    public void Text(string value)
    {
        Head(CborMajor.Text, (ulong)value.Length);
        Encoding.ASCII.GetBytes(value, Take(value.Length));
    }

    private Span<byte> Head(int initial, int width)
    {
        var head = Take(1 + width);
        head[0] = (byte)initial;
        return head[1..];
    }

    private Span<byte> Take(int count)
    {
        if (_destination.Length - Written < count)
            throw new ArgumentException($"A log entry does not fit into {_destination.Length} bytes.");
        Written += count;
        return _destination.Slice(Written - count, count);
    }
}

internal ref struct CborReader(ReadOnlyMemory<byte> source)
{
    private readonly ReadOnlySpan<byte> _span = source.Span;
    private int _position;

    public readonly bool AtEnd => _position == _span.Length;

    public int Count(CborMajor major, int most)
    {
        var value = Head(major);
        return value <= (ulong)most ? (int)value : throw new FormatException($"{value} items where at most {most} are allowed");
    }

    public long Unsigned(long most = long.MaxValue)
    {
        var value = Head(CborMajor.Unsigned);
        return value <= (ulong)most ? (long)value : throw new FormatException($"{value} where at most {most} is allowed");
    }

    public ReadOnlyMemory<byte> Bytes(int length)
    {
        var found = Head(CborMajor.Bytes);
        if (found != (ulong)length)
            throw new FormatException($"a byte string of {found} bytes where {length} are due");
        var start = Skip(length);
        return source.Slice(start, length);
    }

    public string Text(int most)
    {
        var length = Count(CborMajor.Text, most);
        // One character to a byte, so that the caller sees, and refuses, what is not ASCII.
        return Encoding.Latin1.GetString(_span.Slice(Skip(length), length));
    }

    private ulong Head(CborMajor major)
    {
        var initial = _span[Skip(1)];
        if (initial >> 5 != (byte)major)
            throw new FormatException($"major type {initial >> 5} where {(byte)major} is due");
        var (value, least) = (initial & 0x1F) switch
        {
            < 24 => ((ulong)(initial & 0x1F), 0UL),
            24 => (_span[Skip(1)], 24UL),
            25 => (BinaryPrimitives.ReadUInt16BigEndian(_span[Skip(2)..]), byte.MaxValue + 1UL),
            26 => (BinaryPrimitives.ReadUInt32BigEndian(_span[Skip(4)..]), ushort.MaxValue + 1UL),
            27 => (BinaryPrimitives.ReadUInt64BigEndian(_span[Skip(8)..]), uint.MaxValue + 1UL),
            _ => throw new FormatException("an indefinite or reserved length"),
        };
        // SPEC log-entry §3: a longer head than needed is refused, so that one entry has one encoding.
        return value >= least ? value : throw new FormatException("a number that is not in its shortest form");
    }

    private int Skip(int count)
    {
        if (count > _span.Length - _position)
            throw new FormatException("the entry ends in the middle of a value");
        _position += count;
        return _position - count;
    }
}
