using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Issuer.Accounts;
using DataVault.Issuer.Clients;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Protocol;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace DataVault.Issuer.Tokens;

/// <summary>
/// Writes the two kinds of token. SPEC access-token §1: access tokens follow RFC 9068 (<c>typ: at+jwt</c>); ID tokens are OpenID Connect's
/// (<c>typ: JWT</c>), so neither can be taken for the other.
/// </summary>
internal sealed class TokenWriter(SigningKeys keys, RolePurposes purposes, IssuerOptions options, TimeProvider clock, IRandomBytes random)
{
    private readonly JsonWebTokenHandler handler = new() { SetDefaultTimesOnTokenCreation = false };

    /// <param name="client">Who gets it.</param>
    /// <param name="terms">For what, and in whose hands.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<string> ForApplicationAsync(Client client, TokenTerms terms, CancellationToken cancellationToken)
    {
        var claims = Claims(client.Id, client.Id, Realm.Application, client.Name, 1, "");
        claims["roles"] = client.Public.Registration.Roles.ToArray();
        claims["purposes"] = client.Public.Registration.Purposes.ToArray();
        if (client.Public.Registration.AllowedNetworks is { Count: > 0 } networks) claims["networks"] = networks.ToArray();
        return AccessTokenAsync(claims, terms, cancellationToken, client.Public.Registration.ExpiresAt);
    }

    public Task<string> ForPersonAsync(AccountFacts account, Authorisation authorisation, TokenTerms terms, CancellationToken cancellationToken)
    {
        var claims = Claims(
            account.Id.ToString("D"), authorisation.ClientId, account.Realm, account.DisplayName, authorisation.Assurance, authorisation.Scope);
        claims["roles"] = account.Roles;
        claims["purposes"] = purposes.Of(account.Roles).ToArray();
        claims["auth_time"] = authorisation.AuthTime.ToUnixTimeSeconds();
        claims["amr"] = authorisation.Amr;
        claims["authorisation"] = authorisation.Id.ToString("N");
        if (account.SubjectId is { } subject) claims["subject"] = subject.ToString("D");
        return AccessTokenAsync(claims, terms, cancellationToken);
    }

    public async Task<string> IdTokenAsync(
        AccountFacts account, Authorisation authorisation, string? nonce, string accessToken, CancellationToken cancellationToken)
    {
        var claims = new Dictionary<string, object>
        {
            ["sub"] = account.Id.ToString("D"),
            ["auth_time"] = authorisation.AuthTime.ToUnixTimeSeconds(),
            ["acr"] = authorisation.Assurance.ToString(CultureInfo.InvariantCulture),
            ["amr"] = authorisation.Amr,
            ["sid"] = authorisation.SessionId.ToString("N"),
            ["realm"] = RealmNames.Of(account.Realm),
            ["name"] = account.DisplayName,
            ["at_hash"] = AccessTokenHash(accessToken),
        };
        if (nonce is not null) claims["nonce"] = nonce;
        return await WriteAsync("JWT", authorisation.ClientId, claims, cancellationToken);
    }

    private Dictionary<string, object> Claims(string sub, string clientId, Realm realm, string name, int assurance, string scope)
    {
        Span<byte> id = stackalloc byte[16];
        random.Fill(id);
        var claims = new Dictionary<string, object>
        {
            ["sub"] = sub,
            ["client_id"] = clientId,
            ["realm"] = RealmNames.Of(realm),
            ["name"] = name,
            ["acr"] = assurance.ToString(CultureInfo.InvariantCulture),
            ["jti"] = Base64Url.EncodeToString(id),
        };
        if (scope.Length > 0) claims["scope"] = scope;
        return claims;
    }

    private Task<string> AccessTokenAsync(Dictionary<string, object> claims, TokenTerms terms, CancellationToken cancellationToken, DateTimeOffset? latest = null)
    {
        if (terms.KeyThumbprint is { } thumbprint) claims["cnf"] = new Dictionary<string, object> { ["jkt"] = thumbprint };
        return WriteAsync(AccessTokenValidator.TokenType, terms.Resource ?? IssuerOptions.Audience, claims, cancellationToken, latest);
    }

    private async Task<string> WriteAsync(string type, string audience, Dictionary<string, object> claims, CancellationToken cancellationToken, DateTimeOffset? latest = null)
    {
        var now = clock.GetUtcNow().UtcDateTime;
        var end = now + options.AccessTokenLifetime;
        return handler.CreateToken(new SecurityTokenDescriptor
        {
            TokenType = type,
            Issuer = options.Issuer,
            Audience = audience,
            IssuedAt = now,
            Expires = latest?.UtcDateTime < end ? latest.Value.UtcDateTime : end,
            Claims = claims,
            SigningCredentials = await keys.SignerAsync(cancellationToken),
        });
    }

    // OpenID Connect Core 1.0 §3.1.3.6: left half of the hash of the token's ASCII form.
    private static string AccessTokenHash(string accessToken) =>
        Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(accessToken)).AsSpan(0, 16));
}

/// <summary>What an access token is for, and in whose hands.</summary>
/// <param name="Resource">A service other than the vault (RFC 8707); null for the vault.</param>
/// <param name="KeyThumbprint">The key that it is bound to (RFC 9449); null for whoever holds it.</param>
internal readonly record struct TokenTerms(string? Resource, string? KeyThumbprint)
{
    public string Type => KeyThumbprint is null ? "Bearer" : "DPoP";
}
