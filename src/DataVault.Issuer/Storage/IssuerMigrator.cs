using DataVault.Issuer.Storage;
using Microsoft.EntityFrameworkCore;

namespace DataVault.Issuer;

/// <summary>Brings the schema <c>issuer</c> up to date. Runs with a login that may run DDL and make roles; the issuer itself never does.</summary>
public static class IssuerMigrator
{
    public static async Task MigrateAsync(string adminConnection, CancellationToken cancellationToken)
    {
        var builder = new DbContextOptionsBuilder<IssuerDbContext>();
        builder.UseNpgsql(adminConnection, o => o.MigrationsHistoryTable(IssuerDbContext.HistoryTable, IssuerDbContext.Schema));
        IssuerDbContext.Configure(builder);
        await using var context = new IssuerDbContext(builder.Options);
        await context.Database.MigrateAsync(cancellationToken);
    }
}
