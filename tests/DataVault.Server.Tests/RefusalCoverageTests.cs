using System.Net;
using System.Text;
using System.Text.Json;

namespace DataVault.Server.Tests;

/// <summary>
/// Every operation of the API document refuses: strangers, forged tokens, callers of a wrong role, malformed, mistyped, oversized bodies.
/// An operation that is new is covered by being in the document; the exemptions only shrink.
/// </summary>
public sealed class RefusalCoverageTests(RunningServer server)
{
    private static readonly string[] Callers = ["crm-ingest", "support-desk", "campaigns", "compliance-officer", "analyst", "administrator", "customer", "privacy-portal"];

    // What every caller may do: ask who they are, see the policy's vocabulary.
    private static readonly string[] OpenToEveryRole = ["getMe", "getPolicy"];

    private static readonly Guid Stranger = Guid.Parse("01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77");

    private sealed record Operation(string Id, HttpMethod Method, string Path, bool HasBody)
    {
        public override string ToString() => $"{Id} ({Method} {Path})";
    }

    [Fact]
    public async Task Every_operation_is_documented_with_an_example_and_its_problems()
    {
        using var document = JsonDocument.Parse(await server.Http.GetStringAsync("/openapi/v1.json"));
        Assert.StartsWith("3.1", document.RootElement.GetProperty("openapi").GetString(), StringComparison.Ordinal);
        foreach (var path in document.RootElement.GetProperty("paths").EnumerateObject())
        {
            foreach (var operation in path.Value.EnumerateObject())
            {
                Assert.True(operation.Value.GetProperty("summary").GetString()!.Length > 5, path.Name);
                var responses = operation.Value.GetProperty("responses");
                foreach (var status in new[] { "400", "401", "403", "429", "503" })
                    Assert.True(responses.TryGetProperty(status, out _), $"{operation.Name} {path.Name} lacks {status}");
                if (operation.Value.TryGetProperty("requestBody", out var body))
                    Assert.True(body.GetProperty("content").GetProperty("application/json").TryGetProperty("example", out _), $"{path.Name} lacks an example");
            }
        }
    }

    [Fact]
    public async Task No_operation_answers_a_stranger()
    {
        foreach (var operation in await OperationsAsync())
        {
            using var answer = await server.SendAsync("", operation.Method, operation.Path, operation.HasBody ? "{}" : null);
            Assert.True(answer.StatusCode == HttpStatusCode.Unauthorized, $"{operation}: {answer.StatusCode}");
            Assert.Equal("unauthenticated", await RunningServer.SlugAsync(answer));
        }
    }

    [Fact]
    public async Task Every_operation_is_out_of_reach_for_some_role()
    {
        foreach (var operation in (await OperationsAsync()).Where(o => !OpenToEveryRole.Contains(o.Id)))
        {
            var refused = 0;
            foreach (var caller in Callers)
            {
                using var answer = await server.SendAsync(caller, operation.Method, operation.Path, operation.HasBody ? "{}" : null);
                Assert.True((int)answer.StatusCode < 500, $"{operation} by {caller}: {answer.StatusCode}");
                refused += answer.StatusCode is HttpStatusCode.Forbidden or HttpStatusCode.NotFound or HttpStatusCode.BadRequest ? 1 : 0;
            }
            Assert.True(refused > 0, $"{operation} refuses nobody");
        }
    }

    [Theory]
    [InlineData("{ \"broken\": ")]
    [InlineData("[]")]
    [InlineData("\"text\"")]
    [InlineData("{ \"unknownMember\": true }")]
    public async Task Every_operation_with_a_body_refuses_one_that_it_does_not_understand(string body)
    {
        foreach (var operation in (await OperationsAsync()).Where(o => o.HasBody))
            await ExpectAsync(operation, "invalid-request", body);
    }

    [Fact]
    public async Task Every_operation_with_a_body_refuses_one_that_is_too_large()
    {
        var large = new string(' ', 9 * 1024 * 1024);
        foreach (var operation in (await OperationsAsync()).Where(o => o.HasBody))
            await ExpectAsync(operation, "payload-too-large", large);
    }

    [Fact]
    public async Task Every_operation_refuses_a_parameter_that_it_does_not_know()
    {
        foreach (var operation in (await OperationsAsync()).Where(o => !o.HasBody && o.Path.Contains("limit", StringComparison.Ordinal)))
            await ExpectAsync(operation with { Path = operation.Path + "&nonsense=1" }, "invalid-request", null);
    }

    // Of the callers that the operation is for, the first shows how it treats the body.
    private async Task ExpectAsync(Operation operation, string slug, string? body)
    {
        var seen = new StringBuilder();
        foreach (var caller in Callers)
        {
            using var answer = await server.SendAsync(caller, operation.Method, operation.Path, body);
            Assert.True((int)answer.StatusCode is >= 400 and < 500, $"{operation} by {caller}: {answer.StatusCode}");
            var actual = await RunningServer.SlugAsync(answer);
            if (actual == slug)
                return;
            seen.Append(caller).Append(": ").Append(actual).Append("; ");
        }
        Assert.Fail($"{operation}: expected {slug}, saw {seen}");
    }

    private async Task<List<Operation>> OperationsAsync()
    {
        using var document = JsonDocument.Parse(await server.Http.GetStringAsync("/openapi/v1.json"));
        var operations = new List<Operation>();
        foreach (var path in document.RootElement.GetProperty("paths").EnumerateObject())
        {
            foreach (var operation in path.Value.EnumerateObject())
            {
                var id = operation.Value.GetProperty("operationId").GetString()!;
                operations.Add(new Operation(id, new HttpMethod(operation.Name.ToUpperInvariant()), Concrete(path.Name), operation.Value.TryGetProperty("requestBody", out _)));
            }
        }
        Assert.True(operations.Count >= 30, $"only {operations.Count} operations");
        return operations;
    }

    private static string Concrete(string path) => path
        .Replace("{id}", Stranger.ToString("D"), StringComparison.Ordinal)
        .Replace("{client}", "nobodys-portal", StringComparison.Ordinal)
        .Replace("{purpose}", "marketing", StringComparison.Ordinal)
        .Replace("{index}", "1", StringComparison.Ordinal);
}
