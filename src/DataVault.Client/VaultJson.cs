using System.Text.Json;
using System.Text.Json.Serialization;

namespace DataVault.Client;

/// <summary>The one place where the wire's JSON conventions are set: camelCase, numbers as numbers, no duplicate members.</summary>
public static class VaultJson
{
    /// <summary>For bodies received from callers: an unknown, duplicate, missing or null member is an error (RFC 8259 leaves duplicates open).</summary>
    public static JsonSerializerOptions Strict { get; } = Make(JsonUnmappedMemberHandling.Disallow, requireMembers: true);

    /// <summary>For answers of a vault that may be newer than this library: unknown members are skipped, duplicates still refused.</summary>
    public static JsonSerializerOptions Answers { get; } = Make(JsonUnmappedMemberHandling.Skip, requireMembers: false);

    private static JsonSerializerOptions Make(JsonUnmappedMemberHandling unmapped, bool requireMembers)
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Strict)
        {
            PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
            DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
            UnmappedMemberHandling = unmapped,
            RespectRequiredConstructorParameters = requireMembers,
            MaxDepth = 32,
        };
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }
}
