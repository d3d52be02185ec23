using System.Text.Json;
using Microsoft.IdentityModel.Tokens;

namespace DataVault.Issuer.Clients;

/// <summary>
/// The public keys of a client that signs for itself: P-256 for ES256, RSA of 2048 bits or more for PS256. They stand in the registration; no address is ever
/// asked for them, so nobody can put other keys behind one.
/// </summary>
internal sealed class ClientKeys
{
    public const int LongestText = 16 * 1024;
    private const int Most = 10;
    private const int LeastRsaBits = 2048;
    private const int MostRsaBits = 8192;
    private static readonly string[] PrivateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    private static readonly string[] PublicMembers = ["kty", "kid", "alg", "use", "crv", "x", "y", "n", "e"];

    private ClientKeys(string text, IReadOnlyList<JsonWebKey> keys) => (Text, Keys) = (text, keys);

    /// <summary>The set with nothing in it but what is needed.</summary>
    public string Text { get; }

    public IReadOnlyList<JsonWebKey> Keys { get; }

    /// <exception cref="IssuerException">invalid-fields.</exception>
    public static ClientKeys Parse(string text)
    {
        if (text.Length > LongestText) throw IssuerException.Invalid("A key set has at most 16,384 characters.");
        using var document = Document(text);
        if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("keys", out var list) || list.ValueKind != JsonValueKind.Array
            || list.GetArrayLength() is 0 or > Most)
            throw IssuerException.Invalid("A key set is a JSON object whose member keys lists one to ten public keys.");
        var members = list.EnumerateArray().Select(Members).ToList();
        if (members.Count > 1 && (members.Any(m => !m.ContainsKey("kid")) || members.Select(m => m["kid"]).Distinct().Count() < members.Count))
            throw IssuerException.Invalid("Keys of a set of several have a kid each, and no two the same.");
        var kept = JsonSerializer.Serialize(new { keys = members });
        return new ClientKeys(kept, [.. new JsonWebKeySet(kept).Keys]);
    }

    /// <summary>The keys that may have signed under this header: those of the id, or the only one there is; of the algorithm's kind.</summary>
    public IEnumerable<SecurityKey> For(string? kid, string algorithm) =>
        Keys.Where(key => (string.IsNullOrEmpty(kid) ? Keys.Count == 1 : key.Kid == kid) && algorithm == AlgorithmOf(key));

    private static string AlgorithmOf(JsonWebKey key) => key.Kty == "EC" ? SecurityAlgorithms.EcdsaSha256 : SecurityAlgorithms.RsaSsaPssSha256;

    private static JsonDocument Document(string text)
    {
        try
        {
            return JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 4 });
        }
        catch (JsonException)
        {
            throw IssuerException.Invalid("The key set is not JSON.");
        }
    }

    private static SortedDictionary<string, string> Members(JsonElement key)
    {
        if (key.ValueKind != JsonValueKind.Object) throw IssuerException.Invalid("A key is a JSON object.");
        if (key.EnumerateObject().Any(member => PrivateMembers.Contains(member.Name)))
            throw IssuerException.Invalid("A key of the set is a private or a shared one: it is burnt now. Make another, and register its public half.");
        var members = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var member in key.EnumerateObject().Where(m => PublicMembers.Contains(m.Name)))
        {
            if (member.Value.ValueKind != JsonValueKind.String || !members.TryAdd(member.Name, member.Value.GetString()!))
                throw IssuerException.Invalid("A member of a key is a text, and stands there once.");
        }

        Check(members);
        return members;
    }

    private static void Check(SortedDictionary<string, string> members)
    {
        if (members.GetValueOrDefault("use", "sig") != "sig") throw IssuerException.Invalid("A key of the set is not for signatures.");
        var algorithm = members.GetValueOrDefault("kty") switch
        {
            "EC" when members.GetValueOrDefault("crv") == "P-256" && BytesOf(members, "x") == 32 && BytesOf(members, "y") == 32 => SecurityAlgorithms.EcdsaSha256,
            "RSA" when BytesOf(members, "n") is >= LeastRsaBits / 8 and <= MostRsaBits / 8 && BytesOf(members, "e") is >= 1 and <= 8 => SecurityAlgorithms.RsaSsaPssSha256,
            _ => throw IssuerException.Invalid("A key is of P-256, or RSA of 2048 to 8192 bits."),
        };
        if (members.GetValueOrDefault("alg", algorithm) != algorithm) throw IssuerException.Invalid("Keys sign ES256 (P-256) or PS256 (RSA).");
        if (members.TryGetValue("kid", out var kid) && kid.Length is 0 or > 128) throw IssuerException.Invalid("A kid has 1 to 128 characters.");
    }

    private static int BytesOf(SortedDictionary<string, string> members, string name)
    {
        var text = members.GetValueOrDefault(name, "");
        return System.Buffers.Text.Base64Url.IsValid(text, out var length) ? length : 0;
    }
}
