using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Text;
using DataVault.Policy;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>A stored event, sealed.</summary>
internal sealed record EventRow(SubjectId Subject, Guid Id, int TypeId, DateTimeOffset OccurredAt, byte[] Sealed);

/// <summary>
/// What is sealed of an event: <c>u8 length ‖ source ‖ properties as UTF-8 JSON</c>. Type and time stand outside, for paging.
/// </summary>
internal readonly record struct EventContent(string Source, ReadOnlyMemory<byte> Utf8Properties)
{
    // SPEC record §6.1
    public static byte[] Encode(string source, ReadOnlySpan<byte> utf8Properties)
    {
        var name = Encoding.UTF8.GetBytes(source);
        var bytes = new byte[1 + name.Length + utf8Properties.Length];
        bytes[0] = checked((byte)name.Length);
        name.CopyTo(bytes, 1);
        utf8Properties.CopyTo(bytes.AsSpan(1 + name.Length));
        return bytes;
    }

    public static EventContent Decode(ReadOnlyMemory<byte> bytes)
    {
        var end = 1 + bytes.Span[0];
        return new EventContent(Encoding.UTF8.GetString(bytes.Span[1..end]), bytes[end..]);
    }

    /// <summary>An event in a narrower form than plain shows that it happened and when, and no property.</summary>
    public static ReleasedEvent Release(RecordCipher cipher, SubjectKeys keys, FieldPermit permit, EventRow row)
    {
        var type = (EventTypeDefinition)permit.Item;
        var content = permit.Form == Form.Plain ? Decode(cipher.OpenEvent(keys, permit, row.Id, row.Sealed)) : new EventContent("", "{}"u8.ToArray());
        return new ReleasedEvent(row.Id, type.Type, row.OccurredAt, permit.Form, content);
    }
}

/// <summary>Where a page of events ended.</summary>
internal readonly record struct EventCursor(DateTimeOffset OccurredAt, Guid Id)
{
    private const int Size = 24;
    private static readonly EventCursor Start = new(DateTimeOffset.MaxValue, Guid.AllBitsSet);

    public static string Of(EventRow row)
    {
        Span<byte> bytes = stackalloc byte[Size];
        BinaryPrimitives.WriteInt64BigEndian(bytes, row.OccurredAt.UtcTicks);
        row.Id.TryWriteBytes(bytes[8..], bigEndian: true, out _);
        return Base64Url.EncodeToString(bytes);
    }

    /// <exception cref="VaultException">The cursor is not one of ours.</exception>
    public static EventCursor Parse(string? cursor)
    {
        if (cursor is null) return Start;
        Span<byte> bytes = stackalloc byte[Size];
        var status = Base64Url.DecodeFromChars(cursor, bytes, out _, out var written);
        if (status != OperationStatus.Done || written != Size) throw VaultException.BadRequest("The cursor is not valid.");
        var ticks = BinaryPrimitives.ReadInt64BigEndian(bytes);
        if (ticks < 0 || ticks > DateTimeOffset.MaxValue.UtcTicks) throw VaultException.BadRequest("The cursor is not valid.");
        return new EventCursor(new DateTimeOffset(ticks, TimeSpan.Zero), new Guid(bytes[8..], bigEndian: true));
    }
}

/// <summary>The table vault.event.</summary>
internal static class EventRows
{
    public static async Task<List<EventRow>> PageAsync(
        VaultDatabase database, SubjectId subject, IReadOnlyList<FieldPermit> permits, int limit, EventCursor after, CancellationToken ct)
    {
        await using var command = database.Reads.CreateCommand(
            """
            select subject_id, event_id, event_type, occurred_at, sealed from vault.event
            where subject_id = $1 and event_type = any($2) and (occurred_at, event_id) < ($3, $4)
            order by occurred_at desc, event_id desc limit $5
            """);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = subject.Value });
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = [.. permits.Select(permit => permit.Item.Id)] });
        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = after.OccurredAt.UtcDateTime });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = after.Id });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = limit });
        return await Rows.ReadAsync(database, command, Read, ct);
    }

    public static EventRow Read(NpgsqlDataReader row) =>
        new(new SubjectId(row.GetGuid(0)), row.GetGuid(1), row.GetInt32(2), new DateTimeOffset(row.GetDateTime(3)), row.GetFieldValue<byte[]>(4));
}
