using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>What is in a package, for people, for programs and for spreadsheets; and that each tells the same.</summary>
public sealed partial class PackageContentsTests : IAsyncLifetime
{
    private RightsWorld world = null!;
    private SubjectId ada;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
        await world.EventsAsync(ada);
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    [Requirement("R50")]
    public async Task The_package_is_a_signed_bag_whose_proof_leads_to_the_entry_of_the_export()
    {
        using var bag = BagReader.Open(new MemoryStream(await OpenedPackage.ZipAsync(world, ada, RequestKinds.Access)), BagLimits.Widest);
        Assert.Null(bag.CheckFiles());
        var key = NoteVerifier.Parse(world.Vault.Get<AuditReader>().VerifierKey);
        Assert.Null(bag.CheckSignature(key));
        Assert.Equal((EntryType.Export, "access"), (bag.ProvedEntry()!.Type, bag.Statement!.Kind));
    }

    [Fact]
    [Requirement("R22", "R50")]
    public async Task Every_JSON_file_has_a_schema_and_fits_it()
    {
        foreach (var kind in new[] { RequestKinds.Access, RequestKinds.Portability })
        {
            var package = await OpenedPackage.OfAsync(world, ada, kind);
            foreach (var (path, bytes) in package.Where(file => Regex.IsMatch(file.Key, @"\.(json|jsonld|ndjson)$") && !file.Key.StartsWith("meta/schema/", StringComparison.Ordinal)))
            {
                using var schema = JsonDocument.Parse(package[$"meta/schema/{PackageSchemas.NameOf(path)}.json"]);
                foreach (var document in path.EndsWith(".ndjson", StringComparison.Ordinal) ? Lines(bytes) : [JsonSerializer.Deserialize<JsonElement>(bytes)])
                    Assert.Empty(JsonSchema.Problems(document, schema.RootElement, path));
            }
            Assert.All(package.Keys.Where(path => path.StartsWith("meta/schema/", StringComparison.Ordinal)), path =>
                Assert.Contains(package.Keys, file => !file.StartsWith("meta/schema/", StringComparison.Ordinal) && $"meta/schema/{PackageSchemas.NameOf(file)}.json" == path));
        }
    }

    [Fact]
    [Requirement("R50", "R53")]
    public async Task JSON_tables_and_pages_tell_of_the_same_values()
    {
        var package = await OpenedPackage.OfAsync(world, ada, RequestKinds.Access);
        var words = PackageWords.For(Language(package));
        var fields = JsonSerializer.Deserialize<JsonElement>(package["data/json/profile.json"]).GetProperty("fields").EnumerateObject().ToList();
        var rows = Csv(package["data/csv/profile.csv"]);
        Assert.Equal(fields.Select(field => (field.Name, ReadableValue.Of(field.Value.GetProperty("value")))), rows.Select(row => (row["field"], Disarmed(row["value"]))));
        var page = Cells(package["data/readable/profile.html"]);
        Assert.All(fields, field => Assert.Contains(ReadableValue.Of(field.Value.GetProperty("value"), words), page));
        Assert.All(rows, row => Assert.Contains(row["label"], page));

        var events = Lines(package["data/json/events.ndjson"]).ToList();
        var happened = Cells(package["data/readable/events.html"]);
        foreach (var type in events.GroupBy(item => item.GetProperty("type").GetString()!))
        {
            var table = Csv(package[$"data/csv/events-{type.Key}.csv"]);
            Assert.Equal(type.Select(item => item.GetProperty("id").GetString()).Order(), table.Select(row => row["id"]).Order());
            foreach (var item in type)
            {
                var row = table.Single(row => row["id"] == item.GetProperty("id").GetString());
                Assert.All(item.GetProperty("properties").EnumerateObject(), property => Assert.Equal(ReadableValue.Of(property.Value), Disarmed(row[property.Name])));
                Assert.All(item.GetProperty("properties").EnumerateObject(), property => Assert.Contains(ReadableValue.Of(property.Value, words), happened));
            }
        }
        var log = Lines(package["data/json/access-log.ndjson"]).ToList();
        Assert.Equal(log.Select(entry => entry.GetProperty("logIndex").GetRawText()), Csv(package["data/csv/access-log.csv"]).Select(row => row["logIndex"]));
        Assert.Subset(Cells(package["data/readable/who-looked.html"]).ToHashSet(), log.Select(entry => entry.GetProperty("logIndex").GetRawText()).ToHashSet());
        var consents = JsonSerializer.Deserialize<JsonElement>(package["data/json/consents.json"]).EnumerateArray().ToList();
        Assert.Equal(consents.Select(act => act.GetProperty("purpose").GetString()), Csv(package["data/csv/consents.csv"]).Select(row => row["purpose"]));
        Assert.Equal(consents.Count, JsonSerializer.Deserialize<JsonElement>(package["data/json/consents.jsonld"]).GetProperty("@graph").GetArrayLength());
    }

    [Fact]
    [Requirement("R51")]
    public async Task Every_look_is_in_the_package_with_date_and_purpose_and_without_the_name_of_staff()
    {
        var clerk = new Recipient(RecipientKind.Staff, "clerk-canary-77", "clerk-canary-77", ["compliance-officer"], ["data-subject-rights"]);
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        for (var look = 0; look < 5; look++) await world.Requests.GetAsync(clerk, request.Id, Guid.NewGuid(), default);
        var package = await OpenedPackage.OfAsync(world, ada, RequestKinds.Access);
        var looks = Lines(package["data/json/access-log.ndjson"]).Where(entry => entry.GetProperty("type").GetString() == "request.read").ToList();
        Assert.Equal(5, looks.Count);
        Assert.All(looks, look => Assert.Equal("data-subject-rights", look.GetProperty("purpose").GetString()));
        Assert.All(package, file => Assert.DoesNotContain("clerk-canary-77", Text(file.Value), StringComparison.Ordinal));
        Assert.Contains("staff-names", Text(package["meta/withheld.json"]));
    }

    [Fact]
    [Requirement("R24", "R50")]
    public async Task The_eight_items_of_information_are_there_and_recipients_have_names()
    {
        var package = await OpenedPackage.OfAsync(world, ada, RequestKinds.Access);
        var context = JsonSerializer.Deserialize<JsonElement>(package["data/json/context.json"]);
        Assert.Equal(Repository.Policy.Purposes.All.Select(purpose => purpose.Name), context.GetProperty("purposes").EnumerateArray().Select(purpose => purpose.GetProperty("name").GetString()));
        Assert.All(Repository.Policy.Analytics, domain => Assert.Contains(domain.Titles.In(Language(package)).Text, WebUtility.HtmlDecode(Text(package["data/readable/who-received.html"]))));
        Assert.Equal(Repository.Policy.Retention.Count, context.GetProperty("retention").GetArrayLength());
        Assert.Contains("eu-gdpr:A77", context.GetProperty("rights").EnumerateArray().Select(right => right.GetString()));
        Assert.Equal("Example Trading Company", context.GetProperty("controller").GetProperty("name").GetString());
        Assert.Contains("churnRisk", Text(package["data/json/automated-decisions.json"]));
        Assert.Contains("\"source\": \"crm\"", Text(package["meta/provenance.json"]));
    }

    [Fact]
    [Requirement("R50", "R54", "R60", "R80")]
    public async Task Recipients_are_named_with_country_and_transfer_who_was_told_of_a_correction_and_what_was_written_to_the_person()
    {
        var desk = new Recipient(RecipientKind.Application, "refund-desk", "Refunds and complaints", ["customer-support"], ["complaints"]);
        for (var look = 0; look < 2; look++) (await world.Vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(desk, ada, "complaints", null, false, Guid.NewGuid(), "CASE-123"), default)).Dispose();
        var asked = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Rectification, ada);
        var rectification = world.Vault.Get<Rectification>();
        await rectification.AskAsync(RightsWorld.Customer(ada), asked.Id, StoreVault.Object("""{ "language": "fr" }"""), Guid.NewGuid(), default);
        await world.ApproveAsync(asked.Id);
        await rectification.DecideAsync(RightsWorld.Officer, asked.Id, new RectificationDecision(new Dictionary<string, JsonElement?> { ["language"] = null }, new Dictionary<string, string>(), null), Guid.NewGuid(), default);

        var package = await OpenedPackage.OfAsync(world, ada, RequestKinds.Access);
        var declared = Repository.Policy.Recipients.OfClient("refund-desk")!;
        var line = Assert.Single(Json(package["data/json/disclosures.json"]), one => one.GetProperty("recipient").GetString() == declared.Title);
        Assert.Equal(("processor", "GB", "adequacy", 2), (Said(line, "recipientKind"), Said(line, "country"), Said(line.GetProperty("transfer"), "mechanism"), line.GetProperty("times").GetInt32()));
        Assert.Equal(("Refunds and complaints", "complaints"), (Said(line, "through"), Said(line, "purpose")));
        Assert.Equal(line.GetProperty("items").EnumerateArray().Select(item => item.GetString()), Csv(package["data/csv/disclosures.csv"]).Single(row => row["recipient"] == declared.Title)["items"].Split(' '));
        var notice = Assert.Single(Json(package["data/json/notices.json"]));
        Assert.Equal((declared.Title, "person.rectified", asked.Id.ToString("D")), (Said(notice, "recipient"), Said(notice, "change"), Said(notice, "request")));
        Assert.Equal(declared.Title, Csv(package["data/csv/notices.csv"]).Single()["recipient"]);
        var received = Cells(package["data/readable/who-received.html"]);
        Assert.Contains(received, cell => cell.StartsWith("GB (adequacy: ", StringComparison.Ordinal));
        Assert.Contains(PackageWords.For("fr")["change.person.rectified"], received);
        var letter = Assert.Single(Json(package["data/json/letters.json"]), one => Said(one, "letter") == "rectified");
        Assert.Equal(asked.Id.ToString("D"), Said(letter, "request"));
        Assert.Contains(Said(letter, "subject"), Cells(package["data/readable/requests.html"]));
        // What was wanted and decided stands in the table and on the page as well, and so does the officer for data protection.
        var corrected = Csv(package["data/csv/rectifications.csv"]).Single();
        Assert.Equal((asked.Id.ToString("D"), "language", "fr", "accepted"), (corrected["request"], corrected["field"], corrected["wanted"], corrected["decided"]));
        Assert.Contains(PackageWords.For("fr")["decided.accepted"], Cells(package["data/readable/requests.html"]));
        foreach (var name in new[] { "disclosures", "notices", "letters", "requests" })
        {
            using var schema = JsonDocument.Parse(package[$"meta/schema/{name}.json"]);
            Assert.Empty(JsonSchema.Problems(JsonSerializer.Deserialize<JsonElement>(package[$"data/json/{name}.json"]), schema.RootElement, name));
        }

        static List<JsonElement> Json(byte[] file) => [.. JsonSerializer.Deserialize<JsonElement>(file).EnumerateArray()];
        static string Said(JsonElement one, string name) => one.GetProperty(name).GetString()!;
    }

    [Fact]
    [Requirement("R23", "R66", "R81")]
    public async Task The_rights_follow_from_the_bases_and_say_to_which_authority_to_complain()
    {
        var package = await OpenedPackage.OfAsync(world, ada, RequestKinds.Access);
        var officer = JsonSerializer.Deserialize<JsonElement>(package["meta/case.json"]).GetProperty("officer");
        Assert.Equal(Repository.Policy.Jurisdictions.Default.Breach.Contact!.Email, officer.GetProperty("email").GetString());
        Assert.Contains(officer.GetProperty("email").GetString()!, Encoding.UTF8.GetString(package["data/readable/your-rights.html"]), StringComparison.Ordinal);
        var authority = JsonSerializer.Deserialize<JsonElement>(package["meta/case.json"]).GetProperty("authority").GetProperty("name").GetString()!;
        Assert.Equal(Repository.Policy.Jurisdictions.Default.Breach.AuthorityOf(HeldCountry(package))!.Name, authority);
        Assert.Contains(authority, WebUtility.HtmlDecode(Text(package["data/readable/your-rights.html"])));
        var rights = JsonSerializer.Deserialize<JsonElement>(package["data/json/context.json"]).GetProperty("rights").EnumerateArray().Select(right => right.GetString()).ToList();
        Assert.Equal(Repository.Policy.Purposes.All.Any(purpose => purpose.LegalBasis is "legitimate-interests" or "public-task"), rights.Contains("eu-gdpr:A21"));
        Assert.Contains("eu-gdpr:A7-3", rights);
    }

    private static string? HeldCountry(Dictionary<string, byte[]> package) =>
        JsonSerializer.Deserialize<JsonElement>(package["data/json/profile.json"]).GetProperty("fields").GetProperty("country").GetProperty("value").GetString();

    [Fact]
    public async Task Whoever_watches_sees_how_far_the_package_is()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada);
        var folder = world.Vault.Get<PackageFolder>();
        using var held = await world.Vault.Get<KeyRegistry>().GetFreshAsync(ada, default);
        using var draft = await folder.WriteAsync(held, request.Id, async _ =>
        {
            folder.Tell(request.Id, 0.4);
            Assert.Equal(0.4, (await world.GetAsync(request.Id)).Progress);
        });
        Assert.Null((await world.GetAsync(request.Id)).Progress);
    }

    [Theory]
    [InlineData("de-AT", "de", "Ihre Daten", "Oktober 2026")]
    [InlineData("fr", "fr", "Vos données", "octobre 2026")]
    [InlineData("zh-Hans", "zh", "您的个人信息", "2026年10月")]
    [InlineData("ta", "en", "Your data", "October 2026")]
    [Requirement("R22")]
    public async Task The_pages_are_in_the_persons_language(string held, string lang, string title, string date)
    {
        await world.Vault.Get<ProfileEditor>().PatchAsync(
            RightsWorld.Ingest, ada, null, new ProfilePatch(new Dictionary<string, JsonElement> { ["language"] = JsonSerializer.SerializeToElement(held) }, "crm", null, null, "service-delivery"), Guid.NewGuid(), default);
        var package = await OpenedPackage.OfAsync(world, ada, RequestKinds.Access);
        var start = Text(package["START-HERE.html"]);
        Assert.Contains($"<html lang=\"{lang}\">", start);
        Assert.Contains($"<h1>{title}</h1>", WebUtility.HtmlDecode(start));
        Assert.Contains(date, WebUtility.HtmlDecode(start));
    }

    /// <summary>Fields, events, properties, purposes, notices, roles, rules and audiences are called as the policy calls them in the language of the package.</summary>
    [Theory]
    [InlineData("de")]
    [InlineData("fr")]
    [InlineData("zh")]
    [Requirement("R22")]
    public async Task No_page_calls_anything_of_the_policy_in_English(string language)
    {
        await world.Vault.Get<ProfileEditor>().PatchAsync(
            RightsWorld.Ingest, ada, null, new ProfilePatch(new Dictionary<string, JsonElement> { ["language"] = JsonSerializer.SerializeToElement(language) }, "crm", null, null, "service-delivery"), Guid.NewGuid(), default);
        await world.Requests.ListAsync(RightsWorld.Officer, new RequestFilter(Subject: ada), 10, null, Guid.NewGuid(), default);
        var package = await OpenedPackage.OfAsync(world, ada, RequestKinds.Access);
        var policy = Repository.Policy;
        Wording[] texts =
        [
            .. policy.Items.Select(item => item.Labels), .. policy.Events.Types.SelectMany(type => type.Properties).Select(property => property.Labels!), .. policy.Catalogue.Classes.Select(one => one.Labels!),
            .. policy.Purposes.All.Select(purpose => purpose.Titles), .. policy.Retention.SelectMany(rule => new[] { rule.Titles, rule.Grounds }), .. policy.Roles.All.Select(role => role.Titles),
            .. policy.Analytics.Select(domain => domain.Titles), .. policy.Jurisdictions.All.Select(law => law.Titles),
        ];
        var english = texts.Where(text => text.In(language).Text != text.Text).Select(text => text.Text).Except(texts.Select(text => text.In(language).Text))
            .Except(PackageWords.For(language).Keys.Select(key => PackageWords.For(language)[key])).ToList();
        foreach (var (path, page) in package.Where(file => file.Key.EndsWith(".html", StringComparison.Ordinal)))
        {
            var cells = Cells(page).Concat(Regex.Matches(Text(page), "<(th|h2|dt|dd|caption)[^>]*>([^<]*)<").Select(found => WebUtility.HtmlDecode(found.Groups[2].Value))).ToList();
            Assert.True(!cells.Intersect(english).Any(), $"{path}: {string.Join(", ", cells.Intersect(english))}");
            var whole = WebUtility.HtmlDecode(Text(page));
            Assert.All(english.Where(label => label.Length > 14), label => Assert.DoesNotContain(label, whole, StringComparison.Ordinal));
            Assert.All(policy.Purposes.All, purpose => Assert.DoesNotContain(purpose.Notice, whole, StringComparison.Ordinal));
            Assert.DoesNotContain("lang=\"en\"", whole.Replace("<dt lang=\"en\">", "", StringComparison.Ordinal), StringComparison.Ordinal);
        }

        Assert.Contains(policy.Catalogue.Find("familyName")!.Labels.In(language).Text, Cells(package["data/readable/profile.html"]));
        Assert.DoesNotContain("HOW TO CHECK", Text(package["meta/VERIFY.txt"]), StringComparison.Ordinal);
        Assert.Contains("sha256sum --check --strict --quiet", Text(package["meta/VERIFY.txt"]), StringComparison.Ordinal);
    }

    [Fact]
    [Requirement("R22")]
    public void Every_language_has_the_same_words_with_the_same_places()
    {
        foreach (var language in PackageWords.Languages)
        {
            var words = PackageWords.For(language);
            Assert.Equal(PackageWords.English.Keys.Order(), words.Keys.Order());
            Assert.All(words.Keys, key => Assert.Equal(Places().Matches(PackageWords.English[key]).Select(place => place.Value).Order(), Places().Matches(words[key]).Select(place => place.Value).Order()));
            Assert.Equal(12, words["date.months"].Split('|').Length);
            // What is the same word in two languages is short.
            if (language != "en") Assert.All(words.Keys, key => Assert.True(words[key].Length < 24 || words[key] != PackageWords.English[key], key));
        }
    }

    [Fact]
    public async Task The_pages_fetch_nothing_run_nothing_and_lead_only_to_each_other()
    {
        var package = await OpenedPackage.OfAsync(world, ada, RequestKinds.Access);
        var pages = package.Where(file => file.Key.EndsWith(".html", StringComparison.Ordinal)).ToDictionary(file => file.Key, file => Text(file.Value));
        Assert.Equal(PackagePage.Names.Select(name => $"data/readable/{name}.html").Append("START-HERE.html").Order(), pages.Keys.Order());
        foreach (var (path, page) in pages)
        {
            Assert.Contains("default-src 'none'; style-src 'unsafe-inline'; img-src data:", WebUtility.HtmlDecode(page));
            Assert.DoesNotMatch("<(script|img|iframe|link|object|form)|\\son[a-z]+=|javascript:|(href|src)=\"https?:", page);
            foreach (Match link in Regex.Matches(page, "href=\"([^\"]*)\""))
            {
                var folder = path == "START-HERE.html" ? "" : "data/readable/";
                Assert.Contains(new Uri(new Uri("file:///" + folder), link.Groups[1].Value).AbsolutePath[1..], pages.Keys);
            }
        }
    }

    [Fact]
    public async Task Values_that_mean_harm_are_values_in_every_form()
    {
        var values = new Dictionary<string, JsonElement> { ["familyName"] = JsonSerializer.SerializeToElement("<script>alert(1)</script>"), ["givenName"] = JsonSerializer.SerializeToElement("=cmd|' /C calc'!A0"), ["occupation"] = JsonSerializer.SerializeToElement("\"><img src=x onerror=alert(1)>,;\\") };
        await world.Vault.Get<ProfileEditor>().PatchAsync(RightsWorld.Ingest, ada, null, new ProfilePatch(values, "crm", null, null, "service-delivery"), Guid.NewGuid(), default);
        var package = await OpenedPackage.OfAsync(world, ada, RequestKinds.Access);
        Assert.All(package.Where(file => file.Key.EndsWith(".html", StringComparison.Ordinal)), page => Assert.DoesNotMatch("<script|<img", Text(page.Value)));
        Assert.All(package.Where(file => file.Key.EndsWith(".csv", StringComparison.Ordinal)), table => Assert.DoesNotMatch(new Regex("(^|[,\n\uFEFF])\"?[=+@\t]"), Text(table.Value)));
        Assert.Contains("\"value\": \"=cmd|' /C calc'!A0\"", Text(package["data/json/profile.json"]));
        var card = Text(package["data/portable/contact.vcf"]).Replace("\r\n ", "", StringComparison.Ordinal);
        Assert.Contains("N:<script>alert(1)</script>;=cmd|' /C calc'!A0;;", card);
        Assert.All(card.Split("\r\n", StringSplitOptions.RemoveEmptyEntries), line => Assert.Matches("^[A-Z]+[;:]", line));
    }

    [Fact]
    public async Task The_package_of_another_person_shares_nothing_of_this_one()
    {
        var planted = await world.PersonAsync("qwopcanary");
        await world.EventsAsync(planted);
        Assert.All(await OpenedPackage.OfAsync(world, ada, RequestKinds.Access), file => Assert.DoesNotContain("qwopcanary", Text(file.Value), StringComparison.Ordinal));
        Assert.Contains("qwopcanary@example.com", Text((await OpenedPackage.OfAsync(world, planted, RequestKinds.Access))["data/json/profile.json"]));
    }

    [Fact]
    public async Task The_same_data_give_the_same_bytes_but_for_the_signature()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada);
        var contents = world.Vault.Get<PackageContents>();
        using var held = await world.Vault.Get<KeyRegistry>().GetFreshAsync(ada, default);
        var record = await world.Vault.Get<ExportSource>().RecordAsync(held, default);
        var policy = world.Vault.Get<ActivePolicy>().Current;
        var decision = RightsDecision.Of(policy, SubjectExport.Exporter, ada, AccessAction.Export, FactsCodec.Decode(record.Facts), world.Clock.GetUtcNow());
        var row = (await world.Vault.Get<RequestStore>().FindAsync(request.Id, default))!;
        var order = new PackageOrder(row, held, record, decision, policy) { LogIndex = row.LogIndex, At = world.Clock.GetUtcNow() };
        var (one, other) = (await BuildAsync(contents, order), await BuildAsync(contents, order));
        Assert.Equal(one.Keys, other.Keys);
        // Proofs lead to the newest checkpoint, which is signed anew; what contains or lists one differs with it.
        string[] signed = ["meta/log-proof.json", "data/json/consents.jsonld", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt", "meta/statement.txt"];
        Assert.All(one.Keys.Where(path => !signed.Contains(path) && !path.EndsWith(".sig", StringComparison.Ordinal)), path => Assert.Equal(Convert.ToHexString(SHA256.HashData(one[path])), Convert.ToHexString(SHA256.HashData(other[path]))));
    }

    private async Task<Dictionary<string, byte[]>> BuildAsync(PackageContents contents, PackageOrder order)
    {
        using var stream = new MemoryStream();
        Directory.CreateDirectory(Path.Combine(world.Home, "packages"));
        using var spool = new PackageSpool(world.Vault.Get<PackageFolder>(), order.Request.Id, world.Vault.Get<VaultClock>().Random);
        await contents.WriteAsync(stream, order, spool, default);
        return OpenedPackage.Of(stream.ToArray());
    }

    [GeneratedRegex(@"\{\d\}")]
    private static partial Regex Places();

    private static IEnumerable<JsonElement> Lines(byte[] lines) => Text(lines).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonSerializer.Deserialize<JsonElement>(line));

    private static HashSet<string> Cells(byte[] page) => [.. Regex.Matches(Text(page), "<t[dh][^>]*>(.*?)</t[dh]>", RegexOptions.Singleline).Select(cell => WebUtility.HtmlDecode(cell.Groups[1].Value))];

    private static string Disarmed(string cell) => cell.StartsWith('\'') && cell.Length > 1 && "=+-@\t\r\n＝＋－＠".Contains(cell[1], StringComparison.Ordinal) ? cell[1..] : cell;

    private static string Language(Dictionary<string, byte[]> package) => JsonSerializer.Deserialize<JsonElement>(package["meta/case.json"]).GetProperty("language").GetString()!;

    private static string Text(byte[] bytes) => Encoding.UTF8.GetString(bytes);

    // RFC 4180, written anew.
    private static List<Dictionary<string, string>> Csv(byte[] bytes)
    {
        var text = Text(bytes).TrimStart('\uFEFF');
        var rows = new List<List<string>> { new() };
        for (var at = 0; at < text.Length;)
        {
            var cell = new StringBuilder();
            if (text[at] == '"')
            {
                for (at++; text[at] != '"' || (at + 1 < text.Length && text[at + 1] == '"'); at++) cell.Append(text[at] == '"' ? text[at++] : text[at]);
                at++;
            }
            else
                while (text[at] is not (',' or '\r')) cell.Append(text[at++]);
            rows[^1].Add(cell.ToString());
            if (text[at] == ',')
                at++;
            else
            {
                at += 2;
                if (at < text.Length) rows.Add([]);
            }
        }
        Assert.All(rows, row => Assert.Equal(rows[0].Count, row.Count));
        return [.. rows.Skip(1).Select(row => rows[0].Zip(row).ToDictionary(cell => cell.First, cell => cell.Second))];
    }
}

/// <summary>As much of JSON Schema (draft 2020-12) as the schemas of a package use; what it does not know it refuses.</summary>
internal static class JsonSchema
{
    public static IEnumerable<string> Problems(JsonElement value, JsonElement schema, string path)
    {
        foreach (var rule in schema.EnumerateObject())
            foreach (var problem in Broken(value, rule, schema, path)) yield return $"{path}: {problem}";
    }

    private static IEnumerable<string> Broken(JsonElement value, JsonProperty rule, JsonElement schema, string path) => rule.Name switch
    {
        "$schema" or "title" or "description" => [],
        "type" => IsOfType(value, rule.Value.GetString()!) ? [] : [$"is no {rule.Value}"],
        "const" => JsonElement.DeepEquals(value, rule.Value) ? [] : [$"is not {rule.Value}"],
        "enum" => rule.Value.EnumerateArray().Any(one => JsonElement.DeepEquals(value, one)) ? [] : [$"{value} is none of {rule.Value}"],
        "minimum" => value.GetDecimal() >= rule.Value.GetDecimal() ? [] : ["is too small"],
        "format" => IsOfFormat(value.GetString()!, rule.Value.GetString()!) ? [] : [$"{value} is no {rule.Value}"],
        "required" => rule.Value.EnumerateArray().Where(name => value.ValueKind == JsonValueKind.Object && !value.TryGetProperty(name.GetString()!, out _)).Select(name => $"has no {name}"),
        "properties" => value.ValueKind != JsonValueKind.Object ? [] : rule.Value.EnumerateObject().SelectMany(member => value.TryGetProperty(member.Name, out var held) ? Problems(held, member.Value, $"{path}/{member.Name}") : []),
        "additionalProperties" => value.ValueKind != JsonValueKind.Object ? [] : value.EnumerateObject().Where(member => !schema.TryGetProperty("properties", out var known) || !known.TryGetProperty(member.Name, out _))
            .SelectMany(member => rule.Value.ValueKind == JsonValueKind.False ? [$"has {member.Name}"] : Problems(member.Value, rule.Value, $"{path}/{member.Name}")),
        "items" => value.ValueKind != JsonValueKind.Array ? [] : value.EnumerateArray().SelectMany((item, at) => Problems(item, rule.Value, string.Create(CultureInfo.InvariantCulture, $"{path}/{at}"))),
        "anyOf" => rule.Value.EnumerateArray().Any(one => !Problems(value, one, path).Any()) ? [] : ["fits none of several"],
        _ => [$"{rule.Name} is a rule that is not known"],
    };

    private static bool IsOfType(JsonElement value, string type) => type switch
    {
        "object" => value.ValueKind == JsonValueKind.Object,
        "array" => value.ValueKind == JsonValueKind.Array,
        "string" => value.ValueKind == JsonValueKind.String,
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "number" => value.ValueKind == JsonValueKind.Number,
        "integer" => value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out _),
        _ => false,
    };

    private static bool IsOfFormat(string value, string format) => format switch
    {
        "uuid" => Guid.TryParseExact(value, "D", out _),
        "date-time" => Regex.IsMatch(value, @"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$") && DateTimeOffset.TryParse(value, CultureInfo.InvariantCulture, out _),
        _ => false,
    };
}
