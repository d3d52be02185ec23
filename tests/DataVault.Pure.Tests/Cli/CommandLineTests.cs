using System.Net;
using System.Text.Json;
using DataVault.Cli;
using DataVault.Pure.Tests.Client;
using DataVault.Pure.Tests.Policy;
using DataVault.Pure.Tests.Transparency;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Cli;

public sealed class CommandLineTests : IDisposable
{
    private const string Id = "0198a000-0000-7000-8000-000000000001";
    private readonly ScriptedVault _vault = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("datavault-cli-").FullName;

    public void Dispose()
    {
        _vault.Dispose();
        _output.Dispose();
        _error.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("customer")]
    [InlineData("customer", "get", "not-an-id")]
    [InlineData("import")]
    [InlineData("consent", "set", Id, "marketing", "perhaps")]
    [InlineData("request", "refuse", Id)]
    [InlineData("policy", "explain", "--role", "marketing")]
    public async Task Wrong_usage_ends_with_two(params string[] arguments)
    {
        Assert.Equal(2, await RunAsync(arguments));
        Assert.NotEmpty(_error.ToString());
    }

    [Theory]
    [InlineData("import", "datavault import customers.csv --mapping customers.yaml")]
    [InlineData("customer get", "--purpose customer-support")]
    [InlineData("audit verify", "datavault audit verify --key log.vkey")]
    public async Task Help_has_examples(string verb, string example)
    {
        Assert.Equal(0, await RunAsync([.. verb.Split(' '), "--help"]));
        Assert.Contains(example, _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_verb_that_does_something_shows_an_example()
    {
        var verbs = Leaves(DataVaultCommand.Build(Host())).ToList();

        Assert.True(verbs.Count > 20);
        Assert.All(verbs, v => Assert.NotEmpty(v.Examples));
        Assert.All(verbs.SelectMany(v => v.Options), o => Assert.False(string.IsNullOrWhiteSpace(o.Description)));
    }

    [Theory]
    [InlineData(HttpStatusCode.Forbidden, 3)]
    [InlineData(HttpStatusCode.NotFound, 1)]
    [InlineData(HttpStatusCode.ServiceUnavailable, 4)]
    public async Task Refusals_end_with_their_code(HttpStatusCode status, int code)
    {
        FirstRun();
        _vault.Token("t");
        for (var i = 0; i < 40; i++) _vault.Answer(status, "");

        Assert.Equal(code, await RunAsync("customer", "get", Id, "-p", "marketing"));
        Assert.StartsWith("datavault: ", _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_read_that_releases_nothing_ends_as_refused()
    {
        FirstRun();
        _vault.Token("t").Answer(HttpStatusCode.OK, $$"""{"id":"{{Id}}","version":1,"fields":{},"forms":{},"withheld":{"email":"consent-withdrawn"},"receipt":{"index":1} }""");

        Assert.Equal(3, await RunAsync("customer", "get", Id, "-p", "marketing"));
        Assert.Contains("consent-withdrawn", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Questions_to_the_policy_go_to_the_vault_when_they_are_to_and_the_answer_names_its_version()
    {
        const string Grants = """{"policyVersion":"7d3d","items":[{"role":"marketing","purpose":"marketing","field":"email","form":"plain","needsConsent":true,"rules":["r"]}]}""";
        string[] whoever = ["--address", "http://vault.test", "--token-file", Path.Combine(_folder, "token"), "--vault"];
        await File.WriteAllTextAsync(Path.Combine(_folder, "token"), "t");
        _vault.Answer(HttpStatusCode.OK, Grants).Answer(HttpStatusCode.OK, Grants)
            .Answer(HttpStatusCode.OK, """{"policyVersion":"7d3d","fields":[{"field":"email","form":null,"reason":"consent-missing","rules":[]}],"obligations":[]}""");

        Assert.Equal(0, await RunAsync(["policy", "who-can", "-f", "email", .. whoever]));
        Assert.Equal(0, await RunAsync(["policy", "what-can", "-r", "marketing", .. whoever]));
        Assert.Equal(3, await RunAsync(["policy", "explain", "-r", "marketing", "-p", "marketing", "-f", "email", "--consent", "marketing=refused", .. whoever]));

        Assert.Equal(["/v1/policy/who-can", "/v1/policy/what-can", "/v1/policy/explain"], _vault.Calls.Select(call => call.Path));
        Assert.Equal(3, _output.ToString().Split("By the policy version 7d3d, in force in the vault.").Length - 1);
    }

    [Fact]
    public async Task Questions_to_a_folder_are_answered_by_its_version_and_refused_when_it_holds_a_file_that_would_be_passed_over()
    {
        var files = PolicyTexts.ShippedFiles();
        foreach (var (name, text) in files)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(_folder, "policies", name))!);
            await File.WriteAllTextAsync(Path.Combine(_folder, "policies", name), text);
        }

        await File.WriteAllTextAsync(Path.Combine(_folder, "policies", "README.md"), "For people.");
        Assert.Equal(0, await RunAsync("policy", "who-can", "-f", "email"));
        Assert.Contains("By the policy version " + PolicyTexts.Shipped().Version, _output.ToString(), StringComparison.Ordinal);
        await File.WriteAllTextAsync(Path.Combine(_folder, "policies", "access", "limits.yml"), "rules: []\n");
        Assert.NotEqual(0, await RunAsync("policy", "lint"));
        Assert.Contains("access/limits.yml", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_status_shows_every_part_and_what_waits_for_somebody()
    {
        var token = Path.Combine(_folder, "token");
        await File.WriteAllTextAsync(token, "t");
        _vault.Answer(
            HttpStatusCode.OK,
            """
            { "version": "1.0.0", "mode": "production", "customers": 7, "events": 70, "logSize": 12, "checkpoint": null, "policyVersion": "p1",
              "health": { "database": "ok", "outbox": "1 dead, 2 waiting", "holds": "3 overdue for review" }, "startedAt": "2026-01-01T00:00:00Z" }
            """);

        Assert.Equal(0, await RunAsync("status", "--address", "http://vault.test", "--token-file", token));
        Assert.Contains("1 dead, 2 waiting", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("3 overdue for review", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_receipt_goes_to_standard_output_and_the_proof_of_a_consent_into_files_that_the_verifier_reads()
    {
        var token = Path.Combine(_folder, "token");
        await File.WriteAllTextAsync(token, "t");
        var receipt = ConsentReceiptTests.Receipt().ToString();
        _vault.Answer(HttpStatusCode.OK, receipt).Answer(
            HttpStatusCode.OK,
            $$"""{"id":"{{Id}}","purpose":"marketing","at":"2026-03-01T00:00:00Z","state":"given","valid":true,"receipts":[{{receipt}}],"checkpoint":"c","verification":["v"]}""");

        Assert.Equal(0, await RunAsync("consent", "receipt", Id, "marketing", "--entry", "7", "--address", "http://vault.test", "--token-file", token));
        Assert.EndsWith("/consents/marketing/receipt?entry=7", _vault.Calls[0].Path, StringComparison.Ordinal);
        Assert.True(ConsentReceipt.TryParse(_output.ToString(), out var shown));
        Assert.Null(shown!.Verify(MemoryLog.Verifier));

        var folder = Path.Combine(_folder, "evidence");
        Assert.Equal(0, await RunAsync("consent", "prove", Id, "marketing", "--at", "2026-03-01T00:00:00Z", "--receipts", folder, "--address", "http://vault.test", "--token-file", token));
        Assert.True(ConsentReceipt.TryParse(await File.ReadAllTextAsync(Path.Combine(folder, "marketing-0001.json")), out var saved));
        Assert.Null(saved!.Verify(MemoryLog.Verifier));
    }

    [Fact]
    public async Task The_client_is_chosen_by_the_purpose_and_its_only_purpose_is_the_default()
    {
        FirstRun();
        var answer = $$"""{"id":"{{Id}}","version":1,"fields":{"givenName":"Ada"},"forms":{},"withheld":{},"receipt":{"index":1} }""";
        _vault.Token("t").Answer(HttpStatusCode.OK, answer).Token("t").Answer(HttpStatusCode.OK, answer);

        Assert.Equal(0, await RunAsync("customer", "get", Id, "-p", "marketing", "--json"));
        Assert.Equal(0, await RunAsync("customer", "get", Id));

        Assert.Contains(Basic("campaigns:s2"), _vault.Calls[0].Headers, StringComparison.Ordinal);
        Assert.Contains(Basic("support-desk:s1"), _vault.Calls[2].Headers, StringComparison.Ordinal);
        Assert.EndsWith("purpose=customer-support", _vault.Calls[3].Path, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Json_is_one_document_on_standard_output()
    {
        FirstRun();
        _vault.Token("t").Answer(HttpStatusCode.OK, $$"""{"id":"{{Id}}","version":1,"fields":{"givenName":"[red]Ada"},"forms":{},"withheld":{},"receipt":{"index":1} }""");

        await RunAsync("customer", "get", Id, "--json");

        using var document = JsonDocument.Parse(_output.ToString());
        Assert.Equal("[red]Ada", document.RootElement.GetProperty("fields").GetProperty("givenName").GetString());
    }

    [Fact]
    public async Task Values_are_shown_as_they_are_and_without_escape_codes()
    {
        FirstRun();
        _vault.Token("t").Answer(HttpStatusCode.OK, $$"""{"id":"{{Id}}","version":1,"fields":{"givenName":"[red]Ada[/]"},"forms":{},"withheld":{},"receipt":{"index":1} }""");

        await RunAsync("customer", "get", Id);

        Assert.Contains("[red]Ada[/]", _output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', _output.ToString());
    }

    [Fact]
    public async Task First_run_hides_secrets_until_they_are_asked_for()
    {
        FirstRun();

        await RunAsync("first-run");
        Assert.DoesNotContain("pw-1", _output.ToString(), StringComparison.Ordinal);

        await RunAsync("first-run", "--secrets", "--json");
        Assert.Contains("pw-1", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task First_run_says_the_code_that_an_officers_app_would_show()
    {
        FirstRun();

        Assert.Equal(0, await RunAsync("first-run", "code", "officer@vault.example"));

        Assert.Matches("^[0-9]{6}\n$", _output.ToString());
        Assert.Equal(2, await RunAsync("first-run", "code", "nobody@vault.example"));
    }

    [Fact]
    public async Task Without_a_known_vault_the_way_to_name_one_is_said()
    {
        Assert.Equal(2, await RunAsync("status"));
        Assert.Contains("DATAVAULT_ADDRESS", _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_import_ends_with_its_account_as_json()
    {
        FirstRun();
        await File.WriteAllTextAsync(Path.Combine(_folder, "people.csv"), "number,born\nn1,19700101\nn2,19701301\n");
        await File.WriteAllTextAsync(Path.Combine(_folder, "people.yaml"), """
            version: 1
            source: crm
            purpose: service-delivery
            customers: { key: customerNumber, fields: { customerNumber: number, birthDate: { column: born, date: yyyyMMdd } } }
            """);
        _vault.Token("t").Answer(HttpStatusCode.OK, $$"""{"items":[{"index":0,"status":201,"written":{"id":"{{Id}}","version":1,"receipt":{"index":9} } }]}""");

        var code = await RunAsync("import", Path.Combine(_folder, "people.csv"), "-m", Path.Combine(_folder, "people.yaml"), "--json");

        using var account = JsonDocument.Parse(_output.ToString());
        Assert.Equal(0, code);
        Assert.Equal((2, 1, 1, 0), (Count(account, "read"), Count(account, "accepted"), Count(account, "rejected"), Count(account, "duplicates")));
        Assert.Equal("1970-01-01", JsonDocument.Parse(_vault.Calls[^1].Body).RootElement.GetProperty("create")[0].GetProperty("fields").GetProperty("birthDate").GetString());
    }

    [Fact]
    public async Task A_certificate_and_the_proof_of_an_entry_are_checked_without_a_vault()
    {
        var certificate = ProofFileTests.Certificate();
        var text = certificate.ToString();
        await File.WriteAllTextAsync(Path.Combine(_folder, "log.vkey"), MemoryLog.Signer.VerifierKey);

        Assert.Equal(0, await CheckAsync(text));
        Assert.Equal(0, await CheckAsync(certificate.Proofs.Execution.ToString()));
        Assert.Equal(1, await CheckAsync(text.Replace("executed 60 ", "executed 61 ", StringComparison.Ordinal)));
        Assert.Equal(2, await CheckAsync("something else"));
        Assert.Empty(_vault.Calls);
    }

    [Theory]
    [InlineData("http://vault.test/", true)]
    [InlineData("http://other.test/", false)]
    public async Task Verifying_a_log_signs_in_at_the_own_vault_alone(string log, bool own)
    {
        FirstRun();
        var file = Path.Combine(_folder, ".vault", "first-run.json");
        var clients = await File.ReadAllTextAsync(file);
        await File.WriteAllTextAsync(file, clients.Replace("""["customer-support"], "p""", """["compliance-officer"], "p""", StringComparison.Ordinal));
        if (own) _vault.Token("t");
        _vault.Answer(HttpStatusCode.Forbidden, "");

        Assert.Equal(2, await RunAsync("audit", "verify", "--log", log, "--key", MemoryLog.Signer.VerifierKey));
        Assert.Equal(own, _vault.Calls.Any(call => call.Headers.Contains("Authorization", StringComparison.Ordinal)));
        Assert.Contains("audit.read", _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_change_of_an_application_keeps_what_is_not_named()
    {
        const string Known = """{"id":"webshop","name":"Web shop","roles":["ingest"],"purposes":["service-delivery"],"createdAt":"2026-01-01T00:00:00Z","dpopBound":false,"allowedNetworks":["198.51.100.0/24"],"expiresAt":"2032-01-01T00:00:00Z","contact":"shop-team@company.example"}""";
        var token = Path.Combine(_folder, "token");
        await File.WriteAllTextAsync(token, "t");
        string[] rest = ["--address", "http://vault.test", "--token-file", token];
        for (var i = 0; i < 2; i++) _vault.Answer(HttpStatusCode.OK, $$"""{"items":[{{Known}}],"next":null}""").Answer(HttpStatusCode.OK, Known);

        Assert.Equal(0, await RunAsync(["clients", "change", "webshop", "--name", "Shop", .. rest]));
        Assert.Equal(0, await RunAsync(["clients", "change", "webshop", "--anywhere", "--no-expiry", "--no-contact", "--role", "marketing", .. rest]));

        var said = _vault.Calls.Where(call => call.Method == "PUT").Select(call => JsonDocument.Parse(call.Body).RootElement).ToList();
        Assert.Equal(("Shop", "ingest", "198.51.100.0/24", "2032-01-01T00:00:00+00:00", "shop-team@company.example"), Terms(said[0]));
        Assert.Equal(("Web shop", "marketing", null, null, null), Terms(said[1]));
        Assert.Equal("service-delivery", said[1].GetProperty("purposes")[0].GetString());

        static (string?, string?, string?, string?, string?) Terms(JsonElement said) => (
            said.GetProperty("name").GetString(), said.GetProperty("roles")[0].GetString(), said.GetProperty("allowedNetworks").EnumerateArray().FirstOrDefault() is { ValueKind: JsonValueKind.String } network ? network.GetString() : null,
            Optional(said, "expiresAt"), Optional(said, "contact"));

        static string? Optional(JsonElement said, string name) => said.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }

    [Fact]
    public async Task A_certificate_is_held_against_a_copy_of_the_log()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "log.vkey"), MemoryLog.Signer.VerifierKey);
        var text = ProofFileTests.Certificate(final: true).ToString();
        var entries = ProofFileTests.Entries(static (_, entry) => entry);
        var folder = SaveLog(entries, "log");
        Assert.Equal(0, await CheckAsync(text, "--log", folder));
        using (var said = JsonDocument.Parse(_output.ToString()))
            Assert.Equal(("final", "2"), (said.RootElement.GetProperty("states").GetProperty("state").GetString(), said.RootElement.GetProperty("states").GetProperty("residual look-up-keys").GetString()));

        var again = LogEntry.Decode(entries[10]) with { Time = LogEntry.Decode(entries[^1]).Time };
        Assert.Equal(1, await CheckAsync(text, "--log", SaveLog([.. entries, again.Encode()], "again")));
        Assert.Contains("entry 100 (key.create) commits to the destroyed key again", _output.ToString(), StringComparison.Ordinal);
        File.Delete(Path.Combine(folder, "checkpoint"));
        Assert.Equal(1, await CheckAsync(text, "--log", folder));
        Assert.Contains("the log itself: the checkpoint is missing", _output.ToString(), StringComparison.Ordinal);
        Assert.Equal(2, await CheckAsync(text, "--log", Path.Combine(_folder, "not-there")));
    }

    private async Task<int> CheckAsync(string text, params string[] more)
    {
        var file = Path.Combine(_folder, "handed-out.txt");
        await File.WriteAllTextAsync(file, text);
        return await RunAsync(["audit", "check", file, "--key", Path.Combine(_folder, "log.vkey"), "--json", .. more]);
    }

    private string SaveLog(IReadOnlyList<byte[]> entries, string name)
    {
        var log = MemoryLog.Of(entries);
        foreach (var (file, bytes) in log.Files.Append(KeyValuePair.Create("checkpoint", System.Text.Encoding.UTF8.GetBytes(log.Note))))
        {
            var path = Path.Combine(_folder, name, file);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, bytes);
        }
        return Path.Combine(_folder, name);
    }

    private static long Count(JsonDocument account, string name) => account.RootElement.GetProperty(name).GetInt64();

    private static string Basic(string credentials) => "Basic " + Convert.ToBase64String(System.Text.Encoding.ASCII.GetBytes(credentials));

    private static IEnumerable<Verb> Leaves(System.CommandLine.Command command) =>
        command.Subcommands.Count == 0 ? command is Verb verb ? [verb] : [] : command.Subcommands.SelectMany(Leaves);

    private CliHost Host() => new(TextReader.Null, _output, _error, _folder, new JumpingTime())
    {
        Connect = address => new HttpClient(_vault, disposeHandler: false) { BaseAddress = address },
    };

    private Task<int> RunAsync(params string[] arguments) => DataVaultCommand.RunAsync(Host(), arguments);

    private void FirstRun()
    {
        Directory.CreateDirectory(Path.Combine(_folder, ".vault"));
        File.WriteAllText(Path.Combine(_folder, ".vault", "first-run.json"), """
            { "address": "http://vault.test", "customer": "x",
              "clients": [ { "id": "crm-ingest", "secret": "s0", "roles": ["ingest"], "purposes": ["service-delivery"] },
                           { "id": "support-desk", "secret": "s1", "roles": ["customer-support"], "purposes": ["customer-support"] },
                           { "id": "campaigns", "secret": "s2", "roles": ["marketing"], "purposes": ["marketing", "personalisation"] } ],
              "people": [ { "email": "officer@vault.example", "password": "pw-1", "role": "compliance-officer", "codeSecret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" } ] }
            """);
    }
}
