using DataVault.Policy;

namespace DataVault.Vault.Keys;

/// <summary>
/// All that stands between a start and the first answer, as far as people's keys go:
/// <code>
/// whole erasures  ->  carried out in each database that lacks them (RestoreGate)
/// older records   ->  taken as they stand, as far as a declared restore explains them (RestoredVersions)
/// older requests  ->  the same (RestoredRequests)
/// the two copies  ->  refused when one is from before a change of keys and the other from after it (RestoreFit)
/// erased parts    ->  carried out again (PartReplay)
/// </code>
/// </summary>
internal sealed class RestoreGates(RestoreGate whole, RestoredVersions versions, RestoreFit fit, PartReplay parts, ErasuresUnderWay underWay, RestoredRequests requests)
{
    /// <summary>The journal must know of every erasure that the log tells of and the databases may have forgotten: nothing else carries it out again.</summary>
    /// <param name="destroyed">Commitments to the keys that were destroyed.</param>
    /// <param name="ct">Ends the start.</param>
    /// <exception cref="VaultStartException">It lacks some: it is an older copy, or lost.</exception>
    public Task EnsureInJournalAsync(IReadOnlyList<byte[]> destroyed, CancellationToken ct) => whole.EnsureInJournalAsync(destroyed, ct);

    /// <param name="domains">Whose pseudonymised rows are made anew when people must go.</param>
    /// <param name="destroyedEpoch">The newest epoch whose destruction the log reports; 0 when there is none.</param>
    /// <param name="ct">Ends the start.</param>
    /// <exception cref="VaultStartException">A database is too old, the two do not fit, or the journal is not the one of this vault.</exception>
    public async Task PassAsync(IReadOnlyList<AnalyticsDomain> domains, int destroyedEpoch, CancellationToken ct)
    {
        await whole.PassAsync(domains, destroyedEpoch, underWay, ct);
        await versions.StartAsync(ct);
        await requests.AcceptAsync(ct);
        if (await whole.RefusalAsync(fit, ct) is { } refusal) throw new VaultStartException(refusal);
        await parts.RunAsync(fit.Journal, underWay, ct);
    }
}
