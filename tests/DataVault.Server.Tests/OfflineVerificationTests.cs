using System.Text.Json;
using DataVault.Cli;
using DataVault.Transparency;
using DataVault.Verifier;

namespace DataVault.Server.Tests;

/// <summary>An auditor's work from end to end: saves the log and the records manifest of a running server, and verifies them with no server.</summary>
public sealed class OfflineVerificationTests(RunningServer server) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("auditor").FullName;

    private string Log => Path.Combine(_folder, "log");

    private string Manifest => Path.Combine(_folder, "records.txt");

    private string Key => Path.Combine(server.Process.Home, "log.vkey");

    [Fact]
    public async Task What_was_saved_verifies_and_a_changed_byte_is_found_and_named()
    {
        await SaveAsync("audit", "records", Manifest);
        await SaveAsync("audit", "save", Log);
        Assert.Equal(0, (await VerifyAsync("replay", Log)).ExitCode);
        var (sound, said) = await VerifyAsync("records", Manifest, "--log", Log);
        Assert.True(sound == 0, said);

        var text = File.ReadAllText(Manifest);
        var at = text.IndexOf("\nrecord ", StringComparison.Ordinal) + "\nrecord ".Length;
        await File.WriteAllTextAsync(Manifest, string.Concat(text.AsSpan(0, at), text[at] == '0' ? "1" : "0", text.AsSpan(at + 1)));
        Assert.Equal(1, (await VerifyAsync("records", Manifest, "--log", Log)).ExitCode);

        var bundle = Path.Combine(Log, "tile", "entries", "000");
        var bytes = await File.ReadAllBytesAsync(bundle);
        bytes[40] ^= 1;
        await File.WriteAllBytesAsync(bundle, bytes);
        var (changed, named) = await VerifyAsync("replay", Log);
        Assert.True(changed == 1 && named.Contains("the first bad entry is 0", StringComparison.Ordinal), named);
    }

    [Fact]
    public async Task A_persons_history_is_offline_what_it_is_for_an_officer()
    {
        var customer = (await server.JsonAsync("customer", HttpMethod.Get, "/v1/me")).GetProperty("customer").GetGuid();
        var found = (await server.JsonAsync("officer-tools", HttpMethod.Get, $"/v1/audit/entries?customer={customer}&limit=1000")).GetProperty("items").EnumerateArray().ToList();
        var tag = found.First(entry => entry.TryGetProperty("subjectTag", out var subject) && subject.ValueKind == JsonValueKind.String).GetProperty("subjectTag").GetString()!;
        var newest = found[0].GetProperty("index").GetInt64();
        await Waiting.UntilAsync("the copy has what the officer found", async () =>
        {
            await SaveAsync("audit", "save", Log);
            return SignedNote.TryParse(await File.ReadAllTextAsync(Path.Combine(Log, "checkpoint")), out var note) && Checkpoint.TryParse(note!.Text, out var tree) && tree!.Size > newest;
        });

        var (code, text) = await VerifyAsync("history", "--tag", tag, "--log", Log, "--json");

        Assert.True(code == 0, text);
        using var history = JsonDocument.Parse(text);
        var offline = history.RootElement.GetProperty("entries").EnumerateArray().Select(entry => entry.GetProperty("index").GetInt64()).Where(index => index <= newest);
        Assert.Equal(found.Select(entry => entry.GetProperty("index").GetInt64()).Order(), offline);
        Assert.Contains(found, entry => entry.TryGetProperty("count", out var people) && people.ValueKind == JsonValueKind.Number);
        Assert.Empty(history.RootElement.GetProperty("unlisted").EnumerateArray());
    }

    [Fact]
    public async Task What_is_no_log_is_unreadable_and_what_is_no_command_is_wrong_usage()
    {
        await SaveAsync("audit", "save", Log);
        Assert.Equal(3, (await VerifyAsync("replay", Path.Combine(_folder, "nothing"))).ExitCode);
        Assert.Equal(3, (await VerifyAsync("records", Path.Combine(_folder, "nothing.txt"), "--log", Log)).ExitCode);
        await File.WriteAllTextAsync(Manifest, "garbage");
        Assert.Equal(3, (await VerifyAsync("note", Manifest)).ExitCode);
        Assert.Equal(3, (await VerifyAsync("certificate", Manifest)).ExitCode);
        Assert.Equal(2, (await RunAsync("replay", Log)).ExitCode);
        Assert.Equal(2, (await VerifyAsync("guess", Log)).ExitCode);
        Assert.Equal(2, (await RunAsync("replay", Log, "--key", "nonsense")).ExitCode);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private async Task SaveAsync(params string[] verb)
    {
        using var said = new StringWriter();
        var host = new CliHost(TextReader.Null, said, said, _folder, TimeProvider.System);
        var code = await DataVaultCommand.RunAsync(host, [.. verb, "--first-run", Path.Combine(server.Process.Home, "first-run.json")]);
        Assert.True(code == 0, said.ToString());
    }

    private Task<(int ExitCode, string Output)> VerifyAsync(params string[] arguments) => RunAsync([.. arguments, "--key", Key]);

    private static async Task<(int ExitCode, string Output)> RunAsync(params string[] arguments)
    {
        using var said = new StringWriter();
        using var desk = new Desk(said, said, progress: false);
        return (await VerifyCommand.RunAsync(desk, arguments), said.ToString());
    }
}
