using DataVault.Cryptography;
using DataVault.Issuer.Accounts;
using DataVault.Issuer.Clients;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Storage;

namespace DataVault.Issuer;

/// <summary>An application or an account whose row is older than it was: a restore brought it back, or somebody did. It gets no token until an operator has gone through it.</summary>
/// <param name="Name"><c>client:</c> or <c>account:</c> and its id.</param>
/// <param name="Party">Who it is.</param>
/// <param name="Subject">The vault's customer id, when the account is a customer's.</param>
/// <param name="Version">What the row has reached.</param>
/// <param name="Newest">What it had reached.</param>
public sealed record OlderSignIn(string Name, IssuerParty Party, Guid? Subject, long Version, long Newest);

/// <summary>Finds the applications and accounts whose rows are older than they were, and lets an operator stand behind one.</summary>
public sealed class OlderSignIns
{
    private const int Chunk = 2_000;
    private const string OfClient = "client:";
    private const string OfAccount = "account:";
    private static readonly TimeSpan Fresh = TimeSpan.FromMinutes(1);

    private readonly IssuerDatabase database;
    private readonly IssuerSecrets secrets;
    private readonly ISignInAudit audit;
    private readonly TimeProvider clock;
    private volatile Counted? counted;

    internal OlderSignIns(IssuerDatabase database, IssuerSecrets secrets, ISignInAudit audit, TimeProvider clock) =>
        (this.database, this.secrets, this.audit, this.clock) = (database, secrets, audit, clock);

    /// <summary>How many there are, as of a minute ago at most.</summary>
    public async Task<int> CountAsync(CancellationToken cancellationToken = default)
    {
        if (counted is { } known && clock.GetUtcNow() - known.At < Fresh) return known.Count;
        var count = (await ListAsync(cancellationToken)).Count;
        counted = new Counted(count, clock.GetUtcNow());
        return count;
    }

    /// <summary>All of them. What is not as the vault wrote it at all is the check's affair.</summary>
    public async Task<IReadOnlyList<OlderSignIn>> ListAsync(CancellationToken cancellationToken = default)
    {
        var clients = await database.ListAsync($"SELECT {Client.Columns} FROM issuer.client ORDER BY client_id", Client.Read, cancellationToken);
        var found = await OlderAsync("client", [.. clients.Where(secrets.Rows.Fits).Select(OlderOf)], cancellationToken);
        for (var last = Guid.Empty; ;)
        {
            var accounts = await database.ListAsync(
                $"SELECT {AccountFacts.Columns} FROM issuer.account a WHERE a.id > $1 ORDER BY a.id LIMIT {Chunk}", r => AccountFacts.Row(r), cancellationToken, last);
            found.AddRange(await OlderAsync("account", [.. accounts.Where(secrets.Rows.Fits).Select(OlderOf)], cancellationToken));
            if (accounts.Count < Chunk) return found;
            last = accounts[^1].Id;
        }
    }

    /// <summary>An operator stands behind an older row: it is the newest again, and works. An entry says so before and after.</summary>
    /// <exception cref="IssuerException">not-found: nothing older has this name.</exception>
    public async Task AcceptAsync(string name, CancellationToken cancellationToken = default) => await AcceptAsync(
        (await ListAsync(cancellationToken)).FirstOrDefault(one => one.Name == name) ?? throw IssuerException.NotFound("older application or account"), cancellationToken);

    /// <summary>Whatever stands behind it.</summary>
    public async Task AcceptAsync(OlderSignIn older, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(older);
        await TellAsync(older, "accepted-as-it-was", () => secrets.Rows.LowerAsync(TableOf(older), older.Party.Id, older.Version, cancellationToken), cancellationToken);
        counted = null;
    }

    /// <summary>
    /// After a restore of both databases nothing remembers what the log tells: whoever was removed, switched off or given another secret since is refused until an
    /// operator has gone through them. An entry says so before and after.
    /// </summary>
    /// <param name="isUndone">Whether the restore undoes something of this application or account that lets it do more than it should.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>How many.</returns>
    public async Task<int> BarAsync(Func<IssuerParty, Guid?, ValueTask<bool>> isUndone, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(isUndone);
        var known = (await ListAsync(cancellationToken)).Select(one => one.Name).ToHashSet(StringComparer.Ordinal);
        var clients = await database.ListAsync($"SELECT {Client.Columns} FROM issuer.client ORDER BY client_id", Client.Read, cancellationToken);
        var accounts = await database.ListAsync($"SELECT {AccountFacts.Columns} FROM issuer.account a ORDER BY a.id", r => AccountFacts.Row(r), cancellationToken);
        var barred = 0;
        foreach (var one in clients.Select(OlderOf).Concat(accounts.Select(OlderOf)).Where(one => !known.Contains(one.Name)))
        {
            if (!await isUndone(one.Party, one.Subject)) continue;
            await TellAsync(one, "barred", () => secrets.Rows.ReachedAsync(TableOf(one), one.Party.Id, one.Version + 1, cancellationToken), cancellationToken);
            barred++;
        }

        return barred;
    }

    private async Task TellAsync(OlderSignIn about, string what, Func<Task> act, CancellationToken cancellationToken)
    {
        var change = new IssuerChange(IssuerParty.Vault, about.Party, what, about.Subject);
        var intent = await audit.IntendAsync(change, cancellationToken);
        await act();
        await audit.ConfirmAsync(new MadeChange(Uuid.Version7(clock, secrets.Random), intent, change), cancellationToken);
    }

    private async Task<List<OlderSignIn>> OlderAsync(string table, List<OlderSignIn> rows, CancellationToken cancellationToken)
    {
        var older = await secrets.Rows.OlderAsync(table, rows.ConvertAll(row => (row.Party.Id, row.Version)), cancellationToken);
        var found = new List<OlderSignIn>(older.Count);
        foreach (var at in older) found.Add(rows[at] with { Newest = await secrets.Rows.NewestAsync(table, rows[at].Party.Id, cancellationToken) });
        return found;
    }

    private static OlderSignIn OlderOf(Client client) =>
        new(OfClient + client.Id, new IssuerParty(Realm.Application, client.Id, client.Name), null, RowSeals.VersionIn(client.Seal), 0);

    private static OlderSignIn OlderOf(Account account) => new(
        OfAccount + account.Id.ToString("D"), new IssuerParty(account.Realm, account.Id.ToString("D"), account.DisplayName), account.SubjectId, RowSeals.VersionIn(account.Seal), 0);

    private static string TableOf(OlderSignIn one) => one.Party.Realm == Realm.Application ? "client" : "account";

    private sealed record Counted(int Count, DateTimeOffset At);
}
