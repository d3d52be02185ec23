using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using DataVault.Cryptography;
using DataVault.Issuer;
using DataVault.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>What the API accepts of an outside provider, what it takes it for, and every forgery that it must not accept.</summary>
public sealed class OutsideTokenTests(IssuerHost host) : IClassFixture<IssuerHost>, IAsyncLifetime
{
    private readonly ManualClock _clock = new(new DateTimeOffset(2030, 1, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly List<ServiceProvider> _parts = [];
    private StandInProvider _provider = null!;

    public async ValueTask InitializeAsync() => _provider = await StandInProvider.StartAsync();

    public async ValueTask DisposeAsync()
    {
        foreach (var parts in _parts) await parts.DisposeAsync();
        await _provider.DisposeAsync();
    }

    [Fact]
    public async Task A_persons_roles_are_translated_and_the_log_gets_no_name()
    {
        var token = (await Vault().ValidateAsync(_provider.Token(_clock.GetUtcNow(), payload: new() { ["roles"] = new JsonArray("Vault Officers", "Canteen"), ["amr"] = new JsonArray("pwd", "mfa") }), default))!;

        Assert.Equal((Realm.Staff, "company.portal", "compliance-officer", 2), (token.Realm, token.ClientId, token.Name, token.Assurance));
        Assert.Equal(["compliance-officer"], token.Roles);
        Assert.Equal(["data-subject-rights", "legal-obligation"], token.Purposes);
        Assert.True(Guid.TryParseExact(token.Subject, "D", out _));
        Assert.DoesNotContain("keller", token.ToString(), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task The_same_person_is_the_same_at_every_sign_in_and_another_issuers_is_somebody_else()
    {
        await using var other = await StandInProvider.StartAsync();
        var vault = Vault(Company() with { Name = "other", Issuer = other.Issuer });
        var (one, two) = (await vault.ValidateAsync(_provider.Token(_clock.GetUtcNow()), default), await vault.ValidateAsync(_provider.Token(_clock.GetUtcNow()), default));
        var elsewhere = await vault.ValidateAsync(other.Token(_clock.GetUtcNow()), default);

        Assert.Equal(one!.Subject, two!.Subject);
        Assert.NotEqual(one.Subject, elsewhere!.Subject);
    }

    [Fact]
    public async Task An_application_is_one_that_is_told_by_the_rule_and_bears_the_providers_name()
    {
        var vault = Vault();
        var own = await vault.ValidateAsync(_provider.Token(_clock.GetUtcNow(), payload: new() { ["sub"] = "support-desk", ["client_id"] = "support-desk", ["roles"] = new JsonArray("Desk"), ["purposes"] = "desk" }), default);
        var ruled = await Vault(Company() with { Application = ("idtyp", "app") }).ValidateAsync(
            _provider.Token(_clock.GetUtcNow(), payload: new() { ["sub"] = "7f", ["idtyp"] = "app", ["roles"] = new JsonArray("Desk") }), default);

        Assert.Equal((Realm.Application, "company.support-desk", 1), (own!.Realm, own.Subject, own.Assurance));
        Assert.Equal("company.portal", ruled!.Subject);
    }

    [Fact]
    public async Task Purposes_are_those_that_the_provider_names_in_words_that_are_mapped()
    {
        var vault = Vault(Company() with { Purposes = new ClaimWords("scope", new Dictionary<string, string> { ["vault:rights"] = "data-subject-rights" }) });

        var token = await vault.ValidateAsync(_provider.Token(_clock.GetUtcNow(), payload: new() { ["scope"] = "openid vault:rights vault:all" }), default);

        Assert.Equal(["data-subject-rights"], token!.Purposes);
    }

    [Fact]
    public async Task Roles_within_an_object_are_found_by_their_path()
    {
        var vault = Vault(Company() with { Roles = Company().Roles with { Claim = "resource_access.vault.roles" } });

        var token = await vault.ValidateAsync(
            _provider.Token(_clock.GetUtcNow(), payload: new() { ["resource_access"] = new JsonObject { ["vault"] = new JsonObject { ["roles"] = new JsonArray("Vault Officers") } } }), default);

        Assert.Equal(["compliance-officer"], token!.Roles);
    }

    [Theory]
    [InlineData("acr", "\"https://refeds.org/profile/mfa\"", 2)]
    [InlineData("acr", "\"0\"", 1)]
    [InlineData("amr", "[\"pwd\"]", 1)]
    [InlineData("amr", "[\"mfa\"]", 2)]
    [InlineData("amr", "[[\"mfa\"]]", 1)]
    public async Task Two_factors_are_what_the_configuration_takes_for_two(string claim, string value, int assurance)
    {
        var vault = Vault(Company() with { MultiFactorAcr = ["https://refeds.org/profile/mfa"] });

        Assert.Equal(assurance, (await vault.ValidateAsync(_provider.Token(_clock.GetUtcNow(), payload: new() { [claim] = JsonNode.Parse(value) }), default))!.Assurance);
    }

    [Theory]
    [InlineData("aud", "\"somebody-else\"")]
    [InlineData("aud", null)]
    [InlineData("iss", "\"https://evil.example\"")]
    [InlineData("exp", "1000000000")]
    [InlineData("exp", "99999999999")]
    [InlineData("exp", null)]
    [InlineData("nbf", "99999999999")]
    [InlineData("sub", "\"\"")]
    [InlineData("client_id", null)]
    [InlineData("client_id", "\"a b\"")]
    [InlineData("roles", "[\"Canteen\"]")]
    [InlineData("roles", "[\"compliance-officer\"]")]
    [InlineData("roles", null)]
    [InlineData("roles", "{\"Vault Officers\": true}")]
    [InlineData("nonce", "\"of an ID token\"")]
    [InlineData("events", "{}")]
    [InlineData("typ", "\"ID\"")]
    [InlineData("cnf", "{\"x5t#S256\":\"a\"}")]
    [InlineData("cnf", "{\"jkt\":7}")]
    [InlineData("roles", "[\"Vault Customers\"]")]
    public async Task A_wrong_claim_is_refused_even_with_the_right_signature(string claim, string? value) =>
        Assert.Null(await Vault().ValidateAsync(_provider.Token(_clock.GetUtcNow(), payload: new() { [claim] = value is null ? null : JsonNode.Parse(value) }), default));

    [Theory]
    [InlineData("typ", "\"JWT\"")]
    [InlineData("typ", null)]
    [InlineData("alg", "\"none\"")]
    [InlineData("alg", "\"HS256\"")]
    [InlineData("alg", "\"ES384\"")]
    [InlineData("kid", "\"other\"")]
    [InlineData("kid", null)]
    [InlineData("crit", "[\"exp\"]")]
    public async Task A_wrong_header_is_refused_even_with_the_right_signature(string name, string? value) =>
        Assert.Null(await Vault().ValidateAsync(_provider.Token(_clock.GetUtcNow(), header: new() { [name] = value is null ? null : JsonNode.Parse(value) }), default));

    [Fact]
    public async Task A_token_that_is_bound_to_a_key_stays_bound() =>
        Assert.Equal("thumb", (await Vault().ValidateAsync(_provider.Token(_clock.GetUtcNow(), payload: new() { ["cnf"] = new JsonObject { ["jkt"] = "thumb" } }), default))!.KeyThumbprint);

    [Fact]
    public async Task A_token_without_a_signature_or_with_the_public_key_for_a_secret_is_refused()
    {
        var vault = Vault();
        var (none, shared) = (_provider.Token(_clock.GetUtcNow(), header: new() { ["alg"] = "none" }).Split('.'), _provider.Token(_clock.GetUtcNow(), header: new() { ["alg"] = "HS256" }).Split('.'));
        var mac = HMACSHA256.HashData(_provider.KeyOf("first").ExportSubjectPublicKeyInfo(), Encoding.ASCII.GetBytes($"{shared[0]}.{shared[1]}"));

        Assert.Null(await vault.ValidateAsync($"{none[0]}.{none[1]}.", default));
        Assert.Null(await vault.ValidateAsync($"{shared[0]}.{shared[1]}.{Base64Url.EncodeToString(mac)}", default));
    }

    [Fact]
    public async Task A_claim_that_stands_twice_is_refused()
    {
        var now = _clock.GetUtcNow();
        var payload = $$"""{"iss":"{{_provider.Issuer}}","aud":"datavault","sub":"a","client_id":"portal","exp":{{now.AddMinutes(5).ToUnixTimeSeconds()}},"roles":[],"roles":["Vault Officers"]}""";

        Assert.Null(await Vault().ValidateAsync(StandInProvider.Signed("""{"alg":"ES256","typ":"at+jwt","kid":"first"}""", payload, _provider.KeyOf("first")), default));
    }

    [Fact]
    public async Task One_providers_key_vouches_for_no_other_nor_for_the_vault()
    {
        await using var other = await StandInProvider.StartAsync();
        var vault = Vault(Company() with { Name = "other", Issuer = other.Issuer });

        Assert.Null(await vault.ValidateAsync(_provider.Token(_clock.GetUtcNow(), key: other.KeyOf("first")), default));
        Assert.Null(await vault.ValidateAsync(_provider.Token(_clock.GetUtcNow(), payload: new() { ["iss"] = host.Address }), default));
    }

    [Fact]
    public async Task A_customer_is_who_was_linked_by_issuer_and_subject_and_nobody_by_a_claim()
    {
        var parts = Parts(Company() with { Realms = [Realm.Customer] });
        var (vault, links, customer) = (parts.GetRequiredService<IAccessTokenValidator>(), parts.GetRequiredService<OutsideLinks>(), Guid.NewGuid());
        string Token() => _provider.Token(_clock.GetUtcNow(), payload: new() { ["roles"] = new JsonArray("Vault Customers"), ["sub"] = "mira", ["subject"] = customer.ToString("D"), ["email"] = "mira@people.example" });

        Assert.Null(await vault.ValidateAsync(Token(), default));
        var id = await links.LinkAsync("company", "mira", customer, IssuerHost.Administrator);
        var signedIn = Token();
        var accepted = (await vault.ValidateAsync(signedIn, default))!;
        Assert.Equal((Realm.Customer, customer, id.ToString("D")), (accepted.Realm, accepted.Customer!.Value, accepted.Subject));
        var linked = new List<Guid>();
        await foreach (var (subject, _) in links.SubjectsAsync()) linked.Add(subject);
        Assert.Contains(customer, linked);

        await links.UnlinkAsync(customer, IssuerHost.Administrator);
        Assert.Null(await vault.ValidateAsync(signedIn, default));
        Assert.Null(await vault.ValidateAsync(Token(), default));
        Assert.Equal(["outside-linked", "outside-unlinked"], host.SignIns.Intents.Where(c => c.Subject == customer).Select(c => c.What));
    }

    [Fact]
    public async Task A_link_that_an_administrator_of_the_database_points_at_somebody_else_opens_nothing()
    {
        var parts = Parts(Company() with { Realms = [Realm.Customer] });
        var id = await parts.GetRequiredService<OutsideLinks>().LinkAsync("company", "pointed", Guid.NewGuid(), IssuerHost.Administrator);
        await host.QueryAsync($"UPDATE issuer.outside_link SET subject_id = '{Guid.NewGuid()}' WHERE id = '{id}' RETURNING id");

        Assert.Null(await parts.GetRequiredService<IAccessTokenValidator>().ValidateAsync(
            _provider.Token(_clock.GetUtcNow(), payload: new() { ["roles"] = new JsonArray("Vault Customers"), ["sub"] = "pointed" }), default));
        host.Mark.IsSet = true;
        Assert.Contains(await parts.GetRequiredService<IssuerCheck>().RunAsync(default), line => line.Contains(id.ToString("D"), StringComparison.Ordinal));
        Assert.DoesNotContain("pointed", string.Join('\n', await host.QueryAsync("SELECT row_to_json(l)::text FROM issuer.outside_link l")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_a_provider_took_the_issuers_place_the_issuers_own_tokens_are_refused()
    {
        var vault = Vault();
        var (id, secret) = await host.ApplicationAsync();
        var own = (await host.TokenAsync(("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret))).Body.GetProperty("access_token").GetString()!;

        Assert.NotNull(await vault.ValidateAsync(own, default));
        Assert.Null(await Parts(Company(), ownTokens: false).GetRequiredService<IAccessTokenValidator>().ValidateAsync(own, default));
    }

    private IAccessTokenValidator Vault(params OutsideAuthority[] beside) =>
        (beside is [{ Name: "company" } only] ? Parts(only) : Parts([Company(), .. beside])).GetRequiredService<IAccessTokenValidator>();

    private ServiceProvider Parts(params OutsideAuthority[] authorities) => Parts(authorities, true);

    private ServiceProvider Parts(OutsideAuthority authority, bool ownTokens) => Parts([authority], ownTokens);

    private ServiceProvider Parts(OutsideAuthority[] authorities, bool ownTokens)
    {
        var parts = OutsideParts.Make(host, _clock, authorities, ownTokens);
        _parts.Add(parts);
        return parts;
    }

    private OutsideAuthority Company() => OutsideParts.Company(_provider.Issuer);
}

/// <summary>A process's part of the issuer that accepts tokens of others.</summary>
internal static class OutsideParts
{
    public static OutsideAuthority Company(string issuer) => new()
    {
        Name = "company",
        Issuer = issuer,
        Audiences = ["datavault"],
        Realms = [Realm.Staff, Realm.Application],
        Roles = new ClaimWords(
            "roles", new Dictionary<string, string> { ["Vault Officers"] = "compliance-officer", ["Desk"] = "customer-support", ["Vault Customers"] = "customer" }),
    };

    public static ServiceProvider Make(IssuerHost host, TimeProvider clock, IReadOnlyList<OutsideAuthority> authorities, bool ownTokens = true)
    {
        var services = new ServiceCollection();
        services.AddLogging(logging => logging.ClearProviders());
        services.AddSingleton<IServiceKeys, FixedServiceKeys>();
        services.AddSingleton(clock);
        services.AddSingleton<ISignInAudit>(host.SignIns);
        services.AddSingleton<ISealingMark>(host.Mark);
        services.AddSingleton<IRowMemory>(host.Memory);
        services.AddSingleton<IStaffRoles, FixedStaffRoles>();
        services.AddIssuer(new IssuerOptions
        {
            Connection = host.LoginConnection, Issuer = host.Address, Development = true, PasswordIterations = 1000, Authorities = authorities, OwnTokens = ownTokens,
        });
        return services.BuildServiceProvider();
    }
}
