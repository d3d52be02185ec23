using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Client;
using DataVault.Client.Wire;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>A signed-in person, as the sealed session cookie holds them.</summary>
internal sealed record SessionTicket(
    string AccessToken, DateTimeOffset ExpiresAt, string? RefreshToken, string? IdToken, string Name, string Realm, IReadOnlyList<string> Roles, Guid? Customer,
    DateTimeOffset SignedInAt, DateTimeOffset SeenAt);

/// <summary>
/// Keeps the session in a cookie that only this application can open (any process of it, so none holds state), and renews the access
/// token. Two tabs that come at once with the same refresh token share one renewal: a refresh token is good for one use.
/// </summary>
internal sealed class SessionKeeper(AuthorizationCodeClient issuer, IDataProtectionProvider protection, ConsoleOptions options, TimeProvider time)
{
    private static readonly TimeSpan s_early = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan s_shared = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_grain = TimeSpan.FromMinutes(1);
    private readonly ITimeLimitedDataProtector _protector = protection.CreateProtector("DataVault.Console.Session.v1").ToTimeLimitedDataProtector();
    private readonly ChunkingCookieManager _cookies = new();
    private readonly ConcurrentDictionary<string, Renewal> _renewals = new(StringComparer.Ordinal);

    private string Name => options.Secure ? "__Host-vault-console" : "vault-console";

    public async Task<SessionTicket?> FindAsync(HttpContext context)
    {
        if (_cookies.GetRequestCookie(context, Name) is not { Length: > 0 } cookie || Open(cookie) is not { } ticket) return null;
        var now = time.GetUtcNow();
        if (ticket.SignedInAt + options.SessionLongest <= now || ticket.SeenAt + options.SessionIdle <= now)
        {
            Forget(context);
            return null;
        }
        if (ticket.ExpiresAt - s_early > now) return Seen(context, ticket, now);
        if (ticket.RefreshToken is null || await RenewAsync(ticket) is not { } renewed)
        {
            Forget(context);
            return null;
        }
        return Seen(context, renewed with { SeenAt = DateTimeOffset.MinValue }, now);
    }

    public void Keep(HttpContext context, SessionTicket ticket) =>
        _cookies.AppendResponseCookie(context, Name, _protector.Protect(JsonSerializer.Serialize(ticket, VaultJson.Answers), options.SessionLongest), Cookie());

    public void Forget(HttpContext context) => _cookies.DeleteCookie(context, Name, Cookie());

    public SessionTicket Ticket(TokenAnswer tokens, Me me) => new(
        tokens.AccessToken, time.GetUtcNow().AddSeconds(tokens.ExpiresIn), tokens.RefreshToken, tokens.IdToken, me.Name, me.Realm, me.Roles, me.Customer,
        time.GetUtcNow(), time.GetUtcNow());

    private SessionTicket Seen(HttpContext context, SessionTicket ticket, DateTimeOffset now)
    {
        if (now - ticket.SeenAt < s_grain) return ticket;
        var seen = ticket with { SeenAt = now };
        Keep(context, seen);
        return seen;
    }

    private SessionTicket? Open(string cookie)
    {
        try
        {
            return JsonSerializer.Deserialize<SessionTicket>(_protector.Unprotect(cookie), VaultJson.Answers);
        }
        catch (Exception e) when (e is CryptographicException or JsonException or FormatException)
        {
            return null;
        }
    }

    private async Task<SessionTicket?> RenewAsync(SessionTicket ticket)
    {
        Sweep();
        var key = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(ticket.RefreshToken!)));
        var renewal = _renewals.GetOrAdd(key, _ => new Renewal(time.GetUtcNow(), new Lazy<Task<SessionTicket?>>(() => AskAsync(ticket))));
        return await renewal.Answer.Value;
    }

    private async Task<SessionTicket?> AskAsync(SessionTicket ticket)
    {
        try
        {
            var tokens = await issuer.RefreshAsync(ticket.RefreshToken!);
            return ticket with
            {
                AccessToken = tokens.AccessToken,
                ExpiresAt = time.GetUtcNow().AddSeconds(tokens.ExpiresIn),
                RefreshToken = tokens.RefreshToken ?? ticket.RefreshToken,
                IdToken = tokens.IdToken ?? ticket.IdToken,
            };
        }
        catch (VaultProblemException e) when (!e.IsTransient)
        {
            return null;
        }
    }

    private void Sweep()
    {
        var old = time.GetUtcNow() - s_shared;
        foreach (var (key, renewal) in _renewals)
        {
            if (renewal.At < old || renewal.Answer is { IsValueCreated: true, Value.IsFaulted: true }) _renewals.TryRemove(key, out _);
        }
    }

    private CookieOptions Cookie() => new() { HttpOnly = true, Secure = options.Secure, SameSite = SameSiteMode.Lax, Path = "/", IsEssential = true };

    private sealed record Renewal(DateTimeOffset At, Lazy<Task<SessionTicket?>> Answer);
}
