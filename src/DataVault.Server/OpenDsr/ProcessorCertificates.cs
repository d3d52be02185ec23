using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using DataVault.Server.Database;

namespace DataVault.Server.OpenDsr;

/// <summary>
/// The certificates that say who the processor is. One signs, the newest that is valid; the others are published as long as they are valid, so that what was
/// signed before a change is still verified after it.
/// </summary>
internal sealed class ProcessorCertificates : IDisposable
{
    private const string DevelopmentFile = "opendsr-development.pem";
    private const int DevelopmentKeyBits = 3072;
    private const string SubjectAlternativeName = "2.5.29.17";
    private static readonly TimeSpan DevelopmentLife = TimeSpan.FromDays(365);

    private readonly List<X509Certificate2Collection> _chains;
    private readonly TimeProvider _clock;

    private ProcessorCertificates(List<X509Certificate2Collection> chains, TimeProvider clock) => (_chains, _clock) = (chains, clock);

    /// <exception cref="StartupException">A certificate cannot be read, has no key, or is not for the domain.</exception>
    public static ProcessorCertificates Load(OpenDsrSettings settings, string home, TimeProvider clock)
    {
        var configured = settings.Certificates;
        var chains = configured.Count > 0 || !settings.IsOn ? configured.Select(Load).ToList() : [Own(settings.Domain, home, clock.GetUtcNow())];
        if (chains.Find(chain => !Names(chain[0]).Contains(settings.Domain, StringComparer.OrdinalIgnoreCase)) is { } foreign)
            throw new StartupException($"The certificate {foreign[0].Thumbprint} of OpenDsr__Certificates is not for {settings.Domain}: its alternative names must hold OpenDsr__Domain, without a star.");
        return new ProcessorCertificates(chains, clock);
    }

    /// <summary>Base64 of a signature over exactly these bytes, with SHA-256: RSA (PKCS #1 v1.5) or ECDSA (DER), as the certificate's key is.</summary>
    /// <exception cref="CryptographicException">None of the certificates is valid now.</exception>
    // SPEC OpenDSR §8: over the raw body.
    public string Sign(ReadOnlySpan<byte> body)
    {
        var certificate = Current()[0];
        using var rsa = certificate.GetRSAPrivateKey();
        if (rsa is not null) return Convert.ToBase64String(rsa.SignData(body, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));
        using var ecdsa = certificate.GetECDsaPrivateKey() ?? throw new CryptographicException("The certificate of the processor has neither an RSA nor an ECDSA key.");
        return Convert.ToBase64String(ecdsa.SignData(body, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
    }

    /// <summary>The signing certificate with its chain, and after it those that are valid beside it.</summary>
    public string Published()
    {
        var current = Current();
        var text = new StringBuilder();
        foreach (var certificate in _chains.Where(chain => chain == current || IsValid(chain[0])).OrderByDescending(chain => chain == current).SelectMany(chain => chain))
            text.Append(certificate.ExportCertificatePem()).Append('\n');
        return text.ToString();
    }

    public void Dispose()
    {
        foreach (var certificate in _chains.SelectMany(chain => chain)) certificate.Dispose();
    }

    private X509Certificate2Collection Current() =>
        _chains.Where(chain => IsValid(chain[0])).MaxBy(chain => chain[0].NotBefore) ?? throw new CryptographicException("No certificate of the processor is valid now.");

    private bool IsValid(X509Certificate2 certificate)
    {
        var now = _clock.GetUtcNow();
        return certificate.NotBefore.ToUniversalTime() <= now && now < certificate.NotAfter.ToUniversalTime();
    }

    private static X509Certificate2Collection Load(CertificateSetting setting)
    {
        try
        {
            return X509Certificate2.GetCertContentType(setting.File) == X509ContentType.Pkcs12
                ? WithKeyFirst(X509CertificateLoader.LoadPkcs12CollectionFromFile(setting.File, setting.Password, X509KeyStorageFlags.EphemeralKeySet))
                : FromPem(setting);
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new StartupException($"The certificate {setting.File} of OpenDsr__Certificates cannot be read: it is a PEM file with its key (KeyFile), or PKCS#12 with its Password.");
        }
    }

    private static X509Certificate2Collection FromPem(CertificateSetting setting)
    {
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(setting.File);
        using var bare = chain[0];
        chain[0] = setting.Password is null
            ? X509Certificate2.CreateFromPemFile(setting.File, setting.KeyFile) : X509Certificate2.CreateFromEncryptedPemFile(setting.File, setting.Password, setting.KeyFile);
        return chain;
    }

    private static X509Certificate2Collection WithKeyFirst(X509Certificate2Collection chain)
    {
        if (!chain.Any(certificate => certificate.HasPrivateKey)) throw new CryptographicException("There is no private key.");
        return [.. chain.OrderByDescending(certificate => certificate.HasPrivateKey)];
    }

    private static IEnumerable<string> Names(X509Certificate2 certificate) =>
        certificate.Extensions.Where(extension => extension.Oid?.Value == SubjectAlternativeName).SelectMany(extension => new X509SubjectAlternativeNameExtension(extension.RawData).EnumerateDnsNames());

    // Of one's own making, for trying it out: no controller elsewhere trusts it.
    private static X509Certificate2Collection Own(string domain, string home, DateTimeOffset now)
    {
        var file = Path.Combine(home, DevelopmentFile);
        if (!File.Exists(file)) FileModes.WriteSecret(file, Make(domain, now));
        var certificate = X509Certificate2.CreateFromPemFile(file);
        if (certificate.NotAfter.ToUniversalTime() > now && Names(certificate).Contains(domain)) return [certificate];
        certificate.Dispose();
        FileModes.WriteSecret(file, Make(domain, now));
        return [X509Certificate2.CreateFromPemFile(file)];
    }

    private static string Make(string domain, DateTimeOffset now)
    {
        using var key = RSA.Create(DevelopmentKeyBits);
        var request = new CertificateRequest($"CN={domain}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(domain);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now + DevelopmentLife);
        return certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem() + "\n";
    }
}
