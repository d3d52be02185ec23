using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Vault.Tests.Gate;

/// <summary>What the vault has stored of its decisions is enough to decide again: version, caller, purpose, time, and the acts of the person until then.</summary>
public sealed class StoredDecisionsTests(StoreVault store) : IClassFixture<StoreVault>
{
    private const int Decisions = 1_000;
    private const int People = 20;

    private static readonly string[] States = ["given", "withdrawn", "refused"];

    private static readonly (Recipient Recipient, string Purpose)[] Callers =
        [(StoreVault.Support, "customer-support"), (StoreVault.Marketing, "marketing"), (StoreVault.Marketing, "personalisation")];

    [Fact]
    [Requirement("R07")]
    public async Task A_thousand_of_them_come_out_the_same_by_the_version_and_the_acts_of_then()
    {
        await ActivateAsync(Repository.ChangedFiles());
        var people = new List<SubjectId>();
        for (var number = 0; number < People; number++) people.Add(await store.AddAsync("""{"interests":["tea"],"birthDate":"1984-04-04"}""", number % 3 == 0 ? new() { ["marketing"] = "given" } : null));
        var asked = new Dictionary<long, (SubjectId Subject, Recipient Recipient)>();
        for (var number = 0; number < Decisions; number++) await DecideAsync(people, number, asked);

        // An entry names what was shown: what the decision permits and the person has.
        using var own = await store.ReadAsync(StoreVault.Person(people[0]), people[0], "data-subject-rights");
        var held = own.Fields.Select(field => StoreVault.Policy.Catalogue.Find(field.Name)!.Code).ToHashSet();
        var versions = new Dictionary<string, PolicySet>();
        var outcomes = new HashSet<(string Version, EntryResult Result)>();
        foreach (var (index, (subject, recipient)) in asked)
        {
            var entry = (await store.Vault.Get<AuditReader>().EntryAsync(index)).Entry;
            var version = Convert.ToHexStringLower(entry.Policy.Span);
            if (!versions.TryGetValue(version, out var policy)) versions[version] = policy = (await store.Vault.Get<PolicyStore>().LoadAsync(version, default))!;
            var again = Decider.Decide(
                policy, new AccessRequest(recipient, subject, AccessAction.Read, entry.Purpose, null), await FactsAsync(policy, subject, index), DateTimeOffset.FromUnixTimeMilliseconds(entry.Time));
            Assert.Equal(entry.Result == EntryResult.Ok, again.Released);
            Assert.Equal(entry.Items, again.Released ? [.. Decider.LogIds(again.Permits).Where(held.Contains)] : Decider.LogIds(again.Items));
            outcomes.Add((version, entry.Result));
        }

        Assert.Equal(Decisions, asked.Count);
        Assert.Equal(4, outcomes.Count);
    }

    // Every so often somebody changes their mind, and in the middle another version of the policy comes into force.
    private async Task DecideAsync(List<SubjectId> people, int number, Dictionary<long, (SubjectId, Recipient)> asked)
    {
        store.Clock.Advance(TimeSpan.FromSeconds(1));
        var subject = people[number * 7 % People];
        if (number % 9 == 0) await store.Consents.SetAsync(StoreVault.Ingest, subject, new ConsentStatement("marketing", States[number / 9 % States.Length]), Guid.NewGuid(), default);
        if (number == Decisions / 2) await ActivateAsync(Repository.ChangedFiles(("access/customer-support.yaml", "- id: support-", "- id: desk-")));
        var (recipient, purpose) = Callers[number % Callers.Length];
        using var read = await store.Gate.ReadAsync(new ReadQuery(recipient, subject, purpose, null, false, Guid.NewGuid()), default);
        asked[read.LogIndex] = (subject, recipient);
    }

    private async Task ActivateAsync(Dictionary<string, string> files)
    {
        var officer = new Recipient(RecipientKind.Staff, "o1", "Officer", ["compliance-officer"], []);
        var outcome = await store.Vault.Get<PolicyActivations>().ActivateAsync(officer, new PolicyProposal(files, []), Guid.NewGuid(), default);
        Assert.True(outcome.Problems.Count == 0, string.Join('\n', outcome.Problems));
    }

    // The facts of today, with each consent as the acts before the entry left it; everybody here is grown up by the date of birth.
    private async Task<DecisionFacts> FactsAsync(PolicySet policy, SubjectId subject, long index)
    {
        var row = (await SubjectRows.FindAsync(store.Vault.Get<VaultDatabase>(), subject, default))!;
        var acts = (await ConsentActs.OfAsync(store.Vault.Get<VaultDatabase>(), subject, default)).Where(owned => owned.Act.LogIndex < index).OrderBy(owned => owned.Act.LogIndex).ToList();
        var facts = FactsCodec.Decode(row.Facts);
        return facts with
        {
            Consents =
            [
                .. from fact in facts.Consents
                   let last = acts.LastOrDefault(owned => owned.Purpose == fact.PurposeId)
                   where last is not null
                   select fact with { Status = StatusOf(last.Act.State), Expires = last.Act.Expires, Backing = ConsentBacking.OfAge },
            ],
        };
    }

    private static ConsentStatus StatusOf(string state) => state switch
    {
        "given" => ConsentStatus.Given,
        "renewed" => ConsentStatus.Renewed,
        "withdrawn" => ConsentStatus.Withdrawn,
        _ => ConsentStatus.Refused,
    };
}
