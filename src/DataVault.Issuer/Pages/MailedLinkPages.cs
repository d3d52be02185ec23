using DataVault.Issuer.Accounts;
using Microsoft.AspNetCore.Http;

namespace DataVault.Issuer.Pages;

/// <summary>A customer's first account, and another password: both are asked for by an address, and had by whoever reads its mailbox.</summary>
internal sealed class MailedLinkPages(MailedLinks links, Visits visits, ISignInAudit audit)
{
    private const string TooWeak =
        "Choose another password: at least 12 characters, not your address, and none that others use: common words, rows of keys and repetitions are tried first.";

    public IResult ShowJoin(HttpContext context) => Closed(context) ?? Join(context, null);

    public Task<IResult> JoinAsync(HttpContext context) => AskAsync(context, LinkKinds.Join, problem => Join(context, problem));

    public IResult ShowForgotten(HttpContext context) => Closed(context) ?? Forgotten(context, null);

    public Task<IResult> ForgottenAsync(HttpContext context) => AskAsync(context, LinkKinds.Password, problem => Forgotten(context, problem));

    // Mail programs look at links before people do, so that the link alone does nothing.
    public async Task<IResult> ShowAsync(HttpContext context)
    {
        var value = context.Request.Query["value"].ToString();
        return await links.FindAsync(value, context.RequestAborted) is { } link ? Choose(context, link, value, null) : await DeadAsync(context);
    }

    public async Task<IResult> UseAsync(HttpContext context)
    {
        if (await visits.FormAsync(context) is not { } form) return Visits.Stale(context);
        var value = form["value"].ToString();
        if (await links.FindAsync(value, context.RequestAborted) is not { } link) return await DeadAsync(context);
        if (form["next"] != form["again"]) return Choose(context, link, value, "The password was not typed the same way twice.");
        return await links.UseAsync(value, form["next"].ToString(), context.RequestAborted) switch
        {
            PasswordChange.Changed => Page.Show(context, link.Kind == LinkKinds.Join ? "Your account is made" : "Your password is changed", Markup.Of($"""
                <p>{(link.Kind == LinkKinds.Join ? "You sign in with this e-mail address." : "You are signed out everywhere. If you have a second factor, you are asked for it as always.")}</p>
                <p><a class="button" href="/account/login">Sign in</a></p>
                """)),
            PasswordChange.TooWeak => Choose(context, link, value, TooWeak),
            _ => await DeadAsync(context),
        };
    }

    private async Task<IResult> AskAsync(HttpContext context, string kind, Func<string, IResult> again)
    {
        if (await visits.FormAsync(context) is not { } form) return Visits.Stale(context);
        if (Closed(context) is { } closed) return closed;
        return await links.AskAsync(kind, form["email"].ToString(), context.Connection.RemoteIpAddress, context.RequestAborted) switch
        {
            AddressAsk.Asked => Page.Show(context, "Look into your mailbox", Markup.Of($"""
                <p>If we know this address, a message is on its way to it. It can take some minutes.</p>
                <p>Nobody is told here whether we do. If nothing comes, try the address that you gave us, or ask us.</p>
                """)),
            AddressAsk.TooMany => again("Too many messages were asked for. Wait for a while."),
            _ => again("This is not an e-mail address."),
        };
    }

    private static string NoMail => "This vault sends no e-mail. Ask us for a password.";

    private IResult? Closed(HttpContext context) => links.CanAsk ? null : Page.Problem(context, NoMail, StatusCodes.Status503ServiceUnavailable);

    private async Task<IResult> DeadAsync(HttpContext context)
    {
        await audit.RecordAsync(new SignInEvent(false, SignInKinds.MailedLink, "unknown", Realm.Customer, "unknown", Reason: "wrong-link"), context.RequestAborted);
        return Page.Problem(context, "This address was used before, or is too old. Ask for another message.");
    }

    private IResult Join(HttpContext context, string? problem) => Ask(
        context, "Make your account", "If we hold data about you, type the e-mail address that you gave us. A message with the way to your account goes there.", MailedLinks.JoinPath, problem);

    private IResult Forgotten(HttpContext context, string? problem) => Ask(
        context,
        "Another password",
        "Type the e-mail address that you sign in with as a customer. A message with the way to another password goes there. A second factor stays as it is.",
        MailedLinks.ForgottenPath,
        problem);

    private IResult Ask(HttpContext context, string title, string what, string path, string? problem) => Page.Show(context, title, Markup.Of($"""
        <p>{what}</p>
        {Visits.Problem(problem)}
        <form method="post" action="{path}">
        {visits.Token(context)}
        <label for="email">E-mail address</label>
        <input id="email" name="email" type="email" autocomplete="email" maxlength="254" required autofocus>
        <button type="submit">Send the message</button>
        </form>
        <p><a href="/account/login">Back to the sign-in</a></p>
        """));

    private IResult Choose(HttpContext context, MailedLink link, string value, string? problem) =>
        Page.Show(context, link.Kind == LinkKinds.Join ? "Make your account" : "Choose a password", Markup.Of($"""
            {Visits.Problem(problem)}
            <form method="post" action="{MailedLinks.Path}">
            {visits.Token(context)}
            <input type="hidden" name="value" value="{value}">
            <label for="next">Password</label>
            <input id="next" name="next" type="password" autocomplete="new-password" minlength="12" maxlength="128" required autofocus aria-describedby="rules">
            <p class="hint" id="rules">At least 12 characters. Several words in a row are good.</p>
            <label for="again">The password again</label>
            <input id="again" name="again" type="password" autocomplete="new-password" minlength="12" maxlength="128" required>
            <button type="submit">{(link.Kind == LinkKinds.Join ? "Make the account" : "Change the password")}</button>
            </form>
            """));
}
