namespace DataVault.Vault;

/// <summary>What of people's rights waits for somebody: numbers only, for whoever looks after the vault.</summary>
/// <param name="Outbox">Messages to recipients that are not delivered.</param>
/// <param name="OverdueHolds">Open legal holds whose review date has passed.</param>
/// <param name="ChangedHolds">Legal holds whose rows are not what the vault wrote: they stay in force.</param>
public sealed record RightsBacklog(OutboxState Outbox, long OverdueHolds, long ChangedHolds);

/// <summary>Tells how much waits.</summary>
public sealed class RightsWatch
{
    private readonly OutboxStore outbox;
    private readonly HoldStore holds;

    internal RightsWatch(OutboxStore outbox, HoldStore holds) => (this.outbox, this.holds) = (outbox, holds);

    /// <summary>How much waits now.</summary>
    public async Task<RightsBacklog> LookAsync(CancellationToken cancellation) => new(await outbox.StateAsync(cancellation), await holds.CountOverdueAsync(cancellation), (await holds.ChangedAsync(cancellation)).Count);
}
