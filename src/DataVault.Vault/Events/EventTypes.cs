using System.Text.Json;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>Whom an event is about: exactly one member is set. E-mail, phone and number are looked up by blind index.</summary>
public sealed record CustomerLookup(SubjectId? Id = null, string? Email = null, string? Phone = null, string? CustomerNumber = null);

/// <summary>An event to append.</summary>
/// <param name="Customer">Whom it is about.</param>
/// <param name="Type">Event type of the tracking plan.</param>
/// <param name="OccurredAt">When it happened.</param>
/// <param name="Source">The supplying system.</param>
/// <param name="Properties">As the tracking plan types them.</param>
/// <param name="Id">The sender's id; the same id for the same customer is stored once.</param>
/// <param name="Purpose">What it is written for.</param>
public sealed record NewEvent(
    CustomerLookup Customer, string Type, DateTimeOffset OccurredAt, string Source, IReadOnlyDictionary<string, JsonElement> Properties, Guid? Id, string Purpose);

/// <summary>How one event fared.</summary>
public enum EventStatus
{
    Stored,
    Duplicate,
    Failed,
}

/// <summary>One event's outcome; <see cref="Error"/> is set when it failed.</summary>
public sealed record EventOutcome(EventStatus Status, Guid? Id = null, SubjectId? Subject = null, VaultException? Error = null);

/// <summary>Outcomes in the order of the call, and the one log entry of what was stored (null when nothing was).</summary>
public sealed record EventBatchOutcome(IReadOnlyList<EventOutcome> Items, long? LogIndex);
