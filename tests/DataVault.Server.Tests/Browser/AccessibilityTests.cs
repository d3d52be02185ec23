using DataVault.Server.Tests.Console;
using DataVault.Testing;

namespace DataVault.Server.Tests.Browser;

/// <summary>Every page of the console against WCAG 2.2 AA: in light and dark, in a wide window, on a telephone, enlarged fourfold, and by keyboard alone.</summary>
public sealed class AccessibilityTests(BrowserFixture browser) : IClassFixture<BrowserFixture>, IAsyncLifetime
{
    private const int Desktop = 1280;
    private const int Telephone = 360;

    // WCAG 1.4.10: a window of 1280 pixels at 400 per cent.
    private const int Enlarged = 320;

    private PaperVault _vault = null!;
    private string _rules = "";

    public async ValueTask InitializeAsync()
    {
        var missing = await NodePackages.PrepareAsync("accessibility");
        Assert.False(missing is not null && Environment.GetEnvironmentVariable("CI") == "true", missing);
        Assert.SkipWhen(missing is not null, missing ?? "");
        _rules = await File.ReadAllTextAsync(Path.Combine(NodePackages.FolderOf("accessibility"), "node_modules", "axe-core", "axe.min.js"));
        _vault = await PaperVault.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_vault is not null) await _vault.DisposeAsync();
    }

    [Theory]
    [Requirement("R22")]
    [InlineData("customer")]
    [InlineData("compliance-officer")]
    [InlineData("administrator")]
    public async Task No_page_has_a_finding_in_light_or_dark_wide_or_narrow_and_none_is_wider_than_its_window(string role)
    {
        var findings = new SortedSet<string>(StringComparer.Ordinal);
        var tab = await SignInAsync(role);
        var (seen, waiting) = (new HashSet<string>(StringComparer.Ordinal), new Queue<string>([await tab.PlaceAsync()]));
        while (waiting.TryDequeue(out var place))
        {
            // Pages that differ in an id or a cursor alone look the same.
            if (!seen.Add(BrowserTests.Shape(place))) continue;
            await tab.OpenAsync(new Uri(new Uri(_vault.Address), place));
            findings.UnionWith((await FindAsync(tab)).Select(finding => $"{place} {finding}"));
            foreach (var link in (await tab.LinksAsync()).Select(link => new Uri(link)).Where(link => link.Authority == new Uri(_vault.Address).Authority))
            {
                // In English first, and then in the language with the longest words.
                if (link.AbsolutePath.StartsWith("/console", StringComparison.Ordinal) && !link.AbsolutePath.EndsWith("/download", StringComparison.Ordinal) && (!link.Query.Contains("language=", StringComparison.Ordinal) || link.Query.Contains("language=fr", StringComparison.Ordinal)))
                    waiting.Enqueue(link.PathAndQuery);
            }
        }

        Assert.True(seen.Count > 3, $"{seen.Count} pages");
        Assert.True(findings.Count == 0, string.Join('\n', findings));
    }

    [Fact]
    public async Task What_breaks_a_rule_is_found()
    {
        var tab = await SignInAsync("compliance-officer");
        await tab.DressAsync(Desktop, "light");
        Assert.Empty(await tab.FindingsAsync(_rules));
        await tab.RunAsync("document.querySelector('main').appendChild(document.createElement('img')).src = '/console/icon.svg'");
        await tab.RunAsync("document.querySelector('h1').style.color = '#ccc'");
        var found = await tab.FindingsAsync(_rules);
        Assert.Contains(found, finding => finding.StartsWith("image-alt:", StringComparison.Ordinal));
        Assert.Contains(found, finding => finding.StartsWith("color-contrast:", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("customer", "/console/me")]
    [InlineData("compliance-officer", "/console/officer/desk")]
    public async Task The_keyboard_reaches_everything_in_order_and_the_focus_is_seen(string role, string place)
    {
        var tab = await SignInAsync(role);
        await tab.OpenAsync(new Uri(new Uri(_vault.Address), place));
        await tab.DressAsync(Desktop, "light");
        var reachable = await tab.CountAsync("a[href], button, summary, input:not([type=hidden]), select, textarea, [tabindex='0']");
        var (last, seen) = (-1, 0);
        for (; seen < reachable; seen++)
        {
            var focus = await tab.PressTabAsync();
            if (seen == 0) Assert.Equal("#content", focus.GetProperty("href").GetString());
            Assert.True(focus.GetProperty("place").GetInt32() > last, $"{focus} comes before what had the focus");
            Assert.True(focus.GetProperty("outline").GetDouble() >= 2, $"{focus} does not show its focus");
            last = focus.GetProperty("place").GetInt32();
        }

        Assert.True(seen > 5);
        Assert.Empty(tab.Complaints);
    }

    private async Task<Tab> SignInAsync(string role)
    {
        _vault.Role = role;
        var tab = await browser.OpenTabAsync();
        await tab.OpenAsync(new Uri(_vault.Address + "/console/sign-in"));
        return tab;
    }

    private async Task<List<string>> FindAsync(Tab tab)
    {
        var found = new List<string>();
        foreach (var (width, scheme) in new[] { (Desktop, "light"), (Desktop, "dark"), (Telephone, "dark"), (Telephone, "light") })
        {
            await tab.DressAsync(width, scheme);
            found.AddRange((await tab.FindingsAsync(_rules, looksOnly: (width, scheme) != (Desktop, "light"))).Select(finding => $"({scheme}, {width}): {finding}"));
        }

        if (await tab.OverflowAsync(Enlarged) is { } wide) found.Add($"({Enlarged}): {wide}");
        return found;
    }
}
