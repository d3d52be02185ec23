namespace DataVault.Policy;

/// <summary>A rule with every name resolved.</summary>
internal sealed record Rule(string Id, string File, int Line)
{
    public required string Why { get; init; }

    public required bool Forbids { get; init; }

    public required IReadOnlyList<Role> Roles { get; init; }

    public required IReadOnlyList<Purpose> Purposes { get; init; }

    public required IReadOnlyList<CatalogueItem> Items { get; init; }

    /// <summary>
    /// Chosen by the rule and not permitted by it: special categories without a ground of GDPR Article 9, and data of offences for a purpose that rests on no law. INVARIANT: no decision ever
    /// rests on these; the lint names them.
    /// </summary>
    public IReadOnlyList<CatalogueItem> Ungrounded { get; init; } = [];

    public required IReadOnlyList<AccessAction> Actions { get; init; }

    /// <summary>Form of what is disclosed; <see cref="Form.Withheld"/> where nothing is.</summary>
    public required Form Form { get; init; }

    /// <summary>When a permit applies; unless when a forbid does not.</summary>
    public required Guard Guard { get; init; }

    public required IReadOnlyList<string> Obligations { get; init; }

    /// <summary>Every purpose is one that a law obliges to: no consent is a ground for data of offences.</summary>
    public bool RestsOnLaw => Purposes.All(purpose => purpose.LegalBasis is "legal-obligation" or "public-task");

    /// <summary>A ground of GDPR Article 9, by every purpose or by a consent that the rule asks for. What the person wants corrected is theirs to say.</summary>
    public bool HasSpecialGround(PurposeRegistry purposes) =>
        (Actions.All(action => action == AccessAction.Update) && Purposes.All(purpose => purpose.Dpv == "dpv:RightsFulfilment"))
        || Guard.Consents.Any(id => purposes.ById(id)!.SpecialBasis is not null) || Purposes.All(purpose => purpose.SpecialBasis is not null);

    /// <summary>The same rule without what it has no ground for.</summary>
    public Rule Grounded(PurposeRegistry purposes)
    {
        var ofOwnData = Guard.OwnRecord || Actions.All(action => action is AccessAction.Export or AccessAction.Erase or AccessAction.Consent);
        if (Forbids || ofOwnData || Items.All(item => item is { IsSpecialCategory: false, IsOfOffences: false })) return this;
        var (special, law) = (HasSpecialGround(purposes), RestsOnLaw);
        bool Lacks(CatalogueItem item) => (item.IsSpecialCategory && !special) || (item.IsOfOffences && !law);
        return this with { Items = [.. Items.Where(item => !Lacks(item))], Ungrounded = [.. Items.Where(Lacks)] };
    }

    /// <summary>What a permit for an emergency has to demand, and does not.</summary>
    public IEnumerable<string> MissingInEmergency =>
        Forbids || !Purposes.Any(purpose => purpose.BreakGlass)
            ? []
            : new[] { ObligationNames.Justification, ObligationNames.NotifySubject, ObligationNames.Review }.Except(Obligations);

    /// <summary>What a permit gives for one item and action: its own form, capped by the class for anyone but the person concerned.</summary>
    public Form FormFor(CatalogueItem item, AccessAction action)
    {
        if (!ActionNames.Discloses(action)) return Form.Plain;
        var concernsOneself = Guard.OwnRecord || action == AccessAction.Export;
        return !concernsOneself && item.Class.Widest < Form ? item.Class.Widest : Form;
    }
}
