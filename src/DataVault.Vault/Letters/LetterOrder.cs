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

    /// <summary>The purpose that an objection is about.</summary>
    public string? Purpose { get; init; }

    /// <summary>The language that whoever asks has chosen.</summary>
    public string? Language { get; init; }
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
            .With(LetterSlots.Reason, table is not null && order.Reason is { } reason ? language.Words(table, reason) : null)
            .With(LetterSlots.Purpose, order.Purpose is { } purpose ? language.FindWords("purposes", purpose) ?? Policy.Purposes.Find(purpose)?.Title : null)
            .WithEach(LetterSlots.Kept, [.. order.Kept.Select(name => language.FindWords("classes", name) ?? name).Distinct()])
            .With(LetterSlots.Certificate, Address is not null && row is not null ? $"{Address}/certificates/{row.Id:D}" : null)
            .With(LetterSlots.Account, Address is null ? null : $"{Address}/console/me")
            .With(LetterSlots.Controller, Policy.Purposes.Controller?.Name).With(LetterSlots.Address, Policy.Purposes.Controller?.Address).With(LetterSlots.Contact, Policy.Purposes.Controller?.Contact)
            .With(LetterSlots.Officer, officer is null ? null : Joined(officer.Name, officer.Email, officer.Phone))
            .With(LetterSlots.Authority, authority is null ? null : Joined(authority.Name, authority.Address, authority.Web))
            .Print(order.Kind);
    }

    private static string Joined(params string?[] parts) => string.Join(", ", parts.Where(part => !string.IsNullOrEmpty(part)));
}
