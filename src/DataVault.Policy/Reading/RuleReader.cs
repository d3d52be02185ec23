using DataVault.Policy.Yaml;

namespace DataVault.Policy.Reading;

/// <summary>Reads access/*.yaml. Every name must be known: a rule about something else than was meant is worse than none.</summary>
internal sealed class RuleReader(Catalogue catalogue, TrackingPlan plan, PurposeRegistry purposes, RoleRegistry roles, ConditionReader conditions)
{
    private const int MostRules = 4096;

    /// <summary>Of role, purpose, action and item, over all rules: what compiling has to go through, and about a second of it.</summary>
    private const long MostCombinations = 200_000_000;

    /// <summary>Of role, purpose and item: what the table must have room for.</summary>
    private const long MostCells = 3_000_000;

    private readonly HashSet<string> ids = new(StringComparer.Ordinal);
    private readonly Dictionary<Role, int> heirs = roles.All.ToDictionary(role => role, role => roles.All.Count(other => roles.Lineage(other).Contains(role)));

    public IReadOnlyList<Rule> Rules(IReadOnlyList<Section> files)
    {
        var rules = new List<Rule>();
        foreach (var file in files)
        {
            foreach (var body in file.Listed("rules"))
            {
                if (rules.Count == MostRules)
                {
                    file.Problem(body.Line, $"more than {MostRules} rules");
                    return rules;
                }

                rules.Add(Rule(body));
                body.Done();
            }

            file.Done();
            if (rules.Sum(Combinations) > MostCombinations) file.Problem(file.Line, $"the rules up to here speak of more than {MostCombinations} combinations of role, purpose, action and item");
        }

        var cells = (long)roles.All.Count * purposes.All.Count * (catalogue.Fields.Count + plan.Types.Count);
        if (cells > MostCells && files.Count > 0) files[0].Problem(0, $"roles times purposes times fields and event types are more than {MostCells}");
        return [.. rules.OrderBy(rule => rule.Id, StringComparer.Ordinal)];
    }

    private long Combinations(Rule rule) => (long)rule.Roles.Sum(role => heirs[role]) * rule.Purposes.Count * rule.Actions.Count * rule.Items.Count;

    private Rule Rule(Section body)
    {
        var id = body.Text("id");
        if (id.Length > 0 && !Names.IsName(id)) body.Problem(body.LineOf("id"), $"{id} is not a name: letters, digits and hyphens, at most 64");
        if (!ids.Add(id) && id.Length > 0) body.Problem(body.LineOf("id"), $"the rule {id} is declared twice");
        var forbids = body.Choice("effect", ["permit", "forbid"], "permit") == "forbid";
        var actions = Actions(body);
        var rule = new Rule(id, body.File, body.Line)
        {
            Why = body.Text("why"),
            Forbids = forbids,
            Roles = Resolve(body, "roles", roles.All, roles.Find),
            Purposes = Resolve(body, "purposes", purposes.All, purposes.Find),
            Items = Items(body),
            Actions = actions,
            Form = FormOf(body, forbids, actions),
            Guard = Condition(body, forbids),
            Obligations = Obligations(body, forbids),
        };
        foreach (var missing in rule.Actions.Contains(AccessAction.Read) ? rule.MissingInEmergency : []) body.Problem(body.Line, $"{id}: is for an emergency and lacks the obligation {missing}");
        return rule.Grounded(purposes);
    }

    private static List<AccessAction> Actions(Section body)
    {
        var actions = new List<AccessAction>();
        foreach (var word in body.SomeWords("actions"))
        {
            if (ActionNames.TryParse(word.Text, out var action)) actions.Add(action);
            else body.Problem(word.Line, $"unknown action {word.Text}, must be one of {string.Join(", ", ActionNames.All)}");
        }

        return actions;
    }

    private static List<T> Resolve<T>(Section body, string key, IReadOnlyList<T> all, Func<string, T?> find) where T : class
    {
        var words = body.SomeWords(key);
        if (words.Count == 1 && words[0].Text == "all") return [.. all];
        var found = new List<T>();
        foreach (var word in words)
        {
            if (find(word.Text) is { } item) found.Add(item);
            else body.Problem(word.Line, $"unknown name {word.Text} in {key}");
        }

        return found;
    }

    private List<CatalogueItem> Items(Section body)
    {
        if (!body.Has("fields") && !body.Has("events")) body.Problem(body.Line, "a rule names fields or events");
        var chosen = new List<CatalogueItem>();
        foreach (var word in body.Words("fields")) chosen.AddRange(Select(body, word, catalogue.Fields, name => catalogue.Find(name)));
        foreach (var word in body.Words("events")) chosen.AddRange(Select(body, word, plan.Types, name => plan.Find(name)));
        var items = chosen.Distinct().ToList();
        foreach (var word in body.Words("except"))
        {
            HashSet<CatalogueItem> excepted = [.. Select(body, word, [.. catalogue.Fields, .. plan.Types], name => (CatalogueItem?)catalogue.Find(name) ?? plan.Find(name))];
            if (items.RemoveAll(excepted.Contains) == 0) body.Problem(word.Line, $"{word.Text} is excepted but was not chosen");
        }

        return items;
    }

    /// <summary>A name, <c>class:</c> and a class, <c>category:</c> and a category, or <c>all</c>. One that selects nothing is a mistake.</summary>
    private CatalogueItem[] Select(Section body, Word word, IReadOnlyList<CatalogueItem> from, Func<string, CatalogueItem?> find)
    {
        CatalogueItem[] selected = word.Text.Split(':', 2) switch
        {
            ["all"] => [.. from],
            ["class", var name] when catalogue.Classes.Any(item => item.Name == name) => [.. from.Where(item => item.Class.Name == name)],
            ["category", var name] => [.. from.Where(item => item.Category == name)],
            _ => find(word.Text) is { } item ? [item] : [],
        };
        if (selected.Length == 0) body.Problem(word.Line, $"{word.Text} names no field or event");
        return selected;
    }

    private static Form FormOf(Section body, bool forbids, List<AccessAction> actions)
    {
        var discloses = actions.Any(ActionNames.Discloses);
        if (forbids || !discloses)
        {
            if (body.OptionalText("form") is not null) body.Problem(body.LineOf("form"), "only a permit to read, export or feed has a form");
            return Form.Withheld;
        }

        var form = body.Choice<Form>("form");
        if (form == Form.Withheld && body.Has("form")) body.Problem(body.LineOf("form"), "a permit gives a form; to withhold, write no rule or a forbid");
        if (body.Has("events") && form is Form.Masked or Form.Token) body.Problem(body.LineOf("form"), "events are given plain or generalised");
        if (actions.Contains(AccessAction.Export) && form != Form.Plain && body.Has("form")) body.Problem(body.LineOf("form"), "a package holds plain values, so a rule that exports has the form plain");
        if (actions.Contains(AccessAction.Feed) && form != Form.Generalised) body.Problem(body.LineOf("form"), "analytics is fed generalised values");
        return form;
    }

    private Guard Condition(Section body, bool forbids)
    {
        var (key, other) = forbids ? ("unless", "when") : ("when", "unless");
        if (body.Has(other)) body.Problem(body.LineOf(other), forbids ? "a forbid has exceptions (unless), no conditions" : "a permit has conditions (when), no exceptions");
        _ = body.OptionalMap(other);
        return body.OptionalMap(key) is { } inner ? conditions.Guard(inner, key, purposes) : Guard.Always;
    }

    private static List<string> Obligations(Section body, bool forbids)
    {
        var words = body.Words("obligations");
        if (forbids && words.Count > 0) body.Problem(body.LineOf("obligations"), "a forbid has no obligations");
        foreach (var word in words.Where(word => !ObligationNames.All.Contains(word.Text)))
        {
            body.Problem(word.Line, $"unknown obligation {word.Text}, must be one of {string.Join(", ", ObligationNames.All)}");
        }

        return [.. words.Select(word => word.Text).Where(ObligationNames.All.Contains)];
    }
}
