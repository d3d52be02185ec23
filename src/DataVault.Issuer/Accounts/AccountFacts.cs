using DataVault.Issuer.Storage;
using Npgsql;

namespace DataVault.Issuer.Accounts;

/// <summary>What sessions and tokens need of an account, read in one go.</summary>
internal sealed record AccountFacts(
    Guid Id, Realm Realm, string[] Roles, Guid? SubjectId, string SecurityStamp, DateTimeOffset? LockoutEnd, bool MustChangePassword)
{
    /// <summary>For queries that join <c>issuer.account a</c>; <see cref="Read"/> expects them at the given column.</summary>
    public const string Columns = "a.id, a.realm, a.roles, a.subject_id, a.security_stamp, a.lockout_end, a.one_time_until IS NOT NULL";

    public string DisplayName => string.Join(", ", Roles);

    public bool IsDisabled(DateTimeOffset now) => LockoutEnd > now;

    public static AccountFacts Of(Account a) =>
        new(a.Id, a.Realm, a.Roles, a.SubjectId, a.SecurityStamp!, a.LockoutEnd, a.OneTimeUntil is not null);

    public static AccountFacts Read(NpgsqlDataReader r, int at = 0) => new(
        r.GetGuid(at),
        RealmNames.TryParse(r.GetString(at + 1), out var realm) ? realm : throw new InvalidOperationException("Unknown realm in the account table."),
        (string[])r[at + 2],
        r.Optional<Guid>(at + 3),
        r.GetString(at + 4),
        r.Optional<DateTimeOffset>(at + 5),
        r.GetBoolean(at + 6));
}
