using System.Net;
using System.Text.Json;

namespace DataVault.Server.Tests;

/// <summary>Hashes for anybody, entries for officers, proofs for those whom an entry concerns.</summary>
public sealed class LogAccessTests(RunningServer server)
{
    private const string Bundle = "/audit/tile/entries/000.p/1";

    [Fact]
    public async Task Checkpoint_key_and_hashes_are_public()
    {
        foreach (var path in new[] { "/audit/checkpoint", "/audit/key", "/audit/tile/0/000.p/1" })
            Assert.Equal(HttpStatusCode.OK, await StatusAsync("", path));
    }

    [Theory]
    [InlineData("", "unauthenticated")]
    [InlineData("support-desk", "forbidden")]
    [InlineData("analyst", "forbidden")]
    [InlineData("customer", "forbidden")]
    public async Task Entries_and_lists_of_persons_are_refused_to_who_may_not_read_the_log(string who, string slug)
    {
        foreach (var path in new[] { Bundle, "/audit/tile/members/000" })
        {
            using var answer = await server.SendAsync(who, HttpMethod.Get, path);
            Assert.Equal(slug, await RunningServer.SlugAsync(answer));
        }
    }

    [Theory]
    [InlineData("/audit/tile//entries/000.p/1")]
    [InlineData("/audit/tile/ENTRIES/000.p/1")]
    [InlineData("/audit/tile/%65ntries/000.p/1")]
    [InlineData("/audit/tile/entries%2F000.p/1")]
    [InlineData("/audit/tile/0/../entries/000.p/1")]
    [InlineData("/AUDIT/TILE/entries/000.p/1")]
    [InlineData("/audit/tile//members/000")]
    [InlineData("/audit/tile/%6dembers/000")]
    [InlineData("/audit/tile/members%2F000")]
    [InlineData("/audit/tile/0/../members/000")]
    public async Task No_spelling_of_the_path_opens_the_entries(string path) =>
        Assert.Contains(await StatusAsync("", path), new[] { HttpStatusCode.Unauthorized, HttpStatusCode.NotFound });

    [Fact]
    public async Task An_officer_gets_entries_that_no_cache_keeps()
    {
        using var answer = await server.SendAsync("officer-tools", HttpMethod.Get, Bundle);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.True(answer.Headers.CacheControl?.NoStore);
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync("officer-tools", "/audit/tile/entries/999"));
    }

    [Fact]
    public async Task An_application_proves_its_own_receipt_and_learns_nothing_of_another()
    {
        var read = await ReadAsync("support-desk", "customer-support", await server.CreateCustomerAsync("receipts@example.com"));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync("support-desk", Proof(read)));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync("compliance-officer", Proof(read)));
        Assert.Equal(await RefusalAsync("campaigns", Proof(999_999_999)), await RefusalAsync("campaigns", Proof(read)));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync("customer", Proof(read)));
    }

    [Fact]
    public async Task A_customer_proves_who_looked_at_their_record()
    {
        var own = (await server.JsonAsync("customer", HttpMethod.Get, "/v1/me")).GetProperty("customer").GetGuid();
        var read = await ReadAsync("support-desk", "customer-support", own);
        Assert.Equal(HttpStatusCode.OK, await StatusAsync("customer", Proof(read)));
        foreach (var access in (await server.JsonAsync("customer", HttpMethod.Get, "/v1/me/accesses?limit=5")).GetProperty("items").EnumerateArray())
            Assert.Equal(HttpStatusCode.OK, await StatusAsync("customer", Proof(access.GetProperty("index").GetInt64())));
    }

    [Fact]
    public async Task Who_registers_an_application_or_makes_an_account_is_the_actor_and_what_is_made_the_object()
    {
        await server.RegisterAsync("made-by-admin", "customer-support", "customer-support");
        await server.JsonAsync(
            "administrator", HttpMethod.Post, "/v1/accounts", new { email = "second.officer@vault.example", role = "compliance-officer" }, HttpStatusCode.Created);

        var clients = await EntriesAsync("actor=administrator&type=client.change");
        var ours = clients.Where(rules => rules.Contains("client:made-by-admin")).ToList();
        Assert.Equal([["done", "registered", "client:made-by-admin"], ["intended", "registered", "client:made-by-admin"]], ours);
        Assert.Empty(await EntriesAsync("actor=made-by-admin&type=client.change"));
        var accounts = await EntriesAsync("actor=administrator&type=account.change");
        Assert.Contains(accounts, rules => rules is ["done", "created", ['a', 'c', 'c', 'o', 'u', 'n', 't', ':', ..]]);
    }

    private async Task<List<string[]>> EntriesAsync(string query)
    {
        var found = await server.JsonAsync("officer-tools", HttpMethod.Get, $"/v1/audit/entries?limit=200&{query}");
        return [.. found.GetProperty("items").EnumerateArray().Select(entry => entry.GetProperty("rules").EnumerateArray().Select(rule => rule.GetString()!).ToArray())];
    }

    private async Task<long> ReadAsync(string who, string purpose, Guid customer) =>
        (await server.JsonAsync(who, HttpMethod.Get, $"/v1/customers/{customer}?purpose={purpose}&fields=givenName")).GetProperty("receipt").GetProperty("index").GetInt64();

    private static string Proof(long index) => $"/v1/audit/entries/{index}/proof";

    private async Task<HttpStatusCode> StatusAsync(string who, string path)
    {
        HttpStatusCode? status = null;
        // An entry that is not signed yet is unavailable for a second.
        await Waiting.UntilAsync($"{path} is answered", async () =>
        {
            using var answer = await server.SendAsync(who, HttpMethod.Get, path);
            status = answer.StatusCode;
            return status != HttpStatusCode.ServiceUnavailable;
        });
        return status!.Value;
    }

    private async Task<(HttpStatusCode Status, string? Title, string? Detail)> RefusalAsync(string who, string path)
    {
        using var answer = await server.SendAsync(who, HttpMethod.Get, path);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        using var problem = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        var detail = problem.RootElement.TryGetProperty("detail", out var said) ? said.GetString() : null;
        return (answer.StatusCode, problem.RootElement.GetProperty("title").GetString(), detail);
    }
}
