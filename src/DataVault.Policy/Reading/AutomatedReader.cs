using DataVault.Policy.Yaml;

namespace DataVault.Policy.Reading;

/// <summary>Reads automated.yaml: what decides about people by itself, by what and on what ground.</summary>
internal sealed class AutomatedReader(PolicyWords words, IReadOnlyList<RetentionRule> retention)
{
    private const int LongestName = 40;
    private const int LongestText = 4_000;
    private const int MostVersions = 100;

    private static readonly string[] Kinds = ["decision", "score", "segment"];

    public ModelRegistry Models(Section? section)
    {
        if (section is null) return new ModelRegistry([], []);
        var laws = section.Has("laws") ? Laws(section) : [];
        var (all, taken) = (new List<AutomatedModel>(), new Taken());
        foreach (var (name, body) in section.Named("models"))
        {
            var terms = Terms(body);
            body.Done();
            if (name.Text.Length > LongestName) body.Problem(name.Line, $"{name.Text} is longer than {LongestName} characters");
            if (taken.Claim(body, name) && terms is not null) all.Add(new AutomatedModel(name.Text, terms));
        }

        section.Done();
        return new ModelRegistry([.. all.OrderBy(one => one.Name, StringComparer.Ordinal)], laws);
    }

    private List<AutomationLaw> Laws(Section section)
    {
        var laws = new List<AutomationLaw>();
        foreach (var (name, body) in section.Named("laws"))
        {
            if (words.Jurisdictions.Find(name.Text) is null) body.Problem(name.Line, $"unknown jurisdiction {name.Text}");
            var rights = body.SomeWords("rights");
            foreach (var right in rights.Where(right => !AutomationLaw.Known.Contains(right.Text))) body.Problem(right.Line, $"{right.Text} is no right, must be one of {string.Join(", ", AutomationLaw.Known)}");
            laws.Add(new AutomationLaw(name.Text, body.Wording("law"), [.. rights.Select(right => right.Text)]));
            body.Done();
        }

        return laws;
    }

    private ModelTerms? Terms(Section body)
    {
        var (title, logic, consequences) = (Said(body, "title"), Said(body, "logic"), Said(body, "consequences"));
        var (purpose, kept) = (Purpose(body, "purpose"), Kept(body));
        var terms = new ModelTerms(title, logic, consequences, purpose!, kept!)
        {
            Versions = Versions(body), Roles = Roles(body, "roles", some: true), Inputs = Inputs(body), Derives = Derives(body), Kind = body.Choice("kind", Kinds),
            Outcomes = Codes(body, "outcomes"), Factors = body.Has("factors") ? Codes(body, "factors") : [], Solely = body.Flag("solely", true), Significant = body.Flag("significant", true),
            Ground = Ground(body), Special = Special(body), Review = Review(body), Assessment = body.OptionalText("assessment"), Owner = body.Text("owner"), Contact = body.Text("contact"),
        };
        return purpose is null || kept is null ? null : terms;
    }

    private Purpose? Purpose(Section body, string key)
    {
        var name = body.Text(key);
        var purpose = words.Purposes.Find(name);
        if (purpose is null && name.Length > 0) body.Problem(body.LineOf(key), $"unknown purpose {name}");
        return purpose;
    }

    private RetentionRule? Kept(Section body)
    {
        var name = body.Text("retention");
        var rule = retention.FirstOrDefault(one => one.Name == name);
        if (rule is null && name.Length > 0) body.Problem(body.LineOf("retention"), $"unknown retention rule {name}");
        return rule;
    }

    private static List<string> Versions(Section body)
    {
        var versions = body.SomeWords("versions");
        if (versions.Count > MostVersions) body.Problem(body.LineOf("versions"), $"more than {MostVersions} versions");
        foreach (var version in versions.Where(version => version.Text.Length is 0 or > LongestName || version.Text.Any(letter => letter is <= ' ' or > '~')))
            body.Problem(version.Line, $"a version has 1 to {LongestName} characters, none of them a blank");
        return [.. versions.Select(version => version.Text)];
    }

    private List<string> Roles(Section body, string key, bool some)
    {
        var roles = some ? body.SomeWords(key) : body.Words(key);
        foreach (var role in roles.Where(role => words.Roles.Find(role.Text) is null)) body.Problem(role.Line, $"unknown role {role.Text}");
        return [.. roles.Select(role => role.Text)];
    }

    private List<CatalogueItem> Inputs(Section body)
    {
        var inputs = new List<CatalogueItem>();
        foreach (var name in body.SomeWords("inputs"))
        {
            if (Item(name.Text) is { } item) inputs.Add(item);
            else body.Problem(name.Line, $"unknown field or event type {name.Text}");
        }

        return inputs;
    }

    private List<FieldDefinition> Derives(Section body)
    {
        var fields = new List<FieldDefinition>();
        foreach (var name in body.Words("derives"))
        {
            if (words.Catalogue.Find(name.Text) is { } field) fields.Add(field);
            else body.Problem(name.Line, $"unknown field {name.Text}");
        }

        return fields;
    }

    private CatalogueItem? Item(string name) => name.StartsWith(EventTypeDefinition.Prefix, StringComparison.Ordinal)
        ? words.Events.Find(name[EventTypeDefinition.Prefix.Length..]) : words.Catalogue.Find(name);

    private static List<ModelWord> Codes(Section body, string key)
    {
        var (codes, taken) = (new List<ModelWord>(), new Taken());
        foreach (var (code, text) in body.Named(key))
        {
            if (code.Text.Length > LongestName) text.Problem(code.Line, $"{code.Text} is longer than {LongestName} characters");
            if (taken.Claim(text, code)) codes.Add(new ModelWord(code.Text, Said(body.OptionalMap(key)!, code.Text)));
        }

        if (codes.Count == 0) body.Problem(body.LineOf(key), $"{key} must name at least one");
        return codes;
    }

    private AutomationGround? Ground(Section body)
    {
        if (body.OptionalMap("ground") is not { } section) return null;
        var basis = section.Choice("basis", AutomationGround.Bases);
        var isConsent = basis == AutomationGround.ExplicitConsent;
        if (isConsent && section.Has("reference")) section.Problem(section.LineOf("reference"), "a consent has no reference: it names the purpose that is consented to");
        if (!isConsent && section.Has("consent")) section.Problem(section.LineOf("consent"), $"the ground {basis} asks for no consent");
        var consent = isConsent ? Purpose(section, "consent") : null;
        var reference = isConsent ? null : section.Text("reference");
        section.Done();
        return new AutomationGround(basis, reference, consent);
    }

    private static string? Special(Section body) => body.Has("special") ? body.Choice("special", [AutomationGround.ExplicitConsent, AutomatedModel.PublicInterest]) : null;

    private ReviewTerms Review(Section body)
    {
        if (body.OptionalMap("review") is not { } section) return ReviewTerms.Usual;
        var review = new ReviewTerms(Roles(section, "roles", some: true), Roles(section, "operators", some: false), section.OptionalNumber("days", 1, 366));
        section.Done();
        return review;
    }

    private static Wording Said(Section body, string key)
    {
        var said = body.Wording(key);
        if (said.All.Any(one => one.Text.Length > LongestText)) body.Problem(body.LineOf(key), $"{key} is longer than {LongestText} characters");
        return said;
    }
}
