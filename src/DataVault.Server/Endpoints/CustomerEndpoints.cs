using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>Customers: create, release, change, look up, in bulk. Every release goes through the one gate.</summary>
internal static class CustomerEndpoints
{
    private const string Tag = "customers";
    private const int MostTerms = 5;
    private const int MostResults = 100;
    private const int MostInBatch = 1_000;

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/customers", CreateAsync).Takes<CreateCustomer>().Gives<Written>(201).As(
            new("createCustomer", Tag, "Create a customer")
            {
                Headers = ["Idempotency-Key"],
                RequestExample = JsonNode.Parse("""{ "fields": { "givenName": "Ada", "familyName": "Example", "email": "ada@example.com" }, "source": "crm", "consents": { "marketing": "given" } }"""),
                AnswerExample = JsonNode.Parse("""{ "id": "01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77", "version": 1, "receipt": { "index": 48210 } }"""),
                Problems = ["unknown-field", "unknown-purpose", "conflict", "suppressed", "erased-here", "invalid-fields", "idempotency-mismatch"],
            },
            AccessRule.NotCustomers);
        routes.MapGet("/v1/customers/{id}", ReadAsync).Gives<Disclosed>().As(
            new("readCustomer", Tag, "Release fields of a customer for a purpose")
            {
                Description = "Without fields: all that the policy allows. A field may be asked for in a narrower form, as email.masked. Unknown, erased and out of reach look alike.",
                Query =
                [
                    QueryParameter.Purpose, new("fields", "Comma-separated field names."), new("provenance", "Also where each value came from.", "boolean"),
                ],
                Headers = ["Access-Reason", "Access-Approval"],
                AnswerExample = JsonNode.Parse("""
                    { "id": "01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77", "version": 7, "fields": { "givenName": "Ada", "email": "a•••@example.com" },
                      "forms": { "email": "masked" }, "withheld": { "birthDate": "not-permitted", "phone": "consent-withdrawn" }, "receipt": { "index": 48211 } }
                    """),
                Problems = ["unknown-field", "unknown-purpose", "not-found", "reason-required", "reason-mismatch", "approval-required", "reviews-overdue", "budget-exhausted"],
            },
            AccessRule.Anyone);
        routes.MapPatch("/v1/customers/{id}", PatchAsync).Takes<PatchCustomer>().Gives<Written>().As(
            new("patchCustomer", Tag, "Change fields (JSON merge patch); null removes")
            {
                Headers = ["If-Match"],
                RequestExample = JsonNode.Parse("""{ "fields": { "preferredName": "Ada", "phone": null }, "source": "crm" }"""),
                Problems = ["unknown-field", "unknown-purpose", "not-found", "conflict", "suppressed", "version-mismatch", "precondition-required", "invalid-fields"],
            },
            AccessRule.Anyone);
        routes.MapPost("/v1/customers/search", SearchAsync).Takes<SearchCustomers>().Gives<Found>().As(
            new("searchCustomers", Tag, "Look customers up by what is known of them; every term must match, and an index must answer")
            {
                RequestExample = JsonNode.Parse("""{ "purpose": "customer-support", "where": { "familyName": { "prefix": "hopp" }, "email": "grace@example.com" }, "fields": ["givenName", "email.masked"] }"""),
                Headers = ["Access-Reason"],
                Problems = ["unknown-field", "unknown-purpose", "invalid-fields", "reason-required", "reason-mismatch", "budget-exhausted"],
            },
            AccessRule.NotCustomers);
        routes.MapPost("/v1/customers/batch", BatchAsync).Takes<CustomerBatch>().Gives<BatchResult>().TakesLong().As(
            new("batchCustomers", Tag, "Up to 1,000 creates or reads, one result per item")
            {
                Headers = ["Idempotency-Key", "Access-Reason"],
                RequestExample = JsonNode.Parse("""{ "read": ["01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77"], "purpose": "customer-support", "fields": ["givenName"] }"""),
                Problems = ["unknown-field", "unknown-purpose", "idempotency-mismatch", "budget-exhausted"],
            },
            AccessRule.NotCustomers);
    }

    public static async Task ReadAsync(HttpContext context, DisclosureGate gate, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await ReleaseAsync(context, gate, call, await call.CustomerAsync());
    }

    /// <summary>The hot path: one gate call, one buffer.</summary>
    public static async Task ReleaseAsync(HttpContext context, DisclosureGate gate, CallReader call, SubjectId subject)
    {
        var query = QueryReader.Of(context, "purpose", "fields", "provenance", "justification");
        // Where it stood once. Whoever still sends it there must learn to stop, and not that it was ignored.
        if (query.Text("justification") is not null)
            throw ProblemException.Member("", "reason-in-address", "A reason does not belong into the address, which others keep: send it as the header Access-Reason.");
        var read = new ReadQuery(
            call.Caller, subject, call.Purpose(query.Text("purpose")), call.Items(query.List("fields", 100)), query.Flag("provenance"), call.RequestId,
            call.Reason(), call.Approval());
        var disclosure = await gate.ReadAsync(read, call.Cancellation);
        Answer.SetVersion(context, disclosure.Version);
        await DisclosureWriter.AnswerAsync(context, [disclosure], json => DisclosureWriter.Write(json, disclosure));
    }

    private static async Task CreateAsync(HttpContext context, ProfileEditor editor, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<CreateCustomer>(context, RequestBody.Record);
        var call = new CallReader(context, policy);
        var written = await editor.CreateAsync(call.Caller, ToNew(body, call), call.Idempotency(body), call.RequestId, call.Cancellation);
        context.Response.Headers.Location = $"/v1/customers/{written.Id}";
        Answer.SetVersion(context, written.Version);
        await Answer.JsonAsync(context, View(written), StatusCodes.Status201Created);
    }

    private static async Task PatchAsync(HttpContext context, ProfileEditor editor, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<PatchCustomer>(context, RequestBody.Record);
        var call = new CallReader(context, policy);
        var subject = await call.CustomerAsync();
        var patch = new ProfilePatch(body.Fields, body.Source, body.Origin, body.Notice, call.Purpose(body.Purpose)) { CollectedAt = body.CollectedAt };
        var written = await editor.PatchAsync(call.Caller, subject, Answer.RequiredVersion(context), patch, call.RequestId, call.Cancellation);
        Answer.SetVersion(context, written.Version);
        await Answer.JsonAsync(context, View(written));
    }

    private static async Task SearchAsync(HttpContext context, CustomerSearch search, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<SearchCustomers>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        if (body.Where.Count is 0 or > MostTerms)
            throw ProblemException.Member("/where", "out-of-range", $"1 to {MostTerms} terms may be given.");
        if (body.Limit is < 1 or > MostResults)
            throw ProblemException.Member("/limit", "out-of-range", $"The limit lies between 1 and {MostResults}.");
        var found = await search.SearchAsync(
            call.Caller, call.Purpose(body.Purpose), body.Where.ToDictionary(term => term.Key, term => Condition(term.Value)), call.Items(body.Fields), body.Limit ?? 20, call.RequestId, call.Cancellation,
            call.Reason());
        if (found.Refused is { } reason)
            throw new ProblemException("forbidden", $"The search is refused: {reason}. Log entry {found.LogIndex}.");
        if (found.Results.Count == 0)
            await EvenRefusals.HoldAsync(context);
        await DisclosureWriter.AnswerAsync(context, found.Results, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("results");
            foreach (var disclosure in found.Results)
                DisclosureWriter.Write(json, disclosure);
            json.WriteEndArray();
            DisclosureWriter.WriteReceipt(json, found.LogIndex);
            json.WriteEndObject();
        });
    }

    private static SearchCondition Condition(SearchTerm? term)
    {
        if (term is null) return SearchCondition.Equal(null);
        (SearchComparison Comparison, string? Text)[] given =
        [
            (SearchComparison.Equal, term.Value), (SearchComparison.Prefix, term.Prefix), (SearchComparison.Year, term.Year), (SearchComparison.Postcode, term.Postcode),
        ];
        return given.Where(one => one.Text is not null).ToList() is [var one]
            ? new SearchCondition(one.Comparison, one.Text)
            : throw ProblemException.Member("/where", "one-of", "A term is a text, or exactly one of prefix, year and postcode.");
    }

    private static async Task BatchAsync(HttpContext context, DisclosureGate gate, ProfileEditor editor, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<CustomerBatch>(context, RequestBody.Batch);
        var call = new CallReader(context, policy);
        if (body.Create is null == body.Read is null)
            throw ProblemException.Member("", "one-kind", "A batch holds either create or read.");
        if ((body.Create?.Count ?? body.Read!.Count) is 0 or > MostInBatch)
            throw ProblemException.Member(body.Create is null ? "/read" : "/create", "out-of-range", $"1 to {MostInBatch} items.");
        await (body.Create is { } creates ? CreateManyAsync(context, editor, call, body, creates) : ReadManyAsync(context, gate, call, body));
    }

    private static async Task CreateManyAsync(
        HttpContext context, ProfileEditor editor, CallReader call, CustomerBatch body, IReadOnlyList<CreateCustomer> creates)
    {
        var customers = creates.Select(c => ToNew(c, call, body.Purpose)).ToList();
        var results = await editor.CreateManyAsync(call.Caller, customers, call.Idempotency(body), call.RequestId, call.Cancellation);
        var items = results.Select((result, index) => result.Value is { } written
            ? new BatchItem(index, StatusCodes.Status201Created, View(written))
            : new BatchItem(index, Problems.StatusOf(result.Error!), Problem: Problems.Of(result.Error!)));
        await Answer.JsonAsync(context, new BatchResult([.. items]));
    }

    private static async Task ReadManyAsync(HttpContext context, DisclosureGate gate, CallReader call, CustomerBatch body)
    {
        var subjects = body.Read!.Select(id => new SubjectId(id)).ToList();
        var results = await gate.ReadManyAsync(
            call.Caller, subjects, call.Purpose(body.Purpose), call.Items(body.Fields), provenance: false, call.RequestId, call.Cancellation, call.Reason());
        if (results.Any(result => result.Value is null))
            await EvenRefusals.HoldAsync(context);
        await DisclosureWriter.AnswerAsync(context, results.Select(result => result.Value).OfType<IDisposable>(), json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("items");
            for (var index = 0; index < results.Count; index++)
                DisclosureWriter.WriteItem(json, index, results[index]);
            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    private static NewCustomer ToNew(CreateCustomer body, CallReader call, string? batchPurpose = null) =>
        new(body.Fields, body.Source, body.Origin, body.Notice, call.Purpose(body.Purpose ?? batchPurpose), body.Consents)
        {
            Standing = body.Standing is { } standing ? StandingEndpoints.Of(standing) : null,
            CollectedAt = body.CollectedAt,
            Returning = body.Returning,
            Package = body.Package is { } package ? new PackageOrigin(package.Log, package.Case) : null,
            ConsentNotices = body.ConsentNotices?.ToDictionary(one => one.Key, one => new ShownNotice(one.Value.Version, one.Value.Language) { Text = one.Value.Text, Sha256 = one.Value.Sha256 }, StringComparer.Ordinal),
        };

    private static Written View(WriteOutcome written) => new(written.Id.Value, written.Version, new Receipt(written.LogIndex));
}
