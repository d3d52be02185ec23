namespace DataVault.Client.Wire;

/// <summary>Body of <c>POST /v1/holds</c>.</summary>
/// <param name="Customers">Whom it is about: 1 to 1,000.</param>
/// <param name="Authority">The legal ground, such as <c>legal-claim</c>.</param>
/// <param name="CaseReference">The case, in words; kept sealed.</param>
/// <param name="ReviewAt">When to look whether it is still needed. It reminds and ends nothing.</param>
/// <param name="Items">Fields, event types (<c>event:purchase</c>) and classes (<c>class:identity</c>); none: everything.</param>
/// <param name="Purposes">For which purposes what is left of an erased person may still be seen.</param>
/// <param name="ExpiresAt">When it ends by itself; left out: when it is released.</param>
public sealed record PlaceHold(
    IReadOnlyList<Guid> Customers, string Authority, string CaseReference, DateTimeOffset ReviewAt, IReadOnlyList<string>? Items = null, IReadOnlyList<string>? Purposes = null,
    DateTimeOffset? ExpiresAt = null);

/// <summary>A legal hold.</summary>
/// <param name="Id">The hold.</param>
/// <param name="Customers">Those of its people who are not erased.</param>
/// <param name="Items">What it keeps; empty for everything.</param>
/// <param name="Purposes">Who may see what it left of an erased person.</param>
/// <param name="Authority">The legal ground.</param>
/// <param name="CaseReference">The case; null once the hold has ended and all its people are erased.</param>
/// <param name="PlacedAt">When it was placed.</param>
/// <param name="PlacedBy">Account of the officer.</param>
/// <param name="ReviewAt">When to look whether it is still needed.</param>
/// <param name="ExpiresAt">When it ends by itself.</param>
/// <param name="ReleasedAt">When it ended.</param>
/// <param name="ReleasedBy">Account of the officer, or the vault's own process.</param>
/// <param name="Overdue">Its review date has passed.</param>
/// <param name="Index">Newest log entry of the hold.</param>
public sealed record LegalHold(
    Guid Id, IReadOnlyList<Guid> Customers, IReadOnlyList<string> Items, IReadOnlyList<string> Purposes, string Authority, string? CaseReference, DateTimeOffset PlacedAt,
    string PlacedBy, DateTimeOffset ReviewAt, DateTimeOffset? ExpiresAt, DateTimeOffset? ReleasedAt, string? ReleasedBy, bool Overdue, long Index)
{
    /// <summary>Why it was released, in words; null when nothing was said, and once all its people are erased.</summary>
    public string? ReleaseReason { get; init; }

    /// <summary><c>changed</c>: its row is not what the vault wrote, so it stays in force. <c>deleted</c>: it has none, and this is what the log knows. <c>unreadable</c>: the case or the reason does not open. Else null.</summary>
    public string? Damage { get; init; }

    /// <summary>Approved erasure requests that wait for it, or for another hold about the same person.</summary>
    public IReadOnlyList<Guid> Deferred { get; init; } = [];
}

/// <summary>Body of <c>POST /v1/holds/{id}/release</c>; it may be left out.</summary>
/// <param name="Reason">Why it is not needed any more, in words; kept sealed.</param>
public sealed record ReleaseHold(string? Reason = null);

/// <summary>How far an erasure has come.</summary>
/// <param name="State"><c>running</c>, <c>partial</c> (a hold keeps the rest), <c>executed</c>, or <c>final</c> (no backup brings the key back).</param>
/// <param name="FinalAt">When it became final; until then when it will be at the latest.</param>
/// <param name="Deferred">What holds keep.</param>
/// <param name="Because">Why they do.</param>
public sealed record ErasureState(string State, DateTimeOffset? FinalAt, IReadOnlyList<string> Deferred, IReadOnlyList<HoldReason> Because);

/// <summary>A hold as the person may know of it.</summary>
/// <param name="Authority">The legal ground.</param>
/// <param name="ReviewAt">When it is looked at again.</param>
/// <param name="ExpiresAt">When it ends by itself.</param>
public sealed record HoldReason(string Authority, DateTimeOffset ReviewAt, DateTimeOffset? ExpiresAt);
