using System.Buffers.Binary;
using DataVault.Transparency;
using DataVault.Vault;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Benchmarks;

/// <summary>Entries of a year: reads mostly, by fifty applications each with its purposes and its sets of fields.</summary>
internal sealed class MadeUpLog
{
    public const int Actors = 50;
    public const int RareItem = 39;
    private const int BatchEntries = 512;
    private static readonly string[] Purposes = ["customer-support", "marketing", "service-delivery", "fraud-prevention", "data-subject-rights"];
    private static readonly EntryType[] Others = [EntryType.RecordWrite, EntryType.EventAppend, EntryType.EventRead, EntryType.Search, EntryType.TokenIssued];
    private readonly int count;
    private readonly int people;
    private readonly int days;

    public MadeUpLog(int count, int people, int days)
    {
        (this.count, this.people, this.days) = (count, people, days);
        // Ends before now, so that what the vault itself enters comes after.
        Begin = new DateTimeOffset(TimeProvider.System.GetUtcNow().UtcDateTime.Date, TimeSpan.Zero).AddDays(-days - 1);
    }

    public DateTimeOffset Begin { get; }

    public DateTimeOffset End => Begin.AddDays(days);

    public static Guid Actor(int number) => Tag(1, number % Actors);

    /// <summary>Low numbers are the busy ones.</summary>
    public static Guid Person(int number) => Tag(2, number);

    public static string PurposeOf(int actor) => Purposes[actor % Purposes.Length];

    public (DateTimeOffset From, DateTimeOffset Until) Day(int round) => (Begin.AddDays((round * 37 + 5) % days), Begin.AddDays((round * 37 + 5) % days + 1));

    public (DateTimeOffset From, DateTimeOffset Until) Month(int round)
    {
        var from = Begin.AddDays((round * 53 + 11) % Math.Max(1, days - 30));
        return (from, from.AddDays(30));
    }

    public async Task FillAsync(BenchmarkVault vault)
    {
        await vault.AsOwnerAsync("truncate audit.batch, audit.detail, audit.bulk, audit.tile, audit.checkpoint; update audit.head set size = 0, root = sha256(''), frontier = '', t_last = 0");
        await LogReindex.ClearAsync(vault.VaultAdmin);
        await using var owner = new NpgsqlConnection(vault.VaultAdmin);
        await owner.OpenAsync();
        var range = CompactRange.Empty();
        for (var first = 0; first < count; first += 1 << 20) await FillAsync(owner, first, Math.Min(count, first + (1 << 20)), range);
    }

    public async Task FillPeerAsync(BenchmarkVault vault)
    {
        await vault.OnPeerAsync(
            """
            create table audit_plain (id bigint primary key, at timestamptz not null, type int not null, actor uuid not null, subject uuid, purpose text not null, result smallint not null, items int[] not null)
            """);
        await using (var connection = await vault.Peer.OpenConnectionAsync())
        await using (var copy = await connection.BeginBinaryImportAsync("copy audit_plain from stdin (format binary)"))
        {
            for (var i = 0; i < count; i++) await WriteRowAsync(copy, i, Entry(i));
            await copy.CompleteAsync();
        }

        foreach (var column in new[] { "at", "type", "actor", "subject", "purpose" })
            await vault.OnPeerAsync($"create index on audit_plain ({column})");
        await vault.OnPeerAsync("create index on audit_plain using gin (items)");
        await vault.OnPeerAsync("vacuum analyze audit_plain");
    }

    private async Task FillAsync(NpgsqlConnection owner, int first, int end, CompactRange range)
    {
        await using (var copy = await owner.BeginBinaryImportAsync("copy audit.batch (first_index, count, entries, leaf_hashes) from stdin (format binary)"))
        {
            for (var block = first; block < end; block += 64 * BatchEntries)
            {
                var batches = new (byte[] Entries, byte[] Leaves, int Count)[(Math.Min(end, block + 64 * BatchEntries) - block + BatchEntries - 1) / BatchEntries];
                Parallel.For(0, batches.Length, i => batches[i] = Batch(block + i * BatchEntries, Math.Min(end, block + (i + 1) * BatchEntries)));
                for (var i = 0; i < batches.Length; i++)
                {
                    for (var at = 0; at < batches[i].Leaves.Length; at += MerkleHash.Size) range.Append(batches[i].Leaves.AsSpan(at, MerkleHash.Size));
                    await copy.StartRowAsync();
                    await copy.WriteAsync((long)block + i * BatchEntries, NpgsqlDbType.Bigint);
                    await copy.WriteAsync(batches[i].Count, NpgsqlDbType.Integer);
                    await copy.WriteAsync(batches[i].Entries, NpgsqlDbType.Bytea);
                    await copy.WriteAsync(batches[i].Leaves, NpgsqlDbType.Bytea);
                }
            }

            await copy.CompleteAsync();
        }

        await using var head = new NpgsqlCommand("update audit.head set size = $1, root = $2, frontier = $3, t_last = $4", owner);
        head.Parameters.Add(new() { Value = range.Size });
        head.Parameters.Add(new() { Value = range.Root() });
        head.Parameters.Add(new() { Value = range.ToBytes() });
        head.Parameters.Add(new() { Value = Entry(end - 1).Time });
        await head.ExecuteNonQueryAsync();
        await using var grow = new NpgsqlCommand("select audit.add_partitions()", owner);
        await grow.ExecuteNonQueryAsync();
    }

    private (byte[] Entries, byte[] Leaves, int Count) Batch(int first, int end)
    {
        var entries = new List<ReadOnlyMemory<byte>>(end - first);
        var leaves = new byte[(end - first) * MerkleHash.Size];
        for (var i = first; i < end; i++)
        {
            entries.Add(Entry(i).Encode());
            MerkleHash.Leaf(entries[^1].Span, leaves.AsSpan((i - first) * MerkleHash.Size, MerkleHash.Size));
        }

        return (EntryBundle.Encode(entries), leaves, end - first);
    }

    private static async Task WriteRowAsync(NpgsqlBinaryImporter copy, long id, LogEntry entry)
    {
        await copy.StartRowAsync();
        await copy.WriteAsync(id, NpgsqlDbType.Bigint);
        await copy.WriteAsync(DateTimeOffset.FromUnixTimeMilliseconds(entry.Time).UtcDateTime, NpgsqlDbType.TimestampTz);
        await copy.WriteAsync((int)entry.Type, NpgsqlDbType.Integer);
        await copy.WriteAsync(EntryShape.TagOf(entry.Actor.Span), NpgsqlDbType.Uuid);
        if (entry.Subject.IsEmpty) await copy.WriteNullAsync();
        else await copy.WriteAsync(EntryShape.TagOf(entry.Subject.Span), NpgsqlDbType.Uuid);
        await copy.WriteAsync(entry.Purpose, NpgsqlDbType.Text);
        await copy.WriteAsync((short)entry.Result, NpgsqlDbType.Smallint);
        await copy.WriteAsync(entry.Items.ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Integer);
    }

    private LogEntry Entry(int index)
    {
        var dice = new Dice((ulong)index);
        // The share of the one who comes n-th falls with n: an eighth of all for the first tenth of a thousandth of people.
        var actor = (int)(Math.Pow(dice.Next(), 2.5) * Actors);
        var person = (int)(Math.Pow(dice.Next(), 4) * people);
        var read = dice.Next() < 0.8;
        var type = read ? EntryType.FieldRead : Others[(int)(dice.Next() * Others.Length)];
        var refused = dice.Next() < 0.02;
        return new LogEntry
        {
            Type = refused ? EntryType.Denied : type,
            Time = Begin.AddTicks((long)((double)index / count * TimeSpan.FromDays(days).Ticks)).ToUnixTimeMilliseconds(),
            Actor = Actor(actor).ToByteArray(bigEndian: true),
            Subject = type is EntryType.Search or EntryType.TokenIssued ? default(ReadOnlyMemory<byte>) : Person(person).ToByteArray(bigEndian: true),
            Purpose = Purposes[dice.Next() < 0.7 ? actor % Purposes.Length : (int)(dice.Next() * Purposes.Length)],
            Result = refused ? EntryResult.Denied : EntryResult.Ok,
            Items = ItemsOf(actor, ref dice),
            RecordVersion = 3,
            Policy = new byte[16],
            Rules = ["support-reads-contact"],
        };
    }

    // An application asks for one of some sets of fields; consents make it now one fewer, now another.
    private static int[] ItemsOf(int actor, ref Dice dice)
    {
        var set = new Dice((ulong)(1_000_000 + actor * 8 + (int)(dice.Next() * 8)));
        var missing = 1 + (int)(dice.Next() * 60);
        var items = Enumerable.Range(1, 30).Where(_ => set.Next() < 0.2).Where(item => item != missing);
        return [.. dice.Next() < 0.00001 && actor < Actors / 2 ? items.Append(RareItem) : items];
    }

    private static Guid Tag(int kind, int number)
    {
        Span<byte> bytes = stackalloc byte[16];
        var dice = new Dice((ulong)number * 4 + (ulong)kind);
        BinaryPrimitives.WriteUInt64BigEndian(bytes, dice.Bits());
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], dice.Bits());
        return new Guid(bytes, bigEndian: true);
    }

    /// <summary>The same throws for the same number, quickly (SplitMix64).</summary>
    private struct Dice(ulong seed)
    {
        private ulong state = seed * 0x9E37_79B9_7F4A_7C15 + 0x1234_5678;

        public ulong Bits()
        {
            var z = state += 0x9E37_79B9_7F4A_7C15;
            z = (z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9;
            z = (z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB;
            return z ^ (z >> 31);
        }

        public double Next() => (Bits() >> 11) * (1.0 / (1UL << 53));
    }
}
