using System.Text;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Transparency;
using Xunit;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Breaches;

/// <summary>What an authority gets, and how it knows that it is what the vault says.</summary>
public sealed class EvidencePackTests(BreachVault store) : IClassFixture<BreachVault>
{
    private static readonly Uri WithdrawAt = new("https://vault.example/console/me/consents");

    private EvidencePacks Packs => store.Vault.Get<EvidencePacks>();

    [Fact, Requirement("R71", "R73", "R77")]
    public async Task A_pack_holds_what_an_authority_asks_for_and_is_checked_without_the_vault()
    {
        var subject = await store.AddAsync(consents: new() { ["marketing"] = "given" });
        var breach = await store.OpenAsync();
        await store.FindAsync(breach.Id, BreachVault.Everything);
        var request = Guid.NewGuid();
        var pack = await ReadAsync(await Packs.MakeAsync(Officer, new EvidenceOrder { Subject = subject, Purpose = "marketing", Entries = [0] }, WithdrawAt, request, default));
        using var bag = BagReader.Open(pack, BagLimits.Widest);
        Assert.Null(bag.CheckFiles(default));
        Assert.Null(bag.CheckSignature(Key));
        Assert.Equal(("evidence", request), (bag.Statement!.Kind, bag.Statement.Case));
        var told = bag.ProvedEntry()!;
        Assert.Equal((EntryType.EvidencePack, "marketing"), (told.Type, told.Purpose));
        Assert.Contains($"pack:{request}", told.Rules);

        using var processing = Json(bag, "processing");
        Assert.Contains("marketing", processing.RootElement.GetProperty("activities").EnumerateArray().Select(one => one.GetProperty("purpose").GetString()));
        using var measures = Json(bag, "measures");
        Assert.Equal(5, measures.RootElement.GetProperty("encryption").GetProperty("levels").GetArrayLength());
        Assert.True(measures.RootElement.GetProperty("retention").GetArrayLength() > 0);
        using var breaches = Json(bag, "breaches");
        var found = breaches.RootElement.EnumerateArray().Single(one => one.GetProperty("id").GetGuid() == breach.Id);
        Assert.Equal(137, found.GetProperty("findings").GetProperty("people").GetInt32());
        foreach (var step in found.GetProperty("steps").EnumerateArray())
        {
            Assert.True(TlogProof.TryParse(Text(bag, $"data/log/{step.GetProperty("logIndex").GetInt64()}.tlog-proof"), out var proof));
            Assert.True(proof!.Verify(proof.Extra.Span, Key));
            Assert.Contains($"breach:{breach.Id}", LogEntry.Decode(proof.Extra).Rules);
        }

        Assert.True(TlogProof.TryParse(Text(bag, "data/log/0.tlog-proof"), out _));
        using var consent = Json(bag, "consents");
        Assert.Equal(("given", true), (consent.RootElement.GetProperty("state").GetString(), consent.RootElement.GetProperty("valid").GetBoolean()));
        Assert.True(ConsentReceipt.TryParse(Text(bag, "data/consent/receipt-0001.json"), out _));
    }

    [Fact, Requirement("R41")]
    public async Task The_register_of_requests_says_what_the_rules_want_and_names_nobody()
    {
        var subject = await store.AddAsync();
        var opened = await store.Vault.Get<SubjectRequests>().OpenAsync(Person(subject), "access", subject, null, null, Guid.NewGuid(), default);
        using var bag = BagReader.Open(await ReadAsync(await Packs.MakeAsync(Officer, new EvidenceOrder(), WithdrawAt, Guid.NewGuid(), default)), BagLimits.Widest);
        var lines = Text(bag, "data/requests.csv").TrimStart('\uFEFF').Split("\r\n");
        Assert.Equal("request,received,nature,manner,jurisdiction,due,extended,response,responded,basis,logEntry", lines[0]);
        var line = Assert.Single(lines, one => one.StartsWith(opened.Id.ToString("D"), StringComparison.Ordinal));
        Assert.Contains(",access,customer,eu,", line, StringComparison.Ordinal);
        Assert.DoesNotContain(subject.ToString(), string.Join('\n', lines), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task While_it_is_fetched_it_lies_sealed_and_then_nowhere()
    {
        await store.OpenAsync();
        var id = Guid.NewGuid();
        var folder = Path.Combine(store.Vault.Get<VaultOptions>().Home, "evidence");
        await using (var stream = await Packs.MakeAsync(Officer, new EvidenceOrder(), WithdrawAt, id, default))
        {
            var bytes = await File.ReadAllBytesAsync(Assert.Single(Directory.GetFiles(folder), path => path.Contains(id.ToString("N"), StringComparison.Ordinal)));
            Assert.Equal(-1, bytes.AsSpan().IndexOf("bagit.txt"u8));
            Assert.Equal(-1, bytes.AsSpan().IndexOf("PK\u0003\u0004"u8));
        }

        Assert.DoesNotContain(Directory.GetFiles(folder), path => path.Contains(id.ToString("N"), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Only_officers_get_one_and_no_application()
    {
        foreach (var somebody in new[] { Support, new Recipient(RecipientKind.Application, "siem", "SIEM", ["compliance-officer"], []), new Recipient(RecipientKind.Staff, "a1", "Administrator", ["administrator"], []) })
            Assert.Equal("forbidden", await RefusalAsync(somebody, new EvidenceOrder()));
        Assert.Equal("invalid-request", await RefusalAsync(Officer, new EvidenceOrder { Subject = new SubjectId(Guid.NewGuid()) }));
        Assert.Equal("not-found", await RefusalAsync(Officer, new EvidenceOrder { Entries = [long.MaxValue] }));
        Assert.Equal("unknown-purpose", await RefusalAsync(Officer, new EvidenceOrder { Purpose = "spying" }));
        Assert.Equal("invalid-request", await RefusalAsync(Officer, new EvidenceOrder { Days = 0 }));
    }

    private NoteVerifier Key => NoteVerifier.Parse(store.Vault.Get<AuditReader>().VerifierKey);

    private async Task<string> RefusalAsync(Recipient who, EvidenceOrder order) =>
        (await Assert.ThrowsAsync<VaultException>(() => Packs.MakeAsync(who, order, WithdrawAt, Guid.NewGuid(), default))).Slug;

    private static async Task<MemoryStream> ReadAsync(Stream pack)
    {
        await using (pack)
        {
            var copy = new MemoryStream();
            await pack.CopyToAsync(copy);
            copy.Position = 0;
            return copy;
        }
    }

    private static JsonDocument Json(BagReader bag, string name) => JsonDocument.Parse(Text(bag, $"data/{name}.json"));

    private static string Text(BagReader bag, string path)
    {
        using var file = bag.OpenFile(path);
        using var reader = new StreamReader(file, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
