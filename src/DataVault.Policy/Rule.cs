namespace DataVault.Policy;

/// <summary>A rule with every name resolved.</summary>
internal sealed record Rule(string Id, string File, int Line)
{
    public required string Why { get; init; }

    public required bool Forbids { get; init; }

    public required IReadOnlyList<Role> Roles { get; init; }

    public required IReadOnlyList<Purpose> Purposes { get; init; }

    public required IReadOnlyList<CatalogueItem> Items { get; init; }

    public required IReadOnlyList<AccessAction> Actions { get; init; }

    /// <summary>Form of what is disclosed; <see cref="Form.Withheld"/> where nothing is.</summary>
    public required Form Form { get; init; }

    /// <summary>When a permit applies; unless when a forbid does not.</summary>
    public required Guard Guard { get; init; }

    public required IReadOnlyList<string> Obligations { get; init; }

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
