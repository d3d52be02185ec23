using System.Text.Json;
using Xunit;

namespace DataVault.Pure.Tests.Transparency;

/// <summary>Published vectors that lie in a folder <c>shared/vectors</c> beside or above the checkout; tests that need them are skipped without it.</summary>
internal static class PublishedVectors
{
    public static string Folder(string name)
    {
        var found = Candidates().Select(root => Path.Combine(root, "vectors", name)).FirstOrDefault(Directory.Exists);
        Assert.SkipWhen(found is null, $"no published vectors: shared/vectors/{name} is not there");
        return found!;
    }

    public static IEnumerable<(string File, JsonElement Case)> Cases(string folder)
    {
        foreach (var file in Directory.EnumerateFiles(Folder(folder), "*.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            using var document = JsonDocument.Parse(File.ReadAllText(file));
            yield return (file, document.RootElement.Clone());
        }
    }

    private static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable("DATAVAULT_SHARED") is { Length: > 0 } named)
            yield return named;
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            yield return Path.Combine(folder.FullName, "shared");
    }
}
