using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Objections (GDPR 21): each names its purposes, and each purpose goes its own way.
/// <code>
/// direct marketing                stopped when the request comes in, whoever brings it; nobody weighs (21(2), (3))
/// public task, legitimate         stopped from the verification on, until an officer decides of each purpose (18(1)(d), 21(1))
/// interests                           granted: stays stopped          overridden, with grounds in words: goes on once the person is told
/// everything else                 cannot be objected to
/// </code>
/// INVARIANT: what a purpose is at is the same in the request and in the person's facts, for both are written in one transaction, under the locks of both rows.
/// </summary>
internal sealed class Objections(SubjectFacts facts, SubjectInbox inbox, ConsentFollowing following, ActivePolicy policy)
{
    private DateTimeOffset Now => inbox.Clock.Now;

    /// <summary>What an objection is to: the purposes that it names, or all that can be objected to.</summary>
    /// <exception cref="VaultException">invalid-fields: a purpose that is not there, or that cannot be objected to, and why.</exception>
    public IReadOnlyList<ObjectedPurpose> Named(IReadOnlyList<string>? names)
    {
        var purposes = policy.Current.Purposes;
        if (names is null) return [.. purposes.All.Where(purpose => purpose.CanBeObjectedTo).Select(Objected)];
        var problems = new List<FieldProblem>();
        if (names.Count == 0) problems.Add(new FieldProblem("/purposes", "missing", "Which purposes? Leave the member out to object to all that can be objected to."));
        var named = new List<ObjectedPurpose>();
        for (var index = 0; index < names.Count; index++)
        {
            if (purposes.Find(names[index]) is not { } purpose) problems.Add(new FieldProblem($"/purposes/{index}", "unknown", "There is no such purpose."));
            else if (!purpose.CanBeObjectedTo) problems.Add(new FieldProblem($"/purposes/{index}", "no-objection", WhyNot(purpose)));
            else if (named.All(one => one.Purpose != purpose.Id)) named.Add(Objected(purpose));
        }

        return problems.Count == 0 ? named : throw VaultException.Invalid(problems);
    }

    /// <summary>Carries a step with an objection into the person's facts; the caller disposes it.</summary>
    public ObjectionStep Step() => new(this);

    /// <summary>Which purposes are stopped, and which go on in spite of the objection.</summary>
    public LetterOrder LetterOf(RequestRow row, LetterKind kind) => new(kind)
    {
        Purposes = [.. row.Course.Objects.Where(one => one.Stands).Select(one => NameOf(one.Purpose))],
        Overridden = [.. row.Course.Choices.SelectMany(choice => choice.Purposes.Select(purpose => new OverriddenPurpose(NameOf(purpose), choice.Reason)))],
    };

    /// <summary>A purpose as calls name it.</summary>
    public string NameOf(int purpose) => policy.Current.Purposes.ById(purpose)?.Name ?? $"purpose-{purpose}";

    private static ObjectedPurpose Objected(Purpose purpose) => new(purpose.Id, purpose.DirectMarketing);

    private static string WhyNot(Purpose purpose) => purpose.LegalBasis switch
    {
        "contract" => "It is needed for the contract with the person (GDPR 6(1)(b)), and the right to object (GDPR 21) does not reach it.",
        "legal-obligation" => "A law obliges to it (GDPR 6(1)(c)), and the right to object (GDPR 21) does not reach it.",
        "vital-interests" => "It protects somebody's life (GDPR 6(1)(d)), and the right to object (GDPR 21) does not reach it.",
        "consent" or "explicit-consent" => "It rests on consent: withdraw the consent, and it stops at once (GDPR 7(3)).",
        _ => "The policy lets no objection stop it.",
    };

    /// <summary>What the row, as the step leaves it, wants stopped and let go on; the row then says that it is.</summary>
    internal async Task<SettledObjection?> SettleAsync(DutyWork work, RequestRow row)
    {
        if (row is not { Kind: RequestKinds.Objection, Subject: { } subject } || row.Course.Objects.Count == 0) return null;
        var (begin, end) = Due(row);
        if (begin.Count + end.Count == 0 && row.State != RequestStates.Completed) return null;
        if (await SubjectRows.LockAsync(work.Connection, work.Transaction, subject, work.Cancellation) is null) throw VaultException.NotFound();
        var pending = await PendingElsewhereAsync(work, row);
        var held = await inbox.KeysAsync(work, subject);
        try
        {
            HashSet<int> earlier = [];
            HashSet<int> gone = [];
            var changed = await facts.ChangeAsync(work.Connection, work.Transaction, held, before =>
            {
                earlier = [.. begin.Where(id => before.ObjectedPurposes.Contains(id) && !pending.Contains(id))];
                gone = [.. row.Course.Objects.Where(one => one.Stands && !before.ObjectedPurposes.Contains(one.Purpose)).Select(one => one.Purpose)];
                return before with { ObjectedPurposes = [.. before.ObjectedPurposes.Except(end.Except(pending)).Union(begin)] };
            }, work.Cancellation) ?? throw VaultException.NotFound();
            var after = FactsCodec.Decode(changed.After.Facts);
            await following.AfterAsync(work.Connection, work.Transaction, held, [.. begin.Concat(end).Select(policy.Current.Purposes.ById).OfType<Purpose>()], after, work.Cancellation);
            var objects = row.Course.Objects.Select(one => one switch
            {
                _ when begin.Contains(one.Purpose) => one with { Since = Now, Earlier = earlier.Contains(one.Purpose) },
                _ when end.Contains(one.Purpose) || gone.Contains(one.Purpose) => one with { Until = Now },
                _ => one,
            });
            return new SettledObjection(row with { Course = row.Course with { Objects = [.. objects] } }, held)
            {
                Seal = facts.Digest(changed.After), Version = changed.After.RowVersion,
                Said = [.. begin.Select(id => "stopped:" + NameOf(id)), .. end.Select(id => "goes-on:" + NameOf(id))],
            };
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    /// <inheritdoc cref="SubjectFacts.CommittedAsync"/>
    internal Task CommittedAsync(SubjectKeys held, CancellationToken ct) => facts.CommittedAsync([held], ct);

    // What is to be weighed is stopped as soon as it is known who asks, for a caller who pretends to be the person could open the way for a fraud.
    private static (HashSet<int> Begin, HashSet<int> End) Due(RequestRow row)
    {
        var (verified, over) = (row.State is RequestStates.Verified or RequestStates.Confirming or RequestStates.Approved, row.State is RequestStates.Refused or RequestStates.Withdrawn or RequestStates.Expired);
        HashSet<int> overridden = row.State == RequestStates.Completed ? [.. row.Course.Choices.SelectMany(choice => choice.Purposes)] : [];
        return (
            [.. row.Course.Objects.Where(one => one.Since is null && (one.Absolute || verified)).Select(one => one.Purpose)],
            [.. row.Course.Objects.Where(one => one is { Absolute: false, Stands: true, Earlier: false } && (over || overridden.Contains(one.Purpose))).Select(one => one.Purpose)]);
    }

    // Another open request of the person keeps a purpose stopped until it is decided too.
    private static async Task<HashSet<int>> PendingElsewhereAsync(DutyWork work, RequestRow row)
    {
        var others = await RequestStore.OpenBesideAsync(work, row);
        return [.. others.SelectMany(one => one.Course.Objects).Where(one => one is { Absolute: false, Stands: true, Earlier: false }).Select(one => one.Purpose)];
    }
}

/// <summary>A step with an objection as it stands in the transaction.</summary>
internal sealed record SettledObjection(RequestRow Row, SubjectKeys Held)
{
    public required byte[] Seal { get; init; }

    public required long Version { get; init; }

    public required IReadOnlyList<string> Said { get; init; }

    /// <summary>The entry of the step, which then tells of the record too.</summary>
    public LogEntry Told(LogEntry entry) => entry with { Seal = Seal, RecordVersion = Version, Rules = [.. entry.Rules, .. Said] };
}

/// <summary>
/// What a step with an objection does besides: in the transaction of the step, and told of by its entry. Of another request it does nothing. Whoever takes the step says when
/// it is committed, before anybody is answered: from then on no process lets through what is stopped.
/// </summary>
internal sealed class ObjectionStep(Objections desk) : IDisposable
{
    private SettledObjection? settled;

    /// <summary>What the person is told when it comes in; null of another request.</summary>
    public LetterOrder? LetterOf(RequestRow row) => row.Course.Objects.Count == 0 ? null
        : desk.LetterOf(row, row.State == RequestStates.Completed ? LetterKind.Objected : LetterKind.Received);

    /// <summary>INVARIANT: before the head of the log is locked.</summary>
    public async Task<RequestRow> TakeAsync(DutyWork work, RequestRow row)
    {
        Dispose();
        settled = await desk.SettleAsync(work, row);
        return settled?.Row ?? row;
    }

    public LogEntry Told(LogEntry entry) => settled?.Told(entry) ?? entry;

    public Task CommittedAsync(CancellationToken ct) => settled is { } done ? desk.CommittedAsync(done.Held, ct) : Task.CompletedTask;

    public void Dispose()
    {
        settled?.Held.Dispose();
        settled = null;
    }
}
