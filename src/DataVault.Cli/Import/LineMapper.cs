using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Client.Wire;

namespace DataVault.Cli.Import;

/// <summary>Why a line was rejected, and at which member of what would have been sent (a JSON pointer), never with a value.</summary>
internal sealed record Rejection(string Reason, string At);

/// <summary>Makes the API's bodies out of lines.</summary>
internal sealed class LineMapper(Mapping mapping)
{
    // The identity of an event is part of the format: changing this tag would import everything a second time.
    private static readonly byte[] s_tag = Encoding.ASCII.GetBytes("datavault/import/event/v1\n");

    public Mapping Mapping => mapping;

    /// <summary>The first requirement that the line does not meet.</summary>
    public Rejection? Refuse(SourceRecord record)
    {
        if (record.Problem is { } problem) return new Rejection(problem, "");
        foreach (var requirement in mapping.Requirements)
        {
            if (requirement.Value.Text(record) is null) return new Rejection(requirement.Reason, "");
        }
        return mapping.Customers is { } customers && Key(record) is null ? new Rejection("no-key", $"/fields/{customers.Key}") : null;
    }

    public string? Key(SourceRecord record) => mapping.Customers is { } customers ? customers.Fields[customers.Key].Text(record) : null;

    public (CreateCustomer? Customer, Rejection? Rejected) Customer(SourceRecord record)
    {
        var customers = mapping.Customers!;
        var (fields, rejected) = Members(customers.Fields, record, "/fields/");
        return fields is null
            ? (null, rejected)
            : (new CreateCustomer(fields, mapping.Source, customers.Origin, customers.Notice, mapping.Purpose, customers.Consents) { Standing = Standing(customers.Standing, record), ConsentNotices = customers.ConsentNotices }, null);
    }

    /// <summary>What a line leaves empty is not known; a line that says nothing of it leaves all of it to the vault.</summary>
    private static Standing? Standing(StandingMapping? map, SourceRecord record)
    {
        if (map is null) return null;
        string? Word(string name) => map.Words.GetValueOrDefault(name)?.Text(record);
        List<Relation> relations = [.. map.Relations.Select(one => (one.Key, Recipient: one.Value.Text(record))).Where(one => one.Recipient is not null).Select(one => new Relation(one.Key, one.Recipient!))];
        var standing = new Standing(Word("jurisdiction"), Word("residency"), Word("brand"), relations.Count > 0 ? relations : null);
        return standing == new Standing() ? null : standing;
    }

    /// <summary>The events of a line. Empty with no rejection when no event mapping applies.</summary>
    public (IReadOnlyList<AppendEvent> Events, Rejection? Rejected) Events(SourceRecord record, byte[] content, int ordinal)
    {
        List<AppendEvent> events = [];
        foreach (var map in mapping.Events.Where(m => m.When?.Holds(record) ?? true))
        {
            var (made, rejected) = Event(map, record, content, ordinal);
            if (rejected is not null) return ([], rejected);
            events.Add(made!);
        }
        return (events, null);
    }

    private (AppendEvent? Event, Rejection? Rejected) Event(EventMapping map, SourceRecord record, byte[] content, int ordinal)
    {
        if (Reference(map, record) is not { } customer) return (null, new Rejection("no-customer", "/customer"));
        var at = map.OccurredAt.Make(record);
        if (at.Reason is not null || at.Value is null) return (null, new Rejection(at.Reason ?? "no-time", "/occurredAt"));
        if (!DateTimeOffset.TryParse(at.Value.GetValue<string>(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var occurred))
            return (null, new Rejection("invalid-instant", "/occurredAt"));
        var (properties, rejected) = Members(map.Properties, record, "/properties/");
        if (properties is null) return (null, rejected);
        var id = map.Id?.Text(record) is { } own ? Identity(map, Encoding.UTF8.GetBytes(own), -1) : Identity(map, content, ordinal);
        return (new AppendEvent(customer, map.Type, occurred, mapping.Source, properties, id, mapping.Purpose), null);
    }

    private CustomerReference? Reference(EventMapping map, SourceRecord record)
    {
        var (field, value) = map.Customer is { } own ? (own.Field, own.Value.Text(record)) : (mapping.Customers?.Key ?? "", Key(record));
        return (field, value) switch
        {
            (_, null) => null,
            ("id", _) => Guid.TryParse(value, out var id) ? new CustomerReference(Id: id) : null,
            ("email", _) => new CustomerReference(Email: value),
            ("phone", _) => new CustomerReference(Phone: value),
            _ => new CustomerReference(CustomerNumber: value),
        };
    }

    private static (Dictionary<string, JsonElement>? Members, Rejection? Rejected) Members(
        IReadOnlyDictionary<string, Recipe> recipes, SourceRecord record, string pointer)
    {
        var members = new Dictionary<string, JsonElement>(recipes.Count);
        foreach (var (name, recipe) in recipes)
        {
            var made = recipe.Make(record);
            if (made.Reason is not null) return (null, new Rejection(made.Reason, pointer + name));
            if (made.Value is not null) members[name] = JsonSerializer.SerializeToElement(made.Value);
        }
        return (members, null);
    }

    // UUIDv8 (RFC 9562 5.8) over the source, the event mapping and the line's content with its count among equal lines: the same
    // line of the same source is the same event, whichever file or run it comes from; the second of two equal lines is another one.
    private Guid Identity(EventMapping map, byte[] content, int ordinal)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(s_tag);
        hash.AppendData(Encoding.UTF8.GetBytes($"{mapping.Source.Length}:{mapping.Source}{map.Type.Length}:{map.Type}"));
        Span<byte> counts = stackalloc byte[8];
        BinaryPrimitives.WriteInt32BigEndian(counts, map.Ordinal);
        BinaryPrimitives.WriteInt32BigEndian(counts[4..], ordinal);
        hash.AppendData(counts);
        hash.AppendData(content);
        Span<byte> digest = stackalloc byte[32];
        hash.GetHashAndReset(digest);
        digest[6] = (byte)((digest[6] & 0x0F) | 0x80);
        digest[8] = (byte)((digest[8] & 0x3F) | 0x80);
        return new Guid(digest[..16], bigEndian: true);
    }
}
