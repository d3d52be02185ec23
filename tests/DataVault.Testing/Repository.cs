using DataVault.Policy;
using DataVault.Policy.Reading;

namespace DataVault.Testing;

/// <summary>Files of this repository that tests read.</summary>
public static class Repository
{
    /// <summary>The folder that holds DataVault.sln.</summary>
    public static string Root { get; } = FindUpwards("DataVault.sln") is { } file
        ? Path.GetDirectoryName(file)!
        : throw new InvalidOperationException("The tests do not run inside the repository.");

    /// <summary>The policy that ships.</summary>
    public static PolicySet Policy { get; } = PolicySet.Load(PolicyFiles());

    /// <summary>The policy that ships, with one text of one of its files replaced by another.</summary>
    public static PolicySet ChangedPolicy(params (string File, string Text, string With)[] changes) => PolicySet.Load(ChangedFiles(changes));

    /// <summary>The files of the policy that ships, with one text of one of them replaced by another.</summary>
    public static Dictionary<string, string> ChangedFiles(params (string File, string Text, string With)[] changes)
    {
        var files = PolicyFiles();
        foreach (var (file, text, with) in changes)
        {
            if (!files[file].Contains(text, StringComparison.Ordinal)) throw new InvalidOperationException($"{file} has no such text: {text}");
            files[file] = files[file].Replace(text, with, StringComparison.Ordinal);
        }

        return files;
    }

    private static Dictionary<string, string> PolicyFiles() => Directory
        .EnumerateFiles(Path.Combine(Root, "policies"), "*", SearchOption.AllDirectories)
        .Select(path => (Name: Path.GetRelativePath(Path.Combine(Root, "policies"), path).Replace(Path.DirectorySeparatorChar, '/'), File: path))
        .Where(one => !PolicyFileNames.IsAside(one.Name))
        .ToDictionary(one => one.Name, one => File.ReadAllText(one.File), StringComparer.Ordinal);

    private static string? FindUpwards(string path)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var candidate = Path.Combine(folder.FullName, path);
            if (File.Exists(candidate) || Directory.Exists(candidate)) return candidate;
        }

        return null;
    }
}
