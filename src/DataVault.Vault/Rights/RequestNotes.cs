using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>
/// What people write down with a request. Each note is sealed on its own under the person's key and preceded by its length (u32), so that
/// one is added without opening the others. Notes are the correspondence about a request, not fields of the record: whoever may handle the request
/// reads them, and no permit names them.
/// </summary>
internal sealed class RequestNotes(KeyRegistry keys, VaultClock clock)
{
    public async Task<byte[]?> AddAsync(RequestRow row, string by, string? text, CancellationToken cancellation)
    {
        if (text is null || row.Subject is not { } subject) return null;
        using var held = await keys.GetAsync(subject, cancellation);
        var note = Seal(held, row.Id, JsonSerializer.SerializeToUtf8Bytes(new RequestNote(clock.Now, by, text)));
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
            notes.Add(JsonSerializer.Deserialize<RequestNote>(Open(held, row.Id, rest.Slice(4, length).Span))!);
            rest = rest[(4 + length)..];
        }
        return notes;
    }

    public static byte[]? Joined(byte[]? notes, byte[]? added) => added is null ? notes : [.. notes ?? [], .. added];

    private byte[] Seal(SubjectKeys held, Guid requestId, ReadOnlySpan<byte> content)
    {
        Span<byte> key = stackalloc byte[KeyDerivation.KeySize];
        held.NoteKey(key);
        var value = SealedValue.Seal(key, (uint)held.KeyVersion, 0, content, Context(held.Subject, requestId, stackalloc byte[AssociatedData.Limit]), clock.Random);
        CryptographicOperations.ZeroMemory(key);
        return value;
    }

    private byte[] Open(SubjectKeys held, Guid requestId, ReadOnlySpan<byte> value)
    {
        Span<byte> key = stackalloc byte[KeyDerivation.KeySize];
        held.NoteKey(key);
        var content = new byte[SealedValue.OpenedLength(value.Length)];
        SealedValue.Open(key, value, Context(held.Subject, requestId, stackalloc byte[AssociatedData.Limit]), content);
        CryptographicOperations.ZeroMemory(key);
        return content;
    }

    private ReadOnlySpan<byte> Context(SubjectId subject, Guid requestId, Span<byte> buffer) =>
        new AssociatedData(buffer, "note").Add(keys.VaultId).Add(subject.Value).Add(requestId).Bytes;
}
