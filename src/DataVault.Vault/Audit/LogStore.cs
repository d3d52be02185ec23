using DataVault.Policy;
using DataVault.Transparency;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>Reads batches, tiles and checkpoints; keeps full tiles ready, since a node high up the tree would otherwise need all leaves below it.</summary>
internal sealed class LogStore(VaultDatabase database)
{
    private const int TileBytes = TlogTiles.Width * MerkleHash.Size;
    private const int TilesAtOnce = 64;

    private const string Batches =
        """
        from audit.batch
        where first_index >= coalesce((select max(first_index) from audit.batch where first_index <= $1), 0) and first_index < $2
        order by first_index
        """;

    private const string Cosigned = "c.note || coalesce((select string_agg(line, '' order by witness) from audit.cosignature x where x.size = c.size), '')";

    /// <summary>Gives up the connections that died with the one that failed.</summary>
    public void Forget(Exception cause) => database.Forget(cause);

    public async Task<(long Size, byte[] Root)> HeadAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select size, root from audit.head where log_id = 1");
        await using var reader = await command.ExecuteReaderAsync(ct);
        if (!await reader.ReadAsync(ct)) throw new InvalidOperationException("The log has no head.");
        return (reader.GetInt64(0), reader.GetFieldValue<byte[]>(1));
    }

    /// <summary>Entries [first, end), in order.</summary>
    public async IAsyncEnumerable<(long Index, ReadOnlyMemory<byte> Entry)> EntriesAsync(
        long first, long end, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct = default)
    {
        await using var command = database.Source.CreateCommand("select first_index, entries " + Batches);
        command.Parameters.Add(new() { Value = first });
        command.Parameters.Add(new() { Value = end });
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            var index = reader.GetInt64(0);
            foreach (var entry in EntryBundle.Decode(reader.GetFieldValue<byte[]>(1)))
            {
                if (index >= first && index < end) yield return (index, entry);
                index++;
            }
        }
    }

    /// <summary>Entries at scattered indexes; each batch is read once, however many of its entries are wanted.</summary>
    public async Task<IReadOnlyDictionary<long, ReadOnlyMemory<byte>>> EntriesAtAsync(IReadOnlyCollection<long> indexes, CancellationToken ct)
    {
        var found = new Dictionary<long, ReadOnlyMemory<byte>>(indexes.Count);
        await using var command = database.Source.CreateCommand(
            """
            select b.first_index, b.entries, w.indexes from (
                select f.first_index, array_agg(i) as indexes from unnest($1) as u (i)
                cross join lateral (select first_index from audit.batch where first_index <= u.i order by first_index desc limit 1) f
                group by f.first_index) w
            join audit.batch b using (first_index)
            """);
        command.Parameters.Add(new() { Value = indexes.ToArray() });
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            var first = reader.GetInt64(0);
            var entries = EntryBundle.Decode(reader.GetFieldValue<byte[]>(1));
            foreach (var index in reader.GetFieldValue<long[]>(2).Where(index => index < first + entries.Count)) found[index] = entries[(int)(index - first)];
        }

        return found;
    }

    /// <summary>Whom an entry about several persons is about; null when it is not, or was written by a version that did not keep them.</summary>
    /// <exception cref="InvalidDataException">What is kept is not what the entry's root was made of.</exception>
    public async Task<BulkMembers?> MembersAsync(long index, LogEntry entry, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select tags from audit.bulk where index = $1");
        command.Parameters.Add(new() { Value = index });
        if (await command.ExecuteScalarAsync(ct) is not byte[] tags) return null;
        return BulkMembers.TryRead(entry, tags, out var members)
            ? members
            : throw new InvalidDataException($"The list of those whom entry {index} is about is not the one that it was made of.");
    }

    /// <summary>The lists that belong to the entries of a bundle, of those before <paramref name="end"/>, as <see cref="MembersBundle"/> has them; null when there are none.</summary>
    public async Task<byte[]?> MembersBundleAsync(long n, long end, CancellationToken ct)
    {
        var first = n * TlogTiles.Width;
        await using var command = database.Source.CreateCommand("select index, tags from audit.bulk where index >= $1 and index < $2 order by index");
        command.Parameters.Add(new() { Value = first });
        command.Parameters.Add(new() { Value = Math.Min(end, first + TlogTiles.Width) });
        var lists = await Rows.ReadAsync(
            command, row => KeyValuePair.Create((int)(row.GetInt64(0) - first), (ReadOnlyMemory<byte>)row.GetFieldValue<byte[]>(1)), ct);
        return lists.Count > 0 ? MembersBundle.Encode(lists) : null;
    }

    /// <summary>Numbers of the bundles before entry <paramref name="end"/> that have lists.</summary>
    public async Task<List<long>> BundlesWithMembersAsync(long end, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select distinct index / {TlogTiles.Width} from audit.bulk where index < $1 order by 1");
        command.Parameters.Add(new() { Value = end });
        return await Rows.ReadAsync(command, row => row.GetInt64(0), ct);
    }

    /// <summary>Hashes of a tile, or of its first <paramref name="width"/>; null beyond the end of the log.</summary>
    public async Task<byte[]?> TileAsync(int level, long n, int width, CancellationToken ct)
    {
        if (await StoredTileAsync(level, n, ct) is { } full) return full[..(width * MerkleHash.Size)];
        if (level == 0) return await LeavesAsync(n * TlogTiles.Width, width, ct);
        var hashes = new byte[width * MerkleHash.Size];
        for (var i = 0; i < width; i++)
        {
            if (await TileAsync(level - 1, n * TlogTiles.Width + i, TlogTiles.Width, ct) is not { } below) return null;
            Root(below).CopyTo(hashes, i * MerkleHash.Size);
        }

        return hashes;
    }

    /// <summary>Keeps every tile that is full and not kept yet.</summary>
    public async Task KeepTilesAsync(long size, CancellationToken ct)
    {
        for (var level = 0; TlogTiles.HashesAt(level, size) >= TlogTiles.Width; level++)
        {
            var full = TlogTiles.HashesAt(level, size) / TlogTiles.Width;
            for (var n = await NextTileAsync(level, ct); n < full; n += TilesAtOnce)
            {
                var count = (int)Math.Min(TilesAtOnce, full - n);
                if (await TilesAsync(level, n, count, ct) is { } tiles) await KeepAsync(level, n, tiles, ct);
            }
        }
    }

    /// <summary>The newest checkpoint, or the newest of at most <paramref name="atMost"/> entries, with the cosignatures that it has.</summary>
    public Task<(long Size, string Note)?> CheckpointAsync(CancellationToken ct, long atMost = long.MaxValue) =>
        OneCheckpointAsync($"select size, {Cosigned} from audit.checkpoint c where size <= $1 order by size desc limit 1", ct, atMost);

    /// <summary>
    /// The newest checkpoint of more than <paramref name="index"/> entries that <paramref name="quorum"/> witnesses have cosigned, if it is hardly older than
    /// the newest of all; otherwise that. A witness that is away so delays nobody.
    /// </summary>
    public Task<(long Size, string Note)?> WitnessedCheckpointAsync(long index, int quorum, CancellationToken ct) => OneCheckpointAsync(
        $"""
        with recent as (select size, note, at, (select count(*) from audit.cosignature x where x.size = c.size) as cosigned from audit.checkpoint c order by size desc limit 200)
        select size, {Cosigned} from recent c
        where size > $1 and (cosigned >= $2 and at >= (select max(at) from recent) - interval '1 minute' or size = (select max(size) from recent))
        order by cosigned >= $2 desc, size desc limit 1
        """,
        ct,
        index,
        (long)quorum);

    public async Task KeepCheckpointAsync(long size, string note, DateTimeOffset at, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("insert into audit.checkpoint (size, note, at) values ($1, $2, $3) on conflict do nothing");
        command.Parameters.Add(new() { Value = size });
        command.Parameters.Add(new() { Value = note });
        command.Parameters.Add(new() { Value = at.UtcDateTime });
        await command.ExecuteNonQueryAsync(ct);
    }

    public async Task<(SubjectId? Subject, byte[] Sealed)?> DetailAsync(long index, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select subject_id, sealed from audit.detail where index = $1");
        command.Parameters.Add(new() { Value = index });
        await using var reader = await command.ExecuteReaderAsync(ct);
        if (!await reader.ReadAsync(ct)) return null;
        return (reader.IsDBNull(0) ? null : new SubjectId(reader.GetGuid(0)), reader.GetFieldValue<byte[]>(1));
    }

    private async Task<(long Size, string Note)?> OneCheckpointAsync(string sql, CancellationToken ct, params object[] values)
    {
        await using var command = database.Source.CreateCommand(sql);
        foreach (var value in values) command.Parameters.Add(new() { Value = value });
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? (reader.GetInt64(0), reader.GetString(1)) : null;
    }

    private static byte[] Root(ReadOnlySpan<byte> tile)
    {
        var range = CompactRange.Empty();
        for (var at = 0; at < tile.Length; at += MerkleHash.Size) range.Append(tile.Slice(at, MerkleHash.Size));
        return range.Root();
    }

    private async Task<byte[]?> StoredTileAsync(int level, long n, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select hashes from audit.tile where level = $1 and n = $2");
        command.Parameters.Add(new() { Value = level });
        command.Parameters.Add(new() { Value = n });
        return await command.ExecuteScalarAsync(ct) as byte[];
    }

    private async Task<byte[]?> LeavesAsync(long first, int count, CancellationToken ct)
    {
        var hashes = new byte[count * MerkleHash.Size];
        var end = first + count;
        var reached = first;
        await using var command = database.Source.CreateCommand("select first_index, leaf_hashes " + Batches);
        command.Parameters.Add(new() { Value = first });
        command.Parameters.Add(new() { Value = end });
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            var (start, leaves) = (reader.GetInt64(0), reader.GetFieldValue<byte[]>(1));
            var (from, to) = (Math.Max(start, first), Math.Min(start + leaves.Length / MerkleHash.Size, end));
            if (from >= to) continue;
            leaves.AsSpan((int)(from - start) * MerkleHash.Size, (int)(to - from) * MerkleHash.Size).CopyTo(hashes.AsSpan((int)(from - first) * MerkleHash.Size));
            reached = to;
        }

        return reached == end ? hashes : null;
    }

    private async Task<long> NextTileAsync(int level, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select coalesce(max(n) + 1, 0) from audit.tile where level = $1");
        command.Parameters.Add(new() { Value = level });
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>Full tiles that follow each other; null when the log has not all of them.</summary>
    private async Task<byte[][]?> TilesAsync(int level, long first, int count, CancellationToken ct)
    {
        if (level == 0)
        {
            var leaves = await LeavesAsync(first * TlogTiles.Width, count * TlogTiles.Width, ct);
            return leaves is null ? null : [.. leaves.Chunk(TileBytes)];
        }

        var tiles = new byte[count][];
        for (var i = 0; i < count; i++)
        {
            if (await TileAsync(level, first + i, TlogTiles.Width, ct) is not { } tile) return null;
            tiles[i] = tile;
        }

        return tiles;
    }

    private async Task KeepAsync(int level, long first, byte[][] tiles, CancellationToken ct)
    {
        if (tiles.Any(tile => tile.Length != TileBytes)) throw new ArgumentException("not a full tile", nameof(tiles));
        await using var command = database.Source.CreateCommand(
            "insert into audit.tile (level, n, hashes) select $1, t.n, t.hashes from unnest($2, $3) as t (n, hashes) on conflict do nothing");
        command.Parameters.Add(new() { Value = level });
        command.Parameters.Add(new() { Value = Enumerable.Range(0, tiles.Length).Select(i => first + i).ToArray() });
        command.Parameters.Add(new() { Value = tiles, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea });
        await command.ExecuteNonQueryAsync(ct);
    }
}
