using System.Security.Cryptography;
using DataVault.Transparency;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// The log as the tables hold it: every batch parses, hashes to the leaves beside it and follows the one before; together they are the head; full
/// tiles are what the entries give; every detail is the one that its entry names; every checkpoint signs what stands there.
/// </summary>
internal sealed class LogCheck(CheckRun run, LogMirror mirror, SignerKeys keys, LogStore store)
{
    private const string Name = "log";
    private const int TileBytes = TlogTiles.Width * MerkleHash.Size;

    private readonly CompactRange range = CompactRange.Empty();
    private readonly List<(byte[] Hashes, int Filled)> filling = [];
    private readonly Dictionary<(int Level, long N), byte[]> tiles = [];
    private readonly SortedDictionary<long, byte[]> signed = [];
    private readonly Dictionary<long, byte[]> details = [];
    private readonly Dictionary<string, List<long>> toldOf = [];
    private readonly HashSet<string> erased = [];
    private readonly HashSet<string> whole = [];
    private readonly List<(long Index, LogEntry Entry)> restores = [];
    private List<DeclaredRestore> lost = [];
    private CompactRange? remembered;
    private long lastTime;
    private long pruned;

    /// <summary>Entries that a row says it was logged by, for those who check these rows.</summary>
    public Dictionary<long, LogEntry?> Wanted { get; } = [];

    /// <summary>The holds that the log tells of, for those who check their rows.</summary>
    public ToldHolds Holds { get; } = new();

    /// <summary>What the log tells of oversight, for those who check its rows.</summary>
    public ToldOversight Oversight { get; } = new();

    /// <summary>The steps of breaches that the log tells of.</summary>
    public ToldBreaches Breaches { get; } = new();

    /// <summary>The automated decisions that the log tells of.</summary>
    public ToldDecisions Decisions { get; } = new();

    /// <summary>The versions of the policy that entries put in force.</summary>
    public SortedDictionary<long, string> Activations { get; } = [];

    /// <summary>Whether the entry tells of what a restore took back, and somebody stands behind the restore, or the vault itself found it.</summary>
    public bool IsLost(long index) => lost.Exists(restore => index >= restore.From && index < restore.Index);

    /// <summary>Whether nothing is left of the person.</summary>
    public bool IsErased(string tag) => whole.Contains(tag);

    /// <summary>Tags of people of whom somebody wants to know which entry made their key and their record; null of whom no entry tells.</summary>
    public Dictionary<string, long?> Born { get; } = [];

    /// <summary>Entries that say that a key was destroyed, and the commitment to it.</summary>
    public List<(long Index, string Commitment)> Executed { get; } = [];

    public async Task RunAsync(CancellationToken ct)
    {
        var head = (await run.Snapshot.ListAsync(LogHead.Select, row => (Size: row.GetInt64(0), Root: row.GetFieldValue<byte[]>(1), Frontier: row.GetFieldValue<byte[]>(2), Last: row.GetInt64(3)), ct))[0];
        run.Step($"The log: {head.Size:N0} entries");
        remembered = keys.Memory.TryRecall();
        await LoadAsync(ct);
        await using var told = run.Snapshot.RowsAsync("select index, sha256(sealed) from audit.detail order by index", row => (Index: row.GetInt64(0), Hash: row.GetFieldValue<byte[]>(1)), ct).GetAsyncEnumerator(ct);
        var more = await told.MoveNextAsync();
        if (!await PrunedAsync(ct)) return;
        await foreach (var (first, count, entries, leaves) in run.Snapshot.RowsAsync("select first_index, count, entries, leaf_hashes from audit.batch order by first_index", Batch, ct))
        {
            // A batch that a pruning cut through stays whole, so that its first entries come a second time.
            var again = (int)Math.Max(0, Math.Min(count, pruned - first));
            if (first + again != range.Size)
            {
                run.Wrong(Name, $"a batch begins at entry {first} where {range.Size} is due");
                return;
            }

            for (; more && told.Current.Index < first + count; more = await told.MoveNextAsync()) details[told.Current.Index] = told.Current.Hash;
            if (!Take(first, count, entries, leaves, again)) return;
            if (range.Size / 1_000_000 > first / 1_000_000) run.Step($"The log: {range.Size:N0} of {head.Size:N0} entries");
        }

        if (range.Size != head.Size) run.Wrong(Name, $"the head counts {head.Size} entries, the batches hold {range.Size}");
        else if (!head.Root.AsSpan().SequenceEqual(range.Root()) || !head.Frontier.AsSpan().SequenceEqual(range.ToBytes())) run.Wrong(Name, "the head's root is not that of the entries");
        else if (head.Last != lastTime) run.Wrong(Name, "the head's time is not that of the last entry");
        for (; more; more = await told.MoveNextAsync()) details[told.Current.Index] = told.Current.Hash;
        Finish();
        run.Count("log entries", range.Size);
        // What was signed since the state that is looked at is there by now, or was taken away.
        if (remembered?.Size > range.Size && await store.HeadAsync(ct) is var (now, _) && now < remembered.Size)
            run.Wrong(Name, $"the log has {now} entries, fewer than the {remembered.Size} that were signed: the database is an older copy, or was shortened");
    }

    private static (long First, int Count, byte[] Entries, byte[] Leaves) Batch(NpgsqlDataReader row) =>
        (row.GetInt64(0), row.GetInt32(1), row.GetFieldValue<byte[]>(2), row.GetFieldValue<byte[]>(3));

    private async Task LoadAsync(CancellationToken ct)
    {
        await foreach (var (level, n, hashes) in run.Snapshot.RowsAsync("select level, n, hashes from audit.tile", row => (row.GetInt32(0), row.GetInt64(1), row.GetFieldValue<byte[]>(2)), ct))
            tiles[(level, n)] = SHA256.HashData(hashes);
        await foreach (var (size, note) in run.Snapshot.RowsAsync("select size, note from audit.checkpoint", row => (row.GetInt64(0), row.GetString(1)), ct))
        {
            if (SignedNote.TryParse(note, out var parsed) && Checkpoint.TryParse(parsed!.Text, out var checkpoint) && checkpoint!.Size == size) signed[size] = checkpoint.Root.ToArray();
            else run.Wrong(Name, $"the checkpoint of {size} entries is not a signed note of that size");
        }
    }

    /// <summary>What was pruned is read from the log's mirror: the check is of the whole log, wherever it lies.</summary>
    private async Task<bool> PrunedAsync(CancellationToken ct)
    {
        pruned = (await run.Snapshot.ListAsync("select coalesce(max(below), 0) from audit.pruned", row => row.GetInt64(0), ct))[0];
        try
        {
            await foreach (var chunk in mirror.EntriesAsync(0, pruned, ct).Chunk(TlogTiles.Width).WithCancellation(ct))
            {
                var leaves = chunk.SelectMany(entry => MerkleHash.Leaf(entry.Span)).ToArray();
                if (!Take(range.Size, chunk.Length, EntryBundle.Encode(chunk), leaves, 0)) return false;
            }
        }
        catch (VaultStartException e)
        {
            run.Wrong(Name, e.Message);
            return false;
        }

        return true;
    }

    private bool Take(long first, int count, byte[] bundle, byte[] leaves, int again)
    {
        if (!EntryBundle.TryDecode(bundle, out var entries) || entries.Count != count || leaves.Length != count * MerkleHash.Size)
        {
            run.Wrong(Name, $"the batch at entry {first} does not hold {count} entries with their hashes");
            return false;
        }

        var leaf = new byte[MerkleHash.Size];
        for (var i = again; i < count; i++)
        {
            MerkleHash.Leaf(entries[i].Span, leaf);
            if (!leaves.AsSpan(i * MerkleHash.Size, MerkleHash.Size).SequenceEqual(leaf)) run.Wrong(Name, $"entry {first + i} does not hash to the leaf beside it");
            Look(first + i, entries[i]);
            range.Append(leaf);
            Tile(0, leaf);
            if (range.Size == remembered?.Size && !range.Root().AsSpan().SequenceEqual(remembered.Root())) run.Wrong(Name, $"the first {range.Size} entries are not those that were signed");
            if (signed.Remove(range.Size, out var root) && !root.AsSpan().SequenceEqual(range.Root()))
                run.Wrong(Name, $"the checkpoint of {range.Size} entries has another root than the entries");
        }

        return true;
    }

    private void Look(long index, ReadOnlyMemory<byte> encoded)
    {
        try
        {
            var entry = LogEntry.Decode(encoded);
            if (entry.Time < lastTime) run.Wrong(Name, $"entry {index} is earlier than the entry before it");
            lastTime = entry.Time;
            if (Wanted.ContainsKey(index)) Wanted[index] = entry;
            Detail(index, entry);
            if (entry.Type == EntryType.RestoreDeclared) restores.Add((index, entry));
            Holds.Read(index, entry);
            Oversight.Read(index, entry);
            Breaches.Read(index, entry);
            Decisions.Read(index, entry);
            if (PolicyPast.IsActivation(entry)) Activations[index] = Convert.ToHexStringLower(entry.Policy.Span);
            if (entry.Type == EntryType.EraseExecuted && entry.Items.Count == 0) whole.Add(Convert.ToHexString(entry.Subject.Span));
            if (entry.Type == EntryType.EraseExecuted) Executes(index, entry);
            if (entry.Type == EntryType.KeyCreate && Born.Count > 0 && Convert.ToHexString(entry.Subject.Span) is var whose && Born.ContainsKey(whose)) Born[whose] = index;
        }
        catch (FormatException)
        {
            run.Wrong(Name, $"entry {index} is not well formed");
        }
    }

    private void Executes(long index, LogEntry entry)
    {
        erased.Add(Convert.ToHexString(entry.Subject.Span));
        Executed.Add((index, Convert.ToHexString(entry.KeyCommitment.Span)));
    }

    private void Detail(long index, LogEntry entry)
    {
        if (details.Remove(index, out var hash))
        {
            if (!entry.DetailHash.Span.SequenceEqual(hash)) run.Wrong("details", $"the detail of entry {index} is not the one that the entry names");
            run.Count("details", 1);
        }
        else if (!entry.DetailHash.IsEmpty && HasDetailRow(entry))
        {
            var whose = Convert.ToHexString(entry.Subject.Span);
            if (!toldOf.TryGetValue(whose, out var indexes)) toldOf[whose] = indexes = [];
            indexes.Add(index);
        }
    }

    // Of a write, the hash names the history row or the consent act that came with it; of these, the records against the log tell.
    private static bool HasDetailRow(LogEntry entry) => entry.Type is not (EntryType.RecordWrite or EntryType.ConsentChange or EntryType.KeyRotate or EntryType.RetentionSwept);

    private void Tile(int level, ReadOnlySpan<byte> hash)
    {
        if (filling.Count <= level) filling.Add((new byte[TileBytes], 0));
        var (hashes, filled) = filling[level];
        hash.CopyTo(hashes.AsSpan(filled));
        filling[level] = (hashes, (filled + MerkleHash.Size) % TileBytes);
        if (filling[level].Filled > 0) return;
        var n = TlogTiles.HashesAt(level, range.Size) / TlogTiles.Width - 1;
        if (tiles.Remove((level, n), out var stored) && !stored.AsSpan().SequenceEqual(SHA256.HashData(hashes))) run.Wrong(Name, $"the tile {level}/{n} is not what its entries give");
        var over = CompactRange.Empty();
        for (var at = 0; at < TileBytes; at += MerkleHash.Size) over.Append(hashes.AsSpan(at, MerkleHash.Size));
        Tile(level + 1, over.Root());
    }

    private void Finish()
    {
        foreach (var (level, n) in tiles.Keys) run.Wrong(Name, $"the tile {level}/{n} lies beyond the end of the log, or is not full");
        foreach (var size in signed.Keys) run.Wrong(Name, $"a checkpoint signs {size} entries, more than there are");
        foreach (var index in details.Keys) run.Wrong("details", $"a detail is of entry {index}, which does not exist or names none");
        lost = Lost();
        foreach (var (whose, indexes) in toldOf.Where(one => !erased.Contains(one.Key)))
            foreach (var index in indexes.Where(index => !IsLost(index))) run.Wrong("details", $"the detail of entry {index} is gone, and {(whose.Length == 0 ? "no person's" : "not by an erasure of the person")}");
    }

    // Of what the vault put back itself the details are not there, whether or not anybody has said that the restore was meant.
    private List<DeclaredRestore> Lost()
    {
        if (restores.Count == 0) return [];
        try
        {
            var declared = new DeclaredRestores(keys.List);
            foreach (var (index, entry) in restores) declared.Read(index, entry);
            foreach (var restore in declared.All.Where(restore => !restore.IsBelieved))
                run.Note($"Entry {restore.Index} declares a restore to entry {restore.From}, and no operator stands behind it ({restore.Word}).");
            return [.. declared.All.Where(restore => restore.IsBelieved || restore.Word == RestoreWord.Found)];
        }
        catch (SignerRefusalException e)
        {
            run.Wrong(Name, $"the restores that the log declares cannot be checked: {e.Message}");
            return [];
        }
    }
}
