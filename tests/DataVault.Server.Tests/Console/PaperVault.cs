using System.Buffers.Text;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Console;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Logging;
using DataVault.Server.Endpoints;
using DataVault.Testing;

namespace DataVault.Server.Tests.Console;

/// <summary>
/// The console before a vault and an issuer made of paper: they answer with canned pages and note what they are told, so that the
/// console's own part (session, forms, links, headers) can be tested by itself.
/// </summary>
public sealed class PaperVault : IAsyncDisposable
{
    private static readonly Guid s_customer = Guid.Parse("0198c3f2-6c1a-7000-8000-000000000001");
    private static readonly Guid s_request = Guid.Parse("0198c3f2-6c1a-7000-8000-0000000000aa");
    private static readonly Guid s_hold = Guid.Parse("0198c3f2-6c1a-7000-8000-0000000000cc");
    private static readonly Guid s_rotation = Guid.Parse("0198c3f2-6c1a-7000-8000-0000000000dd");
    private static readonly DateTimeOffset s_then = new(2025, 3, 3, 9, 30, 0, TimeSpan.Zero);
    private readonly WebApplication _app;
    private readonly Dictionary<string, string> _codes = [];
    private int _tokens;
    private string? _language;

    private PaperVault(WebApplication app, string address) => (_app, Address) = (app, address);

    public string Address { get; }

    /// <summary>Whom the issuer signs in.</summary>
    public string Role { get; set; } = "customer";

    /// <summary>Seconds that access tokens live.</summary>
    public int TokenLifetime { get; set; } = 300;

    /// <summary>When set, the API answers every call with this status.</summary>
    public int? Broken { get; set; }

    /// <summary>When set, the API wants whoever changes something to sign in again, until they do.</summary>
    public bool WantsSignIn { get; set; }

    /// <summary>When set, a single request is a completed one of this kind.</summary>
    public string? Limit { get; set; }

    /// <summary>When set, a single request is one for rectification in this state.</summary>
    public string? Correcting { get; set; }

    /// <summary>Whether officers may look people up for requests.</summary>
    public bool LooksUp { get; set; }

    /// <summary>How many people a search finds.</summary>
    public int Matches { get; set; } = 1;

    /// <summary>When set, every change is refused with this problem.</summary>
    public Problem? Refusal { get; set; }

    /// <summary>Whether the policy is the shipped one, and everything that it knows is held of the person and was looked at.</summary>
    public bool Shipped { get; set; }

    /// <summary>Empty lists everywhere.</summary>
    public bool Empty { get; set; }

    /// <summary>What was changed or asked for: method, path, body.</summary>
    public List<string> Told { get; } = [];

    public static async Task<PaperVault> StartAsync(int port = 0)
    {
        if (port == 0) port = ServerProcess.FreePort();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var address = $"http://localhost:{port}";
        builder.WebHost.UseKestrelCore().UseUrls(address);
        builder.Services.AddConsole(new ConsoleOptions { Address = address, ClientId = "console", ClientSecret = "s" });
        var app = builder.Build();
        var vault = new PaperVault(app, address);
        vault.MapIssuer(app);
        app.Map("/v1/{**path}", vault.AnswerAsync);
        app.MapConsole();
        await app.StartAsync();
        return vault;
    }

    /// <summary>Every address under which the console takes a form, with ids in the place of its parts.</summary>
    public IReadOnlyList<string> Forms =>
        [.. ((IEndpointRouteBuilder)_app).DataSources.SelectMany(source => source.Endpoints).OfType<RouteEndpoint>()
            .Where(route => route.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods.Contains("POST") == true && route.RoutePattern.RawText!.StartsWith("/console", StringComparison.Ordinal))
            .Select(route => System.Text.RegularExpressions.Regex.Replace(route.RoutePattern.RawText!, @"\{[^}]*\}", s_hold.ToString("D"))).Distinct()];

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private void MapIssuer(WebApplication app)
    {
        app.MapGet("/.well-known/openid-configuration", () => Results.Json(new
        {
            issuer = Address, authorization_endpoint = Address + "/connect/authorize", token_endpoint = Address + "/connect/token", end_session_endpoint = Address + "/connect/endsession",
        }));
        app.MapGet("/connect/authorize", (HttpContext c) =>
        {
            var code = $"code-{_codes.Count}";
            _codes[code] = c.Request.Query["nonce"].ToString();
            if (c.Request.Query["prompt"] == "login") WantsSignIn = false;
            return Results.Redirect(QueryHelpers.AddQueryString(c.Request.Query["redirect_uri"].ToString(), new Dictionary<string, string?> { ["code"] = code, ["state"] = c.Request.Query["state"] }));
        });
        app.MapPost("/connect/token", async (HttpContext c) => await Tokens(await c.Request.ReadFormAsync()).ExecuteAsync(c));
        app.MapGet("/connect/endsession", (HttpContext c) => Results.Redirect(c.Request.Query["post_logout_redirect_uri"].ToString()));
    }

    private IResult Tokens(IFormCollection form)
    {
        Told.Add($"token {form["grant_type"]}");
        var nonce = form["grant_type"] == "authorization_code" && _codes.Remove(form["code"].ToString(), out var held) ? held : "";
        var id = Base64Url.EncodeToString(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(new { iss = Address, aud = "console", exp = DateTimeOffset.UtcNow.AddMinutes(5).ToUnixTimeSeconds(), nonce })));
        return Results.Json(new { access_token = $"{Role}-{++_tokens}", token_type = "Bearer", expires_in = TokenLifetime, refresh_token = $"r{_tokens}", id_token = $"e30.{id}.c2ln" });
    }

    private async Task AnswerAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        var body = await reader.ReadToEndAsync();
        var path = context.Request.Path.Value!;
        _language = context.Request.Query["language"];
        if (context.Request.Headers.TryGetValue("Sec-GPC", out var signal)) Told.Add($"signal {signal} {path}");
        if (context.Request.Method != "GET") Told.Add($"{context.Request.Method} {path} {body}");
        if (Broken is { } status)
        {
            await WriteAsync(context, status, new Problem("/problems/unavailable", "unavailable", status, "Try again later.", TraceId: "t-1"));
            return;
        }
        if (Refusal is { } refusal && context.Request.Method != "GET" && !path.StartsWith("/v1/policy", StringComparison.Ordinal))
        {
            await WriteAsync(context, refusal.Status, refusal);
            return;
        }
        if (WantsSignIn && context.Request.Method != "GET")
        {
            await WriteAsync(context, 401, new Problem("/problems/sign-in-again", "sign in again", 401));
            return;
        }
        if (path.EndsWith("/package", StringComparison.Ordinal))
        {
            context.Response.ContentType = "application/zip";
            await context.Response.WriteAsync("PK");
            return;
        }
        await (Find(context.Request.Method, path) is { } answer
            ? WriteAsync(context, 200, answer)
            : WriteAsync(context, 404, new Problem("/problems/not-found", "not-found", 404)));
    }

    private static async Task WriteAsync(HttpContext context, int status, object answer)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = status == 200 ? "application/json" : "application/problem+json";
        await context.Response.WriteAsync(JsonSerializer.Serialize(answer, VaultJson.Answers));
    }

    private static RecipientView Declared() => new("mailing-house", "Courrier Clair SAS", "processor", "FR", "dpo@courrier-clair.example", ["no agreement is named"]) { Clients = ["campaigns"] };

    private static RecipientNotice Notice(string state) => new(
        s_hold, null, s_hold, "person.erased", state, state is "manual" or "queued", "mailing-house", "Courrier Clair SAS", "dpo@courrier-clair.example", ["email"])
    {
        Reference = "MEMBER-7", At = s_then, ChangedAt = s_then,
    };

    private static DisclosureView[] Disclosed() =>
    [
        new("payment-service", "Payerly Payments Ltd", "processor", "GB", new("adequacy", "Decision (EU) 2021/1772"), "Refunds", "field.read", "refunds", ["givenName", "email"], 3, s_then, s_then.AddDays(9), [48100]),
        new(null, "Example Trading Company", null, null, null, "Support desk", "search", "customer-support", ["email"], 1, s_then, s_then, [47001]),
    ];

    private object AccountsOf(string method, string path) => path switch
    {
        "/v1/accounts/recoveries" => new Page<AccountRecovery>(Empty ? [] : [new(s_hold, s_customer, "document-seen", s_hold.ToString("D"), s_then, s_then.AddDays(3))], null),
        "/v1/accounts" when method == "GET" => new { items = new[] { new StaffAccount(s_customer, ["analyst"], false, true, false, s_then) } },
        "/v1/accounts/find" => new StaffAccount(s_customer, ["analyst"], false, true, false, s_then),
        _ when path.StartsWith("/v1/accounts/", StringComparison.Ordinal) => new AccountActed(s_customer, "password-reset", "another-one-time-password"),
        _ => new AccountCreated(s_customer, "analyst", "one-time-password"),
    };

    private object? Find(string method, string path) => path switch
    {
        "/v1/me" => new Me(Role == "customer" ? "customer" : "staff", [Role], Role == "customer" ? s_customer : null, Role == "customer" ? "Customer" : "Staff member"),
        "/v1/policy" => Shipped ? PolicyEndpoints.View(Repository.Policy, _language) : Policy(),
        "/v1/me/profile" => Shipped ? PaperHoldings.Profile(s_customer, s_then) : Profile(),
        "/v1/me/events" => new ReleasedEvents(Empty ? [] : Shipped ? PaperHoldings.Events(s_customer, s_then) : [Event("purchase"), Event("page_view")], Empty ? null : "more", new Receipt(8)),
        "/v1/me/accesses" => new Page<Access>(Empty ? [] : [.. Accesses(), .. Shipped ? PaperHoldings.Accesses(s_then) : []], Empty ? null : "more"),
        "/v1/me/consents" => new Consents(s_customer, Empty ? [] : Shipped ? PaperHoldings.Consents(s_then) : [Consent("marketing", "given") with { RenewalDue = true }, Consent("analytics", "unknown"), Consent("personalisation", "given") with { Objected = true, BySignal = true }, Consent("service-delivery", "unknown", "contract")]) { Restricted = !Empty, Objections = Empty ? [] : ["personalisation"] },
        _ when path.EndsWith("/receipt", StringComparison.Ordinal) => Receipt(),
        "/v1/consents/figures" => new ConsentFigures(s_then, Empty ? [] : [new ConsentFigure("marketing", new Dictionary<string, long> { ["given"] = 120, ["withdrawn"] = 7 }, 3, 2, 1)]),
        _ when path.Contains("/consents/", StringComparison.Ordinal) && path.EndsWith("/proof", StringComparison.Ordinal) =>
            new ConsentProof(s_customer, "marketing", s_then, "given", true, [JsonSerializer.SerializeToElement(Receipt())], "checkpoint", ["Check each receipt."]),
        "/v1/me/consents/marketing" or "/v1/me/consents/personalisation" => new ConsentWritten(Consent("marketing", "withdrawn"), new Receipt(5)),
        "/v1/me/requests" or "/v1/requests" when method == "GET" => new Page<RightsRequest>(Empty ? [] : Requests(), null),
        "/v1/requests" => Requests()[0],
        "/v1/audit/entries" => new Page<AuditEntryView>(Empty ? [] : Entries(), Empty ? null : "more"),
        "/v1/policy/what-can" when LooksUp => new Grants("7d3dba45", [new Grant("compliance-officer", "data-subject-rights", "email", "plain", false, ["officer-finds"]) { Action = "search" }]),
        "/v1/policy/what-can" => new Grants("7d3dba45", Empty ? [] : [new Grant("marketing", "marketing", "email", "plain", true, ["marketing-addresses-people"]) { Conditions = ["consent:marketing"] }]),
        "/v1/policy/explain" => new Explanation("7d3dba45", [Explained("email", null, "consent-missing"), Explained("givenName", "plain", null), new("creditLimit", null, "not-permitted", [])]),
        "/v1/policy/versions" => new Page<PolicyVersionView>(Empty ? [] : Versions(), Empty ? null : "1"),
        _ when path.StartsWith("/v1/policy/versions/", StringComparison.Ordinal) => new PolicyVersionFiles(path.Split('/')[^1], new Dictionary<string, string> { ["roles.yaml"] = "roles: {}\n", ["access/marketing.yaml"] = "rules: []\n" }, Versions()),
        "/v1/policy/replay" => new ReplayView(s_then, s_then, "7d3dba45cbcd250888607bf2e0c6cc2a", 900, Empty ? 0 : 12, Empty ? 0 : 3, 1, 0, [], Empty ? [] : [new("email", "refused", "customer-support", "Support desk", 12, 3)], ["The log does not keep the form."]),
        "/v1/policy/diff" => new DiffView("7d3dba45cbcd250888607bf2e0c6cc2a", "0f3dba45cbcd250888607bf2e0c6cc2b", Empty ? 0 : 1, Empty ? 0 : 1, [new("iban", "mask", "Full", "Tail4")], [new("given", "analyst", "policy.read")], Empty ? [] : Differences(), null) { Purposes = [new("fraud-prevention", "basis", "legitimate-interests", "contract")] },
        "/v1/policy/activations" => new ActivationView("7d3dba45cbcd250888607bf2e0c6cc2a", "0f3dba45cbcd250888607bf2e0c6cc2b", false, null, null, 0, [], ["shoeSize is gone; nothing was ever written to it."]),
        "/v1/policy/who-can" => new Grants("7d3dba45", Empty ? [] : [new Grant("marketing", "marketing", "email", "plain", true, ["marketing-addresses-people"]), new Grant("customer-support", "customer-support", "email", "masked", false, ["support-reads-contact-masked"])]),
        "/v1/analytics/domains" => new { items = Empty ? [] : new[] { new DomainView("insight", "Customer insight", 10, ["ageBand", "country", "loyaltyTier"]), new DomainView("commerce", "Commerce", 10, ["country"]) } },
        "/v1/analytics/segments" => new Segments("insight", ["ageBand"], 10, [new(["18-24"], 120), new(["25-34"], 431), new(["35-44"], 388), new(["45-54"], 240), new([""], 33)], 2, 900),
        "/v1/analytics/series" => new Series("insight", "purchases", 10, [.. Enumerable.Range(0, 24).Select(i => new SeriesPoint($"{2024 + (i / 12)}-{(i % 12) + 1:00}", i is 5 or 6 ? null : 800 + (400 * Math.Sin(i / 2.0)) + (i * 30)))]),
        "/v1/status" => new VaultStatus("0.1.0", "Development", 4372, 406829, 9120, "9120;JfkQ0+u3nFZ1v3c0cG2L4bS0q1h2y0Nn1dD8lq2bQkE=", "7d3dba45cbcd250888607bf2e0c6cc2a", new Dictionary<string, string> { ["database"] = "ok", ["keys"] = "ok", ["log"] = "ok" }, s_then),
        "/v1/keys" => Keys(),
        "/v1/keys/rotations" when method == "GET" => new Page<KeyRotationView>(Empty ? [] : Rotations(), null),
        "/v1/indexes" => new { indexes = new[] { new { name = "family-name-start", on = new[] { "familyName" }, state = "ready", searchable = true } }, people = 9, truncatedBits = 1.5, populationBits = 3.2 },
        "/v1/retention" => Retention(),
        "/v1/retention/runs" when method == "GET" => new Page<RetentionRunView>(Empty ? [] : [Sweep(false), Sweep(true)], null),
        "/v1/retention/runs" => Sweep(true),
        "/v1/audit/processing" => Processing(),
        _ when path.StartsWith("/v1/breaches", StringComparison.Ordinal) => PaperBreaches.Answer(method, path, Empty),
        "/v1/policy/recipients" => new RecipientList("7d3dba45", [Declared()]),
        "/v1/me/disclosures" => new Disclosures(Empty ? [] : [.. Disclosed(), .. Shipped ? PaperHoldings.Disclosed(s_then) : []]),
        "/v1/me/notices" => new Page<RecipientNotice>(Empty ? [] : [Notice("manual"), Notice("acknowledged") with { Kind = "person.rectified", Fields = [] }], Empty ? null : "more"),
        "/v1/notices" => new Page<RecipientNotice>(Empty ? [] : [Notice("manual"), Notice("queued") with { Attempts = 17, Failure = "unreachable", Dead = true }, Notice("waived") with { Reason = "impossible" }], Empty ? null : "more"),
        _ when path.StartsWith("/v1/notices/", StringComparison.Ordinal) => Notice("done"),
        "/v1/holds" when method == "GET" => new Page<LegalHold>(Empty ? [] : Holds(), Empty ? null : "more"),
        "/v1/holds" => Holds()[0],
        _ when path.StartsWith("/v1/holds/", StringComparison.Ordinal) => Holds()[0],
        _ when path.StartsWith("/v1/keys/rotations", StringComparison.Ordinal) => Rotations()[0],
        "/v1/me/applications" => new Page<MyApplication>(Empty ? [] : [new("partner", "Partner shop", ["openid", "offline_access"], s_then, s_then), new("reader", "Reader", ["openid"], s_then, null)], null),
        "/v1/me/messages" => new Page<Message>(Empty ? [] : [new(s_customer, s_then, "disclosure", "emergency", ["givenName", "phone"], "customer-support", 7)], Empty ? null : "more"),
        "/v1/reviews" => new Page<Review>(Empty ? [] : [Review(), Review() with { State = "justified", Overdue = false }], Empty ? null : "more"),
        _ when path.StartsWith("/v1/reviews/", StringComparison.Ordinal) => Review(),
        "/v1/approvals" => new Page<Approval>(Empty ? [] : [Approval()], null),
        _ when path.StartsWith("/v1/approvals/", StringComparison.Ordinal) => Approval(),
        "/v1/desk" => Desk(),
        _ when path.StartsWith("/v1/desk/", StringComparison.Ordinal) && path.EndsWith("/export", StringComparison.Ordinal) => new { csv = true },
        _ when path.StartsWith("/v1/desk/", StringComparison.Ordinal) => DeskList(path.Split('/')[3], path.Split('/')[4]),
        "/v1/alerts" => new Page<Alert>(Empty ? [] : [Alert("honey-touched"), Alert("budget-exhausted")], Empty ? null : "more"),
        _ when path.StartsWith("/v1/alerts/", StringComparison.Ordinal) => Alert("budget-exhausted"),
        "/v1/clients" when method == "GET" => new { items = new[] { new ClientView("crm-ingest", "CRM", ["ingest"], ["service-delivery"], s_then), new ClientView("console", "Console", [], [], s_then) } },
        "/v1/clients" => new ClientRegistered(new ClientView("shop", "Shop", ["ingest"], ["service-delivery"], s_then), "the-secret-shown-once"),
        _ when path.StartsWith("/v1/accounts", StringComparison.Ordinal) => AccountsOf(method, path),
        _ when path.EndsWith("/proof", StringComparison.Ordinal) => new InclusionProofView(7, "oA==", ["vGmE0gXr0kWcQ3oK1uTj2Yl0m2d8J0pQ1w3rT5yU7iA=", "2Yl0m2d8J0pQ1w3rT5yU7iAvGmE0gXr0kWcQ3oK1uTj="], "datavault.example/log\n9120\nJfkQ0+u3nFZ1v3c0cG2L4bS0q1h2y0Nn1dD8lq2bQkE=\n\n— datavault.example/log sig\n", "c2sp.org/tlog-proof@v1\nindex 7\n"),
        _ when path.EndsWith("/certificate", StringComparison.Ordinal) => new ErasureCertificate("erasure certificate\n"),
        "/v1/customers/search" => Found(),
        _ when path.StartsWith("/v1/requests/", StringComparison.Ordinal) || path.StartsWith("/v1/letters", StringComparison.Ordinal) => OfRequest(path),
        _ when path.EndsWith("/lift", StringComparison.Ordinal) => new LimitLifted(s_customer, s_then, new Receipt(9)),
        _ => PaperDecisions.Answer(path, Empty),
    };

    private static readonly DeskAsOf s_state = new(48211, "F1pOvs6J1rOsdXu/ir9N0ZQIfkB9cP/xN/7jNXvOvxk=", s_then, 3);

    private OfficerDeskView Desk() => new(
        s_then, "7d3dba45cbcd250888607bf2e0c6cc2a", new DeskLimitsView(72, 168, 24, 168, 24, 24, 2160, 60, 3, 50, 100),
        [
            new("deadlines", !Empty, [DeskFigure("open", "late", 2, !Empty), DeskFigure("open", "later", 12, false), DeskFigure("extended", null, 1, false)]),
            new("consents", false, [.. new[] { "given", "renewal-due", "expired", "without-notice" }.Select(name => DeskFigure(name, "marketing", 120, false) with { AsOf = s_state with { Size = 48000 } })]),
            new("integrity", false, [new("signed", null, 48211, s_then, false, false, s_state), new("witnessed", null, null, null, false, false, s_state with { Size = 48000 })]),
        ],
        DeskList("deadlines", "open"));

    private DeskFigureView DeskFigure(string name, string? of, long count, bool red) => new(name, of, Empty ? 0 : count, Empty ? null : s_then, red, HasList: true, s_state);

    private DeskListView DeskList(string tile, string figure) => new(
        tile, figure, null, "request", s_state, [new("right", "text"), new("state", "text"), new("law", "text"), new("opened", "instant"), new("due", "instant")],
        Empty ? [] : [new(["rectification", "received", "eu", "2025-03-03T09:30:00.000Z", "2025-04-03T09:30:00.000Z"], s_request.ToString())], null);

    private static Review Review() => new(
        s_customer, "customer-support", "emergency", [7, 9], s_then, s_then, "open", Overdue: true, s_customer, "An allergic <b>reaction</b>", ["givenName"], null, null, null, null);

    private static Approval Approval() => new(s_customer, s_customer, "billing", ["iban"], "requested", "s1", s_then, s_then, "A refund", null, null, 7);

    private static Alert Alert(string kind) => new(kind == "honey-touched" ? s_customer : s_request, kind, s_then, "Nosy desk", "00112233445566778899aabbccddeeff", "customer-support", 7, 8, s_then, null, null);

    private Disclosed Profile()
    {
        var fields = new Dictionary<string, object>
        {
            ["givenName"] = "Ada", ["familyName"] = "Example <script>alert(1)</script>", ["email"] = "ada@vault.example",
            ["postalAddress"] = new { street = "1 Long Lane", city = "London", postcode = "E1 1AA", country = "GB" },
            ["creditLimit"] = new { amount = "1200.00", currency = "EUR" }, ["interests"] = new[] { "tea", "gardening" }, ["dietaryRequirements"] = new[] { "nuts" },
        };
        var held = Empty ? [] : fields.ToDictionary(f => f.Key, f => JsonSerializer.SerializeToElement(f.Value));
        return new Disclosed(s_customer, 3, held, new Dictionary<string, string>(), new Dictionary<string, string>(), new Receipt(48211), held.Keys.ToDictionary(k => k, _ => new Provenance("crm", s_then, "provided", null)));
    }

    private static PolicyVersionView[] Versions() =>
    [
        new(2, "7d3dba45cbcd250888607bf2e0c6cc2a", s_then, "compliance-officer", 812, true), new(1, "0f3dba45cbcd250888607bf2e0c6cc2b", s_then, "vault-maintenance", null, false),
    ];

    private static DifferenceView[] Differences() =>
    [
        new("released", new Grant("customer-support", "emergency", "iban", "plain", false, ["emergency-reads"]) { Conditions = ["mfa", "brand:acme"], Obligations = ["review"], BreakGlass = true }),
        new("withdrawn", new Grant("marketing", "marketing", "email", "plain", true, ["marketing-addresses-people"]) { Conditions = ["consent:marketing", "no-objection:marketing"] }),
    ];

    private static ExplainedField Explained(string field, string? form, string? reason) => new(field, form, reason, ["marketing-addresses-people"])
    {
        Path = [new("marketing-addresses-people", "permit", "plain", form is not null, form is null ? ["mfa"] : [], "We write to those who asked for it"), new("no-children", "forbid", null, false, ["no-child"], null)],
        Facts = [new("consent:marketing", form is not null)],
        WouldRelease = form is null ? [new(["consent:marketing", "mfa"], "plain")] : [],
    };

    private static PolicyView Policy() => new(
        "7d3dba45cbcd250888607bf2e0c6cc2a",
        [
            new("givenName", "Given name", "text", "identity", "pd:GivenName", false, null), new("familyName", "Family name", "text", "identity", "pd:FamilyName", false, null),
            new("email", "E-mail address", "email", "contact", "pd:EmailAddress", false, "unique"), new("postalAddress", "Postal address", "address", "address", "pd:Address", false, null),
            new("creditLimit", "Credit limit", "money", "financial", "pd:Credit", false, null), new("interests", "Interests", "text-list", "interest", "pd:Interest", false, null),
            new("dietaryRequirements", "Dietary requirements", "text-list", "health", "pd:Health", true, null),
        ],
        [
            new("marketing", "Marketing", "consent", true, "We write to you about offers that fit you.", "2025-01") { Objection = "at-once" }, new("analytics", "Analytics", "consent", true, "We count how many people buy what. Nobody is looked at alone.", "2025-01") { NoticeLanguage = "en", OtherNotices = new Dictionary<string, string> { ["de"] = "Wir zählen nur." } },
            new("personalisation", "Personalisation", "consent", true, "We choose what we show you.", "2025-01"),
            new("service-delivery", "Delivering what you ordered", "contract", false, "We need your data to deliver.", "2025-01"),
        ],
        [new("ingest", "Applications that bring data in", []), new("analyst", "Analyst", []), new("marketing", "Campaign management", [])],
        [new("purchase", "Purchase", ["orderId"])]);

    private static ReleasedEvent Event(string type) => new(
        Guid.Parse("0198c3f2-6c1a-7000-8000-0000000000ee"), type, s_then, "shop",
        new Dictionary<string, JsonElement> { ["sku"] = JsonSerializer.SerializeToElement("85123A"), ["total"] = JsonSerializer.SerializeToElement(new { amount = "15.30", currency = "GBP" }) });

    private static ConsentState Consent(string purpose, string state, string basis = "consent") => new(
        purpose, purpose == "marketing" ? "Marketing" : purpose == "analytics" ? "Analytics" : purpose == "personalisation" ? "Personalisation" : "Delivering what you ordered", state, state == "unknown" ? null : s_then, null, "2025-01", basis,
        state == "unknown" ? [] : [new ConsentEvent("given", s_then, "2025-01", "web", 12)]);

    private static Dictionary<string, object> Receipt() => new()
    {
        ["@type"] = "dpv:ConsentReceipt",
        ["dpv:hasRecordOfActivity"] = new object[]
        {
            new Dictionary<string, object>
            {
                ["dpv:isIndicatedAtTime"] = "2025-03-03T09:30:00.000000Z", ["dpv:hasIndicationMethod"] = "web",
                ["dpv:hasNotice"] = new Dictionary<string, object> { ["dct:hasVersion"] = "2025-01", ["dct:language"] = "en", ["dct:description"] = "We <b>write</b> to you." },
                ["dv:act"] = new Dictionary<string, object> { ["dv:state"] = "given", ["dv:recordedBy"] = "person", ["dv:guardian"] = "" },
            },
        },
    };

    private static Access[] Accesses() =>
    [
        new(48211, s_then, "field.read", "customer", "data-subject-rights", "ok", ["givenName", "email"]),
        new(48100, s_then.AddDays(-2), "field.read", "Campaigns", "marketing", "denied", ["birthDate"]),
        new(47001, s_then.AddDays(-9), "search", "Support desk", "customer-support", "ok", []),
    ];

    private static AuditEntryView[] Entries() =>
    [
        new(48211, s_then, "field.read", "9f1c2ab34d5e6f708192a3b4c5d6e7f8", "Support desk", "aa1c2ab34d5e6f708192a3b4c5d6e7f8", "customer-support", "ok", ["givenName", "email"], null, "7d3dba45", "0198c3f2-6c1a-7000-8000-0000000000bb", ["support-reads-contact-masked"]),
        new(48100, s_then.AddDays(-1), "denied", "9f1c2ab34d5e6f708192a3b4c5d6e7f8", null, null, "", "denied", [], 3, "7d3dba45", "0198c3f2-6c1a-7000-8000-0000000000bb", []),
    ];

    private KeysView Keys() => new(
        "local/4be19a0c33d2e7f1", Empty ? [] : ["pkcs11/vault/root"], 12, 8, s_then.AddDays(-7),
        [
            new("root", "local/4be19a0c33d2e7f1", 1, s_then.AddDays(-400), s_then.AddDays(-35), true), new("vault", "3", 2, s_then.AddDays(-20), s_then.AddDays(345), false),
            new("epoch", "12", 8, s_then, s_then.AddDays(1), false), new("subjects", "1", 4372, s_then.AddDays(-300), s_then.AddDays(800), false), new("index", "", 0, null, null, false),
        ],
        Empty ? [] : [Rotations()[0]])
    {
        Backups = [new("data", Empty ? null : s_then.AddHours(-5), true), new("keys", Empty ? null : s_then.AddDays(-9))],
    };

    private RetentionView Retention() => new(
        [new("behaviour", "Visits and clicks", "occurred", 14, "Need for the purpose", ["event:page_view"]), new("identity-check", "Proof of identity", "recorded", 3, "Need for the check only", ["nationalId"])],
        Empty ? null : Sweep(false), Empty ? null : s_then.AddDays(1), Empty ? 0 : 12);

    private static RetentionRunView Sweep(bool dry) => new(
        s_request, dry, s_then, dry ? null : s_then.AddMinutes(2), 4372, 30, 41, 1200, 2, 5, dry ? 0 : 1, new Dictionary<string, long> { ["behaviour"] = 1200, ["identity-check"] = 41 });

    private ProcessingRecordView Processing() => new(
        new("Example Trading Company", "1 Example Street", "privacy@example.com"), "7d3dba45cbcd250888607bf2e0c6cc2a", s_then, s_then.AddDays(-90),
        [
            new(
                "customer-support", "Helping when you call or write", "contract", null, "dpv:CustomerCare", "2026-01", [new("pd:EmailAddress", false, ["email"], ["While you are a customer: 36 months"])],
                [new("customer-support", "Customer service", ["read", "search"], ["masked"])], Empty ? 0 : 412, Empty ? [] : [new("support-desk", 412)], Empty ? [] : ["healthNotes"]),
        ],
        Empty ? [] : [new("prize-draw", 3)], "checkpoint");

    private static KeyRotationView[] Rotations() =>
    [
        new(s_rotation, "subjects", "running", "version 2", 1200, 4372, s_then, s_then, null, null),
        new(s_customer, "vault", "failed", "3", 10, 40, s_then, s_then, null, "The root key pkcs11/vault/root cannot be used."),
        new(s_request, "epoch", "done", "12", 40, 40, s_then, s_then, s_then, null),
    ];

    private static LegalHold[] Holds() =>
    [
        new(s_hold, [s_customer], ["class:identity", "email", "event:purchase"], ["service-delivery"], "legal-claim", "File <b>12</b>", s_then, "officer-1", s_then.AddDays(-1), null, null, null, true, 48002)
        {
            Deferred = [s_request],
        },
        new(s_rotation, [.. Enumerable.Range(0, 7).Select(i => Guid.Parse($"0198c3f2-6c1a-7000-8000-00000000001{i}"))], [], [], "court-order", "Order 7", s_then, "officer-1", s_then.AddYears(5), s_then.AddYears(6), null, null, false, 48003),
        new(s_request, [], [], [], "research", null, s_then, "officer-1", s_then, null, s_then, "officer-2", false, 48004) { ReleaseReason = "The study is over." },
    ];

    private static Letter OfLetter() => new(s_hold, s_request, "received", "post", s_then, null, 48005, s_customer);

    private object OfRequest(string path) => path.Split('/') switch
    {
        [.., "notes"] => new Page<RequestRemark>(Empty ? [] : [new(s_then, "customer", "Please, <b>all</b> of it."), new(s_then, "officer", "Which <i>year</i>?")], null),
        [.., "letters"] => new Page<Letter>(Empty ? [] : [OfLetter()], null),
        [.., "letters", _] => new LetterText(OfLetter(), "en", "Your request has arrived", [new LetterPart("paragraph", ["We have your <b>request</b>."])], "We have your <b>request</b>.", "00ff"),
        [.., "posted"] => OfLetter() with { Way = "posted", GoneAt = s_then },
        [.., "evidence"] => new Page<RequestRemark>(Empty ? [] : [new(s_then, "officer", "Called back: <i>knew</i> the order.")], null),
        [.., "rectification" or "wanted"] => Rectification(),
        _ when Correcting is { } state => Requests()[0] with { Kind = "rectification", State = state, Erasure = null },
        _ => Limit is { } kind ? Requests()[1] with { Kind = kind } : Requests()[0],
    };

    private Found Found() => new(
        [.. Enumerable.Range(0, Matches).Select(_ => new Disclosed(s_customer, 1, new Dictionary<string, JsonElement>(), new Dictionary<string, string>(), new Dictionary<string, string>(), new Receipt(77)))], new Receipt(77));

    private RectificationState Rectification() => new(
        s_request,
        Empty ? new Dictionary<string, JsonElement>() : new Dictionary<string, JsonElement>
        {
            ["familyName"] = JsonSerializer.SerializeToElement("<b>Solberg</b>"), ["email"] = JsonSerializer.SerializeToElement<string?>(null),
            ["creditLimit"] = JsonSerializer.SerializeToElement(new { amount = "100", currency = "EUR" }),
        },
        Correcting == "completed" ? [new("familyName", "accepted", null), new("email", "refused", "legal-obligation")] : []);

    private static RightsRequest[] Requests() =>
    [
        new(s_request, s_customer, "erasure", "received", s_then, s_then.AddMonths(1), null, null, null, false, false, 48000, "customer")
        {
            Questions = [new RequestQuestion("clarification", s_then, s_then.AddDays(30), null, true)],
            Objections = [new ObjectedPurpose("marketing", "stopped", true, s_then, null, null, null, null), new ObjectedPurpose("fraud-prevention", "overridden", false, s_then, s_then, "compelling-grounds", "dpv:LegitimateInterest", "21(1)")],
            Erasure = new ErasureState("partial", null, ["class:identity", "event:purchase"], [new HoldReason("legal-claim", s_then, null)]),
        },
        new(s_request, s_customer, "access", "completed", s_then, s_then.AddMonths(1), s_then.AddDays(1), null, 1, true, true, 48001, "customer"),
    ];
}
