using DataVault.Policy;

namespace DataVault.Vault.Indexes;

/// <summary>When an index is surveyed, built or rotated, and how gently.</summary>
internal sealed class IndexPolicy(VaultDatabase database, VaultOptions options, SurveySeal seal, VaultClock clock)
{
    /// <summary>An index whose bits the planner chooses is looked at again when it has grown, or shrunk, by this factor.</summary>
    private const int Outgrown = 2;

    /// <summary>A change that was refused is judged again after this long, or at the next start.</summary>
    private static readonly TimeSpan Refused = TimeSpan.FromDays(1);

    public DateTimeOffset Now => clock.Now;

    public int SearchLimit => options.SearchCandidates;

    public int Batch => options.IndexBatch;

    /// <summary>Not there yet, or declared otherwise than it is stored: then it must be safe to be built.</summary>
    public static bool IsNew(IndexDefinition index, IndexRow row) => row.Complete is not { } stored || (index.Bits is { } bits && bits != stored.Bits) || index.Partitions != stored.Partitions;

    public bool NeedsBuild(IndexDefinition index, IndexRow row, int bits) => IsNew(index, row) || IsDue(row) || bits != row.Complete!.Value.Bits;

    public async Task<bool> NeedsSurveyAsync(IndexDefinition index, IndexRow row, CancellationToken ct)
    {
        if (row.State == IndexStates.Refused || (row.Reason is not null && clock.Now - row.SurveyedAt < Refused)) return false;
        return IsNew(index, row) || IsDue(row) || await IsOutgrownAsync(index, row, ct);
    }

    /// <summary>Its epoch is old enough, or its age is not known: of before there were epochs, or asked for.</summary>
    public bool IsDue(IndexRow row) => row.EpochAt is not { } since || clock.Now - since >= options.IndexEpochLength;

    public Task RestAsync(CancellationToken ct) => RestAsync(TimeSpan.FromMilliseconds(1), ct);

    /// <summary>Lets other work go first, in proportion to what was just done.</summary>
    public async Task RestAsync(TimeSpan worked, CancellationToken ct)
    {
        var share = Math.Clamp(options.IndexShare, 0.01, 1);
        if (share < 1) await Task.Delay(worked * ((1 - share) / share), ct);
    }

    private async Task<bool> IsOutgrownAsync(IndexDefinition index, IndexRow row, CancellationToken ct)
    {
        if (index.Bits is not null) return false;
        var seen = seal.Open(index, row.Survey)?.Values.Rows ?? 0;
        await using var command = database.Source.CreateCommand("select count(*) from vault.search_term where index_id = $1 and epoch = $2");
        command.Parameters.Add(new() { Value = index.Id });
        command.Parameters.Add(new() { Value = row.Complete!.Value.Epoch });
        var count = (long)(await command.ExecuteScalarAsync(ct))!;
        return Math.Max(count, seen) >= IndexPlanner.FewPeople && (count >= seen * Outgrown || count * Outgrown <= seen);
    }
}
