using System.Collections.Concurrent;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Transparency;

public sealed class LogVerifierTests
{
    // 1,000 has a partial tile on both levels; 66,000 has three levels; 512 and 65,536 end with full tiles.
    public static TheoryData<int> Sizes => [0, 1, 2, 255, 256, 257, 512, 1_000, 65_536, 66_000];

    private static readonly LogVerifier Verifier = new(MemoryLog.Verifier);
    private static readonly ConcurrentDictionary<int, Lazy<(MemoryLog Log, List<byte[]> Entries)>> Built = [];

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task An_untouched_log_of_any_size_verifies(int size)
    {
        var report = await Verifier.VerifyAsync(Build(size).Log);
        Assert.Equal("", report.Problem);
        Assert.Equal((true, size, MemoryLog.Origin), (report.Ok, report.Size, report.Origin));
        Assert.Equal(size == 0 ? null : 1_700_000_000_000, report.FirstTime);
    }

    [Theory]
    [InlineData(1_000, 0)]
    [InlineData(1_000, 255)]
    [InlineData(1_000, 256)]
    [InlineData(1_000, 767)]
    [InlineData(1_000, 768)]
    [InlineData(1_000, 999)]
    [InlineData(512, 511)]
    [InlineData(1, 0)]
    [InlineData(66_000, 40_000)]
    [InlineData(66_000, 65_537)]
    [InlineData(66_000, 65_990)]
    public async Task One_bit_of_an_entry_changed_is_named(int size, int index)
    {
        var (log, entries) = Build(size);
        entries[index][^1] ^= 0x10;
        log.WriteEntries(entries);
        await ExpectAsync(log, LogFault.Changed, index, index);
    }

    [Fact]
    public async Task Any_bit_of_any_entry_changed_is_noticed()
    {
        var random = new Random(5);
        var (log, entries) = Build(300);
        for (var i = 0; i < 60; i++)
        {
            var index = random.Next(entries.Count);
            var (at, mask) = (random.Next(entries[index].Length), (byte)(1 << random.Next(8)));
            entries[index][at] ^= mask;
            log.WriteEntries(entries);
            await ExpectAsync(log, LogFault.Changed, index, index);
            entries[index][at] ^= mask;
        }
    }

    [Theory]
    [InlineData(1_000, 0)]
    [InlineData(1_000, 300)]
    [InlineData(1_000, 998)]
    [InlineData(66_000, 65_000)]
    public async Task A_removed_entry_is_named(int size, int index)
    {
        var (log, entries) = Build(size);
        entries.RemoveAt(index);
        log.WriteEntries(entries, namedAsIfOf: size);
        await ExpectAsync(log, LogFault.Removed, index, index);
    }

    [Fact]
    public async Task An_entry_removed_from_its_bundle_only_is_named()
    {
        var (log, entries) = Build(1_000);
        log.Files[TlogTiles.EntriesPath(1)] = Bundle(entries.Skip(256).Take(256).Where((_, i) => i != 44));
        await ExpectAsync(log, LogFault.Removed, 300, 300);
    }

    [Fact]
    public async Task A_missing_bundle_is_named_by_its_entries()
    {
        var (log, _) = Build(1_000);
        log.Files.Remove(TlogTiles.EntriesPath(1));
        await ExpectAsync(log, LogFault.Removed, 256, 511);
    }

    [Theory]
    [InlineData(1_000, 0)]
    [InlineData(1_000, 300)]
    [InlineData(1_000, 1_000)]
    [InlineData(512, 512)]
    [InlineData(66_000, 65_000)]
    public async Task An_inserted_entry_is_named(int size, int index)
    {
        var (log, entries) = Build(size);
        entries.Insert(index, MemoryLog.Entries(1, seed: 99)[0]);
        log.WriteEntries(entries, namedAsIfOf: size);
        await ExpectAsync(log, LogFault.Inserted, index, index);
    }

    [Fact]
    public async Task An_entry_repeated_further_on_is_an_insertion()
    {
        var (log, entries) = Build(1_000);
        entries.Insert(400, entries[20]);
        log.WriteEntries(entries, namedAsIfOf: 1_000);
        await ExpectAsync(log, LogFault.Inserted, 400, 400);
    }

    [Theory]
    [InlineData(300, 301)]
    [InlineData(10, 900)]
    public async Task Exchanged_entries_are_named(int one, int other)
    {
        var (log, entries) = Build(1_000);
        (entries[one], entries[other]) = (entries[other], entries[one]);
        log.WriteEntries(entries);
        var report = await ExpectAsync(log, LogFault.Reordered, one, other == one + 1 ? other : one);
        Assert.Equal(other, report.Findings.Last(finding => finding.Fault == LogFault.Reordered).Last);
    }

    [Theory]
    [InlineData(1_000, 999)]
    [InlineData(1_000, 800)]
    [InlineData(512, 500)]
    public async Task A_tail_cut_off_is_named(int size, int left)
    {
        var (log, entries) = Build(size);
        log.WriteEntries([.. entries.Take(left)], namedAsIfOf: size);
        await ExpectAsync(log, LogFault.Truncated, left, size - 1);
    }

    [Fact]
    public async Task A_tail_cut_off_with_its_tiles_is_named()
    {
        var (log, entries) = Build(1_000);
        log.WriteEntries([.. entries.Take(768)], namedAsIfOf: 1_000);
        log.Files.Remove(TlogTiles.TilePath(0, 3, 232));
        await ExpectAsync(log, LogFault.Truncated, 768, 999);
    }

    [Fact]
    public async Task Several_alterations_are_all_named()
    {
        var (log, entries) = Build(1_000);
        entries[900][20] ^= 1;
        entries.RemoveRange(500, 3);
        entries[7][20] ^= 1;
        log.WriteEntries(entries, namedAsIfOf: 1_000);
        var report = await ExpectAsync(log, LogFault.Changed, 7, 7);
        Assert.Equal(
            [(LogFault.Changed, 7L, 7L), (LogFault.Removed, 500, 502), (LogFault.Changed, 900, 900)],
            report.Findings.Take(3).Select(finding => (finding.Fault, finding.First!.Value, finding.Last!.Value)));
    }

    [Fact]
    public async Task An_altered_leaf_tile_is_named_while_its_entry_is_confirmed()
    {
        var (log, _) = Build(1_000);
        log.Files[TlogTiles.TilePath(0, 1)][(44 * 32) + 3] ^= 1;
        var report = await ExpectAsync(log, LogFault.Tile, 300, 300);
        Assert.Contains("tile/0/001 was altered at hash 44", report.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_altered_upper_tile_is_named()
    {
        var (log, _) = Build(66_000);
        log.Files[TlogTiles.TilePath(1, 0)][5 * 32] ^= 1;
        await ExpectAsync(log, LogFault.Tile, 5 * 256, (6 * 256) - 1);
    }

    [Fact]
    public async Task A_missing_tile_is_named()
    {
        var (log, _) = Build(1_000);
        log.Files.Remove(TlogTiles.TilePath(0, 2));
        await ExpectAsync(log, LogFault.Tile, 512, 767);
    }

    [Fact]
    public async Task An_entry_altered_together_with_its_leaf_tile_is_narrowed_to_the_tile()
    {
        var (log, entries) = Build(1_000);
        Rewrite(log, entries, 300, tilesToo: 1);
        await ExpectAsync(log, LogFault.AlteredWithTile, 256, 511);
    }

    [Fact]
    public async Task An_entry_altered_while_an_upper_tile_is_altered_too_is_still_named()
    {
        var (log, entries) = Build(66_000);
        log.Files[TlogTiles.TilePath(1, 0)][5 * 32] ^= 1;
        entries[65_700][30] ^= 1;
        log.WriteEntries(entries);
        var report = await Verifier.VerifyAsync(log);
        Assert.Contains(report.Findings, finding => finding is { Fault: LogFault.Tile, First: 5 * 256 });
        Assert.Contains(report.Findings, finding => finding is { Fault: LogFault.Changed, First: 65_700 });
    }

    [Fact]
    public async Task A_log_rebuilt_in_every_tile_fails_at_the_root_and_earlier_checkpoints_narrow_it()
    {
        var (log, entries) = Build(1_000);
        var earlier = new[] { 100, 250, 400, 900 }.Select(size => CheckpointOf(entries, size)).ToList();
        Rewrite(log, entries, 300, tilesToo: 2);
        var report = await Verifier.VerifyAsync(log);
        Assert.Equal((LogFault.Root, 0L, 999L), (report.Findings[0].Fault, report.Findings[0].First!.Value, report.Findings[0].Last!.Value));

        report = await Verifier.VerifyAsync(log, earlier);
        Assert.Equal((LogFault.Root, 250L, 399L), (report.Findings[0].Fault, report.Findings[0].First!.Value, report.Findings[0].Last!.Value));
        Assert.Equal(2, report.EarlierCheckpoints);
    }

    [Fact]
    public async Task A_rewritten_log_that_is_signed_anew_is_caught_by_an_earlier_checkpoint()
    {
        var (log, entries) = Build(1_000);
        var earlier = CheckpointOf(entries, 600);
        Rewrite(log, entries, 300, tilesToo: 2);
        log.Sign(1_000, log.Root);
        Assert.True((await Verifier.VerifyAsync(log)).Ok);
        var report = await Verifier.VerifyAsync(log, [earlier]);
        Assert.Equal((LogFault.EarlierCheckpoint, 0L, 599L), (report.Findings[0].Fault, report.Findings[0].First!.Value, report.Findings[0].Last!.Value));
    }

    [Fact]
    public async Task A_log_that_shrank_is_caught_by_an_earlier_checkpoint()
    {
        var entries = MemoryLog.Entries(1_000);
        var report = await Verifier.VerifyAsync(MemoryLog.Of([.. entries.Take(900)]), [CheckpointOf(entries, 1_000)]);
        Assert.Equal((LogFault.EarlierCheckpoint, 900L), (report.Findings[0].Fault, report.FirstBadIndex!.Value));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(256)]
    [InlineData(700)]
    [InlineData(1_000)]
    public async Task A_log_continues_its_own_earlier_checkpoints(int size)
    {
        var (log, entries) = Build(1_000);
        var report = await Verifier.VerifyAsync(log, [CheckpointOf(entries, size), CheckpointOf(entries, 0)]);
        Assert.Equal((true, 2), (report.Ok, report.EarlierCheckpoints));
    }

    [Fact]
    public async Task An_earlier_checkpoint_that_nobody_signed_is_reported()
    {
        var (log, entries) = Build(10);
        var forged = new SignedNote(CheckpointOf(entries, 5).Text, CheckpointOf(entries, 6).Signatures);
        var report = await Verifier.VerifyAsync(log, [forged]);
        Assert.Equal(LogFault.EarlierCheckpoint, report.Findings.Single().Fault);
    }

    [Fact]
    public async Task A_checkpoint_that_is_missing_or_not_signed_or_changed_or_of_another_log_is_reported()
    {
        var (log, entries) = Build(10);
        var good = log.Note;
        string[] bad = ["", "text\n", good.Replace("\n10\n", "\n9\n", StringComparison.Ordinal), MemoryLog.Signer.Sign("something else\n").ToString(),
            MemoryLog.Signer.Sign(new Checkpoint("other.example/log", 10, log.Root).ToText()).ToString()];
        foreach (var note in bad)
        {
            log.Note = note;
            await ExpectAsync(log, LogFault.Checkpoint, null, null);
        }
        Assert.NotEmpty(entries);
    }

    [Fact]
    public async Task A_signed_root_with_one_bit_changed_fails()
    {
        var (log, _) = Build(1_000);
        log.Root[4] ^= 1;
        log.Sign(1_000, log.Root);
        await ExpectAsync(log, LogFault.Root, 0, 999);
    }

    [Fact]
    public async Task A_signed_entry_that_is_malformed_is_named()
    {
        var entries = MemoryLog.Entries(600);
        entries[300] = [1, 2, 3];
        await ExpectAsync(MemoryLog.Of(entries), LogFault.Malformed, 300, 300);
    }

    [Theory]
    [InlineData(300)]
    [InlineData(256)]
    public async Task A_signed_entry_earlier_than_the_one_before_it_is_named(int index)
    {
        var entries = MemoryLog.Entries(600);
        entries[index] = (LogEntry.Decode(entries[index]) with { Time = 5 }).Encode();
        await ExpectAsync(MemoryLog.Of(entries), LogFault.TimeReversed, index, index);
    }

    [Fact]
    public async Task A_log_that_outgrew_its_checkpoint_still_verifies()
    {
        var entries = MemoryLog.Entries(1_024);
        var log = MemoryLog.Of(entries);
        log.Note = CheckpointOf(entries, 1_000).ToString();
        Assert.Contains("tile/1/000.p/3", (await Verifier.VerifyAsync(log)).Problem, StringComparison.Ordinal);
        // Only a full tile stands in for a partial one; the next size's partial tile of level 1 does not.
        log.Files["tile/1/000.p/3"] = log.Files["tile/1/000.p/4"][..96];
        Assert.Equal("", (await Verifier.VerifyAsync(log)).Problem);
    }

    [Theory]
    [InlineData(300, 1)]
    [InlineData(512, 2)]
    [InlineData(1_000, 3)]
    public async Task No_random_damage_passes_or_breaks_the_verifier(int size, int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < 150; i++)
        {
            var (log, _) = Build(size);
            foreach (var name in log.Files.Keys.Order(StringComparer.Ordinal).OrderBy(_ => random.Next()).Take(1 + random.Next(3)))
                Damage(log, name, random);
            Assert.False((await Verifier.VerifyAsync(log)).Ok, $"round {i}");
        }
    }

    [Fact]
    public async Task A_log_on_disk_verifies()
    {
        var (log, _) = Build(300);
        var folder = Directory.CreateTempSubdirectory("datavault-log-");
        try
        {
            foreach (var (name, bytes) in log.Files)
            {
                Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(folder.FullName, name))!);
                await File.WriteAllBytesAsync(Path.Combine(folder.FullName, name), bytes);
            }
            Assert.Equal(LogFault.Checkpoint, (await Verifier.VerifyAsync(new TileDirectory(folder.FullName))).Findings.Single().Fault);
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "checkpoint"), log.Note);
            Assert.Equal("", (await Verifier.VerifyAsync(new TileDirectory(folder.FullName))).Problem);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>A log of its own for each test; the large ones are built once and copied.</summary>
    private static (MemoryLog Log, List<byte[]> Entries) Build(int size)
    {
        var (log, entries) = Built.GetOrAdd(size, count => new Lazy<(MemoryLog, List<byte[]>)>(() =>
        {
            var entries = MemoryLog.Entries(count);
            return (MemoryLog.Of(entries), entries);
        })).Value;
        return (log.Copy(), [.. entries.Select(entry => entry.ToArray())]);
    }

    private static async Task<VerificationReport> ExpectAsync(MemoryLog log, LogFault fault, long? first, long? last)
    {
        var report = await Verifier.VerifyAsync(log);
        Assert.False(report.Ok);
        Assert.Equal((fault, first, last), (report.Findings[0].Fault, report.Findings[0].First, report.Findings[0].Last));
        Assert.Equal(first, report.FirstBadIndex);
        return report;
    }

    private static SignedNote CheckpointOf(List<byte[]> entries, int size)
    {
        var root = MemoryLog.NaiveRoot([.. entries.Take(size).Select(entry => MerkleHash.Leaf(entry))]);
        return MemoryLog.Signer.Sign(new Checkpoint(MemoryLog.Origin, size, root).ToText());
    }

    private static void Damage(MemoryLog log, string name, Random random)
    {
        var bytes = log.Files[name];
        var at = random.Next(bytes.Length);
        switch (random.Next(5))
        {
            case 0:
                log.Files.Remove(name);
                break;
            case 1:
                log.Files[name] = bytes[..at];
                break;
            case 2:
                log.Files[name] = [.. bytes, .. bytes[at..]];
                break;
            case 3:
                log.Files[name] = [.. bytes[..at], (byte)random.Next(256), .. bytes[at..]];
                break;
            default:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
        }
    }

    private static byte[] Bundle(IEnumerable<byte[]> entries) => EntryBundle.Encode([.. entries.Select(entry => (ReadOnlyMemory<byte>)entry)]);

    /// <summary>Changes an entry and the tiles of the lowest levels to fit; the note stays.</summary>
    private static void Rewrite(MemoryLog log, List<byte[]> entries, int index, int tilesToo)
    {
        var kept = log.Files.Where(file => file.Key.StartsWith("tile/", StringComparison.Ordinal) && !file.Key.StartsWith("tile/entries", StringComparison.Ordinal)
            && file.Key[5] - '0' >= tilesToo).ToDictionary(file => file.Key, file => file.Value);
        entries[index][30] ^= 1;
        log.WriteEntries(entries);
        log.WriteTiles(entries);
        foreach (var (name, bytes) in kept)
            log.Files[name] = bytes;
    }
}
