using System.Net;
using System.Text.RegularExpressions;

namespace DataVault.Server.Tests;

/// <summary>The package of a new customer, as they ask for it and fetch it themselves.</summary>
internal static partial class MadePackage
{
    /// <summary>Whoever signs in needs an address; the profile need not have one, and then nobody is in the way of a copy.</summary>
    public static async Task<byte[]> OfAsync(RunningServer server, string account, params IEnumerable<(string Field, object Value)> more)
    {
        var fields = new Dictionary<string, object> { ["givenName"] = "Wilma", ["familyName"] = "Wanderer", ["occupation"] = "Guide", ["segment"] = "regular" };
        foreach (var (field, value) in more) fields[field] = value;
        var id = (await server.JsonAsync("crm-ingest", HttpMethod.Post, "/v1/customers", new { fields, source = "tests", consents = new { marketing = "given" } }, HttpStatusCode.Created)).GetProperty("id").GetGuid();
        foreach (var order in new[] { "A-1", "A-2" })
        {
            var properties = new { orderId = order, sku = "LAMP", quantity = 1, unitPrice = new { amount = "1.00", currency = "EUR" }, total = new { amount = "1.00", currency = "EUR" } };
            await server.JsonAsync("crm-ingest", HttpMethod.Post, "/v1/events", new { customer = id, type = "purchase", occurredAt = "2026-03-01T10:15:00Z", source = "shop", properties }, HttpStatusCode.Created);
        }
        var password = (await server.JsonAsync("administrator", HttpMethod.Post, "/v1/accounts", new { email = account, role = "customer", customer = id }, HttpStatusCode.Created)).GetProperty("oneTimePassword").GetString()!;
        using var visitor = new ConsoleVisitor(server.Process.Address);
        await visitor.SignInAsync("customer", account, password);
        await visitor.OpenAsync("/console/me/requests");
        await visitor.SubmitAsync("/console/me/requests", ("kind", "access"));
        var address = "";
        await Waiting.UntilAsync("the package is there", async () =>
        {
            await visitor.OpenAsync("/console/me/requests");
            address = Address().Match(visitor.Page).Value;
            return address.Length > 0;
        });
        return await visitor.DownloadAsync(address);
    }

    [GeneratedRegex("/console/me/requests/[0-9a-f-]{36}/package")]
    private static partial Regex Address();
}
