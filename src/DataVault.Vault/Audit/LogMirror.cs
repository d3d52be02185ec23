using DataVault.Cryptography;
using DataVault.Transparency;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault;

/// <summary>
/// A second copy of the log, outside both databases: a folder of tiles and entry bundles (c2sp.org/tlog-tiles) that a verifier can replay as it is. Written
/// before the signer signs, so whatever was ever signed can be put back into a database that lost it (<see cref="LogContinuity"/>).
/// <code>
/// checkpoint            the newest signed note
/// tile/0/000 …          hash tiles           tile/entries/000 …   entry bundles           tile/members/000 …   whom entries about several persons are about
/// mirror.state          size, frontier and root of what is here, whole, on disk      mirror.lock   held while somebody writes
/// </code>
/// </summary>
/// <remarks>
/// INVARIANT: lists first, then entries, then tiles, then the state that counts them. What lies beyond the state is of a writer that died, and is written again. The details of entries
/// are not here: a person's erasure would have to reach into what auditors have copied.
/// </remarks>
internal sealed class LogMirror : IDisposable
{
    private const int ListsAtOnce = 16;

    private readonly LogStore store;
    private readonly IRandomBytes random;
    private readonly ILogger<LogMirror> logger;
    private readonly string folder;
    private readonly TreeFile state;
    private readonly TileDirectory tiles;
    private readonly SemaphoreSlim turn = new(1, 1);
    private MirrorEdge? edge;
    private Queue<long>? unlisted;

    public LogMirror(VaultOptions options, LogStore store, IRandomBytes random, ILogger<LogMirror> logger)
    {
        (this.store, this.random, this.logger) = (store, random, logger);
        folder = options.LogMirror ?? Path.Combine(options.Home, "log-mirror");
        state = new TreeFile(Path.Combine(folder, "mirror.state"), "datavault log mirror 1", options.Origin);
        tiles = new TileDirectory(folder);
    }

    /// <summary>Why nothing can be mirrored, and so nothing signed, at the moment; null while all is well.</summary>
    public string? Trouble { get; private set; }

    /// <summary>The tree that the mirror holds whole.</summary>
    public CompactRange Read() => state.Read() ?? CompactRange.Empty();

    /// <summary>Copies what is new up to <paramref name="size"/> entries; on disk when it returns.</summary>
    /// <returns>False when the entries of the database do not lead from what is here to <paramref name="root"/>: nothing of them is kept.</returns>
    /// <exception cref="VaultException">The folder cannot be written, or another process is writing it: unavailable.</exception>
    public async Task<bool> KeepAsync(long size, ReadOnlyMemory<byte> root, CancellationToken ct)
    {
        await turn.WaitAsync(ct);
        var whole = false;
        try
        {
            await using var held = await DurableFile.TakeAsync(Path.Combine(folder, "mirror.lock"), ct);
            whole = await ExtendAsync(size, root, ct);
            Trouble = null;
            return whole;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Report(e);
            throw VaultException.Unavailable(e);
        }
        finally
        {
            if (!whole) edge = null;
            turn.Release();
        }
    }

    /// <summary>Puts the newest checkpoint beside the tiles that it covers. It is in the database too, so a failure only shows.</summary>
    public void Publish(string note)
    {
        try
        {
            DurableFile.Replace(Path.Combine(folder, "checkpoint"), System.Text.Encoding.UTF8.GetBytes(note), random);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Report(e);
        }
    }

    /// <summary>The newest checkpoint here; null before the first.</summary>
    public Task<string?> CheckpointAsync(CancellationToken ct) => tiles.CheckpointAsync(ct);

    /// <summary>Entries [first, end), in order.</summary>
    /// <exception cref="VaultStartException">A bundle is missing or damaged.</exception>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> EntriesAsync(
        long first, long end, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct = default)
    {
        var size = Read().Size;
        for (var n = first / TlogTiles.Width; n * TlogTiles.Width < end; n++)
        {
            var start = n * TlogTiles.Width;
            var entries = await BundleAsync(n, (int)Math.Min(TlogTiles.Width, size - start), ct);
            for (var i = (int)Math.Max(0, first - start); i < entries.Count && start + i < end; i++) yield return entries[i];
        }
    }

    /// <summary>The lists of a bundle, as they are here; null when there are none.</summary>
    public Task<byte[]?> MembersAsync(long n, CancellationToken ct) => tiles.MembersAsync(n, ct);

    /// <summary>Whether the lists of all entries before <paramref name="end"/> are here that the database has.</summary>
    public async Task<bool> HasMembersAsync(long end, CancellationToken ct) => (await store.BundlesWithMembersAsync(end, ct)).TrueForAll(IsListed);

    /// <summary>Leaf hashes of a tile of the lowest level, as many as the mirror's tree has there.</summary>
    public Task<byte[]> LeavesAsync(long n, CancellationToken ct) => TileAsync(0, n, (int)Math.Min(TlogTiles.Width, Read().Size - n * TlogTiles.Width), ct);

    /// <summary>Root of the first <paramref name="size"/> entries.</summary>
    public async Task<byte[]> RootAsync(long size, CancellationToken ct)
    {
        var frontier = new List<byte>();
        for (var level = TlogTiles.TopLevel; level >= 0; level--) frontier.AddRange(await LevelAsync(level, size, ct));
        return CompactRange.Parse(size, frontier.ToArray()).Root();
    }

    public void Dispose() => turn.Dispose();

    private async Task<bool> ExtendAsync(long size, ReadOnlyMemory<byte> root, CancellationToken ct)
    {
        var before = Read();
        if (before.Size > size) return true;
        if (edge is null || edge.Tree.Size != before.Size) edge = await OpenEdgeAsync(before, ct);
        await ListAsync(before.Size, ct);
        await foreach (var (index, entry) in store.EntriesAsync(before.Size, size, ct))
        {
            if (index != edge.Tree.Size) return false;
            edge.Note(entry.Span);
            if (edge.FillsWithNext) await KeepMembersAsync(size, ct);
            edge.Append(entry);
        }

        if (edge.Tree.Size != size || !edge.Tree.Root().AsSpan().SequenceEqual(root.Span)) return false;
        if (before.Size == size) return true;
        await KeepMembersAsync(size, ct);
        edge.WritePartial();
        state.Write(edge.Tree, random);
        edge.DropOutgrown();
        return true;
    }

    private async Task KeepMembersAsync(long size, CancellationToken ct)
    {
        if (edge!.TakeUnlisted() is { } n) await KeepMembersAsync(n, size, ct);
    }

    private async Task KeepMembersAsync(long n, long size, CancellationToken ct)
    {
        if (await store.MembersBundleAsync(n, size, ct) is { } lists) DurableFile.Replace(Path.Combine(folder, TlogTiles.MembersPath(n)), lists, random);
    }

    private bool IsListed(long n) => File.Exists(Path.Combine(folder, TlogTiles.MembersPath(n)));

    // Lists of entries that were mirrored before lists were: a few at a time, so that the signing hardly waits.
    private async Task ListAsync(long size, CancellationToken ct)
    {
        unlisted ??= new Queue<long>((await store.BundlesWithMembersAsync(size, ct)).Where(n => !IsListed(n)));
        for (var left = ListsAtOnce; left > 0 && unlisted.TryPeek(out var n); left--)
        {
            await KeepMembersAsync(n, size, ct);
            unlisted.Dequeue();
        }
    }

    private async Task<MirrorEdge> OpenEdgeAsync(CompactRange tree, CancellationToken ct)
    {
        var open = new MirrorEdge(tree, folder, random);
        var frontier = new List<byte>();
        for (var level = TlogTiles.TopLevel; level >= 0; level--)
        {
            var (n, width) = Math.DivRem(TlogTiles.HashesAt(level, tree.Size), TlogTiles.Width);
            if (width == 0) continue;
            var hashes = await TileAsync(level, n, (int)width, ct);
            frontier.AddRange(MirrorEdge.Fold(hashes));
            open.Resume(level, hashes, level == 0 ? await BundleAsync(n, (int)width, ct) : []);
        }

        if (!frontier.ToArray().AsSpan().SequenceEqual(tree.ToBytes())) throw Damaged(tree.Size / TlogTiles.Width);
        return open;
    }

    // The nodes that this level gives to the frontier of the tree of that size.
    private async Task<byte[]> LevelAsync(int level, long size, CancellationToken ct)
    {
        var (n, width) = Math.DivRem(TlogTiles.HashesAt(level, size), TlogTiles.Width);
        if (width == 0) return [];
        var there = (int)Math.Min(TlogTiles.Width, TlogTiles.HashesAt(level, Read().Size) - n * TlogTiles.Width);
        var tile = await TileAsync(level, n, there, ct);
        return MirrorEdge.Fold(tile.AsSpan(0, (int)width * MerkleHash.Size));
    }

    private async Task<byte[]> TileAsync(int level, long n, int width, CancellationToken ct)
    {
        var tile = await tiles.TileAsync(level, n, width, ct) ?? await tiles.TileAsync(level, n, TlogTiles.Width, ct);
        return tile is not null && tile.Length >= width * MerkleHash.Size ? tile[..(width * MerkleHash.Size)] : throw Damaged(n);
    }

    private async Task<IReadOnlyList<ReadOnlyMemory<byte>>> BundleAsync(long n, int width, CancellationToken ct)
    {
        var bundle = await tiles.EntryBundleAsync(n, width, ct) ?? await tiles.EntryBundleAsync(n, TlogTiles.Width, ct);
        if (bundle is null || !EntryBundle.TryDecode(bundle, out var entries) || entries.Count < width) throw Damaged(n);
        return entries.Count == width ? entries : [.. entries.Take(width)];
    }

    private void Report(Exception cause)
    {
        Trouble = $"the log's mirror cannot be written ({cause.GetType().Name}): make room in its folder, or give it back to the server";
        logger.LogError("The log is not signed: {Trouble}.", Trouble);
    }

    private static VaultStartException Damaged(long tile) =>
        new($"The log's mirror is damaged in tile {tile}: put its folder back from a copy, or remove it, and it is made again from the database.");
}

/// <summary>The last, partial tiles of the mirror while they grow. A tile that is full is written at once and not held any longer.</summary>
internal sealed class MirrorEdge(CompactRange tree, string folder, IRandomBytes random)
{
    private readonly List<byte>[] levels = [.. Enumerable.Range(0, TlogTiles.TopLevel + 1).Select(_ => new List<byte>())];
    private readonly bool[] changed = new bool[TlogTiles.TopLevel + 1];
    private readonly List<ReadOnlyMemory<byte>> entries = new(TlogTiles.Width);
    private readonly List<string> outgrown = [];

    private long? unlisted;

    public CompactRange Tree { get; } = tree.Clone();

    /// <summary>Whether the next entry fills a bundle, which is written at once.</summary>
    public bool FillsWithNext => entries.Count == TlogTiles.Width - 1;

    public static byte[] Fold(ReadOnlySpan<byte> hashes)
    {
        var range = CompactRange.Empty();
        for (var at = 0; at < hashes.Length; at += MerkleHash.Size) range.Append(hashes.Slice(at, MerkleHash.Size));
        return range.ToBytes();
    }

    public void Resume(int level, byte[] hashes, IReadOnlyList<ReadOnlyMemory<byte>> bundle)
    {
        levels[level].AddRange(hashes);
        entries.AddRange(bundle);
    }

    /// <summary>Looks at an entry before it is appended.</summary>
    public void Note(ReadOnlySpan<byte> entry)
    {
        if (BulkMembers.AreDue(entry)) unlisted = Tree.Size / TlogTiles.Width;
    }

    /// <summary>The bundle whose lists are to be written, since an entry with a list came to it; null when there is none.</summary>
    public long? TakeUnlisted()
    {
        var taken = unlisted;
        unlisted = null;
        return taken;
    }

    public void Append(ReadOnlyMemory<byte> entry)
    {
        var leaf = MerkleHash.Leaf(entry.Span);
        Tree.Append(leaf);
        entries.Add(entry);
        Add(0, leaf);
    }

    /// <summary>The tiles and the bundle that the tree's size leaves partial.</summary>
    public void WritePartial()
    {
        for (var level = 0; level < levels.Length; level++)
        {
            var width = levels[level].Count / MerkleHash.Size;
            if (!changed[level] || width == 0) continue;
            Write(level, TlogTiles.HashesAt(level, Tree.Size) / TlogTiles.Width, width);
            changed[level] = false;
        }
    }

    /// <summary>The partial forms of tiles that are full by now.</summary>
    public void DropOutgrown()
    {
        foreach (var partial in outgrown.Where(Directory.Exists)) Directory.Delete(partial, recursive: true);
        outgrown.Clear();
    }

    private void Add(int level, ReadOnlySpan<byte> hash)
    {
        levels[level].AddRange(hash);
        changed[level] = true;
        if (levels[level].Count < TlogTiles.Width * MerkleHash.Size) return;
        var n = TlogTiles.HashesAt(level, Tree.Size) / TlogTiles.Width - 1;
        Write(level, n, TlogTiles.Width);
        var root = Fold(levels[level].ToArray());
        levels[level].Clear();
        if (level == 0) entries.Clear();
        if (level < TlogTiles.TopLevel) Add(level + 1, root);
    }

    // The entries before their hashes: whoever finds a tile finds what it was made from.
    private void Write(int level, long n, int width)
    {
        if (level == 0) Replace(TlogTiles.EntriesPath(n, width), EntryBundle.Encode(entries), width);
        Replace(TlogTiles.TilePath(level, n, width), levels[level].ToArray(), width);
    }

    private void Replace(string name, byte[] content, int width)
    {
        var path = Path.Combine(folder, name);
        DurableFile.Replace(path, content, random);
        if (width == TlogTiles.Width) outgrown.Add(path + ".p");
    }
}
