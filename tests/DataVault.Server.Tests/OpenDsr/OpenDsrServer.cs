using System.Collections.Concurrent;
using System.Security.Cryptography.X509Certificates;
using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Server.Tests.Outbound;
using DataVault.Testing;
using Microsoft.AspNetCore.Http;

namespace DataVault.Server.Tests.OpenDsr;

/// <summary>A vault that is a processor, and a controller with a server of its own, which verifies what it is told as a customer's application does.</summary>
public sealed class OpenDsrServer : IAsyncLifetime
{
    internal const string Controller = "privacy-portal";
    private readonly string folder = Directory.CreateTempSubdirectory("opendsr-").FullName;
    private readonly TestAuthority authority = new(TimeProvider.System.GetUtcNow());
    private readonly ConcurrentQueue<(OpenDsrVerdict Verdict, string Body)> received = [];
    private X509Certificate2? certificate;
    private StandIn? controller;
    private OpenDsrVerifier? verifier;
    private int failures = 1;

    public RunningServer Server { get; } = new();

    internal string Callback => $"https://localhost:{new Uri(controller!.Address).Port}/opendsr?of=shop";

    internal IReadOnlyList<(OpenDsrVerdict Verdict, string Body)> Received => [.. received];

    public async ValueTask InitializeAsync()
    {
        certificate = X509CertificateLoader.LoadPkcs12(authority.Make("localhost", "ecdsa").Export(X509ContentType.Pkcs12), null);
        controller = await StandIn.StartAsync(AnswerAsync, certificate);
        var roots = Path.Combine(folder, "roots.pem");
        await File.WriteAllTextAsync(roots, authority.Root.ExportCertificatePem());
        Server.Attach(await ServerProcess.StartAsync(new Dictionary<string, string>
        {
            ["OpenDsr__CallbackRoots"] = roots, ["OpenDsr__CallbackNetworks"] = "127.0.0.0/8 ::1/128", ["OpenDsr__UnknownAfter"] = "00:00:02", ["OpenDsr__AnswerAfter"] = "00:00:00.200",
        }));
        // The one of Development signs for itself, and so is its own root.
        var published = await CertificatesAsync("localhost", default);
        verifier = new OpenDsrVerifier(new OpenDsrVerifierOptions { Processors = ["localhost"], Certificates = CertificatesAsync, Roots = published, Revocation = X509RevocationMode.NoCheck });
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        if (controller is not null) await controller.DisposeAsync();
        certificate?.Dispose();
        authority.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    internal async Task<X509Certificate2Collection> CertificatesAsync(string domain, CancellationToken cancellation)
    {
        var certificates = new X509Certificate2Collection();
        certificates.ImportFromPem(await Server.Http.GetStringAsync("/opendsr/certificate.pem", cancellation));
        return certificates;
    }

    internal IEnumerable<OpenDsrStatus> Told(Guid id) => Received.Select(one => one.Verdict.Status).OfType<OpenDsrStatus>().Where(status => status.SubjectRequestId == id.ToString("D"));

    // The first call of all finds the controller busy.
    private async Task AnswerAsync(HttpContext context)
    {
        var body = await StandIn.BodyAsync(context);
        if (Interlocked.Decrement(ref failures) == 0)
        {
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return;
        }

        var headers = context.Request.Headers;
        var verdict = await verifier!.VerifyAsync(headers[OpenDsrVerifier.DomainHeader], headers[OpenDsrVerifier.SignatureHeader], body, Callback);
        received.Enqueue((verdict, System.Text.Encoding.UTF8.GetString(body)));
        context.Response.StatusCode = verdict.StatusCode;
    }
}
