using DataVault.Policy;
using DataVault.Testing;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>
/// The catalogue is the one list of what is held: whatever makes something of a person's data knows every field and every event type of it. Of columns and tables,
/// HoldingsTests; that everything planted is in the package and gone after an erasure, ErasedWholeTests.
/// </summary>
public sealed class CompletenessTests : IAsyncLifetime
{
    private const string Uses = "access, erasure, retention, the record of processing, the report of a breach, analytics";

    private RightsWorld world = null!;
    private SubjectId ada;

    private static PolicySet Policy => Repository.Policy;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
        await world.EventsAsync(ada);
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    [Requirement("R05", "R53", "R71", "R75")]
    public async Task Every_field_and_event_type_is_known_to_everything_that_is_made_of_the_catalogue()
    {
        var uses = await UsesAsync();
        Assert.Equal(Uses, string.Join(", ", uses.Keys));
        Assert.Empty(Unknown(Policy, uses));

        // A field that is new, and that nobody but the catalogue has heard of.
        var planted = Repository.ChangedPolicy(("catalogue.yaml", "  salutation:", "  shoeSize:\n    { id: 77, label: Size of shoes, class: interest, type: integer, category: \"pd:Size\", retention: interest }\n  salutation:"));
        Assert.Equal(uses.Keys.Select(use => $"shoeSize is not known to {use}"), Unknown(planted, uses));
    }

    // Analytics hold what their domains declare, and nothing else: what is not declared is known not to be for them.
    private async Task<IReadOnlyDictionary<string, HashSet<string>>> UsesAsync()
    {
        var items = Policy.Items.Select(item => item.Name).ToList();
        var processing = await world.Vault.Get<ProcessingRecords>().MakeAsync(30, default);
        var kept = Policy.Retention.Select(rule => rule.Name).ToHashSet();
        return new Dictionary<string, HashSet<string>>
        {
            ["access"] = Granted("rights-export", AccessAction.Export),
            ["erasure"] = Granted("rights-erasure", AccessAction.Erase),
            ["retention"] = [.. Granted("vault-maintenance", AccessAction.Erase).Where(name => Policy.Items.Any(item => item.Name == name && kept.Contains(item.Retention)))],
            ["the record of processing"] = [.. processing.Activities.SelectMany(activity => activity.Categories).SelectMany(category => category.Items)],
            ["the report of a breach"] = await ReportedAsync(),
            ["analytics"] = [.. items.Where(name => !Declared().Contains(name) || Granted("analytics-feed", AccessAction.Feed).Contains(name))],
        };
    }

    [Fact, Requirement("R71")]
    public async Task The_record_of_processing_says_what_each_role_does_for_a_purpose_whatever_other_roles_may_not()
    {
        var processing = await world.Vault.Get<ProcessingRecords>().MakeAsync(30, default);
        foreach (var activity in processing.Activities)
        {
            var grants = Policy.Roles.All.SelectMany(role => Policy.Questions.WhatCan(role.Name)).Where(grant => grant.Purpose == activity.Purpose.Name).ToList();
            Assert.Equal(grants.Select(grant => grant.Item.Name).Distinct().Order(StringComparer.Ordinal), activity.Categories.SelectMany(category => category.Items).Order(StringComparer.Ordinal));
            Assert.Equal(grants.Select(grant => grant.Role).Distinct().Order(StringComparer.Ordinal), activity.Roles.Select(role => role.Role));
        }
    }

    private static HashSet<string> Granted(string role, AccessAction action) =>
        [.. Policy.Questions.WhatCan(role).Where(grant => grant.Action == action).Select(grant => grant.Item.Name)];

    private static HashSet<string> Declared() =>
        [.. Policy.Analytics.SelectMany(domain => domain.CustomerColumns.Select(column => column.Field.Name).Concat(domain.EventTypes.Select(type => Policy.Events.Find(type)!.Name)))];

    // Everything is looked at by the person, as a thief would.
    private async Task<HashSet<string>> ReportedAsync()
    {
        var person = RightsWorld.Customer(ada);
        var gate = world.Vault.Get<DisclosureGate>();
        (await gate.ReadAsync(new ReadQuery(person, ada, "data-subject-rights", null, false, Guid.NewGuid()), default)).Dispose();
        foreach (var one in (await gate.ReadEventsAsync(person, ada, "data-subject-rights", null, 500, null, Guid.NewGuid(), default)).Events) one.Dispose();
        var report = await world.Vault.Get<BreachImpact>().ReportAsync(new ImpactQuery { Purpose = "data-subject-rights" });
        var known = Policy.Items.ToDictionary(item => item.Name);
        Assert.All(report.Items, item => Assert.Equal((known[item.Name].Category, known[item.Name].IsSpecialCategory, 1L), (item.Category, item.Special, item.People)));
        return [.. report.Items.Select(item => item.Name)];
    }

    private static IEnumerable<string> Unknown(PolicySet policy, IReadOnlyDictionary<string, HashSet<string>> uses) =>
        from item in policy.Items
        from use in uses
        where !use.Value.Contains(item.Name)
        select $"{item.Name} is not known to {use.Key}";
}
