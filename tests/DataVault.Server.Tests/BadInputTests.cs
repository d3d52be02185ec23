using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;

namespace DataVault.Server.Tests;

/// <summary>Whatever is sent, the answer is a clear problem, never 500, and never repeats what was sent.</summary>
public sealed class BadInputTests(RunningServer server)
{
    private const string Canary = "Zyxw-canary-77";

    private static readonly object s_purchase = new
    {
        orderId = "A-1001", sku = "LAMP-7", quantity = 1, unitPrice = new { amount = "49.90", currency = "EUR" }, total = new { amount = "49.90", currency = "EUR" },
    };

    public static TheoryData<string, string> Bodies => new()
    {
        { "{ \"fields\": { \"givenName\": \"" + Canary + "\" ", "malformed" },
        { "[ \"" + Canary + "\" ]", "wrong-type" },
        { "null", "wrong-type" },
        { "{ \"fields\": { \"givenName\": \"a\" }, \"source\": \"t\", \"" + Canary + "\": 1 }", "unknown-member" },
        { "{ \"fields\": { \"givenName\": \"a\", \"givenName\": \"" + Canary + "\" }, \"source\": \"t\" }", "duplicate-member" },
        { "{ \"fields\": {}, \"source\": \"t\", \"source\": \"" + Canary + "\" }", "duplicate-member" },
        { "{ \"source\": \"" + Canary + "\" }", "missing-member" },
        { "{ \"fields\": \"" + Canary + "\", \"source\": \"t\" }", "wrong-type" },
        { "{ \"fields\": { \"givenName\": \"\\ud800" + Canary + "\" }, \"source\": \"t\" }", "invalid-text" },
        { "{ \"fields\": { \"givenName\": \"\\u0000" + Canary + "\" }, \"source\": \"t\" }", "invalid-text" },
        { "{ \"fields\": { \"notes\": " + new string('[', 2_000) + new string(']', 2_000) + " }, \"source\": \"" + Canary + "\" }", "too-deep" },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task A_malformed_body_is_named_and_not_echoed(string body, string code)
    {
        using var answer = await server.SendAsync("crm-ingest", HttpMethod.Post, "/v1/customers", body);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal("invalid-request", await RunningServer.SlugAsync(answer));
        Assert.Contains($"\"{code}\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain(Canary, text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("crm-ingest", "/v1/customers/batch", """{ "create": [null] }""")]
    [InlineData("crm-ingest", "/v1/events/batch", """{ "events": [null] }""")]
    [InlineData("support-desk", "/v1/customers/search", """{ "purpose": "customer-support", "where": { "email": "a@example.com" }, "fields": [null] }""")]
    [InlineData("compliance-officer", "/v1/policy/explain", """{ "roles": [null], "purpose": "marketing" }""")]
    public async Task Nothing_in_a_list_is_a_wrong_type(string who, string path, string body)
    {
        using var answer = await server.SendAsync(who, HttpMethod.Post, path, body);
        Assert.Contains("wrong-type", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal("invalid-request", await RunningServer.SlugAsync(answer));
    }

    [Fact]
    public async Task Of_a_batch_what_names_nobody_is_reported_and_the_rest_is_stored()
    {
        var id = await server.CreateCustomerAsync("batch.of.events@example.com");
        object Happened(object customer, string purpose = "service-delivery") =>
            new { customer, type = "purchase", occurredAt = "2026-03-01T10:15:00Z", source = "shop", properties = s_purchase, purpose };
        var events = new[]
        {
            Happened(id), Happened(Canary), Happened(new { id = Canary, email = "batch.of.events@example.com" }), Happened(new { }), Happened(new { id, email = "batch.of.events@example.com" }),
            Happened(id, "nothing"), Happened(new { email = "batch.of.events@example.com" }),
        };
        var answer = await server.JsonAsync("crm-ingest", HttpMethod.Post, "/v1/events/batch", new { events });
        var items = answer.GetProperty("items").EnumerateArray().ToList();
        Assert.Equal([201, 400, 400, 400, 400, 400, 201], items.Select(item => item.GetProperty("status").GetInt32()));
        Assert.Equal(Enumerable.Range(0, 7), items.Select(item => item.GetProperty("index").GetInt32()));
        Assert.DoesNotContain(Canary, answer.GetRawText(), StringComparison.Ordinal);
        Assert.True(answer.GetProperty("receipt").GetProperty("index").GetInt64() > 0);
        var none = await server.JsonAsync("crm-ingest", HttpMethod.Post, "/v1/events/batch", new { events = new[] { Happened(Canary) } });
        Assert.Contains("not-an-id", none.GetRawText(), StringComparison.Ordinal);
        using var alone = await server.SendAsync("crm-ingest", HttpMethod.Post, "/v1/events", Happened(Canary));
        Assert.Equal("invalid-request", await RunningServer.SlugAsync(alone));
    }

    [Fact]
    public async Task A_search_for_nothing_is_a_bad_value()
    {
        using var search = await server.SendAsync("support-desk", HttpMethod.Post, "/v1/customers/search", """{ "purpose": "customer-support", "where": { "email": null } }""");
        Assert.Equal("invalid-fields", await RunningServer.SlugAsync(search));
    }

    [Fact]
    public async Task Bytes_that_are_no_UTF_8_are_refused()
    {
        using var answer = await server.SendAsync("crm-ingest", HttpMethod.Post, "/v1/customers", shape: request =>
        {
            request.Content = new ByteArrayContent([.. "{ \"source\": \""u8, 0xC3, 0x28, .. "\" }"u8]);
            request.Content.Headers.ContentType = new("application/json");
        });
        Assert.Contains("invalid-utf8", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal("invalid-request", await RunningServer.SlugAsync(answer));
    }

    [Theory]
    [InlineData("text/plain")]
    [InlineData("application/xml")]
    [InlineData("application/json; charset=utf-16")]
    public async Task Another_content_type_is_refused(string type)
    {
        using var answer = await server.SendAsync("crm-ingest", HttpMethod.Post, "/v1/customers", shape: request =>
        {
            request.Content = new ByteArrayContent("{}"u8.ToArray());
            request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        });
        Assert.Equal("unsupported-media-type", await RunningServer.SlugAsync(answer));
    }

    [Theory]
    [InlineData("/v1/customers", 300_000)]
    [InlineData("/v1/customers/batch", 10_000_000)]
    [InlineData("/v1/events/batch", 10_000_000)]
    [InlineData("/v1/policy/explain", 100_000)]
    public async Task A_body_that_is_too_large_is_refused_and_the_server_goes_on(string path, int size)
    {
        var who = path.StartsWith("/v1/policy", StringComparison.Ordinal) ? "compliance-officer" : "crm-ingest";
        using var answer = await server.SendAsync(who, HttpMethod.Post, path, new string(' ', size));
        Assert.Equal("payload-too-large", await RunningServer.SlugAsync(answer));
        using var alive = await server.SendAsync("", HttpMethod.Get, "/health/live");
        Assert.Equal(HttpStatusCode.OK, alive.StatusCode);
    }

    [Theory]
    [InlineData("email", "not an address " + Canary)]
    [InlineData("phone", "call " + Canary)]
    [InlineData("birthDate", "2026-13-45")]
    [InlineData("iban", "DE00 " + Canary)]
    [InlineData("country", "Atlantis " + Canary)]
    public async Task A_value_that_breaks_its_fields_rules_is_422_with_a_pointer(string field, string value)
    {
        var body = new { fields = new Dictionary<string, string> { ["givenName"] = "Valid", [field] = value }, source = "tests" };
        using var answer = await server.SendAsync("crm-ingest", HttpMethod.Post, "/v1/customers", body);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.Equal("invalid-fields", await RunningServer.SlugAsync(answer));
        Assert.Contains($"/fields/{field}", text, StringComparison.Ordinal);
        Assert.DoesNotContain(Canary, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_field_that_is_not_in_the_catalogue_is_refused_without_naming_it()
    {
        using var answer = await server.SendAsync(
            "crm-ingest", HttpMethod.Post, "/v1/customers", new { fields = new Dictionary<string, string> { [Canary] = "x" }, source = "tests" });
        Assert.True(await RunningServer.SlugAsync(answer) is "unknown-field" or "invalid-fields");
        Assert.DoesNotContain(Canary, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/v1/customers/%27%3B%20drop%20table%20vault.subject%3B--?purpose=customer-support", 404)]
    [InlineData("/v1/customers/00000000-0000-0000-0000-000000000000?purpose=customer-support", 404)]
    [InlineData("/v1/customers/01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77?purpose=customer-support", 404)]
    [InlineData("/v1/customers/01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77", 404)]
    [InlineData("/v1/customers/01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77?purpose=%27%20or%201%3D1", 400)]
    [InlineData("/v1/customers/01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77?purpose=customer-support&fields=", 404)]
    [InlineData("/v1/customers/01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77?purpose=customer-support&fields=a,,b", 400)]
    [InlineData("/v1/customers/01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77?purpose=customer-support&nonsense=1", 400)]
    [InlineData("/v1/customers/01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77?purpose=customer-support&purpose=marketing", 400)]
    [InlineData("/v1/customers/01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77/events?purpose=customer-support&limit=0", 400)]
    [InlineData("/v1/customers/01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77/events?purpose=customer-support&limit=99999", 400)]
    [InlineData("/v1/audit/entries/99999999999999999999/proof", 404)]
    [InlineData("/v1/audit/entries/999999999/proof", 404)]
    [InlineData("/v1/nothing/here", 404)]
    public async Task Odd_addresses_have_plain_answers(string path, int status)
    {
        using var answer = await server.SendAsync("support-desk", HttpMethod.Get, path);
        Assert.Equal(status, (int)answer.StatusCode);
        await RunningServer.SlugAsync(answer);
    }

    [Fact]
    public async Task A_method_that_is_not_known_is_405_as_a_problem()
    {
        using var answer = await server.SendAsync("support-desk", HttpMethod.Delete, "/v1/policy");
        Assert.Equal("method-not-allowed", await RunningServer.SlugAsync(answer));
    }

    public static TheoryData<string> Forgeries => ["alg-none", "other-key", "changed-payload", "hmac-with-public-text", "not-a-token", "empty", "two-parts"];

    [Theory]
    [MemberData(nameof(Forgeries))]
    public async Task A_forged_token_opens_nothing(string kind)
    {
        var token = Forge(kind, await server.TokenAsync("support-desk"));
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/policy");
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + token);
        using var answer = await server.Http.SendAsync(request);
        Assert.Equal("unauthenticated", await RunningServer.SlugAsync(answer));
        Assert.NotEmpty(answer.Headers.WwwAuthenticate);
    }

    [Fact]
    public async Task A_token_in_the_query_is_not_taken()
    {
        using var answer = await server.SendAsync("", HttpMethod.Get, "/v1/policy?access_token=" + await server.TokenAsync("support-desk"));
        Assert.Equal("unauthenticated", await RunningServer.SlugAsync(answer));
    }

    private static string Forge(string kind, string genuine)
    {
        var parts = genuine.Split('.');
        switch (kind)
        {
            case "alg-none":
                return $"{Encode("{\"alg\":\"none\",\"typ\":\"at+jwt\"}"u8)}.{parts[1]}.";
            case "other-key":
                using (var key = ECDsa.Create(ECCurve.NamedCurves.nistP256))
                    return $"{parts[0]}.{parts[1]}.{Encode(key.SignData(Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), HashAlgorithmName.SHA256))}";
            case "changed-payload":
                var payload = Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(parts[1])).Replace("customer-support", "administrator", StringComparison.Ordinal);
                return $"{parts[0]}.{Encode(Encoding.UTF8.GetBytes(payload))}.{parts[2]}";
            case "hmac-with-public-text":
                var header = Encode("{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}"u8);
                return $"{header}.{parts[1]}.{Encode(HMACSHA256.HashData(Encoding.ASCII.GetBytes(parts[0]), Encoding.ASCII.GetBytes($"{header}.{parts[1]}")))}";
            case "two-parts":
                return $"{parts[0]}.{parts[1]}";
            default:
                return kind == "empty" ? "" : "a.b.c";
        }
    }

    private static string Encode(ReadOnlySpan<byte> bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);
}
