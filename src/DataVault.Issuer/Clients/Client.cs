using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Storage;
using Npgsql;

namespace DataVault.Issuer.Clients;

/// <summary>A client as the protocol needs it.</summary>
internal sealed record Client(RegisteredClient Public, byte[]? SecretHash, byte[]? FormerSecretHash, DateTimeOffset? FormerSecretUntil, byte[]? Seal)
{
    public const string Columns =
        "client_id, name, roles, purposes, grant_types, redirect_uris, sign_out_uris, created_at, secret_hash, former_secret_hash, former_secret_until, seal, "
        + "token_endpoint_auth_method, jwks, dpop_bound, resources, third_party, allowed_networks, expires_at, contact_sealed";

    private static readonly byte[] NoHash = new byte[32];

    /// <summary><see cref="ClientRegistration.Contact"/>, for the row's seal and for whoever may read it.</summary>
    public byte[]? ContactSealed { get; init; }

    public string Id => Public.Registration.Id;
    public string Name => Public.Registration.Name;

    /// <summary>A program on people's own machines, which can keep no secret (RFC 6749 §2.1).</summary>
    public bool IsProgram => Public.Registration.IsProgram;

    public static Client Read(NpgsqlDataReader r) => new(
        new RegisteredClient(ReadRegistration(r), r.Time(7)),
        r.OptionalReference<byte[]>(8),
        r.OptionalReference<byte[]>(9),
        r.Optional<DateTimeOffset>(10),
        r.OptionalReference<byte[]>(11))
    { ContactSealed = r.OptionalReference<byte[]>(19) };

    private static ClientRegistration ReadRegistration(NpgsqlDataReader r)
    {
        var method = r.OptionalReference<string>(12);
        return new ClientRegistration(
            r.GetString(0), r.GetString(1), (string[])r[2], (string[])r[3], (string[])r[4], (string[])r[5], (string[])r[6],
            IsProgram: r.IsDBNull(8) && method != AuthenticationMethods.PrivateKeyJwt)
        {
            AuthenticationMethod = method,
            KeySet = r.OptionalReference<string>(13),
            IsKeyBound = r.GetBoolean(14),
            Resources = (string[])r[15],
            IsThirdParty = r.GetBoolean(16),
            AllowedNetworks = (string[])r[17],
            ExpiresAt = r.Optional<DateTimeOffset>(18),
        };
    }

    /// <summary>Somebody else's, which people are asked about.</summary>
    public bool IsThirdParty => Public.Registration.IsThirdParty;

    /// <summary>Why it gets nothing now from there, though it showed who it is; null when it does.</summary>
    public string? RefusalAt(DateTimeOffset now, IPAddress? from)
    {
        if (IsExpired(now)) return "expired";
        return ClientNetworks.Contain(Public.Registration.AllowedNetworks, from) ? null : "out-of-network";
    }

    public bool IsExpired(DateTimeOffset now) => Public.Registration.ExpiresAt <= now;

    public bool Allows(string grantType) => Public.Registration.GrantTypes.Contains(grantType);

    // RFC 9700 §2.1: exact string comparison, no patterns; only the port on which a program listens on this machine is its own affair (RFC 8252 §7.3).
    public bool AllowsRedirect(string? uri) =>
        uri is not null && Public.Registration.RedirectUris.Contains(IsProgram ? WithoutPort(uri) : uri, StringComparer.Ordinal);

    public bool AllowsSignOut(string? uri) => uri is not null && Public.Registration.SignOutUris.Contains(uri, StringComparer.Ordinal);

    /// <summary>Which service its tokens are to be for (RFC 8707): null for the vault, which is what is meant when none is named.</summary>
    /// <returns>False for one that it is not registered for, and for several at once.</returns>
    public bool TryFindResource(string? named, string vault, out string? resource)
    {
        resource = named is null || named == vault || named == vault + "/" ? null : named;
        return resource is null || Public.Registration.Resources.Contains(resource, StringComparer.Ordinal);
    }

    /// <summary>Whether a registration with this secret, and no other, would change nothing.</summary>
    public bool Is(ClientRegistration given, string? secret)
    {
        var known = Public.Registration;
        return known.Name == given.Name && known.Roles.SequenceEqual(given.Roles) && known.Purposes.SequenceEqual(given.Purposes)
            && known.GrantTypes.SequenceEqual(given.GrantTypes) && known.RedirectUris.SequenceEqual(given.RedirectUris)
            && known.SignOutUris.SequenceEqual(given.SignOutUris) && FormerSecretHash is null
            && known.AuthenticationMethod == given.AuthenticationMethod && known.KeySet == given.KeySet && known.IsKeyBound == given.IsKeyBound
            && known.Resources.SequenceEqual(given.Resources) && known.IsThirdParty == given.IsThirdParty
            && known.AllowedNetworks.SequenceEqual(given.AllowedNetworks) && known.ExpiresAt == given.ExpiresAt && (ContactSealed is null) == (given.Contact is null)
            && (secret is null ? SecretHash is null : CryptographicOperations.FixedTimeEquals(SecretHash ?? NoHash, BearerValue.Hash(secret)));
    }

    private static string WithoutPort(string uri) =>
        Uri.TryCreate(uri, UriKind.Absolute, out var parsed) && uri == string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{parsed.Port}{parsed.AbsolutePath}")
            ? "http://127.0.0.1" + parsed.AbsolutePath
            : uri;

    /// <summary>Constant time in the secret and the same work for a client that does not exist.</summary>
    public static bool Verify(Client? client, string secret, DateTimeOffset now)
    {
        var hash = BearerValue.Hash(secret);
        var current = CryptographicOperations.FixedTimeEquals(hash, client?.SecretHash ?? NoHash);
        var former = CryptographicOperations.FixedTimeEquals(hash, client?.FormerSecretHash ?? NoHash);
        return client is not null && (current | (former & client.FormerSecretUntil > now));
    }
}
