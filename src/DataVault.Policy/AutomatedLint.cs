namespace DataVault.Policy;

/// <summary>Finds models that the law does not let decide about people, and those of which people would not be told enough.</summary>
internal sealed class AutomatedLint(PolicySet policy)
{
    public const string File = "automated.yaml";

    public IEnumerable<string> Findings()
    {
        foreach (var model in policy.Models.All)
        {
            foreach (var message in Ground(model).Concat(SpecialCategories(model)).Concat(Inputs(model)).Concat(Review(model))) yield return $"{model.Name} {message}";
        }

        if (policy.Models.All.Count == 0) yield break;
        foreach (var field in policy.Catalogue.Fields.Where(field => field.Origin == "inferred" && !policy.Models.Of(field).Any()))
            yield return $"no model derives {field.Name}: the person concerned could not be told how it was concluded";
    }

    // SPEC GDPR 22(1), (2).
    private static IEnumerable<string> Ground(AutomatedModel model)
    {
        if (model.NeedsGround && model.Ground is null) yield return "decides alone and significantly, and names no ground of GDPR Article 22(2)";
        if (model.NeedsGround && model.Assessment is null) yield return "decides alone and significantly, and names no impact assessment (GDPR Article 35(3)(a))";
        if (model.Ground is { Basis: AutomationGround.Contract } && model.Purpose.LegalBasis != "contract") yield return $"rests on a contract, and its purpose {model.Purpose.Name} does not";
        if (model.Ground?.Consent is { } consent && consent.LegalBasis != "explicit-consent") yield return $"rests on explicit consent, and {consent.Name} does not ask for it";
    }

    // SPEC GDPR 22(4): 9(2)(a) or (g), and safeguards.
    private static IEnumerable<string> SpecialCategories(AutomatedModel model)
    {
        var special = model.Inputs.Concat(model.Derives).Where(item => item.IsSpecialCategory).ToList();
        if (special.Count > 0 && model.Special is null)
            yield return $"uses the special category {string.Join(", ", special.Select(item => item.Name))} and names neither explicit consent nor a law of public interest (GDPR Article 22(4))";
        if (model.Special == AutomationGround.ExplicitConsent && (model.Ground?.Consent ?? model.Purpose) is not { LegalBasis: "explicit-consent", SpecialBasis: "A9-2-a" })
            yield return "uses special categories by explicit consent, and neither its ground nor its purpose asks for one (GDPR Article 9(2)(a))";
        if (model.Special == AutomatedModel.PublicInterest && model.Ground is not { Basis: AutomationGround.Law }) yield return "uses special categories by a law of public interest, and names no law as its ground (GDPR Article 9(2)(g))";
        if (model.Special is not null && special.Count == 0) yield return "names a condition for special categories and uses none";
    }

    private IEnumerable<string> Inputs(AutomatedModel model)
    {
        foreach (var role in model.Roles)
        {
            var read = policy.Questions.WhatCan([role], [model.Purpose.Name]).Where(grant => grant.Action == AccessAction.Read).Select(grant => grant.Item).ToHashSet();
            foreach (var item in model.Inputs.Where(item => !read.Contains(item))) yield return $"decides by {item.Name}, which {role} may not read for {model.Purpose.Name}";
        }

        foreach (var field in model.Derives.Where(field => field.Origin is not ("derived" or "inferred")))
            yield return $"derives {field.Name}, which the catalogue has as neither derived nor inferred";
    }

    // SPEC GDPR 22(3).
    private IEnumerable<string> Review(AutomatedModel model)
    {
        if (model.NeedsGround && model.Review.Roles.Count == 0) yield return "decides alone and significantly, and names nobody who reviews it (GDPR Article 22(3))";
        foreach (var role in model.Review.Roles.Where(role => !policy.Decisions.HasCapability([role], Capabilities.RequestsDecide))) yield return $"is reviewed by {role}, who may decide no requests";
        foreach (var role in model.Review.Roles.Intersect(model.Review.Operators.Concat(model.Roles))) yield return $"is reviewed by {role}, who operates it";
    }
}
