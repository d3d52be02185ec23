using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Protocol;
using DataVault.Issuer.Storage;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace DataVault.Issuer.Accounts;

/// <summary>What a browser is asked to do with an authenticator, and what it brings back with the answer.</summary>
internal sealed record PasskeyRequest(string OptionsJson, string Ceremony);

/// <summary>A passkey as its owner sees it.</summary>
internal sealed record PasskeyView(string Id, string Name, DateTimeOffset CreatedAt);

/// <summary>
/// Passkeys (WebAuthn Level 3 §7): .NET's handler verifies challenge, origin, user verification, signature and counter; here is decided whose it is. A row that the
/// vault did not write is no passkey, and a challenge is answered once.
/// </summary>
internal sealed class Passkeys(
    IPasskeyHandler<Account> handler, UserManager<Account> users, IssuerDbContext context, IssuerSecrets secrets, ISignInAudit audit, PasskeyCeremonies ceremonies)
{
    public async Task<PasskeyRequest> BeginCreationAsync(HttpContext http, Session session)
    {
        var account = await RequireAsync(session.Account.Id);
        using var email = secrets.Open(Account.EmailContext(account.Id), account.EmailSealed);
        var address = Encoding.UTF8.GetString(email.Span);
        var made = await handler.MakeCreationOptionsAsync(new PasskeyUserEntity { Id = account.Id.ToString("D"), Name = address, DisplayName = address }, http);
        return new PasskeyRequest(made.CreationOptionsJson, ceremonies.Begin(Creation(session), made.AttestationState!));
    }

    /// <summary>The passkey that was made for this session's person; null when it was not.</summary>
    public async Task<UserPasskeyInfo?> ReadNewAsync(HttpContext http, Session session, string ceremony, string credential)
    {
        if (await ceremonies.EndAsync(Creation(session), ceremony, http.RequestAborted) is not { } state) return null;
        var result = await handler.PerformAttestationAsync(new PasskeyAttestationContext { HttpContext = http, CredentialJson = credential, AttestationState = state });
        if (!result.Succeeded || result.UserEntity.Id != session.Account.Id.ToString("D") || !result.Passkey.IsUserVerified) return null;
        result.Passkey.Name = DeviceName.Of(http.Request.Headers.UserAgent.ToString());
        return result.Passkey;
    }

    public async Task<PasskeyRequest> BeginSignInAsync(HttpContext http)
    {
        var made = await handler.MakeRequestOptionsAsync(null!, http);
        return new PasskeyRequest(made.RequestOptionsJson, ceremonies.Begin(SignIn, made.AssertionState!));
    }

    /// <summary>Who has signed in; null when nobody has, and why is not told.</summary>
    public async Task<AccountFacts?> CheckAsync(HttpContext http, string ceremony, string credential)
    {
        if (await ceremonies.EndAsync(SignIn, ceremony, http.RequestAborted) is not { } state) return null;
        var result = await handler.PerformAssertionAsync(new PasskeyAssertionContext { HttpContext = http, CredentialJson = credential, AssertionState = state });
        var account = result.Succeeded && secrets.Rows.Hold(result.User) ? result.User : null;
        var reason = await RefusalAsync(account, result, http.RequestAborted);
        await audit.RecordAsync(
            new SignInEvent(
                reason is null, SignInKinds.Passkey, account?.Id.ToString("D") ?? "unknown", account?.Realm ?? Realm.Customer, account?.DisplayName ?? "unknown", account?.SubjectId, reason),
            http.RequestAborted);
        if (reason is not null) return null;
        // The counter of the authenticator, by which a copy of it would be noticed.
        return (await users.AddOrUpdatePasskeyAsync(account!, result.Passkey!)).Succeeded ? AccountFacts.Of(account!) : null;
    }

    public async Task<IReadOnlyList<PasskeyView>> ListAsync(Guid account, CancellationToken cancellationToken)
    {
        var rows = await context.Set<IdentityUserPasskey<Guid>>().Where(row => row.UserId == account).ToListAsync(cancellationToken);
        return [.. rows.Where(IsOurs).OrderBy(row => row.Data.CreatedAt).Select(row => new PasskeyView(Convert.ToHexString(row.CredentialId), row.Data.Name ?? "", row.Data.CreatedAt))];
    }

    private async Task<string?> RefusalAsync(Account? account, PasskeyAssertionResult<Account> result, CancellationToken cancellationToken)
    {
        if (account is null) return "passkey-not-known";
        var used = result.Passkey!;
        var row = await context.Set<IdentityUserPasskey<Guid>>().SingleOrDefaultAsync(one => one.CredentialId == used.CredentialId, cancellationToken);
        if (row is null || row.UserId != account.Id || !IsOurs(row)) return "passkey-altered";
        if (!used.IsUserVerified) return "user-not-verified";
        return account.IsDisabled(ceremonies.Now) ? "disabled" : null;
    }

    private bool IsOurs(IdentityUserPasskey<Guid> row) =>
        secrets.Rows.Hold("account_passkey", context.Entry(row).Property<byte[]>(PasskeyRow.Seal).CurrentValue, secrets.Rows.Of(row));

    private async Task<Account> RequireAsync(Guid id) =>
        await users.FindByIdAsync(id.ToString("D")) is { } account && secrets.Rows.Hold(account) ? account : throw IssuerException.NotFound("account");

    private const string SignIn = "sign-in";

    private static string Creation(Session session) => $"creation/{session.Id:N}";
}

/// <summary>Looks through all passkeys for what the vault did not write.</summary>
internal sealed class PasskeyCheck(IServiceScopeFactory scopes, IssuerSecrets secrets)
{
    /// <returns>The account that each is said to be of, and the first letters of its id.</returns>
    public async Task<IReadOnlyList<(Guid Account, string Passkey)>> AlteredAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<IssuerDbContext>();
        var rows = await context.Set<IdentityUserPasskey<Guid>>().ToListAsync(cancellationToken);
        return [.. rows.Where(row => !secrets.Rows.Hold("account_passkey", context.Entry(row).Property<byte[]>(PasskeyRow.Seal).CurrentValue, secrets.Rows.Of(row)))
            .Select(row => (row.UserId, Convert.ToHexString(row.CredentialId.AsSpan(0, Math.Min(row.CredentialId.Length, 8)))))];
    }
}

/// <summary>
/// What the vault must remember between a challenge and its answer goes with the form, sealed, and comes back once: nothing is kept for whoever only looks at the
/// page, and an answer that was overheard is worth nothing.
/// </summary>
internal sealed class PasskeyCeremonies(IssuerSecrets secrets, UsedAssertions used, TimeProvider clock)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    public DateTimeOffset Now => clock.GetUtcNow();

    public string Begin(string what, string state)
    {
        var text = Encoding.UTF8.GetBytes(state);
        var plain = new byte[sizeof(long) + text.Length];
        BinaryPrimitives.WriteInt64BigEndian(plain, (Now + Patience).ToUnixTimeSeconds());
        text.CopyTo(plain, sizeof(long));
        return Convert.ToBase64String(secrets.Seal(Context(what), plain));
    }

    /// <summary>Null when it is not ours, of something else, too old, or answered before.</summary>
    public async Task<string?> EndAsync(string what, string ceremony, CancellationToken cancellationToken)
    {
        if (Open(what, ceremony) is not var (until, state) || until <= Now) return null;
        return await used.TryUseAsync("passkey", what, ceremony, until, cancellationToken) ? state : null;
    }

    private (DateTimeOffset Until, string State)? Open(string what, string ceremony)
    {
        try
        {
            using var plain = secrets.Open(Context(what), Convert.FromBase64String(ceremony));
            return (DateTimeOffset.FromUnixTimeSeconds(BinaryPrimitives.ReadInt64BigEndian(plain.Span)), Encoding.UTF8.GetString(plain.Span[sizeof(long)..]));
        }
        catch (Exception e) when (e is FormatException or CryptographicException)
        {
            return null;
        }
    }

    private static string Context(string what) => "passkey/" + what;
}

/// <summary>
/// Passkeys are the vault's host's, verified by the person (PIN, finger, face) and found without an address. Attestation is not asked for: nothing here depends on
/// the make of an authenticator, and what is not verified is not said either (<c>swk</c>, the weaker word).
/// </summary>
internal sealed class PasskeyRules(IssuerOptions options) : IConfigureOptions<IdentityPasskeyOptions>
{
    public void Configure(IdentityPasskeyOptions passkeys)
    {
        passkeys.ServerDomain = Home().Host;
        passkeys.UserVerificationRequirement = "required";
        passkeys.ResidentKeyRequirement = "required";
        passkeys.AttestationConveyancePreference = "none";
        passkeys.ValidateOrigin = origin => ValueTask.FromResult(!origin.CrossOrigin && origin.Origin == Home().GetLeftPart(UriPartial.Authority));
    }

    // Browsers know passkeys of names only: on this machine, of localhost.
    private Uri Home()
    {
        var issuer = new Uri(options.Issuer);
        return issuer is { IsLoopback: true, HostNameType: not UriHostNameType.Dns } ? new UriBuilder(issuer) { Host = "localhost" }.Uri : issuer;
    }
}
