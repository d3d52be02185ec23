using System.Net;
using System.Text.Json;
using DataVault.Transparency;

namespace DataVault.Server.Tests;

/// <summary>What those who watch the log find at a running server.</summary>
public sealed class LogWatchTests(RunningServer server)
{
    [Fact]
    public async Task The_keys_of_the_log_are_public_and_verify_its_checkpoint()
    {
        Assert.True(LogKeys.TryParse(await server.Http.GetStringAsync("/audit/keys"), out var keys));
        Assert.True(SignedNote.TryParse(await server.Http.GetStringAsync("/audit/checkpoint"), out var note));
        Assert.Equal(NoteCheck.Valid, keys!.Check(note!));
        Assert.Equal((await server.Http.GetStringAsync("/audit/key")).Trim(), keys.Keys[^1].VerifierKey);
    }

    [Theory]
    [InlineData("/audit/keys/00000000/announcement")]
    [InlineData("/audit/keys/..%2F..%2Flog-signer.memory/announcement")]
    [InlineData("/audit/timestamp/latest")]
    [InlineData("/audit/timestamp/3/checkpoint")]
    [InlineData("/audit/timestamp/-1")]
    public async Task What_there_is_not_is_not_found(string path) =>
        Assert.Equal(HttpStatusCode.NotFound, (await server.Http.GetAsync(path)).StatusCode);

    [Fact]
    public async Task An_officer_gets_entries_as_events_of_the_open_schema()
    {
        using var answer = await server.SendAsync("compliance-officer", HttpMethod.Post, "/v1/audit/export", """{ "type": "field.read", "format": "ocsf" }""");
        Assert.Equal("application/x-ndjson", answer.Content.Headers.ContentType!.MediaType);
        var lines = (await answer.Content.ReadAsStringAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.All(lines, line =>
        {
            using var parsed = JsonDocument.Parse(line);
            Assert.Equal(6005, parsed.RootElement.GetProperty("class_uid").GetInt32());
        });
    }
}
