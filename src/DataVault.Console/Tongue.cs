using System.Collections.Frozen;
using System.Globalization;
using System.Text.Json;
using DataVault.Client.Wire;

namespace DataVault.Console;

/// <summary>
/// What customers read, in one language: sentences by their keys, and dates and numbers as they are written there. The sentences stand in <c>Languages</c>, one file a
/// language, all with the same keys. What the policy has (fields, events, purposes, roles) is called as the policy calls it.
/// </summary>
public sealed class Tongue
{
    private readonly FrozenDictionary<string, string> _sentences;
    private readonly string[] _months;

    private Tongue(string tag)
    {
        using var stream = typeof(Tongue).Assembly.GetManifestResourceStream($"Languages/{tag}.json")!;
        _sentences = JsonSerializer.Deserialize<Dictionary<string, string>>(stream)!.ToFrozenDictionary(StringComparer.Ordinal);
        (Tag, _months) = (tag, _sentences["months"].Split(','));
    }

    /// <summary>Those that the console speaks.</summary>
    public static IReadOnlyList<Tongue> All { get; } = [new("en"), new("de"), new("fr"), new("zh")];

    /// <summary>The first; what staff read too.</summary>
    public static Tongue English => All[0];

    /// <summary>As in <c>lang</c>.</summary>
    public string Tag { get; }

    /// <summary>The name of the language in itself.</summary>
    public string Name => this["language.name"];

    internal IEnumerable<string> Keys => _sentences.Keys;

    /// <summary>A sentence.</summary>
    public string this[string key] => _sentences[key];

    /// <summary>The first that somebody reads, of languages by how dear they are to them; English where there is none.</summary>
    public static Tongue Of(IEnumerable<string> dearest) =>
        dearest.Select(tag => All.FirstOrDefault(one => string.Equals(one.Tag, tag.Split('-')[0], StringComparison.OrdinalIgnoreCase))).FirstOrDefault(one => one is not null) ?? English;

    /// <summary>A sentence with something put into it.</summary>
    public string Say(string key, params ReadOnlySpan<object?> values) => string.Format(CultureInfo.InvariantCulture, _sentences[key], values);

    /// <summary>What a code is called here; null when nobody has said.</summary>
    public string? Find(string kind, string code) => _sentences.GetValueOrDefault($"{kind}.{code}");

    /// <summary>The same, and for a code that nobody has named what is said of all others.</summary>
    public string Of(string kind, string code) => Find(kind, code) ?? this[$"{kind}.other"];

    // What follows is called as the policy calls it: whoever asks has asked for the policy in this language.

    /// <summary>A field, or an event as <c>event:type</c>.</summary>
    internal static string Field(string name, PolicyView policy) => name.StartsWith("event:", StringComparison.Ordinal)
        ? policy.Events.FirstOrDefault(type => type.Name == name["event:".Length..])?.Title ?? Words.Of(name)
        : policy.Fields.FirstOrDefault(field => field.Name == name)?.Label ?? Words.Of(name);

    internal static string Property(string type, string name, PolicyView policy) =>
        policy.Events.FirstOrDefault(one => one.Name == type)?.Labels?.GetValueOrDefault(name) ?? Words.Of(name);

    internal static string Class(string name, PolicyView policy) => policy.Classes?.GetValueOrDefault(name) ?? Words.Of(name);

    internal static string Purpose(string name, PolicyView policy) => policy.Purposes.FirstOrDefault(purpose => purpose.Name == name)?.Title ?? Words.Of(name);

    /// <summary>An application by its own name; staff, and the vault itself, by what their role is called.</summary>
    internal static string Actor(string name, PolicyView policy) =>
        string.Join(", ", name.Split(", ").Select(one => policy.Roles.FirstOrDefault(role => role.Name == one)?.Title ?? Words.Of(one)));

    public string Day(DateTimeOffset at) => Say("day", at.UtcDateTime.Day, _months[at.UtcDateTime.Month - 1], at.UtcDateTime.Year);

    public string Instant(DateTimeOffset at) => Say("instant", Day(at), at.UtcDateTime.ToString("HH:mm", CultureInfo.InvariantCulture));

    public string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture).Replace(",", this["thousands"], StringComparison.Ordinal);

    public string Value(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => this["yes"],
        JsonValueKind.False => this["no"],
        _ => Words.Value(value),
    };
}
