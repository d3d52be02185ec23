using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using DataVault.Client;
using DataVault.Testing;

[assembly: AssemblyFixture(typeof(DataVault.Server.Tests.RunningServer))]
// Most of the time is spent waiting for processes that start, one after another.
[assembly: CollectionBehavior(MaxParallelThreads = 4)]

namespace DataVault.Server.Tests;

/// <summary>One server for all tests of this assembly that do not stop it, with tokens for each of its callers.</summary>
public partial class RunningServer : IAsyncLifetime
{
    // Less than access tokens live.
    private static readonly TimeSpan TokenAge = TimeSpan.FromMinutes(3);

    private readonly Dictionary<string, (string Token, long At)> _tokens = [];
    private readonly ConcurrentDictionary<string, string> _registered = [];
    private readonly SemaphoreSlim _lock = new(1);
    private ServerProcess? _process;
    private RunningServer? _issuedBy;

    public HttpClient Http { get; private set; } = null!;

    public ServerProcess Process => _process!;

    public FirstRunSecrets Secrets { get; private set; } = null!;

    // Enough people for charts: a group of fewer than ten is not shown.
    public async ValueTask InitializeAsync() =>
        Attach(await ServerProcess.StartAsync(new Dictionary<string, string> { ["Vault__SampleCustomers"] = "120" }));

    /// <summary>Speaks to a server; where it shares the home of another one, with the tokens that the other issues.</summary>
    internal void Attach(ServerProcess process, RunningServer? issuedBy = null)
    {
        (_process, _issuedBy) = (process, issuedBy);
        Secrets = issuedBy?.Secrets ?? process.Secrets;
        Http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = _process.Address };
    }

    public async ValueTask DisposeAsync()
    {
        Http?.Dispose();
        if (_process is not null)
            await _process.DisposeAsync();
        _lock.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>A token of an application (by id) or of a person (by role).</summary>
    public async Task<string> TokenAsync(string who)
    {
        if (_issuedBy is not null)
            return await _issuedBy.TokenAsync(who);
        await _lock.WaitAsync();
        try
        {
            if (!_tokens.TryGetValue(who, out var held) || Stopwatch.GetElapsedTime(held.At) > TokenAge)
                _tokens[who] = held = (SecretOf(who) is not null ? await ApplicationTokenAsync(who) : await PersonTokenAsync(who), Stopwatch.GetTimestamp());
            return held.Token;
        }
        finally
        {
            _lock.Release();
        }
    }

    public async Task<HttpResponseMessage> SendAsync(string who, HttpMethod method, string path, object? body = null, Action<HttpRequestMessage>? shape = null)
    {
        using var request = new HttpRequestMessage(method, path);
        if (who.Length > 0)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await TokenAsync(who));
        if (body is not null)
            request.Content = new StringContent(body as string ?? JsonSerializer.Serialize(body, VaultJson.Strict), Encoding.UTF8, "application/json");
        shape?.Invoke(request);
        return await Http.SendAsync(request);
    }

    public async Task<JsonElement> JsonAsync(string who, HttpMethod method, string path, object? body = null, HttpStatusCode expected = HttpStatusCode.OK, Action<HttpRequestMessage>? shape = null)
    {
        using var answer = await SendAsync(who, method, path, body, shape);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == expected, $"{method} {path}: {(int)answer.StatusCode} {text}");
        return JsonDocument.Parse(text).RootElement;
    }

    /// <summary>The slug of the problem that a call must end in.</summary>
    public static async Task<string> SlugAsync(HttpResponseMessage answer)
    {
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        using var problem = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        var type = problem.RootElement.GetProperty("type").GetString()!;
        Assert.Equal((int)answer.StatusCode, problem.RootElement.GetProperty("status").GetInt32());
        return type["/problems/".Length..];
    }

    /// <summary>Creates a customer with consent to marketing and gives the id.</summary>
    public async Task<Guid> CreateCustomerAsync(string email, string givenName = "Testa")
    {
        var body = new
        {
            fields = new Dictionary<string, object> { ["givenName"] = givenName, ["familyName"] = "Probe", ["email"] = email, ["language"] = "en" },
            source = "tests",
            consents = new Dictionary<string, string> { ["marketing"] = "given" },
        };
        return (await JsonAsync("crm-ingest", HttpMethod.Post, "/v1/customers", body, HttpStatusCode.Created)).GetProperty("id").GetGuid();
    }

    /// <summary>Registers an application of a test's own, whose acts nobody else does.</summary>
    public async Task RegisterAsync(string id, string role, params string[] purposes)
    {
        var made = await JsonAsync("administrator", HttpMethod.Post, "/v1/clients", new { id, name = id, roles = new[] { role }, purposes }, HttpStatusCode.Created);
        _registered[id] = made.GetProperty("secret").GetString()!;
    }

    private string? SecretOf(string id) => _registered.GetValueOrDefault(id) ?? Secrets.Clients.FirstOrDefault(c => c.Id == id)?.Secret;

    private async Task<string> ApplicationTokenAsync(string id)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/token");
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{id}:{SecretOf(id)}")));
        request.Content = new FormUrlEncodedContent([new("grant_type", "client_credentials")]);
        using var answer = await Http.SendAsync(request);
        using var json = JsonDocument.Parse(await answer.EnsureSuccessStatusCode().Content.ReadAsStringAsync());
        return json.RootElement.GetProperty("access_token").GetString()!;
    }

    // What a browser does: to the authorize endpoint, through the sign-in form, back with a code, which the console's client trades in.
    private async Task<string> PersonTokenAsync(string role)
    {
        var person = Secrets.People.First(p => p.Role == role);
        return await SignInAsync(person);
    }

    /// <summary>Somebody new of this role, with a password and an authenticator app of their own: a test that signs in by itself waits for nobody's next code.</summary>
    internal async Task<FirstRunAccount> StaffAsync(string role)
    {
        var email = $"{Guid.NewGuid():N}@vault.example";
        var made = await JsonAsync("administrator", HttpMethod.Post, "/v1/accounts", new { email, role }, HttpStatusCode.Created);
        using var first = new ConsoleVisitor(Process.Address);
        return await first.BeginAsync(new FirstRunAccount(email, made.GetProperty("oneTimePassword").GetString()!, role));
    }

    /// <summary>A token of somebody whose password is a lasting one.</summary>
    internal async Task<string> SignInAsync(FirstRunAccount person)
    {
        using var browser = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = Process.Address };
        var console = new AuthorizationCodeClient(
            browser, "console", File.ReadAllText(Path.Combine(Process.Home, "console.secret")), $"{Secrets.Address}/console/callback");
        var attempt = SignInAttempt.Make(RandomNumberGenerator.Fill);
        var place = await FollowAsync(browser, await console.AuthorizeUrlAsync(attempt));
        var page = await browser.GetStringAsync(place);
        using var form = new FormUrlEncodedContent(
        [
            .. Hidden(page).Where(p => p.Key != "realm"),
            new("realm", person.Role == "customer" ? "customer" : "staff"), new("email", person.Email), new("password", person.Password),
        ]);
        using var signedIn = await browser.PostAsync("/account/login", form);
        var back = await FollowAsync(browser, signedIn.Headers.Location?.ToString() ?? throw new HttpRequestException($"The sign-in was answered with {signedIn.StatusCode}."));
        if (back.StartsWith("/account/factor?", StringComparison.Ordinal))
            back = await FollowAsync(browser, await ShowCodeAsync(browser, back, person.CodeSecret!));
        var code = Regex.Match(back, "[?&]code=([^&]+)").Groups[1].Value;
        return (await console.ExchangeAsync(Uri.UnescapeDataString(code), attempt)).AccessToken;
    }

    private static async Task<string> ShowCodeAsync(HttpClient browser, string place, string secret)
    {
        using var form = new FormUrlEncodedContent([.. Hidden(await browser.GetStringAsync(place)), new("code", await Authenticator.Of(secret).NextAsync())]);
        using var shown = await browser.PostAsync("/account/factor", form);
        return shown.Headers.Location?.ToString() ?? throw new HttpRequestException($"The code was answered with {shown.StatusCode}.");
    }

    private static IEnumerable<KeyValuePair<string, string>> Hidden(string page) =>
        HiddenInputs().Matches(page).Select(m => KeyValuePair.Create(m.Groups[1].Value, WebUtility.HtmlDecode(m.Groups[2].Value)));

    private static async Task<string> FollowAsync(HttpClient browser, string place)
    {
        while (!place.Contains("/console/callback?", StringComparison.Ordinal))
        {
            using var answer = await browser.GetAsync(place);
            if ((int)answer.StatusCode >= 500)
                answer.EnsureSuccessStatusCode();
            if (answer.Headers.Location is not { } next)
                return place;
            place = next.ToString();
        }
        return place;
    }

    [GeneratedRegex("<input type=\"hidden\" name=\"([^\"]+)\" value=\"([^\"]*)\">")]
    private static partial Regex HiddenInputs();
}
