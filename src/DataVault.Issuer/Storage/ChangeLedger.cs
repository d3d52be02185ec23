using DataVault.Cryptography;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Issuer.Storage;

/// <summary>
/// Changes of accounts and clients, and what is recorded of them, though the audit is not in the issuer's database:
/// <code>
/// intend    recorded durably, before anything is touched         what cannot be recorded does not happen
/// make      the change, and a row of issuer.change: one transaction
/// confirm   recorded with the row's id, once however often it is tried; then the row goes
/// </code>
/// A crash before the commit leaves an intent that nothing confirms: the change was not made. A crash after it leaves the row, from which
/// <see cref="ChangeRelay"/> confirms it.
/// </summary>
internal sealed class ChangeLedger(IssuerDatabase database, ISignInAudit audit, TimeProvider clock, IRandomBytes random, ILogger<ChangeLedger> logger)
{
    private const string Columns = "id, intent, actor_realm, actor_id, actor_name, object_realm, object_id, object_name, what, subject_id";

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
        await using (var transaction = await database.BeginAsync(cancellationToken))
        {
            await work(transaction);
            await InsertAsync(transaction, made, cancellationToken);
            Reached(ChangeStep.Written);
            await transaction.CommitAsync(CancellationToken.None);
        }

        Reached(ChangeStep.Committed);
        await TryConfirmAsync(made);
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
                if (made is not null && await TryConfirmAsync(made)) confirmed++;
            }

            if (waiting.Count < Page) return confirmed;
            last = waiting[^1].Id;
        }
    }

#pragma warning disable CA1031 // The change is made, its intent is recorded, and its row will be confirmed: whatever fails now, whoever made the change must get the answer.
    private async Task<bool> TryConfirmAsync(MadeChange made)
    {
        try
        {
            await ConfirmAsync(made, CancellationToken.None);
            return true;
        }
        catch (Exception e)
        {
            logger.LogWarning("The change {Change} of an account or a client cannot be confirmed in the log now ({Kind}); it will be.", made.Id, e.GetType().Name);
            return false;
        }
    }

    private MadeChange? TryRead(NpgsqlDataReader r)
    {
        try
        {
            return Read(r);
        }
        catch (InvalidOperationException)
        {
            logger.LogError("The change {Change} in issuer.change is of no realm that there is: the vault did not write it.", r.GetGuid(0));
            return null;
        }
    }
#pragma warning restore CA1031

    private async Task ConfirmAsync(MadeChange made, CancellationToken cancellationToken)
    {
        await audit.ConfirmAsync(made, cancellationToken);
        Reached(ChangeStep.Confirmed);
        await database.ExecuteAsync("DELETE FROM issuer.change WHERE id = $1", cancellationToken, made.Id);
    }

    private static async Task InsertAsync(IssuerTransaction transaction, MadeChange made, CancellationToken cancellationToken)
    {
        var (actor, thing) = (made.Change.Actor, made.Change.Object);
        await transaction.ExecuteAsync(
            $"INSERT INTO issuer.change ({Columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            cancellationToken,
            made.Id,
            made.Intent,
            NameOf(actor.Realm),
            actor.Id,
            actor.Name,
            NameOf(thing.Realm),
            thing.Id,
            thing.Name,
            made.Change.What,
            made.Change.Subject);
    }

    private static MadeChange Read(NpgsqlDataReader r) => new(
        r.GetGuid(0),
        r.GetInt64(1),
        new IssuerChange(
            new IssuerParty(RealmOf(r.OptionalReference<string>(2)), r.GetString(3), r.GetString(4)),
            new IssuerParty(RealmOf(r.OptionalReference<string>(5)), r.GetString(6), r.GetString(7)),
            r.GetString(8),
            r.Optional<Guid>(9)));

    private static string? NameOf(Realm? realm) => realm is { } known ? RealmNames.Of(known) : null;

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
