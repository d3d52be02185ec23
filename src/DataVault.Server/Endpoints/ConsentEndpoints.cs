using System.Text.Json;
using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>Consents, and who received what: about any customer for whom the policy allows it, and about oneself.</summary>
internal static class ConsentEndpoints
{
    private const string Tag = "consents";
    private const int LargestPage = 500;

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/customers/{id}/consents", GetAsync).Gives<Consents>().As(
            new("getConsents", Tag, "Consent states with their history") { Problems = ["not-found"] }, AccessRule.Anyone);
        routes.MapPut("/v1/customers/{id}/consents/{purpose}", PutAsync).Takes<SetConsent>().Gives<ConsentWritten>().As(
            new("setConsent", Tag, "Give, refuse or withdraw a consent; in force everywhere once answered")
            {
                Description = "Giving again renews. A child's consent names its guardian's authorisation. A consent against an objection must say so (liftsObjection); one to a notice that the vault does not know, what was shown (noticeText or noticeSha256).",
                RequestExample = JsonNode.Parse("""{ "state": "withdrawn", "channel": "web" }"""),
                Problems = ["unknown-purpose", "not-found", "invalid-fields"],
            },
            AccessRule.Anyone);
        routes.MapGet("/v1/customers/{id}/consents/{purpose}/receipt", ReceiptAsync).Gives<object>().As(ReceiptInfo("getConsentReceipt", Tag), AccessRule.Anyone);
        routes.MapGet("/v1/customers/{id}/consents/{purpose}/proof", ProofAsync).Gives<ConsentProof>().As(
            new("proveConsent", Tag, "Everything about a consent as it stood at an instant: acts, notices, receipts, proofs")
            {
                Description = "Each act is held against the log, the acts against the log's list and against the sealed record: what does not match is named under missing, and is not attested.",
                Query = [new("at", "The instant, RFC 3339; now when absent.")],
                Problems = ["unknown-purpose", "not-found"],
            },
            AccessRule.With("audit.read"));
        routes.MapGet("/v1/consents/figures", FiguresAsync).Gives<ConsentFigures>().As(
            new("getConsentFigures", Tag, "How many people stand how to each purpose that rests on consent"), AccessRule.With("audit.read"));
        routes.MapGet("/v1/consents/renewals", RenewalsAsync).Gives<Page<ConsentRenewal>>().As(
            new("listConsentRenewals", Tag, "Consents that end soon and should be asked for again")
            {
                Query = [QueryParameter.Purpose, QueryParameter.Limit, QueryParameter.Cursor],
                Problems = ["unknown-purpose"],
            },
            AccessRule.NotCustomers);
        routes.MapGet("/v1/customers/{id}/accesses", AccessesAsync).Gives<Page<Access>>().As(
            new("getAccesses", Tag, "Who received what, when and for what purpose, newest first")
            {
                Query = [QueryParameter.Limit, QueryParameter.Cursor],
                Problems = ["not-found"],
            },
            AccessRule.OwnOr("audit.read"));
    }

    public static async Task GiveStatesAsync(HttpContext context, ConsentLedger ledger, CallReader call, SubjectId subject)
    {
        var overview = await ledger.GetAsync(call.Caller, subject, call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Consents(subject.Value, [.. overview.Items.Select(View)]) { Restricted = overview.Restricted, Objections = overview.Objections });
    }

    public static async Task SetAsync(HttpContext context, ConsentLedger ledger, CallReader call, SubjectId subject)
    {
        var body = await RequestBody.ReadAsync<SetConsent>(context, RequestBody.Small);
        var purpose = PurposeOf(context, call);
        var changed = await ledger.SetAsync(
            call.Caller, subject,
            new ConsentStatement(purpose, body.State, body.Notice, body.Channel, body.Expires) { Language = body.Language, Guardian = body.Guardian, LiftsObjection = body.LiftsObjection == true, NoticeText = body.NoticeText, NoticeSha256 = body.NoticeSha256 },
            call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new ConsentWritten(View(changed.Consent), new Receipt(changed.LogIndex)));
    }

    public static async Task GiveAccessesAsync(HttpContext context, AccessHistory history, CallReader call, SubjectId subject)
    {
        var query = QueryReader.Of(context, "limit", "cursor");
        var page = await history.ListAsync(call.Caller, subject, query.Limit(50, LargestPage), query.Text("cursor"), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<Access>(
            [.. page.Items.Select(a => new Access(a.Index, a.At, a.Type, a.Actor, a.Purpose, a.Result, a.Fields))], page.Next));
    }

    private static async Task GetAsync(HttpContext context, ConsentLedger ledger, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await GiveStatesAsync(context, ledger, call, await call.CustomerAsync());
    }

    private static async Task PutAsync(HttpContext context, ConsentLedger ledger, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await SetAsync(context, ledger, call, await call.CustomerAsync());
    }

    private static async Task AccessesAsync(HttpContext context, AccessHistory history, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await GiveAccessesAsync(context, history, call, await call.CustomerAsync());
    }

    public static OperationInfo ReceiptInfo(string id, string tag) => new(id, tag, "The receipt of a consent act: JSON-LD, signed, with the proof that the log holds it")
    {
        Description = "docs/formats/consent-receipt.md. datavault-verify receipt checks it offline.",
        Query = [new("entry", "Log entry of the act; the newest act when absent.", "integer")],
        Problems = ["unknown-purpose", "not-found", "evidence-contradicted"],
    };

    public static async Task GiveReceiptAsync(HttpContext context, ConsentReceipts receipts, ServerSettings settings, CallReader call, SubjectId subject)
    {
        var entry = QueryReader.Of(context, "entry").Index("entry");
        var receipt = await receipts.IssueAsync(call.Caller, subject, PurposeOf(context, call), entry, WithdrawAt(settings), call.RequestId, call.Cancellation);
        await Answer.TextAsync(context, receipt.ToString(), "application/ld+json");
    }

    private static async Task ReceiptAsync(HttpContext context, ConsentReceipts receipts, ServerSettings settings, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await GiveReceiptAsync(context, receipts, settings, call, await call.CustomerAsync());
    }

    private static async Task ProofAsync(HttpContext context, ConsentReceipts receipts, ServerSettings settings, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        var (subject, at) = (await call.CustomerAsync(), QueryReader.Of(context, "at").Instant("at"));
        var proven = await receipts.ProveAsync(call.Caller, subject, PurposeOf(context, call), at, WithdrawAt(settings), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new ConsentProof(
            subject.Value, proven.Purpose.Name, proven.At, proven.State, proven.Valid, [.. proven.Receipts.Select(receipt => JsonDocument.Parse(receipt.ToString()).RootElement)],
            proven.Checkpoint, s_verification)
        {
            Stops = proven.Stops, Missing = proven.Missing,
        });
    }

    private static readonly string[] s_verification =
    [
        "Save each member of receipts as a file, and get the log's verifier key from somebody you trust, or from /audit/keys.",
        "datavault-verify receipt FILES --key KEY checks of each act: the signature, the notice word for word, and that the log holds the act.",
        "dct:replaces of each receipt names the one before: a chain without a gap shows every act until the instant asked about.",
        "datavault-verify history --tag TAG --log COPY lists every consent.change of the person in a copy of the whole log: none may be missing here.",
        "The state is that of the newest act but requested and deferred ones that came after an answer; given and renewed hold until dct:valid.",
    ];

    private static async Task FiguresAsync(HttpContext context, ConsentHealth health, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        var figures = await health.FiguresAsync(call.Caller, call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new ConsentFigures(
            health.Now, [.. figures.Select(one => new ConsentFigure(one.Purpose.Name, one.States, one.RenewalDue, one.Objected, one.WithoutNotice))]));
    }

    private static async Task RenewalsAsync(HttpContext context, ConsentHealth health, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        var query = QueryReader.Of(context, "purpose", "limit", "cursor");
        var purpose = call.Purpose(query.Required("purpose"));
        var page = await health.EndingAsync(call.Caller, purpose, query.Limit(50, LargestPage), query.Text("cursor"), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<ConsentRenewal>([.. page.Items.Select(one => new ConsentRenewal(one.Subject.Value, purpose, one.Expires))], page.Next));
    }

    private static string PurposeOf(HttpContext context, CallReader call) => call.Purpose((string?)context.Request.RouteValues["purpose"]);

    private static Uri WithdrawAt(ServerSettings settings) => new(settings.Address + "/console/me/consents");

    private static ConsentState View(ConsentView consent) => new(
        consent.Purpose.Name, consent.Purpose.Title, consent.State, consent.Since, consent.Expires, consent.Notice, consent.Purpose.LegalBasis, [.. consent.History.Select(View)])
    {
        Objected = consent.Objected, BySignal = consent.BySignal, RenewalDue = consent.RenewalDue,
    };

    private static ConsentEvent View(ConsentAct act) => new(act.State, act.At, act.Notice, act.Channel, act.LogIndex)
    {
        Expires = act.Expires, Language = act.Language, Guardian = act.Guardian,
        NoticeSha256 = act.NoticeHash.IsEmpty ? null : Convert.ToHexStringLower(act.NoticeHash.Span),
        RecordedBy = act.RecordedBy == ConsentRecorder.NotKept ? null : act.RecordedBy.ToString().ToLowerInvariant(),
    };
}
