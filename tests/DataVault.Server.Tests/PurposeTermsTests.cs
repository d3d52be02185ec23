using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using DataVault.Server.Tests.Outbound;
using DataVault.Server.Tests.Plaintext;
using DataVault.Testing;

namespace DataVault.Server.Tests;

/// <summary>What the shipped purposes ask for, over HTTP with the applications of the first start: a second person, a ticket, a budget; and messages told outside.</summary>
public sealed class PurposeTermsTests(RunningServer server)
{
    [Fact]
    public async Task A_refund_shows_the_account_once_another_person_has_agreed()
    {
        var customer = await CustomerAsync("refunded@example.com");
        var path = $"/v1/customers/{customer}?purpose=refunds&fields=iban";
        using (var unasked = await server.SendAsync("refund-desk", HttpMethod.Get, path, null, With("A parcel came back")))
            Assert.Equal("approval-required", await RunningServer.SlugAsync(unasked));
        var asked = await server.JsonAsync(
            "refund-desk", HttpMethod.Post, "/v1/approvals", new { customer, purpose = "refunds", fields = new[] { "iban" }, reason = "A parcel came back" }, HttpStatusCode.Created);
        Assert.Equal("plain", asked.GetProperty("forms").GetProperty("iban").GetString());
        var id = asked.GetProperty("id").GetString()!;
        await server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/approvals/{id}/approve");
        var read = await server.JsonAsync("refund-desk", HttpMethod.Get, path, null, HttpStatusCode.OK, With("A parcel came back", id));
        Assert.Equal("DE89370400440532013000", read.GetProperty("fields").GetProperty("iban").GetString());
        using var again = await server.SendAsync("refund-desk", HttpMethod.Get, path, null, With("A parcel came back", id));
        Assert.Equal("approval-required", await RunningServer.SlugAsync(again));
    }

    [Fact]
    public async Task A_complaint_is_looked_up_and_read_by_its_ticket_alone()
    {
        var customer = await CustomerAsync("complains@example.com");
        var path = $"/v1/customers/{customer}?purpose=complaints&fields=email";
        var search = new { purpose = "complaints", where = new { email = "complains@example.com" }, fields = new[] { "givenName" } };
        foreach (var (reason, slug) in new[] { (null, "reason-required"), ("because", "reason-mismatch") })
        {
            using var read = await server.SendAsync("refund-desk", HttpMethod.Get, path, null, With(reason));
            Assert.Equal(slug, await RunningServer.SlugAsync(read));
            using var found = await server.SendAsync("refund-desk", HttpMethod.Post, "/v1/customers/search", search, With(reason));
            Assert.Equal(slug, await RunningServer.SlugAsync(found));
        }

        Assert.Equal("complains@example.com", (await server.JsonAsync("refund-desk", HttpMethod.Get, path, null, HttpStatusCode.OK, With("CASE-1024"))).GetProperty("fields").GetProperty("email").GetString());
        Assert.Single((await server.JsonAsync("refund-desk", HttpMethod.Post, "/v1/customers/search", search, HttpStatusCode.OK, With("CASE-1024"))).GetProperty("results").EnumerateArray());
    }

    [Fact]
    public async Task An_administrator_holds_an_application_to_less_than_the_policy_allows_and_lets_it_have_that_again()
    {
        await server.RegisterAsync("bill-desk", "customer-support", "billing", "customer-support");
        SetBudget one = new("bill-desk", "billing", 1, 1);
        await server.JsonAsync("administrator", HttpMethod.Post, "/v1/budgets", one);
        Assert.Contains((await server.JsonAsync("administrator", HttpMethod.Get, "/v1/budgets")).GetProperty("items").EnumerateArray(), budget =>
            budget.GetProperty("client").GetString() == "bill-desk" && budget.GetProperty("purpose").GetString() == "billing" && budget.GetProperty("perHour").GetInt32() == 1);
        using (var other = await server.SendAsync("administrator", HttpMethod.Post, "/v1/budgets", one with { Purpose = "customer-support" }))
            Assert.Equal("invalid-state", await RunningServer.SlugAsync(other));
        using (var none = await server.SendAsync("administrator", HttpMethod.Post, "/v1/budgets", one with { PerHour = 0 }))
            Assert.Equal("invalid-fields", await RunningServer.SlugAsync(none));
        using (var unable = await server.SendAsync("bill-desk", HttpMethod.Post, "/v1/budgets", one))
            Assert.Equal("forbidden", await RunningServer.SlugAsync(unable));

        var (first, second) = (await CustomerAsync("billed@example.com"), await CustomerAsync("billed-too@example.com"));
        await server.JsonAsync("bill-desk", HttpMethod.Get, $"/v1/customers/{first}?purpose=billing&fields=iban");
        using (var over = await server.SendAsync("bill-desk", HttpMethod.Get, $"/v1/customers/{second}?purpose=billing&fields=iban"))
        {
            Assert.Equal("budget-exhausted", await RunningServer.SlugAsync(over));
            Assert.True(over.Headers.RetryAfter?.Delta > TimeSpan.Zero);
        }

        await server.JsonAsync("administrator", HttpMethod.Post, "/v1/budgets", one with { PerHour = null, PerDay = null });
        Assert.DoesNotContain((await server.JsonAsync("administrator", HttpMethod.Get, "/v1/budgets")).GetProperty("items").EnumerateArray(), budget => budget.GetProperty("client").GetString() == "bill-desk");
    }

    [Fact]
    public async Task That_a_person_has_a_message_is_told_outside_signed_and_without_what_it_says()
    {
        var key = RandomNumberGenerator.GetBytes(32);
        var received = new ConcurrentQueue<ReceivedNotice>();
        await using var channel = await StandIn.StartAsync(async context =>
        {
            var headers = context.Request.Headers;
            received.Enqueue(new ReceivedNotice(
                headers["webhook-id"].ToString(), headers["webhook-timestamp"].ToString(), headers["webhook-signature"].ToString(), Encoding.UTF8.GetString(await StandIn.BodyAsync(context)), Verified: false));
            context.Response.StatusCode = 204;
        });
        await using var process = await ServerProcess.StartAsync(new Dictionary<string, string>
        {
            ["Messages__Channel__Url"] = channel.Address + "/messages", ["Messages__Channel__Secret"] = "whsec_" + Convert.ToBase64String(key), ["Vault__SampleCustomers"] = "1",
        });
        var own = new RunningServer();
        own.Attach(process);
        var customer = await own.CreateCustomerAsync("told@example.com", "Told");
        var rescuer = await own.SignInAsync(await own.StaffAsync("customer-support"));
        using (var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/customers/{customer}?purpose=emergency&fields=givenName"))
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", rescuer);
            With("Danger to life")(request);
            using var read = await own.Http.SendAsync(request);
            Assert.Equal(HttpStatusCode.OK, read.StatusCode);
        }

        await Waiting.UntilAsync("the channel is told", () => !received.IsEmpty);
        var notice = received.First();
        Assert.True(RecipientServer.Verifies(key, notice));
        Assert.Contains(customer.ToString("D"), notice.Body, StringComparison.Ordinal);
        Assert.Contains("subject.message", notice.Body, StringComparison.Ordinal);
        foreach (var secret in new[] { "givenName", "Told", "emergency", "Danger", "told@example.com" }) Assert.DoesNotContain(secret, notice.Body, StringComparison.Ordinal);
    }

    /// <summary>Body of a budget; null removes.</summary>
    private sealed record SetBudget(string Client, string Purpose, int? PerHour, int? PerDay);

    private async Task<Guid> CustomerAsync(string email) =>
        (await server.JsonAsync(
            "crm-ingest", HttpMethod.Post, "/v1/customers",
            new { fields = new { givenName = "Paula", email, iban = "DE89370400440532013000" }, source = "tests" }, HttpStatusCode.Created)).GetProperty("id").GetGuid();

    private static Action<HttpRequestMessage> With(string? reason, string? approval = null) => request =>
    {
        if (reason is not null) request.Headers.Add("Access-Reason", Uri.EscapeDataString(reason));
        if (approval is not null) request.Headers.Add("Access-Approval", approval);
    };
}
