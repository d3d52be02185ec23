namespace DataVault.Client.Wire;

/// <summary>A release that an officer looks at afterwards.</summary>
/// <param name="Id">Of the review.</param>
/// <param name="Actor">Roles of staff, or name of the application.</param>
/// <param name="Purpose">For what.</param>
/// <param name="Entries">Log indexes of the releases: of an emergency, all within its window.</param>
/// <param name="OpenedAt">When the first of them was.</param>
/// <param name="DueAt">Until when somebody has to have looked.</param>
/// <param name="State"><c>open</c>, <c>justified</c> or <c>unjustified</c>; <c>changed</c> when somebody changed it in the database, until it is decided anew.</param>
/// <param name="Overdue">Open, and its date has passed.</param>
/// <param name="Customer">About whom; not in a list.</param>
/// <param name="Reason">The words that came with the first release; not in a list, and gone with the person.</param>
/// <param name="Items">What was shown; not in a list.</param>
/// <param name="DecidedBy">Account of the officer.</param>
/// <param name="DecidedAt">When.</param>
/// <param name="Outcome">The officer's words; not in a list.</param>
/// <param name="Index">Log entry of the outcome.</param>
/// <param name="Account">Account of the member of staff who got it, or id of the application; none in reviews of an earlier vault.</param>
public sealed record Review(
    Guid Id, string Actor, string Purpose, IReadOnlyList<long> Entries, DateTimeOffset OpenedAt, DateTimeOffset DueAt, string State, bool Overdue, Guid? Customer, string? Reason,
    IReadOnlyList<string>? Items, string? DecidedBy, DateTimeOffset? DecidedAt, string? Outcome, long? Index, string? Account = null);

/// <summary>Body of <c>POST /v1/reviews/{id}/outcome</c>.</summary>
/// <param name="Justified">Whether there was a reason good enough.</param>
/// <param name="Words">Why; kept sealed with the log entry.</param>
public sealed record ReviewOutcome(bool Justified, string Words);

/// <summary>Body of <c>POST /v1/approvals</c>.</summary>
/// <param name="Customer">About whom.</param>
/// <param name="Purpose">For what; the credential's only one when left out.</param>
/// <param name="Fields">Which fields.</param>
/// <param name="Reason">Why; kept sealed with the log entry.</param>
public sealed record AskApproval(Guid Customer, IReadOnlyList<string> Fields, string Reason, string? Purpose = null);

/// <summary>A second person's agreement to one disclosure: for this credential, customer, purpose and at most these fields in these forms, once.</summary>
/// <param name="Id">Sent as <c>Access-Approval</c>.</param>
/// <param name="Customer">About whom.</param>
/// <param name="Purpose">For what.</param>
/// <param name="Fields">Which at most.</param>
/// <param name="State"><c>requested</c>, <c>approved</c>, <c>refused</c> or <c>used</c>; <c>changed</c> when somebody changed it in the database: it agrees to nothing.</param>
/// <param name="AskedBy">Account or client that asked.</param>
/// <param name="AskedAt">When.</param>
/// <param name="ExpiresAt">After this it can be neither approved nor used.</param>
/// <param name="Reason">Why.</param>
/// <param name="DecidedBy">Account of whoever agreed or refused.</param>
/// <param name="UsedAt">When it was used.</param>
/// <param name="Index">Log entry of the request.</param>
public sealed record Approval(
    Guid Id, Guid Customer, string Purpose, IReadOnlyList<string> Fields, string State, string? AskedBy, DateTimeOffset AskedAt, DateTimeOffset ExpiresAt, string? Reason, string? DecidedBy,
    DateTimeOffset? UsedAt, long Index)
{
    /// <summary>The widest form of each field.</summary>
    public IReadOnlyDictionary<string, string> Forms { get; init; } = new Dictionary<string, string>();
}

/// <summary>Something that an officer must look at.</summary>
/// <param name="Id">Of the alert.</param>
/// <param name="Kind"><c>budget-exhausted</c> or <c>honey-touched</c>.</param>
/// <param name="At">When it was raised.</param>
/// <param name="Actor">Roles of staff, or name of the application; null until the log knows it.</param>
/// <param name="ActorTag">The credential, as the log names it.</param>
/// <param name="Purpose">For what.</param>
/// <param name="About">Log entry that raised it; null when none did.</param>
/// <param name="Index">The alert's own log entry.</param>
/// <param name="StoppedUntil">Until when the credential is stopped for the purpose; null when it is not.</param>
/// <param name="AcknowledgedBy">Account of whoever took it up.</param>
/// <param name="AcknowledgedAt">When.</param>
public sealed record Alert(
    Guid Id, string Kind, DateTimeOffset At, string? Actor, string ActorTag, string Purpose, long? About, long Index, DateTimeOffset? StoppedUntil, string? AcknowledgedBy,
    DateTimeOffset? AcknowledgedAt);

/// <summary>A message to a person about their data.</summary>
/// <param name="Id">Of the message.</param>
/// <param name="At">When.</param>
/// <param name="Kind">What happened: <c>disclosure</c>, or what is about to end: <c>restriction.lift</c>, <c>objection.lift</c>.</param>
/// <param name="Purpose">For what.</param>
/// <param name="Fields">Which fields.</param>
/// <param name="Who">Roles of staff, or name of the application.</param>
/// <param name="Index">Log entry.</param>
public sealed record Message(Guid Id, DateTimeOffset At, string Kind, string Purpose, IReadOnlyList<string> Fields, string Who, long Index)
{
    /// <summary>The letter that it is; null of other messages.</summary>
    public LetterHead? Letter { get; init; }
}

/// <summary>Body of <c>POST /v1/honey</c>.</summary>
/// <param name="Customer">A customer who was made up and recorded like any other.</param>
/// <param name="Brake">Stop whoever touches them, for the purpose, for a day.</param>
/// <param name="Note">What for; kept sealed.</param>
public sealed record PlantHoney(Guid Customer, bool Brake = false, string? Note = null);

/// <summary>A planted customer.</summary>
/// <param name="Id">Of the planting.</param>
/// <param name="Customer">Who.</param>
/// <param name="Brake">Whether whoever touches them is stopped.</param>
/// <param name="Note">What for.</param>
/// <param name="PlantedAt">When.</param>
/// <param name="PlantedBy">Account.</param>
public sealed record HoneyCustomer(Guid Id, Guid Customer, bool Brake, string? Note, DateTimeOffset PlantedAt, string PlantedBy);

/// <summary>A tighter budget of one application for one purpose; neither number: as the policy says.</summary>
/// <param name="Client">Client id.</param>
/// <param name="Purpose">A purpose with a budget.</param>
/// <param name="PerHour">Most pairs of a person and a sensitive field in an hour.</param>
/// <param name="PerDay">The same in a day.</param>
public sealed record ApplicationBudget(string Client, string Purpose, int? PerHour = null, int? PerDay = null);
