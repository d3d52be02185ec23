using System.Collections.Frozen;
using System.Globalization;
using DataVault.Policy.Yaml;

namespace DataVault.Policy.Reading;

/// <summary>Reads people.yaml: the words for what may be said of a person besides the fields.</summary>
internal static class PeopleReader
{
    public static PeopleRegistry People(Section? section)
    {
        var people = new PeopleRegistry(Traits(section, "residencies"), Traits(section, "brands"), Traits(section, "relations"));
        section?.Done();
        return people;
    }

    private static List<NamedTrait> Traits(Section? section, string key)
    {
        var traits = new List<NamedTrait>();
        if (section?.Has(key) != true) return traits;
        var taken = new Taken();
        foreach (var (name, body) in section.Named(key))
        {
            var trait = new NamedTrait(name.Text, body.Wording("title"));
            if (name.Text.Any(char.IsAsciiLetterUpper)) body.Problem(name.Line, $"{name.Text} is not written in small letters");
            body.Done();
            if (taken.Claim(body, name)) traits.Add(trait);
        }

        return [.. traits.OrderBy(trait => trait.Name, StringComparer.Ordinal)];
    }
}

/// <summary>Reads the conditions of rules and the reach of roles. A closed list: each is one that every question about a policy can enumerate.</summary>
internal sealed class ConditionReader(PeopleRegistry people, JurisdictionTable jurisdictions)
{
    /// <summary>Months in a century: no record is older.</summary>
    private const int MostMonths = 1200;

    /// <summary>The parts that are about the person's traits and relations, from whatever mapping they stand in.</summary>
    public PersonCircle Circle(Section body) => new(
        Known(body, "jurisdiction", name => jurisdictions.Find(name) is not null),
        Known(body, "residency", people.IsResidency),
        Known(body, "brand", people.IsBrand),
        Known(body, "relation", people.IsRelation));

    /// <param name="inner">What stands under <c>when</c> or <c>unless</c>.</param>
    /// <param name="key">Which of the two.</param>
    /// <param name="purposes">The purposes there are.</param>
    public Guard Guard(Section inner, string key, PurposeRegistry purposes)
    {
        var consents = Consents(inner, purposes);
        var guard = new Guard
        {
            OwnRecord = inner.Flag("ownRecord", false),
            Assurance = inner.Choice("assurance", ["password", "mfa"], "password") == "mfa" ? Recipient.MultiFactor : Recipient.Password,
            Consents = consents,
            Guarded = consents.Where(id => purposes.ById(id)?.Child is not null).ToFrozenSet(),
            Circle = Circle(inner),
            Child = inner.Has("child") ? inner.Flag("child", false) : null,
            Age = inner.OptionalMap("recordAge") is { } age ? Age(age) : null,
            Time = inner.OptionalMap("time") is { } time ? Time(time) : null,
        };
        inner.Done();
        if (guard.IsAlways && !inner.Has("time")) inner.Problem(inner.Line, $"{key} says nothing");
        return guard;
    }

    /// <summary>The reach of a role: <c>all</c>, or a list of circles of which the person must be in one; null where the role says nothing.</summary>
    public IReadOnlyList<PersonCircle>? Reach(Section role)
    {
        const string Key = "reach";
        if (!role.Has(Key)) return null;
        if (role.IsText(Key))
        {
            role.Choice(Key, ["all"]);
            return [];
        }

        var circles = new List<PersonCircle>();
        foreach (var body in role.Listed(Key))
        {
            var circle = Circle(body);
            if (circle.IsEverybody) body.Problem(body.Line, "a circle of everybody: write reach: all");
            circles.Add(circle);
            body.Done();
        }

        if (circles.Count == 0) role.Problem(role.LineOf(Key), "reach is all, or names at least one circle");
        return circles;
    }

    private static List<int> Consents(Section inner, PurposeRegistry purposes)
    {
        var ids = new List<int>();
        foreach (var word in inner.Has("consent") ? inner.SomeWords("consent") : [])
        {
            if (purposes.Find(word.Text) is not { } purpose) inner.Problem(word.Line, $"unknown name {word.Text} in consent");
            else if (!purpose.NeedsConsent) inner.Problem(word.Line, $"{purpose.Name} does not rest on consent");
            else ids.Add(purpose.Id);
        }

        return [.. ids.Order()];
    }

    private static List<string> Known(Section body, string key, Func<string, bool> isKnown)
    {
        if (!body.Has(key)) return [];
        var words = body.SomeWords(key);
        foreach (var word in words.Where(word => !isKnown(word.Text))) body.Problem(word.Line, $"unknown {key} {word.Text}");
        return [.. words.Select(word => word.Text).Order(StringComparer.Ordinal)];
    }

    private static RecordAge Age(Section body)
    {
        var age = new RecordAge(body.OptionalNumber("olderThanMonths", 1, MostMonths), body.OptionalNumber("youngerThanMonths", 1, MostMonths));
        if (!body.Has("olderThanMonths") && !body.Has("youngerThanMonths")) body.Problem(body.Line, "recordAge says olderThanMonths, youngerThanMonths or both");
        body.Done();
        return age;
    }

    private static TimeWindow? Time(Section body)
    {
        var days = new List<int>();
        foreach (var word in body.Has("days") ? body.SomeWords("days") : [])
        {
            var day = Array.IndexOf(TimeWindow.DayNames, word.Text);
            if (day < 0) body.Problem(word.Line, $"{word.Text} is not one of {string.Join(", ", TimeWindow.DayNames)}");
            else days.Add(day);
        }

        var (from, to) = (Minute(body, "from", 0), Minute(body, "to", TimeWindow.MinutesOfDay));
        if (from == to || (from == TimeWindow.MinutesOfDay && to == 0)) body.Problem(body.LineOf("from"), "from and to are the same");
        else if (!body.Has("days") && (to - from) % TimeWindow.MinutesOfDay == 0) body.Problem(body.Line, "time says nothing");
        var name = body.Text("zone");
        var zone = Names.Zone(name);
        if (zone is null && name.Length > 0) body.Problem(body.LineOf("zone"), $"unknown time zone {name}: an IANA name, such as Europe/Brussels");
        body.Done();
        return zone is null || from == to ? null : new TimeWindow(days.Count == 0 ? [0, 1, 2, 3, 4, 5, 6] : [.. days.Distinct()], from, to, zone);
    }

    /// <summary>A clock time such as <c>08:30</c>, or <c>24:00</c> for the end of the day.</summary>
    private static int Minute(Section body, string key, int otherwise)
    {
        if (body.OptionalText(key) is not { } text) return otherwise;
        if (text == "24:00") return TimeWindow.MinutesOfDay;
        if (TimeOnly.TryParseExact(text, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out var time)) return (time.Hour * 60) + time.Minute;
        body.Problem(body.LineOf(key), $"{key} is {text}, must be a clock time from 00:00 to 24:00");
        return otherwise;
    }
}
