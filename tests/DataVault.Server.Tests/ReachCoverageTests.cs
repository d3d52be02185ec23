using System.Net;
using System.Text.Json;

namespace DataVault.Server.Tests;

/// <summary>
/// Whoever is out of reach is answered for as somebody who was erased and as nobody: every operation of the API document that names a customer, in its
/// address or its body, is asked about all three, and everything that comes back is compared.
/// </summary>
public sealed class ReachCoverageTests(RunningServer server)
{
    private const string Desk = "reach-desk";

    private static int made;

    [Fact]
    public async Task Every_operation_answers_for_whoever_is_out_of_reach_as_for_nobody()
    {
        var (unreachable, erased, unknown) = await ThreeAsync();
        var asked = 0;
        foreach (var operation in await CustomerOperation.AllAsync(server))
        {
            var answers = new List<string>();
            foreach (var customer in new[] { unknown, erased, unreachable }) answers.Add(await operation.AskAsync(server, Desk, "customer-support", customer));
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

    private async Task<(Guid Unreachable, Guid Erased, Guid Unknown)> ThreeAsync()
    {
        if (Interlocked.Exchange(ref made, 1) == 0) await server.RegisterAsync(Desk, "house-desk", "customer-support");
        var (unreachable, erased) = (await CreateAsync("partner"), await CreateAsync("house"));
        await CustomerOperation.EraseAsync(server, erased);
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
