using System.Net;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.WebUtilities;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>As much of a browser as the sign-in needs: cookies, hidden fields, and redirects that are looked at before they are followed.</summary>
internal sealed partial class Browser : IDisposable
{
    private readonly HttpClientHandler handler = new() { AllowAutoRedirect = false, CookieContainer = new CookieContainer() };
    private readonly HttpClient http;

    public Browser(string address) => http = new HttpClient(handler) { BaseAddress = new Uri(address) };

    public CookieCollection Cookies => handler.CookieContainer.GetCookies(http.BaseAddress!);

    /// <summary>Puts a cookie into the browser from outside.</summary>
    public void Plant(string name, string value) => handler.CookieContainer.Add(new Cookie(name, value, "/", http.BaseAddress!.Host));

    public Task<HttpResponseMessage> GetAsync(string path) => http.GetAsync(path);

    public async Task<string> ReadAsync(string path)
    {
        using var answer = await GetAsync(path);
        return await answer.Content.ReadAsStringAsync();
    }

    /// <summary>Shows a page and sends its form back with the given fields filled in.</summary>
    public async Task<HttpResponseMessage> SubmitAsync(string path, params (string Name, string Value)[] fields)
    {
        var page = await ReadAsync(path);
        var action = Action().Match(page).Groups[1].Value;
        var form = HiddenOf(page).ToDictionary(field => field.Name, field => field.Value);
        foreach (var (name, value) in fields) form[name] = value;
        return await PostAsync(action, [.. form.Select(f => (f.Key, f.Value))]);
    }

    public static IEnumerable<(string Name, string Value)> HiddenOf(string page) =>
        Hidden().Matches(page).Select(m => (m.Groups[1].Value, WebUtility.HtmlDecode(m.Groups[2].Value)));

    public async Task<HttpResponseMessage> PostAsync(string path, params (string Name, string Value)[] fields)
    {
        using var content = new FormUrlEncodedContent(fields.Select(f => KeyValuePair.Create(f.Name, f.Value)));
        return await http.PostAsync(path, content);
    }

    public async Task<HttpResponseMessage> SignInAsync(string realm, string email, string password, string returnUrl = "/account") =>
        await SubmitAsync($"/account/login?realm={realm}&returnUrl={Uri.EscapeDataString(returnUrl)}", ("email", email), ("password", password));

    /// <summary>Goes to the authorize endpoint, signs in where it is asked to, and comes back with what the client would receive.</summary>
    public async Task<Dictionary<string, string>> AuthorizeAsync(string path, Person person)
    {
        var answer = await GetAsync(path);
        if (answer.Headers.Location!.OriginalString.StartsWith("/account/login", StringComparison.Ordinal))
            answer = await SubmitAsync(answer.Headers.Location.OriginalString, ("email", person.Email), ("password", person.Password));
        answer = await GoOnAsync(answer, person);
        Assert.StartsWith(IssuerHost.Callback + "?", answer.Headers.Location?.OriginalString);
        return Query(answer);
    }

    /// <summary>Follows what leads on within the vault, and shows the second factor where it is asked for.</summary>
    public async Task<HttpResponseMessage> GoOnAsync(HttpResponseMessage answer, Person person)
    {
        while (answer.Headers.Location is { } next && next.OriginalString.StartsWith('/'))
        {
            answer = next.OriginalString.StartsWith("/account/factor?", StringComparison.Ordinal)
                ? await SubmitAsync(next.OriginalString, ("code", person.Telephone!.Next()!))
                : await GetAsync(next.OriginalString);
        }

        return answer;
    }

    public static Dictionary<string, string> Query(HttpResponseMessage answer) =>
        QueryHelpers.ParseQuery(new Uri(answer.Headers.Location!.OriginalString).Query).ToDictionary(q => q.Key, q => q.Value.Single()!);

    public void Dispose()
    {
        http.Dispose();
        handler.Dispose();
    }

    [GeneratedRegex("<form method=\"post\" action=\"([^\"]+)\">")]
    private static partial Regex Action();

    [GeneratedRegex("<input type=\"hidden\" name=\"([^\"]+)\" value=\"([^\"]*)\">")]
    private static partial Regex Hidden();
}
