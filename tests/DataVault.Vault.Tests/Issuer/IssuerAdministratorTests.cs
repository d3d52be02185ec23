using System.Net;
using System.Security.Cryptography;
using DataVault.Issuer;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>Whoever can write whatever they like into the issuer's tables gets no token by it, and nobody else's.</summary>
public sealed class IssuerAdministratorTests : IAsyncLifetime
{
    private const string Mine = "known to whoever wrote the row";
    private static readonly string Hash = $"sha256('{Mine}'::bytea)";
    private readonly IssuerHost host = new();

    public ValueTask InitializeAsync() => host.InitializeAsync();

    public ValueTask DisposeAsync() => host.DisposeAsync();

    [Theory]
    [InlineData("NULL")]
    [InlineData("sha256('x'::bytea)")]
    [InlineData("(SELECT seal FROM issuer.client WHERE client_id = 'console')")]
    public async Task A_client_that_they_write_gets_no_token(string seal)
    {
        await WriteClientAsync("theirs", seal);

        Assert.Equal(HttpStatusCode.Unauthorized, await TokenAsync("theirs", Mine));
        Assert.Contains(await CheckAsync(), line => line.Contains("theirs", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("former_secret_hash = $hash, former_secret_until = now() + interval '9 years'")]
    [InlineData("secret_hash = $hash")]
    public async Task A_secret_that_they_give_to_a_client_does_not_work(string change)
    {
        var (id, secret) = await host.ApplicationAsync();
        await host.QueryAsync($"UPDATE issuer.client SET {change.Replace("$hash", Hash, StringComparison.Ordinal)} WHERE client_id = '{id}'");

        Assert.Equal(HttpStatusCode.Unauthorized, await TokenAsync(id, Mine));
        Assert.Equal(HttpStatusCode.Unauthorized, await TokenAsync(id, secret));
        Assert.Single(await CheckAsync());
    }

    [Theory]
    [InlineData("roles = '{administrator}'")]
    [InlineData("purposes = '{customer-support}'")]
    [InlineData("grant_types = '{client_credentials,refresh_token}'")]
    [InlineData("redirect_uris = '{https://evil.example/}'")]
    [InlineData("sign_out_uris = '{https://evil.example/}'")]
    [InlineData("secret_hash = NULL")]
    [InlineData("token_endpoint_auth_method = 'private_key_jwt', jwks = '{\"keys\":[]}'")]
    [InlineData("jwks = '{\"keys\":[]}'")]
    [InlineData("dpop_bound = true")]
    [InlineData("resources = '{https://evil.example/}'")]
    [InlineData("third_party = true")]
    public async Task Nothing_that_a_client_may_do_is_changed_by_them(string change)
    {
        var (id, secret) = await host.ApplicationAsync();
        Assert.Equal(HttpStatusCode.OK, await TokenAsync(id, secret));
        await host.QueryAsync($"UPDATE issuer.client SET {change} WHERE client_id = '{id}'");

        Assert.Equal(HttpStatusCode.Unauthorized, await TokenAsync(id, secret));
        var refused = await Assert.ThrowsAsync<IssuerException>(() => host.Clients.RotateSecretAsync(id, IssuerHost.Administrator));
        Assert.Equal("not-found", refused.Slug);
        await host.Clients.RemoveAsync(id, IssuerHost.Administrator);
        Assert.Empty(await CheckAsync());
    }

    [Theory]
    [InlineData("roles = '{administrator}'")]
    [InlineData("password_hash = (SELECT password_hash FROM issuer.account WHERE id = '$other')")]
    [InlineData("lockout_end = '2020-01-01'")]
    [InlineData("one_time_until = '2020-01-01'")]
    [InlineData("security_stamp = 'x'")]
    [InlineData("password_reset_by = '{x}'")]
    [InlineData("factor_reset_by = '{x}'")]
    [InlineData("handle = 'X', user_name = 'X'")]
    [InlineData("seal = NULL")]
    public async Task Nothing_that_an_account_may_do_is_changed_by_them(string change)
    {
        var (person, other) = (await host.PersonAsync("analyst"), await host.PersonAsync("analyst"));
        using var browser = new Browser(host.Address);
        await browser.AuthorizeAsync(SignInAttempt.New().Address(("acr_values", "realm:staff")), person);
        await host.QueryAsync($"UPDATE issuer.account SET {change.Replace("$other", other.Id.ToString(), StringComparison.Ordinal)} WHERE id = '{person.Id}'");

        using var again = new Browser(host.Address);
        Assert.Equal(HttpStatusCode.OK, (await again.SignInAsync("staff", person.Email, person.Password)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await again.SignInAsync("staff", person.Email, other.Password)).StatusCode);
        var former = await browser.GetAsync("/account");
        Assert.Equal("/account/login", former.Headers.Location?.OriginalString);
        await Assert.ThrowsAsync<IssuerException>(() => host.Accounts.ResetPasswordAsync(person.Id, IssuerHost.Administrator));
        Assert.Contains(person.Id.ToString(), Assert.Single(await CheckAsync()), StringComparison.Ordinal);
        await host.Accounts.RemoveAsync(person.Id, IssuerHost.Administrator);
    }

    [Fact]
    public async Task A_session_that_they_move_to_somebody_else_is_none()
    {
        var (mine, officer) = (await host.PersonAsync("analyst"), await host.PersonAsync("compliance-officer"));
        using var browser = new Browser(host.Address);
        await browser.AuthorizeAsync(SignInAttempt.New().Address(("acr_values", "realm:staff")), mine);
        await host.QueryAsync(
            $"UPDATE issuer.session SET account_id = a.id, security_stamp = a.security_stamp FROM issuer.account a WHERE a.id = '{officer.Id}' AND account_id = '{mine.Id}'");

        Assert.Equal("/account/login", (await browser.GetAsync("/account")).Headers.Location?.OriginalString);
    }

    [Theory]
    [InlineData("authorisation SET account_id = a.id, security_stamp = a.security_stamp FROM issuer.account a WHERE a.id = '$officer'")]
    [InlineData("refresh_token SET expires_at = expires_at + interval '1 year'")]
    [InlineData("refresh_token SET hash = sha256('x'::bytea), used_at = NULL")]
    public async Task A_refresh_token_that_they_change_gets_nothing(string change)
    {
        var (mine, officer) = (await host.PersonAsync("analyst"), await host.PersonAsync("compliance-officer"));
        var attempt = SignInAttempt.New();
        using var browser = new Browser(host.Address);
        var code = (await browser.AuthorizeAsync(attempt.Address(("acr_values", "realm:staff")), mine))["code"];
        var token = (await host.ExchangeAsync(attempt, code)).Body.GetProperty("refresh_token").GetString()!;
        await host.QueryAsync("UPDATE issuer." + change.Replace("$officer", officer.Id.ToString(), StringComparison.Ordinal));

        foreach (var tried in new[] { token, "x" })
            Assert.Equal(HttpStatusCode.BadRequest, (await host.ConsoleTokenAsync(("grant_type", "refresh_token"), ("refresh_token", tried))).Status);
    }

    [Fact]
    public async Task A_code_that_they_point_at_another_sign_in_gets_nothing()
    {
        var (mine, officer) = (await host.PersonAsync("analyst"), await host.PersonAsync("compliance-officer"));
        var attempt = SignInAttempt.New();
        using Browser browser = new(host.Address), other = new(host.Address);
        var code = (await browser.AuthorizeAsync(attempt.Address(("acr_values", "realm:staff")), mine))["code"];
        await other.AuthorizeAsync(SignInAttempt.New().Address(("acr_values", "realm:staff")), officer);
        await host.QueryAsync($"UPDATE issuer.code SET authorisation_id = (SELECT id FROM issuer.authorisation WHERE account_id = '{officer.Id}')");

        Assert.Equal(HttpStatusCode.BadRequest, (await host.ExchangeAsync(attempt, code)).Status);
    }

    [Fact]
    public async Task A_signing_key_of_theirs_signs_nothing_that_is_accepted()
    {
        var (id, secret) = await host.ApplicationAsync();
        await TokenAsync(id, secret);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await host.QueryAsync(
            $"""
            INSERT INTO issuer.signing_key (kid, public_key, private_sealed, active_from, retires_at, expires_at)
            SELECT 'theirs', '\x{Convert.ToHexString(key.ExportSubjectPublicKeyInfo())}', private_sealed, active_from, retires_at, expires_at FROM issuer.signing_key
            """);
        host.Clock.Advance(TimeSpan.FromMinutes(2));
        var now = host.Clock.GetUtcNow().UtcDateTime;
        var token = new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(new SecurityTokenDescriptor
        {
            TokenType = "at+jwt",
            Issuer = host.Address,
            Audience = IssuerOptions.Audience,
            IssuedAt = now,
            Expires = now.AddMinutes(5),
            Claims = new Dictionary<string, object>
            {
                ["sub"] = id, ["client_id"] = id, ["realm"] = "application", ["name"] = "x", ["acr"] = "1", ["jti"] = "x",
                ["roles"] = new[] { "administrator" }, ["purposes"] = new[] { "customer-support" },
            },
            SigningCredentials = new SigningCredentials(new ECDsaSecurityKey(key) { KeyId = "theirs" }, SecurityAlgorithms.EcdsaSha256),
        });

        Assert.Null(await host.Validator.ValidateAsync(token, default));
        Assert.Equal(HttpStatusCode.OK, await TokenAsync(id, secret));
    }

    [Fact]
    public async Task A_key_ring_of_theirs_is_not_read()
    {
        await host.QueryAsync("INSERT INTO issuer.data_protection_key (name, xml, seal) VALUES ('theirs', '<key id=\"6f0f7a51-2b52-4c4f-9e0e-0d3a6b1f2c11\" />', sha256('x'::bytea))");
        var secrets = host.Services.GetRequiredService<IssuerSecrets>();

        Assert.DoesNotContain(
            new KeyRingRepository(host.Services.GetRequiredService<IssuerDatabase>(), secrets.Rows).GetAllElements(),
            key => key.Attribute("id")!.Value == "6f0f7a51-2b52-4c4f-9e0e-0d3a6b1f2c11");
    }

    [Fact]
    public async Task What_stands_there_at_the_upgrade_is_sealed_once_and_nothing_later()
    {
        var (id, secret) = await host.ApplicationAsync();
        var person = await host.PersonAsync("analyst");
        await host.QueryAsync("UPDATE issuer.client SET seal = NULL; UPDATE issuer.account SET seal = NULL");
        host.Mark.IsSet = false;
        await StartAgainAsync();
        Assert.Equal(HttpStatusCode.OK, await TokenAsync(id, secret));
        using var browser = new Browser(host.Address);
        await browser.AuthorizeAsync(SignInAttempt.New().Address(("acr_values", "realm:staff")), person);
        Assert.Empty(await CheckAsync());

        await WriteClientAsync("later", "NULL");
        await StartAgainAsync();

        Assert.Equal(HttpStatusCode.Unauthorized, await TokenAsync("later", Mine));
    }

    [Theory]
    [InlineData("secret-rotated")]
    [InlineData("removed")]
    [InlineData("registered-anew")]
    public async Task An_application_that_is_put_back_as_it_was_gets_no_token(string since)
    {
        var (id, secret) = await host.ApplicationAsync();
        Assert.Equal(HttpStatusCode.OK, await TokenAsync(id, secret));
        await host.QueryAsync($"CREATE TABLE kept AS SELECT * FROM issuer.client WHERE client_id = '{id}'");
        if (since == "secret-rotated") await host.Clients.RotateSecretAsync(id, IssuerHost.Administrator);
        else await host.Clients.RemoveAsync(id, IssuerHost.Administrator);
        if (since == "registered-anew") await host.Clients.RegisterAsync(ClientRegistration.Application(id, "Anew", ["marketing"], ["marketing"]), IssuerHost.Administrator);
        await host.QueryAsync($"DELETE FROM issuer.client WHERE client_id = '{id}'; INSERT INTO issuer.client SELECT * FROM kept");
        host.Clock.Advance(TimeSpan.FromHours(1));

        Assert.Equal(HttpStatusCode.Unauthorized, await TokenAsync(id, secret));
        Assert.Contains($"client:{id} is older than it was", Assert.Single(await CheckAsync()), StringComparison.Ordinal);
        Assert.Equal("not-found", (await Assert.ThrowsAsync<IssuerException>(() => host.Clients.RotateSecretAsync(id, IssuerHost.Administrator))).Slug);
        await host.Clients.RemoveAsync(id, IssuerHost.Administrator);
        Assert.Equal(HttpStatusCode.OK, await TokenAsync(id, await host.Clients.RegisterAsync(ClientRegistration.Application(id, "Anew", [], []), IssuerHost.Administrator)));
        Assert.Empty(await CheckAsync());
    }

    [Theory]
    [InlineData("password")]
    [InlineData("disabled")]
    [InlineData("removed")]
    public async Task An_account_that_is_put_back_as_it_was_cannot_sign_in_and_no_sign_in_of_then_works(string since)
    {
        var person = await host.PersonAsync("analyst");
        var attempt = SignInAttempt.New();
        using var browser = new Browser(host.Address);
        var code = (await browser.AuthorizeAsync(attempt.Address(("acr_values", "realm:staff")), person))["code"];
        var token = (await host.ExchangeAsync(attempt, code)).Body.GetProperty("refresh_token").GetString()!;
        string[] tables = ["account", "session", "authorisation", "refresh_token"];
        foreach (var table in tables) await host.QueryAsync($"CREATE TABLE kept_{table} AS SELECT * FROM issuer.{table}");
        if (since == "password") await host.Accounts.ResetPasswordAsync(person.Id, IssuerHost.Administrator);
        else if (since == "disabled") await host.Accounts.SetDisabledAsync(person.Id, true, IssuerHost.Administrator);
        else await host.Accounts.RemoveAsync(person.Id, IssuerHost.Administrator);
        await host.QueryAsync("DELETE FROM issuer.account; DELETE FROM issuer.revocation");
        foreach (var table in tables) await host.QueryAsync($"INSERT INTO issuer.{table} SELECT * FROM kept_{table}");

        using var again = new Browser(host.Address);
        Assert.Equal(HttpStatusCode.OK, (await again.SignInAsync("staff", person.Email, person.Password)).StatusCode);
        Assert.Equal("/account/login", (await browser.GetAsync("/account")).Headers.Location?.OriginalString);
        Assert.Equal(HttpStatusCode.BadRequest, (await host.ConsoleTokenAsync(("grant_type", "refresh_token"), ("refresh_token", token))).Status);
        await Assert.ThrowsAsync<IssuerException>(() => host.Accounts.ResetPasswordAsync(person.Id, IssuerHost.Administrator));
        Assert.Contains(person.Id.ToString(), Assert.Single(await CheckAsync()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_older_row_that_an_operator_stands_behind_works_again_and_the_log_says_so()
    {
        var (id, secret) = await host.ApplicationAsync();
        await host.QueryAsync($"CREATE TABLE kept AS SELECT * FROM issuer.client WHERE client_id = '{id}'");
        await host.Clients.RotateSecretAsync(id, IssuerHost.Administrator);
        await host.QueryAsync($"DELETE FROM issuer.client WHERE client_id = '{id}'; INSERT INTO issuer.client SELECT * FROM kept");
        var older = host.Services.GetRequiredService<OlderSignIns>();
        Assert.Equal(1, await older.CountAsync());

        await older.AcceptAsync("client:" + id);
        Assert.Equal(HttpStatusCode.OK, await TokenAsync(id, secret));
        Assert.Equal((0, "accepted-as-it-was"), (await older.CountAsync(), host.SignIns.Confirmed[^1].Change.What));
        Assert.Equal("not-found", (await Assert.ThrowsAsync<IssuerException>(() => older.AcceptAsync("client:" + id))).Slug);
        await host.Clients.RotateSecretAsync(id, IssuerHost.Administrator);
        Assert.Empty(await CheckAsync());
    }

    [Fact]
    public async Task What_a_restore_undoes_is_refused_until_an_operator_has_gone_through_it()
    {
        var ((id, secret), (other, otherSecret)) = (await host.ApplicationAsync(), await host.ApplicationAsync());
        var person = await host.PersonAsync("analyst");
        var older = host.Services.GetRequiredService<OlderSignIns>();
        Assert.Equal(2, await older.BarAsync((party, _) => new(party.Id == id || party.Id == person.Id.ToString("D"))));
        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.OK), (await TokenAsync(id, secret), await TokenAsync(other, otherSecret)));
        Assert.Equal(["barred", "barred"], host.SignIns.Confirmed.TakeLast(2).Select(made => made.Change.What));
        Assert.Equal(0, await older.BarAsync((party, _) => new(party.Id == id)));
        await older.AcceptAsync("account:" + person.Id.ToString("D"));
        using var browser = new Browser(host.Address);
        Assert.NotEmpty((await browser.AuthorizeAsync(SignInAttempt.New().Address(("acr_values", "realm:staff")), person))["code"]);
    }

    [Fact]
    public async Task A_change_that_they_write_is_confirmed_in_nobodys_name()
    {
        var before = host.SignIns.Confirmed.Count;
        await host.QueryAsync(
            "INSERT INTO issuer.change (id, intent, actor_realm, actor_id, actor_name, object_realm, object_id, object_name, what, version, seal) "
            + "VALUES (gen_random_uuid(), 0, 'staff', 'somebody', 'administrator', 'application', 'console', 'Console', 'removed', 99, sha256('x'::bytea))");
        Assert.Equal(0, await host.Services.GetRequiredService<ChangeLedger>().ConfirmAllAsync(default));
        Assert.Equal(before, host.SignIns.Confirmed.Count);
        Assert.Empty(await CheckAsync());
    }

    private Task StartAgainAsync() => host.Services.GetServices<IHostedService>().OfType<FirstSealing>().Single().StartAsync(default);

    private Task<IReadOnlyList<string>> CheckAsync() => host.Services.GetRequiredService<IssuerCheck>().RunAsync(default);

    private async Task<HttpStatusCode> TokenAsync(string id, string secret) =>
        (await host.TokenAsync(("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret))).Status;

    private Task<List<string>> WriteClientAsync(string id, string seal) => host.QueryAsync(
        $$"""
        INSERT INTO issuer.client (client_id, name, roles, purposes, grant_types, redirect_uris, sign_out_uris, created_at, secret_hash, seal)
        VALUES ('{{id}}', 'Theirs', '{customer-support}', '{customer-support}', '{client_credentials}', '{}', '{}', now(), {{Hash}}, {{seal}})
        """);
}
