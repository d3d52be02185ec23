using System.Text.RegularExpressions;

namespace DataVault.Policy;

/// <summary>What a number of the policy stands for, or stood for in some version before.</summary>
/// <param name="Kind"><c>field</c>, <c>event</c>, <c>class</c> or <c>purpose</c>.</param>
/// <param name="Id">The number.</param>
/// <param name="Name">Its name.</param>
public sealed record PolicyMeaning(string Kind, int Id, string Name)
{
    /// <summary>Everything that a version gives a number to.</summary>
    public static IReadOnlyList<PolicyMeaning> Of(PolicySet policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        return
        [
            .. policy.Catalogue.Fields.Select(field => new PolicyMeaning("field", field.Id, field.Name)),
            .. policy.Catalogue.Classes.Select(one => new PolicyMeaning("class", one.Id, one.Name)),
            .. policy.Events.Types.Select(type => new PolicyMeaning("event", type.Id, type.Type)),
            .. policy.Purposes.All.Select(purpose => new PolicyMeaning("purpose", purpose.Id, purpose.Name)),
        ];
    }
}

/// <summary>A change to what people were told or agreed to. It comes into force only when whoever activates the version names it.</summary>
/// <param name="Name">What is named: <c>purpose-gone:</c> or <c>basis-changed:</c> and the purpose.</param>
/// <param name="Mark">The same with the purpose's number, for the log.</param>
/// <param name="Purpose">The purpose, as it was.</param>
/// <param name="Unnamed">What is wrong while it is not named.</param>
public sealed record WeightyChange(string Name, string Mark, Purpose Purpose, PolicyProblem Unnamed);

/// <summary>
/// Whether one version may follow another over the same data. Numbers are sealed into records, consents and the log for ever: one that came to mean something
/// else would make all of these lie. So would a field that left and came back as something else: what left is asked of the versions that had it.
/// </summary>
/// <param name="known">Every meaning of every version so far.</param>
/// <param name="now">The version in force.</param>
/// <param name="next">The version proposed.</param>
/// <param name="earlier">Versions before the one in force, newest first, as far as <paramref name="next"/> brings back what was in them (<see cref="Returning"/>).</param>
/// <param name="files">Files of the version proposed, to name the line.</param>
public sealed class PolicySuccession(
    IReadOnlyCollection<PolicyMeaning> known, PolicySet now, PolicySet next, IReadOnlyList<PolicySet> earlier, IReadOnlyDictionary<string, string> files)
{
    private const string Gone = "purpose-gone:";
    private const string BasisChanged = "basis-changed:";

    private readonly PolicyPlaces place = new(files);

    /// <summary>What was in some version, is not in the one in force, and comes back.</summary>
    public static IReadOnlyList<PolicyMeaning> Returning(IReadOnlyCollection<PolicyMeaning> known, PolicySet now, PolicySet next) =>
        [.. PolicyMeaning.Of(next).Intersect(known).Except(PolicyMeaning.Of(now))];

    /// <summary>What forbids the version to follow.</summary>
    public IReadOnlyList<PolicyProblem> Problems()
    {
        var meanings = known.Concat(PolicyMeaning.Of(now)).GroupBy(one => (one.Kind, one.Id)).ToDictionary(group => group.Key, group => group.First().Name);
        return
        [
            .. PolicyMeaning.Of(next).Where(one => meanings.TryGetValue((one.Kind, one.Id), out var name) && name != one.Name)
                .Select(one => place.Problem(one.Kind, one.Name, $"the {one.Kind} {one.Name} has the id {one.Id}, which is {meanings[(one.Kind, one.Id)]} for ever: give it another")),
            .. next.Items.SelectMany(Sealed),
            .. next.Purposes.All.SelectMany(Notices),
        ];
    }

    /// <summary>Fields and event types of the version in force that the next has no more.</summary>
    public IReadOnlyList<CatalogueItem> Retired()
    {
        var kept = next.Items.Select(item => item.Code).ToHashSet();
        return [.. now.Items.Where(item => !kept.Contains(item.Code))];
    }

    /// <summary>Changes that have to be named. A purpose that goes is among them whether or not anybody ever agreed to it.</summary>
    public IReadOnlyList<WeightyChange> Weighty() =>
    [
        .. now.Purposes.All.Where(purpose => next.Purposes.ById(purpose.Id) is null).Select(purpose => Named(
            Gone, purpose, $"the purpose {purpose.Name} is gone although consents or entries of the log name it: whoever agreed to it can neither see nor withdraw that any more. Keep it")),
        .. from purpose in next.Purposes.All
           let before = Before(policy => policy.Purposes.ById(purpose.Id))
           where before is not null && (before.LegalBasis, before.SpecialBasis) != (purpose.LegalBasis, purpose.SpecialBasis)
           select Named(BasisChanged, before, $"the purpose {purpose.Name} rested on {PolicyDiff.BasisOf(before)} and would rest on {PolicyDiff.BasisOf(purpose)}: people were told otherwise. Make it a purpose of its own"),
    ];

    private WeightyChange Named(string what, Purpose purpose, string why) => new(
        what + purpose.Name, string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{what}{purpose.Id}"), purpose,
        place.Problem("purpose", purpose.Name, $"{why}, or acknowledge {what}{purpose.Name}"));

    /// <summary>What the newest version that had it said.</summary>
    private T? Before<T>(Func<PolicySet, T?> of) where T : class => of(now) ?? earlier.Select(of).FirstOrDefault(found => found is not null);

    private IEnumerable<PolicyProblem> Sealed(CatalogueItem item)
    {
        var kind = item is FieldDefinition ? "field" : "event";
        if (Before(policy => policy.Items.FirstOrDefault(one => one.Code == item.Code)) is not { } before)
        {
            if (known.Contains(new PolicyMeaning(kind, item.Id, Bare(item))))
                yield return place.Problem(kind, Bare(item), $"{item.Name} was in a version that this program does not understand any more, so nobody knows what is sealed under its id: use a new id");
            yield break;
        }

        if (before.Class.Id != item.Class.Id)
            yield return place.Problem(kind, Bare(item), $"{item.Name} was sealed as {before.Class.Name} and cannot become {item.Class.Name}: what is held would not be found; use a new id");
        if (before is FieldDefinition { Rules: var old } && item is FieldDefinition { Rules: var rules } && old.Type != rules.Type)
            yield return place.Problem(kind, Bare(item), $"{item.Name} was {old.Type} and cannot become {rules.Type}: what is held would not be such a value; use a new id");
    }

    // A consent names the version of the notice that was read: under one version there is one text in each language.
    private IEnumerable<PolicyProblem> Notices(Purpose purpose) =>
        from notice in purpose.Notices
        let before = now.Purposes.ById(purpose.Id)?.Notices.FirstOrDefault(one => (one.Version, one.Language) == (notice.Version, notice.Language))
        where before is not null && before.Text != notice.Text
        select place.Problem("purpose", purpose.Name, OtherNotice(purpose, notice.Version, notice.Language));

    /// <summary>In words: a text that changed and kept its version.</summary>
    public static string OtherNotice(Purpose purpose, string version, string language)
    {
        ArgumentNullException.ThrowIfNull(purpose);
        return $"the notice of {purpose.Name} has another text ({language}) under the same version {version}, which consents name: give it a noticeVersion of its own";
    }

    private static string Bare(CatalogueItem item) => item is EventTypeDefinition type ? type.Type : item.Name;
}

/// <summary>Where in its files a policy declares a name.</summary>
internal sealed class PolicyPlaces(IReadOnlyDictionary<string, string> files)
{
    public PolicyProblem Problem(string kind, string name, string message)
    {
        var file = kind switch { "event" => "events.yaml", "purpose" => "purposes.yaml", _ => "catalogue.yaml" };
        return new PolicyProblem(file, files.TryGetValue(file, out var text) ? LineOf(text, name) : 0, message);
    }

    private static int LineOf(string text, string name)
    {
        var declared = Regex.Match(text, $@"^\s+{Regex.Escape(name)}\s*:", RegexOptions.Multiline, TimeSpan.FromSeconds(1));
        return declared.Success ? text.AsSpan(0, declared.Index + declared.Length).Count('\n') + 1 : 0;
    }
}
