using System.Text.Json;

namespace DataVault.Client.Wire;

/// <summary>Where a value came from. Every held value carries one.</summary>
/// <param name="Source">The system that supplied the value, such as <c>crm</c> (at most 64 characters).</param>
/// <param name="RecordedAt">When the vault recorded it, UTC.</param>
/// <param name="Origin"><c>provided</c>, <c>observed</c>, <c>derived</c> or <c>inferred</c>.</param>
/// <param name="Notice">Version of the privacy notice in force when it was collected, if known.</param>
public sealed record Provenance(string Source, DateTimeOffset RecordedAt, string Origin, string? Notice);

/// <summary>Body of <c>POST /v1/customers</c>.</summary>
/// <param name="Fields">Field name to JSON value, as the catalogue types it.</param>
/// <param name="Source">The supplying system.</param>
/// <param name="Origin">One of <c>provided</c> (default), <c>observed</c>, <c>derived</c>, <c>inferred</c>.</param>
/// <param name="Notice">Privacy notice version shown at collection.</param>
/// <param name="Purpose">The purpose written for; defaults to the credential's only purpose, else required.</param>
/// <param name="Consents">Purposes consented to at collection (optional), with the state <c>given</c> or <c>refused</c>.</param>
public sealed record CreateCustomer(
    IReadOnlyDictionary<string, JsonElement> Fields,
    string Source,
    string? Origin = null,
    string? Notice = null,
    string? Purpose = null,
    IReadOnlyDictionary<string, string>? Consents = null)
{
    /// <summary>Where the person stands (optional); for those who may say so.</summary>
    public Standing? Standing { get; init; }

    /// <summary>When the values were collected, where that was elsewhere and earlier (optional): not in the future.</summary>
    public DateTimeOffset? CollectedAt { get; init; }

    /// <summary>By purpose, what was shown for a consent that was given elsewhere (optional): without it <see cref="Notice"/> is the version, or the one in force.</summary>
    public IReadOnlyDictionary<string, ConsentNotice>? ConsentNotices { get; init; }

    /// <summary>
    /// Says that the person came back of their own will (optional): <c>account-opened</c>, <c>consent-given</c>, <c>contract</c> or <c>person-asked</c>. Whoever was erased is then taken in
    /// again, on record. For those who may say so (<c>suppressions.manage</c>).
    /// </summary>
    public string? Returning { get; init; }

    /// <summary>The package that the values are from (optional): one of this very vault, of somebody whom it has erased since, is refused.</summary>
    public PackageReference? Package { get; init; }
}

/// <summary>A package of a person, by what its signed statement says.</summary>
/// <param name="Log">Origin of the log of the vault that made it.</param>
/// <param name="Case">The request that it answered.</param>
public sealed record PackageReference(string Log, Guid Case);

/// <summary>What was shown for a consent. A version that the vault does not know needs the text, or its hash.</summary>
/// <param name="Version">Version of the notice; the one in force if absent.</param>
/// <param name="Language">Language of the text; the notice's own if absent.</param>
/// <param name="Text">The text word for word; the vault keeps it.</param>
/// <param name="Sha256">SHA-256 of the text in UTF-8, 64 hexadecimal digits, where the text stays elsewhere.</param>
public sealed record ConsentNotice(string? Version = null, string? Language = null, string? Text = null, string? Sha256 = null);

/// <summary>Where a person stands: what rules and the reach of roles ask besides the fields. What is left out is not known.</summary>
/// <param name="Jurisdiction">A jurisdiction of the policy.</param>
/// <param name="Residency">A residency of the policy: where the data must stay.</param>
/// <param name="Brand">A brand of the policy.</param>
/// <param name="Relations">Who stands how to the person.</param>
public sealed record Standing(string? Jurisdiction = null, string? Residency = null, string? Brand = null, IReadOnlyList<Relation>? Relations = null);

/// <summary>That a recipient stands in a relation to a person.</summary>
/// <param name="Name">A relation of the policy, such as <c>assigned-agent</c>.</param>
/// <param name="Recipient">Id of an account or an application.</param>
public sealed record Relation(string Name, string Recipient);

/// <summary>Body of <c>PUT /v1/customers/{id}/standing</c>: all of it anew.</summary>
/// <param name="Standing">Where the person stands from now on.</param>
/// <param name="Purpose">What for; defaults to the credential's only purpose, else required.</param>
public sealed record SetStanding(Standing Standing, string? Purpose = null);

/// <summary>A customer's standing.</summary>
/// <param name="Id">UUIDv7 of the customer.</param>
/// <param name="Version">Record version; also the ETag.</param>
/// <param name="Standing">Where the person stands.</param>
/// <param name="Receipt">Position of the entry in the transparency log.</param>
public sealed record CustomerStanding(Guid Id, long Version, Standing Standing, Receipt Receipt);

/// <summary>Answer to a create or change.</summary>
/// <param name="Id">UUIDv7 of the customer.</param>
/// <param name="Version">Record version; also the ETag, as <c>"7"</c>.</param>
/// <param name="Receipt">Position of the entry in the transparency log.</param>
public sealed record Written(Guid Id, long Version, Receipt Receipt);

/// <summary>Where in the transparency log the entry of a call stands.</summary>
public sealed record Receipt(long Index);

/// <summary>Body of <c>PATCH /v1/customers/{id}</c>: a JSON merge patch (RFC 7396) of <c>fields</c>; null removes.</summary>
public sealed record PatchCustomer(
    IReadOnlyDictionary<string, JsonElement> Fields,
    string Source,
    string? Origin = null,
    string? Notice = null,
    string? Purpose = null)
{
    /// <inheritdoc cref="CreateCustomer.CollectedAt"/>
    public DateTimeOffset? CollectedAt { get; init; }
}

/// <summary>A release: what was disclosed, in which form, and what was not and why.</summary>
/// <param name="Id">The customer.</param>
/// <param name="Version">Record version.</param>
/// <param name="Fields">Released values.</param>
/// <param name="Forms">Form of each released field that is not <c>plain</c>.</param>
/// <param name="Withheld">Reason code of each field asked for and not released.</param>
/// <param name="Receipt">The log entry of this release.</param>
/// <param name="Provenance">Only when asked for with <c>provenance=true</c>.</param>
public sealed record Disclosed(
    Guid Id,
    long Version,
    IReadOnlyDictionary<string, JsonElement> Fields,
    IReadOnlyDictionary<string, string> Forms,
    IReadOnlyDictionary<string, string> Withheld,
    Receipt Receipt,
    IReadOnlyDictionary<string, Provenance>? Provenance = null);

/// <summary>Body of <c>POST /v1/customers/search</c>: look-up over blind indexes; every term must match.</summary>
/// <param name="Purpose">What the search is for.</param>
/// <param name="Where">Field to what is asked of it.</param>
/// <param name="Fields">What to show of those found; all that may be shown if absent.</param>
/// <param name="Limit">How many may be found, 1 to 100; 20 if absent. More that match are an error, not a page.</param>
public sealed record SearchCustomers(
    string Purpose,
    IReadOnlyDictionary<string, SearchTerm> Where,
    IReadOnlyList<string>? Fields = null,
    int? Limit = null);

/// <summary>Answer to a search. <see cref="Receipt"/> is the entry of the search itself.</summary>
public sealed record Found(IReadOnlyList<Disclosed> Results, Receipt Receipt);

/// <summary>Body of <c>POST /v1/customers/batch</c>: creates or reads (one kind), 1 to 1,000 items.</summary>
/// <param name="Create">Customers to create.</param>
/// <param name="Read">Customers to read.</param>
/// <param name="Purpose">Purpose of the reads, and default purpose of the creates.</param>
/// <param name="Fields">Fields to read, as in the single read.</param>
public sealed record CustomerBatch(
    IReadOnlyList<CreateCustomer>? Create = null,
    IReadOnlyList<Guid>? Read = null,
    string? Purpose = null,
    IReadOnlyList<string>? Fields = null);

/// <summary>One item's result: exactly one of <see cref="Written"/>, <see cref="Disclosed"/>, <see cref="Problem"/> is set.</summary>
public sealed record BatchItem(int Index, int Status, Written? Written = null, Disclosed? Disclosed = null, Problem? Problem = null);

/// <summary>Per-item results in the order of the request.</summary>
public sealed record BatchResult(IReadOnlyList<BatchItem> Items);
