using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>An event checked against the tracking plan: properties known, typed, complete and in canonical form.</summary>
internal sealed record EventDraft(EventTypeDefinition Type, DateTimeOffset OccurredAt, string Source, byte[] Utf8Properties, Guid Id, string Purpose)
{
    // Clocks of senders differ; a day covers time zones mistaken for UTC and stops events from next year.
    private static readonly TimeSpan Ahead = TimeSpan.FromDays(1);
    private static readonly DateTimeOffset Earliest = new(1970, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <exception cref="VaultException">One problem per bad member.</exception>
    public static EventDraft Read(NewEvent item, TrackingPlan plan, VaultClock clock)
    {
        if (plan.Find(item.Type) is not { } type)
        {
            throw VaultException.Invalid([new("/type", "unknown-type", "The tracking plan has no such event type.")]);
        }
        var problems = new List<FieldProblem>();
        if (!ProfileDraft.IsLabel(item.Source)) problems.Add(new("/source", "not-a-label", $"1 to {ProfileDraft.LongestLabel} characters without controls."));
        if (item.OccurredAt > clock.Now + Ahead || item.OccurredAt < Earliest) problems.Add(new("/occurredAt", "out-of-range", "Not in the future, and not before 1970."));
        var properties = ReadProperties(item.Properties, type, DateOnly.FromDateTime(clock.Now.UtcDateTime), problems);
        if (problems.Count > 0) throw VaultException.Invalid(problems);
        return new EventDraft(type, item.OccurredAt.ToUniversalTime(), item.Source, properties, item.Id ?? clock.NewId(), item.Purpose);
    }

    /// <summary>When it is written, or not to be.</summary>
    public void Erase() => CryptographicOperations.ZeroMemory(Utf8Properties);

    private static byte[] ReadProperties(IReadOnlyDictionary<string, JsonElement> given, EventTypeDefinition type, DateOnly today, List<FieldProblem> problems)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using var writer = new Utf8JsonWriter(buffer, FieldValues.Canonical);
        writer.WriteStartObject();
        var known = 0;
        foreach (var property in type.Properties)
        {
            if (given.TryGetValue(property.Name, out var value)) known++;
            WriteProperty(property, value, today, writer, problems);
        }
        writer.WriteEndObject();
        writer.Flush();
        // Unknown names are counted, not repeated: a value may have been put where a name belongs.
        if (known < given.Count) problems.Add(new("/properties", "unknown-property", "Holds a property that the tracking plan does not have."));
        var written = buffer.WrittenSpan.ToArray();
        buffer.Clear();
        return written;
    }

    private static void WriteProperty(PropertyDefinition property, JsonElement value, DateOnly today, Utf8JsonWriter writer, List<FieldProblem> problems)
    {
        if (value.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null)
        {
            if (property.Required) problems.Add(new($"/properties/{property.Name}", "required", "This property is required."));
        }
        else if (FieldValues.Normalise(property.Rules, value, today, out var utf8Json) is { } problem)
        {
            problems.Add(new($"/properties/{property.Name}{problem.Path}", problem.Code, problem.Message));
        }
        else
        {
            writer.WritePropertyName(property.Name);
            writer.WriteRawValue(utf8Json, skipInputValidation: true);
            CryptographicOperations.ZeroMemory(utf8Json);
        }
    }
}
