using DataVault.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Transparency;

public sealed class TileTests
{
    private const string TesseraKey = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";

    [Theory]
    [InlineData(0, 0, 256, "tile/0/000")]
    [InlineData(0, 5, 7, "tile/0/005.p/7")]
    [InlineData(3, 1234067, 256, "tile/3/x001/x234/067")]
    [InlineData(1, 1000, 255, "tile/1/x001/000.p/255")]
    [InlineData(TlogTiles.EntriesLevel, 999, 256, "tile/entries/999")]
    [InlineData(TlogTiles.EntriesLevel, 273, 112, "tile/entries/273.p/112")]
    public void A_tile_has_one_path_and_the_path_leads_back(int level, long n, int width, string path)
    {
        Assert.Equal(path, level == TlogTiles.EntriesLevel ? TlogTiles.EntriesPath(n, width) : TlogTiles.TilePath(level, n, width));
        Assert.True(TlogTiles.TryParsePath(path, out var foundLevel, out var foundN, out var foundWidth));
        Assert.Equal((level, n, width), (foundLevel, foundN, foundWidth));
    }

    [Theory]
    [InlineData("")]
    [InlineData("tile")]
    [InlineData("tile/0")]
    [InlineData("tile/0/")]
    [InlineData("tile/0/0")]
    [InlineData("tile/0/1000")]
    [InlineData("tile/0/x000/001")]
    [InlineData("tile/0/001/001")]
    [InlineData("tile/8/000")]
    [InlineData("tile/00/000")]
    [InlineData("tile/0/000.p/0")]
    [InlineData("tile/0/000.p/256")]
    [InlineData("tile/0/000.p/07")]
    [InlineData("tile/0/000.p")]
    [InlineData("tile/0/-01")]
    [InlineData("tile/0/../000")]
    [InlineData("tile/entries/x99/000")]
    [InlineData("other/0/000")]
    [InlineData("tile/members/000.p/1")]
    [InlineData("tile/0/x999/x999/x999/x999/x999/x999/x999/999")]
    public void Every_other_path_is_refused(string path) => Assert.False(TlogTiles.TryParsePath(path, out _, out _, out _));

    [Theory]
    [InlineData(0, "tile/members/000")]
    [InlineData(1_234_067, "tile/members/x001/x234/067")]
    public void Lists_of_persons_have_a_path_without_a_width(long n, string path)
    {
        Assert.Equal(path, TlogTiles.MembersPath(n));
        Assert.True(TlogTiles.TryParsePath(path, out var level, out var found, out _));
        Assert.Equal((TlogTiles.MembersLevel, n), (level, found));
        Assert.False(TlogTiles.TryParsePath(path + ".p/7", out _, out _, out _));
    }

    [Fact]
    public void Lists_of_persons_are_found_by_place_and_a_damaged_end_hides_no_earlier_one()
    {
        var (one, two) = (new byte[16], Enumerable.Range(0, 48).Select(i => (byte)i).ToArray());
        var bundle = MembersBundle.Encode([new(0, one), new(255, two)]);
        Assert.Equal(one, MembersBundle.Find(bundle, 0).ToArray());
        Assert.Equal(two, MembersBundle.Find(bundle, 255).ToArray());
        Assert.True(MembersBundle.Find(bundle, 7).IsEmpty);
        Assert.True(MembersBundle.Find(bundle.AsSpan(0, bundle.Length - 1), 255).IsEmpty);
        Assert.Equal(one, MembersBundle.Find(bundle.AsSpan(0, bundle.Length - 1), 0).ToArray());
        Assert.True(MembersBundle.Find([9, 255, 255, 255, 255, 1], 9).IsEmpty);
    }

    [Fact]
    public void A_bundle_gives_back_its_entries()
    {
        ReadOnlyMemory<byte>[] entries = [new byte[] { 1, 2, 3 }, Array.Empty<byte>(), new byte[65535]];
        var bundle = EntryBundle.Encode(entries);
        Assert.Equal(entries.Select(entry => entry.ToArray()), EntryBundle.Decode(bundle).Select(entry => entry.ToArray()));
        Assert.Throws<FormatException>(() => EntryBundle.Decode(bundle.AsMemory(0, bundle.Length - 1)));
        Assert.Throws<FormatException>(() => EntryBundle.Decode(bundle.AsMemory(0, 1)));
        Assert.Throws<OverflowException>(() => EntryBundle.Encode([new byte[65536]]));
    }

    [Fact]
    public async Task The_published_log_of_another_program_verifies_at_every_size()
    {
        var folder = Path.Combine(PublishedVectors.Folder("tessera-log"), "testdata", "log");
        var verifier = new LogVerifier(NoteVerifier.Parse(TesseraKey), opaqueEntries: true);
        var earlier = new List<SignedNote>();
        for (var size = 0; size <= 15; size++)
        {
            var text = await File.ReadAllTextAsync(Path.Combine(folder, $"checkpoint.{size}"));
            Assert.True(SignedNote.TryParse(text, out var note));
            var report = await verifier.VerifyAsync(new AtCheckpoint(new TileDirectory(folder), text), earlier);
            Assert.Equal("", report.Problem);
            Assert.Equal((size, size), (report.Size, report.EarlierCheckpoints));
            earlier.Add(note!);
        }
    }

    [Fact]
    public async Task The_published_log_with_one_bit_changed_fails_at_the_entry()
    {
        var folder = Path.Combine(PublishedVectors.Folder("tessera-log"), "testdata", "log");
        var changed = new OneEntryChanged(new TileDirectory(folder), 9);
        var report = await new LogVerifier(NoteVerifier.Parse(TesseraKey), opaqueEntries: true).VerifyAsync(changed);
        Assert.Equal(9, report.FirstBadIndex);
        Assert.Equal("entry 9 was changed", report.Problem);
    }

    private sealed class AtCheckpoint(ILogSource source, string note) : ILogSource
    {
        public Task<string?> CheckpointAsync(CancellationToken cancellationToken) => Task.FromResult<string?>(note);

        public Task<byte[]?> TileAsync(int level, long n, int width, CancellationToken cancellationToken) => source.TileAsync(level, n, width, cancellationToken);

        public Task<byte[]?> EntryBundleAsync(long n, int width, CancellationToken cancellationToken) => source.EntryBundleAsync(n, width, cancellationToken);
    }

    private sealed class OneEntryChanged(ILogSource source, int index) : ILogSource
    {
        public Task<string?> CheckpointAsync(CancellationToken cancellationToken) => source.CheckpointAsync(cancellationToken);

        public Task<byte[]?> TileAsync(int level, long n, int width, CancellationToken cancellationToken) => source.TileAsync(level, n, width, cancellationToken);

        public async Task<byte[]?> EntryBundleAsync(long n, int width, CancellationToken cancellationToken)
        {
            var entries = EntryBundle.Decode(await source.EntryBundleAsync(n, width, cancellationToken)).Select(entry => entry.ToArray()).ToList();
            entries[index][0] ^= 1;
            return EntryBundle.Encode([.. entries.Select(entry => (ReadOnlyMemory<byte>)entry)]);
        }
    }
}
