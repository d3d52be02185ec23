using System.Net;
using System.Text.Json;
using DataVault.Testing;
using DataVault.Transparency;
using Npgsql;

namespace DataVault.Server.Tests.Deaths;

/// <summary>
/// The drill: back up, erase, go on, restore, start. Whoever was erased stays unreadable, everybody else reads as of the backup, the log goes on without a fork.
/// </summary>
public abstract class Drill : IAsyncLifetime
{
    private static readonly Dictionary<string, string> Settings = new()
    {
        ["Vault__SampleCustomers"] = "12",
        ["Vault__RenewalGrace"] = "00:00:01",
        ["Backup__DataPassphrase"] = "the data of the drill lie here",
        ["Backup__KeysPassphrase"] = "its keys are under another word",
    };

    private protected readonly RunningServer _server = new();
    private protected string _folder = "";

    private protected ServerProcess Process => _server.Process;

    public async ValueTask InitializeAsync()
    {
        _server.Attach(await ServerProcess.StartAsync(Settings));
        _folder = Directory.CreateDirectory(Path.Combine(Path.GetDirectoryName(Process.Home)!, "backups")).FullName;
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected async Task RenewAsync()
    {
        var rotation = (await _server.JsonAsync("administrator", HttpMethod.Post, "/v1/keys/rotations", new { level = "subjects" }, HttpStatusCode.Accepted)).GetProperty("id").GetGuid();
        await Waiting.UntilAsync("the keys are renewed", async () =>
            (await _server.JsonAsync("administrator", HttpMethod.Get, $"/v1/keys/rotations/{rotation}")).GetProperty("state").GetString() == "done");
        Assert.All((await _server.JsonAsync("administrator", HttpMethod.Get, "/v1/keys")).GetProperty("backups").EnumerateArray(), backup => Assert.True(backup.GetProperty("due").GetBoolean()));
    }

    // The database comes and goes with the commands.
    private protected async Task<bool> ExistsAsync(string database)
    {
        try
        {
            await using var cluster = new NpgsqlConnection(Process.DatabaseConnection("postgres"));
            await cluster.OpenAsync();
            await using var command = new NpgsqlCommand("select count(*) from pg_database where datname = $1", cluster) { Parameters = { new() { Value = database } } };
            return await command.ExecuteScalarAsync() is 1L;
        }
        catch (Exception e) when (e is NpgsqlException or IOException or IndexOutOfRangeException)
        {
            return false;
        }
    }

    private protected async Task AssertAsync(Guid kept, Guid gone, Guid later, string certificate, SignedNote early, SignedNote late)
    {
        Assert.Equal("Kept", await NameAsync(kept));
        Assert.Equal([kept], await AccountsOfAsync([kept, gone]));
        foreach (var absent in new[] { gone, later })
        {
            using var answer = await _server.SendAsync("support-desk", HttpMethod.Get, $"/v1/customers/{absent}?purpose=customer-support");
            Assert.Equal("not-found", await RunningServer.SlugAsync(answer));
        }

        var next = await _server.CreateCustomerAsync($"next{Guid.NewGuid():N}@example.com", "Next");
        Assert.Equal("Next", await NameAsync(next));
        var now = await SignedAsync();
        var key = NoteVerifier.Parse((await _server.Http.GetStringAsync("/audit/key")).Trim());
        var report = await new LogVerifier(key).VerifyAsync(new ServerLog(_server), [early, late, now]);
        Assert.True(report.Ok, string.Join("; ", report.Findings.Select(f => f.Message)));
        Assert.Equal(3, report.EarlierCheckpoints);
        var mirrored = await new LogVerifier(key).VerifyAsync(new TileDirectory(Path.Combine(Process.Home, "log-mirror")), [early, late]);
        Assert.True(mirrored.Ok, string.Join("; ", mirrored.Findings.Select(f => f.Message)));
        Assert.True(ErasureCertificate.TryParse(certificate, out var read));
        Assert.Null(read!.Verify(key));
    }

    private protected async Task<IReadOnlyList<Guid>> AccountsOfAsync(Guid[] customers)
    {
        await using var vault = NpgsqlDataSource.Create(Process.DatabaseConnection("vault"));
        await using var command = vault.CreateCommand("select subject_id from issuer.account where subject_id = any($1)");
        command.Parameters.Add(new() { Value = customers });
        await using var reader = await command.ExecuteReaderAsync();
        var found = new List<Guid>();
        while (await reader.ReadAsync())
            found.Add(reader.GetGuid(0));
        return found;
    }

    private protected async Task<string> BackUpAsync(string part)
    {
        var (exitCode, output) = await Process.CommandAsync("backup", part, _folder);
        Assert.True(exitCode == 0, output);
        return Assert.Single(Directory.EnumerateFiles(_folder, part + "-*.dvb"));
    }

    private protected async Task RestoreAsync(string part, string file, string database)
    {
        var (exitCode, output) = await Process.CommandAsync("restore", part, file, "replacing", database);
        Assert.True(exitCode == 0, output);
    }

    private protected async Task<string> RefusedAsync(params string[] command)
    {
        var (exitCode, output) = await Process.CommandAsync(command);
        Assert.True(exitCode == 2, output);
        return output;
    }

    private protected async Task<string?> NameAsync(Guid customer) =>
        (await _server.JsonAsync("support-desk", HttpMethod.Get, $"/v1/customers/{customer}?purpose=customer-support&fields=givenName")).GetProperty("fields").GetProperty("givenName").GetString();

    private protected async Task<IReadOnlyList<JsonElement>> EntriesAsync(string type) =>
        [.. (await _server.JsonAsync("compliance-officer", HttpMethod.Get, $"/v1/audit/entries?type={type}")).GetProperty("items").EnumerateArray()];

    // A checkpoint over everything that is in the log at this moment.
    private protected async Task<SignedNote> SignedAsync()
    {
        var size = (await _server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/audit/entries?limit=1")).GetProperty("items")[0].GetProperty("index").GetInt64();
        SignedNote? note = null;
        await Waiting.UntilAsync("the log is signed", async () =>
            await new ServerLog(_server).CheckpointAsync(default) is { } text && SignedNote.TryParse(text, out note) && Checkpoint.TryParse(note!.Text, out var tree) && tree!.Size > size);
        return note!;
    }

    private protected async Task<string> EraseAsync(Guid customer)
    {
        var request = (await _server.JsonAsync("compliance-officer", HttpMethod.Post, "/v1/requests", new { kind = "erasure", customer }, HttpStatusCode.Created)).GetProperty("id").GetGuid();
        await _server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/requests/{request}/verify", new { method = "document-seen" });
        await _server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/requests/{request}/approve", new { });
        var certificate = "";
        await Waiting.UntilAsync("the certificate is there", async () =>
        {
            using var answer = await _server.Http.GetAsync($"/certificates/{request}");
            if (answer.IsSuccessStatusCode)
                certificate = await answer.Content.ReadAsStringAsync();
            return answer.IsSuccessStatusCode;
        });
        return certificate;
    }
}

/// <summary>The drill as it is meant, and what is left after a renewal.</summary>
public sealed class DrillTests : Drill
{
    [Fact]
    [Requirement("R57", "R73")]
    public async Task Whatever_is_restored_the_erased_stay_unreadable_all_others_read_and_the_log_goes_on()
    {
        var kept = await _server.CreateCustomerAsync("kept@example.com", "Kept");
        var gone = await _server.CreateCustomerAsync("gone@example.com", "Gone");
        foreach (var customer in new[] { kept, gone })
            await _server.JsonAsync("administrator", HttpMethod.Post, "/v1/accounts", new { email = $"{customer:N}@example.com", role = "customer", customer }, HttpStatusCode.Created);
        var early = await SignedAsync();
        var (data, keys) = (await BackUpAsync("data"), await BackUpAsync("keys"));
        var certificate = await EraseAsync(gone);
        var later = await _server.CreateCustomerAsync("later@example.com", "Later");
        var late = await SignedAsync();
        Assert.Equal(2, (await Process.CommandAsync("restore", "data", data, "replacing", "vault")).ExitCode);
        await Process.StopAsync();

        await RestoreAsync("data", data, "vault");
        await RestoreAsync("keys", keys, "keys");
        await Process.RestartAsync();
        await AssertAsync(kept, gone, later, certificate, early, late);
        Assert.True((await EntriesAsync("restore.declared")).Count == 1, "the log does not say that a copy was restored");

        await Process.StopAsync();
        await RestoreAsync("data", data, "vault");
        await Process.RestartAsync();
        await AssertAsync(kept, gone, later, certificate, early, late);
        await Process.StopAsync();
        var (sound, said) = await Process.CommandAsync("check");
        Assert.True(sound == 0, said);

        // The keys alone: whoever came since has a record and no key, and that is named.
        await RestoreAsync("keys", keys, "keys");
        await Process.RestartAsync();
        await AssertAsync(kept, gone, later, certificate, early, late);
        await Process.StopAsync();
        var (unsound, named) = await Process.CommandAsync("check");
        Assert.True(unsound == 1 && named.Contains("has a record and no key", StringComparison.Ordinal), named);
        await Process.RestartAsync();
    }

    [Fact]
    public async Task A_backup_of_keys_from_before_a_renewal_is_refused_and_the_backups_are_said_to_be_due()
    {
        var kept = await _server.CreateCustomerAsync("kept@example.com", "Kept");
        var (data, keys) = (await BackUpAsync("data"), await BackUpAsync("keys"));
        Assert.All((await _server.JsonAsync("administrator", HttpMethod.Get, "/v1/keys")).GetProperty("backups").EnumerateArray(), backup => Assert.False(backup.GetProperty("due").GetBoolean()));
        await RenewAsync();
        await Process.StopAsync();
        var refused = await RefusedAsync("restore", "keys", keys, "replacing", "keys");
        Assert.Contains("does not fit the data", refused, StringComparison.Ordinal);
        await Process.RestartAsync();
        Assert.Equal("Kept", await NameAsync(kept));

        // With the data of its time it is of use, and the data with it. What was there before stays until the vault has started.
        await Process.StopAsync();
        Assert.Contains("keys-follow", await RefusedAsync("restore", "data", data, "replacing", "vault"), StringComparison.Ordinal);
        for (var again = 0; again < 2; again++)
        {
            var (exitCode, said) = await Process.CommandAsync("restore", "data", data, "replacing", "vault", "keys-follow");
            Assert.True(exitCode == 0 && said.Contains("vault_replaced", StringComparison.Ordinal), said);
            Assert.Contains("has not started since", await RefusedAsync("restore", "discard", "data"), StringComparison.Ordinal);
        }

        await RestoreAsync("keys", keys, "keys");
        await Process.RestartAsync();
        Assert.Equal("Kept", await NameAsync(kept));
        await using var replaced = new NpgsqlConnection(Process.DatabaseConnection("vault_replaced"));
        await replaced.OpenAsync(TestContext.Current.CancellationToken);
        await using var renewed = new NpgsqlCommand("select max(key_version) from vault.subject", replaced);
        Assert.Equal(2, await renewed.ExecuteScalarAsync(TestContext.Current.CancellationToken));
    }
}

/// <summary>Backups and restores that were changed, cut off, killed.</summary>
public sealed class BrokenDrillTests : Drill
{
    [Fact]
    public async Task A_backup_that_was_changed_cut_off_or_is_of_the_other_part_is_refused_and_what_was_there_stays()
    {
        var kept = await _server.CreateCustomerAsync("kept@example.com", "Kept");
        var (data, keys) = (await BackUpAsync("data"), await BackUpAsync("keys"));
        var bytes = await File.ReadAllBytesAsync(data);
        await File.WriteAllBytesAsync(data + ".short", bytes[..^10]);
        bytes[bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(data + ".changed", bytes);
        foreach (var bad in new[] { data + ".short", data + ".changed" })
        {
            var (verified, said) = await Process.CommandAsync("backup", "verify", bad);
            Assert.True(verified == 2 && said.Contains("The backup is", StringComparison.Ordinal), said);
        }

        Assert.Equal(0, (await Process.CommandAsync("backup", "verify", data)).ExitCode);
        var (_, listed) = await Process.CommandAsync("backup", "list", _folder);
        Assert.Contains("The oldest backup of keys that can be restored is of", listed, StringComparison.Ordinal);
        Assert.All(Directory.EnumerateFiles(_folder), file => Assert.DoesNotContain("kept@example.com", File.ReadAllText(file), StringComparison.OrdinalIgnoreCase));

        await Process.StopAsync();
        Assert.Contains("holds", await RefusedAsync("restore", "data", data), StringComparison.Ordinal);
        Assert.Contains("holds", await RefusedAsync("restore", "data", data, "replacing", "keys"), StringComparison.Ordinal);
        Assert.Contains("not of data", await RefusedAsync("restore", "data", keys, "replacing", "vault"), StringComparison.Ordinal);
        Assert.Contains("cut off", await RefusedAsync("restore", "data", data + ".short", "replacing", "vault"), StringComparison.Ordinal);
        Assert.Contains("changed", await RefusedAsync("restore", "data", data + ".changed", "replacing", "vault"), StringComparison.Ordinal);
        await Process.RestartAsync();
        Assert.Equal("Kept", await NameAsync(kept));
    }

    [Fact]
    public async Task A_backup_or_restore_that_is_killed_cut_off_or_without_room_leaves_nothing_half_done_and_is_done_again()
    {
        var kept = await _server.CreateCustomerAsync("kept@example.com", "Kept");
        var (full, noRoom) = await Process.ShellAsync("trap '' XFSZ; export DOTNET_EnableWriteXorExecute=0; ulimit -f 64; exec \"$@\"", "backup", "data", _folder);
        Assert.True(full == 2 && noRoom.Contains("cannot be read or written", StringComparison.Ordinal), $"{full}: {noRoom}");
        Assert.Empty(Directory.EnumerateFiles(_folder));
        var (device, noSpace) = await Process.ShellAsync("exec \"$@\" >/dev/full", "backup", "keys", "-");
        Assert.True(device == 2 && noSpace.Contains("cannot be read or written", StringComparison.Ordinal), $"{device}: {noSpace}");
        var (broken, _) = await Process.ShellAsync("set -o pipefail; \"$@\" | head -c 5000 >/dev/null", "backup", "data", "-");
        Assert.NotEqual(0, broken);
        var made = (await EntriesAsync("backup.made")).Select(e => e.GetProperty("result").GetString()).ToList();
        Assert.Equal(["error", "ok", "error", "ok", "error", "ok"], made);

        // Through pipes, the restore killed with its tool at work.
        var piped = Path.Combine(_folder, "piped.dvb");
        Assert.Equal(0, (await Process.ShellAsync($"\"$@\" >'{piped}'", "backup", "data", "-")).ExitCode);
        Assert.Equal(0, (await Process.CommandAsync("backup", "verify", piped)).ExitCode);
        await Process.StopAsync();
        using (var restore = Process.BeginCommand("restore", "data", "-", "replacing", "vault"))
        {
            var bytes = await File.ReadAllBytesAsync(piped);
            await restore.StandardInput.BaseStream.WriteAsync(bytes.AsMemory(0, bytes.Length / 2));
            await restore.StandardInput.BaseStream.FlushAsync();
            await Waiting.UntilAsync("the restore is at work", () => ExistsAsync("vault_restoring"));
            restore.Kill();
            await restore.WaitForExitAsync();
        }

        await Process.RestartAsync();
        Assert.Equal("Kept", await NameAsync(kept));
        await Process.StopAsync();
        var (exitCode, output) = await Process.ShellAsync($"cat '{piped}' | \"$@\"", "restore", "data", "-", "replacing", "vault");
        Assert.True(exitCode == 0, output);
        await Process.RestartAsync();
        Assert.Equal("Kept", await NameAsync(kept));
        Assert.False(await ExistsAsync("vault_restoring"));
        Assert.True(await ExistsAsync("vault_replaced"));
        await Process.StopAsync();
        Assert.Equal(0, (await Process.CommandAsync("restore", "discard", "data")).ExitCode);
        await Process.RestartAsync();
        Assert.False(await ExistsAsync("vault_replaced"));
    }
}

/// <summary>Restores without room, and what they bring back.</summary>
public sealed class ReturnDrillTests : Drill
{
    [Fact]
    public async Task A_restore_without_room_for_the_data_leaves_what_was_there_and_is_done_again()
    {
        var kept = await _server.CreateCustomerAsync("kept@example.com", "Kept");
        // More than any file may have below, and the log of changes has its files already.
        await Process.DatabaseAsync("vault", "create table public.ballast as select string_agg(sha256(format('%s-%s', i, j)::bytea), ''::bytea) from generate_series(1, 3000) i, generate_series(1, 250) j group by i");
        var data = await BackUpAsync("data");
        var later = await _server.CreateCustomerAsync("later@example.com", "Later");
        await Process.StopAsync();
        var (full, said) = await Process.ShellAsync("trap '' XFSZ; export DOTNET_EnableWriteXorExecute=0; ulimit -f 16384; exec \"$@\"", "restore", "data", data, "replacing", "vault");
        Assert.True(full == 2 && said.Contains("pg_restore failed", StringComparison.Ordinal), $"{full}: {said}");
        await Process.RestartAsync();
        Assert.Equal("Kept", await NameAsync(kept));
        Assert.Equal("Later", await NameAsync(later));
        await Process.StopAsync();
        await RestoreAsync("data", data, "vault");
        await Process.RestartAsync();
        Assert.Equal("Kept", await NameAsync(kept));
        Assert.Equal(0, (await Process.CommandAsync("check", "deep")).ExitCode);
    }

    [Fact]
    public async Task An_account_that_a_restore_brings_back_with_its_former_password_cannot_sign_in_until_somebody_has_gone_through_it()
    {
        var email = "officer.two@vault.example";
        var made = await _server.JsonAsync("administrator", HttpMethod.Post, "/v1/accounts", new { email, role = "compliance-officer" }, HttpStatusCode.Created);
        var (name, begun) = ("account:" + made.GetProperty("id").GetGuid().ToString("D"), new FirstRunAccount(email, made.GetProperty("oneTimePassword").GetString()!, "compliance-officer"));
        var (data, keys) = (await BackUpAsync("data"), await BackUpAsync("keys"));
        using (var first = new ConsoleVisitor(Process.Address)) await first.BeginAsync(begun);
        await SignedAsync();
        await Process.StopAsync();
        await RestoreAsync("data", data, "vault");
        await RestoreAsync("keys", keys, "keys");
        await Process.RestartAsync();

        // Whoever has signed in since, and to whom nothing else was done, goes on.
        var parts = (await _server.JsonAsync("administrator", HttpMethod.Get, "/v1/status")).GetProperty("health");
        Assert.Equal("1 older than they were: restore status", parts.GetProperty("sign-ins").GetString());
        using (var barred = new ConsoleVisitor(Process.Address)) await Assert.ThrowsAnyAsync<Exception>(() => barred.BeginAsync(begun));
        var (_, status) = await Process.CommandAsync("restore", "status");
        Assert.Contains(name, status, StringComparison.Ordinal);
        Assert.Equal(0, (await Process.CommandAsync("restore", "lift", name)).ExitCode);
        using var again = new ConsoleVisitor(Process.Address);
        await again.BeginAsync(begun);
    }
}
