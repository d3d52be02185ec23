using Microsoft.AspNetCore.Http;

namespace DataVault.Issuer;

/// <summary>What a call showed.</summary>
/// <param name="Token">The token, if it and its proof are acceptable.</param>
/// <param name="Error">What to say of a token that was not: an error code of RFC 6750 or RFC 9449; null when none was shown.</param>
/// <param name="IsProof">The error concerns the scheme <c>DPoP</c>.</param>
/// <param name="Nonce">What the next proof is to repeat, if the one that came does not.</param>
public readonly record struct Presented(ValidatedToken? Token, string? Error, bool IsProof, string? Nonce)
{
    private static string Algorithms { get; } = string.Join(' ', DpopProofs.Algorithms);

    /// <summary>Tells a call that is refused what it should have shown.</summary>
    public void Challenge(HttpResponse response)
    {
        response.Headers.WWWAuthenticate = IsProof
            ? new[] { $"DPoP error=\"{Error}\", algs=\"{Algorithms}\"" }
            : new[] { Error is null ? "Bearer realm=\"datavault\"" : $"Bearer realm=\"datavault\", error=\"{Error}\"", $"DPoP algs=\"{Algorithms}\"" };
        if (Nonce is not null) response.Headers["DPoP-Nonce"] = Nonce;
    }
}

/// <summary>
/// Takes the access token of a call: <c>Authorization: Bearer</c> (RFC 6750 §2.1; tokens in a query or a form are not taken) for tokens of whoever holds them,
/// <c>Authorization: DPoP</c> with a proof (RFC 9449 §7) for those bound to a key. Neither is taken for the other.
/// </summary>
public sealed class PresentedTokens(IAccessTokenValidator validator, DpopProofs proofs)
{
    private const int Longest = 8 * 1024;
    private const string BearerScheme = "Bearer ";
    private const string ProofScheme = "DPoP ";

    public async ValueTask<Presented> ReadAsync(HttpContext context)
    {
        var header = context.Request.Headers.Authorization;
        if (header.Count == 0) return default;
        if (header.Count != 1 || header[0] is not { Length: < Longest } text) return Refused("invalid_request", false);
        if (text.StartsWith(ProofScheme, StringComparison.OrdinalIgnoreCase)) return await ProvenAsync(context, text[ProofScheme.Length..].Trim());
        if (!text.StartsWith(BearerScheme, StringComparison.OrdinalIgnoreCase)) return default;
        var token = await validator.ValidateAsync(text[BearerScheme.Length..].Trim(), context.RequestAborted);
        return token is { KeyThumbprint: null } ? new Presented(token, null, false, null) : Refused("invalid_token", false);
    }

    private async ValueTask<Presented> ProvenAsync(HttpContext context, string text)
    {
        if (await validator.ValidateAsync(text, context.RequestAborted) is not { KeyThumbprint: { } bound } token) return Refused("invalid_token", true);
        if (context.Request.Headers["DPoP"] is not [{ } proof]) return Refused("invalid_dpop_proof", true);
        var check = proofs.Check(proof, context.Request.Method, context.Request.PathBase.Add(context.Request.Path).ToUriComponent(), text);
        if (check.IsNonceAged) context.Response.Headers["DPoP-Nonce"] = proofs.Nonce;
        return check.Fault switch
        {
            ProofFault.NonceNeeded => new Presented(null, "use_dpop_nonce", true, proofs.Nonce),
            ProofFault.Invalid => Refused("invalid_dpop_proof", true),
            _ => check.Thumbprint == bound ? new Presented(token, null, true, null) : Refused("invalid_token", true),
        };
    }

    private static Presented Refused(string error, bool isProof) => new(null, error, isProof, null);
}
