using DataVault.Issuer.Keys;
using DataVault.Issuer.Storage;
using Npgsql;

namespace DataVault.Issuer.Accounts;

/// <summary>What sessions and tokens need of an account, read in one go.</summary>
/// <param name="Id">Account id.</param>
/// <param name="Realm">Whose it is.</param>
/// <param name="Roles">Of the policy.</param>
/// <param name="SubjectId">The vault's customer id, in the customer realm.</param>
/// <param name="SecurityStamp">Another one ends what was begun before.</param>
/// <param name="LockoutEnd">Far in the future while it is switched off.</param>
/// <param name="MustChangePassword">The password is a one-time one.</param>
/// <param name="HasSecondFactor">A second factor was set up, and none but an administrator takes it away.</param>
/// <param name="HasCodes">An authenticator app is one.</param>
/// <param name="RecoveryCodes">How many are left.</param>
internal sealed record AccountFacts(
    Guid Id, Realm Realm, string[] Roles, Guid? SubjectId, string SecurityStamp, DateTimeOffset? LockoutEnd, bool MustChangePassword,
    bool HasSecondFactor, bool HasCodes, int RecoveryCodes)
{
    /// <summary>For queries that join <c>issuer.account a</c>; <see cref="Read"/> expects them at the given column.</summary>
    public const string Columns =
        "a.id, a.user_name, a.handle, a.realm, a.roles, a.subject_id, a.password_hash, a.one_time_until, a.security_stamp, a.lockout_end, a.email_sealed, "
        + "a.two_factor_enabled, a.code_secret_sealed, a.code_step, a.recovery_hashes, a.seal, a.password_reset_by, a.factor_reset_by";

    /// <summary>Least assurance of a session that is more than on its way: two factors for staff, and for whoever has two.</summary>
    public int RequiredAssurance => Realm == Realm.Staff || HasSecondFactor ? SignInProof.TwoFactors : SignInProof.OneFactor;

    /// <summary>What the row has reached (<see cref="RowSeals"/>).</summary>
    public long Version { get; init; }

    public string DisplayName => string.Join(", ", Roles);

    public bool IsDisabled(DateTimeOffset now) => LockoutEnd > now;

    public static AccountFacts Of(Account a) =>
        new(
        a.Id, a.Realm, a.Roles, a.SubjectId, a.SecurityStamp!, a.LockoutEnd, a.OneTimeUntil is not null, a.TwoFactorEnabled, a.CodeSecretSealed is not null,
        RecoveryCode.CountIn(a.RecoveryHashes))
        { Version = RowSeals.VersionIn(a.Seal) };

    /// <summary>Null when the account is not as the vault wrote it.</summary>
    public static AccountFacts? Read(NpgsqlDataReader r, RowSeals seals, int at = 0) => Row(r, at) is var account && seals.Hold(account) ? Of(account) : null;

    /// <summary>The columns as they stand.</summary>
    public static Account Row(NpgsqlDataReader r, int at = 0) => new()
    {
        Id = r.GetGuid(at),
        UserName = r.GetString(at + 1),
        NormalizedUserName = r.GetString(at + 2),
        Realm = RealmNames.TryParse(r.GetString(at + 3), out var realm) ? realm : throw new InvalidOperationException("Unknown realm in the account table."),
        Roles = (string[])r[at + 4],
        SubjectId = r.Optional<Guid>(at + 5),
        PasswordHash = r.OptionalReference<string>(at + 6),
        OneTimeUntil = r.Optional<DateTimeOffset>(at + 7),
        SecurityStamp = r.OptionalReference<string>(at + 8),
        LockoutEnd = r.Optional<DateTimeOffset>(at + 9),
        EmailSealed = (byte[])r[at + 10],
        TwoFactorEnabled = r.GetBoolean(at + 11),
        CodeSecretSealed = r.OptionalReference<byte[]>(at + 12),
        CodeStep = r.Optional<long>(at + 13),
        RecoveryHashes = r.OptionalReference<byte[]>(at + 14),
        Seal = r.OptionalReference<byte[]>(at + 15),
        PasswordResetBy = (string[])r[at + 16],
        FactorResetBy = (string[])r[at + 17],
    };
}
