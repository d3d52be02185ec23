using System.Runtime.CompilerServices;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Outside;
using DataVault.Issuer.Storage;
using Npgsql;

namespace DataVault.Issuer;

/// <summary>
/// Which customer a subject of an outside provider is: a row by issuer and <c>sub</c>, written by somebody who checked who the person is, and by nothing that a token says.
/// Of issuer and subject only a keyed hash is kept, which is also what the log calls the person.
/// </summary>
public sealed class OutsideLinks
{
    private const int LongestSubject = 255;
    private const int Page = 1000;
    private readonly IssuerDatabase database;
    private readonly Revocations revocations;
    private readonly ChangeLedger changes;
    private readonly IssuerSecrets secrets;
    private readonly IssuerOptions options;
    private readonly TimeProvider clock;

    internal OutsideLinks(
        IssuerDatabase database, Revocations revocations, ChangeLedger changes, IssuerSecrets secrets, IssuerOptions options, TimeProvider clock) =>
        (this.database, this.revocations, this.changes, this.secrets, this.options, this.clock) = (database, revocations, changes, secrets, options, clock);

    /// <summary>Says that a subject of a provider is a customer of the vault.</summary>
    /// <returns>What the log calls the person.</returns>
    /// <exception cref="IssuerException">not-found (no such provider for customers), conflict (that subject is linked already), invalid-fields.</exception>
    public async Task<Guid> LinkAsync(string authority, string subject, Guid customer, IssuerParty actor, CancellationToken cancellationToken = default)
    {
        var provider = options.Authorities.FirstOrDefault(one => one.Name == authority && one.Realms.Contains(Realm.Customer)) ?? throw IssuerException.NotFound("identity provider for customers");
        if (subject.Length is 0 or > LongestSubject || subject.Any(char.IsControl)) throw IssuerException.Invalid("A subject has 1 to 255 characters.");
        var link = new OutsideLink(secrets.OutsideId(provider.Issuer, subject), customer, clock.GetUtcNow(), null);
        await ChangeAsync(
            link,
            actor,
            "outside-linked",
            async transaction =>
            {
                await Revocations.LiftAsync(transaction, Revocations.OfAuthorisation(link.Id), cancellationToken);
                var made = await transaction.ExecuteAsync(
                    $"INSERT INTO issuer.outside_link ({OutsideLink.Columns}) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
                    cancellationToken, link.Id, link.Customer, link.CreatedAt, secrets.Rows.Of(link));
                if (made == 0) throw IssuerException.Conflict("a link");
            },
            cancellationToken);
        return link.Id;
    }

    /// <summary>Ends the links of a customer, and every token that was accepted by one.</summary>
    /// <exception cref="IssuerException">not-found.</exception>
    public async Task UnlinkAsync(Guid customer, IssuerParty actor, CancellationToken cancellationToken = default)
    {
        var found = await OfAsync(customer, cancellationToken);
        if (found.Count == 0) throw IssuerException.NotFound("link");
        foreach (var link in found) await RemoveAsync(link, actor, cancellationToken);
    }

    /// <summary>Every customer who is linked, and since when.</summary>
    public async IAsyncEnumerable<(Guid Subject, DateTimeOffset CreatedAt)> SubjectsAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        for (var last = Guid.Empty; ;)
        {
            var page = await database.ListAsync(
                $"SELECT {OutsideLink.Columns} FROM issuer.outside_link WHERE id > $1 ORDER BY id LIMIT {Page}", OutsideLink.Read, cancellationToken, last);
            foreach (var link in page) yield return (link.Customer, link.CreatedAt);
            if (page.Count < Page) yield break;
            last = page[^1].Id;
        }
    }

    /// <summary>Whether a customer is linked.</summary>
    public async Task<bool> HasForSubjectAsync(Guid customer, CancellationToken cancellationToken = default) => (await OfAsync(customer, cancellationToken)).Count > 0;

    /// <summary>Removes what the issuer holds of an erased customer; nothing happens when there is nothing.</summary>
    public async Task RemoveForSubjectAsync(Guid customer, CancellationToken cancellationToken = default)
    {
        foreach (var link in await OfAsync(customer, cancellationToken)) await RemoveAsync(link, IssuerParty.Vault, cancellationToken);
    }

    /// <summary>The customer, by a link that is as the vault wrote it; any other is as good as absent.</summary>
    internal async Task<Guid?> FindAsync(Guid id, CancellationToken cancellationToken) =>
        await database.FirstAsync($"SELECT {OutsideLink.Columns} FROM issuer.outside_link WHERE id = $1", OutsideLink.Read, cancellationToken, id) is { } link && secrets.Rows.Hold(link)
            ? link.Customer
            : null;

    private Task<List<OutsideLink>> OfAsync(Guid customer, CancellationToken cancellationToken) =>
        database.ListAsync($"SELECT {OutsideLink.Columns} FROM issuer.outside_link WHERE subject_id = $1 ORDER BY id", OutsideLink.Read, cancellationToken, customer);

    private Task RemoveAsync(OutsideLink link, IssuerParty actor, CancellationToken cancellationToken) => ChangeAsync(
        link,
        actor,
        "outside-unlinked",
        async transaction =>
        {
            await revocations.RevokeAsync(transaction, Revocations.OfAuthorisation(link.Id), cancellationToken);
            await transaction.ExecuteAsync("DELETE FROM issuer.outside_link WHERE id = $1", cancellationToken, link.Id);
        },
        cancellationToken);

    private async Task ChangeAsync(OutsideLink link, IssuerParty actor, string what, Func<IssuerTransaction, Task> work, CancellationToken cancellationToken)
    {
        var person = new IssuerParty(Realm.Customer, link.Id.ToString("D"), IssuerOptions.CustomerRole);
        await changes.MakeAsync(new IssuerChange(actor, person, what, link.Customer), work, cancellationToken);
        revocations.Forget();
    }
}
