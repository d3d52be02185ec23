using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using DataVault.Issuer.Accounts;
using DataVault.Issuer.Clients;
using DataVault.Issuer.Tokens;
using Microsoft.AspNetCore.Http;

namespace DataVault.Issuer.Protocol;

/// <summary><c>/connect/token</c> (RFC 6749 §3.2, OpenID Connect Core 1.0 §3.1.3, RFC 9449 §5).</summary>
internal sealed class TokenEndpoint(
    ClientAuthentication authentication, Authorisations authorisations, TokenWriter writer, TokenProofs proofs, ISignInAudit audit, IssuerOptions options)
{
    public const string Path = "/connect/token";

    public async Task<IResult> HandleAsync(HttpContext context)
    {
        NoStore(context);
        if (await OAuthRequest.ReadAsync(context) is not { } request) return Error("invalid_request");
        if (await authentication.AuthenticateAsync(context, request) is not { } client) return InvalidClient(context);
        if (request["grant_type"] is not { } grantType) return Error("invalid_request");
        if (grantType is not (GrantTypes.ClientCredentials or GrantTypes.AuthorizationCode or GrantTypes.RefreshToken))
            return Error("unsupported_grant_type");
        if (!client.Allows(grantType)) return Error("unauthorized_client");
        if (await proofs.ReadAsync(context) is (var key, var refusal) && refusal is not null) return Error(refusal);
        // Whoever stole its secret, or a code on its way, has not stolen its key.
        if (client.Public.Registration.IsKeyBound && key is null) return Error("invalid_dpop_proof");
        return grantType switch
        {
            GrantTypes.ClientCredentials => await ClientCredentialsAsync(request, client, key, context.RequestAborted),
            GrantTypes.AuthorizationCode => await CodeAsync(request, client, key, context.RequestAborted),
            _ => await RefreshAsync(request, client, key, context.RequestAborted),
        };
    }

    private async Task<IResult> ClientCredentialsAsync(OAuthRequest request, Client client, string? key, CancellationToken cancellationToken)
    {
        // Its own tokens say what they are for by purposes; there is no scope to ask for.
        if (request["scope"] is not null) return Error("invalid_scope");
        if (!client.TryFindResource(request["resource"], options.Issuer, out var resource)) return Error("invalid_target");
        await audit.RecordAsync(
            new SignInEvent(true, SignInKinds.TokenIssued, client.Id, Realm.Application, client.Name, Reason: GrantTypes.ClientCredentials),
            cancellationToken);
        var terms = new TokenTerms(resource, key);
        return Answer(await writer.ForApplicationAsync(client, terms, cancellationToken), terms, null, null, "");
    }

    // A code is used up by looking at it: somebody who guesses verifiers has one guess.
    private async Task<IResult> CodeAsync(OAuthRequest request, Client client, string? key, CancellationToken cancellationToken)
    {
        if (request["code"] is not { } code || request["redirect_uri"] is not { } redirectUri || request["code_verifier"] is not { } verifier)
            return Error("invalid_request");
        if (await authorisations.RedeemAsync(code, client.Id, cancellationToken) is not { } redeemed) return Error("invalid_grant");
        if (redeemed.RedirectUri != redirectUri || !Pkce.Matches(redeemed.Challenge, verifier)) return Error("invalid_grant");
        if (redeemed.KeyThumbprint is { } promised && promised != key) return Error("invalid_grant");
        if (!IsResourceOf(redeemed.Authorisation, client, request)) return Error("invalid_target");
        var authorisation = client.IsProgram && key is not null
            ? await authorisations.BindAsync(redeemed.Authorisation, key, cancellationToken)
            : redeemed.Authorisation;
        return await IssueAsync(client, authorisation, redeemed.Nonce, key, GrantTypes.AuthorizationCode, cancellationToken);
    }

    private async Task<IResult> RefreshAsync(OAuthRequest request, Client client, string? key, CancellationToken cancellationToken)
    {
        if (request["refresh_token"] is not { } token) return Error("invalid_request");
        // Before it is used: whoever holds the token but not the key must not be able to use it up.
        if (await authorisations.FindRefreshTokenAsync(token, client.Id, cancellationToken) is { } found)
        {
            if (found.Authorisation.KeyThumbprint is { } bound && bound != key) return Error("invalid_grant");
            if (!IsResourceOf(found.Authorisation, client, request)) return Error("invalid_target");
            if (request["scope"] is { } scope && scope.Split(' ').Except(found.Authorisation.Scope.Split(' ')).Any()) return Error("invalid_scope");
        }

        if (await authorisations.UseRefreshTokenAsync(token, client.Id, cancellationToken) is not { } authorisation) return Error("invalid_grant");
        return await IssueAsync(client, authorisation, null, key, GrantTypes.RefreshToken, cancellationToken);
    }

    // RFC 8707 §2.2: the service of the sign-in; another one needs another sign-in.
    private bool IsResourceOf(Authorisation authorisation, Client client, OAuthRequest request) =>
        request["resource"] is not { } named || (client.TryFindResource(named, options.Issuer, out var resource) && resource == authorisation.Resource);

    private async Task<IResult> IssueAsync(
        Client client, Authorisation authorisation, string? nonce, string? key, string grantType, CancellationToken cancellationToken)
    {
        if (await authorisations.AccountAsync(authorisation, cancellationToken) is not { } account) return Error("invalid_grant");
        await audit.RecordAsync(
            new SignInEvent(
                true, SignInKinds.TokenIssued, account.Id.ToString("D"), account.Realm, account.DisplayName, account.SubjectId, grantType),
            cancellationToken);
        if (client.IsThirdParty) await authorisations.NoteUseAsync(authorisation, cancellationToken);
        var refreshToken = client.Allows(GrantTypes.RefreshToken)
            ? await authorisations.IssueRefreshTokenAsync(authorisation, cancellationToken)
            : null;
        var terms = new TokenTerms(authorisation.Resource, key);
        var accessToken = await writer.ForPersonAsync(account, authorisation, terms, cancellationToken);
        var idToken = authorisation.HasScope("openid")
            ? await writer.IdTokenAsync(account, authorisation, nonce, accessToken, cancellationToken)
            : null;
        return Answer(accessToken, terms, refreshToken, idToken, authorisation.Scope);
    }

    private IResult Answer(string accessToken, TokenTerms terms, string? refreshToken, string? idToken, string scope)
    {
        var answer = new Dictionary<string, object>
        {
            ["access_token"] = accessToken,
            ["token_type"] = terms.Type,
            ["expires_in"] = (long)options.AccessTokenLifetime.TotalSeconds,
        };
        if (refreshToken is not null) answer["refresh_token"] = refreshToken;
        if (idToken is not null) answer["id_token"] = idToken;
        if (scope.Length > 0) answer["scope"] = scope;
        return Results.Json(answer);
    }

    public static IResult InvalidClient(HttpContext context)
    {
        // RFC 6749 §5.2: in the scheme that the client tried.
        if (context.Request.Headers.Authorization.Count > 0) context.Response.Headers.WWWAuthenticate = "Basic realm=\"issuer\"";
        return context.Features.Get<ClientRefusal>() is { } refusal
            ? Results.Json(new { error = "invalid_client", error_description = refusal.Description }, statusCode: StatusCodes.Status401Unauthorized)
            : Results.Json(new { error = "invalid_client" }, statusCode: StatusCodes.Status401Unauthorized);
    }

    public static IResult Error(string error) => Results.Json(new { error }, statusCode: StatusCodes.Status400BadRequest);

    public static void NoStore(HttpContext context) => context.Response.Headers.CacheControl = "no-store";
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
