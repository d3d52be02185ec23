using System.Globalization;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using DataVault.Vault.Storage;
using Microsoft.EntityFrameworkCore;

namespace DataVault.Vault;

/// <summary>What to look for in the log; members that are null do not narrow.</summary>
public sealed record AuditQuery
{
    public const int MaxLimit = 1000;

    public SubjectId? Subject { get; init; }

    /// <summary>Name of an application, process or role, or a tag as 32 hex digits.</summary>
    public string? Actor { get; init; }

    public string? Purpose { get; init; }

    /// <summary>An item that the entry names.</summary>
    public CatalogueItem? Item { get; init; }

    public EntryType? Type { get; init; }

    public EntryResult? Result { get; init; }

    public DateTimeOffset? From { get; init; }

    public DateTimeOffset? Until { get; init; }

    /// <summary>Otherwise the newest come first.</summary>
    public bool OldestFirst { get; init; }

    public int Limit { get; init; } = 100;

    public string? Cursor { get; init; }
}

/// <summary>Something that entries have in common, and how many have it.</summary>
public sealed record AuditCount(string Name, long Entries);

/// <summary>How many entries match, altogether and by what they say. An entry that names several items counts for each.</summary>
public sealed record AuditCounts(
    long Entries, IReadOnlyList<AuditCount> Types, IReadOnlyList<AuditCount> Results, IReadOnlyList<AuditCount> Purposes, IReadOnlyList<AuditCount> Actors,
    IReadOnlyList<AuditCount> Items, IReadOnlyList<AuditCount> Days);

/// <summary>An entry with its index and the names behind its codes.</summary>
/// <param name="Actor">Name of the application, process or roles; null when it is not known (yet).</param>
/// <param name="ActorKind"><c>application</c>, <c>staff</c>, <c>customer</c> or <c>process</c>.</param>
public sealed record AuditRecord(long Index, LogEntry Entry, string? Actor, string? ActorKind, IReadOnlyList<string> ItemNames);

/// <summary>In the order that was asked for.</summary>
/// <param name="Next">Cursor of the page after this; null at the end.</param>
public sealed record AuditPage(IReadOnlyList<AuditRecord> Entries, string? Next);

/// <summary>That an entry stands in the signed log.</summary>
/// <param name="Text">The same as one C2SP tlog-proof.</param>
public sealed record InclusionProofData(long Index, ReadOnlyMemory<byte> Entry, IReadOnlyList<byte[]> Hashes, string Checkpoint, string Text)
{
    /// <summary>That a person is among those whom the entry is about; null when it names one person or none.</summary>
    public MembershipProof? Member { get; init; }
}

/// <summary>That a tag is among those under the entry's bulk root: <see cref="BulkMembers.Verify"/>.</summary>
public sealed record MembershipProof(ReadOnlyMemory<byte> Tag, int Position, IReadOnlyList<byte[]> Hashes);

/// <summary>Reads the log: search, proofs, tiles. Whoever calls decides who may; of proofs, <see cref="EntryProofs"/> does.</summary>
public sealed class AuditReader
{
    private readonly VaultDatabase database;
    private readonly LogStore store;
    private readonly LogSearch search;
    private readonly LogIndexer indexer;
    private readonly CheckpointSigner signer;
    private readonly AuditLog log;
    private readonly ReaderNames names;

    internal AuditReader(VaultDatabase database, LogStore store, LogIndexer indexer, CheckpointSigner signer, AuditLog log, ReaderNames names) =>
        (this.database, this.store, search, this.indexer, this.signer, this.log, this.names) = (database, store, new LogSearch(database), indexer, signer, log, names);

    public string Origin => log.Origin;

    /// <summary>Entries that this process knows of.</summary>
    public long Size => log.Size;

    /// <summary>The newest signed tree: the <c>Audit-Checkpoint</c> header. Costs nothing.</summary>
    public SignedTree? LatestSigned => signer.Latest;

    /// <summary>Why the log is not signed any more; null while all is well.</summary>
    public string? SignerRefusal => signer.Refusal;

    public string VerifierKey => signer.VerifierKey;

    /// <summary>By which what was signed earlier is verified too.</summary>
    internal LogKeys Keys => signer.Keys;

    /// <summary>How many calls of this process met what the vault did not write, and the entry of the last of them.</summary>
    public (long Calls, long Last) DamageMet => log.DamageMet;

    public Task CatchUpAsync(CancellationToken ct = default) => indexer.CatchUpAsync(ct);

    /// <summary>Signs now rather than within the next half second.</summary>
    public Task SignAsync(CancellationToken ct = default) => signer.SignAsync(ct);

    /// <exception cref="VaultException">The limit or the cursor is not valid.</exception>
    public async Task<AuditPage> SearchAsync(AuditQuery query, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        if (query.Limit is < 1 or > AuditQuery.MaxLimit) throw VaultException.BadRequest($"The limit is between 1 and {AuditQuery.MaxLimit}.");
        var cursor = Cursor(query);
        await indexer.CatchUpAsync(ct);
        if (await FilterAsync(query, ct) is not { } filter) return new AuditPage([], null);
        var indexes = await search.ReadAsync(async connection =>
        {
            var range = await LogSearch.RangeAsync(connection, query.From, query.Until, ct);
            if (cursor is { } last) range = query.OldestFirst ? range with { Low = Math.Max(range.Low, last + 1) } : range with { High = Math.Min(range.High, last) };
            return await LogSearch.FindAsync(connection, filter, range, query.OldestFirst, query.Limit + 1, ct);
        }, ct);
        var shown = indexes.Take(query.Limit).ToList();
        var next = indexes.Count > query.Limit ? shown[^1].ToString(CultureInfo.InvariantCulture) : null;
        return new AuditPage(await RecordsAsync(shown, ct), next);
    }

    /// <summary>How many entries match; the limit and the cursor do not count.</summary>
    public async Task<AuditCounts> CountAsync(AuditQuery query, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        await indexer.CatchUpAsync(ct);
        if (await FilterAsync(query, ct) is not { } filter) return Count(new EntryCounts([], []), []);
        var counts = await search.ReadAsync(
            async connection => await LogSearch.CountAsync(connection, filter, await LogSearch.RangeAsync(connection, query.From, query.Until, ct), ct), ct);
        await using var context = Contexts.Vault(database.Source);
        return Count(counts, (await context.Actors.ToListAsync(ct)).ToDictionary(actor => EntryShape.TagOf(actor.Tag), actor => actor.Name));
    }

    /// <summary>Everything that matches, page by page, so that any number of entries takes no more memory than one page.</summary>
    public async IAsyncEnumerable<AuditRecord> ExportAsync(AuditQuery query, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        for (var cursor = query.Cursor; ;)
        {
            var page = await SearchAsync(query with { Limit = AuditQuery.MaxLimit, Cursor = cursor }, ct);
            foreach (var entry in page.Entries) yield return entry;
            if (page.Next is null) yield break;
            cursor = page.Next;
        }
    }

    /// <summary>One entry.</summary>
    /// <exception cref="VaultException">There is none at this index.</exception>
    public async Task<AuditRecord> EntryAsync(long index, CancellationToken ct = default)
    {
        return (await RecordsAsync([index], ct)) is [var record] ? record : throw VaultException.NotFound();
    }

    /// <summary>The detail of an entry; null when there is none, or when it was erased with the person it concerned.</summary>
    public async Task<byte[]?> DetailAsync(AuditRecord record, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(record);
        if (record.Entry.DetailHash.IsEmpty || await store.DetailAsync(record.Index, ct) is not { } detail) return null;
        if (detail.Subject is not { } subject) return log.OpenDetail(record.Entry, null, detail.Sealed);
        if (await names.KeysAsync(subject, ct) is not { } found) return null;
        using var keys = found;
        return log.OpenDetail(record.Entry, keys, detail.Sealed);
    }

    /// <exception cref="VaultException">No such entry, or it is not signed yet: unavailable for a second.</exception>
    internal Task<InclusionProofData> ProofAsync(long index, CancellationToken ct = default) => ProofAsync(index, null, ct);

    /// <param name="index">Of the entry.</param>
    /// <param name="mirror">Has the entries that were pruned here; null: those are not found.</param>
    /// <param name="ct">Ends the wait.</param>
    internal async Task<InclusionProofData> ProofAsync(long index, LogMirror? mirror, CancellationToken ct)
    {
        if (index < 0 || index >= (await store.HeadAsync(ct)).Size) throw VaultException.NotFound();
        if (index >= (signer.Latest?.Size ?? 0)) await signer.SignAsync(ct);
        if (await store.WitnessedCheckpointAsync(index, log.WitnessQuorum, ct) is not { } signed || index >= signed.Size) throw VaultException.Unavailable();
        var hashes = await ReadNodesAsync(signed.Size, node => InclusionProof.Build(index, signed.Size, node), ct);
        if (!SignedNote.TryParse(signed.Note, out var note)) throw new InvalidDataException("The checkpoint is not a signed note.");
        if (!(await store.EntriesAtAsync([index], ct)).TryGetValue(index, out var entry)) entry = await PrunedAsync(index, mirror, (hashes, note!), ct);
        return new InclusionProofData(index, entry, hashes, signed.Note, new TlogProof(index, hashes, note!, entry).ToString());
    }

    // What the mirror has is believed when it is what the log signed.
    private static async Task<ReadOnlyMemory<byte>> PrunedAsync(long index, LogMirror? mirror, (IReadOnlyList<byte[]> Hashes, SignedNote Note) proof, CancellationToken ct)
    {
        if (mirror is null) throw VaultException.NotFound();
        await foreach (var entry in mirror.EntriesAsync(index, index + 1, ct))
        {
            return Checkpoint.TryParse(proof.Note.Text, out var tree) && InclusionProof.Verify(index, tree!.Size, MerkleHash.Leaf(entry.Span), proof.Hashes, tree.Root.Span)
                ? entry : throw VaultException.Damaged();
        }

        throw VaultException.NotFound();
    }

    /// <summary>That the log of the newest checkpoint continues the log of <paramref name="oldSize"/> entries.</summary>
    public async Task<(IReadOnlyList<byte[]> Hashes, string Checkpoint)> ConsistencyAsync(long oldSize, CancellationToken ct = default)
    {
        if (await store.CheckpointAsync(ct) is not { } signed || oldSize < 1 || oldSize > signed.Size) throw VaultException.NotFound();
        return (await ReadNodesAsync(signed.Size, node => ConsistencyProof.Build(oldSize, signed.Size, node), ct), signed.Note);
    }

    /// <summary>The newest checkpoint; null before the first.</summary>
    public async Task<string?> CheckpointAsync(CancellationToken ct = default) => (await store.CheckpointAsync(ct))?.Note;

    /// <summary>The newest checkpoint that enough witnesses have cosigned, if they are not far behind; otherwise the newest. Null before the first.</summary>
    public async Task<string?> WitnessedCheckpointAsync(CancellationToken ct = default) => (await store.WitnessedCheckpointAsync(-1, log.WitnessQuorum, ct))?.Note;

    /// <summary>A tile of <paramref name="width"/> hashes; null when the signed log has no such tile.</summary>
    public async Task<byte[]?> TileAsync(int level, long n, int width, CancellationToken ct = default) =>
        await IsSignedAsync(level, n, width, ct) ? await store.TileAsync(level, n, width, ct) : null;

    /// <summary>A bundle of <paramref name="width"/> entries; null when the signed log has no such bundle.</summary>
    public async Task<byte[]?> EntryBundleAsync(long n, int width, CancellationToken ct = default)
    {
        if (!await IsSignedAsync(0, n, width, ct)) return null;
        var entries = new List<ReadOnlyMemory<byte>>(width);
        var first = n * TlogTiles.Width;
        await foreach (var (_, entry) in store.EntriesAsync(first, first + width, ct)) entries.Add(entry);
        // Of a pruned log the entries are in the mirror, and here are only their hashes.
        return entries.Count == width ? EntryBundle.Encode(entries) : null;
    }

    /// <summary>The lists of persons of a bundle, of its signed entries; null when there are none here.</summary>
    public async Task<byte[]?> MembersAsync(long n, CancellationToken ct = default) =>
        await store.CheckpointAsync(ct) is { } signed && n < signed.Size / TlogTiles.Width + 1 ? await store.MembersBundleAsync(n, signed.Size, ct) : null;

    private async Task<bool> IsSignedAsync(int level, long n, int width, CancellationToken ct)
    {
        if (level < 0 || n < 0 || width is < 1 or > TlogTiles.Width || n > long.MaxValue / TlogTiles.Width - 1) return false;
        var size = (await store.CheckpointAsync(ct))?.Size ?? 0;
        return TlogTiles.HashesAt(level, size) >= n * TlogTiles.Width + width;
    }

    // The proof algorithms ask for nodes one by one and do not wait: a first run finds out which tiles they need, a second has them.
    private async Task<IReadOnlyList<byte[]>> ReadNodesAsync(long size, Func<Func<int, long, byte[]>, IReadOnlyList<byte[]>> build, CancellationToken ct)
    {
        var tiles = new Dictionary<(int Level, long N), (int Width, byte[] Hashes)>();
        build(TlogTiles.NodeReader(size, (level, n, width) => (tiles[(level, n)] = (width, new byte[width * MerkleHash.Size])).Hashes));
        foreach (var ((level, n), (width, _)) in tiles.ToList())
            tiles[(level, n)] = (width, await store.TileAsync(level, n, width, ct) ?? throw new InvalidDataException("A tile of the log is missing."));
        return build(TlogTiles.NodeReader(size, (level, n, _) => tiles[(level, n)].Hashes));
    }

    private static long? Cursor(AuditQuery query)
    {
        if (query.Cursor is not { } cursor) return null;
        return long.TryParse(cursor, NumberStyles.None, CultureInfo.InvariantCulture, out var last) ? last : throw VaultException.BadRequest("The cursor is not valid.");
    }

    /// <summary>Null when nothing can match: the person is unknown or erased.</summary>
    private async Task<EntryFilter?> FilterAsync(AuditQuery query, CancellationToken ct)
    {
        var filter = new EntryFilter
        {
            Purpose = query.Purpose,
            Item = query.Item is { } item ? AuditLog.ItemCode(item) : null,
            Types = query.Type is { } type ? [(int)type] : null,
            Result = query.Result is { } result ? (short)result : null,
        };
        if (query.Subject is { } subject)
        {
            if (await names.TagAsync(subject, ct) is not { } tag) return null;
            filter = filter with { Subject = EntryShape.TagOf(tag) };
        }

        return query.Actor is { } actor ? filter with { Actors = await names.ActorsAsync(actor, ct) } : filter;
    }

    private AuditCounts Count(EntryCounts counts, Dictionary<Guid, string> actors)
    {
        IReadOnlyList<AuditCount> By(Func<EntryShape, IEnumerable<string>> name) =>
        [
            .. counts.Shapes.SelectMany(one => name(one.Shape).Select(key => (Key: key, one.Entries))).GroupBy(one => one.Key, StringComparer.Ordinal)
                .Select(group => new AuditCount(group.Key, group.Sum(one => one.Entries))).OrderByDescending(count => count.Entries).ThenBy(count => count.Name, StringComparer.Ordinal),
        ];
        return new AuditCounts(
            counts.Shapes.Sum(one => one.Entries),
            By(shape => [EntryTypes.NameOf((EntryType)shape.Type)]),
            By(shape => [EntryTypes.NameOf((EntryResult)shape.Result)]),
            By(shape => shape.Purpose.Length > 0 ? [shape.Purpose] : []),
            By(shape => [actors.GetValueOrDefault(shape.Actor) ?? EntryShape.Hex(shape.Actor)]),
            By(shape => shape.Items.Select(names.Item)),
            [.. counts.Days.Select(day => new AuditCount(day.Day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), day.Entries))]);
    }

    private async Task<IReadOnlyList<AuditRecord>> RecordsAsync(List<long> indexes, CancellationToken ct)
    {
        if (indexes.Count == 0) return [];
        await using var context = Contexts.Vault(database.Source);
        var entries = await store.EntriesAtAsync(indexes, ct);
        var decoded = indexes.Where(entries.ContainsKey).Select(index => (Index: index, Entry: LogEntry.Decode(entries[index]))).ToList();
        var tags = decoded.Select(d => d.Entry.Actor.ToArray()).DistinctBy(Convert.ToHexString).ToList();
        var actors = (await context.Actors.Where(a => tags.Contains(a.Tag)).ToListAsync(ct)).ToDictionary(a => Convert.ToHexString(a.Tag));
        return decoded.ConvertAll(d =>
        {
            var actor = actors.GetValueOrDefault(Convert.ToHexString(d.Entry.Actor.Span));
            return new AuditRecord(d.Index, d.Entry, actor?.Name, actor?.Kind, names.Items(d.Entry));
        });
    }
}

/// <summary>Between the log's codes and the names that people use.</summary>
internal sealed class ReaderNames(VaultDatabase database, KeyRegistry keys, ActivePolicy policy)
{
    /// <summary>Null when the person is unknown or erased: nobody can compute the tag then.</summary>
    public async Task<byte[]?> TagAsync(SubjectId subject, CancellationToken ct)
    {
        using var found = await KeysAsync(subject, ct);
        return found?.Tag.ToArray();
    }

    public Task<SubjectKeys?> KeysAsync(SubjectId subject, CancellationToken ct) => keys.FindFreshAsync(subject, ct);

    /// <summary>Tags of all who bear a name, and of the credential (client or account id, or process) of that name; of a tag itself, that.</summary>
    public async Task<List<Guid>> ActorsAsync(string actor, CancellationToken ct)
    {
        await using var context = Contexts.Vault(database.Source);
        var tags = (await context.Actors.Where(a => a.Name == actor).Select(a => a.Tag).ToListAsync(ct)).ConvertAll(tag => EntryShape.TagOf(tag));
        if (TryTag(actor) is { } tagged) tags.Add(tagged);
        foreach (var kind in new[] { RecipientKind.Application, RecipientKind.Staff, RecipientKind.Process })
            tags.Add(EntryShape.TagOf(keys.ActorTag(new Recipient(kind, actor, actor, [], []))));
        return tags;
    }

    /// <summary>A tag written as 32 hexadecimal digits.</summary>
    public static Guid? TryTag(string text) =>
        text.Length == 2 * LogEntry.TagSize && text.All(char.IsAsciiHexDigit) ? EntryShape.TagOf(Convert.FromHexString(text)) : null;

    public CatalogueItem? Definition(int code) => code >= 1000 ? policy.Current.Events.ById(code - 1000) : policy.Current.Catalogue.ById(code);

    public IReadOnlyList<string> Items(LogEntry entry) => [.. entry.Items.Select(Item)];

    public string Item(int code) => Definition(code)?.Name ?? code.ToString(CultureInfo.InvariantCulture);
}
