namespace DataVault.Client.Wire;

/// <summary>What to look for in the log; members left null do not narrow.</summary>
public abstract record AuditTerms
{
    /// <summary>Entries about this customer, also those about several.</summary>
    public Guid? Customer { get; init; }

    /// <summary>Name of an application or role, a client or account id, or a tag.</summary>
    public string? Actor { get; init; }

    /// <summary>Purpose named.</summary>
    public string? Purpose { get; init; }

    /// <summary>Field, or <c>event:</c> and an event type.</summary>
    public string? Field { get; init; }

    /// <summary>Entry type, such as <c>field.read</c>.</summary>
    public string? Type { get; init; }

    /// <summary><c>ok</c>, <c>denied</c> or <c>error</c>.</summary>
    public string? Result { get; init; }

    /// <summary>Not before.</summary>
    public DateTimeOffset? From { get; init; }

    /// <summary>Before.</summary>
    public DateTimeOffset? To { get; init; }

    /// <summary>Of a page or an export: the oldest entry first.</summary>
    public bool OldestFirst { get; init; }
}

/// <summary>What to count or to export of the log; members left null do not narrow.</summary>
public sealed record AuditQuestion : AuditTerms
{
    /// <summary>Of an export: <c>csv</c>, or <c>ocsf</c> for one event of the Open Cybersecurity Schema Framework to a line.</summary>
    public string? Format { get; init; }
}

/// <summary>A page of log entries.</summary>
public sealed record AuditFilter : AuditTerms
{
    /// <summary>At most so many entries (1 to 1,000).</summary>
    public int? Limit { get; init; }

    /// <summary><see cref="Page{T}.Next"/> of the page before.</summary>
    public string? Cursor { get; init; }
}

/// <summary>How many entries match, altogether and by what they say; an entry that names several fields counts for each.</summary>
public sealed record AuditCountsView(
    long Entries, IReadOnlyList<NamedCount> Types, IReadOnlyList<NamedCount> Results, IReadOnlyList<NamedCount> Purposes, IReadOnlyList<NamedCount> Actors,
    IReadOnlyList<NamedCount> Fields, IReadOnlyList<NamedCount> Days);

/// <summary>How many there are of something.</summary>
public sealed record NamedCount(string Name, long Entries);

/// <summary>Whose misuse to look into; at least one member other than the paging narrows.</summary>
public sealed record ImpactQuestion
{
    /// <summary>Credential (client or account id), name of an application or role, or a tag.</summary>
    public string? Actor { get; init; }

    /// <summary>Purpose named.</summary>
    public string? Purpose { get; init; }

    /// <summary>Not before.</summary>
    public DateTimeOffset? From { get; init; }

    /// <summary>Before.</summary>
    public DateTimeOffset? To { get; init; }

    /// <summary>Of the list: also find out who the people are, as far as they were not erased.</summary>
    public bool Resolve { get; init; }

    /// <summary>Of the list: most people on a page.</summary>
    public int? Limit { get; init; }

    /// <summary>Of the list: the next of the page before.</summary>
    public string? Cursor { get; init; }
}

/// <summary>What somebody saw, changed and was refused.</summary>
/// <param name="Size">Entries of the log that the figures are from.</param>
/// <param name="First">The first disclosure.</param>
/// <param name="Last">The last.</param>
/// <param name="Disclosures">Entries by which data left the vault in a readable form.</param>
/// <param name="Unattributed">Those among them that name no person.</param>
/// <param name="Searches">Searches and figures, which disclose that somebody is there.</param>
/// <param name="Changes">Changes made.</param>
/// <param name="Denied">Tries that were refused.</param>
/// <param name="People">Distinct persons whose data was disclosed.</param>
/// <param name="ErasedSince">Those who were erased since.</param>
/// <param name="SpecialPeople">Those of whom a special category was disclosed.</param>
/// <param name="Fields">By field and event type.</param>
/// <param name="Categories">By category of personal data.</param>
/// <param name="Types">Entries of all types.</param>
/// <param name="Purposes">Entries by purpose.</param>
/// <param name="Days">Disclosures by day.</param>
public sealed record ImpactView(
    long Size, DateTimeOffset? First, DateTimeOffset? Last, long Disclosures, long Unattributed, long Searches, long Changes, long Denied,
    long People, long ErasedSince, long SpecialPeople, IReadOnlyList<ImpactFieldView> Fields, IReadOnlyList<ImpactCategoryView> Categories,
    IReadOnlyList<NamedCount> Types, IReadOnlyList<NamedCount> Purposes, IReadOnlyList<NamedCount> Days);

/// <summary>A field or event type that was disclosed.</summary>
public sealed record ImpactFieldView(string Name, string Category, bool Special, long Disclosures, long People);

/// <summary>A category of personal data.</summary>
public sealed record ImpactCategoryView(string Name, bool Special, long People);

/// <summary>A person concerned, by tag; <paramref name="Customer"/> is null when nobody asked who it is, or the person was erased.</summary>
public sealed record ImpactPersonView(
    string Tag, Guid? Customer, bool Erased, long Disclosures, DateTimeOffset First, DateTimeOffset Last, IReadOnlyList<string> Fields, bool Special);

/// <summary>The record of processing activities: <c>GET /v1/audit/processing</c>.</summary>
/// <param name="Controller">Who answers for it; null where the policy does not say.</param>
/// <param name="Policy">The version in force.</param>
/// <param name="MadeAt">When.</param>
/// <param name="From">Since when the log was looked at.</param>
/// <param name="Activities">By purpose.</param>
/// <param name="UnknownPurposes">Purposes that the log shows and nothing in force declares.</param>
/// <param name="Checkpoint">The newest state of the log, signed.</param>
public sealed record ProcessingRecordView(
    ControllerView? Controller, string Policy, DateTimeOffset MadeAt, DateTimeOffset From, IReadOnlyList<ProcessingActivityView> Activities, IReadOnlyList<NamedCount> UnknownPurposes, string Checkpoint)
{
    /// <summary>To whom data go outside the controller's own departments.</summary>
    public IReadOnlyList<ProcessingRecipientView> Recipients { get; init; } = [];

    /// <summary>Models and rules that decide about people by themselves.</summary>
    public IReadOnlyList<ModelView> Models { get; init; } = [];
}

/// <summary>A recipient as it is declared, beside what the log shows.</summary>
/// <param name="Recipient">Who, on what terms.</param>
/// <param name="Entries">Disclosures to it in the days looked at; 0: declared and not used.</param>
/// <param name="Purposes">For what.</param>
public sealed record ProcessingRecipientView(RecipientView Recipient, long Entries, IReadOnlyList<string> Purposes);

/// <summary>An impact assessment (GDPR 35).</summary>
/// <param name="Criteria">Why it is needed.</param>
/// <param name="Reference">Where it is filed.</param>
/// <param name="Review">When it is looked at again.</param>
/// <param name="Overdue">That date has passed.</param>
public sealed record AssessmentView(IReadOnlyList<string> Criteria, string? Reference, DateOnly? Review, bool Overdue);

/// <summary>Who answers for the processing.</summary>
public sealed record ControllerView(string Name, string Address, string Contact);

/// <summary>One purpose as it is declared, beside what the log shows of it.</summary>
/// <param name="Purpose">Its name.</param>
/// <param name="Title">In words.</param>
/// <param name="LegalBasis">Of GDPR 6, such as <c>contract</c>.</param>
/// <param name="SpecialBasis">Of GDPR 9(2), such as <c>A9-2-a</c>; null when there is none.</param>
/// <param name="Dpv">W3C DPV identifier.</param>
/// <param name="NoticeVersion">Version of the notice in force.</param>
/// <param name="Categories">What is used.</param>
/// <param name="Roles">By whom, in which forms.</param>
/// <param name="Entries">Acts for this purpose in the days looked at; 0: declared and not used.</param>
/// <param name="Actors">Applications and roles that acted.</param>
/// <param name="Undeclared">Items that were handled for it and that no rule in force names for it.</param>
public sealed record ProcessingActivityView(
    string Purpose, string Title, string LegalBasis, string? SpecialBasis, string Dpv, string NoticeVersion, IReadOnlyList<ProcessedCategoryView> Categories, IReadOnlyList<ProcessingRoleView> Roles,
    long Entries, IReadOnlyList<NamedCount> Actors, IReadOnlyList<string> Undeclared)
{
    /// <summary>The impact assessment; null where none is needed.</summary>
    public AssessmentView? Assessment { get; init; }
}

/// <summary>Items of one category, and how long they are kept.</summary>
public sealed record ProcessedCategoryView(string Category, bool Special, IReadOnlyList<string> Items, IReadOnlyList<string> Retention)
{
    /// <summary>The log shows an act with one of the items for this purpose; false: declared and not used.</summary>
    public bool Used { get; init; }
}

/// <summary>What a role may do, and in which forms something is shown to it.</summary>
public sealed record ProcessingRoleView(string Role, string Title, IReadOnlyList<string> Actions, IReadOnlyList<string> Forms);
