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
