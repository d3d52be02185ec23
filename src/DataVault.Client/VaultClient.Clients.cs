using DataVault.Client.Wire;

namespace DataVault.Client;

/// <summary>Registered applications (administrator).</summary>
public sealed partial class VaultClient
{
    /// <summary>Registers an application; the answer holds its secret, this once.</summary>
    public Task<ClientRegistered> RegisterClientAsync(RegisterClient client, CancellationToken cancellation = default) =>
        PostAsync<RegisterClient, ClientRegistered>("/v1/clients", client, null, cancellation);

    /// <summary>Changes what an application is registered with; all of it is as given.</summary>
    public Task<ClientView> ChangeClientAsync(string id, ChangeClient change, CancellationToken cancellation = default) =>
        _wire.AskAsync<ClientView>(VaultCall.Send(HttpMethod.Put, PathOf(id), change, repeatable: true), cancellation);

    /// <summary>Gives an application another secret, shown this once; the former one works for another day.</summary>
    public Task<ClientSecret> RotateClientSecretAsync(string id, CancellationToken cancellation = default) =>
        _wire.AskAsync<ClientSecret>(new VaultCall(HttpMethod.Post, PathOf(id) + "/secret", Repeatable: false), cancellation);

    /// <summary>Other public keys for an application that signs with them; those that are left out are refused from now on.</summary>
    public async Task ReplaceClientKeysAsync(string id, ReplaceClientKeys keys, CancellationToken cancellation = default) =>
        (await _wire.SendAsync(VaultCall.Send(HttpMethod.Put, PathOf(id) + "/keys", keys, repeatable: true), cancellation)).Dispose();

    /// <summary>Removes an application; its tokens end at once.</summary>
    public async Task RemoveClientAsync(string id, CancellationToken cancellation = default) =>
        (await _wire.SendAsync(new VaultCall(HttpMethod.Delete, PathOf(id), Repeatable: false), cancellation)).Dispose();

    private static string PathOf(string client) => "/v1/clients/" + Uri.EscapeDataString(client);
}
