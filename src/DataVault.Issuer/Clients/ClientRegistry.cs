using System.Text;
using System.Text.RegularExpressions;
using DataVault.Issuer.Clients;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Storage;
using Npgsql;

namespace DataVault.Issuer;

/// <summary>Ways in which a client may get tokens (OAuth 2.0 <c>grant_type</c>).</summary>
public static class GrantTypes
{
    public const string ClientCredentials = "client_credentials";
    public const string AuthorizationCode = "authorization_code";
    public const string RefreshToken = "refresh_token";
}

/// <summary>Ways in which a client shows who it is (OpenID Connect Core 1.0 §9), as they are registered.</summary>
public static class AuthenticationMethods
{
    public const string SecretBasic = "client_secret_basic";
    public const string SecretPost = "client_secret_post";
    public const string PrivateKeyJwt = "private_key_jwt";
}

/// <summary>What an application is registered with.</summary>
/// <param name="Id">Lower-case letters, digits and hyphens, 3 to 64.</param>
/// <param name="Name">Shown to people and in the log; not a person's name.</param>
/// <param name="Roles">Roles of its own tokens.</param>
/// <param name="Purposes">The only purposes that its own tokens may name.</param>
/// <param name="GrantTypes">Of <see cref="Issuer.GrantTypes"/>.</param>
/// <param name="RedirectUris">Absolute, compared character by character. For <c>authorization_code</c> only.</param>
/// <param name="SignOutUris">Where a signed-out browser may be sent.</param>
/// <param name="IsProgram">Runs on people's own machines and so has no secret: PKCE and a sign-in made for it take its place.</param>
public sealed record ClientRegistration(
    string Id, string Name, IReadOnlyList<string> Roles, IReadOnlyList<string> Purposes, IReadOnlyList<string> GrantTypes,
    IReadOnlyList<string> RedirectUris, IReadOnlyList<string> SignOutUris, bool IsProgram = false)
{
    /// <summary>Of <see cref="AuthenticationMethods"/>; null for a secret in whichever of the two places, and for a program, which has none.</summary>
    public string? AuthenticationMethod { get; init; }

    /// <summary>A JSON Web Key Set with the public keys of a client of <see cref="AuthenticationMethods.PrivateKeyJwt"/>.</summary>
    public string? KeySet { get; init; }

    /// <summary>Its tokens are bound to a key of its own (RFC 9449), and it gets no others.</summary>
    public bool IsKeyBound { get; init; }

    /// <summary>Other services than the vault that its tokens may be meant for (RFC 8707): absolute addresses.</summary>
    public IReadOnlyList<string> Resources { get; init; } = [];

    /// <summary>Somebody else's: whoever signs in there is asked first what it may be told.</summary>
    public bool IsThirdParty { get; init; }

    /// <summary>Networks (CIDR) from which it may ask for tokens and use its own; none for any.</summary>
    public IReadOnlyList<string> AllowedNetworks { get; init; } = [];

    /// <summary>From when on it is refused; null for never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>Whom to ask about it. Kept sealed, and in no entry of the log; there in what <see cref="ClientRegistry.ListAsync"/> gives.</summary>
    public string? Contact { get; init; }

    public static ClientRegistration Application(string id, string name, IReadOnlyList<string> roles, IReadOnlyList<string> purposes) =>
        new(id, name, roles, purposes, [Issuer.GrantTypes.ClientCredentials], [], []);

    /// <summary>An application that signs for itself with a key of its own instead of a secret (RFC 7523).</summary>
    public static ClientRegistration KeyHolder(string id, string name, IReadOnlyList<string> roles, IReadOnlyList<string> purposes, string keySet) =>
        Application(id, name, roles, purposes) with { AuthenticationMethod = AuthenticationMethods.PrivateKeyJwt, KeySet = keySet };

    /// <summary>A web application in which people sign in.</summary>
    public static ClientRegistration SignIn(string id, string name, IReadOnlyList<string> redirectUris, IReadOnlyList<string> signOutUris) =>
        new(id, name, [], [], [Issuer.GrantTypes.AuthorizationCode, Issuer.GrantTypes.RefreshToken], redirectUris, signOutUris);

    /// <summary>A program on people's own machines, which listens on whatever port of 127.0.0.1 is free (RFC 8252).</summary>
    public static ClientRegistration Program(string id, string name, string path) =>
        new(id, name, [], [], [Issuer.GrantTypes.AuthorizationCode, Issuer.GrantTypes.RefreshToken], ["http://127.0.0.1" + path], [], IsProgram: true);
}

/// <summary>A registered application, without its secret.</summary>
public sealed record RegisteredClient(ClientRegistration Registration, DateTimeOffset CreatedAt);

/// <summary>Applications that may ask for tokens. Secrets are shown once, when they are made.</summary>
public sealed partial class ClientRegistry
{
    private readonly IssuerDatabase database;
    private readonly Revocations revocations;
    private readonly ChangeLedger changes;
    private readonly IssuerOptions options;
    private readonly TimeProvider clock;
    private readonly IssuerSecrets secrets;

    internal ClientRegistry(
        IssuerDatabase database, Revocations revocations, ChangeLedger changes, IssuerOptions options, TimeProvider clock, IssuerSecrets secrets) =>
        (this.database, this.revocations, this.changes, this.options, this.clock, this.secrets) =
        (database, revocations, changes, options, clock, secrets);

    /// <summary>Registers an application and returns its secret.</summary>
    /// <exception cref="IssuerException">conflict, invalid-fields.</exception>
    public async Task<string> RegisterAsync(ClientRegistration registration, IssuerParty actor, CancellationToken cancellationToken = default)
    {
        if (registration.IsProgram || registration.KeySet is not null) throw IssuerException.Invalid("A program has no secret to be registered with, nor has a client with keys.");
        var secret = BearerValue.New(secrets.Random);
        await RegisterAsync(registration, secret, actor, cancellationToken);
        return secret;
    }

    /// <summary>Registers an application that signs with a key of its own; there is no secret.</summary>
    /// <exception cref="IssuerException">conflict, invalid-fields.</exception>
    public Task RegisterKeyHolderAsync(ClientRegistration registration, IssuerParty actor, CancellationToken cancellationToken = default)
    {
        if (registration.KeySet is null) throw IssuerException.Invalid("A client without a secret brings its public keys.");
        return RegisterAsync(registration with { KeySet = ClientKeys.Parse(registration.KeySet).Text }, null, actor, cancellationToken);
    }

    /// <summary>
    /// Makes the registration be what is given, with a secret that the caller holds (at least 32 random characters): for the applications that the
    /// vault brings itself and whose address may differ from start to start. Nothing happens when it is so already.
    /// </summary>
    /// <param name="registration">What it is to be.</param>
    /// <param name="secret">Null for a program.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task EnsureAsync(ClientRegistration registration, string? secret, CancellationToken cancellationToken = default)
    {
        Check(registration, options);
        if ((registration.IsProgram || registration.KeySet is not null) != secret is null || secret?.Length < 32) throw IssuerException.Invalid("A client secret has at least 32 characters, and a program has none.");
        var known = await FindAsync(registration.Id, cancellationToken);
        if (known is not null && known.Is(registration, secret)) return;
        await ChangeAsync(
            registration,
            IssuerParty.Vault,
            known is null ? "registered" : "changed",
            transaction => InsertAsync(
                transaction,
                registration,
                clock.GetUtcNow(),
                secret,
                """
                ON CONFLICT (client_id) DO UPDATE SET name = $2, roles = $3, purposes = $4, grant_types = $5, redirect_uris = $6, sign_out_uris = $7,
                    secret_hash = $9, former_secret_hash = NULL, former_secret_until = NULL, seal = $10,
                    token_endpoint_auth_method = $11, jwks = $12, dpop_bound = $13, resources = $14, third_party = $15,
                    allowed_networks = $16, expires_at = $17, contact_sealed = $18
                """,
                cancellationToken),
            cancellationToken);
    }

    public async Task<IReadOnlyList<RegisteredClient>> ListAsync(CancellationToken cancellationToken = default) =>
        [.. (await database.ListAsync($"SELECT {Client.Columns} FROM issuer.client ORDER BY client_id", Client.Read, cancellationToken)).Select(WithContact)];

    /// <summary>How many applications have expired, and how many will within a time.</summary>
    public async Task<(int Expired, int Soon)> ExpiryAsync(TimeSpan within, CancellationToken cancellationToken = default)
    {
        var now = clock.GetUtcNow();
        var ends = await database.ListAsync("SELECT expires_at FROM issuer.client WHERE expires_at <= $1", r => r.Time(0), cancellationToken, now + within);
        return (ends.Count(end => end <= now), ends.Count(end => end > now));
    }

    /// <summary>
    /// Another name, other roles, purposes, networks, another expiry or contact, all of them as given. Tokens that it holds stay as they are for the minutes that they live.
    /// </summary>
    /// <exception cref="IssuerException">not-found, invalid-fields, conflict.</exception>
    public async Task ChangeAsync(string id, Func<ClientRegistration, ClientRegistration> change, IssuerParty actor, CancellationToken cancellationToken = default)
    {
        var client = await FindAsync(id, cancellationToken) ?? throw IssuerException.NotFound("client");
        var r = change(client.Public.Registration) with { Id = id };
        Check(r, options);
        var next = client with { Public = client.Public with { Registration = r }, ContactSealed = SealContact(r) };
        await ChangeAsync(
            r,
            actor,
            "changed",
            async transaction =>
            {
                var changed = await transaction.ExecuteAsync(
                    """
                    UPDATE issuer.client SET name = $2, roles = $3, purposes = $4, allowed_networks = $5, expires_at = $6, contact_sealed = $7, seal = $8
                    WHERE client_id = $1 AND seal = $9
                    """,
                    cancellationToken,
                    id,
                    r.Name,
                    r.Roles.ToArray(),
                    r.Purposes.ToArray(),
                    r.AllowedNetworks.ToArray(),
                    r.ExpiresAt,
                    next.ContactSealed,
                    secrets.Rows.Of(next),
                    client.Seal);
                if (changed == 0) throw IssuerException.Conflict("a newer registration");
            },
            cancellationToken);
    }

    /// <summary>A new secret; the former one works for <see cref="IssuerOptions.SecretOverlap"/>, so that the application can change over.</summary>
    public async Task<string> RotateSecretAsync(string id, IssuerParty actor, CancellationToken cancellationToken = default)
    {
        var client = await FindAsync(id, cancellationToken) ?? throw IssuerException.NotFound("client");
        if (client.SecretHash is null) throw IssuerException.Invalid("A program has no secret, nor has a client with keys.");
        var secret = BearerValue.New(secrets.Random);
        await ChangeAsync(
            client.Public.Registration,
            actor,
            "secret-rotated",
            transaction => ReplaceSecretAsync(transaction, client, secret, cancellationToken),
            cancellationToken);
        return secret;
    }

    /// <summary>Other public keys for an application that signs with them. Both keys stand in the set while it changes over; one that is left out is refused from now on.</summary>
    /// <exception cref="IssuerException">not-found, invalid-fields, conflict.</exception>
    public async Task ReplaceKeysAsync(string id, string keySet, IssuerParty actor, CancellationToken cancellationToken = default)
    {
        var client = await FindAsync(id, cancellationToken) ?? throw IssuerException.NotFound("client");
        if (client.Public.Registration.KeySet is null) throw IssuerException.Invalid("This client shows a secret; it has no keys to replace.");
        var next = client with { Public = client.Public with { Registration = client.Public.Registration with { KeySet = ClientKeys.Parse(keySet).Text } } };
        await ChangeAsync(
            next.Public.Registration,
            actor,
            "keys-replaced",
            async transaction =>
            {
                var changed = await transaction.ExecuteAsync(
                    "UPDATE issuer.client SET jwks = $2, seal = $3 WHERE client_id = $1 AND seal = $4",
                    cancellationToken,
                    id,
                    next.Public.Registration.KeySet,
                    secrets.Rows.Of(next),
                    client.Seal);
                if (changed == 0) throw IssuerException.Conflict("a newer key set");
            },
            cancellationToken);
    }

    /// <summary>Removes an application; tokens that it holds stop working, and so do those of people who signed in through it.</summary>
    public async Task RemoveAsync(string id, IssuerParty actor, CancellationToken cancellationToken = default)
    {
        // One that is not as the vault wrote it must be removable too.
        var client = await AnyAsync(id, cancellationToken) ?? throw IssuerException.NotFound("client");
        await ChangeAsync(
            client.Public.Registration,
            actor,
            "removed",
            async transaction =>
            {
                await revocations.RevokeAsync(transaction, Revocations.OfClient(id), cancellationToken);
                await transaction.ExecuteAsync("DELETE FROM issuer.client WHERE client_id = $1", cancellationToken, id);
            },
            cancellationToken);
    }

    /// <summary>A client that is as the vault wrote it; any other is as good as absent.</summary>
    internal async Task<Client?> FindAsync(string id, CancellationToken cancellationToken) =>
        await AnyAsync(id, cancellationToken) is { } client && await secrets.Rows.HoldAsync(client, cancellationToken) ? client : null;

    internal bool IsExpired(Client client) => client.IsExpired(clock.GetUtcNow());

    private Task<Client?> AnyAsync(string id, CancellationToken cancellationToken) =>
        database.FirstAsync($"SELECT {Client.Columns} FROM issuer.client WHERE client_id = $1", Client.Read, cancellationToken, id);

    private async Task RegisterAsync(ClientRegistration registration, string? secret, IssuerParty actor, CancellationToken cancellationToken)
    {
        Check(registration, options);
        if (await AnyAsync(registration.Id, cancellationToken) is not null) throw IssuerException.Conflict("a client");
        await ChangeAsync(
            registration,
            actor,
            "registered",
            async transaction =>
            {
                if (await InsertAsync(transaction, registration, clock.GetUtcNow(), secret, "ON CONFLICT (client_id) DO NOTHING", cancellationToken) == 0)
                    throw IssuerException.Conflict("a client");
            },
            cancellationToken);
    }

    // The seal that was checked is asked for, so that nothing that was changed since is vouched for.
    private async Task ReplaceSecretAsync(IssuerTransaction transaction, Client client, string secret, CancellationToken cancellationToken)
    {
        var next = client with { SecretHash = BearerValue.Hash(secret), FormerSecretHash = client.SecretHash, FormerSecretUntil = clock.GetUtcNow() + options.SecretOverlap };
        var changed = await transaction.ExecuteAsync(
            "UPDATE issuer.client SET former_secret_hash = $2, former_secret_until = $3, secret_hash = $4, seal = $5 WHERE client_id = $1 AND seal = $6",
            cancellationToken,
            client.Id,
            next.FormerSecretHash,
            next.FormerSecretUntil,
            next.SecretHash,
            secrets.Rows.Of(next),
            client.Seal);
        if (changed == 0) throw IssuerException.Conflict("a newer secret");
    }

    private async Task<int> InsertAsync(
        IssuerTransaction transaction, ClientRegistration r, DateTimeOffset now, string? secret, string onConflict, CancellationToken cancellationToken)
    {
        await Revocations.LiftAsync(transaction, Revocations.OfClient(r.Id), cancellationToken);
        var client = new Client(new RegisteredClient(r, now), secret is null ? null : BearerValue.Hash(secret), null, null, null) { ContactSealed = SealContact(r) };
        return await transaction.ExecuteAsync(
            $"""
            INSERT INTO issuer.client (client_id, name, roles, purposes, grant_types, redirect_uris, sign_out_uris, created_at, secret_hash, seal,
                token_endpoint_auth_method, jwks, dpop_bound, resources, third_party, allowed_networks, expires_at, contact_sealed)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) {onConflict}
            """,
            cancellationToken,
            r.Id,
            r.Name,
            r.Roles.ToArray(),
            r.Purposes.ToArray(),
            r.GrantTypes.ToArray(),
            r.RedirectUris.ToArray(),
            r.SignOutUris.ToArray(),
            now,
            client.SecretHash,
            secrets.Rows.Of(client, await secrets.Rows.NewestAsync("client", r.Id, cancellationToken)),
            r.AuthenticationMethod,
            r.KeySet,
            r.IsKeyBound,
            r.Resources.ToArray(),
            r.IsThirdParty,
            r.AllowedNetworks.ToArray(),
            r.ExpiresAt,
            client.ContactSealed);
    }

    private byte[]? SealContact(ClientRegistration r) => r.Contact is { } contact ? secrets.Seal(ContactContext(r.Id), Encoding.UTF8.GetBytes(contact)) : null;

    // One that is not as the vault wrote it is listed, so that it can be removed, without what somebody put there.
    private RegisteredClient WithContact(Client client)
    {
        if (client.ContactSealed is not { } held || !secrets.Rows.Hold(client)) return client.Public;
        using var opened = secrets.Open(ContactContext(client.Id), held);
        return client.Public with { Registration = client.Public.Registration with { Contact = Encoding.UTF8.GetString(opened.Span) } };
    }

    private static string ContactContext(string id) => $"client/{id}/contact";

    private async Task ChangeAsync(
        ClientRegistration r, IssuerParty actor, string what, Func<IssuerTransaction, Task> work, CancellationToken cancellationToken)
    {
        await changes.MakeAsync(new IssuerChange(actor, new IssuerParty(Realm.Application, r.Id, r.Name), what), work, cancellationToken);
        revocations.Forget();
    }

    private static void Check(ClientRegistration r, IssuerOptions options)
    {
        if (!IdPattern().IsMatch(r.Id) || Guid.TryParse(r.Id, out _))
            throw IssuerException.Invalid("A client id has 3 to 64 lower-case letters, digits and hyphens and begins with a letter.");
        if (string.IsNullOrWhiteSpace(r.Name) || r.Name.Length > 100) throw IssuerException.Invalid("A client has a name of at most 100 characters.");
        if (r.GrantTypes.Count == 0 || r.GrantTypes.Except(Known).Any()) throw IssuerException.Invalid("A grant type is unknown.");
        if (r.GrantTypes.Contains(GrantTypes.AuthorizationCode) != (r.RedirectUris.Count > 0))
            throw IssuerException.Invalid("Redirect addresses belong to the authorization code grant, and it needs at least one.");
        if (r.IsProgram && (r.GrantTypes.Contains(GrantTypes.ClientCredentials) || r.Roles.Count + r.Purposes.Count > 0 || r.RedirectUris.Any(uri => !uri.StartsWith("http://127.0.0.1/", StringComparison.Ordinal))))
            throw IssuerException.Invalid("A program acts for the person who signs in alone, on 127.0.0.1.");
        if (r.Roles.Contains(IssuerOptions.CustomerRole)) throw IssuerException.Invalid("An application cannot have the role of a customer.");
        if (r.AllowedNetworks.Count > 64 || r.AllowedNetworks.Any(network => !ClientNetworks.IsNetwork(network)))
            throw IssuerException.Invalid("A network is written as address/bits (198.51.100.0/24, 2001:db8::/32), with no bits set behind them; at most 64.");
        if (r.Contact is { Length: 0 or > 254 }) throw IssuerException.Invalid("A contact has at most 254 characters.");
        CheckAuthentication(r);
        if (r.Resources.Any(text => !Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Fragment.Length > 0 || text.Contains(' ', StringComparison.Ordinal)))
            throw IssuerException.Invalid("A resource is an absolute address without a fragment.");
        if (r.RedirectUris.Concat(r.SignOutUris).Any(uri => !IsRedirect(uri, r.IsProgram, options)))
            throw IssuerException.Invalid("A redirect address is absolute, has no fragment, and is https (http in Development, and for a program on this machine).");
    }

    private static void CheckAuthentication(ClientRegistration r)
    {
        if (r.AuthenticationMethod is not (null or AuthenticationMethods.SecretBasic or AuthenticationMethods.SecretPost or AuthenticationMethods.PrivateKeyJwt))
            throw IssuerException.Invalid("The way in which a client shows who it is is unknown.");
        if ((r.AuthenticationMethod == AuthenticationMethods.PrivateKeyJwt) != r.KeySet is not null || (r.IsProgram && r.AuthenticationMethod is not null))
            throw IssuerException.Invalid("Keys belong to private_key_jwt, which needs them; a program has neither.");
        if (r.KeySet is not null) ClientKeys.Parse(r.KeySet);
    }

    private static readonly string[] Known = [GrantTypes.ClientCredentials, GrantTypes.AuthorizationCode, GrantTypes.RefreshToken];

    // RFC 9700 §2.6: no http, but for programs on this machine.
    private static bool IsRedirect(string text, bool isProgram, IssuerOptions options) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Fragment.Length == 0 && uri.UserInfo.Length == 0 && !text.Contains('*', StringComparison.Ordinal)
        && (uri.Scheme == Uri.UriSchemeHttps || (uri.Scheme == Uri.UriSchemeHttp && (options.Development || (isProgram && uri.IsLoopback))));

    [GeneratedRegex("^[a-z][a-z0-9-]{2,63}$", RegexOptions.CultureInvariant)]
    private static partial Regex IdPattern();
}
