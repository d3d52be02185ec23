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
    public const string OfIdentity = "identity";
    private const string Plain = "note";

    /// <param name="row">Of the request.</param>
    /// <param name="by">Who writes.</param>
    /// <param name="text">The words; null: nothing is written.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="label">What kind of words: of one kind none opens as one of another.</param>
    public async Task<byte[]?> AddAsync(RequestRow row, string by, string? text, CancellationToken cancellation, string label = Plain) =>
        text is null ? null : await AddAsync(row, new RequestNote(clock.Now, by, text), cancellation, label);

    /// <inheritdoc cref="AddAsync(RequestRow, string, string?, CancellationToken, string)"/>
    public async Task<byte[]?> AddAsync(RequestRow row, RequestNote added, CancellationToken cancellation, string label = Plain)
    {
        if (row.Subject is not { } subject) return null;
        using var held = await keys.GetFreshAsync(subject, cancellation);
        var content = JsonSerializer.SerializeToUtf8Bytes(added);
        var note = held.SealWords(Of(row.Id, label), content, clock.Random);
        CryptographicOperations.ZeroMemory(content);
        return Framed(note);
    }

    public Task<IReadOnlyList<RequestNote>> ReadAsync(RequestRow row, CancellationToken cancellation) => ReadAsync(row, row.Notes, Plain, cancellation);

    /// <summary>What was shown of the person's identity.</summary>
    public Task<IReadOnlyList<RequestNote>> ReadEvidenceAsync(RequestRow row, CancellationToken cancellation) => ReadAsync(row, row.Evidence, OfIdentity, cancellation);

    private async Task<IReadOnlyList<RequestNote>> ReadAsync(RequestRow row, byte[]? words, string label, CancellationToken cancellation)
    {
        if (words is null || row.Subject is not { } subject) return [];
        using var held = await keys.GetFreshAsync(subject, cancellation);
        var notes = new List<RequestNote>();
        foreach (var framed in Frames(words))
        {
            var content = held.OpenWords(Of(row.Id, label), framed.Span);
            notes.Add(JsonSerializer.Deserialize<RequestNote>(content)!);
            CryptographicOperations.ZeroMemory(content);
        }
        return notes;
    }

    /// <summary>The same notes, all under the selected version of the person's key.</summary>
    public byte[]? Renewed(SubjectKeys held, Guid requestId, byte[]? notes, string label = Plain)
    {
        if (notes is null || Frames(notes).All(note => SealedValue.KeyVersionOf(note.Span) == held.KeyVersion)) return notes;
        byte[] renewed = [];
        foreach (var note in Frames(notes))
        {
            var content = held.OpenWords(Of(requestId, label), note.Span);
            renewed = [.. renewed, .. Framed(held.SealWords(Of(requestId, label), content, clock.Random))];
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

    private WordsContext Of(Guid request, string label) => new(label, keys.VaultId, request);
}
