namespace DataVault.Vault;

/// <summary>What of people's rights waits for somebody: numbers only, for whoever looks after the vault.</summary>
/// <param name="Outbox">Messages to recipients that are not delivered.</param>
/// <param name="OverdueHolds">Open legal holds whose review date has passed.</param>
/// <param name="ChangedHolds">Legal holds whose rows are not what the vault wrote, or gone: they stay in force.</param>
/// <param name="ForgedRequests">Approved requests that the vault did not write like this: it carries nothing of them out.</param>
public sealed record RightsBacklog(OutboxState Outbox, long OverdueHolds, long ChangedHolds, int ForgedRequests);

/// <summary>Tells how much waits.</summary>
public sealed class RightsWatch
{
    private readonly OutboxStore outbox;
    private readonly HoldStore holds;
    private readonly RequestStore requests;

    internal RightsWatch(OutboxStore outbox, HoldStore holds, RequestStore requests) => (this.outbox, this.holds, this.requests) = (outbox, holds, requests);

    /// <summary>How much waits now.</summary>
    public async Task<RightsBacklog> LookAsync(CancellationToken cancellation) => new(
        await outbox.StateAsync(cancellation), await holds.CountOverdueAsync(cancellation), (await holds.ChangedAsync(cancellation)).Count + (await holds.MissingAsync(cancellation)).Count,
        await requests.CountForgedAsync(cancellation));
}
