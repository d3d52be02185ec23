using DataVault.Vault.Keys;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault;

/// <summary>
/// Before anything is served: accounts come back with a restored database, and nobody whom the tombstone journal says is erased keeps one. Of whom a part was
/// erased, an account that is older than that goes; one that they were given since stays.
/// </summary>
internal sealed class ErasedAccounts(IEnumerable<ISubjectAccounts> keepers, TombstoneJournal journal, KeyRegistry registry, ILogger<ErasedAccounts> logger) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await journal.CatchUpAsync(registry.VaultId, cancellationToken);
        if (journal.Count == 0) return;
        var parts = journal.Parts.Values.ToLookup(part => RestoreFit.NameOf(part.Of.SubjectHash), part => part.Of.At);
        foreach (var keeper in keepers)
        {
            var erased = new List<Guid>();
            await foreach (var account in keeper.ListAsync(cancellationToken))
            {
                if (IsErased(account, parts)) erased.Add(account.Subject);
            }

            foreach (var subject in erased) await keeper.RemoveForSubjectAsync(subject, cancellationToken);
            if (erased.Count > 0) logger.LogWarning("{Count} accounts of people who are erased had come back with a restored database, and were removed again.", erased.Count);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private bool IsErased(LinkedAccount account, ILookup<UInt128, DateTimeOffset> parts)
    {
        var hash = registry.TombstoneHash(new(account.Subject));
        return journal.Find(hash) is var line and >= 0 && journal.IsErasure(line) || parts[RestoreFit.NameOf(hash)].Any(at => account.CreatedAt < at);
    }
}
