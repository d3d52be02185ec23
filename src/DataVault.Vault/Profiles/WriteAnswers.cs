using System.Text.Json;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>The outcomes of keyed writes as they are remembered: ids, versions, log indexes, codes; never a field.</summary>
internal static class WriteAnswers
{
    private sealed record Kept(Guid? Id, long Version, long Index, string? Slug, IReadOnlyList<FieldProblem>? Errors);

    public static StoredAnswer Of(IReadOnlyList<PendingCustomer> items) => Of(items.Select(item => item.Result()));

    public static StoredAnswer Of(IEnumerable<ItemResult<WriteOutcome>> results) => new(200, JsonSerializer.SerializeToUtf8Bytes(results.Select(Keep)));

    public static IReadOnlyList<ItemResult<WriteOutcome>> Read(StoredAnswer answer) =>
        [.. JsonSerializer.Deserialize<Kept[]>(answer.Body)!.Select(Recall)];

    private static Kept Keep(ItemResult<WriteOutcome> result) => result.Value is { } written
        ? new Kept(written.Id.Value, written.Version, written.LogIndex, null, null)
        : new Kept(null, 0, 0, result.Error!.Slug, result.Error.Errors);

    private static ItemResult<WriteOutcome> Recall(Kept kept) => kept.Id is { } id
        ? new(new WriteOutcome(new SubjectId(id), kept.Version, kept.Index, Replayed: true))
        : new(Error(kept.Slug!, kept.Errors ?? []));

    private static VaultException Error(string slug, IReadOnlyList<FieldProblem> errors) => slug switch
    {
        "conflict" => VaultException.Conflict(errors[0].Pointer["/fields/".Length..]),
        "suppressed" => VaultException.Suppressed(errors[0].Pointer["/fields/".Length..]),
        "erased-here" => VaultException.ErasedHere(),
        "invalid-fields" => VaultException.Invalid(errors),
        "unknown-purpose" => VaultException.UnknownPurpose(),
        "forbidden" => VaultException.Forbidden(),
        _ => VaultException.Unavailable(),
    };
}
