using DataVault.Policy;

namespace DataVault.Testing;

/// <summary>Files of this repository, and of the machine around it, that tests read.</summary>
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

    /// <summary>A file in a folder <c>shared</c> beside or above the repository; null when this machine has none.</summary>
    public static string? Shared(string path) => FindUpwards(Path.Combine("shared", path));

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
