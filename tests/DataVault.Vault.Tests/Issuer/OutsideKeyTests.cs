using System.Text.Json.Nodes;
using DataVault.Issuer;
using DataVault.Issuer.Outside;
using DataVault.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>How the keys of an outside provider are found, kept, replaced, and never asked for in a flood.</summary>
public sealed class OutsideKeyTests(IssuerHost host) : IClassFixture<IssuerHost>, IAsyncLifetime
{
    // A look-up is two documents.
    private const int LookUp = 2;

    private readonly ManualClock _clock = new(new DateTimeOffset(2030, 1, 1, 12, 0, 0, TimeSpan.Zero));
    private StandInProvider _provider = null!;
    private ServiceProvider _parts = null!;
    private IAccessTokenValidator _vault = null!;

    public async ValueTask InitializeAsync()
    {
        _provider = await StandInProvider.StartAsync();
        _parts = OutsideParts.Make(host, _clock, [OutsideParts.Company(_provider.Issuer)]);
        _vault = _parts.GetRequiredService<IAccessTokenValidator>();
    }

    public async ValueTask DisposeAsync()
    {
        await _parts.DisposeAsync();
        await _provider.DisposeAsync();
    }

    [Fact]
    public async Task A_new_key_is_found_when_a_token_names_it_and_one_that_was_taken_back_ends()
    {
        Assert.True(await AcceptsAsync("first"));
        _provider.AddKey("second");
        _clock.Advance(AuthorityKeys.Pause);
        Assert.True(await AcceptsAsync("second"));
        _provider.RemoveKey("second");
        var late = _provider.Token(_clock.GetUtcNow());
        _provider.AddKey("third");
        _clock.Advance(AuthorityKeys.Pause);
        Assert.True(await AcceptsAsync("third"));
        Assert.False(await AcceptsAsync("second", _provider.KeyOf("third")));
        Assert.NotNull(await _vault.ValidateAsync(late, default));
    }

    [Fact]
    public async Task A_storm_of_unknown_keys_fetches_once_in_ten_seconds()
    {
        Assert.True(await AcceptsAsync("first"));
        var before = _provider.Asked;
        await StormAsync("a");
        Assert.Equal(before, _provider.Asked);
        _clock.Advance(AuthorityKeys.Pause);
        await StormAsync("b");
        Assert.Equal(before + LookUp, _provider.Asked);
    }

    [Fact]
    public async Task Calls_that_come_at_once_share_one_look_up()
    {
        var accepted = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => AcceptsAsync("first")));

        Assert.All(accepted, Assert.True);
        Assert.Equal(LookUp, _provider.Asked);
    }

    [Fact]
    public async Task A_provider_that_is_away_stops_nobody_whose_key_is_known_for_an_hour_and_then_everybody()
    {
        Assert.True(await AcceptsAsync("first"));
        _provider.Instead = context =>
        {
            context.Abort();
            return Task.CompletedTask;
        };
        _clock.Advance(TimeSpan.FromMinutes(59));
        Assert.True(await AcceptsAsync("first"));
        Assert.False(await AcceptsAsync("other", _provider.KeyOf("first")));
        _clock.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal("unavailable", (await Assert.ThrowsAsync<IssuerException>(() => AcceptsAsync("first"))).Slug);
        _provider.Instead = null;
        _clock.Advance(AuthorityKeys.Pause);
        Assert.True(await AcceptsAsync("first"));
    }

    [Fact]
    public async Task Keys_that_are_no_longer_fresh_are_looked_up_beside_the_call()
    {
        Assert.True(await AcceptsAsync("first"));
        var answered = new TaskCompletionSource();
        _provider.Instead = _ => answered.Task;
        _clock.Advance(TimeSpan.FromMinutes(6));
        Assert.True(await AcceptsAsync("first"));
        answered.SetResult();
    }

    [Theory]
    [InlineData("""{ "issuer": "https://other.example" }""")]
    [InlineData("""{ "jwks_uri": "http://198.51.100.7/keys" }""")]
    [InlineData("""{ "jwks_uri": "file:///etc/passwd" }""")]
    [InlineData("""{ "jwks_uri": 7 }""")]
    public async Task A_discovery_document_that_is_not_its_own_or_leads_astray_gives_no_keys(string changes)
    {
        _provider.Discovery = document =>
        {
            foreach (var (name, value) in JsonNode.Parse(changes)!.AsObject()) document[name] = value?.DeepClone();
        };

        Assert.Equal("unavailable", (await Assert.ThrowsAsync<IssuerException>(() => AcceptsAsync("first"))).Slug);
    }

    [Fact]
    public async Task A_redirect_is_not_followed()
    {
        await using var astray = await StandInProvider.StartAsync();
        _provider.Instead = context =>
        {
            context.Response.Redirect(astray.Issuer + context.Request.Path);
            return Task.CompletedTask;
        };

        await Assert.ThrowsAsync<IssuerException>(() => AcceptsAsync("first"));
        Assert.Equal(0, astray.Asked);
    }

    [Fact]
    public async Task An_endless_document_is_given_up()
    {
        _provider.Instead = async context =>
        {
            var much = new byte[64 * 1024];
            for (var i = 0; i < 64; i++) await context.Response.Body.WriteAsync(much);
        };

        await Assert.ThrowsAsync<IssuerException>(() => AcceptsAsync("first"));
    }

    [Fact]
    public async Task Of_a_poisoned_key_set_only_what_can_be_a_signing_key_is_used()
    {
        _provider.AddKey("twice");
        _provider.Published = keys =>
        {
            keys.Add(keys.Single(key => (string?)key!["kid"] == "twice")!.DeepClone());
            keys.Add(new JsonObject { ["kty"] = "oct", ["kid"] = "shared", ["k"] = "AAAA" });
            keys.Add(new JsonObject { ["kty"] = "RSA", ["kid"] = "short", ["n"] = "AQAB", ["e"] = "AQAB" });
            keys.Add(new JsonObject { ["kty"] = "EC" });
        };

        Assert.True(await AcceptsAsync("first"));
        Assert.False(await AcceptsAsync("twice"));
        Assert.False(await AcceptsAsync("short", _provider.KeyOf("first")));
    }

    [Theory]
    [InlineData("https://login.example/tenant", true)]
    [InlineData("http://127.0.0.1:8080", true)]
    [InlineData("http://[::1]/", true)]
    [InlineData("http://login.example", false)]
    [InlineData("http://127.0.0.1.evil.example", false)]
    [InlineData("https://user:secret@login.example", false)]
    [InlineData("ftp://login.example", false)]
    public void Only_https_or_this_machine_is_fetched_from(string address, bool safe) => Assert.Equal(safe, OutsideAuthority.IsSafe(new Uri(address)));

    private async Task StormAsync(string name) =>
        Assert.All(await Task.WhenAll(Enumerable.Range(0, 200).Select(i => AcceptsAsync($"{name}{i}", _provider.KeyOf("first")))), Assert.False);

    private async Task<bool> AcceptsAsync(string kid, System.Security.Cryptography.ECDsa? key = null) =>
        await _vault.ValidateAsync(_provider.Token(_clock.GetUtcNow(), kid: kid, key: key), default) is not null;
}
