using System.Security.Cryptography;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>A timestamp of an authority over a checkpoint.</summary>
/// <param name="Size">Entries of the checkpoint.</param>
/// <param name="Note">The checkpoint, byte for byte what was timestamped.</param>
/// <param name="Token">RFC 3161 token, DER.</param>
/// <param name="At">When the authority says that it saw the checkpoint.</param>
public sealed record LogTimestamp(long Size, string Note, ReadOnlyMemory<byte> Token, DateTimeOffset At);

/// <summary>What others say of the log's checkpoints, kept beside them; and the signed log as it is passed on to others.</summary>
public sealed class LogAnchors
{
    private readonly VaultDatabase database;
    private readonly LogStore store;
    private readonly CheckpointSigner signer;
    private readonly AuditLog log;
    private readonly ReaderNames names;
    private readonly Dictionary<string, (string? Name, string? Kind)> actors = [];

    internal LogAnchors(VaultDatabase database, LogStore store, CheckpointSigner signer, AuditLog log, ReaderNames names) =>
        (this.database, this.store, this.signer, this.log, this.names) = (database, store, signer, log, names);

    /// <summary>Whether this process signs: it alone speaks with witnesses and timestamp authorities.</summary>
    public bool Leads => signer.Leads;

    /// <summary>Entries that are signed.</summary>
    public long Signed => signer.Latest?.Size ?? 0;

    /// <summary>Keeps a cosignature that was verified.</summary>
    /// <param name="size">Entries of the checkpoint.</param>
    /// <param name="witness">Name of the witness.</param>
    /// <param name="line">The signature line, with its newline.</param>
    /// <param name="at">When it was cosigned.</param>
    /// <param name="ct">Ends the wait.</param>
    public async Task KeepCosignatureAsync(long size, string witness, string line, DateTimeOffset at, CancellationToken ct = default)
    {
        await using var command = database.Source.CreateCommand("insert into audit.cosignature (size, witness, line, at) values ($1, $2, $3, $4) on conflict do nothing");
        foreach (var value in new object[] { size, witness, line, at.UtcDateTime }) command.Parameters.Add(new() { Value = value });
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Keeps a timestamp that was verified, and enters in the log that there is one.</summary>
    public async Task KeepTimestampAsync(LogTimestamp timestamp, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(timestamp);
        await using var command = database.Source.CreateCommand("insert into audit.timestamp (size, note, token, at) values ($1, $2, $3, $4) on conflict do nothing");
        foreach (var value in new object[] { timestamp.Size, timestamp.Note, timestamp.Token.ToArray(), timestamp.At.UtcDateTime }) command.Parameters.Add(new() { Value = value });
        await command.ExecuteNonQueryAsync(ct);
        var entry = log.Entry(EntryType.Timestamp, LogWorker.Keeper, default, "", EntryResult.Ok, []);
        await log.AppendAsync(entry with { RecordVersion = timestamp.Size, KeyCommitment = SHA256.HashData(timestamp.Token.Span) }, null, ct);
    }

    /// <summary>The timestamp of the checkpoint of this size, or the newest; null when there is none.</summary>
    public async Task<LogTimestamp?> TimestampAsync(long? size = null, CancellationToken ct = default)
    {
        await using var command = database.Source.CreateCommand("select size, note, token, at from audit.timestamp where $1 is null or size = $1 order by size desc limit 1");
        command.Parameters.Add(new() { Value = (object?)size ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Bigint });
        await using var reader = await command.ExecuteReaderAsync(ct);
        if (!await reader.ReadAsync(ct)) return null;
        return new LogTimestamp(reader.GetInt64(0), reader.GetString(1), reader.GetFieldValue<byte[]>(2), new DateTimeOffset(reader.GetDateTime(3), TimeSpan.Zero));
    }

    /// <summary>Signed entries from <paramref name="first"/> on, at most <paramref name="count"/>, with the names behind their codes.</summary>
    public async Task<IReadOnlyList<AuditRecord>> EntriesAsync(long first, int count, CancellationToken ct = default)
    {
        var entries = new List<(long Index, LogEntry Entry)>();
        await foreach (var (index, entry) in store.EntriesAsync(first, Math.Min(first + count, Signed), ct)) entries.Add((index, LogEntry.Decode(entry)));
        await NameActorsAsync(entries.ConvertAll(e => Convert.ToHexString(e.Entry.Actor.Span)), ct);
        return entries.ConvertAll(e =>
        {
            var (name, kind) = actors.GetValueOrDefault(Convert.ToHexString(e.Entry.Actor.Span));
            return new AuditRecord(e.Index, e.Entry, name, kind, names.Items(e.Entry));
        });
    }

    private async Task NameActorsAsync(IEnumerable<string> tags, CancellationToken ct)
    {
        var unknown = tags.Where(tag => !actors.ContainsKey(tag)).Distinct().Select(Convert.FromHexString).ToArray();
        if (unknown.Length == 0) return;
        await using var command = database.Source.CreateCommand("select tag, name, kind from audit.actor where tag = any($1)");
        command.Parameters.Add(new() { Value = unknown });
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct)) actors[Convert.ToHexString(reader.GetFieldValue<byte[]>(0))] = (reader.GetString(1), reader.GetString(2));
    }
}
