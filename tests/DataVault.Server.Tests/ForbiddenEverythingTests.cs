using System.Net;
using System.Text.Json;
using DataVault.Testing;

namespace DataVault.Server.Tests;

/// <summary>
/// Under a policy that forbids everything nothing of anybody leaves, whatever is asked: every operation of the API document, by every caller, and the pages of
/// the console. An operation that is new is walked by being in the document.
/// </summary>
public sealed class ForbiddenEverythingTests
{
    private const string Canary = "Zinnobervogel";

    private const string Forbid =
        """
        rules:
          - id: nothing-for-anybody
            why: Test
            effect: forbid
            roles: [ingest, customer-support, marketing, compliance-officer, analyst, administrator, customer, rights-export, rights-erasure, rights-letters, analytics-feed]
            purposes: [all]
            fields: [all]
            events: [all]
            actions: [create, read, update, search, export, erase, feed, consent]
        """;

    [Fact]
    public async Task No_operation_and_no_page_tells_anything_of_anybody()
    {
        var policies = Directory.CreateTempSubdirectory("datavault-policies-").FullName;
        Copy(Path.Combine(Repository.Root, "policies"), policies);
        var process = await ServerProcess.StartAsync(new Dictionary<string, string> { ["Vault__SampleCustomers"] = "12", ["Vault__Policies"] = policies });
        await using var server = new Walker();
        server.Attach(process);
        var customer = await server.CreateCustomerAsync($"{Canary}@example.com", Canary);
        var account = await server.JsonAsync("administrator", HttpMethod.Post, "/v1/accounts", new { email = $"{Canary}@example.com", role = "customer", customer }, HttpStatusCode.Created);
        using (var open = await server.SendAsync("support-desk", HttpMethod.Get, $"/v1/customers/{customer}?purpose=customer-support"))
            Assert.Contains(Canary, await open.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await server.JsonAsync("crm-ingest", HttpMethod.Put, $"/v1/customers/{customer}/consents/marketing", new { state = "given", expires = DateTimeOffset.UtcNow.AddDays(5) });

        // No policy that forbids everything passes the lint: only a vault that has none in force yet takes it.
        await process.DatabaseAsync("vault", "DELETE FROM vault.policy_activation");
        await process.DatabaseAsync("keys", "DELETE FROM keys.policy_memory");
        await process.StopAsync();
        await File.WriteAllTextAsync(Path.Combine(policies, "access", "zz-nothing.yaml"), Forbid);
        await process.RestartAsync();
        var walked = 0;
        foreach (var (method, path, hasBody) in await server.OperationsAsync(customer))
        {
            foreach (var caller in Callers)
            {
                foreach (var body in hasBody ? Bodies(customer) : [null])
                {
                    using var answer = await server.SendAsync(caller, method, path, body);
                    var text = await answer.Content.ReadAsStringAsync();
                    Assert.False(text.Contains(Canary, StringComparison.OrdinalIgnoreCase), $"{method} {path} by {caller}: {text}");
                    walked++;
                }
            }
        }

        Assert.True(walked > 300, $"only {walked} calls");
        await NothingOfConsentsAsync(server, customer);
        using var person = new ConsoleVisitor(process.Address);
        await person.SignInAsync("customer", $"{Canary}@example.com", account.GetProperty("oneTimePassword").GetString()!);
        foreach (var page in new[] { "/console/me", "/console/me/events", "/console/me/accesses", "/console/me/messages", "/console/me/consents" })
        {
            await person.OpenAsync(page);
            Assert.DoesNotContain(Canary, person.Page, StringComparison.OrdinalIgnoreCase);
        }

        Directory.Delete(policies, recursive: true);
    }

    // Consents hold no value of a field to look for: so nobody is answered at all.
    private static async Task NothingOfConsentsAsync(Walker server, Guid customer)
    {
        string[] ways = [$"/v1/customers/{customer}/consents", $"/v1/customers/{customer}/consents/marketing/receipt", $"/v1/customers/{customer}/consents/marketing/proof", "/v1/consents/renewals?purpose=marketing", "/v1/me/consents", "/v1/me/consents/marketing/receipt"];
        foreach (var (caller, way) in Callers.SelectMany(caller => ways.Select(way => (caller, way))))
        {
            using var answer = await server.SendAsync(caller, HttpMethod.Get, way);
            Assert.True(answer.StatusCode is HttpStatusCode.Forbidden or HttpStatusCode.NotFound, $"{way} by {caller}: {answer.StatusCode}");
        }
    }

    private static readonly string[] Callers = ["crm-ingest", "support-desk", "campaigns", "compliance-officer", "analyst", "administrator", "customer"];

    // What a caller who means it would send, where that is one of these; what an operation does not understand it refuses.
    private static IEnumerable<object?> Bodies(Guid customer) =>
    [
        new { purpose = "customer-support", where = new { email = $"{Canary}@example.com" } },
        new { read = new[] { customer }, purpose = "customer-support" },
        new { kind = "access", customer },
        new { customer, fields = new[] { "givenName" }, reason = "Test", purpose = "billing" },
    ];

    private static void Copy(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }

    private sealed class Walker : RunningServer
    {
        public async Task<List<(HttpMethod Method, string Path, bool HasBody)>> OperationsAsync(Guid customer)
        {
            using var document = JsonDocument.Parse(await Http.GetStringAsync("/openapi/v1.json"));
            return
            [
                .. from path in document.RootElement.GetProperty("paths").EnumerateObject()
                   from operation in path.Value.EnumerateObject()
                   let place = path.Name.Replace("{id}", customer.ToString("D"), StringComparison.Ordinal).Replace("{purpose}", "marketing", StringComparison.Ordinal).Replace("{index}", "1", StringComparison.Ordinal)
                   let named = operation.Value.TryGetProperty("parameters", out var parameters) && parameters.EnumerateArray().Any(one => one.GetProperty("name").GetString() == "purpose" && one.GetProperty("in").GetString() == "query")
                   select (new HttpMethod(operation.Name.ToUpperInvariant()), named ? place + "?purpose=customer-support" : place, operation.Value.TryGetProperty("requestBody", out _)),
            ];
        }
    }
}
