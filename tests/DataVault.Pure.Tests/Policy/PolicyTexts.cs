using DataVault.Policy;

namespace DataVault.Pure.Tests.Policy;

/// <summary>Policies to test with: the shipped one, and a small complete one whose files a test replaces.</summary>
internal static class PolicyTexts
{
    public static PolicySet Shipped() => PolicySet.Load(ShippedFiles());

    public static Dictionary<string, string> ShippedFiles()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "policies", "catalogue.yaml"))) folder = folder.Parent;
        var root = Path.Combine(folder!.FullName, "policies");
        return Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories)
            .ToDictionary(path => Path.GetRelativePath(root, path).Replace('\\', '/'), File.ReadAllText);
    }
}
