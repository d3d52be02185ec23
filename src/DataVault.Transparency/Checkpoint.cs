using System.Buffers.Text;
using System.Globalization;

namespace DataVault.Transparency;

/// <summary>
/// The state of a log: its origin, its size and the root over its entries. As text it is what a checkpoint note signs
/// (c2sp.org/tlog-checkpoint; docs/formats/checkpoint.md).
/// </summary>
/// <param name="Origin">The log's name: not empty, without control characters.</param>
/// <param name="Size">Number of entries.</param>
/// <param name="Root">RFC 6962 root, 32 bytes.</param>
public sealed record Checkpoint(string Origin, long Size, ReadOnlyMemory<byte> Root)
{
    /// <summary>The three lines, each with its newline.</summary>
    public string ToText() => string.Create(CultureInfo.InvariantCulture, $"{Origin}\n{Size}\n{Convert.ToBase64String(Root.Span)}\n");

    /// <summary>Reads the text of a checkpoint. Strict: no further lines, no leading zeros, a root of 32 bytes in canonical base64.</summary>
    public static bool TryParse(string text, out Checkpoint? checkpoint)
    {
        checkpoint = null;
        var lines = text.Split('\n');
        // SPEC checkpoint §2: three lines and no extension lines.
        if (lines.Length != 4 || lines[3].Length != 0 || lines[0].Length == 0 || lines[0].Any(char.IsControl))
            return false;
        if (!Decimals.TryParse(lines[1], out var size) || !Base64Strict.TryDecode(lines[2], out var root) || root.Length != MerkleHash.Size)
            return false;
        checkpoint = new Checkpoint(lines[0], size, root);
        return true;
    }

    /// <summary>Equal when origin, size and root are.</summary>
    public bool Equals(Checkpoint? other) =>
        other is not null && Origin == other.Origin && Size == other.Size && Root.Span.SequenceEqual(other.Root.Span);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Origin, Size);
}

internal static class Decimals
{
    /// <summary>Reads an ASCII decimal without sign and without leading zeros.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out long value)
    {
        value = 0;
        var plain = text.Length is > 0 and <= 19 && !text.ContainsAnyExceptInRange('0', '9') && (text[0] != '0' || text.Length == 1);
        return plain && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
    }
}

internal static class Base64Strict
{
    /// <summary>Reads standard base64 (RFC 4648 §4) and refuses any text that encoding the result would not give back.</summary>
    public static bool TryDecode(ReadOnlySpan<char> text, out byte[] bytes)
    {
        var buffer = new byte[Base64.GetMaxDecodedFromUtf8Length(text.Length + 3)];
        var ok = Convert.TryFromBase64Chars(text, buffer, out var written);
        bytes = ok ? buffer[..written] : [];
        return ok && text.SequenceEqual(Convert.ToBase64String(bytes));
    }
}
