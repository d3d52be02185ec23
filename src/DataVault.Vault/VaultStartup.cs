using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using DataVault.Vault.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Vault;

/// <summary>First of the vault's services: checks logins and servers, opens the keys, brings the log to where it was, passes the restore gate. Nothing is served before.</summary>
internal sealed class VaultStartup(VaultDatabase vault, KeysDatabase keys, VaultOptions options, PolicyBeginning beginning, LogContinuity continuity, RestoreGates gates) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (!options.Development)
        {
            foreach (DatabaseConnections database in new DatabaseConnections[] { vault, keys })
            {
                await LeastPrivilege.EnsureAsync(database, cancellationToken);
                await LeastPrivilege.EnsureDurableAsync(database, cancellationToken);
            }
        }

        var policy = await beginning.BeginAsync(cancellationToken);
        await continuity.EnsureAsync(gates.EnsureInJournalAsync, cancellationToken);
        await gates.PassAsync(policy.Analytics, await continuity.DestroyedEpochAsync(cancellationToken), cancellationToken);
        new UntriedRestores(options.Home).Tried();
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>Keeps the log signed and indexed, and enters what the vault itself does: its beginning and each new policy.</summary>
internal sealed class LogWorker(
    LogBeginning beginning, LogIndexer indexer, CheckpointSigner signer, TimeProvider clock, ILogger<LogWorker> logger)
    : RoundsWorker(clock, logger)
{
    internal static readonly Recipient Keeper = Recipient.Process("vault-maintenance");

    /// <summary>A checkpoint at least every second while the log grows.</summary>
    protected override TimeSpan Rhythm => TimeSpan.FromMilliseconds(500);

    protected override TimeSpan LongestPause => TimeSpan.FromSeconds(2);

    // Before anybody else can append: the first entry of a log is its genesis.
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await beginning.EnterAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    public override async Task<bool> RoundAsync(CancellationToken cancellation) =>
        await TryAsync("the checkpoint", SignAsync, cancellation) & await TryAsync("the index of the log", indexer.CatchUpAsync, cancellation);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await base.ExecuteAsync(stoppingToken);
        await TryAsync("the last checkpoint", signer.SignAsync, CancellationToken.None);
    }

    private async Task SignAsync(CancellationToken ct)
    {
        await signer.SignAsync(ct);
        beginning.Contradicted(signer.Contradiction);
    }
}

/// <summary>The first entry of a log, and the first of a policy that nobody activated.</summary>
internal sealed class LogBeginning(AuditLog log, LogStore store, PolicyStore policies)
{
    /// <summary>
    /// Genesis on an empty log. In a vault that keeps no versions yet, a policy change when the newest entry was made under another policy; in one that does, whoever
    /// activated a version has entered it.
    /// </summary>
    public async Task EnterAsync(CancellationToken ct)
    {
        var (size, _) = await store.HeadAsync(ct);
        var change = log.Entry(EntryType.PolicyChange, LogWorker.Keeper, default, "", EntryResult.Ok, []);
        if (size == 0) await log.AppendAsync(change with { Type = EntryType.Genesis }, null, ct);
        else if (await policies.InForceAsync(ct) is null && !await IsOfNewestAsync(change, size - 1, ct)) await log.AppendAsync(change, null, ct);
    }

    /// <summary>What the signer has met.</summary>
    public void Contradicted(string? reason) => log.Contradiction = reason;

    private async Task<bool> IsOfNewestAsync(LogEntry change, long newest, CancellationToken ct) =>
        LogEntry.Decode((await store.EntriesAtAsync([newest], ct))[newest]).Policy.Span.SequenceEqual(change.Policy.Span);
}

/// <summary>Turns key epochs over.</summary>
internal sealed class KeyWorker(EpochTurn epochs, VaultKeyRotation vaultKey, TimeProvider clock, ILogger<KeyWorker> logger) : RoundsWorker(clock, logger)
{
    protected override TimeSpan Rhythm => EpochLedger.Rhythm;

    /// <summary>One turn: a new epoch if it is time, old ones destroyed, both entered in the log.</summary>
    public Task TurnEpochsAsync(bool now, CancellationToken ct) => epochs.RunAsync(now, ct);

    public override async Task<bool> RoundAsync(CancellationToken cancellation) =>
        await TryAsync("the turn of the epochs", ct => TurnEpochsAsync(now: false, ct), cancellation) & await TryAsync("old vault keys", vaultKey.ForgetAsync, cancellation);
}

/// <summary>Listens for keys that other processes destroyed.</summary>
internal sealed class KeyListener(KeysDatabase database, KeyRegistry registry, TimeProvider clock, ILogger<KeyListener> logger) : RoundsWorker(clock, logger)
{
    protected override TimeSpan Rhythm => TimeSpan.FromSeconds(2);

    /// <summary>Ends with its connection alone.</summary>
    public override async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        await using var connection = await database.Source.OpenConnectionAsync(cancellation);
        connection.Notification += (_, e) =>
        {
            if (SubjectId.TryParse(e.Payload, out var subject)) registry.Forget(subject);
        };
        await using (var listen = new NpgsqlCommand("listen " + KeyRegistry.GoneChannel, connection)) await listen.ExecuteNonQueryAsync(cancellation);
        // What was sent while nobody listened is lost: begin with nothing.
        registry.ForgetAll();
        while (true) await connection.WaitAsync(cancellation);
    }
}
