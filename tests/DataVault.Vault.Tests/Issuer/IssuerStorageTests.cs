using System.Security.Cryptography;
using System.Text;
using DataVault.Issuer;
using DataVault.Issuer.Accounts;
using DataVault.Issuer.Storage;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>What stands in the issuer's tables, who may touch them, and what is left of somebody who goes.</summary>
public sealed class IssuerStorageTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    [Fact]
    public async Task No_address_password_code_or_token_stands_in_any_table()
    {
        var person = await host.PersonAsync("customer");
        var attempt = SignInAttempt.New();
        using var browser = new Browser(host.Address);
        var code = (await browser.AuthorizeAsync(attempt.Address(), person))["code"];
        var (_, body) = await host.ExchangeAsync(attempt, code);
        var rows = await EverythingAsync();

        string[] secrets =
        [
            person.Email, person.Email.Split('@')[0], person.Password, code, body.GetProperty("refresh_token").GetString()!,
            body.GetProperty("access_token").GetString()!, host.Console.Secret, browser.Cookies.Single(c => c.Name == "vault-session").Value,
        ];

        Assert.All(secrets, secret => Assert.DoesNotContain(rows, row => row.Contains(secret, StringComparison.OrdinalIgnoreCase)));
        Assert.All(
            secrets,
            secret => Assert.DoesNotContain(rows, row => row.Contains(Convert.ToHexString(Encoding.UTF8.GetBytes(secret)), StringComparison.OrdinalIgnoreCase)));
    }

    [Fact]
    public async Task Signing_keys_and_the_key_ring_are_sealed()
    {
        using var browser = new Browser(host.Address);
        await browser.ReadAsync("/account/login");
        await browser.ReadAsync("/.well-known/jwks.json");
        var signing = Convert.FromHexString(Assert.Single(await host.QueryAsync("SELECT encode(private_sealed, 'hex') FROM issuer.signing_key")));
        var ring = Assert.Single(await host.QueryAsync("SELECT xml FROM issuer.data_protection_key"));
        using var key = ECDsa.Create();

        Assert.Throws<CryptographicException>(() => key.ImportPkcs8PrivateKey(signing, out _));
        Assert.Contains("sealedKey", ring, StringComparison.Ordinal);
        Assert.DoesNotContain("masterKey", ring, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_process_shares_keys_and_key_ring()
    {
        var (id, secret) = await host.ApplicationAsync();
        var (_, body) = await host.TokenAsync(("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret));
        var sealedText = host.Services.GetRequiredService<IDataProtectionProvider>().CreateProtector("test").Protect("hello");
        await using var second = SecondProcess();

        Assert.Equal("hello", second.GetRequiredService<IDataProtectionProvider>().CreateProtector("test").Unprotect(sealedText));
        Assert.NotNull(await second.GetRequiredService<IAccessTokenValidator>().ValidateAsync(body.GetProperty("access_token").GetString()!, default));
    }

    [Fact]
    public async Task A_second_process_hears_of_a_revocation_within_seconds()
    {
        var (id, secret) = await host.ApplicationAsync();
        var (_, body) = await host.TokenAsync(("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret));
        var token = body.GetProperty("access_token").GetString()!;
        await using var second = SecondProcess();
        var validator = second.GetRequiredService<IAccessTokenValidator>();
        Assert.NotNull(await validator.ValidateAsync(token, default));

        await host.Clients.RemoveAsync(id, IssuerHost.Administrator);
        host.Clock.Advance(TimeSpan.FromSeconds(5));

        Assert.Null(await validator.ValidateAsync(token, default));
    }

    [Fact]
    public async Task Nothing_is_left_of_an_erased_customer()
    {
        var subject = Guid.NewGuid();
        var email = $"{Guid.NewGuid():N}@people.example";
        var issued = await host.Accounts.CreateAsync(email, "customer", IssuerHost.Administrator, subject, lasting: true);
        var attempt = SignInAttempt.New();
        using var browser = new Browser(host.Address);
        var back = await browser.AuthorizeAsync(attempt.Address(), new Person(email, issued.OneTimePassword, issued.Id));
        var (_, body) = await host.ExchangeAsync(attempt, back["code"]);
        await browser.SignInAsync("customer", email, "wrong wrong wrong");

        await host.Accounts.RemoveForSubjectAsync(subject);
        await host.Accounts.RemoveForSubjectAsync(subject);

        Assert.Null(await host.Validator.ValidateAsync(body.GetProperty("access_token").GetString()!, default));
        Assert.Null(await host.Accounts.FindForSubjectAsync(subject));
        Assert.DoesNotContain(await EverythingAsync(), row => row.Contains(subject.ToString(), StringComparison.Ordinal) || row.Contains(issued.Id.ToString(), StringComparison.Ordinal));
        Assert.Equal(System.Net.HttpStatusCode.OK, (await browser.SignInAsync("customer", email, issued.OneTimePassword)).StatusCode);
    }

    [Fact]
    public async Task An_address_has_one_account_in_a_realm()
    {
        var person = await host.PersonAsync("analyst");

        var refused = await Assert.ThrowsAsync<IssuerException>(() => host.Accounts.CreateAsync(person.Email.ToUpperInvariant(), "administrator", IssuerHost.Administrator));

        Assert.Equal("conflict", refused.Slug);
        Assert.DoesNotContain("@", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a@b.example", "emperor", false)]
    [InlineData("a@b.example", "customer", false)]
    [InlineData("a@b.example", "analyst", true)]
    [InlineData("nobody", "analyst", false)]
    [InlineData("@", "analyst", false)]
    public async Task A_careless_account_is_refused(string email, string role, bool withSubject)
    {
        var refused = await Assert.ThrowsAsync<IssuerException>(() => host.Accounts.CreateAsync(email, role, IssuerHost.Administrator, withSubject ? Guid.NewGuid() : null));

        Assert.Equal("invalid-fields", refused.Slug);
    }

    [Fact]
    public async Task Every_table_says_how_it_distributes() =>
        Assert.Empty(await host.QueryAsync(
            """
            SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'issuer' AND relkind = 'r' AND obj_description(c.oid) IS DISTINCT FROM 'local'
            """));

    [Theory]
    [InlineData("CREATE TABLE issuer.mine (id int)")]
    [InlineData("DROP TABLE issuer.account")]
    [InlineData("ALTER TABLE issuer.account ADD COLUMN email text")]
    [InlineData("TRUNCATE issuer.account CASCADE")]
    [InlineData("DELETE FROM issuer.migration")]
    public async Task The_issuers_login_cannot_change_the_schema(string sql)
    {
        await using var source = NpgsqlDataSource.Create(host.LoginConnection);
        await using var command = source.CreateCommand(sql);

        var refused = await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteNonQueryAsync());

        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refused.SqlState);
    }

    [Fact]
    public async Task Identitys_model_and_the_schema_agree()
    {
        await using var scope = host.Services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<IssuerDbContext>();
        var users = scope.ServiceProvider.GetRequiredService<UserManager<Account>>();
        var person = await host.PersonAsync("customer");
        var account = (await users.FindByIdAsync(person.Id.ToString()))!;

        await users.SetAuthenticationTokenAsync(account, "test", "name", "value");
        await users.AddOrUpdatePasskeyAsync(account, new UserPasskeyInfo([1, 2, 3], [4], host.Clock.GetUtcNow(), 0, ["usb"], true, true, true, [5], [6]));

        Assert.Equal("value", await users.GetAuthenticationTokenAsync(account, "test", "name"));
        Assert.Single(await users.GetPasskeysAsync(account));
        Assert.Equal(1, await context.Users.CountAsync(a => a.Id == person.Id && a.Realm == Realm.Customer));
    }

    [Fact]
    public async Task Migrating_twice_changes_nothing() => await IssuerMigrator.MigrateAsync(host.AdminConnection, CancellationToken.None);

    [Fact]
    public async Task What_is_past_its_time_is_swept()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        await browser.AuthorizeAsync(SignInAttempt.New().Address(), person);
        await browser.SignInAsync("customer", "ghost@people.example", "wrong wrong wrong");
        host.Clock.Advance(TimeSpan.FromDays(2));
        var upkeep = host.Services.GetServices<Microsoft.Extensions.Hosting.IHostedService>().OfType<IssuerUpkeep>().Single();

        await upkeep.SweepAsync(CancellationToken.None);

        foreach (var table in new[] { "session", "authorisation", "code", "sign_in_attempt", "revocation" })
            Assert.Equal("0", Assert.Single(await host.QueryAsync($"SELECT count(*) FROM issuer.{table}")));
    }

    private ServiceProvider SecondProcess() => new ServiceCollection()
        .AddSingleton<DataVault.Cryptography.IServiceKeys, FixedServiceKeys>().AddSingleton<IRowMemory>(host.Memory).AddSingleton<IStaffRoles, FixedStaffRoles>().AddSingleton<TimeProvider>(host.Clock).AddLogging()
        .AddIssuer(host.Options()).BuildServiceProvider();

    private async Task<List<string>> EverythingAsync()
    {
        var rows = new List<string>();
        foreach (var table in await host.QueryAsync("SELECT tablename FROM pg_tables WHERE schemaname = 'issuer'"))
            rows.AddRange(await host.QueryAsync($"SELECT t::text FROM issuer.{table} t"));
        return rows;
    }
}
