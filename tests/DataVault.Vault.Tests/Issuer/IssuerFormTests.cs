using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>Every route of the issuer by which a browser changes something, found in the routes themselves: a new one is tried without anybody thinking of it.</summary>
public sealed class IssuerFormTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    // These take no browser's word: the caller shows a secret, a key or a token, or is asked first by a form of those above.
    private static readonly string[] Protocol =
        ["/connect/authorize", "/connect/endsession", "/connect/token", "/connect/revocation", "/connect/introspection", "/connect/userinfo"];

    [Fact]
    public async Task No_form_is_taken_without_its_token_from_whoever_is_signed_in()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        await browser.SignInAsync("customer", person.Email, person.Password);
        var before = host.SignIns.Intents.Count;
        var tried = 0;
        foreach (var path in PostRoutes().Where(path => !Protocol.Contains(path)))
        {
            using var answer = await browser.PostAsync(path, ("email", "a@b.example"), ("present", person.Password), ("next", "a long new password"), ("again", "a long new password"));
            Assert.True(answer.StatusCode == HttpStatusCode.BadRequest, $"{path}: {answer.StatusCode}");
            tried++;
        }

        Assert.True(tried >= 5, $"{tried} forms");
        Assert.Equal(before, host.SignIns.Intents.Count);
        Assert.Contains("signed in as", await browser.ReadAsync("/account"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_page_forbids_scripts_frames_and_styles_within()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        await browser.SignInAsync("customer", person.Email, person.Password);
        foreach (var path in Routes("GET").Where(path => path.StartsWith("/account", StringComparison.Ordinal) && !path.EndsWith(".css", StringComparison.Ordinal)))
        {
            using var answer = await browser.GetAsync(path);
            if (answer.Content.Headers.ContentType?.MediaType != "text/html") continue;
            var page = await answer.Content.ReadAsStringAsync();
            var policy = string.Join(' ', answer.Headers.GetValues("Content-Security-Policy"));
            Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
            Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
            Assert.DoesNotMatch("<script(?![^>]* src=\"/account/[a-z-]+\\.js)[^>]*>", page);
            Assert.DoesNotContain(" style=", page, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotMatch("<[a-z]+[^>]* on[a-z]+=", page);
        }
    }

    [Fact]
    public async Task A_sign_in_gives_the_browser_a_session_that_nobody_chose_for_it()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        browser.Plant("vault-session", "chosen-by-somebody-else");
        await browser.SignInAsync("customer", person.Email, person.Password);
        var first = browser.Cookies["vault-session"]!.Value;
        await browser.SignInAsync("customer", person.Email, person.Password);

        Assert.NotEqual("chosen-by-somebody-else", first);
        Assert.NotEqual(first, browser.Cookies["vault-session"]!.Value);
        Assert.Equal("1", (await host.QueryAsync($"SELECT count(*) FROM issuer.session WHERE account_id = '{person.Id}'")).Single());
    }

    [Fact]
    public async Task A_forged_host_changes_no_address_that_the_issuer_gives()
    {
        using var http = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false });
        foreach (var path in new[] { "/.well-known/openid-configuration", "/account", "/account/login", "/connect/authorize?client_id=console", "/account/logout" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, host.Address + path);
            request.Headers.Host = "evil.example";
            request.Headers.Add("X-Forwarded-Host", "evil.example");
            request.Headers.Add("X-Original-Host", "evil.example");
            using var answer = await http.SendAsync(request);
            Assert.DoesNotContain("evil.example", await answer.Content.ReadAsStringAsync() + answer.Headers, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_form_that_is_too_large_or_no_form_is_refused_and_read_no_further()
    {
        using var http = new HttpClient();
        using var large = new FormUrlEncodedContent([new("grant_type", new string('x', 64 * 1024))]);
        using var many = new FormUrlEncodedContent(Enumerable.Range(0, 2000).Select(i => KeyValuePair.Create($"p{i}", "")));
        using var other = new StringContent("{}", System.Text.Encoding.UTF8, "application/json");
        using var parts = new MultipartFormDataContent { { new StringContent("client_credentials"), "grant_type" } };

        foreach (var content in new HttpContent[] { large, many, other, parts })
        {
            using var answer = await http.PostAsync(host.Address + "/connect/token", content);
            Assert.InRange((int)answer.StatusCode, 400, 499);
        }
    }

    private List<string> PostRoutes() => Routes("POST");

    private List<string> Routes(string method) =>
        [.. host.Services.GetServices<EndpointDataSource>().SelectMany(source => source.Endpoints).OfType<RouteEndpoint>()
            .Where(route => route.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods.Contains(method) == true)
            .Select(route => "/" + route.RoutePattern.RawText!.TrimStart('/')).Where(path => !path.Contains('{', StringComparison.Ordinal)).Distinct()];
}
