using System.Diagnostics;
using System.Net;

namespace DataVault.Server.Tests;

/// <summary>
/// Nobody learns from an answer whether somebody is a customer: who was erased is answered for as who never was, whoever asks, and somebody else's record and
/// requests as none. Of those whom a role does not reach, ReachCoverageTests.
/// </summary>
public sealed class AccountOracleTests(RunningServer server)
{
    private const string Desk = "oracle-desk";

    private static readonly (string Caller, string Purpose)[] Callers =
    [
        ("crm-ingest", "service-delivery"), ("support-desk", "customer-support"), ("campaigns", "marketing"), ("refund-desk", "refunds"), ("compliance-officer", "data-subject-rights"),
        ("analyst", "analytics"), ("administrator", "customer-support"), ("customer", "data-subject-rights"),
    ];

    private static int registered;

    [Fact]
    public async Task Of_somebody_erased_every_caller_is_told_as_much_as_of_nobody()
    {
        var erased = await server.CreateCustomerAsync($"erased.{Guid.NewGuid():N}@example.com");
        await CustomerOperation.EraseAsync(server, erased);
        var asked = 0;
        foreach (var operation in await CustomerOperation.AllAsync(server))
        {
            foreach (var (caller, purpose) in Callers)
            {
                var nobody = await operation.AskAsync(server, caller, purpose, Guid.CreateVersion7());
                var gone = await operation.AskAsync(server, caller, purpose, erased);
                Assert.True(nobody == gone, $"{operation} by {caller}:\n{nobody}\n{gone}");
                asked++;
            }
        }

        Assert.True(asked >= 100, $"only {asked} calls");
    }

    [Fact]
    public async Task Of_somebody_else_a_customer_is_told_as_much_as_of_nobody()
    {
        var other = await server.CreateCustomerAsync($"other.{Guid.NewGuid():N}@example.com");
        var asked = 0;
        foreach (var operation in await CustomerOperation.AllAsync(server))
        {
            var nobody = await operation.AskAsync(server, "customer", "data-subject-rights", Guid.CreateVersion7());
            var somebody = await operation.AskAsync(server, "customer", "data-subject-rights", other);
            Assert.True(nobody == somebody, $"{operation}:\n{nobody}\n{somebody}");
            asked++;
        }

        Assert.True(asked >= 12, $"only {asked} operations name a customer");
    }

    [Fact]
    public async Task Of_the_living_whoever_may_do_nothing_with_anybody_is_told_as_much_as_of_nobody()
    {
        var living = await server.CreateCustomerAsync($"living.{Guid.NewGuid():N}@example.com");
        await server.RegisterAsync("oracle-nobody", "administrator", "customer-support");
        var told = new List<string>();
        foreach (var operation in await CustomerOperation.AllAsync(server))
        {
            foreach (var (caller, purpose) in new[] { ("oracle-nobody", "customer-support"), ("analyst", "analytics") })
            {
                var nobody = await operation.AskAsync(server, caller, purpose, Guid.CreateVersion7());
                var somebody = await operation.AskAsync(server, caller, purpose, living);
                if (nobody != somebody) told.Add($"{operation} by {caller}:\n{nobody}\n{somebody}");
            }
        }

        Assert.True(told.Count == 0, string.Join("\n\n", told));
    }

    [Fact]
    public async Task Of_somebody_elses_request_nobody_is_told_more_than_of_none()
    {
        var other = await server.CreateCustomerAsync($"asks.{Guid.NewGuid():N}@example.com");
        var request = (await server.JsonAsync("compliance-officer", HttpMethod.Post, "/v1/requests", new { kind = "rectification", customer = other }, HttpStatusCode.Created)).GetProperty("id").GetGuid();
        foreach (var caller in new[] { "customer", "support-desk", "campaigns", "analyst" })
        {
            foreach (var path in new[] { "", "/notes", "/package", "/certificate" })
            {
                var (none, one) = (await ToldAsync(caller, Guid.CreateVersion7(), path), await ToldAsync(caller, request, path));
                Assert.True(none == one, $"{path} by {caller}: {none} and {one}");
            }
        }
    }

    /// <summary>
    /// A caller who times answers learns nothing either. Compared is which of two answers came sooner, over many pairs asked in turn, so that a busy machine slows both
    /// alike: of equals the one is sooner as often as the other. What an answer costs more or less by a round trip is sooner nearly always.
    /// </summary>
    [Fact]
    public async Task Neither_the_erased_nor_the_unreachable_are_told_from_nobody_by_the_time_of_an_answer()
    {
        if (Interlocked.Exchange(ref registered, 1) == 0) await server.RegisterAsync(Desk, "house-desk", "customer-support");
        var erased = await CreateAsync("house");
        await CustomerOperation.EraseAsync(server, erased);
        var unreachable = await CreateAsync("partner");
        foreach (var somebody in new[] { erased, unreachable })
        {
            foreach (var path in new[] { "?purpose=customer-support", "/events?purpose=customer-support", "/consents" })
            {
                var shares = new List<double>();
                while (shares.Count < 4 && shares.LastOrDefault(0) is < 0.15 or > 0.85) shares.Add(await SoonerAsync(path, somebody));
                Assert.True(shares[^1] is >= 0.15 and <= 0.85, $"{path} of {(somebody == erased ? "the erased" : "the unreachable")}: sooner than of nobody in {string.Join(", ", shares)} of the pairs");
            }
        }
    }

    // The share of pairs in which the answer about somebody came sooner than the one about nobody, over all pairs of the two samples.
    private async Task<double> SoonerAsync(string path, Guid somebody)
    {
        const int Pairs = 20;
        var (known, unknown) = (new List<long>(), new List<long>());
        for (var turn = 0; turn < Pairs; turn++)
        {
            var nobody = Guid.CreateVersion7();
            foreach (var customer in turn % 2 == 0 ? [somebody, nobody] : new[] { nobody, somebody }) (customer == somebody ? known : unknown).Add(await TakesAsync(path, customer));
        }

        return known.SelectMany(_ => unknown, (one, other) => one < other ? 1.0 : one == other ? 0.5 : 0).Average();
    }

    private async Task<long> TakesAsync(string path, Guid customer)
    {
        var from = Stopwatch.GetTimestamp();
        using var answer = await server.SendAsync(Desk, HttpMethod.Get, $"/v1/customers/{customer}{path}");
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        return Stopwatch.GetTimestamp() - from;
    }

    private async Task<string> ToldAsync(string caller, Guid request, string path)
    {
        using var answer = await server.SendAsync(caller, HttpMethod.Get, $"/v1/requests/{request}{path}");
        return $"{answer.StatusCode} {await RunningServer.SlugAsync(answer)}";
    }

    private async Task<Guid> CreateAsync(string brand)
    {
        var body = new { fields = new { givenName = "Nina", email = $"oracle.{Guid.NewGuid():N}@example.com" }, source = "tests", standing = new { brand } };
        return (await server.JsonAsync("crm-ingest", HttpMethod.Post, "/v1/customers", body, HttpStatusCode.Created)).GetProperty("id").GetGuid();
    }
}
