using System.Globalization;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Indexes;
using Npgsql;

namespace DataVault.Vault;

/// <summary>What besides the acts says how a consent stood: the log, the sealed facts, the person's requests and age.</summary>
internal sealed class ConsentPast(VaultDatabase database, AuditReader log, IndexedValues values, ActivePolicy policy, VaultClock clock)
{
    private const string LimitsSql =
        "select kind, case when state = 'completed' then completed_at end, course from vault.request where subject_id = $1 and kind in ('restriction', 'objection')";

    public DateTimeOffset Now => clock.Now;

    /// <summary>Acts that the log tells of and the rows do not have; and what the acts come to, where the sealed facts say otherwise.</summary>
    /// <param name="opened">The person.</param>
    /// <param name="purpose">The purpose.</param>
    /// <param name="acts">Every act for it, oldest first.</param>
    /// <param name="until">What came later is not asked.</param>
    /// <param name="ct">Ends the waiting.</param>
    public async Task<List<string>> MissingAsync(OpenedConsents opened, Purpose purpose, List<OwnedAct> acts, DateTimeOffset until, CancellationToken ct)
    {
        var stored = acts.Select(owned => owned.Act.LogIndex).ToHashSet();
        var missing = new List<string>();
        foreach (var one in await EntriesAsync(opened, EntryType.ConsentChange, purpose.Name, ct))
        {
            if (one.Entry.Time <= until.ToUnixTimeMilliseconds() && !one.Entry.DetailHash.IsEmpty && !stored.Contains(one.Index))
                missing.Add(string.Create(CultureInfo.InvariantCulture, $"entry {one.Index} tells of an act that is not stored"));
        }

        var (told, folded) = (StateOf(opened.Facts, purpose, Now), ConsentFold.StateAt(acts.Select(owned => owned.Act), Now));
        if (told != Counted(folded)) missing.Add($"the acts come to {folded}, and the sealed record says {told}");
        return missing;
    }

    /// <summary>What stopped the purpose at an instant although it was consented to, by the codes of <see cref="Reasons"/>, or <c>child</c>.</summary>
    public async Task<List<string>> StopsAsync(OpenedConsents opened, Purpose purpose, List<OwnedAct> acts, DateTimeOffset at, CancellationToken ct)
    {
        var limits = await LimitsAsync(opened, purpose, ct);
        var lifts = at >= Now ? [] : await LiftsAsync(opened, purpose, ct);
        var stops = new List<string>();
        if (purpose.StopsOnRestriction && IsRestricted(opened, [.. limits, .. lifts], at)) stops.Add(Reasons.Restricted);
        if (purpose.StopsOnObjection && IsObjected(opened, purpose, acts, [.. limits, .. lifts], at)) stops.Add(Reasons.Objected);
        if (MayBeAChilds(opened, purpose, acts, at)) stops.Add("child");
        return stops;
    }

    private static string StateOf(DecisionFacts facts, Purpose purpose, DateTimeOffset now)
    {
        var fact = facts.Consents.FirstOrDefault(consent => consent.PurposeId == purpose.Id);
        return fact is { IsGiven: true } && !fact.HoldsAt(now) ? ConsentFold.Expired : Counted(ConsentStates.NameOf((byte)(fact?.Status ?? ConsentStatus.Unknown)));
    }

    private static string Counted(string state) => state == "renewed" ? "given" : state;

    private async Task<List<AuditRecord>> EntriesAsync(OpenedConsents opened, EntryType type, string purpose, CancellationToken ct)
    {
        var query = new AuditQuery { Subject = opened.Keys.Subject, Type = type, Purpose = purpose, Result = EntryResult.Ok, OldestFirst = true, Limit = AuditQuery.MaxLimit };
        var entries = new List<AuditRecord>();
        for (AuditPage? page = null; page is null || query.Cursor is not null;)
        {
            page = await log.SearchAsync(query, ct);
            entries.AddRange(page.Entries);
            query = query with { Cursor = page.Next };
        }

        return entries;
    }

    /// <summary>That a limit began or ended.</summary>
    private sealed record Turn(string Kind, DateTimeOffset At, bool Begins);

    private async Task<List<Turn>> LimitsAsync(OpenedConsents opened, Purpose purpose, CancellationToken ct)
    {
        await using var command = database.Reads.CreateCommand(LimitsSql);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = opened.Keys.Subject.Value });
        var rows = await Rows.ReadAsync(
            command, row => (Kind: row.GetString(0), Completed: row.IsDBNull(1) ? (DateTimeOffset?)null : new DateTimeOffset(row.GetDateTime(1)), Course: RequestCourse.Decode(row.IsDBNull(2) ? null : row.GetFieldValue<byte[]>(2))), ct);
        var objected = rows.SelectMany(row => row.Course.Objects).Where(one => one.Purpose == purpose.Id && one.Since is not null).ToList();
        return [.. rows.SelectMany(row => TurnsOf(row.Kind, row.Completed, row.Course, purpose)).Where(turn => turn.Begins || !objected.Any(one => one.Since <= turn.At && !(one.Until <= turn.At)))];
    }

    // An objection from before it named its purposes was to all that can be objected to, from its end on.
    private static IEnumerable<Turn> TurnsOf(string kind, DateTimeOffset? completed, RequestCourse course, Purpose purpose)
    {
        if (course.Objects.Count == 0)
        {
            if (completed is { } at && (kind != RequestKinds.Objection || purpose.CanBeObjectedTo)) yield return new Turn(kind, at, Begins: true);
            yield break;
        }

        foreach (var one in course.Objects.Where(one => one.Purpose == purpose.Id && one.Since is not null))
        {
            yield return new Turn(kind, one.Since!.Value, Begins: true);
            if (one.Until is { } until) yield return new Turn(kind, until, Begins: false);
        }
    }

    private async Task<List<Turn>> LiftsAsync(OpenedConsents opened, Purpose purpose, CancellationToken ct)
    {
        var restrictions = await EntriesAsync(opened, EntryType.RestrictionLift, SubjectRequests.Purpose, ct);
        var objections = await EntriesAsync(opened, EntryType.ObjectionLift, purpose.Name, ct);
        return [.. restrictions.Select(one => Lifted(RequestKinds.Restriction, one)).Concat(objections.Select(one => Lifted(RequestKinds.Objection, one))).OfType<Turn>()];
    }

    private static Turn? Lifted(string kind, AuditRecord record) =>
        record.Entry.Rules.Contains(LimitLifting.Done) ? new Turn(kind, DateTimeOffset.FromUnixTimeMilliseconds(record.Entry.Time), Begins: false) : null;

    // A restriction that no request explains is taken to have been there always.
    private bool IsRestricted(OpenedConsents opened, List<Turn> limits, DateTimeOffset at)
    {
        if (at >= Now) return opened.Facts.Restricted;
        List<Turn> turns = [.. limits.Where(one => one.Kind == RequestKinds.Restriction).OrderBy(one => one.At)];
        if (turns.LastOrDefault(one => one.At <= at) is { } last) return last.Begins;
        return turns is [] ? opened.Facts.Restricted : !turns[0].Begins;
    }

    private bool IsObjected(OpenedConsents opened, Purpose purpose, List<OwnedAct> acts, List<Turn> limits, DateTimeOffset at)
    {
        if (at >= Now) return opened.Facts.ObjectedPurposes.Contains(purpose.Id);
        var said = acts.Where(owned => owned.Act.State == "objected" || owned.Act.LiftsObjection).Select(owned => (owned.Act.At, Objects: !owned.Act.LiftsObjection));
        var asked = limits.Where(one => one.Kind == RequestKinds.Objection).Select(one => (one.At, Objects: one.Begins));
        return said.Concat(asked).Where(one => one.At <= at).OrderBy(one => one.At).LastOrDefault().Objects;
    }

    // Now the facts count, as they do in decisions; of the past, the date of birth and the guardian that the act names.
    private bool MayBeAChilds(OpenedConsents opened, Purpose purpose, List<OwnedAct> acts, DateTimeOffset at)
    {
        if (purpose.Child is not { } rule) return false;
        if (at >= Now) return opened.Facts.Consents.Any(fact => fact.PurposeId == purpose.Id && fact.IsGiven && fact.MayBeAChilds(opened.Facts.Child));
        if (acts.LastOrDefault(owned => owned.Act.At <= at && ConsentFold.IsValid(owned.Act.State)) is not { } given || given.Act.Guardian is not null) return false;
        var age = AgeFacts.Of(values, policy.Current, opened.Record, opened.Keys);
        return age.Looked && (age.Born is not null || opened.Facts.Child is null)
            ? rule.IsChild(age.Born, opened.Facts.Traits.Jurisdiction, DateOnly.FromDateTime(at.UtcDateTime))
            : opened.Facts.Child != false;
    }
}
