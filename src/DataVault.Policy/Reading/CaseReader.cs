using System.Globalization;
using DataVault.Policy.Yaml;

namespace DataVault.Policy.Reading;

/// <summary>The words that rules and cases are made of.</summary>
internal sealed record PolicyWords(
    Catalogue Catalogue, TrackingPlan Events, PurposeRegistry Purposes, RoleRegistry Roles, PeopleRegistry People, JurisdictionTable Jurisdictions);

/// <summary>Reads cases/*.yaml.</summary>
internal sealed class CaseReader(PolicyWords words)
{
    private const int MostCases = 20_000;

    private static readonly string[] States = ["given", "given-by-guardian", "given-of-age", "given-of-unknown-age", "expired", "withdrawn", "refused", "unknown"];

    private static readonly string[] Outcomes =
    [
        FormNames.Of(Form.Plain), FormNames.Of(Form.Masked), FormNames.Of(Form.Generalised), FormNames.Of(Form.Token),
        Reasons.NotPermitted, Reasons.PurposeNotBound, Reasons.ConsentMissing, Reasons.ConsentWithdrawn, Reasons.ConsentExpired,
        Reasons.Objected, Reasons.Restricted, Reasons.OnHold, Reasons.AssuranceTooLow, Reasons.OutsideHours,
    ];

    public IReadOnlyList<PolicyCase> Cases(IEnumerable<Section> files)
    {
        var cases = new List<PolicyCase>();
        foreach (var file in files)
        {
            foreach (var body in file.Listed("cases"))
            {
                if (cases.Count == MostCases)
                {
                    file.Problem(body.Line, $"more than {MostCases} cases");
                    return cases;
                }

                cases.Add(Case(body));
                body.Done();
            }

            file.Done();
        }

        return cases;
    }

    private PolicyCase Case(Section body)
    {
        var purpose = body.Text("purpose");
        var action = Action(body);
        var expected = Expected(body);
        var requested = expected.Select(pair => pair.Item).OfType<RequestedItem>().ToList();
        var at = Instant(body, "at") ?? CaseRunner.Now;
        return new PolicyCase(body.Text("name"), body.File, body.Line)
        {
            Request = new AccessRequest(Recipient(body, purpose), CaseRunner.Subject, action, purpose, requested),
            Facts = body.OptionalMap("facts") is { } facts ? Facts(facts, at) : DecisionFacts.None,
            At = at,
            Reachable = body.Has("reachable") ? body.Flag("reachable", true) : null,
            Expected = [.. expected.Where(pair => pair.Item is not null).Select(pair => (pair.Text, pair.Outcome))],
            Obligations = [.. body.Words("obligations").Select(word => word.Text)],
        };
    }

    private static AccessAction Action(Section body)
    {
        var text = body.Choice("action", ActionNames.All, "read");
        return ActionNames.TryParse(text, out var action) ? action : AccessAction.Read;
    }

    private Recipient Recipient(Section body, string purpose)
    {
        var kind = body.Choice<RecipientKind>("recipient", RecipientKind.Application);
        var held = body.SomeWords("roles");
        foreach (var word in held.Where(word => words.Roles.Find(word.Text) is null)) body.Problem(word.Line, $"unknown role {word.Text}");
        var bound = body.Has("boundTo") ? [.. body.Words("boundTo").Select(word => word.Text)] : new[] { purpose };
        SubjectId? subject = body.Choice("record", ["none", "own", "foreign"], "none") switch
        {
            "own" => CaseRunner.Subject,
            "foreign" => CaseRunner.Stranger,
            _ => null,
        };
        var assurance = body.Choice("assurance", ["password", "mfa"], "password") == "mfa" ? Policy.Recipient.MultiFactor : Policy.Recipient.Password;
        return new Recipient(kind, "case", "case", [.. held.Select(word => word.Text)], bound, subject, assurance);
    }

    private DecisionFacts Facts(Section body, DateTimeOffset at)
    {
        var consents = new List<ConsentFact>();
        foreach (var (name, state) in body.OptionalMap("consents")?.Texts() ?? [])
        {
            if (!States.Contains(state)) body.Problem(name.Line, $"{state} is not one of {string.Join(", ", States)}");
            if (Find(body, name) is { } purpose) consents.Add(Fact(purpose.Id, state, at));
        }

        var objected = body.Words("objections").Select(word => Find(body, word)?.Id ?? 0).ToList();
        var facts = new DecisionFacts(consents, objected, body.Flag("restricted", false), body.Flag("onHold", false))
        {
            Holds = body.OptionalMap("hold") is { } hold ? [Hold(hold)] : [],
            Remainder = body.Flag("remainder", false),
            Traits = new SubjectTraits(
                Trait(body, "jurisdiction", name => words.Jurisdictions.Find(name) is not null),
                Trait(body, "residency", words.People.IsResidency),
                Trait(body, "brand", words.People.IsBrand),
                Instant(body, "recorded")),
            Child = body.Has("child") ? body.Flag("child", false) : null,
            Relations = [.. body.Words("relations").Select(word => Relation(body, word))],
        };
        body.Done();
        return facts;
    }

    private static string? Trait(Section body, string key, Func<string, bool> isKnown)
    {
        var name = body.OptionalText(key);
        if (name is not null && !isKnown(name)) body.Problem(body.LineOf(key), $"unknown {key} {name}");
        return name;
    }

    private string Relation(Section body, Word name)
    {
        if (!words.People.IsRelation(name.Text)) body.Problem(name.Line, $"unknown relation {name.Text}");
        return name.Text;
    }

    /// <summary>An instant such as <c>2026-03-29T01:30:00Z</c>.</summary>
    private static DateTimeOffset? Instant(Section body, string key)
    {
        if (body.OptionalText(key) is not { } text) return null;
        if (DateTimeOffset.TryParseExact(text, "yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var instant)) return instant;
        body.Problem(body.LineOf(key), $"{key} is {text}, must be an instant such as 2026-03-29T01:30:00Z");
        return null;
    }

    private HoldFact Hold(Section body)
    {
        var items = body.Words("items").Select(word => Item(body, word)).OfType<CatalogueItem>().Select(item => item.Code).ToList();
        var purposes = body.Words("purposes").Select(word => Find(body, word)).OfType<Purpose>().Select(purpose => purpose.Id).ToList();
        body.Done();
        return new HoldFact(items, [], purposes);
    }

    private CatalogueItem? Item(Section body, Word name)
    {
        if (RequestedItem.TryParse(name.Text, words.Catalogue, words.Events, out var item) && item.Narrower is null) return item.Item;
        body.Problem(name.Line, $"unknown item {name.Text}");
        return null;
    }

    private static ConsentFact Fact(int purpose, string state, DateTimeOffset at) => state switch
    {
        "given-by-guardian" => new ConsentFact(purpose, ConsentStatus.Given, null) { Backing = ConsentBacking.Guardian },
        "given-of-age" => new ConsentFact(purpose, ConsentStatus.Given, null) { Backing = ConsentBacking.OfAge },
        "given-of-unknown-age" => new ConsentFact(purpose, ConsentStatus.Given, null),
        "given" => new ConsentFact(purpose, ConsentStatus.Given, at.AddDays(1)) { Backing = ConsentBacking.TakenForGrown },
        "expired" => new ConsentFact(purpose, ConsentStatus.Given, at) { Backing = ConsentBacking.TakenForGrown },
        "withdrawn" => new ConsentFact(purpose, ConsentStatus.Withdrawn, null),
        "refused" => new ConsentFact(purpose, ConsentStatus.Refused, null),
        _ => new ConsentFact(purpose, ConsentStatus.Unknown, null),
    };

    private Purpose? Find(Section body, Word name)
    {
        var purpose = words.Purposes.Find(name.Text);
        if (purpose is null) body.Problem(name.Line, $"unknown purpose {name.Text}");
        return purpose;
    }

    private List<(string Text, RequestedItem? Item, string Outcome)> Expected(Section body)
    {
        var expected = new List<(string, RequestedItem?, string)>();
        if (!body.Has("expect")) body.Problem(body.Line, "expect is missing");
        foreach (var (name, outcome) in body.OptionalMap("expect")?.Texts() ?? [])
        {
            if (!RequestedItem.TryParse(name.Text, words.Catalogue, words.Events, out var item)) body.Problem(name.Line, $"unknown item {name.Text}");
            if (!Outcomes.Contains(outcome)) body.Problem(name.Line, $"{outcome} is neither a form nor a reason");
            expected.Add((name.Text, item, outcome));
        }

        return expected;
    }
}
