namespace DataVault.Policy;

/// <summary>A decision to explain, for an imagined recipient and person.</summary>
public sealed record ImaginedCall(IReadOnlyList<string> Roles, string Purpose, AccessAction Action)
{
    /// <summary>Purposes that the credential is bound to; null for the one asked for.</summary>
    public IReadOnlyList<string>? BoundTo { get; init; }

    /// <summary>Null for every field.</summary>
    public IReadOnlyList<RequestedItem>? Items { get; init; }

    /// <summary>What is known of the person.</summary>
    public DecisionFacts Facts { get; init; } = DecisionFacts.None;

    /// <summary><see cref="Recipient.Password"/> or <see cref="Recipient.MultiFactor"/>.</summary>
    public int Assurance { get; init; } = Recipient.Password;

    /// <summary>The recipient is the person.</summary>
    public bool OwnRecord { get; init; }
}

/// <summary>A rule that speaks of the item: whether it applied, and what it lacked if not.</summary>
/// <param name="RuleId">The rule.</param>
/// <param name="Forbids">A forbid; a permit otherwise.</param>
/// <param name="Form">What a permit gives.</param>
/// <param name="Applies">Its condition holds; of a forbid: its exception does not.</param>
/// <param name="Missing">Conditions of a permit, or of the exception of a forbid, that do not hold.</param>
public sealed record RuleStep(string RuleId, bool Forbids, Form Form, bool Applies, IReadOnlyList<string> Missing);

/// <summary>A condition that the answer turned on, and whether it held.</summary>
public sealed record UsedFact(string Condition, bool Holds);

/// <summary>The least that would have to be otherwise for the item to be released, or released more widely.</summary>
/// <param name="Changes">Conditions that would have to hold; <c>purpose:…</c> and <c>bound:…</c> among them where another purpose is the way.</param>
/// <param name="Form">What would be released then.</param>
public sealed record WouldRelease(IReadOnlyList<string> Changes, Form Form);

/// <summary>How one item was decided and why.</summary>
public sealed record ExplainedItem(ItemDecision Decision, IReadOnlyList<RuleStep> Path, IReadOnlyList<UsedFact> Facts, IReadOnlyList<WouldRelease> Nearest);

/// <summary>A decision with its reasons.</summary>
public sealed record PolicyExplanation(Decision Decision, IReadOnlyList<ExplainedItem> Items);

/// <summary>Explains decisions: the decision is the decision point's own, the reasons are read from the same table.</summary>
internal sealed class Explainer(PolicySet policy, ImaginedCall call, DateTimeOffset now)
{
    /// <summary>More of the same size say nothing more.</summary>
    private const int MostChanges = 5;

    private readonly AccessRequest request = RequestOf(call);

    public PolicyExplanation Explain()
    {
        var decision = policy.Decisions.Decide(request, call.Facts, now);
        return new PolicyExplanation(decision, [.. decision.Items.Select(Explain)]);
    }

    private ExplainedItem Explain(ItemDecision decision)
    {
        var ordinal = policy.Purposes.Find(call.Purpose) is { } purpose ? policy.Questions.OrdinalOf(purpose) : -1;
        var cells = ordinal < 0 ? [] : request.Recipient.Roles.Select(role => policy.Questions.Ways.Row(role, ordinal, call.Action)?[decision.Item.Ordinal]).OfType<Cell>().Distinct().ToList();
        var path = cells.SelectMany(Steps).DistinctBy(step => step.RuleId).OrderBy(step => step.RuleId, StringComparer.Ordinal).ToList();
        return new ExplainedItem(decision, path, Facts(decision.Item), decision.Permit is { Form: Form.Plain } ? [] : Nearest(decision));
    }

    private IEnumerable<RuleStep> Steps(Cell cell)
    {
        foreach (var forbid in cell.Forbids)
        {
            var missing = forbid.Guard == 0 ? [] : Missing(Guard(forbid.Guard));
            foreach (var id in forbid.Rules.Ids) yield return new RuleStep(id, true, Form.Withheld, forbid.Guard == 0 || missing.Count > 0, missing);
        }

        foreach (var permit in cell.Permits)
        {
            var missing = Missing(Guard(permit.Guard));
            foreach (var id in permit.Rules.Ids) yield return new RuleStep(id, false, permit.Form, missing.Count == 0, missing);
        }
    }

    private Guard Guard(int number) => policy.Questions.Ways.GuardOf(number);

    private List<UsedFact> Facts(CatalogueItem item)
    {
        if (policy.Purposes.Find(call.Purpose) is not { } purpose) return [];
        var ordinal = policy.Questions.OrdinalOf(purpose);
        var cells = request.Recipient.Roles.Select(role => policy.Questions.Ways.Row(role, ordinal, call.Action)?[item.Ordinal]).OfType<Cell>();
        var guards = cells.SelectMany(cell => cell.Permits.Select(permit => permit.Guard).Concat(cell.Forbids.Select(forbid => forbid.Guard))).Distinct().Select(Guard).ToList();
        var used = guards.SelectMany(guard => guard.Words(policy.Purposes).Select(word => (word, Holds: !Missing(guard).Contains(word))))
            .Concat(WayFinder.StopsOf(purpose, call.Action).Select(word => (word, Holds: HoldsStop(word, purpose))));
        return [.. used.DistinctBy(one => one.word).OrderBy(one => one.word, StringComparer.Ordinal).Select(one => new UsedFact(one.word, one.Holds))];
    }

    // The same purpose first; another one is a change too, and of the credential one more where it is not bound to it.
    private List<WouldRelease> Nearest(ItemDecision decision)
    {
        var candidates = new List<WouldRelease>();
        foreach (var purpose in policy.Purposes.All)
        {
            List<string> other = purpose.Name == call.Purpose ? [] : ["purpose:" + purpose.Name];
            if (!request.Recipient.Purposes.Contains(purpose.Name)) other.Add("bound:" + purpose.Name);
            var stops = WayFinder.StopsOf(purpose, call.Action).Where(word => !HoldsStop(word, purpose));
            other.AddRange(stops);
            foreach (var role in request.Recipient.Roles)
            {
                foreach (var way in policy.Questions.Ways.Find(role, policy.Questions.OrdinalOf(purpose), call.Action, decision.Item, request.Recipient.Roles))
                {
                    if (way.Form > decision.Form) candidates.Add(new WouldRelease([.. other.Concat(way.Guards.SelectMany(Missing)).Distinct().Order(StringComparer.Ordinal)], way.Form));
                }
            }
        }

        var changes = candidates.Where(one => one.Changes.Count > 0).ToList();
        if (changes.Count == 0) return [];
        // The least there is, and of each wider form the least that gives it.
        return
        [
            .. changes.GroupBy(one => one.Form).SelectMany(group => group.Where(one => one.Changes.Count == group.Min(least => least.Changes.Count)))
                .DistinctBy(one => string.Join(' ', one.Changes)).OrderBy(one => one.Changes.Count).ThenByDescending(one => one.Form).ThenBy(one => string.Join(' ', one.Changes), StringComparer.Ordinal)
                .Take(MostChanges),
        ];
    }

    /// <summary>The words of a condition that do not hold, each tested by itself.</summary>
    private List<string> Missing(Guard guard) =>
        [.. guard.Parts().Where(part => part.Test(request, call.Facts, now) != Obstacle.None).SelectMany(part => part.Words(policy.Purposes)).Distinct()];

    private bool HoldsStop(string word, Purpose purpose) => word switch
    {
        "no-restriction" => !call.Facts.Restricted,
        "no-hold" => !call.Facts.OnHold && call.Facts.Holds.Count == 0,
        _ when word.StartsWith("no-objection:", StringComparison.Ordinal) => !call.Facts.ObjectedPurposes.Contains(purpose.Id),
        _ when word.StartsWith(WayFinder.ChildPrefix, StringComparison.Ordinal) => !ConsentGiven(purpose, guarded: false) || ConsentGiven(purpose, guarded: true),
        _ => ConsentGiven(purpose, guarded: false),
    };

    private bool ConsentGiven(Purpose purpose, bool guarded) => ConsentState.Of(purpose.Id, guarded, call.Facts, now) == Obstacle.None;

    private static AccessRequest RequestOf(ImaginedCall call)
    {
        var recipient = new Recipient(
            call.OwnRecord ? RecipientKind.Customer : RecipientKind.Application, "imagined", "imagined", call.Roles, call.BoundTo ?? [call.Purpose], call.OwnRecord ? CaseRunner.Subject : null, call.Assurance);
        return new AccessRequest(recipient, CaseRunner.Subject, call.Action, call.Purpose, call.Items);
    }
}
