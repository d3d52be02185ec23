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
/// Of clients and accounts version ‖ HMAC-SHA-256(key, table ‖ columns ‖ version), of other rows, and of those of before there were versions, the same without it;
/// every part with its kind and length before it. Each row that is written anew is one version newer than the one that it was made of, and <see cref="IRowMemory"/> knows
/// the newest of each. A column that came later (<see cref="Later"/>) follows with its name, unless
/// it holds what every row got when it came: rows of before keep their seals. INVARIANT: a row is checked before anything is decided from it and before it
/// is sealed again, so that no change of ours ever vouches for somebody else's.
/// </remarks>
internal sealed class RowSeals(Lazy<SecretBytes> key, IRowMemory memory, ILogger<RowSeals> logger)
{
    private const byte NameKind = 2;
    private const int NameSize = 16;
    private const int Looks = 2;
    private const int TicksPerMicrosecond = 10;

    /// <summary>The seal of a client that is written now.</summary>
    /// <param name="client">With the seal of the row that it was made of; none of a new one.</param>
    /// <param name="after">What a row of that name had reached before.</param>
    public byte[] Of(Client client, long after = 0) => Of(client, (long?)(Math.Max(VersionIn(client.Seal), after) + 1));

    /// <summary>The same of an account.</summary>
    public byte[] Of(Account account) => Of(account, VersionIn(account.Seal) + 1);

    private byte[] Of(Client client, long? version)
    {
        var r = client.Public.Registration;
        return Versioned(
            version, "client", r.Id, r.Name, r.Roles.ToArray(), r.Purposes.ToArray(), r.GrantTypes.ToArray(), r.RedirectUris.ToArray(), r.SignOutUris.ToArray(),
            client.SecretHash, client.FormerSecretHash, client.FormerSecretUntil, new Later("token_endpoint_auth_method", r.AuthenticationMethod),
            new Later("jwks", r.KeySet), new Later("dpop_bound", r.IsKeyBound), new Later("resources", r.Resources.ToArray()), new Later("third_party", r.IsThirdParty),
            new Later("allowed_networks", r.AllowedNetworks.ToArray()), new Later("expires_at", r.ExpiresAt), new Later("contact_sealed", client.ContactSealed), new Later("version", version));
    }

    private byte[] Of(Account a, long? version) => Versioned(
        version, "account", a.Id, a.UserName, a.NormalizedUserName, RealmNames.Of(a.Realm), a.Roles, a.SubjectId, a.PasswordHash, a.OneTimeUntil, a.SecurityStamp,
        a.LockoutEnd, a.EmailSealed, new Later("two_factor_enabled", a.TwoFactorEnabled), new Later("code_secret_sealed", a.CodeSecretSealed),
        new Later("code_step", a.CodeStep), new Later("recovery_hashes", a.RecoveryHashes), new Later("version", version),
        new Later("password_reset_by", a.PasswordResetBy), new Later("factor_reset_by", a.FactorResetBy));

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

    public byte[] Of(MailedLink l) => Seal("mailed_link", l.Id, l.Kind, l.AddressSealed, l.Account, l.Subject, l.ValueHash, l.Until);

    public byte[] Of(RecoveryRow r) => Seal("factor_recovery", r.Public.Id, r.Account, r.Public.Method, r.Public.Officer, r.OfficerName, r.Public.AskedAt, r.Public.DueAt, r.StopHash);

    /// <summary>Under the key, since a code is short enough to be found by its hash.</summary>
    public byte[] OfAddressCode(Guid change, string code) => Seal("email_change.code", change, code);

    /// <param name="made">A change that is to be confirmed.</param>
    /// <param name="version">What the row that it is about has reached by it.</param>
    public byte[] OfChange(MadeChange made, long version)
    {
        var (actor, thing) = (made.Change.Actor, made.Change.Object);
        return Seal(
            "change", made.Id, made.Intent, RealmNames.OfOrNone(actor.Realm), actor.Id, actor.Name, RealmNames.OfOrNone(thing.Realm), thing.Id, thing.Name, made.Change.What,
            made.Change.Subject, version);
    }

    public byte[] OfKeyRing(string xml) => Seal("data_protection_key", xml);

    /// <summary>Whether a row is as the vault wrote it. One that is not is as good as absent.</summary>
    public bool Hold(string table, byte[]? kept, byte[] due) => CryptographicOperations.FixedTimeEquals(kept ?? [], due) || Refuse(table);

    private bool Refuse(string table)
    {
        logger.LogError("A row of issuer.{Table} is not as the vault wrote it, and is refused: run check, and find out who can write into the database.", table);
        return false;
    }

    public bool Hold(Client client) => Fits(client) || Refuse("client");

    public bool Hold(OutsideLink link) => Hold("outside_link", link.Seal, Of(link));

    public bool Hold(EmailChange change) => Hold("email_change", change.Seal, Of(change));

    public bool Hold(RecoveryRow row) => Hold("factor_recovery", row.Seal, Of(row));

    public bool Hold(MailedLink link) => Hold("mailed_link", link.Seal, Of(link));

    public bool Hold(Account account) => Fits(account) || Refuse("account");

    /// <summary>The same, said to nobody.</summary>
    public bool Fits(Client client) => CryptographicOperations.FixedTimeEquals(client.Seal ?? [], Of(client, VersionOrNone(client.Seal)));

    /// <inheritdoc cref="Fits(Client)"/>
    public bool Fits(Account account) => CryptographicOperations.FixedTimeEquals(account.Seal ?? [], Of(account, VersionOrNone(account.Seal)));

    /// <summary>Whether a client is as the vault wrote it, and wrote it last.</summary>
    public async Task<bool> HoldAsync(Client client, CancellationToken cancellationToken) =>
        Hold(client) && await IsNewestAsync("client", client.Id, VersionIn(client.Seal), cancellationToken);

    /// <inheritdoc cref="HoldAsync(Client, CancellationToken)"/>
    public async Task<bool> HoldAsync(Account account, CancellationToken cancellationToken) =>
        Hold(account) && await IsNewestAsync("account", account.Id.ToString("D"), VersionIn(account.Seal), cancellationToken);

    /// <summary>
    /// What is found with an account, when the account, whose seal held, is the newest of its name. One that was changed between the two looks is looked at again.
    /// </summary>
    /// <param name="find">Reads it.</param>
    /// <param name="of">The account in it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<T?> NewestAsync<T>(Func<Task<T?>> find, Func<T, AccountFacts> of, CancellationToken cancellationToken)
        where T : class
    {
        for (var look = 1; look <= Looks; look++)
        {
            if (await find() is not { } found) return null;
            if (await memory.IsNewestAsync(NameOf("account", of(found).Id.ToString("D")), of(found).Version, cancellationToken)) return found;
        }

        RefuseOlder("account");
        return null;
    }

    /// <summary>What a row of that name, gone since or not, has reached.</summary>
    public Task<long> NewestAsync(string table, string id, CancellationToken cancellationToken) => memory.NewestAsync(NameOf(table, id), cancellationToken);

    /// <summary>A version of a row is committed; of a row that is gone the one that would have come.</summary>
    public Task ReachedAsync(string table, string id, long version, CancellationToken cancellationToken) => memory.ReachedAsync(NameOf(table, id), version, cancellationToken);

    /// <inheritdoc cref="IRowMemory.OlderAsync"/>
    public Task<IReadOnlyList<int>> OlderAsync(string table, IReadOnlyList<(string Id, long Version)> rows, CancellationToken cancellationToken) =>
        memory.OlderAsync([.. rows.Select(row => (NameOf(table, row.Id), row.Version))], cancellationToken);

    /// <inheritdoc cref="IRowMemory.LowerAsync"/>
    public Task LowerAsync(string table, string id, long version, CancellationToken cancellationToken) => memory.LowerAsync(NameOf(table, id), version, cancellationToken);

    /// <summary>The version that stands in a seal; 0 in one of before there were versions, and where there is none.</summary>
    public static long VersionIn(byte[]? seal) => VersionOrNone(seal) ?? 0;

    private static long? VersionOrNone(byte[]? seal) =>
        seal?.Length == sizeof(long) + HMACSHA256.HashSizeInBytes ? BinaryPrimitives.ReadInt64BigEndian(seal) : null;

    private async Task<bool> IsNewestAsync(string table, string id, long version, CancellationToken cancellationToken) =>
        await memory.IsNewestAsync(NameOf(table, id), version, cancellationToken) || RefuseOlder(table);

    private bool RefuseOlder(string table)
    {
        logger.LogError("A row of issuer.{Table} is older than it was, and is refused: the database was restored, or somebody put the row back. restore status names it.", table);
        return false;
    }

    // It outlives the row, and tells nobody whose it was.
    private byte[] NameOf(string table, string id) => [NameKind, .. Seal("row", table, id).AsSpan(0, NameSize)];

    private byte[] Versioned(long? version, string table, params ReadOnlySpan<object?> columns)
    {
        var mac = Seal(table, columns);
        if (version is not { } known) return mac;
        var seal = new byte[sizeof(long) + mac.Length];
        BinaryPrimitives.WriteInt64BigEndian(seal, known);
        mac.CopyTo(seal, sizeof(long));
        return seal;
    }

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
