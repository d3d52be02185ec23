using DataVault.Issuer.Storage;

namespace DataVault.Issuer;

/// <summary>Tells what of the issuer waits for something: numbers only, for whoever looks after the vault.</summary>
public sealed class IssuerWatch
{
    private readonly IssuerDatabase database;

    internal IssuerWatch(IssuerDatabase database) => this.database = database;

    /// <summary>Changes of accounts and applications that are made, and whose confirmation is not in the log yet: a moment each, unless the log refuses them.</summary>
    public async Task<long> UnconfirmedAsync(CancellationToken cancellationToken) =>
        (await database.ListAsync("SELECT count(*) FROM issuer.change", r => r.GetInt64(0), cancellationToken))[0];
}
