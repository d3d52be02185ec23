using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>
/// The masked form: enough for a person to recognise a value that they know, too little to learn one. Pure.
/// INVARIANT: the number of dots is fixed, so that a mask does not tell the length of what it hides.
/// </summary>
internal static class Masker
{
    public const string Dots = "•••";

    /// <summary>Values shorter than this would be given away by the characters that a mask keeps.</summary>
    private const int ShortestForTail = 8;

    public static JsonNode? Mask(MaskKind kind, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => new JsonArray([.. value.EnumerateArray().Select(item => Mask(kind, item))]),
        JsonValueKind.Object => kind is MaskKind.Address ? MaskAddress(value) : Dots,
        JsonValueKind.String => MaskText(kind, value.GetString()!),
        _ => Dots,
    };

    public static string MaskText(MaskKind kind, string text) => kind switch
    {
        MaskKind.Email => MaskEmail(text),
        MaskKind.Phone => text.Length >= ShortestForTail ? text[..3] + Dots + text[^2..] : Dots,
        MaskKind.Iban => text.Length >= ShortestForTail ? text[..2] + Dots + text[^4..] : Dots,
        MaskKind.Tail4 => text.Length >= ShortestForTail ? Dots + text[^4..] : Dots,
        MaskKind.Name => string.Join(' ', text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => First(word) + Dots)),
        MaskKind.FirstLetter => First(text) + Dots,
        _ => Dots,
    };

    private static string MaskEmail(string text)
    {
        var at = text.LastIndexOf('@');
        return at > 0 ? First(text) + Dots + text[at..] : Dots;
    }

    /// <summary>Town and country stay, and the part of the postcode that names a district; the door goes.</summary>
    private static JsonObject MaskAddress(JsonElement address)
    {
        var masked = new JsonObject();
        if (Has(address, "street") is not null) masked["street"] = Dots;
        if (Has(address, "postcode") is { } postcode) masked["postcode"] = postcode.Length > 3 ? postcode[..2] + Dots : Dots;
        if (Has(address, "city") is { } city) masked["city"] = city;
        if (Has(address, "country") is { } country) masked["country"] = country;
        return masked;
    }

    private static string? Has(JsonElement address, string member) =>
        address.TryGetProperty(member, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static string First(string text) => Rune.TryGetRuneAt(text, 0, out var rune) ? rune.ToString() : "";
}
