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
        using var held = await keys.GetFreshAsync(subject, cancellation);
        var content = JsonSerializer.SerializeToUtf8Bytes(new RequestNote(clock.Now, by, text));
        var note = held.SealWords(Of(row.Id), content, clock.Random);
        CryptographicOperations.ZeroMemory(content);
        return Framed(note);
    }

    public async Task<IReadOnlyList<RequestNote>> ReadAsync(RequestRow row, CancellationToken cancellation)
    {
        if (row.Notes is null || row.Subject is not { } subject) return [];
        using var held = await keys.GetFreshAsync(subject, cancellation);
        var notes = new List<RequestNote>();
        foreach (var framed in Frames(row.Notes))
        {
            var content = held.OpenWords(Of(row.Id), framed.Span);
            notes.Add(JsonSerializer.Deserialize<RequestNote>(content)!);
            CryptographicOperations.ZeroMemory(content);
        }
        return notes;
    }

    /// <summary>The same notes, all under the selected version of the person's key.</summary>
    public byte[]? Renewed(SubjectKeys held, Guid requestId, byte[]? notes)
    {
        if (notes is null || Frames(notes).All(note => SealedValue.KeyVersionOf(note.Span) == held.KeyVersion)) return notes;
        byte[] renewed = [];
        foreach (var note in Frames(notes))
        {
            var content = held.OpenWords(Of(requestId), note.Span);
            renewed = [.. renewed, .. Framed(held.SealWords(Of(requestId), content, clock.Random))];
            CryptographicOperations.ZeroMemory(content);
        }
        return renewed;
    }

    public static byte[]? Joined(byte[]? notes, byte[]? added) => added is null ? notes : [.. notes ?? [], .. added];

    private static byte[] Framed(byte[] note)
    {
        var framed = new byte[4 + note.Length];
        BinaryPrimitives.WriteInt32BigEndian(framed, note.Length);
        note.CopyTo(framed, 4);
        return framed;
    }

    private static IEnumerable<ReadOnlyMemory<byte>> Frames(byte[] notes)
    {
        for (ReadOnlyMemory<byte> rest = notes; rest.Length > 0;)
        {
            var length = BinaryPrimitives.ReadInt32BigEndian(rest.Span);
            yield return rest.Slice(4, length);
            rest = rest[(4 + length)..];
        }
    }

    private WordsContext Of(Guid request) => new("note", keys.VaultId, request);
}
