namespace DataVault.Server.OpenDsr;

/// <summary>Addresses that others than the endpoints need.</summary>
internal static class OpenDsrPaths
{
    /// <summary>For everybody: a certificate is no secret, and a receiver verifies with it before it trusts anything.</summary>
    public const string Certificate = "/opendsr/certificate.pem";

    /// <summary>What requests were called before, and by implementers of that time.</summary>
    public static IReadOnlyList<string> FormerNames { get; } = ["opendsr_requests", "opengdpr_requests"];
}
