using DataVault.Issuer.Accounts;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Storage;

namespace DataVault.Issuer.Clients;

/// <summary>
/// What people allowed applications of others: one sealed row for a person and an application, with all that was allowed. It ends with the account and with the
/// registration.
/// </summary>
internal sealed class ClientConsents(IssuerDatabase database, ChangeLedger changes, IssuerSecrets secrets, TimeProvider clock)
{
    public const string Given = "application-allowed";

    /// <summary>Whether the person allowed this application all that it asks for.</summary>
    public async Task<bool> CoverAsync(AccountFacts account, Client client, string asked, CancellationToken cancellationToken) =>
        await FindAsync(account, client, cancellationToken) is { } kept && !asked.Split(' ').Except(kept.Split(' ')).Any();

    /// <summary>Keeps what the person allowed, beside what they allowed before.</summary>
    public async Task GiveAsync(AccountFacts account, Client client, string asked, CancellationToken cancellationToken)
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
