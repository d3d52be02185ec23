using DataVault.Server.Http;

namespace DataVault.Server.Operations;

/// <summary>Metrics for a scraper on this machine. Through a proxy they are not to be had: counts of refusals tell an attacker how far he is.</summary>
internal static class MetricsPage
{
    public static Task AnswerAsync(HttpContext context)
    {
        var isLocal = context.Connection.RemoteIpAddress is { } address && System.Net.IPAddress.IsLoopback(address) && !context.Request.Headers.ContainsKey("X-Forwarded-For");
        var isPermitted = isLocal || context.RequestServices.GetRequiredService<ServerSettings>().MetricsForAll;
        if (!isPermitted)
            throw new ProblemException("not-found");
        context.Response.Headers.CacheControl = "no-store";
        return Answer.TextAsync(context, context.RequestServices.GetRequiredService<Telemetry>().Scrape(), "text/plain; version=0.0.4; charset=utf-8");
    }
}

/// <summary>The page that a problem's type leads to.</summary>
internal static class ProblemPages
{
    public static Task AnswerAsync(HttpContext context)
    {
        var slug = (string)context.Request.RouteValues["slug"]!;
        return Problems.Catalogue.TryGetValue(slug, out var problem)
            ? Answer.TextAsync(context, $"{slug} ({problem.Status})\n\n{problem.Advice}\n")
            : throw new ProblemException("not-found");
    }
}
