
namespace DataVault.Client.Wire;

/// <summary>A log entry as officers see it: codes and tags, no personal data.</summary>
public sealed record AuditEntryView(
    long Index, DateTimeOffset At, string Type, string ActorTag, string? Actor, string? SubjectTag, string Purpose, string Result,
    IReadOnlyList<string> Fields, int? Count, string PolicyVersion, string RequestId, IReadOnlyList<string> Rules);

/// <summary>Inclusion proof of an entry under a checkpoint. Hashes are base64.</summary>
/// <param name="Index">Leaf index.</param>
/// <param name="Entry">The leaf input (CBOR), base64.</param>
/// <param name="Hashes">Audit path, leaf to root (RFC 6962 2.1.1).</param>
/// <param name="Checkpoint">The signed note that the proof leads to.</param>
/// <param name="Proof">The same as one C2SP tlog-proof text.</param>
/// <param name="Member">Of an entry about several persons: that the caller is among them; otherwise null.</param>
public sealed record InclusionProofView(long Index, string Entry, IReadOnlyList<string> Hashes, string Checkpoint, string Proof, MembershipProofView? Member = null);

/// <summary>That a person's tag is among those under the root that the entry holds (log-entry key 15). Hashes are base64.</summary>
/// <param name="Tag">The person's tag, hexadecimal.</param>
/// <param name="Position">Its place among the sorted tags.</param>
/// <param name="Hashes">Audit path, leaf to root, in the tree of the tags.</param>
public sealed record MembershipProofView(string Tag, int Position, IReadOnlyList<string> Hashes);

/// <summary>The policy in force: <c>GET /v1/policy</c>.</summary>
public sealed record PolicyView(
    string Version, IReadOnlyList<FieldView> Fields, IReadOnlyList<PurposeView> Purposes, IReadOnlyList<RoleView> Roles,
    IReadOnlyList<EventTypeView> Events)
{
    /// <summary>What classes of fields and events are called, by name; those without a label are not among them.</summary>
    public IReadOnlyDictionary<string, string>? Classes { get; init; }

    /// <summary>What analytics domains are called, by name.</summary>
    public IReadOnlyDictionary<string, string>? Domains { get; init; }
}

/// <summary>A field of the catalogue.</summary>
public sealed record FieldView(string Name, string Label, string Type, string Class, string Category, bool Special, string? Index);

/// <summary>A purpose of the registry.</summary>
public sealed record PurposeView(string Name, string Title, string LegalBasis, bool NeedsConsent, string Notice, string NoticeVersion)
{
    /// <summary>Language of the notice.</summary>
    public string? NoticeLanguage { get; init; }

    /// <summary>The same notice in other languages, by language.</summary>
    public IReadOnlyDictionary<string, string>? OtherNotices { get; init; }

    /// <summary>What an objection to it does: <c>at-once</c> (direct marketing) or <c>weighed</c> (an officer decides, and until then it is stopped); absent where there is no right to object.</summary>
    public string? Objection { get; init; }
}

/// <summary>A role.</summary>
public sealed record RoleView(string Name, string Title, IReadOnlyList<string> Parents);

/// <summary>An event type of the tracking plan.</summary>
public sealed record EventTypeView(string Name, string Title, IReadOnlyList<string> Properties)
{
    /// <summary>What properties are called, by name; those without a label are not among them.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }
}

/// <summary>
/// <c>GET /v1/analytics/segments?domain=D&amp;by=dim1,dim2</c>: counts above the minimum cohort; smaller cells are suppressed, not shown.
/// </summary>
public sealed record Segments(
    string Domain, IReadOnlyList<string> Dimensions, int MinimumCohort, IReadOnlyList<SegmentCell> Cells, int SuppressedCells, long? IndexedTo);

/// <summary>One cell: a value per dimension, and how many people.</summary>
public sealed record SegmentCell(IReadOnlyList<string> Values, long Count);

/// <summary><c>GET /v1/analytics/series?domain=D&amp;measure=purchases|revenue|interactions&amp;by=month</c>.</summary>
public sealed record Series(string Domain, string Measure, int MinimumCohort, IReadOnlyList<SeriesPoint> Points);

/// <summary>One point; Value is null where the cohort was too small.</summary>
public sealed record SeriesPoint(string Period, double? Value);

/// <summary><c>GET /v1/analytics/domains</c>: the domains that the caller may query.</summary>
public sealed record DomainView(string Name, string Title, int MinimumCohort, IReadOnlyList<string> Dimensions);

/// <summary><c>GET /v1/status</c> (administrator): how the vault does, without personal data.</summary>
public sealed record VaultStatus(
    string Version, string Mode, long Customers, long Events, long LogSize, string? Checkpoint, string PolicyVersion,
    IReadOnlyDictionary<string, string> Health, DateTimeOffset StartedAt);

/// <summary>A registered application: <c>GET /v1/clients</c> (administrator).</summary>
public sealed record ClientView(string Id, string Name, IReadOnlyList<string> Roles, IReadOnlyList<string> Purposes, DateTimeOffset CreatedAt)
{
    /// <summary>How it shows who it is: <c>private_key_jwt</c>, <c>client_secret_basic</c>, <c>client_secret_post</c>; null for a secret in either place, or a program.</summary>
    public string? TokenEndpointAuthMethod { get; init; }

    /// <summary>Its tokens are bound to a key of its own (RFC 9449).</summary>
    public bool DpopBound { get; init; }

    /// <summary>Services other than the vault that its tokens may be for (RFC 8707).</summary>
    public IReadOnlyList<string>? Resources { get; init; }

    /// <summary>Networks from which it may come; none for any.</summary>
    public IReadOnlyList<string> AllowedNetworks { get; init; } = [];

    /// <summary>From when on it is refused.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>Whom to ask about it.</summary>
    public string? Contact { get; init; }
}

/// <summary>Body of <c>POST /v1/clients</c>.</summary>
public sealed record RegisterClient(string Id, string Name, IReadOnlyList<string> Roles, IReadOnlyList<string> Purposes)
{
    /// <summary>A JSON Web Key Set with its public keys: it signs with them (RFC 7523, <c>private_key_jwt</c>) and gets no secret.</summary>
    public System.Text.Json.JsonElement? Jwks { get; init; }

    /// <summary>It gets no tokens but those that are bound to a key of its own (RFC 9449).</summary>
    public bool? DpopBound { get; init; }

    /// <summary>Services other than the vault that its tokens may be for (RFC 8707).</summary>
    public IReadOnlyList<string>? Resources { get; init; }

    /// <summary>A web application of somebody else in which people sign in, and where they come back to: it has no roles and purposes of its own, and people are asked first.</summary>
    public IReadOnlyList<string>? RedirectUris { get; init; }

    /// <summary>Where people may be sent who sign out there.</summary>
    public IReadOnlyList<string>? SignOutUris { get; init; }

    /// <summary>Networks (CIDR) from which it may come; none for any.</summary>
    public IReadOnlyList<string>? AllowedNetworks { get; init; }

    /// <summary>From when on it is refused.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>Whom to ask about it; kept sealed.</summary>
    public string? Contact { get; init; }
}

/// <summary>Body of <c>PUT /v1/clients/{id}/keys</c>: all public keys that it signs with from now on.</summary>
public sealed record ReplaceClientKeys(System.Text.Json.JsonElement Jwks);

/// <summary>The secret is shown this once; there is none for a client that signs with keys of its own.</summary>
public sealed record ClientRegistered(ClientView Client, string? Secret);

/// <summary>Body of <c>PUT /v1/clients/{id}</c>: all of it is as given.</summary>
public sealed record ChangeClient(
    string Name, IReadOnlyList<string> Roles, IReadOnlyList<string> Purposes, IReadOnlyList<string> AllowedNetworks, DateTimeOffset? ExpiresAt = null, string? Contact = null);

/// <summary>The secret is shown this once.</summary>
public sealed record ClientSecret(string Secret);

/// <summary>Body of <c>POST /v1/accounts</c> (administrator): invites a person. Role <c>customer</c> needs <see cref="Customer"/>.</summary>
public sealed record CreateAccount(string Email, string Role, Guid? Customer = null);

/// <summary>The one-time password is shown this once.</summary>
public sealed record AccountCreated(Guid Id, string Role, string OneTimePassword);

/// <summary>Body of <c>POST /v1/accounts/invitations</c> (administrator, in person): a customer makes an account of their own.</summary>
public sealed record InviteCustomer(Guid Customer);

/// <summary>A message is on its way to the address that is held; what stands in it works once, until then.</summary>
public sealed record CustomerInvited(Guid Customer, DateTimeOffset Until);

/// <summary>Body of <c>POST /v1/accounts/recoveries</c> (administrator, in person): a customer lost the second factor.</summary>
/// <param name="Customer">Whose.</param>
/// <param name="Method">By what it was established who they are, such as <c>document-seen</c>.</param>
public sealed record BeginRecovery(Guid Customer, string Method);

/// <summary>A second factor that is taken away at <see cref="DueAt"/>, unless somebody stops it.</summary>
public sealed record AccountRecovery(Guid Id, Guid Customer, string Method, string Officer, DateTimeOffset AskedAt, DateTimeOffset DueAt);

/// <summary>Body of <c>POST /v1/outside-accounts</c> (administrator): a subject of an outside identity provider is this customer.</summary>
public sealed record LinkOutsideAccount(string Authority, string Subject, Guid Customer);

/// <summary>What the log calls that person.</summary>
public sealed record OutsideAccountLinked(Guid Id);

/// <summary>An account of the staff: <c>GET /v1/accounts</c> (administrator). Its address is sealed, and not in any list.</summary>
public sealed record StaffAccount(Guid Id, IReadOnlyList<string> Roles, bool Disabled, bool MustChangePassword, bool HasSecondFactor, DateTimeOffset CreatedAt);

/// <summary>Body of <c>POST /v1/accounts/find</c>.</summary>
public sealed record FindAccount(string Email);

/// <summary>What was done with an account; the one-time password, if there is a new one, is shown this once.</summary>
public sealed record AccountActed(Guid Id, string Act, string? OneTimePassword = null);

/// <summary>An application of somebody else that the signed-in person allowed something: <c>GET /v1/me/applications</c>.</summary>
public sealed record MyApplication(string Id, string Name, IReadOnlyList<string> Scopes, DateTimeOffset Since, DateTimeOffset? UsedAt);

/// <summary>RFC 6749 5.1 token answer.</summary>
public sealed record TokenAnswer(
    [property: System.Text.Json.Serialization.JsonPropertyName("access_token")] string AccessToken,
    [property: System.Text.Json.Serialization.JsonPropertyName("token_type")] string TokenType,
    [property: System.Text.Json.Serialization.JsonPropertyName("expires_in")] int ExpiresIn,
    [property: System.Text.Json.Serialization.JsonPropertyName("id_token")] string? IdToken = null,
    [property: System.Text.Json.Serialization.JsonPropertyName("refresh_token")] string? RefreshToken = null,
    [property: System.Text.Json.Serialization.JsonPropertyName("scope")] string? Scope = null);

