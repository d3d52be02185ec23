namespace DataVault.Transparency;

/// <summary>What is wrong with a log.</summary>
public enum LogFault
{
    /// <summary>There is no checkpoint, or it is malformed, or of another log, or not signed by the key.</summary>
    Checkpoint,

    /// <summary>An earlier checkpoint is not signed by the key, or the log does not continue it.</summary>
    EarlierCheckpoint,

    /// <summary>Entries have other bytes than those signed.</summary>
    Changed,

    /// <summary>Entries that were signed are gone from the middle.</summary>
    Removed,

    /// <summary>Entries stand in the log that were not signed.</summary>
    Inserted,

    /// <summary>Signed entries stand in another order.</summary>
    Reordered,

    /// <summary>The last entries are gone.</summary>
    Truncated,

    /// <summary>Some entry in a range was altered and the hash tile over it too, so that nothing says which one.</summary>
    AlteredWithTile,

    /// <summary>A hash tile is missing or was altered; the entries under it are as signed.</summary>
    Tile,

    /// <summary>An entry bundle is missing or cut off, or has other entries than its place asks for.</summary>
    Bundle,

    /// <summary>An entry is as signed, but not one that this version of the format allows.</summary>
    Malformed,

    /// <summary>An entry is as signed, but earlier than the one before it.</summary>
    TimeReversed,

    /// <summary>Entries and tiles do not lead to the signed root, and no part of them can be trusted to say where they depart.</summary>
    Root,

    /// <summary>The list of the log's keys names one that the log does not announce.</summary>
    Keys,
}

/// <summary>One thing wrong with a log.</summary>
/// <param name="Fault">What kind of thing.</param>
/// <param name="First">Index of the first entry concerned, where that can be said.</param>
/// <param name="Last">Index of the last.</param>
/// <param name="Message">A sentence about it.</param>
public sealed record LogFinding(LogFault Fault, long? First, long? Last, string Message);

/// <summary>Outcome of verifying a log.</summary>
public sealed record VerificationReport
{
    /// <summary>Most findings that a report lists.</summary>
    public const int MaxFindings = 32;

    /// <summary>True when nothing is wrong.</summary>
    public bool Ok => Findings.Count == 0;

    /// <summary>Origin of the log, as its checkpoint says.</summary>
    public string Origin { get; init; } = "";

    /// <summary>Number of entries that the checkpoint signs.</summary>
    public long Size { get; init; }

    /// <summary>The root that the checkpoint signs, 32 bytes; empty when there is none.</summary>
    public ReadOnlyMemory<byte> Root { get; init; }

    /// <summary>Number of earlier checkpoints that the log was found to continue.</summary>
    public int EarlierCheckpoints { get; init; }

    /// <summary>Entries below this were pruned, as a later entry says: only their hashes were verified. 0 when all entries were there.</summary>
    public long PrunedBelow { get; init; }

    /// <summary>Time of the first entry, in Unix milliseconds; null when the log is empty or its entries were not decoded.</summary>
    public long? FirstTime { get; init; }

    /// <summary>Time of the last entry.</summary>
    public long? LastTime { get; init; }

    /// <summary>What is wrong, alterations of the tree first; at most <see cref="MaxFindings"/>.</summary>
    public IReadOnlyList<LogFinding> Findings { get; init; } = [];

    /// <summary>Index of the first bad entry, where that can be said.</summary>
    public long? FirstBadIndex => Findings.FirstOrDefault(finding => finding.First is not null)?.First;

    /// <summary>The first finding in a sentence; empty when nothing is wrong.</summary>
    public string Problem => Ok ? "" : Findings[0].Message;
}
