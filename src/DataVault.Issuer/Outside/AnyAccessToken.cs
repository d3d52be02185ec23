using DataVault.Issuer.Tokens;
using Microsoft.IdentityModel.JsonWebTokens;

namespace DataVault.Issuer.Outside;

/// <summary>
/// Accepts the access tokens of several issuers. Which one a token is judged by follows from its <c>iss</c> alone, and no other is tried: one provider's key never
/// vouches for what another is said to have written.
/// </summary>
internal sealed class AnyAccessToken(
    AccessTokenValidator own, IReadOnlyList<OutsideTokens> outside, Revocations revocations, IssuerOptions options, TimeProvider clock) : IAccessTokenValidator
{
    private readonly AcceptedTokens accepted = new(clock);

    public async ValueTask<ValidatedToken?> ValidateAsync(string token, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(token) || token.Length > OutsideTokens.LongestToken) return null;
        var hash = TokenHash.Of(token);
        if (accepted.Find(hash) is { } known) return await StandsAsync(known, cancellationToken) ? known : null;
        if (Parse(token) is not { } unverified) return null;
        if (outside.FirstOrDefault(one => one.Issuer == unverified.Issuer) is not { } issuer)
            return options.OwnTokens ? await own.ValidateAsync(token, cancellationToken) : null;
        if (await issuer.ReadAsync(unverified, cancellationToken) is not { } validated || !await StandsAsync(validated, cancellationToken)) return null;
        accepted.Add(hash, validated, options.ValidationCache);
        return validated;
    }

    private async ValueTask<bool> StandsAsync(ValidatedToken token, CancellationToken cancellationToken) =>
        token.ExpiresAt + AccessTokenValidator.ClockSkew > clock.GetUtcNow() && !await revocations.IsRevokedAsync(token, cancellationToken);

    private static JsonWebToken? Parse(string token)
    {
        try
        {
            return new JsonWebToken(token);
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            return null;
        }
    }
}
