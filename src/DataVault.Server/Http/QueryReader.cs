using System.Globalization;
using DataVault.Client.Wire;

namespace DataVault.Server.Http;

/// <summary>Reads a query strictly: unknown, repeated and malformed parameters are refused by name.</summary>
internal sealed class QueryReader
{
    private const int LongestValue = 2_048;
    private readonly IQueryCollection _query;

    private QueryReader(IQueryCollection query) => _query = query;

    /// <exception cref="ProblemException">A parameter that is not among <paramref name="known"/>, or one that stands twice.</exception>
    public static QueryReader Of(HttpContext context, params ReadOnlySpan<string> known)
    {
        var query = context.Request.Query;
        foreach (var (name, values) in query)
        {
            if (!known.Contains(name))
                throw ProblemException.Member("", "unknown-parameter", "The query has a parameter that this call does not know. Known: " + string.Join(", ", known!) + ".");
            if (values.Count != 1 || values[0]!.Length > LongestValue || values[0]!.Contains('\0', StringComparison.Ordinal))
                throw Bad(name, "invalid-parameter", "must stand once, with at most 2,048 characters");
        }
        return new QueryReader(query);
    }

    public string? Text(string name) => _query.TryGetValue(name, out var values) && values[0] is { Length: > 0 } text ? text : null;

    public string Required(string name) => Text(name) ?? throw Bad(name, "missing-parameter", "is required");

    /// <summary>A comma-separated list, or null when absent. Empty items are refused.</summary>
    public IReadOnlyList<string>? List(string name, int most)
    {
        if (Text(name) is not { } text)
            return null;
        var items = text.Split(',');
        return items.Length <= most && Array.TrueForAll(items, i => i.Length > 0) ? items : throw Bad(name, "invalid-list", $"must hold 1 to {most} names");
    }

    public bool Flag(string name) => Text(name) switch
    {
        null or "false" => false,
        "true" => true,
        _ => throw Bad(name, "invalid-flag", "must be true or false"),
    };

    public int Limit(int standard, int most) => Number("limit", standard, most);

    /// <summary>From 1. Out of range is an error, never silently capped.</summary>
    public int Number(string name, int standard, int most)
    {
        if (Text(name) is not { } text)
            return standard;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= 1 && number <= most
            ? number
            : throw Bad(name, "out-of-range", $"must be 1 to {most}");
    }

    /// <summary>A place in the log.</summary>
    public long? Index(string name) => Text(name) is not { } text ? null
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index : throw Bad(name, "invalid-index", "must be the index of a log entry");

    public Guid? Id(string name) => Text(name) is not { } text ? null
        : Guid.TryParseExact(text, "D", out var id) ? id : throw Bad(name, "invalid-id", "must be a UUID");

    public DateTimeOffset? Instant(string name) => Text(name) is not { } text ? null
        : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var at)
            ? at : throw Bad(name, "invalid-instant", "must be an RFC 3339 time");

    public string? OneOf(string name, params ReadOnlySpan<string> words) => Text(name) is not { } text ? null
        : words.Contains(text) ? text : throw Bad(name, "unknown-word", "must be one of " + string.Join(", ", words!));

    public static ProblemException Bad(string name, string code, string rule) =>
        new("invalid-request", null, new MemberProblem("?" + name, code, $"The parameter {name} {rule}."));
}
