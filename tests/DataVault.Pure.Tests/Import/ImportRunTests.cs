using System.Text;
using DataVault.Cli.Import;
using DataVault.Client;
using Xunit;

namespace DataVault.Pure.Tests.Import;

public sealed class ImportRunTests : IDisposable
{
    private const string Orders = """
        version: 1
        source: shop
        purpose: service-delivery
        require:
          - { column: customer, reason: no-customer }
        customers:
          key: customerNumber
          fields: { customerNumber: customer, country: { column: land, map: { Britain: GB } } }
        events:
          - type: purchase
            when: { column: pieces, from: 0 }
            occurredAt: { column: at, instant: "yyyy-MM-dd HH:mm", zone: Europe/London }
            properties: { sku: article, quantity: { column: pieces, number: integer }, total: { product: [pieces, price], money: GBP } }
          - type: refund
            when: { column: pieces, below: 0 }
            occurredAt: { column: at, instant: "yyyy-MM-dd HH:mm", zone: Europe/London }
            properties: { sku: article, quantity: { column: pieces, number: integer, absolute: true } }
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("datavault-import-").FullName;
    private readonly FakeBatches _vault = new();

    private SourceRecord Line(string land, string agent)
    {
        var path = Path.Combine(_folder, "line.jsonl");
        File.WriteAllText(path, $$"""{ "customer": "c1", "land": "{{land}}", "agent": "{{agent}}" }""");
        using var file = SourceFile.Open(path, new InputFormat("jsonl", ","));
        return file.Read().Single();
    }

    public void Dispose()
    {
        _vault.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void What_was_shown_for_consents_given_elsewhere_goes_with_every_customer()
    {
        var mapper = new LineMapper(Mapping.Parse("m.yaml", Orders.Replace(
            "  fields: {", "  consents: { marketing: given }\n  consentNotices: { marketing: { version: 2019-03, language: fr, text: Nous vous écrivons. } }\n  fields: {", StringComparison.Ordinal)));
        var customer = mapper.Customer(Line("Britain", "x")).Customer!;
        Assert.Equal(new DataVault.Client.Wire.ConsentNotice("2019-03", "fr", "Nous vous écrivons."), customer.ConsentNotices!["marketing"]);
        Assert.Throws<MappingException>(() => Mapping.Parse("m.yaml", Orders.Replace("  fields: {", "  consentNotices: { marketing: { words: x } }\n  fields: {", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Customers_are_created_once_and_every_line_is_accounted_for()
    {
        Write("c1,Britain,2024-07-01 12:00,A,2,1.25", "c1,Britain,2024-07-01 12:00,A,2,1.25", ",Britain,2024-07-01 12:00,A,2,1", "c2,Mars,2024-07-02 12:00,B,-3,1", "c2,Mars,soon,B,3,1");

        var account = await RunAsync();

        Assert.Equal((5, 3, 2, 0), (account.Read, account.Accepted, account.Rejected, account.Duplicates));
        Assert.Equal(["c1", "c2"], _vault.Customers.Keys.Order());
        Assert.Equal(2, account.CustomersCreated);
        Assert.Equal("GB", _vault.Customers["c1"].Fields["country"].GetString());
        Assert.False(_vault.Customers["c2"].Fields.ContainsKey("country"));
        Assert.Equal(1, account.Reasons["no-customer"]);
        Assert.Equal(1, account.Reasons["invalid-instant"]);
    }

    [Fact]
    public void Where_customers_stand_is_read_from_the_line_and_what_it_leaves_empty_is_not_known()
    {
        var mapper = new LineMapper(Mapping.Parse("m.yaml", Orders.Replace(
            "  fields: {", "  standing: { jurisdiction: { column: land, map: { Britain: uk } }, brand: { constant: house }, relations: { assigned-agent: agent } }\n  fields: {", StringComparison.Ordinal)));
        var known = mapper.Customer(Line("Britain", "support-desk")).Customer!.Standing!;
        Assert.Equal(("uk", null, "house"), (known.Jurisdiction, known.Residency, known.Brand));
        Assert.Equal([new DataVault.Client.Wire.Relation("assigned-agent", "support-desk")], known.Relations!);
        var unknown = mapper.Customer(Line("Mars", "")).Customer!.Standing!;
        Assert.Equal((null, "house", null), (unknown.Jurisdiction, unknown.Brand, unknown.Relations));
        Assert.Null(new LineMapper(Mapping.Parse("m.yaml", Orders)).Customer(Line("Britain", "x")).Customer!.Standing);
        Assert.Contains("standing", Assert.Throws<MappingException>(() => Mapping.Parse("m.yaml", Orders.Replace("  fields: {", "  standing: {}\n  fields: {", StringComparison.Ordinal))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Values_are_made_as_the_mapping_says()
    {
        Write("c1,Britain,2024-07-01 12:00,A,3,1.25", "c1,Britain,2024-01-01 12:00,A,-2,1");

        await RunAsync();

        var purchase = _vault.Events.Values.Single(e => e.Type == "purchase");
        Assert.Equal(new DateTimeOffset(2024, 7, 1, 11, 0, 0, TimeSpan.Zero), purchase.OccurredAt);
        Assert.Equal("3.75", purchase.Properties["total"].GetProperty("amount").GetString());
        Assert.Equal(3, purchase.Properties["quantity"].GetInt64());
        Assert.Equal(2, _vault.Events.Values.Single(e => e.Type == "refund").Properties["quantity"].GetInt64());
    }

    [Fact]
    public async Task The_second_of_two_equal_lines_is_another_event_and_a_second_run_stores_nothing()
    {
        Write("c1,Britain,2024-07-01 12:00,A,2,1", "c1,Britain,2024-07-01 12:00,A,2,1");

        var first = await RunAsync();
        var second = await RunAsync();

        Assert.Equal((2, 0), (first.Accepted, first.Duplicates));
        Assert.Equal((0, 2), (second.Accepted, second.Duplicates));
        Assert.Equal(2, _vault.Events.Count);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(9)]
    public async Task A_killed_import_goes_on_where_it_stopped_and_loses_and_doubles_nothing(int batchesBeforeDeath)
    {
        Write([.. Enumerable.Range(0, 100).Select(i => i % 10 == 3 ? $",x,,,{i},1" : $"c{i % 7},Britain,2024-07-01 12:00,A{i / 2},2,1")]);
        _vault.DiesAfter = batchesBeforeDeath;
        await Assert.ThrowsAsync<VaultProblemException>(() => RunAsync(batch: 5, close: false));
        // As if the process had died while it wrote a batch's rejects.
        if (File.Exists(Rejects)) await File.AppendAllTextAsync(Rejects, "half a li");
        _vault.DiesAfter = int.MaxValue;

        var account = await RunAsync(batch: 5);

        Assert.Equal((100, 10), (account.Read, account.Rejected));
        Assert.Equal(90, account.Accepted + account.Duplicates);
        Assert.Equal(90, _vault.Events.Count);
        Assert.Equal(11, (await File.ReadAllLinesAsync(Rejects)).Length);
        Assert.False(File.Exists(Checkpoint));
    }

    [Fact]
    public async Task Rejected_lines_are_kept_as_they_were_and_can_be_imported_once_mended()
    {
        Write("c1,Britain,soon,A,2,1", "c1,Britain,2024-07-01 12:00,B,2,1");

        await RunAsync();
        var rejects = await File.ReadAllTextAsync(Rejects);
        var mended = Path.Combine(_folder, "mended.csv");
        await File.WriteAllTextAsync(mended, rejects.Replace("soon", "2024-07-01 12:00", StringComparison.Ordinal));
        var second = await RunAsync(file: mended);

        Assert.Equal("rejected_line,rejected_reason,rejected_at,customer,land,at,article,pieces,price\n2,invalid-instant,/occurredAt,c1,Britain,soon,A,2,1\n", rejects);
        Assert.Equal(1, second.Accepted);
        Assert.Equal(2, _vault.Events.Count);
    }

    [Fact]
    public async Task A_refusal_of_the_vault_is_kept_with_its_code_and_pointer()
    {
        Write("c1,Britain,2024-07-01 12:00,A,2,1", "c1,Britain,2024-07-01 12:00,B,2,1");
        _vault.Refuses = e => e.Properties["sku"].GetString() == "B";

        var account = await RunAsync();

        Assert.Equal((1, 1), (account.Accepted, account.Rejected));
        Assert.Contains("3,too-long,/properties/sku,c1,Britain,2024-07-01 12:00,B,2,1", await File.ReadAllTextAsync(Rejects), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Items_that_the_vault_was_too_busy_for_are_sent_again()
    {
        Write("c1,Britain,2024-07-01 12:00,A,2,1", "c1,Britain,2024-07-01 12:00,B,2,1");
        _vault.BusyItems = 1;

        var account = await RunAsync();

        Assert.Equal(2, account.Accepted);
    }

    [Fact]
    public async Task A_checkpoint_of_another_mapping_is_refused()
    {
        Write("c1,Britain,2024-07-01 12:00,A,2,1", "c1,Britain,2024-07-01 12:00,B,2,1");
        _vault.DiesAfter = 1;
        await Assert.ThrowsAsync<VaultProblemException>(() => RunAsync(batch: 1, close: false));

        await Assert.ThrowsAsync<DataVault.Cli.UsageException>(() => RunAsync(mapping: Orders.Replace("source: shop", "source: shop2", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_file_of_profiles_counts_customers_already_held_as_duplicates()
    {
        const string profiles = "{ version: 1, source: crm, customers: { key: customerNumber, fields: { customerNumber: customer } } }";
        Write("c1,,,,,", "c2,,,,,", "c1,,,,,");

        var first = await RunAsync(mapping: profiles, batch: 2);
        var second = await RunAsync(mapping: profiles);

        Assert.Equal((2, 1), (first.Accepted, first.Duplicates));
        Assert.Equal((0, 3), (second.Accepted, second.Duplicates));
    }

    [Fact]
    public async Task Bad_lines_of_every_kind_have_a_reason()
    {
        Write("c1,Britain", "\"c1,x", "c1,Brit\"ain,2024-07-01 12:00,A,many,1", "c1,\uFFFD,2024-07-01 12:00,A,2,1");

        var account = await RunAsync();

        Assert.Equal(["invalid-utf8=1", "malformed-line=1", "no-event=1", "wrong-column-count=1"], account.Reasons.Select(r => $"{r.Key}={r.Value}"));
    }

    [Fact]
    public async Task Json_lines_name_columns_by_path()
    {
        var file = Path.Combine(_folder, "orders.jsonl");
        await File.WriteAllTextAsync(file, """
            {"customer":"c1","item":{"sku":"A","pieces":2},"at":"2024-07-01T10:00:00Z"}
            {"customer":"c1","customer":"c2"}
            not json
            """);
        const string mapping = """
            version: 1
            source: web
            customers: { key: customerNumber, fields: { customerNumber: customer } }
            events:
              - type: purchase
                occurredAt: { column: at, instant: "yyyy-MM-ddTHH:mm:ssK" }
                properties: { sku: item.sku, quantity: { column: item.pieces, number: integer } }
            """;

        var account = await RunAsync(file: file, mapping: mapping);

        Assert.Equal((3, 1, 2), (account.Read, account.Accepted, account.Reasons["malformed-line"]));
        Assert.Equal("A", _vault.Events.Values.Single().Properties["sku"].GetString());
    }

    [Theory]
    [InlineData("version: 2\nsource: x", "version: 1")]
    [InlineData("version: 1\nsource: x", "customers")]
    [InlineData("version: 1\nsource: x\ncolour: red\ncustomers: { key: email, fields: { email: mail } }", "colour")]
    [InlineData("version: 1\nsource: x\ncustomers: { key: email, fields: { phone: p } }", "email")]
    [InlineData("version: 1\nsource: x\ncustomers: { key: email, fields: { email: { column: a, date: d, money: EUR } } }", "more than one conversion")]
    [InlineData("version: 1\nsource: [x", "m.yaml:")]
    public void A_wrong_mapping_is_refused_with_its_place(string text, string said)
    {
        var wrong = Assert.Throws<MappingException>(() => Mapping.Parse("m.yaml", text));

        Assert.Contains(said, wrong.Message, StringComparison.Ordinal);
    }

    private string Input => Path.Combine(_folder, "orders.csv");

    private string Rejects => Input + ".rejects.csv";

    private string Checkpoint => Input + ".checkpoint";

    private void Write(params string[] lines) => File.WriteAllText(Input, "customer,land,at,article,pieces,price\n" + string.Join('\n', lines) + "\n", new UTF8Encoding(false));

    private async Task<Account> RunAsync(string? file = null, string mapping = Orders, int batch = 1000, bool close = true)
    {
        var parsed = Mapping.Parse("m.yaml", mapping);
        var format = parsed.FormatOf(file ?? Input);
        var paths = ImportPaths.For(file ?? Input, format, null, null, _folder);
        using var input = SourceFile.Open(paths.Input, format);
        using var journal = ImportJournal.Open(paths, input, parsed, "http://vault.test", run: 1, restart: false);
        var run = new ImportRun(new LineMapper(parsed), new ImportWire(_vault.Client(), TimeProvider.System, journal.Run), journal, new ImportSize(batch, 4));
        var account = await run.RunAsync(input, _ => { }, CancellationToken.None);
        if (close) journal.Close();
        return account;
    }
}
