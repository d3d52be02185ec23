using System.Buffers.Text;
using System.Text.Json;
using DataVault.Issuer.Keys;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace DataVault.Issuer.Outside;

/// <summary>Access tokens of one outside provider: verified by its keys, and put into the vault's words. SPEC access-token §4.</summary>
internal sealed class OutsideTokens(OutsideAuthority authority, AuthorityKeys keys, OutsideLinks links, IssuerSecrets secrets, RolePurposes purposes, TimeProvider clock)
{
    public const int LongestToken = 8 * 1024;
    private const int LongestName = 128;
    private static readonly TimeSpan Skew = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongestLife = TimeSpan.FromHours(24);
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 16 };

    // What only other kinds of token have; where access tokens say no more than "JWT", one of those must not pass for one.
    private static readonly string[] OfOtherTokens = ["nonce", "at_hash", "c_hash", "events"];

    private readonly JsonWebTokenHandler handler = new() { MapInboundClaims = false, MaximumTokenSizeInBytes = LongestToken };

    public string Issuer => authority.Issuer;

    /// <exception cref="IssuerException">unavailable: whether it is acceptable cannot be said now.</exception>
    public async ValueTask<ValidatedToken?> ReadAsync(JsonWebToken unverified, CancellationToken cancellationToken)
    {
        if (unverified.IsEncrypted || unverified.TryGetHeaderValue<object>("crit", out _)) return null;
        if (unverified.Kid is not { Length: > 0 and <= LongestName } kid || !authority.Algorithms.Contains(unverified.Alg, StringComparer.Ordinal)) return null;
        if (await keys.FindAsync(kid, cancellationToken) is not { } key) return null;
        if (!string.IsNullOrEmpty(key.Alg) && key.Alg != unverified.Alg) return null;
        var result = await handler.ValidateTokenAsync(unverified, Parameters(key));
        if (!result.IsValid) return null;
        try
        {
            using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(unverified.EncodedPayload), Strict);
            return await TranslateAsync(new Claims(claims.RootElement), unverified, cancellationToken);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private TokenValidationParameters Parameters(JsonWebKey key) => new()
    {
        ValidIssuer = authority.Issuer,
        ValidAudiences = authority.Audiences,
        ValidTypes = authority.TokenTypes,
        ValidAlgorithms = authority.Algorithms,
        IssuerSigningKey = key,
        RequireSignedTokens = true,
        RequireExpirationTime = true,
        TryAllIssuerSigningKeys = false,
        LifetimeValidator = (notBefore, expires, _, _) => IsAlive(notBefore, expires),
    };

    private bool IsAlive(DateTime? notBefore, DateTime? expires)
    {
        var now = clock.GetUtcNow().UtcDateTime;
        return expires is { } end && end + Skew > now && end - Skew <= now + LongestLife && (notBefore is not { } start || start - Skew <= now);
    }

    private async ValueTask<ValidatedToken?> TranslateAsync(Claims claims, JsonWebToken token, CancellationToken cancellationToken)
    {
        if (OfOtherTokens.Any(claims.Has) || claims.Text("typ") is { } typ && !typ.Equals("Bearer", StringComparison.OrdinalIgnoreCase)) return null;
        if ((claims.Text("client_id") ?? claims.Text("azp") ?? claims.Text("appid")) is not { } client || !IsName(client)) return null;
        var roles = Words(authority.Roles, claims);
        if (roles.Length == 0) return null;
        // A binding that is not understood must not be taken for none (RFC 7800 §3.1).
        var bound = claims.Words("cnf.jkt");
        if (claims.Has("cnf") && bound.Count != 1) return null;
        var read = IsApplication(claims, client)
            ? Application(claims, token, client, roles)
            : await PersonAsync(claims, token, client, roles, cancellationToken);
        return bound.Count == 1 && read is not null ? read with { KeyThumbprint = bound[0] } : read;
    }

    private ValidatedToken? Application(Claims claims, JsonWebToken token, string client, string[] roles)
    {
        if (!authority.Realms.Contains(Realm.Application) || roles.Contains(IssuerOptions.CustomerRole)) return null;
        var name = $"{authority.Name}.{client}";
        return Token(claims, token, name, name, Realm.Application, name, roles, PurposesOf(claims, []), null, 1);
    }

    // INVARIANT: a customer is who the vault's own table says that this issuer's subject is; no claim decides it.
    private async ValueTask<ValidatedToken?> PersonAsync(Claims claims, JsonWebToken token, string client, string[] roles, CancellationToken cancellationToken)
    {
        if (claims.Text("sub") is not { Length: > 0 and <= 255 } subject) return null;
        var realm = roles.Contains(IssuerOptions.CustomerRole) ? Realm.Customer : Realm.Staff;
        if (!authority.Realms.Contains(realm) || (realm == Realm.Customer && roles.Length > 1)) return null;
        var id = secrets.OutsideId(authority.Issuer, subject);
        var customer = realm == Realm.Customer ? await links.FindAsync(id, cancellationToken) : null;
        if (realm == Realm.Customer && customer is null) return null;
        var read = Token(
            claims, token, id.ToString("D"), $"{authority.Name}.{client}", realm, string.Join(", ", roles), roles, PurposesOf(claims, roles), customer, AssuranceOf(claims));
        return read with { Authorisation = id };
    }

    private static ValidatedToken Token(
        Claims claims, JsonWebToken token, string subject, string client, Realm realm, string name, string[] roles, IReadOnlyList<string> purposes, Guid? customer, int assurance) => new(
        subject, client, realm, name, roles, purposes, customer, assurance, claims.Time("auth_time"), new DateTimeOffset(token.ValidTo, TimeSpan.Zero), token.Id ?? "", claims.Text("scope") ?? "");

    private bool IsApplication(Claims claims, string client) =>
        authority.Application is var (claim, value) ? claims.Words(claim).Contains(value, StringComparer.Ordinal) : claims.Text("sub") is not { } subject || subject == client;

    private IReadOnlyList<string> PurposesOf(Claims claims, string[] roles) =>
        authority.Purposes is { } theirs ? Words(theirs, claims) : purposes.Of(roles);

    private int AssuranceOf(Claims claims) =>
        claims.Words(authority.AcrClaim).Any(authority.MultiFactorAcr.Contains) || claims.Words("amr").Any(authority.MultiFactorAmr.Contains) ? 2 : 1;

    private static string[] Words(ClaimWords words, Claims claims) =>
        [.. claims.Words(words.Claim).Select(word => words.Words.GetValueOrDefault(word)).OfType<string>().Distinct(StringComparer.Ordinal)];

    // It stands in the log, in addresses and in budgets.
    private static bool IsName(string text) =>
        text.Length is > 0 and <= LongestName && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_' or '~');
}

/// <summary>The claims of a verified token.</summary>
internal readonly struct Claims(JsonElement root)
{
    public bool Has(string name) => root.TryGetProperty(name, out _);

    public string? Text(string name) => root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    public DateTimeOffset? Time(string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var seconds) && seconds is >= 0 and < 100_000_000_000
            ? DateTimeOffset.FromUnixTimeSeconds(seconds)
            : null;

    /// <summary>A list of texts, or a text of words with spaces between; none for anything else.</summary>
    public IReadOnlyList<string> Words(string path) => Find(root, path) switch
    {
        { ValueKind: JsonValueKind.String } text => text.GetString()!.Split(' ', StringSplitOptions.RemoveEmptyEntries),
        { ValueKind: JsonValueKind.Array } list => [.. list.EnumerateArray().Where(one => one.ValueKind == JsonValueKind.String).Select(one => one.GetString()!)],
        _ => [],
    };

    // Names of claims have dots too (addresses are such names), so the whole is tried before the path.
    private static JsonElement? Find(JsonElement within, string path)
    {
        if (within.ValueKind != JsonValueKind.Object) return null;
        if (within.TryGetProperty(path, out var whole)) return whole;
        var dot = path.IndexOf('.', StringComparison.Ordinal);
        return dot > 0 && within.TryGetProperty(path[..dot], out var inner) ? Find(inner, path[(dot + 1)..]) : null;
    }
}
