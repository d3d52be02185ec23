using System.Runtime.Versioning;
using DataVault.Cryptography;
using DataVault.Testing;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Keys;

/// <summary>A whole vault on each kind of root key; PKCS#11 is shown by the server process of its own tests.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class RootKeyProvidersTests : IAsyncLifetime
{
    private const string Passphrase = "a passphrase for the tests";
    private readonly SystemRandomBytes random = new();
    private DatabasePerClass databases = null!;

    public async ValueTask InitializeAsync() => databases = await DatabasePerClass.CreateAsync();

    public ValueTask DisposeAsync() => databases.DisposeAsync();

    [Fact]
    public async Task A_vault_on_a_sealed_file_goes_on_with_a_quorum_of_its_shares()
    {
        await StartsOnAsync(With(new RootKeySource.SealedFile { Passphrase = Passphrase }));
        var folder = Directory.CreateDirectory(Path.Combine(databases.Home, "shares"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
        var shares = Shares();
        File.Delete(Path.Combine(databases.Home, "root.key"));
        var source = new RootKeySource.Shares { Folder = folder };

        await File.WriteAllTextAsync(Path.Combine(folder, "first"), shares[2] + "\n");
        Assert.Contains("1 of 2", await RefusalAsync(With(source)), StringComparison.Ordinal);
        await File.WriteAllTextAsync(Path.Combine(folder, "second"), shares[0]);
        await StartsOnAsync(With(source));
        File.SetUnixFileMode(folder, File.GetUnixFileMode(folder) | UnixFileMode.GroupRead);
        Assert.Contains("mode must be 0700", await RefusalAsync(With(source)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_vault_on_a_key_service_starts_again_on_the_same_key_only()
    {
        await using var service = await KmsStandIn.StartAsync();
        await StartsOnAsync(With(service.Key("root")));
        await StartsOnAsync(With(service.Key("root")));

        Assert.Contains($"wrapped by the root key aws-kms/{KmsStandIn.ArnOf("root")}", await RefusalAsync(With(service.Key("another"))), StringComparison.Ordinal);
        Assert.Contains("wrapped by the root key aws-kms/", await RefusalAsync(With(new RootKeySource.SealedFile { Passphrase = Passphrase })), StringComparison.Ordinal);
        service.State = "PendingDeletion";
        Assert.Contains("PendingDeletion", await RefusalAsync(With(service.Key("root"))), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Plain_http_to_a_key_service_and_open_keys_of_any_role_are_for_development_alone()
    {
        await using var service = await KmsStandIn.StartAsync();
        LocalRootKey.Open(Path.Combine(databases.Home, "open.key"), null, development: true, random).Dispose();
        var open = new RootKeySource.SealedFile { Path = Path.Combine(databases.Home, "open.key") };
        var sealedFile = new RootKeySource.SealedFile { Passphrase = Passphrase };

        Assert.Contains("https://", Refusal(new(With(service.Key("root"), development: false), random)), StringComparison.Ordinal);
        Assert.Contains("Development only", Refusal(new(With(open, development: false), random)), StringComparison.Ordinal);
        using var providers = new RootKeyProviders(With(sealedFile, development: false, previous: open), random);
        Assert.StartsWith("local/", providers.Current.Name, StringComparison.Ordinal);
        Assert.Throws<VaultStartException>(() => providers.Previous);
    }

    [Fact]
    public async Task What_the_key_before_wrapped_is_unwrapped_by_its_name()
    {
        await using var service = await KmsStandIn.StartAsync();
        var context = new AssociatedData(new byte[AssociatedData.Limit], "vault-key").Add(1).Bytes.ToArray();
        using var before = new RootKeyProviders(With(new RootKeySource.SealedFile { Passphrase = Passphrase }), random);
        var (wrapped, name) = (before.Current.Wrap("k"u8, context), before.Current.Name);

        using var during = new RootKeyProviders(With(service.Key("root"), previous: new RootKeySource.SealedFile { Passphrase = Passphrase }), random);
        during.Unwrap(wrapped, context, name).Dispose();
        during.Unwrap(during.Current.Wrap("k"u8, context), context, during.Current.Name).Dispose();
        using var after = new RootKeyProviders(With(service.Key("root")), random);
        Assert.Contains("RootKey__Previous", Assert.Throws<VaultStartException>(() => after.Unwrap(wrapped, context, name)).Message, StringComparison.Ordinal);
    }

    private IReadOnlyList<string> Shares()
    {
        using var key = RootKeyFile.Read(Path.Combine(databases.Home, "root.key"), Passphrase, development: false);
        return RecoveryShares.Split(key, 1, [new(2, 3)], default, random)[0];
    }

    private async Task StartsOnAsync(VaultOptions options)
    {
        await using var vault = await databases.StartVaultAsync(options: options);
    }

    private async Task<string> RefusalAsync(VaultOptions options) => (await Assert.ThrowsAsync<VaultStartException>(() => databases.StartVaultAsync(options: options))).Message;

    private static string Refusal(RootKeyProviders providers) => Assert.Throws<VaultStartException>(() => providers.Current).Message;

    private VaultOptions With(RootKeySource source, bool development = true, RootKeySource? previous = null)
    {
        var options = databases.Options();
        return new VaultOptions
        {
            DataConnection = options.DataConnection, KeysConnection = options.KeysConnection, Home = options.Home, Development = development, RootKey = source, PreviousRootKey = previous,
        };
    }
}
