using DataVault.Client.Wire;

namespace DataVault.Client;

/// <summary>OpenDSR 2.0: for controllers whose processor the vault is, and for the administrator who registers them.</summary>
public sealed partial class VaultClient
{
    /// <summary>What the vault supports as a processor.</summary>
    public Task<OpenDsrDiscovery> OpenDsrDiscoveryAsync(CancellationToken cancellation = default) => GetAsync<OpenDsrDiscovery>(new Query("/v1/opendsr/discovery"), cancellation);

    /// <summary>Sends a request of a person. Sending exactly the same again is harmless.</summary>
    public Task<OpenDsrReceipt> SendOpenDsrAsync(OpenDsrRequest request, CancellationToken cancellation = default) =>
        _wire.AskAsync<OpenDsrReceipt>(VaultCall.Send(HttpMethod.Post, "/v1/opendsr/requests", request, repeatable: true), cancellation);

    /// <summary>How a request stands.</summary>
    public Task<OpenDsrStatus> OpenDsrStatusAsync(Guid subjectRequestId, CancellationToken cancellation = default) =>
        GetAsync<OpenDsrStatus>(new Query($"/v1/opendsr/requests/{subjectRequestId:D}"), cancellation);

    /// <summary>Takes a request back that is pending.</summary>
    public Task<OpenDsrCancellation> CancelOpenDsrAsync(Guid subjectRequestId, CancellationToken cancellation = default) =>
        _wire.AskAsync<OpenDsrCancellation>(new VaultCall(HttpMethod.Delete, $"/v1/opendsr/requests/{subjectRequestId:D}", Repeatable: false), cancellation);

    /// <summary>Where controllers may be called back (administrator).</summary>
    public async Task<IReadOnlyList<OpenDsrControllerView>> OpenDsrControllersAsync(CancellationToken cancellation = default) =>
        (await GetAsync<Page<OpenDsrControllerView>>(new Query("/v1/opendsr/controllers"), cancellation)).Items;

    /// <summary>Says where a controller may be called back, in place of what was said before (administrator).</summary>
    public Task<OpenDsrControllerView> RegisterOpenDsrControllerAsync(string client, RegisterOpenDsrController controller, CancellationToken cancellation = default) =>
        _wire.AskAsync<OpenDsrControllerView>(VaultCall.Send(HttpMethod.Put, PathOfController(client), controller, repeatable: true), cancellation);

    /// <summary>The controller is called back nowhere any more (administrator).</summary>
    public async Task RemoveOpenDsrControllerAsync(string client, CancellationToken cancellation = default) =>
        (await _wire.SendAsync(new VaultCall(HttpMethod.Delete, PathOfController(client), Repeatable: false), cancellation)).Dispose();

    private static string PathOfController(string client) => "/v1/opendsr/controllers/" + Uri.EscapeDataString(client);
}
