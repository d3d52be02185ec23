using Microsoft.AspNetCore.Http;

namespace DataVault.Issuer.Protocol;

/// <summary>Proofs that come with a request for tokens (RFC 9449 §5): each is taken once, by whichever process.</summary>
internal sealed class TokenProofs(DpopProofs proofs, UsedAssertions used, TimeProvider clock)
{
    /// <summary>The thumbprint of the key that the tokens are to be bound to, null for none; or an error code.</summary>
    public async Task<(string? Thumbprint, string? Error)> ReadAsync(HttpContext context)
    {
        var header = context.Request.Headers["DPoP"];
        if (header.Count == 0) return (null, null);
        if (header is not [{ } proof]) return (null, "invalid_dpop_proof");
        var check = proofs.Check(proof, context.Request.Method, context.Request.PathBase.Add(context.Request.Path).ToUriComponent(), null);
        if (check.Fault == ProofFault.NonceNeeded || check.IsNonceAged) context.Response.Headers["DPoP-Nonce"] = proofs.Nonce;
        if (check.Fault != ProofFault.None) return (null, check.Fault == ProofFault.NonceNeeded ? "use_dpop_nonce" : "invalid_dpop_proof");
        var until = clock.GetUtcNow() + DpopProofs.Life;
        return await used.TryUseAsync("proof", check.Thumbprint!, check.Id, until, context.RequestAborted) ? (check.Thumbprint, null) : (null, "invalid_dpop_proof");
    }
}
