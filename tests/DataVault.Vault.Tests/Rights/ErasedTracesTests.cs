using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>To hash is not to erase: what was computed from an erased person's identifiers, or from their number, is gone as the identifiers are.</summary>
public sealed class ErasedTracesTests : IAsyncLifetime
{
    /// <summary>A shorter hash is shared with others by intent, and tells of nobody.</summary>
    private const int ShortestTelling = 8;

    private RightsWorld world = null!;
    private SubjectId ada;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
        await world.EventsAsync(ada);
        await world.FeedAsync();
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    [Requirement("R58")]
    public async Task No_hash_of_an_identifier_of_the_erased_is_left_under_any_key_and_no_key_makes_it_again_but_for_somebody_new()
    {
        var traces = await TracesAsync(ada);
        foreach (var trace in traces) Assert.NotEmpty(await world.TablesNamingAsync(trace));
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        await world.ApproveAsync(request.Id);

        foreach (var trace in traces) Assert.Equal([], (await world.TablesNamingAsync(trace)).Keys.Select(table => $"{trace} in {table}"));

        // The keys are still there: of the same address they make the same hash, and of the new person another pseudonym.
        var officer = world.Vault.Get<Suppressions>();
        Assert.Equal(1, (await officer.LiftAsync(RightsWorld.Officer, "email", "ada@example.com", "person-asked", Guid.NewGuid(), default)).Erasures);
        var again = await TracesAsync(await world.PersonAsync("ada"));
        Assert.NotEmpty(again.Intersect(traces));
        Assert.Empty(again.Intersect(traces.TakeLast(Repository.Policy.Analytics.Count)));
    }

    private async Task<IReadOnlyList<string>> TracesAsync(SubjectId subject)
    {
        var hashes = await world.ListAsync(
            $"""
            select encode(lookup, 'hex') from vault.identifier where subject_id = '{subject}'
            union select encode(term, 'hex') from vault.search_term where subject_id = '{subject}' and length(term) >= {ShortestTelling}
            """);
        var registry = world.Vault.Get<KeyRegistry>();
        using var keys = await registry.GetAsync(subject);
        var pseudonyms = AnalyticsRows.PseudonymsOf(keys, registry, Repository.Policy).Select(one => one.Pseudonym).ToList();
        Assert.True(hashes.Count >= 3 && pseudonyms.Count == Repository.Policy.Analytics.Count, $"{hashes.Count} hashes, {pseudonyms.Count} pseudonyms");
        await world.FeedAsync();
        return [.. hashes, .. pseudonyms];
    }
}
