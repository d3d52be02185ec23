using System.Buffers.Text;
using DataVault.Issuer.Keys;
using Microsoft.AspNetCore.Http;

namespace DataVault.Issuer.Protocol;

/// <summary>Discovery (OpenID Connect Discovery 1.0, RFC 8414), the JSON Web Key Set (RFC 7517) and userinfo (OpenID Connect Core 1.0 §5.3).</summary>
internal sealed class MetadataEndpoints(SigningKeys keys, PresentedTokens tokens, IssuerOptions options)
{
    private static readonly string[] Secrets = [AuthenticationMethods.SecretBasic, AuthenticationMethods.SecretPost, AuthenticationMethods.PrivateKeyJwt];
    private static readonly string[] SecretsOrNone = [.. Secrets, "none"];

    public IResult Discovery() => Results.Json(new
    {
        issuer = options.Issuer,
        authorization_endpoint = options.Issuer + AuthorisationEndpoint.Path,
        token_endpoint = options.Issuer + TokenEndpoint.Path,
        revocation_endpoint = options.Issuer + TokenStatusEndpoint.Revocation,
        introspection_endpoint = options.Issuer + TokenStatusEndpoint.Introspection,
        userinfo_endpoint = options.Issuer + "/connect/userinfo",
        end_session_endpoint = options.Issuer + "/connect/endsession",
        jwks_uri = options.Issuer + "/.well-known/jwks.json",
        scopes_supported = new[] { "openid", "profile", "offline_access" },
        response_types_supported = new[] { "code" },
        response_modes_supported = new[] { "query" },
        grant_types_supported = new[] { GrantTypes.AuthorizationCode, GrantTypes.ClientCredentials, GrantTypes.RefreshToken },
        subject_types_supported = new[] { "public" },
        id_token_signing_alg_values_supported = new[] { "ES256" },
        token_endpoint_auth_methods_supported = SecretsOrNone,
        token_endpoint_auth_signing_alg_values_supported = ClientAssertions.Algorithms,
        revocation_endpoint_auth_methods_supported = SecretsOrNone,
        revocation_endpoint_auth_signing_alg_values_supported = ClientAssertions.Algorithms,
        introspection_endpoint_auth_methods_supported = Secrets,
        introspection_endpoint_auth_signing_alg_values_supported = ClientAssertions.Algorithms,
        code_challenge_methods_supported = new[] { Pkce.Method },
        dpop_signing_alg_values_supported = DpopProofs.Algorithms,
        authorization_response_iss_parameter_supported = true,
        claims_parameter_supported = false,
        request_parameter_supported = false,
        request_uri_parameter_supported = false,
        prompt_values_supported = AuthorisationEndpoint.Prompts,
        acr_values_supported = AuthorisationEndpoint.Assurances,
        claims_supported = new[] { "sub", "name", "realm", "roles", "auth_time", "acr", "amr", "nonce", "sid" },
    });

    public async Task<IResult> KeysAsync(HttpContext context)
    {
        var published = await keys.PublishedAsync(context.RequestAborted);
        context.Response.Headers.CacheControl = "public, max-age=300";
        return Results.Json(new
        {
            keys = published.Select(k => new
            {
                kty = "EC",
                crv = "P-256",
                x = Base64Url.EncodeToString(k.Point.X),
                y = Base64Url.EncodeToString(k.Point.Y),
                use = "sig",
                alg = "ES256",
                kid = k.Kid,
            }),
        });
    }

    /// <summary>Roles and realm of the bearer. The issuer tells no client a person's address.</summary>
    public async Task<IResult> UserInfoAsync(HttpContext context)
    {
        context.Response.Headers.CacheControl = "no-store";
        var shown = await tokens.ReadAsync(context);
        if (shown.Token is not { } token)
        {
            shown.Challenge(context.Response);
            return Results.StatusCode(StatusCodes.Status401Unauthorized);
        }

        if (!token.Scope.Split(' ').Contains("openid"))
        {
            context.Response.Headers.WWWAuthenticate = (shown.IsProof ? "DPoP" : "Bearer") + " error=\"insufficient_scope\", scope=\"openid\"";
            return Results.StatusCode(StatusCodes.Status403Forbidden);
        }

        return Results.Json(new { sub = token.Subject, name = token.Name, realm = RealmNames.Of(token.Realm), roles = token.Roles });
    }
}
