using System.Globalization;
using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>Answers to questions about a policy agree with what it decides, over many random policies.</summary>
public sealed class QuestionLawTests
{
    private const int Policies = 120;

    [Fact]
    public void A_decision_that_another_version_makes_wider_is_always_among_the_differences()
    {
        var wider = 0;
        for (var seed = 0; seed < Policies; seed++)
        {
            var random = new RandomPolicy(seed);
            var (before, after) = Pair(random);
            var differences = new PolicyDiff(before, after).Differences().ToLookup(one => (one.Released, one.Grant.Role, one.Grant.Purpose, one.Grant.Action, one.Grant.Item.Code));
            for (var round = 0; round < 100; round++)
            {
                var (request, now) = (random.Request(), random.Moment());
                var facts = random.Facts(now);
                var role = request.Recipient.Roles[0];
                var (old, young) = (Decide(before, request, role, facts, now), Decide(after, request, role, facts, now));
                for (var at = 0; at < old.Count; at++)
                {
                    if (old[at].Form == young[at].Form) continue;
                    var (released, form) = (young[at].Form > old[at].Form, (Form)Math.Max((int)old[at].Form, (int)young[at].Form));
                    Assert.True(
                        differences[(released, role, request.Purpose, request.Action, old[at].Item.Code)].Any(one => one.Grant.Form >= form),
                        $"seed {seed}, round {round}: {role} {request.Purpose} {request.Action} {old[at].Item}: {old[at].Form} became {young[at].Form}");
                    wider++;
                }
            }
        }

        Assert.True(wider > 1_000, $"only {wider} decisions differed");
    }

    [Fact]
    public void Every_difference_has_a_person_of_whom_one_version_releases_what_the_other_does_not()
    {
        var shown = 0;
        for (var seed = 0; seed < Policies; seed++)
        {
            var random = new RandomPolicy(seed);
            var (before, after) = Pair(random);
            foreach (var one in new PolicyDiff(before, after).Differences().Where(one => !one.Grant.Conditions.Any(word => word.StartsWith("time:", StringComparison.Ordinal))))
            {
                var (with, without) = one.Released ? (after, before) : (before, after);
                Assert.True(
                    Witnesses(with, one.Grant).Any(person => Release(with, one.Grant, person) is { } wide && wide.Form >= one.Grant.Form
                        && (Release(without, one.Grant, person) is not { } narrow || narrow.Form < one.Grant.Form || narrow.Obligations.Except(one.Grant.Obligations).Any())),
                    $"seed {seed}: {Say(one.Grant)}, against {string.Join("; ", without.Questions.WhoCan(one.Grant.Item, one.Grant.Purpose).Where(grant => grant.Role == one.Grant.Role && grant.Action == one.Grant.Action).Select(Say))}");
                shown++;
            }
        }

        Assert.True(shown > 1_000, $"only {shown} differences were shown");
    }

    [Fact]
    public void Between_equal_versions_nothing_differs_and_against_an_empty_one_everything_that_anybody_can()
    {
        for (var seed = 0; seed < Policies; seed++)
        {
            var rules = new RandomPolicy(seed).Rules();
            var (policy, same) = (Load(rules), Load([.. rules.Reverse<RuleSpec>()]));
            AssertSame(policy, same);
            var all = policy.Roles.All.SelectMany(role => policy.Questions.WhatCan(role.Name)).Select(Key).Order();
            Assert.Equal(all, new PolicyDiff(PolicyTexts.Load(""), policy).Differences().Select(one => Key(one.Grant)).Order());
        }

        static string Key(PolicyGrant grant) => $"{grant.Role}/{grant.Purpose}/{grant.Action}/{grant.Item}/{grant.Form}/{string.Join(',', grant.Conditions)}";
    }

    [Fact]
    public void The_shipped_policy_read_twice_differs_from_itself_in_nothing()
    {
        AssertSame(PolicyTexts.Shipped(), PolicyTexts.Shipped());
        var files = PolicyTexts.ShippedFiles();
        files["people.yaml"] += "# Nothing but a comment.\n";
        AssertSame(PolicyTexts.Shipped(), PolicySet.Load(files));
    }

    [Fact]
    public void Of_all_notices_only_the_one_that_says_something_else_differs()
    {
        var files = PolicyTexts.ShippedFiles();
        var before = PolicySet.Load(files);
        var told = before.Purposes.Find("marketing")!.Notices[0];
        files["purposes.yaml"] = files["purposes.yaml"].Replace(told.Text, told.Text + " Also by post.", StringComparison.Ordinal);
        var change = Assert.Single(new PolicyDiff(before, PolicySet.Load(files)).Purposes);
        Assert.Equal(("marketing", "notice of the same version"), (change.Purpose, change.What));
        Assert.EndsWith("Also by post.", change.After, StringComparison.Ordinal);
    }

    [Fact]
    public void What_an_explanation_says_would_release_does_release()
    {
        var tried = 0;
        for (var seed = 0; seed < Policies; seed++)
        {
            var policy = Load(new RandomPolicy(seed).Rules());
            foreach (var role in policy.Roles.All)
            {
                var call = new ImaginedCall([role.Name], "service", AccessAction.Read) { Items = [.. policy.Items.Select(item => new RequestedItem(item, null))] };
                foreach (var item in policy.Questions.Explain(call, PolicyTexts.Now).Items)
                {
                    foreach (var change in item.Nearest.Where(one => !one.Changes.Any(word => word.StartsWith("time:", StringComparison.Ordinal))))
                    {
                        var purpose = change.Changes.Select(word => word.Split(':')).FirstOrDefault(word => word[0] == "purpose")?[1] ?? "service";
                        var grant = new PolicyGrant(role.Name, purpose, AccessAction.Read, item.Decision.Item, change.Form, false, [.. change.Changes], []);
                        Assert.Contains(Witnesses(policy, grant), person => Release(policy, grant, person) is { } release && release.Form >= change.Form);
                        tried++;
                    }
                }
            }
        }

        Assert.True(tried > 500, $"only {tried} changes were tried");
    }

    [Fact]
    public void An_explanation_shows_the_rules_that_spoke_and_what_each_lacked()
    {
        var policy = PolicyTexts.Load("""
              - { id: plain-at-the-desk, why: The desk calls back, roles: [desk], purposes: [service], fields: [email], actions: [read], form: plain, when: { assurance: mfa, brand: [acme] } }
              - { id: masked-at-the-desk, why: The desk compares, roles: [desk], purposes: [service], fields: [email], actions: [read], form: masked }
              - { id: no-children, why: Nobody calls children, effect: forbid, roles: [all], purposes: [service], fields: [email], actions: [read], unless: { child: false } }

            """);
        var call = new ImaginedCall(["desk"], "service", AccessAction.Read) { Items = policy.Parse("email") };
        var explained = policy.Questions.Explain(call, PolicyTexts.Now).Items[0];
        Assert.Equal(Reasons.NotPermitted, explained.Decision.Reason);
        Assert.Equal(
            ["masked-at-the-desk applies", "no-children applies for want of no-child", "plain-at-the-desk lacks mfa brand:acme"],
            explained.Path.Select(step => $"{step.RuleId} {(step.Applies ? "applies" : "lacks")}{(step.Forbids ? " for want of" : "")} {string.Join(' ', step.Missing)}".TrimEnd()));
        Assert.Equal(["no-child -> Masked", "brand:acme mfa no-child -> Plain"], explained.Nearest.Select(one => $"{string.Join(' ', one.Changes)} -> {one.Form}"));
        Assert.Contains(new UsedFact("no-child", false), explained.Facts);
    }

    [Fact]
    public void Many_roles_purposes_and_fields_that_share_rules_are_worked_out_once()
    {
        var before = Large("masked");
        var diff = new PolicyDiff(before, Large("plain"));
        Assert.Equal(60 * 20 * 50, diff.Differences().Count(one => one.Released));
        Assert.InRange(diff.Compared, 1, 4);
        Assert.InRange(before.Questions.Ways.Worked, 1, 4);
    }

    private static void AssertSame(PolicySet policy, PolicySet same)
    {
        var diff = new PolicyDiff(policy, same);
        Assert.Empty(diff.Differences());
        Assert.Empty(diff.Forms);
        Assert.Empty(diff.Purposes);
        Assert.Empty(diff.RoleCapabilities);
    }

    private static string Say(PolicyGrant grant) =>
        $"{grant.Role} {grant.Purpose} {grant.Action} {grant.Item} {grant.Form} when {string.Join(' ', grant.Conditions)} must {string.Join(' ', grant.Obligations)}";

    private static PolicySet Large(string form)
    {
        var files = PolicyTexts.Small($"  - {{ id: everybody, why: Test, roles: [all], purposes: [all], fields: [all], actions: [read], form: {form} }}\n");
        var fields = Enumerable.Range(1, 50).Select(number => string.Create(CultureInfo.InvariantCulture, $"  field{number}: {{ id: {number}, label: Test, class: contact, type: text, category: \"pd:Name\", mask: full, retention: usual }}\n"));
        files["catalogue.yaml"] = "classes:\n  contact: { id: 2 }\n  transaction: { id: 20 }\nfields:\n" + string.Concat(fields);
        files["roles.yaml"] = "roles:\n" + string.Concat(Enumerable.Range(1, 60).Select(number => $"  role{number}: {{ title: Test }}\n"));
        files["purposes.yaml"] = "purposes:\n" + string.Concat(Enumerable.Range(1, 20).Select(number => $"  purpose{number}: {{ id: {number}, title: Test, basis: contract, dpv: \"dpv:CustomerCare\" }}\n"));
        return PolicySet.Load(files);
    }

    private static (PolicySet Before, PolicySet After) Pair(RandomPolicy random)
    {
        var rules = random.Rules();
        List<RuleSpec> changed = [.. rules.Where(_ => random.Below(4) > 0), random.Rule("zz-added")];
        return (Load(rules), Load(changed));
    }

    private static PolicySet Load(IEnumerable<RuleSpec> rules) => PolicyTexts.Load(string.Concat(rules.Select(rule => rule.Yaml())));

    private static IReadOnlyList<ItemDecision> Decide(PolicySet policy, AccessRequest request, string role, DecisionFacts facts, DateTimeOffset now)
    {
        var recipient = new Recipient(request.Recipient.Kind, "someone", "someone", [role], request.Recipient.Purposes, request.Recipient.Subject, request.Recipient.Assurance);
        return policy.Decisions.Decide(new AccessRequest(recipient, request.Subject, request.Action, request.Purpose, [.. policy.Items.Select(item => new RequestedItem(item, null))]), facts, now).Items;
    }

    private sealed record Witness(Recipient Recipient, DecisionFacts Facts, DateTimeOffset Now);

    private static (Form Form, IReadOnlyList<string> Obligations)? Release(PolicySet policy, PolicyGrant grant, Witness person)
    {
        var item = policy.Items.First(one => one.Code == grant.Item.Code);
        var decision = policy.Decisions.Decide(new AccessRequest(person.Recipient, PolicyTexts.Ada, grant.Action, grant.Purpose, [new RequestedItem(item, null)]), person.Facts, person.Now);
        return decision.Items[0].Permit is null ? null : (decision.Items[0].Form, decision.Obligations);
    }

    /// <summary>People and recipients of whom the conditions hold, and as little else as can be: one for each choice that a condition leaves.</summary>
    private static IEnumerable<Witness> Witnesses(PolicySet policy, PolicyGrant grant)
    {
        var words = grant.Conditions.Select(word => word.Split(':', 2)).ToLookup(word => word[0], word => word.Length > 1 ? word[1] : "");
        IEnumerable<string?> Of(string kind) => words.Contains(kind)
            ? words[kind].Select(IEnumerable<string?> (list) => list.Split('|')).Aggregate((left, right) => left.Intersect(right))
            : [null];
        var recipient = new Recipient(
            words.Contains("own-record") ? RecipientKind.Customer : RecipientKind.Application, "someone", "someone", [grant.Role], [grant.Purpose],
            words.Contains("own-record") ? PolicyTexts.Ada : null, words.Contains("mfa") ? Recipient.MultiFactor : Recipient.Password);
        var older = words["record-older-than"].Select(text => int.Parse(text, CultureInfo.InvariantCulture)).DefaultIfEmpty(0).Max();
        var aged = words.Contains("record-older-than") || words.Contains("record-younger-than");
        return
            // The other version may open in some hours only.
            from number in Enumerable.Range(0, 7 * 16)
            let now = PolicyTexts.Now.AddMinutes(90 * number)
            from jurisdiction in Of("jurisdiction")
            from residency in Of("residency")
            from brand in Of("brand")
            from relations in Choices(words["relation"])
            select new Witness(recipient, DecisionFacts.None with
            {
                Consents = [.. words["consent"].Select(name => new ConsentFact(policy.Purposes.Find(name)!.Id, ConsentStatus.Given, null) { Backing = ConsentBacking.OfAge })],
                Traits = new SubjectTraits(jurisdiction, residency, brand, aged ? now.AddMonths(-older) : null),
                Relations = relations,
                Child = words.Contains("child") ? true : words.Contains("no-child") ? false : null,
            }, now);
    }

    private static IEnumerable<string[]> Choices(IEnumerable<string> lists) => lists.Select(list => list.Split('|')).Aggregate(
        (IEnumerable<string[]>)[[]], (chosen, list) => chosen.SelectMany(one => list.Select(name => (string[])[.. one, name])));
}
