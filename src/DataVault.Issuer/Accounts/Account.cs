using Microsoft.AspNetCore.Identity;

namespace DataVault.Issuer.Accounts;

/// <summary>
/// A person's account. Its <c>UserName</c> is a keyed hash of realm and address (<see cref="Keys.IssuerSecrets.Handle"/>), so that it can be
/// found by the address without holding it; the address itself is sealed.
/// </summary>
internal sealed class Account : IdentityUser<Guid>
{
    public Realm Realm { get; set; }
    public string[] Roles { get; set; } = [];

    /// <summary>The vault's customer id, in the customer realm.</summary>
    public Guid? SubjectId { get; set; }

    public byte[] EmailSealed { get; set; } = [];

    /// <summary>Set while the password is a one-time one: it works until then, and only to choose another.</summary>
    public DateTimeOffset? OneTimeUntil { get; set; }

    /// <summary>Secret of the authenticator app, sealed; null while there is none.</summary>
    public byte[]? CodeSecretSealed { get; set; }

    /// <summary>Step of the last code that was taken: none before it works again.</summary>
    public long? CodeStep { get; set; }

    /// <summary>SHA-256 of each recovery code that is left, one after the other.</summary>
    public byte[]? RecoveryHashes { get; set; }

    /// <summary>Ids of those who reset the password, until its owner has chosen one (<see cref="TwoPeople"/>).</summary>
    public string[] PasswordResetBy { get; set; } = [];

    /// <summary>Ids of those who took the second factor away, until its owner has set one up.</summary>
    public string[] FactorResetBy { get; set; } = [];

    public DateTimeOffset CreatedAt { get; set; }

    /// <summary><see cref="Keys.RowSeals"/>.</summary>
    public byte[]? Seal { get; set; }

    /// <summary>What tokens and the log call this person: the role, never a name.</summary>
    public string DisplayName => string.Join(", ", Roles);

    /// <summary>What <see cref="EmailSealed"/> is sealed under.</summary>
    public static string EmailContext(Guid id) => $"account/{id:N}/email";

    public bool IsDisabled(DateTimeOffset now) => LockoutEnd > now;
}
