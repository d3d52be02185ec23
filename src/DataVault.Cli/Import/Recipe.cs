using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using YamlDotNet.RepresentationModel;

namespace DataVault.Cli.Import;

/// <summary>What a recipe makes of a line: a value, nothing (the member is left out), or a reason to reject the line.</summary>
internal readonly record struct Made(JsonNode? Value, string? Reason)
{
    public static readonly Made Nothing;

    public static Made Of(JsonNode? value) => new(value, null);

    public static Made Reject(string reason) => new(null, reason);
}

/// <summary>
/// How one value is made from a line, as docs/formats/import-mapping.md describes it: one source (<c>column</c>, <c>constant</c>,
/// <c>concat</c>, <c>product</c>, <c>address</c>), then steps on the text, then one conversion.
/// </summary>
internal sealed class Recipe
{
    private readonly Func<SourceRecord, string?> _text;
    private readonly IReadOnlyList<Func<string, string?>> _steps;
    private readonly Func<string, Made> _convert;
    private readonly IReadOnlyList<(string Name, Recipe Part)>? _parts;
    private readonly bool _omitInvalid;

    private Recipe(YamlSection section)
    {
        _parts = section.Node("address") is null ? null : [.. section.Entries("address").Select(e => (e.Key, Parse(section.File, e.Node)))];
        _text = _parts is null ? Source(section) : _ => null;
        _steps = [.. RecipeSteps.Read(section)];
        _convert = RecipeConversions.Read(section);
        _omitInvalid = section.Text("invalid") switch
        {
            null or "reject" => false,
            "omit" => true,
            _ => throw section.Error("\"invalid\" is reject or omit"),
        };
        section.Done();
    }

    /// <summary>A plain word is short for <c>{ column: word }</c>.</summary>
    public static Recipe Parse(string file, YamlNode node) =>
        new(YamlSection.Of(file, node is YamlScalarNode word ? new YamlMappingNode("column", word.Value ?? "") : node));

    public Made Make(SourceRecord record)
    {
        if (_parts is not null) return Assemble(record);
        if (Text(record) is not { } text) return Made.Nothing;
        var made = _convert(text);
        return made.Reason is not null && _omitInvalid ? Made.Nothing : made;
    }

    /// <summary>The text after all steps and before the conversion; null when there is none.</summary>
    public string? Text(SourceRecord record)
    {
        var text = _text(record)?.Trim();
        foreach (var step in _steps)
        {
            if (string.IsNullOrEmpty(text)) return null;
            text = step(text);
        }
        return string.IsNullOrEmpty(text) ? null : text;
    }

    private Made Assemble(SourceRecord record)
    {
        var whole = new JsonObject();
        foreach (var (name, part) in _parts!)
        {
            var made = part.Make(record);
            if (made.Reason is not null) return made;
            if (made.Value is not null) whole[name] = made.Value;
        }
        return whole.Count == 0 ? Made.Nothing : Made.Of(whole);
    }

    private static Func<SourceRecord, string?> Source(YamlSection section)
    {
        if (section.Text("column") is { } column) return record => record[column];
        if (section.Text("constant") is { } constant) return record => Expand(constant, record);
        if (section.Node("concat") is not null) return Concat(section);
        if (section.Node("product") is not null) return Product(section);
        throw section.Error("needs one source: column, constant, concat, product or address");
    }

    private static Func<SourceRecord, string?> Concat(YamlSection section)
    {
        var separator = section.Text("separator") ?? "";
        Recipe[] parts = [.. section.List("concat").Select(n => Parse(section.File, n))];
        var needAll = section.Flag("all");
        return record =>
        {
            var texts = parts.Select(p => p.Text(record)).ToList();
            return needAll && texts.Contains(null) ? null : string.Join(separator, texts.OfType<string>());
        };
    }

    private static Func<SourceRecord, string?> Product(YamlSection section)
    {
        Recipe[] factors = [.. section.List("product").Select(n => Parse(section.File, n))];
        return record =>
        {
            var product = 1m;
            foreach (var factor in factors)
            {
                if (!RecipeConversions.TryNumber(factor.Text(record) ?? "", out var number)) return null;
                product *= number;
            }
            return product.ToString(CultureInfo.InvariantCulture);
        };
    }

    private static string Expand(string constant, SourceRecord record) => constant.Replace("{file}", record.FileStem, StringComparison.Ordinal);
}

/// <summary>Steps from text to text. Null means: no value.</summary>
internal static class RecipeSteps
{
    public static IEnumerable<Func<string, string?>> Read(YamlSection section)
    {
        if (section.Text("case") is { } letterCase) yield return Case(section, letterCase);
        if (section.Node("map") is not null) yield return Map(section);
        if (section.Text("prefix") is { } prefix) yield return text => prefix + text;
        if (section.Text("suffix") is { } suffix) yield return text => text + suffix;
    }

    private static Func<string, string?> Case(YamlSection section, string letterCase) => letterCase switch
    {
        "lower" => text => text.ToLowerInvariant(),
        "upper" => text => text.ToUpperInvariant(),
        "title" => text => CultureInfo.InvariantCulture.TextInfo.ToTitleCase(text.ToLowerInvariant()),
        _ => throw section.Error("\"case\" is lower, upper or title"),
    };

    private static Func<string, string?> Map(YamlSection section)
    {
        var table = section.Entries("map").ToDictionary(e => e.Key, e => (e.Node as YamlScalarNode)?.Value, StringComparer.Ordinal);
        Func<string, string?> otherwise = section.Text("otherwise") switch
        {
            null or "omit" => _ => null,
            "keep" => text => text,
            _ => throw section.Error("\"otherwise\" is omit or keep"),
        };
        return text => table.TryGetValue(text, out var mapped) ? mapped : otherwise(text);
    }
}

/// <summary>Conversions from text to the JSON types of the catalogue and the tracking plan.</summary>
internal static class RecipeConversions
{
    public static Func<string, Made> Read(YamlSection section)
    {
        List<Func<string, Made>> found = [];
        if (section.Texts("date") is { Count: > 0 } dates) found.Add(Date([.. dates]));
        if (section.Texts("instant") is { Count: > 0 } instants) found.Add(Instant([.. instants], Zone(section)));
        if (section.Text("number") is { } number) found.Add(Number(section, number, section.Flag("absolute")));
        if (section.Text("money") is { } currency) found.Add(Money(currency, section.Flag("absolute"), Decimals(section)));
        if (section.Flag("boolean")) found.Add(Boolean);
        if (section.Text("list") is { } separator) found.Add(text => List(text, separator));
        return found switch
        {
            [] => text => Made.Of(JsonValue.Create(text)),
            [var one] => one,
            _ => throw section.Error("has more than one conversion"),
        };
    }

    public static bool TryNumber(string text, out decimal number) =>
        decimal.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out number);

    public static DateTimeOffset? ParseInstant(string text, string[] formats, TimeZoneInfo zone)
    {
        if (!DateTime.TryParseExact(text, formats, CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal, out var at)) return null;
        if (at.Kind == DateTimeKind.Utc) return new DateTimeOffset(at);
        return zone.IsInvalidTime(at) ? null : new DateTimeOffset(TimeZoneInfo.ConvertTimeToUtc(at, zone));
    }

    private static Func<string, Made> Date(string[] formats) => text =>
        DateOnly.TryParseExact(text, formats, CultureInfo.InvariantCulture, DateTimeStyles.None, out var date)
            ? Made.Of(date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture))
            : Made.Reject("invalid-date");

    private static Func<string, Made> Instant(string[] formats, TimeZoneInfo zone) => text =>
        ParseInstant(text, formats, zone) is { } at
            ? Made.Of(at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture))
            : Made.Reject("invalid-instant");

    private static TimeZoneInfo Zone(YamlSection section)
    {
        if (section.Text("zone") is not { } zone) return TimeZoneInfo.Utc;
        return TimeZoneInfo.TryFindSystemTimeZoneById(zone, out var found) ? found : throw section.Error($"unknown time zone \"{zone}\"");
    }

    private static Func<string, Made> Number(YamlSection section, string kind, bool absolute) => kind switch
    {
        "integer" => text => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var n) && n != long.MinValue
            ? Made.Of(absolute ? Math.Abs(n) : n)
            : Made.Reject("invalid-number"),
        "decimal" => text => TryNumber(text, out var n) ? Made.Of(absolute ? Math.Abs(n) : n) : Made.Reject("invalid-number"),
        _ => throw section.Error("\"number\" is integer or decimal"),
    };

    private static int? Decimals(YamlSection section) => section.Text("round") switch
    {
        null => null,
        { Length: 1 } digit when char.IsAsciiDigit(digit[0]) => digit[0] - '0',
        _ => throw section.Error("\"round\" is a number of decimals, 0 to 9"),
    };

    private static Func<string, Made> Money(string currency, bool absolute, int? decimals) => text =>
    {
        if (!TryNumber(text, out var amount)) return Made.Reject("invalid-money");
        if (absolute) amount = Math.Abs(amount);
        if (decimals is { } places) amount = Math.Round(amount, places, MidpointRounding.ToEven);
        return Made.Of(new JsonObject { ["amount"] = amount.ToString("0.00########", CultureInfo.InvariantCulture), ["currency"] = currency });
    };

    private static Made Boolean(string text) => text.ToLowerInvariant() switch
    {
        "true" or "yes" or "y" or "1" => Made.Of(true),
        "false" or "no" or "n" or "0" => Made.Of(false),
        _ => Made.Reject("invalid-boolean"),
    };

    private static Made List(string text, string separator)
    {
        var items = text.Split(separator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return items.Length == 0 ? Made.Nothing : Made.Of(new JsonArray([.. items.Select(i => (JsonNode?)JsonValue.Create(i))]));
    }
}
