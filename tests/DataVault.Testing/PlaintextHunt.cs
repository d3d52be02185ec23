using System.Text;

namespace DataVault.Testing;

/// <summary>
/// Looks for known texts in whatever bytes a process left behind: as UTF-8 and UTF-16, in the given, lower and upper case, as base64 and
/// base64url at each of the three offsets that a text can stand at, and as hex.
/// </summary>
internal sealed class PlaintextHunt
{
    private const int Around = 24;
    private readonly List<(string Text, string Encoding, byte[] Bytes)> _needles = [];

    public PlaintextHunt(params IEnumerable<string> texts)
    {
        foreach (var text in texts)
            AddForms(text);
    }

    /// <summary>Where the texts were found, with a few characters around.</summary>
    public SortedSet<string> Findings { get; } = new(StringComparer.Ordinal);

    /// <param name="folder">All that is in it, however deep.</param>
    /// <param name="but">A folder in it that is not looked at.</param>
    public void SearchFolder(string folder, string? but = null)
    {
        foreach (var file in Directory.EnumerateFiles(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0, IgnoreInaccessible = false }))
        {
            if (but is not null && file.StartsWith(but + Path.DirectorySeparatorChar, StringComparison.Ordinal)) continue;
            Search($"the name of {file}", Encoding.UTF8.GetBytes(Path.GetRelativePath(folder, file)));
            if (Read(file) is { } content)
                Search(file, content);
        }
    }

    /// <summary>What was sent is out of the vault's hands: in Development the folder stands for people's mailboxes. It bears the address, and no other value.</summary>
    public void SearchSent(string folder)
    {
        foreach (var file in Directory.GetFiles(folder, "*.eml"))
            Search(file, Encoding.UTF8.GetBytes(string.Join('\n', File.ReadLines(file).Where(line => !line.StartsWith("To: ", StringComparison.Ordinal)))));
    }

    public void Search(string place, ReadOnlySpan<byte> bytes)
    {
        foreach (var (text, encoding, needle) in _needles)
        {
            if (bytes.IndexOf(needle) is var at and >= 0)
                Findings.Add($"{place}: '{text}' as {encoding} at {at}: {Excerpt(bytes, at, needle.Length)}");
        }
    }

    // Sockets and pipes have no length and cannot be read; a running database removes files as it goes.
    private static byte[]? Read(string file)
    {
        try
        {
            return new FileInfo(file).Length > 0 ? File.ReadAllBytes(file) : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static string Excerpt(ReadOnlySpan<byte> bytes, int at, int length)
    {
        var from = Math.Max(0, at - Around);
        var text = Encoding.Latin1.GetString(bytes[from..Math.Min(bytes.Length, at + length + Around)]);
        return string.Concat(text.Select(c => char.IsControl(c) ? '.' : c));
    }

    private void AddForms(string text)
    {
        foreach (var form in new[] { text, text.ToLowerInvariant(), text.ToUpperInvariant() }.Distinct(StringComparer.Ordinal))
        {
            var utf8 = Encoding.UTF8.GetBytes(form);
            _needles.Add((text, "UTF-8", utf8));
            // Without the last byte the text is found in both byte orders.
            _needles.Add((text, "UTF-16", Encoding.Unicode.GetBytes(form)[..^1]));
            _needles.Add((text, "hex", Encoding.ASCII.GetBytes(Convert.ToHexStringLower(utf8))));
            _needles.Add((text, "hex", Encoding.ASCII.GetBytes(Convert.ToHexString(utf8))));
            for (var offset = 0; offset < 3; offset++)
                AddBase64(text, utf8, offset);
        }
    }

    // Of the characters, only those that depend on nothing but the text.
    private void AddBase64(string text, byte[] utf8, int offset)
    {
        var first = ((8 * offset) + 5) / 6;
        var last = 8 * (offset + utf8.Length) / 6;
        var encoded = Convert.ToBase64String([.. new byte[offset], .. utf8])[first..last];
        _needles.Add((text, "base64", Encoding.ASCII.GetBytes(encoded)));
        if (encoded.AsSpan().ContainsAny('+', '/'))
            _needles.Add((text, "base64url", Encoding.ASCII.GetBytes(encoded.Replace('+', '-').Replace('/', '_'))));
    }
}
