using DataVault.Policy;
using DataVault.Vault.Indexes;

namespace DataVault.Vault.Keys;

/// <summary>A new key for one blind index. The work is the index worker's own; this asks for it and tells how far it is.</summary>
internal sealed class IndexRotation(VaultDatabase database, ActivePolicy policy, IndexReporter indexes, TimeProvider clock) : IRotation
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    public string Level => RotationLevels.Index;

    public async Task<RotationPlan> PlanAsync(string? target, CancellationToken ct)
    {
        var index = Find(target);
        if (await RowAsync(index, ct) is not { State: IndexStates.Ready, Next: null }) throw VaultException.InvalidState("The index is not built yet, or is being rotated already.");
        await using var command = database.Source.CreateCommand("select count(*) from vault.subject");
        return new RotationPlan(index.Name, (long)(await command.ExecuteScalarAsync(ct))!);
    }

    public async Task<RotationStep> StepAsync(RotationJob job, CancellationToken ct)
    {
        var index = Find(job.View.Target);
        var row = await RowAsync(index, ct) ?? throw VaultException.InvalidState("The index is gone.");
        var later = clock.GetUtcNow() + Pause;
        if (job.Cursor is null)
        {
            // Asked again after a crash in between, it is under way and refuses: that is as good.
            await indexes.RequestRotationAsync(index, ct);
            return new RotationStep(0, RotationStore.Cursor(row.Complete?.Epoch ?? 0), Finished: false, NotBefore: later);
        }

        if (row.State is not IndexStates.Ready) throw VaultException.InvalidState("The index cannot be built as the values are now; the planner's report says why.");
        var replaced = row.Complete?.Epoch > RotationStore.At(job.Cursor, 0);
        if (replaced && row.Old is null) return new RotationStep(job.View.Total, job.Cursor, Finished: true);
        return new RotationStep(replaced ? job.View.Total : row.Next is null ? 0 : row.Done, job.Cursor, Finished: false, NotBefore: later);
    }

    private IndexDefinition Find(string? name) =>
        policy.Current.Catalogue.Indexes.FirstOrDefault(index => index.Name == name) ?? throw VaultException.BadRequest("Name a blind index of the catalogue.");

    private async Task<IndexRow?> RowAsync(IndexDefinition index, CancellationToken ct) => (await IndexRows.ReadAllAsync(database, ct)).Rows.Find(row => row.IndexId == index.Id);
}
