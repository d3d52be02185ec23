using System.Net;

namespace DataVault.Issuer;

/// <summary>
/// An OpenID Connect provider of somebody else whose access tokens the API accepts (a company's own: Duende, Keycloak, Entra). Everything that it may say is
/// listed here: what is not mapped is not believed.
/// </summary>
public sealed record OutsideAuthority
{
    /// <summary>Its short name: lower-case letters, digits and hyphens. It stands before the ids of its applications.</summary>
    public required string Name { get; init; }

    /// <summary>The <c>iss</c> of its tokens, compared character by character; discovery is found below it.</summary>
    public required string Issuer { get; init; }

    /// <summary>The vault's name there: one of them must be in <c>aud</c>.</summary>
    public required IReadOnlyList<string> Audiences { get; init; }

    /// <summary>Of RS, PS and ES with 256, 384 or 512.</summary>
    public IReadOnlyList<string> Algorithms { get; init; } = ["RS256", "PS256", "ES256"];

    /// <summary>Values of <c>typ</c>. Providers that do not follow RFC 9068 write <c>JWT</c>, which must then be named.</summary>
    public IReadOnlyList<string> TokenTypes { get; init; } = ["at+jwt", "application/at+jwt"];

    /// <summary>Whom it may speak for.</summary>
    public IReadOnlyList<Realm> Realms { get; init; } = [Realm.Staff];

    /// <summary>Its words for the vault's roles.</summary>
    public required ClaimWords Roles { get; init; }

    /// <summary>Its words for the vault's purposes; without them people have those of their roles, and applications none.</summary>
    public ClaimWords? Purposes { get; init; }

    /// <summary>The claim, and its value, by which an application's own token is told; without it such a token has no <c>sub</c>, or one equal to the client's id.</summary>
    public (string Claim, string Value)? Application { get; init; }

    /// <summary>Values of <see cref="AcrClaim"/> that stand for two factors.</summary>
    public IReadOnlyList<string> MultiFactorAcr { get; init; } = [];

    /// <summary>Methods (RFC 8176) of which one in <c>amr</c> stands for two factors.</summary>
    public IReadOnlyList<string> MultiFactorAmr { get; init; } = ["mfa"];

    /// <summary>Where the authentication context stands.</summary>
    public string AcrClaim { get; init; } = "acr";

    /// <summary>How old its keys may be before they are looked up again, beside the calls that use them.</summary>
    public TimeSpan KeysFresh { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long its keys are used while it cannot be reached.</summary>
    public TimeSpan KeysLongest { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Whether an address may be fetched from: https, or this machine.</summary>
    public static bool IsSafe(Uri address) =>
        address is { IsAbsoluteUri: true, UserInfo: "" } && (address.Scheme == Uri.UriSchemeHttps
            || (address.Scheme == Uri.UriSchemeHttp && (address.Host == "localhost" || (IPAddress.TryParse(address.Host.Trim('[', ']'), out var ip) && IPAddress.IsLoopback(ip)))));
}

/// <summary>Words of a provider, found in a claim, and what they are called here.</summary>
/// <param name="Claim">Name of the claim, or a path of names with dots between (<c>realm_access.roles</c>): a list, or a text of words with spaces between.</param>
/// <param name="Words">Theirs, and ours.</param>
public sealed record ClaimWords(string Claim, IReadOnlyDictionary<string, string> Words);
