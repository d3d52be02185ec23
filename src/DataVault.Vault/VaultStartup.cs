using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using DataVault.Vault.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Vault;

/// <summary>First of the vault's services: checks logins and servers, opens the keys, brings the log to where it was, passes the restore gate. Nothing is served before.</summary>
internal sealed class VaultStartup(VaultDatabase vault, KeysDatabase keys, VaultOptions options, ActivePolicy policy, LogContinuity continuity, RestoreGate gate) : IHostedService
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

        await continuity.EnsureAsync(cancellationToken);
        await gate.PassAsync(policy.Current.Analytics, await continuity.DestroyedEpochAsync(cancellationToken), cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>Keeps the log signed and indexed, and enters what the vault itself does: its beginning and each new policy.</summary>
internal sealed class LogWorker(
    AuditLog log, LogStore store, LogIndexer indexer, CheckpointSigner signer, TimeProvider clock, ILogger<LogWorker> logger) : BackgroundService
{
    /// <summary>A checkpoint at least every second while the log grows.</summary>
    private static readonly TimeSpan Rhythm = TimeSpan.FromMilliseconds(500);

    internal static readonly Recipient Keeper = Recipient.Process("vault-maintenance");

    private Type? failure;

    // Before anybody else can append: the first entry of a log is its genesis.
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await EnterPolicyAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await TryAsync(signer.SignAsync, stoppingToken);
            await TryAsync(indexer.CatchUpAsync, stoppingToken);
            await Task.Delay(Rhythm, clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await TryAsync(signer.SignAsync, CancellationToken.None);
    }

    /// <summary>Genesis on an empty log; a policy change when the newest entry was made under another policy.</summary>
    private async Task EnterPolicyAsync(CancellationToken ct)
    {
        var (size, _) = await store.HeadAsync(ct);
        var change = log.Entry(EntryType.PolicyChange, Keeper, default, "", EntryResult.Ok, []);
        if (size == 0) await log.AppendAsync(change with { Type = EntryType.Genesis }, null, ct);
        else if (!LogEntry.Decode((await store.EntriesAtAsync([size - 1], ct))[size - 1]).Policy.Span.SequenceEqual(change.Policy.Span)) await log.AppendAsync(change, null, ct);
    }

#pragma warning disable CA1031 // Whatever somebody wrote into the database or did to the folder, the rest of the vault goes on; health says what is wrong.
    private async Task TryAsync(Func<CancellationToken, Task> work, CancellationToken ct)
    {
        try
        {
            await work(ct);
            failure = null;
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            logger.LogDebug("The log's worker stops.");
        }
        catch (Exception e) when (DatabaseFailure.IsOutage(e) || e is VaultException)
        {
            logger.LogWarning("The log's worker waits for the database ({Kind}).", e.GetType().Name);
        }
        catch (Exception e)
        {
            // Twice a second the same would bury everything else.
            if (failure != e.GetType()) logger.LogError(e, "The log's worker cannot go on ({Kind}); it tries again.", e.GetType().Name);
            failure = e.GetType();
        }
    }
#pragma warning restore CA1031
}

/// <summary>Turns key epochs over and listens for keys that other processes destroyed.</summary>
internal sealed class KeyWorker(KeysDatabase database, KeyRegistry registry, EpochTurn epochs, TimeProvider clock, ILogger<KeyWorker> logger) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    /// <summary>One turn: a new epoch if it is time, old ones destroyed, both entered in the log.</summary>
    public Task TurnEpochsAsync(bool now, CancellationToken ct) => epochs.RunAsync(now, ct);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(
        RepeatAsync(ListenAsync, Pause, stoppingToken), RepeatAsync(ct => TurnEpochsAsync(false, ct), EpochLedger.Rhythm, stoppingToken));

    private async Task ListenAsync(CancellationToken ct)
    {
        await using var connection = await database.Source.OpenConnectionAsync(ct);
        connection.Notification += (_, e) =>
        {
            if (SubjectId.TryParse(e.Payload, out var subject)) registry.Forget(subject);
        };
        await using (var listen = new NpgsqlCommand("listen " + KeyRegistry.GoneChannel, connection)) await listen.ExecuteNonQueryAsync(ct);
        // What was sent while nobody listened is lost: begin with nothing.
        registry.ForgetAll();
        while (true) await connection.WaitAsync(ct);
    }

    private async Task RepeatAsync(Func<CancellationToken, Task> work, TimeSpan pause, CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            try
            {
                await work(ct);
            }
            catch (Exception e) when (DatabaseFailure.IsOutage(e) || e is VaultException)
            {
                logger.LogWarning("The keys database does not answer ({Kind}).", e.GetType().Name);
            }
            catch (Exception e) when (!ct.IsCancellationRequested)
            {
                // A damaged key must not end the turning of epochs, or the listening, for good and in silence.
                logger.LogCritical("The keys cannot be looked after ({Kind}); it is tried again.", e.GetType().Name);
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                return;
            }

            await Task.Delay(pause, clock, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
