using System.Security.Cryptography;
using System.Text;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>What a person read when they consented, as whoever records it says. Of a version that the vault knows, nothing more than the version is needed.</summary>
/// <param name="Version">Version of the notice; null for the one in force.</param>
/// <param name="Language">Language of the text; null for the notice's own.</param>
public sealed record ShownNotice(string? Version = null, string? Language = null)
{
    public const int LongestText = 8_000;

    /// <summary>The text word for word, of a consent that was given elsewhere. The vault keeps it.</summary>
    public string? Text { get; init; }

    /// <summary>SHA-256 of the text in UTF-8, 64 hexadecimal digits, where the text itself stays elsewhere.</summary>
    public string? Sha256 { get; init; }

    internal bool IsTold => Text is not null || Sha256 is not null;

    internal bool IsWellFormed => (Text is null || Sha256 is null) && Text is null or { Length: > 0 and <= LongestText } && (Sha256 is null || (Sha256.Length == 64 && Sha256.All(char.IsAsciiHexDigitLower)));

    internal ReadOnlyMemory<byte> Hash => Text is null ? Convert.FromHexString(Sha256!) : SHA256.HashData(Encoding.UTF8.GetBytes(Text));
}

/// <summary>What an act says of the notice.</summary>
/// <param name="Version">Its version.</param>
/// <param name="Language">Language of the text.</param>
/// <param name="Hash">Of the text; empty when nobody said what was shown.</param>
/// <param name="Kept">The text, to be kept with the act; null where the vault has only the hash.</param>
internal sealed record CheckedNotice(string Version, string? Language, ReadOnlyMemory<byte> Hash, NoticeText? Kept)
{
    public static CheckedNotice Of(NoticeText text) => new(text.Version, text.Language, text.Hash, text);
}

/// <summary>The notices that a call may name: those of its policy, and those of before that the vault keeps.</summary>
internal sealed class KnownNotices(PolicySet policy, IReadOnlyDictionary<(int Purpose, string Version, string Language), NoticeText> earlier)
{
    /// <summary>What was shown, or what is wrong with what is said of it.</summary>
    /// <param name="purpose">The purpose consented to.</param>
    /// <param name="shown">As it is said.</param>
    /// <param name="gives">Consent is given: then somebody must know what to.</param>
    /// <param name="pointer">Where that stands.</param>
    public (CheckedNotice? Notice, FieldProblem? Problem) Check(Purpose purpose, ShownNotice shown, bool gives, string pointer)
    {
        var (version, language) = Key(purpose, shown);
        var isNow = version == purpose.NoticeVersion;
        var known = isNow ? policy.Purposes.Notices.Find(purpose, language) : earlier.GetValueOrDefault((purpose.Id, version, language));
        if (shown.IsTold && !shown.IsWellFormed) return (null, new(pointer + "/noticeText", "not-a-text", $"A text of up to {ShownNotice.LongestText} characters, or the SHA-256 of one: 64 hexadecimal digits."));
        if (known is not null && shown.IsTold && !known.Hash.Span.SequenceEqual(shown.Hash.Span)) return (null, new(pointer + "/noticeText", "notice-differs", "The vault has another text of this version in this language."));
        if (known is not null) return (CheckedNotice.Of(known), null);
        if (isNow && (shown.Language is not null || shown.IsTold)) return (null, new(pointer + "/language", "no-such-notice", "The notice is not there in this language."));
        if (shown.Text is { } text) return (CheckedNotice.Of(new NoticeText(version, language, text)), null);
        if (shown.Sha256 is not null) return (new CheckedNotice(version, shown.Language, shown.Hash, null), null);
        return gives && (!isNow || purpose.Notices.Count > 0)
            ? (null, new(pointer + "/notice", "unknown-notice", "The vault has no such notice. Name the version in force, or say what was shown: noticeText, or its noticeSha256."))
            : (new CheckedNotice(version, shown.Language, default, null), null);
    }

    /// <summary>Which notice is meant.</summary>
    public static (string Version, string Language) Key(Purpose purpose, ShownNotice shown) =>
        (shown.Version ?? purpose.NoticeVersion, shown.Language ?? (purpose.Notices is [var own, ..] ? own.Language : ""));
}
