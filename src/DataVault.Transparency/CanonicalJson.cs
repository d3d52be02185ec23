using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace DataVault.Transparency;

/// <summary>
/// One text for what a JSON document says, however it is laid out (RFC 8785, for documents without fractions): so that a signature survives
/// whoever formats the file anew.
/// </summary>
internal static class CanonicalJson
{
    private const int Deepest = 16;
    private const long LargestNumber = (1L << 53) - 1;

    /// <summary>Reads an object; null when it is not one, names a member twice, or is nested deeper than any document of ours.</summary>
    public static JsonObject? Parse(string text)
    {
        try
        {
            var node = JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { MaxDepth = Deepest });
            // Members that stand twice are found when they are looked at.
            return node is JsonObject read && Write(read) is not null ? read : null;
        }
        catch (Exception e) when (e is JsonException or ArgumentException or FormatException)
        {
            return null;
        }
    }

    /// <exception cref="FormatException">A number with a fraction or beyond 2^53.</exception>
    public static byte[] Write(JsonNode? node)
    {
        var text = new StringBuilder();
        Write(node, text);
        return SignedNote.StrictUtf8.GetBytes(text.ToString());
    }

    private static void Write(JsonNode? node, StringBuilder text)
    {
        switch (node)
        {
            case null: text.Append("null"); break;
            case JsonObject members:
                Join(text, '{', '}', members.OrderBy(member => member.Key, StringComparer.Ordinal), member =>
                {
                    Quote(member.Key, text);
                    text.Append(':');
                    Write(member.Value, text);
                });
                break;
            case JsonArray items: Join(text, '[', ']', items, item => Write(item, text)); break;
            default: WriteValue(node.AsValue(), text); break;
        }
    }

    private static void Join<T>(StringBuilder text, char open, char close, IEnumerable<T> parts, Action<T> write)
    {
        text.Append(open);
        var first = true;
        foreach (var part in parts)
        {
            if (!first) text.Append(',');
            first = false;
            write(part);
        }

        text.Append(close);
    }

    private static void WriteValue(JsonValue value, StringBuilder text)
    {
        switch (value.GetValueKind())
        {
            case JsonValueKind.String: Quote(value.GetValue<string>(), text); break;
            case JsonValueKind.True: text.Append("true"); break;
            case JsonValueKind.False: text.Append("false"); break;
            default: text.Append(Number(value).ToString(CultureInfo.InvariantCulture)); break;
        }
    }

    private static long Number(JsonValue value) =>
        value.TryGetValue<long>(out var number) && number is >= -LargestNumber and <= LargestNumber ? number
        : value.TryGetValue<int>(out var small) ? small
        : throw new FormatException("The number is not a whole one that every reader can hold.");

    // SPEC rfc8785 §3.2.2.2
    private static void Quote(string value, StringBuilder text)
    {
        text.Append('"');
        foreach (var c in value)
        {
            switch (c)
            {
                case '"': text.Append("\\\""); break;
                case '\\': text.Append("\\\\"); break;
                case '\b': text.Append("\\b"); break;
                case '\t': text.Append("\\t"); break;
                case '\n': text.Append("\\n"); break;
                case '\f': text.Append("\\f"); break;
                case '\r': text.Append("\\r"); break;
                case < ' ': text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"); break;
                default: text.Append(c); break;
            }
        }

        text.Append('"');
    }
}
