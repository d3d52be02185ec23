using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>What else is done in the transaction of a write.</summary>
internal interface IWriteEnding
{
    /// <summary>Before the person's row is locked.</summary>
    Task BeginAsync(DutyWork work);

    /// <summary>Appends the entry of the write with others, as the last act.</summary>
    /// <returns>The index of the write's entry.</returns>
    Task<long> AppendAsync(DutyWork work, SubjectKeys held, LogEntry written);
}

/// <summary>
/// Changes one customer under the lock on the subject's row. Only the class groups that the change touches are opened; what it replaces goes, sealed,
/// to the history.
/// </summary>
internal sealed class ProfilePatcher(Identifiers identifiers, IndexedValues indexed, KeyRegistry keys, RecordCipher cipher, AuditLog log, Decider decider)
{
    public async Task<WriteOutcome> PatchAsync(Recipient recipient, SubjectId subject, long? ifMatch, ProfilePatch patch, Guid requestId, CancellationToken ct, IWriteEnding? ending = null)
    {
        decider.Purpose(patch.Purpose);
        var draft = ProfileDraft.Read(patch, decider.Policy.Catalogue, decider.Clock.Now);
        var change = new Change(recipient, subject, ifMatch, patch.Purpose, draft, requestId) { Ending = ending };
        using var held = recipient.Kind == RecipientKind.Customer && recipient.Subject != subject ? null : await keys.FindAsync(subject, ct);
        // Who could write nothing of anybody is not told by the answer whether there is somebody.
        if (!draft.Items.Any(item => decider.Policy.Decisions.CouldPermit(recipient, AccessAction.Update, patch.Purpose, item.Item)))
            throw await DeniedAsync(change, held?.Tag ?? default, VaultException.Forbidden(), ct);
        if (held is null) throw await DeniedAsync(change, default, VaultException.NotFound(), ct);
        try
        {
            var (outcome, refusal) = await identifiers.Plans.WriteAsync(
                static _ => { }, (plan, connection, transaction) => ApplyAsync(connection, transaction, plan, change, held, ct), ct);
            if (outcome is null) throw await DeniedAsync(change, held.Tag, refusal!, ct);
            cipher.Committed(held);
            return outcome;
        }
        catch (KeptOutException e)
        {
            throw await DeniedAsync(change, held.Tag, identifiers.Suppression.Told(recipient, e.By), ct, "suppressed");
        }
        catch (VaultException e) when (e.Slug == "conflict")
        {
            // Whoever tries addresses to learn which are taken leaves a trace.
            throw await DeniedAsync(change, held.Tag, e, ct);
        }
        catch (CryptographicException e)
        {
            throw decider.Told(recipient, await log.FailedAsync(Entry(change, EntryType.RecordWrite, held.Tag, EntryResult.Error), e, ct));
        }
    }

    /// <summary>Null when every item is permitted. Where some are, each other one is named with its reason.</summary>
    public static VaultException? Refusal(Decision decision)
    {
        if (Decider.IsBound(decision) || !decision.Released) return VaultException.Forbidden();
        var refused = decision.Items.Where(item => item.Permit is null).ToList();
        return refused.Count == 0
            ? null
            : VaultException.Invalid([.. refused.Select(item => new FieldProblem($"/fields/{item.Item.Name}", item.Reason!, "Writing this field is not permitted."))]);
    }

    private sealed record Change(Recipient Recipient, SubjectId Subject, long? IfMatch, string Purpose, ProfileDraft Draft, Guid RequestId)
    {
        public IWriteEnding? Ending { get; init; }
    }

    private async Task<(WriteOutcome?, VaultException?)> ApplyAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, IndexPlan plan, Change change, SubjectKeys held, CancellationToken ct)
    {
        var work = new DutyWork(connection, transaction, ct);
        if (change.Ending is { } ending) await ending.BeginAsync(work);
        if (await SubjectRows.LockAsync(connection, transaction, change.Subject, ct) is not { } before) return (null, VaultException.NotFound());
        await keys.MatchAsync(held, before, ct);
        // Before anything is opened: what is opened is erased with this attempt, and a stale plan means another one.
        if (Touched(plan, change).Any()) await IndexPlans.HoldAsync(connection, transaction, plan, ct);
        var decision = decider.Decide(change.Recipient, change.Subject, AccessAction.Update, change.Purpose, change.Draft.Items, FactsCodec.Decode(before.Facts));
        if (!decision.Reachable) return (null, VaultException.NotFound());
        if (Refusal(decision) is { } refusal) return (null, refusal);
        if (change.IfMatch is { } version && version != before.RowVersion) throw VaultException.VersionMismatch();
        using var content = cipher.OpenForUpdate(before, held, decision.Permits);
        Edit(content, change.Draft, decision.Permits);
        var after = cipher.Seal(held, before.RowVersion + 1, content, FactsAfter(before, change.Draft));
        var newcomer = new Newcomer(change.Draft.Values);
        await identifiers.Suppression.PrepareAsync(change.Recipient, connection, transaction, [newcomer], ct);
        await ReindexAsync(connection, transaction, plan, change, (before, held), ct);
        if (await identifiers.Suppression.FindAsync(connection, transaction, [newcomer], ct) is [var hit, ..]) throw new KeptOutException(hit.Field);
        var history = content.Replaced.Count > 0 ? cipher.SealHistory(held, before.RowVersion, content) : null;
        var now = decider.Clock.Now;
        await WriteAsync(connection, transaction, (before, after), history, now, ct);
        var entry = Entry(change, held, after, decision) with { DetailHash = history is null ? default : ProfileTables.HistoryHash(now, history) };
        var index = change.Ending is { } last ? await last.AppendAsync(work, held, entry) : await log.AppendWithinAsync(connection, transaction, [entry], ct);
        return (new WriteOutcome(change.Subject, after.RowVersion, index), null);
    }

    // A new date of birth says anew who is a child, and whose word a consent rests on; one that is taken away says nothing.
    private byte[] FactsAfter(SealedRecord before, ProfileDraft draft)
    {
        var policy = decider.Policy;
        if (!AgeFacts.Matters(policy) || AgeFacts.FieldOf(policy) is not { } date || draft.Values.All(value => value.Field != date)) return before.Facts;
        return FactsCodec.Encode(AgeFacts.With(FactsCodec.Decode(before.Facts), ProfileDraft.AgeOf(draft.Values, policy), policy, decider.Clock.Today));
    }

    private void Edit(RecordContent content, ProfileDraft draft, IReadOnlyList<FieldPermit> permits)
    {
        foreach (var (value, permit) in draft.Values.Zip(permits))
        {
            if (value.Utf8Json is null) content.Remove(permit);
            else content.Set(permit, value.Utf8Json, new FieldProvenance(draft.Source, draft.CollectedAt?.ToUniversalTime() ?? decider.Clock.Now, draft.Origin ?? value.Field.Origin, draft.Notice));
        }
    }

    private static IEnumerable<LiveIndex> Touched(IndexPlan plan, Change change) => plan.Holding([.. change.Draft.Values.Select(value => value.Field)]);

    private async Task ReindexAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, IndexPlan plan, Change change, (SealedRecord Before, SubjectKeys Keys) person, CancellationToken ct)
    {
        var changed = change.Draft.Values.ToDictionary(value => value.Field, value => value.Utf8Json);
        var touched = Touched(plan, change).ToList();
        if (touched.Count == 0) return;
        using var others = indexed.Open(person.Before, person.Keys, [.. touched.SelectMany(index => index.Definition.Parts).Select(part => part.Field).Except(changed.Keys).Distinct()]);
        var terms = touched.SelectMany(index => LookupTerms.Of(index, change.Subject, field => changed.TryGetValue(field, out var value) ? value : others.Find(field)))
            .Select(term => (change.Subject, Term: term)).ToList();
        int[] indexes = [.. touched.Select(index => index.Definition.Id)];
        await using var batch = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands = { ProfileTables.Release([change.Subject], indexes), ProfileTables.RemoveTerms(change.Subject, indexes) },
        };
        var shared = terms.Where(term => !term.Term.Index.IsUnique).ToList();
        if (shared.Count > 0) batch.BatchCommands.Add(ProfileTables.AddTerms(shared));
        await batch.ExecuteNonQueryAsync(ct);
        await ClaimAsync(connection, transaction, plan, [.. terms.Where(term => term.Term.Index.IsUnique)], ct);
    }

    private static async Task ClaimAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, IndexPlan plan, List<(SubjectId Subject, LookupTerm Term)> claims, CancellationToken ct)
    {
        if (claims.Count == 0) return;
        var claimed = await ProfileTables.ClaimAsync(connection, transaction, plan, claims, ct);
        foreach (var (_, term) in claims)
        {
            if (!claimed.Contains(term.Number)) throw VaultException.Conflict(term.Index.Parts[0].Field.Name);
        }
    }

    private static async Task WriteAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, (SealedRecord Before, SealedRecord After) record, byte[]? history, DateTimeOffset now, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { SubjectRows.Update(record.After, now) } };
        if (history is not null) batch.BatchCommands.Add(ProfileTables.AddHistory(record.Before, history, now));
        batch.BatchCommands.Add(FeedQueue.Enqueue([record.After.Subject], now));
        await batch.ExecuteNonQueryAsync(ct);
    }

    private LogEntry Entry(Change change, SubjectKeys held, SealedRecord after, Decision decision) =>
        log.Entry(EntryType.RecordWrite, change.Recipient, held.Tag, change.Purpose, EntryResult.Ok, Decider.LogIds(decision.Permits), change.RequestId) with
        {
            RecordVersion = after.RowVersion,
            Seal = cipher.Digest(after),
            Rules = decision.RuleIds,
        };

    private async Task<VaultException> DeniedAsync(Change change, ReadOnlyMemory<byte> tag, VaultException refusal, CancellationToken ct, string? rule = null)
    {
        await log.AppendAsync(Entry(change, EntryType.Denied, tag, EntryResult.Denied) with { Rules = rule is null ? [] : [rule] }, null, ct);
        return refusal;
    }

    private LogEntry Entry(Change change, EntryType type, ReadOnlyMemory<byte> tag, EntryResult result) =>
        log.Entry(type, change.Recipient, tag, change.Purpose, result, [.. change.Draft.Values.Select(value => AuditLog.ItemCode(value.Field))], change.RequestId);
}
