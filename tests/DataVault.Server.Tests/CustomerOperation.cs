using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace DataVault.Server.Tests;

/// <summary>An operation of the API document that names a customer, in its address or its body: what is new in the document is asked too.</summary>
internal sealed partial record CustomerOperation(HttpMethod Method, string Path, JsonNode? Body)
{
    // Of each answer these differ by themselves.
    private static readonly string[] OfTheMoment = ["Date", "Audit-Checkpoint", "Request-Id", "X-Request-Id", "Traceparent", "Retry-After"];

    public override string ToString() => $"{Method} {Path}";

    /// <summary>Every operation that names a customer, with the example of its body.</summary>
    public static async Task<IReadOnlyList<CustomerOperation>> AllAsync(RunningServer server)
    {
        var document = JsonNode.Parse(await server.Http.GetStringAsync("/openapi/v1.json"))!;
        return
        [
            .. from path in document["paths"]!.AsObject()
               from method in path.Value!.AsObject()
               let example = method.Value!["requestBody"]?["content"]?["application/json"]?["example"]
               where path.Key.StartsWith("/v1/customers/{id}", StringComparison.Ordinal) || (example is not null && Guid.TryParse(FirstId(example), out _))
               let asks = method.Value["parameters"]?.AsArray().Any(one => (string?)one!["name"] == "purpose" && (string?)one["in"] == "query") == true
               select new CustomerOperation(
                   new HttpMethod(method.Key.ToUpperInvariant()), path.Key.Replace("{purpose}", "marketing", StringComparison.Ordinal) + (asks ? "?purpose={of}" : ""), example),
        ];
    }

    /// <summary>Asks about a customer for a purpose, and gives all of the answer that a caller could compare: status, body, headers.</summary>
    public async Task<string> AskAsync(RunningServer server, string caller, string purpose, Guid customer)
    {
        var path = Path.Replace("{id}", customer.ToString("D"), StringComparison.Ordinal).Replace("{of}", purpose, StringComparison.Ordinal);
        var body = Body is null ? null : About(Body.DeepClone(), purpose, customer).ToJsonString();
        using var answer = await server.SendAsync(caller, Method, path, body, request => request.Headers.TryAddWithoutValidation("If-Match", "\"1\""));
        var headers = answer.Headers.Concat(answer.Content.Headers).Where(header => !OfTheMoment.Contains(header.Key, StringComparer.OrdinalIgnoreCase) && header.Key != "Content-Length")
            .OrderBy(header => header.Key, StringComparer.Ordinal).Select(header => $"{header.Key}: {string.Join(',', header.Value)}");
        return $"{(int)answer.StatusCode}\n{Own().Replace(await answer.Content.ReadAsStringAsync(), "*")}\n{Own().Replace(string.Join('\n', headers), "*")}";
    }

    /// <summary>Erases somebody by an officer's hand and waits until nobody knows of them.</summary>
    public static async Task EraseAsync(RunningServer server, Guid customer)
    {
        var request = (await server.JsonAsync("compliance-officer", HttpMethod.Post, "/v1/requests", new { kind = "erasure", customer }, HttpStatusCode.Created)).GetProperty("id").GetGuid();
        await server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/requests/{request}/verify", new { method = "document-seen" });
        await server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/requests/{request}/approve", new { });
        await Waiting.UntilAsync("the erasure", async () =>
        {
            using var answer = await server.SendAsync("compliance-officer", HttpMethod.Get, $"/v1/customers/{customer}/accesses");
            return answer.StatusCode == HttpStatusCode.NotFound;
        });
    }

    [GeneratedRegex("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\"index\":\\d+|[0-9a-f]{32}")]
    private static partial Regex Own();

    // Every id in the example becomes the customer's, and the purpose the caller's.
    private static JsonNode About(JsonNode body, string purpose, Guid customer)
    {
        if (body is JsonObject members)
        {
            foreach (var (name, value) in members.ToList())
            {
                if (name == "purpose") members[name] = purpose;
                else if (IsId(value)) members[name] = customer.ToString("D");
                else if (value is not null) About(value, purpose, customer);
            }
        }
        else if (body is JsonArray items)
        {
            for (var at = 0; at < items.Count; at++)
            {
                if (IsId(items[at])) items[at] = customer.ToString("D");
                else if (items[at] is { } item) About(item, purpose, customer);
            }
        }

        return body;
    }

    private static bool IsId(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) && Guid.TryParse(text, out _);

    private static string? FirstId(JsonNode node) => node switch
    {
        JsonObject members => members.Select(member => member.Value is null ? null : FirstId(member.Value)).FirstOrDefault(id => id is not null),
        JsonArray items => items.Select(item => item is null ? null : FirstId(item)).FirstOrDefault(id => id is not null),
        _ when IsId(node) => node.GetValue<string>(),
        _ => null,
    };
}
