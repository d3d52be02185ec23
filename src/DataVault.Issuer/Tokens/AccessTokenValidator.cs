using System.Globalization;
using System.Text.Json;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Tokens;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace DataVault.Issuer;

/// <summary>
/// Accepts the issuer's own access tokens. SPEC access-token §2. An accepted token is remembered by its hash for at most
/// <see cref="IssuerOptions.ValidationCache"/>, so that most calls pay for one SHA-256 instead of an ECDSA verification; expiry and revocation are
/// looked at every time.
/// </summary>
public sealed class AccessTokenValidator : IAccessTokenValidator
{
    internal const string TokenType = "at+jwt";
    internal const int LongestToken = 4096;
    internal static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(5);

    private readonly SigningKeys keys;
    private readonly Revocations revocations;
    private readonly IssuerOptions options;
    private readonly TimeProvider clock;
    private readonly JsonWebTokenHandler handler = new() { MapInboundClaims = false, MaximumTokenSizeInBytes = LongestToken };
    private readonly AcceptedTokens accepted;

    internal AccessTokenValidator(SigningKeys keys, Revocations revocations, IssuerOptions options, TimeProvider clock)
    {
        (this.keys, this.revocations, this.options, this.clock) = (keys, revocations, options, clock);
        accepted = new AcceptedTokens(clock);
    }

    public async ValueTask<ValidatedToken?> ValidateAsync(string token, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(token) || token.Length > LongestToken) return null;
        var hash = TokenHash.Of(token);
        var known = accepted.Find(hash);
        var validated = known ?? await VerifyAsync(token, cancellationToken);
        if (validated is null || validated.ExpiresAt + ClockSkew <= clock.GetUtcNow()) return null;
        if (await revocations.IsRevokedAsync(validated, cancellationToken)) return null;
        if (known is null) accepted.Add(hash, validated, options.ValidationCache);
        return validated;
    }

    /// <summary>An ID token that this issuer made, whether or not it has expired: the hint of a sign-out.</summary>
    internal async Task<JsonWebToken?> ReadIdTokenAsync(string token, CancellationToken cancellationToken)
    {
        if (token.Length > LongestToken) return null;
        var parameters = Parameters("JWT");
        parameters.ValidateAudience = false;
        // A validator is asked whether or not ValidateLifetime is set.
        parameters.LifetimeValidator = (_, _, _, _) => true;
        return await VerifyAsync(token, parameters, cancellationToken);
    }

    /// <summary>An access token of this issuer for whichever service, if it is good now. The API takes only those for itself: <see cref="ValidateAsync"/>.</summary>
    internal async Task<ValidatedToken?> LookAsync(string token, CancellationToken cancellationToken)
    {
        if (token.Length > LongestToken) return null;
        var parameters = Parameters(TokenType);
        parameters.ValidateAudience = false;
        if (await VerifyAsync(token, parameters, cancellationToken) is not { } verified || Read(verified) is not { } read) return null;
        return await revocations.IsRevokedAsync(read, cancellationToken) ? null : read;
    }

    private async ValueTask<ValidatedToken?> VerifyAsync(string token, CancellationToken cancellationToken)
    {
        var parameters = Parameters(TokenType);
        parameters.ValidAudience = IssuerOptions.Audience;
        var verified = await VerifyAsync(token, parameters, cancellationToken);
        return verified is null ? null : Read(verified);
    }

    // Only the key that our own table holds under the token's kid is ever tried; jwk, jku and x5c headers are not looked at.
    private async ValueTask<JsonWebToken?> VerifyAsync(string token, TokenValidationParameters parameters, CancellationToken cancellationToken)
    {
        if (!handler.CanReadToken(token) || Parse(token) is not { } unverified) return null;
        if (unverified.IsEncrypted || unverified.TryGetHeaderValue<object>("crit", out _)) return null;
        if (await keys.FindAsync(unverified.Kid, cancellationToken) is not { } key) return null;
        parameters.IssuerSigningKey = key;
        var result = await handler.ValidateTokenAsync(unverified, parameters);
        return result.IsValid ? (JsonWebToken)result.SecurityToken : null;
    }

    /// <summary>Unverified; null when it is no token, or too long to look at.</summary>
    internal static JsonWebToken? Parse(string token)
    {
        if (token.Length > LongestToken) return null;
        try
        {
            return new JsonWebToken(token);
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            return null;
        }
    }

    private TokenValidationParameters Parameters(string type) => new()
    {
        ValidIssuer = options.Issuer,
        ValidTypes = [type],
        ValidAlgorithms = [SecurityAlgorithms.EcdsaSha256],
        RequireSignedTokens = true,
        RequireExpirationTime = true,
        TryAllIssuerSigningKeys = false,
        LifetimeValidator = (notBefore, expires, _, _) => IsAlive(notBefore, expires, clock),
    };

    internal static bool IsAlive(DateTime? notBefore, DateTime? expires, TimeProvider clock)
    {
        var now = clock.GetUtcNow().UtcDateTime;
        return expires is { } end && end + ClockSkew > now && (notBefore is not { } start || start - ClockSkew <= now);
    }

    private static ValidatedToken? Read(JsonWebToken token)
    {
        if (!RealmNames.TryParse(Text(token, "realm"), out var realm)) return null;
        if (Text(token, "sub") is not { Length: > 0 } subject || Text(token, "client_id") is not { Length: > 0 } client) return null;
        var customer = Guid.TryParseExact(Text(token, "subject"), "D", out var id) ? id : (Guid?)null;
        if ((realm == Realm.Customer) != customer.HasValue) return null;
        if (!int.TryParse(Text(token, "acr"), NumberStyles.None, CultureInfo.InvariantCulture, out var assurance)) return null;
        if (!TryReadKey(token, out var thumbprint)) return null;
        return new ValidatedToken(
            subject, client, realm, Text(token, "name") ?? client, List(token, "roles"), List(token, "purposes"), customer, assurance,
            token.TryGetPayloadValue<long>("auth_time", out var at) ? DateTimeOffset.FromUnixTimeSeconds(at) : null,
            new DateTimeOffset(token.ValidTo, TimeSpan.Zero), token.Id, Text(token, "scope") ?? "")
        {
            Authorisation = Guid.TryParseExact(Text(token, "authorisation"), "N", out var authorisation) ? authorisation : null,
            KeyThumbprint = thumbprint,
            Networks = List(token, "networks"),
            Audience = token.Audiences.FirstOrDefault() ?? "",
        };
    }

    // A binding that is not understood must not be taken for none.
    private static bool TryReadKey(JsonWebToken token, out string? thumbprint)
    {
        thumbprint = null;
        if (!token.TryGetPayloadValue<JsonElement>("cnf", out var confirmation)) return true;
        if (confirmation.ValueKind != JsonValueKind.Object || !confirmation.TryGetProperty("jkt", out var held) || held.ValueKind != JsonValueKind.String) return false;
        thumbprint = held.GetString();
        return thumbprint is { Length: > 0 };
    }

    private static string? Text(JsonWebToken token, string claim) => token.TryGetPayloadValue<string>(claim, out var text) ? text : null;

    private static string[] List(JsonWebToken token, string claim) =>
        token.TryGetPayloadValue<string[]>(claim, out var list) ? list : [];
}
