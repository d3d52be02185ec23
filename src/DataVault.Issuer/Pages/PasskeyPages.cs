using System.Globalization;
using System.Net;
using System.Text;
using DataVault.Issuer.Accounts;
using Microsoft.AspNetCore.Http;

namespace DataVault.Issuer.Pages;

/// <summary>Passkeys: a sign-in with one, and those that somebody has. A browser speaks to an authenticator through script alone, so these pages have one.</summary>
internal sealed class PasskeyPages(Passkeys passkeys, Sessions sessions, SignInFlow flow, AccountRegistry accounts, FactorRecoveries recoveries, Visits visits)
{
    public const string Own = "/account/passkeys";

    public async Task<IResult> ShowSignInAsync(HttpContext context)
    {
        if (await visits.ReturnAsync(context, context.Request.Query["returnUrl"]) is not { } back) return Visits.BadReturn(context);
        await visits.SignedInAsync(context);
        return await SignInAsync(context, back, null);
    }

    public async Task<IResult> CheckAsync(HttpContext context)
    {
        await visits.SignedInAsync(context);
        if (await visits.FormAsync(context) is not { } form) return Visits.Stale(context);
        if (await visits.ReturnAsync(context, form["returnUrl"]) is not { } back) return Visits.BadReturn(context);
        if (await passkeys.CheckAsync(context, form["ceremony"].ToString(), form["credential"].ToString()) is not { } account)
            return await SignInAsync(context, back, "The passkey was not accepted. Try again, or sign in with your password.");
        await recoveries.ShownAsync(account.Id, context.RequestAborted);
        await sessions.StartAsync(context, account, SignInProof.Passkey);
        return Results.LocalRedirect(back.Path);
    }

    public async Task<IResult> ShowOwnAsync(HttpContext context)
    {
        if (await visits.ReturnAsync(context, context.Request.Query["returnUrl"]) is not { } back) return Visits.BadReturn(context);
        var session = await visits.SignedInAsync(context);
        return Before(session, back) ?? await OwnAsync(context, session!, back, null);
    }

    public async Task<IResult> AddAsync(HttpContext context)
    {
        var session = await visits.SignedInAsync(context);
        if (await visits.FormAsync(context) is not { } form) return Visits.Stale(context);
        if (await visits.ReturnAsync(context, form["returnUrl"]) is not { } back) return Visits.BadReturn(context);
        if (Before(session, back) is { } earlier) return earlier;
        if (await passkeys.ReadNewAsync(context, session!, form["ceremony"].ToString(), form["credential"].ToString()) is not { } passkey)
            return await OwnAsync(context, session!, back, "The passkey was not accepted: it must ask for your finger, face or PIN, and not be here already.");
        var codes = await accounts.AddPasskeyAsync(session!.Account.Id, passkey, context.RequestAborted);
        if (await accounts.FactsAsync(session.Account.Id, context.RequestAborted) is not { } account) return Results.LocalRedirect("/account/login");
        // Every session of before has ended, this one too. Somebody with one factor until now has shown the other by making it.
        await sessions.StartAsync(context, account, session.Assurance < SignInProof.TwoFactors ? SignInProof.Passkey : SignInProof.Of(session));
        return codes.Count > 0 ? FactorPages.Codes(context, codes, back) : Results.LocalRedirect(back == ReturnAddress.SignedIn ? Own : back.Path);
    }

    public async Task<IResult> RemoveAsync(HttpContext context)
    {
        var session = await visits.SignedInAsync(context);
        if (await visits.FormAsync(context) is not { } form) return Visits.Stale(context);
        if (Before(session, ReturnAddress.SignedIn) is { } earlier) return earlier;
        try
        {
            await accounts.RemovePasskeyAsync(session!.Account.Id, form["passkey"].ToString(), context.RequestAborted);
        }
        catch (IssuerException e)
        {
            return await OwnAsync(context, session!, ReturnAddress.SignedIn, e.Message);
        }

        return Results.LocalRedirect(Own);
    }

    // On the way of a sign-in a passkey does as well as an app; otherwise the sign-in must be fresh, and the browser comes back here.
    private IResult? Before(Session? session, ReturnAddress back)
    {
        var step = flow.Missing(session, new SignInDemand(Oldest: FactorPages.Fresh));
        if (step is null || step == SignInStep.NewFactor) return null;
        return Results.LocalRedirect(
            (step == SignInStep.Factor || step == SignInStep.Password ? step : SignInStep.SignIn(session?.Account.Realm)).Address(back == ReturnAddress.SignedIn ? Own : back.Path));
    }

    private async Task<IResult> SignInAsync(HttpContext context, ReturnAddress back, string? problem) =>
        Page.Show(
            context,
            "Sign in with a passkey",
            Markup.Of($"""
            {Visits.Problem(problem)}
            {Form(context, "/account/passkey", "get", await passkeys.BeginSignInAsync(context), back, "Use a passkey")}
            <p><a href="{SignInStep.SignIn(null).Address(back.Path)}">Sign in with a password</a></p>
            """),
            formTarget: back.FormTarget,
            script: PasskeyScript.Path);

    private async Task<IResult> OwnAsync(HttpContext context, Session session, ReturnAddress back, string? problem)
    {
        var held = await passkeys.ListAsync(session.Account.Id, context.RequestAborted);
        var rows = new Markup(string.Concat(held.Select(one => Row(context, one).Text)));
        return Page.Show(
            context,
            "Passkeys",
            Markup.Of($"""
            <p>A passkey is kept by your telephone, computer or security key. You use it with your finger, face or PIN instead of password and code.</p>
            {Visits.Problem(problem)}
            <ul class="rows">{rows}</ul>
            {Form(context, Own, "create", await passkeys.BeginCreationAsync(context, session), back, "Add a passkey")}
            <p><a href="{back.Path}">Back</a></p>
            """),
            formTarget: back.FormTarget,
            script: PasskeyScript.Path);
    }

    private Markup Row(HttpContext context, PasskeyView one) => Markup.Of($"""
        <li><span>{one.Name}, since {one.CreatedAt.ToString("d MMM yyyy", CultureInfo.InvariantCulture)}</span>
        <form method="post" action="/account/passkeys/remove">
        {visits.Token(context)}
        <input type="hidden" name="passkey" value="{one.Id}">
        <button type="submit" class="quiet">Remove</button>
        </form></li>
        """);

    // Hidden until the script finds that the browser knows passkeys.
    private Markup Form(HttpContext context, string action, string kind, PasskeyRequest request, ReturnAddress back, string label) => Markup.Of($"""
        <form method="post" action="{action}" data-passkey="{kind}" data-options="{request.OptionsJson}" hidden>
        {visits.Token(context)}
        <input type="hidden" name="returnUrl" value="{back.Path}">
        <input type="hidden" name="ceremony" value="{request.Ceremony}">
        <input type="hidden" name="credential" value="">
        <p role="alert" class="problem" hidden></p>
        <button type="submit" autofocus>{label}</button>
        </form>
        {AtName(context)}
        <p class="without">This browser knows no passkeys here, or runs no script.</p>
        """);

    // WebAuthn Level 3 §5.1.3: of an address without a name, browsers ask no authenticator for anything.
    private static Markup AtName(HttpContext context)
    {
        var request = context.Request;
        if (!IPAddress.TryParse(request.Host.Host.Trim('[', ']'), out var address)) return Markup.None;
        if (!IPAddress.IsLoopback(address)) return Markup.Of($"<p class=\"hint\">Browsers use passkeys only at addresses that are names, and this one is a number.</p>");
        var named = new UriBuilder(request.Scheme, "localhost", request.Host.Port ?? -1, request.Path, request.QueryString.Value).Uri;
        return Markup.Of($"<p class=\"hint\">Browsers use passkeys only at addresses that are names, and this one is a number: <a href=\"{named.AbsoluteUri}\">open this page at localhost</a>.</p>");
    }
}

/// <summary>The one script, served by itself because inline script is not allowed.</summary>
internal static class PasskeyScript
{
    public const string Path = "/account/passkey.js";

    public static IResult Result { get; } = Results.Text(
        """
        // Hands the server's options to the authenticator, and its answer to the form.
        const ask = {
          create: options => navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) }),
          get: options => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }),
        };

        const said = {
          InvalidStateError: 'This device has a passkey of yours already.',
          SecurityError: 'The browser uses no passkey at this address: it must be a name, on your own machine localhost, and be reached over https elsewhere.',
        };

        function prepare(form) {
          form.hidden = false;
          document.querySelector('.without').hidden = true;
          form.addEventListener('submit', async event => {
            event.preventDefault();
            const problem = form.querySelector('[role=alert]');
            problem.hidden = true;
            try {
              const credential = await ask[form.dataset.passkey](JSON.parse(form.dataset.options));
              form.elements.credential.value = JSON.stringify(credential);
              form.submit();
            } catch (error) {
              problem.textContent = said[error.name] ?? 'No passkey was used. Try again.';
              problem.hidden = false;
            }
          });
        }

        if (window.PublicKeyCredential?.parseRequestOptionsFromJSON) document.querySelectorAll('form[data-passkey]').forEach(prepare);
        """,
        "text/javascript; charset=utf-8",
        Encoding.UTF8);
}
