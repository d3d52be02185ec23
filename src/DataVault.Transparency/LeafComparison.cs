using System.Runtime.InteropServices;

namespace DataVault.Transparency;

/// <summary>
/// Tells how a run of leaf hashes departs from the signed one, in one walk over both. How often each hash occurs on either side decides what a
/// difference is: a hash that occurs too often was put in, one that occurs too rarely was taken out, both at one place are a change, neither is
/// a change of order.
/// </summary>
internal static class LeafComparison
{
    /// <summary>Compares the leaves from index <paramref name="first"/> on.</summary>
    /// <param name="first">Index of the first leaf of both runs.</param>
    /// <param name="expected">The signed leaves.</param>
    /// <param name="actual">The leaves that were found.</param>
    /// <param name="complete">True when both runs go to the end of the log; otherwise what is left over says nothing.</param>
    public static IReadOnlyList<LogFinding> Compare(long first, HashList expected, HashList actual, bool complete)
    {
        var surplus = Surplus(expected, actual);
        var runs = new List<Run>();
        var (i, a) = (0, 0);
        while (i < expected.Count && a < actual.Count)
        {
            if (expected[i].SequenceEqual(actual[a]))
            {
                (i, a) = (i + 1, a + 1);
                continue;
            }
            var putIn = CollectionsMarshal.GetValueRefOrNullRef(surplus, Key(actual[a])) > 0;
            var takenOut = CollectionsMarshal.GetValueRefOrNullRef(surplus, Key(expected[i])) < 0;
            if (putIn)
                surplus[Key(actual[a])]--;
            if (takenOut)
                surplus[Key(expected[i])]++;
            Extend(runs, Classify(putIn, takenOut), first + i);
            i += takenOut || !putIn ? 1 : 0;
            a += putIn || !takenOut ? 1 : 0;
        }
        if (complete && i < expected.Count)
            runs.Add(new Run(LogFault.Truncated, first + i, expected.Count - i));
        if (complete && a < actual.Count)
            runs.Add(new Run(LogFault.Inserted, first + i, actual.Count - a));
        return [.. runs.Select(run => run.ToFinding())];
    }

    private static LogFault Classify(bool putIn, bool takenOut) => (putIn, takenOut) switch
    {
        (true, true) => LogFault.Changed,
        (true, false) => LogFault.Inserted,
        (false, true) => LogFault.Removed,
        _ => LogFault.Reordered,
    };

    private static void Extend(List<Run> runs, LogFault fault, long index)
    {
        if (runs.Count > 0 && runs[^1] is var last && last.Fault == fault && index == (fault == LogFault.Inserted ? last.First : last.First + last.Count))
            runs[^1] = last with { Count = last.Count + 1 };
        else
            runs.Add(new Run(fault, index, 1));
    }

    private static Dictionary<(UInt128, UInt128), int> Surplus(HashList expected, HashList actual)
    {
        var surplus = new Dictionary<(UInt128, UInt128), int>(actual.Count);
        for (var i = 0; i < actual.Count; i++)
            CollectionsMarshal.GetValueRefOrAddDefault(surplus, Key(actual[i]), out _)++;
        for (var i = 0; i < expected.Count; i++)
            CollectionsMarshal.GetValueRefOrAddDefault(surplus, Key(expected[i]), out _)--;
        return surplus;
    }

    private static (UInt128, UInt128) Key(ReadOnlySpan<byte> hash) => (MemoryMarshal.Read<UInt128>(hash), MemoryMarshal.Read<UInt128>(hash[16..]));

    private sealed record Run(LogFault Fault, long First, int Count)
    {
        public LogFinding ToFinding()
        {
            var last = Fault == LogFault.Inserted ? First : First + Count - 1;
            var these = Count == 1 ? $"entry {First}" : $"entries {First} to {last}";
            return new LogFinding(Fault, First, last, Fault switch
            {
                LogFault.Changed => Count == 1 ? $"{these} was changed" : $"{these} were changed",
                LogFault.Removed => Count == 1 ? $"{these} was removed" : $"{these} were removed",
                LogFault.Inserted => Count == 1 ? $"an entry was inserted at index {First}" : $"{Count} entries were inserted at index {First}",
                LogFault.Truncated => $"the log ends before entry {First}: {Count} signed entries are gone from its end",
                _ => $"{these} stand in another order than was signed",
            });
        }
    }
}
