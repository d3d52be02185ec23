using DataVault.Client.Wire;

namespace DataVault.Client;

public sealed partial class VaultClient
{
    /// <summary><c>GET /v1/suppressions</c></summary>
    public Task<SuppressionsView> SuppressionsAsync(CancellationToken cancellation = default) => GetAsync<SuppressionsView>(new Query("/v1/suppressions"), cancellation);

    /// <summary><c>POST /v1/suppressions/lift</c></summary>
    public Task<SuppressionLifted> LiftSuppressionAsync(LiftSuppression lift, CancellationToken cancellation = default) =>
        PostAsync<LiftSuppression, SuppressionLifted>("/v1/suppressions/lift", lift, null, cancellation);
}
