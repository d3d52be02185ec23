using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using DataVault.Server.Database;
using DataVault.Testing;
using Npgsql;

namespace DataVault.Server.Tests.Plaintext;

/// <summary>
/// Plants texts that occur nowhere else in every field, event and free word, drives the whole API with them, and then looks through everything
/// that the processes wrote: the cluster (tables, indexes, log of changes), dumps of both databases, the home folder, temporary files, output.
/// </summary>
public sealed class NoPlaintextTests(RunningServer server)
{
    [Fact]
    [Requirement("R06")]
    public async Task What_is_planted_in_every_field_and_event_is_found_nowhere()
    {
        await server.Process.DatabaseAsync("vault", "ALTER SYSTEM SET wal_compression = off", "SELECT pg_reload_conf()");
        var held = new Canaries("qzxvcanary", 731946);
        var erased = new Canaries("wjkhcanary", 842057);
        var drive = new PlaintextDrive(server, held);
        await drive.RunAsync();
        await new PlaintextDrive(server, erased).EraseAsync();

        var hunt = new PlaintextHunt([.. held.Planted, .. erased.Planted]);
        await SearchEverywhereAsync(hunt, "vault", "keys");
        Assert.Contains(held.Email, drive.Seen, StringComparison.Ordinal);
        Assert.True(hunt.Findings.Count == 0, string.Join('\n', hunt.Findings));
    }

    [Fact]
    public async Task The_hunt_finds_what_is_planted_in_a_table_an_index_a_dump_and_files_of_every_encoding()
    {
        const string Text = "plantedinplainsight";
        var folder = Directory.CreateDirectory(Path.Combine(server.Process.TemporaryFolder, "planted")).FullName;
        try
        {
            await server.Process.DatabaseAsync("postgres", "CREATE TABLE planted (words text PRIMARY KEY)", $"INSERT INTO planted VALUES ('{Text}')");
            await File.WriteAllTextAsync(Path.Combine(folder, "utf-16"), Text, Encoding.Unicode);
            await File.WriteAllTextAsync(Path.Combine(folder, "utf-16-be"), Text, Encoding.BigEndianUnicode);
            await File.WriteAllTextAsync(Path.Combine(folder, "upper"), Text.ToUpperInvariant());
            await File.WriteAllTextAsync(Path.Combine(folder, "hex"), Convert.ToHexStringLower(Encoding.UTF8.GetBytes(Text)));
            foreach (var before in new[] { "", "x", "xy" })
                await File.WriteAllTextAsync(Path.Combine(folder, "base64-" + before), Convert.ToBase64String(Encoding.UTF8.GetBytes(before + Text + "?")));
            await File.WriteAllTextAsync(Path.Combine(folder, Text), "");
            var hunt = new PlaintextHunt(Text);
            await SearchEverywhereAsync(hunt, "postgres");
            foreach (var place in new[] { "/base/", "/pg_wal/", "dump of postgres", "/utf-16:", "/utf-16-be:", "/upper:", "/hex:", "/base64-:", "/base64-x:", "/base64-xy:", "the name of" })
                Assert.True(hunt.Findings.Any(f => f.Contains(place, StringComparison.Ordinal)), $"{place} was missed: {string.Join('\n', hunt.Findings)}");
        }
        finally
        {
            await server.Process.DatabaseAsync("postgres", "DROP TABLE planted");
            Directory.Delete(folder, recursive: true);
        }
    }

    private async Task SearchEverywhereAsync(PlaintextHunt hunt, params string[] databases)
    {
        await server.Process.DatabaseAsync(databases[0], "CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT");
        foreach (var database in databases)
            hunt.Search($"dump of {database}", await DumpAsync(server, database));
        // The home folder holds the cluster, the keys, waiting packages and what the server keeps for itself.
        var sent = Path.Combine(server.Process.Home, "mail");
        hunt.SearchFolder(Path.GetDirectoryName(server.Process.Home)!, but: sent);
        if (Directory.Exists(sent)) hunt.SearchSent(sent);
        hunt.Search("the server's output", Encoding.UTF8.GetBytes(server.Process.Output));
    }

    internal static async Task<byte[]> DumpAsync(RunningServer server, string database)
    {
        var binaries = await PostgresBinaries.ObtainAsync(Environment.GetEnvironmentVariable("PATH") ?? "", null, _ => { }, CancellationToken.None);
        var (host, port, user) = server.Process.DatabaseAdministrator();
        var start = new ProcessStartInfo(binaries["pg_dump"], ["-h", host, "-p", port, "-U", user, "-d", database]) { RedirectStandardOutput = true };
        using var dump = Process.Start(start)!;
        using var content = new MemoryStream();
        await dump.StandardOutput.BaseStream.CopyToAsync(content);
        await dump.WaitForExitAsync();
        Assert.Equal(0, dump.ExitCode);
        Assert.True(content.Length > 0);
        return content.ToArray();
    }
}

/// <summary>Everything that can be done over HTTP with a person's data, done with the planted values of one person.</summary>
internal sealed class PlaintextDrive(RunningServer server, Canaries canaries)
{
    private readonly StringBuilder _seen = new();
    private Guid _customer;
    private Guid _erasure;

    /// <summary>Everything that was answered.</summary>
    public string Seen => _seen.ToString();

    public Guid Customer => _customer;

    /// <summary>What the person signs in with, once there is an account.</summary>
    public string Password { get; private set; } = "";

    public async Task RunAsync()
    {
        await CreateAsync(consents: ["marketing", "analytics", "personalisation", "wellbeing"], segment: "dormant");
        await AppendEventsAsync();
        await ChangeAsync();
        await ReadAsync();
        await MisuseAsync();
        await VisitConsoleAsync();
        await DecideRequestsAsync();
        await AuditAsync();
        await WaitForAnalyticsAsync();
    }

    /// <summary>A person without consent to analytics, who is erased in the end.</summary>
    public async Task EraseAsync()
    {
        await CreateAsync(consents: ["wellbeing"], segment: null);
        await AppendEventsAsync();
        await ReadAsync();
        await FinishAsync();
    }

    /// <summary>The erasure of the person, to its certificate.</summary>
    public async Task FinishAsync()
    {
        var id = _erasure = await OpenRequestAsync("erasure");
        await OfficerAsync($"/v1/requests/{id}/verify", new { method = "document-seen", evidence = canaries.Words("evidence"), note = canaries.Words("verified") });
        await OfficerAsync($"/v1/requests/{id}/approve", new { note = canaries.Words("approved") });
        await Waiting.UntilAsync("the erasure is complete", async () =>
            (await server.JsonAsync("compliance-officer", HttpMethod.Get, $"/v1/requests/{id}")).GetProperty("state").GetString() == "completed");
        await OkAsync("compliance-officer", HttpMethod.Get, $"/v1/requests/{id}/certificate");
    }

    /// <summary>Erases anybody and gives the number of the request.</summary>
    public static async Task<Guid> EraseAsync(RunningServer server, Guid customer)
    {
        var drive = new PlaintextDrive(server, new Canaries("erasure", 1)) { _customer = customer };
        await drive.FinishAsync();
        return drive._erasure;
    }

    private async Task CreateAsync(string[] consents, string? segment)
    {
        var fields = canaries.Fields(Repository.Policy.Catalogue);
        if (segment is not null)
            fields["segment"] = segment;
        var body = new JsonObject
        {
            ["fields"] = fields, ["source"] = canaries.Words("source"), ["origin"] = "provided",
            ["consents"] = new JsonObject(consents.Select(c => KeyValuePair.Create<string, JsonNode?>(c, "given"))),
        };
        void Keyed(HttpRequestMessage request) => request.Headers.Add("Idempotency-Key", canaries.Words("key").Replace(' ', '-'));
        var written = await OkAsync("crm-ingest", HttpMethod.Post, "/v1/customers", body.ToJsonString(), Keyed);
        _customer = written.GetProperty("id").GetGuid();
        await OkAsync("crm-ingest", HttpMethod.Post, "/v1/customers", body.ToJsonString(), Keyed);
        await SendAsync("crm-ingest", HttpMethod.Post, "/v1/customers", body.ToJsonString());
        await SendAsync("crm-ingest", HttpMethod.Post, "/v1/customers/batch", new JsonObject { ["create"] = new JsonArray(body.DeepClone()) }.ToJsonString());
    }

    private async Task AppendEventsAsync()
    {
        JsonObject Event(Policy.EventTypeDefinition type, JsonObject whom) => new()
        {
            ["customer"] = whom, ["type"] = type.Type, ["occurredAt"] = "2026-03-01T10:15:00Z", ["source"] = canaries.Words("event source"), ["properties"] = canaries.Properties(type),
        };
        var types = Repository.Policy.Events.Types;
        foreach (var type in types)
            await OkAsync("crm-ingest", HttpMethod.Post, "/v1/events", Event(type, new JsonObject { ["email"] = canaries.Email }).ToJsonString());
        var batch = types.Select(type => (JsonNode?)Event(type, new JsonObject { ["phone"] = canaries.Phone }));
        await OkAsync("crm-ingest", HttpMethod.Post, "/v1/events/batch", new JsonObject { ["events"] = new JsonArray([.. batch]) }.ToJsonString());
        await SendAsync("crm-ingest", HttpMethod.Post, "/v1/events", Event(types[0], new JsonObject { ["email"] = "nobody." + canaries.Email }).ToJsonString());
    }

    private async Task ChangeAsync()
    {
        var patch = new { fields = new { preferredName = canaries.Words("second name"), notes = canaries.Words("second notes") }, source = canaries.Words("patch") };
        await OkAsync("crm-ingest", HttpMethod.Patch, $"/v1/customers/{_customer}", patch, r => r.Headers.IfMatch.ParseAdd("\"1\""));
        foreach (var state in new[] { "withdrawn", "given" })
            await SendAsync(
                "crm-ingest", HttpMethod.Put, $"/v1/customers/{_customer}/consents/marketing", new { state, channel = canaries.Words("channel"), notice = canaries.Words("notice") });
        await OkAsync("crm-ingest", HttpMethod.Put, $"/v1/customers/{_customer}/consents/marketing", new { state = "given", channel = "phone" });
    }

    private async Task ReadAsync()
    {
        foreach (var (who, purpose) in new[] { ("support-desk", "customer-support"), ("campaigns", "marketing"), ("campaigns", "personalisation") })
        {
            await OkAsync(who, HttpMethod.Get, $"/v1/customers/{_customer}?purpose={purpose}&provenance=true");
            await OkAsync(who, HttpMethod.Post, "/v1/customers/batch", new { read = new[] { _customer }, purpose });
        }
        await OkAsync("support-desk", HttpMethod.Get, $"/v1/customers/{_customer}/events?purpose=customer-support");
        var fields = canaries.Fields(Repository.Policy.Catalogue);
        foreach (var field in new[] { "email", "phone", "customerNumber" })
        {
            var where = new Dictionary<string, string> { [field] = fields[field]!.GetValue<string>() };
            var found = await OkAsync("support-desk", HttpMethod.Post, "/v1/customers/search", new { purpose = "customer-support", where });
            Assert.Equal(_customer, Assert.Single(found.GetProperty("results").EnumerateArray()).GetProperty("id").GetGuid());
        }
    }

    // Where personal data do not belong, they do not stay either.
    private async Task MisuseAsync()
    {
        var words = canaries.Words("misplaced");
        var escaped = Uri.EscapeDataString(words);
        void Everywhere(HttpRequestMessage request)
        {
            request.Headers.TryAddWithoutValidation("User-Agent", words);
            request.Headers.TryAddWithoutValidation("X-Request-Id", words);
            request.Headers.TryAddWithoutValidation("traceparent", words);
            request.Headers.TryAddWithoutValidation("tracestate", "v=" + canaries.Planted.First());
            request.Headers.TryAddWithoutValidation("baggage", "v=" + canaries.Planted.First());
            request.Headers.TryAddWithoutValidation("Cookie", "v=" + canaries.Planted.First());
        }
        foreach (var path in new[] { $"/v1/customers/{escaped}?purpose=customer-support", $"/v1/customers/{_customer}?purpose={escaped}", $"/v1/{escaped}", $"/{escaped}", $"/v1/customers/{_customer}?purpose=customer-support&fields={escaped}", $"/v1/customers/{_customer}?purpose=customer-support&justification={escaped}", $"/audit/tile/{escaped}" })
            await SendAsync("support-desk", HttpMethod.Get, path, null, Everywhere);
        await SendAsync("crm-ingest", HttpMethod.Post, "/v1/customers", new { fields = new { email = words, iban = words, birthDate = words, givenName = new string('x', 5000) + words }, source = words });
        await SendAsync(
            "crm-ingest", HttpMethod.Post, "/v1/customers",
            new { fields = new { givenName = "Third" }, source = words, notice = words.Replace(' ', '-'), consents = new { marketing = "given" } });
        await SendAsync("crm-ingest", HttpMethod.Post, "/v1/customers", "{ \"fields\": { \"givenName\": \"" + words);
        await SendAsync("support-desk", HttpMethod.Post, "/v1/customers/search", new { purpose = "customer-support", where = new { email = words } });
        await SendAsync("support-desk", HttpMethod.Post, "/v1/customers/search", new { purpose = "customer-support", where = new { givenName = words } });
        using var form = new FormUrlEncodedContent([new("grant_type", "client_credentials"), new("client_id", words), new("client_secret", words)]);
        using var refused = await server.Http.PostAsync("/connect/token", form);
        Assert.False(refused.IsSuccessStatusCode);
    }

    private async Task VisitConsoleAsync()
    {
        var account = await OkAsync("administrator", HttpMethod.Post, "/v1/accounts", new { email = canaries.Email, role = "customer", customer = _customer }, expectCreated: true);
        using var visitor = new ConsoleVisitor(server.Process.Address);
        await visitor.SignInAsync("customer", canaries.Email, canaries.Words("wrong password"));
        await visitor.SignInAsync("customer", canaries.Words("nobody") + "@nowhere.example", "whatever it is");
        await visitor.SignInAsync("customer", canaries.Email, account.GetProperty("oneTimePassword").GetString()!);
        Password = ConsoleVisitor.Chosen(account.GetProperty("oneTimePassword").GetString()!);
        Assert.StartsWith("/console/me", visitor.Place, StringComparison.Ordinal);
        foreach (var page in new[] { "/console/me", "/console/me/events", "/console/me/accesses", "/console/me/consents" })
        {
            await visitor.OpenAsync(page);
            _seen.AppendLine(visitor.Page);
        }
        await visitor.SubmitAsync("/console/me/consents/personalisation", ("state", "withdrawn"));
        await visitor.OpenAsync("/console/me/requests");
        await visitor.SubmitAsync("/console/me/requests", ("kind", "rectification"), ("note", canaries.Words("in my words")));
        var zip = await PackageAsync(visitor);
        Assert.Equal("PK"u8, zip.AsSpan(0, 2));
        // This package waits to be fetched while everything is searched.
        await visitor.OpenAsync("/console/me/requests");
        await visitor.SubmitAsync("/console/me/requests", ("kind", "portability"));
        var open = await OkAsync("compliance-officer", HttpMethod.Get, $"/v1/requests?kind=portability&customer={_customer}");
        await WaitForPackageAsync(open.GetProperty("items")[0].GetProperty("id").GetGuid());
        await visitor.OpenAsync("/account/forgotten");
        await visitor.SubmitAsync("/account/forgotten", ("email", canaries.Email));
        await Waiting.UntilAsync("the way to another password is on its way", IsWayKnownAsync);
    }

    private async Task<bool> IsWayKnownAsync()
    {
        await using var source = Npgsql.NpgsqlDataSource.Create(server.Process.DatabaseConnection("vault"));
        await using var command = source.CreateCommand($"SELECT 1 FROM issuer.mailed_link WHERE subject_id = '{_customer}' AND value_hash IS NOT NULL");
        return await command.ExecuteScalarAsync() is not null;
    }

    /// <summary>All that the person gets who asks for access now.</summary>
    public async Task<byte[]> PackageAsync()
    {
        using var visitor = new ConsoleVisitor(server.Process.Address);
        await visitor.SignInAsync("customer", canaries.Email, Password);
        await visitor.OpenAsync("/console/me/requests");
        return await PackageAsync(visitor);
    }

    // It is carried out at once: who asks has just signed in.
    private async Task<byte[]> PackageAsync(ConsoleVisitor visitor)
    {
        await visitor.SubmitAsync("/console/me/requests", ("kind", "access"));
        var open = await OkAsync("compliance-officer", HttpMethod.Get, $"/v1/requests?kind=access&customer={_customer}");
        await WaitForPackageAsync(open.GetProperty("items")[0].GetProperty("id").GetGuid());
        await visitor.OpenAsync("/console/me/requests");
        var package = System.Text.RegularExpressions.Regex.Match(visitor.Page, "/console/me/requests/[0-9a-f-]{36}/package");
        Assert.True(package.Success, visitor.Page);
        return await visitor.DownloadAsync(package.Value);
    }

    private Task WaitForPackageAsync(Guid id) => Waiting.UntilAsync("the package is there", async () =>
        (await server.JsonAsync("compliance-officer", HttpMethod.Get, $"/v1/requests/{id}")).GetProperty("hasPackage").GetBoolean());

    private async Task DecideRequestsAsync()
    {
        var refused = await OpenRequestAsync("objection");
        await OfficerAsync($"/v1/requests/{refused}/extend", new { reason = "complexity", note = canaries.Words("extended") });
        await OfficerAsync($"/v1/requests/{refused}/refuse", new { reason = canaries.Words("reason"), note = canaries.Words("refused") }, mayFail: true);
        await OfficerAsync($"/v1/requests/{refused}/refuse", new { reason = "process-unfounded", note = canaries.Words("refused") });
        // Who has an account fetches their own package: for an officer to fetch it a second one has to agree.
        var waiting = await OpenRequestAsync("portability");
        await OfficerAsync($"/v1/requests/{waiting}/verify", new { method = "document-seen", evidence = canaries.Words("evidence"), note = canaries.Words("verified") });
        await OfficerAsync($"/v1/requests/{waiting}/approve", new { note = canaries.Words("approved") });
        Assert.Equal("confirming", (await OkAsync("compliance-officer", HttpMethod.Get, $"/v1/requests/{waiting}")).GetProperty("state").GetString());
    }

    private async Task<Guid> OpenRequestAsync(string kind)
    {
        var body = new { kind, customer = _customer, note = canaries.Words("please") };
        return (await OkAsync("compliance-officer", HttpMethod.Post, "/v1/requests", body, expectCreated: true)).GetProperty("id").GetGuid();
    }

    private async Task AuditAsync()
    {
        await OkAsync("compliance-officer", HttpMethod.Get, $"/v1/audit/entries?customer={_customer}&limit=100");
        await SendAsync("compliance-officer", HttpMethod.Get, "/v1/audit/entries?actor=" + Uri.EscapeDataString(canaries.Words("actor")));
        await OkAsync("compliance-officer", HttpMethod.Get, $"/v1/customers/{_customer}/accesses");
        await OkAsync("compliance-officer", HttpMethod.Post, "/v1/policy/explain", new { roles = new[] { "customer-support" }, purpose = "customer-support" });
    }

    private async Task WaitForAnalyticsAsync()
    {
        await using var connection = new NpgsqlConnection(server.Process.DatabaseConnection("vault"));
        await connection.OpenAsync();
        await using var waiting = new NpgsqlCommand("SELECT count(*) FROM vault.feed_queue WHERE subject_id = $1", connection) { Parameters = { new() { Value = _customer } } };
        await Waiting.UntilAsync("the analytics feed has taken the customer", async () => await waiting.ExecuteScalarAsync() is 0L);
        await using var fed = new NpgsqlCommand("SELECT count(*) FROM analytics_insight.customer WHERE segment = 'dormant'", connection);
        Assert.Equal(1L, await fed.ExecuteScalarAsync());
    }

    private async Task OfficerAsync(string path, object body, bool mayFail = false)
    {
        using var answer = await server.SendAsync("compliance-officer", HttpMethod.Post, path, body);
        Assert.True(mayFail || answer.IsSuccessStatusCode, $"{path}: {answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
    }

    private async Task<JsonElement> OkAsync(string who, HttpMethod method, string path, object? body = null, Action<HttpRequestMessage>? shape = null, bool expectCreated = false)
    {
        using var answer = await server.SendAsync(who, method, path, body, shape);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(expectCreated ? answer.StatusCode == HttpStatusCode.Created : answer.IsSuccessStatusCode, $"{method} {path}: {(int)answer.StatusCode} {text}");
        _seen.AppendLine(text);
        return JsonDocument.Parse(text).RootElement;
    }

    // Whatever the answer: it may be a refusal, but never a failure.
    private async Task SendAsync(string who, HttpMethod method, string path, object? body = null, Action<HttpRequestMessage>? shape = null)
    {
        using var answer = await server.SendAsync(who, method, path, body, shape);
        Assert.True((int)answer.StatusCode < 500, $"{method} {path}: {answer.StatusCode}");
    }
}
