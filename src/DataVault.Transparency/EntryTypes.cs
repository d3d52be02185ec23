using System.Collections.Frozen;

namespace DataVault.Transparency;

/// <summary>What an entry reports. The codes are part of the format and never change their meaning.</summary>
public enum EntryType : ushort
{
#pragma warning disable CS1591 // Each member's name, and its dotted form in EntryTypes, says all there is to say.
    Tick = 1, Genesis = 2, KeyCreate = 3, KeyRotate = 4, EraseRequest = 5, EraseExecuted = 6, EpochDestroyed = 7, EraseFinal = 8,
    FieldRead = 17, RecordWrite = 18, RecordDelete = 19, Export = 20, Search = 21, Denied = 22, PolicyChange = 26, RoleChange = 27,
    ConsentChange = 31, EventAppend = 32, EventRead = 33, RequestChange = 34, SignIn = 35, SignInFailed = 36, AuditRead = 37,
    ClientChange = 38, AccountChange = 39, AnalyticsFeed = 40, AnalyticsQuery = 41, TokenIssued = 42, PolicyQuestion = 43, StatusRead = 44,
    RequestRead = 45, HoldChange = 46, IndexChange = 48, LogPrune = 50, ImpactReport = 53,
    SignerRotate = 49, Timestamp = 52, SignerAdopt = 54,
    RestoreDeclared = 47, BackupMade = 51, ConsentReceipt = 56,
    Alert = 57, ReviewChange = 58, ApprovalChange = 59,
    PolicyRefused = 55, RetentionSwept = 67, RestrictionLift = 70, ObjectionLift = 71,
    LetterWritten = 77, LetterWay = 78, LetterPosted = 79,
    BreachChange = 86, BreachRead = 87, EvidencePack = 89, NoticeChange = 90,
    OpenDsrRequest = 83, OpenDsrController = 85,
    DecisionRecord = 100, DecisionChange = 101, DecisionRead = 102,
    SuppressionLifted = 105, SuppressionExpired = 106,
#pragma warning restore CS1591
}

/// <summary>How the act that an entry reports ended.</summary>
public enum EntryResult : byte
{
    /// <summary>Done.</summary>
    Ok = 0,

    /// <summary>Refused by the policy.</summary>
    Denied = 1,

    /// <summary>Permitted, but failed.</summary>
    Error = 2,
}

/// <summary>The names of entry types and results as people and queries write them: <c>field.read</c>, <c>erase.executed</c>, <c>denied</c>.</summary>
public static class EntryTypes
{
    private static readonly FrozenDictionary<EntryType, string> Names = new Dictionary<EntryType, string>
    {
        [EntryType.Tick] = "tick",
        [EntryType.Genesis] = "genesis",
        [EntryType.KeyCreate] = "key.create",
        [EntryType.KeyRotate] = "key.rotate",
        [EntryType.EraseRequest] = "erase.request",
        [EntryType.EraseExecuted] = "erase.executed",
        [EntryType.EpochDestroyed] = "epoch.destroyed",
        [EntryType.EraseFinal] = "erase.final",
        [EntryType.FieldRead] = "field.read",
        [EntryType.RecordWrite] = "record.write",
        [EntryType.RecordDelete] = "record.delete",
        [EntryType.Export] = "export",
        [EntryType.Search] = "search",
        [EntryType.Denied] = "denied",
        [EntryType.PolicyChange] = "policy.change",
        [EntryType.RoleChange] = "role.change",
        [EntryType.ConsentChange] = "consent.change",
        [EntryType.EventAppend] = "event.append",
        [EntryType.EventRead] = "event.read",
        [EntryType.RequestChange] = "request.change",
        [EntryType.SignIn] = "sign-in",
        [EntryType.SignInFailed] = "sign-in.failed",
        [EntryType.AuditRead] = "audit.read",
        [EntryType.ClientChange] = "client.change",
        [EntryType.AccountChange] = "account.change",
        [EntryType.AnalyticsFeed] = "analytics.feed",
        [EntryType.AnalyticsQuery] = "analytics.query",
        [EntryType.TokenIssued] = "token.issued",
        [EntryType.PolicyQuestion] = "policy.question",
        [EntryType.StatusRead] = "status.read",
        [EntryType.RequestRead] = "request.read",
        [EntryType.LogPrune] = "log.prune",
        [EntryType.ImpactReport] = "impact.report",
        [EntryType.IndexChange] = "index.change",
        [EntryType.HoldChange] = "hold.change",
        [EntryType.SignerRotate] = "signer.rotate",
        [EntryType.Timestamp] = "timestamp",
        [EntryType.SignerAdopt] = "signer.adopt",
        [EntryType.RestoreDeclared] = "restore.declared",
        [EntryType.BackupMade] = "backup.made",
        [EntryType.ConsentReceipt] = "consent.receipt",
        [EntryType.Alert] = "alert",
        [EntryType.ReviewChange] = "review.change",
        [EntryType.ApprovalChange] = "approval.change",
        [EntryType.PolicyRefused] = "policy.refused",
        [EntryType.RetentionSwept] = "retention.swept",
        [EntryType.RestrictionLift] = "restriction.lift",
        [EntryType.ObjectionLift] = "objection.lift",
        [EntryType.LetterWritten] = "letter.written",
        [EntryType.LetterWay] = "letter.way",
        [EntryType.LetterPosted] = "letter.posted",
        [EntryType.BreachChange] = "breach.change",
        [EntryType.BreachRead] = "breach.read",
        [EntryType.EvidencePack] = "evidence.pack",
        [EntryType.NoticeChange] = "notice.change",
        [EntryType.OpenDsrRequest] = "opendsr.request",
        [EntryType.OpenDsrController] = "opendsr.controller",
        [EntryType.DecisionRecord] = "decision.record",
        [EntryType.DecisionChange] = "decision.change",
        [EntryType.DecisionRead] = "decision.read",
        [EntryType.SuppressionLifted] = "suppression.lifted",
        [EntryType.SuppressionExpired] = "suppression.expired",
    }.ToFrozenDictionary();

    private static readonly FrozenDictionary<string, EntryType> ByName =
        Names.ToFrozenDictionary(pair => pair.Value, pair => pair.Key, StringComparer.Ordinal);

    /// <summary>Every type known to this version, in the order of its code.</summary>
    public static IReadOnlyList<EntryType> All { get; } = [.. Names.Keys.Order()];

    /// <summary>The name of a type; <c>type-99</c> for a code of a later version.</summary>
    public static string NameOf(EntryType type) => Names.TryGetValue(type, out var name) ? name : $"type-{(int)type}";

    /// <summary>The name of a result; <c>result-9</c> for a code of a later version.</summary>
    public static string NameOf(EntryResult result) => result switch
    {
        EntryResult.Ok => "ok",
        EntryResult.Denied => "denied",
        EntryResult.Error => "error",
        _ => $"result-{(int)result}",
    };

    /// <summary>The type of a name.</summary>
    public static bool TryParse(string name, out EntryType type) => ByName.TryGetValue(name, out type);
}
