using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Keys;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Feed;

/// <summary>A vault that feeds the loyalty tier of those alone who consent to personalisation as well.</summary>
public sealed class TwoConsentsVault : StoreVault
{
    internal static PolicySet TwoConsents { get; } = Repository.ChangedPolicy(
        ("access/analytics.yaml", "loyaltyTier, ", ""),
        ("access/analytics.yaml", "  - id: feed-events", """
              - id: feed-tiers
                why: Tiers show to whom offers are fitted
                roles: [analytics-feed]
                purposes: [analytics]
                fields: [loyaltyTier]
                actions: [feed]
                form: generalised
                when: { consent: [personalisation] }
                obligations: [pseudonymise]

              - id: feed-events
            """));

    protected internal override void Configure(IServiceCollection services) => services.AddSingleton(new ActivePolicy(TwoConsents));
}

/// <summary>Analytics follows every consent that a rule of the feed names.</summary>
public sealed class FeedConsentTests(TwoConsentsVault store) : IClassFixture<TwoConsentsVault>
{
    [Fact]
    public async Task A_column_that_rests_on_another_consent_goes_when_that_is_withdrawn_and_comes_back_with_it()
    {
        var subject = await FedAsync();
        await SetAsync(subject, "withdrawn");
        Assert.Equal("-", await FedTierAsync(subject));
        await SetAsync(subject, "given");
        Assert.Equal("gold", await FedTierAsync(subject));
    }

    [Fact]
    public async Task A_column_that_rests_on_another_consent_goes_when_that_runs_out()
    {
        var subject = await FedAsync();
        await SetAsync(subject, "given", store.Clock.GetUtcNow().AddHours(1));
        await NewUpkeep().TurnAsync(default);
        Assert.Equal("gold", await FedTierAsync(subject));
        store.Clock.Advance(TimeSpan.FromHours(2));
        await NewUpkeep().TurnAsync(default);
        Assert.Equal("-", await FedTierAsync(subject));
    }

    [Fact]
    public async Task A_withdrawal_that_an_earlier_version_did_not_follow_is_followed_by_the_first_sweep()
    {
        var subject = await FedAsync();
        await SetAsync(subject, "withdrawn");
        await store.ExecuteAsync("delete from vault.feed_queue; delete from vault.upkeep");
        Assert.Equal("gold", await FedTierAsync(subject));
        await NewUpkeep().TurnAsync(default);
        Assert.Equal("-", await FedTierAsync(subject));
    }

    private Upkeep NewUpkeep() => ActivatorUtilities.CreateInstance<Upkeep>(store.Vault.Get<IServiceProvider>());

    private async Task<SubjectId> FedAsync()
    {
        var subject = await store.AddAsync("""{"loyaltyTier":"gold","country":"DE"}""", new() { ["analytics"] = "given", ["personalisation"] = "given" });
        Assert.Equal("gold", await FedTierAsync(subject));
        return subject;
    }

    private Task<ConsentChange> SetAsync(SubjectId subject, string state, DateTimeOffset? expires = null) =>
        store.Consents.SetAsync(Person(subject), subject, new ConsentStatement("personalisation", state, Expires: expires), Guid.NewGuid(), default);

    private async Task<string?> FedTierAsync(SubjectId subject)
    {
        await store.Feed.DrainAsync(default);
        var registry = store.Vault.Get<KeyRegistry>();
        using var keys = await registry.GetAsync(subject);
        var pseudonym = AnalyticsRows.PseudonymsOf(keys, registry, TwoConsentsVault.TwoConsents).Single(one => one.Domain.Name == "insight").Pseudonym;
        return (string?)await store.ScalarAsync($"select coalesce(loyalty_tier, '-') from analytics_insight.customer where pseudonym = '{pseudonym}'");
    }
}
