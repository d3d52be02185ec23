using System.Runtime.InteropServices;
using System.Security.Cryptography;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>A read of one customer.</summary>
/// <param name="Recipient">Who asks.</param>
/// <param name="Subject">About whom.</param>
/// <param name="Purpose">For what.</param>
/// <param name="Items">Fields asked for; null for all that the policy allows.</param>
/// <param name="Provenance">Also where each value came from.</param>
/// <param name="RequestId">Ties the log entry to the call.</param>
/// <param name="Justification">The reason that a rule or the purpose asks for; kept sealed with the entry.</param>
/// <param name="Approval">A second person's agreement (<see cref="Approvals"/>) that is to be used up.</param>
public sealed record ReadQuery(
    Recipient Recipient, SubjectId Subject, string Purpose, IReadOnlyList<RequestedItem>? Items, bool Provenance, Guid RequestId, string? Justification = null, Guid? Approval = null)
{
    /// <summary>One of several in a call: neither an approval nor an emergency that was justified before covers it.</summary>
    internal bool OfMany { get; init; }
}

/// <summary>
/// What left the vault, and what did not and why. It exists only once its log entry is durable.
/// INVARIANT: printing one shows no value, so that a stray log line discloses nothing.
/// Disposing erases the values: whoever has written them out does it.
/// </summary>
public sealed class Disclosure : IDisposable
{
    internal Disclosure(SubjectId id, long version, long logIndex, IReadOnlyList<ReleasedField> fields, IReadOnlyList<WithheldField> withheld) =>
        (Id, Version, LogIndex, Fields, Withheld) = (id, version, logIndex, fields, withheld);

    public SubjectId Id { get; }

    /// <summary>Version of the record.</summary>
    public long Version { get; }

    /// <summary>Where the entry of this disclosure stands in the log.</summary>
    public long LogIndex { get; }

    public IReadOnlyList<ReleasedField> Fields { get; }

    public IReadOnlyList<WithheldField> Withheld { get; }

    /// <summary>The reason when the whole request was refused, whatever the record holds; null when any field was permitted.</summary>
    public string? Refused { get; internal init; }

    /// <summary>Obligations that came with the release and were carried out.</summary>
    public IReadOnlyList<string> Obligations { get; internal init; } = [];

    public void Dispose()
    {
        foreach (var field in Fields) field.Dispose();
    }

    public override string ToString() => $"Disclosure({Fields.Count} released, {Withheld.Count} withheld, entry {LogIndex})";
}

/// <summary>One released value, in the form that was allowed; disposing erases it.</summary>
public sealed class ReleasedField : IDisposable
{
    internal ReleasedField(string name, Form form, ReadOnlyMemory<byte> utf8Json, FieldProvenance? provenance) =>
        (Name, Form, Utf8Json, Provenance) = (name, form, utf8Json, provenance);

    public string Name { get; }

    public Form Form { get; }

    /// <summary>The value as UTF-8 JSON, ready to be written as it is.</summary>
    public ReadOnlyMemory<byte> Utf8Json { get; }

    public FieldProvenance? Provenance { get; }

    public void Dispose() => CryptographicOperations.ZeroMemory(MemoryMarshal.AsMemory(Utf8Json).Span);

    public override string ToString() => $"{Name} ({FormNames.Of(Form)})";
}

/// <summary>A field that was asked for and not released.</summary>
/// <param name="Name">Which.</param>
/// <param name="Reason">A code of <see cref="Reasons"/>.</param>
public sealed record WithheldField(string Name, string Reason);

/// <summary>One item's outcome in a call about many.</summary>
public sealed class ItemResult<T>
    where T : class
{
    internal ItemResult(T value) => Value = value;

    internal ItemResult(VaultException error) => Error = error;

    public T? Value { get; }

    public VaultException? Error { get; }
}

/// <summary>What a search found; the search has an entry of its own, and so has each record shown.</summary>
public sealed record SearchOutcome(IReadOnlyList<Disclosure> Results, long LogIndex, string? Refused = null);

/// <summary>An event as released; disposing erases its properties.</summary>
public sealed class ReleasedEvent : IDisposable
{
    internal ReleasedEvent(Guid id, string type, DateTimeOffset occurredAt, Form form, EventContent content) =>
        (Id, Type, OccurredAt, Form, Source, Properties) = (id, type, occurredAt, form, content.Source, content.Utf8Properties);

    public Guid Id { get; }

    public string Type { get; }

    public DateTimeOffset OccurredAt { get; }

    public Form Form { get; }

    public string Source { get; }

    /// <summary>The properties as one UTF-8 JSON object.</summary>
    public ReadOnlyMemory<byte> Properties { get; }

    public void Dispose() => CryptographicOperations.ZeroMemory(MemoryMarshal.AsMemory(Properties).Span);

    public override string ToString() => $"{Type} {Id}";
}

/// <summary>A page of a customer's events, newest first.</summary>
public sealed record EventPage(IReadOnlyList<ReleasedEvent> Events, IReadOnlyList<WithheldField> Withheld, string? Next, long LogIndex, string? Refused = null);
