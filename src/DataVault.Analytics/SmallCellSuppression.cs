namespace DataVault.Analytics;

/// <summary>One combination of values, and how many people are in it.</summary>
public sealed record SegmentCount(IReadOnlyList<string> Values, long Count);

/// <summary>
/// Withholds cells that stand for too few people, and as many more as it takes that the withheld cannot be had by subtraction.
/// <para>
/// Whoever may ask for the table by all its dimensions may also ask for it by fewer, and so learns the total of each <em>margin</em>:
/// all cells that agree in some of the dimensions. A margin gives a withheld cell away when it is the only one withheld in it, or
/// when those withheld in it are together fewer than the minimum. So the rule is, for each margin that shows anything: withheld are none, or at least two
/// that together reach the minimum. Where it fails, the smallest shown cell of the margin is withheld too, until it holds.
/// </para>
/// <para>
/// This protects one table and its margins. Comparing tables over time, or domains with each other, is beyond it: domains share no
/// pseudonyms, and rows are replaced as a whole.
/// </para>
/// </summary>
internal static class SmallCellSuppression
{
    /// <returns>The cells that may be shown, in the given order.</returns>
    public static IReadOnlyList<SegmentCount> Apply(IReadOnlyList<SegmentCount> cells, int minimum)
    {
        var withheld = cells.Select(cell => cell.Count < minimum).ToArray();
        var margins = Margins(cells);
        for (var settled = false; !settled;)
        {
            settled = true;
            foreach (var margin in margins)
            {
                while (Repair(margin, cells, withheld, minimum)) settled = false;
            }
        }

        return [.. cells.Where((_, index) => !withheld[index])];
    }

    /// <summary>Every set of cells whose total another question may tell: one per choice of dimensions and of values in them.</summary>
    private static List<int[]> Margins(IReadOnlyList<SegmentCount> cells)
    {
        var dimensions = cells.Count == 0 ? 0 : cells[0].Values.Count;
        var margins = new List<int[]>();
        for (var kept = 0; kept < (1 << dimensions) - 1; kept++)
        {
            var chosen = Enumerable.Range(0, dimensions).Where(dimension => (kept >> dimension & 1) != 0).ToList();
            margins.AddRange(Enumerable.Range(0, cells.Count)
                .GroupBy(index => string.Join('\u001f', chosen.Select(dimension => cells[index].Values[dimension])))
                .Select(group => group.ToArray()));
        }

        return margins;
    }

    /// <summary>Withholds one more cell if the margin gives something away.</summary>
    private static bool Repair(int[] margin, IReadOnlyList<SegmentCount> cells, bool[] withheld, int minimum)
    {
        var hidden = margin.Where(index => withheld[index]).ToList();
        if (hidden.Count == 0 || hidden.Count == margin.Length) return false;
        if (hidden.Count >= 2 && hidden.Sum(index => cells[index].Count) >= minimum) return false;
        withheld[margin.Where(index => !withheld[index]).MinBy(index => cells[index].Count)] = true;
        return true;
    }
}
