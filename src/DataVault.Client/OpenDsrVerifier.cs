using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using DataVault.Client.Wire;

namespace DataVault.Client;

/// <summary>Whom a receiver of OpenDSR callbacks believes.</summary>
public sealed class OpenDsrVerifierOptions
{
    /// <summary>Domains of one's processors. A callback that names another is refused before anything else is looked at.</summary>
    public required IReadOnlyCollection<string> Processors { get; init; }

    /// <summary>Gives the certificates that a processor publishes at the address of its discovery, signing certificates and their chains in any order. Asked again when none fits.</summary>
    public required Func<string, CancellationToken, Task<X509Certificate2Collection>> Certificates { get; init; }

    /// <summary>Roots that certificates must lead to; empty for those of the machine.</summary>
    public X509Certificate2Collection Roots { get; init; } = [];

    /// <summary>Whether it is asked if a certificate was revoked.</summary>
    public X509RevocationMode Revocation { get; init; } = X509RevocationMode.Online;

    /// <summary>So long certificates are kept before they are fetched again.</summary>
    public TimeSpan KeepFor { get; init; } = TimeSpan.FromHours(1);

    /// <summary>The clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}

/// <summary>What to answer a callback with, and what it says when it is genuine.</summary>
/// <param name="StatusCode">202: genuine. 401: from nobody whom the receiver believes. 400: not what was signed, not a status, or meant for somebody else.</param>
/// <param name="Status">Null unless genuine.</param>
/// <param name="Problem">In one word; null when genuine.</param>
public sealed record OpenDsrVerdict(int StatusCode, OpenDsrStatus? Status, string? Problem);

/// <summary>
/// For receivers of OpenDSR callbacks. In this order, and nothing is read of the body before it is known who wrote it:
/// <code>
/// the domain that the header names is one's processor's
/// its certificate: kept, or fetched by discovery; valid now, from a trusted root, not revoked, for exactly this domain
/// the signature is over the raw bytes of the body
/// the body is JSON without a member twice
/// status_callback_url is the address at which it was received
/// </code>
/// </summary>
/// <param name="options">Whom to believe.</param>
public sealed class OpenDsrVerifier(OpenDsrVerifierOptions options)
{
    /// <summary>Name of the header with the processor's domain.</summary>
    public const string DomainHeader = "X-OpenDSR-Processor-Domain";

    /// <summary>Name of the header with the signature.</summary>
    public const string SignatureHeader = "X-OpenDSR-Signature";

    private const string AlternativeNames = "2.5.29.17";
    private const int LargestBody = 64 * 1024;
    private readonly Dictionary<string, (X509Certificate2Collection Certificates, DateTimeOffset At)> _kept = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();

    /// <summary>A test looks whether it is called.</summary>
    internal Func<ReadOnlyMemory<byte>, OpenDsrStatus?> Parse { get; set; } = body => JsonSerializer.Deserialize<OpenDsrStatus>(body.Span, VaultJson.Answers);

    /// <summary>Looks at a callback.</summary>
    /// <param name="domain">Value of <see cref="DomainHeader"/>; null when there is none, or several.</param>
    /// <param name="signature">Value of <see cref="SignatureHeader"/>; null when there is none, or several.</param>
    /// <param name="body">Exactly the bytes that came, before anything parsed them.</param>
    /// <param name="ownAddress">The address that was given as status_callback_url.</param>
    /// <param name="cancellation">Ends the wait for a certificate.</param>
    public async Task<OpenDsrVerdict> VerifyAsync(string? domain, string? signature, ReadOnlyMemory<byte> body, string ownAddress, CancellationToken cancellation = default)
    {
        if (domain is null || !options.Processors.Contains(domain, StringComparer.OrdinalIgnoreCase)) return Refused(401, "domain");
        if (signature is null || body.Length > LargestBody || !TryDecode(signature, out var bytes)) return Refused(400, "signature");
        var known = await CertificatesAsync(domain, fresh: false, cancellation);
        var trusted = Trusted(known, domain);
        if (!trusted.Exists(certificate => IsSigned(certificate, body.Span, bytes)))
        {
            // The processor may have changed its certificate since.
            trusted = Trusted(await CertificatesAsync(domain, fresh: true, cancellation), domain);
            if (trusted.Count == 0) return Refused(401, "certificate");
            if (!trusted.Exists(certificate => IsSigned(certificate, body.Span, bytes))) return Refused(400, "signature");
        }

        return Read(body, ownAddress);
    }

    private OpenDsrVerdict Read(ReadOnlyMemory<byte> body, string ownAddress)
    {
        try
        {
            if (Parse(body) is not { SubjectRequestId: not null, RequestStatus: not null } status) return Refused(400, "body");
            return status.StatusCallbackUrl == ownAddress ? new OpenDsrVerdict(202, status, null) : Refused(400, "address");
        }
        catch (JsonException)
        {
            return Refused(400, "body");
        }
    }

    private async Task<X509Certificate2Collection> CertificatesAsync(string domain, bool fresh, CancellationToken cancellation)
    {
        var now = options.Clock.GetUtcNow();
        lock (_lock)
        {
            // Whoever sends nonsense does not make the receiver ask the processor each time.
            if (_kept.TryGetValue(domain, out var kept) && now - kept.At < (fresh ? TimeSpan.FromMinutes(1) : options.KeepFor)) return kept.Certificates;
        }

        var fetched = await options.Certificates(domain, cancellation);
        lock (_lock)
        {
            _kept[domain] = (fetched, now);
        }

        return fetched;
    }

    private List<X509Certificate2> Trusted(X509Certificate2Collection certificates, string domain) =>
        [.. certificates.Where(certificate => NamesOf(certificate).Contains(domain, StringComparer.OrdinalIgnoreCase) && LeadsToRoot(certificate, certificates))];

    private bool LeadsToRoot(X509Certificate2 certificate, X509Certificate2Collection others)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.RevocationMode = options.Revocation;
        chain.ChainPolicy.VerificationTime = options.Clock.GetUtcNow().UtcDateTime;
        chain.ChainPolicy.VerificationTimeIgnored = false;
        chain.ChainPolicy.ExtraStore.AddRange(others);
        if (options.Roots.Count > 0)
        {
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.AddRange(options.Roots);
        }

        return chain.Build(certificate);
    }

    // A star would be for every neighbour of the processor too: only whole names count.
    private static IEnumerable<string> NamesOf(X509Certificate2 certificate) =>
        certificate.Extensions.Where(extension => extension.Oid?.Value == AlternativeNames).SelectMany(extension => new X509SubjectAlternativeNameExtension(extension.RawData).EnumerateDnsNames());

    private static bool IsSigned(X509Certificate2 certificate, ReadOnlySpan<byte> body, byte[] signature)
    {
        using var rsa = certificate.GetRSAPublicKey();
        if (rsa is not null) return rsa.VerifyData(body, signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var ecdsa = certificate.GetECDsaPublicKey();
        return ecdsa is not null && ecdsa.VerifyData(body, signature, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
    }

    private static bool TryDecode(string signature, out byte[] bytes)
    {
        bytes = new byte[signature.Length];
        var decoded = Convert.TryFromBase64String(signature, bytes, out var length);
        bytes = bytes[..length];
        return decoded;
    }

    private static OpenDsrVerdict Refused(int status, string problem) => new(status, null, problem);
}
