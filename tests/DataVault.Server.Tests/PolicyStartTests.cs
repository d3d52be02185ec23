using DataVault.Policy;
using DataVault.Testing;

namespace DataVault.Server.Tests;

/// <summary>What a server does with the folder of policies that it finds when it starts.</summary>
public sealed class PolicyStartTests
{
    [Fact]
    public async Task A_start_takes_a_new_folder_falls_back_from_a_broken_one_and_takes_nothing_back()
    {
        var folder = Directory.CreateTempSubdirectory("datavault-policies-").FullName;
        Write(folder, Repository.ChangedFiles());
        await using var process = await ServerProcess.StartAsync(new Dictionary<string, string> { ["Vault__Policies"] = folder, ["Vault__SampleCustomers"] = "1" });
        var server = new RunningServer();
        server.Attach(process);
        Assert.Equal(Repository.Policy.Version, await InForceAsync(server));

        var roles = Path.Combine(folder, "roles.yaml");
        await File.WriteAllTextAsync(roles, "roles: [\n");
        await RestartAsync(process);
        Assert.Equal(Repository.Policy.Version, await InForceAsync(server));
        Assert.Contains("is refused: roles.yaml:", process.Output, StringComparison.Ordinal);
        Assert.Contains("In force stays " + Repository.Policy.Version, process.Output, StringComparison.Ordinal);

        var next = Repository.ChangedFiles(("roles.yaml", "title: Analyst,", "title: Analysts,"));
        Write(folder, next);
        await RestartAsync(process);
        var version = PolicySet.Load(next).Version;
        Assert.Equal(version, await InForceAsync(server));

        Write(folder, Repository.ChangedFiles());
        await RestartAsync(process);
        Assert.Equal(version, await InForceAsync(server));
        Assert.Contains("which was in force before; in force stays " + version, process.Output, StringComparison.Ordinal);
        var listed = (await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/policy/versions")).GetProperty("items").EnumerateArray();
        Assert.Equal([version, Repository.Policy.Version], listed.Select(item => item.GetProperty("version").GetString()!));
        Directory.Delete(folder, recursive: true);
    }

    private static async Task<string> InForceAsync(RunningServer server) =>
        (await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/policy")).GetProperty("version").GetString()!;

    private static async Task RestartAsync(ServerProcess process)
    {
        await process.StopAsync();
        await process.RestartAsync();
    }

    private static void Write(string folder, Dictionary<string, string> files)
    {
        foreach (var (name, text) in files.Where(file => file.Key.EndsWith(".yaml", StringComparison.Ordinal)))
        {
            var file = Path.Combine(folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, text);
        }
    }
}
