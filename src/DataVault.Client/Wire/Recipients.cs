using System.Text.Json;

namespace DataVault.Client.Wire;

/// <summary>By what right personal data go to a third country.</summary>
/// <param name="Mechanism"><c>adequacy</c>, <c>scc</c>, <c>bcr</c> or <c>derogation</c>.</param>
public sealed record TransferView(string Mechanism, string Reference);

/// <summary>Whom a processor has engaged in turn.</summary>
public sealed record SubProcessorView(string Name, string Country, TransferView? Transfer);

/// <summary>A recipient as the policy in force declares it.</summary>
/// <param name="Name">Its name in the policy.</param>
/// <param name="Title">Legal name.</param>
/// <param name="Role"><c>processor</c>, <c>controller</c> or <c>joint-controller</c>.</param>
/// <param name="Country">ISO 3166-1.</param>
/// <param name="Obstacles">What is missing: while anything is, it receives nothing.</param>
public sealed record RecipientView(string Name, string Title, string Role, string Country, string Contact, IReadOnlyList<string> Obstacles)
{
    /// <summary>Reference of the contract or arrangement.</summary>
    public string? Agreement { get; init; }

    /// <summary>How data may go to its country.</summary>
    public TransferView? Transfer { get; init; }

    /// <summary>Whom it has engaged in turn.</summary>
    public IReadOnlyList<SubProcessorView> SubProcessors { get; init; } = [];

    /// <summary>Its applications.</summary>
    public IReadOnlyList<string> Clients { get; init; } = [];

    /// <summary>Its analytics domains.</summary>
    public IReadOnlyList<string> Analytics { get; init; } = [];
}

/// <summary>Answer to <c>GET /v1/policy/recipients</c>.</summary>
/// <param name="Policy">The version that says so.</param>
public sealed record RecipientList(string Policy, IReadOnlyList<RecipientView> Items);

/// <summary>What one recipient was given of a person, through one application, role or analytics domain, for one purpose.</summary>
/// <param name="Recipient">Its name in the policy; null: the controller's own.</param>
/// <param name="Title">Legal name of the recipient, or of the controller.</param>
/// <param name="Role">What the recipient is; null of the controller's own.</param>
/// <param name="Country">Where; null of the controller's own.</param>
/// <param name="Transfer">How data may go there.</param>
/// <param name="Through">Application, roles of staff, or analytics domain.</param>
/// <param name="Kind">Type of the entries, such as <c>field.read</c>; <c>search</c>: the person was found by these.</param>
/// <param name="Purpose">For what.</param>
/// <param name="Fields">Fields and event types.</param>
/// <param name="Times">How many entries say so.</param>
/// <param name="First">The first of them.</param>
/// <param name="Last">The last.</param>
/// <param name="Entries">Where they stand in the log, the newest hundred.</param>
public sealed record DisclosureView(
    string? Recipient, string Title, string? Role, string? Country, TransferView? Transfer, string Through, string Kind, string Purpose, IReadOnlyList<string> Fields, long Times,
    DateTimeOffset First, DateTimeOffset Last, IReadOnlyList<long> Entries)
{
    /// <summary>Name of the analytics domain, where it is one.</summary>
    public string? Domain { get; init; }
}

/// <summary>Who was given what of a person, as the log has it.</summary>
public sealed record Disclosures(IReadOnlyList<DisclosureView> Items);

/// <summary>A notice to a recipient that something was rectified, erased or restricted.</summary>
/// <param name="Id">The notice; the <c>webhook-id</c> of its message.</param>
/// <param name="Customer">The person; null once erased.</param>
/// <param name="Request">The request that it tells of.</param>
/// <param name="Kind"><c>person.rectified</c>, <c>person.erased</c>, <c>person.restricted</c> or <c>person.restriction-lifted</c>.</param>
/// <param name="State"><c>queued</c>, <c>delivered</c>, <c>acknowledged</c>, <c>manual</c>, <c>done</c> or <c>waived</c>.</param>
/// <param name="Open">Somebody has still to be told.</param>
/// <param name="Recipient">The recipient's name; null when the notice does not open.</param>
/// <param name="Title">Its legal name, where the policy declares it.</param>
/// <param name="Contact">Whom to tell there.</param>
/// <param name="Fields">Fields and event types concerned; none: everything.</param>
public sealed record RecipientNotice(
    Guid Id, Guid? Customer, Guid? Request, string Kind, string State, bool Open, string? Recipient, string? Title, string? Contact, IReadOnlyList<string> Fields)
{
    /// <summary>By what the recipient knows the person; for officers, as long as somebody has to be told.</summary>
    public string? Reference { get; init; }

    /// <summary>Why nobody was told: <c>impossible</c> or <c>disproportionate-effort</c>.</summary>
    public string? Reason { get; init; }

    /// <summary>When it was written.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>Since when it stands so.</summary>
    public DateTimeOffset ChangedAt { get; init; }

    /// <summary>Deliveries that failed so far.</summary>
    public int Attempts { get; init; }

    /// <summary>How the last one failed.</summary>
    public string? Failure { get; init; }

    /// <summary>It failed so often that somebody should look.</summary>
    public bool Dead { get; init; }

    /// <summary><c>changed</c>: somebody else changed the row, and it counts as open.</summary>
    public string? Damage { get; init; }
}

/// <summary>Body of <c>POST /v1/notices/{id}/waive</c>.</summary>
/// <param name="Reason"><c>impossible</c> or <c>disproportionate-effort</c>.</param>
public sealed record WaiveNotice(string Reason);

/// <summary>Body of <c>POST /v1/requests/{id}/wanted</c>: the values that are right.</summary>
/// <param name="Fields">Field to value; null removes.</param>
public sealed record WantValues(IReadOnlyDictionary<string, JsonElement> Fields)
{
    /// <summary>The newest entry of the request that was seen (<see cref="RightsRequest.Index"/>): refused when there is a newer one.</summary>
    public long? Seen { get; init; }
}

/// <summary>Body of <c>POST /v1/requests/{id}/rectification</c>: every wanted value is accepted or refused.</summary>
/// <param name="Accept">Fields to write: with null the value that is wanted, else the one given.</param>
/// <param name="Refuse">Fields that stay, each with a reason code.</param>
/// <param name="Note">In words, for the person; kept sealed.</param>
public sealed record DecideRectification(IReadOnlyDictionary<string, JsonElement?>? Accept = null, IReadOnlyDictionary<string, string>? Refuse = null, string? Note = null)
{
    /// <inheritdoc cref="DecideRequest.Seen"/>
    public long? Seen { get; init; }
}

/// <summary>What was decided about one wanted value: <c>accepted</c>, <c>changed</c> or <c>refused</c>.</summary>
public sealed record RectifiedValue(string Field, string Outcome, string? Reason);

/// <summary>A rectification as it stands.</summary>
public sealed record RectificationState(Guid Request, IReadOnlyDictionary<string, JsonElement> Wanted, IReadOnlyList<RectifiedValue> Decided);
