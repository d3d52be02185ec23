using System.Numerics;

namespace DataVault.Analytics;

/// <summary>One combination of values, and how many people are in it.</summary>
public sealed record SegmentCount(IReadOnlyList<string> Values, long Count);

/// <summary>
/// Withholds cells that stand for too few people, and as many more as it takes that the withheld cannot be had by subtraction.
/// <para>
/// Whoever may ask for a table by all its dimensions may also ask for it by fewer, and so learns the totals of its <em>margins</em>:
/// of all cells that agree in some of the dimensions. A margin gives a withheld cell away when it is the only one withheld in it, or
/// when those withheld in it are together fewer than the minimum. So in each margin that shows anything, the withheld are none, or at
/// least two that together reach the minimum; where that fails, the smallest shown cell of the margin is withheld too.
/// </para>
/// <para>
/// The coarser tables are settled first, each as if it were asked for alone, and what is withheld there stays withheld in all its
/// parts: so two questions never contradict each other in what they hide.
/// </para>
/// <para>
/// This guards against subtraction, not against solving the equations of many tables at once, and not against comparing answers of
/// different days.
/// </para>
/// </summary>
internal static class SmallCellSuppression
{
    /// <returns>The cells that may be shown, in the given order. A function of the set of cells alone.</returns>
    public static IReadOnlyList<SegmentCount> Apply(IReadOnlyList<SegmentCount> cells, int minimum)
    {
        if (cells.Count == 0) return [];
        var whole = (1 << cells[0].Values.Count) - 1;
        var settled = new Dictionary<int, Table>();
        foreach (var kept in Enumerable.Range(1, whole).OrderBy(kept => BitOperations.PopCount((uint)kept)))
        {
            settled[kept] = new Table(cells, kept, minimum).Settle(settled);
        }

        return [.. cells.Where(settled[whole].Shows)];
    }

    private static string Key(SegmentCount cell, int kept)
    {
        var values = new List<string>();
        for (var dimension = 0; dimension < cell.Values.Count; dimension++)
        {
            if ((kept >> dimension & 1) != 0) values.Add(cell.Values[dimension]);
        }

        return string.Join('\u001f', values);
    }

    /// <summary>The cells added up by the dimensions whose bits are in <paramref name="kept"/>.</summary>
    private sealed class Table(IReadOnlyList<SegmentCount> cells, int kept, int minimum)
    {
        private readonly Sum[] sums =
        [
            .. cells.GroupBy(cell => Key(cell, kept)).OrderBy(group => group.Key, StringComparer.Ordinal)
                .Select(group => new Sum(group.First(), group.Sum(cell => cell.Count))),
        ];

        private readonly HashSet<string> withheld = new(StringComparer.Ordinal);

        private sealed record Sum(SegmentCount Example, long Count)
        {
            public bool Withheld { get; set; }
        }

        public bool Shows(SegmentCount cell) => !withheld.Contains(Key(cell, kept));

        public Table Settle(Dictionary<int, Table> coarser)
        {
            var parts = Enumerable.Range(0, kept).Where(part => (part & kept) == part).ToList();
            foreach (var sum in sums) sum.Withheld = sum.Count < minimum || parts.Any(part => part > 0 && !coarser[part].Shows(sum.Example));
            var margins = parts.SelectMany(part => sums.GroupBy(sum => Key(sum.Example, part)).Select(group => group.ToArray())).ToList();
            for (var settled = false; !settled;)
            {
                settled = true;
                foreach (var margin in margins)
                {
                    while (Repair(margin)) settled = false;
                }
            }

            withheld.UnionWith(sums.Where(sum => sum.Withheld).Select(sum => Key(sum.Example, kept)));
            return this;
        }

        /// <summary>Withholds one more cell if the margin gives something away.</summary>
        private bool Repair(Sum[] margin)
        {
            var hidden = margin.Count(sum => sum.Withheld);
            if (hidden == 0 || hidden == margin.Length) return false;
            if (hidden >= 2 && margin.Where(sum => sum.Withheld).Sum(sum => sum.Count) >= minimum) return false;
            margin.Where(sum => !sum.Withheld).MinBy(sum => sum.Count)!.Withheld = true;
            return true;
        }
    }
}
