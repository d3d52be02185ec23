namespace DataVault.Vault;

/// <summary>What of people's rights waits for somebody: numbers only, for whoever looks after the vault.</summary>
/// <param name="Outbox">Messages to recipients that are not delivered.</param>
/// <param name="OverdueHolds">Open legal holds whose review date has passed.</param>
/// <param name="ChangedHolds">Legal holds whose rows are not what the vault wrote, or gone: they stay in force.</param>
/// <param name="ForgedRequests">Approved requests that the vault did not write like this: it carries nothing of them out.</param>
/// <param name="OverdueNotices">Recipients who have still to be told of something after <see cref="RightsWatch.NoticePatience"/>.</param>
/// <param name="ChangedNotices">Notices whose rows are not what the vault wrote: they stay open.</param>
/// <param name="LettersToPost">Letters that nothing but an officer gets to the person.</param>
public sealed record RightsBacklog(OutboxState Outbox, long OverdueHolds, long ChangedHolds, int ForgedRequests, long OverdueNotices, long ChangedNotices, long LettersToPost);

/// <summary>Tells how much waits.</summary>
public sealed class RightsWatch
{
    /// <summary>GDPR 19 names no time; the one of the answer to the person (12(3)) is taken.</summary>
    public static readonly TimeSpan NoticePatience = TimeSpan.FromDays(30);

    private readonly OutboxStore outbox;
    private readonly HoldStore holds;
    private readonly RequestStore requests;
    private readonly NoticeStore notices;
    private readonly LetterStore letters;
    private readonly PartingLetters parting;

    internal RightsWatch(OutboxStore outbox, HoldStore holds, RequestStore requests, NoticeStore notices, LetterStore letters, PartingLetters parting) =>
        (this.outbox, this.holds, this.requests, this.notices, this.letters, this.parting) = (outbox, holds, requests, notices, letters, parting);

    /// <summary>How much waits now.</summary>
    public async Task<RightsBacklog> LookAsync(CancellationToken cancellation)
    {
        var (overdue, changed) = await notices.WatchAsync(requests.Now - NoticePatience, cancellation);
        return new RightsBacklog(
            await outbox.StateAsync(cancellation), await holds.CountOverdueAsync(cancellation), (await holds.ChangedAsync(cancellation)).Count + (await holds.MissingAsync(cancellation)).Count,
            await requests.CountForgedAsync(cancellation), overdue, changed, await letters.CountToPostAsync(cancellation) + await parting.CountAsync(LetterWays.Post, cancellation));
    }
}
