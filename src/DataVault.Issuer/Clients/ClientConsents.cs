using DataVault.Issuer.Accounts;
using DataVault.Issuer.Clients;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Protocol;
using DataVault.Issuer.Storage;

namespace DataVault.Issuer;

/// <summary>An application of somebody else that a person allowed something.</summary>
/// <param name="Id">Of the application.</param>
/// <param name="Name">What it is called.</param>
/// <param name="Scopes">What was allowed.</param>
/// <param name="Since">When it was allowed last.</param>
/// <param name="UsedAt">When it last got tokens by it; null for never.</param>
public sealed record AllowedApplication(string Id, string Name, IReadOnlyList<string> Scopes, DateTimeOffset Since, DateTimeOffset? UsedAt);

/// <summary>
/// What people allowed applications of others: one sealed row for a person and an application, with all that was allowed. It ends with the account and with the
/// registration.
/// </summary>
public sealed class ClientConsents
{
    private const string Given = "application-allowed";
    private const string Withdrawn = "application-withdrawn";

    private readonly IssuerDatabase database;
    private readonly ChangeLedger changes;
    private readonly IssuerSecrets secrets;
    private readonly Authorisations authorisations;
    private readonly TimeProvider clock;

    internal ClientConsents(IssuerDatabase database, ChangeLedger changes, IssuerSecrets secrets, Authorisations authorisations, TimeProvider clock) =>
        (this.database, this.changes, this.secrets, this.authorisations, this.clock) = (database, changes, secrets, authorisations, clock);

    /// <summary>What somebody allowed, the newest first.</summary>
    public async Task<IReadOnlyList<AllowedApplication>> ListAsync(Guid account, CancellationToken cancellationToken = default)
    {
        var rows = await database.ListAsync(
            """
            SELECT c.client_id, k.name, c.scope, c.given_at, c.used_at, c.seal FROM issuer.client_consent c JOIN issuer.client k ON k.client_id = c.client_id
            WHERE c.account_id = $1 ORDER BY c.given_at DESC, c.client_id
            """,
            r => secrets.Rows.Hold("client_consent", r.OptionalReference<byte[]>(5), secrets.Rows.OfConsent(account, r.GetString(0), r.GetString(2), r.Time(3)))
                ? new AllowedApplication(r.GetString(0), r.GetString(1), r.GetString(2).Split(' ', StringSplitOptions.RemoveEmptyEntries), r.Time(3), r.Optional<DateTimeOffset>(4))
                : null,
            cancellationToken,
            account);
        return [.. rows.OfType<AllowedApplication>()];
    }

    /// <summary>Takes back what somebody allowed: in the same transaction everything that the application was signed in to ends, and so do its tokens.</summary>
    /// <param name="actor">Whose it was, or who acts in their place.</param>
    /// <param name="account">Whose it was.</param>
    /// <param name="subject">The customer, where the account is one's.</param>
    /// <param name="client">The application.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="IssuerException">not-found.</exception>
    public async Task WithdrawAsync(IssuerParty actor, Guid account, Guid? subject, string client, CancellationToken cancellationToken = default)
    {
        // One that is not as the vault wrote it counts for nothing, and can be taken away all the same.
        var name = await database.FirstAsync(
            "SELECT k.name FROM issuer.client_consent c JOIN issuer.client k ON k.client_id = c.client_id WHERE c.account_id = $1 AND c.client_id = $2",
            r => r.GetString(0), cancellationToken, account, client) ?? throw IssuerException.NotFound("application");
        await changes.MakeAsync(
            new IssuerChange(actor, new IssuerParty(Realm.Application, client, name), Withdrawn, subject),
            async transaction =>
            {
                await transaction.ExecuteAsync("DELETE FROM issuer.client_consent WHERE account_id = $1 AND client_id = $2", cancellationToken, account, client);
                await authorisations.RevokeAtClientAsync(transaction, account, client, cancellationToken);
            },
            cancellationToken);
        authorisations.Forget();
    }

    /// <summary>Whether the person allowed this application all that it asks for.</summary>
    internal async Task<bool> CoverAsync(AccountFacts account, Client client, string asked, CancellationToken cancellationToken) =>
        await FindAsync(account, client, cancellationToken) is { } kept && !asked.Split(' ').Except(kept.Split(' ')).Any();

    /// <summary>Keeps what the person allowed, beside what they allowed before.</summary>
    internal async Task GiveAsync(AccountFacts account, Client client, string asked, CancellationToken cancellationToken)
    {
        var former = await FindAsync(account, client, cancellationToken);
        var scope = string.Join(' ', $"{former} {asked}".Split(' ', StringSplitOptions.RemoveEmptyEntries).Distinct());
        var now = clock.GetUtcNow();
        var person = new IssuerParty(account.Realm, account.Id.ToString("D"), account.DisplayName);
        await changes.MakeAsync(
            new IssuerChange(person, new IssuerParty(Realm.Application, client.Id, client.Name), Given, account.SubjectId),
            transaction => transaction.ExecuteAsync(
                """
                INSERT INTO issuer.client_consent (account_id, client_id, scope, given_at, seal) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (account_id, client_id) DO UPDATE SET scope = $3, given_at = $4, seal = $5
                """,
                cancellationToken,
                account.Id,
                client.Id,
                scope,
                now,
                secrets.Rows.OfConsent(account.Id, client.Id, scope, now)),
            cancellationToken);
    }

    private Task<string?> FindAsync(AccountFacts account, Client client, CancellationToken cancellationToken) => database.FirstAsync(
        "SELECT scope, given_at, seal FROM issuer.client_consent WHERE account_id = $1 AND client_id = $2",
        r => secrets.Rows.Hold("client_consent", r.OptionalReference<byte[]>(2), secrets.Rows.OfConsent(account.Id, client.Id, r.GetString(0), r.Time(1))) ? r.GetString(0) : null,
        cancellationToken,
        account.Id,
        client.Id);
}
