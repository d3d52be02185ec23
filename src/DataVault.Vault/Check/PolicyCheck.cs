using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>Which policy is in force: the activations against their seals, against the log, and against the newest that any process has followed.</summary>
internal sealed class PolicyCheck(CheckRun run, PolicyProof proof, PolicyStore store, PolicyNumbers numbers, PolicyMemory memory) : IToldCheck
{
    private const string Name = "policy";

    public async Task RunAsync(LogCheck log, CancellationToken ct)
    {
        var rows = await run.Snapshot.ListAsync($"select {PolicyStore.Columns} from vault.policy_activation order by sequence desc", PolicyStore.Read, ct);
        var size = (await run.Snapshot.ListAsync("select size from audit.head", row => row.GetInt64(0), ct))[0];
        var (standing, remembered) = (proof.StandingOf(rows), await memory.RecallAsync(ct));
        run.Count("activations", rows.Count);
        foreach (var row in standing.Foreign) run.Wrong(Name, $"the activation {row.Sequence} of the policy {row.Version} is not what the vault wrote");
        var own = rows.Except(standing.Foreign).ToList();
        foreach (var row in own.Where(row => row.LogIndex is { } index && log.Activations.GetValueOrDefault(index) != row.Version))
            run.Wrong(Name, $"the activation {row.Sequence} names the entry {row.LogIndex}, which does not put the policy {row.Version} in force");
        foreach (var (index, version) in log.Activations.Where(told => !own.Exists(row => row.LogIndex == told.Key)))
        {
            if (log.IsLost(index)) run.Note($"Since a restore, the activation of the policy {version} that entry {index} tells of is not there.");
            else run.Wrong(Name, $"entry {index} puts the policy {version} in force, and no activation that the vault wrote says so");
        }

        // What is newer than the state that is looked at came meanwhile.
        if (remembered is not null && !(remembered.LogIndex >= size) && PolicyBeginning.IsOlder(standing.InForce, remembered))
            run.Wrong(Name, $"the newest activation is {standing.InForce?.Sequence ?? 0}, and processes have followed {remembered.Sequence}");
        if (standing.InForce is { } inForce) await LoadAsync(inForce, ct);
        await NumbersAsync(ct);
    }

    // A row that is gone takes nothing away, and one too many forbids something at most: what is kept counts.
    private async Task NumbersAsync(CancellationToken ct)
    {
        var rows = (await run.Snapshot.ListAsync("select kind, id, name from vault.policy_id", PolicyNumbers.Read, ct)).ToDictionary(one => (one.Kind, one.Id), one => one.Name);
        foreach (var kept in await numbers.KeptAsync(ct))
        {
            if (rows.TryGetValue((kept.Kind, kept.Id), out var name) && name != kept.Name)
                run.Wrong(Name, $"the {kept.Kind} {kept.Id} is said to have been {name}, and was {kept.Name}, which holds");
        }
    }

    private async Task LoadAsync(PolicyActivation inForce, CancellationToken ct)
    {
        try
        {
            if (await store.LoadAsync(inForce.Version, ct) is null) run.Wrong(Name, $"the files of the policy in force, {inForce.Version}, are gone");
        }
        catch (PolicyException)
        {
            run.Wrong(Name, $"the files of the policy in force, {inForce.Version}, are not that version");
        }
    }
}
