using System.Collections.Frozen;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>What a draft is about.</summary>
/// <param name="Audience">A word of <see cref="BreachNotices.Audiences"/>.</param>
/// <param name="Language">A word of <see cref="BreachNotices.Languages"/>.</param>
public sealed record NoticeQuery(string Audience, string Language)
{
    /// <summary>Of a report to the authority: a word of <see cref="BreachWords.Phases"/>.</summary>
    public string Phase { get; init; } = BreachWords.Initial;

    /// <summary>Of a notice to a controller, which.</summary>
    public string? Controller { get; init; }

    /// <summary>Why the report is late, if it is.</summary>
    public string? LateReason { get; init; }
}

/// <summary>
/// Drafts of what is said of a breach, filled from its case: to the authority with what GDPR 33(3) wants, to the people in plain words (34(2)), to a controller (33(2)). The texts
/// are files beside this one.
/// <code>
/// {{name}}        the value of that name
/// ?name a line    stands there when there is such a value
/// !name a line    stands there when there is none
/// </code>
/// </summary>
internal static partial class BreachNotices
{
    public const string Authority = BreachWords.AboutAuthority;
    public const string People = BreachWords.AboutPeople;
    public const string Controller = BreachWords.Controller;

    public static readonly IReadOnlyList<string> Audiences = [Authority, People, Controller];
    public static readonly IReadOnlyList<string> Languages = ["en", "de", "fr", "zh"];

    private static readonly FrozenDictionary<string, Dictionary<string, string>> Words =
        JsonSerializer.Deserialize<Dictionary<string, Dictionary<string, string>>>(Resource("words.json"))!.ToFrozenDictionary(StringComparer.Ordinal);

    private static readonly FrozenDictionary<string, string> Texts = (
        from audience in Audiences
        from language in Languages
        select KeyValuePair.Create(NameOf(audience, language), Resource(NameOf(audience, language)))).ToFrozenDictionary(StringComparer.Ordinal);

    [GeneratedRegex(@"\{\{([A-Za-z]+)\}\}", RegexOptions.CultureInvariant)]
    private static partial Regex Place();

    [GeneratedRegex("^([?!])([A-Za-z]+) ", RegexOptions.CultureInvariant)]
    private static partial Regex Condition();

    [GeneratedRegex("(?<=[a-z])(?=[A-Z])", RegexOptions.CultureInvariant)]
    private static partial Regex Hump();

    public static string Draft(BreachCase of, NoticeQuery query, PolicySet policy, Jurisdiction regime)
    {
        var values = Values(of, query, policy, regime);
        var text = new StringBuilder();
        foreach (var line in Texts[NameOf(query.Audience, query.Language)].Split('\n'))
        {
            var condition = Condition().Match(line);
            if (condition.Success && (condition.Groups[1].Value == "?") != values.GetValueOrDefault(condition.Groups[2].Value) is { Length: > 0 }) continue;
            // What is put in is not looked at again: words of an officer are words, whatever they look like.
            text.Append(Place().Replace(line[condition.Length..], place => values.GetValueOrDefault(place.Groups[1].Value) ?? "")).Append('\n');
        }

        return text.ToString().Trim() + "\n";
    }

    private static Dictionary<string, string?> Values(BreachCase of, NoticeQuery query, PolicySet policy, Jurisdiction regime)
    {
        var (found, words, opening) = (of.Findings, Words[query.Language], of.Opening!);
        string List(IEnumerable<string>? all) => string.Join(words["listSeparator"], all ?? []);
        string? Word(string? word) => word is null ? null : words.GetValueOrDefault(word) ?? word;
        string? Number(long? number) => number?.ToString("N0", CultureInfo.InvariantCulture).Replace(",", words["thousands"], StringComparison.Ordinal);
        string? At(DateTimeOffset? at) => at is { } moment ? LocalTime(moment, opening.Zone, words) : null;
        var (breach, controller, impact) = (regime.Breach, policy.Purposes.Controller, of.Impact);
        return new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["authority"] = breach.Authority?.Name, ["authorityAddress"] = breach.Authority?.Address, ["authorityWeb"] = breach.Authority?.Web,
            ["case"] = of.Id.ToString("D"), ["phase"] = Word(query.Phase), ["reference"] = of.Reports.LastOrDefault(report => report.Reference is not null)?.Reference,
            ["controller"] = controller?.Name, ["controllerAddress"] = controller?.Address, ["client"] = query.Controller,
            ["contact"] = breach.Contact is { } contact ? List(new[] { contact.Name, contact.Email, contact.Phone }.OfType<string>()) : controller?.Contact,
            ["aware"] = At(opening.AwareAt), ["suspected"] = At(opening.SuspectedAt), ["due"] = of.Reports.Count == 0 ? At(of.DueAt) : null, ["late"] = query.LateReason,
            ["natures"] = List(opening.Natures.Select(Word).OfType<string>()), ["description"] = opening.Description,
            ["first"] = At(impact?.First), ["last"] = At(impact?.Last), ["peopleCategories"] = List(found.PeopleCategories ?? [words["customers"]]),
            ["people"] = Number(found.People), ["records"] = Number(found.Records), ["categories"] = List(found.Categories?.Select(category => Word(category) is { } word && word != category ? word : Readable(category))),
            ["special"] = found.Special is { } special ? words[special ? "yes" : "no"] : null,
            ["places"] = List(found.Places?.OrderByDescending(place => place.Value).Select(place => $"{TitleOf(place.Key, policy, query.Language, words)} {Number(place.Value)}")),
            ["items"] = List(impact?.Items.Keys.Select(item => ((CatalogueItem?)policy.Catalogue.Find(item) ?? policy.Events.Find(item))?.Labels.In(query.Language).Text ?? item)),
            ["keyState"] = Word(found.KeyState),
            ["evidence"] = impact is null ? null : string.Format(CultureInfo.InvariantCulture, words["entries"], Number(impact.Size), impact.Root),
            ["consequences"] = found.Consequences, ["measures"] = found.Measures, ["risk"] = Word(found.Risk), ["riskReasons"] = found.RiskReasons,
            ["peopleTold"] = of.PeopleDecision is { } decision ? string.Format(CultureInfo.InvariantCulture, words[decision.Outcome], decision.Reason) : null,
            ["missing"] = List(of.Missing.Select(Word).OfType<string>()),
        };
    }

    private static string LocalTime(DateTimeOffset at, string zone, Dictionary<string, string> words)
    {
        var local = TimeZoneInfo.ConvertTime(at, TimeZoneInfo.FindSystemTimeZoneById(zone));
        return string.Format(CultureInfo.InvariantCulture, words["instant"], local.Day, words["months"].Split('|')[local.Month - 1], local.Year, local.ToString("HH:mm", CultureInfo.InvariantCulture), zone);
    }

    private static string TitleOf(string place, PolicySet policy, string language, Dictionary<string, string> words) =>
        (policy.People.Residencies.FirstOrDefault(one => one.Name == place)?.Titles ?? policy.Jurisdictions.Find(place)?.Titles)?.In(language).Text ?? words.GetValueOrDefault(place) ?? place;

    // A category that the words do not know, as the vocabulary calls it: pd:EmailAddress, email address.
    private static string Readable(string category)
    {
        var term = category[(category.IndexOf(':', StringComparison.Ordinal) + 1)..];
        return string.Join(' ', Hump().Split(term)).ToLowerInvariant();
    }

    private static string NameOf(string audience, string language) => $"{audience}.{language}.txt";

    private static string Resource(string name)
    {
        using var stream = typeof(BreachNotices).Assembly.GetManifestResourceStream("breach/" + name) ?? throw new InvalidOperationException($"The text {name} is not built in.");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
