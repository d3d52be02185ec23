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

/// <summary>
/// Whether one version may follow another over the same data. Numbers are sealed into records, consents and the log for ever: one that came to mean something
/// else would make all of these lie.
/// </summary>
public static class PolicySuccession
{
    /// <summary>What forbids <paramref name="next"/> to follow.</summary>
    /// <param name="known">Every meaning of every version so far.</param>
    /// <param name="now">The version in force.</param>
    /// <param name="next">The version proposed.</param>
    /// <param name="files">Its files, to name the line.</param>
    public static IReadOnlyList<PolicyProblem> Problems(
        IReadOnlyCollection<PolicyMeaning> known, PolicySet now, PolicySet next, IReadOnlyDictionary<string, string> files)
    {
        ArgumentNullException.ThrowIfNull(known);
        ArgumentNullException.ThrowIfNull(now);
        ArgumentNullException.ThrowIfNull(next);
        var meanings = known.Concat(PolicyMeaning.Of(now)).GroupBy(one => (one.Kind, one.Id)).ToDictionary(group => group.Key, group => group.First().Name);
        var place = new PolicyPlaces(files);
        return
        [
            .. PolicyMeaning.Of(next).Where(one => meanings.TryGetValue((one.Kind, one.Id), out var name) && name != one.Name)
                .Select(one => place.Problem(one.Kind, one.Name, $"the {one.Kind} {one.Name} has the id {one.Id}, which is {meanings[(one.Kind, one.Id)]} for ever: give it another")),
            .. Changed(now, next, place),
        ];
    }

    /// <summary>Fields and event types of <paramref name="now"/> that <paramref name="next"/> has no more.</summary>
    public static IReadOnlyList<CatalogueItem> Retired(PolicySet now, PolicySet next)
    {
        ArgumentNullException.ThrowIfNull(now);
        ArgumentNullException.ThrowIfNull(next);
        var kept = next.Items.Select(item => item.Code).ToHashSet();
        return [.. now.Items.Where(item => !kept.Contains(item.Code))];
    }

    private static IEnumerable<PolicyProblem> Changed(PolicySet now, PolicySet next, PolicyPlaces place)
    {
        foreach (var item in next.Items)
        {
            if (now.Items.FirstOrDefault(one => one.Code == item.Code) is not { } before) continue;
            var kind = item is FieldDefinition ? "field" : "event";
            if (before.Class.Id != item.Class.Id)
                yield return place.Problem(kind, Bare(item), $"{item.Name} was sealed as {before.Class.Name} and cannot become {item.Class.Name}: what is held would not be found; use a new id");
            if (before is FieldDefinition { Rules: var old } && item is FieldDefinition { Rules: var rules } && old.Type != rules.Type)
                yield return place.Problem(kind, Bare(item), $"{item.Name} was {old.Type} and cannot become {rules.Type}: what is held would not be such a value; use a new id");
        }
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
