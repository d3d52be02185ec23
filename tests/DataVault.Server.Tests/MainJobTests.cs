using System.Net;
using System.Text.Json;

namespace DataVault.Server.Tests;

/// <summary>The main job, over HTTP: collect, release by purpose and consent, record, prove.</summary>
public sealed class MainJobTests(RunningServer server)
{
    [Fact]
    public async Task A_created_customer_is_released_to_support_with_a_receipt()
    {
        var id = await server.CreateCustomerAsync("main.job@example.com", "Ada");
        using var answer = await server.SendAsync("support-desk", HttpMethod.Get, $"/v1/customers/{id}?purpose=customer-support&fields=givenName,email");
        var disclosed = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
        Assert.Equal("Ada", disclosed.GetProperty("fields").GetProperty("givenName").GetString());
        Assert.True(disclosed.GetProperty("receipt").GetProperty("index").GetInt64() > 0);
        Assert.Equal($"\"{disclosed.GetProperty("version").GetInt64()}\"", answer.Headers.ETag!.Tag);
        Assert.Contains(";", Assert.Single(answer.Headers.GetValues("Audit-Checkpoint")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Withdrawn_consent_stops_the_next_disclosure()
    {
        var id = await server.CreateCustomerAsync("withdrawn@example.com");
        var path = $"/v1/customers/{id}?purpose=marketing&fields=email";
        var before = await server.JsonAsync("campaigns", HttpMethod.Get, path);
        Assert.True(before.GetProperty("fields").TryGetProperty("email", out _));
        await server.JsonAsync("crm-ingest", HttpMethod.Put, $"/v1/customers/{id}/consents/marketing", new { state = "withdrawn", channel = "phone" });
        var after = await server.JsonAsync("campaigns", HttpMethod.Get, path);
        Assert.False(after.GetProperty("fields").TryGetProperty("email", out _));
        Assert.Equal("consent-withdrawn", after.GetProperty("withheld").GetProperty("email").GetString());
    }

    [Fact]
    [Requirement("R01")]
    public async Task Another_purpose_than_the_credentials_releases_nothing()
    {
        var id = await server.CreateCustomerAsync("purpose@example.com");
        using var answer = await server.SendAsync("support-desk", HttpMethod.Get, $"/v1/customers/{id}?purpose=marketing&fields=email");
        Assert.DoesNotContain("purpose@example.com", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_customer_is_found_by_e_mail_whatever_its_case()
    {
        var id = await server.CreateCustomerAsync("search.me@example.com");
        var found = await server.JsonAsync(
            "support-desk", HttpMethod.Post, "/v1/customers/search",
            new { purpose = "customer-support", where = new { email = "SEARCH.me@Example.com" }, fields = new[] { "givenName" } });
        Assert.Equal(id, Assert.Single(found.GetProperty("results").EnumerateArray()).GetProperty("id").GetGuid());
    }

    [Fact]
    public async Task A_change_needs_the_version_it_is_based_on()
    {
        var id = await server.CreateCustomerAsync("versions@example.com");
        var patch = new { fields = new { preferredName = "Vera" }, source = "tests" };
        using var without = await server.SendAsync("crm-ingest", HttpMethod.Patch, $"/v1/customers/{id}", patch);
        Assert.Equal("precondition-required", await RunningServer.SlugAsync(without));
        using var stale = await server.SendAsync("crm-ingest", HttpMethod.Patch, $"/v1/customers/{id}", patch, r => r.Headers.IfMatch.ParseAdd("\"99\""));
        Assert.Equal("version-mismatch", await RunningServer.SlugAsync(stale));
        var changed = await server.JsonAsync("crm-ingest", HttpMethod.Patch, $"/v1/customers/{id}", patch, HttpStatusCode.OK, r => r.Headers.IfMatch.ParseAdd("\"1\""));
        Assert.Equal(2, changed.GetProperty("version").GetInt64());
        var whatever = await server.JsonAsync("crm-ingest", HttpMethod.Patch, $"/v1/customers/{id}", patch, HttpStatusCode.OK, r => r.Headers.IfMatch.ParseAdd("*"));
        Assert.Equal(3, whatever.GetProperty("version").GetInt64());
    }

    [Fact]
    public async Task A_merge_patch_may_be_sent_under_its_own_media_type()
    {
        var id = await server.CreateCustomerAsync("merge.patch@example.com");
        static void Shape(HttpRequestMessage request)
        {
            request.Headers.IfMatch.ParseAdd("\"1\"");
            request.Content!.Headers.ContentType = new("application/merge-patch+json");
        }
        await server.JsonAsync("crm-ingest", HttpMethod.Patch, $"/v1/customers/{id}", new { fields = new { preferredName = "Em" }, source = "tests" }, HttpStatusCode.OK, Shape);
        using var elsewhere = await server.SendAsync("crm-ingest", HttpMethod.Post, "/v1/customers", new { fields = new { givenName = "Em" }, source = "tests" }, Shape);
        Assert.Equal("unsupported-media-type", await RunningServer.SlugAsync(elsewhere));
    }

    [Fact]
    public async Task The_same_idempotency_key_creates_once()
    {
        var body = new { fields = new { givenName = "Once", email = "once@example.com" }, source = "tests" };
        void WithKey(HttpRequestMessage request) => request.Headers.Add("Idempotency-Key", "create-once");
        var first = await server.JsonAsync("crm-ingest", HttpMethod.Post, "/v1/customers", body, HttpStatusCode.Created, WithKey);
        var second = await server.JsonAsync("crm-ingest", HttpMethod.Post, "/v1/customers", body, HttpStatusCode.Created, WithKey);
        Assert.Equal(first.GetProperty("id").GetGuid(), second.GetProperty("id").GetGuid());
        using var other = await server.SendAsync("crm-ingest", HttpMethod.Post, "/v1/customers", new { fields = new { givenName = "Other" }, source = "tests" }, WithKey);
        Assert.Equal("idempotency-mismatch", await RunningServer.SlugAsync(other));
    }

    [Fact]
    public async Task A_batch_answers_item_by_item()
    {
        var taken = await server.CreateCustomerAsync("taken@example.com");
        var create = new[]
        {
            new { fields = new { givenName = "New", email = "batch.new@example.com" }, source = "tests" },
            new { fields = new { givenName = "Taken", email = "taken@example.com" }, source = "tests" },
            new { fields = new { givenName = "Bad", email = "not an address" }, source = "tests" },
        };
        var created = await server.JsonAsync("crm-ingest", HttpMethod.Post, "/v1/customers/batch", new { create });
        Assert.Equal([201, 409, 422], created.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("status").GetInt32()));
        var read = await server.JsonAsync(
            "support-desk", HttpMethod.Post, "/v1/customers/batch", new { read = new[] { taken, Guid.CreateVersion7() }, purpose = "customer-support", fields = new[] { "givenName" } });
        Assert.Equal([200, 404], read.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("status").GetInt32()));
    }

    [Fact]
    public async Task An_event_with_an_id_is_stored_once_and_released()
    {
        var id = await server.CreateCustomerAsync("events@example.com");
        var happened = new
        {
            id = Guid.CreateVersion7(),
            customer = new { email = "events@example.com" },
            type = "page_view",
            occurredAt = "2026-03-01T10:15:00Z",
            source = "tests",
            properties = new { path = "/lamps" },
        };
        using var first = await server.SendAsync("crm-ingest", HttpMethod.Post, "/v1/events", happened);
        using var second = await server.SendAsync("crm-ingest", HttpMethod.Post, "/v1/events", happened);
        Assert.True(first.StatusCode is HttpStatusCode.Created, await first.Content.ReadAsStringAsync());
        Assert.Equal(HttpStatusCode.OK, second.StatusCode);
        var mine = await server.JsonAsync("support-desk", HttpMethod.Get, $"/v1/customers/{id}/events?purpose=customer-support");
        Assert.True(mine.GetProperty("items").GetArrayLength() <= 1);
    }

    [Fact]
    public async Task An_event_names_its_customer_by_the_plain_id_and_another_body_under_a_used_key_is_not_dropped()
    {
        var id = await server.CreateCustomerAsync("plain.id@example.com");
        object Happening(string path) => new { customer = id, type = "page_view", occurredAt = "2026-03-01T10:15:00Z", source = "tests", properties = new { path } };
        void WithKey(HttpRequestMessage request) => request.Headers.Add("Idempotency-Key", "one-key");
        var first = await server.JsonAsync("crm-ingest", HttpMethod.Post, "/v1/events", Happening("/lamps"), HttpStatusCode.Created, WithKey);
        var again = await server.JsonAsync("crm-ingest", HttpMethod.Post, "/v1/events", Happening("/lamps"), HttpStatusCode.OK, WithKey);
        Assert.Equal(first.GetProperty("id").GetGuid(), again.GetProperty("id").GetGuid());
        Assert.False(again.TryGetProperty("receipt", out _));
        await server.JsonAsync("crm-ingest", HttpMethod.Post, "/v1/events", Happening("/rakes"), HttpStatusCode.Created, WithKey);
    }

    [Fact]
    public async Task The_documents_examples_of_a_customer_and_an_event_work_when_pasted()
    {
        using var document = JsonDocument.Parse(await server.Http.GetStringAsync("/openapi/v1.json"));
        foreach (var path in new[] { "/v1/customers", "/v1/events" })
        {
            var body = document.RootElement.GetProperty("paths").GetProperty(path).GetProperty("post").GetProperty("requestBody");
            var example = body.GetProperty("content").GetProperty("application/json").GetProperty("example").GetRawText();
            await server.JsonAsync("crm-ingest", HttpMethod.Post, path, example, HttpStatusCode.Created);
        }
    }

    [Fact]
    public async Task What_a_customer_wrote_with_a_request_is_read_by_the_officer_and_the_customer_alone()
    {
        var opened = await server.JsonAsync("customer", HttpMethod.Post, "/v1/requests", new { kind = "rectification", note = "My street is spelt otherwise." }, HttpStatusCode.Created);
        var path = $"/v1/requests/{opened.GetProperty("id").GetGuid()}/notes";
        foreach (var reader in new[] { "compliance-officer", "customer" })
        {
            var note = Assert.Single((await server.JsonAsync(reader, HttpMethod.Get, path)).GetProperty("items").EnumerateArray());
            Assert.Equal("My street is spelt otherwise.", note.GetProperty("text").GetString());
            Assert.Equal("customer", note.GetProperty("by").GetString());
        }
        using var refused = await server.SendAsync("support-desk", HttpMethod.Get, path);
        Assert.Equal("forbidden", await RunningServer.SlugAsync(refused));
    }

    [Fact]
    public async Task The_entry_of_a_disclosure_is_proved_under_a_signed_checkpoint()
    {
        var id = await server.CreateCustomerAsync("proved@example.com");
        var disclosed = await server.JsonAsync("support-desk", HttpMethod.Get, $"/v1/customers/{id}?purpose=customer-support&fields=givenName");
        var index = disclosed.GetProperty("receipt").GetProperty("index").GetInt64();
        JsonElement? proof = null;
        await Waiting.UntilAsync("the entry is signed", async () =>
        {
            using var answer = await server.SendAsync("support-desk", HttpMethod.Get, $"/v1/audit/entries/{index}/proof");
            if (answer.IsSuccessStatusCode)
                proof = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
            return answer.IsSuccessStatusCode;
        });
        var entry = Convert.FromBase64String(proof!.Value.GetProperty("entry").GetString()!);
        var hashes = proof.Value.GetProperty("hashes").EnumerateArray().Select(h => Convert.FromBase64String(h.GetString()!)).ToList();
        var note = proof.Value.GetProperty("checkpoint").GetString()!.Split('\n');
        Assert.True(DataVault.Transparency.InclusionProof.Verify(
            index, long.Parse(note[1], System.Globalization.CultureInfo.InvariantCulture), LeafOf(entry), hashes, Convert.FromBase64String(note[2])));
    }

    [Fact]
    public async Task The_officer_sees_the_denial_of_a_wrong_role()
    {
        using var denied = await server.SendAsync("campaigns", HttpMethod.Get, "/v1/status");
        Assert.Equal("forbidden", await RunningServer.SlugAsync(denied));
        var entries = await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/audit/entries?type=denied&limit=10");
        Assert.NotEqual(0, entries.GetProperty("items").GetArrayLength());
    }

    [Fact]
    public async Task A_customer_sees_their_own_record_and_no_other()
    {
        var me = await server.JsonAsync("customer", HttpMethod.Get, "/v1/me");
        var own = me.GetProperty("customer").GetGuid();
        var profile = await server.JsonAsync("customer", HttpMethod.Get, "/v1/me/profile");
        Assert.Equal(own, profile.GetProperty("id").GetGuid());
        var other = await server.CreateCustomerAsync("somebody.else@example.com");
        using var answer = await server.SendAsync("customer", HttpMethod.Get, $"/v1/customers/{other}?purpose=data-subject-rights");
        Assert.Equal("not-found", await RunningServer.SlugAsync(answer));
    }

    [Fact]
    public async Task The_analyst_gets_counts_above_the_minimum_cohort_only()
    {
        var domains = await server.JsonAsync("analyst", HttpMethod.Get, "/v1/analytics/domains");
        var domain = domains.GetProperty("items")[0];
        var by = domain.GetProperty("dimensions")[0].GetString();
        var segments = await server.JsonAsync("analyst", HttpMethod.Get, $"/v1/analytics/segments?domain={domain.GetProperty("name").GetString()}&by={by}");
        var least = segments.GetProperty("minimumCohort").GetInt64();
        Assert.All(segments.GetProperty("cells").EnumerateArray(), cell => Assert.True(cell.GetProperty("count").GetInt64() >= least));
    }

    [Fact]
    public async Task An_erased_person_fetches_the_certificate_without_an_account()
    {
        var customer = await server.CreateCustomerAsync("erased.certificate@example.com");
        var request = (await server.JsonAsync("compliance-officer", HttpMethod.Post, "/v1/requests", new { kind = "erasure", customer }, HttpStatusCode.Created)).GetProperty("id").GetGuid();
        await server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/requests/{request}/verify", new { method = "document-seen" });
        using (var early = await server.Http.GetAsync($"/certificates/{request}")) Assert.Equal(HttpStatusCode.NotFound, early.StatusCode);
        await server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/requests/{request}/approve", new { });

        string? certificate = null;
        await Waiting.UntilAsync("the certificate is there", async () =>
        {
            using var answer = await server.Http.GetAsync($"/certificates/{request}");
            if (answer.IsSuccessStatusCode) certificate = await answer.Content.ReadAsStringAsync();
            return answer.IsSuccessStatusCode;
        });

        var key = (await server.Http.GetStringAsync("/audit/key")).Trim();
        Assert.True(DataVault.Transparency.ErasureCertificate.TryParse(certificate!, out var read));
        Assert.Null(read!.Verify(DataVault.Transparency.NoteVerifier.Parse(key)));
    }

    [Fact]
    public async Task Operators_see_how_many_entries_of_which_kind_the_log_took()
    {
        await server.CreateCustomerAsync("metered@example.com");
        using (await server.SendAsync("support-desk", HttpMethod.Get, $"/v1/customers/{Guid.NewGuid()}?purpose=customer-support")) { }

        Assert.Contains("datavault_log_entries", await server.Http.GetStringAsync("/metrics"), StringComparison.Ordinal);
    }

    private static byte[] LeafOf(byte[] entry)
    {
        var leaf = new byte[DataVault.Transparency.MerkleHash.Size];
        DataVault.Transparency.MerkleHash.Leaf(entry, leaf);
        return leaf;
    }
}
