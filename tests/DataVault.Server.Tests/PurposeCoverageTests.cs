using System.Text.Json.Nodes;

namespace DataVault.Server.Tests;

/// <summary>Whatever is asked for a purpose is refused for none that the caller has; every operation of the API document that takes a purpose is asked.</summary>
public sealed class PurposeCoverageTests(RunningServer server)
{
    private const string Canary = "Morgenpurpur";

    [Theory]
    [InlineData("no-such-purpose")]
    [InlineData("marketing")]
    [InlineData("Customer-Support")]
    [Requirement("R01")]
    public async Task No_operation_tells_anything_for_a_purpose_that_is_unknown_or_not_the_callers(string purpose)
    {
        var customer = await server.CreateCustomerAsync($"{Guid.NewGuid():N}@example.com", Canary);
        using (var known = await server.SendAsync("support-desk", HttpMethod.Get, $"/v1/customers/{customer}?purpose=customer-support"))
            Assert.Contains(Canary, await known.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        var asked = 0;
        foreach (var operation in (await CustomerOperation.AllAsync(server)).Where(Asks))
        {
            var answer = await operation.AskAsync(server, "support-desk", purpose, customer);
            Assert.DoesNotContain(Canary, answer, StringComparison.OrdinalIgnoreCase);
            Assert.True(answer.StartsWith('4') || answer.Contains("\"problem\":{", StringComparison.Ordinal), $"{operation}: {answer}");
            asked++;
        }

        Assert.True(asked >= 5, $"only {asked} operations take a purpose");
    }

    [Fact]
    [Requirement("R70")]
    public async Task An_application_to_which_nobody_granted_anything_reads_nothing()
    {
        await server.RegisterAsync("ungranted", "administrator", "customer-support");
        var customer = await server.CreateCustomerAsync($"{Guid.NewGuid():N}@example.com", Canary);
        foreach (var operation in await CustomerOperation.AllAsync(server))
        {
            if (operation.Method != HttpMethod.Get) continue;
            var answer = await operation.AskAsync(server, "ungranted", "customer-support", customer);
            Assert.True(answer.StartsWith("403", StringComparison.Ordinal) || answer.StartsWith("404", StringComparison.Ordinal), $"{operation}: {answer}");
        }
    }

    private static bool Asks(CustomerOperation operation) =>
        operation.Path.Contains("{of}", StringComparison.Ordinal) || (operation.Body is JsonObject body && body.ContainsKey("purpose"));
}
