using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace DataVault.Server.Http;

/// <summary>Section <c>Limits</c> of the configuration.</summary>
internal sealed class LimitOptions
{
    /// <summary>Requests a second that one credential may make on average; five times as many in a burst.</summary>
    public int RequestsPerSecond { get; init; } = 2_000;

    /// <summary>The same for one address that shows no valid credential.</summary>
    public int AnonymousRequestsPerSecond { get; init; } = 100;

    /// <summary>Sign-ins and client secrets that may fail from one network within ten minutes before it has to wait, longer each time.</summary>
    public int FailedSignIns { get; init; } = 50;

    /// <summary>The same from everywhere together: from then on a network that fails at all has a tenth of the room.</summary>
    public int FailedSignInsOverall { get; init; } = 1_000;

    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>For batches and exports.</summary>
    public TimeSpan LongRequestTimeout { get; init; } = TimeSpan.FromMinutes(3);
}

/// <summary>Everything has a limit: sizes, times, rates.</summary>
internal static class Limits
{
    public const string Long = "long";
    private const int Burst = 5;

    // Calls refuse far less; a body up to this size is still read to its end and thrown away, so that its sender gets to see the answer.
    private const long LargestBodyReadOut = 16 * 1024 * 1024;

    public static void Apply(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        var limits = kestrel.Limits;
        limits.MaxRequestBodySize = LargestBodyReadOut;
        limits.MaxRequestHeaderCount = 64;
        limits.MaxRequestHeadersTotalSize = 24 * 1024;
        limits.MaxRequestLineSize = 8 * 1024;
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
        limits.KeepAliveTimeout = TimeSpan.FromMinutes(2);
        limits.MaxConcurrentConnections = 4_096;
    }

    /// <summary>Whose word about where a call comes from is taken: only these proxies', one after the other from the nearest.</summary>
    public static ForwardedHeadersOptions Forwarded(IReadOnlyList<System.Net.IPNetwork> proxies)
    {
        var forwarded = new ForwardedHeadersOptions { ForwardedHeaders = ForwardedHeaders.XForwardedFor, ForwardLimit = null };
        forwarded.KnownProxies.Clear();
        forwarded.KnownIPNetworks.Clear();
        foreach (var proxy in proxies)
            forwarded.KnownIPNetworks.Add(proxy);
        return forwarded;
    }

    public static void Apply(RequestTimeoutOptions timeouts, LimitOptions options)
    {
        timeouts.DefaultPolicy = Policy(options.RequestTimeout);
        timeouts.AddPolicy(Long, Policy(options.LongRequestTimeout));
    }

    public static void Apply(RateLimiterOptions limiter, LimitOptions options)
    {
        limiter.GlobalLimiter = PartitionedRateLimiter.Create<HttpContext, string>(context => Partition(context, options));
        limiter.OnRejected = (rejected, _) => new ValueTask(Problems.WriteAsync(
            rejected.HttpContext,
            "rate-limited",
            retryAfter: rejected.Lease.TryGetMetadata(MetadataName.RetryAfter, out var wait) ? wait : null));
    }

    private static RequestTimeoutPolicy Policy(TimeSpan timeout) => new()
    {
        Timeout = timeout,
        WriteTimeoutResponse = context => context.Response.HasStarted ? Task.CompletedTask : Problems.WriteAsync(context, "timeout"),
    };

    private static RateLimitPartition<string> Partition(HttpContext context, LimitOptions options)
    {
        if (context.Request.Path.StartsWithSegments("/health"))
            return RateLimitPartition.GetNoLimiter("");
        return Caller.Find(context) is { } caller
            ? RateLimitPartition.GetTokenBucketLimiter(caller.Id, _ => Bucket(options.RequestsPerSecond))
            : RateLimitPartition.GetTokenBucketLimiter($"@{context.Connection.RemoteIpAddress}", _ => Bucket(options.AnonymousRequestsPerSecond));
    }

    private static TokenBucketRateLimiterOptions Bucket(int perSecond) => new()
    {
        TokenLimit = perSecond * Burst,
        TokensPerPeriod = Math.Max(1, perSecond / 10),
        ReplenishmentPeriod = TimeSpan.FromMilliseconds(100),
        QueueLimit = 0,
    };
}
