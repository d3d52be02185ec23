using System.Security.Cryptography;
using DataVault.Issuer.Keys;

namespace DataVault.Issuer.Clients;

/// <summary>A client as the protocol needs it.</summary>
internal sealed record Client(RegisteredClient Public, byte[] SecretHash, byte[]? FormerSecretHash, DateTimeOffset? FormerSecretUntil)
{
    private static readonly byte[] NoHash = new byte[32];

    public string Id => Public.Registration.Id;
    public string Name => Public.Registration.Name;

    public bool Allows(string grantType) => Public.Registration.GrantTypes.Contains(grantType);

    // RFC 9700 §2.1: exact string comparison, no patterns.
    public bool AllowsRedirect(string? uri) => uri is not null && Public.Registration.RedirectUris.Contains(uri, StringComparer.Ordinal);

    public bool AllowsSignOut(string? uri) => uri is not null && Public.Registration.SignOutUris.Contains(uri, StringComparer.Ordinal);

    /// <summary>Whether a registration with this secret, and no other, would change nothing.</summary>
    public bool Is(ClientRegistration given, string secret)
    {
        var known = Public.Registration;
        return known.Name == given.Name && known.Roles.SequenceEqual(given.Roles) && known.Purposes.SequenceEqual(given.Purposes)
            && known.GrantTypes.SequenceEqual(given.GrantTypes) && known.RedirectUris.SequenceEqual(given.RedirectUris)
            && known.SignOutUris.SequenceEqual(given.SignOutUris) && FormerSecretHash is null
            && CryptographicOperations.FixedTimeEquals(SecretHash, BearerValue.Hash(secret));
    }

    /// <summary>Constant time in the secret and the same work for a client that does not exist.</summary>
    public static bool Verify(Client? client, string secret, DateTimeOffset now)
    {
        var hash = BearerValue.Hash(secret);
        var current = CryptographicOperations.FixedTimeEquals(hash, client?.SecretHash ?? NoHash);
        var former = CryptographicOperations.FixedTimeEquals(hash, client?.FormerSecretHash ?? NoHash);
        return client is not null && (current | (former & client.FormerSecretUntil > now));
    }
}
