using DataVault.Vault;

namespace DataVault.Server.Http;

/// <summary>Headers of every answer: what browsers may do with it, the request's id, and the newest signed checkpoint of the log.</summary>
internal static class ResponseHeaders
{
    private const string Closed = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    private const string Pages =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
        + "form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

    // The documentation page's own script sets inline styles; it loads nothing from elsewhere.
    private const string Documentation =
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'";

    // Passkeys are the only thing of a person's device that a page of ours may ask for.
    private const string NoDevices =
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), "
        + "publickey-credentials-get=(self), publickey-credentials-create=(self), screen-wake-lock=(), usb=(), xr-spatial-tracking=()";

    private static (long Size, string Text) s_checkpoint = (-1, "");

    public static void Apply(HttpContext context)
    {
        var path = context.Request.Path;
        var headers = context.Response.Headers;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Permissions-Policy"] = NoDevices;
        headers["X-Request-Id"] = RequestIdentity.Of(context).ToString("D");
        headers.ContentSecurityPolicy = PolicyOf(path);
        // Behind a proxy that ends TLS the call itself is plain, and the address that people use is not.
        if (context.Request.IsHttps || IsSecure(context))
            headers.StrictTransportSecurity = "max-age=31536000; includeSubDomains";
        if (IsApi(path) || path.StartsWithSegments("/connect"))
            headers.CacheControl = "no-store";
        if (CheckpointOf(context) is { } checkpoint)
            headers["Audit-Checkpoint"] = checkpoint;
    }

    private static bool IsSecure(HttpContext context) =>
        context.RequestServices.GetRequiredService<ServerSettings>().Address.StartsWith("https://", StringComparison.Ordinal);

    public static bool IsApi(PathString path) => path.StartsWithSegments("/v1");

    private static string PolicyOf(PathString path) =>
        path.StartsWithSegments("/docs") ? Documentation
        : path.StartsWithSegments("/console") || path.StartsWithSegments("/account") || path.StartsWithSegments("/connect") ? Pages
        : Closed;

    private static string? CheckpointOf(HttpContext context)
    {
        if (context.RequestServices.GetRequiredService<AuditReader>().LatestSigned is not { } signed)
            return null;
        var cached = s_checkpoint;
        if (cached.Size == signed.Size)
            return cached.Text;
        var text = $"{signed.Size};{signed.Root64}";
        s_checkpoint = (signed.Size, text);
        return text;
    }
}
