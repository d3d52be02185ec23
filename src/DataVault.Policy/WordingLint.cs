namespace DataVault.Policy;

/// <summary>
/// Finds texts that some people can read in their language and others of the policy's languages cannot. A plain text is in one language because somebody wanted it so; one that was translated and
/// has not every language was forgotten.
/// </summary>
internal sealed class WordingLint(PolicySet policy)
{
    public IEnumerable<(string File, string Message)> Findings()
    {
        var texts = Texts().ToList();
        var spoken = texts.Where(text => text.Languages.Count > 1).SelectMany(text => text.Languages).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        return from text in texts
               where text.Languages.Count > 1 || text.MustBeRead
               let missing = spoken.Except(text.Languages).ToList()
               where missing.Count > 0
               select (text.File, $"{text.What} is not there in {string.Join(", ", missing)}, which other texts are in");
    }

    private IEnumerable<Translated> Texts() =>
    [
        .. policy.Catalogue.Classes.SelectMany(one => Of("catalogue.yaml", $"the label of the class {one.Name}", one.Labels)),
        .. policy.Catalogue.Fields.SelectMany(field => Of("catalogue.yaml", $"the label of {field.Name}", field.Labels)),
        .. policy.Events.Types.SelectMany(type => Of("events.yaml", $"the label of {type.Type}", type.Labels)),
        .. policy.Events.Types.SelectMany(type => type.Properties.SelectMany(property => Of("events.yaml", $"the label of {type.Type}.{property.Name}", property.Labels))),
        .. policy.Purposes.All.SelectMany(purpose => Of("purposes.yaml", $"the title of {purpose.Name}", purpose.Titles)),
        .. policy.Purposes.All.Select(Notice),
        .. policy.Roles.All.SelectMany(role => Of("roles.yaml", $"the title of {role.Name}", role.Titles)),
        .. policy.Retention.SelectMany(rule => Of("retention.yaml", $"the title of {rule.Name}", rule.Titles)),
        .. policy.Retention.SelectMany(rule => Of("retention.yaml", $"the ground of {rule.Name}", rule.Grounds)),
        .. policy.People.Residencies.Concat(policy.People.Brands).Concat(policy.People.Relations).SelectMany(trait => Of("people.yaml", $"the title of {trait.Name}", trait.Titles)),
        .. policy.Jurisdictions.All.SelectMany(law => Of("jurisdictions.yaml", $"the title of {law.Name}", law.Titles)),
        .. policy.Models.Laws.SelectMany(law => Of(AutomatedLint.File, $"the law of {law.Jurisdiction}", law.Law)),
        .. policy.Models.All.SelectMany(model => Of(AutomatedLint.File, $"the title of {model.Name}", model.Title)),
        .. policy.Models.All.SelectMany(model => Of(AutomatedLint.File, $"the logic of {model.Name}", model.Logic)),
        .. policy.Models.All.SelectMany(model => Of(AutomatedLint.File, $"the consequences of {model.Name}", model.Consequences)),
        .. policy.Models.All.SelectMany(model => model.Outcomes.Concat(model.Factors).SelectMany(one => Of(AutomatedLint.File, $"{one.Code} of {model.Name}", one.Title))),
        .. policy.Analytics.SelectMany(domain => Of("analytics.yaml", $"the title of {domain.Name}", domain.Titles)),
    ];

    // A consent to a text that the person could not read is none: whoever reads what is asked in their language reads the notice in it too.
    private static Translated Notice(Purpose purpose) => new(
        "purposes.yaml", $"the notice of {purpose.Name}", [.. purpose.Notices.Select(notice => notice.Language)], purpose is { NeedsConsent: true, Notices.Count: > 0, Titles.All.Count: > 1 });

    private static IEnumerable<Translated> Of(string file, string what, Wording? wording) =>
        wording is null ? [] : [new Translated(file, what, [.. wording.Languages], MustBeRead: false)];

    private sealed record Translated(string File, string What, IReadOnlyList<string> Languages, bool MustBeRead);
}
