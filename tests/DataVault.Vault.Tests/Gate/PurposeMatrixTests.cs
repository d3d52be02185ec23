using DataVault.Policy;
using DataVault.Vault.Tests.Rights;
using Xunit;

namespace DataVault.Vault.Tests.Gate;

/// <summary>
/// Everything that can be held of a person, asked for by every role for every purpose: what comes out is what the policy grants to that role for that purpose. An item,
/// role or purpose that is new is asked for by being in the policy.
/// </summary>
public sealed class PurposeMatrixTests(StoreVault store) : IClassFixture<StoreVault>
{
    // What the person and the recipient of this test bring along.
    private static readonly string[] Met = ["mfa", "consent:", "no-objection:", "no-restriction", "not-of-a-child-alone:"];

    [Fact]
    [Requirement("R02", "R03")]
    public async Task Every_role_gets_for_every_purpose_what_the_policy_grants_and_nothing_else()
    {
        var subject = await PersonAsync();
        var (asked, released) = (0, 0);
        foreach (var role in StoreVault.Policy.Roles.All.Where(role => role.Name != "customer"))
        {
            var grants = StoreVault.Policy.Questions.WhatCan(role.Name).Where(grant => grant.Action == AccessAction.Read).ToLookup(grant => grant.Purpose);
            foreach (var purpose in StoreVault.Policy.Purposes.All)
            {
                var recipient = new Recipient(RecipientKind.Staff, $"of-{role.Name}", role.Title, [role.Name], [purpose.Name], assurance: Recipient.MultiFactor);
                var granted = grants[purpose.Name].ToList();
                var open = granted.Where(IsOpen).Select(grant => grant.Item.Name).ToHashSet();
                var seen = await SeenAsync(recipient, subject, purpose.Name, open.Contains);
                Assert.Superset(open, seen);
                // What a second person or a reason would open stands in the way of all that is asked for beside it.
                seen.UnionWith(await SeenAsync(recipient, subject, purpose.Name, name => !open.Contains(name)));
                Assert.Subset(granted.Select(grant => grant.Item.Name).ToHashSet(), seen);
                (asked, released) = (asked + 1, released + seen.Count);
            }
        }

        Assert.True(asked >= 100 && released >= 40, $"{released} released in {asked} pairs");
    }

    private static bool IsOpen(PolicyGrant grant) =>
        grant is { BreakGlass: false, Obligations.Count: 0 } && grant.Conditions.All(condition => Met.Any(met => condition.StartsWith(met, StringComparison.Ordinal)));

    private async Task<HashSet<string>> SeenAsync(Recipient recipient, SubjectId subject, string purpose, Func<string, bool> isAsked)
    {
        var fields = StoreVault.Policy.Catalogue.Fields.Where(field => isAsked(field.Name)).Select(field => new RequestedItem(field, null)).ToList();
        var types = StoreVault.Policy.Events.Types.Where(type => isAsked(type.Name)).ToList();
        try
        {
            var seen = new HashSet<string>();
            if (fields.Count > 0)
            {
                using var read = await store.Gate.ReadAsync(new ReadQuery(recipient, subject, purpose, fields, false, Guid.NewGuid(), "CASE-1024"), default);
                seen.UnionWith(read.Fields.Select(field => field.Name));
            }

            if (types.Count == 0) return seen;
            var page = await store.Gate.ReadEventsAsync(recipient, subject, purpose, types, 100, null, Guid.NewGuid(), default, "CASE-1024");
            return [.. seen, .. page.Events.Select(one => EventTypeDefinition.Prefix + one.Type)];
        }
        catch (VaultException refused) when (refused.Slug is "forbidden" or "not-found" or "approval-required" or "reviews-overdue" or "budget-exhausted")
        {
            return [];
        }
    }

    private async Task<SubjectId> PersonAsync()
    {
        var consents = StoreVault.Policy.Purposes.All.Where(purpose => purpose.NeedsConsent).ToDictionary(purpose => purpose.Name, _ => "given");
        var person = new NewCustomer(FullProfile.Of("matrix"), "crm", null, "2026-01", "service-delivery", consents);
        var subject = (await store.Editor.CreateAsync(StoreVault.Ingest, person, null, Guid.NewGuid(), default)).Id;
        var events = StoreVault.Policy.Events.Types.Select(type => new NewEvent(
            new CustomerLookup(Id: subject), type.Type, store.Clock.GetUtcNow().AddDays(-1), "shop", FullProfile.Properties(type), Guid.NewGuid(), "service-delivery")).ToList();
        var outcome = await store.Recorder.AppendAsync(StoreVault.Ingest, events, Guid.NewGuid(), default);
        Assert.All(outcome.Items, item => Assert.Equal(EventStatus.Stored, item.Status));
        return subject;
    }
}
