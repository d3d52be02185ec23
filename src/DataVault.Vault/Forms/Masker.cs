using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>
/// The masked form: enough for a person to recognise a value that they know, too little to learn one. Pure.
/// INVARIANT: the number of dots is fixed, so that a mask does not tell the length of what it hides.
/// INVARIANT: what is hidden never becomes a string, which nobody could erase.
/// </summary>
internal static class Masker
{
    public const string Dots = "•••";

    /// <summary>Values shorter than this would be given away by the characters that a mask keeps.</summary>
    private const int ShortestForTail = 8;

    private const int OnStack = 256;

    public static JsonNode? Mask(MaskKind kind, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => new JsonArray([.. value.EnumerateArray().Select(item => Mask(kind, item))]),
        JsonValueKind.Object => kind is MaskKind.Address ? MaskAddress(value) : Dots,
        JsonValueKind.String => WithText(value, text => MaskText(kind, text)),
        _ => Dots,
    };

    public static string MaskText(MaskKind kind, ReadOnlySpan<char> text) => kind switch
    {
        MaskKind.Email => MaskEmail(text),
        MaskKind.Phone => text.Length >= ShortestForTail ? string.Concat(text[..3], Dots, text[^2..]) : Dots,
        MaskKind.Iban => text.Length >= ShortestForTail ? string.Concat(text[..2], Dots, text[^4..]) : Dots,
        MaskKind.Tail4 => text.Length >= ShortestForTail ? string.Concat(Dots, text[^4..]) : Dots,
        MaskKind.Name => MaskWords(text),
        MaskKind.FirstLetter => First(text) + Dots,
        _ => Dots,
    };

    private static string MaskWords(ReadOnlySpan<char> text)
    {
        var masked = new List<string>();
        foreach (var word in text.Split(' '))
        {
            if (!text[word].IsEmpty) masked.Add(First(text[word]) + Dots);
        }

        return string.Join(' ', masked);
    }

    private static string MaskEmail(ReadOnlySpan<char> text)
    {
        var at = text.LastIndexOf('@');
        return at > 0 ? string.Concat(First(text), Dots, text[at..]) : Dots;
    }

    /// <summary>Town and country stay, and the part of the postcode that names a district; the door goes.</summary>
    private static JsonObject MaskAddress(JsonElement address)
    {
        var masked = new JsonObject();
        if (Has(address, "street") is not null) masked["street"] = Dots;
        if (Has(address, "postcode") is { } postcode) masked["postcode"] = WithText(postcode, text => text.Length > 3 ? string.Concat(text[..2], Dots) : Dots);
        if (Has(address, "city") is { } city) masked["city"] = city.GetString();
        if (Has(address, "country") is { } country) masked["country"] = country.GetString();
        return masked;
    }

    private static JsonElement? Has(JsonElement address, string member) =>
        address.TryGetProperty(member, out var value) && value.ValueKind == JsonValueKind.String ? value : null;

    private static string First(ReadOnlySpan<char> text) => Rune.DecodeFromUtf16(text, out var rune, out _) == OperationStatus.Done ? rune.ToString() : "";

    private static string WithText(JsonElement value, Func<ReadOnlySpan<char>, string> mask)
    {
        var reader = new Utf8JsonReader(JsonMarshal.GetRawUtf8Value(value));
        reader.Read();
        // No text has more characters than bytes.
        Span<char> text = reader.ValueSpan.Length <= OnStack ? stackalloc char[OnStack] : new char[reader.ValueSpan.Length];
        try
        {
            return mask(text[..reader.CopyString(text)]);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(text));
        }
    }
}
