using System.Net;
using System.Text.Json;

namespace DataVault.Server.Tests;

/// <summary>The package of somebody without a sign-in: an officer fetches it, once, and the log says who.</summary>
public sealed class PackageForOthersTests(RunningServer server)
{
    [Fact]
    [Requirement("R37")]
    public async Task An_officer_downloads_it_in_the_console_once_and_no_application_does()
    {
        var request = await PackagedAsync("without.sign-in@example.com", "compliance-officer");
        var path = $"/console/officer/requests/{request}/package";
        using var visitor = new ConsoleVisitor(server.Process.Address);
        await visitor.SignInAsync(await server.StaffAsync("compliance-officer"));
        await visitor.OpenAsync($"/console/officer/requests/{request}");
        var form = visitor.Page;
        await visitor.SubmitAsync(path);
        Assert.StartsWith("PK", visitor.Page, StringComparison.Ordinal);
        await visitor.OpenAsync($"/console/officer/requests/{request}");
        Assert.DoesNotContain(path, visitor.Page, StringComparison.Ordinal);
        Assert.Contains(path, form, StringComparison.Ordinal);
        using var again = await server.SendAsync("compliance-officer", HttpMethod.Get, $"/v1/requests/{request}/package");
        Assert.Equal("invalid-state", await RunningServer.SlugAsync(again));
        var fetched = await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/audit/entries?type=request.change&limit=50");
        Assert.Contains(fetched.GetProperty("items").EnumerateArray(), entry => entry.GetRawText().Contains("package:fetched", StringComparison.Ordinal) && entry.GetRawText().Contains(request.ToString("D"), StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_the_person_asked_for_themselves_no_officer_downloads()
    {
        var id = await server.CreateCustomerAsync("with.sign-in@example.com");
        var account = await server.JsonAsync("administrator", HttpMethod.Post, "/v1/accounts", new { email = "with.sign-in@example.com", role = "customer", customer = id }, HttpStatusCode.Created);
        using var visitor = new ConsoleVisitor(server.Process.Address);
        await visitor.SignInAsync("customer", "with.sign-in@example.com", account.GetProperty("oneTimePassword").GetString()!);
        await visitor.OpenAsync("/console/me/requests");
        await visitor.SubmitAsync("/console/me/requests", ("kind", "access"));
        var own = await server.JsonAsync("compliance-officer", HttpMethod.Get, $"/v1/requests?customer={id}");
        var request = own.GetProperty("items")[0].GetProperty("id").GetGuid();
        using var refused = await server.SendAsync("compliance-officer", HttpMethod.Get, $"/v1/requests/{request}/package");
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
    }

    private async Task<Guid> PackagedAsync(string email, string officer)
    {
        var id = await server.CreateCustomerAsync(email);
        var opened = (await server.JsonAsync(officer, HttpMethod.Post, "/v1/requests", new { kind = "access", customer = id }, HttpStatusCode.Created)).GetProperty("id").GetGuid();
        await server.JsonAsync(officer, HttpMethod.Post, $"/v1/requests/{opened}/verify", new { method = "document-seen" });
        await server.JsonAsync(officer, HttpMethod.Post, $"/v1/requests/{opened}/approve", new { });
        await Waiting.UntilAsync("the package is there", async () => (await ViewAsync(officer, opened)).GetProperty("hasPackage").GetBoolean());
        return opened;
    }

    private Task<JsonElement> ViewAsync(string officer, Guid request) => server.JsonAsync(officer, HttpMethod.Get, $"/v1/requests/{request}");
}
