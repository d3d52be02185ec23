using DataVault.Cryptography;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault.Keys;

/// <summary>An epoch that began or ended: what the log says of it.</summary>
internal sealed record EpochChange(int Epoch, byte[] Commitment);

/// <summary>
/// Replaces the epoch root and destroys old ones. A replaced root is kept for <see cref="VaultOptions.EpochRetention"/>, so that a recent backup of the
/// keys database is of use; a destroyed one makes every older copy of that database worthless, which is what makes erasures final.
/// </summary>
internal sealed class EpochRotation(KeysDatabase database, VaultKeyring keyring, KeyRegistry registry, IndexKeys indexKeys, VaultOptions options, TimeProvider clock)
{
    /// <summary>Pages wrapped in one transaction: their rows are locked for some milliseconds, everybody else's stay free.</summary>
    public const int Chunk = 256;

    /// <summary>The current epoch, and whether it is old enough for the next to take over.</summary>
    public async Task<(int Current, bool IsDue)> LookAsync(CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct);
        var (current, started) = await CurrentAsync(connection, ct);
        return (current, clock.GetUtcNow() - started >= options.EpochLength);
    }

    /// <summary>
    /// Begins an epoch, unless it has begun; its commitment. From now on new pages are wrapped under it; <see cref="RewrapChunkAsync"/> brings the others after.
    /// </summary>
    public async Task<byte[]> BeginAsync(int epoch, CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await ExecuteAsync(connection, "lock table keys.epoch in share row exclusive mode", ct);
        await using (var begun = new NpgsqlCommand("select commitment from keys.epoch where epoch_id = $1", connection) { Parameters = { new() { Value = epoch } } })
        {
            if (await begun.ExecuteScalarAsync(ct) is byte[] known) return known;
        }

        var version = VaultKeys.CurrentVersion(connection);
        var (wrapped, commitment) = keyring.NewEpoch(epoch, version);
        await using var insert = new NpgsqlCommand("insert into keys.epoch (epoch_id, wrapped, commitment, created_at, vault_key_version) values ($1, $2, $3, $4, $5)", connection)
        {
            Parameters =
            {
                new() { Value = epoch }, new() { Value = wrapped }, new() { Value = commitment }, new() { Value = clock.GetUtcNow().UtcDateTime }, new() { Value = version },
            },
        };
        await insert.ExecuteNonQueryAsync(ct);
        await DurabilityGuard.CommitAsync(transaction);
        return commitment;
    }

    /// <summary>Wraps some of the pages that are still under an older root. Zero when none is left; the epoch is complete then.</summary>
    public async Task<int> RewrapChunkAsync(CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await ExecuteAsync(connection, KeyRegistry.StandBack, ct);
        using var turn = await TurnOfAsync(connection, ct);
        // Pages that an erasure has locked come later; when only such are left, they are waited for one by one.
        var pages = await ReadPagesAsync(connection, turn, $"limit {Chunk} for update skip locked", ct);
        if (pages.Count == 0) pages = await ReadPagesAsync(connection, turn, "limit 1 for update", ct);
        if (pages.Count == 0) await indexKeys.RewrapAsync(connection, turn, ct);
        if (pages.Count == 0) await CompleteAsync(connection, turn.Epoch, ct);
        else await RewrapAsync(connection, turn, pages, ct);
        await DurabilityGuard.CommitAsync(transaction);
        return pages.Count;
    }

    /// <summary>Pages that are still under an older root and can be brought after.</summary>
    public async Task<long> BehindAsync(int epoch, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select count(*) from keys.page where epoch_id < $1 and damaged_at is null");
        command.Parameters.Add(new() { Value = epoch });
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>Destroys the roots that were replaced longer ago than the retention.</summary>
    public async Task<IReadOnlyList<EpochChange>> DestroyOldAsync(CancellationToken ct)
    {
        while (await RewrapChunkAsync(ct) > 0)
        {
        }

        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // Pages may be read meanwhile, but neither made nor given a new generation.
        await ExecuteAsync(connection, "lock table keys.page in share row exclusive mode", ct);
        using var turn = await TurnOfAsync(connection, ct);
        while (await ReadPagesAsync(connection, turn, $"limit {Chunk}", ct) is { Count: > 0 } late) await RewrapAsync(connection, turn, late, ct);
        await indexKeys.RewrapAsync(connection, turn, ct);
        var gone = await MarkDestroyedAsync(connection, ct);
        await DurabilityGuard.CommitAsync(transaction);
        // All of them, not only those of this turn: a crash after the commit leaves a slot behind, and another process may have destroyed some.
        foreach (var epoch in await DestroyedAsync(ct)) keyring.ForgetEpoch(epoch);
        return gone;
    }

    private async Task<List<int>> DestroyedAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select epoch_id from keys.epoch where destroyed_at is not null");
        return await Rows.ReadAsync(command, row => row.GetInt32(0), ct);
    }

    private static async Task<(int Epoch, DateTimeOffset Started)> CurrentAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select epoch_id, created_at from keys.epoch where destroyed_at is null order by epoch_id desc limit 1", connection);
        await using var reader = await command.ExecuteReaderAsync(ct);
        if (!await reader.ReadAsync(ct)) throw new VaultStartException("The keys database has no key epoch.");
        return (reader.GetInt32(0), reader.GetFieldValue<DateTimeOffset>(1));
    }

    /// <summary>The root in force, and those of the older epochs that are not destroyed.</summary>
    private async Task<EpochRoots> TurnOfAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select epoch_id from keys.epoch where destroyed_at is null order by epoch_id desc", connection);
        var alive = await Rows.ReadAsync(command, row => row.GetInt32(0), ct);
        if (alive.Count == 0) throw new VaultStartException("The keys database has no key epoch.");
        var roots = new EpochRoots(alive[0], await keyring.EpochRootAsync(alive[0], connection, ct));
        foreach (var older in alive.Skip(1)) roots.Add(older, await keyring.TryEpochRootAsync(older, connection, ct));
        return roots;
    }

    // INVARIANT: a page is set aside only when the root that it names opens and the page does not. Where the root itself does not open, its pages are as good as
    // they were: they stay, and keep that root from being destroyed until somebody has mended it.
    private async Task RewrapAsync(NpgsqlConnection connection, EpochRoots roots, List<StoredPage> pages, CancellationToken ct)
    {
        var wrapped = pages.ConvertAll(page => (page.Id, Wrapped: registry.RewrapPage(page, roots.Of(page.Epoch), roots.Root)));
        var good = wrapped.FindAll(page => page.Wrapped is not null);
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new("update keys.page p set epoch_id = $1, wrapped = u.w from unnest($2, $3) as u (p, w) where p.page_id = u.p")
                {
                    Parameters =
                    {
                        new() { Value = roots.Epoch }, new() { Value = good.Select(page => page.Id).ToArray() },
                        new() { Value = good.Select(page => page.Wrapped!).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea },
                    },
                },
                new("update keys.page set damaged_at = $2 where page_id = any($1)")
                {
                    Parameters = { new() { Value = wrapped.Where(page => page.Wrapped is null).Select(page => page.Id).ToArray() }, new() { Value = clock.GetUtcNow().UtcDateTime } },
                },
            },
        };
        await batch.ExecuteNonQueryAsync(ct);
    }

    private static async Task<List<StoredPage>> ReadPagesAsync(NpgsqlConnection connection, EpochRoots roots, string how, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select page_id, generation, epoch_id, wrapped from keys.page where epoch_id < $1 and damaged_at is null and epoch_id <> all($2) " + how, connection)
        {
            Parameters = { new() { Value = roots.Epoch }, new() { Value = roots.Stuck.ToArray() } },
        };
        return await Rows.ReadAsync(command, row => new StoredPage(row.GetInt64(0), row.GetInt32(1), row.GetInt32(2), row.GetFieldValue<byte[]>(3), IsSetAside: false), ct);
    }

    private async Task CompleteAsync(NpgsqlConnection connection, int epoch, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("update keys.epoch set complete_at = $2 where epoch_id = $1 and complete_at is null", connection)
        {
            Parameters = { new() { Value = epoch }, new() { Value = clock.GetUtcNow().UtcDateTime } },
        };
        await command.ExecuteNonQueryAsync(ct);
    }

    // INVARIANT: nothing that can still be brought after is left behind under a root that goes; and nothing that is set aside keeps one from going.
    private async Task<List<EpochChange>> MarkDestroyedAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            """
            update keys.epoch e set wrapped = null, destroyed_at = $1
            where destroyed_at is null and (select min(n.created_at) from keys.epoch n where n.epoch_id > e.epoch_id) < $2
              and not exists (select from keys.page p where p.epoch_id = e.epoch_id and p.damaged_at is null)
              and not exists (select from keys.index_epoch i where i.key_epoch = e.epoch_id and i.wrapped is not null and i.damaged_at is null)
            returning epoch_id, commitment
            """, connection)
        {
            Parameters = { new() { Value = clock.GetUtcNow().UtcDateTime }, new() { Value = (clock.GetUtcNow() - options.EpochRetention).UtcDateTime } },
        };
        await using var reader = await command.ExecuteReaderAsync(ct);
        var gone = new List<EpochChange>();
        while (await reader.ReadAsync(ct)) gone.Add(new EpochChange(reader.GetInt32(0), reader.GetFieldValue<byte[]>(1)));
        return gone;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(ct);
    }
}

/// <summary>The root that is in force, and the older ones; null for one that does not open.</summary>
internal sealed class EpochRoots(int epoch, SecretBytes root) : IDisposable
{
    private readonly Dictionary<int, SecretBytes?> older = [];

    public int Epoch => epoch;

    public SecretBytes Root => root;

    /// <summary>Epochs that are not destroyed and whose roots do not open.</summary>
    public IEnumerable<int> Stuck => older.Where(one => one.Value is null).Select(one => one.Key);

    public void Add(int number, SecretBytes? opened) => older[number] = opened;

    /// <summary>Null too for one that is destroyed.</summary>
    public SecretBytes? Of(int number) => number == epoch ? root : older.GetValueOrDefault(number);

    public void Dispose()
    {
        root.Dispose();
        foreach (var opened in older.Values) opened?.Dispose();
    }
}
