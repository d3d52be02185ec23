using System.Buffers.Text;
using DataVault.Issuer.Keys;
using Microsoft.AspNetCore.Http;

namespace DataVault.Issuer.Protocol;

/// <summary>Discovery (OpenID Connect Discovery 1.0, RFC 8414), the JSON Web Key Set (RFC 7517) and userinfo (OpenID Connect Core 1.0 §5.3).</summary>
internal sealed class MetadataEndpoints(SigningKeys keys, AccessTokenValidator tokens, IssuerOptions options)
{
    public IResult Discovery() => Results.Json(new
    {
        issuer = options.Issuer,
        authorization_endpoint = options.Issuer + AuthorisationEndpoint.Path,
        token_endpoint = options.Issuer + "/connect/token",
        revocation_endpoint = options.Issuer + "/connect/revocation",
        userinfo_endpoint = options.Issuer + "/connect/userinfo",
        end_session_endpoint = options.Issuer + "/connect/endsession",
        jwks_uri = options.Issuer + "/.well-known/jwks.json",
        scopes_supported = new[] { "openid", "profile", "offline_access" },
        response_types_supported = new[] { "code" },
        response_modes_supported = new[] { "query" },
        grant_types_supported = new[] { GrantTypes.AuthorizationCode, GrantTypes.ClientCredentials, GrantTypes.RefreshToken },
        subject_types_supported = new[] { "public" },
        id_token_signing_alg_values_supported = new[] { "ES256" },
        token_endpoint_auth_methods_supported = new[] { "client_secret_basic", "client_secret_post", "none" },
        revocation_endpoint_auth_methods_supported = new[] { "client_secret_basic", "client_secret_post", "none" },
        code_challenge_methods_supported = new[] { Pkce.Method },
        authorization_response_iss_parameter_supported = true,
        request_parameter_supported = false,
        request_uri_parameter_supported = false,
        acr_values_supported = new[] { "1" },
        claims_supported = new[] { "sub", "name", "realm", "auth_time", "acr", "amr", "nonce", "sid" },
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
        var header = context.Request.Headers.Authorization.ToString();
        var token = header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)
            ? await tokens.ValidateAsync(header[7..].Trim(), context.RequestAborted)
            : null;
        if (token is null) return Refuse(context, StatusCodes.Status401Unauthorized, header.Length == 0 ? "Bearer" : "Bearer error=\"invalid_token\"");
        if (!token.Scope.Split(' ').Contains("openid"))
            return Refuse(context, StatusCodes.Status403Forbidden, "Bearer error=\"insufficient_scope\", scope=\"openid\"");
        return Results.Json(new { sub = token.Subject, name = token.Name, realm = RealmNames.Of(token.Realm), roles = token.Roles });
    }

    private static IResult Refuse(HttpContext context, int status, string challenge)
    {
        context.Response.Headers.WWWAuthenticate = challenge;
        return Results.StatusCode(status);
    }
}
