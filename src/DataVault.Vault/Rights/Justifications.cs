using System.Collections.Frozen;

namespace DataVault.Vault;

/// <summary>Why a right is refused, in whole or in part: the code that is kept, the term of the W3C Data Privacy Vocabulary, and where the law has it.</summary>
/// <param name="Code">What stands in the request and in the log.</param>
/// <param name="Term">Of <c>https://w3id.org/dpv/justifications</c>.</param>
/// <param name="Kinds">For which kinds of requests.</param>
/// <param name="Articles">Sub-paragraphs of the GDPR, in the order of <paramref name="Kinds"/> where they differ by kind; one for all otherwise.</param>
public sealed record Justification(string Code, string Term, IReadOnlyList<string> Kinds, IReadOnlyList<string> Articles)
{
    /// <summary>What it rests on when a request of the kind is refused.</summary>
    public string ArticleOf(string kind)
    {
        for (var index = 0; index < Kinds.Count && Articles.Count > 1; index++)
        {
            if (Kinds[index] == kind) return Articles[index];
        }

        return Articles[0];
    }

    /// <summary>An erasure may leave single items for it: the ground of the hold that keeps them.</summary>
    public string? HoldAuthority { get; init; }

    /// <summary>An access may leave out single items for it.</summary>
    public bool Withholds { get; init; }

    /// <summary>A purpose may go on for it in spite of an objection.</summary>
    public bool Overrides { get; init; }
}

/// <summary>
/// The justifications that a refusal may name. Source of the terms: W3C DPV 2.3, <c>justifications</c>; of the articles: Regulation (EU) 2016/679.
/// </summary>
public static class Justifications
{
    /// <summary>What weighs more than the interests of somebody who objects.</summary>
    public const string CompellingGrounds = "compelling-grounds";

    private static readonly string[] Every = [.. RequestKinds.All];
    private static readonly string[] Copies = [RequestKinds.Access, RequestKinds.Portability];
    private static readonly string[] Erasing = [RequestKinds.Erasure];

    /// <summary>All of them, in the order in which an officer should consider them.</summary>
    public static IReadOnlyList<Justification> All { get; } =
    [
        new("identity-verification-failure", "justifications:IdentityVerificationFailure", Every, ["12(6)"]),
        new("process-excessive", "justifications:ProcessExcessive", Every, ["12(5)(b)"]),
        new("process-unfounded", "justifications:ProcessUnfounded", Every, ["12(5)(b)"]),
        // SPEC GDPR 17(3): (b) obligation or public task, (e) claims, (a) expression, (c) health, (d) research. 18(2) and 21(1) for the other rights.
        new("legal-obligation", "justifications:LegalObligation", [.. Erasing, .. Copies, RequestKinds.Rectification, RequestKinds.Restriction, RequestKinds.Objection],
            ["17(3)(b)", "23(1)", "23(1)", "23(1)", "23(1)", "23(1)"]) { HoldAuthority = "legal-obligation", Withholds = true },
        new("legal-claim", "justifications:LegalClaimDefenceImpaired", [.. Erasing, .. Copies, RequestKinds.Rectification, RequestKinds.Restriction, RequestKinds.Objection],
            ["17(3)(e)", "23(1)(j)", "23(1)(j)", "23(1)(j)", "18(2)", "21(1)"]) { HoldAuthority = "legal-claim", Withholds = true, Overrides = true },
        new("third-party-rights", "justifications:ThirdPartyRightsImpaired", [.. Copies, RequestKinds.Restriction], ["15(4)", "20(4)", "18(2)"]) { Withholds = true },
        new("freedom-of-expression", "justifications:FreedomOfExpressionImpaired", Erasing, ["17(3)(a)"]) { HoldAuthority = "freedom-of-expression" },
        new("public-health", "justifications:PublicHealthCompromised", Erasing, ["17(3)(c)"]) { HoldAuthority = "public-health" },
        new("research", "justifications:ScientificHistoricalResearchImpaired", [.. Erasing, RequestKinds.Objection], ["17(3)(d)", "21(6)"]) { HoldAuthority = "research", Overrides = true },
        // The vocabulary has no term of its own for grounds that override an objection: the basis that goes on is named.
        new(CompellingGrounds, "dpv:LegitimateInterest", [RequestKinds.Objection], ["21(1)"]) { Overrides = true },
        new("fulfilment-impossible", "justifications:FulfilmentImpossible", Every, ["11(2)"]),
        new("already-informed", "justifications:EntityAlreadyInformed", Every, ["12(5)(b)"]),
        new("not-applicable", "justifications:LegallyExempted", Every, ["12(4)"]),
    ];

    private static readonly FrozenDictionary<string, Justification> s_byCode = All.ToFrozenDictionary(one => one.Code, StringComparer.Ordinal);

    /// <summary>By its code; null when there is none such.</summary>
    public static Justification? Find(string code) => s_byCode.GetValueOrDefault(code);

    /// <summary>The table of extensions: GDPR 12(3) knows no other.</summary>
    public static IReadOnlyList<Justification> Extensions { get; } =
        [new("complexity", "justifications:ComplexityOfProcess", Every, ["12(3)"]), new("high-volume", "justifications:HighVolumeOfProcesses", Every, ["12(3)"])];
}
