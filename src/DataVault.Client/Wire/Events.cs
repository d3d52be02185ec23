using System.Text.Json;
using System.Text.Json.Serialization;

namespace DataVault.Client.Wire;

/// <summary>
/// Whom an event is about: exactly one member is set. E-mail, phone and number are looked up by blind index. An id may also be sent as a plain string.
/// </summary>
[JsonConverter(typeof(CustomerReferenceConverter))]
public sealed record CustomerReference(Guid? Id = null, string? Email = null, string? Phone = null, string? CustomerNumber = null);

// Reads "0198…" and { "email": "…" } alike; writes the object. What is no id names nobody (the id of zeros): of a batch only the event that has it is refused.
internal sealed class CustomerReferenceConverter : JsonConverter<CustomerReference>
{
    private sealed record Members(string? Id = null, string? Email = null, string? Phone = null, string? CustomerNumber = null);

    public override CustomerReference? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String)
            return new CustomerReference(IdOf(reader.GetString()!));
        return JsonSerializer.Deserialize<Members>(ref reader, options) is { } members
            ? new CustomerReference(members.Id is { } id ? IdOf(id) : null, members.Email, members.Phone, members.CustomerNumber)
            : null;
    }

    public override void Write(Utf8JsonWriter writer, CustomerReference value, JsonSerializerOptions options) =>
        JsonSerializer.Serialize(writer, new Members(value.Id?.ToString("D"), value.Email, value.Phone, value.CustomerNumber), options);

    private static Guid IdOf(string text) => Guid.TryParseExact(text, "D", out var id) ? id : Guid.Empty;
}

/// <summary>Body of <c>POST /v1/events</c>.</summary>
/// <param name="Customer">Whom it is about.</param>
/// <param name="Type">Event type of the tracking plan, such as <c>purchase</c>.</param>
/// <param name="OccurredAt">When it happened, UTC.</param>
/// <param name="Source">The supplying system.</param>
/// <param name="Properties">As the tracking plan types them.</param>
/// <param name="Id">The sender's id of the event (UUID); the same id twice is stored once and reported as a duplicate.</param>
/// <param name="Purpose">The purpose written for; defaults to the credential's only purpose.</param>
public sealed record AppendEvent(
    CustomerReference Customer,
    string Type,
    DateTimeOffset OccurredAt,
    string Source,
    IReadOnlyDictionary<string, JsonElement> Properties,
    Guid? Id = null,
    string? Purpose = null);

/// <summary>Body of <c>POST /v1/events/batch</c>: 1 to 1,000 events.</summary>
public sealed record EventBatch(IReadOnlyList<AppendEvent> Events);

/// <summary>Answer to <c>POST /v1/events</c>; without a receipt when the event was held already.</summary>
public sealed record EventWritten(Guid Id, Receipt? Receipt);

/// <summary>One event's result: status 201 stored, 200 duplicate (already held), otherwise a problem.</summary>
public sealed record EventItem(int Index, int Status, Guid? Id = null, Problem? Problem = null);

/// <summary>Per-item results in the order of the request, and the one log entry of the batch (null when nothing was stored).</summary>
public sealed record EventBatchResult(IReadOnlyList<EventItem> Items, Receipt? Receipt);

/// <summary>A released event of <c>GET /v1/customers/{id}/events?purpose=P</c>.</summary>
public sealed record ReleasedEvent(
    Guid Id, string Type, DateTimeOffset OccurredAt, string Source, IReadOnlyDictionary<string, JsonElement> Properties);

/// <summary>A page of released events with its receipt.</summary>
public sealed record ReleasedEvents(IReadOnlyList<ReleasedEvent> Items, string? Next, Receipt Receipt);
