using System.Globalization;
using DataVault.Issuer.Accounts;
using DataVault.Issuer.Clients;
using DataVault.Issuer.Pages;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace DataVault.Issuer.Protocol;

/// <summary>
/// <c>/connect/authorize</c>: authorization code with PKCE S256 and nothing else (OAuth 2.1, OpenID Connect Core 1.0 §3.1.2). People are
/// asked before anything is told to a client that is somebody else's (<see cref="ConsentPage"/>). <c>acr_values=realm:staff</c> (or <c>realm:customer</c>) says
/// whose sign-in is wanted; a session of the other realm then does not do. Neither does an old session for a program on somebody's machine: which
/// program it is nobody can prove, so nothing is given to it that the person did not sign in for just now (RFC 8252 §8.6).
/// </summary>
internal sealed class AuthorisationEndpoint(ClientRegistry clients, ClientConsents consents, Sessions sessions, Authorisations authorisations, SignInFlow flow, IssuerOptions options)
{
    public const string Path = "/connect/authorize";
    private const int LongestState = 1024;
    private const int FreshSeconds = 60;
    /// <summary>Values of <c>prompt</c>.</summary>
    public static readonly string[] Prompts = ["none", "login", "consent"];

    /// <summary>Values of <c>acr_values</c> that say how well somebody is to be known; <c>realm:staff</c> and <c>realm:customer</c> beside them say who.</summary>
    public static readonly string[] Assurances = ["1", "2"];

    private static readonly string[] KnownScopes = ["openid", "profile", "offline_access"];

    public async Task<IResult> HandleAsync(HttpContext context)
    {
        context.Response.Headers.CacheControl = "no-store";
        if (await OAuthRequest.ReadAsync(context) is not { } request) return Page.Problem(context, "The sign-in request is malformed.");
        // Nothing is sent to an address that is not registered (RFC 9700 §4.1).
        if (await FindClientAsync(request, context.RequestAborted) is not { } client)
            return Page.Problem(context, "The application that sent you here is not registered with this address.");
        var answer = new AuthorisationAnswer(request["redirect_uri"]!, request["state"], options.Issuer);
        var session = await sessions.CurrentAsync(context);
        // RFC 9700 §4.11.2: nobody is sent on by a link alone. Who is not signed in signs in first, and hears then that the request was wrong.
        if ((clients.IsExpired(client) ? "unauthorized_client" : Refusal(request, client)) is { } error)
            return session is not null || request["prompt"] == "none"
                ? answer.Error(error)
                : Results.LocalRedirect(SignInStep.SignIn(WantedRealm(request)).Address(request.ToLocalAddress(Path)));
        var demand = Demand(request, client);
        if (flow.Missing(session, demand) is { } step)
            return request["prompt"] == "none" ? answer.Error(step.Refusal) : Results.LocalRedirect(step.Address(WayBack(request)));
        if (session!.Assurance < demand.Assurance) return answer.Error("unmet_authentication_requirements");
        if (await NeedsConsentAsync(request, client, session, context.RequestAborted))
            return request["prompt"] == "none" ? answer.Error("consent_required") : Results.LocalRedirect(QueryHelpers.AddQueryString(ConsentPage.Path, "returnUrl", WayBack(request)));
        return answer.Code(await authorisations.StartAsync(session, Asked(request, client), context.RequestAborted));
    }

    /// <summary>What is allowed by whoever allows this request: its scopes, and the service that tokens are for.</summary>
    public static string Allowing(OAuthRequest request) => request["resource"] is { } resource ? $"{Scope(request)} resource:{resource}".Trim() : Scope(request);

    private async Task<bool> NeedsConsentAsync(OAuthRequest request, Client client, Session session, CancellationToken cancellationToken) =>
        request["prompt"] == "consent" || (client.IsThirdParty && !await consents.CoverAsync(session.Account, client, Allowing(request), cancellationToken));

    private CodeRequest Asked(OAuthRequest request, Client client)
    {
        client.TryFindResource(request["resource"], options.Issuer, out var resource);
        return new CodeRequest(
            client.Id, Scope(request), request["redirect_uri"]!, request["code_challenge"]!, request["nonce"], resource, request["dpop_jkt"]);
    }

    private async Task<Client?> FindClientAsync(OAuthRequest request, CancellationToken cancellationToken)
    {
        if (request["client_id"] is not { } id || request["redirect_uri"] is not { } redirectUri) return null;
        var client = await clients.FindAsync(id, cancellationToken);
        return client is not null && client.AllowsRedirect(redirectUri) ? client : null;
    }

    private string? Refusal(OAuthRequest request, Client client)
    {
        if (request["request"] is not null) return "request_not_supported";
        if (request["request_uri"] is not null) return "request_uri_not_supported";
        if (!client.Allows(GrantTypes.AuthorizationCode)) return "unauthorized_client";
        if (request["response_type"] is not { } responseType) return "invalid_request";
        if (responseType != "code") return "unsupported_response_type";
        if (request["response_mode"] is not (null or "query")) return "invalid_request";
        if (request["code_challenge_method"] != Pkce.Method || !Pkce.IsChallenge(request["code_challenge"])) return "invalid_request";
        if (request["state"]?.Length > LongestState || request["nonce"]?.Length > LongestState) return "invalid_request";
        if (request["dpop_jkt"] is { } thumbprint && !Pkce.IsChallenge(thumbprint)) return "invalid_request";
        if (request["prompt"] is { } prompt && !Prompts.Contains(prompt)) return "invalid_request";
        if (request["max_age"] is { } age && !int.TryParse(age, NumberStyles.None, CultureInfo.InvariantCulture, out _)) return "invalid_request";
        return client.TryFindResource(request["resource"], options.Issuer, out _) ? null : "invalid_target";
    }

    private static SignInDemand Demand(OAuthRequest request, Client client) =>
        new(WantedRealm(request), WantedAssurance(request), Oldest: Oldest(request, client) is { } age ? TimeSpan.FromSeconds(age) : null, Again: request["prompt"] == "login");

    private static int? Oldest(OAuthRequest request, Client client)
    {
        var asked = request["max_age"] is { } age ? int.Parse(age, CultureInfo.InvariantCulture) : (int?)null;
        return client.IsProgram ? Math.Min(asked ?? FreshSeconds, FreshSeconds) : asked;
    }

    // What asked for a fresh sign-in is dropped from the way back, or it would ask again for ever. The client checks auth_time.
    private static string WayBack(OAuthRequest request) => request.ToLocalAddress(Path, "prompt", "max_age");

    private static Realm? WantedRealm(OAuthRequest request) => (request["acr_values"] ?? "").Split(' ') switch
    {
        var values when values.Contains("realm:staff") => Realm.Staff,
        var values when values.Contains("realm:customer") => Realm.Customer,
        _ => null,
    };

    // RFC 9470 §5: what is asked for is given or refused, never less of it. The values are in the order of preference, and the least of them will do.
    private static int WantedAssurance(OAuthRequest request)
    {
        var wanted = (request["acr_values"] ?? "").Split(' ').Where(Assurances.Contains).ToList();
        return wanted.Count == 0 ? SignInProof.OneFactor : wanted.Min(value => int.Parse(value, CultureInfo.InvariantCulture));
    }

    // OpenID Connect Core 1.0 §3.1.2.1: scopes that are not understood are ignored.
    private static string Scope(OAuthRequest request) =>
        string.Join(' ', (request["scope"] ?? "").Split(' ').Where(KnownScopes.Contains).Distinct());
}

/// <summary>The way back to the client, with <c>iss</c> (RFC 9207) so that it can tell issuers apart.</summary>
internal sealed record AuthorisationAnswer(string RedirectUri, string? State, string Issuer)
{
    public IResult Code(string code) => Back("code", code);

    public IResult Error(string error) => Back("error", error);

    private IResult Back(string name, string value)
    {
        var parameters = new Dictionary<string, string?> { [name] = value, ["iss"] = Issuer };
        if (State is not null) parameters["state"] = State;
        return Results.Redirect(QueryHelpers.AddQueryString(RedirectUri, parameters));
    }
}
