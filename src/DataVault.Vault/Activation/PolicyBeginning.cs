using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault;

/// <summary>
/// What a process begins with, whatever lies in its folder and whoever wrote into the database:
/// <code>
/// keys may be opened    ->  the newest activation that this vault wrote, and none older than the newest that any process has followed (BeginAsync)
/// the log is whole      ->  where that one is gone from the database: a restore that somebody stands behind, or no start (StartAsync)
/// </code>
/// INVARIANT: before anything is decided. A version that nobody put in force is told of, and nothing more.
/// </summary>
internal sealed class PolicyBeginning(
    PolicyStore store, PolicyMemory memory, PolicyPast past, RestoreDeclarations restores, ActivePolicy active, ILogger<PolicyBeginning> logger) : IHostedService
{
    private RememberedPolicy? gone;
    private PolicyActivation? there;

    /// <summary>The activation that this process began with; 0 in a vault that has activated none.</summary>
    public long Sequence { get; private set; }

    /// <summary>As soon as keys may be opened.</summary>
    /// <exception cref="VaultStartException">This program cannot load what is in force, or nobody put in force what the process began with.</exception>
    public async Task<PolicySet> BeginAsync(CancellationToken ct)
    {
        await past.SealAsync(ct);
        var (standing, remembered) = (await store.StandingAsync(ct), await memory.RecallAsync(ct));
        (there, gone) = (standing.InForce, null);
        if (standing.Foreign.Count > 0)
            logger.LogCritical("The vault database names {Count} activations of a policy that this vault did not write, the newest {Version}: they are not followed.", standing.Foreign.Count, standing.Foreign[0].Version);
        if (remembered is not null && IsOlder(there, remembered))
        {
            logger.LogCritical("The activation {Sequence} of the policy {Version} is gone from the vault database, which names an older one: it was put back, by a restore or by hand.", remembered.Sequence, remembered.Version);
            if (await FindAsync(remembered.Version, ct) is { } policy) return Serve(policy, remembered.Sequence);
            gone = remembered;
        }

        if (there is null)
        {
            if (standing.Foreign.Any(row => row.Version == active.Newest.Version))
                throw new VaultStartException($"The policy {active.Newest.Version} stands in the vault database as being in force, and this vault did not put it there: empty vault.policy_activation.");
            return active.Newest;
        }

        var inForce = Serve(await LoadAsync(there, ct), there.Sequence);
        if (gone is null) await memory.RememberAsync(there, ct);
        return inForce;
    }

    /// <summary>Once the log is whole.</summary>
    /// <exception cref="VaultStartException">An activation was taken back, and no restore that somebody stands behind explains it.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (gone is { } lost) await AcceptAsync(lost, cancellationToken);
        else if (await past.NewerAsync(there, cancellationToken) is { } newer)
            logger.LogCritical("Entry {Index} of the log puts the policy {Version} in force, and no activation that this vault wrote says so.", newer.Index, newer.Version);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Whether what the rows say was in force before what is remembered.</summary>
    public static bool IsOlder(PolicyActivation? there, RememberedPolicy remembered) =>
        there is null || there.Sequence < remembered.Sequence || (there.Sequence == remembered.Sequence && !there.Seal.AsSpan().SequenceEqual(remembered.Seal));

    private async Task AcceptAsync(RememberedPolicy lost, CancellationToken ct)
    {
        var at = lost.LogIndex ?? 0;
        var (declared, _) = await restores.ReadAsync(at, ct);
        if (!declared.Any(restore => restore.IsBelieved && restore.From <= at && at < restore.Index))
        {
            throw new VaultStartException(
                $"The vault database was put back to before the policy {lost.Version} was put in force (activation {lost.Sequence}), and holds that version no more: " +
                "start with the folder that holds it, or accept the restore (restore accept) to go on with what the database names.");
        }

        if (there is not null) await memory.LowerAsync(there, ct);
        else Sequence = lost.Sequence;
        gone = null;
    }

    private PolicySet Serve(PolicySet policy, long sequence)
    {
        if (active.Newest.Version != policy.Version) active.Swap(policy);
        Sequence = sequence;
        return active.Newest;
    }

    private async Task<PolicySet?> FindAsync(string version, CancellationToken ct)
    {
        if (active.Newest.Version == version) return active.Newest;
        try
        {
            return await store.LoadAsync(version, ct);
        }
        catch (PolicyException e)
        {
            logger.LogCritical("The files of the policy {Version} in the vault database do not load: {Problems}", version, string.Join("; ", e.Problems.Take(3)));
            return null;
        }
    }

    private async Task<PolicySet> LoadAsync(PolicyActivation inForce, CancellationToken ct)
    {
        if (active.Newest.Version == inForce.Version) return active.Newest;
        try
        {
            return await store.LoadAsync(inForce.Version, ct) ?? throw new PolicyException([]);
        }
        catch (PolicyException e)
        {
            throw new VaultStartException($"The policy in force, {inForce.Version}, cannot be loaded from the database: {string.Join("; ", e.Problems)}");
        }
    }
}

/// <summary>The activations of before there were seals, and what the log says of all of them.</summary>
internal sealed class PolicyPast(VaultDatabase database, LogStore log, PolicyStore store, OnceBook once)
{
    public const string ReplacesRule = "replaces:";

    private const string Sealed = "policy-activations-sealed";

    /// <summary>
    /// Seals what a vault of before there were seals has activated, once. Where the log still has the entry, it must say the same; where there is no log yet, there was
    /// no vault either that could have activated anything.
    /// </summary>
    public async Task SealAsync(CancellationToken ct)
    {
        if (await once.IsDoneAsync(Sealed, ct)) return;
        var (size, _) = await log.HeadAsync(ct);
        if (size > 0)
        {
            var rows = (await store.StandingAsync(ct)).Foreign;
            var entries = await log.EntriesAtAsync([.. rows.Select(row => row.LogIndex).OfType<long>()], ct);
            await store.SealAsync(row => row.LogIndex is not { } index ? row.Sequence == 1 : !entries.TryGetValue(index, out var entry) || IsOf(LogEntry.Decode(entry), row), ct);
        }

        await once.NoteAsync(Sealed, ct);
    }

    /// <summary>The newest entry that puts a version in force, where it is newer than the activation; by the index of the log.</summary>
    public async Task<(long Index, string Version)?> NewerAsync(PolicyActivation? there, CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct);
        var range = await LogSearch.RangeAsync(connection, null, null, ct);
        var found = await LogSearch.FindAsync(connection, new EntryFilter { Types = [(int)EntryType.PolicyChange] }, range with { Low = Math.Max(range.Low, there?.LogIndex + 1 ?? 0) }, oldestFirst: false, 1, ct);
        if (found is not [var index] || !(await log.EntriesAtAsync([index], ct)).TryGetValue(index, out var encoded)) return null;
        var entry = LogEntry.Decode(encoded);
        return IsActivation(entry) ? (index, Convert.ToHexStringLower(entry.Policy.Span)) : null;
    }

    /// <summary>Whether the entry tells of an activation: one that replaces nothing is of a vault that kept no versions yet.</summary>
    public static bool IsActivation(LogEntry entry) => entry.Type == EntryType.PolicyChange && entry.Rules.Any(rule => rule.StartsWith(ReplacesRule, StringComparison.Ordinal));

    public static bool IsOf(LogEntry entry, PolicyActivation row) => entry.Type == EntryType.PolicyChange && Convert.ToHexStringLower(entry.Policy.Span) == row.Version;
}
