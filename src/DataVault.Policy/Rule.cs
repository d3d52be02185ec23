namespace DataVault.Policy;

/// <summary>
/// A condition on the request and the facts. All parts must hold. A fact that is not known does not hold: so a permit that needs it
/// does not apply, and a forbid with it as exception does.
/// </summary>
/// <param name="OwnRecord">The recipient is the subject.</param>
/// <param name="Assurance">Least assurance of the sign-in.</param>
/// <param name="Consents">Ids of purposes consented to, ascending.</param>
internal sealed record Guard(bool OwnRecord, int Assurance, IReadOnlyList<int> Consents)
{
    public static Guard Always { get; } = new(false, Recipient.Password, []);

    public bool IsAlways => !OwnRecord && Assurance <= Recipient.Password && Consents.Count == 0;

    public string Key => $"{OwnRecord}/{Assurance}/{string.Join(',', Consents)}";

    /// <summary>True when whoever satisfies <paramref name="other"/> satisfies this.</summary>
    public bool IsImpliedBy(Guard other) =>
        (!OwnRecord || other.OwnRecord) && Assurance <= other.Assurance && Consents.All(other.Consents.Contains);
}

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

    /// <summary>What a permit gives for one item and action: its own form, capped by the class for anyone but the person concerned.</summary>
    public Form FormFor(CatalogueItem item, AccessAction action)
    {
        if (!ActionNames.Discloses(action)) return Form.Plain;
        var concernsOneself = Guard.OwnRecord || action == AccessAction.Export;
        return !concernsOneself && item.Class.Widest < Form ? item.Class.Widest : Form;
    }
}
