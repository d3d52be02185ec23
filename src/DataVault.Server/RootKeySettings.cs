using System.Globalization;
using DataVault.Server.Database;
using DataVault.Vault;

namespace DataVault.Server;

/// <summary>
/// Reads <c>Vault:RootKey</c>, and in the same words <c>Vault:RootKey:Previous</c>, into where the root key is. Every value may stand in a file that the
/// name with <c>File</c> at its end gives.
/// </summary>
internal sealed class RootKeySettings(IConfiguration configuration, string section, bool development)
{
    private const int ShortestPassphrase = 20;

    /// <exception cref="StartupException">Unknown, incomplete, or not safe outside Development.</exception>
    public RootKeySource Read() => Text("Provider") switch
    {
        null or "file" => SealedFile(),
        "shares" => new RootKeySource.Shares { Folder = Required("SharesFolder") },
        "aws-kms" => AwsKms(),
        "pkcs11" => new RootKeySource.Pkcs11 { Module = Required("Module"), Token = Required("Token"), Key = Required("Key"), Pin = Secret("Pin") ?? throw Missing("Pin") },
        _ => throw new StartupException($"{Name("Provider")} is file, shares, aws-kms or pkcs11."),
    };

    private RootKeySource.SealedFile SealedFile()
    {
        // Vault__RootPassphrase is the name that this setting had when there was one kind of root key.
        var passphrase = Secret("Passphrase") ?? (section == ServerSettings.RootKeySection ? OlderPassphrase() : null);
        if (!development && passphrase is not { Length: >= ShortestPassphrase })
        {
            throw new StartupException(
                $"Outside Development the root key is sealed: set {Name("Passphrase")}, or {Name("PassphraseFile")}, to at least {ShortestPassphrase} characters, or choose another {Name("Provider")}.");
        }

        return new RootKeySource.SealedFile { Path = Text("Path"), Passphrase = passphrase };
    }

    private string? OlderPassphrase() =>
        configuration["Vault:RootPassphrase"] is { Length: > 0 } text ? text : ServerSettings.ReadSecret(configuration["Vault:RootPassphraseFile"] is { Length: > 0 } file ? file : null);

    private RootKeySource.AwsKms AwsKms()
    {
        var endpoint = Text("Endpoint");
        var address = endpoint is null ? null : Uri.TryCreate(endpoint, UriKind.Absolute, out var uri) ? uri : throw new StartupException($"{Name("Endpoint")} is no address.");
        if (!development && address is not null && address.Scheme != Uri.UriSchemeHttps)
            throw new StartupException($"Outside Development {Name("Endpoint")} is https://.");
        var (id, secret) = (Text("AccessKeyId"), Secret("SecretAccessKey"));
        if (id is null != secret is null) throw new StartupException($"{Name("AccessKeyId")} and {Name("SecretAccessKey")} are set both or neither.");
        return new RootKeySource.AwsKms
        {
            KeyId = Required("KeyId"),
            Region = Required("Region"),
            Endpoint = address,
            AccessKeyId = id,
            SecretAccessKey = secret,
            Timeout = Text("Timeout") is not { } text ? TimeSpan.FromSeconds(5)
                : TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var timeout) && timeout > TimeSpan.Zero ? timeout
                : throw new StartupException($"{Name("Timeout")} is a time such as 00:00:05."),
        };
    }

    private string Required(string name) => Text(name) ?? throw Missing(name);

    private string? Text(string name) => configuration[$"{section}:{name}"] is { Length: > 0 } text ? text : null;

    private string? Secret(string name) => Text(name) ?? ServerSettings.ReadSecret(Text(name + "File"));

    private StartupException Missing(string name) => new($"{Name(name)} is not set.");

    private string Name(string name) => $"{section}:{name}".Replace(":", "__", StringComparison.Ordinal);
}
