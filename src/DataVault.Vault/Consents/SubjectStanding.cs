using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>Where a person stands: what rules and the reach of roles may ask besides the fields. Null: not known.</summary>
/// <param name="Jurisdiction">A name of jurisdictions.yaml.</param>
/// <param name="Residency">A name of people.yaml: where the data must stay.</param>
/// <param name="Brand">A name of people.yaml.</param>
/// <param name="Relations">Who stands how to the person.</param>
public sealed record PersonStanding(string? Jurisdiction, string? Residency, string? Brand, IReadOnlyList<RelationFact> Relations)
{
    public const int MostRelations = 16;
    public const int LongestRecipient = 100;

    internal static PersonStanding Of(DecisionFacts facts) => new(facts.Traits.Jurisdiction, facts.Traits.Residency, facts.Traits.Brand, facts.RelatedTo);

    internal DecisionFacts In(DecisionFacts facts) => facts with { Traits = new SubjectTraits(Jurisdiction, Residency, Brand, RecordedAt: null), RelatedTo = Relations };

    /// <summary>Only words of the policy, and recipients that look like an account or an application.</summary>
    internal IEnumerable<FieldProblem> Problems(PolicySet policy, string pointer)
    {
        if (Jurisdiction is not null && policy.Jurisdictions.Find(Jurisdiction) is null) yield return new($"{pointer}/jurisdiction", "unknown", "The policy knows no such jurisdiction.");
        if (Residency is not null && !policy.People.IsResidency(Residency)) yield return new($"{pointer}/residency", "unknown", "The policy knows no such residency.");
        if (Brand is not null && !policy.People.IsBrand(Brand)) yield return new($"{pointer}/brand", "unknown", "The policy knows no such brand.");
        if (Relations.Count > MostRelations) yield return new($"{pointer}/relations", "out-of-range", $"At most {MostRelations}.");
        if (Relations.Distinct().Count() != Relations.Count) yield return new($"{pointer}/relations", "repeated", "Each relation to a recipient stands once.");
        for (var at = 0; at < Relations.Count; at++)
        {
            if (!policy.People.IsRelation(Relations[at].Relation)) yield return new($"{pointer}/relations/{at}/name", "unknown", "The policy knows no such relation.");
            if (!IsRecipient(Relations[at].Recipient)) yield return new($"{pointer}/relations/{at}/recipient", "not-a-recipient", "The id of an account or of an application.");
        }
    }

    private static bool IsRecipient(string id) =>
        id is { Length: > 0 and <= LongestRecipient } && id.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' or '.' or ':');
}

/// <summary>A person's standing at a version of the record, and the entry of the look or the change.</summary>
public sealed record StandingView(SubjectId Id, long Version, PersonStanding Standing, long LogIndex);

/// <summary>
/// Says where people stand. It is sealed with the facts that decisions look at, so a change counts from its commit: who no longer reaches the person finds
/// nobody. Whoever changes it must reach the person as they stood before, and may thereby lose them.
/// </summary>
public sealed class SubjectStanding
{
    private const string Mark = "standing";

    private readonly VaultDatabase database;
    private readonly KeyRegistry keys;
    private readonly AuditLog log;
    private readonly SubjectFacts facts;
    private readonly SubjectReach reach;
    private readonly ConsentRules rules;

    internal SubjectStanding(VaultDatabase database, KeyRegistry keys, AuditLog log, SubjectFacts facts, SubjectReach reach, ConsentRules rules) =>
        (this.database, this.keys, this.log, this.facts, this.reach, this.rules) = (database, keys, log, facts, reach, rules);

    internal static bool MayManage(Recipient recipient, PolicySet policy) =>
        recipient.Kind != RecipientKind.Customer && policy.Decisions.HasCapability(recipient.Roles, Capabilities.StandingManage);

    /// <exception cref="VaultException">not-found, forbidden, unknown-purpose.</exception>
    public async Task<StandingView> GetAsync(Recipient recipient, SubjectId subject, string purpose, Guid requestId, CancellationToken ct)
    {
        var call = new Call(recipient, purpose, requestId);
        await AuthoriseAsync(call, ct);
        using var held = await KeysAsync(call, subject, ct);
        if (await SubjectRows.FindAsync(database, subject, ct) is not { } found || await keys.FitAsync(held, found, database, ct) is not { } record || !reach.Includes(recipient, record))
            throw await DeniedAsync(call, held.Tag, VaultException.NotFound(), ct);
        var entry = Entry(call, EntryType.FieldRead, held.Tag, EntryResult.Ok);
        try
        {
            return new StandingView(subject, record.RowVersion, PersonStanding.Of(facts.Read(record, held)), await log.AppendAsync(entry, null, ct));
        }
        catch (CryptographicException e)
        {
            throw reach.Told(recipient, await log.FailedAsync(entry, e, ct));
        }
    }

    /// <summary>Says all of it anew; what is left out is not known any more. Without <paramref name="ifMatch"/> of whatever version there is.</summary>
    /// <exception cref="VaultException">not-found, forbidden, unknown-purpose, version-mismatch, invalid-fields.</exception>
    public async Task<StandingView> SetAsync(Recipient recipient, SubjectId subject, long? ifMatch, PersonStanding standing, string purpose, Guid requestId, CancellationToken ct)
    {
        var call = new Call(recipient, purpose, requestId);
        await AuthoriseAsync(call, ct);
        if (standing.Problems(rules.Policy, "/standing").ToList() is { Count: > 0 } problems) throw VaultException.Invalid(problems);
        using var held = await KeysAsync(call, subject, ct);
        try
        {
            var view = await database.RunAsync((connection, transaction) => ChangeAsync(connection, transaction, held, call, (ifMatch, standing), ct), ct);
            await facts.CommittedAsync([held], ct);
            return view;
        }
        catch (VaultException e) when (e.Slug == "not-found")
        {
            throw await DeniedAsync(call, held.Tag, e, ct);
        }
        catch (CryptographicException e)
        {
            throw reach.Told(recipient, await log.FailedAsync(Entry(call, EntryType.RecordWrite, held.Tag, EntryResult.Error), e, ct));
        }
    }

    private sealed record Call(Recipient Recipient, string Purpose, Guid RequestId);

    private async Task<StandingView> ChangeAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, SubjectKeys held, Call call, (long? IfMatch, PersonStanding Standing) asked, CancellationToken ct)
    {
        var changed = await facts.ChangeAsync(connection, transaction, held, (record, before) =>
        {
            if (!reach.Includes(call.Recipient, record)) throw VaultException.NotFound();
            if (asked.IfMatch is { } version && version != record.RowVersion) throw VaultException.VersionMismatch();
            return rules.Aged(asked.Standing.In(before), record, held);
        }, ct);
        var after = changed?.After ?? throw VaultException.NotFound();
        await using (var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { FeedQueue.Enqueue([held.Subject], rules.Clock.Now) } }) await batch.ExecuteNonQueryAsync(ct);
        var entry = Entry(call, EntryType.RecordWrite, held.Tag, EntryResult.Ok) with { Seal = facts.Digest(after), RecordVersion = after.RowVersion };
        return new StandingView(held.Subject, after.RowVersion, asked.Standing, await log.AppendWithinAsync(connection, transaction, [entry], ct));
    }

    private async Task AuthoriseAsync(Call call, CancellationToken ct)
    {
        if (rules.Policy.Purposes.Find(call.Purpose) is null) throw VaultException.UnknownPurpose();
        if (MayManage(call.Recipient, rules.Policy) && call.Recipient.Purposes.Contains(call.Purpose)) return;
        throw await DeniedAsync(call, default, VaultException.Forbidden(), ct);
    }

    private async Task<SubjectKeys> KeysAsync(Call call, SubjectId subject, CancellationToken ct)
    {
        try
        {
            return await keys.GetAsync(subject, ct);
        }
        catch (VaultException e) when (e.Slug == "not-found")
        {
            throw await DeniedAsync(call, default, e, ct);
        }
    }

    private async Task<VaultException> DeniedAsync(Call call, ReadOnlyMemory<byte> tag, VaultException refusal, CancellationToken ct)
    {
        await log.AppendAsync(Entry(call, EntryType.Denied, tag, EntryResult.Denied), null, ct);
        return refusal;
    }

    private LogEntry Entry(Call call, EntryType type, ReadOnlyMemory<byte> tag, EntryResult result) =>
        log.Entry(type, call.Recipient, tag, call.Purpose, result, [], call.RequestId) with { Rules = [Mark] };
}
