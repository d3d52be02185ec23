using System.Text.Json;

namespace DataVault.Client.Wire;

/// <summary>
/// A consent as it stands. State: <c>given</c>, <c>withdrawn</c>, <c>refused</c>, <c>expired</c>, <c>unknown</c>, <c>requested</c>, <c>deferred</c>,
/// <c>invalidated</c>, <c>revoked</c>.
/// </summary>
public sealed record ConsentState(
    string Purpose, string Title, string State, DateTimeOffset? Since, DateTimeOffset? Expires, string? Notice, string LegalBasis,
    IReadOnlyList<ConsentEvent> History)
{
    /// <summary>The person objects to this purpose; a consent beside that counts for nothing.</summary>
    public bool Objected { get; init; }

    /// <summary>The objection came from a signal of the person's browser (Global Privacy Control).</summary>
    public bool BySignal { get; init; }

    /// <summary>It ends soon, and should be asked for again.</summary>
    public bool RenewalDue { get; init; }
}

/// <summary>One act in the history of a consent.</summary>
public sealed record ConsentEvent(string State, DateTimeOffset At, string? Notice, string Channel, long Index)
{
    /// <summary>When it ends by itself.</summary>
    public DateTimeOffset? Expires { get; init; }

    /// <summary>Language of the text shown.</summary>
    public string? Language { get; init; }

    /// <summary>SHA-256 of the text shown, hexadecimal; null when the vault does not know the text.</summary>
    public string? NoticeSha256 { get; init; }

    /// <summary><c>person</c>, <c>staff</c>, <c>application</c> or <c>signal</c>; null of an act from before this was kept.</summary>
    public string? RecordedBy { get; init; }

    /// <summary>Reference to the authorisation of a guardian.</summary>
    public string? Guardian { get; init; }
}

/// <summary>All consents of a customer.</summary>
public sealed record Consents(Guid Id, IReadOnlyList<ConsentState> Items)
{
    /// <summary>What is done with the customer's data is restricted (GDPR 18).</summary>
    public bool Restricted { get; init; }

    /// <summary>Purposes that the customer objects to (GDPR 21), those without consent too.</summary>
    public IReadOnlyList<string> Objections { get; init; } = [];
}

/// <summary>
/// Body of <c>PUT /v1/customers/{id}/consents/{purpose}</c>. State: <c>given</c>, <c>withdrawn</c>, <c>refused</c> or <c>deferred</c>; not by the customer also
/// <c>requested</c>, <c>invalidated</c>, <c>revoked</c>.
/// </summary>
public sealed record SetConsent(string State, string? Notice = null, string? Channel = null, DateTimeOffset? Expires = null)
{
    /// <summary>Language of the text that was shown; absent for the notice's own.</summary>
    public string? Language { get; init; }

    /// <summary>Reference to the authorisation of a guardian who speaks for a child, such as <c>GC-2026-0113</c>.</summary>
    public string? Guardian { get; init; }

    /// <summary>The person was told that they object to this purpose, and consents all the same.</summary>
    public bool? LiftsObjection { get; init; }

    /// <summary>The text that was shown word for word, of a consent given elsewhere to a notice that the vault does not know; not by the customer.</summary>
    public string? NoticeText { get; init; }

    /// <summary>SHA-256 of that text in UTF-8, 64 hexadecimal digits, where the text stays elsewhere; not by the customer.</summary>
    public string? NoticeSha256 { get; init; }
}

/// <summary>What was true of a consent at an instant, with everything that shows it.</summary>
/// <param name="Id">The customer.</param>
/// <param name="Purpose">The purpose.</param>
/// <param name="At">The instant asked about.</param>
/// <param name="State">The state then.</param>
/// <param name="Valid">Whether the purpose could be pursued then on the ground of it: nothing stopped it, and nothing that shows it is missing.</param>
/// <param name="Receipts">A receipt of each act until then that the log holds as it is stored, oldest first: the act, the notice shown, and the proof.</param>
/// <param name="Checkpoint">The log's newest signed checkpoint.</param>
/// <param name="Verification">How anybody checks it without this vault.</param>
public sealed record ConsentProof(
    Guid Id, string Purpose, DateTimeOffset At, string State, bool Valid, IReadOnlyList<JsonElement> Receipts, string Checkpoint, IReadOnlyList<string> Verification)
{
    /// <summary>What stopped the purpose then beside the consent: <c>objected</c>, <c>restricted</c>, <c>child</c>.</summary>
    public IReadOnlyList<string> Stops { get; init; } = [];

    /// <summary>What is not there, or not as the log has it: the state is not proven then.</summary>
    public IReadOnlyList<string> Missing { get; init; } = [];
}

/// <summary>How many people stand how to a purpose that rests on consent.</summary>
/// <param name="Purpose">The purpose.</param>
/// <param name="States">State to people; <c>given</c> without those expired.</param>
/// <param name="RenewalDue">Of the given, how many end soon.</param>
/// <param name="Objected">How many object.</param>
/// <param name="WithoutNotice">Of the given, how many name no notice whose text the vault has.</param>
public sealed record ConsentFigure(string Purpose, IReadOnlyDictionary<string, long> States, long RenewalDue, long Objected, long WithoutNotice);

/// <summary>Answer to <c>GET /v1/consents/figures</c>.</summary>
public sealed record ConsentFigures(DateTimeOffset At, IReadOnlyList<ConsentFigure> Items);

/// <summary>A consent that ends soon and should be asked for again.</summary>
public sealed record ConsentRenewal(Guid Customer, string Purpose, DateTimeOffset Expires);

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
/// Body of <c>POST /v1/requests</c>. Kind: <c>access</c>, <c>portability</c>, <c>rectification</c>, <c>erasure</c>, <c>restriction</c>, <c>objection</c>, <c>contest</c>.
/// A customer may leave <see cref="Customer"/> out.
/// </summary>
public sealed record OpenRequest(string Kind, Guid? Customer = null, string? Note = null, string? Jurisdiction = null)
{
    /// <summary>BCP 47 tag of the language that letters about it should be in; null: that of the record, of the last consent, of the policy.</summary>
    public string? Language { get; init; }

    /// <summary>Of an objection, the purposes that it is to (<see cref="PurposeView.Objection"/>); null: all that can be objected to.</summary>
    public IReadOnlyList<string>? Purposes { get; init; }

    /// <summary>Of a contest: the automated decision, as <c>/v1/me/decisions</c> names it.</summary>
    public Guid? Decision { get; init; }
}

/// <summary>
/// A request for a right. State: <c>received</c>, <c>verified</c>, <c>confirming</c>, <c>approved</c>, <c>refused</c>, <c>completed</c>, <c>withdrawn</c>, <c>expired</c>, <c>moot</c> (the person was erased before it was decided).
/// </summary>
/// <param name="Id">The request.</param>
/// <param name="Customer">The person concerned (null once erased).</param>
/// <param name="Kind">Which right.</param>
/// <param name="State">Where it stands.</param>
/// <param name="OpenedAt">When it came in.</param>
/// <param name="DueAt">Statutory answer date.</param>
/// <param name="CompletedAt">When it was carried out.</param>
/// <param name="Reason">Reason code of a refusal or extension; of a contest that is completed, its outcome.</param>
/// <param name="Progress">0 to 1 while it is carried out.</param>
/// <param name="HasPackage">An export can be fetched.</param>
/// <param name="HasCertificate">An erasure certificate can be fetched.</param>
/// <param name="Index">Newest log entry of the request.</param>
/// <param name="OpenedBy"><c>customer</c>, <c>officer</c>, <c>application</c>, <c>retention</c>, or <c>opendsr:</c> and the client id of the controller that sent it.</param>
public sealed record RightsRequest(
    Guid Id, Guid? Customer, string Kind, string State, DateTimeOffset OpenedAt, DateTimeOffset DueAt, DateTimeOffset? CompletedAt,
    string? Reason, double? Progress, bool HasPackage, bool HasCertificate, long Index, string OpenedBy)
{
    /// <summary>How far an erasure has come; absent for other requests, and before it was begun.</summary>
    public ErasureState? Erasure { get; init; }

    /// <summary>The regime whose clock it is under, such as <c>eu</c>.</summary>
    public string Jurisdiction { get; init; } = "";

    /// <summary><c>partly-refused</c> where single items were refused and the rest was not; of a contest how it ended; else absent.</summary>
    public string? Outcome { get; init; }

    /// <summary>Where it stands in time.</summary>
    public RequestTimes? Times { get; init; }

    /// <summary>Of a contest, the automated decision that it is about.</summary>
    public Guid? Decision { get; init; }

    /// <summary>The earlier open request of the same kind, whose clock this one shares.</summary>
    public Guid? Repeats { get; init; }

    /// <summary>What the person was asked for, oldest first.</summary>
    public IReadOnlyList<RequestQuestion> Questions { get; init; } = [];

    /// <summary>How surely the person is known.</summary>
    public IdentityAssurance? Identity { get; init; }

    /// <summary>Why a second officer has to agree, in words; empty where none has to.</summary>
    public IReadOnlyList<string> SecondFor { get; init; } = [];

    /// <summary>Who of the officers approved first, while a second has to agree; absent for the person concerned.</summary>
    public FirstApproval? ApprovedFirst { get; init; }

    /// <summary>What was decided of single items.</summary>
    public IReadOnlyList<RequestChoice> Choices { get; init; } = [];

    /// <summary>Of an objection, how each purpose stands.</summary>
    public IReadOnlyList<ObjectedPurpose> Objections { get; init; } = [];
}

/// <summary>The first of two approvals.</summary>
/// <param name="By">Account of the officer.</param>
/// <param name="At">When; absent of one from before that was kept.</param>
/// <param name="Mine">It was whoever asks: somebody else has to agree.</param>
public sealed record FirstApproval(string By, DateTimeOffset? At, bool Mine);

/// <summary>How a purpose stands that a person objects to.</summary>
/// <param name="Purpose">Its name.</param>
/// <param name="State">
/// <c>waiting</c>: not stopped before it is known who asks; <c>stopped</c>: for good; <c>paused</c>: until an officer decides; <c>overridden</c>: it goes on; <c>ended</c>: it goes on, for
/// the request ended otherwise or the person took it back.
/// </param>
/// <param name="DirectMarketing">It stopped as the objection came in, and nobody weighs.</param>
/// <param name="Since">Since when it is, or was, stopped.</param>
/// <param name="Until">Until when it was.</param>
/// <param name="Reason">Why it goes on, where an officer decided so.</param>
/// <param name="Term">The same as a term of the W3C Data Privacy Vocabulary.</param>
/// <param name="Article">Where the GDPR has it.</param>
public sealed record ObjectedPurpose(string Purpose, string State, bool DirectMarketing, DateTimeOffset? Since, DateTimeOffset? Until, string? Reason, string? Term, string? Article);

/// <summary>Where a request stands in time. <see cref="RightsRequest.DueAt"/> is the one of both due dates that binds.</summary>
/// <param name="StrictDueAt">Due as if nothing stopped the clock.</param>
/// <param name="PausedDueAt">Due if what the regime names stops it; while it stands still, as if it went on now.</param>
/// <param name="Elapsed">Part of the time that is gone; more than 1 once it is late.</param>
/// <param name="Escalation">The highest percentage of the regime that is reached; 0 before the first.</param>
/// <param name="Overdue">The time is over.</param>
/// <param name="StandsStill">The binding clock waits for the person.</param>
/// <param name="FirstDueAt">The first due date of what was extended.</param>
/// <param name="AcknowledgeBy">When receipt must be acknowledged; absent where the law asks for none.</param>
/// <param name="AcknowledgedAt">When it was.</param>
public sealed record RequestTimes(
    DateTimeOffset StrictDueAt, DateTimeOffset PausedDueAt, double Elapsed, int Escalation, bool Overdue, bool StandsStill, DateTimeOffset? FirstDueAt,
    DateTimeOffset? AcknowledgeBy, DateTimeOffset? AcknowledgedAt);

/// <summary>The person was asked for something.</summary>
/// <param name="Cause"><c>identity</c>, <c>clarification</c> or <c>fee</c>.</param>
/// <param name="From">When.</param>
/// <param name="AnswerBy">Until when an answer is waited for.</param>
/// <param name="Until">When it came; absent while it is open.</param>
/// <param name="Stops">It stops the clock of the regime.</param>
public sealed record RequestQuestion(string Cause, DateTimeOffset From, DateTimeOffset AnswerBy, DateTimeOffset? Until, bool Stops);

/// <summary>How surely the person is known: <c>none</c>, <c>low</c>, <c>substantial</c> or <c>high</c>.</summary>
/// <param name="Assurance">What was reached.</param>
/// <param name="Needed">What the request needs.</param>
/// <param name="Checks">Every attempt, oldest first.</param>
public sealed record IdentityAssurance(string Assurance, string Needed, IReadOnlyList<IdentityCheck> Checks)
{
    /// <summary>By what it can be established.</summary>
    public IReadOnlyList<IdentityMethod> Methods { get; init; } = [];
}

/// <summary>A way to establish who somebody is.</summary>
/// <param name="Name">Its name in <c>rights.yaml</c>.</param>
/// <param name="Title">For people.</param>
/// <param name="Level">What it gives.</param>
public sealed record IdentityMethod(string Name, string Title, string Level);

/// <summary>An attempt to establish who somebody is.</summary>
/// <param name="Method">A method of <c>rights.yaml</c>.</param>
/// <param name="Level">What it gave; <c>none</c> when it failed.</param>
/// <param name="At">When.</param>
/// <param name="Passed">Whether it succeeded.</param>
public sealed record IdentityCheck(string Method, string Level, DateTimeOffset At, bool Passed);

/// <summary>Items of which an officer decided otherwise than of the rest: an erasure leaves them, a package is without them.</summary>
/// <param name="Items">Fields and event types.</param>
/// <param name="Reason">Why.</param>
/// <param name="Term">The same as a term of the W3C Data Privacy Vocabulary.</param>
/// <param name="Article">Where the GDPR has it.</param>
/// <param name="ReviewAt">Of an erasure, when somebody looks whether it still stands.</param>
public sealed record RequestChoice(IReadOnlyList<string> Items, string Reason, string Term, string Article, DateTimeOffset? ReviewAt);

/// <summary>A remark written down with a request; sealed under the person's key until it is asked for.</summary>
/// <param name="At">When, UTC.</param>
/// <param name="By"><c>customer</c>, <c>officer</c> or <c>application</c>.</param>
/// <param name="Text">The words.</param>
public sealed record RequestRemark(DateTimeOffset At, string By, string Text);

/// <summary>
/// Body of <c>POST /v1/requests/{id}/{verify,acknowledge,ask,answer,extend,choose,approve,refuse,withdraw,complete}</c>. A question, an extension and a refusal
/// need a note: the person reads it.
/// </summary>
public sealed record DecideRequest(string? Reason = null, string? Note = null)
{
    /// <summary>Of a verification: a method of <c>rights.yaml</c>.</summary>
    public string? Method { get; init; }

    /// <summary>Of a verification, what was shown: kept sealed, for a short time.</summary>
    public string? Evidence { get; init; }

    /// <summary>Of a verification: it failed.</summary>
    public bool? Failed { get; init; }

    /// <summary>Of a contested decision that is changed: what it comes to now, a code of its model.</summary>
    public string? Outcome { get; init; }

    /// <summary>Of a choice: fields and event types.</summary>
    public IReadOnlyList<string>? Items { get; init; }

    /// <summary>Of a choice about an objection: purposes that go on in spite of it, with a reason and a note, which the person reads.</summary>
    public IReadOnlyList<string>? Purposes { get; init; }

    /// <summary>Of what an erasure leaves: when somebody looks again.</summary>
    public DateTimeOffset? ReviewAt { get; init; }

    /// <summary>The newest entry of the request that was seen (<see cref="RightsRequest.Index"/>): refused when there is a newer one.</summary>
    public long? Seen { get; init; }
}

/// <summary>Body of the calls that end a restriction or an objection. The reason is an officer's: <c>person-asked</c>, <c>accuracy-settled</c>, ...</summary>
public sealed record LiftLimit(string? Reason = null);

/// <summary>A restriction or an objection that counts no longer.</summary>
/// <param name="Id">The customer.</param>
/// <param name="At">Since when.</param>
/// <param name="Receipt">The log entry that says so.</param>
public sealed record LimitLifted(Guid Id, DateTimeOffset At, Receipt Receipt);

/// <summary>The signed erasure certificate: a C2SP signed note and the proofs to check it with, offline.</summary>
/// <param name="Certificate">The signed note as text (docs/formats/erasure-certificate.md).</param>
public sealed record ErasureCertificate(string Certificate);

/// <summary>What the signed-in person may know of themselves: <c>GET /v1/me</c>.</summary>
public sealed record Me(string Realm, IReadOnlyList<string> Roles, Guid? Customer, string Name);
