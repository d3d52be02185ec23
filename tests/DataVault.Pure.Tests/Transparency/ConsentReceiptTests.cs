using System.Text;
using System.Text.Json.Nodes;
using DataVault.Transparency;
using DataVault.Verifier;
using Xunit;

namespace DataVault.Pure.Tests.Transparency;

public sealed class ConsentReceiptTests
{
    private const int Place = 7;
    private const string NoticeText = "Wir dürfen Ihnen schreiben.\nSie können es \"jederzeit\" beenden.";

    private static readonly DateTimeOffset Then = new(2026, 3, 1, 10, 15, 0, 123, 456, TimeSpan.Zero);

    private static readonly ConsentEvidence Act = new()
    {
        Subject = Guid.Parse("01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77"), Purpose = 3, State = 1, At = Then, Expires = Then.AddMonths(24), Notice = "2026-01", Channel = "web",
        RecordedBy = ConsentRecorder.Person, Language = "de", NoticeHash = ConsentEvidence.HashOf(NoticeText),
    };

    private static readonly ConsentReceiptStatement Statement = new()
    {
        Act = Act, Purpose = "marketing", Title = "Telling you about offers", Dpv = "dpv:DirectMarketing", LegalBasis = "explicit-consent", SpecialBasis = "A9-2-a",
        NoticeText = NoticeText, Categories = ["pd:EmailAddress", "pd:Name"], PolicyVersion = new string('a', 32), WithdrawAt = "https://vault.example/console/me/consents",
        Controller = new ReceiptController("Example Ltd", "1 Street", "privacy@example.com"), Before = new byte[32],
    };

    [Fact]
    public void A_receipt_survives_its_text_and_verifies_offline()
    {
        var receipt = Receipt();
        Assert.True(ConsentReceipt.TryParse(receipt.ToString(), out var parsed));
        Assert.Null(parsed!.Verify(MemoryLog.Verifier));
        Assert.Equal(receipt.ToString(), parsed.ToString());
        Assert.Equal(Act.Hash(), parsed.Statement.Act.Hash());
        Assert.Equal((Statement.Id, Place), (parsed.Statement.Id, (int)parsed.Proof.Index));
    }

    [Fact]
    public void It_has_the_structure_of_the_consent_record_and_the_terms_of_the_vocabulary()
    {
        var document = JsonNode.Parse(Receipt().ToString())!;
        Assert.Equal(("dpv:ConsentReceipt", "https://w3id.org/dpv/schema/dpv-27560#receipt"), ((string)document["@type"]!, (string)document["dct:conformsTo"]!));
        var record = document["dpv:hasRecordOfActivity"]![0]!;
        Assert.Equal("https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr", (string)record["dct:conformsTo"]!);
        Assert.Equal("dpv:ConsentGiven", (string)record["dpv:hasConsentStatus"]!);
        Assert.Equal(["dpv:ExplicitlyExpressedConsent", "eu-gdpr:A6-1-a", "eu-gdpr:A9-2-a"], record["dpv:hasLegalBasis"]!.AsArray().Select(basis => (string)basis!));
        Assert.Equal(NoticeText, (string)record["dpv:hasNotice"]!["dct:description"]!);
        Assert.Equal("2028-03-01T10:15:00.123456Z", (string)record["dpv:hasDuration"]!["dct:valid"]!);
        Assert.Equal("dpv:WithdrawConsent", (string)record["dpv:hasConsentControl"]!["@type"]!);
        Assert.Equal("dpv:DirectMarketing", (string)record["dpv:hasPurpose"]!["@type"]!);
    }

    [Fact]
    public void It_may_be_laid_out_otherwise_and_still_verifies()
    {
        var document = JsonNode.Parse(Receipt().ToString())!.AsObject();
        var turned = new JsonObject();
        foreach (var (name, value) in document.Reverse().ToList()) turned[name] = value!.DeepClone();
        Assert.True(ConsentReceipt.TryParse(turned.ToJsonString(), out var parsed));
        Assert.Null(parsed!.Verify(MemoryLog.Verifier));
    }

    [Fact]
    public void Any_changed_character_is_noticed()
    {
        var text = Receipt().ToString();
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsWhiteSpace(text[i])) continue;
            var changed = string.Concat(text.AsSpan(0, i), text[i] == '1' ? "3" : "1", text.AsSpan(i + 1));
            Assert.False(ConsentReceipt.TryParse(changed, out var parsed) && parsed!.Verify(MemoryLog.Verifier) is null, $"character {i}: {text.Substring(Math.Max(0, i - 20), 20)}");
        }
    }

    [Theory]
    [InlineData("\"dct:created\"", "\"dct:created\": \"2026-03-01T10:15:00.123456Z\", \"dct:created\"")]
    [InlineData("\"@type\": \"dpv:ConsentReceipt\"", "\"@type\": \"dpv:ConsentReceipt\", \"more\": 1")]
    [InlineData("\"dv:form\": 2", "\"dv:form\": 2.0")]
    [InlineData("\"dv:form\": 2", "\"dv:form\": 1")]
    [InlineData("\"dv:liftsObjection\": false", "\"dv:liftsObjection\": null")]
    [InlineData("dpv:ConsentGiven", "dpv:ConsentWithdrawn")]
    public void What_a_receipt_does_not_say_is_refused(string part, string instead)
    {
        var text = Receipt().ToString();
        Assert.Contains(part, text, StringComparison.Ordinal);
        Assert.False(ConsentReceipt.TryParse(text.Replace(part, instead, StringComparison.Ordinal), out _));
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"dv:proof\":{\"dv:note\":1,\"dv:inclusion\":2}}")]
    [InlineData("{\"dv:proof\":{\"dv:note\":\"a\",\"dv:note\":\"b\"}}")]
    public void What_is_no_receipt_is_none(string text) => Assert.False(ConsentReceipt.TryParse(text, out _));

    [Fact]
    public void A_receipt_whose_entry_tells_something_else_is_refused()
    {
        (Func<LogEntry, LogEntry> Change, string Said)[] cases =
        [
            (entry => entry with { Type = EntryType.FieldRead }, "no consent act"), (entry => entry with { Result = EntryResult.Denied }, "no consent act"),
            (entry => entry with { Purpose = "analytics" }, "another purpose"), (entry => entry with { DetailHash = new byte[32] }, "another act"),
        ];
        foreach (var (change, said) in cases) Assert.Contains(said, Receipt(change: change).Verify(MemoryLog.Verifier), StringComparison.Ordinal);
    }

    [Fact]
    [Requirement("R10")]
    public void A_notice_that_was_not_shown_is_found_out_even_when_the_signer_lies()
    {
        var lie = Receipt(Statement with { NoticeText = "You may sell everything." });
        Assert.Contains("not the text whose hash", lie.Verify(MemoryLog.Verifier), StringComparison.Ordinal);
        var act = Receipt(Statement with { Act = Act with { State = 2 } }, logged: Act);
        Assert.Contains("another act", act.Verify(MemoryLog.Verifier), StringComparison.Ordinal);
    }

    [Fact]
    public void A_receipt_is_verified_with_the_logs_key_only()
    {
        using var key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        var other = NoteVerifier.Parse(new NoteSigner(MemoryLog.Origin, key).VerifierKey);
        Assert.Equal("the receipt is not signed by the log's key", Receipt().Verify(other));
        Assert.Contains("another text", Receipt(log: "other.example/log").Verify(MemoryLog.Verifier), StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_of_an_act_can_be_changed_without_its_hash()
    {
        ConsentEvidence[] all =
        [
            Act, Act with { Subject = Guid.Empty }, Act with { Purpose = 4 }, Act with { State = 6 }, Act with { At = Then.AddMicroseconds(1) }, Act with { Expires = null },
            Act with { Notice = "2026-02" }, Act with { Channel = "phone" }, Act with { RecordedBy = ConsentRecorder.Staff }, Act with { LiftsObjection = true },
            Act with { NoticeHash = default }, Act with { Language = "en" }, Act with { Guardian = "GC-1-1" }, Act with { Notice = "2026-01de", Language = "" },
            Act with { RecordedBy = ConsentRecorder.NotKept },
        ];
        Assert.Equal(all.Length, all.Select(act => Convert.ToHexString(act.Hash())).Distinct().Count());
        Assert.Equal((1, 2), (all[^1].Form, Act.Form));
    }

    [Fact]
    public void States_have_one_term_of_the_vocabulary_each()
    {
        var codes = Enumerable.Range(0, 10).Select(code => (byte)code).ToList();
        Assert.Equal(codes, codes.Select(code => ConsentStates.TryParse(ConsentStates.NameOf(code), out var back) ? back : (byte)99));
        Assert.Equal(10, codes.Select(ConsentStates.DpvOf).Distinct().Count());
        Assert.Equal(("state-99", null), (ConsentStates.NameOf(99), ConsentStates.DpvOf(99)));
    }

    [Fact]
    public async Task The_auditors_program_checks_receipts()
    {
        var file = Path.Combine(Directory.CreateTempSubdirectory("receipt-").FullName, "receipt.json");
        await File.WriteAllTextAsync(file, Receipt().ToString());
        Assert.Equal(0, await RunAsync(file));
        await File.WriteAllTextAsync(file, Receipt(change: entry => entry with { Purpose = "analytics" }).ToString());
        Assert.Equal(1, await RunAsync(file));
        await File.WriteAllTextAsync(file, "{}");
        Assert.Equal(3, await RunAsync(file));
        Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
    }

    internal static ConsentReceipt Receipt(
        ConsentReceiptStatement? statement = null, Func<LogEntry, LogEntry>? change = null, ConsentEvidence? logged = null, string log = MemoryLog.Origin)
    {
        var said = statement ?? Statement;
        var entries = MemoryLog.Entries(20);
        var entry = MemoryLog.Entry(Place, new Random(5)) with { Type = EntryType.ConsentChange, Purpose = said.Purpose, DetailHash = (logged ?? said.Act).Hash(), Result = EntryResult.Ok };
        entries[Place] = (change?.Invoke(entry) ?? entry).Encode();
        return ConsentReceipt.Issue(said, log, MemoryLog.Signer, ProofFileTests.Prove(entries, Place));
    }

    private static async Task<int> RunAsync(string file)
    {
        using var desk = new Desk(new StringWriter(new StringBuilder()), TextWriter.Null, progress: false);
        return await VerifyCommand.RunAsync(desk, ["receipt", file, "--key", MemoryLog.Signer.VerifierKey]);
    }
}
