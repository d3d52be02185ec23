using System.Text.RegularExpressions;

namespace DataVault.Server;

/// <summary>What the program says of itself: commands and settings, from the document that describes them (docs/configuration.md), so that there is one list.</summary>
internal static partial class Help
{
    private const string Document = "configuration.md";
    private const string CommandIndent = "    ";

    /// <summary>Whether somebody asks what there is, however they ask.</summary>
    public static bool IsAsked(IReadOnlyList<string> args) => args is ["help", ..] || args.Any(argument => argument is "--help" or "-h" or "-?");

    /// <summary>The commands, one a line.</summary>
    public static string Commands() => string.Join('\n', Lines().TakeWhile(line => !line.StartsWith('|')).Where(line => line.StartsWith(CommandIndent, StringComparison.Ordinal)).Select(Plain));

    /// <summary>Everything.</summary>
    public static string Text() => string.Join('\n', (IEnumerable<string>)["Commands", "", Commands(), "", .. Settings()]);

    // Of the document's tables: the name of a setting, what it means, and what it is when it is not set.
    private static IEnumerable<string> Settings()
    {
        var heading = "Settings, from the environment (__ between the parts), the command line (--Vault:Home=...) or appsettings.json";
        string[] columns = [];
        foreach (var line in Lines())
        {
            if (line.StartsWith("## ", StringComparison.Ordinal))
                heading = line[3..];
            if (!line.StartsWith('|'))
            {
                columns = [];
                continue;
            }

            var cells = line.Trim('|').Split('|').Select(cell => Plain(cell.Trim())).ToArray();
            if (columns.Length == 0)
            {
                columns = cells;
                yield return heading;
                yield return "";
            }
            else if (!cells[0].StartsWith("---", StringComparison.Ordinal))
            {
                yield return Row(columns, cells);
            }
        }
    }

    private static string Row(string[] columns, string[] cells)
    {
        var meaning = Array.IndexOf(columns, "meaning");
        var names = string.Join(' ', cells.Take(meaning).Where(cell => cell.Length > 0));
        var usual = meaning + 1 < cells.Length && cells[meaning + 1].Length > 0 ? $" [{cells[meaning + 1]}]" : "";
        return $"  {names}\n      {cells[meaning]}{usual}";
    }

    private static string Plain(string cell) => Link().Replace(cell, "$1").Replace("`", "", StringComparison.Ordinal);

    private static string[] Lines()
    {
        using var reader = new StreamReader(typeof(Help).Assembly.GetManifestResourceStream(Document)!);
        return reader.ReadToEnd().Split('\n');
    }

    [GeneratedRegex(@"\[([^\]]*)\]\([^)]*\)")]
    private static partial Regex Link();
}
