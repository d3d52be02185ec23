// What is signed of a bag: docs/formats/bag.md ("SPEC bag §n" below). Lines of ASCII:
//
//    datavault/bag/v1
//    log <origin>
//    kind <word>                           what sort of bag it is, such as access
//    case <uuid>                           the request or case that it answers
//    entry <index>                         the entry of the log that tells of it
//    tree <size> <base64 root>             the signed state of the log that the entry is proved in
//    payload <octets>.<files>
//    tagmanifest <SHA-256 of tagmanifest-sha256.txt, hexadecimal>
//    issued <time>

using System.Globalization;

namespace DataVault.Transparency;

/// <summary>What a bag is and what is in it, as the log's key signs it.</summary>
/// <param name="Kind">A word of lower-case letters and hyphens.</param>
/// <param name="Case">The request or case that it answers.</param>
/// <param name="Entry">Index of the entry that tells of it.</param>
/// <param name="Tree">The state of the log that the entry is proved in.</param>
public sealed record BagStatement(string Kind, Guid Case, long Entry, Checkpoint Tree)
{
    private const string Title = "datavault/bag/v1";
    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";

    /// <summary>Octets of the payload.</summary>
    public required long PayloadOctets { get; init; }

    /// <summary>Files of the payload.</summary>
    public required int PayloadFiles { get; init; }

    /// <summary>SHA-256 of the tag manifest, lower-case hexadecimal: it stands for everything in the bag.</summary>
    public required string TagManifest { get; init; }

    /// <summary>When it was signed.</summary>
    public required DateTimeOffset IssuedAt { get; init; }

    /// <summary>The text that is signed.</summary>
    public string ToText() => string.Create(
        CultureInfo.InvariantCulture,
        $"""
        {Title}
        log {Tree.Origin}
        kind {Kind}
        case {Case:D}
        entry {Entry}
        tree {Tree.Size} {Convert.ToBase64String(Tree.Root.Span)}
        payload {PayloadOctets}.{PayloadFiles}
        tagmanifest {TagManifest}
        issued {IssuedAt.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture)}

        """);

    /// <summary>Reads a statement; every other spelling of the same is refused.</summary>
    // SPEC bag §3
    public static bool TryParse(string text, out BagStatement? statement)
    {
        statement = null;
        string[] names = ["log", "kind", "case", "entry", "tree", "payload", "tagmanifest", "issued"];
        var lines = text.Split('\n');
        if (lines.Length != names.Length + 2 || lines[0] != Title || names.Where((name, at) => !lines[at + 1].StartsWith(name + " ", StringComparison.Ordinal)).Any())
            return false;
        var values = names.Select((name, at) => lines[at + 1][(name.Length + 1)..].Split(' ')).ToList();
        var payload = values[5][0].Split('.');
        if (values[4].Length != 2 || payload.Length != 2 || !Checkpoint.TryParse($"{string.Join(' ', values[0])}\n{values[4][0]}\n{values[4][1]}\n", out var tree))
            return false;
        if (!Guid.TryParseExact(values[2][0], "D", out var number) || !Decimals.TryParse(values[3][0], out var entry))
            return false;
        if (!Decimals.TryParse(payload[0], out var octets) || !Decimals.TryParse(payload[1], out var files) || files > int.MaxValue)
            return false;
        if (!DateTimeOffset.TryParseExact(values[7][0], TimeFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at))
            return false;
        var read = new BagStatement(values[1][0], number, entry, tree!) { PayloadOctets = octets, PayloadFiles = (int)files, TagManifest = values[6][0], IssuedAt = at };
        statement = read.ToText() == text && read.IsInOrder() ? read : null;
        return statement is not null;
    }

    internal bool IsInOrder() =>
        Kind.Length is > 0 and <= 40 && Kind.All(c => char.IsAsciiLetterLower(c) || c == '-') && TagManifest.Length == 64 && TagManifest.All(char.IsAsciiHexDigitLower) && Entry < Tree.Size;
}
