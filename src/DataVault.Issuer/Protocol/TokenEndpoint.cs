using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using DataVault.Issuer.Accounts;
using DataVault.Issuer.Clients;
using DataVault.Issuer.Tokens;
using Microsoft.AspNetCore.Http;

namespace DataVault.Issuer.Protocol;

/// <summary><c>/connect/token</c> (RFC 6749 §3.2, OpenID Connect Core 1.0 §3.1.3) and <c>/connect/revocation</c> (RFC 7009).</summary>
internal sealed class TokenEndpoint(
    ClientAuthentication authentication, Authorisations authorisations, TokenWriter writer, AccessTokenValidator validator, ISignInAudit audit,
    IssuerOptions options)
{
    public async Task<IResult> HandleAsync(HttpContext context)
    {
        NoStore(context);
        if (await OAuthRequest.ReadAsync(context) is not { } request) return Error("invalid_request");
        if (await authentication.AuthenticateAsync(context, request) is not { } client) return InvalidClient(context);
        if (request["grant_type"] is not { } grantType) return Error("invalid_request");
        if (grantType is not (GrantTypes.ClientCredentials or GrantTypes.AuthorizationCode or GrantTypes.RefreshToken))
            return Error("unsupported_grant_type");
        if (!client.Allows(grantType)) return Error("unauthorized_client");
        return grantType switch
        {
            GrantTypes.ClientCredentials => await ClientCredentialsAsync(client, context.RequestAborted),
            GrantTypes.AuthorizationCode => await CodeAsync(request, client, context.RequestAborted),
            _ => await RefreshAsync(request, client, context.RequestAborted),
        };
    }

    /// <summary>Whatever the token is, the answer is the same; only the caller's own tokens end (RFC 7009 §2.2).</summary>
    public async Task<IResult> RevokeAsync(HttpContext context)
    {
        NoStore(context);
        if (await OAuthRequest.ReadAsync(context) is not { } request) return Error("invalid_request");
        if (await authentication.AuthenticateAsync(context, request) is not { } client) return InvalidClient(context);
        if (request["token"] is not { } token) return Error("invalid_request");
        await validator.RevokeAsync(token, client.Id, context.RequestAborted);
        await authorisations.RevokeRefreshTokenAsync(token, client.Id, context.RequestAborted);
        return Results.Ok();
    }

    private async Task<IResult> ClientCredentialsAsync(Client client, CancellationToken cancellationToken)
    {
        await audit.RecordAsync(
            new SignInEvent(true, SignInKinds.TokenIssued, client.Id, Realm.Application, client.Name, Reason: GrantTypes.ClientCredentials),
            cancellationToken);
        return Answer(await writer.ForApplicationAsync(client, "", cancellationToken), null, null, "");
    }

    // A code is used up by looking at it: somebody who guesses verifiers has one guess.
    private async Task<IResult> CodeAsync(OAuthRequest request, Client client, CancellationToken cancellationToken)
    {
        if (request["code"] is not { } code || request["redirect_uri"] is not { } redirectUri || request["code_verifier"] is not { } verifier)
            return Error("invalid_request");
        if (await authorisations.RedeemAsync(code, client.Id, cancellationToken) is not { } redeemed) return Error("invalid_grant");
        if (redeemed.RedirectUri != redirectUri || !Pkce.Matches(redeemed.Challenge, verifier)) return Error("invalid_grant");
        return await IssueAsync(client, redeemed.Authorisation, redeemed.Nonce, GrantTypes.AuthorizationCode, cancellationToken);
    }

    private async Task<IResult> RefreshAsync(OAuthRequest request, Client client, CancellationToken cancellationToken)
    {
        if (request["refresh_token"] is not { } token) return Error("invalid_request");
        if (await authorisations.UseRefreshTokenAsync(token, client.Id, cancellationToken) is not { } authorisation) return Error("invalid_grant");
        return await IssueAsync(client, authorisation, null, GrantTypes.RefreshToken, cancellationToken);
    }

    private async Task<IResult> IssueAsync(
        Client client, Authorisation authorisation, string? nonce, string grantType, CancellationToken cancellationToken)
    {
        if (await authorisations.AccountAsync(authorisation, cancellationToken) is not { } account) return Error("invalid_grant");
        await audit.RecordAsync(
            new SignInEvent(
                true, SignInKinds.TokenIssued, account.Id.ToString("D"), account.Realm, account.DisplayName, account.SubjectId, grantType),
            cancellationToken);
        var refreshToken = client.Allows(GrantTypes.RefreshToken)
            ? await authorisations.IssueRefreshTokenAsync(authorisation, cancellationToken)
            : null;
        var accessToken = await writer.ForPersonAsync(account, authorisation, cancellationToken);
        var idToken = authorisation.HasScope("openid")
            ? await writer.IdTokenAsync(account, authorisation, nonce, accessToken, cancellationToken)
            : null;
        return Answer(accessToken, refreshToken, idToken, authorisation.Scope);
    }

    private IResult Answer(string accessToken, string? refreshToken, string? idToken, string scope)
    {
        var answer = new Dictionary<string, object>
        {
            ["access_token"] = accessToken,
            ["token_type"] = "Bearer",
            ["expires_in"] = (long)options.AccessTokenLifetime.TotalSeconds,
        };
        if (refreshToken is not null) answer["refresh_token"] = refreshToken;
        if (idToken is not null) answer["id_token"] = idToken;
        if (scope.Length > 0) answer["scope"] = scope;
        return Results.Json(answer);
    }

    private static IResult InvalidClient(HttpContext context)
    {
        context.Response.Headers.WWWAuthenticate = "Basic realm=\"issuer\"";
        return Results.Json(new { error = "invalid_client" }, statusCode: StatusCodes.Status401Unauthorized);
    }

    private static IResult Error(string error) => Results.Json(new { error }, statusCode: StatusCodes.Status400BadRequest);

    private static void NoStore(HttpContext context) => context.Response.Headers.CacheControl = "no-store";
}

/// <summary>Proof key for code exchange (RFC 7636), S256 only.</summary>
internal static class Pkce
{
    public const string Method = "S256";
    private const int ChallengeLength = 43;

    public static bool IsChallenge(string? challenge) => challenge is { Length: ChallengeLength } && Base64Url.IsValid(challenge);

    public static bool Matches(string challenge, string verifier)
    {
        if (verifier.Length is < 43 or > 128 || !verifier.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_' or '~')) return false;
        var computed = Base64Url.EncodeToUtf8(SHA256.HashData(Encoding.ASCII.GetBytes(verifier)));
        return CryptographicOperations.FixedTimeEquals(computed, Encoding.ASCII.GetBytes(challenge));
    }
}
