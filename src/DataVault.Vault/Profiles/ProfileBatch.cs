using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Creates customers, one or a thousand, in the same handful of round trips:
/// <code>
/// check, decide  ->  claim identifiers  ->  keys (keys database, its own transaction)  ->  seal  ->  insert  ->  log
///                    \________________________ one transaction of the vault database ________________________/
/// </code>
/// Keys are made only for those whose identifiers are theirs, so importing twice makes none. A crash in between leaves keys that open nothing, and
/// nothing else. One refused item does not stop the others.
/// </summary>
internal sealed class ProfileBatch(Identifiers identifiers, KeyRegistry keys, RecordCipher cipher, AuditLog log, Decider decider, IdempotencyStore idempotency)
{
    private const string Jurisdiction = "eu";
    private const int FirstVersion = 1;

    /// <summary>Below this many, handing work to other threads costs more than the sealing.</summary>
    private const int ParallelFrom = 32;

    /// <returns>Null when another call with the same key has committed meanwhile, whose answer is to be given.</returns>
    public async Task<IReadOnlyList<PendingCustomer>?> CreateAsync(
        Recipient recipient, IReadOnlyList<NewCustomer> customers, KnownNotices notices, IdempotencyKey? key, Guid requestId, CancellationToken ct)
    {
        var items = PrepareAll(recipient, customers, notices);
        await DenyAsync(recipient, items, requestId, ct);
        if (Open(items).Count == 0 && key is null) return items;
        try
        {
            return await StoreAsync(recipient, items, key, requestId, ct) ? items : null;
        }
        finally
        {
            items.ForEach(item => item.Keys?.Dispose());
        }
    }

    private static List<PendingCustomer> Open(List<PendingCustomer> items) => [.. items.Where(item => item.IsOpen)];

    private List<PendingCustomer> PrepareAll(Recipient recipient, IReadOnlyList<NewCustomer> customers, KnownNotices notices)
    {
        var items = new PendingCustomer[customers.Count];
        if (items.Length >= ParallelFrom) Parallel.For(0, items.Length, index => items[index] = Prepare(recipient, customers[index], notices));
        else for (var index = 0; index < items.Length; index++) items[index] = Prepare(recipient, customers[index], notices);
        return [.. items];
    }

    private PendingCustomer Prepare(Recipient recipient, NewCustomer customer, KnownNotices notices)
    {
        var item = new PendingCustomer(customer, decider.Clock.NewSubject());
        try
        {
            decider.Purpose(customer.Purpose);
            var draft = ProfileDraft.Read(customer, decider.Policy, notices, decider.Clock.Now);
            var decision = decider.Decide(recipient, item.Subject, AccessAction.Create, customer.Purpose, draft.Items, draft.Facts);
            item.Accept(draft, decision);
            item.Error = Refusal(recipient, item);
        }
        catch (VaultException e)
        {
            item.Error = e;
        }
        return item;
    }

    private VaultException? Refusal(Recipient recipient, PendingCustomer item)
    {
        var facts = item.Draft!.Facts;
        if (facts.Consents.Count > 0 && !ConsentDoor.Admits(decider.Policy, recipient, item.Subject, item.Item.Purpose, facts, decider.Clock.Now)) return VaultException.Forbidden();
        if (item.Item.Returning is { } ground && (!identifiers.Suppression.MayKnow(recipient) || !ReturnGrounds.All.Contains(ground))) return VaultException.Forbidden();
        if (item.Item.Standing is not null && !SubjectStanding.MayManage(recipient, decider.Policy)) return VaultException.Forbidden();
        return ProfilePatcher.Refusal(item.Decision!);
    }

    private async Task DenyAsync(Recipient recipient, List<PendingCustomer> items, Guid requestId, CancellationToken ct)
    {
        var denied = items.Where(item => item.Decision is not null && item.Error is not null).ToList();
        if (denied.Count == 0) return;
        var fields = denied.SelectMany(item => item.Decision!.Items).Where(item => item.Permit is null).Select(item => AuditLog.ItemCode(item.Item)).Distinct().Order();
        var entry = log.Entry(EntryType.Denied, recipient, default, denied[0].Item.Purpose, EntryResult.Denied, [.. fields], requestId);
        await log.AppendAsync(entry, null, ct);
    }

    private static void MakeTerms(List<PendingCustomer> items, IndexPlan plan)
    {
        if (items.Count < ParallelFrom) items.ForEach(item => item.MakeTerms(plan));
        else Parallel.ForEach(items, item => item.MakeTerms(plan));
        RefuseRepeated(items);
    }

    private static void RefuseRepeated(List<PendingCustomer> items)
    {
        var claimed = new HashSet<UInt128>();
        foreach (var item in items.Where(item => item.IsOpen))
        {
            item.RefuseIfTaken(claimed.Contains);
            if (item.IsOpen) claimed.UnionWith(item.Identifiers.Select(claim => claim.Term.Number));
        }
    }

    private void SealAll(List<PendingCustomer> open)
    {
        if (open.Count < ParallelFrom) open.ForEach(Seal);
        else Parallel.ForEach(open, Seal);
    }

    private void Seal(PendingCustomer item)
    {
        using var content = new RecordContent(decider.Policy.Catalogue);
        var origins = new Dictionary<string, byte[]>(2);
        foreach (var (value, permit) in item.Draft!.Values.Zip(item.Decision!.Permits))
        {
            var origin = item.Draft.Origin ?? value.Field.Origin;
            if (!origins.TryGetValue(origin, out var provenance))
            {
                origins[origin] = provenance = RecordCodec.Encode(new FieldProvenance(item.Draft.Source, item.Draft.CollectedAt?.ToUniversalTime() ?? decider.Clock.Now, origin, item.Draft.Notice));
            }
            content.Set(permit, value.Utf8Json!, provenance);
        }
        item.Record = cipher.Seal(item.Keys!, FirstVersion, content, FactsCodec.Encode(item.Facts));
    }

    private async Task<bool> StoreAsync(Recipient recipient, List<PendingCustomer> items, IdempotencyKey? key, Guid requestId, CancellationToken ct)
    {
        var stored = await identifiers.Plans.WriteAsync(plan => MakeTerms(items, plan), async (plan, connection, transaction) =>
        {
            if (key is not null && !await idempotency.TryClaimAsync(connection, transaction, key, ct)) return false;
            await identifiers.Suppression.PrepareAsync(recipient, connection, transaction, [.. Open(items).Select(item => item.Newcomer)], ct);
            var losers = await ClaimAsync(connection, transaction, plan, items, ct);
            var keptOut = await identifiers.RefuseAsync(recipient, connection, transaction, Open(items), ct);
            var open = Open(items);
            await MakeKeysAsync(open, ct);
            SealAll(open);
            await InsertAsync(connection, transaction, open, [.. losers, .. keptOut], ct);
            await LogAsync(recipient, connection, transaction, open, requestId, ct);
            if (losers.Count > 0 && !decider.ReachesEverybody(recipient)) await log.AppendWithinAsync(connection, transaction, [Refused(recipient, losers, "conflict", requestId)], ct);
            if (keptOut.Count > 0) await log.AppendWithinAsync(connection, transaction, [Refused(recipient, keptOut, "suppressed", requestId)], ct);
            if (key is not null) await IdempotencyStore.AnswerAsync(connection, transaction, key, WriteAnswers.Of(items), ct);
            return true;
        }, ct);
        if (stored) await identifiers.Suppression.RememberAsync([.. items.Where(item => item.IsOpen).SelectMany(item => item.Lifted)], ct);
        return stored;
    }

    /// <returns>Those that somebody else was quicker with, or had already.</returns>
    private static async Task<List<PendingCustomer>> ClaimAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, IndexPlan plan, List<PendingCustomer> items, CancellationToken ct)
    {
        var open = Open(items);
        var claimed = await ProfileTables.ClaimAsync(connection, transaction, plan, open.SelectMany(item => item.Identifiers), ct);
        open.ForEach(item => item.RefuseIfTaken(term => !claimed.Contains(term)));
        return [.. open.Where(item => !item.IsOpen)];
    }

    private async Task MakeKeysAsync(List<PendingCustomer> open, CancellationToken ct)
    {
        if (open.Count == 0) return;
        foreach (var (item, made) in open.Zip(await keys.CreateAsync([.. open.Select(item => item.Subject)], ct))) item.Keys = made;
    }

    private async Task InsertAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, List<PendingCustomer> open, List<PendingCustomer> losers, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction);
        var now = decider.Clock.Now;
        if (losers.Count > 0)
        {
            batch.BatchCommands.Add(ProfileTables.Release(losers.Select(item => item.Subject), losers.SelectMany(item => item.Terms).Select(term => term.Index.Id).Distinct()));
        }
        if (open.Count > 0)
        {
            batch.BatchCommands.Add(SubjectRows.Insert([.. open.Select(item => item.Record!)], Jurisdiction, now));
            var terms = open.SelectMany(item => item.SharedTerms).ToList();
            if (terms.Count > 0) batch.BatchCommands.Add(ProfileTables.AddTerms(terms));
            batch.BatchCommands.Add(FeedQueue.EnqueueNew(open.Select(item => item.Subject), now));
        }
        if (batch.BatchCommands.Count > 0) await batch.ExecuteNonQueryAsync(ct);
    }

    // Each person's log begins with the commitment to their key, then the record, then what they consented to.
    private async Task LogAsync(
        Recipient recipient, NpgsqlConnection connection, NpgsqlTransaction transaction, List<PendingCustomer> open, Guid requestId, CancellationToken ct)
    {
        if (open.Count == 0) return;
        var entries = new List<LogEntry>(open.Count * 2);
        var acts = new List<OwnedAct>();
        foreach (var item in open)
        {
            entries.Add(log.Entry(EntryType.KeyCreate, recipient, item.Keys!.Tag, item.Item.Purpose, EntryResult.Ok, [], requestId) with { KeyCommitment = item.Keys.Commitment });
            item.LogIndex = entries.Count;
            entries.Add(Written(recipient, item, requestId));
            if (item.Lifted.Count > 0) entries.Add(Suppressions.LiftedEntry(log, recipient, item.Keys.Tag, (item.Item.Purpose, item.Item.Returning!, item.Lifted.Count), requestId));
            foreach (var fact in item.Draft!.Facts.Consents)
            {
                var owned = new OwnedAct(item.Subject, fact.PurposeId, Act(recipient, item, fact, at: entries.Count));
                acts.Add(owned);
                entries.Add(ConsentLedger.Entry(log, recipient, item.Keys.Tag, decider.Policy.Purposes.ById(fact.PurposeId)!.Name, owned, requestId));
            }
        }
        var first = await log.AppendWithinAsync(connection, transaction, entries, ct);
        open.ForEach(item => item.LogIndex += first);
        if (acts.Count == 0) return;
        await KeepNoticesAsync(connection, transaction, open, ct);
        await ConsentActs.InsertAsync(connection, transaction, acts.Select(one => one with { Act = one.Act with { LogIndex = first + one.Act.LogIndex } }), ct);
    }

    private async Task KeepNoticesAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, List<PendingCustomer> open, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction);
        foreach (var (purpose, text) in open.SelectMany(item => item.Draft!.Shown).Where(one => one.Value.Kept is not null).Select(one => (one.Key, one.Value.Kept!)).Distinct())
            batch.BatchCommands.Add(NoticeArchive.Keep(purpose, text, decider.Clock.Now));
        if (batch.BatchCommands.Count > 0) await batch.ExecuteNonQueryAsync(ct);
    }

    // A conflict tells that somebody has the value, whoever they are. Whoever may not know of everybody and tries values leaves a trace, and so does everybody who brings the erased.
    private LogEntry Refused(Recipient recipient, IReadOnlyList<PendingCustomer> losers, string rule, Guid requestId)
    {
        int[] fields = [.. losers.SelectMany(item => item.Identifiers).SelectMany(claim => claim.Term.Index.Parts).Select(part => AuditLog.ItemCode(part.Field)).Distinct().Order()];
        return log.Entry(EntryType.Denied, recipient, default, losers[0].Item.Purpose, EntryResult.Denied, fields, requestId) with { Rules = [rule] };
    }

    private LogEntry Written(Recipient recipient, PendingCustomer item, Guid requestId) =>
        log.Entry(EntryType.RecordWrite, recipient, item.Keys!.Tag, item.Item.Purpose, EntryResult.Ok, Decider.LogIds(item.Decision!.Permits), requestId) with
        {
            RecordVersion = FirstVersion,
            Seal = cipher.Digest(item.Record!),
            Rules = item.Decision.RuleIds,
        };

    /// <param name="at">Which of the entries of this call it is; the log adds where these begin.</param>
    private ConsentAct Act(Recipient recipient, PendingCustomer item, ConsentFact fact, int at)
    {
        var shown = item.Draft!.Shown[fact.PurposeId];
        return new ConsentAct(ConsentStates.NameOf((byte)fact.Status), decider.Clock.Now, shown.Version, ConsentRules.ChannelOf(recipient), fact.Expires, at)
        {
            RecordedBy = ConsentRules.RecorderOf(recipient), NoticeHash = shown.Hash, Language = shown.Language,
        };
    }
}
