using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Global Privacy Control: a person's browser says on each request that they do not want their data sold, shared or used to target them. It counts as their
/// objection to the purposes that the policy marks, in force before the request that bears it is answered. It is never taken back by a signal's absence;
/// a consent that the person gives later, having been told, stands against it.
/// </summary>
public sealed class PrivacySignals
{
    private readonly VaultDatabase database;
    private readonly KeyRegistry keys;
    private readonly AuditLog log;
    private readonly SubjectFacts facts;
    private readonly ConsentFollowing following;
    private readonly ConsentRules rules;

    internal PrivacySignals(VaultDatabase database, KeyRegistry keys, AuditLog log, SubjectFacts facts, ConsentFollowing following, ConsentRules rules) =>
        (this.database, this.keys, this.log, this.facts, this.following, this.rules) = (database, keys, log, facts, following, rules);

    private List<Purpose> Marked => [.. rules.Policy.Purposes.All.Where(purpose => purpose.Gpc)];

    /// <summary>Whether the policy lets the signal say anything.</summary>
    public bool IsHeard => rules.Policy.Purposes.All.Any(purpose => purpose.Gpc);

    /// <summary>Since when; null where the policy does not say.</summary>
    public DateOnly? Since => rules.Policy.Purposes.GpcSince;

    /// <summary>The person's own request bore the signal.</summary>
    /// <returns>Whether there was anything to do.</returns>
    public async Task<bool> HonourAsync(Recipient recipient, Guid requestId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        if (recipient is not { Kind: RecipientKind.Customer, Subject: { } subject } || Marked.Count == 0) return false;
        // Most requests of a browser that sends the signal come after the first: a look, and no more.
        if (await SubjectRows.FindAsync(database, subject, ct) is not { } seen || !FactsCodec.TryDecode(seen.Facts, out var known) || Unheard(known).Count == 0) return false;
        using var held = await keys.GetAsync(subject, ct);
        var objected = await database.RunAsync((connection, transaction) => ObjectAsync(connection, transaction, held, recipient, requestId, ct), ct);
        await facts.CommittedAsync([held], ct);
        return objected;
    }

    private async Task<bool> ObjectAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, SubjectKeys held, Recipient recipient, Guid requestId, CancellationToken ct)
    {
        List<Purpose> heard = [];
        var changed = await facts.ChangeAsync(connection, transaction, held, before =>
        {
            heard = Unheard(before);
            return before with { ObjectedPurposes = [.. before.ObjectedPurposes, .. heard.Select(purpose => purpose.Id)] };
        }, ct);
        if (changed is not { } change) return false;
        await following.AfterAsync(connection, transaction, held, heard, FactsCodec.Decode(change.After.Facts), ct);
        var acts = heard.ConvertAll(purpose => new OwnedAct(held.Subject, purpose.Id, Act()));
        // The record's new state is told of whether or not somebody else was quicker with the same signal.
        var entries = heard.Zip(acts, (purpose, owned) => ConsentLedger.Entry(log, recipient, held.Tag, purpose.Name, owned, requestId)).ToList();
        if (entries.Count == 0) entries.Add(log.Entry(EntryType.ConsentChange, recipient, held.Tag, recipient.Purposes.Count > 0 ? recipient.Purposes[0] : "", EntryResult.Ok, [], requestId));
        entries[^1] = entries[^1] with { Seal = facts.Digest(change.After), RecordVersion = change.After.RowVersion };
        var first = await log.AppendWithinAsync(connection, transaction, entries, ct);
        await ConsentActs.InsertAsync(connection, transaction, acts.Select((owned, at) => owned with { Act = owned.Act with { LogIndex = first + at } }), ct);
        return heard.Count > 0;
    }

    private ConsentAct Act() => new("objected", rules.Clock.Now, null, ConsentWords.Signal, null, LogIndex: 0) { RecordedBy = ConsentRecorder.Signal };

    private List<Purpose> Unheard(DecisionFacts known) => Marked.FindAll(purpose =>
        !known.ObjectedPurposes.Contains(purpose.Id)
        && !known.Consents.Any(fact => fact.PurposeId == purpose.Id && fact.DespiteSignal && fact.HoldsAt(rules.Clock.Now)));
}
