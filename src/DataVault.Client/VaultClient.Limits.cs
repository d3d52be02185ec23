using DataVault.Client.Wire;

namespace DataVault.Client;

public sealed partial class VaultClient
{
    /// <summary>Ends a person's restriction of processing; they have a message before it ends.</summary>
    public Task<LimitLifted> LiftRestrictionAsync(Guid customer, string reason, CancellationToken cancellation = default) =>
        PostAsync<LiftLimit, LimitLifted>($"/v1/customers/{customer}/restriction/lift", new LiftLimit(reason), null, cancellation);

    /// <summary>Ends a person's objection to a purpose; they have a message before it ends.</summary>
    public Task<LimitLifted> LiftObjectionAsync(Guid customer, string purpose, string reason, CancellationToken cancellation = default) =>
        PostAsync<LiftLimit, LimitLifted>($"/v1/customers/{customer}/objections/{Uri.EscapeDataString(purpose)}/lift", new LiftLimit(reason), null, cancellation);

    /// <summary>Ends the signed-in customer's restriction of processing.</summary>
    public Task<LimitLifted> LiftMyRestrictionAsync(CancellationToken cancellation = default) =>
        PostAsync<LiftLimit, LimitLifted>("/v1/me/restriction/lift", new LiftLimit(), null, cancellation);

    /// <summary>Ends the signed-in customer's objection to a purpose.</summary>
    public Task<LimitLifted> LiftMyObjectionAsync(string purpose, CancellationToken cancellation = default) =>
        PostAsync<LiftLimit, LimitLifted>($"/v1/me/objections/{Uri.EscapeDataString(purpose)}/lift", new LiftLimit(), null, cancellation);
}
