using DataVault.Policy.Yaml;

namespace DataVault.Policy.Reading;

/// <summary>Reads rights.yaml.</summary>
internal static class RightsReader
{
    private static readonly string[] Openers = ["customer", "officer", "application"];

    public static RightsRules Rights(Section? section, PeopleRegistry people, JurisdictionTable jurisdictions)
    {
        if (section is null) return RightsRules.None;
        var methods = Methods(section);
        var needs = Needs(section, methods);
        var questions = Questions(section);
        var days = section.OptionalNumber("evidenceDays", 0, 400) ?? 30;
        var second = SecondOfficer(section, methods, people, jurisdictions);
        var recovery = Recovery(section, methods);
        section.Done();
        return new RightsRules(methods, needs, questions) { EvidenceDays = days, SecondOfficer = second, Recovery = recovery };
    }

    private static List<VerificationMethod> Methods(Section section)
    {
        var methods = new List<VerificationMethod>();
        var taken = new Taken();
        foreach (var (name, body) in section.Named("methods"))
        {
            var method = new VerificationMethod(name.Text, body.Text("title"), Level(body, "level"), body.OptionalNumber("attempts", 1, 100) ?? 3);
            body.Done();
            if (taken.Claim(body, name)) methods.Add(method);
        }

        return methods;
    }

    private static Dictionary<string, Assurance> Needs(Section section, List<VerificationMethod> methods)
    {
        var needs = new Dictionary<string, Assurance>();
        if (section.OptionalMap("needs") is not { } map) return needs;
        foreach (var kind in RightsRules.Kinds)
        {
            if (!map.Has(kind)) map.Problem(map.Line, $"{kind} is missing");
            else needs[kind] = Level(map, kind);
            if (needs.TryGetValue(kind, out var level) && level > Assurance.None && methods.All(method => method.Level < level))
                map.Problem(map.LineOf(kind), $"no method gives the level that {kind} needs");
        }

        map.Done();
        return needs;
    }

    private static List<QuestionRule> Questions(Section section)
    {
        var questions = new List<QuestionRule>();
        if (section.OptionalMap("questions") is not { } map) return questions;
        foreach (var cause in ClockPause.Causes)
        {
            if (map.OptionalMap(cause) is not { } body) continue;
            questions.Add(new QuestionRule(cause, body.Number("days", 1, 400), body.Flag("expires", false)));
            body.Done();
        }

        map.Done();
        return questions;
    }

    private static FactorRecoveryRule Recovery(Section section, List<VerificationMethod> methods)
    {
        if (section.OptionalMap("recovery") is not { } map) return RightsRules.None.Recovery;
        var rule = new FactorRecoveryRule(Level(map, "level"), map.Number("days", 1, 30));
        if (rule.Level < Assurance.Substantial) map.Problem(map.LineOf("level"), "a second factor is taken away for nobody who is not known at least substantially");
        if (methods.All(method => method.Level < rule.Level)) map.Problem(map.LineOf("level"), "no method gives the level that a recovery needs");
        map.Done();
        return rule;
    }

    private static List<SecondOfficerRule> SecondOfficer(Section section, List<VerificationMethod> methods, PeopleRegistry people, JurisdictionTable jurisdictions)
    {
        var rules = new List<SecondOfficerRule>();
        if (!section.Has("secondOfficer")) return rules;
        var taken = new Taken();
        foreach (var (name, body) in section.Named("secondOfficer"))
        {
            var rule = new SecondOfficerRule(name.Text, body.Text("title"))
            {
                Kinds = Known(body, "kinds", RightsRules.Kinds), OpenedBy = Known(body, "openedBy", Openers), Brands = Known(body, "brands", [.. people.Brands.Select(one => one.Name)]),
                Jurisdictions = Known(body, "jurisdictions", [.. jurisdictions.All.Select(one => one.Name)]),
                Relations = Known(body, "relations", [.. people.Relations.Select(one => one.Name)]), Methods = Known(body, "methods", [.. methods.Select(method => method.Name)]),
                Special = body.Flag("special", false), SignIn = body.Flag("signIn", false), Below = body.Has("below") ? Level(body, "below") : null,
                EventsOver = body.OptionalNumber("eventsOver", 0, 1_000_000_000), VerifiedDaysAgo = body.OptionalNumber("verifiedDaysAgo", 0, 4_000),
            };
            body.Done();
            if (taken.Claim(body, name)) rules.Add(rule);
        }

        return rules;
    }

    private static IReadOnlyList<string> Known(Section body, string key, IReadOnlyList<string> words)
    {
        var named = body.Words(key);
        foreach (var word in named.Where(word => !words.Contains(word.Text))) body.Problem(word.Line, $"{key} names {word.Text}, must be one of {string.Join(", ", words)}");
        return [.. named.Select(word => word.Text)];
    }

    private static Assurance Level(Section body, string key) =>
        AssuranceNames.TryParse(body.Choice(key, AssuranceNames.All), out var level) ? level : Assurance.None;
}
