using System.IO.Compression;
using DataVault.Testing;

namespace DataVault.Server.Tests.Browser;

/// <summary>The pages of a package, opened from a disk as whoever unpacked it does, against WCAG 2.2 AA.</summary>
public sealed class PackagePagesTests(RunningServer server, BrowserFixture browser) : IClassFixture<BrowserFixture>, IDisposable
{
    private const int Desktop = 1280;
    private const int Telephone = 360;
    private readonly string _folder = Directory.CreateTempSubdirectory("package-pages").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    [Requirement("R22")]
    public async Task No_page_of_a_package_has_a_finding_and_none_complains_without_a_network()
    {
        var missing = await NodePackages.PrepareAsync("accessibility");
        Assert.False(missing is not null && Environment.GetEnvironmentVariable("CI") == "true", missing);
        Assert.SkipWhen(missing is not null, missing ?? "");
        var rules = await File.ReadAllTextAsync(Path.Combine(NodePackages.FolderOf("accessibility"), "node_modules", "axe-core", "axe.min.js"));
        using (var zip = new ZipArchive(new MemoryStream(await MadePackage.OfAsync(server, "reads.pages@example.com", ("language", "de"), ("country", "DE")))))
            zip.ExtractToDirectory(_folder);
        var tab = await browser.OpenTabAsync();
        var findings = new SortedSet<string>(StringComparer.Ordinal);
        var pages = Directory.GetFiles(_folder, "*.html", SearchOption.AllDirectories);
        foreach (var page in pages)
        {
            await tab.OpenAsync(new Uri(page));
            foreach (var (width, scheme) in new[] { (Desktop, "light"), (Telephone, "dark") })
            {
                await tab.DressAsync(width, scheme);
                findings.UnionWith((await tab.FindingsAsync(rules, looksOnly: (width, scheme) != (Desktop, "light"))).Select(finding => $"{Path.GetFileName(page)} ({scheme}, {width}): {finding}"));
            }
            if (await tab.OverflowAsync(Telephone) is { } wide) findings.Add($"{Path.GetFileName(page)}: {wide}");
        }
        Assert.True(pages.Length > 10, $"{pages.Length} pages");
        Assert.True(findings.Count == 0, string.Join('\n', findings));
        Assert.Empty(tab.Complaints);
    }
}
