using System.Net;
using DataVault.Issuer.Clients;

namespace DataVault.Issuer;

/// <summary>What an accepted access token says.</summary>
/// <param name="Subject"><c>sub</c>: account id of a person, client id of an application.</param>
/// <param name="ClientId"><c>client_id</c>.</param>
/// <param name="Realm"><c>realm</c>.</param>
/// <param name="Name"><c>name</c>: a role or an application's name, never a person's.</param>
/// <param name="Roles"><c>roles</c>.</param>
/// <param name="Purposes"><c>purposes</c>: the only ones that the bearer may name.</param>
/// <param name="Customer"><c>subject</c>: the vault's customer id, in the customer realm.</param>
/// <param name="Assurance"><c>acr</c>: 1 password or secret, 2 two factors.</param>
/// <param name="AuthenticatedAt"><c>auth_time</c>, for people.</param>
/// <param name="ExpiresAt"><c>exp</c>.</param>
/// <param name="TokenId"><c>jti</c>.</param>
/// <param name="Scope"><c>scope</c>.</param>
public sealed record ValidatedToken(
    string Subject, string ClientId, Realm Realm, string Name, IReadOnlyList<string> Roles, IReadOnlyList<string> Purposes, Guid? Customer,
    int Assurance, DateTimeOffset? AuthenticatedAt, DateTimeOffset ExpiresAt, string TokenId, string Scope)
{
    /// <summary><c>cnf.jkt</c> (RFC 9449): the key without whose proof the token is worth nothing; null for a bearer token.</summary>
    public string? KeyThumbprint { get; init; }

    /// <summary><c>networks</c>: from where alone it may be used; none for anywhere.</summary>
    public IReadOnlyList<string> Networks { get; init; } = [];

    /// <summary>Whether it may be used in a call from there.</summary>
    public bool IsGoodFrom(IPAddress? from) => ClientNetworks.Contain(Networks, from);

    internal string Audience { get; init; } = IssuerOptions.Audience;

    internal Guid? Authorisation { get; init; }
}

/// <summary>
/// The seam at which the API accepts bearer tokens. The issuer's own is <see cref="AccessTokenValidator"/>; another OpenID provider is used by
/// registering another implementation before <c>AddIssuer</c>.
/// </summary>
public interface IAccessTokenValidator
{
    /// <summary>Null for anything that is not an acceptable access token; the reason is not told.</summary>
    ValueTask<ValidatedToken?> ValidateAsync(string token, CancellationToken cancellationToken);
}
