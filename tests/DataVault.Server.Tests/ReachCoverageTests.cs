using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace DataVault.Server.Tests;

/// <summary>
/// Whoever is out of reach is answered for as somebody who was erased and as nobody: every operation of the API document that names a customer, in its
/// address or its body, is asked about all three, and everything that comes back is compared.
/// </summary>
public sealed partial class ReachCoverageTests(RunningServer server)
{
    private const string Desk = "reach-desk";

    // Of each answer these differ by themselves.
    private static readonly string[] OfTheMoment = ["Date", "Audit-Checkpoint", "Request-Id", "X-Request-Id", "Traceparent", "Retry-After"];

    private static int made;

    [GeneratedRegex("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\"index\":\\d+|[0-9a-f]{32}")]
    private static partial Regex Own();

    [Fact]
    public async Task Every_operation_answers_for_whoever_is_out_of_reach_as_for_nobody()
    {
        var (unreachable, erased, unknown) = await ThreeAsync();
        var asked = 0;
        foreach (var operation in await OperationsAsync())
        {
            var answers = new List<string>();
            foreach (var customer in new[] { unknown, erased, unreachable }) answers.Add(await AskAsync(operation, customer));
            Assert.True(answers.Distinct().Count() == 1, $"{operation.Method} {operation.Path}:\n{string.Join("\n", answers)}");
            asked++;
        }

        Assert.True(asked >= 12, $"only {asked} operations name a customer");
    }

    [Fact]
    public async Task The_desk_reads_whom_it_reaches_and_the_officer_sees_whom_it_tried()
    {
        var (unreachable, _, _) = await ThreeAsync();
        var near = await CreateAsync("house");
        var read = await server.JsonAsync(Desk, HttpMethod.Get, $"/v1/customers/{near}?purpose=customer-support&fields=email");
        Assert.Equal("masked", read.GetProperty("forms").GetProperty("email").GetString());
        using (var answer = await server.SendAsync(Desk, HttpMethod.Get, $"/v1/customers/{unreachable}?purpose=customer-support")) Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        var denials = await server.JsonAsync("compliance-officer", HttpMethod.Get, $"/v1/audit/entries?customer={unreachable}&result=denied");
        Assert.NotEqual(0, denials.GetProperty("items").GetArrayLength());
    }

    [Fact]
    public async Task Standing_is_said_by_who_may_and_moves_people_in_and_out_of_reach()
    {
        await ThreeAsync();
        var person = await CreateAsync("partner");
        var held = await server.JsonAsync("crm-ingest", HttpMethod.Get, $"/v1/customers/{person}/standing");
        Assert.Equal("partner", held.GetProperty("standing").GetProperty("brand").GetString());
        var body = new { standing = new { brand = "partner", relations = new[] { new { name = "assigned-agent", recipient = Desk } } } };
        var version = held.GetProperty("version").GetInt64();
        await server.JsonAsync("crm-ingest", HttpMethod.Put, $"/v1/customers/{person}/standing", body, shape: request => request.Headers.TryAddWithoutValidation("If-Match", $"\"{version}\""));
        var read = await server.JsonAsync(Desk, HttpMethod.Get, $"/v1/customers/{person}?purpose=customer-support&fields=email");
        Assert.False(read.GetProperty("forms").TryGetProperty("email", out _));
        using var refused = await server.SendAsync(Desk, HttpMethod.Get, $"/v1/customers/{person}/standing?purpose=customer-support");
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
    }

    private sealed record Operation(HttpMethod Method, string Path, JsonNode? Body);

    private async Task<string> AskAsync(Operation operation, Guid customer)
    {
        var path = operation.Path.Replace("{id}", customer.ToString("D"), StringComparison.Ordinal);
        var body = operation.Body is null ? null : About(operation.Body.DeepClone(), customer).ToJsonString();
        using var answer = await server.SendAsync(Desk, operation.Method, path, body, request => request.Headers.TryAddWithoutValidation("If-Match", "\"1\""));
        var headers = answer.Headers.Concat(answer.Content.Headers).Where(header => !OfTheMoment.Contains(header.Key, StringComparer.OrdinalIgnoreCase) && header.Key != "Content-Length")
            .OrderBy(header => header.Key, StringComparer.Ordinal).Select(header => $"{header.Key}: {string.Join(',', header.Value)}");
        return $"{(int)answer.StatusCode}\n{Own().Replace(await answer.Content.ReadAsStringAsync(), "*")}\n{Own().Replace(string.Join('\n', headers), "*")}";
    }

    // Every id in the example becomes the customer's, and the purpose the desk's.
    private static JsonNode About(JsonNode body, Guid customer)
    {
        if (body is JsonObject members)
        {
            foreach (var (name, value) in members.ToList())
            {
                if (name == "purpose") members[name] = "customer-support";
                else if (value is JsonValue text && text.TryGetValue(out string? id) && Guid.TryParse(id, out _)) members[name] = customer.ToString("D");
                else if (value is not null) About(value, customer);
            }
        }
        else if (body is JsonArray items)
        {
            for (var at = 0; at < items.Count; at++)
            {
                if (items[at] is JsonValue text && text.TryGetValue(out string? id) && Guid.TryParse(id, out _)) items[at] = customer.ToString("D");
                else if (items[at] is { } item) About(item, customer);
            }
        }

        return body;
    }

    private async Task<List<Operation>> OperationsAsync()
    {
        var document = JsonNode.Parse(await server.Http.GetStringAsync("/openapi/v1.json"))!;
        var operations = new List<Operation>();
        foreach (var (path, methods) in document["paths"]!.AsObject())
        {
            foreach (var (method, described) in methods!.AsObject())
            {
                var example = described!["requestBody"]?["content"]?["application/json"]?["example"];
                var named = example is not null && Guid.TryParse(FirstId(example), out _);
                if (!path.StartsWith("/v1/customers/{id}", StringComparison.Ordinal) && !named) continue;
                var purpose = described["parameters"]?.AsArray().Any(one => (string?)one!["name"] == "purpose" && (string?)one["in"] == "query") == true ? "?purpose=customer-support" : "";
                operations.Add(new Operation(new HttpMethod(method.ToUpperInvariant()), path.Replace("{purpose}", "marketing", StringComparison.Ordinal) + purpose, example));
            }
        }

        return operations;
    }

    private static string? FirstId(JsonNode node) => node switch
    {
        JsonObject members => members.Select(member => member.Value is null ? null : FirstId(member.Value)).FirstOrDefault(id => id is not null),
        JsonArray items => items.Select(item => item is null ? null : FirstId(item)).FirstOrDefault(id => id is not null),
        JsonValue value when value.TryGetValue(out string? text) && Guid.TryParse(text, out _) => text,
        _ => null,
    };

    private async Task<(Guid Unreachable, Guid Erased, Guid Unknown)> ThreeAsync()
    {
        if (Interlocked.Exchange(ref made, 1) == 0) await server.RegisterAsync(Desk, "house-desk", "customer-support");
        var (unreachable, erased) = (await CreateAsync("partner"), await CreateAsync("house"));
        var request = (await server.JsonAsync("compliance-officer", HttpMethod.Post, "/v1/requests", new { kind = "erasure", customer = erased }, HttpStatusCode.Created)).GetProperty("id").GetGuid();
        await server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/requests/{request}/verify", new { });
        await server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/requests/{request}/approve", new { });
        await Waiting.UntilAsync("the erasure", async () =>
        {
            using var answer = await server.SendAsync("compliance-officer", HttpMethod.Get, $"/v1/customers/{erased}/accesses");
            return answer.StatusCode == HttpStatusCode.NotFound;
        });

        return (unreachable, erased, Guid.CreateVersion7());
    }

    private async Task<Guid> CreateAsync(string brand)
    {
        var body = new
        {
            fields = new { givenName = "Nina", email = $"reach.{Guid.NewGuid():N}@example.com", language = "en" }, source = "tests", standing = new { brand, jurisdiction = "eu", residency = "eu" },
        };
        return (await server.JsonAsync("crm-ingest", HttpMethod.Post, "/v1/customers", body, HttpStatusCode.Created)).GetProperty("id").GetGuid();
    }
}
