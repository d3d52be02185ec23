using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

public sealed class DecisionAllocationTests
{
    private const string Rules = """
          - { id: one, why: Test, roles: [desk], purposes: [service], fields: [all], actions: [read], form: masked, when: { brand: [acme], child: false } }
          - { id: two, why: Test, roles: [desk], purposes: [service], fields: [email], actions: [read], form: masked }
          - { id: three, why: Test, roles: [campaign], purposes: [service], fields: [phone], actions: [read], form: plain, when: { time: { days: [mon], zone: Europe/Brussels } } }
          - { id: four, why: Test, effect: forbid, roles: [all], purposes: [all], fields: [allergies], actions: [all-of-them] }
        """;

    private static readonly DecisionFacts Facts = new([new ConsentFact(2, ConsentStatus.Given, null)], [3], false, false)
    {
        Traits = SubjectTraits.None with { Brand = "acme" }, Child = false,
    };

    /// <summary>The answer is what a caller keeps: the decision, a line and perhaps a permit for each item, and the names of the rules.</summary>
    [Fact]
    public void Nothing_is_allocated_but_the_answer()
    {
        var policy = PolicyTexts.Load(Rules.Replace("all-of-them", "read", StringComparison.Ordinal));
        var recipient = new Recipient(RecipientKind.Staff, "s", "s", ["desk", "campaign"], ["service"], null, Recipient.MultiFactor);
        var request = new AccessRequest(recipient, PolicyTexts.Ada, AccessAction.Read, "service", null);
        var decision = policy.Decisions.Decide(request, Facts, PolicyTexts.Now);
        Assert.Equal(["plain", "masked", "masked", "not-permitted"], decision.Outcomes());
        Assert.Equal(["one", "two"], decision.Items[1].RuleIds);

        Assert.Equal(Allocated(() => Answer(decision)), Allocated(() => policy.Decisions.Decide(request, Facts, PolicyTexts.Now)));
    }

    [Fact]
    public void Asking_for_reach_and_possibility_allocates_nothing()
    {
        var policy = PolicyTexts.Load(Rules.Replace("all-of-them", "read", StringComparison.Ordinal));
        var desk = PolicyTexts.Application("desk", "service");
        var email = policy.Catalogue.Find("email")!;
        var window = new TimeWindow([0, 3], 480, 1080, TimeZoneInfo.FindSystemTimeZoneById("Europe/Brussels"));
        Assert.Equal(0, Allocated(() => window.Contains(PolicyTexts.Now)));
        Assert.Equal(0, Allocated(() => policy.Decisions.CanReach(desk, PolicyTexts.Ada, Facts)));
        Assert.Equal(0, Allocated(() => policy.Decisions.ReachesEverybody(desk)));
        Assert.Equal(0, Allocated(() => policy.Decisions.CouldPermit(desk, AccessAction.Read, "service", email)));
    }

    /// <summary>Objects of the same kinds and sizes as the answer's; an item's list of one group of rules is the policy's own.</summary>
    private static Decision Answer(Decision like)
    {
        var items = new ItemDecision[like.Items.Count];
        var permits = new FieldPermit[like.Permits.Count];
        for (var index = 0; index < permits.Length; index++) permits[index] = new FieldPermit(like.Permits[index].Item, Form.Plain, AccessAction.Read, default);
        items[0] = new ItemDecision(permits[0], new string[2]);
        return new Decision(items, permits, [], new string[like.RuleIds.Count]);
    }

    private static long Allocated<T>(Func<T> act)
    {
        for (var warm = 0; warm < 100; warm++) act();
        var least = long.MaxValue;
        for (var round = 0; round < 5; round++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            GC.KeepAlive(act());
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least - BoxOf<T>();
    }

    /// <summary>What keeping a value alive takes, which is the measurement's and not the act's.</summary>
    private static long BoxOf<T>() => typeof(T).IsValueType ? 24 : 0;
}
