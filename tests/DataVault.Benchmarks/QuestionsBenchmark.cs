using System.Diagnostics;
using System.Globalization;
using DataVault.Policy;

namespace DataVault.Benchmarks;

/// <summary>
/// Questions about a large policy, over the compiled table, against a peer that asks the decision point about every combination of role, purpose, action and field: what
/// whoever has a decision point and no table does.
/// </summary>
internal static class QuestionsBenchmark
{
    public static Task RunAsync(BenchmarkOptions options)
    {
        var sizes = new Sizes(options.Number("roles", 100), options.Number("purposes", 50), options.Number("fields", 200), options.Number("rules", 2_000));
        var (before, after) = (Load(sizes, changed: false), Load(sizes, changed: true));
        var rounds = options.Number("rounds", 5);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {sizes.Roles} roles x {sizes.Purposes} purposes x {sizes.Fields} fields, {sizes.Rules} rules"));
        Measure("who-can field", rounds, () => before.Questions.WhoCan(before.Catalogue.Fields[7]).Count);
        Measure("who-can class", rounds, () => before.Questions.WhoCan(before.Catalogue.Classes[0]).Count);
        Measure("what-can role", rounds, () => before.Questions.WhatCan("role-7").Count);
        var call = new ImaginedCall(["role-7"], "purpose-7", AccessAction.Read);
        Measure("explain, all fields", rounds, () => before.Questions.Explain(call, DateTimeOffset.UnixEpoch).Items.Count);
        Measure("diff of two versions", rounds, () => new PolicyDiff(before, after).Differences().Count());
        Measure("peer: ask every combination once", Math.Min(rounds, 2), () => AskAll(before));
        return Task.CompletedTask;
    }

    private sealed record Sizes(int Roles, int Purposes, int Fields, int Rules);

    private static void Measure(string what, int rounds, Func<int> ask)
    {
        var times = new List<double>();
        var answers = 0;
        for (var round = 0; round < rounds; round++)
        {
            var start = Stopwatch.GetTimestamp();
            answers = ask();
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {what,-34} first {times[0],9:F1} ms   median {times.Order().ElementAt(times.Count / 2),9:F1} ms   {answers,10:N0} answers"));
    }

    // With all consents given and everything known, as the widest answer needs.
    private static int AskAll(PolicySet policy)
    {
        var facts = DecisionFacts.None with { Consents = [.. policy.Purposes.All.Select(purpose => new ConsentFact(purpose.Id, ConsentStatus.Given, null))] };
        var (person, count) = (new SubjectId(new Guid("01980000-0000-7000-8000-00000000000a")), 0);
        foreach (var role in policy.Roles.All)
        {
            foreach (var purpose in policy.Purposes.All)
            {
                var recipient = new Recipient(RecipientKind.Application, "app", "app", [role.Name], [purpose.Name], person, Recipient.MultiFactor);
                foreach (var action in Enum.GetValues<AccessAction>())
                    count += policy.Decisions.Decide(new AccessRequest(recipient, person, action, purpose.Name, null), facts, DateTimeOffset.UnixEpoch).Permits.Count;
            }
        }

        return count;
    }

    private static PolicySet Load(Sizes sizes, bool changed)
    {
        var random = new Random(20_261_122);
        string Some(string kind, int of, int most) => string.Join(", ", Enumerable.Range(0, random.Next(1, most + 1)).Select(_ => $"{kind}-{random.Next(of)}").Distinct());
        var rules = Enumerable.Range(0, sizes.Rules).Select(number =>
        {
            var forbids = random.Next(20) == 0;
            var line = $"  - {{ id: rule-{number}, why: Made up, effect: {(forbids ? "forbid" : "permit")}, roles: [{Some("role", sizes.Roles, 4)}], purposes: [{Some("purpose", sizes.Purposes, 3)}], " +
                $"fields: [{Some("field", sizes.Fields, 12)}], actions: [read]{(forbids ? "" : random.Next(2) == 0 ? ", form: plain" : ", form: masked")}{(random.Next(3) == 0 ? (forbids ? ", unless" : ", when") + ": { assurance: mfa }" : "")} }}\n";
            return changed && number % 50 == 0 ? "" : line;
        });
        var files = new Dictionary<string, string>
        {
            ["catalogue.yaml"] = "classes:\n  thing: { id: 1 }\n  happening: { id: 2 }\nfields:\n" + string.Concat(Enumerable.Range(0, sizes.Fields).Select(number =>
                $"  field-{number}: {{ id: {number + 1}, label: Made up, class: thing, type: text, category: \"pd:Name\", mask: full, retention: usual }}\n")),
            ["events.yaml"] = "events:\n  visit: { id: 1, label: Visit, class: happening, category: \"pd:Behavioral\", stage: use, retention: usual, properties: {} }\n",
            ["purposes.yaml"] = "purposes:\n" + string.Concat(Enumerable.Range(0, sizes.Purposes).Select(number =>
                $"  purpose-{number}: {{ id: {number + 1}, title: Made up, basis: {(number % 3 == 0 ? "consent" : "contract")}, dpv: \"dpv:CustomerCare\"{(number % 3 == 0 ? ", notice: We ask you, noticeVersion: v1" : "")} }}\n")),
            ["roles.yaml"] = "roles:\n" + string.Concat(Enumerable.Range(0, sizes.Roles).Select(number => $"  role-{number}: {{ title: Made up }}\n")),
            ["jurisdictions.yaml"] = "default: eu\njurisdictions:\n  eu: { title: EU, clock: months, due: 1, extension: 2, zone: Europe/Brussels, rolls: true, holidays: [2026-12-25] }\n",
            ["retention.yaml"] = "rules:\n  usual: { title: Usual, trigger: recorded, months: 12, ground: Need }\n",
            ["access/rules.yaml"] = "rules:\n" + string.Concat(rules),
        };
        return PolicySet.Load(files);
    }
}
