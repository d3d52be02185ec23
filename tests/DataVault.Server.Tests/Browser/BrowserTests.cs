using System.Net;
using System.Text.RegularExpressions;
using DataVault.Testing;

namespace DataVault.Server.Tests.Browser;

/// <summary>One browser for the class; absent, the tests are skipped, and fail where nothing may be skipped.</summary>
public sealed class BrowserFixture : IAsyncLifetime
{
    private DevTools? _browser;

    internal async Task<Tab> OpenTabAsync()
    {
        if (_browser is null)
        {
            const string Missing = "There is no Chromium on this machine: apt-get install chromium.";
            Assert.False(Environment.GetEnvironmentVariable("CI") == "true", Missing);
            Assert.Skip(Missing);
        }
        return await _browser.OpenTabAsync();
    }

    public async ValueTask InitializeAsync() => _browser = DevTools.FindProgram() is { } program ? await DevTools.StartAsync(program) : null;

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
            await _browser.DisposeAsync();
    }
}

/// <summary>The console, as people use it: in a browser, in a wide window and on a telephone.</summary>
public sealed partial class BrowserTests(RunningServer server, BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    private const int Desktop = 1280;
    private const int Telephone = 390;
    private const int MostPages = 25;
    private const int MostLinks = 80;

    [Fact]
    [Requirement("R37")]
    public async Task A_customer_sees_their_data_withdraws_a_consent_and_asks_for_everything()
    {
        var tab = await SignInAsync("customer");
        Assert.Equal("/console/me", await tab.PlaceAsync());
        Assert.Contains(server.Secrets.People.First(p => p.Role == "customer").Email, await tab.TextAsync(), StringComparison.Ordinal);

        await tab.FollowAsync("nav a[href='/console/me/consents']");
        const string Withdraw = "form[action='/console/me/consents/personalisation'] button[value=withdrawn]";
        const string Give = "form[action='/console/me/consents/personalisation'] button[value=given]";
        if (await tab.CountAsync(Withdraw) == 0)
            await tab.FollowAsync(Give);
        await tab.FollowAsync(Withdraw);
        Assert.Contains("in force everywhere", await tab.TextAsync(), StringComparison.Ordinal);
        Assert.Equal((0, 1), (await tab.CountAsync(Withdraw), await tab.CountAsync(Give)));
        var mine = await server.JsonAsync("customer", HttpMethod.Get, "/v1/me/consents");
        Assert.Equal("withdrawn", mine.GetProperty("items").EnumerateArray().Single(c => c.GetProperty("purpose").GetString() == "personalisation").GetProperty("state").GetString());

        await tab.FollowAsync("nav a[href='/console/me/requests']");
        await tab.FollowAsync("button[name=kind][value=access]");
        Assert.Contains("Your request has come in", await tab.TextAsync(), StringComparison.Ordinal);
        Assert.Contains("Everything that is held", await tab.TextAsync(), StringComparison.Ordinal);
        Assert.Empty(tab.Complaints);
    }

    [Fact]
    public async Task An_officer_sees_the_queue_and_searches_the_log()
    {
        var opened = await server.JsonAsync(
            "compliance-officer", HttpMethod.Post, "/v1/requests", new { kind = "restriction", customer = await server.CreateCustomerAsync("queue@example.com") }, HttpStatusCode.Created);
        var tab = await SignInAsync("compliance-officer");
        Assert.Equal("/console/officer/desk", await tab.PlaceAsync());
        await tab.FollowAsync("nav a[href='/console/officer']");
        await tab.FollowAsync($"a[href='/console/officer/requests/{opened.GetProperty("id").GetGuid()}']");
        Assert.Contains("received", await tab.TextAsync(), StringComparison.Ordinal);

        await tab.FollowAsync("nav a[href='/console/officer/log']");
        await tab.FillAsync("#type", "request.change");
        await tab.FollowAsync("form.filter button");
        Assert.NotEqual(0, await tab.CountAsync("tbody tr"));
        Assert.Equal(await tab.CountAsync("tbody tr"), Regex.Count(await tab.TextAsync(), "\\brequest\\.change\\b") - await tab.CountAsync("option[value='request.change']:checked"));
        await tab.FollowAsync("tbody a");
        Assert.StartsWith("/console/proof/", await tab.PlaceAsync(), StringComparison.Ordinal);
        Assert.Empty(tab.Complaints);
    }

    [Fact]
    public async Task An_officer_places_a_hold_on_two_fields_sees_what_it_defers_and_releases_it()
    {
        var customer = await server.CreateCustomerAsync("held-in-a-browser@example.com");
        var tab = await SignInAsync("compliance-officer");
        await tab.FollowAsync("nav a[href='/console/officer/holds']");
        await tab.FollowAsync("a[href='/console/officer/holds/place']");
        await tab.FillAsync("#customers", customer.ToString());
        await tab.FillAsync("#authority", "legal-claim");
        await tab.FillAsync("#case", "File 12");
        await tab.FillAsync("#review", "2099-01-31");
        foreach (var tick in new[] { "[name=scope][value=ticked]", "[name=items][value=email]", "[name=items][value='event:purchase']" })
            await tab.RunAsync($"document.querySelector(`{tick}`).click()");
        await tab.FollowAsync("main form .row button");
        Assert.Contains("The hold is in force from now on", await tab.TextAsync(), StringComparison.Ordinal);

        var erasure = await server.JsonAsync("compliance-officer", HttpMethod.Post, "/v1/requests", new { kind = "erasure", customer }, HttpStatusCode.Created);
        var path = $"/v1/requests/{erasure.GetProperty("id").GetGuid()}";
        foreach (var step in new[] { "verify", "approve" })
            await server.JsonAsync("compliance-officer", HttpMethod.Post, $"{path}/{step}", step == "verify" ? new { method = "document-seen" } : new { });
        await Waiting.UntilAsync("the rest is erased", async () => (await server.JsonAsync("compliance-officer", HttpMethod.Get, path)).GetProperty("erasure").GetProperty("state").GetString() == "partial");

        await tab.OpenAsync(new Uri(server.Process.Address, $"/console/officer/holds?customer={customer}"));
        await tab.FollowAsync($"a[href='/console/officer/requests/{erasure.GetProperty("id").GetGuid()}']");
        Assert.Contains("Kept by holds", await tab.TextAsync(), StringComparison.Ordinal);
        await tab.FollowAsync($"a[href='/console/officer/holds?customer={customer}']");
        await tab.FillAsync("textarea[name=reason]", "Settled");
        await tab.FollowAsync("form[action$='/release'] button");
        Assert.Contains("The hold is released", await tab.TextAsync(), StringComparison.Ordinal);
        await Waiting.UntilAsync("the rest of the rest is erased", async () => (await server.JsonAsync("compliance-officer", HttpMethod.Get, path)).GetProperty("state").GetString() == "completed");
        Assert.Empty(tab.Complaints);
    }

    [Fact]
    public async Task An_administrator_rotates_the_epoch_after_a_question_and_sees_it_done()
    {
        var tab = await SignInAsync("administrator");
        await tab.FollowAsync("nav a[href='/console/keys']");
        Assert.Contains("Root key", await tab.TextAsync(), StringComparison.Ordinal);
        var before = await tab.CountAsync("ul.requests > li");
        await tab.FollowAsync("a[href='/console/keys/rotate/epoch']");
        Assert.Contains("A new epoch begins", await tab.TextAsync(), StringComparison.Ordinal);
        await tab.FollowAsync("main form button");
        Assert.Contains("The rotation has begun", await tab.TextAsync(), StringComparison.Ordinal);
        Assert.Equal(before + 1, await tab.CountAsync("ul.requests > li"));
        await Waiting.UntilAsync("it is done", async () =>
        {
            await tab.OpenAsync(new Uri(server.Process.Address, "/console/keys"));
            return await tab.CountAsync("ul.requests > li:first-child .chip.good") == 1;
        });
        Assert.Empty(tab.Complaints);
    }

    [Fact]
    public async Task An_officer_asks_the_policy_who_can_see_a_class_why_a_read_is_refused_and_which_versions_there_were()
    {
        var tab = await SignInAsync("compliance-officer");
        await tab.FollowAsync("nav a[href='/console/policy']");
        await tab.FillAsync("#field", "class:health");
        await tab.FollowAsync("form.filter button");
        Assert.Contains("emergency", await tab.TextAsync(), StringComparison.Ordinal);
        Assert.NotEqual(0, await tab.CountAsync("tbody tr"));

        await tab.FollowAsync("nav[aria-label=Policy] a[href='/console/policy/explain']");
        foreach (var (field, value) in new[] { ("#role", "marketing"), ("#purpose", "marketing"), ("#field", "email") })
            await tab.FillAsync(field, value);
        await tab.FollowAsync("form.filter button");
        Assert.Contains("consent-missing", await tab.TextAsync(), StringComparison.Ordinal);
        Assert.Contains("with the least change", await tab.TextAsync(), StringComparison.Ordinal);

        await tab.FollowAsync("nav[aria-label=Policy] a[href='/console/policy/versions']");
        Assert.Contains("in force", await tab.TextAsync(), StringComparison.Ordinal);
        await tab.OpenAsync(new Uri(server.Process.Address, "/console/policy/diff"));
        Assert.Contains("comes out the same", await tab.TextAsync(), StringComparison.Ordinal);
        Assert.Empty(tab.Complaints);
    }

    [Fact]
    public async Task An_analyst_sees_charts()
    {
        await Waiting.UntilAsync("people are counted", async () =>
            (await server.JsonAsync("analyst", HttpMethod.Get, "/v1/analytics/segments?domain=insight&by=gender")).GetProperty("cells").GetArrayLength() > 0);
        var tab = await SignInAsync("analyst");
        Assert.Equal("/console/analyst", await tab.PlaceAsync());
        await tab.FillAsync("#by", "gender");
        await tab.FollowAsync("form.filter button");
        Assert.NotEqual(0, await tab.CountAsync("table svg, svg"));
        Assert.Contains("Only people who consent to analytics are counted", await tab.TextAsync(), StringComparison.Ordinal);
        Assert.Empty(tab.Complaints);
    }

    [Theory]
    [InlineData("")]
    [InlineData("customer")]
    [InlineData("compliance-officer")]
    [InlineData("analyst")]
    [InlineData("administrator")]
    public async Task Every_page_fits_both_widths_complains_of_nothing_and_all_its_links_lead_somewhere(string role)
    {
        var tab = role.Length > 0 ? await SignInAsync(role) : await browser.OpenTabAsync();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var links = new Dictionary<string, string>(StringComparer.Ordinal);
        var waiting = new Queue<string>(["/console"]);
        while (waiting.TryDequeue(out var place) && seen.Count < MostPages)
        {
            if (!seen.Add(Shape(place)))
                continue;
            await tab.OpenAsync(new Uri(server.Process.Address, place));
            foreach (var width in new[] { Desktop, Telephone })
                Assert.True(await tab.OverflowAsync(width) is not { } wide, $"{place} at {width}: {await tab.OverflowAsync(width)}");
            Assert.True(tab.Complaints.IsEmpty, $"{place}: {string.Join('\n', tab.Complaints)}");
            foreach (var link in (await tab.LinksAsync()).Select(l => new Uri(l)))
            {
                Assert.Equal(server.Process.Address.Authority, link.Authority);
                links.TryAdd(link.PathAndQuery, place);
                if (link.AbsolutePath.StartsWith("/console", StringComparison.Ordinal) && !link.AbsolutePath.EndsWith("/download", StringComparison.Ordinal))
                    waiting.Enqueue(link.PathAndQuery);
            }
        }
        Assert.True(seen.Count >= (role.Length > 0 ? 2 : 1));
        await CheckAsync(links.Take(MostLinks), await tab.CookiesAsync());
    }

    [Fact]
    public async Task What_sticks_out_an_error_and_an_inline_script_are_seen()
    {
        var tab = await browser.OpenTabAsync();
        await tab.OpenAsync(new Uri(server.Process.Address, "/console"));
        Assert.Null(await tab.OverflowAsync(Telephone));
        await tab.RunAsync("document.body.appendChild(document.createElement('div')).style.cssText = 'width:800px;height:9px'");
        Assert.NotNull(await tab.OverflowAsync(Telephone));
        Assert.Null(await tab.OverflowAsync(Desktop));
        Assert.Empty(tab.Complaints);
        await tab.RunAsync("document.body.appendChild(Object.assign(document.createElement('script'), { textContent: 'window.ran = 1' }))");
        await Waiting.UntilAsync("the violation is seen", () => tab.Complaints.Any(c => c.Contains("Content Security Policy", StringComparison.Ordinal)));
        await tab.RunAsync("console.error('something broke')");
        await Waiting.UntilAsync("the error is seen", () => tab.Complaints.Any(c => c.Contains("something broke", StringComparison.Ordinal)));
        await tab.RunAsync("window.img = document.body.appendChild(new Image()).src = '/nothing/here.png'");
        await Waiting.UntilAsync("the missing file is seen", () => tab.Complaints.Any(c => c.Contains("404", StringComparison.Ordinal)));
    }

    private async Task<Tab> SignInAsync(string role)
    {
        var person = role == "customer" ? server.Secrets.People.First(p => p.Role == role) : await server.StaffAsync(role);
        var tab = await browser.OpenTabAsync();
        await tab.OpenAsync(new Uri(server.Process.Address, "/console"));
        await tab.FollowAsync("a[href='/console/sign-in']");
        if (role != "customer")
            await tab.FollowAsync("nav a[href*='realm=staff']");
        await tab.FillAsync("#email", person.Email);
        await tab.FillAsync("#password", person.Password);
        await tab.FollowAsync("main form button");
        if (person.CodeSecret is { } secret)
        {
            await tab.FillAsync("#code", await Authenticator.Of(secret).NextAsync());
            await tab.FollowAsync("main form button");
        }
        return tab;
    }

    private async Task CheckAsync(IEnumerable<KeyValuePair<string, string>> links, string cookies)
    {
        using var http = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = server.Process.Address };
        foreach (var (link, from) in links)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, link);
            request.Headers.TryAddWithoutValidation("Cookie", cookies);
            using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            Assert.True(answer.IsSuccessStatusCode, $"{link} on {from}: {(int)answer.StatusCode}");
        }
    }

    // Pages that differ in an id or a cursor alone look the same.
    internal static string Shape(string place) => Varying().Replace(place.Split('#')[0], "*");

    [GeneratedRegex("[0-9a-f]{8}-[0-9a-f-]{27}|(?<=/)[0-9]+(?=$|[/?])|(?<=(cursor|customer|at|field)=)[^&]+")]
    private static partial Regex Varying();
}
