using System.Net;
using System.Security.Cryptography.X509Certificates;
using DataVault.Server.Database;
using DataVault.Vault;

namespace DataVault.Server.OpenDsr;

/// <summary>A certificate that answers and callbacks are signed under, as the configuration names it.</summary>
/// <param name="File">PEM with the certificate and its chain, or PKCS#12.</param>
/// <param name="KeyFile">PEM of the private key; null where the first file holds it.</param>
/// <param name="Password">Of the PKCS#12 file, or of an encrypted key.</param>
internal sealed record CertificateSetting(string File, string? KeyFile, string? Password);

/// <summary>The section <c>OpenDsr</c>: how the vault is a processor for controllers.</summary>
internal sealed class OpenDsrSettings
{
    private const string Section = "OpenDsr";
    private readonly IConfigurationSection _section;
    private readonly bool _development;

    public OpenDsrSettings(IConfiguration configuration, bool development, string address)
    {
        (_section, _development) = (configuration.GetSection(Section), development);
        // What is no address is refused where the server is to listen on it.
        var host = Uri.TryCreate(address, UriKind.Absolute, out var at) ? at.DnsSafeHost : "localhost";
        Domain = _section["Domain"] is { Length: > 0 } domain ? domain.ToLowerInvariant() : IPAddress.TryParse(host, out _) ? "localhost" : host;
        Address = (_section["Address"] is { Length: > 0 } own ? own : address + "/v1/opendsr").TrimEnd('/');
        CertificateAddress = _section["CertificateUrl"] is { Length: > 0 } url ? url : address + OpenDsrPaths.Certificate;
    }

    /// <summary>What the certificate is for, and what every answer names.</summary>
    public string Domain { get; }

    /// <summary>Where the interface is.</summary>
    public string Address { get; }

    /// <summary>Where controllers fetch the certificate.</summary>
    public string CertificateAddress { get; }

    /// <summary>Outside Development nothing is signed, and so nothing answered, without a certificate.</summary>
    public bool IsOn => _development || Certificates.Count > 0;

    /// <summary>The answer to a question about a person is not given before, so that its time tells nothing of them.</summary>
    public TimeSpan AnswerAfter => _section.GetValue("AnswerAfter", TimeSpan.FromMilliseconds(300));

    /// <summary>A request without <c>regulation</c> is taken as under the GDPR; otherwise it is refused.</summary>
    public bool LenientRegulation => _section.GetValue("LenientRegulation", false);

    /// <summary>Networks of controllers that are not on the public internet.</summary>
    /// <exception cref="StartupException">One is not written as a network.</exception>
    public IReadOnlyList<IPNetwork> CallbackNetworks =>
        [.. (_section["CallbackNetworks"] ?? "").Split([' ', ','], StringSplitOptions.RemoveEmptyEntries).Select(text => IPNetwork.TryParse(text, out var network)
            ? network
            : throw new StartupException($"OpenDsr__CallbackNetworks names {text}: a network is address/bits, such as 10.20.0.0/16."))];

    /// <summary>Roots that certificates of controllers must lead to; empty for those of the machine.</summary>
    /// <exception cref="StartupException">The file cannot be read.</exception>
    public X509Certificate2Collection CallbackRoots
    {
        get
        {
            var roots = new X509Certificate2Collection();
            if (_section["CallbackRoots"] is not { Length: > 0 } file) return roots;
            if (!File.Exists(file)) throw new StartupException("OpenDsr__CallbackRoots names no PEM file of root certificates.");
            roots.ImportFromPemFile(file);
            return roots;
        }
    }

    /// <summary>In the order of the configuration.</summary>
    /// <exception cref="StartupException">A file is not named.</exception>
    public IReadOnlyList<CertificateSetting> Certificates =>
        [.. _section.GetSection("Certificates").GetChildren().Select(one => new CertificateSetting(
            one["File"] is { Length: > 0 } file ? file : throw new StartupException($"Set {one.Path.Replace(":", "__", StringComparison.Ordinal)}__File."),
            one["KeyFile"] is { Length: > 0 } key ? key : null,
            one["Password"] is { Length: > 0 } password ? password : ServerSettings.ReadSecret(one["PasswordFile"] is { Length: > 0 } named ? named : null)))];

    /// <summary>What the vault needs of it.</summary>
    /// <exception cref="StartupException">An identity names no field.</exception>
    public OpenDsrOptions Options() => new()
    {
        Domain = Domain,
        Address = Address,
        UnknownAfter = _section.GetValue("UnknownAfter", new OpenDsrOptions().UnknownAfter),
        Identities = _section.GetSection("Identities").GetChildren().ToDictionary(one => one.Key, one => one.Value ?? "") is { Count: > 0 } named ? named : OpenDsrOptions.Standard,
    };
}
