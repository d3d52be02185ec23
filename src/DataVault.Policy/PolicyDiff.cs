using System.Runtime.CompilerServices;

namespace DataVault.Policy;

/// <summary>A combination that one of two versions releases and the other does not, or not as widely, or not on these conditions alone.</summary>
/// <param name="Released">True when the newer version releases it; false when it does no longer.</param>
/// <param name="Grant">The way, in the words of the version that has it.</param>
public sealed record PolicyDifference(bool Released, PolicyGrant Grant);

/// <summary>What a form shows of a field, in two versions: with the same rules, another mask shows something else.</summary>
public sealed record FormChange(string Item, string What, string Before, string After);

/// <summary>What a newer version says otherwise of a purpose.</summary>
/// <param name="Purpose">Its name.</param>
/// <param name="What"><c>new</c>, <c>gone</c>, <c>basis</c>, <c>notice</c>, or <c>notice of the same version</c>.</param>
/// <param name="Before">What the older version says; empty of a new one.</param>
/// <param name="After">What the newer says; empty of one that is gone.</param>
public sealed record PurposeChange(string Purpose, string What, string Before, string After);

/// <summary>What a newer version says otherwise of a recipient.</summary>
/// <param name="Recipient">Its name.</param>
/// <param name="What"><c>new</c>, <c>gone</c>, <c>terms</c>, <c>sub-processors</c>, or <c>theirs</c>: their applications and analytics domains.</param>
/// <param name="Before">What the older version says; empty of a new one.</param>
/// <param name="After">What the newer says; empty of one that is gone.</param>
public sealed record RecipientChange(string Recipient, string What, string Before, string After);

/// <summary>What a newer version would make of something that an older one decided.</summary>
public enum ReadFate
{
    /// <summary>The same.</summary>
    Same,

    /// <summary>Released, and less of it shown.</summary>
    Narrower,

    /// <summary>Released only if something held then that the older version did not ask for.</summary>
    Depends,

    /// <summary>Refused, whatever the facts.</summary>
    Refused,

    /// <summary>It was refused, and might be released now.</summary>
    Releasable,
}

/// <summary>
/// What a version releases that another does not: exactly, by going through every role, purpose, action and item of both. A way of the newer version is newly
/// released when no way, nor all ways together, of the older is open wherever it is and gives as much. The same the other way round is no longer released.
/// </summary>
public sealed class PolicyDiff
{
    private readonly PolicySet before;
    private readonly PolicySet after;
    private readonly Dictionary<(Cell? Before, Cell? After, string Consent), Pair> pairs = new(new ByCells());

    public PolicyDiff(PolicySet before, PolicySet after)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        (this.before, this.after) = (before, after);
    }

    /// <summary>How many pairs of cells were compared so far; what many combinations share is compared once.</summary>
    public int Compared => pairs.Count;

    /// <summary>Masks, generalisations and widest forms that changed.</summary>
    public IReadOnlyList<FormChange> Forms =>
    [
        .. from item in after.Items
           let old = before.Items.FirstOrDefault(one => one.Code == item.Code)
           where old is not null
           from change in Changes(old, item)
           select change,
    ];

    /// <summary>Purposes that came or went, and those of which people are told, or agreed to, something else.</summary>
    public IReadOnlyList<PurposeChange> Purposes =>
    [
        .. from id in before.Purposes.All.Concat(after.Purposes.All).Select(purpose => purpose.Id).Distinct().Order()
           from change in Changes(before.Purposes.ById(id), after.Purposes.ById(id))
           select change,
    ];

    /// <summary>Recipients that came or went, or whose terms are others.</summary>
    public IReadOnlyList<RecipientChange> Recipients =>
    [
        .. from name in Names(policy => policy.Recipients.All.Select(recipient => recipient.Name))
           from change in Changes(before.Recipients.Find(name), after.Recipients.Find(name))
           select change,
    ];

    /// <summary>Role and capability that one version gives and the other does not.</summary>
    public IReadOnlyList<(bool Given, string Role, string Capability)> RoleCapabilities =>
    [
        .. Names(policy => policy.Roles.All.Select(role => role.Name)).SelectMany(role => Capabilities.All
            .Where(capability => before.Decisions.HasCapability([role], capability) != after.Decisions.HasCapability([role], capability))
            .Select(capability => (after.Decisions.HasCapability([role], capability), role, capability))),
    ];

    /// <summary>Every difference: by role, purpose, action and item, in that order.</summary>
    public IEnumerable<PolicyDifference> Differences()
    {
        var items = Items();
        foreach (var role in Names(policy => policy.Roles.All.Select(role => role.Name)))
        {
            foreach (var purpose in Names(policy => policy.Purposes.All.Select(purpose => purpose.Name)))
            {
                var (old, young) = (new Side(before, role, purpose), new Side(after, role, purpose));
                foreach (var action in Enum.GetValues<AccessAction>())
                {
                    foreach (var difference in Compare(old, young, action, items)) yield return difference;
                }
            }
        }
    }

    /// <summary>What would become of one item of a past decision.</summary>
    /// <param name="roles">Roles that the recipient had.</param>
    /// <param name="purpose">Purpose of the call.</param>
    /// <param name="action">Action of the call.</param>
    /// <param name="code">The item, by <see cref="CatalogueItem.Code"/>.</param>
    /// <param name="wasReleased">It was released then: so one of the older version's ways was open.</param>
    public ReadFate FateOf(IReadOnlyList<string> roles, string purpose, AccessAction action, int code, bool wasReleased)
    {
        var (old, young) = (WaysOf(before, roles, purpose, action, code), WaysOf(after, roles, purpose, action, code));
        var (more, less) = (StopsOf(before, purpose, action), StopsOf(after, purpose, action));
        if (!wasReleased) return young.Any(way => !Way.Cover(old, way)) || (young.Count > 0 && more.Except(less).Any()) ? ReadFate.Releasable : ReadFate.Same;
        if (young.Count == 0) return ReadFate.Refused;
        if (old.Count == 0 || less.Except(more).Any()) return ReadFate.Depends;
        if (old.TrueForAll(way => Way.Cover(young, way))) return ReadFate.Same;
        return old.TrueForAll(way => Way.Cover(young, way with { Form = Form.Withheld, Obligations = ObligationNames.All })) ? ReadFate.Narrower : ReadFate.Depends;
    }

    private static List<Way> WaysOf(PolicySet policy, IReadOnlyList<string> roles, string purpose, AccessAction action, int code)
    {
        if (policy.Purposes.Find(purpose) is not { } known || policy.Items.FirstOrDefault(item => item.Code == code) is not { } item) return [];
        var ordinal = policy.Questions.OrdinalOf(known);
        return [.. roles.SelectMany(role => policy.Questions.Ways.Find(role, ordinal, action, item, roles))];
    }

    private static IReadOnlyList<string> StopsOf(PolicySet policy, string purpose, AccessAction action) =>
        policy.Purposes.Find(purpose) is { } known ? WayFinder.StopsOf(known, action) : [];

    /// <summary>One version's answers to a role and a purpose, which it may lack.</summary>
    private sealed class Side(PolicySet policy, string role, string purpose)
    {
        private readonly int ordinal = policy.Purposes.Find(purpose) is { } known ? policy.Questions.OrdinalOf(known) : -1;

        public Purpose? Purpose { get; } = policy.Purposes.Find(purpose);

        public Reach Reach { get; } = policy.Questions.Ways.ReachOf(role);

        public Cell?[]? Row(AccessAction action) => ordinal < 0 ? null : policy.Questions.Ways.Row(role, ordinal, action);

        public IReadOnlyList<Way> Ways(Cell? cell) => cell is null ? [] : policy.Questions.Ways.Of(cell, Reach, Purpose!);

        public PolicyDifference Tell(bool released, AccessAction action, CatalogueItem item, Way way) =>
            new(released, policy.Questions.Grant(role, Purpose!, action, item, way));
    }

    /// <summary>Ways of each that the other's ways do not cover.</summary>
    private sealed record Pair(IReadOnlyList<Way> Released, IReadOnlyList<Way> Withdrawn)
    {
        public static Pair Of(IReadOnlyList<Way> before, IReadOnlyList<Way> after) =>
            new([.. after.Where(way => !Way.Cover(before, way))], [.. before.Where(way => !Way.Cover(after, way))]);
    }

    private IEnumerable<PolicyDifference> Compare(Side old, Side young, AccessAction action, List<(CatalogueItem? Before, CatalogueItem? After)> items)
    {
        var (rowBefore, rowAfter) = (old.Row(action), young.Row(action));
        if (rowBefore is null && rowAfter is null) yield break;
        var more = old.Purpose is null ? [] : WayFinder.StopsOf(old.Purpose, action);
        var less = young.Purpose is null ? [] : WayFinder.StopsOf(young.Purpose, action);
        // Where the newer purpose asks for less, all its ways are new; where it asks for more, none of the older is left as it was.
        var (eased, tightened) = (more.Except(less).Any() && old.Purpose is not null, less.Except(more).Any() && young.Purpose is not null);
        foreach (var (itemBefore, itemAfter) in items)
        {
            var (cellBefore, cellAfter) = (itemBefore is null ? null : rowBefore?[itemBefore.Ordinal], itemAfter is null ? null : rowAfter?[itemAfter.Ordinal]);
            if (cellBefore is null && cellAfter is null) continue;
            var pair = PairOf(old, young, cellBefore, cellAfter);
            foreach (var way in eased ? young.Ways(cellAfter) : pair.Released) yield return young.Tell(true, action, itemAfter!, way);
            foreach (var way in tightened ? old.Ways(cellBefore) : pair.Withdrawn) yield return old.Tell(false, action, itemBefore!, way);
        }
    }

    private Pair PairOf(Side old, Side young, Cell? cellBefore, Cell? cellAfter)
    {
        if (!old.Reach.IsEverybody || !young.Reach.IsEverybody) return Pair.Of(old.Ways(cellBefore), young.Ways(cellAfter));
        var consent = old.Purpose?.NeedsConsent == true || young.Purpose?.NeedsConsent == true ? (young.Purpose ?? old.Purpose)!.Name : "";
        if (!pairs.TryGetValue((cellBefore, cellAfter, consent), out var pair)) pairs[(cellBefore, cellAfter, consent)] = pair = Pair.Of(old.Ways(cellBefore), young.Ways(cellAfter));
        return pair;
    }

    // Consents of a permit's own stand in guards as numbers: a number means the same purpose in both, or the newer version may not follow the older.
    private List<(CatalogueItem?, CatalogueItem?)> Items()
    {
        var (old, young) = (before.Items.ToDictionary(item => item.Code), after.Items.ToDictionary(item => item.Code));
        return [.. old.Keys.Union(young.Keys).Order().Select(code => (old.GetValueOrDefault(code), young.GetValueOrDefault(code)))];
    }

    private IEnumerable<string> Names(Func<PolicySet, IEnumerable<string>> of) => of(before).Union(of(after)).Order(StringComparer.Ordinal);

    internal static string BasisOf(Purpose purpose) => purpose.SpecialBasis is { } special ? $"{purpose.LegalBasis} ({special})" : purpose.LegalBasis;

    private static IEnumerable<PurposeChange> Changes(Purpose? old, Purpose? young)
    {
        if (old is null || young is null)
        {
            yield return new PurposeChange((young ?? old)!.Name, young is null ? "gone" : "new", old is null ? "" : BasisOf(old), young is null ? "" : BasisOf(young));
            yield break;
        }

        if (BasisOf(old) != BasisOf(young)) yield return new PurposeChange(young.Name, "basis", BasisOf(old), BasisOf(young));
        foreach (var language in old.Notices.Concat(young.Notices).Select(notice => notice.Language).Distinct())
        {
            var (left, right) = (old.Notices.FirstOrDefault(notice => notice.Language == language), young.Notices.FirstOrDefault(notice => notice.Language == language));
            if (left == right) continue;
            yield return new PurposeChange(young.Name, left?.Version == right?.Version ? "notice of the same version" : "notice", Told(left), Told(right));
        }
    }

    private static IEnumerable<RecipientChange> Changes(DeclaredRecipient? old, DeclaredRecipient? young)
    {
        if (old is null || young is null)
        {
            yield return new RecipientChange((young ?? old)!.Name, young is null ? "gone" : "new", old is null ? "" : TermsOf(old), young is null ? "" : TermsOf(young));
            yield break;
        }

        (string What, string Before, string After)[] aspects =
            [("terms", TermsOf(old), TermsOf(young)), ("sub-processors", SubProcessorsOf(old), SubProcessorsOf(young)), ("theirs", TheirsOf(old), TheirsOf(young))];
        foreach (var (what, left, right) in aspects.Where(aspect => aspect.Before != aspect.After)) yield return new RecipientChange(young.Name, what, left, right);
    }

    private static string TermsOf(DeclaredRecipient recipient) => string.Join(
        ", ", new[] { recipient.Title, recipient.Role, recipient.Country, recipient.Agreement, TransferOf(recipient.Transfer), recipient.Contact }.Where(text => !string.IsNullOrEmpty(text)))
        + (recipient.MayReceive ? "" : "; receives nothing: " + string.Join("; ", recipient.Obstacles));

    private static string SubProcessorsOf(DeclaredRecipient recipient) =>
        string.Join("; ", recipient.SubProcessors.Select(one => string.Join(", ", new[] { one.Name, one.Country, TransferOf(one.Transfer) }.Where(text => text.Length > 0))));

    private static string TheirsOf(DeclaredRecipient recipient) => string.Join(", ", recipient.Clients.Concat(recipient.Analytics));

    private static string TransferOf(TransferMechanism? transfer) => transfer is null ? "" : $"{transfer.Mechanism} ({transfer.Reference})";

    private static string Told(NoticeText? notice) => notice is null ? "" : $"{notice.Version} ({notice.Language}): {notice.Text}";

    private static IEnumerable<FormChange> Changes(CatalogueItem old, CatalogueItem young)
    {
        if (old.Class.Widest != young.Class.Widest) yield return new FormChange(young.Name, "widest", FormNames.Of(old.Class.Widest), FormNames.Of(young.Class.Widest));
        if (old is not FieldDefinition left || young is not FieldDefinition right) yield break;
        if (left.Mask != right.Mask) yield return new FormChange(young.Name, "mask", left.Mask.ToString(), right.Mask.ToString());
        if (left.Generalisation != right.Generalisation) yield return new FormChange(young.Name, "generalisation", left.Generalisation.ToString(), right.Generalisation.ToString());
    }

    private sealed class ByCells : IEqualityComparer<(Cell? Before, Cell? After, string Consent)>
    {
        public bool Equals((Cell? Before, Cell? After, string Consent) left, (Cell? Before, Cell? After, string Consent) right) =>
            ReferenceEquals(left.Before, right.Before) && ReferenceEquals(left.After, right.After) && left.Consent == right.Consent;

        public int GetHashCode((Cell? Before, Cell? After, string Consent) pair) =>
            HashCode.Combine(pair.Consent, pair.Before is null ? 0 : RuntimeHelpers.GetHashCode(pair.Before), pair.After is null ? 0 : RuntimeHelpers.GetHashCode(pair.After));
    }
}
