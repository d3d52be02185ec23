using DataVault.Cryptography;
using DataVault.Issuer.Accounts;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Mailing;
using DataVault.Issuer.Storage;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Issuer;

/// <summary>A customer's second factor that is to be taken away.</summary>
/// <param name="Id">Its own.</param>
/// <param name="Customer">Whose.</param>
/// <param name="Method">By what it was established who they are; of the policy.</param>
/// <param name="Officer">Account of who says so.</param>
/// <param name="AskedAt">When.</param>
/// <param name="DueAt">When it is taken away, unless somebody stops it.</param>
public sealed record FactorRecovery(Guid Id, Guid Customer, string Method, string Officer, DateTimeOffset AskedAt, DateTimeOffset DueAt);

/// <summary>A row of <c>issuer.factor_recovery</c>.</summary>
internal sealed record RecoveryRow(FactorRecovery Public, Guid Account, string OfficerName, byte[] StopHash, byte[]? Seal = null)
{
    /// <summary>What <see cref="Read"/> expects; whose it is, the account says.</summary>
    public const string Select =
        "SELECT z.id, a.subject_id, z.method, z.officer_id, z.asked_at, z.due_at, z.account_id, z.officer_name, z.stop_hash, z.seal "
        + "FROM issuer.factor_recovery z JOIN issuer.account a ON a.id = z.account_id";

    public IssuerParty Officer => new(Realm.Staff, Public.Officer, OfficerName);

    public static RecoveryRow Read(NpgsqlDataReader r) => new(
        new FactorRecovery(r.GetGuid(0), r.Optional<Guid>(1) ?? Guid.Empty, r.GetString(2), r.GetString(3), r.Time(4), r.Time(5)), r.GetGuid(6), r.GetString(7), (byte[])r[8], r.OptionalReference<byte[]>(9));
}

/// <summary>
/// A customer who lost the second factor and the recovery codes: a member of staff establishes who they are, the mailbox of the account is told and can stop it, and after some days the
/// factor is taken away, by that member of staff's word and in their name. Whoever shows the factor meanwhile has it, and has stopped it. The password stays as it is: who
/// has neither needs the mailbox too.
/// </summary>
public sealed class FactorRecoveries
{
    internal const string StopPath = "/account/factor/keep";

    private const int LongestValue = 64;

    private readonly IssuerDatabase database;
    private readonly AccountRegistry accounts;
    private readonly LetterQueue letters;
    private readonly IssuerSecrets secrets;
    private readonly TimeProvider clock;

    internal FactorRecoveries(IssuerDatabase database, AccountRegistry accounts, LetterQueue letters, IssuerSecrets secrets, TimeProvider clock) =>
        (this.database, this.accounts, this.letters, this.secrets, this.clock) = (database, accounts, letters, secrets, clock);

    /// <summary>Begins one.</summary>
    /// <param name="customer">Who lost the factor.</param>
    /// <param name="method">By what it was established that it is they.</param>
    /// <param name="officer">Who established it, in person.</param>
    /// <param name="delay">How long it can be stopped.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="IssuerException">not-found (no account, or none with a second factor), conflict (one is under way), forbidden (<see cref="TwoPeople"/>), invalid-fields (nobody can be told).</exception>
    public async Task<FactorRecovery> BeginAsync(Guid customer, string method, IssuerParty officer, TimeSpan delay, CancellationToken cancellationToken = default)
    {
        if (!letters.IsConfigured) throw IssuerException.Invalid("This vault sends no e-mail, so that nobody can be told.");
        if (await accounts.FindForSubjectAsync(customer, cancellationToken) is not { } account || await accounts.FactsAsync(account, cancellationToken) is not { HasSecondFactor: true })
            throw IssuerException.NotFound("account with a second factor");
        await accounts.RequireOtherAsync(account, officer);
        var (now, stop) = (clock.GetUtcNow(), BearerValue.New(secrets.Random));
        var begun = new FactorRecovery(Uuid.Version7(clock, secrets.Random), customer, method, officer.Id, now, now + delay);
        var row = new RecoveryRow(begun, account, officer.Name, BearerValue.Hash(stop));
        var letter = RecoveryLetters.Asked(await accounts.AddressAsync(account, cancellationToken), begun.DueAt, letters.AddressOf($"{StopPath}?value={stop}"));
        await accounts.ActAsync(
            account,
            officer,
            "factor-recovery-asked:" + method,
            async transaction =>
            {
                if (await InsertAsync(transaction, row, cancellationToken) == 0) throw IssuerException.Conflict("a recovery");
                await letters.AddAsync(transaction, account, letter, begun.DueAt, cancellationToken);
            },
            cancellationToken);
        return begun;
    }

    /// <summary>Those under way, the next due first.</summary>
    public async Task<IReadOnlyList<FactorRecovery>> ListAsync(CancellationToken cancellationToken = default) =>
        [.. (await RowsAsync(cancellationToken)).Where(secrets.Rows.Hold).Select(row => row.Public)];

    /// <summary>Stops one.</summary>
    /// <exception cref="IssuerException">not-found.</exception>
    public async Task StopAsync(Guid id, IssuerParty actor, CancellationToken cancellationToken = default)
    {
        var row = await FindAsync("id", id, cancellationToken) ?? throw IssuerException.NotFound("recovery");
        await EndAsync(row, actor, "factor-recovery-stopped", cancellationToken);
    }

    /// <summary>Stops the one that a message told of; false when there is none.</summary>
    internal async Task<bool> StopAsync(string value, CancellationToken cancellationToken)
    {
        if (value.Length is 0 or > LongestValue || await FindAsync("stop_hash", BearerValue.Hash(value), cancellationToken) is not { } row || !secrets.Rows.Hold(row)) return false;
        return await TryEndAsync(row, "factor-recovery-stopped", cancellationToken);
    }

    /// <summary>The owner has just shown the factor that is said to be lost.</summary>
    internal async Task ShownAsync(Guid account, CancellationToken cancellationToken)
    {
        if (await FindAsync("account_id", account, cancellationToken) is { } row) await TryEndAsync(row, "factor-recovery-ended:factor-shown", cancellationToken);
    }

#pragma warning disable CA1031 // Whatever the log or the database says, the row stays, and is carried out in a later round.
    /// <summary>Takes the factors away whose time has come.</summary>
    internal async Task CarryOutDueAsync(ILogger logger, CancellationToken cancellationToken)
    {
        foreach (var row in (await RowsAsync(cancellationToken)).Where(row => row.Public.DueAt <= clock.GetUtcNow() && secrets.Rows.Hold(row)))
        {
            try
            {
                await CarryOutAsync(row, cancellationToken);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                logger.LogWarning("The recovery {Recovery} could not be carried out ({Kind}); it is tried again.", row.Public.Id, e.GetType().Name);
            }
        }
    }
#pragma warning restore CA1031

    private async Task CarryOutAsync(RecoveryRow row, CancellationToken cancellationToken)
    {
        var letter = RecoveryLetters.Done(await accounts.AddressAsync(row.Account, cancellationToken));
        await accounts.TakeFactorAsync(
            row.Account,
            row.Officer,
            async transaction =>
            {
                await UseAsync(transaction, row, cancellationToken);
                await letters.AddAsync(transaction, row.Account, letter, clock.GetUtcNow() + AddressChanges.StopLifetime, cancellationToken);
            },
            cancellationToken);
    }

    private async Task<bool> TryEndAsync(RecoveryRow row, string what, CancellationToken cancellationToken)
    {
        try
        {
            await EndAsync(row, null, what, cancellationToken);
            return true;
        }
        catch (IssuerException e) when (e.Slug is "conflict" or "not-found")
        {
            return false;
        }
    }

    private Task EndAsync(RecoveryRow row, IssuerParty? actor, string what, CancellationToken cancellationToken) =>
        accounts.ActAsync(row.Account, actor, what, transaction => UseAsync(transaction, row, cancellationToken), cancellationToken);

    private static async Task UseAsync(IssuerTransaction transaction, RecoveryRow row, CancellationToken cancellationToken)
    {
        if (await transaction.ExecuteAsync("DELETE FROM issuer.factor_recovery WHERE id = $1 AND seal = $2", cancellationToken, row.Public.Id, row.Seal) == 0)
            throw IssuerException.Conflict("a recovery");
    }

    private Task<int> InsertAsync(IssuerTransaction transaction, RecoveryRow row, CancellationToken cancellationToken) => transaction.ExecuteAsync(
        """
        INSERT INTO issuer.factor_recovery (id, method, officer_id, asked_at, due_at, account_id, officer_name, stop_hash, seal) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (account_id) DO NOTHING
        """,
        cancellationToken, row.Public.Id, row.Public.Method, row.Public.Officer, row.Public.AskedAt, row.Public.DueAt, row.Account, row.OfficerName, row.StopHash,
        secrets.Rows.Of(row));

    internal Task<List<RecoveryRow>> RowsAsync(CancellationToken cancellationToken) =>
        database.ListAsync(RecoveryRow.Select + " ORDER BY z.due_at, z.id", RecoveryRow.Read, cancellationToken);

    // The column's name is a constant of this file, never input.
    private Task<RecoveryRow?> FindAsync(string column, object value, CancellationToken cancellationToken) =>
        database.FirstAsync($"{RecoveryRow.Select} WHERE z.{column} = $1", RecoveryRow.Read, cancellationToken, value);
}

/// <summary>What is written about a second factor that is to be taken away.</summary>
internal static class RecoveryLetters
{
    public static Letter Asked(string to, DateTimeOffset due, string stop) => new(
        to,
        "Your second factor is to be taken away",
        $"""
        We were told that you have lost the second factor of your account, and one of our staff has established that it was you who said so. On {due:yyyy-MM-dd} at {due:HH:mm} UTC it is taken away, and you can
        set up another with your password.

        If you asked for it, do nothing. If you did not, or have found it, stop it here before then, or sign in with the factor:
        {stop}
        """);

    public static Letter Done(string to) => new(
        to,
        "Your second factor was taken away",
        """
        The second factor of your account was taken away, as we told you some days ago, and you are signed out everywhere. Sign in with your password and set up another one now.

        If you know nothing of it, tell us at once.
        """);
}
