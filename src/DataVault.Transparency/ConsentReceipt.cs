// The consent receipt: docs/formats/consent-receipt.md ("SPEC consent-receipt §n" below).
//
// A JSON-LD document in the structure of ISO/IEC TS 27560 with terms of the W3C Data Privacy Vocabulary, which the person keeps. Its member dv:proof
// holds a signed note over the rest of it and the proof that the log holds the act, so that the whole verifies offline with nothing but the log's key.
//
//    datavault/consent-receipt/v1
//    log <origin>
//    entry <index>
//    sha256 <base64 of the SHA-256 of the document without dv:proof, in the canonical form of RFC 8785>

using System.Globalization;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace DataVault.Transparency;

/// <summary>Who decides on the processing, as the receipt names them.</summary>
/// <param name="Name">Legal name.</param>
/// <param name="Address">Postal address.</param>
/// <param name="Contact">Where the person can turn to.</param>
public sealed record ReceiptController(string Name, string Address, string Contact);

/// <summary>What a consent receipt says.</summary>
public sealed record ConsentReceiptStatement
{
    private const string Schema = "https://w3id.org/dpv/schema/dpv-27560#";
    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'";
    private const string Urn = "urn:uuid:";

    /// <summary>The act, as its entry of the log binds it.</summary>
    public required ConsentEvidence Act { get; init; }

    /// <summary>Name of the purpose, such as <c>marketing</c>.</summary>
    public required string Purpose { get; init; }

    /// <summary>What the purpose is, for people.</summary>
    public required string Title { get; init; }

    /// <summary>W3C DPV term of the purpose.</summary>
    public required string Dpv { get; init; }

    /// <summary>Legal basis of the purpose, such as <c>explicit-consent</c>.</summary>
    public required string LegalBasis { get; init; }

    /// <summary>Ground of GDPR Article 9(2), such as <c>A9-2-a</c>; null where there is none.</summary>
    public string? SpecialBasis { get; init; }

    /// <summary>The notice that was shown, word for word; null when the vault does not know it.</summary>
    public string? NoticeText { get; init; }

    /// <summary>Categories of data (W3C DPV) that the policy lets be used for the purpose.</summary>
    public required IReadOnlyList<string> Categories { get; init; }

    /// <summary>Version of the policy which that was read from.</summary>
    public required string PolicyVersion { get; init; }

    /// <summary>Where the person withdraws; null where there is nothing to withdraw.</summary>
    public string? WithdrawAt { get; init; }

    /// <summary>Who decides on the processing.</summary>
    public ReceiptController? Controller { get; init; }

    /// <summary>The act before this one for the same purpose, by the hash that its entry holds; empty for none.</summary>
    public ReadOnlyMemory<byte> Before { get; init; }

    /// <summary>The receipt's own number: the same for every copy of it.</summary>
    public Guid Id => IdOf(Act.Hash());

    /// <summary>The document without its proof.</summary>
    public JsonObject ToJson()
    {
        var document = new JsonObject
        {
            ["@context"] = new JsonObject
            {
                ["dct"] = "http://purl.org/dc/terms/", ["dpv"] = "https://w3id.org/dpv#", ["pd"] = "https://w3id.org/dpv/pd#",
                ["eu-gdpr"] = "https://w3id.org/dpv/legal/eu/gdpr#", ["dv"] = "urn:datavault:",
            },
            ["@id"] = $"{Urn}{Id}", ["@type"] = "dpv:ConsentReceipt", ["dct:conformsTo"] = Schema + "receipt", ["dct:created"] = Time(Act.At),
        };
        if (!Before.IsEmpty) document["dct:replaces"] = $"{Urn}{IdOf(Before.Span)}";
        if (!Before.IsEmpty) document["dv:before"] = Hex(Before);
        document["dv:policy"] = PolicyVersion;
        document["dpv:hasRecordOfActivity"] = new JsonArray(Record());
        return document;
    }

    /// <summary>Reads a document; null when it says anything that <see cref="ToJson"/> would not.</summary>
    // SPEC consent-receipt §2: one statement, one document.
    internal static ConsentReceiptStatement? Read(JsonObject document)
    {
        try
        {
            var statement = Take(document);
            return CanonicalJson.Write(statement.ToJson()).AsSpan().SequenceEqual(CanonicalJson.Write(document)) ? statement : null;
        }
        catch (Exception e) when (e is FormatException or InvalidOperationException or OverflowException or ArgumentException)
        {
            return null;
        }
    }

    private JsonObject Record()
    {
        var record = new JsonObject
        {
            ["@type"] = "dpv:ConsentRecord", ["dct:conformsTo"] = Schema + "record-eu-gdpr", ["dct:identifier"] = Hex(Act.Hash()), ["dpv:hasDataSubject"] = $"{Urn}{Act.Subject}",
        };
        if (Controller is { } who)
            record["dpv:hasDataController"] = new JsonObject { ["dpv:hasName"] = who.Name, ["dpv:hasAddress"] = who.Address, ["dpv:hasContact"] = who.Contact };
        record["dpv:hasPurpose"] = new JsonObject { ["@type"] = Dpv, ["dct:identifier"] = Purpose, ["dct:title"] = Title };
        record["dpv:hasLegalBasis"] = Texts(Bases());
        record["dpv:hasNotice"] = Notice();
        record["dpv:hasPersonalData"] = Texts(Categories);
        if (Act.State == Objected) record["dpv:hasRight"] = ConsentStates.DpvOf(Act.State);
        else record["dpv:hasConsentStatus"] = ConsentStates.DpvOf(Act.State);
        record["dpv:isIndicatedAtTime"] = Time(Act.At);
        record["dpv:isIndicatedBy"] = Act.Guardian.Length > 0 ? "dpv:ParentOfDataSubject" : "dpv:DataSubject";
        record["dpv:hasIndicationMethod"] = Act.Channel;
        record["dpv:hasDuration"] = Act.Expires is { } end ? new JsonObject { ["@type"] = "dpv:UntilTimeDuration", ["dct:valid"] = Time(end) } : new JsonObject { ["@type"] = "dpv:EndlessDuration" };
        if (WithdrawAt is not null) record["dpv:hasConsentControl"] = new JsonObject { ["@type"] = "dpv:WithdrawConsent", ["dpv:isExercisedAt"] = WithdrawAt };
        record["dv:act"] = ActMembers();
        return record;
    }

    private const byte Objected = 9;

    private JsonObject Notice()
    {
        var notice = new JsonObject { ["@type"] = "dpv:Notice", ["dct:hasVersion"] = Act.Notice, ["dct:language"] = Act.Language, ["dv:sha256"] = Hex(Act.NoticeHash) };
        if (NoticeText is not null) notice["dct:description"] = NoticeText;
        return notice;
    }

    private JsonObject ActMembers() => new()
    {
        ["dv:form"] = Act.Form, ["dv:purpose"] = Act.Purpose, ["dv:state"] = ConsentStates.NameOf(Act.State), ["dv:recordedBy"] = Word(Act.RecordedBy),
        ["dv:liftsObjection"] = Act.LiftsObjection, ["dv:guardian"] = Act.Guardian, ["dv:basis"] = LegalBasis, ["dv:special"] = SpecialBasis ?? "",
    };

    private List<string> Bases()
    {
        List<string> bases = LegalBasis switch
        {
            "consent" => ["dpv:ExpressedConsent", "eu-gdpr:A6-1-a"],
            "explicit-consent" => ["dpv:ExplicitlyExpressedConsent", "eu-gdpr:A6-1-a"],
            "contract" => ["dpv:Contract", "eu-gdpr:A6-1-b"],
            "legal-obligation" => ["dpv:LegalObligation", "eu-gdpr:A6-1-c"],
            "vital-interests" => ["dpv:VitalInterest", "eu-gdpr:A6-1-d"],
            "public-task" => ["dpv:PublicInterest", "eu-gdpr:A6-1-e"],
            _ => ["dpv:LegitimateInterest", "eu-gdpr:A6-1-f"],
        };
        if (SpecialBasis is not null) bases.Add($"eu-gdpr:{SpecialBasis}");
        return bases;
    }

    private static ConsentReceiptStatement Take(JsonObject document)
    {
        var record = Member<JsonArray>(document, "dpv:hasRecordOfActivity")[0] as JsonObject ?? throw new FormatException("There is no record.");
        var (act, notice, purpose) = (Member<JsonObject>(record, "dv:act"), Member<JsonObject>(record, "dpv:hasNotice"), Member<JsonObject>(record, "dpv:hasPurpose"));
        var who = record["dpv:hasDataController"] as JsonObject;
        var special = Text(act, "dv:special");
        return new ConsentReceiptStatement
        {
            Act = TakeAct(record, act, notice), Purpose = Text(purpose, "dct:identifier"), Title = Text(purpose, "dct:title"), Dpv = Text(purpose, "@type"),
            LegalBasis = Text(act, "dv:basis"), SpecialBasis = special.Length > 0 ? special : null, NoticeText = OptionalText(notice, "dct:description"),
            Categories = [.. Member<JsonArray>(record, "dpv:hasPersonalData").Select(item => item?.GetValue<string>() ?? "")], PolicyVersion = Text(document, "dv:policy"),
            WithdrawAt = record["dpv:hasConsentControl"] is JsonObject control ? Text(control, "dpv:isExercisedAt") : null,
            Controller = who is null ? null : new ReceiptController(Text(who, "dpv:hasName"), Text(who, "dpv:hasAddress"), Text(who, "dpv:hasContact")),
            Before = Convert.FromHexString(OptionalText(document, "dv:before") ?? ""),
        };
    }

    private static ConsentEvidence TakeAct(JsonObject record, JsonObject act, JsonObject notice) => new()
    {
        Subject = Guid.ParseExact(Text(record, "dpv:hasDataSubject")[Urn.Length..], "D"),
        Purpose = Member<JsonValue>(act, "dv:purpose").GetValue<int>(),
        State = ConsentStates.TryParse(Text(act, "dv:state"), out var state) ? state : throw new FormatException("The state is unknown."),
        At = TimeOf(Text(record, "dpv:isIndicatedAtTime")),
        Expires = OptionalText(Member<JsonObject>(record, "dpv:hasDuration"), "dct:valid") is { } end ? TimeOf(end) : null,
        Notice = Text(notice, "dct:hasVersion"),
        Channel = Text(record, "dpv:hasIndicationMethod"),
        RecordedBy = Array.Find(Enum.GetValues<ConsentRecorder>(), recorder => Word(recorder) == Text(act, "dv:recordedBy")),
        LiftsObjection = Member<JsonValue>(act, "dv:liftsObjection").GetValue<bool>(),
        NoticeHash = Convert.FromHexString(Text(notice, "dv:sha256")),
        Language = Text(notice, "dct:language"),
        Guardian = Text(act, "dv:guardian"),
    };

    private static Guid IdOf(ReadOnlySpan<byte> act)
    {
        var bytes = SHA256.HashData([.. "datavault/v1/consent-receipt\0"u8, .. act])[..16];
        // SPEC rfc9562 §5.8: a version 8 id, whose bits are our own.
        bytes[6] = (byte)((bytes[6] & 0x0f) | 0x80);
        bytes[8] = (byte)((bytes[8] & 0x3f) | 0x80);
        return new Guid(bytes, bigEndian: true);
    }

    private static string Word(ConsentRecorder recorder) => recorder switch
    {
        ConsentRecorder.Person => "person",
        ConsentRecorder.Staff => "staff",
        ConsentRecorder.Application => "application",
        ConsentRecorder.Signal => "signal",
        _ => "not-kept",
    };

    private static JsonArray Texts(IEnumerable<string> texts) => new([.. texts.Select(text => (JsonNode)text)]);

    private static T Member<T>(JsonObject from, string name)
        where T : JsonNode => from[name] as T ?? throw new FormatException("A member is missing.");

    private static string Text(JsonObject from, string name) => Member<JsonValue>(from, name).GetValue<string>();

    private static string? OptionalText(JsonObject from, string name) => from[name]?.GetValue<string>();

    private static string Hex(ReadOnlyMemory<byte> bytes) => Convert.ToHexStringLower(bytes.Span);

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture);

    private static DateTimeOffset TimeOf(string text) => DateTimeOffset.ParseExact(text, TimeFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
}

/// <summary>A receipt that a person keeps of a consent act, with the proof that the log holds it.</summary>
public sealed class ConsentReceipt
{
    private const string Header = "datavault/consent-receipt/v1\n";
    private const string ProofMember = "dv:proof";

    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private ConsentReceipt(ConsentReceiptStatement statement, SignedNote note, TlogProof proof) => (Statement, Note, Proof) = (statement, note, proof);

    /// <summary>What it says.</summary>
    public ConsentReceiptStatement Statement { get; }

    /// <summary>The signed note over it.</summary>
    public SignedNote Note { get; }

    /// <summary>That the log holds the act's entry, which the proof carries.</summary>
    public TlogProof Proof { get; }

    /// <summary>Signs a statement and joins the proof of the act's entry to it.</summary>
    /// <param name="statement">What the receipt says.</param>
    /// <param name="log">Origin of the log.</param>
    /// <param name="signer">The log's signer.</param>
    /// <param name="proof">Of the act's entry, with the entry as its extra data.</param>
    public static ConsentReceipt Issue(ConsentReceiptStatement statement, string log, NoteSigner signer, TlogProof proof) =>
        new(statement, signer.Sign(TextOf(log, proof.Index, statement.ToJson())), proof);

    /// <summary>Reads a receipt. That it parsed says nothing of its truth: see <see cref="Verify"/>.</summary>
    public static bool TryParse(string text, out ConsentReceipt? receipt)
    {
        receipt = null;
        if (CanonicalJson.Parse(text) is not { } document || document[ProofMember] is not JsonObject { Count: 2 } attached || !document.Remove(ProofMember)) return false;
        if (Attached(attached, "dv:note") is not { } noteText || !SignedNote.TryParse(noteText, out var note)) return false;
        if (Attached(attached, "dv:inclusion") is not { } proofText || !TlogProof.TryParse(proofText, out var proof)) return false;
        if (ConsentReceiptStatement.Read(document) is not { } statement) return false;
        receipt = new ConsentReceipt(statement, note!, proof!);
        return true;
    }

    /// <summary>The document as it is handed out.</summary>
    public override string ToString()
    {
        var document = Statement.ToJson();
        document[ProofMember] = new JsonObject { ["dv:note"] = Note.ToString(), ["dv:inclusion"] = Proof.ToString() };
        return document.ToJsonString(Readable) + "\n";
    }

    /// <summary>Checks everything offline against the log's key: null when the receipt holds, otherwise the first thing wrong with it.</summary>
    public string? Verify(NoteVerifier key)
    {
        // SPEC consent-receipt §4
        var check = key.Check(Note);
        if (check == NoteCheck.NotAvailable) return "this machine cannot verify the kind of signature";
        if (check != NoteCheck.Valid) return "the receipt is not signed by the log's key";
        if (Note.Text != TextOf(key.Name, Proof.Index, Statement.ToJson())) return "the signature is over another text than the receipt";
        // SPEC consent-receipt §5
        if (Proof.Extra.IsEmpty || !Proof.Verify(Proof.Extra.Span, key)) return "the proof does not lead from its entry to a checkpoint that the log's key has signed";
        return WrongEntry() ?? WrongNotice();
    }

    private string? WrongEntry()
    {
        LogEntry entry;
        try
        {
            entry = LogEntry.Decode(Proof.Extra);
        }
        catch (FormatException)
        {
            return "the entry is not well formed";
        }

        if (entry.Type != EntryType.ConsentChange || entry.Result != EntryResult.Ok) return "the entry tells of no consent act";
        if (entry.Purpose != Statement.Purpose) return "the entry tells of another purpose";
        return entry.DetailHash.Span.SequenceEqual(Statement.Act.Hash()) ? null : "the entry tells of another act";
    }

    // SPEC consent-receipt §6
    private string? WrongNotice()
    {
        if (Statement.NoticeText is not { } shown) return null;
        return Statement.Act.NoticeHash.Span.SequenceEqual(ConsentEvidence.HashOf(shown)) ? null : "the notice is not the text whose hash the act bears";
    }

    private static string? Attached(JsonObject proof, string name) => proof[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    private static string TextOf(string log, long entry, JsonObject document) => string.Create(
        CultureInfo.InvariantCulture, $"{Header}log {log}\nentry {entry}\nsha256 {Convert.ToBase64String(SHA256.HashData(CanonicalJson.Write(document)))}\n");
}
