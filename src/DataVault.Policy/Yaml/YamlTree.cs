using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace DataVault.Policy.Yaml;

internal abstract record YamlNode(int Line);

/// <param name="Line">Where it stands.</param>
/// <param name="Value">The text.</param>
/// <param name="IsNull">An unquoted nothing, <c>~</c> or <c>null</c>.</param>
internal sealed record YamlText(int Line, string Value, bool IsNull) : YamlNode(Line);

internal sealed record YamlList(int Line, IReadOnlyList<YamlNode> Items) : YamlNode(Line);

internal sealed record YamlMap(int Line, IReadOnlyList<YamlEntry> Entries) : YamlNode(Line)
{
    private readonly Dictionary<string, YamlEntry> byKey = Entries.ToDictionary(entry => entry.Key, StringComparer.Ordinal);

    public YamlEntry? Find(string key) => byKey.GetValueOrDefault(key);
}

internal sealed record YamlEntry(string Key, int Line, YamlNode Value);

/// <summary>
/// Reads one YAML document into a tree that knows its lines. Strict: one document, no anchors, aliases or tags, scalar keys,
/// no key twice, bounded depth. Anything else is a problem, not a surprise.
/// </summary>
internal sealed class YamlTree
{
    private const int DeepestNesting = 12;

    private readonly string file;
    private readonly ProblemList problems;
    private readonly Parser parser;

    private YamlTree(string file, string text, ProblemList problems)
    {
        (this.file, this.problems) = (file, problems);
        parser = new Parser(new StringReader(text));
    }

    /// <summary>The mapping at the top of the file, or null with a problem reported.</summary>
    public static YamlMap? Read(string file, string text, ProblemList problems)
    {
        var tree = new YamlTree(file, text, problems);
        try
        {
            return tree.Document();
        }
        catch (YamlException exception)
        {
            problems.Add(file, (int)exception.Start.Line, "not YAML: " + exception.Message);
        }
        catch (InvalidOperationException)
        {
            // The scanner of YamlDotNet 16 throws this for some unclosed brackets; the last event read is the nearest line known.
            problems.Add(file, LineOf(tree.parser.Current), "not YAML: something is not closed");
        }

        return null;
    }

    private YamlMap? Document()
    {
        parser.Consume<StreamStart>();
        if (!parser.TryConsume<DocumentStart>(out _))
        {
            problems.Add(file, 0, "the file is empty");
            return null;
        }

        var root = Node(0);
        parser.Consume<DocumentEnd>();
        if (!parser.Accept<StreamEnd>(out _)) problems.Add(file, LineOf(parser.Current), "a second document");
        if (root is YamlMap map) return map;
        problems.Add(file, root.Line, "the file must be a mapping");
        return null;
    }

    private YamlNode Node(int depth)
    {
        var line = LineOf(parser.Current);
        if (depth > DeepestNesting) throw new YamlException(parser.Current!.Start, parser.Current.End, "nested too deeply");
        Refuse(parser.Current);
        if (parser.TryConsume<Scalar>(out var scalar)) return Text(scalar, line);
        if (parser.TryConsume<SequenceStart>(out _)) return List(line, depth);
        parser.Consume<MappingStart>();
        return Map(line, depth);
    }

    /// <summary>What would let a small file stand for a large tree, or name types: refused on sight, so that it is never built.</summary>
    private static void Refuse(ParsingEvent? node)
    {
        if (node is NodeEvent { Anchor.IsEmpty: false } or NodeEvent { Tag.IsEmpty: false } or AnchorAlias)
        {
            throw new YamlException(node.Start, node.End, "anchors, aliases and tags are not allowed");
        }
    }

    private static YamlText Text(Scalar scalar, int line) =>
        new(line, scalar.Value, scalar.Style == ScalarStyle.Plain && scalar.Value is "" or "~" or "null");

    private YamlList List(int line, int depth)
    {
        var items = new List<YamlNode>();
        while (!parser.TryConsume<SequenceEnd>(out _)) items.Add(Node(depth + 1));
        return new YamlList(line, items);
    }

    private YamlMap Map(int line, int depth)
    {
        var entries = new List<YamlEntry>();
        var keys = new HashSet<string>(StringComparer.Ordinal);
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            var at = LineOf(parser.Current);
            Refuse(parser.Current);
            var key = parser.Consume<Scalar>().Value;
            var value = Node(depth + 1);
            if (!keys.Add(key)) problems.Add(file, at, $"the key {key} stands twice");
            else entries.Add(new YamlEntry(key, at, value));
        }

        return new YamlMap(line, entries);
    }

    private static int LineOf(ParsingEvent? current) => (int)(current?.Start.Line ?? 0);
}
