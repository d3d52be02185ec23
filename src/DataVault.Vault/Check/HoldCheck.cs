using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>Holds against their seals, and against the log: which are in force, and about whom.</summary>
internal sealed class HoldCheck(CheckRun run, KeyRegistry keys) : IToldCheck
{
    private const string Name = "holds";

    private readonly HoldSeals seals = new(keys);

    public async Task RunAsync(LogCheck log, CancellationToken ct)
    {
        var rows = (await run.Snapshot.ListAsync($"select {HoldStore.Columns} from vault.hold", HoldStore.Row, ct)).ToDictionary(row => row.Id);
        var members = (await run.Snapshot.ListAsync($"select {HoldStore.MemberColumns} from vault.hold_subject", HoldStore.Member, ct)).ToLookup(member => member.Hold);
        run.Count(Name, rows.Count);
        foreach (var row in rows.Values.Where(row => !seals.Matches(row))) run.Wrong(Name, $"the row of the hold {row.Id} is not what the vault wrote");
        foreach (var of in members.Where(of => of.Any(member => !seals.Matches(member)))) run.Wrong(Name, $"whom the hold {of.Key} is about is not what the vault wrote");
        foreach (var row in rows.Values.Where(row => !log.Holds.All.ContainsKey(row.Id))) run.Wrong(Name, $"no entry of the log places the hold {row.Id}");
        foreach (var (id, told) in log.Holds.All)
        {
            var row = rows.GetValueOrDefault(id);
            if (row is null ? told.ReleasedAt is null : (row.ReleasedAt is null) != (told.ReleasedAt is null)) State(log, id, told, row is null);
            else if (row is not null && !told.IsAs(row)) run.Wrong(Name, $"the hold {id} is not about what entry {told.Index} says");
            else if (row is { ReleasedAt: null }) await PeopleAsync(log, told, [.. members[id]], ct);
        }
    }

    // After a restore that somebody stands behind, the rows are as they were then.
    private void State(LogCheck log, Guid id, ToldHold told, bool isGone)
    {
        var message = $"the log has the hold {id} {(told.ReleasedAt is null ? "in force" : "ended")}, {(isGone ? "and its row is gone" : "its row has not")}";
        if (log.IsLost(told.ReleasedAt ?? told.Index)) run.Note($"Since a restore {message}.");
        else run.Wrong(Name, message);
    }

    private async Task PeopleAsync(LogCheck log, ToldHold told, IReadOnlyList<HoldMember> members, CancellationToken ct)
    {
        var damaged = new List<SubjectId>();
        var there = new HashSet<string>();
        foreach (var held in await keys.GetManyAsync([.. members.Select(member => member.Subject)], damaged, ct))
        {
            using (held) there.Add(Convert.ToHexString(held.Tag.Span));
        }

        // Whose key went since the look at the rows is one of those without a tag.
        var lacking = told.People.Count(tag => !there.Contains(tag) && !log.IsErased(tag)) - (members.Count - there.Count);
        if (lacking > 0) run.Wrong(Name, $"the hold that entry {told.Index} places is about {lacking} people fewer than the log says");
    }
}
