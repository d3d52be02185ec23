using System.Globalization;
using DataVault.Issuer.Accounts;
using Microsoft.AspNetCore.Http;

namespace DataVault.Issuer.Pages;

/// <summary>Where somebody is signed in, and the end of it: one by one, or everywhere at once.</summary>
internal sealed class SessionPages(Sessions sessions, SignInFlow flow, AccountRegistry accounts, Visits visits, ISignInAudit audit)
{
    public const string Own = "/account/sessions";

    public async Task<IResult> ShowAsync(HttpContext context)
    {
        var session = await visits.SignedInAsync(context);
        return Before(session) ?? await ListAsync(context, session!);
    }

    public async Task<IResult> EndAsync(HttpContext context)
    {
        var session = await visits.SignedInAsync(context);
        if (await visits.FormAsync(context) is not { } form) return Visits.Stale(context);
        if (Before(session) is { } earlier) return earlier;
        var account = session!.Account;
        if (form["session"] == "all")
        {
            await accounts.EndSessionsAsync(account.Id, new IssuerParty(account.Realm, account.Id.ToString("D"), account.DisplayName), context.RequestAborted);
            return Results.LocalRedirect("/account/signed-out");
        }

        // Another's are as absent as those that have ended.
        if (Guid.TryParseExact(form["session"], "N", out var id) && await sessions.EndAsync(id, account.Id, context.RequestAborted))
        {
            await audit.RecordAsync(
                new SignInEvent(true, SignInKinds.SignOut, account.Id.ToString("D"), account.Realm, account.DisplayName, account.SubjectId, "elsewhere"), context.RequestAborted);
        }

        return Results.LocalRedirect(id == session.Id ? "/account/signed-out" : Own);
    }

    private IResult? Before(Session? session) => flow.Missing(session, new SignInDemand()) is { } step ? Results.LocalRedirect(step.Address(Own)) : null;

    private async Task<IResult> ListAsync(HttpContext context, Session session)
    {
        var open = await sessions.ListAsync(session.Account.Id, context.RequestAborted);
        var rows = new Markup(string.Concat(open.Select(one => Row(context, one, one.Id == session.Id).Text)));
        return Page.Show(context, "Where you are signed in", Markup.Of($"""
            <ul class="rows">{rows}</ul>
            <form method="post" action="{Own}">
            {visits.Token(context)}
            <input type="hidden" name="session" value="all">
            <button type="submit">Sign out everywhere</button>
            </form>
            <p><a href="/account">Back</a></p>
            """));
    }

    private Markup Row(HttpContext context, OpenSession one, bool isThis) => Markup.Of($"""
        <li><span>{one.Device}{(isThis ? " (this one)" : "")}<br><span class="hint">since {Time(one.AuthTime)}, last used {Time(one.SeenAt)}</span></span>
        <form method="post" action="{Own}">
        {visits.Token(context)}
        <input type="hidden" name="session" value="{one.Id.ToString("N")}">
        <button type="submit" class="quiet" aria-label="Sign out {one.Device}">Sign out</button>
        </form></li>
        """);

    private static string Time(DateTimeOffset time) => time.ToString("d MMM yyyy, HH:mm 'UTC'", CultureInfo.InvariantCulture);
}
