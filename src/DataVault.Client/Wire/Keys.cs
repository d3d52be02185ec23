namespace DataVault.Client.Wire;

/// <summary>How the keys stand: <c>GET /v1/keys</c>.</summary>
/// <param name="RootKey">Name of the root key in use, such as <c>local/4be1…</c>; no secret.</param>
/// <param name="FormerRootKeys">Root keys that still wrap a vault key and must stay configured.</param>
/// <param name="CurrentEpoch">The epoch in force.</param>
/// <param name="EpochsAlive">Epochs whose roots exist.</param>
/// <param name="OldestUsableBackup">A backup of the keys database from before this time opens no more.</param>
/// <param name="Levels">Each level of keys.</param>
/// <param name="Rotations">Rotations that are not finished.</param>
public sealed record KeysView(
    string RootKey, IReadOnlyList<string> FormerRootKeys, int CurrentEpoch, int EpochsAlive, DateTimeOffset? OldestUsableBackup,
    IReadOnlyList<KeyLevelView> Levels, IReadOnlyList<KeyRotationView> Rotations)
{
    /// <summary>The newest backup of each database that the vault's own <c>backup</c> made; of others it knows nothing.</summary>
    public IReadOnlyList<BackupView> Backups { get; init; } = [];

    /// <summary>Keys that do not open; null when all do.</summary>
    public KeyDamageView? Damage { get; init; }
}

/// <summary>Keys that do not open.</summary>
/// <param name="Pages">Pages of people's keys that were set aside.</param>
/// <param name="People">People on them: nothing of theirs opens.</param>
/// <param name="IndexKeys">Keys of blind indexes that were set aside; the indexes are built anew.</param>
/// <param name="Epochs">Epochs whose roots do not open, and which are not destroyed therefore.</param>
/// <param name="LostFrom">Until when a page can be mended from a backup; null when there is none.</param>
public sealed record KeyDamageView(long Pages, long People, long IndexKeys, IReadOnlyList<int> Epochs, DateTimeOffset? LostFrom);

/// <summary>The newest backup of a database.</summary>
/// <param name="Database"><c>data</c> or <c>keys</c>.</param>
/// <param name="At">When it was written and read again; null when the log knows of none.</param>
/// <param name="Due">True when people's keys have been renewed since, so that a new one is needed now.</param>
public sealed record BackupView(string Database, DateTimeOffset? At, bool Due = false);

/// <summary>One level of keys.</summary>
/// <param name="Level"><c>root</c>, <c>vault</c>, <c>epoch</c>, <c>subjects</c> or <c>index</c>.</param>
/// <param name="Version">What is in force.</param>
/// <param name="Count">How many there are.</param>
/// <param name="Since">Since when.</param>
/// <param name="DueAt">When its rotation is due.</param>
/// <param name="Due">True when it is.</param>
public sealed record KeyLevelView(string Level, string Version, long Count, DateTimeOffset? Since, DateTimeOffset? DueAt, bool Due);

/// <summary>Body of <c>POST /v1/keys/rotations</c>.</summary>
/// <param name="Level"><c>root</c>, <c>vault</c>, <c>epoch</c>, <c>subjects</c> or <c>index</c>.</param>
/// <param name="Index">Which blind index, for the level <c>index</c>.</param>
public sealed record StartRotation(string Level, string? Index = null);

/// <summary>A rotation of keys.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Level">What is rotated.</param>
/// <param name="State"><c>running</c>, <c>paused</c>, <c>done</c> or <c>failed</c>.</param>
/// <param name="Target">What it is rotated to.</param>
/// <param name="Done">How much is done.</param>
/// <param name="Total">Of how much.</param>
/// <param name="StartedAt">When it was asked for.</param>
/// <param name="UpdatedAt">When it last moved.</param>
/// <param name="FinishedAt">When it was done.</param>
/// <param name="Remark">Why it stopped, or what it left out.</param>
public sealed record KeyRotationView(
    Guid Id, string Level, string State, string Target, long Done, long Total, DateTimeOffset StartedAt, DateTimeOffset UpdatedAt, DateTimeOffset? FinishedAt, string? Remark)
{
    /// <summary>Of one that failed: when it is tried again.</summary>
    public DateTimeOffset? RetryAt { get; init; }
}
