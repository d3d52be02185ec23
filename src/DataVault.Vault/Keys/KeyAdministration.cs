using System.Globalization;
using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault.Keys;

/// <summary>How one level of keys stands.</summary>
/// <param name="Level">One of <see cref="RotationLevels"/>.</param>
/// <param name="Version">What is in force: a version, an epoch, the name of the root key; of people's keys the newest version.</param>
/// <param name="Count">How many there are that are not destroyed.</param>
/// <param name="Since">Since when; null when it is not known.</param>
/// <param name="DueAt">When the next rotation is due.</param>
/// <param name="IsDue">True when it is.</param>
public sealed record KeyLevelState(string Level, string Version, long Count, DateTimeOffset? Since, DateTimeOffset? DueAt, bool IsDue);

/// <summary>How the keys stand.</summary>
/// <param name="Levels">Each level.</param>
/// <param name="RootKey">The root key in use.</param>
/// <param name="FormerRootKeys">Others that still wrap a vault key: they must stay configured until the root is rotated.</param>
/// <param name="CurrentEpoch">The epoch in force.</param>
/// <param name="EpochsAlive">Epochs whose roots exist.</param>
/// <param name="OldestUsableBackup">A backup of the keys database from before this time opens no more.</param>
/// <param name="Running">Rotations that are not finished.</param>
public sealed record KeysState(
    IReadOnlyList<KeyLevelState> Levels, string RootKey, IReadOnlyList<string> FormerRootKeys, int CurrentEpoch, int EpochsAlive, DateTimeOffset? OldestUsableBackup,
    IReadOnlyList<RotationView> Running)
{
    /// <summary>Keys that do not open.</summary>
    public required KeyDamage Damage { get; init; }
}

/// <summary>What an administrator may know of the keys and ask of them. Every act is an entry of the log.</summary>
public sealed class KeyAdministration
{
    private readonly KeysDatabase database;
    private readonly RotationStore store;
    private readonly RotationSteps steps;
    private readonly RootKeyProviders rootKeys;
    private readonly DamagedKeys damage;
    private readonly VaultOptions options;
    private readonly TimeProvider clock;

    internal KeyAdministration(
        KeysDatabase database, RotationStore store, RotationSteps steps, RootKeyProviders rootKeys, DamagedKeys damage, (VaultOptions Options, TimeProvider Clock) by) =>
        (this.database, this.store, this.steps, this.rootKeys, this.damage, options, clock) = (database, store, steps, rootKeys, damage, by.Options, by.Clock);

    public async Task<KeysState> StatusAsync(CancellationToken ct)
    {
        var facts = await FactsAsync(ct);
        var vaultKeys = await VaultKeysAsync(ct);
        var ages = options.KeyAges;
        var rooted = await store.LastDoneAsync(RotationLevels.Root, ct) ?? vaultKeys.Min(key => key.At);
        var renewed = await store.LastDoneAsync(RotationLevels.Subjects, ct) ?? facts.VaultMadeAt;
        KeyLevelState[] levels =
        [
            Level(RotationLevels.Root, rootKeys.Current.Name, 1, rooted, ages.Root),
            Level(RotationLevels.Vault, Say(vaultKeys.Max(key => key.Version)), vaultKeys.Count, vaultKeys.Max(key => key.At), ages.Vault),
            Level(RotationLevels.Epoch, Say(facts.Epoch), facts.Epochs, facts.EpochSince, options.EpochLength),
            Level(RotationLevels.Subjects, Say(facts.SubjectVersion), facts.Subjects, renewed, ages.Subjects),
            Level(RotationLevels.Index, "", facts.IndexKeys, facts.OldestIndexKey, options.IndexEpochLength),
        ];
        var running = (await store.ListAsync(100, ct)).Where(rotation => rotation.FinishedAt is null).ToList();
        var former = vaultKeys.Select(key => key.RootKey).OfType<string>().Where(name => name != rootKeys.Current.Name).Distinct().ToList();
        return new KeysState(levels, rootKeys.Current.Name, former, facts.Epoch, facts.Epochs, facts.OldestBackup, running) { Damage = await damage.StateAsync(ct) };
    }

    /// <summary>Begins a rotation; it is carried on in the background.</summary>
    /// <param name="recipient">Who asked.</param>
    /// <param name="level">One of <see cref="RotationLevels"/>.</param>
    /// <param name="target">The blind index, when the level is that of indexes.</param>
    /// <param name="ct">Ends the wait.</param>
    /// <exception cref="VaultException">No such level or target; or the same rotation is under way: invalid state.</exception>
    public async Task<RotationView> StartAsync(Recipient recipient, string level, string? target, CancellationToken ct)
    {
        var rotation = await store.InsertAsync(level, await steps.Level(level).PlanAsync(target, ct), ct);
        await steps.EnterAsync(recipient, rotation, "started", ct);
        return rotation;
    }

    /// <summary>Newest first.</summary>
    public Task<IReadOnlyList<RotationView>> ListAsync(int limit, CancellationToken ct) => store.ListAsync(limit, ct);

    /// <exception cref="VaultException">There is none with this id.</exception>
    public async Task<RotationView> GetAsync(Guid id, CancellationToken ct) => (await store.FindAsync(id, ct) ?? throw VaultException.NotFound()).View;

    /// <summary>The step at hand is finished, then nothing until it is resumed. Keys of both sides stay readable.</summary>
    /// <exception cref="VaultException">It is not running.</exception>
    public Task<RotationView> PauseAsync(Recipient recipient, Guid id, CancellationToken ct) =>
        MoveAsync(recipient, id, [RotationStates.Running], RotationStates.Paused, ct);

    /// <exception cref="VaultException">It is neither paused nor failed.</exception>
    public Task<RotationView> ResumeAsync(Recipient recipient, Guid id, CancellationToken ct) =>
        MoveAsync(recipient, id, [RotationStates.Paused, RotationStates.Failed], RotationStates.Running, ct);

    private async Task<RotationView> MoveAsync(Recipient recipient, Guid id, string[] from, string to, CancellationToken ct)
    {
        var rotation = await GetAsync(id, ct);
        if (!from.Contains(rotation.State)) throw VaultException.InvalidState($"The rotation is {rotation.State}.");
        await steps.EnterAsync(recipient, rotation, to, ct);
        if (!await store.MoveAsync(id, from, to, null, ct)) throw VaultException.InvalidState("The rotation has moved on meanwhile.");
        return await GetAsync(id, ct);
    }

    private KeyLevelState Level(string level, string version, long count, DateTimeOffset? since, TimeSpan age)
    {
        var due = count == 0 ? null : since + age;
        return new KeyLevelState(level, version, count, since, due, due <= clock.GetUtcNow());
    }

    private async Task<List<(int Version, DateTimeOffset At, string? RootKey)>> VaultKeysAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select version, created_at, root_key from keys.vault_key where wrapped is not null");
        return await Rows.ReadAsync(command, row => (row.GetInt32(0), row.GetFieldValue<DateTimeOffset>(1), row.IsDBNull(2) ? null : row.GetString(2)), ct);
    }

    private sealed record Facts(
        DateTimeOffset VaultMadeAt, int Epoch, int Epochs, DateTimeOffset? EpochSince, DateTimeOffset? OldestBackup, long Subjects, int SubjectVersion, long IndexKeys, DateTimeOffset? OldestIndexKey);

    private async Task<Facts> FactsAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            """
            select (select min(created_at) from keys.vault_key), e.newest, e.alive, e.since, e.oldest, s.people, s.version, i.living, i.oldest
            from (select max(epoch_id)::int as newest, count(*)::int as alive, max(created_at) as since, min(coalesce(complete_at, created_at)) as oldest
                    from keys.epoch where destroyed_at is null) e,
                (select count(*) as people, coalesce(max(key_version), 1) as version from keys.subject_key) s,
                (select count(*) as living, min(created_at) as oldest from keys.index_epoch where wrapped is not null and index_id > 0) i
            """);
        return (await Rows.ReadAsync(
            command,
            row => new Facts(
                row.GetFieldValue<DateTimeOffset>(0), row.GetInt32(1), row.GetInt32(2), At(row, 3), At(row, 4), row.GetInt64(5), row.GetInt32(6), row.GetInt64(7), At(row, 8)),
            ct))[0];
    }

    private static DateTimeOffset? At(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetFieldValue<DateTimeOffset>(column);

    private static string Say(int number) => number.ToString(CultureInfo.InvariantCulture);
}
