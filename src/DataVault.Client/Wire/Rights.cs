namespace DataVault.Client.Wire;

/// <summary>A consent as it stands. State: <c>given</c>, <c>withdrawn</c>, <c>refused</c>, <c>expired</c>, <c>unknown</c>.</summary>
public sealed record ConsentState(
    string Purpose, string Title, string State, DateTimeOffset? Since, DateTimeOffset? Expires, string? Notice, string LegalBasis,
    IReadOnlyList<ConsentEvent> History);

/// <summary>One act in the history of a consent.</summary>
public sealed record ConsentEvent(string State, DateTimeOffset At, string? Notice, string Channel, long Index);

/// <summary>All consents of a customer.</summary>
public sealed record Consents(Guid Id, IReadOnlyList<ConsentState> Items);

/// <summary>Body of <c>PUT /v1/customers/{id}/consents/{purpose}</c>. State: <c>given</c>, <c>withdrawn</c> or <c>refused</c>.</summary>
public sealed record SetConsent(string State, string? Notice = null, string? Channel = null, DateTimeOffset? Expires = null);

/// <summary>Answer to <see cref="SetConsent"/>: in force everywhere once received.</summary>
public sealed record ConsentWritten(ConsentState Consent, Receipt Receipt);

/// <summary>One look at a customer's record: who, when, for what, which fields, and where in the log.</summary>
/// <param name="Index">Log index.</param>
/// <param name="At">When, UTC.</param>
/// <param name="Type">Entry type, such as <c>field.read</c>.</param>
/// <param name="Actor">Name of the application, or of the role for staff.</param>
/// <param name="Purpose">The purpose named.</param>
/// <param name="Result"><c>ok</c> or <c>denied</c>.</param>
/// <param name="Fields">Fields concerned.</param>
public sealed record Access(
    long Index, DateTimeOffset At, string Type, string Actor, string Purpose, string Result, IReadOnlyList<string> Fields);

/// <summary>
/// Body of <c>POST /v1/requests</c>. Kind: <c>access</c>, <c>portability</c>, <c>rectification</c>, <c>erasure</c>, <c>restriction</c>, <c>objection</c>.
/// A customer may leave <see cref="Customer"/> out.
/// </summary>
public sealed record OpenRequest(string Kind, Guid? Customer = null, string? Note = null, string? Jurisdiction = null);

/// <summary>
/// A request for a right. State: <c>received</c>, <c>verified</c>, <c>approved</c>, <c>refused</c>, <c>completed</c>.
/// </summary>
/// <param name="Id">The request.</param>
/// <param name="Customer">The person concerned (null once erased).</param>
/// <param name="Kind">Which right.</param>
/// <param name="State">Where it stands.</param>
/// <param name="OpenedAt">When it came in.</param>
/// <param name="DueAt">Statutory answer date.</param>
/// <param name="CompletedAt">When it was carried out.</param>
/// <param name="Reason">Reason code of a refusal or extension.</param>
/// <param name="Progress">0 to 1 while it is carried out.</param>
/// <param name="HasPackage">An export can be fetched.</param>
/// <param name="HasCertificate">An erasure certificate can be fetched.</param>
/// <param name="Index">Newest log entry of the request.</param>
/// <param name="OpenedBy"><c>customer</c>, <c>officer</c> or <c>application</c>.</param>
public sealed record RightsRequest(
    Guid Id, Guid? Customer, string Kind, string State, DateTimeOffset OpenedAt, DateTimeOffset DueAt, DateTimeOffset? CompletedAt,
    string? Reason, double? Progress, bool HasPackage, bool HasCertificate, long Index, string OpenedBy)
{
    /// <summary>How far an erasure has come; absent for other requests, and before it was begun.</summary>
    public ErasureState? Erasure { get; init; }
}

/// <summary>A remark written down with a request; sealed under the person's key until it is asked for.</summary>
/// <param name="At">When, UTC.</param>
/// <param name="By"><c>customer</c>, <c>officer</c> or <c>application</c>.</param>
/// <param name="Text">The words.</param>
public sealed record RequestRemark(DateTimeOffset At, string By, string Text);

/// <summary>Body of <c>POST /v1/requests/{id}/{verify,extend,approve,refuse,complete}</c>.</summary>
public sealed record DecideRequest(string? Reason = null, string? Note = null);

/// <summary>The signed erasure certificate: a C2SP signed note and the proofs to check it with, offline.</summary>
/// <param name="Certificate">The signed note as text (docs/formats/erasure-certificate.md).</param>
public sealed record ErasureCertificate(string Certificate);

/// <summary>What the signed-in person may know of themselves: <c>GET /v1/me</c>.</summary>
public sealed record Me(string Realm, IReadOnlyList<string> Roles, Guid? Customer, string Name);
