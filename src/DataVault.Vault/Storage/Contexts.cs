using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Migrations;
using Npgsql;

namespace DataVault.Vault.Storage;

/// <summary>Schema and ordinary queries of the database <c>vault</c>; hot paths speak Npgsql.</summary>
internal sealed class VaultDbContext(DbContextOptions<VaultDbContext> options) : DbContext(options)
{
    public const string Schema = "vault";

    public DbSet<ActorRow> Actors => Set<ActorRow>();

    public DbSet<TombstoneRow> Tombstones => Set<TombstoneRow>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<ActorRow>(e =>
        {
            e.ToTable("actor", "audit").HasKey(row => row.Tag);
            e.Property(row => row.Tag).HasColumnName("tag");
            e.Property(row => row.Name).HasColumnName("name");
            e.Property(row => row.Kind).HasColumnName("kind");
        });
        TombstoneRow.Map(modelBuilder, Schema);
    }
}

/// <summary>Schema and ordinary queries of the database <c>keys</c>.</summary>
internal sealed class KeysDbContext(DbContextOptions<KeysDbContext> options) : DbContext(options)
{
    public const string Schema = "keys";

    public DbSet<TombstoneRow> Tombstones => Set<TombstoneRow>();

    protected override void OnModelCreating(ModelBuilder modelBuilder) => TombstoneRow.Map(modelBuilder, Schema);
}

internal sealed class ActorRow
{
    public byte[] Tag { get; init; } = [];
    public string Name { get; init; } = "";
    public string Kind { get; init; } = "";
}

/// <summary>An erasure that a database has carried out.</summary>
internal sealed class TombstoneRow
{
    public byte[] SubjectHash { get; init; } = [];

    public static void Map(ModelBuilder model, string schema) =>
        model.Entity<TombstoneRow>(e =>
        {
            e.ToTable("tombstone", schema).HasKey(row => row.SubjectHash);
            e.Property(row => row.SubjectHash).HasColumnName("subject_hash");
        });
}

/// <summary>Makes contexts over a data source.</summary>
internal static class Contexts
{
    public static VaultDbContext Vault(NpgsqlDataSource source) => new(Options<VaultDbContext>(b => b.UseNpgsql(source, o => History(o, VaultDbContext.Schema))));

    public static KeysDbContext Keys(NpgsqlDataSource source) => new(Options<KeysDbContext>(b => b.UseNpgsql(source, o => History(o, KeysDbContext.Schema))));

    private static void History(Npgsql.EntityFrameworkCore.PostgreSQL.Infrastructure.NpgsqlDbContextOptionsBuilder options, string schema) =>
        options.MigrationsHistoryTable("migration", schema);

    private static DbContextOptions<T> Options<T>(Action<DbContextOptionsBuilder<T>> provider)
        where T : DbContext
    {
        var builder = new DbContextOptionsBuilder<T>();
        provider(builder);
        return builder
            .AddInterceptors(new DurableCommits())
            .UseQueryTrackingBehavior(QueryTrackingBehavior.NoTracking)
            // The migrations are SQL written by hand, so that grants, storage and classes stand beside the tables; there is no snapshot to compare with.
            .ConfigureWarnings(w => w.Ignore(RelationalEventId.PendingModelChangesWarning))
            .Options;
    }
}
