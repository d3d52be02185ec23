using DataVault.Cryptography;
using DataVault.Issuer.Keys;
using Microsoft.AspNetCore.Identity;

namespace DataVault.Issuer.Accounts;

/// <summary>
/// Checks an address and a password. Whatever is wrong (no such account, wrong password, locked, switched off, one-time password too old) costs
/// the same work and gives the same answer: null.
/// </summary>
internal sealed class PasswordSignIn(
    UserManager<Account> users, PasswordWork work, SignInAttempts attempts, IssuerSecrets secrets, ISignInAudit audit, TimeProvider clock)
{
    public const int LongestPassword = 128;

    public async Task<AccountFacts?> CheckAsync(Realm realm, string email, string password, CancellationToken cancellationToken)
    {
        var handle = secrets.Handle(realm, email);
        // Nor is there an account that is not as the vault wrote it.
        var account = await users.FindByNameAsync(handle) is { } found && await secrets.Rows.HoldAsync(found, cancellationToken) ? found : null;
        var reason = await RefusalAsync(account, handle, password, cancellationToken);
        await RecordAsync(realm, account, reason, cancellationToken);
        if (reason is not null) return null;
        await attempts.ClearAsync(handle, cancellationToken);
        return AccountFacts.Of(account!);
    }

    /// <summary>The same for somebody who is signed in already and must show the password again.</summary>
    public async Task<bool> ConfirmAsync(Account account, string password, CancellationToken cancellationToken)
    {
        var reason = await RefusalAsync(account, account.UserName!, password, cancellationToken);
        if (reason is null) await attempts.ClearAsync(account.UserName!, cancellationToken);
        else await RecordAsync(account.Realm, account, reason, cancellationToken);
        return reason is null;
    }

    // Everything is looked at before anything is said.
    private async Task<string?> RefusalAsync(Account? account, string handle, string password, CancellationToken cancellationToken)
    {
        var allowed = await attempts.BeginAsync(handle, cancellationToken);
        var matches = await work.MatchesAsync(users, account, password, cancellationToken);
        var now = clock.GetUtcNow();
        if (account is null) return "unknown-account";
        if (!allowed) return "locked";
        if (!matches) return "wrong-password";
        if (account.IsDisabled(now)) return "disabled";
        return account.OneTimeUntil < now ? "one-time-password-expired" : null;
    }

    private Task RecordAsync(Realm realm, Account? account, string? reason, CancellationToken cancellationToken) =>
        audit.RecordAsync(
            new SignInEvent(
                reason is null, SignInKinds.Password, account?.Id.ToString("D") ?? "unknown", realm, account?.DisplayName ?? "unknown",
                account?.SubjectId, reason),
            cancellationToken);
}

/// <summary>The slow hash: as many at a time as there are cores, the rest waits, and an account that does not exist costs as much as one that does.</summary>
internal sealed class PasswordWork(IPasswordHasher<Account> hasher, IssuerOptions options, IRandomBytes random) : IDisposable
{
    private readonly SemaphoreSlim places = new(options.ConcurrentPasswordChecks);
    private readonly Lazy<string> decoy = new(() => hasher.HashPassword(new Account(), BearerValue.New(random)));

    public async Task<bool> MatchesAsync(UserManager<Account> users, Account? account, string password, CancellationToken cancellationToken)
    {
        if (password.Length is 0 or > PasswordSignIn.LongestPassword) return false;
        await places.WaitAsync(cancellationToken);
        try
        {
            var hash = decoy.Value;
            if (account is not null) return await users.CheckPasswordAsync(account, password);
            hasher.VerifyHashedPassword(new Account(), hash, password);
            return false;
        }
        finally
        {
            places.Release();
        }
    }

    public void Dispose() => places.Dispose();
}
