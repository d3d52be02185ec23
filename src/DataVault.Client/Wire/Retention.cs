namespace DataVault.Client.Wire;

/// <summary>What is kept how long: <c>GET /v1/retention</c>.</summary>
/// <param name="Rules">The rules in force.</param>
/// <param name="Last">The last sweep that deleted; null before the first.</param>
/// <param name="NextAt">When the next is due; null while nobody is recorded.</param>
/// <param name="Waiting">People who are to be looked at by now.</param>
public sealed record RetentionView(IReadOnlyList<RetentionRuleView> Rules, RetentionRunView? Last, DateTimeOffset? NextAt, long Waiting);

/// <summary>A retention rule.</summary>
/// <param name="Rule">Its name.</param>
/// <param name="Title">In words.</param>
/// <param name="Trigger"><c>last-activity</c>, <c>recorded</c> or <c>occurred</c>: what the period counts from.</param>
/// <param name="Months">Length of the period in calendar months.</param>
/// <param name="Ground">Why this long.</param>
/// <param name="Items">Fields and event types that are kept by it.</param>
public sealed record RetentionRuleView(string Rule, string Title, string Trigger, int Months, string Ground, IReadOnlyList<string> Items);

/// <summary>A sweep; of one that only counts, what would have been deleted.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Dry">It only counts.</param>
/// <param name="StartedAt">When it was asked for, or due.</param>
/// <param name="FinishedAt">When it was through; null while it waits or goes on.</param>
/// <param name="Looked">People looked at.</param>
/// <param name="People">Of them, those of whom something was deleted.</param>
/// <param name="Values">Values of fields deleted, those in histories among them.</param>
/// <param name="Events">Events deleted.</param>
/// <param name="Erasures">People of whom nothing would have been left, and whose erasure was opened.</param>
/// <param name="Frozen">People of whom something due is kept for a hold, an open request, a restriction, or a policy that does not permit the vault to erase it.</param>
/// <param name="Failed">People of whom something does not open: nothing of theirs was deleted.</param>
/// <param name="ByRule">Values and events together, by retention rule.</param>
public sealed record RetentionRunView(
    Guid Id, bool Dry, DateTimeOffset StartedAt, DateTimeOffset? FinishedAt, long Looked, long People, long Values, long Events, long Erasures, long Frozen, long Failed,
    IReadOnlyDictionary<string, long> ByRule)
{
    /// <summary>Account of who asked for it; null when it was due by itself.</summary>
    public string? AskedBy { get; init; }
}

/// <summary>Body of <c>POST /v1/retention/runs</c>.</summary>
/// <param name="Dry">True: count what is due, and delete nothing.</param>
public sealed record StartRetention(bool Dry = false);
