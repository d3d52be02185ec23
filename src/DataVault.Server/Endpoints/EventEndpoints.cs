using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>What happened: append one or many, release those of a customer.</summary>
internal static class EventEndpoints
{
    private const string Tag = "events";
    private const int MostInBatch = 1_000;
    private const int LargestPage = 500;

    public static void Map(IEndpointRouteBuilder routes)
    {
        var example = JsonNode.Parse("""
            { "customer": { "email": "ada@example.com" }, "type": "purchase", "occurredAt": "2026-03-01T10:15:00Z", "source": "webshop",
              "properties": { "orderId": "A-1001", "sku": "LAMP-7", "quantity": 1, "unitPrice": { "amount": "49.90", "currency": "EUR" }, "total": { "amount": "49.90", "currency": "EUR" } } }
            """)!;
        routes.MapPost("/v1/events", AppendAsync).Takes<AppendEvent>().Gives<EventWritten>(201).As(
            new("appendEvent", Tag, "Append an event")
            {
                Description = "With an id of the sender's the same event is stored once however often it is sent: 201 the first time, 200 after.",
                RequestExample = example,
                Headers = ["Idempotency-Key"],
                Problems = ["unknown-purpose", "not-found", "invalid-fields"],
            },
            AccessRule.NotCustomers);
        routes.MapPost("/v1/events/batch", AppendManyAsync).Takes<EventBatch>().Gives<EventBatchResult>().TakesLong().As(
            new("appendEvents", Tag, "Append up to 1,000 events, one result per event")
            {
                RequestExample = new JsonObject { ["events"] = new JsonArray(example.DeepClone()) },
                Problems = ["unknown-purpose"],
            },
            AccessRule.NotCustomers);
        routes.MapGet("/v1/customers/{id}/events", ListAsync).Gives<ReleasedEvents>().As(
            new("readEvents", Tag, "Release a customer's events for a purpose, newest first")
            {
                Query = [QueryParameter.Purpose, new("types", "Comma-separated event types."), QueryParameter.Limit, QueryParameter.Cursor],
                Headers = ["Access-Reason", "Access-Approval"],
                Problems = ["unknown-field", "unknown-purpose", "not-found", "reason-required", "reason-mismatch", "approval-required", "reviews-overdue", "budget-exhausted"],
            },
            AccessRule.Anyone);
    }

    public static async Task ReleaseAsync(HttpContext context, DisclosureGate gate, CallReader call, SubjectId subject)
    {
        var query = QueryReader.Of(context, "purpose", "types", "limit", "cursor");
        var page = await gate.ReadEventsAsync(
            call.Caller, subject, call.Purpose(query.Text("purpose")), call.EventTypes(query.List("types", 50)), query.Limit(50, LargestPage),
            query.Text("cursor"), call.RequestId, call.Cancellation, call.Reason(), call.Approval());
        await DisclosureWriter.AnswerAsync(context, page.Events, json => DisclosureWriter.Write(json, page));
    }

    private static async Task ListAsync(HttpContext context, DisclosureGate gate, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await ReleaseAsync(context, gate, call, await call.CustomerAsync());
    }

    private static async Task AppendAsync(HttpContext context, EventRecorder recorder, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<AppendEvent>(context, RequestBody.Record);
        var call = new CallReader(context, policy);
        var happened = ToNew(body, call);
        if (happened.Id is null && call.Idempotency(body) is { } key)
            happened = happened with { Id = IdOf(key) };
        var outcome = await recorder.AppendAsync(call.Caller, [happened], call.RequestId, call.Cancellation);
        if (outcome.Items[0].Error is { } error)
            throw error;
        var isNew = outcome.Items[0].Status == EventStatus.Stored;
        await Answer.JsonAsync(
            context, new EventWritten(outcome.Items[0].Id!.Value, outcome.LogIndex is { } at ? new Receipt(at) : null), isNew ? StatusCodes.Status201Created : StatusCodes.Status200OK);
    }

    // Of the body too: another event under a key that was used before is another event, never a duplicate that is dropped.
    private static Guid IdOf(IdempotencyKey key)
    {
        byte[] source = [.. Encoding.UTF8.GetBytes(key.ClientId + "\n" + key.Key + "\n"), .. key.RequestHash.Span];
        return new Guid(SHA256.HashData(source).AsSpan(0, 16));
    }

    private static async Task AppendManyAsync(HttpContext context, EventRecorder recorder, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<EventBatch>(context, RequestBody.Batch);
        var call = new CallReader(context, policy);
        if (body.Events.Count is 0 or > MostInBatch)
            throw ProblemException.Member("/events", "out-of-range", $"1 to {MostInBatch} events.");
        var items = new EventItem[body.Events.Count];
        var sound = new List<(int Index, NewEvent Event)>(items.Length);
        for (var index = 0; index < items.Length; index++)
        {
            if (Read(body.Events[index], call, out var happened) is { } problem)
                items[index] = new EventItem(index, problem.Status, Problem: problem);
            else
                sound.Add((index, happened));
        }
        var outcome = sound.Count == 0 ? null : await recorder.AppendAsync(call.Caller, [.. sound.Select(one => one.Event)], call.RequestId, call.Cancellation);
        foreach (var ((index, _), item) in sound.Zip(outcome?.Items ?? []))
            items[index] = Result(index, item);
        if (items.Any(item => item.Id is null))
            await EvenRefusals.HoldAsync(context);
        await Answer.JsonAsync(context, new EventBatchResult(items, outcome?.LogIndex is { } at ? new Receipt(at) : null));
    }

    private static EventItem Result(int index, EventOutcome item) => item.Error is { } error
        ? new EventItem(index, Problems.StatusOf(error), Problem: Problems.Of(error))
        : new EventItem(index, item.Status == EventStatus.Stored ? StatusCodes.Status201Created : StatusCodes.Status200OK, item.Id);

    // Whom it is about and what for: what is wrong with one event of a batch is said of that one.
    private static Problem? Read(AppendEvent body, CallReader call, out NewEvent happened)
    {
        try
        {
            happened = ToNew(body, call);
            return null;
        }
        catch (ProblemException e)
        {
            happened = null!;
            return Problems.Of(e);
        }
    }

    private static NewEvent ToNew(AppendEvent body, CallReader call)
    {
        var whom = body.Customer;
        var named = new object?[] { whom.Id, whom.Email, whom.Phone, whom.CustomerNumber }.Count(member => member is not null);
        if (named != 1)
            throw ProblemException.Member("/customer", "exactly-one", "Name the customer by exactly one of id, email, phone, customerNumber.");
        if (whom.Id == Guid.Empty)
            throw ProblemException.Member("/customer", "not-an-id", "The id is a UUID.");
        var lookup = new CustomerLookup(whom.Id is { } id ? new SubjectId(id) : null, whom.Email, whom.Phone, whom.CustomerNumber);
        return new NewEvent(lookup, body.Type, body.OccurredAt, body.Source, body.Properties, body.Id, call.Purpose(body.Purpose));
    }
}
