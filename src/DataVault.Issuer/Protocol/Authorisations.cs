using DataVault.Cryptography;
using DataVault.Issuer.Accounts;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Storage;
using Npgsql;

namespace DataVault.Issuer.Protocol;

/// <summary>One sign-in of one person at one client. Its code, its refresh tokens and its access tokens live and die with it.</summary>
internal sealed record Authorisation(
    Guid Id, string ClientId, Guid AccountId, Guid SessionId, string SecurityStamp, string Scope, int Assurance, DateTimeOffset AuthTime,
    DateTimeOffset ExpiresAt)
{
    /// <summary>What was shown at the sign-in (RFC 8176).</summary>
    public string[] Amr { get; init; } = [];

    /// <summary>The key of a program that keeps no secret: its refresh tokens are worth nothing without (RFC 9449 §5).</summary>
    public string? KeyThumbprint { get; init; }

    /// <summary>Another service that the tokens are for (RFC 8707); null for the vault.</summary>
    public string? Resource { get; init; }

    /// <summary><see cref="Keys.RowSeals"/>.</summary>
    public byte[]? Seal { get; init; }

    public bool HasScope(string scope) => Scope.Split(' ').Contains(scope);
}

/// <summary>What a client asked for when it sent somebody to sign in, as far as the code must remember it.</summary>
/// <param name="ClientId">Whose code it is.</param>
/// <param name="Scope">Those that are known.</param>
/// <param name="RedirectUri">Where the code went.</param>
/// <param name="Challenge">PKCE.</param>
/// <param name="Nonce">For the ID token.</param>
/// <param name="Resource">What the tokens are for.</param>
/// <param name="KeyThumbprint"><c>dpop_jkt</c> (RFC 9449 §10): the code is for whoever holds this key.</param>
internal sealed record CodeRequest(
    string ClientId, string Scope, string RedirectUri, string Challenge, string? Nonce, string? Resource = null, string? KeyThumbprint = null);

/// <summary>A code that has just been used up, and what it was made for.</summary>
internal sealed record RedeemedCode(Authorisation Authorisation, string RedirectUri, string Challenge, string? Nonce, string? KeyThumbprint);

/// <summary>A refresh token that could be used.</summary>
internal sealed record RefreshTokenFacts(Authorisation Authorisation, AccountFacts Account, DateTimeOffset ExpiresAt);

/// <summary>
/// Codes and refresh tokens, kept as hashes. Each is used at most once, decided by one conditional UPDATE; a second use means that somebody
/// else has a copy, and ends the whole authorisation (RFC 9700 §4.5, §4.14.2).
/// </summary>
internal sealed class Authorisations(
    IssuerDatabase database, Revocations revocations, ISignInAudit audit, IssuerOptions options, TimeProvider clock, IssuerSecrets secrets)
{
    private const string Columns =
        "z.id, z.client_id, z.account_id, z.session_id, z.security_stamp, z.scope, z.assurance, z.auth_time, z.expires_at, z.seal, z.amr, z.key_thumbprint, z.resource";

    private const int AfterColumns = 13;

    /// <summary>Returns the code.</summary>
    public async Task<string> StartAsync(Session session, CodeRequest request, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        var code = BearerValue.New(secrets.Random);
        var hash = BearerValue.Hash(code);
        var made = new Authorisation(
            Uuid.Version7(clock, secrets.Random), request.ClientId, session.Account.Id, session.Id, session.Account.SecurityStamp, request.Scope, session.Assurance,
            session.AuthTime, session.ExpiresAt)
        {
            Amr = session.Amr,
            Resource = request.Resource,
        };
        await database.ExecuteAsync(
            """
            WITH z AS (
                INSERT INTO issuer.authorisation
                    (id, client_id, account_id, session_id, security_stamp, scope, assurance, auth_time, expires_at, seal, amr, resource)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id)
            INSERT INTO issuer.code (hash, authorisation_id, redirect_uri, challenge, nonce, expires_at, seal, key_thumbprint)
            SELECT $13, z.id, $14, $15, $16, $17, $18, $19 FROM z
            """,
            cancellationToken,
            made.Id,
            made.ClientId,
            made.AccountId,
            made.SessionId,
            made.SecurityStamp,
            made.Scope,
            made.Assurance,
            made.AuthTime,
            made.ExpiresAt,
            secrets.Rows.Of(made),
            made.Amr,
            made.Resource,
            hash,
            request.RedirectUri,
            request.Challenge,
            request.Nonce,
            now + options.CodeLifetime,
            secrets.Rows.OfCode(hash, made.Id, request, now + options.CodeLifetime),
            request.KeyThumbprint);
        return code;
    }

    /// <summary>Binds what comes of a sign-in to a key, before its first token is made.</summary>
    public async Task<Authorisation> BindAsync(Authorisation authorisation, string thumbprint, CancellationToken cancellationToken)
    {
        var bound = authorisation with { KeyThumbprint = thumbprint };
        bound = bound with { Seal = secrets.Rows.Of(bound) };
        await database.ExecuteAsync(
            "UPDATE issuer.authorisation SET key_thumbprint = $2, seal = $3 WHERE id = $1 AND seal = $4", cancellationToken, bound.Id, thumbprint, bound.Seal, authorisation.Seal);
        return bound;
    }

    /// <summary>Null for a code that is unknown, too old, of another client, of a dead authorisation, or used before.</summary>
    public async Task<RedeemedCode?> RedeemAsync(string code, string clientId, CancellationToken cancellationToken)
    {
        var hash = BearerValue.Hash(code);
        var redeemed = await database.FirstAsync(
            $"""
            UPDATE issuer.code c SET used_at = $2 FROM issuer.authorisation z
            WHERE c.hash = $1 AND c.used_at IS NULL AND c.expires_at > $2
                AND z.id = c.authorisation_id AND z.client_id = $3 AND z.revoked_at IS NULL
            RETURNING {Columns}, c.redirect_uri, c.challenge, c.nonce, c.expires_at, c.seal, c.key_thumbprint
            """,
            r => ReadCode(r, hash),
            cancellationToken,
            hash,
            clock.GetUtcNow(),
            clientId);
        if (redeemed is null) await EndIfUsedBeforeAsync("code", hash, SignInKinds.CodeReplay, cancellationToken);
        return redeemed;
    }

    public async Task<string> IssueRefreshTokenAsync(Authorisation authorisation, CancellationToken cancellationToken)
    {
        var token = BearerValue.New(secrets.Random);
        var hash = BearerValue.Hash(token);
        var idle = clock.GetUtcNow() + options.RefreshIdle;
        var expiresAt = idle < authorisation.ExpiresAt ? idle : authorisation.ExpiresAt;
        await database.ExecuteAsync(
            "INSERT INTO issuer.refresh_token (hash, authorisation_id, expires_at, seal) VALUES ($1, $2, $3, $4)",
            cancellationToken,
            hash,
            authorisation.Id,
            expiresAt,
            secrets.Rows.OfRefreshToken(hash, authorisation.Id, expiresAt));
        return token;
    }

    /// <summary>Null for a refresh token that is unknown, too old, of another client, of a dead authorisation, or used before.</summary>
    public async Task<Authorisation?> UseRefreshTokenAsync(string token, string clientId, CancellationToken cancellationToken)
    {
        var hash = BearerValue.Hash(token);
        var used = await database.FirstAsync(
            $"""
            UPDATE issuer.refresh_token t SET used_at = $2 FROM issuer.authorisation z
            WHERE t.hash = $1 AND t.used_at IS NULL AND t.expires_at > $2
                AND z.id = t.authorisation_id AND z.client_id = $3 AND z.revoked_at IS NULL
            RETURNING {Columns}, t.expires_at, t.seal
            """,
            r => ReadRefreshed(r, hash),
            cancellationToken,
            hash,
            clock.GetUtcNow(),
            clientId);
        if (used is null) await EndIfUsedBeforeAsync("refresh_token", hash, SignInKinds.RefreshReuse, cancellationToken);
        return used;
    }

    /// <summary>What a refresh token that could be used now would give, if it is this client's; null otherwise. Looking does not use it.</summary>
    public Task<RefreshTokenFacts?> FindRefreshTokenAsync(string token, string clientId, CancellationToken cancellationToken)
    {
        var hash = BearerValue.Hash(token);
        return database.FirstAsync(
            $"""
            SELECT {Columns}, t.expires_at, t.seal, {AccountFacts.Columns}
            FROM issuer.refresh_token t JOIN issuer.authorisation z ON z.id = t.authorisation_id JOIN issuer.account a ON a.id = z.account_id
            WHERE t.hash = $1 AND t.used_at IS NULL AND t.expires_at > $2 AND z.client_id = $3 AND z.revoked_at IS NULL
            """,
            r => ReadRefreshed(r, hash) is { } authorisation && AccountFacts.Read(r, secrets.Rows, AfterColumns + 2) is { } account
                ? new RefreshTokenFacts(authorisation, account, r.Time(AfterColumns))
                : null,
            cancellationToken,
            hash,
            clock.GetUtcNow(),
            clientId);
    }

    /// <summary>Ends a sign-in at a client, with others in a transaction; <see cref="Revocations.Forget"/> is to follow the commit.</summary>
    public Task RevokeAsync(IssuerStatements statements, Guid authorisation, CancellationToken cancellationToken) =>
        RevokeAsync(statements, "id = $3", cancellationToken, authorisation);

    public Task RevokeAsync(Guid authorisation, CancellationToken cancellationToken) => RevokeAsync(database, "id = $3", cancellationToken, authorisation);

    public Task RevokeSessionAsync(Guid session, CancellationToken cancellationToken) =>
        RevokeAsync(database, "session_id = $3", cancellationToken, session);

    /// <summary>With others in a transaction.</summary>
    public Task RevokeAccountAsync(IssuerStatements statements, Guid account, CancellationToken cancellationToken) =>
        RevokeAsync(statements, "account_id = $3", cancellationToken, account);

    /// <summary>Ends what somebody is signed in to at one client, with others in a transaction; <see cref="Forget"/> is to follow the commit.</summary>
    public Task RevokeAtClientAsync(IssuerStatements statements, Guid account, string client, CancellationToken cancellationToken) =>
        RevokeAsync(statements, "account_id = $3 AND client_id = $4", cancellationToken, account, client);

    /// <summary>The next look at what is revoked reads it again.</summary>
    public void Forget() => revocations.Forget();

    /// <summary>Notes for its owner that a consent was used.</summary>
    public Task NoteUseAsync(Authorisation authorisation, CancellationToken cancellationToken) => database.ExecuteAsync(
        "UPDATE issuer.client_consent SET used_at = $3 WHERE account_id = $1 AND client_id = $2", cancellationToken, authorisation.AccountId, authorisation.ClientId, clock.GetUtcNow());

    /// <summary>The account behind an authorisation, unless it was switched off or got another password since.</summary>
    public async Task<AccountFacts?> AccountAsync(Authorisation authorisation, CancellationToken cancellationToken)
    {
        var account = await secrets.Rows.NewestAsync(
            () => database.FirstAsync(
                $"SELECT {AccountFacts.Columns} FROM issuer.account a WHERE a.id = $1", r => AccountFacts.Read(r, secrets.Rows), cancellationToken, authorisation.AccountId),
            found => found,
            cancellationToken);
        if (account is null || account.SecurityStamp != authorisation.SecurityStamp || account.MustChangePassword) return null;
        return account.IsDisabled(clock.GetUtcNow()) ? null : account;
    }

    // The table's name is one of two constants of this file, never input.
    private async Task EndIfUsedBeforeAsync(string table, byte[] hash, string kind, CancellationToken cancellationToken)
    {
        var used = await database.FirstAsync(
            $"""
            SELECT {Columns}, {AccountFacts.Columns}
            FROM issuer.{table} t JOIN issuer.authorisation z ON z.id = t.authorisation_id JOIN issuer.account a ON a.id = z.account_id
            WHERE t.hash = $1 AND t.used_at IS NOT NULL
            """,
            r => Read(r) is { } authorisation && AccountFacts.Read(r, secrets.Rows, AfterColumns) is { } account ? new Replayed(authorisation, account) : null,
            cancellationToken,
            hash);
        if (used is null) return;
        await RevokeAsync(used.Authorisation.Id, cancellationToken);
        var account = used.Account;
        await audit.RecordAsync(
            new SignInEvent(false, kind, account.Id.ToString("D"), account.Realm, account.DisplayName, account.SubjectId, "used-twice"),
            cancellationToken);
    }

    // One statement, so that no crash leaves an authorisation ended and its access tokens accepted. The hour covers tokens issued at its very end.
    private async Task RevokeAsync(IssuerStatements statements, string where, CancellationToken cancellationToken, params object[] values)
    {
        var now = clock.GetUtcNow();
        await statements.ExecuteAsync(
            $"""
            WITH ended AS (
                UPDATE issuer.authorisation SET revoked_at = $1
                WHERE revoked_at IS NULL AND expires_at > $1 - interval '1 hour' AND {where} RETURNING id)
            INSERT INTO issuer.revocation (key, until) SELECT 'authorisation:' || replace(id::text, '-', ''), $2 FROM ended
            ON CONFLICT (key) DO NOTHING
            """,
            cancellationToken,
            [now, revocations.Until(now), .. values]);
        revocations.Forget();
    }

    /// <summary>Null when it is not as the vault wrote it.</summary>
    private Authorisation? Read(NpgsqlDataReader r)
    {
        var read = new Authorisation(
            r.GetGuid(0), r.GetString(1), r.GetGuid(2), r.GetGuid(3), r.GetString(4), r.GetString(5), r.GetInt32(6), r.Time(7), r.Time(8))
        {
            Seal = r.OptionalReference<byte[]>(9),
            Amr = (string[])r[10],
            KeyThumbprint = r.OptionalReference<string>(11),
            Resource = r.OptionalReference<string>(12),
        };
        return secrets.Rows.Hold("authorisation", read.Seal, secrets.Rows.Of(read)) ? read : null;
    }

    private RedeemedCode? ReadCode(NpgsqlDataReader r, byte[] hash)
    {
        if (Read(r) is not { } authorisation) return null;
        var code = new RedeemedCode(
            authorisation, r.GetString(AfterColumns), r.GetString(AfterColumns + 1), r.OptionalReference<string>(AfterColumns + 2),
            r.OptionalReference<string>(AfterColumns + 5));
        var asked = new CodeRequest(authorisation.ClientId, authorisation.Scope, code.RedirectUri, code.Challenge, code.Nonce, authorisation.Resource, code.KeyThumbprint);
        var due = secrets.Rows.OfCode(hash, authorisation.Id, asked, r.Time(AfterColumns + 3));
        return secrets.Rows.Hold("code", r.OptionalReference<byte[]>(AfterColumns + 4), due) ? code : null;
    }

    private Authorisation? ReadRefreshed(NpgsqlDataReader r, byte[] hash)
    {
        if (Read(r) is not { } authorisation) return null;
        var due = secrets.Rows.OfRefreshToken(hash, authorisation.Id, r.Time(AfterColumns));
        return secrets.Rows.Hold("refresh_token", r.OptionalReference<byte[]>(AfterColumns + 1), due) ? authorisation : null;
    }

    private sealed record Replayed(Authorisation Authorisation, AccountFacts Account);
}
