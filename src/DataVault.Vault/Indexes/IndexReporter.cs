using DataVault.Policy;
using DataVault.Vault.Indexes;

namespace DataVault.Vault;

/// <summary>The planner's report over the live terms. Opens no value: what only values tell comes from the last survey.</summary>
public sealed class IndexReporter
{
    // Below that many others with the same terms in all truncated indexes, the indexes together come near to naming a person.
    private const double FewestCoincidences = 2;

    private readonly VaultDatabase database;
    private readonly IndexPlans plans;
    private readonly SurveySeal seal;
    private readonly IndexChanges changes;
    private readonly IndexWorker worker;
    private readonly VaultOptions options;

    internal IndexReporter(VaultDatabase database, IndexPlans plans, SurveySeal seal, IndexChanges changes, IndexWorker worker, VaultOptions options) =>
        (this.database, this.plans, this.seal, this.changes, this.worker, this.options) = (database, plans, seal, changes, worker, options);

    public async Task<IndexFindings> ReportAsync(CancellationToken ct)
    {
        var plan = await plans.RefreshAsync(long.MaxValue - 1, ct);
        var findings = new List<(IndexFinding Finding, double Tells)>();
        foreach (var index in plan.Indexes) findings.Add(await FindAsync(index, ct));
        await using var count = database.Source.CreateCommand("select count(*) from vault.subject");
        var people = (long)(await count.ExecuteScalarAsync(ct))!;
        var (tells, takes) = (findings.Sum(one => one.Tells), Math.Log2(Math.Max(1, people)));
        var others = people / Math.Pow(2, tells);
        var warning = people >= IndexPlanner.FewPeople && tells > 0 && others < FewestCoincidences
            ? "The truncated indexes together tell nearly everybody apart: use fewer of them, or fewer bits."
            : null;
        return new IndexFindings([.. findings.Select(one => one.Finding)], people, tells, takes, warning);
    }

    /// <summary>Makes the rotation of an index due and wakes whoever does it. False: it is not built yet, or being rotated already.</summary>
    public async Task<bool> RequestRotationAsync(IndexDefinition index, CancellationToken ct)
    {
        var accepted = await changes.RequestAsync(index, ct);
        if (accepted) worker.Wake();
        return accepted;
    }

    private async Task<(IndexFinding Finding, double Tells)> FindAsync(LiveIndex index, CancellationToken ct)
    {
        var row = index.Row;
        var histogram = row.Complete is { } stored ? await IndexHistogram.ReadAsync(database, index.Definition, stored.Epoch, ct) : null;
        var survey = seal.Open(index.Definition, row.Survey);
        if (histogram is not null && !index.Definition.IsTruncated) survey = new Survey(survey?.At ?? row.EpochAt ?? default, new(histogram.Rows, histogram.Buckets, histogram.Largest, histogram.Sizes, 1));
        var advice = survey is null ? null : IndexPlanner.Advise(index.Definition, survey.Values, options.SearchCandidates);
        var finding = new IndexFinding(
            index.Definition, row.State, index.IsSearchable, advice?.Verdict.ToString().ToLowerInvariant(), row.Reason ?? advice?.Reason,
            new IndexStanding(row.Complete?.Epoch, row.EpochAt, row.Next?.Epoch, row.Next is not null || row.Old is not null ? row.Done : null, row.Complete?.Bits, row.Complete?.Partitions),
            histogram is null ? null : Figures(histogram, row.Complete!.Value.Bits),
            survey is null || index.Definition.IsUnique ? null : Figures(survey, row.Complete?.Bits ?? advice!.Bits, index.Definition.Partitions),
            advice is null || !index.Definition.IsTruncated ? null : (advice.BestBits, advice.BestPartitions));
        return (finding, index.Definition.IsTruncated ? histogram?.LeakedBits ?? 0 : 0);
    }

    private static BucketFigures Figures(IndexHistogram stored, int bits) => new(
        stored.Rows, stored.Buckets, stored.Rows / Math.Min(Math.Pow(2, bits), Math.Max(1, stored.Rows)), stored.Smallest, stored.Quantile(0.5), stored.Quantile(0.99), stored.Largest,
        stored.Rows == 0 ? 0 : (double)stored.Largest / stored.Rows, stored.Coincidences, stored.LeakedBits);

    private static ValueFigures Figures(Survey survey, int bits, int partitions) => new(
        survey.At, survey.Values.Rows, survey.Values.Distinct, survey.Values.LargestShare, survey.Values.Entropy, IndexPlanner.Recoverable(survey.Values, bits, partitions));
}
