using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Client;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>Sign-in at the issuer (authorization code with PKCE) and sign-out.</summary>
internal sealed class SignIn(
    AuthorizationCodeClient issuer, SessionKeeper sessions, Backchannel vault, IDataProtectionProvider protection, ConsoleOptions options, TimeProvider time)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(15);
    private readonly ITimeLimitedDataProtector _protector = protection.CreateProtector("DataVault.Console.SignIn.v1").ToTimeLimitedDataProtector();

    private string CookieName => options.Secure ? "__Host-vault-sign-in" : "vault-sign-in";

    /// <summary>Remembers the attempt in a sealed cookie and sends the browser to the issuer.</summary>
    public async Task<IResult> StartAsync(Visit visit)
    {
        var attempt = SignInAttempt.Make(FillRandom);
        var pending = new Pending(attempt, LocalPath(visit.Query("returnTo")));
        var address = await issuer.AuthorizeUrlAsync(attempt, visit.Query("again") == "true", cancellation: visit.Cancellation);
        visit.Http.Response.Cookies.Append(CookieName, _protector.Protect(JsonSerializer.Serialize(pending), s_patience), Cookie());
        return Results.Redirect(address);
    }

    /// <summary>The issuer sent the browser back: checks the state, trades the code, opens the session.</summary>
    public async Task<IResult> FinishAsync(Visit visit)
    {
        var pending = Open(visit.Http.Request.Cookies[CookieName]);
        visit.Http.Response.Cookies.Delete(CookieName, Cookie());
        if (pending is null || !SameText(visit.Query("state"), pending.Attempt.State))
            return visit.FailAs(400, "sign-in-broken", "/console/sign-in");
        if (!await issuer.IsOurAnswerAsync(visit.Query("iss"), visit.Cancellation))
            return visit.FailAs(400, "sign-in-broken", "/console/sign-in");
        if (visit.Query("code") is not { } code)
            return visit.FailAs(403, "sign-in-broken", "/console/sign-in");
        var tokens = await issuer.ExchangeAsync(code, pending.Attempt, visit.Cancellation);
        var me = await new VaultClient(vault.Http, TokenSource.Fixed(tokens.AccessToken), new VaultClientOptions { Time = time }).MeAsync(visit.Cancellation);
        sessions.Keep(visit.Http, sessions.Ticket(tokens, me));
        return Results.LocalRedirect(pending.ReturnTo);
    }

    /// <summary>Ends the console's session, then the issuer's.</summary>
    public async Task<IResult> EndAsync(Visit visit)
    {
        sessions.Forget(visit.Http);
        return Results.Redirect(await issuer.EndSessionUrlAsync(visit.Ticket?.IdToken, options.Address + "/console/signed-out", visit.Cancellation) ?? "/console/signed-out");
    }

    // Only into the console itself: anything else would make this an open redirect.
    private static string LocalPath(string? wanted) =>
        wanted is not null && wanted.StartsWith("/console", StringComparison.Ordinal) && !wanted.Contains('\\', StringComparison.Ordinal)
        && (wanted.Length == 8 || wanted[8] is '/' or '?') ? wanted : "/console";

    private static bool SameText(string? one, string other) =>
        one is not null && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(one), Encoding.UTF8.GetBytes(other));

    private void FillRandom(Span<byte> destination)
    {
        var buffer = new byte[destination.Length];
        options.FillRandom(buffer);
        buffer.CopyTo(destination);
    }

    private Pending? Open(string? cookie)
    {
        if (string.IsNullOrEmpty(cookie)) return null;
        try
        {
            return JsonSerializer.Deserialize<Pending>(_protector.Unprotect(cookie));
        }
        catch (Exception e) when (e is CryptographicException or JsonException or FormatException)
        {
            return null;
        }
    }

    private CookieOptions Cookie() =>
        new() { HttpOnly = true, Secure = options.Secure, SameSite = SameSiteMode.Lax, Path = "/", MaxAge = s_patience, IsEssential = true };

    private sealed record Pending(SignInAttempt Attempt, string ReturnTo);
}
