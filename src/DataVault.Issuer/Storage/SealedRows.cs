using DataVault.Issuer.Accounts;
using DataVault.Issuer.Clients;
using DataVault.Issuer.Keys;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.Extensions.Hosting;

namespace DataVault.Issuer.Storage;

/// <summary>
/// Seals (<see cref="RowSeals"/>). Sign-ins that were under way have none and end here: people sign in again. So does the key ring, which holds nothing that lasts
/// longer than a sign-in. Clients and accounts are sealed at the next start (<see cref="FirstSealing"/>).
/// </summary>
[DbContext(typeof(IssuerDbContext))]
[Migration("20261122110100_SealedRows")]
internal sealed class SealedRows : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        DELETE FROM issuer.session;
        DELETE FROM issuer.authorisation;
        DELETE FROM issuer.data_protection_key;
        ALTER TABLE issuer.client ADD COLUMN seal bytea;
        ALTER TABLE issuer.account ADD COLUMN seal bytea;
        ALTER TABLE issuer.session ADD COLUMN seal bytea NOT NULL;
        ALTER TABLE issuer.authorisation ADD COLUMN seal bytea NOT NULL;
        ALTER TABLE issuer.code ADD COLUMN seal bytea NOT NULL;
        ALTER TABLE issuer.refresh_token ADD COLUMN seal bytea NOT NULL;
        ALTER TABLE issuer.data_protection_key ADD COLUMN seal bytea NOT NULL;
        """);
}

/// <summary>Seals each account and passkey that Identity saves.</summary>
internal sealed class AccountSealing(IssuerSecrets secrets) : SaveChangesInterceptor
{
    public override InterceptionResult<int> SavingChanges(DbContextEventData eventData, InterceptionResult<int> result)
    {
        Seal(eventData.Context!);
        return result;
    }

    public override ValueTask<InterceptionResult<int>> SavingChangesAsync(
        DbContextEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        Seal(eventData.Context!);
        return ValueTask.FromResult(result);
    }

    // INVARIANT: what was only read is not sealed again. What it says is in one column, an entry of its own.
    private static bool IsWritten(EntityEntry<IdentityUserPasskey<Guid>> entry) =>
        entry.State is EntityState.Added or EntityState.Modified || entry.Reference(row => row.Data).TargetEntry?.State is EntityState.Added or EntityState.Modified;

    private void Seal(DbContext context)
    {
        foreach (var entry in context.ChangeTracker.Entries<Account>().Where(e => e.State is EntityState.Added or EntityState.Modified))
            entry.Entity.Seal = secrets.Rows.Of(entry.Entity);
        foreach (var entry in context.ChangeTracker.Entries<IdentityUserPasskey<Guid>>().Where(IsWritten).ToList())
            entry.Property<byte[]>(PasskeyRow.Seal).CurrentValue = secrets.Rows.Of(entry.Entity);
    }
}

/// <summary>Seals what a vault of before seals has, as it is, once: from then on nothing without one is believed, whoever put it there.</summary>
internal sealed class FirstSealing(IssuerDatabase database, IssuerSecrets secrets, ChangeLedger changes, ISealingMark mark) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await OnceAsync(
            SealingMarks.Rows,
            async transaction =>
            {
                await SealClientsAsync(transaction, cancellationToken);
                await SealAccountsAsync(transaction, cancellationToken);
            },
            cancellationToken);
        await OnceAsync(SealingMarks.Changes, transaction => changes.SealOldAsync(transaction, cancellationToken), cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private async Task OnceAsync(string what, Func<IssuerTransaction, Task> seal, CancellationToken cancellationToken)
    {
        if (await mark.IsSetAsync(what, cancellationToken)) return;
        await using (var transaction = await database.BeginAsync(cancellationToken))
        {
            await seal(transaction);
            await transaction.CommitAsync(cancellationToken);
        }

        await mark.SetAsync(what, cancellationToken);
    }

    private async Task SealClientsAsync(IssuerTransaction transaction, CancellationToken cancellationToken)
    {
        var found = await transaction.ListAsync($"SELECT {Client.Columns} FROM issuer.client WHERE seal IS NULL FOR UPDATE", Client.Read, cancellationToken);
        foreach (var client in found)
            await transaction.ExecuteAsync("UPDATE issuer.client SET seal = $2 WHERE client_id = $1", cancellationToken, client.Id, secrets.Rows.Of(client));
    }

    private async Task SealAccountsAsync(IssuerTransaction transaction, CancellationToken cancellationToken)
    {
        var found = await transaction.ListAsync(
            $"SELECT {AccountFacts.Columns} FROM issuer.account a WHERE a.seal IS NULL FOR UPDATE", r => AccountFacts.Row(r), cancellationToken);
        foreach (var account in found)
            await transaction.ExecuteAsync("UPDATE issuer.account SET seal = $2 WHERE id = $1", cancellationToken, account.Id, secrets.Rows.Of(account));
    }
}
