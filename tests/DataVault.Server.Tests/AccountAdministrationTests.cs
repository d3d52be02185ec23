using System.Net;
using System.Net.Http.Headers;
using DataVault.Testing;

namespace DataVault.Server.Tests;

/// <summary>Staff: invited, switched off, signed out, let in again; by whom, the log says.</summary>
public sealed class AccountAdministrationTests(RunningServer server)
{
    [Fact]
    public async Task An_administrator_switches_a_member_of_staff_off_and_on_and_signs_them_out()
    {
        var person = await server.StaffAsync("analyst");
        var token = await server.SignInAsync(person);
        var id = (await server.JsonAsync("administrator", HttpMethod.Post, "/v1/accounts/find", new { email = person.Email })).GetProperty("id").GetGuid();
        Assert.Contains((await server.JsonAsync("administrator", HttpMethod.Get, "/v1/accounts")).GetProperty("items").EnumerateArray(), one => one.GetProperty("id").GetGuid() == id);

        await server.JsonAsync("administrator", HttpMethod.Post, $"/v1/accounts/{id}/disable");
        Assert.Equal(HttpStatusCode.Unauthorized, await MeAsync(token));
        await Assert.ThrowsAnyAsync<Exception>(() => server.SignInAsync(person));
        await server.JsonAsync("administrator", HttpMethod.Post, $"/v1/accounts/{id}/enable");
        token = await server.SignInAsync(person);
        Assert.Equal(HttpStatusCode.OK, await MeAsync(token));
        await server.JsonAsync("administrator", HttpMethod.Post, $"/v1/accounts/{id}/sign-out");
        Assert.Equal(HttpStatusCode.Unauthorized, await MeAsync(token));

        var acts = (await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/audit/entries?actor=administrator&type=account.change&limit=200")).GetProperty("items").EnumerateArray()
            .Select(entry => string.Join(' ', entry.GetProperty("rules").EnumerateArray().Select(rule => rule.GetString()))).ToList();
        Assert.All(new[] { "disabled", "enabled", "signed-out" }, what => Assert.Contains(acts, act => act.StartsWith($"done {what} account:", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_lost_second_factor_is_taken_away_by_an_administrator_in_the_console_and_never_by_an_application()
    {
        var person = await server.StaffAsync("analyst");
        var id = (await server.JsonAsync("operations", HttpMethod.Post, "/v1/accounts/find", new { email = person.Email })).GetProperty("id").GetGuid();
        using (var refused = await server.SendAsync("operations", HttpMethod.Post, $"/v1/accounts/{id}/second-factor-reset"))
            Assert.Equal("forbidden", await RunningServer.SlugAsync(refused));

        using var administrator = new ConsoleVisitor(server.Process.Address);
        await administrator.SignInAsync(await server.StaffAsync("administrator"));
        await administrator.OpenAsync("/console/admin/accounts");
        await administrator.SubmitAsync("/console/admin/accounts/act", ("account", ""), ("email", person.Email), ("act", "second-factor-reset"));
        Assert.Contains("Done. The log has an entry of it.", administrator.Page, StringComparison.Ordinal);

        using var again = new ConsoleVisitor(server.Process.Address);
        await again.SignInAsync("staff", person.Email, person.Password);
        Assert.Equal("/account/factor/new", again.Place);
    }

    [Fact]
    public async Task Another_password_leaves_the_second_factor()
    {
        var person = await server.StaffAsync("analyst");
        var id = (await server.JsonAsync("administrator", HttpMethod.Post, "/v1/accounts/find", new { email = person.Email })).GetProperty("id").GetGuid();
        var once = (await server.JsonAsync("administrator", HttpMethod.Post, $"/v1/accounts/{id}/password-reset")).GetProperty("oneTimePassword").GetString()!;

        using var visitor = new ConsoleVisitor(server.Process.Address);
        await visitor.SignInAsync("staff", person.Email, once);
        Assert.Equal("/account/factor", visitor.Place);
        await visitor.SubmitAsync("/account/factor", ("code", await Authenticator.Of(person.CodeSecret!).NextAsync()));
        Assert.Equal("/account/password", visitor.Place);
    }

    [Fact]
    public async Task A_customers_account_is_made_by_staff_in_person_for_somebody_who_is_there()
    {
        var customer = await server.CreateCustomerAsync($"{Guid.NewGuid():N}@example.com");
        object Body(Guid id) => new { email = $"{Guid.NewGuid():N}@example.com", role = "customer", customer = id };

        using var application = await server.SendAsync("operations", HttpMethod.Post, "/v1/accounts", Body(customer));
        Assert.Equal("forbidden", await RunningServer.SlugAsync(application));
        await server.JsonAsync("administrator", HttpMethod.Post, "/v1/accounts", Body(customer), HttpStatusCode.Created);
        using var nobody = await server.SendAsync("administrator", HttpMethod.Post, "/v1/accounts", Body(Guid.NewGuid()));
        using var again = await server.SendAsync("administrator", HttpMethod.Post, "/v1/accounts", Body(customer));
        Assert.Equal(HttpStatusCode.Conflict, nobody.StatusCode);
        Assert.Equal((await again.Content.ReadAsStringAsync()).Split("\"traceId\"")[0], (await nobody.Content.ReadAsStringAsync()).Split("\"traceId\"")[0]);
    }

    [Fact]
    public async Task A_customers_lost_factor_is_taken_away_by_a_recovery_alone_that_wants_to_know_who_it_is()
    {
        var email = $"{Guid.NewGuid():N}@example.com";
        var customer = await server.CreateCustomerAsync(email);
        var made = await server.JsonAsync("administrator", HttpMethod.Post, "/v1/accounts", new { email, role = "customer", customer }, HttpStatusCode.Created);
        using var visitor = new ConsoleVisitor(server.Process.Address);
        await visitor.SignInAsync("customer", email, made.GetProperty("oneTimePassword").GetString()!);
        await visitor.EnrolAsync();
        object Asked(string method) => new { customer, method };

        using var atOnce = await server.SendAsync("administrator", HttpMethod.Post, $"/v1/accounts/{made.GetProperty("id").GetGuid()}/second-factor-reset");
        using var unsure = await server.SendAsync("administrator", HttpMethod.Post, "/v1/accounts/recoveries", Asked("matching-answers"));
        using var signedIn = await server.SendAsync("administrator", HttpMethod.Post, "/v1/accounts/recoveries", Asked("signed-in-two-factors"));
        var begun = await server.JsonAsync("administrator", HttpMethod.Post, "/v1/accounts/recoveries", Asked("document-seen"), HttpStatusCode.Created);

        Assert.Equal(("forbidden", "invalid-request", "invalid-request"), (await RunningServer.SlugAsync(atOnce), await RunningServer.SlugAsync(unsure), await RunningServer.SlugAsync(signedIn)));
        Assert.Equal(TimeSpan.FromDays(3), begun.GetProperty("dueAt").GetDateTimeOffset() - begun.GetProperty("askedAt").GetDateTimeOffset());
        var id = begun.GetProperty("id").GetGuid();
        Assert.Contains((await server.JsonAsync("administrator", HttpMethod.Get, "/v1/accounts/recoveries")).GetProperty("items").EnumerateArray(), one => one.GetProperty("id").GetGuid() == id);
        using var stopped = await server.SendAsync("administrator", HttpMethod.Post, $"/v1/accounts/recoveries/{id}/stop");
        using var twice = await server.SendAsync("administrator", HttpMethod.Post, $"/v1/accounts/recoveries/{id}/stop");
        Assert.Equal((HttpStatusCode.NoContent, HttpStatusCode.NotFound), (stopped.StatusCode, twice.StatusCode));
    }

    [Fact]
    public async Task An_address_that_nobody_has_and_an_account_that_is_not_there_are_not_found()
    {
        using var unknown = await server.SendAsync("administrator", HttpMethod.Post, "/v1/accounts/find", new { email = "nobody@vault.example" });
        Assert.Equal("not-found", await RunningServer.SlugAsync(unknown));
        using var absent = await server.SendAsync("administrator", HttpMethod.Post, $"/v1/accounts/{Guid.NewGuid()}/disable");
        Assert.Equal("not-found", await RunningServer.SlugAsync(absent));
    }

    private async Task<HttpStatusCode> MeAsync(string token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/me");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await server.Http.SendAsync(request);
        return answer.StatusCode;
    }
}
