using DataVault.Issuer.Clients;
using DataVault.Issuer.Storage;
using DataVault.Issuer.Tokens;
using Microsoft.AspNetCore.Http;

namespace DataVault.Issuer.Protocol;

/// <summary><c>/connect/introspection</c> (RFC 7662) and <c>/connect/revocation</c> (RFC 7009).</summary>
internal sealed class TokenStatusEndpoint(
    ClientAuthentication authentication, Authorisations authorisations, AccessTokenValidator validator, Revocations revocations, ChangeLedger changes,
    IssuerOptions options)
{
    public const string Introspection = "/connect/introspection";
    public const string Revocation = "/connect/revocation";
    public const string AccessTokenRevoked = "access-token-revoked";
    public const string SignInRevoked = "sign-in-revoked";

    /// <summary>A client hears of its own tokens, and of those for a service that it is registered for. Of any other it hears what it would hear of nonsense.</summary>
    public async Task<IResult> IntrospectAsync(HttpContext context)
    {
        TokenEndpoint.NoStore(context);
        if (await OAuthRequest.ReadAsync(context) is not { } request) return TokenEndpoint.Error("invalid_request");
        // RFC 7662 §2.1: nobody who has not shown who they are; a program cannot.
        if (await authentication.AuthenticateAsync(context, request) is not { IsProgram: false } client) return TokenEndpoint.InvalidClient(context);
        if (request["token"] is not { } token) return TokenEndpoint.Error("invalid_request");
        if (await validator.LookAsync(token, context.RequestAborted) is { } access && MayHear(client, access)) return Results.Json(Of(access));
        var refresh = await authorisations.FindRefreshTokenAsync(token, client.Id, context.RequestAborted);
        var isAlive = refresh is not null && await authorisations.AccountAsync(refresh.Authorisation, context.RequestAborted) is not null;
        return Results.Json(isAlive ? Of(refresh!) : new Dictionary<string, object> { ["active"] = false });
    }

    /// <summary>Whatever the token is, the answer is the same; only the caller's own tokens end (RFC 7009 §2.2). What ends is in the log, with who ended it.</summary>
    public async Task<IResult> RevokeAsync(HttpContext context)
    {
        TokenEndpoint.NoStore(context);
        if (await OAuthRequest.ReadAsync(context) is not { } request) return TokenEndpoint.Error("invalid_request");
        if (await authentication.AuthenticateAsync(context, request) is not { } client) return TokenEndpoint.InvalidClient(context);
        if (request["token"] is not { } token) return TokenEndpoint.Error("invalid_request");
        // token_type_hint only saves a look; what it says may be wrong (RFC 7009 §2.1).
        if (await validator.LookAsync(token, context.RequestAborted) is { } access) await RevokeAsync(client, access, context.RequestAborted);
        else if (await authorisations.FindRefreshTokenAsync(token, client.Id, context.RequestAborted) is { } refresh) await RevokeAsync(client, refresh, context.RequestAborted);
        return Results.Ok();
    }

    private async Task RevokeAsync(Client client, ValidatedToken token, CancellationToken cancellationToken)
    {
        if (token.ClientId != client.Id) return;
        await changes.MakeAsync(
            new IssuerChange(Party(client), new IssuerParty(token.Realm, token.Subject, token.Name), AccessTokenRevoked, token.Customer),
            transaction => revocations.RevokeAsync(transaction, Revocations.OfToken(token.TokenId), cancellationToken),
            cancellationToken);
        revocations.Forget();
    }

    private async Task RevokeAsync(Client client, RefreshTokenFacts token, CancellationToken cancellationToken)
    {
        var account = token.Account;
        await changes.MakeAsync(
            new IssuerChange(Party(client), new IssuerParty(account.Realm, account.Id.ToString("D"), account.DisplayName), SignInRevoked, account.SubjectId),
            transaction => authorisations.RevokeAsync(transaction, token.Authorisation.Id, cancellationToken),
            cancellationToken);
        revocations.Forget();
    }

    private static IssuerParty Party(Client client) => new(Realm.Application, client.Id, client.Name);

    private static bool MayHear(Client client, ValidatedToken token) =>
        token.ClientId == client.Id || (token.Audience != IssuerOptions.Audience && client.Public.Registration.Resources.Contains(token.Audience, StringComparer.Ordinal));

    private Dictionary<string, object> Of(ValidatedToken token)
    {
        var said = new Dictionary<string, object>
        {
            ["active"] = true,
            ["iss"] = options.Issuer,
            ["aud"] = token.Audience,
            ["sub"] = token.Subject,
            ["client_id"] = token.ClientId,
            ["jti"] = token.TokenId,
            ["exp"] = token.ExpiresAt.ToUnixTimeSeconds(),
            ["token_type"] = new TokenTerms(null, token.KeyThumbprint).Type,
            ["acr"] = token.Assurance.ToString(System.Globalization.CultureInfo.InvariantCulture),
        };
        if (token.Scope.Length > 0) said["scope"] = token.Scope;
        if (token.AuthenticatedAt is { } at) said["auth_time"] = at.ToUnixTimeSeconds();
        if (token.KeyThumbprint is { } thumbprint) said["cnf"] = new Dictionary<string, object> { ["jkt"] = thumbprint };
        return said;
    }

    private Dictionary<string, object> Of(RefreshTokenFacts token)
    {
        var authorisation = token.Authorisation;
        var said = new Dictionary<string, object>
        {
            ["active"] = true,
            ["iss"] = options.Issuer,
            ["sub"] = authorisation.AccountId.ToString("D"),
            ["client_id"] = authorisation.ClientId,
            ["exp"] = token.ExpiresAt.ToUnixTimeSeconds(),
        };
        if (authorisation.Scope.Length > 0) said["scope"] = authorisation.Scope;
        return said;
    }
}
