using System.Net;
using DataVault.Issuer;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>From where, until when, and by whom an application's registration can be used and changed.</summary>
public sealed class ClientTermsTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    private static readonly string[] Elsewhere = ["198.51.100.0/24", "2001:db8::/32"];

    [Fact]
    public async Task An_application_that_has_expired_is_told_so_once_it_showed_who_it_is_and_nobody_else_is()
    {
        var (id, secret) = await RegisterAsync(r => r with { ExpiresAt = host.Clock.GetUtcNow().AddMinutes(-1) });

        var (status, body) = await AskAsync(id, secret);
        var stranger = await AskAsync(id, "guess");

        Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (status, body.GetProperty("error").GetString()));
        Assert.Contains("expired", body.GetProperty("error_description").GetString(), StringComparison.Ordinal);
        Assert.False(stranger.Body.TryGetProperty("error_description", out _));
        Assert.Equal(["expired", "wrong-secret"], host.SignIns.All.Where(e => e.ActorId == id).Select(e => e.Reason));
    }

    [Fact]
    public async Task An_application_outside_of_its_networks_gets_no_token_and_an_entry()
    {
        var (id, secret) = await RegisterAsync(r => r with { AllowedNetworks = Elsewhere });

        var (status, body) = await AskAsync(id, secret);

        Assert.Equal(HttpStatusCode.Unauthorized, status);
        Assert.Contains("network", body.GetProperty("error_description").GetString(), StringComparison.Ordinal);
        Assert.Equal(["out-of-network"], host.SignIns.All.Where(e => e.ActorId == id).Select(e => e.Reason));
    }

    [Theory]
    [InlineData("127.0.0.9", true)]
    [InlineData("::ffff:127.0.0.9", true)]
    [InlineData("198.51.100.7", false)]
    [InlineData("::1", false)]
    [InlineData(null, false)]
    public async Task A_token_of_an_application_with_networks_is_good_in_them_alone(string? from, bool good)
    {
        var (id, secret) = await RegisterAsync(r => r with { AllowedNetworks = ["127.0.0.0/8"] });
        var token = (await AskAsync(id, secret)).Body.GetProperty("access_token").GetString()!;

        var validated = (await host.Validator.ValidateAsync(token, default))!;

        Assert.Equal(good, validated.IsGoodFrom(from is null ? null : IPAddress.Parse(from)));
    }

    [Fact]
    public async Task A_token_does_not_outlive_the_registration()
    {
        var end = host.Clock.GetUtcNow().AddMinutes(1);
        var (id, secret) = await RegisterAsync(r => r with { ExpiresAt = end });

        var token = (await AskAsync(id, secret)).Body.GetProperty("access_token").GetString()!;

        Assert.Equal(end, (await host.Validator.ValidateAsync(token, default))!.ExpiresAt);
    }

    [Fact]
    public async Task The_contact_is_sealed_in_the_database_and_shown_in_the_list()
    {
        var (id, _) = await RegisterAsync(r => r with { Contact = "shop-team@company.example" });

        Assert.Equal("shop-team@company.example", (await host.Clients.ListAsync()).Single(c => c.Registration.Id == id).Registration.Contact);
        Assert.DoesNotContain("shop-team", string.Join('\n', await host.QueryAsync("SELECT encode(contact_sealed, 'escape') FROM issuer.client WHERE contact_sealed IS NOT NULL")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_change_is_in_the_log_with_who_made_it_and_holds_for_the_next_token()
    {
        var (id, secret) = await RegisterAsync(r => r);
        await host.Clients.ChangeAsync(id, r => r with { Name = "Renamed", Purposes = ["marketing"], AllowedNetworks = ["127.0.0.0/8"], Contact = "x@company.example" }, IssuerHost.Administrator);

        var token = (await host.Validator.ValidateAsync((await AskAsync(id, secret)).Body.GetProperty("access_token").GetString()!, default))!;

        Assert.Equal("Renamed", token.Name);
        Assert.Equal(["marketing"], token.Purposes);
        Assert.Equal([(IssuerHost.Administrator.Id, "registered"), (IssuerHost.Administrator.Id, "changed")], host.SignIns.Intents.Where(c => c.Object.Id == id).Select(c => (c.Actor.Id, c.What)));
    }

    [Theory]
    [InlineData("198.51.100.7/24")]
    [InlineData("198.51.100.7")]
    [InlineData("anywhere")]
    [InlineData("10.0.0.0/40")]
    public async Task What_is_no_network_is_refused(string network) =>
        Assert.Equal("invalid-fields", (await Assert.ThrowsAsync<IssuerException>(() => RegisterAsync(r => r with { AllowedNetworks = [network] }))).Slug);

    [Theory]
    [InlineData("allowed_networks = '{}'")]
    [InlineData("expires_at = NULL")]
    [InlineData("contact_sealed = NULL")]
    public async Task Terms_that_an_administrator_of_the_database_loosens_make_the_client_none(string change)
    {
        var (id, secret) = await RegisterAsync(r => r with { AllowedNetworks = ["127.0.0.0/8"], ExpiresAt = host.Clock.GetUtcNow().AddDays(1), Contact = "x@company.example" });
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(id, secret)).Status);
        await host.QueryAsync($"UPDATE issuer.client SET {change} WHERE client_id = '{id}' RETURNING client_id");

        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(id, secret)).Status);
    }

    [Fact]
    public async Task What_has_expired_and_what_soon_will_is_counted()
    {
        var before = await host.Clients.ExpiryAsync(TimeSpan.FromDays(30));
        await RegisterAsync(r => r with { ExpiresAt = host.Clock.GetUtcNow().AddDays(-1) });
        await RegisterAsync(r => r with { ExpiresAt = host.Clock.GetUtcNow().AddDays(29) });
        await RegisterAsync(r => r with { ExpiresAt = host.Clock.GetUtcNow().AddDays(31) });

        Assert.Equal((before.Expired + 1, before.Soon + 1), await host.Clients.ExpiryAsync(TimeSpan.FromDays(30)));
    }

    private async Task<(string Id, string Secret)> RegisterAsync(Func<ClientRegistration, ClientRegistration> terms)
    {
        var id = "app-" + Guid.NewGuid().ToString("N")[..8];
        return (id, await host.Clients.RegisterAsync(terms(ClientRegistration.Application(id, "Campaigns", ["marketing"], ["marketing", "personalisation"])), IssuerHost.Administrator));
    }

    private Task<(HttpStatusCode Status, System.Text.Json.JsonElement Body)> AskAsync(string id, string secret) =>
        host.TokenAsync(("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret));
}
