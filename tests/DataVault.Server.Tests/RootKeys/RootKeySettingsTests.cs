using DataVault.Server.Database;
using DataVault.Vault;
using Microsoft.Extensions.Configuration;

namespace DataVault.Server.Tests.RootKeys;

public sealed class RootKeySettingsTests : IDisposable
{
    private readonly string _file = Path.GetTempFileName();

    public void Dispose() => File.Delete(_file);

    [Fact]
    public void Each_kind_is_read_with_its_secrets_from_files()
    {
        File.WriteAllText(_file, "a secret from a file of its own\n");

        var file = Assert.IsType<RootKeySource.SealedFile>(Read(("Path", "/keys/root.key"), ("PassphraseFile", _file)));
        Assert.Equal(("/keys/root.key", "a secret from a file of its own"), (file.Path, file.Passphrase));
        var token = Assert.IsType<RootKeySource.Pkcs11>(Read(("Provider", "pkcs11"), ("Module", "/m.so"), ("Token", "t"), ("Key", "k"), ("PinFile", _file)));
        Assert.Equal(("/m.so", "t", "k", "a secret from a file of its own"), (token.Module, token.Token, token.Key, token.Pin));
        var kms = Assert.IsType<RootKeySource.AwsKms>(Read(("Provider", "aws-kms"), ("KeyId", "alias/vault"), ("Region", "eu-central-1"), ("Timeout", "00:00:02")));
        Assert.Equal(("alias/vault", "eu-central-1", TimeSpan.FromSeconds(2), (Uri?)null), (kms.KeyId, kms.Region, kms.Timeout, kms.Endpoint));
        Assert.Equal("/run/shares", Assert.IsType<RootKeySource.Shares>(Read(("Provider", "shares"), ("SharesFolder", "/run/shares"))).Folder);
    }

    [Theory]
    [InlineData("is file, shares, aws-kms or pkcs11", "Provider=vault")]
    [InlineData("at least 20 characters", "Provider=file")]
    [InlineData("at least 20 characters", "Provider=file;Passphrase=short")]
    [InlineData("Vault__RootKey__SharesFolder is not set", "Provider=shares")]
    [InlineData("Vault__RootKey__Pin is not set", "Provider=pkcs11;Module=/m.so;Token=t;Key=k")]
    [InlineData("Vault__RootKey__Region is not set", "Provider=aws-kms;KeyId=k")]
    [InlineData("is https://", "Provider=aws-kms;KeyId=k;Region=r;Endpoint=http://kms.test")]
    [InlineData("both or neither", "Provider=aws-kms;KeyId=k;Region=r;AccessKeyId=a")]
    [InlineData("is a time", "Provider=aws-kms;KeyId=k;Region=r;Timeout=soon")]
    [InlineData("cannot be read", "Provider=file;PassphraseFile=/nowhere/at/all")]
    public void What_is_incomplete_or_unsafe_is_named(string reason, string settings) =>
        Assert.Contains(
            reason, Assert.Throws<StartupException>(() => Read([.. settings.Split(';').Select(s => s.Split('=')).Select(s => (s[0], s[1]))])).Message, StringComparison.Ordinal);

    [Fact]
    public void The_older_name_of_the_passphrase_still_counts_and_the_key_before_has_its_own()
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Vault:RootPassphrase"] = "the passphrase of an older setting",
            ["Vault:RootKey:Previous:Provider"] = "file",
        }).Build();

        var current = Assert.IsType<RootKeySource.SealedFile>(new RootKeySettings(configuration, "Vault:RootKey", development: false).Read());
        Assert.Equal("the passphrase of an older setting", current.Passphrase);
        Assert.Throws<StartupException>(() => new RootKeySettings(configuration, "Vault:RootKey:Previous", development: false).Read());
    }

    private static RootKeySource Read(params (string Name, string Value)[] settings) => new RootKeySettings(
        new ConfigurationBuilder().AddInMemoryCollection(settings.Select(s => KeyValuePair.Create<string, string?>("Vault:RootKey:" + s.Name, s.Value))).Build(),
        "Vault:RootKey", development: false).Read();
}
