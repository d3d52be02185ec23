using DataVault.Issuer.Accounts;
using DataVault.Issuer.Clients;
using DataVault.Issuer.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace DataVault.Issuer.Pages;

/// <summary>Asks a person what an application of somebody else may do for them, before it is told anything (OpenID Connect Core 1.0 §3.1.2.4).</summary>
internal sealed class ConsentPage(ClientRegistry clients, ClientConsents consents, Visits visits, IssuerOptions options)
{
    public const string Path = "/account/consent";

    public async Task<IResult> ShowAsync(HttpContext context)
    {
        var session = await visits.SignedInAsync(context);
        if (await AskedAsync(context, context.Request.Query["returnUrl"]) is not var (back, request, client)) return Visits.BadReturn(context);
        return session is null ? Results.LocalRedirect(back.Path) : Ask(context, session, back, request, client);
    }

    public async Task<IResult> DecideAsync(HttpContext context)
    {
        var session = await visits.SignedInAsync(context);
        if (await visits.FormAsync(context) is not { } form) return Visits.Stale(context);
        if (await AskedAsync(context, form["returnUrl"]) is not var (back, request, client)) return Visits.BadReturn(context);
        if (session is null) return Results.LocalRedirect(back.Path);
        if (form["decision"] != "allow") return new AuthorisationAnswer(request["redirect_uri"]!, request["state"], options.Issuer).Error("access_denied");
        await consents.GiveAsync(session.Account, client, AuthorisationEndpoint.Allowing(request), context.RequestAborted);
        return Results.LocalRedirect(back.Path);
    }

    private async Task<(ReturnAddress Back, OAuthRequest Request, Client Client)?> AskedAsync(HttpContext context, string? returnUrl)
    {
        if (await visits.ReturnAsync(context, returnUrl) is not { FormTarget: not null } back) return null;
        var request = OAuthRequest.Parse(QueryHelpers.ParseQuery(back.Path[AuthorisationEndpoint.Path.Length..]))!;
        return await clients.FindAsync(request["client_id"]!, context.RequestAborted) is { } client ? (back, request, client) : null;
    }

    private IResult Ask(HttpContext context, Session session, ReturnAddress back, OAuthRequest request, Client client) =>
        Page.Show(context, "Allow this application?", Markup.Of($"""
            <p><strong>{client.Name}</strong> at {back.FormTarget} belongs to somebody else. You are signed in as {session.Account.DisplayName}. It asks to</p>
            <ul>
            {What(request)}
            </ul>
            <form method="post" action="{Path}">
            {visits.Token(context)}
            <input type="hidden" name="returnUrl" value="{back.Path}">
            <button type="submit" name="decision" value="allow">Allow</button>
            <button type="submit" name="decision" value="refuse">Refuse</button>
            </form>
            """), formTarget: back.FormTarget);

    private Markup What(OAuthRequest request)
    {
        var elsewhere = request["resource"] is { } resource && resource.TrimEnd('/') != options.Issuer ? resource : null;
        var acting = elsewhere is null
            ? Markup.Of($"<li>see and do at the vault what you can see and do there</li>")
            : Markup.Of($"<li>show {elsewhere} who you are</li>");
        var scopes = AuthorisationEndpoint.Allowing(request).Split(' ');
        var known = scopes.Contains("openid") ? new Markup("<li>know you again by the number of your account, and your role</li>") : Markup.None;
        var lasting = scopes.Contains("offline_access") ? new Markup("<li>go on while you are away, until you sign out</li>") : Markup.None;
        return new Markup(known.Text + acting.Text + lasting.Text);
    }
}
