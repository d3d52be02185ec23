using DataVault.Issuer.Mailing;
using DataVault.Issuer.Storage;

namespace DataVault.Issuer;

/// <summary>Tells what of the issuer waits for something: numbers only, for whoever looks after the vault.</summary>
public sealed class IssuerWatch
{
    private readonly IssuerDatabase database;
    private readonly LetterQueue letters;

    internal IssuerWatch(IssuerDatabase database, LetterQueue letters) => (this.database, this.letters) = (database, letters);

    /// <summary>Changes of accounts and applications that are made, and whose confirmation is not in the log yet: a moment each, unless the log refuses them.</summary>
    public async Task<long> UnconfirmedAsync(CancellationToken cancellationToken) =>
        (await database.ListAsync("SELECT count(*) FROM issuer.change", r => r.GetInt64(0), cancellationToken))[0];

    /// <summary>Messages to people that are not sent yet, and those that were given up in the last week.</summary>
    public Task<(long Waiting, long Dead)> LettersAsync(CancellationToken cancellationToken) => letters.CountAsync(cancellationToken);
}
