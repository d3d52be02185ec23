using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>What the planner says of one index now.</summary>
/// <param name="Definition">As declared.</param>
/// <param name="State">building, ready or refused.</param>
/// <param name="IsSearchable">Whether a search uses it.</param>
/// <param name="Verdict">ok, warn or unsafe; null before a survey.</param>
/// <param name="Reason">Why.</param>
public sealed record IndexFinding(
    IndexDefinition Definition, string State, bool IsSearchable, string? Verdict, string? Reason, IndexStanding Standing, BucketFigures? Stored, ValueFigures? Values,
    (int Bits, int Partitions)? Advice);

/// <summary>Where an index stands.</summary>
public sealed record IndexStanding(int? Epoch, DateTimeOffset? EpochAt, int? NextEpoch, long? Done, int? Bits, int? Partitions);

/// <summary>What can be counted of the stored terms.</summary>
public sealed record BucketFigures(
    long Rows, long Buckets, double ExpectedSize, long Smallest, long Median, long P99, long Largest, double LargestShare, double Coincidences, double LeakedBits);

/// <summary>What the last survey saw of the values.</summary>
public sealed record ValueFigures(DateTimeOffset At, long Rows, long Distinct, double LargestShare, double EntropyBits, double Recoverable);

/// <summary>All indexes, and what they tell together.</summary>
public sealed record IndexFindings(IReadOnlyList<IndexFinding> Indexes, long People, double TruncatedBits, double PopulationBits, string? Warning);
