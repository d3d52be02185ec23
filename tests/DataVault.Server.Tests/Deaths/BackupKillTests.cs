using System.Diagnostics;
using DataVault.Testing;
using Npgsql;

namespace DataVault.Server.Tests.Deaths;

/// <summary>
/// A backup and a restore, killed between every two of their steps. Each is held where it is to die: PostgreSQL's tools stand behind a gate, and what the command
/// does by itself waits for a lock, or for somebody who reads its file.
/// </summary>
public sealed class BackupKillTests : IAsyncLifetime
{
    // It says that it is newer than any, so that it is the one that is taken.
    private const string Gate =
        """
        #!/bin/sh
        # Whose command is dead goes no further.
        name=$(basename "$0"); gates=$(dirname "$0")
        if [ "$1" = --version ]; then echo "$name (PostgreSQL) 99.0"; exit 0; fi
        wait_at() { if [ -e "$gates/$1" ]; then : > "$gates/$1.reached"; while [ -e "$gates/$1" ]; do sleep 0.05; done; kill -0 $PPID || exit 1; fi; }
        wait_at "before-$name"
        for bin in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql/bin /opt/homebrew/opt/postgresql*/bin; do if [ -x "$bin/$name" ]; then real="$bin/$name"; fi; done
        "${real:-/usr/bin/$name}" "$@"; status=$?
        wait_at "after-$name"
        exit $status
        """;

    private readonly RunningServer _server = new();
    private readonly string _gates = Directory.CreateTempSubdirectory("datavault-gates-").FullName;
    private string _folder = "";

    private ServerProcess Process => _server.Process;

    public async ValueTask InitializeAsync()
    {
        foreach (var tool in new[] { "pg_dump", "pg_restore" })
        {
            await File.WriteAllTextAsync(Path.Combine(_gates, tool), Gate.ReplaceLineEndings("\n"));
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(Path.Combine(_gates, tool), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        _server.Attach(await ServerProcess.StartAsync(new Dictionary<string, string>
        {
            ["Vault__SampleCustomers"] = "6",
            ["Backup__DataPassphrase"] = "the data of this test lie here",
            ["Backup__KeysPassphrase"] = "its keys are under another word",
            ["PATH"] = _gates + Path.PathSeparator + Environment.GetEnvironmentVariable("PATH"),
        }));
        _folder = Directory.CreateDirectory(Path.Combine(Path.GetDirectoryName(Process.Home)!, "backups")).FullName;
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Directory.Delete(_gates, recursive: true);
    }

    [Fact]
    public async Task A_backup_that_is_killed_between_any_two_steps_is_never_taken_for_one_that_was_made()
    {
        var file = Path.Combine(_folder, "data.dvb");
        foreach (var gate in new[] { "before-pg_dump", "after-pg_dump", "before-pg_restore", "after-pg_restore" })
        {
            await KillAtAsync(gate, "backup", "data", file);
            Assert.False(File.Exists(file), gate);
        }

        // It has its name, and nobody reads what is written beside it.
        Assert.Equal(0, (await Process.ShellAsync("mkfifo \"$0\"".Replace("$0", file + ".json.unfinished", StringComparison.Ordinal))).ExitCode);
        using (var backup = Process.BeginCommand("backup", "data", file))
        {
            await Waiting.UntilAsync("the backup has its name", () => Task.FromResult(File.Exists(file)));
            await KillAsync(backup);
        }

        Assert.False(File.Exists(file + ".json"));
        File.Delete(file + ".json.unfinished");
        Assert.Equal(0, (await Process.CommandAsync("backup", "verify", file)).ExitCode);
        Assert.Equal(2, (await Process.CommandAsync("backup", "data", file)).ExitCode);
        File.Delete(file);

        // Everything is written but the entry that says so.
        using (var backup = await AtAsync("after-pg_restore", "backup", "data", file))
        {
            await using var head = await HoldAsync("vault", "select 1 from audit.head for update");
            Open("after-pg_restore");
            await Waiting.UntilAsync("the manifest is there", () => Task.FromResult(File.Exists(file + ".json")));
            await KillAsync(backup);
            // Nor does the database carry out what it may have been asked before.
            await CountAsync("vault", "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity where wait_event_type = 'Lock'");
        }

        Assert.Equal(0, (await Process.CommandAsync("backup", "verify", file)).ExitCode);
        Assert.All(await MadeAsync(), Assert.Null);
        var entries = (await _server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/audit/entries?type=backup.made")).GetProperty("items").EnumerateArray().ToList();
        Assert.Equal(6, entries.Count);
        var again = await Process.CommandAsync("backup", "data", Path.Combine(_folder, "again.dvb"));
        Assert.True(again.ExitCode == 0, again.Output);
        Assert.NotNull((await MadeAsync())[0]);
        await AssertSoundAsync();
    }

    [Fact]
    public async Task A_restore_that_is_killed_between_any_two_steps_leaves_what_was_there()
    {
        var kept = await _server.CreateCustomerAsync("kept@example.com", "Kept");
        var file = Path.Combine(_folder, "data.dvb");
        Assert.Equal(0, (await Process.CommandAsync("backup", "data", file)).ExitCode);
        var later = await _server.CreateCustomerAsync("later@example.com", "Later");
        await Process.StopAsync();
        string[] restore = ["restore", "data", file, "replacing", "vault"];
        foreach (var gate in new[] { "before-pg_restore", "after-pg_restore" })
        {
            await KillAtAsync(gate, restore);
            Assert.True(await HasAsync(later), gate);
        }

        // The operator's word is given, and the name not taken yet.
        using (var command = await AtAsync("after-pg_restore", restore))
        {
            await using (var name = await HoldAsync("postgres", "comment on database vault is 'held'"))
            {
                Open("after-pg_restore");
                await Waiting.UntilAsync("the name is about to be taken", async () => await CountAsync(
                    "postgres", "select count(*) from pg_stat_activity where query like 'alter database%' and wait_event_type = 'Lock'") == 1);
                Assert.True(File.Exists(Path.Combine(Process.Home, "restore.order")));
                await KillAsync(command);
            }

            await Waiting.UntilAsync("nobody renames any more", async () => await CountAsync("postgres", "select count(*) from pg_stat_activity where query like 'alter database%'") == 0);
        }

        Assert.True(await HasAsync(later));
        await Process.RestartAsync();
        foreach (var (person, name) in new[] { (kept, "Kept"), (later, "Later") }) Assert.Equal(name, await NameAsync(person));
        Assert.False(File.Exists(Path.Combine(Process.Home, "restore.order")));
        await AssertSoundAsync();

        await Process.StopAsync();
        var (exitCode, output) = await Process.CommandAsync(restore);
        Assert.True(exitCode == 0, output);
        await Process.RestartAsync();
        Assert.Equal("Kept", await NameAsync(kept));
        using var absent = await _server.SendAsync("support-desk", HttpMethod.Get, $"/v1/customers/{later}?purpose=customer-support");
        Assert.Equal("not-found", await RunningServer.SlugAsync(absent));
    }

    private async Task KillAtAsync(string gate, params string[] command)
    {
        using var process = await AtAsync(gate, command);
        await KillAsync(process);
        Open(gate);
    }

    private async Task<Process> AtAsync(string gate, params string[] command)
    {
        await File.WriteAllTextAsync(Path.Combine(_gates, gate), "");
        File.Delete(Path.Combine(_gates, gate + ".reached"));
        var process = Process.BeginCommand(command);
        await Waiting.UntilAsync($"the command is at {gate}", () => Task.FromResult(File.Exists(Path.Combine(_gates, gate + ".reached"))));
        return process;
    }

    private void Open(string gate) => File.Delete(Path.Combine(_gates, gate));

    private static async Task KillAsync(Process process)
    {
        process.Kill();
        await process.WaitForExitAsync();
    }

    private async Task<NpgsqlConnection> HoldAsync(string database, string sql)
    {
        var connection = new NpgsqlConnection(Process.DatabaseConnection(database));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("begin; " + sql, connection);
        await command.ExecuteNonQueryAsync();
        return connection;
    }

    private async Task<long> CountAsync(string database, string sql)
    {
        await using var connection = new NpgsqlConnection(Process.DatabaseConnection(database));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql + " and pid <> pg_backend_pid()", connection);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private async Task<bool> HasAsync(Guid customer)
    {
        await using var connection = new NpgsqlConnection(Process.DatabaseConnection("vault"));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("select exists (select from vault.subject where subject_id = $1)", connection) { Parameters = { new() { Value = customer } } };
        return await command.ExecuteScalarAsync() is true;
    }

    private async Task<List<string?>> MadeAsync() =>
        [.. (await _server.JsonAsync("administrator", HttpMethod.Get, "/v1/keys")).GetProperty("backups").EnumerateArray().Select(backup => backup.TryGetProperty("at", out var at) ? at.GetString() : null)];

    private async Task<string?> NameAsync(Guid customer) =>
        (await _server.JsonAsync("support-desk", HttpMethod.Get, $"/v1/customers/{customer}?purpose=customer-support&fields=givenName")).GetProperty("fields").GetProperty("givenName").GetString();

    private async Task AssertSoundAsync()
    {
        var (exitCode, output) = await Process.CommandAsync("check", "deep");
        Assert.True(exitCode == 0, output);
    }
}
