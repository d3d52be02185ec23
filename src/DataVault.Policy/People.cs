using System.Collections.Frozen;

namespace DataVault.Policy;

/// <summary>A word that people.yaml declares, with what it means.</summary>
public sealed record NamedTrait(string Name, Wording Titles)
{
    public string Title => Titles.Text;
}

/// <summary>What may be said of a person besides the fields: the words for where the data must stay, whose customer it is, and who stands how to whom.</summary>
public sealed class PeopleRegistry
{
    private readonly FrozenSet<string> residencies;
    private readonly FrozenSet<string> brands;
    private readonly FrozenSet<string> relations;

    internal PeopleRegistry(IReadOnlyList<NamedTrait> residencies, IReadOnlyList<NamedTrait> brands, IReadOnlyList<NamedTrait> relations)
    {
        (Residencies, Brands, Relations) = (residencies, brands, relations);
        (this.residencies, this.brands, this.relations) = (Names(residencies), Names(brands), Names(relations));
    }

    public IReadOnlyList<NamedTrait> Residencies { get; }

    public IReadOnlyList<NamedTrait> Brands { get; }

    /// <summary>How a recipient may stand to a person, such as <c>assigned-agent</c>.</summary>
    public IReadOnlyList<NamedTrait> Relations { get; }

    public bool IsResidency(string name) => residencies.Contains(name);

    public bool IsBrand(string name) => brands.Contains(name);

    public bool IsRelation(string name) => relations.Contains(name);

    private static FrozenSet<string> Names(IReadOnlyList<NamedTrait> traits) => traits.Select(trait => trait.Name).ToFrozenSet(StringComparer.Ordinal);
}

/// <summary>
/// Whom a role reaches at all. Who is out of reach is as if not there. Each of the lists must have a circle that the person is in;
/// without a list the role reaches everybody.
/// </summary>
internal sealed record Reach(IReadOnlyList<IReadOnlyList<PersonCircle>> Circles)
{
    public static Reach Everybody { get; } = new([]);

    public bool IsEverybody => Circles.Count == 0;

    public bool Holds(DecisionFacts facts)
    {
        for (var index = 0; index < Circles.Count; index++)
        {
            if (!IsInOne(Circles[index], facts)) return false;
        }

        return true;
    }

    /// <summary>Two of the lists have nobody in common. Only parents that contradict each other can come to this.</summary>
    public bool IsNobody => Circles.Any(one => Circles.Any(other => one.All(circle => other.All(circle.Excludes))));

    /// <summary>True when nobody in the circle is reached.</summary>
    public bool Excludes(PersonCircle circle) => Circles.Any(list => list.All(circle.Excludes));

    private static bool IsInOne(IReadOnlyList<PersonCircle> circles, DecisionFacts facts)
    {
        for (var index = 0; index < circles.Count; index++)
        {
            if (circles[index].Holds(facts)) return true;
        }

        return false;
    }
}
