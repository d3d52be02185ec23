using System.Globalization;
using DataVault.Policy.Yaml;

namespace DataVault.Policy.Reading;

/// <summary>Reads what purposes.yaml says of consent: notices in their languages, renewal, children, signals, the controller.</summary>
internal static class ConsentReader
{
    private const int LongestNotice = 8_000;

    public static ConsentTerms Terms(Section body, string notice, string version) => new()
    {
        Notices = Notices(body, notice, version),
        RenewalDays = body.OptionalNumber("renewalDays", 1, 365),
        Child = body.OptionalMap("child") is { } child ? Child(child) : null,
        Gpc = body.Flag("gpc", false),
    };

    public static PurposesHead Head(Section? section)
    {
        if (section is null) return new PurposesHead(null, null);
        ControllerIdentity? controller = null;
        if (section.OptionalMap("controller") is { } who)
        {
            controller = new ControllerIdentity(who.Text("name"), who.Text("address"), who.Text("contact"));
            who.Done();
        }

        if (section.OptionalText("gpcSince") is not { } since) return new PurposesHead(controller, null);
        if (DateOnly.TryParseExact(since, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day)) return new PurposesHead(controller, day);
        section.Problem(section.LineOf("gpcSince"), $"{since} is not a date");
        return new PurposesHead(controller, null);
    }

    private static List<NoticeText> Notices(Section body, string notice, string version)
    {
        var own = body.OptionalText("noticeLanguage") ?? Wording.UsualLanguage;
        if (!Wording.IsLanguage(own)) body.Problem(body.LineOf("noticeLanguage"), $"{own} is not a language tag such as en or de-CH");
        var all = new List<NoticeText>();
        if (notice.Length > 0) all.Add(new NoticeText(version, own, notice));
        foreach (var (language, text) in body.OptionalMap("notices")?.Texts() ?? [])
        {
            if (!Wording.IsLanguage(language.Text)) body.Problem(language.Line, $"{language.Text} is not a language tag such as en or de-CH");
            if (language.Text == own) body.Problem(language.Line, $"the notice in {own} stands under notice");
            if (notice.Length == 0) body.Problem(language.Line, "a notice in another language needs one under notice");
            all.Add(new NoticeText(version, language.Text, text));
        }

        foreach (var one in all.Where(one => one.Text.Length > LongestNotice)) body.Problem(body.Line, $"the notice in {one.Language} is longer than {LongestNotice} characters");
        return all;
    }

    private static ChildRule Child(Section body)
    {
        var age = body.Number("age", 1, 21);
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (place, text) in body.OptionalMap("in")?.Texts() ?? [])
        {
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var there) && there is >= 1 and <= 21) places[place.Text] = there;
            else body.Problem(place.Line, $"{text} is not an age from 1 to 21");
        }

        var unknown = body.Choice("unknown", ["adult", "child"], "adult");
        body.Done();
        return new ChildRule(age, places, unknown == "child");
    }
}
