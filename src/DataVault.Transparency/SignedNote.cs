// Signed notes (c2sp.org/signed-note): a text, a blank line, and signature lines
//
//    — <key name> <base64( 4-byte key id ‖ signature )>
//
// The text includes its final newline, and the signatures are over exactly that text. A verifier ignores the lines of keys it does not know,
// but a known key whose signature fails condemns the whole note. docs/formats/checkpoint.md says which keys this project uses.

using System.Buffers.Binary;
using System.Text;

namespace DataVault.Transparency;

/// <summary>One signature line of a note.</summary>
/// <param name="Name">Name of the key.</param>
/// <param name="KeyId">The first four bytes of the key's hash, big endian.</param>
/// <param name="Signature">The signature, in the form of the key's type.</param>
public sealed record NoteSignature(string Name, uint KeyId, ReadOnlyMemory<byte> Signature)
{
    internal const string LineStart = "— ";

    /// <summary>The line as it stands in a note, with its newline.</summary>
    public string ToLine()
    {
        var bytes = new byte[4 + Signature.Length];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, KeyId);
        Signature.Span.CopyTo(bytes.AsSpan(4));
        return $"{LineStart}{Name} {Convert.ToBase64String(bytes)}\n";
    }
}

/// <summary>A text with its signatures. That it parsed says nothing of them: ask a <see cref="NoteVerifier"/>.</summary>
public sealed class SignedNote
{
    private const int MaxLength = 1_000_000;
    private const int MaxSignatures = 100;

    internal static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    internal SignedNote(string text, IReadOnlyList<NoteSignature> signatures) => (Text, Signatures) = (text, signatures);

    /// <summary>The text that is signed, with its final newline.</summary>
    public string Text { get; }

    /// <summary>The signature lines in their order, at least one.</summary>
    public IReadOnlyList<NoteSignature> Signatures { get; }

    /// <summary>Reads a note.</summary>
    public static bool TryParse(string note, out SignedNote? parsed)
    {
        parsed = null;
        // SPEC signed-note "Format": the text ends at the last blank line.
        var split = note.LastIndexOf("\n\n", StringComparison.Ordinal);
        if (split < 0 || note.Length > MaxLength || !note.EndsWith('\n') || HasForbidden(note))
            return false;
        var lines = note[(split + 2)..].Split('\n')[..^1];
        if (lines.Length is 0 or > MaxSignatures)
            return false;
        var signatures = new List<NoteSignature>(lines.Length);
        foreach (var line in lines)
        {
            if (!TryParseLine(line, out var signature))
                return false;
            signatures.Add(signature!);
        }
        parsed = new SignedNote(note[..(split + 1)], signatures);
        return true;
    }

    /// <summary>A note with one more signature line, for cosigners.</summary>
    public SignedNote With(NoteSignature signature) => new(Text, [.. Signatures, signature]);

    /// <summary>A note without some of its signatures: what one witness is shown need not bear what others said.</summary>
    /// <exception cref="ArgumentException">None would be left.</exception>
    public SignedNote Without(Func<NoteSignature, bool> signature)
    {
        var left = Signatures.Where(line => !signature(line)).ToList();
        return left.Count > 0 ? new SignedNote(Text, left) : throw new ArgumentException("A note bears a signature.", nameof(signature));
    }

    /// <summary>The note as it is stored and sent.</summary>
    public override string ToString()
    {
        var note = new StringBuilder(Text).Append('\n');
        foreach (var signature in Signatures)
            note.Append(signature.ToLine());
        return note.ToString();
    }

    internal static bool IsKeyName(ReadOnlySpan<char> name) => name.Length > 0 && !name.Contains('+') && !name.ToString().Any(c => char.IsWhiteSpace(c) || char.IsControl(c));

    private static bool TryParseLine(string line, out NoteSignature? signature)
    {
        signature = null;
        var blank = line.LastIndexOf(' ');
        if (!line.StartsWith(NoteSignature.LineStart, StringComparison.Ordinal) || blank < NoteSignature.LineStart.Length)
            return false;
        var name = line[NoteSignature.LineStart.Length..blank];
        if (!IsKeyName(name) || !Base64Strict.TryDecode(line.AsSpan(blank + 1), out var bytes) || bytes.Length < 5)
            return false;
        signature = new NoteSignature(name, BinaryPrimitives.ReadUInt32BigEndian(bytes), bytes.AsMemory(4));
        return true;
    }

    private static bool HasForbidden(string note)
    {
        for (var i = 0; i < note.Length; i++)
        {
            if (note[i] < ' ' && note[i] != '\n')
                return true;
            if (char.IsHighSurrogate(note[i]) && i + 1 < note.Length && char.IsLowSurrogate(note[i + 1]))
                i++;
            else if (char.IsSurrogate(note[i]))
                return true;
        }
        return false;
    }
}
