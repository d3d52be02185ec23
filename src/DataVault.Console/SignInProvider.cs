using System.Security.Cryptography;
using DataVault.Client;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace DataVault.Console;

/// <summary>An OpenID Connect provider of somebody else at which people sign in to the console.</summary>
/// <param name="Issuer">Its issuer, word for word.</param>
/// <param name="ClientId">The console's id there.</param>
public sealed record SignInProvider(string Issuer, string ClientId)
{
    /// <summary>The console's secret there, if it proves itself by one.</summary>
    public string? Secret { get; init; }

    /// <summary>PEM of the private key by which it proves itself otherwise (<c>private_key_jwt</c>): EC P-256, or RSA.</summary>
    public string? PrivateKey { get; init; }

    /// <summary>What is asked for.</summary>
    public string Scopes { get; init; } = "openid offline_access";

    /// <summary>The API's name there, for providers that are told whom a token is for by RFC 8707.</summary>
    public string? Resource { get; init; }
}

/// <summary>Proves the console to a provider by its private key (RFC 7523 §2.2): a token made for one call, to one issuer.</summary>
internal sealed class ClientAssertion : IDisposable
{
    private static readonly TimeSpan s_life = TimeSpan.FromMinutes(1);
    private readonly AsymmetricAlgorithm _key;
    private readonly SigningCredentials _credentials;
    private readonly ConsoleOptions _options;
    private readonly SignInProvider _provider;
    private readonly TimeProvider _time;

    public ClientAssertion(SignInProvider provider, ConsoleOptions options, TimeProvider time)
    {
        (_provider, _options, _time) = (provider, options, time);
        (_key, _credentials) = Read(provider.PrivateKey!);
    }

    /// <summary>A fresh assertion.</summary>
    public string Make()
    {
        var id = new byte[16];
        _options.FillRandom(id);
        var now = _time.GetUtcNow().UtcDateTime;
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = _provider.ClientId,
            Audience = _provider.Issuer,
            IssuedAt = now,
            NotBefore = now,
            Expires = now + s_life,
            Claims = new Dictionary<string, object> { ["sub"] = _provider.ClientId, ["jti"] = Convert.ToHexStringLower(id) },
            SigningCredentials = _credentials,
        });
    }

    public void Dispose() => _key.Dispose();

    // The key is named by its thumbprint (RFC 7638), which is how a provider names one that was registered without a name.
    private static (AsymmetricAlgorithm Key, SigningCredentials Credentials) Read(string pem)
    {
        if (pem.Contains("RSA PRIVATE", StringComparison.Ordinal) || !TryEc(pem, out var ec))
        {
            var rsa = RSA.Create();
            rsa.ImportFromPem(pem);
            var rsaKey = new RsaSecurityKey(rsa);
            rsaKey.KeyId = Base64UrlEncoder.Encode(rsaKey.ComputeJwkThumbprint());
            return (rsa, new SigningCredentials(rsaKey, SecurityAlgorithms.RsaSsaPssSha256));
        }
        var key = new ECDsaSecurityKey(ec);
        key.KeyId = Base64UrlEncoder.Encode(key.ComputeJwkThumbprint());
        return (ec, new SigningCredentials(key, SecurityAlgorithms.EcdsaSha256));
    }

    private static bool TryEc(string pem, out ECDsa key)
    {
        key = ECDsa.Create();
        try
        {
            key.ImportFromPem(pem);
            return true;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            key.Dispose();
            return false;
        }
    }
}
