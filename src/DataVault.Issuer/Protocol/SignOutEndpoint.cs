using DataVault.Issuer.Accounts;
using DataVault.Issuer.Pages;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.IdentityModel.JsonWebTokens;

namespace DataVault.Issuer.Protocol;

/// <summary>
/// <c>/connect/endsession</c> (OpenID Connect RP-Initiated Logout 1.0). An ID token of the present session shows that the request comes from a client
/// it signed in to; without one the person is asked, so that a foreign page cannot sign anybody out.
/// </summary>
internal sealed class SignOutEndpoint(Sessions sessions, ClientRegistry clients, AccessTokenValidator tokens, ISignInAudit audit)
{
    public async Task<IResult> HandleAsync(HttpContext context)
    {
        context.Response.Headers.CacheControl = "no-store";
        if (await OAuthRequest.ReadAsync(context) is not { } request) return Page.Problem(context, "The sign-out request is malformed.");
        var hint = request["id_token_hint"] is { } token ? await tokens.ReadIdTokenAsync(token, context.RequestAborted) : null;
        var session = await sessions.CurrentAsync(context);
        if (session is not null && !IsOf(hint, session)) return Results.LocalRedirect("/account/logout");
        if (session is not null) await EndAsync(context, session, audit, sessions);
        return await BackAsync(request, hint, context.RequestAborted);
    }

    public static async Task EndAsync(HttpContext context, Session session, ISignInAudit audit, Sessions sessions)
    {
        var account = session.Account;
        await audit.RecordAsync(
            new SignInEvent(true, SignInKinds.SignOut, account.Id.ToString("D"), account.Realm, account.DisplayName, account.SubjectId),
            context.RequestAborted);
        await sessions.EndAsync(context, session);
    }

    private static bool IsOf(JsonWebToken? hint, Session session) =>
        hint is not null && hint.Subject == session.Account.Id.ToString("D")
        && hint.TryGetPayloadValue<string>("sid", out var sid) && sid == session.Id.ToString("N");

    // The client is the one that the hint was made for; a named client must be the same.
    private async Task<IResult> BackAsync(OAuthRequest request, JsonWebToken? hint, CancellationToken cancellationToken)
    {
        var clientId = hint?.Audiences.FirstOrDefault();
        if (clientId is null || (request["client_id"] is { } named && named != clientId)) return Results.LocalRedirect("/account/signed-out");
        var client = await clients.FindAsync(clientId, cancellationToken);
        if (client is null || !client.AllowsSignOut(request["post_logout_redirect_uri"])) return Results.LocalRedirect("/account/signed-out");
        var back = request["post_logout_redirect_uri"]!;
        return Results.Redirect(request["state"] is { } state ? QueryHelpers.AddQueryString(back, "state", state) : back);
    }
}
