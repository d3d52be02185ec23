using DataVault.Issuer.Accounts;
using DataVault.Issuer.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace DataVault.Issuer.Pages;

/// <summary>
/// Sign-in, sign-out and change of password. Every form carries an antiforgery token; a <c>returnUrl</c> leads to our own authorize endpoint or
/// is refused, so none of these pages sends anybody anywhere else.
/// </summary>
internal sealed class AccountPages(
    PasswordSignIn signIn, Sessions sessions, SignInFlow flow, AccountRegistry accounts, Visits visits, ISignInAudit audit)
{
    /// <summary>Where a customer ends their own account.</summary>
    public const string Close = "/account/close";

    private const string Failed =
        "The address and the password do not match an account here, or there were too many attempts. Check both, and whether you are a customer "
        + "or staff; or wait a while.";

    public async Task<IResult> ShowLoginAsync(HttpContext context)
    {
        if (await visits.ReturnAsync(context, context.Request.Query["returnUrl"]) is not { } back) return Visits.BadReturn(context);
        return Login(context, RealmOf(context.Request.Query["realm"]), back, null);
    }

    public async Task<IResult> LoginAsync(HttpContext context)
    {
        if (await visits.FormAsync(context) is not { } form) return Visits.Stale(context);
        if (await visits.ReturnAsync(context, form["returnUrl"]) is not { } back) return Visits.BadReturn(context);
        var realm = RealmOf(form["realm"]);
        var account = await signIn.CheckAsync(realm, form["email"].ToString(), form["password"].ToString(), context.RequestAborted);
        if (account is null) return Login(context, realm, back, Failed);
        var session = await sessions.StartAsync(context, account, SignInProof.Password);
        return Results.LocalRedirect(flow.Missing(session, new SignInDemand())?.Address(back.Path) ?? back.Path);
    }

    public async Task<IResult> ShowPasswordAsync(HttpContext context)
    {
        if (await visits.ReturnAsync(context, context.Request.Query["returnUrl"]) is not { } back) return Visits.BadReturn(context);
        if (await visits.SignedInAsync(context) is not { } session) return Results.LocalRedirect("/account/login");
        return Before(SignInStep.Password, session, back) ?? Password(context, session, back, null);
    }

    public async Task<IResult> ChangePasswordAsync(HttpContext context)
    {
        if (await visits.SignedInAsync(context) is not { } session) return Results.LocalRedirect("/account/login");
        if (await visits.FormAsync(context) is not { } form) return Visits.Stale(context);
        if (await visits.ReturnAsync(context, form["returnUrl"]) is not { } back) return Visits.BadReturn(context);
        if (Before(SignInStep.Password, session, back) is { } earlier) return earlier;
        if (form["next"] != form["again"]) return Password(context, session, back, "The new password was not typed the same way twice.");
        var change = await accounts.ChangePasswordAsync(
            session.Account.Id, form["present"].ToString(), form["next"].ToString(), context.RequestAborted);
        return change switch
        {
            PasswordChange.Changed => await SignInAgainAsync(context, session, back),
            PasswordChange.NotConfirmed => Password(context, session, back, "The present password is not right, or there were too many attempts."),
            _ => Password(context, session, back, "Choose another password: at least 12 characters, not the present one, not your address, and none that others use: common words, rows of keys and repetitions are tried first."),
        };
    }

    public async Task<IResult> ShowLogoutAsync(HttpContext context)
    {
        if (await visits.SignedInAsync(context) is not { } session) return SignedOut(context);
        return Page.Show(context, "Sign out", Markup.Of($"""
            <p>You are signed in as {session.Account.DisplayName}.</p>
            <form method="post" action="/account/logout">
            {visits.Token(context)}
            <button type="submit">Sign out</button>
            </form>
            """));
    }

    public async Task<IResult> LogoutAsync(HttpContext context)
    {
        if (await visits.SignedInAsync(context) is not { } session) return Results.LocalRedirect("/account/signed-out");
        if (await visits.FormAsync(context) is null) return Visits.Stale(context);
        await SignOutEndpoint.EndAsync(context, session, audit, sessions);
        return Results.LocalRedirect("/account/signed-out");
    }

    public static IResult SignedOut(HttpContext context) =>
        Page.Show(context, "You are signed out", Markup.Of($"<p>You can close this page, or <a href=\"/\">go to the vault</a>.</p>"));

    public async Task<IResult> ShowSignedInAsync(HttpContext context)
    {
        var session = await visits.SignedInAsync(context);
        if (flow.Missing(session, new SignInDemand()) is { } step) return Results.LocalRedirect(session is null ? "/account/login" : step.Address(ReturnAddress.SignedIn.Path));
        var account = session!.Account;
        return Page.Show(context, "You are signed in", Markup.Of($"""
            <p>You are signed in as {account.DisplayName}.</p>
            <ul>
            <li><a href="/">Go to the vault</a></li>
            <li><a href="/account/password">Change the password</a></li>
            <li><a href="/account/email">Change the e-mail address</a></li>
            <li><a href="/account/factor/new">{(account.HasCodes ? "Set up another authenticator app" : "Set up an authenticator app, as a second factor")}</a></li>
            <li><a href="/account/passkeys">Passkeys</a></li>
            {RecoveryLink(account)}
            <li><a href="/account/sessions">Where you are signed in</a></li>
            {CloseLink(account)}
            <li><a href="/account/logout">Sign out</a></li>
            </ul>
            """));
    }

    // What the vault holds of somebody does not go with their account: that is an erasure, which they ask for.
    public async Task<IResult> ShowCloseAsync(HttpContext context)
    {
        var session = await visits.SignedInAsync(context);
        return BeforeClosing(session) ?? Page.Show(context, "Close your account", Markup.Of($"""
            <p>You cannot sign in any more, and applications that you allowed something can do nothing for you. What is held about you stays: ask for its erasure first, if you want that.</p>
            <p>You can make another account later, by the e-mail address that we hold.</p>
            <form method="post" action="{Close}">
            {visits.Token(context)}
            <button type="submit">Close the account</button>
            </form>
            <p><a href="/account">Back</a></p>
            """));
    }

    public async Task<IResult> CloseAsync(HttpContext context)
    {
        var session = await visits.SignedInAsync(context);
        if (await visits.FormAsync(context) is null) return Visits.Stale(context);
        if (BeforeClosing(session) is { } earlier) return earlier;
        var account = session!.Account;
        await accounts.RemoveAsync(account.Id, new IssuerParty(account.Realm, account.Id.ToString("D"), account.DisplayName), context.RequestAborted);
        return Results.LocalRedirect("/account/signed-out");
    }

    private IResult? BeforeClosing(Session? session)
    {
        if (flow.Missing(session, new SignInDemand(Oldest: FactorPages.Fresh)) is { } step) return Results.LocalRedirect(step.Address(Close));
        return session!.Account.Realm == Realm.Customer ? null : Results.LocalRedirect(ReturnAddress.SignedIn.Path);
    }

    private static Markup CloseLink(AccountFacts account) =>
        account.Realm == Realm.Customer ? Markup.Of($"<li><a href=\"{Close}\">Close the account</a></li>") : Markup.None;

    private static Markup RecoveryLink(AccountFacts account) => account.HasSecondFactor
        ? Markup.Of($"<li><a href=\"/account/factor/recovery\">Make new recovery codes</a> (of the last ones, {account.RecoveryCodes} are left)</li>")
        : Markup.None;

    // Whatever is to be shown before this page.
    private IResult? Before(SignInStep page, Session session, ReturnAddress back) =>
        flow.Missing(session, new SignInDemand()) is { } step && step != page ? Results.LocalRedirect(step.Address(back.Path)) : null;

    // The former session ended with the former password, so this browser gets a new one.
    private async Task<IResult> SignInAgainAsync(HttpContext context, Session session, ReturnAddress back)
    {
        var account = await accounts.FactsAsync(session.Account.Id, context.RequestAborted);
        if (account is null) return Results.LocalRedirect("/account/login");
        await sessions.StartAsync(context, account, SignInProof.Of(session));
        return Results.LocalRedirect(back.Path);
    }

    private IResult Login(HttpContext context, Realm realm, ReturnAddress back, string? problem) =>
        Page.Show(context, "Sign in", Markup.Of($"""
            <nav aria-label="Who signs in">
            {RealmLink(Realm.Customer, realm, back, "Customer")}
            {RealmLink(Realm.Staff, realm, back, "Staff")}
            </nav>
            {Visits.Problem(problem)}
            {Program(back)}
            <form method="post" action="/account/login">
            {visits.Token(context)}
            <input type="hidden" name="realm" value="{RealmNames.Of(realm)}">
            <input type="hidden" name="returnUrl" value="{back.Path}">
            <label for="email">E-mail address</label>
            <input id="email" name="email" type="email" autocomplete="username" maxlength="254" required autofocus>
            <label for="password">Password</label>
            <input id="password" name="password" type="password" autocomplete="current-password" maxlength="128" required>
            <button type="submit">Sign in</button>
            </form>
            <p><a href="{QueryHelpers.AddQueryString("/account/passkey", "returnUrl", back.Path)}">Sign in with a passkey</a></p>
            {Mailed(realm)}
            """), formTarget: back.FormTarget);

    private IResult Password(HttpContext context, Session session, ReturnAddress back, string? problem) =>
        Page.Show(context, "Choose a password", Markup.Of($"""
            <p>{(session.Account.MustChangePassword ? "You signed in with a one-time password. Choose one of your own now." : "Changing it signs you out everywhere else.")}</p>
            {Visits.Problem(problem)}
            <form method="post" action="/account/password">
            {visits.Token(context)}
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

    private static Markup Mailed(Realm realm) => realm == Realm.Customer
        ? Markup.Of($"<p><a href=\"{MailedLinks.ForgottenPath}\">Forgotten your password?</a> <a href=\"{MailedLinks.JoinPath}\">No account yet?</a></p>")
        : Markup.None;

    private static Markup Program(ReturnAddress back) => back.Program is null ? Markup.None : Markup.Of($"""
        <p class="hint">You sign in for a program on this machine: {back.Program}. If you did not start it just now, close this page.</p>
        """);

    private static Realm RealmOf(string? text) => text == "staff" ? Realm.Staff : Realm.Customer;

}
