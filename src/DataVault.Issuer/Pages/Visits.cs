using System.Security.Claims;
using DataVault.Issuer.Accounts;
using DataVault.Issuer.Protocol;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Options;

namespace DataVault.Issuer.Pages;

/// <summary>What every page of an account does with a call: who it is, whether the form is ours, and where the way leads on.</summary>
internal sealed class Visits(Sessions sessions, ClientRegistry clients, IAntiforgery antiforgery)
{
    // Antiforgery binds its token to the signed-in person through the call's user.
    public async Task<Session?> SignedInAsync(HttpContext context)
    {
        var session = await sessions.CurrentAsync(context);
        if (session is not null)
            context.User = new ClaimsPrincipal(new ClaimsIdentity([new Claim("sub", session.Account.Id.ToString("D"))], "vault-session"));
        return session;
    }

    public async Task<IFormCollection?> FormAsync(HttpContext context) =>
        await antiforgery.IsRequestValidAsync(context) ? await OAuthRequest.ReadFormAsync(context) : null;

    public Markup Token(HttpContext context)
    {
        var tokens = antiforgery.GetAndStoreTokens(context);
        return Markup.Of($"<input type=\"hidden\" name=\"{tokens.FormFieldName}\" value=\"{tokens.RequestToken}\">");
    }

    public Task<ReturnAddress?> ReturnAsync(HttpContext context, string? text) => ReturnAddress.ParseAsync(text, clients, context.RequestAborted);

    public static Markup Problem(string? problem) =>
        problem is null ? Markup.None : Markup.Of($"<p role=\"alert\" class=\"problem\">{problem}</p>");

    public static IResult BadReturn(HttpContext context) => Page.Problem(context, "The address to return to is not one of ours.");

    public static IResult Stale(HttpContext context) => Page.Problem(context, "This form is too old, or it was not ours.");
}

/// <summary>Where a sign-in leads: to our authorize endpoint, or to the page that says "you are signed in".</summary>
/// <param name="Path">Local address.</param>
/// <param name="FormTarget">Origin of the client at which the way ends.</param>
/// <param name="Program">Name of the client, if it is a program on somebody's machine.</param>
internal sealed record ReturnAddress(string Path, string? FormTarget, string? Program = null)
{
    private const int Longest = 4096;
    public static readonly ReturnAddress SignedIn = new("/account", null);

    // Pages that ask for a fresh sign-in.
    private static readonly string[] Own = ["/account/factor/new", "/account/factor/recovery", PasskeyPages.Own, SessionPages.Own, EmailPages.Own, EmailPages.Code, AccountPages.Close];

    /// <summary>Null when the address is not ours.</summary>
    public static async Task<ReturnAddress?> ParseAsync(string? text, ClientRegistry clients, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(text) || text == SignedIn.Path) return SignedIn;
        if (Own.Contains(text)) return new ReturnAddress(text, null);
        if (text.Length > Longest || !text.StartsWith(AuthorisationEndpoint.Path + "?", StringComparison.Ordinal) || text.Any(char.IsControl)) return null;
        var query = QueryHelpers.ParseQuery(text[AuthorisationEndpoint.Path.Length..]);
        if (OAuthRequest.Parse(query) is not { } request || request["client_id"] is not { } clientId) return null;
        var client = await clients.FindAsync(clientId, cancellationToken);
        if (client is null || !client.AllowsRedirect(request["redirect_uri"])) return null;
        return new ReturnAddress(text, new Uri(request["redirect_uri"]!).GetLeftPart(UriPartial.Authority), client.IsProgram ? client.Name : null);
    }
}

/// <summary>The antiforgery cookie, under the same rules as the session's.</summary>
internal sealed class AntiforgeryCookie(IssuerOptions options) : IConfigureOptions<AntiforgeryOptions>
{
    public void Configure(AntiforgeryOptions antiforgery)
    {
        antiforgery.Cookie.Name = options.Secure ? "__Host-vault-form" : "vault-form";
        antiforgery.Cookie.SecurePolicy = options.Secure ? CookieSecurePolicy.Always : CookieSecurePolicy.SameAsRequest;
        antiforgery.Cookie.SameSite = SameSiteMode.Strict;
        antiforgery.Cookie.Path = "/";
        antiforgery.SuppressXFrameOptionsHeader = true;
    }
}
