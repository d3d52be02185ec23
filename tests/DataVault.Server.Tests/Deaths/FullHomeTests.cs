using System.Net;
using DataVault.Testing;

namespace DataVault.Server.Tests.Deaths;

/// <summary>The disk of the home folder is full: of the journal, the slots of the epochs, the signer's memory and the mirror.</summary>
public sealed class FullHomeTests : IAsyncLifetime
{
    private readonly RunningServer _server = new();

    private ServerProcess Process => _server.Process;

    public async ValueTask InitializeAsync() => _server.Attach(await ServerProcess.StartAsync(new Dictionary<string, string> { ["Vault__SampleCustomers"] = "6" }, limitable: true));

    public async ValueTask DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    [Requirement("R41")]
    public async Task An_erasure_and_a_new_key_epoch_wait_for_room_and_everything_goes_on_when_there_is_some()
    {
        Assert.SkipUnless(PostgresCluster.CanLimitFiles, "prlimit (util-linux) is not installed");
        var (kept, gone) = (await _server.CreateCustomerAsync("kept@example.com", "Kept"), await _server.CreateCustomerAsync("gone@example.com", "Gone"));
        await Process.LimitFilesAsync(0);
        var request = (await _server.JsonAsync("compliance-officer", HttpMethod.Post, "/v1/requests", new { kind = "erasure", customer = gone }, HttpStatusCode.Created)).GetProperty("id").GetGuid();
        await _server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/requests/{request}/verify", new { method = "document-seen" });
        var approved = await _server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/requests/{request}/approve", new { });
        Assert.Equal("approved", approved.GetProperty("state").GetString());
        var rotation = (await _server.JsonAsync("administrator", HttpMethod.Post, "/v1/keys/rotations", new { level = "epoch" }, HttpStatusCode.Accepted)).GetProperty("id").GetGuid();
        await Waiting.UntilAsync("the rotation has met the full disk", async () => (await RotationAsync(rotation)).State == "failed");
        using (var answer = await _server.SendAsync("support-desk", HttpMethod.Get, $"/v1/customers/{gone}?purpose=customer-support"))
            Assert.Equal("not-found", await RunningServer.SlugAsync(answer));
        Assert.Equal("Kept", await NameAsync(kept));

        await Process.LimitFilesAsync(null);
        await _server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/requests/{request}/complete", new { });
        await Waiting.UntilAsync("the certificate is there", async () =>
        {
            using var answer = await _server.Http.GetAsync($"/certificates/{request}");
            return answer.IsSuccessStatusCode;
        });
        await _server.JsonAsync("administrator", HttpMethod.Post, $"/v1/keys/rotations/{rotation}/resume", new { });
        await Waiting.UntilAsync("the rotation is done", async () => (await RotationAsync(rotation)).State == "done");
        Assert.Equal("Kept", await NameAsync(kept));
        var (sound, said) = await Process.CommandAsync("check", "deep");
        Assert.True(sound == 0, said);
    }

    private async Task<(string? State, string Text)> RotationAsync(Guid id)
    {
        var rotation = await _server.JsonAsync("administrator", HttpMethod.Get, $"/v1/keys/rotations/{id}");
        return (rotation.GetProperty("state").GetString(), rotation.ToString());
    }

    private async Task<string?> NameAsync(Guid customer) =>
        (await _server.JsonAsync("support-desk", HttpMethod.Get, $"/v1/customers/{customer}?purpose=customer-support&fields=givenName")).GetProperty("fields").GetProperty("givenName").GetString();
}
