using System.Net;
using DataVault.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;

namespace DataVault.Server.Tests;

/// <summary>Starts, stops and deaths of the two processes.</summary>
public sealed class LifecycleTests(RunningServer running)
{
    [Fact]
    public async Task A_second_start_on_the_same_home_is_refused_in_one_line()
    {
        var (exitCode, output) = await running.Process.StartAnotherAsync();
        Assert.Equal(2, exitCode);
        Assert.Contains($"process {running.Process.ProcessId}", Assert.Single(output.Trim().Split('\n')), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_killed_server_and_a_killed_database_recover_with_everything_accepted()
    {
        await using var server = await ServerProcess.StartAsync();
        var secrets = server.Secrets;
        await server.KillAsync();
        await server.RestartAsync();
        Assert.Contains("Adopted the database", server.Output, StringComparison.Ordinal);
        await server.KillAsync();
        server.KillDatabase();
        await server.RestartAsync();
        Assert.Equal(secrets.Clients[0].Secret, server.Secrets.Clients[0].Secret);
        server.KillDatabase();
        using var http = new HttpClient { BaseAddress = server.Address };
        await Waiting.UntilAsync(
            "the database is back", async () => (await http.GetAsync("/health/ready")).StatusCode == HttpStatusCode.OK && server.Output.Contains("The database is back", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_request_to_stop_ends_both_processes_cleanly()
    {
        await using var server = await ServerProcess.StartAsync();
        var database = server.DatabaseProcessId();
        Assert.Equal(0, await server.StopAsync());
        Assert.False(File.Exists(Path.Combine(server.Home, "postgres", "data", "postmaster.pid")), $"process {database} still runs");
    }

    [Theory]
    [InlineData("nonsense", "is not an address")]
    [InlineData("http://localhost:{port}", "is taken")]
    [InlineData("http://*:{port}", "is taken")]
    public async Task An_address_that_cannot_be_listened_on_is_refused_in_one_line(string urls, string why)
    {
        var home = Directory.CreateTempSubdirectory("datavault-test-").FullName;
        var (exitCode, output) = await running.Process.StartAnotherAsync(
            ("Vault__Home", home), ("ASPNETCORE_URLS", urls.Replace("{port}", $"{running.Process.Address.Port}", StringComparison.Ordinal)));
        Assert.Equal(2, exitCode);
        Assert.Contains(why, Assert.Single(output.Trim().Split('\n')), StringComparison.Ordinal);
        Directory.Delete(home, recursive: true);
    }

    [Fact]
    public void The_policies_are_found_from_the_binaries_too()
    {
        Assert.Equal(Path.Combine(Repository.Root, "policies"), ServerSettings.PoliciesFrom(AppContext.BaseDirectory));
        Assert.Null(ServerSettings.PoliciesFrom(Path.GetPathRoot(AppContext.BaseDirectory)!));
    }

    [Fact]
    public void A_start_says_where_it_listens_and_keeps_the_address_of_the_first_run_file_true()
    {
        var folder = Directory.CreateTempSubdirectory("datavault-test-").FullName;
        string[] arguments = ["--urls", "http://127.0.0.1:4711", "--Vault:PublicAddress", "https://vault.test"];
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { Args = arguments, EnvironmentName = "Development" });
        builder.Configuration.AddCommandLine(arguments);
        var settings = new ServerSettings(builder.Configuration, builder.Environment);
        using (var home = VaultHome.Claim(folder))
        {
            File.WriteAllText(home.FirstRunFile, """{ "address": "http://127.0.0.1:1", "clients": [], "people": [], "analytics": [], "customer": "0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f" }""");
            var lines = new List<string>();
            new FirstRun(null!, home, settings, lines.Add).Announce(withSecrets: false);
            Assert.Contains(lines, line => line.Contains("listens on http://127.0.0.1:4711 ", StringComparison.Ordinal) && line.Contains("https://vault.test/docs", StringComparison.Ordinal));
            Assert.Contains("https://vault.test", File.ReadAllText(home.FirstRunFile), StringComparison.Ordinal);
        }
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void Secrets_of_the_first_start_are_for_the_owner_alone()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no file modes.");
        if (OperatingSystem.IsWindows())
            return;
        foreach (var name in new[] { "first-run.json", "console.secret" })
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(running.Process.Home, name)));
    }
}
