using System.Runtime.CompilerServices;
using System.Text;
using DataVault.Cryptography;
using DataVault.Issuer.Accounts;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Protocol;
using DataVault.Issuer.Storage;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace DataVault.Issuer;

/// <summary>A new account, or one with a new password. The password is shown here and nowhere again.</summary>
/// <param name="Id">The account's id, the <c>sub</c> of its tokens.</param>
/// <param name="OneTimePassword">To be handed to the person; changed at the first sign-in.</param>
/// <param name="CodeSecret">What an authenticator app computes codes from (Base32); for staff with a lasting password, who set none up themselves.</param>
public sealed record IssuedPassword(Guid Id, string OneTimePassword, string? CodeSecret = null);

/// <summary>An account, without personal data.</summary>
public sealed record AccountView(
    Guid Id, Realm Realm, IReadOnlyList<string> Roles, Guid? Subject, bool Disabled, bool MustChangePassword, bool HasSecondFactor, DateTimeOffset CreatedAt);

/// <summary>Outcome of <see cref="AccountRegistry.ChangePasswordAsync"/>.</summary>
public enum PasswordChange
{
    Changed,

    /// <summary>The present password is wrong, or there were too many wrong ones.</summary>
    NotConfirmed,

    /// <summary>The new password is too short, too long, too uniform, the same as before, or contains the address.</summary>
    TooWeak,
}

/// <summary>Accounts of people. Safe to use from any scope.</summary>
public sealed class AccountRegistry
{
    /// <summary>Why no account is made, in one sentence for all that may be the matter.</summary>
    public const string NoAccountToMake = "The address or the customer has an account already, or there is no such customer.";

    private readonly IServiceScopeFactory scopes;
    private readonly IssuerSecrets secrets;
    private readonly ChangeLedger changes;
    private readonly IssuerOptions options;
    private readonly TimeProvider clock;
    private readonly IRandomBytes random;

    internal AccountRegistry(
        IServiceScopeFactory scopes, IssuerSecrets secrets, ChangeLedger changes, IssuerOptions options, TimeProvider clock, IRandomBytes random) =>
        (this.scopes, this.secrets, this.changes, this.options, this.clock, this.random) = (scopes, secrets, changes, options, clock, random);

    /// <summary>Creates an account. A customer's account (role <c>customer</c>) names the vault's customer; a member of staff has no such link.</summary>
    /// <param name="actor">Who makes it.</param>
    /// <param name="lasting">The first password need not be changed, and a member of staff gets an authenticator's secret with it. Development only.</param>
    /// <exception cref="IssuerException">conflict (the address or the customer has an account in this realm), invalid-fields.</exception>
    public async Task<IssuedPassword> CreateAsync(
        string email, string role, IssuerParty actor, Guid? subject = null, bool lasting = false, CancellationToken cancellationToken = default)
    {
        await using var work = new Work(scopes);
        if (!work.Roles.Exists(role)) throw IssuerException.Invalid("There is no such role.");
        CheckNew(email, role, subject, lasting);
        var realm = role == IssuerOptions.CustomerRole ? Realm.Customer : Realm.Staff;
        var id = Uuid.Version7(clock, random);
        var account = new Account
        {
            Id = id,
            Realm = realm,
            Roles = [role],
            SubjectId = subject,
            UserName = secrets.Handle(realm, email),
            EmailSealed = secrets.Seal(Account.EmailContext(id), Encoding.UTF8.GetBytes(email.Trim())),
            CreatedAt = clock.GetUtcNow(),
            OneTimeUntil = lasting ? null : clock.GetUtcNow() + options.OneTimePasswordLifetime,
        };
        var codeSecret = lasting && realm == Realm.Staff ? GiveCodes(account) : null;
        if (await ExistsAsync(work, account, cancellationToken)) throw new IssuerException("conflict", NoAccountToMake);
        var password = OneTimePassword();
        await ChangeAsync(
            work,
            account,
            actor,
            "created",
            async transaction =>
            {
                Expect(await work.Users.CreateAsync(account, password));
                // Whoever the account is of is told where they are known, wherever it signs in.
                if (subject is { } customer && !lasting)
                    await work.Links.AddAsync(transaction, work.Links.New(LinkKinds.Made, options.OneTimePasswordLifetime) with { Account = id, Subject = customer }, cancellationToken);
            },
            cancellationToken);
        return new IssuedPassword(id, password, codeSecret);
    }

    /// <summary>Makes a customer's first account for whoever showed that they read the mailbox that is held of the customer.</summary>
    /// <param name="id">What the way to it was called.</param>
    /// <param name="email">The held address.</param>
    /// <param name="subject">The customer.</param>
    /// <param name="password">What they chose.</param>
    /// <param name="use">Uses the way up, in the same transaction.</param>
    /// <param name="also">What comes with the account.</param>
    /// <exception cref="IssuerException">conflict.</exception>
    internal async Task<PasswordChange> JoinAsync(Guid id, string email, Guid subject, string password, Func<IssuerTransaction, Task> use, Func<IssuerTransaction, Task> also)
    {
        await using var work = new Work(scopes);
        var account = new Account
        {
            Id = id,
            Realm = Realm.Customer,
            Roles = [IssuerOptions.CustomerRole],
            SubjectId = subject,
            UserName = secrets.Handle(Realm.Customer, email),
            EmailSealed = secrets.Seal(Account.EmailContext(id), Encoding.UTF8.GetBytes(email)),
            CreatedAt = clock.GetUtcNow(),
        };
        if (!await IsGoodAsync(work, account, password)) return PasswordChange.TooWeak;
        if (await ExistsAsync(work, account, CancellationToken.None)) throw new IssuerException("conflict", NoAccountToMake);
        await OrConflictAsync(() => ChangeAsync(
            work,
            account,
            Party(account),
            "joined",
            async transaction =>
            {
                // INVARIANT: the way is used up first: of those who use it at once, all but one wait here, and find it gone.
                await use(transaction);
                Expect(await work.Users.CreateAsync(account, password));
                await also(transaction);
            },
            CancellationToken.None));
        return PasswordChange.Changed;
    }

    public async Task<IReadOnlyList<AccountView>> ListAsync(Realm realm, CancellationToken cancellationToken = default)
    {
        await using var work = new Work(scopes);
        var accounts = await work.Users.Users.AsNoTracking().Where(a => a.Realm == realm).OrderBy(a => a.Id).ToListAsync(cancellationToken);
        return [.. accounts.Select(View)];
    }

    /// <summary>The account of this address in this realm, or null.</summary>
    public async Task<AccountView?> FindAsync(Realm realm, string email, CancellationToken cancellationToken = default)
    {
        await using var work = new Work(scopes);
        return await work.Users.FindByNameAsync(secrets.Handle(realm, email)) is { } account ? View(account) : null;
    }

    /// <summary>The account of a customer, or null.</summary>
    public async Task<Guid?> FindForSubjectAsync(Guid subject, CancellationToken cancellationToken = default)
    {
        await using var work = new Work(scopes);
        return (await work.Users.Users.AsNoTracking().FirstOrDefaultAsync(a => a.SubjectId == subject, cancellationToken))?.Id;
    }

    /// <summary>A new one-time password; every session of the account ends. The second factor stays: whoever gets hold of the password alone does not come in.</summary>
    /// <exception cref="IssuerException">not-found; forbidden: to applications for staff, and to whoever reset the second factor (<see cref="TwoPeople"/>).</exception>
    public async Task<IssuedPassword> ResetPasswordAsync(Guid id, IssuerParty actor, CancellationToken cancellationToken = default)
    {
        await using var work = new Work(scopes);
        var account = await work.RequireAsync(id);
        if (account.Realm == Realm.Staff && actor.Realm == Realm.Application) throw IssuerException.Forbidden("The password of a member of staff is reset by another one, by their own sign-in.");
        (account.PasswordResetBy, account.FactorResetBy) = TwoPeople.Mark(actor, account.PasswordResetBy, account.FactorResetBy);
        var password = OneTimePassword();
        account.PasswordHash = work.Users.PasswordHasher.HashPassword(account, password);
        account.OneTimeUntil = clock.GetUtcNow() + options.OneTimePasswordLifetime;
        await ChangeAsync(work, account, actor, "password-reset", transaction => work.RenewAsync(transaction, account, cancellationToken), cancellationToken);
        return new IssuedPassword(id, password);
    }

    /// <summary>Changes a password after showing the present one; every session of the account ends.</summary>
    public async Task<PasswordChange> ChangePasswordAsync(Guid id, string present, string next, CancellationToken cancellationToken = default)
    {
        await using var work = new Work(scopes);
        var account = await work.RequireAsync(id);
        if (!await work.SignIn.ConfirmAsync(account, present, cancellationToken)) return PasswordChange.NotConfirmed;
        if (next == present || !await IsGoodAsync(work, account, next)) return PasswordChange.TooWeak;
        account.PasswordHash = work.Users.PasswordHasher.HashPassword(account, next);
        account.OneTimeUntil = null;
        // INVARIANT: no page leads here past a second factor that is there, so it was its owner who came.
        account.PasswordResetBy = [];
        await ChangeAsync(work, account, Party(account), "password-changed", transaction => work.RenewAsync(transaction, account, cancellationToken), cancellationToken);
        return PasswordChange.Changed;
    }

    /// <summary>
    /// Changes a password for whoever showed that they read the account's mailbox; every session ends, and a second factor stays. It is not said to be the owner who came:
    /// whoever reset the password before still resets no factor (<see cref="TwoPeople"/>).
    /// </summary>
    /// <param name="id">Whose.</param>
    /// <param name="next">What they chose.</param>
    /// <param name="also">Uses the way up, in the same transaction.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="IssuerException">not-found, conflict.</exception>
    internal async Task<PasswordChange> ReplacePasswordAsync(Guid id, string next, Func<IssuerTransaction, Task> also, CancellationToken cancellationToken)
    {
        await using var work = new Work(scopes);
        var account = await work.RequireAsync(id);
        if (account.IsDisabled(clock.GetUtcNow())) return PasswordChange.NotConfirmed;
        if (!await IsGoodAsync(work, account, next)) return PasswordChange.TooWeak;
        account.PasswordHash = work.Users.PasswordHasher.HashPassword(account, next);
        account.OneTimeUntil = null;
        await ChangeAsync(
            work,
            account,
            Party(account),
            "password-replaced",
            async transaction =>
            {
                await also(transaction);
                await SignInAttempts.ClearAsync(transaction, account.UserName!, cancellationToken);
                await work.RenewAsync(transaction, account, cancellationToken);
            },
            cancellationToken);
        return PasswordChange.Changed;
    }

    /// <summary>
    /// Takes the second factor away from somebody who has lost it, who sets up another at the next sign-in; every session of the account ends. An act of its own, and
    /// of another person: no password reset does it by the way, and nobody does it for themselves.
    /// </summary>
    /// <exception cref="IssuerException">not-found, forbidden.</exception>
    public async Task ResetSecondFactorAsync(Guid id, IssuerParty actor, CancellationToken cancellationToken = default)
    {
        if (actor.Realm != Realm.Staff || actor.Id == id.ToString("D")) throw IssuerException.Forbidden("Another member of staff takes a second factor away, by their own sign-in.");
        await using var work = new Work(scopes);
        if (options.Mail is not null && (await work.RequireAsync(id)).Realm == Realm.Customer)
            throw IssuerException.Forbidden("A customer is told before a second factor is taken away, and can stop it: begin a recovery.");
        await TakeFactorAsync(id, actor, static _ => Task.CompletedTask, cancellationToken);
    }

    /// <summary>Fails where this member of staff has reset the password since its owner came.</summary>
    /// <exception cref="IssuerException">not-found, forbidden.</exception>
    internal async Task RequireOtherAsync(Guid id, IssuerParty actor)
    {
        await using var work = new Work(scopes);
        var account = await work.RequireAsync(id);
        TwoPeople.Mark(actor, account.FactorResetBy, account.PasswordResetBy);
    }

    internal async Task TakeFactorAsync(Guid id, IssuerParty actor, Func<IssuerTransaction, Task> also, CancellationToken cancellationToken)
    {
        await using var work = new Work(scopes);
        var account = await work.RequireAsync(id);
        (account.FactorResetBy, account.PasswordResetBy) = TwoPeople.Mark(actor, account.FactorResetBy, account.PasswordResetBy);
        account.TwoFactorEnabled = false;
        account.CodeSecretSealed = account.RecoveryHashes = null;
        account.CodeStep = null;
        await ChangeAsync(
            work,
            account,
            actor,
            "second-factor-reset",
            async transaction =>
            {
                await also(transaction);
                await transaction.ExecuteAsync("DELETE FROM issuer.account_passkey WHERE user_id = $1", cancellationToken, account.Id);
                await work.RenewAsync(transaction, account, cancellationToken);
            },
            cancellationToken);
    }

    /// <summary>Sets an authenticator app up, in the place of another if there was one; every session of the account ends.</summary>
    /// <param name="id">Whose.</param>
    /// <param name="enrolment">What the app has been given.</param>
    /// <param name="step">Step of the code that showed it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Recovery codes, which are shown this once.</returns>
    internal async Task<IReadOnlyList<string>> EnrolCodesAsync(Guid id, CodeEnrolment enrolment, long step, CancellationToken cancellationToken)
    {
        await using var work = new Work(scopes);
        var account = await work.RequireAsync(id);
        var (shown, hashes) = RecoveryCode.Make(random);
        account.TwoFactorEnabled = true;
        account.FactorResetBy = [];
        account.CodeSecretSealed = secrets.Seal(SecondFactors.SecretContext(id), Base32.Decode(enrolment.Secret));
        (account.CodeStep, account.RecoveryHashes) = (step, hashes);
        await ChangeAsync(work, account, Party(account), "second-factor-enrolled", transaction => work.RenewAsync(transaction, account, cancellationToken), cancellationToken);
        return shown;
    }

    /// <summary>Adds a passkey, which is a second factor and a first in one; every session of the account ends.</summary>
    /// <returns>Recovery codes, shown this once, if there were none left.</returns>
    internal async Task<IReadOnlyList<string>> AddPasskeyAsync(Guid id, UserPasskeyInfo passkey, CancellationToken cancellationToken)
    {
        await using var work = new Work(scopes);
        var account = await work.RequireAsync(id);
        IReadOnlyList<string> shown = [];
        if (RecoveryCode.CountIn(account.RecoveryHashes) == 0) (shown, account.RecoveryHashes) = RecoveryCode.Make(random);
        account.TwoFactorEnabled = true;
        account.FactorResetBy = [];
        await ChangeAsync(
            work,
            account,
            Party(account),
            "passkey-added",
            async transaction =>
            {
                Expect(await work.Users.AddOrUpdatePasskeyAsync(account, passkey));
                await work.RenewAsync(transaction, account, cancellationToken);
            },
            cancellationToken);
        return shown;
    }

    /// <summary>Removes a passkey, unless it is the last second factor.</summary>
    /// <exception cref="IssuerException">not-found, conflict.</exception>
    internal async Task RemovePasskeyAsync(Guid id, string credential, CancellationToken cancellationToken)
    {
        await using var work = new Work(scopes);
        var account = await work.RequireAsync(id);
        var held = await work.Users.GetPasskeysAsync(account);
        if (held.FirstOrDefault(one => Convert.ToHexString(one.CredentialId) == credential) is not { } passkey) throw IssuerException.NotFound("passkey");
        if (held.Count == 1 && account.CodeSecretSealed is null) throw new IssuerException("conflict", "This is your only second factor. Set up another before you remove it.");
        await ChangeAsync(
            work, account, Party(account), "passkey-removed", async _ => Expect(await work.Users.RemovePasskeyAsync(account, passkey.CredentialId)), cancellationToken);
    }

    /// <summary>Ten new recovery codes; those of before work no more.</summary>
    internal async Task<IReadOnlyList<string>> RenewRecoveryCodesAsync(Guid id, CancellationToken cancellationToken)
    {
        await using var work = new Work(scopes);
        var account = await work.RequireAsync(id);
        var (shown, hashes) = RecoveryCode.Make(random);
        account.RecoveryHashes = hashes;
        await ChangeAsync(work, account, Party(account), "recovery-codes-renewed", async _ => Expect(await work.Users.UpdateAsync(account)), cancellationToken);
        return shown;
    }

    /// <summary>The address that an account signs in with.</summary>
    internal async Task<string> AddressAsync(Guid id, CancellationToken cancellationToken)
    {
        await using var work = new Work(scopes);
        var account = await work.RequireAsync(id);
        using var email = secrets.Open(Account.EmailContext(id), account.EmailSealed);
        return Encoding.UTF8.GetString(email.Span);
    }

    /// <summary>An act of the account's owner that changes other rows than the account's own.</summary>
    internal Task ActAsync(Guid id, string what, Func<IssuerTransaction, Task> make, CancellationToken cancellationToken) => ActAsync(id, null, what, make, cancellationToken);

    /// <summary>The same of the vault by itself.</summary>
    internal Task NoteAsync(Guid id, string what, Func<IssuerTransaction, Task> make, CancellationToken cancellationToken) => ActAsync(id, IssuerParty.Vault, what, make, cancellationToken);

    /// <summary>The same of somebody else; of the owner where nobody is named.</summary>
    internal async Task ActAsync(Guid id, IssuerParty? actor, string what, Func<IssuerTransaction, Task> make, CancellationToken cancellationToken)
    {
        await using var work = new Work(scopes);
        var account = await work.RequireAsync(id);
        await ChangeAsync(work, account, actor ?? Party(account), what, make, cancellationToken);
    }

    /// <summary>Gives an account an address that was confirmed; every session of the account ends.</summary>
    /// <exception cref="IssuerException">not-found; conflict (another account has the address).</exception>
    internal async Task SetAddressAsync(Guid id, string email, string what, Func<IssuerTransaction, Task> also, CancellationToken cancellationToken)
    {
        await using var work = new Work(scopes);
        var account = await work.RequireAsync(id);
        account.UserName = secrets.Handle(account.Realm, email);
        account.EmailSealed = secrets.Seal(Account.EmailContext(id), Encoding.UTF8.GetBytes(email));
        await OrConflictAsync(() => ChangeAsync(
            work,
            account,
            Party(account),
            what,
            async transaction =>
            {
                await also(transaction);
                await work.RenewAsync(transaction, account, cancellationToken);
            },
            cancellationToken));
    }

    /// <summary>Signs somebody out everywhere: every session ends, and what was signed in to through it.</summary>
    public async Task EndSessionsAsync(Guid id, IssuerParty actor, CancellationToken cancellationToken = default)
    {
        await using var work = new Work(scopes);
        var account = await work.RequireAsync(id);
        await ChangeAsync(work, account, actor, "signed-out", transaction => work.RenewAsync(transaction, account, cancellationToken), cancellationToken);
    }

    /// <summary>Switches an account off or on; off ends its sessions and tokens.</summary>
    /// <exception cref="IssuerException">not-found; forbidden for one's own.</exception>
    public async Task SetDisabledAsync(Guid id, bool disabled, IssuerParty actor, CancellationToken cancellationToken = default)
    {
        if (actor.Id == id.ToString("D")) throw IssuerException.Forbidden("Nobody switches their own account off or on.");
        await using var work = new Work(scopes);
        var account = await work.RequireAsync(id);
        account.LockoutEnd = disabled ? DateTimeOffset.MaxValue : null;
        await ChangeAsync(
            work, account, actor, disabled ? "disabled" : "enabled", transaction => work.RenewAsync(transaction, account, cancellationToken), cancellationToken);
    }

    public async Task RemoveAsync(Guid id, IssuerParty actor, CancellationToken cancellationToken = default)
    {
        await using var work = new Work(scopes);
        // One that is not as the vault wrote it must be removable too.
        await RemoveAsync(work, await work.AnyAsync(id), actor, cancellationToken);
    }

    /// <summary>Every customer who has an account, and since when.</summary>
    public async IAsyncEnumerable<(Guid Subject, DateTimeOffset CreatedAt)> SubjectsAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await using var work = new Work(scopes);
        var linked = work.Users.Users.AsNoTracking().Where(a => a.SubjectId != null).Select(a => new { Subject = a.SubjectId!.Value, a.CreatedAt });
        await foreach (var account in linked.AsAsyncEnumerable().WithCancellation(cancellationToken)) yield return (account.Subject, account.CreatedAt);
    }

    /// <summary>Whether a customer has an account.</summary>
    public async Task<bool> HasForSubjectAsync(Guid subject, CancellationToken cancellationToken = default)
    {
        await using var work = new Work(scopes);
        return await work.Users.Users.AsNoTracking().AnyAsync(a => a.SubjectId == subject, cancellationToken);
    }

    /// <summary>Removes what the issuer holds of an erased customer; nothing happens when there is nothing.</summary>
    public async Task RemoveForSubjectAsync(Guid subject, CancellationToken cancellationToken = default)
    {
        await using var work = new Work(scopes);
        // First: whoever uses one at the same moment finds it gone, or has an account by now.
        await work.Links.RemoveForSubjectAsync(subject, cancellationToken);
        var account = await work.Users.Users.FirstOrDefaultAsync(a => a.SubjectId == subject, cancellationToken);
        if (account is not null) await RemoveAsync(work, account, IssuerParty.Vault, cancellationToken);
    }

    internal async Task<AccountFacts?> FactsAsync(Guid id, CancellationToken cancellationToken)
    {
        await using var work = new Work(scopes);
        return await work.Users.Users.AsNoTracking().FirstOrDefaultAsync(a => a.Id == id, cancellationToken) is { } account && await secrets.Rows.HoldAsync(account, cancellationToken) ? AccountFacts.Of(account) : null;
    }

    // Rows that hang on the account (sessions, authorisations, codes, tokens) go by cascade.
    private Task RemoveAsync(Work work, Account account, IssuerParty actor, CancellationToken cancellationToken) => ChangeAsync(
        work,
        account,
        actor,
        "removed",
        async transaction =>
        {
            await work.EndSessionsAsync(transaction, account.Id, cancellationToken);
            await SignInAttempts.ClearAsync(transaction, account.UserName!, cancellationToken);
            await SignInAttempts.ClearAsync(transaction, SecondFactors.Counter(account), cancellationToken);
            Expect(await work.Users.DeleteAsync(account));
        },
        cancellationToken);

    private static Task<bool> ExistsAsync(Work work, Account account, CancellationToken cancellationToken) =>
        work.Users.Users.AnyAsync(
            a => a.UserName == account.UserName || (a.SubjectId != null && a.SubjectId == account.SubjectId), cancellationToken);

    private async Task<bool> IsGoodAsync(Work work, Account account, string password)
    {
        if (password.Length > PasswordSignIn.LongestPassword) return false;
        using var email = secrets.Open(Account.EmailContext(account.Id), account.EmailSealed);
        var mailbox = Encoding.UTF8.GetString(email.Span).Split('@')[0];
        if (mailbox.Length > 3 && password.Contains(mailbox, StringComparison.OrdinalIgnoreCase)) return false;
        foreach (var validator in work.Users.PasswordValidators)
            if (!(await validator.ValidateAsync(work.Users, account, password)).Succeeded) return false;
        return true;
    }

    private void CheckNew(string email, string role, Guid? subject, bool lasting)
    {
        if (lasting && !options.Development) throw new InvalidOperationException("Lasting first passwords are for Development.");
        if (email.Trim() is not { Length: >= 3 and <= 254 } address || address.IndexOf('@', StringComparison.Ordinal) < 1 || address.EndsWith('@'))
            throw IssuerException.Invalid("An account needs an e-mail address.");
        if ((role == IssuerOptions.CustomerRole) != subject.HasValue)
            throw IssuerException.Invalid("A customer's account names a customer, and no other does.");
    }

    // 100 bits, in groups that can be read out.
    private string OneTimePassword()
    {
        Span<byte> bytes = stackalloc byte[13];
        random.Fill(bytes);
        var text = Base32.Encode(bytes);
        return $"{text[..5]}-{text[5..10]}-{text[10..15]}-{text[15..20]}";
    }

    private AccountView View(Account a) =>
        new(a.Id, a.Realm, a.Roles, a.SubjectId, a.IsDisabled(clock.GetUtcNow()), a.OneTimeUntil is not null, a.TwoFactorEnabled, a.CreatedAt);

    private string GiveCodes(Account account)
    {
        Span<byte> secret = stackalloc byte[TimeCodes.SecretLength];
        random.Fill(secret);
        account.TwoFactorEnabled = true;
        account.CodeSecretSealed = secrets.Seal(SecondFactors.SecretContext(account.Id), secret);
        return Base32.Encode(secret);
    }

    private async Task ChangeAsync(
        Work work, Account account, IssuerParty actor, string what, Func<IssuerTransaction, Task> make, CancellationToken cancellationToken)
    {
        await changes.MakeAsync(
            new IssuerChange(actor, Party(account), what, account.SubjectId),
            async transaction =>
            {
                await transaction.JoinAsync(work.Context, cancellationToken);
                await make(transaction);
            },
            cancellationToken);
        work.Revocations.Forget();
    }

    // Somebody else was quicker with the address, the customer or the way to the account.
    private static async Task OrConflictAsync(Func<Task> change)
    {
        try
        {
            await change();
        }
        catch (DbUpdateException e) when (e.InnerException is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation })
        {
            throw IssuerException.Conflict("an account");
        }
    }

    private static IssuerParty Party(Account account) => new(account.Realm, account.Id.ToString("D"), account.DisplayName);

    private static void Expect(IdentityResult result)
    {
        if (result.Succeeded) return;
        if (result.Errors.Any(e => e.Code is nameof(IdentityErrorDescriber.DuplicateUserName) or nameof(IdentityErrorDescriber.ConcurrencyFailure)))
            throw IssuerException.Conflict("an account");
        throw new InvalidOperationException("Identity refused: " + string.Join(", ", result.Errors.Select(e => e.Code)));
    }

    /// <summary>Identity's services are scoped; the registry is not, so that background work can use it too.</summary>
    private sealed class Work(IServiceScopeFactory scopes) : IAsyncDisposable
    {
        private readonly AsyncServiceScope scope = scopes.CreateAsyncScope();

        public IssuerDbContext Context => scope.ServiceProvider.GetRequiredService<IssuerDbContext>();
        public UserManager<Account> Users => scope.ServiceProvider.GetRequiredService<UserManager<Account>>();
        public RolePurposes Roles => scope.ServiceProvider.GetRequiredService<RolePurposes>();
        public PasswordSignIn SignIn => scope.ServiceProvider.GetRequiredService<PasswordSignIn>();
        private IssuerSecrets Secrets => scope.ServiceProvider.GetRequiredService<IssuerSecrets>();
        public MailedLinkStore Links => scope.ServiceProvider.GetRequiredService<MailedLinkStore>();
        public Revocations Revocations => scope.ServiceProvider.GetRequiredService<Revocations>();

        /// <summary>An account that is as the vault wrote it; any other is as good as absent.</summary>
        public async Task<Account> RequireAsync(Guid id) =>
            await AnyAsync(id) is var account && await Secrets.Rows.HoldAsync(account, CancellationToken.None) ? account : throw IssuerException.NotFound("account");

        public async Task<Account> AnyAsync(Guid id) =>
            await Users.Users.FirstOrDefaultAsync(a => a.Id == id) ?? throw IssuerException.NotFound("account");

        /// <summary>Keeps what was changed of the account, and ends all that was begun before.</summary>
        public async Task RenewAsync(IssuerTransaction transaction, Account account, CancellationToken cancellationToken)
        {
            Expect(await Users.UpdateSecurityStampAsync(account));
            await EndSessionsAsync(transaction, account.Id, cancellationToken);
        }

        public async Task EndSessionsAsync(IssuerTransaction transaction, Guid account, CancellationToken cancellationToken)
        {
            await scope.ServiceProvider.GetRequiredService<Authorisations>().RevokeAccountAsync(transaction, account, cancellationToken);
            await MailedLinkStore.EndAsync(transaction, account, cancellationToken);
            await transaction.ExecuteAsync("DELETE FROM issuer.session WHERE account_id = $1", cancellationToken, account);
        }

        public ValueTask DisposeAsync() => scope.DisposeAsync();
    }
}
