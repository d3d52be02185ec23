using DataVault.Policy.Yaml;

namespace DataVault.Policy.Reading;

/// <summary>Reads cases/*.yaml.</summary>
internal sealed class CaseReader(Catalogue catalogue, TrackingPlan plan, PurposeRegistry purposes, RoleRegistry roles)
{
    private static readonly string[] States = ["given", "expired", "withdrawn", "refused", "unknown"];

    private static readonly string[] Outcomes =
    [
        FormNames.Of(Form.Plain), FormNames.Of(Form.Masked), FormNames.Of(Form.Generalised), FormNames.Of(Form.Token),
        Reasons.NotPermitted, Reasons.PurposeNotBound, Reasons.ConsentMissing, Reasons.ConsentWithdrawn, Reasons.ConsentExpired,
        Reasons.Objected, Reasons.Restricted, Reasons.OnHold, Reasons.AssuranceTooLow,
    ];

    public IReadOnlyList<PolicyCase> Cases(IEnumerable<Section> files)
    {
        var cases = new List<PolicyCase>();
        foreach (var file in files)
        {
            foreach (var body in file.Listed("cases"))
            {
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
        return new PolicyCase(body.Text("name"), body.File, body.Line)
        {
            Request = new AccessRequest(Recipient(body, purpose), CaseRunner.Subject, action, purpose, requested),
            Facts = body.OptionalMap("facts") is { } facts ? Facts(facts) : DecisionFacts.None,
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
        foreach (var word in held.Where(word => roles.Find(word.Text) is null)) body.Problem(word.Line, $"unknown role {word.Text}");
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

    private DecisionFacts Facts(Section body)
    {
        var consents = new List<ConsentFact>();
        foreach (var (name, state) in body.OptionalMap("consents")?.Texts() ?? [])
        {
            if (!States.Contains(state)) body.Problem(name.Line, $"{state} is not one of {string.Join(", ", States)}");
            if (Find(body, name) is { } purpose) consents.Add(Fact(purpose.Id, state));
        }

        var objected = body.Words("objections").Select(word => Find(body, word)?.Id ?? 0).ToList();
        var facts = new DecisionFacts(consents, objected, body.Flag("restricted", false), body.Flag("onHold", false))
        {
            Holds = body.OptionalMap("hold") is { } hold ? [Hold(hold)] : [],
            Remainder = body.Flag("remainder", false),
        };
        body.Done();
        return facts;
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
        if (RequestedItem.TryParse(name.Text, catalogue, plan, out var item) && item.Narrower is null) return item.Item;
        body.Problem(name.Line, $"unknown item {name.Text}");
        return null;
    }

    private static ConsentFact Fact(int purpose, string state) => state switch
    {
        "given" => new ConsentFact(purpose, ConsentStatus.Given, CaseRunner.Now.AddDays(1)),
        "expired" => new ConsentFact(purpose, ConsentStatus.Given, CaseRunner.Now),
        "withdrawn" => new ConsentFact(purpose, ConsentStatus.Withdrawn, null),
        "refused" => new ConsentFact(purpose, ConsentStatus.Refused, null),
        _ => new ConsentFact(purpose, ConsentStatus.Unknown, null),
    };

    private Purpose? Find(Section body, Word name)
    {
        var purpose = purposes.Find(name.Text);
        if (purpose is null) body.Problem(name.Line, $"unknown purpose {name.Text}");
        return purpose;
    }

    private List<(string Text, RequestedItem? Item, string Outcome)> Expected(Section body)
    {
        var expected = new List<(string, RequestedItem?, string)>();
        if (!body.Has("expect")) body.Problem(body.Line, "expect is missing");
        foreach (var (name, outcome) in body.OptionalMap("expect")?.Texts() ?? [])
        {
            if (!RequestedItem.TryParse(name.Text, catalogue, plan, out var item)) body.Problem(name.Line, $"unknown item {name.Text}");
            if (!Outcomes.Contains(outcome)) body.Problem(name.Line, $"{outcome} is neither a form nor a reason");
            expected.Add((name.Text, item, outcome));
        }

        return expected;
    }
}
