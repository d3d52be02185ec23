namespace DataVault.Vault;

/// <summary>What the composition root tells the vault.</summary>
public sealed class VaultOptions
{
    /// <summary>Login that may do what role <c>dv_vault</c> may, and nothing more.</summary>
    public required string DataConnection { get; init; }

    /// <summary>Login that may do what role <c>dv_keys</c> may, and nothing more.</summary>
    public required string KeysConnection { get; init; }

    /// <summary>
    /// Folder of what must live outside both databases: root key, epoch slots, tombstone journal, signing key, the signer's memory.
    /// Processes of one vault share it.
    /// </summary>
    public required string Home { get; init; }

    /// <summary>Origin of the log: the first line of its checkpoints.</summary>
    public string Origin { get; init; } = "datavault.example/log";

    /// <summary>Folder of the log's mirror, best on another disk than the databases; null for <c>log-mirror</c> in the home folder.</summary>
    public string? LogMirror { get; init; }

    public bool Development { get; init; }

    public RootKeySource RootKey { get; init; } = new RootKeySource.SealedFile();

    /// <summary>The root key before, while a rotation to <see cref="RootKey"/> is going on.</summary>
    public RootKeySource? PreviousRootKey { get; init; }

    /// <summary>Entries that may wait for the log; beyond, requests are refused.</summary>
    public int AuditQueueLimit { get; init; } = 4096;

    /// <summary>How long a log batch may take before its waiters are refused.</summary>
    public TimeSpan AuditTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Witnesses who must have cosigned a checkpoint before it is served rather than a newer one, while they are not far behind.</summary>
    public int WitnessQuorum { get; init; }

    /// <summary>Subjects whose wrapped keys are kept in memory.</summary>
    public int KeyCacheLimit { get; init; } = 100_000;

    /// <summary>How many records a search over a truncated index may open to find those that match; a wider question is refused.</summary>
    public int SearchCandidates { get; init; } = 2_000;

    /// <summary>Age at which the key of a blind index is replaced, and its terms with it.</summary>
    public TimeSpan IndexEpochLength { get; init; } = TimeSpan.FromDays(90);

    /// <summary>People whose terms are made again in one transaction of a background re-index.</summary>
    public int IndexBatch { get; init; } = 250;

    /// <summary>Share of the time that a background re-index works; the rest of it, other work goes first.</summary>
    public double IndexShare { get; init; } = 0.5;

    /// <summary>Age at which a new epoch root takes over.</summary>
    public TimeSpan EpochLength { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How the vault is the processor of controllers by OpenDSR.</summary>
    public OpenDsrOptions OpenDsr { get; init; } = new();

    /// <summary>Who is told when a person has been erased.</summary>
    public IReadOnlyList<ErasureRecipient> Recipients { get; init; } = [];

    /// <summary>Name of the recipient that is told when a person has a message; null: messages wait on the person's own page.</summary>
    public string? MessageChannel { get; init; }

    /// <summary>The address that people use, for letters to name; null: they name none.</summary>
    public string? Address { get; init; }

    /// <summary>Letters go out by e-mail where the policy lets them; otherwise they wait in the inbox or for an officer.</summary>
    public bool LettersByMail { get; init; }

    /// <summary>Officers' addresses that are reminded once a day of requests whose time runs out.</summary>
    public IReadOnlyList<string> ReminderAddresses { get; init; } = [];

    /// <summary>From one sweep of what has been kept long enough to the next.</summary>
    public TimeSpan RetentionEvery { get; init; } = TimeSpan.FromDays(1);

    /// <summary>How long a replaced epoch root is kept: a backup of the keys database is of use no longer than this.</summary>
    public TimeSpan EpochRetention { get; init; } = TimeSpan.FromDays(7);

    /// <summary>How much of one worker's time a rotation takes; the rest of it is rest.</summary>
    public double RotationShare { get; init; } = 0.25;

    /// <summary>How long a person's former key is still kept after all values were sealed under the new one: no read lasts longer.</summary>
    public TimeSpan RenewalGrace { get; init; } = TimeSpan.FromMinutes(10);

    public KeyAges KeyAges { get; init; } = new();

    /// <summary>Age at which the newest backup of a database counts as too old; null where backups are made by other means, or none are wanted.</summary>
    public TimeSpan? BackupsDueAfter { get; init; }

    /// <summary>Time after which backups are to be tried again; null where nobody keeps it in this log.</summary>
    public TimeSpan? DrillsDueAfter { get; init; }

    /// <summary>From where on a figure of the officer's desk is red.</summary>
    public DeskLimits Desk { get; init; } = new();

    /// <summary>How a new version of the policy gets the tables of its analytics domains; null where only the command <c>migrate</c> may make them.</summary>
    public DomainProvision? ProvideDomains { get; init; }
}

/// <summary>Ages from which the rotation of a level is said to be due. Nothing but epochs rotates by itself.</summary>
public sealed record KeyAges
{
    public TimeSpan Root { get; init; } = TimeSpan.FromDays(365);

    public TimeSpan Vault { get; init; } = TimeSpan.FromDays(365);

    public TimeSpan Subjects { get; init; } = TimeSpan.FromDays(730);
}
