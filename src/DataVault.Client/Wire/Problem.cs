namespace DataVault.Client.Wire;

/// <summary>Problem details (RFC 9457). Never holds personal data.</summary>
/// <param name="Type">Stable URI reference, <c>/problems/{slug}</c>.</param>
/// <param name="Title">The slug in words.</param>
/// <param name="Status">HTTP status.</param>
/// <param name="Detail">What to do about it.</param>
/// <param name="Errors">One per offending member: JSON pointer, code, message.</param>
/// <param name="TraceId">For the operator's logs.</param>
public sealed record Problem(
    string Type,
    string Title,
    int Status,
    string? Detail = null,
    IReadOnlyList<MemberProblem>? Errors = null,
    string? TraceId = null)
{
    /// <summary>The last segment of <see cref="Type"/>, such as <c>version-mismatch</c>.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public string Slug => Type[(Type.LastIndexOf('/') + 1)..];
}

/// <summary>What is wrong with one member of a body: where (RFC 6901 pointer), which rule (stable code), in words.</summary>
public sealed record MemberProblem(string Pointer, string Code, string Message);

/// <summary>The cursor-paged list of the whole API.</summary>
/// <param name="Items">At most <c>limit</c> items.</param>
/// <param name="Next">Cursor of the next page, or null at the end.</param>
public sealed record Page<T>(IReadOnlyList<T> Items, string? Next);
