namespace DataVault.Client.Wire;

/// <summary>An activation of a version of the policy: <c>GET /v1/policy/versions</c>, newest first.</summary>
/// <param name="Sequence">Counts activations; a version that was returned to has several.</param>
/// <param name="Version">Hash of the content, 32 hexadecimal digits; every log entry names the one it was decided by.</param>
/// <param name="At">When it came into force.</param>
/// <param name="By">The application, the process or the roles that activated it.</param>
/// <param name="LogIndex">The entry that says so; null for the version that the vault began with.</param>
/// <param name="InForce">It is the one that decides.</param>
public sealed record PolicyVersionView(long Sequence, string Version, DateTimeOffset At, string By, long? LogIndex, bool InForce)
{
    /// <summary><c>deleted</c>: the vault's database names it no more; somebody deleted or changed its row. Then <see cref="By"/> is empty, and <see cref="At"/> when a process first followed it.</summary>
    public string? Damage { get; init; }
}

/// <summary>A version whole: <c>GET /v1/policy/versions/{version}</c>.</summary>
/// <param name="Version">Hash of the content.</param>
/// <param name="Files">Path to text.</param>
/// <param name="Activations">When it was in force, newest first.</param>
public sealed record PolicyVersionFiles(string Version, IReadOnlyDictionary<string, string> Files, IReadOnlyList<PolicyVersionView> Activations);

/// <summary>Body of <c>POST /v1/policy/activations</c>: files, or a version that was in force before.</summary>
/// <param name="Files">Path relative to the policy folder, to the text of the file.</param>
/// <param name="Version">A version of before, to return to; instead of files.</param>
/// <param name="DryRun">Say what would come of it, and change nothing.</param>
/// <param name="Retire">Names of fields and event types (<c>event:…</c>) that may go although something is held of them.</param>
public sealed record ActivatePolicy(
    IReadOnlyDictionary<string, string>? Files = null, string? Version = null, bool DryRun = false, IReadOnlyList<string>? Retire = null)
{
    /// <summary>Changes to what people were told or agreed to that the caller knows of: <c>purpose-gone:NAME</c>, <c>basis-changed:NAME</c>.</summary>
    public IReadOnlyList<string>? Acknowledge { get; init; }
}

/// <summary>Something wrong with a policy; line 0 speaks of the whole file.</summary>
public sealed record PolicyProblemView(string File, int Line, string Message);

/// <summary>Answer to <c>GET /v1/policy/findings</c>: what is well formed, in force, and surely not meant.</summary>
/// <param name="PolicyVersion">The version in force.</param>
/// <param name="Items">What the lint finds, and what only the server knows.</param>
public sealed record PolicyFindings(string PolicyVersion, IReadOnlyList<PolicyProblemView> Items);

/// <summary>Answer to <see cref="ActivatePolicy"/>. Once it is here, no process begins a decision by an earlier version.</summary>
/// <param name="Version">The version proposed; null when a dry run found that it does not load.</param>
/// <param name="Previous">The version that was in force before.</param>
/// <param name="Activated">False of a dry run, and of a version that was in force already.</param>
/// <param name="Sequence">Of the activation.</param>
/// <param name="LogIndex">The entry that says so.</param>
/// <param name="Processes">How many processes serve by it.</param>
/// <param name="Problems">Why a dry run would have been refused.</param>
/// <param name="Notes">What it brings with it.</param>
public sealed record ActivationView(
    string? Version, string Previous, bool Activated, long? Sequence, long? LogIndex, int Processes, IReadOnlyList<PolicyProblemView> Problems, IReadOnlyList<string> Notes)
{
    /// <summary>Changes that have to be acknowledged by name and were not; each is among the problems.</summary>
    public IReadOnlyList<string> ToAcknowledge { get; init; } = [];
}

/// <summary>Body of <c>POST /v1/policy/explain</c>.</summary>
/// <param name="Roles">Roles of the imagined recipient.</param>
/// <param name="Purpose">Purpose asked for.</param>
/// <param name="Action"><c>read</c>, <c>create</c>, <c>update</c>, <c>search</c>, <c>export</c>, <c>erase</c>.</param>
/// <param name="Fields">Fields, or all.</param>
/// <param name="Consents">Purpose to state; unknown when absent.</param>
public sealed record ExplainRequest(
    IReadOnlyList<string> Roles, string Purpose, string Action = "read", IReadOnlyList<string>? Fields = null,
    IReadOnlyDictionary<string, string>? Consents = null)
{
    /// <summary>Purposes that the credential is bound to; absent: the one asked for.</summary>
    public IReadOnlyList<string>? BoundTo { get; init; }

    /// <summary><c>password</c> or <c>mfa</c>; absent: <c>mfa</c>.</summary>
    public string? Assurance { get; init; }

    /// <summary>The recipient is the person.</summary>
    public bool OwnRecord { get; init; }

    /// <summary>Processing is restricted.</summary>
    public bool Restricted { get; init; }

    /// <summary>Purposes objected to.</summary>
    public IReadOnlyList<string>? Objections { get; init; }

    /// <summary>Where the person's data belong, as the policy names it.</summary>
    public string? Residency { get; init; }

    /// <summary>The person's jurisdiction.</summary>
    public string? Jurisdiction { get; init; }

    /// <summary>Whose customer the person is.</summary>
    public string? Brand { get; init; }

    /// <summary>How the recipient stands to the person.</summary>
    public IReadOnlyList<string>? Relations { get; init; }

    /// <summary>The person is a child; absent: not known.</summary>
    public bool? Child { get; init; }

    /// <summary>When the person was first recorded; absent: not known.</summary>
    public DateTimeOffset? RecordedAt { get; init; }
}

/// <summary>Outcome of one field: form or reason, and the rules that decided.</summary>
public sealed record ExplainedField(string Field, string? Form, string? Reason, IReadOnlyList<string> Rules)
{
    /// <summary>Every rule that speaks of the field here, and what became of it.</summary>
    public IReadOnlyList<RuleStepView> Path { get; init; } = [];

    /// <summary>The conditions that the answer turned on.</summary>
    public IReadOnlyList<UsedFactView> Facts { get; init; } = [];

    /// <summary>The least that would have to be otherwise for more to be released.</summary>
    public IReadOnlyList<WouldReleaseView> WouldRelease { get; init; } = [];
}

/// <summary>A rule on the way to a decision.</summary>
/// <param name="Rule">Its id.</param>
/// <param name="Effect"><c>permit</c> or <c>forbid</c>.</param>
/// <param name="Form">What a permit gives; null of a forbid.</param>
/// <param name="Applies">It counted.</param>
/// <param name="Missing">Conditions, or of a forbid parts of its exception, that do not hold.</param>
/// <param name="Why">What it is for, in the words of its author.</param>
public sealed record RuleStepView(string Rule, string Effect, string? Form, bool Applies, IReadOnlyList<string> Missing, string? Why);

/// <summary>A condition, and whether it held.</summary>
public sealed record UsedFactView(string Condition, bool Holds);

/// <summary>Conditions that together would release a field in a form.</summary>
public sealed record WouldReleaseView(IReadOnlyList<string> Changes, string Form);

/// <summary>Answer to <see cref="ExplainRequest"/>.</summary>
public sealed record Explanation(string PolicyVersion, IReadOnlyList<ExplainedField> Fields)
{
    /// <summary>What must be carried out with the release.</summary>
    public IReadOnlyList<string> Obligations { get; init; } = [];
}

/// <summary>Body of <c>POST /v1/policy/who-can</c>.</summary>
/// <param name="Field">A field, <c>event:TYPE</c>, or <c>class:NAME</c> for every item of a class.</param>
/// <param name="Purpose">Only for this purpose.</param>
/// <param name="Action">Only this action; <c>all</c> for every one.</param>
public sealed record WhoCanRequest(string Field, string? Purpose = null, string Action = "read");

/// <summary>One combination that releases a field.</summary>
public sealed record Grant(string Role, string Purpose, string Field, string Form, bool NeedsConsent, IReadOnlyList<string> Rules)
{
    /// <summary>What is done with it.</summary>
    public string Action { get; init; } = "read";

    /// <summary>All that must hold.</summary>
    public IReadOnlyList<string> Conditions { get; init; } = [];

    /// <summary>What must be carried out with the release.</summary>
    public IReadOnlyList<string> Obligations { get; init; } = [];

    /// <summary>The purpose is for emergencies.</summary>
    public bool BreakGlass { get; init; }
}

/// <summary>Combinations found.</summary>
public sealed record Grants(string PolicyVersion, IReadOnlyList<Grant> Items);

/// <summary>Body of <c>POST /v1/policy/what-can</c>: a role, or a registered application by its client id.</summary>
/// <param name="Role">A role.</param>
/// <param name="Client">A client id, with the roles and purposes that it is registered with; instead of a role.</param>
/// <param name="Action">Only this action; <c>all</c> for every one.</param>
public sealed record WhatCanRequest(string? Role = null, string? Client = null, string Action = "read");

/// <summary>Body of <c>POST /v1/policy/diff</c>.</summary>
/// <param name="Before">A version that was in force; absent: the one that is.</param>
/// <param name="After">A version that was in force; absent: the files, or the one in force.</param>
/// <param name="Files">A draft, instead of <paramref name="After"/>.</param>
/// <param name="Limit">Most differences of one answer.</param>
/// <param name="Cursor">The next of the answer before.</param>
public sealed record DiffRequest(
    string? Before = null, string? After = null, IReadOnlyDictionary<string, string>? Files = null, int Limit = 500, string? Cursor = null);

/// <summary>A combination that one version releases and the other does not, or not as widely, or not on these conditions alone.</summary>
/// <param name="Change"><c>released</c> or <c>withdrawn</c>.</param>
/// <param name="Grant">The combination, in the words of the version that has it.</param>
public sealed record DifferenceView(string Change, Grant Grant);

/// <summary>A field whose form shows something else.</summary>
public sealed record FormChangeView(string Field, string What, string Before, string After);

/// <summary>A capability that a role has been given or has lost.</summary>
public sealed record CapabilityChangeView(string Change, string Role, string Capability);

/// <summary>A purpose that came or went, or of which people are told something else.</summary>
/// <param name="What"><c>new</c>, <c>gone</c>, <c>basis</c>, <c>notice</c>, or <c>notice of the same version</c>, which no version may bring.</param>
public sealed record PurposeChangeView(string Purpose, string What, string Before, string After);

/// <summary>A recipient that came or went, or whose terms are others.</summary>
/// <param name="What"><c>new</c>, <c>gone</c>, <c>terms</c>, <c>sub-processors</c> or <c>theirs</c>.</param>
public sealed record RecipientChangeView(string Recipient, string What, string Before, string After);

/// <summary>Answer to <see cref="DiffRequest"/>.</summary>
/// <param name="Released">How many combinations are newly released, over all pages.</param>
/// <param name="Withdrawn">How many are released no longer.</param>
public sealed record DiffView(
    string Before, string After, int Released, int Withdrawn, IReadOnlyList<FormChangeView> Forms, IReadOnlyList<CapabilityChangeView> Capabilities,
    IReadOnlyList<DifferenceView> Items, string? Next)
{
    /// <summary>Purposes that changed.</summary>
    public IReadOnlyList<PurposeChangeView> Purposes { get; init; } = [];

    /// <summary>Recipients that changed.</summary>
    public IReadOnlyList<RecipientChangeView> Recipients { get; init; } = [];
}

/// <summary>Body of <c>POST /v1/policy/replay</c>: recorded decisions under a draft or another version.</summary>
/// <param name="Since">From when on.</param>
/// <param name="Files">The draft.</param>
/// <param name="Version">A version that was in force, instead of a draft.</param>
public sealed record ReplayRequest(DateTimeOffset Since, IReadOnlyDictionary<string, string>? Files = null, string? Version = null);

/// <summary>What would become of decisions about a field.</summary>
/// <param name="Fate"><c>refused</c>, <c>narrower</c>, <c>depends</c> or <c>releasable</c>.</param>
public sealed record ReplayFieldView(string Field, string Fate, long Decisions, long People);

/// <summary>The same by caller and purpose.</summary>
public sealed record ReplayLineView(string Field, string Fate, string Purpose, string Actor, long Decisions, long People);

/// <summary>Answer to <see cref="ReplayRequest"/>. No value was opened.</summary>
/// <param name="Decisions">Recorded decisions looked at.</param>
/// <param name="Changed">Those that would, or might, come out otherwise.</param>
/// <param name="People">Distinct persons whom these were about.</param>
/// <param name="Unattributed">Not judged: the recipient's roles are not known.</param>
/// <param name="Unversioned">Not judged: the version in force then is not kept.</param>
/// <param name="Limits">What the log does not keep, and what was assumed.</param>
public sealed record ReplayView(
    DateTimeOffset Since, DateTimeOffset Until, string Draft, long Decisions, long Changed, long People, long Unattributed, long Unversioned,
    IReadOnlyList<ReplayFieldView> Fields, IReadOnlyList<ReplayLineView> Lines, IReadOnlyList<string> Limits);
