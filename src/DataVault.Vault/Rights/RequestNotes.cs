using System.Buffers.Binary;
using System.Text.Json;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>
/// What people write down with a request. Each note is sealed on its own under the person's key and preceded by its length (u32), so that
/// one is added without opening the others.
/// </summary>
internal sealed class RequestNotes(KeyRegistry keys, RecordCipher cipher, VaultClock clock)
{
    public async Task<byte[]?> AddAsync(RequestRow row, string by, string? text, CancellationToken cancellation)
    {
        if (text is null || row.Subject is not { } subject) return null;
        using var held = await keys.GetAsync(subject, cancellation);
        var note = cipher.SealNote(held, row.Id, JsonSerializer.SerializeToUtf8Bytes(new RequestNote(clock.Now, by, text)));
        var framed = new byte[4 + note.Length];
        BinaryPrimitives.WriteInt32BigEndian(framed, note.Length);
        note.CopyTo(framed, 4);
        return framed;
    }

    public async Task<IReadOnlyList<RequestNote>> ReadAsync(RequestRow row, CancellationToken cancellation)
    {
        if (row.Notes is null || row.Subject is not { } subject) return [];
        using var held = await keys.GetAsync(subject, cancellation);
        var notes = new List<RequestNote>();
        for (ReadOnlyMemory<byte> rest = row.Notes; rest.Length > 0;)
        {
            var length = BinaryPrimitives.ReadInt32BigEndian(rest.Span);
            notes.Add(JsonSerializer.Deserialize<RequestNote>(cipher.OpenNote(held, row.Id, rest.Slice(4, length).Span))!);
            rest = rest[(4 + length)..];
        }
        return notes;
    }

    public static byte[]? Joined(byte[]? notes, byte[]? added) => added is null ? notes : [.. notes ?? [], .. added];
}
