using DataVault.Cryptography;
using DataVault.Issuer.Keys;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Issuer.Storage;

/// <summary>
/// Changes of accounts and clients, and what is recorded of them, though the audit is not in the issuer's database:
/// <code>
/// intend    recorded durably, before anything is touched         what cannot be recorded does not happen
/// make      the change, and a row of issuer.change: one transaction
/// confirm   what the changed row has reached is remembered, and the change recorded with its id, once however often it is tried; then the row goes
/// </code>
/// A crash before the commit leaves an intent that nothing confirms: the change was not made. A crash after it leaves the row, from which
/// <see cref="ChangeRelay"/> confirms it.
/// </summary>
internal sealed class ChangeLedger(IssuerDatabase database, ISignInAudit audit, IssuerSecrets secrets, TimeProvider clock, IRandomBytes random, ILogger<ChangeLedger> logger)
{
    private const string Columns = "id, intent, actor_realm, actor_id, actor_name, object_realm, object_id, object_name, what, subject_id, version, seal";

    private const int Page = 100;

    /// <summary>Told of each step that is over; a test cuts off there.</summary>
    internal Action<ChangeStep> Reached { get; set; } = static _ => { };

    /// <param name="change">What is about to be done.</param>
    /// <param name="work">Does it, in the transaction.</param>
    /// <param name="cancellationToken">Ends the wait before the commit.</param>
    public async Task MakeAsync(IssuerChange change, Func<IssuerTransaction, Task> work, CancellationToken cancellationToken)
    {
        var intent = await audit.IntendAsync(change, cancellationToken);
        Reached(ChangeStep.Intended);
        var made = new MadeChange(Uuid.Version7(clock, random), intent, change);
        long reached;
        await using (var transaction = await database.BeginAsync(cancellationToken))
        {
            var before = await VersionAsync(transaction, change.Object, cancellationToken) ?? 0;
            await work(transaction);
            reached = await VersionAsync(transaction, change.Object, cancellationToken) ?? before + 1;
            await InsertAsync(transaction, (made, reached), cancellationToken);
            Reached(ChangeStep.Written);
            await transaction.CommitAsync(CancellationToken.None);
        }

        Reached(ChangeStep.Committed);
        await TryConfirmAsync((made, reached));
    }

    /// <summary>Confirms what was made and not confirmed yet; what cannot be confirmed keeps nothing else from its turn. Returns how much was.</summary>
    public async Task<int> ConfirmAllAsync(CancellationToken cancellationToken)
    {
        var (confirmed, last) = (0, Guid.Empty);
        while (true)
        {
            // PostgreSQL orders ids as it compares them, so one page follows the other whatever stays.
            var waiting = await database.ListAsync(
                $"SELECT {Columns} FROM issuer.change WHERE id > $1 ORDER BY id LIMIT {Page}", r => (Id: r.GetGuid(0), Made: TryRead(r)), cancellationToken, last);
            foreach (var (_, made) in waiting)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (made is { } one && await TryConfirmAsync(one)) confirmed++;
            }

            if (waiting.Count < Page) return confirmed;
            last = waiting[^1].Id;
        }
    }

#pragma warning disable CA1031 // The change is made, its intent is recorded, and its row will be confirmed: whatever fails now, whoever made the change must get the answer.
    private async Task<bool> TryConfirmAsync((MadeChange Made, long Reached) change)
    {
        try
        {
            await ConfirmAsync(change, CancellationToken.None);
            return true;
        }
        catch (Exception e)
        {
            logger.LogWarning("The change {Change} of an account or a client cannot be confirmed in the log now ({Kind}); it will be.", change.Made.Id, e.GetType().Name);
            return false;
        }
    }

    private (MadeChange Made, long Reached)? TryRead(NpgsqlDataReader r)
    {
        try
        {
            var (made, reached) = (Read(r), r.GetInt64(10));
            return secrets.Rows.Hold("change", r.OptionalReference<byte[]>(11), secrets.Rows.OfChange(made, reached)) ? (made, reached) : null;
        }
        catch (InvalidOperationException)
        {
            logger.LogError("The change {Change} in issuer.change is of no realm that there is: the vault did not write it.", r.GetGuid(0));
            return null;
        }
    }
#pragma warning restore CA1031

    private async Task ConfirmAsync((MadeChange Made, long Reached) change, CancellationToken cancellationToken)
    {
        var made = change.Made;
        if (TableOf(made.Change.Object) is { } table) await secrets.Rows.ReachedAsync(table, made.Change.Object.Id, change.Reached, cancellationToken);
        await audit.ConfirmAsync(made, cancellationToken);
        Reached(ChangeStep.Confirmed);
        await database.ExecuteAsync("DELETE FROM issuer.change WHERE id = $1", cancellationToken, made.Id);
    }

    /// <summary>Changes of before there were seals, once: whatever stands there without one later is not the vault's.</summary>
    public async Task SealOldAsync(IssuerTransaction transaction, CancellationToken cancellationToken)
    {
        var old = await transaction.ListAsync($"SELECT {Columns} FROM issuer.change WHERE seal IS NULL FOR UPDATE", Read, cancellationToken);
        foreach (var made in old)
            await transaction.ExecuteAsync("UPDATE issuer.change SET seal = $2 WHERE id = $1", cancellationToken, made.Id, secrets.Rows.OfChange(made, 0));
    }

    // Of a row that is gone the version that would have come is reached, so that it does not come back.
    private static async Task<long?> VersionAsync(IssuerTransaction transaction, IssuerParty thing, CancellationToken cancellationToken)
    {
        if (TableOf(thing) is not { } table) return null;
        var (column, id) = table == "client" ? ("client_id", (object)thing.Id) : ("id", Guid.Parse(thing.Id));
        var found = await transaction.ListAsync($"SELECT seal FROM issuer.{table} WHERE {column} = $1", r => RowSeals.VersionIn(r.OptionalReference<byte[]>(0)), cancellationToken, id);
        return found is [var version] ? version : null;
    }

    private static string? TableOf(IssuerParty thing) => thing.Realm switch
    {
        Realm.Application => "client",
        Realm.Staff or Realm.Customer when Guid.TryParse(thing.Id, out _) => "account",
        _ => null,
    };

    private async Task InsertAsync(IssuerTransaction transaction, (MadeChange Made, long Reached) change, CancellationToken cancellationToken)
    {
        var made = change.Made;
        var (actor, thing) = (made.Change.Actor, made.Change.Object);
        await transaction.ExecuteAsync(
            $"INSERT INTO issuer.change ({Columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            cancellationToken,
            made.Id,
            made.Intent,
            RealmNames.OfOrNone(actor.Realm),
            actor.Id,
            actor.Name,
            RealmNames.OfOrNone(thing.Realm),
            thing.Id,
            thing.Name,
            made.Change.What,
            made.Change.Subject,
            change.Reached,
            secrets.Rows.OfChange(made, change.Reached));
    }

    private static MadeChange Read(NpgsqlDataReader r) => new(
        r.GetGuid(0),
        r.GetInt64(1),
        new IssuerChange(
            new IssuerParty(RealmOf(r.OptionalReference<string>(2)), r.GetString(3), r.GetString(4)),
            new IssuerParty(RealmOf(r.OptionalReference<string>(5)), r.GetString(6), r.GetString(7)),
            r.GetString(8),
            r.Optional<Guid>(9)));

    private static Realm? RealmOf(string? name) =>
        name is null ? null : RealmNames.TryParse(name, out var realm) ? realm : throw new InvalidOperationException("Unknown realm in the table of changes.");
}

/// <summary>Where a change can be cut off.</summary>
internal enum ChangeStep
{
    Intended,
    Written,
    Committed,
    Confirmed,
}

/// <summary>Confirms what a process made and died before it could: at the start, and every few seconds. Several processes may.</summary>
internal sealed class ChangeRelay(ChangeLedger ledger, TimeProvider clock, ILogger<ChangeRelay> logger) : BackgroundService
{
    private static readonly TimeSpan Rhythm = TimeSpan.FromSeconds(5);

#pragma warning disable CA1031 // Whatever the databases do, the next round comes.
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await ledger.ConfirmAllAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                logger.LogWarning("Changes of accounts and clients cannot be confirmed in the log now ({Kind}); it is tried again.", e.GetType().Name);
            }

            await Task.Delay(Rhythm, clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
#pragma warning restore CA1031
}
