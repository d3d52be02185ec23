// What a vault says it holds, to be compared with its log: docs/formats/records-manifest.md ("SPEC records-manifest §n" below). Lines of ASCII:
//
//    datavault/records-manifest/v1
//    log <origin>
//    size <entries>                        the state of the log to which all of this belongs
//    root <base64>
//    made <time>
//                                          (an empty line)
//    record <tag> <version> <seal>         a record, followed by what belongs to the same person
//    history <version> <hash>
//    consent <entry> <hash>
//    stray <version> <seal>                a record for which there is no key
//    events <digest>                       all events that were written together, erased ones among them
//    gone <digest>                         all events that were erased together
//    unbound <count>                       events from before the log knew of single ones
//                                          (an empty line)
//    a signed note: datavault/records-manifest/v1 end, the four lines above, lines <count>, sha256 <base64 of all that comes before>

using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DataVault.Transparency;

/// <summary>To which state of which log a manifest belongs, and when it was made.</summary>
/// <param name="Tree">The log's origin, size and root.</param>
/// <param name="MadeAt">When.</param>
public sealed record ManifestHeader(Checkpoint Tree, DateTimeOffset MadeAt)
{
    internal const string Title = "datavault/records-manifest/v1";

    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";

    internal string Lines => string.Create(
        CultureInfo.InvariantCulture,
        $"log {Tree.Origin}\nsize {Tree.Size}\nroot {Convert.ToBase64String(Tree.Root.Span)}\nmade {MadeAt.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture)}\n");

    internal static ManifestHeader? Parse(IReadOnlyList<string> lines)
    {
        if (lines is not [['l', 'o', 'g', ' ', .. var origin], ['s', 'i', 'z', 'e', ' ', .. var size], ['r', 'o', 'o', 't', ' ', .. var root], ['m', 'a', 'd', 'e', ' ', .. var made]])
            return null;
        var sound = Checkpoint.TryParse($"{origin}\n{size}\n{root}\n", out var tree)
            & DateTimeOffset.TryParseExact(made, TimeFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at);
        return sound ? new ManifestHeader(tree!, at) : null;
    }
}

/// <summary>Writes a manifest line by line, whatever its length, and signs it at the end.</summary>
public sealed class RecordsManifestWriter : IDisposable
{
    private readonly Stream _output;
    private readonly ManifestHeader _header;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long _lines;

    /// <summary>Writes the head.</summary>
    /// <param name="output">Where to; stays open.</param>
    /// <param name="header">To which state of the log the lines belong.</param>
    public RecordsManifestWriter(Stream output, ManifestHeader header)
    {
        (_output, _header) = (output, header);
        Write($"{ManifestHeader.Title}\n{header.Lines}\n");
    }

    /// <summary>A record; what follows until the next belongs to the same person.</summary>
    public void Record(ReadOnlySpan<byte> tag, long version, ReadOnlySpan<byte> seal) => Line($"record {Hex(tag)} {version} {Hex(seal)}");

    /// <summary>A record without a key.</summary>
    public void Stray(long version, ReadOnlySpan<byte> seal) => Line($"stray {version} {Hex(seal)}");

    /// <summary>The values that the change of a version replaced.</summary>
    public void History(long version, ReadOnlySpan<byte> hash) => Line($"history {version} {Hex(hash)}");

    /// <summary>A consent act, and the entry that it says it was logged by.</summary>
    public void Consent(long entry, ReadOnlySpan<byte> hash) => Line($"consent {entry} {Hex(hash)}");

    /// <summary>The events of one batch.</summary>
    public void Events(ReadOnlySpan<byte> digest) => Line($"events {Hex(digest)}");

    /// <summary>The events of one erasure.</summary>
    public void Gone(ReadOnlySpan<byte> digest) => Line($"gone {Hex(digest)}");

    /// <summary>Events of which the log does not know each.</summary>
    public void Unbound(long count) => Line($"unbound {count}");

    /// <summary>Signs what was written.</summary>
    public void Finish(NoteSigner signer)
    {
        Write("\n");
        var text = string.Create(
            CultureInfo.InvariantCulture, $"{ManifestHeader.Title} end\n{_header.Lines}lines {_lines}\nsha256 {Convert.ToBase64String(_hash.GetHashAndReset())}\n");
        _output.Write(Encoding.UTF8.GetBytes(signer.Sign(text).ToString()));
    }

    /// <inheritdoc/>
    public void Dispose() => _hash.Dispose();

    private static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);

    private void Line(FormattableString line)
    {
        _lines++;
        Write(line.ToString(CultureInfo.InvariantCulture) + "\n");
    }

    private void Write(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        _hash.AppendData(bytes);
        _output.Write(bytes);
    }
}

/// <summary>Reads a manifest.</summary>
internal static class RecordsManifest
{
    private const int HeadLines = 6;
    private const int LongestEnd = 64 * 1024;

    /// <summary>Whether the key has signed all of it; leaves the stream at its beginning.</summary>
    public static string? Check(Stream manifest, NoteVerifier key, out ManifestHeader? header)
    {
        header = null;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var (lines, end) = (0L, "");
        var head = new List<string>();
        foreach (var line in Lines(manifest))
        {
            if (line.AsSpan().SequenceEqual(ManifestHeader.Title + " end"))
            {
                end = line + "\n" + Rest(manifest);
                break;
            }
            lines++;
            if (head.Count < HeadLines)
                head.Add(line);
            hash.AppendData(Encoding.UTF8.GetBytes(line + "\n"));
        }
        manifest.Position = 0;
        header = head is [ManifestHeader.Title, var a, var b, var c, var d, ""] ? ManifestHeader.Parse([a, b, c, d]) : null;
        if (header is null || !SignedNote.TryParse(end, out var note))
            return "is not a records manifest, or is cut off";
        // SPEC records-manifest §3
        var due = string.Create(
            CultureInfo.InvariantCulture, $"{ManifestHeader.Title} end\n{header.Lines}lines {lines - HeadLines - 1}\nsha256 {Convert.ToBase64String(hash.GetHashAndReset())}\n");
        if (header.Tree.Origin != key.Name || key.Check(note!) != NoteCheck.Valid)
            return "is not signed by the log's key";
        return note!.Text == due ? null : "was changed after it was signed";
    }

    /// <summary>The lines between head and end, each as its words.</summary>
    public static IEnumerable<string[]> Read(Stream manifest)
    {
        foreach (var line in Lines(manifest).Skip(HeadLines))
        {
            if (line.Length == 0)
                yield break;
            yield return line.Split(' ');
        }
    }

    private static IEnumerable<string> Lines(Stream manifest)
    {
        var line = new List<byte>(160);
        for (var next = manifest.ReadByte(); next >= 0; next = manifest.ReadByte())
        {
            if (next != '\n')
            {
                line.Add((byte)next);
                continue;
            }
            yield return Encoding.UTF8.GetString([.. line]);
            line.Clear();
        }
    }

    private static string Rest(Stream manifest)
    {
        var buffer = new byte[LongestEnd];
        var read = manifest.ReadAtLeast(buffer, LongestEnd, throwOnEndOfStream: false);
        return Encoding.UTF8.GetString(buffer, 0, read);
    }
}
