using System.Net;
using DataVault.Testing;
using DataVault.Transparency;

namespace DataVault.Server.Tests.Deaths;

/// <summary>The operator's commands as processes, on the home of a server that runs its own database: beside it, and after its end.</summary>
public sealed class OperatorCommandTests : IAsyncLifetime
{
    private readonly RunningServer _server = new();

    private ServerProcess Process => _server.Process;

    private string Mirror => Path.Combine(Process.Home, "log-mirror");

    public async ValueTask InitializeAsync() => _server.Attach(await ServerProcess.StartAsync(new Dictionary<string, string> { ["Vault__SampleCustomers"] = "60" }));

    public async ValueTask DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task The_log_is_pruned_indexed_again_and_signed_by_a_new_key_beside_the_server_and_all_of_it_verifies()
    {
        var kept = await _server.CreateCustomerAsync("operated@example.com", "Operated");
        Assert.Contains("leave the database", await DoneAsync("prune-log", "before", "2100-01-01", "dry-run"), StringComparison.Ordinal);
        Assert.Equal(0, await PrunedAsync());
        Assert.Contains("of the log says so", await DoneAsync("prune-log", "before", "2100-01-01"), StringComparison.Ordinal);
        Assert.True(await PrunedAsync() >= 256, "nothing was pruned");
        Assert.Contains("There is nothing to prune", await DoneAsync("prune-log", "before", "2001-01-01"), StringComparison.Ordinal);
        await VerifyAsync();

        await DoneAsync("reindex-log");
        Assert.Equal(1, (await _server.JsonAsync("officer-tools", HttpMethod.Post, "/v1/audit/counts", """{ "type": "log.prune" }""")).GetProperty("entries").GetInt64());

        var first = (await DoneAsync("signer", "keys")).Trim();
        Assert.Contains("Only one key signs", await RefusedAsync("signer", "retire"), StringComparison.Ordinal);
        Assert.Contains("A new key signs beside the old one", await DoneAsync("signer", "rotate"), StringComparison.Ordinal);
        Assert.Contains("Two keys sign already", await RefusedAsync("signer", "rotate"), StringComparison.Ordinal);
        await _server.CreateCustomerAsync("both.keys@example.com");
        await Waiting.UntilAsync("both keys sign", async () => (await _server.Http.GetStringAsync("/audit/checkpoint")).Split("\n— ").Length == 3);
        Assert.Contains("is destroyed", await DoneAsync("signer", "retire"), StringComparison.Ordinal);
        Assert.True(LogKeys.TryParse(await DoneAsync("signer", "keys"), out var keys) && keys!.Keys.Count == 2, "the list has not both keys");
        Assert.Contains(first.Split('\n')[^1].Split(' ')[^1], File.ReadAllText(Path.Combine(Process.Home, "log.vkey")), StringComparison.Ordinal);
        await VerifyAsync();

        Assert.Equal("Operated", (await _server.JsonAsync("support-desk", HttpMethod.Get, $"/v1/customers/{kept}?purpose=customer-support&fields=givenName")).GetProperty("fields").GetProperty("givenName").GetString());
        await CheckWhileServingAsync(kept);
        await ForgetAsync(kept);
        Assert.Contains("The day is written as", await RefusedAsync("prune-log", "before", "yesterday"), StringComparison.Ordinal);
        Assert.Contains("Commands: signer keys", await RefusedAsync("signer", "sing"), StringComparison.Ordinal);
        await Process.StopAsync();
        Assert.Contains("agree", await DoneAsync("check", "deep"), StringComparison.Ordinal);
        Assert.Equal(keys.ToString().Trim(), Last(await DoneAsync("signer", "keys"), keys.ToString().Trim().Split('\n').Length));
    }

    [Fact]
    public async Task A_signer_that_lost_its_memory_signs_again_once_an_operator_has_stated_what_others_hold()
    {
        await _server.CreateCustomerAsync("remembered@example.com");
        await Waiting.UntilAsync("the log is signed", async () => (await _server.Http.GetAsync("/audit/checkpoint")).IsSuccessStatusCode);
        var held = Path.Combine(Path.GetDirectoryName(Process.Home)!, "held.note");
        await Process.StopAsync();
        var memory = Path.Combine(Process.Home, "log-signer.memory");
        File.Delete(memory);
        Assert.Contains("is not a checkpoint", await RefusedAsync("signer", "adopt", Write("nothing like it")), StringComparison.Ordinal);
        var newest = await File.ReadAllTextAsync(Path.Combine(Mirror, "checkpoint"));
        var (note, tree) = Signed(newest);
        var other = note.Text.Replace(Convert.ToBase64String(tree.Root.Span), Convert.ToBase64String(new byte[32]), StringComparison.Ordinal);
        await RefusedAsync("signer", "adopt", Write(other));
        Assert.False(File.Exists(memory), "a memory was made of a checkpoint that the log does not lead to");
        Assert.Contains($"The signer goes on from {tree.Size} entries", await DoneAsync("signer", "adopt", Write(newest)), StringComparison.Ordinal);

        await Process.RestartAsync();
        await _server.CreateCustomerAsync("signed.again@example.com");
        await Waiting.UntilAsync("the log is signed again", async () => Signed(await _server.Http.GetStringAsync("/audit/checkpoint")).Tree.Size > tree.Size + 1);
        Assert.True(LogKeys.TryParse(await _server.Http.GetStringAsync("/audit/keys"), out var keys));
        var report = await new LogVerifier(keys!).VerifyAsync(new ServerLog(_server), [note]);
        Assert.True(report.Ok && report.EarlierCheckpoints == 1, string.Join("; ", report.Findings.Select(finding => finding.Message)));

        string Write(string text)
        {
            File.WriteAllText(held, text);
            return held;
        }
    }

    private static (SignedNote Note, Checkpoint Tree) Signed(string text) =>
        SignedNote.TryParse(text, out var note) && Checkpoint.TryParse(note!.Text, out var tree) ? (note, tree!) : throw new FormatException(text);

    // Whatever is written meanwhile, the check looks at one moment.
    private async Task CheckWhileServingAsync(Guid customer)
    {
        var check = DoneAsync("check", "deep");
        var writes = 0;
        do
        {
            await _server.CreateCustomerAsync($"meanwhile-{++writes}@example.com");
            using var read = await _server.SendAsync("support-desk", HttpMethod.Get, $"/v1/customers/{customer}?purpose=customer-support");
            Assert.Equal(HttpStatusCode.OK, read.StatusCode);
        }
        while (!check.IsCompleted);
        Assert.Contains("agree", await check, StringComparison.Ordinal);
        Assert.True(writes > 1);
    }

    private static string Last(string output, int lines) => string.Join('\n', output.Trim().Split('\n').TakeLast(lines));

    private async Task<string> DoneAsync(params string[] command)
    {
        var (exitCode, output) = await Process.CommandAsync(command);
        Assert.True(exitCode == 0, $"{string.Join(' ', command)}: {exitCode} {output}");
        return output;
    }

    private async Task<string> RefusedAsync(params string[] command)
    {
        var (exitCode, output) = await Process.CommandAsync(command);
        Assert.True(exitCode == 2, $"{string.Join(' ', command)}: {exitCode} {output}");
        return output;
    }

    // The log tells of the first version, if need be in the mirror alone: what is remembered beyond it is forgotten, once.
    private async Task ForgetAsync(Guid customer)
    {
        await using var connection = new Npgsql.NpgsqlConnection(Process.DatabaseConnection("keys"));
        await connection.OpenAsync();
        await using var command = new Npgsql.NpgsqlCommand($"update keys.subject_key set newest = 9 where subject_id = '{customer}'", connection);
        Assert.Equal(1, await command.ExecuteNonQueryAsync());
        Assert.Contains("Name the people by their ids", await RefusedAsync("restore", "accept", "versions", "somebody"), StringComparison.Ordinal);
        Assert.Contains("on the log says of 1 people", await DoneAsync("restore", "accept", "versions", customer.ToString()), StringComparison.Ordinal);
        Assert.Contains("Of none of them", await DoneAsync("restore", "accept", "versions", customer.ToString()), StringComparison.Ordinal);
    }

    private async Task<long> PrunedAsync()
    {
        await using var connection = new Npgsql.NpgsqlConnection(Process.DatabaseConnection("vault"));
        await connection.OpenAsync();
        await using var command = new Npgsql.NpgsqlCommand("select coalesce(max(below), 0) from audit.pruned", connection);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    // As an auditor does, from the mirror and from what is served.
    private async Task VerifyAsync()
    {
        Assert.True(LogKeys.TryParse(await _server.Http.GetStringAsync("/audit/keys"), out var keys));
        Assert.Equal(HttpStatusCode.OK, (await _server.SendAsync("officer-tools", HttpMethod.Get, "/v1/audit/entries?limit=1")).StatusCode);
        foreach (var source in new ILogSource[] { new TileDirectory(Mirror), new ServerLog(_server) })
        {
            var report = await new LogVerifier(keys!).VerifyAsync(source, []);
            Assert.True(report.Ok, string.Join("; ", report.Findings.Select(finding => finding.Message)));
        }
    }
}
