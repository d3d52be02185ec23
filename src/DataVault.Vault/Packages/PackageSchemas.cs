using System.Text.Encodings.Web;
using System.Text.Json;

namespace DataVault.Vault;

/// <summary>JSON Schemas of the JSON files of a package, by the name of the file without its ending; of a file of lines, for each line.</summary>
internal static class PackageSchemas
{
    private static readonly JsonSerializerOptions Options = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static IReadOnlyList<KeyValuePair<string, string>> All { get; } = Read();

    /// <summary>By which name the schema of a file goes: that of the file, without folder, ending and number of its part.</summary>
    public static string NameOf(string path)
    {
        var name = path[(path.LastIndexOf('/') + 1)..].Split('.')[0];
        return name.Length > 5 && name[^5] == '-' && name[^4..].All(char.IsAsciiDigit) ? name[..^5] : name;
    }

    private static List<KeyValuePair<string, string>> Read()
    {
        using var stream = typeof(PackageSchemas).Assembly.GetManifestResourceStream("package-schemas.json") ?? throw new InvalidOperationException("No schemas of a package.");
        using var all = JsonDocument.Parse(stream);
        return [.. all.RootElement.EnumerateObject().Select(schema => KeyValuePair.Create(schema.Name, JsonSerializer.Serialize(schema.Value, Options) + "\n"))];
    }
}
