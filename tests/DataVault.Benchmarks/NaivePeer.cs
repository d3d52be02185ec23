using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace DataVault.Benchmarks;

/// <summary>What a team would write first: an entity, EF Core, and a DataProtection converter on every column. No index, no log, no keys per person.</summary>
internal sealed class NaivePeer(BenchmarkVault vault)
{
    private readonly IDataProtector protector = new EphemeralDataProtectionProvider().CreateProtector("customer");

    public async Task CreateAsync()
    {
        await vault.OnPeerAsync("drop table if exists naive_customer");
        await using var context = Context();
        await context.Database.ExecuteSqlRawAsync(context.Database.GenerateCreateScript());
    }

    public Task EmptyAsync() => vault.OnPeerAsync("truncate naive_customer");

    public async Task WriteAsync(IReadOnlyList<MadeUpCustomer> customers)
    {
        foreach (var part in customers.Chunk(1_000))
        {
            await using var context = Context();
            context.Customers.AddRange(part.Select(customer => new NaiveCustomer(customer.Values)));
            await context.SaveChangesAsync();
        }
    }

    private NaiveContext Context() => new(new DbContextOptionsBuilder<NaiveContext>().UseNpgsql(vault.Peer).Options, protector);
}

internal sealed class NaiveCustomer
{
    public NaiveCustomer()
    {
    }

    public NaiveCustomer(IReadOnlyList<string> values)
    {
        (GivenName, FamilyName, Email, Phone, PostalAddress, BirthDate) = (values[0], values[1], values[2], values[3], values[4], values[5]);
        (Gender, Language, Country, Occupation, LoyaltyTier, CustomerSince) = (values[6], values[7], values[8], values[9], values[10], values[11]);
    }

    public Guid Id { get; set; } = Guid.CreateVersion7();
    public string GivenName { get; set; } = "";
    public string FamilyName { get; set; } = "";
    public string Email { get; set; } = "";
    public string Phone { get; set; } = "";
    public string PostalAddress { get; set; } = "";
    public string BirthDate { get; set; } = "";
    public string Gender { get; set; } = "";
    public string Language { get; set; } = "";
    public string Country { get; set; } = "";
    public string Occupation { get; set; } = "";
    public string LoyaltyTier { get; set; } = "";
    public string CustomerSince { get; set; } = "";
}

internal sealed class NaiveContext(DbContextOptions<NaiveContext> options, IDataProtector protector) : DbContext(options)
{
    public DbSet<NaiveCustomer> Customers => Set<NaiveCustomer>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        var entity = modelBuilder.Entity<NaiveCustomer>().ToTable("naive_customer");
        var converter = new ValueConverter<string, string>(clear => protector.Protect(clear), kept => protector.Unprotect(kept));
        foreach (var property in typeof(NaiveCustomer).GetProperties().Where(property => property.PropertyType == typeof(string)))
            entity.Property(property.Name).HasConversion(converter);
    }
}
