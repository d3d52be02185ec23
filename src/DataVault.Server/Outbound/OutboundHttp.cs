using System.Security.Cryptography.X509Certificates;
using System.Text;
using DataVault.Vault;

namespace DataVault.Server.Outbound;

/// <summary>What every worker of rounds needs of its surroundings.</summary>
internal sealed record RoundsContext(TimeProvider Clock, ILogger Logger);

/// <summary>Calls to servers of others.</summary>
internal static class OutboundHttp
{
    private const int LongestAnswer = 64 * 1024;

    /// <summary>Follows no redirect and keeps no cookie: the log goes to the configured address and nowhere else.</summary>
    public static HttpMessageInvoker Connect() => new(Handler());

    /// <summary>The same to addresses that somebody outside chose: to public ones alone, past every proxy, which would resolve the name anew.</summary>
    /// <param name="addresses">Which those are.</param>
    /// <param name="roots">Roots that certificates must lead to; none for those of the machine.</param>
    public static HttpMessageInvoker Connect(PublicAddresses addresses, X509Certificate2Collection roots)
    {
        var handler = Handler();
        handler.UseProxy = false;
        handler.ConnectCallback = addresses.ConnectAsync;
        if (roots.Count > 0)
        {
            var policy = new X509ChainPolicy { RevocationMode = X509RevocationMode.NoCheck, TrustMode = X509ChainTrustMode.CustomRootTrust };
            policy.CustomTrustStore.AddRange(roots);
            handler.SslOptions.CertificateChainPolicy = policy;
        }

        return new HttpMessageInvoker(handler);
    }

    private static SocketsHttpHandler Handler() => new()
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectTimeout = TimeSpan.FromSeconds(5),
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    };

    /// <summary>The answer's text, or its beginning: a strange server must not fill our memory.</summary>
    public static async Task<string> ReadAsync(HttpContent content, CancellationToken cancellation) =>
        Encoding.UTF8.GetString(await ReadBytesAsync(content, cancellation));

    /// <inheritdoc cref="ReadAsync"/>
    public static async Task<byte[]> ReadBytesAsync(HttpContent content, CancellationToken cancellation)
    {
        await using var stream = await content.ReadAsStreamAsync(cancellation);
        var buffer = new byte[LongestAnswer];
        var read = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellation);
        return buffer[..read];
    }

    /// <summary>Puts those into the host whom the configuration names.</summary>
    public static void AddOutbound(this IServiceCollection services, OutboundOptions options)
    {
        services.AddSingleton<OutboundState>().AddSingleton(options).AddSingleton(_ => Connect()).AddSingleton(p => new OcsfEvents(p.GetRequiredService<AuditReader>().Origin));
        if (options.Witnesses.Count > 0)
            services.AddHostedService(p => new WitnessRounds(
                options, p.GetRequiredService<HttpMessageInvoker>(), p.GetRequiredService<LogAnchors>(), p.GetRequiredService<AuditReader>(), p.GetRequiredService<OutboundState>(), Context<WitnessRounds>(p)));
        if (options.Timestamp is { } timestamp)
            services.AddHostedService(p => new TimestampRounds(
                timestamp, p.GetRequiredService<HttpMessageInvoker>(), p.GetRequiredService<LogAnchors>(), p.GetRequiredService<AuditReader>(), p.GetRequiredService<OutboundState>(), Context<TimestampRounds>(p)));
        if (options.Export?.File is { } file)
            services.AddSingleton<IHostedService>(p => Export(p, home => new FileSink(file, home)));
        if (options.Export?.Http is { } http)
            services.AddSingleton<IHostedService>(p => Export(p, home => new HttpSink(http, home, p.GetRequiredService<HttpMessageInvoker>(), p.GetRequiredService<AuditReader>().Origin)));
    }

    private static LogExport Export(IServiceProvider p, Func<string, ISink> sink) => new(
        sink(p.GetRequiredService<ServerSettings>().Home), p.GetRequiredService<OcsfEvents>(), p.GetRequiredService<LogAnchors>(), p.GetRequiredService<OutboundState>(), Context<LogExport>(p));

    private static RoundsContext Context<T>(IServiceProvider p) => new(p.GetRequiredService<TimeProvider>(), p.GetRequiredService<ILogger<T>>());
}
