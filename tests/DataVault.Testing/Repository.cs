using DataVault.Policy;

namespace DataVault.Testing;

/// <summary>Files of this repository that tests read.</summary>
public static class Repository
{
    /// <summary>The folder that holds DataVault.sln.</summary>
    public static string Root { get; } = FindUpwards("DataVault.sln") is { } file
        ? Path.GetDirectoryName(file)!
        : throw new InvalidOperationException("The tests do not run inside the repository.");

    /// <summary>The policy that ships.</summary>
    public static PolicySet Policy { get; } = PolicySet.Load(Directory
        .EnumerateFiles(Path.Combine(Root, "policies"), "*", SearchOption.AllDirectories)
        .ToDictionary(path => Path.GetRelativePath(Path.Combine(Root, "policies"), path).Replace('\\', '/'), File.ReadAllText, StringComparer.Ordinal));

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
