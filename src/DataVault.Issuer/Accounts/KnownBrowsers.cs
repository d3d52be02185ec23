using System.Security.Cryptography;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;

namespace DataVault.Issuer.Accounts;

/// <summary>
/// Browsers in which somebody has signed in before, by a cookie that names the account: what fails elsewhere in their network is not held against them. It lets nobody
/// in and spares nobody the password; whoever makes one by an account of their own has, with that account, one more place to fail from.
/// </summary>
public sealed class KnownBrowsers
{
    private static readonly TimeSpan Kept = TimeSpan.FromDays(180);
    private readonly IDataProtector protector;
    private readonly bool secure;

    internal KnownBrowsers(IDataProtectionProvider protection, IssuerOptions options) =>
        (protector, secure) = (protection.CreateProtector("known-browser"), options.Secure);

    private string CookieName => secure ? "__Host-vault-known" : "vault-known";

    /// <summary>The account with which somebody signed in here before; null when there is none that the vault wrote down.</summary>
    public Guid? AccountOf(HttpContext context)
    {
        if (context.Request.Cookies[CookieName] is not { Length: > 0 and <= 512 } value) return null;
        try
        {
            return Guid.TryParseExact(protector.Unprotect(value), "N", out var account) ? account : null;
        }
        catch (CryptographicException)
        {
            // Made by somebody else, or under a key that is gone: a browser like any other.
            return null;
        }
    }

    internal void Remember(HttpContext context, Guid account) => context.Response.Cookies.Append(
        CookieName,
        protector.Protect(account.ToString("N")),
        new CookieOptions { HttpOnly = true, Secure = secure, SameSite = SameSiteMode.Lax, Path = "/", IsEssential = true, MaxAge = Kept });
}
