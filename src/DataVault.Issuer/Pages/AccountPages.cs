using System.Security.Claims;
using DataVault.Issuer.Accounts;
using DataVault.Issuer.Protocol;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Options;

namespace DataVault.Issuer.Pages;

/// <summary>
/// Sign-in, sign-out and change of password. Every form carries an antiforgery token; a <c>returnUrl</c> leads to our own authorize endpoint or
/// is refused, so none of these pages sends anybody anywhere else.
/// </summary>
internal sealed class AccountPages(
    PasswordSignIn signIn, Sessions sessions, AccountRegistry accounts, ClientRegistry clients, IAntiforgery antiforgery, ISignInAudit audit)
{
    private const string Failed =
        "The address and the password do not match an account here, or there were too many attempts. Check both, and whether you are a customer "
        + "or staff; or wait a while.";

    public async Task<IResult> ShowLoginAsync(HttpContext context)
    {
        if (await ReturnAsync(context, context.Request.Query["returnUrl"]) is not { } back) return BadReturn(context);
        return Login(context, RealmOf(context.Request.Query["realm"]), back, null);
    }

    public async Task<IResult> LoginAsync(HttpContext context)
    {
        if (await FormAsync(context) is not { } form) return Stale(context);
        if (await ReturnAsync(context, form["returnUrl"]) is not { } back) return BadReturn(context);
        var realm = RealmOf(form["realm"]);
        var account = await signIn.CheckAsync(realm, form["email"].ToString(), form["password"].ToString(), context.RequestAborted);
        if (account is null) return Login(context, realm, back, Failed);
        await sessions.StartAsync(context, account);
        return Results.LocalRedirect(account.MustChangePassword ? ToPassword(back) : back.Path);
    }

    public async Task<IResult> ShowPasswordAsync(HttpContext context)
    {
        if (await ReturnAsync(context, context.Request.Query["returnUrl"]) is not { } back) return BadReturn(context);
        return await SignedInAsync(context) is { } session ? Password(context, session, back, null) : Results.LocalRedirect("/account/login");
    }

    public async Task<IResult> ChangePasswordAsync(HttpContext context)
    {
        if (await SignedInAsync(context) is not { } session) return Results.LocalRedirect("/account/login");
        if (await FormAsync(context) is not { } form) return Stale(context);
        if (await ReturnAsync(context, form["returnUrl"]) is not { } back) return BadReturn(context);
        if (form["next"] != form["again"]) return Password(context, session, back, "The new password was not typed the same way twice.");
        var change = await accounts.ChangePasswordAsync(
            session.Account.Id, form["present"].ToString(), form["next"].ToString(), context.RequestAborted);
        return change switch
        {
            PasswordChange.Changed => await SignInAgainAsync(context, session, back),
            PasswordChange.NotConfirmed => Password(context, session, back, "The present password is not right, or there were too many attempts."),
            _ => Password(context, session, back, "Choose another password: at least 12 characters, not the present one, not your address, not one letter repeated."),
        };
    }

    public async Task<IResult> ShowLogoutAsync(HttpContext context)
    {
        if (await SignedInAsync(context) is not { } session) return SignedOut(context);
        return Page.Show(context, "Sign out", Markup.Of($"""
            <p>You are signed in as {session.Account.DisplayName}.</p>
            <form method="post" action="/account/logout">
            {Token(context)}
            <button type="submit">Sign out</button>
            </form>
            """));
    }

    public async Task<IResult> LogoutAsync(HttpContext context)
    {
        if (await SignedInAsync(context) is not { } session) return Results.LocalRedirect("/account/signed-out");
        if (await FormAsync(context) is null) return Stale(context);
        await SignOutEndpoint.EndAsync(context, session, audit, sessions);
        return Results.LocalRedirect("/account/signed-out");
    }

    public static IResult SignedOut(HttpContext context) =>
        Page.Show(context, "You are signed out", Markup.Of($"<p>You can close this page, or <a href=\"/\">go to the vault</a>.</p>"));

    public async Task<IResult> ShowSignedInAsync(HttpContext context)
    {
        if (await SignedInAsync(context) is not { } session) return Results.LocalRedirect("/account/login");
        return Page.Show(context, "You are signed in", Markup.Of($"""
            <p>You are signed in as {session.Account.DisplayName}.</p>
            <ul>
            <li><a href="/">Go to the vault</a></li>
            <li><a href="/account/password">Change the password</a></li>
            <li><a href="/account/logout">Sign out</a></li>
            </ul>
            """));
    }

    // The former session ended with the former password, so this browser gets a new one.
    private async Task<IResult> SignInAgainAsync(HttpContext context, Session session, ReturnAddress back)
    {
        var account = await accounts.FactsAsync(session.Account.Id, context.RequestAborted);
        if (account is null) return Results.LocalRedirect("/account/login");
        await sessions.StartAsync(context, account);
        return Results.LocalRedirect(back.Path);
    }

    // Antiforgery binds its token to the signed-in person through the call's user.
    private async Task<Session?> SignedInAsync(HttpContext context)
    {
        var session = await sessions.CurrentAsync(context);
        if (session is not null)
            context.User = new ClaimsPrincipal(new ClaimsIdentity([new Claim("sub", session.Account.Id.ToString("D"))], "vault-session"));
        return session;
    }

    private async Task<IFormCollection?> FormAsync(HttpContext context) =>
        await antiforgery.IsRequestValidAsync(context) ? await OAuthRequest.ReadFormAsync(context) : null;

    private Markup Token(HttpContext context)
    {
        var tokens = antiforgery.GetAndStoreTokens(context);
        return Markup.Of($"<input type=\"hidden\" name=\"{tokens.FormFieldName}\" value=\"{tokens.RequestToken}\">");
    }

    private IResult Login(HttpContext context, Realm realm, ReturnAddress back, string? problem) =>
        Page.Show(context, "Sign in", Markup.Of($"""
            <nav aria-label="Who signs in">
            {RealmLink(Realm.Customer, realm, back, "Customer")}
            {RealmLink(Realm.Staff, realm, back, "Staff")}
            </nav>
            {Problem(problem)}
            {Program(back)}
            <form method="post" action="/account/login">
            {Token(context)}
            <input type="hidden" name="realm" value="{RealmNames.Of(realm)}">
            <input type="hidden" name="returnUrl" value="{back.Path}">
            <label for="email">E-mail address</label>
            <input id="email" name="email" type="email" autocomplete="username" maxlength="254" required autofocus>
            <label for="password">Password</label>
            <input id="password" name="password" type="password" autocomplete="current-password" maxlength="128" required>
            <button type="submit">Sign in</button>
            </form>
            """), formTarget: back.FormTarget);

    private IResult Password(HttpContext context, Session session, ReturnAddress back, string? problem) =>
        Page.Show(context, "Choose a password", Markup.Of($"""
            <p>{(session.Account.MustChangePassword ? "You signed in with a one-time password. Choose one of your own now." : "Changing it signs you out everywhere else.")}</p>
            {Problem(problem)}
            <form method="post" action="/account/password">
            {Token(context)}
            <input type="hidden" name="returnUrl" value="{back.Path}">
            <label for="present">Present password</label>
            <input id="present" name="present" type="password" autocomplete="current-password" maxlength="128" required>
            <label for="next">New password</label>
            <input id="next" name="next" type="password" autocomplete="new-password" minlength="12" maxlength="128" required aria-describedby="rules">
            <p class="hint" id="rules">At least 12 characters. Several words in a row are good.</p>
            <label for="again">New password again</label>
            <input id="again" name="again" type="password" autocomplete="new-password" minlength="12" maxlength="128" required>
            <button type="submit">Change password</button>
            </form>
            """), formTarget: back.FormTarget);

    private static Markup RealmLink(Realm realm, Realm current, ReturnAddress back, string label)
    {
        var address = QueryHelpers.AddQueryString(
            "/account/login", new Dictionary<string, string?> { ["realm"] = RealmNames.Of(realm), ["returnUrl"] = back.Path });
        var mark = realm == current ? new Markup(" aria-current=\"page\"") : Markup.None;
        return Markup.Of($"<a href=\"{address}\"{mark}>{label}</a>");
    }

    private static Markup Program(ReturnAddress back) => back.Program is null ? Markup.None : Markup.Of($"""
        <p class="hint">You sign in for a program on this machine: {back.Program}. If you did not start it just now, close this page.</p>
        """);

    private static Markup Problem(string? problem) =>
        problem is null ? Markup.None : Markup.Of($"<p role=\"alert\" class=\"problem\">{problem}</p>");

    private static IResult BadReturn(HttpContext context) => Page.Problem(context, "The address to return to is not one of ours.");

    private static IResult Stale(HttpContext context) => Page.Problem(context, "This form is too old, or it was not ours.");

    private static Realm RealmOf(string? text) => text == "staff" ? Realm.Staff : Realm.Customer;

    private static string ToPassword(ReturnAddress back) => QueryHelpers.AddQueryString("/account/password", "returnUrl", back.Path);

    private Task<ReturnAddress?> ReturnAsync(HttpContext context, string? text) => ReturnAddress.ParseAsync(text, clients, context.RequestAborted);
}

/// <summary>Where a sign-in leads: to our authorize endpoint, or to the page that says "you are signed in".</summary>
/// <param name="Path">Local address.</param>
/// <param name="FormTarget">Origin of the client at which the way ends.</param>
/// <param name="Program">Name of the client, if it is a program on somebody's machine.</param>
internal sealed record ReturnAddress(string Path, string? FormTarget, string? Program = null)
{
    private const int Longest = 4096;
    private static readonly ReturnAddress SignedIn = new("/account", null);

    /// <summary>Null when the address is not ours.</summary>
    public static async Task<ReturnAddress?> ParseAsync(string? text, ClientRegistry clients, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(text) || text == SignedIn.Path) return SignedIn;
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
