using DataVault.Transparency;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>
/// Fills <c>audit.entry_index</c>, <c>audit.tile</c> and <c>audit.actor</c> from the batches, off the path of requests. All three can be made again at will.
/// </summary>
internal sealed class LogIndexer(VaultDatabase database, LogStore store, AuditLog log) : IDisposable
{
    private const int Step = 4096;
    private readonly SemaphoreSlim turn = new(1, 1);

    /// <summary>Indexes everything that is in the log at this moment. Safe to run at the same time in several processes.</summary>
    public async Task CatchUpAsync(CancellationToken ct = default)
    {
        await turn.WaitAsync(ct);
        try
        {
            var (size, _) = await store.HeadAsync(ct);
            log.Observe(size);
            await NameActorsAsync(ct);
            for (var next = await NextAsync(ct); next < size; next += Step) await IndexAsync(next, Math.Min(size, next + Step), ct);
            await store.KeepTilesAsync(size, ct);
        }
        finally
        {
            turn.Release();
        }
    }

    public void Dispose() => turn.Dispose();

    // INVARIANT: each statement adds a run of indexes that begins at or before the end of what is committed, so the index never has a gap.
    private async Task IndexAsync(long first, long end, CancellationToken ct)
    {
        var rows = new List<(long Index, LogEntry Entry)>((int)(end - first));
        await foreach (var (index, entry) in store.EntriesAsync(first, end, ct)) rows.Add((index, LogEntry.Decode(entry)));
        await using var command = database.Source.CreateCommand(
            """
            insert into audit.entry_index (index, at, type, actor_tag, subject_tag, purpose, result, items)
            select r.i, r.at, r.t, r.a, r.s, r.p, r.r, r.items::int[] from unnest($1, $2, $3, $4, $5, $6, $7, $8) as r (i, at, t, a, s, p, r, items)
            on conflict do nothing
            """);
        Add(command, rows.Select(r => r.Index).ToArray(), NpgsqlDbType.Bigint);
        Add(command, rows.Select(r => DateTimeOffset.FromUnixTimeMilliseconds(r.Entry.Time).UtcDateTime).ToArray(), NpgsqlDbType.TimestampTz);
        Add(command, rows.Select(r => (int)r.Entry.Type).ToArray(), NpgsqlDbType.Integer);
        Add(command, rows.Select(r => r.Entry.Actor.ToArray()).ToArray(), NpgsqlDbType.Bytea);
        Add(command, rows.Select(r => r.Entry.Subject.IsEmpty ? null : r.Entry.Subject.ToArray()).ToArray(), NpgsqlDbType.Bytea);
        Add(command, rows.Select(r => r.Entry.Purpose).ToArray(), NpgsqlDbType.Text);
        Add(command, rows.Select(r => (short)r.Entry.Result).ToArray(), NpgsqlDbType.Smallint);
        Add(command, rows.Select(r => "{" + string.Join(',', r.Entry.Items) + "}").ToArray(), NpgsqlDbType.Text);
        await command.ExecuteNonQueryAsync(ct);
    }

    private async Task<long> NextAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select coalesce(max(index) + 1, 0) from audit.entry_index");
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    private async Task NameActorsAsync(CancellationToken ct)
    {
        foreach (var actor in log.TakeNewActors())
        {
            await using var command = database.Source.CreateCommand("insert into audit.actor (tag, name, kind) values ($1, $2, $3) on conflict do nothing");
            command.Parameters.Add(new() { Value = actor.Tag });
            command.Parameters.Add(new() { Value = actor.Name });
            command.Parameters.Add(new() { Value = actor.Kind });
            await command.ExecuteNonQueryAsync(ct);
        }
    }

    private static void Add(NpgsqlCommand command, Array values, NpgsqlDbType type) =>
        command.Parameters.Add(new() { Value = values, NpgsqlDbType = NpgsqlDbType.Array | type });
}
