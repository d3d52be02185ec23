using System.IO.Compression;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;

namespace DataVault.Server.Tests.OpenDsr;

/// <summary>A controller and its processor, over HTTP: what the specification says, and what it must not let through.</summary>
public sealed class OpenDsrTests(OpenDsrServer world) : IClassFixture<OpenDsrServer>
{
    private RunningServer Server => world.Server;

    [Fact]
    public async Task A_controller_has_somebody_erased_and_is_told_by_callbacks_that_it_verifies()
    {
        await RegisterAsync();
        var customer = await Server.CreateCustomerAsync("erased.by.controller@example.com");
        var (id, body) = Asked("erasure", "erased.by.controller@example.com", world.Callback);
        using var opened = await SendAsync(body);
        Assert.Equal(HttpStatusCode.Created, opened.StatusCode);
        var receipt = await VerifiedAsync(opened);
        Assert.Equal(body, Encoding.UTF8.GetString(receipt.GetProperty("encoded_request").GetBytesFromBase64()));
        Assert.Equal((OpenDsrServer.Controller, id.ToString()), (receipt.GetProperty("controller_id").GetString(), receipt.GetProperty("subject_request_id").GetString()));
        await ApproveAsync(customer);
        await Waiting.UntilAsync("the controller knows that it is done", () => world.Told(id).Any(status => status.RequestStatus == "completed"));
        Assert.All(world.Received, one => Assert.Equal((202, null), (one.Verdict.StatusCode, one.Verdict.Problem)));
        Assert.Equal("completed", (await StatusAsync(id)).GetProperty("request_status").GetString());
        Assert.Equal(0, world.Told(id).Last().ResultsCount);
        using var gone = await Server.SendAsync("support-desk", HttpMethod.Get, $"/v1/customers/{customer}?purpose=customer-support");
        Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
        Assert.DoesNotContain(customer.ToString(), string.Concat(world.Received.Select(one => one.Body)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Access_results_are_fetched_once_from_the_address_that_the_status_names()
    {
        var customer = await Server.CreateCustomerAsync("seen.by.controller@example.com");
        var (id, body) = Asked("access", "seen.by.controller@example.com");
        using var opened = await SendAsync(body);
        await ApproveAsync(customer);
        await Waiting.UntilAsync("the results are there", async () => (await StatusAsync(id)).TryGetProperty("results_url", out _));
        var status = await StatusAsync(id);
        Assert.Equal(("completed", 1), (status.GetProperty("request_status").GetString(), status.GetProperty("results_count").GetInt32()));
        var results = new Uri(status.GetProperty("results_url").GetString()!).PathAndQuery;
        using var stranger = await Server.SendAsync("", HttpMethod.Get, results);
        Assert.Equal(HttpStatusCode.Unauthorized, stranger.StatusCode);
        using var officer = await Server.SendAsync("compliance-officer", HttpMethod.Get, results);
        Assert.Equal(HttpStatusCode.Forbidden, officer.StatusCode);
        using var fetched = await Server.SendAsync(OpenDsrServer.Controller, HttpMethod.Get, results);
        using var zip = new ZipArchive(new MemoryStream(await fetched.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken)));
        Assert.NotEmpty(zip.Entries);
        using var again = await Server.SendAsync(OpenDsrServer.Controller, HttpMethod.Get, results);
        Assert.Equal((HttpStatusCode.Conflict, "invalid-state"), (again.StatusCode, await RunningServer.SlugAsync(again)));
    }

    [Fact]
    public async Task Somebody_unknown_is_answered_alike_in_status_body_and_time_and_later_completed()
    {
        await Server.CreateCustomerAsync("known.person@example.com");
        var (known, unknown) = (Asked("erasure", "known.person@example.com"), Asked("erasure", "unknown.persn@example.com"));
        var watch = System.Diagnostics.Stopwatch.StartNew();
        using var one = await SendAsync(known.Body);
        var first = watch.Elapsed;
        using var other = await SendAsync(unknown.Body);
        var second = watch.Elapsed - first;
        // The least that is waited is 200 ms; clocks of timers are coarser than the watch.
        Assert.All(new[] { first, second }, taken => Assert.True(taken >= TimeSpan.FromMilliseconds(190)));
        Assert.Equal(one.StatusCode, other.StatusCode);
        Assert.Equal(Names(one), Names(other));
        var (told, like) = (await VerifiedAsync(one), await VerifiedAsync(other));
        Assert.Equal(told.EnumerateObject().Select(member => (member.Name, member.Value.ToString().Length)), like.EnumerateObject().Select(member => (member.Name, member.Value.ToString().Length)));
        Assert.Equal(told.GetProperty("expected_completion_time").GetString()![..10], like.GetProperty("expected_completion_time").GetString()![..10]);
        await Waiting.UntilAsync("it is over", async () => (await StatusAsync(unknown.Id)).GetProperty("request_status").GetString() == "completed");
        Assert.Equal(0, (await StatusAsync(unknown.Id)).GetProperty("results_count").GetInt32());
        Assert.Equal("pending", (await StatusAsync(known.Id)).GetProperty("request_status").GetString());

        static string Names(HttpResponseMessage answer) => string.Join(' ', answer.Headers.Concat(answer.Content.Headers).Select(header => header.Key).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task The_same_again_is_the_same_answer_and_another_body_a_conflict()
    {
        var (id, body) = Asked("erasure", "twice@example.com");
        using var first = await SendAsync(body);
        using var second = await SendAsync(body);
        Assert.Equal(HttpStatusCode.Created, second.StatusCode);
        Assert.Equal(await first.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), await second.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        using var other = await SendAsync(body.Replace("twice@", "other@", StringComparison.Ordinal));
        Assert.Equal((HttpStatusCode.Conflict, "conflict"), (other.StatusCode, await RunningServer.SlugAsync(other)));
        Assert.Equal(id.ToString(), (await StatusAsync(id)).GetProperty("subject_request_id").GetString());
    }

    [Fact]
    public async Task A_request_is_taken_back_while_it_is_pending_and_then_no_more()
    {
        await Server.CreateCustomerAsync("taken.back@example.com");
        var (id, body) = Asked("erasure", "taken.back@example.com");
        using var opened = await SendAsync(body);
        using var taken = await Server.SendAsync(OpenDsrServer.Controller, HttpMethod.Delete, $"/v1/opendsr/requests/{id}");
        Assert.Equal(HttpStatusCode.Accepted, taken.StatusCode);
        Assert.Equal(id.ToString(), (await VerifiedAsync(taken)).GetProperty("subject_request_id").GetString());
        using var again = await Server.SendAsync(OpenDsrServer.Controller, HttpMethod.Delete, $"/v1/opendsr/requests/{id}");
        Assert.Equal(HttpStatusCode.Conflict, again.StatusCode);
        Assert.Equal("cancelled", (await StatusAsync(id)).GetProperty("request_status").GetString());
    }

    [Fact]
    public async Task Names_from_before_the_standard_was_called_so_are_honoured()
    {
        foreach (var name in new[] { "opengdpr_requests", "opendsr_requests" })
        {
            var (id, body) = Asked("erasure", "former@example.com");
            using var opened = await Server.SendAsync(OpenDsrServer.Controller, HttpMethod.Post, $"/v1/opendsr/{name}", body);
            Assert.Equal(HttpStatusCode.Created, opened.StatusCode);
            Assert.Equal(opened.Headers.GetValues("X-OpenDSR-Signature"), opened.Headers.GetValues("X-OpenGDPR-Signature"));
            Assert.Equal("localhost", Assert.Single(opened.Headers.GetValues("X-OpenGDPR-Processor-Domain")));
            foreach (var path in new[] { $"{name}/{id}", $"status/{id}", $"requests/{id}" })
                Assert.Equal(id.ToString(), (await Server.JsonAsync(OpenDsrServer.Controller, HttpMethod.Get, "/v1/opendsr/" + path)).GetProperty("subject_request_id").GetString());
        }
    }

    [Fact]
    public async Task Discovery_says_what_is_supported_and_where_the_certificate_is()
    {
        using var answer = await Server.SendAsync(OpenDsrServer.Controller, HttpMethod.Get, "/v1/opendsr/discovery");
        var discovery = await VerifiedAsync(answer);
        Assert.Equal("2.0", discovery.GetProperty("api_version").GetString());
        Assert.Equal(["access", "erasure", "portability"], discovery.GetProperty("supported_subject_request_types").EnumerateArray().Select(kind => kind.GetString()));
        Assert.Contains(discovery.GetProperty("supported_identities").EnumerateArray(), one => (one.GetProperty("identity_type").GetString(), one.GetProperty("identity_format").GetString()) == ("email", "raw"));
        Assert.EndsWith("/opendsr/certificate.pem", discovery.GetProperty("processor_certificate").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_error_has_the_form_of_the_specification_and_names_nobody()
    {
        var (_, body) = Asked("erasure", "planted.in.error@example.com", "http://169.254.169.254/latest");
        foreach (var wrong in new[] { body, body.Replace("\"raw\"", "\"sha256\"", StringComparison.Ordinal), body.Replace("\"email\"", "\"planted.in.error@example.com\"", StringComparison.Ordinal), body[..^2] })
        {
            using var refused = await SendAsync(wrong);
            var text = await refused.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
            using var error = JsonDocument.Parse(text);
            Assert.Equal(400, error.RootElement.GetProperty("error").GetProperty("code").GetInt32());
            Assert.NotEmpty(error.RootElement.GetProperty("error").GetProperty("errors").EnumerateArray());
            Assert.DoesNotContain("planted", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Logs_hold_no_identity_and_no_request()
    {
        await RegisterAsync();
        var (id, body) = Asked("erasure", "planted.in.log@example.com", world.Callback);
        using var opened = await SendAsync(body);
        await Waiting.UntilAsync("it is over", () => world.Told(id).Any(status => status.RequestStatus == "completed"));
        using var wrong = await SendAsync(body.Replace("gdpr", "planted.in.log@example.com", StringComparison.Ordinal));
        Assert.DoesNotContain("planted.in.log", Server.Process.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String(Encoding.UTF8.GetBytes(body))[..40], Server.Process.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_application_that_is_no_controller_and_hosts_that_are_none_are_not_registered()
    {
        using var other = await Server.SendAsync("administrator", HttpMethod.Put, "/v1/opendsr/controllers/support-desk", new { callbackHosts = new[] { "privacy.shop.example" } });
        Assert.Equal("invalid-fields", await RunningServer.SlugAsync(other));
        using var nobody = await Server.SendAsync("administrator", HttpMethod.Put, "/v1/opendsr/controllers/nobody-at-all", new { callbackHosts = new[] { "privacy.shop.example" } });
        Assert.Equal("not-found", await RunningServer.SlugAsync(nobody));
        foreach (var host in new[] { "*.shop.example", "127.0.0.1", "[::1]", "shop.example/path", "Shop.example", "user@shop.example", "" })
        {
            using var refused = await Server.SendAsync("administrator", HttpMethod.Put, "/v1/opendsr/controllers/privacy-portal", new { callbackHosts = new[] { host } });
            Assert.Equal("invalid-fields", await RunningServer.SlugAsync(refused));
        }
    }

    private async Task RegisterAsync()
    {
        var host = new Uri(world.Callback).Authority;
        var registered = await Server.JsonAsync("administrator", HttpMethod.Put, $"/v1/opendsr/controllers/{OpenDsrServer.Controller}", new { callbackHosts = new[] { host } });
        Assert.Equal(host, registered.GetProperty("callbackHosts")[0].GetString());
    }

    private async Task ApproveAsync(Guid customer)
    {
        var listed = await Server.JsonAsync("compliance-officer", HttpMethod.Get, $"/v1/requests?customer={customer}");
        var request = listed.GetProperty("items")[0];
        Assert.Equal("opendsr:privacy-portal", request.GetProperty("openedBy").GetString());
        var path = $"/v1/requests/{request.GetProperty("id").GetGuid()}";
        await Server.JsonAsync("compliance-officer", HttpMethod.Post, path + "/verify", new { method = "document-seen" });
        await Server.JsonAsync("compliance-officer", HttpMethod.Post, path + "/approve", new { });
    }

    private Task<HttpResponseMessage> SendAsync(string body) => Server.SendAsync(OpenDsrServer.Controller, HttpMethod.Post, "/v1/opendsr/requests", body);

    private async Task<JsonElement> StatusAsync(Guid id)
    {
        using var answer = await Server.SendAsync(OpenDsrServer.Controller, HttpMethod.Get, $"/v1/opendsr/requests/{id}");
        return await VerifiedAsync(answer);
    }

    // Before it is parsed.
    private async Task<JsonElement> VerifiedAsync(HttpResponseMessage answer)
    {
        var body = await answer.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
        Assert.True(answer.Headers.TryGetValues("X-OpenDSR-Signature", out var signature), Encoding.UTF8.GetString(body));
        using var key = (await world.CertificatesAsync("localhost", default))[0].GetRSAPublicKey()!;
        Assert.True(key.VerifyData(body, Convert.FromBase64String(Assert.Single(signature)), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));
        return JsonDocument.Parse(body).RootElement;
    }

    private static (Guid Id, string Body) Asked(string kind, string email, params string[] callbacks)
    {
        var id = Guid.NewGuid();
        return (id, JsonSerializer.Serialize(new
        {
            api_version = "2.0", regulation = "gdpr", subject_request_id = id.ToString("D"), subject_request_type = kind, submitted_time = "2026-01-02T03:04:05Z",
            subject_identities = new[] { new { identity_type = "email", identity_value = email, identity_format = "raw" } }, status_callback_urls = callbacks,
        }));
    }
}
