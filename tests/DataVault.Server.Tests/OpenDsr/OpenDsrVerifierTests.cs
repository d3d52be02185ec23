using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Server.OpenDsr;
using DataVault.Testing;

namespace DataVault.Server.Tests.OpenDsr;

/// <summary>What the vault signs, a receiver verifies before it reads a byte of it.</summary>
public sealed class OpenDsrVerifierTests : IDisposable
{
    private const string Domain = "dsr.vault.example";
    private const string Own = "https://privacy.shop.example/opendsr";
    private readonly ManualClock clock = new(new DateTimeOffset(2031, 3, 2, 15, 0, 0, TimeSpan.Zero));
    private readonly string folder = Directory.CreateTempSubdirectory("opendsr-").FullName;
    private readonly TestAuthority authority;
    private int parsed;

    public OpenDsrVerifierTests() => authority = new TestAuthority(clock.GetUtcNow());

    public void Dispose()
    {
        authority.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData("rsa", "pem")]
    [InlineData("rsa", "pkcs12")]
    [InlineData("ecdsa", "pem")]
    [InlineData("ecdsa", "pkcs12")]
    public async Task What_a_certificate_of_either_kind_signs_is_verified(string key, string form)
    {
        using var certificates = Load(authority.Issue(folder, Domain, key, form));
        var verdict = await VerifyAsync(certificates, Body());
        Assert.Equal((202, "completed", null), (verdict.StatusCode, verdict.Status?.RequestStatus, verdict.Problem));
        Assert.Equal(1, parsed);
    }

    [Fact]
    public async Task One_byte_flipped_anywhere_is_refused_and_nothing_is_parsed()
    {
        using var certificates = Load(authority.Issue(folder, Domain, "rsa", "pem"));
        var body = Body();
        var signature = certificates.Sign(body);
        for (var at = 0; at < body.Length; at += 7)
        {
            byte[] flipped = [.. body];
            flipped[at] ^= 1;
            Assert.Equal((400, "signature"), await VerdictAsync(certificates, Domain, signature, flipped));
        }

        Assert.Equal(0, parsed);
    }

    [Fact]
    public async Task A_space_behind_the_body_breaks_the_signature()
    {
        using var certificates = Load(authority.Issue(folder, Domain, "rsa", "pem"));
        var signature = certificates.Sign(Body());
        Assert.Equal((400, "signature"), await VerdictAsync(certificates, Domain, signature, [.. Body(), (byte)' ']));
        Assert.Equal((400, "signature"), await VerdictAsync(certificates, Domain, signature, [.. Body(), (byte)'\n']));
        Assert.Equal(0, parsed);
    }

    [Fact]
    public async Task Nobody_but_ones_own_processors_is_believed_and_their_certificate_is_not_even_fetched()
    {
        using var certificates = Load(authority.Issue(folder, Domain, "rsa", "pem"));
        var fetched = 0;
        var verifier = Verifier(() => { fetched++; return Published(certificates); });
        foreach (var domain in new[] { null, "", "evil.example", "x." + Domain, Domain + "." })
            Assert.Equal((401, "domain"), await verifier.VerifyAsync(domain, certificates.Sign(Body()), Body(), Own) is var verdict ? (verdict.StatusCode, verdict.Problem) : default);
        Assert.Equal((0, 0), (fetched, parsed));
    }

    [Fact]
    public async Task A_certificate_of_no_trusted_root_of_another_domain_with_a_star_or_that_is_over_is_refused()
    {
        using var strange = new TestAuthority(clock.GetUtcNow());
        foreach (var setting in new[]
        {
            strange.Issue(folder, Domain, "rsa", "pem"), authority.Issue(folder, "other.vault.example", "rsa", "pem"), authority.Issue(folder, "*.vault.example", "rsa", "pem"),
            authority.Issue(folder, Domain, "rsa", "pem", from: -20, to: -10), authority.Issue(folder, Domain, "rsa", "pem", from: 10, to: 20),
        })
        {
            using var certificate = X509Certificate2.CreateFromPemFile(setting.File, setting.KeyFile);
            using var key = certificate.GetRSAPrivateKey()!;
            var signature = Convert.ToBase64String(key.SignData(Body(), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));
            var verdict = await Verifier(() => [X509CertificateLoader.LoadCertificate(certificate.RawData)]).VerifyAsync(Domain, signature, Body(), Own);
            Assert.Equal((401, "certificate"), (verdict.StatusCode, verdict.Problem));
        }

        Assert.Equal(0, parsed);
    }

    [Fact]
    public async Task What_is_signed_but_meant_for_another_address_or_no_status_is_refused()
    {
        using var certificates = Load(authority.Issue(folder, Domain, "rsa", "pem"));
        Assert.Equal((400, "address"), await VerdictAsync(certificates, Body("https://privacy.shop.example/other")));
        Assert.Equal((400, "body"), await VerdictAsync(certificates, "{\"request_status\":"u8.ToArray()));
        Assert.Equal((400, "body"), await VerdictAsync(certificates, "{}"u8.ToArray()));
        Assert.Equal((400, "body"), await VerdictAsync(certificates, Encoding.UTF8.GetBytes("{\"request_status\":\"a\",\"request_status\":\"b\"}")));
        Assert.Equal((400, "signature"), await VerdictAsync(certificates, Domain, "not base64", Body()));
    }

    [Fact]
    public async Task After_a_change_of_certificates_the_former_is_still_published_and_the_receiver_fetches_the_new_one()
    {
        var (first, second) = (authority.Issue(folder, Domain, "rsa", "pem", from: -30, to: 5), authority.Issue(folder, Domain, "ecdsa", "pem", from: -1, to: 300));
        using var before = Load(first);
        using var after = Load(first, second);
        var published = Published(before);
        var verifier = Verifier(() => published);
        Assert.Equal(202, (await verifier.VerifyAsync(Domain, before.Sign(Body()), Body(), Own)).StatusCode);
        published = Published(after);
        clock.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal(202, (await verifier.VerifyAsync(Domain, after.Sign(Body()), Body(), Own)).StatusCode);
        Assert.Equal(202, (await verifier.VerifyAsync(Domain, before.Sign(Body()), Body(), Own)).StatusCode);
        clock.Advance(TimeSpan.FromDays(10));
        Assert.Throws<CryptographicException>(() => before.Sign(Body()));
        Assert.Single(Published(after));
    }

    [Fact]
    public void A_certificate_for_another_domain_or_without_its_key_keeps_the_server_from_starting()
    {
        Assert.Contains("is not for", Assert.ThrowsAny<Exception>(() => Load(authority.Issue(folder, "other.example", "rsa", "pem"))).Message, StringComparison.Ordinal);
        Assert.Contains("is not for", Assert.ThrowsAny<Exception>(() => Load(authority.Issue(folder, "*.vault.example", "rsa", "pem"))).Message, StringComparison.Ordinal);
        Assert.Contains("cannot be read", Assert.ThrowsAny<Exception>(() => Load(authority.Issue(folder, Domain, "rsa", "pem") with { KeyFile = null })).Message, StringComparison.Ordinal);
    }

    private OpenDsrVerifier Verifier(Func<X509Certificate2Collection> certificates)
    {
        var verifier = new OpenDsrVerifier(new OpenDsrVerifierOptions
        {
            Processors = [Domain], Certificates = (_, _) => Task.FromResult(certificates()), Roots = [authority.Root], Revocation = X509RevocationMode.NoCheck, Clock = clock,
        });
        var parse = verifier.Parse;
        verifier.Parse = OpenDsrStatus? (body) =>
        {
            parsed++;
            return parse(body);
        };
        return verifier;
    }

    private Task<OpenDsrVerdict> VerifyAsync(ProcessorCertificates certificates, byte[] body) =>
        Verifier(() => Published(certificates)).VerifyAsync(Domain, certificates.Sign(body), body, Own);

    private async Task<(int, string?)> VerdictAsync(ProcessorCertificates certificates, byte[] body) => await VerifyAsync(certificates, body) is var verdict ? (verdict.StatusCode, verdict.Problem) : default;

    private async Task<(int, string?)> VerdictAsync(ProcessorCertificates certificates, string domain, string signature, byte[] body)
    {
        var verdict = await Verifier(() => Published(certificates)).VerifyAsync(domain, signature, body, Own);
        return (verdict.StatusCode, verdict.Problem);
    }

    private static X509Certificate2Collection Published(ProcessorCertificates certificates)
    {
        var published = new X509Certificate2Collection();
        published.ImportFromPem(certificates.Published());
        Assert.All(published, certificate => Assert.False(certificate.HasPrivateKey));
        return published;
    }

    private ProcessorCertificates Load(params CertificateSetting[] certificates) => ProcessorCertificates.Load(
        OpenDsrBodyTests.Settings([("OpenDsr:Domain", Domain), .. certificates.SelectMany((one, index) => Named(one, index))]), folder, clock);

    private static IEnumerable<(string, string)> Named(CertificateSetting one, int index)
    {
        yield return ($"OpenDsr:Certificates:{index}:File", one.File);
        if (one.KeyFile is not null) yield return ($"OpenDsr:Certificates:{index}:KeyFile", one.KeyFile);
        if (one.Password is not null) yield return ($"OpenDsr:Certificates:{index}:Password", one.Password);
    }

    private static byte[] Body(string address = Own) => Encoding.UTF8.GetBytes(
        $$"""{"controller_id":"privacy-portal","expected_completion_time":"2031-03-09T00:00:00.000Z","status_callback_url":"{{address}}","subject_request_id":"a7551968-d5d6-44b2-9831-815ac9017798","request_status":"completed"}""");
}

/// <summary>Issues certificates, as a public authority would.</summary>
internal sealed class TestAuthority : IDisposable
{
    private readonly ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly DateTimeOffset now;
    private int serial;

    public TestAuthority(DateTimeOffset now)
    {
        this.now = now;
        var request = new CertificateRequest($"CN=Test authority {Guid.NewGuid():N}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        Root = request.CreateSelfSigned(now.AddYears(-1), now.AddYears(2));
    }

    public X509Certificate2 Root { get; }

    /// <summary>Files of a certificate as an operator has them.</summary>
    public CertificateSetting Issue(string folder, string domain, string kind, string form, int from = -1, int to = 90)
    {
        using var certificate = Make(domain, kind, from, to);
        var path = Path.Combine(folder, Guid.NewGuid().ToString("N"));
        if (form == "pkcs12")
        {
            File.WriteAllBytes(path + ".p12", certificate.Export(X509ContentType.Pkcs12, "a password"));
            return new CertificateSetting(path + ".p12", null, "a password");
        }

        using var rsa = certificate.GetRSAPrivateKey();
        using var ecdsa = certificate.GetECDsaPrivateKey();
        File.WriteAllText(path + ".pem", certificate.ExportCertificatePem() + "\n");
        File.WriteAllText(path + ".key", (rsa?.ExportPkcs8PrivateKeyPem() ?? ecdsa!.ExportPkcs8PrivateKeyPem()) + "\n");
        return new CertificateSetting(path + ".pem", path + ".key", null);
    }

    /// <summary>With its private key.</summary>
    public X509Certificate2 Make(string domain, string kind, int from = -1, int to = 90)
    {
        using var rsa = RSA.Create(2048);
        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = kind == "rsa" ? new CertificateRequest("CN=processor", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1) : new CertificateRequest("CN=processor", ecdsa, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(domain);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        var signer = X509SignatureGenerator.CreateForECDsa(key);
        using var bare = request.Create(Root.SubjectName, signer, now.AddDays(from), now.AddDays(to), [1, (byte)++serial]);
        return kind == "rsa" ? bare.CopyWithPrivateKey(rsa) : bare.CopyWithPrivateKey(ecdsa);
    }

    public void Dispose()
    {
        Root.Dispose();
        key.Dispose();
    }
}
