using System.Text.Json;

namespace DataVault.Vault;

/// <summary>A held value in words, for the pages and tables of a package.</summary>
internal static class ReadableValue
{
    public static string Of(ReadOnlyMemory<byte> utf8Json)
    {
        using var document = JsonDocument.Parse(utf8Json);
        return Of(document.RootElement);
    }

    /// <summary><c>pd:PhysicalAddress</c> as <c>physical address</c>.</summary>
    public static string Category(string identifier) => string.Concat(identifier[(identifier.IndexOf(':', StringComparison.Ordinal) + 1)..]
        .Select((c, i) => char.IsUpper(c) && i > 0 ? " " + char.ToLowerInvariant(c) : char.ToLowerInvariant(c).ToString()));

    public static string Of(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.True => "yes",
        JsonValueKind.False => "no",
        JsonValueKind.Array => string.Join(", ", value.EnumerateArray().Select(Of)),
        JsonValueKind.Object when value.TryGetProperty("amount", out var amount) && value.TryGetProperty("currency", out var currency) =>
            $"{Of(amount)} {Of(currency)}",
        JsonValueKind.Object => string.Join(", ", value.EnumerateObject().Where(m => m.Value.ValueKind != JsonValueKind.Null).Select(m => Of(m.Value))),
        JsonValueKind.Null or JsonValueKind.Undefined => "",
        _ => value.GetRawText(),
    };
}
