namespace DataVault.Architecture.Tests;

/// <summary>The checkout that these tests were built from: its files as git sees them, without build output.</summary>
internal static class Repository
{
    private static readonly string[] OutputFolders = ["artifacts", "bin", "obj", ".git", ".vault", "node_modules", "TestResults"];

    public static string Root { get; } = FindRoot();

    public static IEnumerable<SourceFile> Files(string folder, params string[] extensions)
    {
        var start = Path.Combine(Root, folder);
        return !Directory.Exists(start)
            ? []
            : Directory.EnumerateFiles(start, "*", SearchOption.AllDirectories)
                .Where(path => extensions.Length == 0 || extensions.Contains(Path.GetExtension(path)))
                .Where(path => !Relative(path).Split('/').Any(OutputFolders.Contains))
                .Order(StringComparer.Ordinal)
                .Select(path => new SourceFile(Relative(path), File.ReadAllText(path)));
    }

    public static string Read(string relative) => File.ReadAllText(Path.Combine(Root, relative));

    public static bool Exists(string relative) => Path.Exists(Path.Combine(Root, relative));

    private static string Relative(string path) => Path.GetRelativePath(Root, path).Replace('\\', '/');

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "DataVault.sln"))) return folder.FullName;
        }

        throw new InvalidOperationException("DataVault.sln was not found above the test binaries.");
    }
}

/// <summary>A file of the repository: path from the root with forward slashes, and its text.</summary>
internal sealed record SourceFile(string Path, string Text)
{
    public string Name => System.IO.Path.GetFileName(Path);

    public string[] Lines => Text.Split('\n');
}
