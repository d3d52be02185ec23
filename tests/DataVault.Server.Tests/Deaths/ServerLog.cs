using System.Net;
using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Transparency;

namespace DataVault.Server.Tests.Deaths;

/// <summary>The transparency log of a running server, read and verified as an officer.</summary>
internal sealed class ServerLog(RunningServer server) : ILogSource
{
    /// <summary>Every entry from an index on, by index, once the log reaches as far as given.</summary>
    public async Task<Dictionary<long, AuditEntryView>> EntriesAsync(long from, long upTo, string? type = null)
    {
        var vault = new VaultClient(server.Http, TokenSource.Fixed(await SignInAsync()));
        var entries = new Dictionary<long, AuditEntryView>();
        await Waiting.UntilAsync($"entry {upTo} can be searched", async () =>
        {
            var newest = await vault.AuditEntriesAsync(new AuditFilter { Limit = 1 });
            return newest.Items.Count > 0 && newest.Items[0].Index >= upTo;
        });
        string? cursor = null;
        do
        {
            var page = await vault.AuditEntriesAsync(new AuditFilter { Type = type, Limit = 1_000, Cursor = cursor });
            foreach (var entry in page.Items.Where(e => e.Index >= from))
                Assert.True(entries.TryAdd(entry.Index, entry), $"entry {entry.Index} came twice");
            cursor = page.Items.Count > 0 && page.Items[^1].Index > from ? page.Next : null;
        }
        while (cursor is not null);
        return entries;
    }

    /// <summary>Replays the whole log and holds it against its signed checkpoint, which must cover the index given.</summary>
    public async Task VerifyAsync(long upTo)
    {
        await Waiting.UntilAsync($"a checkpoint covers entry {upTo}", async () =>
            await CheckpointAsync(default) is { } note && SignedNote.TryParse(note, out var signed) && Checkpoint.TryParse(signed!.Text, out var tree) && tree!.Size > upTo);
        var key = (await server.Http.GetStringAsync("/audit/key")).Trim();
        Assert.True(NoteVerifier.TryParse(key, out var verifier));
        var report = await new LogVerifier(verifier!).VerifyAsync(this);
        Assert.True(report.Ok, report.Problem);
        Assert.True(report.Size > upTo);
    }

    public async Task<string?> CheckpointAsync(CancellationToken cancellationToken) =>
        await FetchAsync("/audit/checkpoint") is { } bytes ? System.Text.Encoding.UTF8.GetString(bytes) : null;

    public Task<byte[]?> TileAsync(int level, long n, int width, CancellationToken cancellationToken) => FetchAsync("/audit/" + TlogTiles.TilePath(level, n, width));

    public async Task<byte[]?> EntryBundleAsync(long n, int width, CancellationToken cancellationToken) =>
        await FetchAsync("/audit/" + TlogTiles.EntriesPath(n, width), await SignInAsync());

    private async Task<byte[]?> FetchAsync(string path, string? token = null)
    {
        byte[]? content = null;
        await Waiting.UntilAsync($"{path} is answered", async () =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            if (token is not null)
                request.Headers.Authorization = new("Bearer", token);
            using var answer = await server.Http.SendAsync(request);
            if (answer.StatusCode == HttpStatusCode.NotFound)
                return true;
            if (answer.StatusCode == HttpStatusCode.ServiceUnavailable)
                return false;
            content = await answer.EnsureSuccessStatusCode().Content.ReadAsByteArrayAsync();
            return true;
        });
        return content;
    }

    // Pooled connections that died with the database are found out one by one, each by a call that is refused.
    private async Task<string> SignInAsync()
    {
        var token = "";
        await Waiting.UntilAsync("the officer is signed in", async () =>
        {
            try
            {
                token = await server.TokenAsync("compliance-officer");
            }
            catch (Exception e) when (e is HttpRequestException or VaultProblemException { IsTransient: true })
            {
                return false;
            }
            return true;
        });
        return token;
    }
}
