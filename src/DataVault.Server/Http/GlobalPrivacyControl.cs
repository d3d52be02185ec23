using DataVault.Policy;
using DataVault.Vault;
using Microsoft.Extensions.Primitives;

namespace DataVault.Server.Http;

/// <summary>
/// The signal of a browser that its user does not want their data sold or shared (W3C Global Privacy Control). A customer's own request that bears it is
/// their objection, in force before the request is answered.
/// </summary>
internal static class GlobalPrivacyControl
{
    public const string Header = "Sec-GPC";
    private const string Path = "/.well-known/gpc.json";

    /// <summary>SPEC gpc "The Sec-GPC Header Field": only the value 1 says anything. Of several lines one is enough, also when a proxy has joined them.</summary>
    public static bool IsSet(StringValues lines) => lines.Any(line => line is not null && line.Split(',').Any(value => value.Trim(' ', '\t') == "1"));

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet(Path, AnswerAsync).ExcludeFromDescription();

    /// <summary>After the caller is known and permitted, before anything is decided.</summary>
    public static async Task HonourAsync(HttpContext context, RequestDelegate next)
    {
        if (context.Request.Headers.TryGetValue(Header, out var lines) && IsSet(lines) && Caller.Find(context) is { Kind: RecipientKind.Customer } caller)
            await context.RequestServices.GetRequiredService<PrivacySignals>().HonourAsync(caller, RequestIdentity.Of(context), context.RequestAborted);
        await next(context);
    }

    private static Task AnswerAsync(HttpContext context, PrivacySignals signals) =>
        Answer.JsonAsync(context, new SupportResource(signals.IsHeard, signals.Since?.ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture)));

    private sealed record SupportResource(bool Gpc, string? LastUpdate);
}
