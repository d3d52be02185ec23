namespace DataVault.Issuer;

/// <summary>Settings of the issuer. Lifetimes err on the short side: a stolen token should be stale before it is used.</summary>
public sealed class IssuerOptions
{
    /// <summary>Value of <c>aud</c> in every access token for the vault's API.</summary>
    public const string Audience = "datavault";

    /// <summary>Role of a data subject's own account.</summary>
    public const string CustomerRole = "customer";

    /// <summary>Connection string of the database that holds the <c>issuer</c> schema; the login is a member of <c>dv_issuer</c>.</summary>
    public required string Connection { get; init; }

    /// <summary>Public address without a trailing slash, for example <c>https://vault.example</c>. It is the <c>iss</c> of every token.</summary>
    public required string Issuer { get; set; }

    /// <summary>Development may create accounts whose first password lasts.</summary>
    public bool Development { get; init; }

    public TimeSpan AccessTokenLifetime { get; init; } = TimeSpan.FromMinutes(5);
    public TimeSpan CodeLifetime { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>A refresh token that is not used for this long is dead.</summary>
    public TimeSpan RefreshIdle { get; init; } = TimeSpan.FromHours(2);

    /// <summary>A browser session that is not used for this long is dead.</summary>
    public TimeSpan SessionIdle { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>Sessions, and refresh token families, end this long after the sign-in whatever happens.</summary>
    public TimeSpan SessionLifetime { get; init; } = TimeSpan.FromHours(12);

    /// <summary>How long a one-time password can be used.</summary>
    public TimeSpan OneTimePasswordLifetime { get; init; } = TimeSpan.FromDays(7);

    /// <summary>How long a signing key signs; its successor is published <see cref="SigningKeyOverlap"/> earlier.</summary>
    public TimeSpan SigningKeyLifetime { get; init; } = TimeSpan.FromDays(30);

    /// <summary>How long a key is published before it signs, and after it has stopped.</summary>
    public TimeSpan SigningKeyOverlap { get; init; } = TimeSpan.FromDays(1);

    /// <summary>How long a client's former secret still works after a rotation.</summary>
    public TimeSpan SecretOverlap { get; init; } = TimeSpan.FromHours(24);

    /// <summary>PBKDF2-HMAC-SHA512 iterations. 600,000 costs about half a second of one core; only tests go lower.</summary>
    public int PasswordIterations { get; init; } = 600_000;

    /// <summary>File of breached passwords by their SHA-1, as Have I Been Pwned's downloader writes it; null for the built-in rules alone.</summary>
    public string? BreachedPasswords { get; init; }

    /// <summary>Wrong passwords for one address before it is locked for <see cref="LockoutPeriod"/>.</summary>
    public int SignInAttempts { get; init; } = 5;

    public TimeSpan LockoutPeriod { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>Password hashes computed at the same time; further sign-ins wait.</summary>
    public int ConcurrentPasswordChecks { get; init; } = Math.Max(1, Environment.ProcessorCount);

    /// <summary>How long an accepted access token is remembered, so that the next call need not verify its signature again.</summary>
    public TimeSpan ValidationCache { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a revocation made by another process may go unnoticed.</summary>
    public TimeSpan RevocationDelay { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How e-mail leaves the vault; null where it cannot, and people cannot change their address.</summary>
    public MailRoute? Mail { get; init; }

    /// <summary>Providers of others whose access tokens the API accepts.</summary>
    public IReadOnlyList<OutsideAuthority> Authorities { get; init; } = [];

    /// <summary>Whether the API accepts this issuer's own tokens: not where a company's provider has taken its place.</summary>
    public bool OwnTokens { get; init; } = true;

    /// <summary>Purposes of a customer's own token.</summary>
    public IReadOnlyList<string> CustomerPurposes { get; init; } = ["data-subject-rights"];

    internal bool Secure => Issuer.StartsWith("https://", StringComparison.Ordinal);
}
