using DataVault.Issuer.Accounts;
using DataVault.Issuer.Clients;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Outside;
using DataVault.Issuer.Storage;

namespace DataVault.Issuer;

/// <summary>Looks through the clients and accounts for what the vault did not write, and changes nothing.</summary>
public sealed class IssuerCheck
{
    private readonly IssuerDatabase database;
    private readonly IssuerSecrets secrets;
    private readonly ISealingMark mark;
    private readonly OlderSignIns older;
    private readonly MailedLinkStore store;
    private readonly PasskeyCheck passkeys;

    internal IssuerCheck(IssuerDatabase database, IssuerSecrets secrets, ISealingMark mark, OlderSignIns older, MailedLinkStore store, PasskeyCheck passkeys) =>
        (this.database, this.secrets, this.mark, this.older, this.store, this.passkeys) = (database, secrets, mark, older, store, passkeys);

    /// <returns>A line for each, without personal data.</returns>
    public async Task<IReadOnlyList<string>> RunAsync(CancellationToken cancellationToken)
    {
        // A vault of before seals that has not been started since.
        if (!await mark.IsSetAsync(SealingMarks.Rows, cancellationToken)) return [];
        var clients = await database.ListAsync($"SELECT {Client.Columns} FROM issuer.client ORDER BY client_id", Client.Read, cancellationToken);
        var accounts = await database.ListAsync($"SELECT {AccountFacts.Columns} FROM issuer.account a ORDER BY a.id", r => AccountFacts.Row(r), cancellationToken);
        var links = await database.ListAsync($"SELECT {OutsideLink.Columns} FROM issuer.outside_link ORDER BY id", OutsideLink.Read, cancellationToken);
        var changes = await database.ListAsync($"SELECT {EmailChange.Columns} FROM issuer.email_change ORDER BY id", EmailChange.Read, cancellationToken);
        var mailed = await store.ListAsync(cancellationToken);
        var recoveries = await database.ListAsync(RecoveryRow.Select + " ORDER BY z.id", RecoveryRow.Read, cancellationToken);
        return
        [
            .. clients.Where(client => !secrets.Rows.Hold(client)).Select(client => $"the application {client.Id} is not as the vault wrote it, and gets no token"),
            .. accounts.Where(account => !secrets.Rows.Hold(account)).Select(account => $"the account {account.Id} is not as the vault wrote it, and cannot sign in"),
            .. (await passkeys.AlteredAsync(cancellationToken)).Select(one => $"the passkey {one.Passkey}… of the account {one.Account} is not as the vault wrote it, and signs nobody in"),
            .. links.Where(link => !secrets.Rows.Hold(link)).Select(link => $"the link of {link.Id} to a customer is not as the vault wrote it, and opens nothing"),
            .. changes.Where(change => !secrets.Rows.Hold(change)).Select(change => $"the change of address {change.Id} is not as the vault wrote it, and cannot be confirmed or undone"),
            .. mailed.Where(link => !secrets.Rows.Hold(link)).Select(link => $"the link {link.Id} to an account is not as the vault wrote it, and opens nothing"),
            .. recoveries.Where(row => !secrets.Rows.Hold(row)).Select(row => $"the recovery {row.Public.Id} of a second factor is not as the vault wrote it, and takes none away"),
            .. (await older.ListAsync(cancellationToken)).Select(one => $"{one.Name} is older than it was, and gets no token"),
        ];
    }
}
