using System.Text;
using DataVault.Issuer.Accounts;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Identity.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace DataVault.Issuer.Storage;

/// <summary>ASP.NET Core Identity's tables, in the schema <c>issuer</c>, without the columns that would hold an address or a number in clear.</summary>
internal sealed class IssuerDbContext(DbContextOptions<IssuerDbContext> options) : IdentityUserContext<Account, Guid>(options)
{
    public const string Schema = "issuer";
    public const string HistoryTable = "migration";

    public static DbContextOptionsBuilder Configure(DbContextOptionsBuilder builder) => builder
        // The schema is hand-written SQL, so there is no snapshot for EF Core to compare the model with; tests compare it with the database.
        .ConfigureWarnings(w => w.Ignore(RelationalEventId.PendingModelChangesWarning));

    protected override void OnModelCreating(ModelBuilder builder)
    {
        base.OnModelCreating(builder);
        builder.HasDefaultSchema(Schema);
        builder.Ignore<IdentityUserClaim<Guid>>();
        builder.Ignore<IdentityUserLogin<Guid>>();
        builder.Entity<Account>(account =>
        {
            account.ToTable("account");
            account.Ignore(a => a.Email).Ignore(a => a.NormalizedEmail).Ignore(a => a.EmailConfirmed);
            account.Ignore(a => a.PhoneNumber).Ignore(a => a.PhoneNumberConfirmed);
            account.Property(a => a.Realm).HasConversion(r => RealmNames.Of(r), text => ParseRealm(text));
            account.Property(a => a.Roles).HasColumnType("text[]");
            account.Property(a => a.PasswordResetBy).HasColumnType("text[]");
            account.Property(a => a.FactorResetBy).HasColumnType("text[]");
        });
        builder.Entity<IdentityUserToken<Guid>>().ToTable("account_token");
        // Schema version 3 says the same, but Identity looks for its options in a service provider, and the migrator has none.
        builder.Entity<IdentityUserPasskey<Guid>>(passkey =>
        {
            passkey.ToTable("account_passkey").HasKey(p => p.CredentialId);
            passkey.OwnsOne(p => p.Data).ToJson("data");
            passkey.Property<byte[]>(PasskeyRow.Seal).IsRequired();
        });
        NameColumns(builder);
        builder.Entity<Account>().Property(a => a.NormalizedUserName).HasColumnName("handle");
    }

    private static Realm ParseRealm(string text) =>
        RealmNames.TryParse(text, out var realm) ? realm : throw new InvalidOperationException("Unknown realm in the account table.");

    private static void NameColumns(ModelBuilder builder)
    {
        foreach (var entity in builder.Model.GetEntityTypes().Where(e => !e.IsMappedToJson()))
            foreach (var property in entity.GetProperties())
                property.SetColumnName(SnakeCase(property.Name));
    }

    private static string SnakeCase(string name)
    {
        var text = new StringBuilder();
        foreach (var letter in name)
        {
            if (char.IsUpper(letter) && text.Length > 0) text.Append('_');
            text.Append(char.ToLowerInvariant(letter));
        }

        return text.ToString();
    }
}

/// <summary>What Identity's entity of a passkey has no property for.</summary>
internal static class PasskeyRow
{
    public const string Seal = "Seal";
}
