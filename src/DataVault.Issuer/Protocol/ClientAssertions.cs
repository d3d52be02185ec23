using DataVault.Issuer.Clients;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace DataVault.Issuer.Protocol;

/// <summary>
/// <c>private_key_jwt</c> (RFC 7523, OpenID Connect Core 1.0 §9): a client signs a short statement that it is itself, for us and for this once. The keys are those of
/// its registration; a key, or an address of one, inside the statement is not looked at.
/// </summary>
internal sealed class ClientAssertions(UsedAssertions used, IssuerOptions options, TimeProvider clock)
{
    public const string Type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    public static readonly string[] Algorithms = [SecurityAlgorithms.EcdsaSha256, SecurityAlgorithms.RsaSsaPssSha256];

    private const int LongestId = 256;
    private static readonly TimeSpan LongestLife = TimeSpan.FromMinutes(5);

    // RFC 7523bis §4: a type of its own, or none; never that of another token that the same key may have signed.
    private static readonly string?[] Types = [null, "", "JWT", "client-authentication+jwt"];
    private readonly JsonWebTokenHandler handler = new() { MapInboundClaims = false, MaximumTokenSizeInBytes = AccessTokenValidator.LongestToken };

    /// <summary>The client id that a statement is made for, unverified: to find the keys by.</summary>
    public static string? ClientOf(string assertion) => AccessTokenValidator.Parse(assertion)?.Subject is { Length: > 0 } subject ? subject : null;

    /// <summary>Why it is refused, or null.</summary>
    public async Task<string?> RefusalAsync(Client client, string assertion, CancellationToken cancellationToken)
    {
        if (AccessTokenValidator.Parse(assertion) is not { } token || !Types.Contains(token.Typ)) return "malformed-assertion";
        if (token.IsEncrypted || token.TryGetHeaderValue<object>("crit", out _)) return "malformed-assertion";
        var result = await handler.ValidateTokenAsync(token, Parameters(client, token));
        if (!result.IsValid) return "wrong-assertion";
        // Ours alone: a statement that is meant for others too could be shown here by them.
        if (token.Subject != client.Id || token.Audiences.Count() != 1 || token.Id is not { Length: > 0 and <= LongestId }) return "wrong-assertion";
        var until = new DateTimeOffset(token.ValidTo, TimeSpan.Zero) + AccessTokenValidator.ClockSkew;
        if (until > clock.GetUtcNow() + LongestLife + (2 * AccessTokenValidator.ClockSkew)) return "assertion-too-long";
        return await used.TryUseAsync("assertion", client.Id, token.Id, until, cancellationToken) ? null : "assertion-used-twice";
    }

    private TokenValidationParameters Parameters(Client client, JsonWebToken token) => new()
    {
        ValidIssuer = client.Id,
        ValidAudience = options.Issuer,
        ValidAlgorithms = Algorithms,
        RequireSignedTokens = true,
        RequireExpirationTime = true,
        TryAllIssuerSigningKeys = false,
        IssuerSigningKeyResolver = (_, _, kid, _) => ClientKeys.Parse(client.Public.Registration.KeySet!).For(kid, token.Alg),
        // Each call reads the keys anew, so nothing may be kept by them.
        CryptoProviderFactory = new CryptoProviderFactory { CacheSignatureProviders = false },
        LifetimeValidator = (notBefore, expires, _, _) => AccessTokenValidator.IsAlive(notBefore, expires, clock) && token.IssuedAt <= Latest(),
    };

    private DateTime Latest() => (clock.GetUtcNow() + AccessTokenValidator.ClockSkew).UtcDateTime;
}
