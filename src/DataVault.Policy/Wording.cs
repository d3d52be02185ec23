using System.Text.RegularExpressions;

namespace DataVault.Policy;

/// <summary>A text, and the language it is in.</summary>
/// <param name="Language">BCP 47 tag, such as <c>en</c> or <c>de-CH</c>.</param>
/// <param name="Text">The words.</param>
public readonly record struct SaidText(string Language, string Text);

/// <summary>
/// What the policy calls something, for people, in one language or in several. A plain text of a file is in <see cref="UsualLanguage"/>; a mapping says each language by its tag.
/// </summary>
public sealed partial class Wording : IEquatable<Wording>
{
    /// <summary>The language of texts that do not say theirs.</summary>
    public const string UsualLanguage = "en";

    private readonly IReadOnlyList<SaidText> all;

    /// <param name="all">Each language once, in the order of the file; at least one.</param>
    internal Wording(IReadOnlyList<SaidText> all) => this.all = [.. all.OrderByDescending(said => said.Language == UsualLanguage)];

    /// <summary>A text that is there in <see cref="UsualLanguage"/> alone.</summary>
    public static implicit operator Wording(string text) => new([new SaidText(UsualLanguage, text)]);

    /// <summary>The text that stands where nobody asks for a language: the one in <see cref="UsualLanguage"/>, or the first.</summary>
    public string Text => all[0].Text;

    /// <summary>Every text, the one of <see cref="Text"/> first.</summary>
    public IReadOnlyList<SaidText> All => all;

    public IEnumerable<string> Languages => all.Select(said => said.Language);

    /// <summary>The text for somebody who reads a language, which may be one of a region (<c>de-AT</c>); with the language that it really is in.</summary>
    public SaidText In(string? language) =>
        Find(said => string.Equals(said, language, StringComparison.OrdinalIgnoreCase))
        ?? Find(said => Tongue(language).Equals(said, StringComparison.OrdinalIgnoreCase))
        ?? Find(said => Tongue(said).Equals(Tongue(language), StringComparison.OrdinalIgnoreCase))
        ?? all[0];

    private SaidText? Find(Func<string, bool> fits)
    {
        foreach (var said in all)
        {
            if (fits(said.Language)) return said;
        }

        return null;
    }

    internal static bool IsLanguage(string text) => Tag().IsMatch(text);

    /// <inheritdoc/>
    public bool Equals(Wording? other) => other is not null && all.SequenceEqual(other.all);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Wording);

    /// <inheritdoc/>
    public override int GetHashCode() => all[0].GetHashCode();

    /// <summary><see cref="Text"/>.</summary>
    public override string ToString() => Text;

    [GeneratedRegex(@"^[a-z]{2,3}(-[A-Z]{2})?\z", RegexOptions.CultureInvariant)]
    private static partial Regex Tag();

    private static ReadOnlySpan<char> Tongue(string? language) =>
        language is null ? default : language.AsSpan(0, language.IndexOf('-', StringComparison.Ordinal) is var end and >= 0 ? end : language.Length);
}
