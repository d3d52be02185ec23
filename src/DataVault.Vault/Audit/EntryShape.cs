using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using DataVault.Transparency;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>
/// What many entries have in common: type, actor, purpose, result and the set of items. A vault has some hundreds or thousands of them, however many
/// entries; a search asks which shapes match and then for the entries of those.
/// </summary>
internal sealed record EntryShape(int Type, Guid Actor, string Purpose, short Result, int[] Items)
{
    /// <summary>Tags are compared as PostgreSQL compares them: from the first byte on.</summary>
    public static Guid TagOf(ReadOnlySpan<byte> tag) => new(tag, bigEndian: true);

    public static string Hex(Guid tag) => Convert.ToHexStringLower(tag.ToByteArray(bigEndian: true));

    public static EntryShape Of(LogEntry entry) =>
        new((int)entry.Type, TagOf(entry.Actor.Span), entry.Purpose, (short)entry.Result, [.. entry.Items.Distinct().Order()]);

    /// <summary>The same for equal shapes, and for no others.</summary>
    public Guid Digest()
    {
        var purpose = Encoding.ASCII.GetBytes(Purpose);
        var bytes = new byte[25 + purpose.Length + 4 * Items.Length];
        BinaryPrimitives.WriteInt32BigEndian(bytes, Type);
        Actor.TryWriteBytes(bytes.AsSpan(4), bigEndian: true, out _);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(20), Result);
        bytes[24] = (byte)purpose.Length;
        purpose.CopyTo(bytes, 25);
        for (var i = 0; i < Items.Length; i++) BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(25 + purpose.Length + 4 * i), Items[i]);
        return TagOf(SHA256.HashData(bytes).AsSpan(0, LogEntry.TagSize));
    }
}

/// <summary>What the index keeps of an entry.</summary>
internal readonly record struct IndexedEntry(long Index, DateTime At, EntryShape Shape, Guid Digest, Guid? Subject)
{
    public static IndexedEntry Of(long index, LogEntry entry)
    {
        var shape = EntryShape.Of(entry);
        Guid? subject = entry.Subject.IsEmpty ? null : EntryShape.TagOf(entry.Subject.Span);
        return new IndexedEntry(index, DateTimeOffset.FromUnixTimeMilliseconds(entry.Time).UtcDateTime, shape, shape.Digest(), subject);
    }
}

/// <summary>Numbers shapes. New ones are numbered under the lock of the index's state, one after the other.</summary>
internal sealed class ShapeBook
{
    // An application may ask for ever other sets of fields: what is remembered is bounded, the rest is looked up.
    private const int Remembered = 200_000;
    private readonly Dictionary<Guid, int> known = [];
    private int generation;

    public async Task<int[]> CodesAsync(NpgsqlConnection connection, IndexState state, IndexedEntry[] entries, CancellationToken ct)
    {
        if (known.Count > Remembered || state.Generation != generation) known.Clear();
        generation = state.Generation;
        var unknown = new Dictionary<Guid, EntryShape>();
        foreach (var entry in entries)
        {
            if (!known.ContainsKey(entry.Digest)) unknown.TryAdd(entry.Digest, entry.Shape);
        }

        // INVARIANT: a number given in a transaction that does not commit is given again, so only those read from the table are remembered.
        if (unknown.Count > 0) await RecallAsync(connection, [.. unknown.Keys], ct);
        var fresh = unknown.Where(pair => !known.ContainsKey(pair.Key)).ToList();
        var given = fresh.ToDictionary(pair => pair.Key, _ => state.NextShape++);
        if (fresh.Count > 0) await AddAsync(connection, fresh, given, ct);
        return Array.ConvertAll(entries, entry => known.TryGetValue(entry.Digest, out var code) ? code : given[entry.Digest]);
    }

    private async Task RecallAsync(NpgsqlConnection connection, Guid[] digests, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select digest, code from audit.shape where digest = any($1)", connection);
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = digests });
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct)) known[reader.GetGuid(0)] = reader.GetInt32(1);
    }

    private static async Task AddAsync(NpgsqlConnection connection, List<KeyValuePair<Guid, EntryShape>> fresh, Dictionary<Guid, int> given, CancellationToken ct)
    {
        await using var copy = await connection.BeginBinaryImportAsync(
            "copy audit.shape (code, digest, type, actor, purpose, result, items) from stdin (format binary)", ct);
        foreach (var (digest, shape) in fresh)
        {
            await copy.StartRowAsync(ct);
            await copy.WriteAsync(given[digest], NpgsqlDbType.Integer, ct);
            await copy.WriteAsync(digest, NpgsqlDbType.Uuid, ct);
            await copy.WriteAsync(shape.Type, NpgsqlDbType.Integer, ct);
            await copy.WriteAsync(shape.Actor, NpgsqlDbType.Uuid, ct);
            await copy.WriteAsync(shape.Purpose, NpgsqlDbType.Text, ct);
            await copy.WriteAsync(shape.Result, NpgsqlDbType.Smallint, ct);
            await copy.WriteAsync(shape.Items, NpgsqlDbType.Array | NpgsqlDbType.Integer, ct);
        }

        await copy.CompleteAsync(ct);
    }
}
