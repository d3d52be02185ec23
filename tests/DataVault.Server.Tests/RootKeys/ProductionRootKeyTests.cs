using DataVault.Cryptography;
using DataVault.Pure.Tests.Cryptography;
using DataVault.Testing;

namespace DataVault.Server.Tests.RootKeys;

/// <summary>The built server outside Development, on outside databases that keep what they acknowledge, with its root key on a token.</summary>
public sealed class ProductionRootKeyTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dv-production-").FullName;
    private PostgresCluster? _cluster;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (_cluster is not null)
            await _cluster.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_server_starts_on_a_key_of_a_token_and_on_no_other()
    {
        var key = SoftToken.NewKey(new SystemRandomBytes());
        var settings = await SettingsAsync(key);
        var (exitCode, output) = await ServerProcess.MigrateAsync(settings);
        Assert.True(exitCode == 0, output);

        await using var server = await ServerProcess.StartAsync(settings);
        Assert.False(File.Exists(Path.Combine(server.Home, "root.key")));
        await server.StopAsync();
        await server.RestartAsync();
        await server.StopAsync();

        await RefusedAsync(server, "refused the PIN", ("Vault__RootKey__PinFile", Write("wrong-pin", "not the pin")));
        await RefusedAsync(server, "no AES key called another", ("Vault__RootKey__Key", "another"));
        await RefusedAsync(
            server, $"is wrapped by the root key pkcs11/{key.Token}/{key.Key}", ("Vault__RootKey__Provider", "file"), ("Vault__RootKey__Passphrase", "a passphrase that is long enough"));
        LocalRootKey.Open(Path.Combine(server.Home, "open.key"), null, development: true, new SystemRandomBytes()).Dispose();
        await RefusedAsync(
            server, "open development key",
            ("Vault__RootKey__Provider", "file"), ("Vault__RootKey__Path", Path.Combine(server.Home, "open.key")), ("Vault__RootKey__Passphrase", "a passphrase that is long enough"));
    }

    private static async Task RefusedAsync(ServerProcess server, string reason, params (string Name, string Value)[] settings)
    {
        var (exitCode, output) = await server.StartAnotherAsync(settings);
        Assert.NotEqual(0, exitCode);
        Assert.Contains(reason, output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    private async Task<Dictionary<string, string>> SettingsAsync(TokenKey key)
    {
        _cluster = await PostgresCluster.StartNewAsync();
        foreach (var setting in new[] { "fsync", "full_page_writes" })
            await _cluster.ExecuteAsync("postgres", $"alter system set {setting} = on");
        await _cluster.ExecuteAsync("postgres", "select pg_reload_conf()");
        return new Dictionary<string, string>
        {
            ["ASPNETCORE_ENVIRONMENT"] = "Production",
            ["ConnectionStrings__VaultMigrator"] = _cluster.ConnectionString("vault"),
            ["ConnectionStrings__KeysMigrator"] = _cluster.ConnectionString("keys"),
            ["ConnectionStrings__Vault"] = _cluster.ConnectionString("vault", "vault_app"),
            ["ConnectionStrings__Keys"] = _cluster.ConnectionString("keys", "keys_app"),
            ["ConnectionStrings__Issuer"] = _cluster.ConnectionString("vault", "issuer_app"),
            ["ConnectionStrings__Analytics"] = _cluster.ConnectionString("vault", "analytics_app"),
            ["Vault__PublicAddress"] = "https://vault.test",
            ["Vault__BehindTlsProxy"] = "true",
            ["Console__ClientSecretFile"] = Write("console", new string('c', 40)),
            ["Vault__RootKey__Provider"] = "pkcs11",
            ["Vault__RootKey__Module"] = key.Module,
            ["Vault__RootKey__Token"] = key.Token,
            ["Vault__RootKey__Key"] = key.Key,
            ["Vault__RootKey__PinFile"] = Write("pin", SoftToken.Pin),
            ["SOFTHSM2_CONF"] = SoftToken.Settings,
        };
    }

    private string Write(string name, string content)
    {
        var file = Path.Combine(_folder, name);
        File.WriteAllText(file, content);
        return file;
    }
}
