namespace DataVault.Vault;

/// <summary>What is wrong with one member of the input. The message never holds the value.</summary>
/// <param name="Pointer">RFC 6901 pointer into the body.</param>
/// <param name="Code">Stable code, such as <c>too-long</c>.</param>
/// <param name="Message">For people.</param>
public sealed record FieldProblem(string Pointer, string Code, string Message);

/// <summary>
/// The vault refuses: <see cref="Slug"/> is the last segment of the problem type that the caller gets. INVARIANT: no member holds personal data.
/// </summary>
public sealed class VaultException : Exception
{
    internal const string DamagedSlug = "record-damaged";

    private VaultException(string slug, string message, Exception? cause = null)
        : base(message, cause) => Slug = slug;

    public string Slug { get; }

    public IReadOnlyList<FieldProblem> Errors { get; private init; } = [];

    public TimeSpan? RetryAfter { get; private init; }

    /// <summary>Unknown, erased and out of reach alike.</summary>
    public static VaultException NotFound() => new("not-found", "There is no such resource.");

    public static VaultException Forbidden() => new("forbidden", "This is not permitted.");

    /// <param name="reason">One of <see cref="DataVault.Policy.Reasons"/>: told to those alone who could have been permitted it.</param>
    public static VaultException Refused(string reason) => new("forbidden", $"This is refused: {reason}.");

    /// <param name="field">Name of the field whose value somebody else holds.</param>
    public static VaultException Conflict(string field) =>
        new("conflict", "The value is already held by another record.") { Errors = [new($"/fields/{field}", "taken", "Another record holds this value.")] };

    /// <param name="field">Name of the field whose value was that of somebody who was erased.</param>
    public static VaultException Suppressed(string field) =>
        new("suppressed", "Who had this value was erased, and is not taken in again from an old file.") { Errors = [new($"/fields/{field}", "suppressed", "Who had this value was erased.")] };

    /// <summary>A package of this very vault, of somebody whom it has erased since.</summary>
    public static VaultException ErasedHere() => new("erased-here", "This vault made the package itself, and has erased the person since.");

    public static VaultException VersionMismatch() => new("version-mismatch", "The record has changed since it was read.");

    public static VaultException Invalid(IReadOnlyList<FieldProblem> errors) => new("invalid-fields", "Some values are not valid.") { Errors = errors };

    public static VaultException BadRequest(string message) => new("invalid-request", message);

    public static VaultException UnknownField(string name) => new("unknown-field", $"There is no field called {name}.");

    public static VaultException UnknownPurpose() => new("unknown-purpose", "There is no such purpose.");

    /// <param name="message">What the state forbids, in words without personal data.</param>
    public static VaultException InvalidState(string message) => new("invalid-state", message);

    /// <summary>What is stored of somebody is not what the vault wrote, or cannot be read: nothing of it is released, and the same call finds the same.</summary>
    public static VaultException Damaged(Exception? cause = null) => new(DamagedSlug, "What is stored is not what the vault wrote.", cause);

    /// <param name="damage">What is missing or changed, by entries of the log and states.</param>
    public static VaultException EvidenceContradicted(IEnumerable<string> damage) =>
        new("evidence-contradicted", "What is stored contradicts the log; nothing is signed.") { Errors = [.. damage.Select(one => new FieldProblem("", "evidence-contradicted", one))] };

    public static VaultException IdempotencyMismatch() => new("idempotency-mismatch", "The key was used for a different request.");

    /// <param name="retryAfter">When the same call may succeed.</param>
    public static VaultException RateLimited(TimeSpan retryAfter) => new("rate-limited", "There were too many calls of this kind.") { RetryAfter = retryAfter };

    /// <summary>The purpose, or a rule, asks for a reason, and none was given.</summary>
    public static VaultException ReasonRequired() => new("reason-required", "A reason is needed.");

    /// <summary>The reason is not of the form that the purpose asks for.</summary>
    public static VaultException ReasonMismatch() => new("reason-mismatch", "The reason is not of the form that the purpose asks for.");

    /// <summary>A second person must agree beforehand, and no agreement to exactly this is in force.</summary>
    public static VaultException ApprovalRequired() => new("approval-required", "A second person must agree beforehand.");

    /// <summary>Too many releases to this recipient wait for a review whose date has passed.</summary>
    public static VaultException ReviewsOverdue() => new("reviews-overdue", "Earlier releases for this purpose must be reviewed first.");

    /// <param name="retryAfter">When the credential is no longer stopped for the purpose.</param>
    public static VaultException BudgetExhausted(TimeSpan retryAfter) => new("budget-exhausted", "The credential is stopped for this purpose.") { RetryAfter = retryAfter };

    /// <summary>Nothing was released or acknowledged; the same call may succeed soon.</summary>
    public static VaultException Unavailable(Exception? cause = null) =>
        new("unavailable", "The vault cannot answer at the moment.", cause) { RetryAfter = TimeSpan.FromSeconds(1) };
}

/// <summary>The vault must not serve with these keys, databases or files: what is wrong and what to do. No secret, no personal data.</summary>
public sealed class VaultStartException(string message) : Exception(message);
