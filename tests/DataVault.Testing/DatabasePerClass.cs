using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Vault;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Testing;

/// <summary>
/// A pair of databases, migrated, and a home folder of their own for each test class (use as a class fixture) or each call.
/// </summary>
public class DatabasePerClass : IAsyncDisposable
{
    public const string VaultLogin = "test_vault_app";
    public const string KeysLogin = "test_keys_app";
    public const string AnalyticsLogin = "test_analytics_app";

    private const string VaultTemplate = "vault_template";
    private const string KeysTemplate = "keys_template";

    private static readonly Lazy<Task<PostgresCluster>> SharedCluster = new(async () => await WithTemplateAsync(await PostgresCluster.SharedAsync()));
    private static readonly SemaphoreSlim Copying = new(1, 1);
    private readonly HashSet<string> backups = [];
    private readonly string suffix = Guid.NewGuid().ToString("N")[..12];

    public PostgresCluster Cluster { get; private set; } = null!;

    public string VaultName => "vault_" + suffix;

    public string KeysName => "keys_" + suffix;

    public string Home { get; } = ScratchFolder.NewPath("dv-home-");

    public string VaultAdmin => Cluster.ConnectionString(VaultName);

    public string KeysAdmin => Cluster.ConnectionString(KeysName);

    public static async Task<DatabasePerClass> CreateAsync()
    {
        var pair = new DatabasePerClass();
        await pair.PrepareAsync(await SharedCluster.Value);
        return pair;
    }

    /// <summary>On a cluster that only this test uses, so that it may stop it.</summary>
    public static async Task<DatabasePerClass> CreateOnAsync(PostgresCluster cluster)
    {
        var pair = new DatabasePerClass();
        await pair.PrepareAsync(await WithTemplateAsync(cluster));
        return pair;
    }

    public static string AnalyticsLoginOf(AnalyticsDomain domain) => "test_analyst_" + domain.Name;

    /// <summary>A copy of a database as it is now; to be put back by <see cref="RestoreAsync"/>. No vault may be running on it.</summary>
    public Task BackUpAsync(string database)
    {
        backups.Add(database + "_backup");
        return CopyAsync(database, database + "_backup");
    }

    public async Task RestoreAsync(string database)
    {
        NpgsqlConnection.ClearAllPools();
        await Cluster.ExecuteAsync("postgres", $"drop database {database} with (force)");
        await CopyAsync(database + "_backup", database);
        await VaultMigrator.MigrateAsync(VaultAdmin, KeysAdmin, Repository.Policy);
    }

    public VaultOptions Options() => new()
    {
        DataConnection = Cluster.ConnectionString(VaultName, VaultLogin),
        KeysConnection = Cluster.ConnectionString(KeysName, KeysLogin),
        Home = Home,
        Development = true,
    };

    /// <summary>A vault on these databases. Several at once are several processes of one vault.</summary>
    /// <param name="workers">Background work too; without it a test says when the log is signed and indexed.</param>
    public async Task<RunningVault> StartVaultAsync(bool workers = false, TimeProvider? clock = null, Action<IServiceCollection>? configure = null, VaultOptions? options = null)
    {
        var services = new ServiceCollection();
        services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Warning));
        if (clock is not null) services.AddSingleton(clock);
        services.AddVault(options ?? Options(), Repository.Policy);
        configure?.Invoke(services);
        return await RunningVault.StartAsync(services.BuildServiceProvider(), workers);
    }

    /// <summary>The log as a command has it that backs these databases up beside the servers, and goes.</summary>
    public BackupLedger BackupLedger(TimeProvider clock)
    {
        var services = new ServiceCollection();
        services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Warning));
        services.AddSingleton(clock);
        services.AddVault(Options(), Repository.Policy);
        return services.BuildServiceProvider().GetRequiredService<BackupLedger>();
    }

    public async ValueTask DisposeAsync()
    {
        NpgsqlConnection.ClearAllPools();
        await Cluster.ExecuteAsync("postgres", [.. new[] { VaultName, KeysName }.Concat(backups).Select(name => $"drop database if exists {name} with (force)")]);
        if (Directory.Exists(Home)) Directory.Delete(Home, recursive: true);
        GC.SuppressFinalize(this);
    }

    protected async Task PrepareAsync() => await PrepareAsync(await SharedCluster.Value);

    private async Task PrepareAsync(PostgresCluster cluster)
    {
        Cluster = cluster;
        await Copying.WaitAsync();
        try
        {
            await cluster.ExecuteAsync(
                "postgres",
                $"create database {VaultName} template {VaultTemplate}", RightsOf(VaultTemplate, VaultName), $"create database {KeysName} template {KeysTemplate}", RightsOf(KeysTemplate, KeysName));
        }
        finally
        {
            Copying.Release();
        }
    }

    // Rights on a database are not copied with it.
    private static string RightsOf(string template, string copy) =>
        $"""
        do $$ declare one record; begin
            revoke all on database {copy} from public;
            for one in select grantee::regrole as who, privilege_type as what from pg_database, aclexplode(datacl) where datname = '{template}' and grantee <> datdba loop
                execute format('grant %s on database {copy} to %s', one.what, one.who);
            end loop;
        end $$
        """;

    private Task CopyAsync(string from, string to)
    {
        NpgsqlConnection.ClearAllPools();
        return Cluster.ExecuteAsync("postgres", $"create database {to} template {from}");
    }

    private static async Task<PostgresCluster> WithTemplateAsync(PostgresCluster cluster)
    {
        await cluster.ExecuteAsync("postgres", $"create database {VaultTemplate}", $"create database {KeysTemplate}");
        await VaultMigrator.MigrateAsync(cluster.ConnectionString(VaultTemplate), cluster.ConnectionString(KeysTemplate), Repository.Policy);
        await cluster.ExecuteAsync(
            "postgres",
            $"""
            create role {VaultLogin} login in role dv_vault;
            create role {KeysLogin} login in role dv_keys;
            create role {AnalyticsLogin} login in role dv_analytics;
            """);
        foreach (var domain in Repository.Policy.Analytics)
            await cluster.ExecuteAsync("postgres", $"create role {AnalyticsLoginOf(domain)} login in role dv_analytics_{domain.Name}");
        return cluster;
    }
}

/// <summary>One process's worth of the vault.</summary>
public sealed class RunningVault : IAsyncDisposable
{
    private readonly ServiceProvider provider;
    private readonly List<IHostedService> started = [];

    private RunningVault(ServiceProvider provider) => this.provider = provider;

    public T Get<T>()
        where T : notnull => provider.GetRequiredService<T>();

    internal static async Task<RunningVault> StartAsync(ServiceProvider provider, bool workers)
    {
        var vault = new RunningVault(provider);
        try
        {
            foreach (var service in provider.GetServices<IHostedService>().Where(service => workers || service is not BackgroundService))
            {
                await service.StartAsync(CancellationToken.None);
                vault.started.Add(service);
            }

            return vault;
        }
        catch
        {
            await vault.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var service in Enumerable.Reverse(started)) await service.StopAsync(CancellationToken.None);
        await provider.DisposeAsync();
    }
}
