using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Console;
using DataVault.Testing;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;

namespace DataVault.Server.Tests.Console;

/// <summary>How long a session of the console lasts, and what its cookie is.</summary>
public sealed class ConsoleSessionTests : IDisposable
{
    private const string Name = "__Host-vault-console=";

    private readonly ManualClock _clock = new(new DateTimeOffset(2030, 1, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly ConsoleOptions _options = new() { Address = "https://vault.example", ClientId = "console", ClientSecret = "secret" };
    private readonly HttpClient _http = new();
    private readonly SessionKeeper _sessions;

    public ConsoleSessionTests() => _sessions = new SessionKeeper(
        new AuthorizationCodeClient(_http, "console", "secret", "https://vault.example/console/callback"), new EphemeralDataProtectionProvider(), _options, _clock);

    public void Dispose() => _http.Dispose();

    [Fact]
    public async Task A_session_in_which_nothing_is_done_for_half_an_hour_is_over()
    {
        var cookie = SignIn();
        _clock.Advance(TimeSpan.FromMinutes(31));

        Assert.Null(await FindAsync(cookie));
    }

    [Fact]
    public async Task A_session_that_is_used_lasts_for_eight_hours_and_no_longer()
    {
        var cookie = SignIn();
        for (var minutes = 0; minutes < (8 * 60) - 20; minutes += 20)
        {
            _clock.Advance(TimeSpan.FromMinutes(20));
            var context = Context(cookie);
            Assert.NotNull(await _sessions.FindAsync(context));
            cookie = CookieOf(context);
        }
        _clock.Advance(TimeSpan.FromMinutes(20));

        Assert.Null(await FindAsync(cookie));
    }

    [Fact]
    public async Task A_cookie_of_another_sessions_bytes_or_of_nobodys_is_no_session()
    {
        Assert.Null(await FindAsync(SignIn()[..^4] + "AAAA"));
        Assert.Null(await FindAsync(Name + "CfDJ8P"));
    }

    [Fact]
    public void The_cookie_is_this_hosts_alone_and_no_script_reads_it()
    {
        var context = new DefaultHttpContext();
        _sessions.Keep(context, Ticket());
        var set = context.Response.Headers.SetCookie.ToString();

        Assert.StartsWith(Name, set, StringComparison.Ordinal);
        foreach (var attribute in new[] { "path=/", "secure", "samesite=lax", "httponly" }) Assert.Contains(attribute, set, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("domain=", set, StringComparison.OrdinalIgnoreCase);
    }

    private SessionTicket Ticket() => _sessions.Ticket(
        new TokenAnswer("access", "Bearer", (int)TimeSpan.FromDays(1).TotalSeconds, null, null, null), new Me("staff", ["analyst"], null, "analyst"));

    private string SignIn()
    {
        var context = new DefaultHttpContext();
        _sessions.Keep(context, Ticket());
        return CookieOf(context);
    }

    private Task<SessionTicket?> FindAsync(string cookie) => _sessions.FindAsync(Context(cookie));

    private static DefaultHttpContext Context(string cookie)
    {
        var context = new DefaultHttpContext();
        context.Request.Headers.Cookie = cookie;
        return context;
    }

    private static string CookieOf(DefaultHttpContext context) => context.Response.Headers.SetCookie.ToString().Split(';')[0];
}
