using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>What is told of, besides what stands in the request.</summary>
internal sealed record LetterOrder(LetterKind Kind)
{
    /// <summary>A code of the table of its kind (<see cref="LetterCodes.TableOf"/>).</summary>
    public string? Reason { get; init; }

    /// <summary>Until when an answer is awaited, something can be fetched, or is looked at again.</summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>Names of the classes of what stays.</summary>
    public IReadOnlyList<string> Kept { get; init; } = [];

    /// <summary>The purposes that an objection is about: those that are stopped, or of which it ends.</summary>
    public IReadOnlyList<string> Purposes { get; init; } = [];

    /// <summary>Purposes that go on in spite of it.</summary>
    public IReadOnlyList<OverriddenPurpose> Overridden { get; init; } = [];

    /// <summary>Until which day a mark is kept, so that nobody takes the person in again; null where none is.</summary>
    public DateOnly? Marked { get; init; }

    /// <summary>The language that whoever asks has chosen.</summary>
    public string? Language { get; init; }
}

/// <summary>A purpose that goes on in spite of an objection, and why.</summary>
internal sealed record OverriddenPurpose(string Purpose, string Reason);

/// <summary>What a person is told of a step with their request.</summary>
/// <param name="Code">Of a message, where the policy has no letter of it.</param>
/// <param name="Letter">The letter; null where there is none of this kind.</param>
internal sealed record RequestNotice(string Code, LetterOrder? Letter)
{
    /// <summary>What changed, where that is not the state.</summary>
    public string? Mark { get; init; }
}

/// <summary>Whom a letter is to, and about what.</summary>
/// <param name="Subject">Who gets it.</param>
/// <param name="Jurisdiction">Whose authority it names, and by whose calendar.</param>
/// <param name="Request">As the step leaves it; null of a letter about no request.</param>
internal sealed record LetterAbout(SubjectId Subject, string? Jurisdiction, RequestRow? Request)
{
    /// <summary>
    /// Null of the request of somebody who is gone, of one that nobody made (retention erases by itself), and of one that came in by OpenDSR: its controller answers the person.
    /// </summary>
    public static LetterAbout? Of(RequestRow row) =>
        row is { Subject: { } subject, OpenedBy: not "retention" } && !row.OpenedBy.StartsWith(OpenDsrCourier.RecipientPrefix, StringComparison.Ordinal) ? new LetterAbout(subject, row.Jurisdiction, row) : null;
}

/// <summary>Under which policy, when, and from where a letter is written: with what is told, all that its words depend on.</summary>
internal sealed record LetterScene(PolicySet Policy, DateTimeOffset Now, string? Address)
{
    /// <summary>The words for somebody whose language and country are known already.</summary>
    public RenderedLetter Print(LetterAbout about, LetterOrder order, LetterLanguage language, string? country)
    {
        var row = about.Request;
        var law = (about.Jurisdiction is { } name ? Policy.Jurisdictions.Find(name) : null) ?? Policy.Jurisdictions.Default;
        DateOnly? Day(DateTimeOffset? at) => at is { } known ? law.DayOf(known) : null;
        var table = LetterCodes.TableOf(order.Kind);
        var (officer, authority) = (law.Breach.Contact, law.Breach.AuthorityOf(country));
        return new LetterPress(language)
            .With(LetterSlots.Today, law.DayOf(Now)).With(LetterSlots.Request, row?.Id.ToString("D")).With(LetterSlots.Right, row is null ? null : language.Words("rights", row.Kind))
            .With(LetterSlots.Opened, Day(row?.OpenedAt)).With(LetterSlots.Due, Day(row?.DueAt)).With(LetterSlots.Until, Day(order.Until))
            .With(LetterSlots.Longest, row is { ExtendedAt: null } && law.ExtensionAmount > 0 ? Day(law.ExtendedDueAt(row.Course.CountsFrom ?? row.OpenedAt)) : null)
            .With(LetterSlots.Reason, table is not null && order.Reason is { } reason ? WordsOf(language, table, reason) : null)
            .WithEach(LetterSlots.Purpose, [.. order.Purposes.Select(name => TitleOf(language, name))])
            .WithEach(LetterSlots.Kept, [.. order.Overridden.Select(one => TitleOf(language, one.Purpose)), .. order.Kept.Select(name => language.FindWords("classes", name) ?? name).Distinct()])
            .WithEach(LetterSlots.Ground, [.. order.Overridden.Select(one => WordsOf(language, "ends", one.Reason))])
            .With(LetterSlots.Marked, order.Marked)
            .With(LetterSlots.Certificate, Address is not null && row is not null ? $"{Address}/certificates/{row.Id:D}" : null)
            .With(LetterSlots.Account, Address is null ? null : $"{Address}/console/me")
            .With(LetterSlots.Controller, Policy.Purposes.Controller?.Name).With(LetterSlots.Address, Policy.Purposes.Controller?.Address).With(LetterSlots.Contact, Policy.Purposes.Controller?.Contact)
            .With(LetterSlots.Officer, officer is null ? null : Joined(officer.Name, officer.Email, officer.Phone))
            .With(LetterSlots.Authority, authority is null ? null : Joined(authority.Name, authority.Address, authority.Web))
            .Print(order.Kind);
    }

    // Grounds that override an objection are the same as those for which one ends.
    private static string WordsOf(LetterLanguage language, string table, string reason) => language.FindWords(table, reason) ?? language.FindWords("ends", reason) ?? language.Words(table == "ends" ? "refusals" : table, reason);

    private string TitleOf(LetterLanguage language, string purpose) => language.FindWords("purposes", purpose) ?? Policy.Purposes.Find(purpose)?.Title ?? purpose;

    private static string Joined(params string?[] parts) => string.Join(", ", parts.Where(part => !string.IsNullOrEmpty(part)));
}
