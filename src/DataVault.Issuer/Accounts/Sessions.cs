using DataVault.Cryptography;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Protocol;
using DataVault.Issuer.Storage;
using Microsoft.AspNetCore.Http;
using Npgsql;

namespace DataVault.Issuer.Accounts;

/// <summary>A browser in which somebody is signed in.</summary>
/// <param name="Id">The <c>sid</c> of ID tokens.</param>
/// <param name="Account">Who is signed in.</param>
/// <param name="Assurance"><see cref="SignInProof.Assurance"/>.</param>
/// <param name="Amr"><see cref="SignInProof.Amr"/>.</param>
/// <param name="AuthTime">When it was shown.</param>
/// <param name="Device">What kind of browser, on what kind of machine.</param>
/// <param name="ExpiresAt">Its end, whatever happens.</param>
internal sealed record Session(Guid Id, AccountFacts Account, int Assurance, string[] Amr, DateTimeOffset AuthTime, string Device, DateTimeOffset ExpiresAt);

/// <summary>A session as its owner sees it.</summary>
internal sealed record OpenSession(Guid Id, string Device, DateTimeOffset AuthTime, DateTimeOffset SeenAt);

/// <summary>
/// Sessions live in the database, found by the hash of a random cookie, so that they can be ended from here. A session dies when it is idle, when its
/// time is up, when its account is switched off, and when the account's security stamp changes (a new password).
/// </summary>
internal sealed class Sessions(
    IssuerDatabase database, Authorisations authorisations, IssuerOptions options, TimeProvider clock, IssuerSecrets secrets, KnownBrowsers known)
{
    private static readonly TimeSpan SeenGrain = TimeSpan.FromMinutes(1);

    // For whoever has shown one factor and looks for the telephone.
    private static readonly TimeSpan Unfinished = TimeSpan.FromMinutes(10);

    // RFC 6265bis §4.1.3.2: the prefix keeps other hosts of the domain from setting it; it needs https.
    private string CookieName => options.Secure ? "__Host-vault-session" : "vault-session";

    public async Task<Session?> CurrentAsync(HttpContext context)
    {
        if (context.Request.Cookies[CookieName] is not { Length: > 0 and <= 64 } value) return null;
        var now = clock.GetUtcNow();
        var hash = BearerValue.Hash(value);
        var found = await secrets.Rows.NewestAsync(() => FindAsync(hash, now, context.RequestAborted), seen => seen.Session.Account, context.RequestAborted);
        if (found is null || found.Session.Account.IsDisabled(now)) return null;
        if (now - found.SeenAt > SeenGrain) await TouchAsync(found.Session, now, context.RequestAborted);
        return found.Session;
    }

    private Task<Seen?> FindAsync(byte[] hash, DateTimeOffset now, CancellationToken cancellationToken) =>
        database.FirstAsync(
            $"""
            SELECT s.id, s.assurance, s.amr, s.auth_time, s.device, s.expires_at, s.seen_at, s.seal, {AccountFacts.Columns}
            FROM issuer.session s JOIN issuer.account a ON a.id = s.account_id AND a.security_stamp = s.security_stamp
            WHERE s.token_hash = $1 AND s.expires_at > $2 AND s.seen_at > $3
            """,
            r => Read(r, hash),
            cancellationToken,
            hash,
            now,
            now - options.SessionIdle);

    /// <summary>A new session with a new cookie, whatever the browser brought along (session fixation).</summary>
    public async Task<Session> StartAsync(HttpContext context, AccountFacts account, SignInProof proof)
    {
        if (await CurrentAsync(context) is { } former) await RemoveAsync(former.Id, context.RequestAborted);
        var value = BearerValue.New(secrets.Random);
        var now = clock.GetUtcNow();
        var hash = BearerValue.Hash(value);
        var life = proof.Assurance < account.RequiredAssurance ? Unfinished : options.SessionLifetime;
        var session = new Session(
            Uuid.Version7(clock, secrets.Random), account, proof.Assurance, proof.Amr, now, DeviceName.Of(context.Request.Headers.UserAgent.ToString()), now + life);
        await database.ExecuteAsync(
            """
            INSERT INTO issuer.session (id, token_hash, account_id, security_stamp, assurance, amr, auth_time, seen_at, device, expires_at, seal)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10)
            """,
            context.RequestAborted,
            session.Id,
            hash,
            account.Id,
            account.SecurityStamp,
            session.Assurance,
            session.Amr,
            now,
            session.Device,
            session.ExpiresAt,
            secrets.Rows.Of(session, hash));
        context.Response.Cookies.Append(CookieName, value, Cookie());
        known.Remember(context, account.Id);
        return session;
    }

    /// <summary>Where an account is signed in, the last used first. Idle ones are among them: applications in which they were used may go on.</summary>
    public Task<List<OpenSession>> ListAsync(Guid account, CancellationToken cancellationToken) => database.ListAsync(
        "SELECT id, device, auth_time, seen_at FROM issuer.session WHERE account_id = $1 AND expires_at > $2 ORDER BY seen_at DESC, id",
        r => new OpenSession(r.GetGuid(0), r.GetString(1), r.Time(2), r.Time(3)),
        cancellationToken,
        account,
        clock.GetUtcNow());

    /// <summary>Ends one of an account's sessions, and what was signed in to through it; false when it has no such.</summary>
    public async Task<bool> EndAsync(Guid session, Guid account, CancellationToken cancellationToken)
    {
        if ((await ListAsync(account, cancellationToken)).All(one => one.Id != session)) return false;
        await RemoveAsync(session, cancellationToken);
        return true;
    }

    public async Task EndAsync(HttpContext context, Session session)
    {
        await RemoveAsync(session.Id, context.RequestAborted);
        context.Response.Cookies.Delete(CookieName, Cookie());
    }

    private async Task RemoveAsync(Guid session, CancellationToken cancellationToken)
    {
        await authorisations.RevokeSessionAsync(session, cancellationToken);
        await database.ExecuteAsync("DELETE FROM issuer.session WHERE id = $1", cancellationToken, session);
    }

    private Task<int> TouchAsync(Session session, DateTimeOffset now, CancellationToken cancellationToken) =>
        database.ExecuteAsync("UPDATE issuer.session SET seen_at = $2 WHERE id = $1", cancellationToken, session.Id, now);

    // Lax, not Strict: the browser comes to /connect/authorize by a link from the application.
    private CookieOptions Cookie() =>
        new() { HttpOnly = true, Secure = options.Secure, SameSite = SameSiteMode.Lax, Path = "/", IsEssential = true };

    private Seen? Read(NpgsqlDataReader r, byte[] hash)
    {
        if (AccountFacts.Read(r, secrets.Rows, 8) is not { } account) return null;
        var session = new Session(r.GetGuid(0), account, r.GetInt32(1), (string[])r[2], r.Time(3), r.GetString(4), r.Time(5));
        return secrets.Rows.Hold("session", r.OptionalReference<byte[]>(7), secrets.Rows.Of(session, hash)) ? new Seen(session, r.Time(6)) : null;
    }

    private sealed record Seen(Session Session, DateTimeOffset SeenAt);
}
