using System.Text.Json;

namespace DataVault.Vault;

/// <summary>A held value in words, for the pages and tables of a package.</summary>
internal static class ReadableValue
{
    /// <param name="utf8Json">The value.</param>
    /// <param name="words">For a page, in its language; null for a table, whose values are the same in every language.</param>
    public static string Of(ReadOnlyMemory<byte> utf8Json, PackageWords? words = null)
    {
        using var document = JsonDocument.Parse(utf8Json);
        return Of(document.RootElement, words);
    }

    /// <inheritdoc cref="Of(ReadOnlyMemory{byte}, PackageWords?)"/>
    public static string Of(JsonElement value, PackageWords? words = null) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.True => words?["value.true"] ?? "true",
        JsonValueKind.False => words?["value.false"] ?? "false",
        JsonValueKind.Array => string.Join(", ", value.EnumerateArray().Select(item => Of(item, words))),
        JsonValueKind.Object when value.TryGetProperty("amount", out var amount) && value.TryGetProperty("currency", out var currency) =>
            $"{Of(amount)} {Of(currency)}",
        JsonValueKind.Object => string.Join(", ", value.EnumerateObject().Where(m => m.Value.ValueKind != JsonValueKind.Null).Select(m => Of(m.Value, words))),
        JsonValueKind.Null or JsonValueKind.Undefined => "",
        _ => value.GetRawText(),
    };
}
