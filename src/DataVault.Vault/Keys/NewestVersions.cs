using System.Threading.Channels;
using DataVault.Policy;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Vault.Keys;

/// <summary>The record is older than one that was seen before: it was rolled back, or it was read before a change that this process has seen since.</summary>
internal sealed class OlderRecordException() : StaleKeyException("The record is older than its newest known version.");

/// <summary>
/// Remembers in the keys database how new each person's record has been, so that a record that somebody put back in an older state is not served. Costs no
/// round trip: the number comes with the person's key, and what is seen is written by and by.
/// <code>
/// a change is committed, or a record passes its seal  ->  its version is remembered with the cached key, and queued  ->  written in batches
/// a consent, an objection, a restriction, a hold      ->  the same, and written before the caller has the answer
/// start, and every hour                               ->  what was changed since the last time and is not remembered (a crash) and passes its seal  ->  written too
/// </code>
/// INVARIANT: only ever raised, by versions whose seal held; lowered alone by what an operator stands behind (<see cref="RestoredVersions"/>).
/// A version that stands beside a record says nothing: whoever writes to the vault database could make everybody's record look old for ever.
/// </summary>
internal sealed class NewestVersions(KeysDatabase keys, VaultDatabase vault, KeyRegistry registry, TimeProvider clock, ILogger<NewestVersions> logger) : RoundsWorker(clock, logger)
{
    private const int Chunk = 1024;
    private const int Waiting = 65_536;
    private const string Older = "k.newest < u.v";

    private static readonly TimeSpan SweepRhythm = TimeSpan.FromHours(1);

    /// <summary>Changes become visible a little after the time that they bear.</summary>
    private static readonly TimeSpan Overlap = TimeSpan.FromMinutes(15);

    private DateTimeOffset? due;

    // A queue that is full drops: the hourly look finds what was dropped.
    private readonly Channel<(Guid Subject, long Version)> seen = Channel.CreateBounded<(Guid, long)>(new BoundedChannelOptions(Waiting) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>A record of this version has passed its seal. Nothing is older than a first version, so that is not worth remembering.</summary>
    public void Saw(SubjectKeys held, long version)
    {
        if (version > 1 && held.Wrapped.Saw(version)) seen.Writer.TryWrite((held.Subject.Value, version));
    }

    /// <summary>What was last sealed with these keys is committed.</summary>
    public void Wrote(SubjectKeys held)
    {
        Saw(held, held.Sealed);
        // By the time of the commit the cache may hold what another request has fetched.
        registry.Saw(held.Subject, held.Sealed);
    }

    /// <summary>The same of changes that nobody may undo even for the moment until the next batch is written. A keys database that is away does not undo what is committed: the next batch has it too.</summary>
    public async Task WroteAsync(IEnumerable<SubjectKeys> held, CancellationToken ct)
    {
        var changed = held.Where(keys => keys.Sealed > 1).ToList();
        changed.ForEach(Wrote);
        if (changed.Count == 0) return;
        try
        {
            // In the same round trip: other processes look again, instead of believing the keys that they have.
            (Guid, long)[] rows = [.. changed.Select(keys => (keys.Subject.Value, keys.Sealed))];
            await ExecuteAsync([Write(Older, rows), Tell(rows)], ct);
        }
        catch (Exception e) when (DatabaseFailure.IsOutage(e))
        {
            Logger.LogWarning("The keys database is away: {Count} changes are remembered by this process alone until it is back.", changed.Count);
        }
    }

    /// <summary>Writes what is queued.</summary>
    public async Task FlushAsync(CancellationToken ct)
    {
        var newest = new SortedDictionary<Guid, long>();
        while (newest.Count < Chunk && seen.Reader.TryRead(out var one)) newest[one.Subject] = Math.Max(one.Version, newest.GetValueOrDefault(one.Subject));
        if (newest.Count == 0) return;
        try
        {
            await RaiseAsync([.. newest.Select(pair => (pair.Key, pair.Value))], ct);
        }
        catch
        {
            foreach (var (subject, version) in newest) seen.Writer.TryWrite((subject, version));
            throw;
        }
    }

    /// <summary>Writes what was changed since this was last done and is not remembered, if its seal holds.</summary>
    public async Task SweepAsync(CancellationToken ct)
    {
        var began = Clock.GetUtcNow();
        var (since, seenUntil) = await MarkAsync(ct);
        await using var command = vault.Source.CreateCommand("select subject_id, row_version from vault.subject where updated_at >= $1 and row_version > 1");
        command.CommandTimeout = 0;
        command.Parameters.Add(new() { Value = (since - Overlap).UtcDateTime });
        await foreach (var chunk in RowsAsync(command, ct).Chunk(Chunk).WithCancellation(ct))
        {
            var sound = await SoundAsync(await NewsAsync(chunk, ct), ct);
            if (sound.Length > 0) await RaiseAsync(sound, ct);
        }

        await SetMarkAsync(began, seenUntil, ct);
    }

    /// <summary>How far the log was searched for restores.</summary>
    public async Task<long> LogSeenAsync(CancellationToken ct) => (await MarkAsync(ct)).LogSeen;

    public async Task SawLogAsync(long size, CancellationToken ct) => await SetMarkAsync((await MarkAsync(ct)).Since, size, ct);

    /// <summary>Of these records those that are older than they were, with the newest version that is remembered.</summary>
    public async Task<List<(SubjectId Subject, long Version, long Newest)>> OlderAsync((Guid Subject, long Version)[] rows, CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand("select k.subject_id, u.v, k.newest from unnest($1, $2) as u (s, v) join keys.subject_key k on k.subject_id = u.s where k.newest > u.v");
        AddRows(command.Parameters, rows);
        return await Rows.ReadAsync(command, row => (new SubjectId(row.GetGuid(0)), row.GetInt64(1), row.GetInt64(2)), ct);
    }

    /// <summary>These records are as old as they are by right; processes that remember otherwise look again.</summary>
    public Task LowerAsync((Guid Subject, long Version)[] rows, CancellationToken ct) => ExecuteAsync([Write("k.newest > u.v", rows), Tell(rows)], ct);

    protected override TimeSpan Rhythm => TimeSpan.FromMilliseconds(500);

    public override async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        await FlushAsync(cancellation);
        if (Clock.GetUtcNow() < due) return true;
        await SweepAsync(cancellation);
        due = Clock.GetUtcNow() + SweepRhythm;
        return true;
    }

    private async Task<List<SubjectId>> NewsAsync((Guid Subject, long Version)[] rows, CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand("select k.subject_id from unnest($1, $2) as u (s, v) join keys.subject_key k on k.subject_id = u.s where k.newest < u.v");
        AddRows(command.Parameters, rows);
        return await Rows.ReadAsync(command, row => new SubjectId(row.GetGuid(0)), ct);
    }

    private async Task<(Guid Subject, long Version)[]> SoundAsync(List<SubjectId> subjects, CancellationToken ct)
    {
        var records = await SubjectRows.FindManyAsync(vault, subjects, ct);
        if (records.Count == 0) return [];
        var sound = new List<(Guid, long)>(records.Count);
        foreach (var held in await registry.GetManyFreshAsync([.. records.Keys], ct))
        {
            using (held)
            {
                var record = records[held.Subject];
                if (held.Has(record.KeyVersion) && RecordCipher.SealHolds(registry.VaultId, record, held)) sound.Add((held.Subject.Value, record.RowVersion));
            }
        }

        return [.. sound];
    }

    private Task RaiseAsync((Guid Subject, long Version)[] rows, CancellationToken ct) => ExecuteAsync([Write(Older, rows)], ct);

    private async Task ExecuteAsync(NpgsqlBatchCommand[] commands, CancellationToken ct)
    {
        await using var batch = keys.Source.CreateBatch();
        foreach (var command in commands) batch.BatchCommands.Add(command);
        await batch.ExecuteNonQueryAsync(ct);
    }

    // INVARIANT: in the order of the keys' ids (KeyRegistry.StandBack), so that nobody waits for each other.
    private static NpgsqlBatchCommand Write(string where, (Guid Subject, long Version)[] rows)
    {
        var command = new NpgsqlBatchCommand(
            $"""
            with u as (select s, v from unnest($1, $2) as u (s, v)),
                 locked as (select k.subject_id, u.v from keys.subject_key k join u on k.subject_id = u.s where {where} order by k.subject_id for update of k)
            update keys.subject_key k set newest = locked.v from locked where k.subject_id = locked.subject_id
            """);
        AddRows(command.Parameters, rows);
        return command;
    }

    private static NpgsqlBatchCommand Tell((Guid Subject, long Version)[] rows) => new($"select pg_notify('{KeyRegistry.GoneChannel}', u.s) from unnest($1) as u (s)")
    {
        Parameters = { new() { Value = rows.Select(row => new SubjectId(row.Subject).ToString()).ToArray() } },
    };

    private static void AddRows(NpgsqlParameterCollection parameters, (Guid Subject, long Version)[] rows)
    {
        parameters.Add(new() { Value = rows.Select(row => row.Subject).ToArray() });
        parameters.Add(new() { Value = rows.Select(row => row.Version).ToArray() });
    }

    private async Task<(DateTimeOffset Since, long LogSeen)> MarkAsync(CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand("select done_until, log_seen from keys.newest_mark");
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? (reader.GetFieldValue<DateTimeOffset>(0), reader.GetInt64(1)) : (DateTimeOffset.UnixEpoch, 0);
    }

    private async Task SetMarkAsync(DateTimeOffset done, long logSeen, CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand(
            """
            insert into keys.newest_mark as m (id, done_until, log_seen) values (1, $1, $2)
            on conflict (id) do update set done_until = greatest(m.done_until, excluded.done_until), log_seen = greatest(m.log_seen, excluded.log_seen)
            """);
        command.Parameters.Add(new() { Value = done.UtcDateTime });
        command.Parameters.Add(new() { Value = logSeen });
        await command.ExecuteNonQueryAsync(ct);
    }

    public static async IAsyncEnumerable<(Guid Subject, long Version)> RowsAsync(NpgsqlCommand command, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct)) yield return (reader.GetGuid(0), reader.GetInt64(1));
    }
}
