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

    /// <summary>Kinds that the vault carries out by itself once approved; the others an officer completes by hand, a contest without an approval before.</summary>
    public static bool CarriedOutByVault(string kind) => kind is not (Rectification or Contest);
}

/// <summary>Where a request stands.</summary>
public static class RequestStates
{
    public const string Received = "received";
    public const string Verified = "verified";
    public const string Approved = "approved";
    public const string Refused = "refused";
    public const string Completed = "completed";

    public static IReadOnlyList<string> All { get; } = [Received, Verified, Approved, Refused, Completed];
}

/// <summary>
/// Codes that a refusal or an extension must name. A closed list, for the code outlives the person's data: nothing personal fits in.
/// The words follow the justifications of the W3C Data Privacy Vocabulary.
/// </summary>
public static class RequestReasons
{
    // SPEC GDPR 12(4) refusals are reasoned; 12(5) excessive, unfounded; 12(6) identity; 15(4), 17(3), 20(3), 20(4) exceptions.
    public static FrozenSet<string> Refusals { get; } = FrozenSet.ToFrozenSet(
    [
        "identity-verification-failure", "process-excessive", "process-unfounded", "legal-obligation", "legal-claim", "third-party-rights",
        "freedom-of-expression", "public-health", "research", "fulfilment-impossible", "already-informed", "not-applicable",
        "withdrawn-by-customer",
    ]);

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
internal enum RequestAct { Verify, Extend, Approve, Refuse, Complete }

/// <summary>
/// received -> verified -> approved -> completed
///     \------------\---> refused          extend: once, in any open state, before the first due date has passed
/// of a contest there is nothing to approve: received -> verified -> completed, with an outcome
/// </summary>
internal static class RequestLifecycle
{
    /// <summary>The state after the act, or null where the act is not lawful.</summary>
    public static string? Next(string kind, string state, RequestAct act) => (state, act) switch
    {
        (RequestStates.Verified, RequestAct.Complete) when kind == RequestKinds.Contest => RequestStates.Completed,
        (RequestStates.Verified, RequestAct.Approve) when kind == RequestKinds.Contest => null,
        (RequestStates.Received, RequestAct.Verify) => RequestStates.Verified,
        (RequestStates.Verified, RequestAct.Approve) => RequestStates.Approved,
        (RequestStates.Received or RequestStates.Verified, RequestAct.Refuse) => RequestStates.Refused,
        (RequestStates.Approved, RequestAct.Complete) => RequestStates.Completed,
        (_, RequestAct.Extend) when IsOpen(state) => state,
        _ => null,
    };

    public static bool IsOpen(string state) => state is RequestStates.Received or RequestStates.Verified or RequestStates.Approved;
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
    public static Decision Of(
        PolicySet policy, Recipient process, SubjectId subject, AccessAction action, DecisionFacts facts, DateTimeOffset now, bool portableOnly = false)
    {
        var portable = portableOnly ? PortableItems.Of(policy) : null;
        RequestedItem[] items = [.. policy.Items.Where(item => portable?.Contains(item) ?? true).Select(item => new RequestedItem(item, null))];
        return Decider.Decide(policy, new AccessRequest(process, subject, action, SubjectRequests.Purpose, items), facts, now);
    }
}
