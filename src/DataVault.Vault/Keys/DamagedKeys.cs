using DataVault.Transparency;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault.Keys;

/// <summary>Keys that do not open.</summary>
/// <param name="Pages">Pages of people's keys that were set aside.</param>
/// <param name="People">People on them: nothing of theirs opens.</param>
/// <param name="IndexKeys">Keys of blind indexes that were set aside; the indexes are built anew.</param>
/// <param name="Epochs">Epochs that are not destroyed and whose roots do not open.</param>
/// <param name="LostFrom">When the first of their roots is destroyed, and with it the last chance to mend what it wraps; null when nothing is set aside.</param>
public sealed record KeyDamage(long Pages, long People, long IndexKeys, IReadOnlyList<int> Epochs, DateTimeOffset? LostFrom)
{
    /// <summary>True when there is any.</summary>
    public bool IsAny => Pages + IndexKeys > 0 || Epochs.Count > 0;
}

/// <summary>What was set aside by the turns of the epochs: mended if it can be, and told of, once in the log and at every turn where operators look.</summary>
internal sealed class DamagedKeys(KeysDatabase database, KeyRegistry registry, VaultKeyring keyring, AuditLog log, VaultOptions options, ILogger<DamagedKeys> logger)
{
    /// <summary>Pages named in one entry.</summary>
    private const int Most = 16;

    private const string State =
        """
        select (select count(*) from keys.page where damaged_at is not null), (select coalesce(sum(count), 0) from keys.page where damaged_at is not null),
            (select count(*) from keys.index_epoch where damaged_at is not null and wrapped is not null),
            (select min(n.created_at) from keys.epoch n where n.epoch_id > (select min(epoch_id) from keys.page where damaged_at is not null))
        """;

    private const string Untold =
        """
        select 'keys:page:' || page_id, true, page_id, 0 from keys.page where damaged_at is not null and not damage_told
        union all select 'keys:index:' || index_id || ':' || epoch, false, index_id::bigint, epoch from keys.index_epoch where damaged_at is not null and not damage_told and wrapped is not null
        order by 2, 3, 4
        """;

    /// <summary>Keys anew what opens by now.</summary>
    public async Task MendAsync(CancellationToken ct) => await Separately.EachAsync(
        await registry.SetAsideAsync(ct),
        async page =>
        {
            if (await registry.MendAsync(page, ct)) logger.LogWarning("The page {Page} opens again; it was keyed anew.", page);
        },
        (page, e) => logger.LogError("The page {Page} could not be mended ({Kind}).", page, e.GetType().Name), ct);

    public async Task<KeyDamage> StateAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(State);
        var (pages, people, indexKeys, replaced) = (await Rows.ReadAsync(
            command, row => (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.IsDBNull(3) ? (DateTimeOffset?)null : row.GetFieldValue<DateTimeOffset>(3)), ct))[0];
        return new KeyDamage(pages, people, indexKeys, await StuckAsync(ct), replaced + options.EpochRetention);
    }

    /// <summary>Enters in the log what it does not tell of yet. INVARIANT: a crash in between makes a second entry, never none.</summary>
    public async Task TellAsync(CancellationToken ct)
    {
        var state = await StateAsync(ct);
        if (!state.IsAny) return;
        logger.LogCritical(
            "Keys do not open: {Pages} pages with {People} people, {IndexKeys} keys of blind indexes, {Epochs} roots of epochs. Mend them from a backup in time (docs/backup.md).",
            state.Pages, state.People, state.IndexKeys, state.Epochs.Count);
        await using var command = database.Source.CreateCommand(Untold);
        var untold = await Rows.ReadAsync(command, row => (Name: row.GetString(0), IsPage: row.GetBoolean(1), Id: row.GetInt64(2), Epoch: row.GetInt32(3)), ct);
        foreach (var some in untold.Chunk(Most))
        {
            var entry = log.Entry(EntryType.KeyRotate, LogWorker.Keeper, default, "", EntryResult.Error, []) with { Rules = ["keys:set-aside", .. some.Select(one => one.Name)] };
            await log.AppendAsync(entry, null, ct);
            foreach (var (_, isPage, id, epoch) in some) await NoteAsync(isPage, id, epoch, ct);
        }
    }

    private async Task NoteAsync(bool isPage, long id, int epoch, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(isPage
            ? "update keys.page set damage_told = true where page_id = $1 and $2 = 0"
            : "update keys.index_epoch set damage_told = true where index_id = $1 and epoch = $2");
        command.Parameters.Add(new() { Value = isPage ? id : (int)id });
        command.Parameters.Add(new() { Value = epoch });
        await command.ExecuteNonQueryAsync(ct);
    }

    private async Task<List<int>> StuckAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select epoch_id from keys.epoch where destroyed_at is null order by epoch_id");
        var stuck = new List<int>();
        foreach (var epoch in await Rows.ReadAsync(command, row => row.GetInt32(0), ct))
        {
            using var root = await keyring.TryEpochRootAsync(epoch, null, ct);
            if (root is null) stuck.Add(epoch);
        }

        return stuck;
    }
}
