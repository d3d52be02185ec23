using System.Collections.Frozen;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>The rights that a request may ask for (GDPR 15 to 22).</summary>
public static class RequestKinds
{
    public const string Access = "access";
    public const string Portability = "portability";
    public const string Rectification = "rectification";
    public const string Erasure = "erasure";
    public const string Restriction = "restriction";
    public const string Objection = "objection";

    /// <summary>An automated decision is contested: a person looks at it again (GDPR 22(3)).</summary>
    public const string Contest = "contest";

    public static IReadOnlyList<string> All { get; } = [Access, Portability, Rectification, Erasure, Restriction, Objection, Contest];

    /// <summary>Kinds that end in a package to fetch. A customer who asks for one about themselves needs no officer.</summary>
    public static bool EndInPackage(string kind) => kind is Access or Portability;

    /// <summary>Kinds by which a person protects themselves; how often they asked for other things does not stand in their way.</summary>
    public static bool Protects(string kind) => kind is Objection or Restriction or Erasure;

    /// <summary>Kinds that the vault carries out by itself once approved; the others an officer completes by hand, a contest without an approval before.</summary>
    public static bool CarriedOutByVault(string kind) => kind is not (Rectification or Contest);
}

/// <summary>Where a request stands.</summary>
public static class RequestStates
{
    public const string Received = "received";
    public const string Verified = "verified";

    /// <summary>One officer approved, and a second must agree.</summary>
    public const string Confirming = "confirming";
    public const string Approved = "approved";
    public const string Refused = "refused";
    public const string Completed = "completed";

    /// <summary>The person took it back before it was carried out.</summary>
    public const string Withdrawn = "withdrawn";

    /// <summary>The person was asked for something that it cannot do without, and did not answer.</summary>
    public const string Expired = "expired";

    /// <summary>The person was erased before it was decided: nobody refused it, and nobody is left to answer.</summary>
    public const string Moot = "moot";

    public static IReadOnlyList<string> All { get; } = [Received, Verified, Confirming, Approved, Refused, Completed, Withdrawn, Expired, Moot];

    /// <summary>Something is still to be done.</summary>
    public static IReadOnlyList<string> Open { get; } = [Received, Verified, Confirming, Approved];

    internal static bool IsOpen(string state) => state is Received or Verified or Confirming or Approved;
}

/// <summary>
/// Codes that a refusal or an extension must name. A closed list, for the code outlives the person's data: nothing personal fits in.
/// The words follow the justifications of the W3C Data Privacy Vocabulary.
/// </summary>
public static class RequestReasons
{
    // SPEC GDPR 12(4) refusals are reasoned; each with its sub-paragraph in the table of justifications.
    public static FrozenSet<string> Refusals { get; } = FrozenSet.ToFrozenSet([.. Justifications.All.Select(one => one.Code), WithdrawnByCustomer]);

    /// <summary>The person takes a request back, themselves or through an officer: it then counts as withdrawn, not as refused.</summary>
    public const string WithdrawnByCustomer = "withdrawn-by-customer";

    /// <summary>The outcome where single items were refused and the rest was not.</summary>
    public const string PartlyRefused = "partly-refused";

    /// <summary>Of a request that expired.</summary>
    public const string Unanswered = "no-answer";

    // SPEC GDPR 12(3): an extension may rest on the complexity and the number of the requests, on nothing else.
    public static FrozenSet<string> Extensions { get; } = FrozenSet.ToFrozenSet(["complexity", "high-volume"]);

    // SPEC GDPR 22(3): a person decides anew.
    /// <summary>How an officer's look at a contested decision ended.</summary>
    public static FrozenSet<string> Outcomes { get; } = FrozenSet.ToFrozenSet(["decision-upheld", "decision-changed", "decision-annulled"]);

    /// <summary>Shown while an approved erasure waits for a hold to end.</summary>
    public const string OnHold = "on-hold";

    /// <summary>Why an officer orders the erasure of what does not open.</summary>
    public static FrozenSet<string> DamagedOrders { get; } = FrozenSet.ToFrozenSet(["no-sound-copy", "repair-refused", "time-limit"]);

    /// <summary>
    /// Shown while the record of an approved erasure is not what was last written, or the key does not open, so that nobody knows whether a hold keeps it: an
    /// officer repairs it from a backup, or orders the erasure.
    /// </summary>
    public const string Damaged = "record-damaged";

    /// <summary>Given to a person's other open requests when the person has been erased.</summary>
    public const string SubjectErased = "subject-erased";
}

/// <summary>What may be done to a request, as it stands.</summary>
public enum RequestAct
{
    /// <summary>Whoever asks showed, or failed to show, who they are.</summary>
    Verify,

    /// <summary>Receipt is acknowledged to the person.</summary>
    Acknowledge,

    /// <summary>The person is asked for something; the clock stands still where the regime lets it.</summary>
    Ask,

    /// <summary>What they were asked for is there.</summary>
    Answer,

    /// <summary>The due date is moved, once.</summary>
    Extend,

    /// <summary>Some items are decided otherwise than the rest.</summary>
    Choose,

    /// <summary>It is granted; where a second officer is necessary, by both.</summary>
    Approve,

    /// <summary>It is refused.</summary>
    Refuse,

    /// <summary>The person takes it back.</summary>
    Withdraw,

    /// <summary>What was carried out by hand is closed.</summary>
    Complete,

    /// <summary>An answer did not come.</summary>
    Expire,
}

/// <summary>
/// <code>
/// received -> verified -> [confirming ->] approved -> completed
///     \------------\----------\-------> refused        ask, answer, acknowledge, extend: in any open state
///     \------------\----------\-------> expired        choose: until it is approved
///     \------------\----------\-----------\-> withdrawn
/// </code>
/// of a contest there is nothing to approve: received -> verified -> completed, with an outcome; an objection to direct marketing alone is completed as it comes in
/// </summary>
internal static class RequestLifecycle
{
    /// <summary>The state after the act, or null where the act is not lawful.</summary>
    public static string? Next(string kind, string state, RequestAct act) => (state, act) switch
    {
        (RequestStates.Verified, RequestAct.Complete) when kind == RequestKinds.Contest => RequestStates.Completed,
        (_, RequestAct.Approve or RequestAct.Choose) when kind == RequestKinds.Contest => null,
        (RequestStates.Received, RequestAct.Verify) => RequestStates.Verified,
        (RequestStates.Verified or RequestStates.Confirming, RequestAct.Approve) => RequestStates.Approved,
        (RequestStates.Received or RequestStates.Verified or RequestStates.Confirming, RequestAct.Refuse) => RequestStates.Refused,
        (RequestStates.Received or RequestStates.Verified or RequestStates.Confirming, RequestAct.Expire) => RequestStates.Expired,
        // A choice after the first approval would be one that the first officer did not see.
        (RequestStates.Confirming, RequestAct.Choose) => RequestStates.Verified,
        (RequestStates.Received or RequestStates.Verified, RequestAct.Choose) => state,
        (RequestStates.Approved, RequestAct.Complete) => RequestStates.Completed,
        (_, RequestAct.Withdraw) when RequestStates.IsOpen(state) => RequestStates.Withdrawn,
        (_, RequestAct.Extend or RequestAct.Ask or RequestAct.Answer or RequestAct.Acknowledge) when RequestStates.IsOpen(state) => state,
        _ => null,
    };
}

/// <summary>The decision about everything there is to decide on: every field of the catalogue and every event type.</summary>
internal static class RightsDecision
{
    /// <param name="policy">In force.</param>
    /// <param name="process">The process that carries the request out.</param>
    /// <param name="subject">The person concerned.</param>
    /// <param name="action">Export or erase.</param>
    /// <param name="facts">Of the person.</param>
    /// <param name="now">By the vault's clock.</param>
    /// <param name="portableOnly">Only what the person may take along (GDPR 20): <see cref="PortableItems"/>.</param>
    /// <param name="withheld">Leaves out what an officer decided to withhold.</param>
    public static Decision Of(
        PolicySet policy, Recipient process, SubjectId subject, AccessAction action, DecisionFacts facts, DateTimeOffset now, bool portableOnly = false,
        IReadOnlyList<ItemChoice>? withheld = null)
    {
        var portable = portableOnly ? PortableItems.Of(policy) : null;
        var chosen = policy.Items.Where(item => (portable?.Contains(item) ?? true) && withheld?.Any(choice => choice.Items.Contains(item.Code)) != true);
        RequestedItem[] items = [.. chosen.Select(item => new RequestedItem(item, null))];
        return Decider.Decide(policy, new AccessRequest(process, subject, action, SubjectRequests.Purpose, items), facts, now);
    }
}
