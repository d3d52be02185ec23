using System.Net;
using DataVault.Issuer;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>Applications that are somebody else's: people are asked before anything is told.</summary>
public sealed class ClientConsentTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    private const string Redirect = "https://partner.example/cb";

    [Fact]
    public async Task Nothing_is_told_to_somebody_elses_application_before_the_person_allows_it_and_then_they_are_not_asked_again()
    {
        var client = await RegisterAsync();
        var (browser, person) = await SignedInAsync();
        using var _ = browser;

        using var asked = await browser.GetAsync(Address(client));
        var page = asked.Headers.Location!.OriginalString;
        Assert.StartsWith("/account/consent?", page, StringComparison.Ordinal);
        Assert.Contains("belongs to somebody else", await browser.ReadAsync(page), StringComparison.Ordinal);
        using var silent = await browser.GetAsync(Address(client, ("prompt", "none")));
        Assert.Equal("consent_required", Browser.Query(silent)["error"]);

        using var allowed = await browser.SubmitAsync(page, ("decision", "allow"));
        using var back = await browser.GetAsync(allowed.Headers.Location!.OriginalString);
        Assert.Contains("code", Browser.Query(back));
        using var again = await browser.GetAsync(Address(client, ("prompt", "none")));
        Assert.Contains("code", Browser.Query(again));
        Assert.Contains(host.SignIns.Confirmed, made => made.Change is { What: "application-allowed" } change && change.Object.Id == client && change.Actor.Id == person.Id.ToString("D"));
    }

    [Fact]
    public async Task Who_takes_back_what_an_application_may_do_ends_its_tokens_and_is_asked_anew()
    {
        var (client, secret) = await RegisterWithSecretAsync();
        var (browser, person) = await SignedInAsync();
        using var _ = browser;
        var consents = host.Services.GetRequiredService<ClientConsents>();
        var attempt = SignInAttempt.New();
        var address = attempt.Address(("client_id", client), ("redirect_uri", Redirect), ("scope", "openid offline_access"));
        using var asked = await browser.GetAsync(address);
        using var allowed = await browser.SubmitAsync(asked.Headers.Location!.OriginalString, ("decision", "allow"));
        var first = Assert.Single(await consents.ListAsync(person.Id));
        Assert.Equal((client, "Partner <shop>", (DateTimeOffset?)null), (first.Id, first.Name, first.UsedAt));
        using var back = await browser.GetAsync(allowed.Headers.Location!.OriginalString);
        var (_, tokens) = await host.TokenAsync(
            ("client_id", client), ("client_secret", secret), ("grant_type", "authorization_code"), ("code", Browser.Query(back)["code"]), ("redirect_uri", Redirect), ("code_verifier", attempt.Verifier));
        Assert.Equal(host.Clock.GetUtcNow(), Assert.Single(await consents.ListAsync(person.Id)).UsedAt);
        Assert.NotNull(await host.Validator.ValidateAsync(tokens.GetProperty("access_token").GetString()!, default));

        await consents.WithdrawAsync(new IssuerParty(Realm.Customer, person.Id.ToString("D"), "customer"), person.Id, null, client);

        Assert.Empty(await consents.ListAsync(person.Id));
        Assert.Null(await host.Validator.ValidateAsync(tokens.GetProperty("access_token").GetString()!, default));
        var (status, _) = await host.TokenAsync(
            ("client_id", client), ("client_secret", secret), ("grant_type", "refresh_token"), ("refresh_token", tokens.GetProperty("refresh_token").GetString()!));
        Assert.Equal(HttpStatusCode.BadRequest, status);
        using var again = await browser.GetAsync(address);
        Assert.StartsWith("/account/consent?", again.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.Contains(host.SignIns.Confirmed, made => made.Change is { What: "application-withdrawn" } change && change.Object.Id == client && change.Actor.Id == person.Id.ToString("D"));
        await Assert.ThrowsAsync<IssuerException>(() => consents.WithdrawAsync(IssuerParty.Vault, person.Id, null, client));
    }

    [Fact]
    public async Task Who_refuses_is_sent_back_with_that_word_and_asked_again_the_next_time()
    {
        var client = await RegisterAsync();
        var (browser, _) = await SignedInAsync();
        using var __ = browser;
        using var asked = await browser.GetAsync(Address(client));

        using var refused = await browser.SubmitAsync(asked.Headers.Location!.OriginalString, ("decision", "refuse"));

        Assert.Equal("access_denied", Browser.Query(refused)["error"]);
        Assert.StartsWith(Redirect + "?", refused.Headers.Location!.OriginalString, StringComparison.Ordinal);
        using var next = await browser.GetAsync(Address(client));
        Assert.StartsWith("/account/consent?", next.Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Fact]
    public async Task More_than_was_allowed_is_asked_for_anew_and_so_is_whatever_a_client_wants_asked()
    {
        var client = await RegisterAsync();
        var (browser, _) = await SignedInAsync();
        using var __ = browser;
        using var asked = await browser.GetAsync(Address(client));
        (await browser.SubmitAsync(asked.Headers.Location!.OriginalString, ("decision", "allow"))).Dispose();

        foreach (var change in new[] { ("scope", "openid offline_access"), ("prompt", "consent"), ("resource", "https://partner.example/api") })
        {
            using var more = await browser.GetAsync(Address(client, change));
            Assert.StartsWith("/account/consent?", more.Headers.Location!.OriginalString, StringComparison.Ordinal);
        }

        using var own = await browser.GetAsync(SignInAttempt.New().Address());
        Assert.Contains("code", Browser.Query(own));
    }

    [Fact]
    public async Task A_page_of_another_site_allows_nothing_and_neither_does_whoever_writes_into_the_database()
    {
        var client = await RegisterAsync();
        var (browser, person) = await SignedInAsync();
        using var _ = browser;

        using var forged = await browser.PostAsync("/account/consent", ("decision", "allow"), ("returnUrl", Address(client)));
        Assert.Equal(HttpStatusCode.BadRequest, forged.StatusCode);
        await host.QueryAsync($"INSERT INTO issuer.client_consent (account_id, client_id, scope, given_at, seal) VALUES ('{person.Id}', '{client}', 'openid', now(), sha256('x'::bytea))");

        using var asked = await browser.GetAsync(Address(client));
        Assert.StartsWith("/account/consent?", asked.Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    private async Task<string> RegisterAsync() => (await RegisterWithSecretAsync()).Id;

    private async Task<(string Id, string Secret)> RegisterWithSecretAsync()
    {
        var id = "partner-" + Guid.NewGuid().ToString("N")[..8];
        var registration = ClientRegistration.SignIn(id, "Partner <shop>", [Redirect], []) with { IsThirdParty = true, Resources = ["https://partner.example/api"] };
        return (id, await host.Clients.RegisterAsync(registration, IssuerHost.Administrator));
    }

    private async Task<(Browser Browser, Person Person)> SignedInAsync()
    {
        var person = await host.PersonAsync("customer");
        var browser = new Browser(host.Address);
        await browser.AuthorizeAsync(SignInAttempt.New().Address(), person);
        return (browser, person);
    }

    private static string Address(string client, params (string Name, string? Value)[] changes) =>
        SignInAttempt.New().Address([("client_id", client), ("redirect_uri", Redirect), .. changes]);
}
