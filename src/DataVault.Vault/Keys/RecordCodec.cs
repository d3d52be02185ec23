using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace DataVault.Vault;

/// <summary>Where a value came from.</summary>
/// <param name="Source">The supplying system.</param>
/// <param name="Origin"><c>provided</c>, <c>observed</c>, <c>derived</c> or <c>inferred</c>.</param>
/// <param name="Notice">Version of the privacy notice in force when it was collected.</param>
public sealed record FieldProvenance(string Source, DateTimeOffset RecordedAt, string Origin, string? Notice);

/// <summary>A value as a class group holds it; the JSON is a slice of the opened group.</summary>
internal readonly record struct GroupField(int FieldId, long Version, ReadOnlyMemory<byte> Provenance, ReadOnlyMemory<byte> Utf8Json);

/// <summary>
/// The content of a class group before sealing (docs/formats/record.md):
/// <code>
/// 01
/// varint n, n × (varint length ‖ provenance)                        each distinct provenance once
/// varint m, m × (varint field ‖ varint version ‖ varint provenance no. ‖ varint length ‖ UTF-8 JSON)     by field id
/// provenance = i64 Unix ms ‖ u8 origin ‖ varint length ‖ source ‖ varint length+1 or 0 ‖ notice
/// </code>
/// and of the packed record that holds the sealed groups: <c>01 ‖ varint n ‖ n × (varint class ‖ varint length ‖ sealed value)</c>, by class id.
/// </summary>
internal static class RecordCodec
{
    private const byte Format = 1;
    // Holds ciphertexts only.
    [ThreadStatic]
    private static ArrayBufferWriter<byte>? packing;

    private static readonly string[] Origins = ["provided", "observed", "derived", "inferred"];

    public static int EncodeGroup(IReadOnlyList<GroupField> fields, IBufferWriter<byte> output)
    {
        var provenances = new List<ReadOnlyMemory<byte>>();
        foreach (var field in fields)
        {
            if (IndexOf(provenances, field.Provenance) < 0) provenances.Add(field.Provenance);
        }

        var writer = new VarintWriter(output);
        writer.Byte(Format);
        writer.Number(provenances.Count);
        foreach (var provenance in provenances) writer.Block(provenance.Span);
        writer.Number(fields.Count);
        foreach (var field in fields)
        {
            writer.Number(field.FieldId);
            writer.Number(field.Version);
            writer.Number(IndexOf(provenances, field.Provenance));
            writer.Block(field.Utf8Json.Span);
        }

        return writer.Written;
    }

    public static List<GroupField> DecodeGroup(ReadOnlyMemory<byte> content)
    {
        var reader = new VarintReader(content);
        RefuseOther(reader.Byte());
        var provenances = new ReadOnlyMemory<byte>[reader.Count()];
        for (var i = 0; i < provenances.Length; i++) provenances[i] = reader.Block();
        var count = reader.Count();
        var fields = new List<GroupField>(count);
        for (var i = 0; i < count; i++)
        {
            var (id, version) = (reader.Count(), reader.Number());
            fields.Add(new GroupField(id, version, provenances[reader.Count()], reader.Block()));
        }

        return fields;
    }

    public static byte[] Encode(FieldProvenance provenance)
    {
        var origin = Array.IndexOf(Origins, provenance.Origin);
        if (origin < 0) throw new ArgumentException("unknown origin", nameof(provenance));
        var output = new ArrayBufferWriter<byte>(64);
        BinaryPrimitives.WriteInt64BigEndian(output.GetSpan(8), provenance.RecordedAt.ToUnixTimeMilliseconds());
        output.Advance(8);
        var writer = new VarintWriter(output);
        writer.Byte((byte)origin);
        writer.Block(Encoding.UTF8.GetBytes(provenance.Source));
        if (provenance.Notice is { } notice) writer.BlockPlusOne(Encoding.UTF8.GetBytes(notice));
        else writer.Number(0);
        return output.WrittenSpan.ToArray();
    }

    public static FieldProvenance DecodeProvenance(ReadOnlyMemory<byte> encoded)
    {
        var at = DateTimeOffset.FromUnixTimeMilliseconds(BinaryPrimitives.ReadInt64BigEndian(encoded.Span));
        var reader = new VarintReader(encoded[8..]);
        var origin = Origins[reader.Byte()];
        var source = Encoding.UTF8.GetString(reader.Block().Span);
        return new FieldProvenance(source, at, origin, reader.BlockPlusOne() is { } notice ? Encoding.UTF8.GetString(notice.Span) : null);
    }

    public static byte[] Pack(IReadOnlyList<(int ClassId, ReadOnlyMemory<byte> Sealed)> groups)
    {
        var output = packing ??= new ArrayBufferWriter<byte>(4096);
        output.ResetWrittenCount();
        var writer = new VarintWriter(output);
        writer.Byte(Format);
        writer.Number(groups.Count);
        foreach (var (classId, value) in groups)
        {
            writer.Number(classId);
            writer.Block(value.Span);
        }

        return output.WrittenSpan.ToArray();
    }

    public static List<(int ClassId, ReadOnlyMemory<byte> Sealed)> Unpack(ReadOnlyMemory<byte> record)
    {
        var reader = new VarintReader(record);
        RefuseOther(reader.Byte());
        var groups = new List<(int, ReadOnlyMemory<byte>)>(reader.Count());
        for (var i = groups.Capacity; i > 0; i--) groups.Add((reader.Count(), reader.Block()));
        return groups;
    }

    private static int IndexOf(List<ReadOnlyMemory<byte>> provenances, ReadOnlyMemory<byte> wanted)
    {
        for (var i = 0; i < provenances.Count; i++)
        {
            if (provenances[i].Span.SequenceEqual(wanted.Span)) return i;
        }

        return -1;
    }

    private static void RefuseOther(byte format)
    {
        if (format != Format) throw new InvalidDataException("The record is of a format that this version does not know.");
    }
}

/// <summary>LEB128 numbers and length-prefixed blocks.</summary>
internal ref struct VarintWriter(IBufferWriter<byte> output)
{
    public int Written { get; private set; }

    public void Byte(byte value)
    {
        output.GetSpan(1)[0] = value;
        Advance(1);
    }

    public void Number(long value)
    {
        var span = output.GetSpan(10);
        var length = 0;
        for (var rest = (ulong)value; ; rest >>= 7)
        {
            span[length++] = (byte)(rest < 0x80 ? rest : rest | 0x80);
            if (rest < 0x80) break;
        }

        Advance(length);
    }

    public void Block(ReadOnlySpan<byte> bytes)
    {
        Number(bytes.Length);
        Write(bytes);
    }

    public void BlockPlusOne(ReadOnlySpan<byte> bytes)
    {
        Number(bytes.Length + 1);
        Write(bytes);
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        output.Write(bytes);
        Written += bytes.Length;
    }

    private void Advance(int count)
    {
        output.Advance(count);
        Written += count;
    }
}

/// <summary>Reads what <see cref="VarintWriter"/> wrote; refuses to read past the end.</summary>
internal ref struct VarintReader(ReadOnlyMemory<byte> source)
{
    private ReadOnlyMemory<byte> rest = source;

    public byte Byte() => Take(1).Span[0];

    public long Number()
    {
        ulong value = 0;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var part = Byte();
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80) return (long)value;
        }

        throw new InvalidDataException("A number is too long.");
    }

    public int Count() => checked((int)Number());

    public ReadOnlyMemory<byte> Block() => Take(Count());

    public ReadOnlyMemory<byte>? BlockPlusOne() => Count() is var length and > 0 ? Take(length - 1) : (ReadOnlyMemory<byte>?)null;

    private ReadOnlyMemory<byte> Take(int length)
    {
        if (length < 0 || length > rest.Length) throw new InvalidDataException("The record ends too early.");
        var taken = rest[..length];
        rest = rest[length..];
        return taken;
    }
}
