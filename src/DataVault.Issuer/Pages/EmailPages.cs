using DataVault.Issuer.Accounts;
using Microsoft.AspNetCore.Http;

namespace DataVault.Issuer.Pages;

/// <summary>Another e-mail address: asked for, confirmed by a code, and stopped from the former mailbox.</summary>
internal sealed class EmailPages(AddressChanges changes, Sessions sessions, SignInFlow flow, AccountRegistry accounts, Visits visits, ISignInAudit audit)
{
    public const string Own = "/account/email";
    public const string Code = "/account/email/code";

    public async Task<IResult> ShowAsync(HttpContext context) =>
        Before(context, await visits.SignedInAsync(context), Own) ?? Ask(context, null);

    public async Task<IResult> AskAsync(HttpContext context)
    {
        var session = await visits.SignedInAsync(context);
        if (await visits.FormAsync(context) is not { } form) return Visits.Stale(context);
        if (Before(context, session, Own) is { } earlier) return earlier;
        return await changes.AskAsync(session!.Account, form["email"].ToString(), context.RequestAborted) switch
        {
            AddressAsk.Asked => Results.LocalRedirect(Code),
            AddressAsk.TooMany => Ask(context, "Too many messages were asked for. Wait for a while."),
            _ => Ask(context, "This is not an e-mail address."),
        };
    }

    public async Task<IResult> ShowCodeAsync(HttpContext context) =>
        Before(context, await visits.SignedInAsync(context), Code) ?? Confirm(context, null);

    public async Task<IResult> ConfirmAsync(HttpContext context)
    {
        var session = await visits.SignedInAsync(context);
        if (await visits.FormAsync(context) is not { } form) return Visits.Stale(context);
        if (Before(context, session, Code) is { } earlier) return earlier;
        var account = session!.Account;
        if (!await changes.ConfirmAsync(account, form["code"].ToString(), context.RequestAborted))
        {
            await audit.RecordAsync(
                new SignInEvent(false, SignInKinds.AddressCode, account.Id.ToString("D"), account.Realm, account.DisplayName, account.SubjectId, "wrong-code"), context.RequestAborted);
            return Confirm(context, "This code is not right, was used before or is too old, or there were too many attempts. Ask for another.");
        }

        // The sessions of before ended with the change, so this browser gets a new one.
        if (await accounts.FactsAsync(account.Id, context.RequestAborted) is not { } changed) return Results.LocalRedirect("/account/login");
        await sessions.StartAsync(context, changed, SignInProof.Of(session));
        return Page.Show(context, "E-mail address changed", Markup.Of($"""
            <p>From now on you sign in with the new address. You are signed out everywhere else.</p>
            <p><a href="/account">Back</a></p>
            """));
    }

    // Mail programs look at links before people do, so that the link alone stops nothing.
    public IResult ShowStop(HttpContext context) => Page.Show(context, "Stop the change of address", Markup.Of($"""
        <p>Your account keeps the address that the message went to, or gets it back, and is signed out everywhere.</p>
        <form method="post" action="{AddressChanges.StopPath}">
        {visits.Token(context)}
        <input type="hidden" name="value" value="{context.Request.Query["value"].ToString()}">
        <button type="submit">Stop the change</button>
        </form>
        """));

    public async Task<IResult> StopAsync(HttpContext context)
    {
        if (await visits.FormAsync(context) is not { } form) return Visits.Stale(context);
        return await changes.StopAsync(form["value"].ToString(), context.RequestAborted)
            ? Page.Show(context, "The change is stopped", Markup.Of($"<p>Your account has the address that the message went to. <a href=\"/account/login\">Sign in</a>, and change your password.</p>"))
            : Page.Problem(context, "There is nothing to be stopped: it was stopped before, or the message is too old.");
    }

    private IResult? Before(HttpContext context, Session? session, string here)
    {
        if (flow.Missing(session, new SignInDemand(Oldest: FactorPages.Fresh)) is { } step) return Results.LocalRedirect(step.Address(here));
        return changes.CanAsk ? null : Page.Problem(context, "This vault sends no e-mail, so that an address cannot be confirmed. Ask an administrator.", StatusCodes.Status503ServiceUnavailable);
    }

    private IResult Ask(HttpContext context, string? problem) => Page.Show(context, "Change the e-mail address", Markup.Of($"""
        <p>You sign in with it. A code goes to the new address, and a notice to the present one.</p>
        {Visits.Problem(problem)}
        <form method="post" action="{Own}">
        {visits.Token(context)}
        <label for="email">New e-mail address</label>
        <input id="email" name="email" type="email" autocomplete="email" maxlength="254" required autofocus>
        <button type="submit">Send the code</button>
        </form>
        <p><a href="/account">Back</a></p>
        """));

    private IResult Confirm(HttpContext context, string? problem) => Page.Show(context, "Confirm the new address", Markup.Of($"""
        <p>A message is on its way to the new address. If there is no account with it, a code stands in it.</p>
        {Visits.Problem(problem)}
        <form method="post" action="{Code}">
        {visits.Token(context)}
        <label for="code">Code</label>
        <input id="code" name="code" autocomplete="one-time-code" autocapitalize="characters" spellcheck="false" maxlength="20" required autofocus>
        <button type="submit">Change the address</button>
        </form>
        <p><a href="{Own}">Ask for another code</a></p>
        """));
}
