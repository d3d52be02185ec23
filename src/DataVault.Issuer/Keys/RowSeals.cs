using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Issuer.Accounts;
using DataVault.Issuer.Clients;
using DataVault.Issuer.Outside;
using DataVault.Issuer.Protocol;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Logging;

namespace DataVault.Issuer.Keys;

/// <summary>
/// A MAC over each row that decides who somebody is and what they may do, under a key of the vault: whoever can only write into the database makes no client,
/// no account, no session and no token of their own, and none of theirs into somebody else's.
/// </summary>
/// <remarks>
/// HMAC-SHA-256(key, table ‖ columns), every part with its kind and length before it. A column that came later (<see cref="Later"/>) follows with its name, unless
/// it holds what every row got when it came: rows of before keep their seals. INVARIANT: a row is checked before anything is decided from it and before it
/// is sealed again, so that no change of ours ever vouches for somebody else's.
/// </remarks>
internal sealed class RowSeals(Lazy<SecretBytes> key, ILogger<RowSeals> logger)
{
    private const int TicksPerMicrosecond = 10;

    public byte[] Of(Client client)
    {
        var r = client.Public.Registration;
        return Seal(
            "client", r.Id, r.Name, r.Roles.ToArray(), r.Purposes.ToArray(), r.GrantTypes.ToArray(), r.RedirectUris.ToArray(), r.SignOutUris.ToArray(),
            client.SecretHash, client.FormerSecretHash, client.FormerSecretUntil, new Later("token_endpoint_auth_method", r.AuthenticationMethod),
            new Later("jwks", r.KeySet), new Later("dpop_bound", r.IsKeyBound), new Later("resources", r.Resources.ToArray()), new Later("third_party", r.IsThirdParty),
            new Later("allowed_networks", r.AllowedNetworks.ToArray()), new Later("expires_at", r.ExpiresAt), new Later("contact_sealed", client.ContactSealed));
    }

    public byte[] Of(Account a) => Seal(
        "account", a.Id, a.UserName, a.NormalizedUserName, RealmNames.Of(a.Realm), a.Roles, a.SubjectId, a.PasswordHash, a.OneTimeUntil, a.SecurityStamp,
        a.LockoutEnd, a.EmailSealed, new Later("two_factor_enabled", a.TwoFactorEnabled), new Later("code_secret_sealed", a.CodeSecretSealed),
        new Later("code_step", a.CodeStep), new Later("recovery_hashes", a.RecoveryHashes));

    public byte[] Of(IdentityUserPasskey<Guid> p) => Seal(
        "account_passkey", p.CredentialId, p.UserId, p.Data.PublicKey, p.Data.Name, p.Data.CreatedAt, (long)p.Data.SignCount, p.Data.Transports, p.Data.IsUserVerified,
        p.Data.IsBackupEligible, p.Data.IsBackedUp);

    /// <param name="session">Who is signed in, and since when.</param>
    /// <param name="tokenHash">What it is found by.</param>
    public byte[] Of(Session session, byte[] tokenHash) => Seal(
        "session", session.Id, tokenHash, session.Account.Id, session.Account.SecurityStamp, session.Assurance, session.Amr, session.AuthTime, session.Device, session.ExpiresAt);

    public byte[] Of(Authorisation z) => Seal(
        "authorisation", z.Id, z.ClientId, z.AccountId, z.SessionId, z.SecurityStamp, z.Scope, z.Assurance, z.AuthTime, z.ExpiresAt,
        new Later("amr", z.Amr), new Later("key_thumbprint", z.KeyThumbprint), new Later("resource", z.Resource));

    public byte[] OfCode(byte[] hash, Guid authorisation, CodeRequest request, DateTimeOffset expiresAt) =>
        Seal("code", hash, authorisation, request.RedirectUri, request.Challenge, request.Nonce, expiresAt, new Later("key_thumbprint", request.KeyThumbprint));

    public byte[] OfRefreshToken(byte[] hash, Guid authorisation, DateTimeOffset expiresAt) => Seal("refresh_token", hash, authorisation, expiresAt);

    public byte[] Of(OutsideLink link) => Seal("outside_link", link.Id, link.Customer, link.CreatedAt);

    public byte[] OfConsent(Guid account, string client, string scope, DateTimeOffset givenAt) => Seal("client_consent", account, client, scope, givenAt);

    public byte[] Of(EmailChange c) =>
        Seal("email_change", c.Id, c.Account, c.NextSealed, c.FormerSealed, c.CodeMac, c.StopHash, c.CodeUntil, c.StopUntil, c.IsMade);

    /// <summary>Under the key, since a code is short enough to be found by its hash.</summary>
    public byte[] OfAddressCode(Guid change, string code) => Seal("email_change.code", change, code);

    public byte[] OfKeyRing(string xml) => Seal("data_protection_key", xml);

    /// <summary>Whether a row is as the vault wrote it. One that is not is as good as absent.</summary>
    public bool Hold(string table, byte[]? kept, byte[] due)
    {
        if (CryptographicOperations.FixedTimeEquals(kept ?? [], due)) return true;
        logger.LogError("A row of issuer.{Table} is not as the vault wrote it, and is refused: run check, and find out who can write into the database.", table);
        return false;
    }

    public bool Hold(Client client) => Hold("client", client.Seal, Of(client));

    public bool Hold(OutsideLink link) => Hold("outside_link", link.Seal, Of(link));

    public bool Hold(EmailChange change) => Hold("email_change", change.Seal, Of(change));

    public bool Hold(Account account) => Hold("account", account.Seal, Of(account));

    private byte[] Seal(string table, params ReadOnlySpan<object?> columns)
    {
        using var input = new MemoryStream();
        Write(input, 's', Encoding.UTF8.GetBytes(table));
        foreach (var column in columns)
        {
            if (column is not Later later) Write(input, column);
            else if (!later.IsAsAdded) Write(input, 'n', Encoding.UTF8.GetBytes(later.Name), later.Value);
        }

        return HMACSHA256.HashData(key.Value.Span, input.GetBuffer().AsSpan(0, (int)input.Length));
    }

    // PostgreSQL keeps microseconds.
    private static void Write(MemoryStream input, object? column)
    {
        Span<byte> number = stackalloc byte[sizeof(long)];
        switch (column)
        {
            case null:
                Write(input, '0', []);
                break;
            case string text:
                Write(input, 's', Encoding.UTF8.GetBytes(text));
                break;
            case byte[] bytes:
                Write(input, 'b', bytes);
                break;
            case Guid id:
                Write(input, 'g', id.ToByteArray(bigEndian: true));
                break;
            case string[] list:
                BinaryPrimitives.WriteInt64BigEndian(number, list.Length);
                Write(input, 'l', number);
                foreach (var text in list) Write(input, text);
                break;
            case bool flag:
                Write(input, 'f', [flag ? (byte)1 : (byte)0]);
                break;
            case int or long:
                BinaryPrimitives.WriteInt64BigEndian(number, column is int small ? small : (long)column);
                Write(input, 'i', number);
                break;
            case DateTimeOffset time:
                BinaryPrimitives.WriteInt64BigEndian(number, time.UtcTicks / TicksPerMicrosecond);
                Write(input, 't', number);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(column), "No column is of this type.");
        }
    }

    private static void Write(MemoryStream input, char kind, ReadOnlySpan<byte> name, object? value)
    {
        Write(input, kind, name);
        Write(input, value);
    }

    private static void Write(MemoryStream input, char kind, ReadOnlySpan<byte> bytes)
    {
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(length, bytes.Length);
        input.WriteByte((byte)kind);
        input.Write(length);
        input.Write(bytes);
    }

    /// <summary>A column that came with a later migration, which gave every row nothing, false or an empty list.</summary>
    private readonly record struct Later(string Name, object? Value)
    {
        public bool IsAsAdded => Value is null or false or string[] { Length: 0 };
    }
}
