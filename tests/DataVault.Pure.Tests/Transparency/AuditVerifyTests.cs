using System.Net;
using System.Text.Json;
using DataVault.Cli.Verbs;
using DataVault.Client;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Transparency;

public sealed class AuditVerifyTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("datavault-audit-");
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task A_sound_log_in_a_directory_ends_with_code_0()
    {
        Assert.Equal(0, await RunAsync(Store(MemoryLog.Of(MemoryLog.Entries(300)))));
        Assert.Contains("checkpoint  300 entries", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("OK          every entry is as signed", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_changed_entry_ends_with_code_1_and_is_named()
    {
        Assert.Equal(1, await RunAsync(Store(Changed(300, 123))));
        Assert.Contains("BAD         entry 123 was changed", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("FAILED      the first bad entry is 123", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_report_is_given_as_json_when_asked()
    {
        Assert.Equal(1, await RunAsync(Store(Changed(300, 123)), json: true));
        using var report = JsonDocument.Parse(_output.ToString());
        Assert.False(report.RootElement.GetProperty("ok").GetBoolean());
        Assert.Equal(123, report.RootElement.GetProperty("firstBadIndex").GetInt64());
        Assert.Equal("changed", report.RootElement.GetProperty("findings")[0].GetProperty("fault").GetString());
    }

    [Fact]
    public async Task A_checkpoint_seen_before_is_held_against_the_log()
    {
        var entries = MemoryLog.Entries(300);
        var folder = Store(MemoryLog.Of(entries));
        var old = Path.Combine(folder, "old.note");
        await File.WriteAllTextAsync(old, MemoryLog.Of([.. entries.Take(200)]).Note);
        Assert.Equal(0, await RunAsync(folder, checkpoints: [old]));
        Assert.Contains("continues   1 earlier checkpoint", _output.ToString(), StringComparison.Ordinal);

        await File.WriteAllTextAsync(old, MemoryLog.Of(MemoryLog.Entries(200, seed: 2)).Note);
        Assert.Equal(1, await RunAsync(folder, checkpoints: [old]));
    }

    [Fact]
    public async Task The_key_may_lie_in_a_file()
    {
        var folder = Store(MemoryLog.Of(MemoryLog.Entries(3)));
        var file = Path.Combine(folder, "log.vkey");
        await File.WriteAllTextAsync(file, MemoryLog.Signer.VerifierKey + "\n");
        Assert.Equal(0, await RunAsync(folder, key: file));
    }

    [Theory]
    [InlineData("not a key", ".", null)]
    [InlineData(null, "no/such/folder", null)]
    [InlineData(null, ".", "no/such/file")]
    public async Task A_question_that_makes_no_sense_ends_with_code_2(string? key, string log, string? checkpoint)
    {
        Assert.Equal(2, await RunAsync(log, key: key, checkpoints: checkpoint is null ? [] : [checkpoint]));
        Assert.NotEmpty(_error.ToString());
        Assert.Empty(_output.ToString());
    }

    [Theory]
    [InlineData(null, 0)]
    [InlineData(700, 1)]
    public async Task A_log_is_read_over_http_as_a_vault_serves_it(int? changed, int code)
    {
        var log = changed is { } index ? Changed(1_000, index) : MemoryLog.Of(MemoryLog.Entries(1_000));
        Assert.Equal(code, await RunAsync("https://vault.example/", handler: new Served(log)));
        Assert.Equal(changed is not null, _output.ToString().Contains($"entry {changed} was changed", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_vault_that_refuses_ends_with_code_2()
    {
        Assert.Equal(2, await RunAsync("https://vault.example/", handler: new Served(null)));
        Assert.StartsWith("The log could not be read", _error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("officer", 0)]
    [InlineData("support", 2)]
    [InlineData(null, 2)]
    public async Task Entry_bundles_need_a_credential_that_may_read_the_log(string? token, int code)
    {
        var served = new Served(MemoryLog.Of(MemoryLog.Entries(300)), "officer");
        Assert.Equal(code, await RunAsync("https://vault.example/", handler: served, tokens: token is null ? null : TokenSource.Fixed(token)));
        Assert.Equal(code != 0, _error.ToString().Contains("audit.read", StringComparison.Ordinal));
    }

    private static MemoryLog Changed(int size, int index)
    {
        var entries = MemoryLog.Entries(size);
        var log = MemoryLog.Of(entries);
        entries[index][40] ^= 1;
        log.WriteEntries(entries);
        return log;
    }

    private string Store(MemoryLog log)
    {
        foreach (var (name, bytes) in log.Files)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(_folder.FullName, name))!);
            File.WriteAllBytes(Path.Combine(_folder.FullName, name), bytes);
        }
        File.WriteAllText(Path.Combine(_folder.FullName, "checkpoint"), log.Note);
        return _folder.FullName;
    }

    private async Task<int> RunAsync(string log, string? key = null, string[]? checkpoints = null, bool json = false, HttpMessageHandler? handler = null, TokenSource? tokens = null)
    {
        using var http = new HttpClient(handler ?? new Served(null));
        var options = new AuditVerifyOptions(log, key ?? MemoryLog.Signer.VerifierKey, checkpoints ?? [], json, tokens);
        return await AuditVerify.RunAsync(options, http, _output, _error, CancellationToken.None);
    }

    /// <summary>Serves a log under <c>/audit/</c>, entries only to who has the token if one is needed; without a log, refuses everybody.</summary>
    private sealed class Served(MemoryLog? log, string? needed = null) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (log is null)
                return Task.FromResult(new HttpResponseMessage(HttpStatusCode.Forbidden));
            var name = request.RequestUri!.AbsolutePath["/audit/".Length..];
            if (needed is not null && name.StartsWith("tile/entries/", StringComparison.Ordinal) && request.Headers.Authorization?.Parameter != needed)
                return Task.FromResult(new HttpResponseMessage(request.Headers.Authorization is null ? HttpStatusCode.Unauthorized : HttpStatusCode.Forbidden));
            HttpContent? content = name == "checkpoint" ? new StringContent(log.Note) : log.Files.TryGetValue(name, out var bytes) ? new ByteArrayContent(bytes) : null;
            return Task.FromResult(new HttpResponseMessage(content is null ? HttpStatusCode.NotFound : HttpStatusCode.OK) { Content = content });
        }
    }
}
