using System.Buffers.Text;
using System.Text.Json;
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
        await using var process = await ServerProcess.StartAsync(new Dictionary<string, string> { ["Vault__Policies"] = folder, ["Vault__SampleCustomers"] = "1", ["Vault__WatchPolicies"] = "false" });
        var server = new RunningServer();
        server.Attach(process);
        Assert.Equal(Repository.Policy.Version, await InForceAsync(server));

        var roles = Path.Combine(folder, "roles.yaml");
        await File.WriteAllTextAsync(roles, "roles: [\n");
        await RestartAsync(process);
        Assert.Equal(Repository.Policy.Version, await InForceAsync(server));
        Assert.Contains("is refused: roles.yaml:", process.Output, StringComparison.Ordinal);
        Assert.Contains("In force stays " + Repository.Policy.Version, process.Output, StringComparison.Ordinal);

        var next = Repository.ChangedFiles(("roles.yaml", "en: Analyst,", "en: Analysts,"));
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

    [Fact]
    public async Task In_development_what_is_saved_comes_into_force_or_is_refused_with_file_and_line_and_an_edit_can_be_taken_back()
    {
        var folder = Directory.CreateTempSubdirectory("datavault-policies-").FullName;
        Write(folder, Repository.ChangedFiles());
        await using var process = await ServerProcess.StartAsync(new Dictionary<string, string> { ["Vault__Policies"] = folder, ["Vault__SampleCustomers"] = "1" });
        var server = new RunningServer();
        server.Attach(process);
        var next = Repository.ChangedFiles(("roles.yaml", "en: Analyst,", "en: Analysts,"));
        Write(folder, next);
        await Waiting.UntilAsync("the saved version is in force", async () => await InForceAsync(server) == PolicySet.Load(next).Version);
        await File.WriteAllTextAsync(Path.Combine(folder, "roles.yaml"), "roles: [\n");
        await Waiting.UntilAsync("the broken file is refused", () => process.Output.Contains("is refused: roles.yaml:", StringComparison.Ordinal));
        Assert.Equal(PolicySet.Load(next).Version, await InForceAsync(server));
        Write(folder, Repository.ChangedFiles());
        await Waiting.UntilAsync("the edit is taken back", async () => await InForceAsync(server) == Repository.Policy.Version);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task People_are_given_the_roles_of_the_policy_in_force_for_the_purposes_of_its_rules()
    {
        var folder = Directory.CreateTempSubdirectory("datavault-policies-").FullName;
        Write(folder, Repository.ChangedFiles());
        await using var process = await ServerProcess.StartAsync(new Dictionary<string, string> { ["Vault__Policies"] = folder, ["Vault__SampleCustomers"] = "1" });
        var server = new RunningServer();
        server.Attach(process);
        var unheld = await FindingsAsync(server);
        Assert.Contains("nobody has the role house-desk: no account, no application", unheld);
        Assert.DoesNotContain(unheld, finding => finding.Contains("analytics-feed", StringComparison.Ordinal) || finding.Contains("customer-support", StringComparison.Ordinal));
        Assert.Equal(["customer-support"], await PurposesAsync(server, await server.StaffAsync("house-desk")));
        Assert.DoesNotContain(await FindingsAsync(server), finding => finding.Contains("house-desk", StringComparison.Ordinal));
        Assert.Equal(
            ["customer-support", "billing", "fraud-prevention", "emergency", "wellbeing", "refunds", "complaints"], await PurposesAsync(server, await server.StaffAsync("customer-support")));
        foreach (var none in new[] { "rights-erasure", "vault-maintenance", "shop-counter" }) Assert.Equal("invalid-fields", await RefusedRoleAsync(server, none));

        Write(folder, Repository.ChangedFiles(("roles.yaml", "  marketing: {", "  shop-counter: { title: Counter of a shop, parents: [marketing] }\n  marketing: {")));
        await Waiting.UntilAsync("the new role is in force", async () => await InForceAsync(server) != Repository.Policy.Version);
        var counter = await server.StaffAsync("shop-counter");
        Assert.Equal(["marketing", "personalisation"], await PurposesAsync(server, counter));
        Write(folder, Repository.ChangedFiles());
        await Waiting.UntilAsync("the role is gone", async () => await InForceAsync(server) == Repository.Policy.Version);
        Assert.Equal("invalid-fields", await RefusedRoleAsync(server, "shop-counter"));
        Assert.Empty(await PurposesAsync(server, counter));
        Directory.Delete(folder, recursive: true);
    }

    private static async Task<List<string>> FindingsAsync(RunningServer server) =>
        [.. (await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/policy/findings")).GetProperty("items").EnumerateArray().Select(one => one.GetProperty("message").GetString()!)];

    private static async Task<List<string>> PurposesAsync(RunningServer server, FirstRunAccount person)
    {
        var token = await server.SignInAsync(person);
        using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(token.Split('.')[1]));
        return [.. claims.RootElement.GetProperty("purposes").EnumerateArray().Select(one => one.GetString()!)];
    }

    private static async Task<string> RefusedRoleAsync(RunningServer server, string role)
    {
        using var refused = await server.SendAsync("administrator", HttpMethod.Post, "/v1/accounts", new { email = $"{Guid.NewGuid():N}@vault.example", role });
        return await RunningServer.SlugAsync(refused);
    }

    [Fact]
    public async Task An_officer_sees_in_the_console_what_a_pasted_draft_would_release_and_what_it_would_have_made_of_past_reads()
    {
        await using var process = await ServerProcess.StartAsync(new Dictionary<string, string> { ["Vault__SampleCustomers"] = "1" });
        var server = new RunningServer();
        server.Attach(process);
        var customer = await server.CreateCustomerAsync("drafted@example.com");
        await server.JsonAsync("support-desk", HttpMethod.Get, $"/v1/customers/{customer}?purpose=customer-support&fields=email");
        using var officer = new ConsoleVisitor(process.Address);
        await officer.SignInAsync(await server.StaffAsync("compliance-officer"));
        await officer.OpenAsync("/console/policy/draft?file=access%2Fcustomer-support.yaml");
        Assert.Contains("id: support-reads-contact-masked", officer.Page, StringComparison.Ordinal);
        const string path = "access/customer-support.yaml";
        var wider = Repository.ChangedFiles()[path].Replace("    fields: [\"class:contact\"]\n    actions: [read]\n    form: masked", "    fields: [\"class:contact\"]\n    actions: [read]\n    form: plain", StringComparison.Ordinal);
        await officer.SubmitAsync("/console/policy/draft", ("file", path), ("text", wider), ("step", "compare"));
        Assert.Contains("Newly released", officer.Page, StringComparison.Ordinal);
        Assert.Contains("support-reads-contact-masked", officer.Page, StringComparison.Ordinal);
        Assert.Contains("It could not come into force", officer.Page, StringComparison.Ordinal);
        Assert.Contains("In the draft so far: " + path, officer.Page, StringComparison.Ordinal);

        var narrower = wider.Replace("fields: [\"class:contact\"]\n    actions: [read]", "fields: [additionalPhones]\n    actions: [read]", StringComparison.Ordinal);
        await officer.SubmitAsync("/console/policy/draft", ("file", path), ("text", narrower), ("step", "replay"), ("days", "1"));
        Assert.Contains("What the log does not keep", officer.Page, StringComparison.Ordinal);
        Assert.Contains("refused", officer.Page, StringComparison.Ordinal);
        var version = (await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/policy/versions")).GetProperty("items")[0].GetProperty("version").GetString();
        await officer.OpenAsync("/console/policy/replay?version=" + version);
        Assert.Contains("Every recorded decision would come out the same", officer.Page, StringComparison.Ordinal);
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
