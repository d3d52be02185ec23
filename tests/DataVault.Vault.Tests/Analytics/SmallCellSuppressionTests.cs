using DataVault.Analytics;
using Xunit;

namespace DataVault.Vault.Tests.Analytics;

public sealed class SmallCellSuppressionTests
{
    private const int Minimum = 10;

    [Fact]
    public void Cells_at_the_minimum_are_shown() =>
        Assert.Equal([50L, 10L], Shown(("a", 50), ("b", 10)));

    [Fact]
    public void A_single_small_cell_takes_the_next_smallest_with_it() =>
        Assert.Equal([50L, 30L], Shown(("a", 50), ("b", 30), ("c", 20), ("d", 9)));

    [Fact]
    public void Small_cells_that_are_few_together_take_another_with_them() =>
        Assert.Equal([50L], Shown(("a", 50), ("b", 12), ("c", 3), ("d", 4)));

    [Fact]
    public void Small_cells_that_are_enough_together_go_alone() =>
        Assert.Equal([50L, 12L], Shown(("a", 50), ("b", 12), ("c", 6), ("d", 4)));

    [Fact]
    public void Nothing_is_shown_of_a_table_without_a_second_cell_to_hide_behind() =>
        Assert.Empty(Shown(("a", 50), ("b", 3)));

    [Fact]
    public void An_empty_table_stays_empty() => Assert.Empty(SmallCellSuppression.Apply([], Minimum));

    [Fact]
    public void A_row_total_gives_no_cell_away()
    {
        SegmentCount[] cells = [Cell(40, "x", "1"), Cell(30, "x", "2"), Cell(4, "x", "3"), Cell(50, "y", "1"), Cell(60, "y", "2"), Cell(70, "y", "3")];
        var shown = SmallCellSuppression.Apply(cells, Minimum);
        Assert.DoesNotContain(shown, cell => cell.Values is ["x", "3"] or ["x", "2"]);
        Assert.DoesNotContain(shown, cell => cell.Values is ["y", "3"] or ["y", "2"]);
    }

    /// <summary>Who knows every total that is itself large enough, and what is shown, finds no group below the minimum by subtracting.</summary>
    [Fact]
    [Requirement("R95")]
    public void Subtraction_from_any_total_finds_no_small_group()
    {
        for (var seed = 0; seed < 400; seed++)
        {
            var cells = Table(new Random(seed));
            var shown = SmallCellSuppression.Apply(cells, Minimum);
            Assert.All(shown, cell => Assert.True(cell.Count >= Minimum));
            foreach (var (total, known) in Margins(cells).Select(margin => (margin.Sum(cell => cell.Count), margin.Where(shown.Contains).ToList())))
            {
                var rest = total - known.Sum(cell => cell.Count);
                Assert.True(known.Count == 0 || rest == 0 || rest >= Minimum, $"seed {seed}: {rest} people by subtraction");
            }
        }
    }

    [Fact]
    public void A_lone_withheld_cell_is_never_left_beside_shown_ones()
    {
        for (var seed = 0; seed < 400; seed++)
        {
            var cells = Table(new Random(seed));
            var shown = SmallCellSuppression.Apply(cells, Minimum);
            Assert.All(Margins(cells), margin => Assert.False(margin.Count(cell => !shown.Contains(cell)) == 1 && margin.Count > 1));
        }
    }

    /// <summary>A coarser question hides the same whether asked alone or beside a finer one, and the finer shows no part of what it hides.</summary>
    [Fact]
    [Requirement("R95")]
    public void Coarser_and_finer_questions_hide_the_same()
    {
        for (var seed = 0; seed < 400; seed++)
        {
            var cells = Table(new Random(seed));
            var shown = SmallCellSuppression.Apply(cells, Minimum);
            for (var dimension = 0; cells.Count > 0 && dimension < cells[0].Values.Count; dimension++)
            {
                var coarse = cells.GroupBy(cell => cell.Values[dimension]).Select(group => Cell(group.Sum(cell => cell.Count), group.Key)).ToList();
                var hidden = coarse.Except(SmallCellSuppression.Apply(coarse, Minimum)).Select(cell => cell.Values[0]).ToHashSet();
                Assert.DoesNotContain(shown, cell => hidden.Contains(cell.Values[dimension]));
            }
        }
    }

    [Fact]
    public void The_order_of_cells_is_without_effect()
    {
        for (var seed = 0; seed < 100; seed++)
        {
            var cells = Table(new Random(seed));
            var mixed = cells.OrderBy(cell => string.Concat(cell.Values.Reverse()), StringComparer.Ordinal).ToList();
            Assert.Equal(SmallCellSuppression.Apply(cells, Minimum).ToHashSet(), SmallCellSuppression.Apply(mixed, Minimum).ToHashSet());
        }
    }

    [Fact]
    public void A_table_without_small_cells_is_shown_whole()
    {
        var cells = Table(new Random(1)).Select(cell => cell with { Count = cell.Count + Minimum }).ToList();
        Assert.Equal(cells, SmallCellSuppression.Apply(cells, Minimum));
    }

    private static IEnumerable<long> Shown(params (string Value, long Count)[] cells) =>
        SmallCellSuppression.Apply([.. cells.Select(cell => Cell(cell.Count, cell.Value))], Minimum).Select(cell => cell.Count);

    private static SegmentCount Cell(long count, params string[] values) => new(values, count);

    private static List<SegmentCount> Table(Random random)
    {
        int[] sizes = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => random.Next(1, 5))];
        var values = sizes.Aggregate((IEnumerable<string[]>)[[]], (rows, size) => rows.SelectMany(row => Enumerable.Range(0, size).Select(value => row.Append($"v{value}").ToArray())));
        return [.. values.Where(_ => random.Next(6) > 0).Select(row => Cell(random.Next(3) == 0 ? random.Next(1, 10) : random.Next(10, 60), row))];
    }

    /// <summary>All sets of cells that agree in the dimensions chosen by <c>kept</c>, for every proper choice.</summary>
    private static IEnumerable<IReadOnlyList<SegmentCount>> Margins(List<SegmentCount> cells)
    {
        var dimensions = cells.Count == 0 ? 0 : cells[0].Values.Count;
        for (var kept = 0; kept < (1 << dimensions) - 1; kept++)
        {
            var mask = kept;
            foreach (var group in cells.GroupBy(cell => string.Join('|', cell.Values.Where((_, dimension) => (mask >> dimension & 1) != 0)))) yield return [.. group];
        }
    }
}
