using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>Creates and changes customers. A change and its log entry stand or fall together.</summary>
public sealed class ProfileEditor
{
    public const int MaxBatch = 1_000;

    private readonly ProfileBatch creation;
    private readonly ProfilePatcher patcher;
    private readonly IdempotencyStore idempotency;
    private readonly NoticeArchive notices;
    private readonly ActivePolicy policy;

    internal ProfileEditor(ProfileBatch creation, ProfilePatcher patcher, IdempotencyStore idempotency, NoticeArchive notices, ActivePolicy policy) =>
        (this.creation, this.patcher, this.idempotency, this.notices, this.policy) = (creation, patcher, idempotency, notices, policy);

    /// <exception cref="VaultException">invalid-fields, conflict, forbidden, unknown-purpose, idempotency-mismatch, unavailable.</exception>
    public async Task<WriteOutcome> CreateAsync(Recipient recipient, NewCustomer customer, IdempotencyKey? key, Guid requestId, CancellationToken ct)
    {
        var result = (await CreateManyAsync(recipient, [customer], key, requestId, ct))[0];
        return result.Value ?? throw result.Error!;
    }

    /// <summary>Up to <see cref="MaxBatch"/> customers; each stands or falls by itself.</summary>
    public async Task<IReadOnlyList<ItemResult<WriteOutcome>>> CreateManyAsync(
        Recipient recipient, IReadOnlyList<NewCustomer> customers, IdempotencyKey? key, Guid requestId, CancellationToken ct)
    {
        if (customers.Count is 0 or > MaxBatch) throw VaultException.BadRequest($"1 to {MaxBatch} customers.");
        if (key is not null && await idempotency.FindAsync(key, ct) is { } earlier) return WriteAnswers.Read(earlier);
        var known = await notices.KnownAsync(policy.Current, customers.SelectMany(Named), ct);
        if (await creation.CreateAsync(recipient, customers, known, key, requestId, ct) is { } items) return [.. items.Select(item => item.Result())];
        return WriteAnswers.Read(await idempotency.FindAsync(key!, ct) ?? throw VaultException.Unavailable());
    }

    private IEnumerable<(Purpose, ShownNotice)> Named(NewCustomer customer) => (customer.Consents?.Keys ?? [])
        .Select(name => (Purpose: policy.Current.Purposes.Find(name), Shown: customer.ShownFor(name))).Where(one => one.Purpose is not null).Select(one => (one.Purpose!, one.Shown));

    /// <summary>Applies a merge patch; without <paramref name="ifMatch"/> to whatever version there is.</summary>
    /// <exception cref="VaultException">not-found, version-mismatch, invalid-fields, conflict, forbidden, unknown-purpose, unavailable.</exception>
    public Task<WriteOutcome> PatchAsync(Recipient recipient, SubjectId subject, long? ifMatch, ProfilePatch patch, Guid requestId, CancellationToken ct) =>
        patcher.PatchAsync(recipient, subject, ifMatch, patch, requestId, ct);
}
