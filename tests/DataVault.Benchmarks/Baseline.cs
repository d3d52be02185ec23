using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace DataVault.Benchmarks;

/// <summary>Twelve fields of a person, as a .NET team would map them.</summary>
internal class Person
{
    public Guid Id { get; init; }
    public string GivenName { get; init; } = "";
    public string FamilyName { get; init; } = "";
    public string Email { get; init; } = "";
    public string Phone { get; init; } = "";
    public string Street { get; init; } = "";
    public string Postcode { get; init; } = "";
    public string City { get; init; } = "";
    public string Country { get; init; } = "";
    public string BirthDate { get; init; } = "";
    public string Language { get; init; } = "";
    public string LoyaltyTier { get; init; } = "";
    public string CustomerNumber { get; init; } = "";
}

internal sealed class ProtectedPerson : Person;

internal sealed class AccessRow
{
    public Guid Id { get; init; }
    public Guid PersonId { get; init; }
    public string Actor { get; init; } = "";
    public string Purpose { get; init; } = "";
    public string Fields { get; init; } = "";
    public DateTimeOffset At { get; init; }
}

/// <summary>Six of the twelve fields: what both sides answer with.</summary>
internal sealed record PersonAnswer(
    Guid Id, string GivenName, string FamilyName, string Email, string Phone, string CustomerNumber, string LoyaltyTier);

internal sealed class BaselineContext(DbContextOptions<BaselineContext> options, IDataProtectionProvider protection) : DbContext(options)
{
    public DbSet<Person> People => Set<Person>();

    public DbSet<ProtectedPerson> ProtectedPeople => Set<ProtectedPerson>();

    public DbSet<AccessRow> Accesses => Set<AccessRow>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<ProtectedPerson>().HasBaseType((Type?)null);
        var protector = protection.CreateProtector("person");
        var converter = new ValueConverter<string, string>(plain => protector.Protect(plain), stored => protector.Unprotect(stored));
        foreach (var property in modelBuilder.Entity<ProtectedPerson>().Metadata.GetProperties().Where(p => p.ClrType == typeof(string)))
        {
            property.SetValueConverter(converter);
        }
    }
}

/// <summary>
/// The named peers, behind the same bearer tokens as the vault: (a) a minimal API over EF Core reading the plaintext row;
/// (b) what is usually written instead of a vault: EF Core, a DataProtection converter per field, an audit row per read;
/// (c) <see cref="PgcryptoPeer"/>.
/// </summary>
internal static class Baseline
{
    private static readonly Func<BaselineContext, Guid, Task<Person?>> FindPlain =
        EF.CompileAsyncQuery((BaselineContext context, Guid id) => context.People.AsNoTracking().FirstOrDefault(p => p.Id == id));

    private static readonly Func<BaselineContext, Guid, Task<ProtectedPerson?>> FindProtected =
        EF.CompileAsyncQuery((BaselineContext context, Guid id) => context.ProtectedPeople.AsNoTracking().FirstOrDefault(p => p.Id == id));

    public const string Serving = "serving";

    /// <summary>Fills a database of its own and serves until killed; keys for tokens are the vault's own JSON Web Key Set.</summary>
    public static async Task ServeAsync(BenchmarkOptions options)
    {
        using var pgcrypto = new PgcryptoPeer(options.Text("connection", ""));
        await using var app = Build(options.Text("connection", ""), options.Number("port", 0), options.Text("jwks", "{}"));
        app.MapGet("/pgcrypto/{id:guid}", pgcrypto.ReadAsync);
        await SeedAsync(app.Services, VaultUnderLoad.MakePeople(options.Number("people", 0)), pgcrypto);
        await app.StartAsync();
        Console.WriteLine(Serving);
        await app.WaitForShutdownAsync();
    }

    private static WebApplication Build(string connection, int port, string jwks)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(options => options.ListenLocalhost(port));
        builder.Services.AddDataProtection().UseEphemeralDataProtectionProvider();
        builder.Services.AddDbContextPool<BaselineContext>(options => options.UseNpgsql(connection));
        var app = builder.Build();
        var tokens = new TokenCheck(jwks);
        app.Use((context, next) => tokens.RequireAsync(context, next));
        app.MapGet("/plain/{id:guid}", ReadPlainAsync);
        app.MapGet("/protected/{id:guid}", ReadProtectedAsync);
        return app;
    }

    private static async Task SeedAsync(IServiceProvider services, IReadOnlyList<Person> people, PgcryptoPeer pgcrypto)
    {
        using var scope = services.CreateScope();
        var context = scope.ServiceProvider.GetRequiredService<BaselineContext>();
        await context.Database.EnsureCreatedAsync();
        foreach (var chunk in people.Chunk(500))
        {
            context.People.AddRange(chunk);
            context.ProtectedPeople.AddRange(chunk.Select(Protect));
            await context.SaveChangesAsync();
            context.ChangeTracker.Clear();
        }

        await pgcrypto.SeedAsync(context);
    }

    private static ProtectedPerson Protect(Person p) => new()
    {
        Id = p.Id, GivenName = p.GivenName, FamilyName = p.FamilyName, Email = p.Email, Phone = p.Phone, Street = p.Street, Postcode = p.Postcode,
        City = p.City, Country = p.Country, BirthDate = p.BirthDate, Language = p.Language, LoyaltyTier = p.LoyaltyTier, CustomerNumber = p.CustomerNumber,
    };

    private static async Task<IResult> ReadPlainAsync(Guid id, BaselineContext context) =>
        await FindPlain(context, id) is { } person ? Results.Ok(Answer(person)) : Results.NotFound();

    private static async Task<IResult> ReadProtectedAsync(Guid id, string purpose, BaselineContext context)
    {
        if (await FindProtected(context, id) is not { } person) return Results.NotFound();
        context.Accesses.Add(new AccessRow
        {
            Id = Guid.CreateVersion7(), PersonId = id, Actor = "support-desk", Purpose = purpose,
            Fields = "givenName,familyName,email,phone,customerNumber,loyaltyTier", At = DateTimeOffset.UtcNow,
        });
        await context.SaveChangesAsync();
        return Results.Ok(Answer(person));
    }

    private static PersonAnswer Answer(Person p) =>
        new(p.Id, p.GivenName, p.FamilyName, p.Email, p.Phone, p.CustomerNumber, p.LoyaltyTier);

    /// <summary>Validates a bearer token once and remembers it, as the vault does.</summary>
    private sealed class TokenCheck(string jwks)
    {
        private readonly JsonWebTokenHandler _handler = new();
        private readonly ConcurrentDictionary<string, bool> _known = new(StringComparer.Ordinal);
        private readonly TokenValidationParameters _parameters = new()
        {
            IssuerSigningKeys = new JsonWebKeySet(jwks).GetSigningKeys(), ValidateIssuer = false, ValidAudience = "datavault",
            ValidAlgorithms = [SecurityAlgorithms.EcdsaSha256],
        };

        public async Task RequireAsync(HttpContext context, RequestDelegate next)
        {
            var header = context.Request.Headers.Authorization.ToString();
            if (header.StartsWith("Bearer ", StringComparison.Ordinal) && await IsValidAsync(header[7..])) await next(context);
            else context.Response.StatusCode = 401;
        }

        private async Task<bool> IsValidAsync(string token)
        {
            if (_known.TryGetValue(token, out var valid)) return valid;
            return _known[token] = (await _handler.ValidateTokenAsync(token, _parameters)).IsValid;
        }
    }
}
