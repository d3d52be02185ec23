using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace DataVault.Cli.Import;

/// <summary>A YAML mapping that is read key by key; keys that nobody asked for are errors with their line.</summary>
internal sealed class YamlSection
{
    private readonly string _file;
    private readonly YamlMappingNode _node;
    private readonly HashSet<string> _read = [];

    private YamlSection(string file, YamlMappingNode node) => (_file, _node) = (file, node);

    public static YamlSection Load(string file, string text)
    {
        try
        {
            var stream = new YamlStream();
            stream.Load(new StringReader(text));
            return stream.Documents is [{ RootNode: YamlMappingNode root }]
                ? new YamlSection(file, root)
                : throw new MappingException(file, 1, "expected one document that is a mapping");
        }
        catch (YamlException e)
        {
            throw new MappingException(file, e.Start.Line, e.InnerException?.Message ?? e.Message);
        }
    }

    public static YamlSection Of(string file, YamlNode node) =>
        node is YamlMappingNode mapping ? new YamlSection(file, mapping) : throw new MappingException(file, node.Start.Line, "expected a mapping");

    public string File => _file;

    public IEnumerable<string> Keys => _node.Children.Keys.Select(k => ((YamlScalarNode)k).Value ?? "");

    public YamlNode? Node(string key)
    {
        _read.Add(key);
        return _node.Children.TryGetValue(new YamlScalarNode(key), out var node) ? node : null;
    }

    public YamlNode Needed(string key) => Node(key) ?? throw Error($"needs \"{key}\"");

    public string? Text(string key) => Node(key) switch
    {
        null => null,
        YamlScalarNode scalar => scalar.Value,
        var other => throw new MappingException(_file, other.Start.Line, $"\"{key}\" is one value"),
    };

    public bool Flag(string key) => Text(key) switch
    {
        null or "false" => false,
        "true" => true,
        _ => throw Error($"\"{key}\" is true or false"),
    };

    public YamlSection? Section(string key) => Node(key) is { } node ? Of(_file, node) : null;

    public IReadOnlyList<YamlNode> List(string key) => Node(key) switch
    {
        null => [],
        YamlSequenceNode sequence => [.. sequence.Children],
        var other => throw new MappingException(_file, other.Start.Line, $"\"{key}\" is a list"),
    };

    public IReadOnlyList<string> Texts(string key) => Node(key) switch
    {
        null => [],
        YamlScalarNode scalar => [scalar.Value ?? ""],
        YamlSequenceNode sequence => [.. sequence.Children.Select(n => (n as YamlScalarNode)?.Value ?? throw new MappingException(_file, n.Start.Line, "expected a value"))],
        var other => throw new MappingException(_file, other.Start.Line, $"\"{key}\" is a value or a list of values"),
    };

    /// <summary>Every entry of a mapping whose keys are free, such as field names.</summary>
    public IEnumerable<(string Key, YamlNode Node)> Entries(string key) =>
        Section(key) is { } section ? section.Keys.Select(k => (k, section.Node(k)!)) : [];

    public void Done()
    {
        if (Keys.FirstOrDefault(k => !_read.Contains(k)) is { } unknown) throw Error($"unknown key \"{unknown}\"");
    }

    public MappingException Error(string message) => new(_file, _node.Start.Line, message);
}
