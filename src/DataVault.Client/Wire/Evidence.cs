namespace DataVault.Client.Wire;

/// <summary>Body of <c>POST /v1/evidence-packs</c>.</summary>
public sealed record AskEvidence
{
    /// <summary>Days of the log that the record of processing is compared with; 90 if left out.</summary>
    public int? Days { get; init; }

    /// <summary>With <see cref="Purpose"/>: the proof of this person's consent.</summary>
    public Guid? Customer { get; init; }

    /// <summary>Figures of the consents for it.</summary>
    public string? Purpose { get; init; }

    /// <summary>Further entries of the log to prove.</summary>
    public IReadOnlyList<long>? Entries { get; init; }
}
