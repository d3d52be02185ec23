using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using DataVault.Client;

namespace DataVault.Server.Tests;

/// <summary>The shipped emergency from the call to the officer's word, over HTTP and in the console; and what stands beside it.</summary>
public sealed class OversightTests(RunningServer server)
{
    [Fact]
    public async Task An_emergency_is_released_told_to_the_person_reviewed_by_an_officer_and_overdue_nowhere()
    {
        var email = "rescued@example.com";
        var customer = await server.CreateCustomerAsync(email, "Rescued");
        var account = await server.JsonAsync("administrator", HttpMethod.Post, "/v1/accounts", new { email, role = "customer", customer }, HttpStatusCode.Created);
        // The shipped rule asks for two factors: it is the sign-in that brings them.
        var rescuer = await server.SignInAsync(await server.StaffAsync("customer-support"));

        using (var refused = await ReadAsync(server, rescuer, customer, null))
            Assert.Equal("reason-required", await RunningServer.SlugAsync(refused));
        using (var inAddress = await CallAsync(server, rescuer, $"/v1/customers/{customer}?purpose=emergency&fields=givenName&justification=a%20fire", null))
            Assert.Equal("invalid-request", await RunningServer.SlugAsync(inAddress));
        const string reason = "Allergische Reaktion – Notruf, 急救";
        using var read = await ReadAsync(server, rescuer, customer, reason);
        var released = JsonDocument.Parse(await read.Content.ReadAsStringAsync()).RootElement;
        Assert.True(read.StatusCode == HttpStatusCode.OK, released.ToString());
        Assert.Equal("Rescued", released.GetProperty("fields").GetProperty("givenName").GetString());
        var index = released.GetProperty("receipt").GetProperty("index").GetInt64();
        // Its window is open: the next look needs no words.
        using (var again = await ReadAsync(server, rescuer, customer, null))
            Assert.Equal(HttpStatusCode.OK, again.StatusCode);

        using var person = new ConsoleVisitor(server.Process.Address);
        await person.SignInAsync("customer", email, account.GetProperty("oneTimePassword").GetString()!);
        await person.OpenAsync("/console/me/messages");
        Assert.Contains("Danger to life", person.Page, StringComparison.Ordinal);
        Assert.Contains("Customer service", person.Page, StringComparison.OrdinalIgnoreCase);

        using var officer = new ConsoleVisitor(server.Process.Address);
        await officer.SignInAsync(await server.StaffAsync("compliance-officer"));
        var review = (await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/reviews?state=open")).GetProperty("items").EnumerateArray()
            .Single(one => one.GetProperty("entries").EnumerateArray().Any(entry => entry.GetInt64() == index));
        var path = "/console/officer/reviews/" + review.GetProperty("id").GetString();
        await officer.OpenAsync("/console/officer/reviews");
        Assert.Contains(path, officer.Page, StringComparison.Ordinal);
        await officer.OpenAsync(path);
        Assert.Contains(WebUtility.HtmlEncode(reason), WebUtility.HtmlEncode(WebUtility.HtmlDecode(officer.Page)), StringComparison.Ordinal);
        Assert.Contains(customer.ToString(), officer.Page, StringComparison.Ordinal);
        await officer.SubmitAsync(path, ("words", "The lot was recalled"), ("outcome", "justified"));
        Assert.Contains("The lot was recalled", officer.Page, StringComparison.Ordinal);
        using (var after = await ReadAsync(server, rescuer, customer, null))
            Assert.Equal("reason-required", await RunningServer.SlugAsync(after));
        var decided = (await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/audit/entries?type=review.change&limit=1")).GetProperty("items")[0];
        Assert.Equal("review.change", decided.GetProperty("type").GetString());
    }

    [Fact]
    public async Task A_planted_customer_raises_an_alert_that_an_officer_takes_up_in_the_console_and_the_status_shows()
    {
        using var officer = new ConsoleVisitor(server.Process.Address);
        await officer.SignInAsync(await server.StaffAsync("compliance-officer"));
        var planted = await server.CreateCustomerAsync("planted@example.com");
        await server.RegisterAsync("nosy-app", "customer-support", "customer-support");
        await server.JsonAsync("administrator", HttpMethod.Post, "/v1/honey", new { customer = planted, brake = true }, HttpStatusCode.Created);
        await server.JsonAsync("nosy-app", HttpMethod.Get, $"/v1/customers/{planted}?purpose=customer-support");
        JsonElement alert = default;
        await Waiting.UntilAsync("the other process has noticed", async () => (alert = (await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/alerts?state=open")).GetProperty("items").EnumerateArray()
            .FirstOrDefault(one => one.GetProperty("kind").GetString() == "honey-touched" && one.GetProperty("stoppedUntil").ValueKind == JsonValueKind.String)).ValueKind == JsonValueKind.Object);
        await Waiting.UntilAsync("the process that reads has heard of the brake", async () =>
        {
            using var stopped = await server.SendAsync("nosy-app", HttpMethod.Get, $"/v1/customers/{planted}?purpose=customer-support");
            if (stopped.IsSuccessStatusCode) return false;
            Assert.Equal("budget-exhausted", await RunningServer.SlugAsync(stopped));
            Assert.True(stopped.Headers.RetryAfter?.Delta > TimeSpan.FromHours(1));
            return true;
        });

        Assert.NotEqual("ok", (await server.JsonAsync("administrator", HttpMethod.Get, "/v1/status")).GetProperty("health").GetProperty("alerts").GetString());
        await officer.OpenAsync("/console/officer/alerts");
        Assert.Contains("A planted customer was touched", officer.Page, StringComparison.Ordinal);
        await officer.SubmitAsync("/console/officer/alerts/" + alert.GetProperty("id").GetString(), ("step", "release"));
        await Waiting.UntilAsync("the other process has noticed", async () =>
        {
            using var again = await server.SendAsync("nosy-app", HttpMethod.Get, $"/v1/customers/{planted}?purpose=customer-support");
            return again.StatusCode == HttpStatusCode.OK;
        });
    }

    private static Task<HttpResponseMessage> ReadAsync(RunningServer server, string token, Guid customer, string? reason) =>
        CallAsync(server, token, $"/v1/customers/{customer}?purpose=emergency&fields=givenName,language", reason);

    private static async Task<HttpResponseMessage> CallAsync(RunningServer server, string token, string path, string? reason)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (reason is not null) request.Headers.Add("Access-Reason", Uri.EscapeDataString(reason));
        return await server.Http.SendAsync(request);
    }
}
