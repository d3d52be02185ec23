using System.Globalization;
using DataVault.Issuer;
using DataVault.Policy;

namespace DataVault.Server.Http;

/// <summary>
/// Acts that want somebody to show again who they are (RFC 9470): a sign-in with two factors, not older than <see cref="ServerSettings.StepUpAge"/>. The answer says which,
/// so that a client can send the person to sign in and come back to the act.
/// </summary>
internal static class StepUp
{
    public const string Slug = "sign-in-again";
    private const int Assurance = 2;

    public static async Task CheckAsync(HttpContext context, Endpoint? endpoint, Recipient caller)
    {
        if (endpoint?.Metadata.GetMetadata<AccessRule>() is not { NeedsFreshSignIn: true } || caller.Kind != RecipientKind.Staff)
            return;
        var now = context.RequestServices.GetRequiredService<TimeProvider>().GetUtcNow();
        if (Caller.TokenOf(context) is { } token && IsEnough(token, now - AgeOf(context)))
            return;
        await Authorisation.RecordDenialAsync(context, caller, null);
        throw new ProblemException(Slug);
    }

    /// <summary>SPEC rfc9470 §3.</summary>
    public static void Challenge(HttpContext context)
    {
        var scheme = Caller.TokenOf(context)?.KeyThumbprint is null ? "Bearer" : "DPoP";
        context.Response.Headers.WWWAuthenticate = string.Create(
            CultureInfo.InvariantCulture,
            $"{scheme} error=\"insufficient_user_authentication\", error_description=\"A sign-in with two factors is needed that is not older.\", acr_values=\"{Assurance}\", max_age=\"{(long)AgeOf(context).TotalSeconds}\"");
    }

    internal static bool IsEnough(ValidatedToken token, DateTimeOffset oldest) => token.Assurance >= Assurance && token.AuthenticatedAt >= oldest;

    private static TimeSpan AgeOf(HttpContext context) => context.RequestServices.GetRequiredService<ServerSettings>().StepUpAge;
}
