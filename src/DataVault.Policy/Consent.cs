using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;

namespace DataVault.Policy;

/// <summary>A notice in one language: what a person agrees to, word for word.</summary>
/// <param name="Version">Version of the notice; all languages of it share one.</param>
/// <param name="Language">BCP 47 tag, such as <c>en</c> or <c>de-CH</c>.</param>
/// <param name="Text">The words.</param>
public sealed record NoticeText(string Version, string Language, string Text)
{
    /// <summary>SHA-256 of the text in UTF-8.</summary>
    public ReadOnlyMemory<byte> Hash { get; } = SHA256.HashData(Encoding.UTF8.GetBytes(Text));

    /// <summary>By what it says. The hash follows from the text, and as memory would be compared by where it lies.</summary>
    public bool Equals(NoticeText? other) => other is not null && (Version, Language, Text) == (other.Version, other.Language, other.Text);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Version, Language, Text);
}

/// <summary>From which age on a person consents alone (GDPR Article 8); below it a guardian does.</summary>
/// <param name="Age">Where nothing else is said.</param>
/// <param name="AgeIn">By jurisdiction.</param>
/// <param name="UnknownIsChild">Somebody of unknown age is taken for a child.</param>
public sealed record ChildRule(int Age, IReadOnlyDictionary<string, int> AgeIn, bool UnknownIsChild)
{
    /// <summary>Whether somebody born on a day is below the age on another.</summary>
    public bool IsChild(DateOnly? born, string? jurisdiction, DateOnly today)
    {
        if (born is not { } day) return UnknownIsChild;
        var age = jurisdiction is not null && AgeIn.TryGetValue(jurisdiction, out var there) ? there : Age;
        // Born on 29 February, one is older on 1 March of a common year.
        return day.Year + age > DateOnly.MaxValue.Year || Birthday(day, day.Year + age) > today;
    }

    private static DateOnly Birthday(DateOnly born, int year) =>
        born is { Month: 2, Day: 29 } && !DateTime.IsLeapYear(year) ? new DateOnly(year, 3, 1) : new DateOnly(year, born.Month, born.Day);
}

/// <summary>What purposes.yaml says of consent to a purpose.</summary>
internal sealed record ConsentTerms
{
    public static ConsentTerms None { get; } = new();

    /// <summary>The notice in each of its languages, the purpose's own first.</summary>
    public IReadOnlyList<NoticeText> Notices { get; init; } = [];

    /// <summary>How many days before its end a consent should be asked for again.</summary>
    public int? RenewalDays { get; init; }

    public ChildRule? Child { get; init; }

    /// <summary>The signal Global Privacy Control is an objection to this purpose.</summary>
    public bool Gpc { get; init; }
}

/// <summary>Who decides on the processing: stands in receipts.</summary>
/// <param name="Name">Legal name.</param>
/// <param name="Address">Postal address.</param>
/// <param name="Contact">Where people turn to.</param>
public sealed record ControllerIdentity(string Name, string Address, string Contact);

/// <summary>What purposes.yaml says of all purposes together.</summary>
internal sealed record PurposesHead(ControllerIdentity? Controller, DateOnly? GpcSince);

/// <summary>The notices of a policy, by purpose, language and hash.</summary>
public sealed class NoticeShelf
{
    private readonly FrozenDictionary<(int Purpose, string Language), NoticeText> byLanguage;

    internal NoticeShelf(IReadOnlyList<Purpose> purposes) => byLanguage = purposes
        .SelectMany(purpose => purpose.Notices.Select(notice => (Key: (purpose.Id, notice.Language), notice)))
        .DistinctBy(pair => pair.Key).ToFrozenDictionary(pair => pair.Key, pair => pair.notice);

    /// <summary>The notice of a purpose in a language; null when the policy has none.</summary>
    public NoticeText? Find(Purpose purpose, string language)
    {
        ArgumentNullException.ThrowIfNull(purpose);
        return byLanguage.GetValueOrDefault((purpose.Id, language));
    }

    /// <summary>Every text, with the purpose that it is of.</summary>
    public IEnumerable<(int Purpose, NoticeText Notice)> All => byLanguage.Select(pair => (pair.Key.Purpose, pair.Value));
}
