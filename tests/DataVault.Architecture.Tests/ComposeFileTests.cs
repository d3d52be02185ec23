using System.Text.RegularExpressions;
using YamlDotNet.Serialization;

namespace DataVault.Architecture.Tests;

/// <summary>docker-compose.yml and Dockerfile keep what SECURITY.md promises of a deployment.</summary>
public sealed class ComposeFileTests
{
    private static readonly Dictionary<string, object> Compose = Load();
    private static readonly string[] Dockerfile = Repository.Read("Dockerfile").Split('\n');

    public static TheoryData<string> Services => [.. Map(Compose["services"]).Keys.Select(k => (string)k)];

    [Theory]
    [MemberData(nameof(Services))]
    public void Every_service_is_unprivileged_on_a_read_only_file_system(string name)
    {
        var service = Service(name);
        Assert.Equal("true", service["read_only"]);
        Assert.Contains("no-new-privileges:true", Texts(service["security_opt"]));
        Assert.Contains("ALL", Texts(service["cap_drop"]));
        Assert.NotEqual("root", service["user"]);
        Assert.False(service.ContainsKey("privileged"));
    }

    [Theory]
    [InlineData("vault-db")]
    [InlineData("keys-db")]
    [InlineData("server")]
    public void Every_lasting_service_has_a_health_check(string name) =>
        Assert.NotEmpty(Texts(Map(Service(name)["healthcheck"])["test"]));

    // While a database makes its cluster it answers on its socket only; the migration would come too early.
    [Theory]
    [InlineData("vault-db")]
    [InlineData("keys-db")]
    public void A_database_is_healthy_when_it_answers_over_the_network(string name) =>
        Assert.Contains("-h", Texts(Map(Service(name)["healthcheck"])["test"]));

    [Fact]
    public void The_first_of_the_two_commands_listens_where_the_environment_says() =>
        Assert.DoesNotContain("applicationUrl", Repository.Read("src/DataVault.Server/Properties/launchSettings.json"), StringComparison.Ordinal);

    [Fact]
    public void The_server_waits_for_the_migration_and_the_migration_for_both_databases()
    {
        Assert.Equal("service_completed_successfully", Condition("server", "migrate"));
        Assert.Equal("service_healthy", Condition("migrate", "vault-db"));
        Assert.Equal("service_healthy", Condition("migrate", "keys-db"));
        Assert.Equal(["migrate"], Texts(Service("migrate")["command"]));
    }

    [Fact]
    public void Only_the_server_is_published_and_only_on_this_machine()
    {
        foreach (var name in Map(Compose["services"]).Keys.Cast<string>().Where(n => n != "server"))
            Assert.False(Service(name).ContainsKey("ports"), name);
        Assert.All(Texts(Service("server")["ports"]), port => Assert.StartsWith("127.0.0.1:", port, StringComparison.Ordinal));
    }

    [Fact]
    public void Data_and_keys_stand_on_servers_and_networks_of_their_own()
    {
        Assert.Equal(["data"], Texts(Service("vault-db")["networks"]));
        Assert.Equal(["keys"], Texts(Service("keys-db")["networks"]));
        foreach (var network in new[] { "data", "keys" })
            Assert.Equal("true", Map(Map(Compose["networks"])[network])["internal"]);
        Assert.Empty(Texts(Service("vault-db")["volumes"]).Intersect(Texts(Service("keys-db")["volumes"])));
    }

    [Fact]
    public void The_running_server_never_gets_the_administrators_logins()
    {
        var environment = Map(Service("server")["environment"]).Keys.Cast<string>().ToList();
        Assert.DoesNotContain(environment, name => name.Contains("Migrator", StringComparison.Ordinal));
        Assert.Contains("ConnectionStrings__Vault", environment);
        Assert.Contains("ConnectionStrings__Keys", environment);
        Assert.Equal("Production", Map(Service("server")["environment"])["ASPNETCORE_ENVIRONMENT"]);
    }

    [Fact]
    public void No_secret_stands_in_the_file()
    {
        var text = Repository.Read("docker-compose.yml");
        foreach (var line in text.Split('\n').Where(l => l.Contains("Password=", StringComparison.Ordinal)))
            Assert.Contains("Password=...}", line, StringComparison.Ordinal);
        Assert.All(Map(Compose["secrets"]).Values, secret => Assert.True(Map(secret).ContainsKey("file")));
    }

    [Fact]
    public void Every_file_that_the_image_is_built_from_is_there_and_not_ignored()
    {
        var ignored = Repository.Read(".dockerignore").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var copied = Dockerfile.Where(l => l.StartsWith("COPY ", StringComparison.Ordinal) && !l.Contains("--from", StringComparison.Ordinal))
            .SelectMany(l => l.Split(' ')[1..^1]).Append(Regex.Match(string.Join(' ', Dockerfile), @"dotnet publish (\S+)").Groups[1].Value).ToList();
        Assert.True(copied.Count >= 6);
        foreach (var path in copied)
        {
            Assert.True(Repository.Exists(path), path);
            Assert.DoesNotContain(path, ignored);
        }
        // What every project of the image needs, and what the program is called in it.
        Assert.Contains("Directory.Packages.props", copied);
        Assert.Contains("<AssemblyName>", Repository.Read("src/DataVault.Cli/DataVault.Cli.csproj"), StringComparison.Ordinal);
        Assert.DoesNotContain("<AssemblyName>", Repository.Read("src/DataVault.Server/DataVault.Server.csproj"), StringComparison.Ordinal);
        Assert.Contains("""ENTRYPOINT ["dotnet", "DataVault.Server.dll"]""", Dockerfile);
    }

    [Fact]
    public void The_image_has_the_client_programs_of_the_servers_release()
    {
        var client = Regex.Match(string.Join(' ', Dockerfile), @"postgresql-client-(\d+)").Groups[1].Value;
        Assert.NotEmpty(client);
        foreach (var name in new[] { "vault-db", "keys-db" })
            Assert.Equal("postgres:" + client, Service(name)["image"]);
    }

    [Fact]
    public void Every_setting_of_the_containers_is_one_that_the_server_reads()
    {
        var code = string.Concat(Repository.Files("src/DataVault.Server", ".cs").Select(file => file.Text));
        var set = new[] { "server", "migrate", "backup" }.SelectMany(name => Map(Service(name)["environment"]).Keys.Cast<string>())
            .Concat(Regex.Matches(string.Join('\n', Dockerfile), @"\b(\w+__\w+)=").Select(match => match.Groups[1].Value)).Distinct()
            .Where(name => name.Contains("__", StringComparison.Ordinal)).ToList();
        Assert.True(set.Count > 10);
        foreach (var name in set)
        {
            var last = name.Split("__")[^1];
            // Those of databases and backups are put together of two parts.
            var known = new[] { last, last.EndsWith("File", StringComparison.Ordinal) ? last[..^4] : last }.SelectMany(n => new[] { n, n.Replace("Passphrase", "", StringComparison.Ordinal) });
            Assert.True(known.Any(n => n.Length > 0 && Regex.IsMatch(code, $"[\":]{n}\"")), $"{name} is read nowhere");
        }
    }

    [Theory]
    [MemberData(nameof(Services))]
    public void Every_secret_that_a_service_reads_is_mounted_and_declared(string name)
    {
        var mounted = Texts(Service(name)["secrets"]);
        Assert.All(mounted, secret => Assert.Contains((object)secret, Map(Compose["secrets"]).Keys));
        foreach (var path in Map(Service(name)["environment"]).Values.Cast<string>().Where(v => v.StartsWith("/run/secrets/", StringComparison.Ordinal)))
            Assert.Contains(path["/run/secrets/".Length..], mounted);
    }

    [Fact]
    public void Backups_of_data_and_of_keys_lie_apart_and_never_with_the_server()
    {
        var backup = Texts(Service("backup")["volumes"]);
        Assert.Contains("backup-data:/backup/data", backup);
        Assert.Contains("backup-keys:/backup/keys", backup);
        Assert.DoesNotContain(Texts(Service("server")["volumes"]), volume => volume.StartsWith("backup", StringComparison.Ordinal));
        Assert.Equal(["backup"], Texts(Service("backup")["profiles"]));
        // A new volume takes its owner from the folder of the image.
        Assert.Contains(Dockerfile, l => l.Contains("-o app", StringComparison.Ordinal) && l.Contains("/backup/data /backup/keys", StringComparison.Ordinal) && l.Contains("/var/lib/datavault", StringComparison.Ordinal));
    }

    [Fact]
    public void The_image_runs_as_an_unprivileged_user_with_a_health_check()
    {
        var last = Array.FindLastIndex(Dockerfile, l => l.StartsWith("FROM ", StringComparison.Ordinal));
        var final = Dockerfile[last..];
        Assert.Contains("USER app", final);
        Assert.Contains(final, l => l.StartsWith("HEALTHCHECK ", StringComparison.Ordinal));
        Assert.DoesNotContain(Dockerfile, l => l.Contains("Password", StringComparison.OrdinalIgnoreCase));
    }

    private static string Condition(string service, string on) => (string)Map(Map(Service(service)["depends_on"])[on])["condition"];

    private static Dictionary<object, object> Service(string name) => Map(Map(Compose["services"])[name]);

    private static Dictionary<object, object> Map(object node) => Assert.IsType<Dictionary<object, object>>(node);

    private static IReadOnlyList<string> Texts(object node) => [.. Assert.IsType<List<object>>(node).Cast<string>()];

    private static Dictionary<string, object> Load()
    {
        var parser = new YamlDotNet.Core.MergingParser(new YamlDotNet.Core.Parser(new StringReader(Repository.Read("docker-compose.yml"))));
        return new DeserializerBuilder().Build().Deserialize<Dictionary<string, object>>(parser);
    }
}
