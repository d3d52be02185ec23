using System.Net;
using System.Text.Json;
using DataVault.Transparency;

namespace DataVault.Server.Tests;

/// <summary>A small history of two applications of its own: a desk that reads three people and is refused once, and an auditor who asks about it.</summary>
public sealed class ReportedDesk(RunningServer server) : IAsyncLifetime
{
    public const string Desk = "reported-desk";
    public const string Auditor = "reporting-auditor";

    public IReadOnlyList<Guid> People { get; private set; } = [];

    public async ValueTask InitializeAsync()
    {
        await server.RegisterAsync(Desk, "customer-support", "customer-support");
        await server.RegisterAsync(Auditor, "compliance-officer");
        People = [await server.CreateCustomerAsync("report.a@example.com"), await server.CreateCustomerAsync("report.b@example.com"), await server.CreateCustomerAsync("report.c@example.com")];
        foreach (var (person, fields) in new[] { (0, "givenName,email"), (1, "givenName"), (2, "givenName"), (0, "givenName") })
            await server.JsonAsync(Desk, HttpMethod.Get, $"/v1/customers/{People[person]}?purpose=customer-support&fields={fields}");
        using var refused = await server.SendAsync(Desk, HttpMethod.Get, "/v1/indexes");
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>Counts, exports, breach impact and the records manifest over HTTP, each of which is an entry itself.</summary>
public sealed class AuditReportTests(RunningServer server, ReportedDesk history) : IClassFixture<ReportedDesk>
{
    private const string ByDesk = $$"""{ "actor": "{{ReportedDesk.Desk}}" }""";

    public static TheoryData<string> Reports => ["/v1/audit/counts", "/v1/audit/export", "/v1/audit/impact", "/v1/audit/impact/people", "/v1/audit/impact/export"];

    [Fact]
    public async Task Entries_are_counted_by_what_they_say()
    {
        var counts = await AskAsync("/v1/audit/counts", ByDesk);
        Assert.Equal([("denied", 1), ("field.read", 4), ("token.issued", 1)], Named(counts, "types"));
        Assert.Equal([("denied", 1), ("ok", 5)], Named(counts, "results"));
        Assert.Equal([(ReportedDesk.Desk, 6)], Named(counts, "actors"));
        Assert.Equal([("email", 1), ("givenName", 4)], Named(counts, "fields"));
        Assert.Contains(("customer-support", 4), Named(counts, "purposes"));
        Assert.Equal(6, Number(counts, "entries"));
        Assert.Equal(6, Named(counts, "days").Sum(day => day.Entries));

        var narrowed = $$"""{ "actor": "{{ReportedDesk.Desk}}", "customer": "{{history.People[0]}}", "type": "field.read", "result": "ok", "field": "email", "purpose": "customer-support" }""";
        Assert.Equal(1, (await AskAsync("/v1/audit/counts", narrowed)).GetProperty("entries").GetInt64());
        Assert.Equal(0, (await AskAsync("/v1/audit/counts", """{ "actor": "nobody-by-that-name" }""")).GetProperty("entries").GetInt64());
    }

    [Fact]
    public async Task All_entries_that_match_are_exported_as_a_table_or_as_events()
    {
        var (type, csv) = await SaveAsync("/v1/audit/export", $$"""{ "actor": "{{ReportedDesk.Desk}}", "oldestFirst": true }""");
        var lines = csv.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        Assert.Equal("text/csv", type);
        Assert.StartsWith("index,at,type,result,actor,", lines[0].TrimStart('\uFEFF'), StringComparison.Ordinal);
        Assert.Equal(["token.issued", "field.read", "field.read", "field.read", "field.read", "denied"], lines.Skip(1).Select(line => line.Split(',')[2].Trim('"')));

        var (stream, events) = await SaveAsync("/v1/audit/export", $$"""{ "actor": "{{ReportedDesk.Desk}}", "type": "field.read", "format": "ocsf" }""");
        Assert.Equal("application/x-ndjson", stream);
        var read = events.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement.GetProperty("class_uid").GetInt32());
        Assert.Equal([6005, 6005, 6005, 6005], read);
        Assert.DoesNotContain("report.a@example.com", csv + events, StringComparison.Ordinal);
    }

    [Fact]
    [Requirement("R75")]
    public async Task The_impact_of_a_credential_counts_people_fields_and_refusals()
    {
        var report = await AskAsync("/v1/audit/impact", ByDesk);
        Assert.Equal((3, 4, 1, 0), (Number(report, "people"), Number(report, "disclosures"), Number(report, "denied"), Number(report, "changes")));
        var fields = report.GetProperty("fields").EnumerateArray().ToDictionary(field => field.GetProperty("name").GetString()!, field => (Number(field, "people"), Number(field, "disclosures")));
        Assert.Equal(new() { ["givenName"] = (3, 4), ["email"] = (1, 1) }, fields);
        Assert.Equal((0, 0), (Number(report, "erasedSince"), Number(report, "unattributed")));
    }

    [Fact]
    public async Task The_people_concerned_are_listed_page_by_page_by_tag_and_by_id_when_that_is_asked()
    {
        var found = new List<JsonElement>();
        string? cursor = null;
        do
        {
            var page = await AskAsync("/v1/audit/impact/people", JsonSerializer.Serialize(new { actor = ReportedDesk.Desk, resolve = true, limit = 2, cursor }));
            found.AddRange(page.GetProperty("items").EnumerateArray());
            cursor = page.TryGetProperty("next", out var next) ? next.GetString() : null;
        }
        while (cursor is not null);
        Assert.Equal(history.People.Order(), found.Select(person => person.GetProperty("customer").GetGuid()).Order());
        Assert.Equal(2, Number(found.Single(person => person.GetProperty("customer").GetGuid() == history.People[0]), "disclosures"));

        var unresolved = await AskAsync("/v1/audit/impact/people", ByDesk);
        Assert.All(unresolved.GetProperty("items").EnumerateArray(), person => Assert.False(person.TryGetProperty("customer", out _)));
        var (type, csv) = await SaveAsync("/v1/audit/impact/export", $$"""{ "actor": "{{ReportedDesk.Desk}}", "resolve": true }""");
        Assert.Equal("text/csv", type);
        Assert.All(history.People, person => Assert.Contains(person.ToString(), csv, StringComparison.Ordinal));
        var (_, tags) = await SaveAsync("/v1/audit/impact/export", ByDesk);
        Assert.All(history.People, person => Assert.DoesNotContain(person.ToString(), tags, StringComparison.Ordinal));
        Assert.Equal(4, tags.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [Fact]
    public async Task The_records_manifest_is_signed_by_the_logs_key_and_names_no_value()
    {
        using var answer = await server.SendAsync(ReportedDesk.Auditor, HttpMethod.Get, "/v1/audit/records");
        var text = await answer.Content.ReadAsStringAsync();
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.True(answer.Headers.CacheControl?.NoStore);
        Assert.StartsWith("datavault/records-manifest/v1\nlog ", text, StringComparison.Ordinal);
        Assert.DoesNotContain(history.People[0].ToString(), text, StringComparison.Ordinal);
        Assert.True(LogKeys.TryParse(await server.Http.GetStringAsync("/audit/keys"), out var keys));
        Assert.True(SignedNote.TryParse(text[text.LastIndexOf("datavault/records-manifest/v1 end", StringComparison.Ordinal)..], out var note));
        Assert.Equal(NoteCheck.Valid, keys!.Check(note!));
    }

    [Theory]
    [MemberData(nameof(Reports))]
    public async Task Only_officers_get_a_report(string path)
    {
        foreach (var (who, slug) in new[] { ("", "unauthenticated"), ("support-desk", "forbidden"), ("analyst", "forbidden"), ("customer", "forbidden"), ("administrator", "forbidden") })
        {
            using var answer = await server.SendAsync(who, HttpMethod.Post, path, ByDesk);
            Assert.Equal(slug, await RunningServer.SlugAsync(answer));
        }
    }

    [Theory]
    [InlineData("", "unauthenticated")]
    [InlineData("support-desk", "forbidden")]
    [InlineData("customer", "forbidden")]
    public async Task Only_officers_get_the_records_manifest(string who, string slug)
    {
        using var answer = await server.SendAsync(who, HttpMethod.Get, "/v1/audit/records");
        Assert.Equal(slug, await RunningServer.SlugAsync(answer));
    }

    [Theory]
    [InlineData("/v1/audit/counts", """{ "type": "no.such" }""", "invalid-request")]
    [InlineData("/v1/audit/counts", """{ "result": "perhaps" }""", "invalid-request")]
    [InlineData("/v1/audit/counts", """{ "field": "noSuchField" }""", "unknown-field")]
    [InlineData("/v1/audit/counts", """{ "purpose": "no-such-purpose" }""", "unknown-purpose")]
    [InlineData("/v1/audit/counts", """{ "customer": "K-1001" }""", "invalid-request")]
    [InlineData("/v1/audit/counts", """{ "unheard": 1 }""", "invalid-request")]
    [InlineData("/v1/audit/export", """{ "format": "jsonl" }""", "invalid-request")]
    [InlineData("/v1/audit/export", """{ "from": "yesterday" }""", "invalid-request")]
    [InlineData("/v1/audit/impact", "{}", "invalid-request")]
    [InlineData("/v1/audit/impact", """{ "purpose": "no-such-purpose" }""", "unknown-purpose")]
    [InlineData("/v1/audit/impact", "[", "invalid-request")]
    [InlineData("/v1/audit/impact/people", """{ "actor": "support-desk", "limit": 0 }""", "invalid-request")]
    [InlineData("/v1/audit/impact/people", """{ "actor": "support-desk", "cursor": "there" }""", "invalid-request")]
    [InlineData("/v1/audit/impact/export", "{}", "invalid-request")]
    public async Task A_question_that_is_not_understood_is_refused(string path, string question, string slug)
    {
        using var answer = await server.SendAsync("officer-tools", HttpMethod.Post, path, question);
        Assert.True((int)answer.StatusCode is 400 or 422, $"{answer.StatusCode}");
        Assert.Equal(slug, await RunningServer.SlugAsync(answer));
    }

    [Fact]
    public async Task Whoever_asks_is_an_entry_of_the_log_too()
    {
        const string watcher = "watched-auditor";
        await server.RegisterAsync(watcher, "compliance-officer");
        foreach (var path in Reports.Select(row => row.Data))
        {
            using var answer = await server.SendAsync(watcher, HttpMethod.Post, path, ByDesk);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
        using var manifest = await server.SendAsync(watcher, HttpMethod.Get, "/v1/audit/records");
        Assert.Equal(HttpStatusCode.OK, manifest.StatusCode);
        var counts = await AskAsync("/v1/audit/counts", $$"""{ "actor": "{{watcher}}" }""");
        Assert.Equal([("audit.read", 3), ("impact.report", 3), ("token.issued", 1)], Named(counts, "types"));
    }

    [Fact]
    public async Task An_officer_asks_in_the_console_sees_the_numbers_and_downloads_the_people()
    {
        using var visitor = new ConsoleVisitor(server.Process.Address);
        await visitor.SignInAsync(await server.StaffAsync("compliance-officer"));
        await visitor.OpenAsync("/console/officer/impact");
        Assert.Contains("is counted from the log", visitor.Page, StringComparison.Ordinal);

        await visitor.SubmitAsync("/console/officer/impact", ("actor", ReportedDesk.Desk), ("purpose", "customer-support"), ("from", "2020-01-01"), ("to", ""));
        Assert.Equal("/console/officer/impact", visitor.Place);
        Assert.Contains("<dt>People</dt><dd>3</dd>", visitor.Page, StringComparison.Ordinal);
        Assert.Contains("<dt>Disclosures</dt><dd>4, 0 of them name nobody</dd>", visitor.Page, StringComparison.Ordinal);
        Assert.Matches("""<td data-head="Field">\s*givenName\s*</td>""", visitor.Page);

        await visitor.SubmitAsync("/console/officer/impact/people");
        Assert.All(history.People, person => Assert.Contains(person.ToString(), visitor.Page, StringComparison.Ordinal));
        Assert.Equal(4, visitor.Page.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [Theory]
    [InlineData("from", "yesterday", "A day is written as")]
    [InlineData("from", "", "Name a credential, a purpose or a stretch of time.")]
    public async Task A_question_in_the_console_that_cannot_be_answered_is_answered_by_a_page(string member, string value, string said)
    {
        using var visitor = new ConsoleVisitor(server.Process.Address);
        await visitor.SignInAsync(await server.StaffAsync("compliance-officer"));
        await visitor.OpenAsync("/console/officer/impact");
        await visitor.SubmitAsync("/console/officer/impact", (member, value), ("to", ""));
        Assert.Contains(said, visitor.Page, StringComparison.Ordinal);
        Assert.Contains("</html>", visitor.Page, StringComparison.Ordinal);
    }

    [Fact]
    [Requirement("R71")]
    public async Task The_record_of_processing_says_what_is_declared_beside_what_was_done()
    {
        var record = await server.JsonAsync(ReportedDesk.Auditor, HttpMethod.Get, "/v1/audit/processing?days=30");
        Assert.Equal("Example Trading Company", record.GetProperty("controller").GetProperty("name").GetString());
        var activities = record.GetProperty("activities").EnumerateArray().ToDictionary(one => one.GetProperty("purpose").GetString()!);
        var support = activities["customer-support"];
        Assert.Equal("contract", support.GetProperty("legalBasis").GetString());
        Assert.Contains(support.GetProperty("actors").EnumerateArray(), actor => actor.GetProperty("name").GetString() == ReportedDesk.Desk);
        Assert.Contains(support.GetProperty("categories").EnumerateArray(), category => category.GetProperty("category").GetString() == "pd:EmailAddress" && category.GetProperty("retention").GetArrayLength() == 1);
        Assert.Contains("masked", support.GetProperty("roles").EnumerateArray().SelectMany(role => role.GetProperty("forms").EnumerateArray()).Select(form => form.GetString()));
        Assert.Empty(support.GetProperty("undeclared").EnumerateArray());
        Assert.Contains(activities["wellbeing"].GetProperty("categories").EnumerateArray(), category => !category.GetProperty("used").GetBoolean());
        Assert.Equal("DPIA-2026-05", activities["wellbeing"].GetProperty("assessment").GetProperty("reference").GetString());
        var mailing = record.GetProperty("recipients").EnumerateArray().Single(one => one.GetProperty("recipient").GetProperty("name").GetString() == "mailing-house");
        Assert.Equal(("processor", "DPA-2026-003"), (mailing.GetProperty("recipient").GetProperty("role").GetString(), mailing.GetProperty("recipient").GetProperty("agreement").GetString()));
        Assert.Equal(mailing.GetProperty("entries").GetInt64() > 0, mailing.GetProperty("purposes").GetArrayLength() > 0);
        Assert.Contains("vault", record.GetProperty("checkpoint").GetString(), StringComparison.Ordinal);
        using var refused = await server.SendAsync("support-desk", HttpMethod.Get, "/v1/audit/processing");
        Assert.Equal("forbidden", await RunningServer.SlugAsync(refused));
        using var wrong = await server.SendAsync(ReportedDesk.Auditor, HttpMethod.Get, "/v1/audit/processing?days=0");
        Assert.Equal("invalid-request", await RunningServer.SlugAsync(wrong));
    }

    private static long Number(JsonElement of, string name) => of.GetProperty(name).GetInt64();

    private static IEnumerable<(string Name, long Entries)> Named(JsonElement counts, string facet) =>
        counts.GetProperty(facet).EnumerateArray().Select(count => (count.GetProperty("name").GetString()!, Number(count, "entries"))).OrderBy(count => count.Item1, StringComparer.Ordinal);

    private Task<JsonElement> AskAsync(string path, string question) => server.JsonAsync(ReportedDesk.Auditor, HttpMethod.Post, path, question);

    private async Task<(string? Type, string Text)> SaveAsync(string path, string question)
    {
        using var answer = await server.SendAsync(ReportedDesk.Auditor, HttpMethod.Post, path, question);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("attachment", answer.Content.Headers.ContentDisposition?.DispositionType);
        return (answer.Content.Headers.ContentType?.MediaType, await answer.Content.ReadAsStringAsync());
    }
}
