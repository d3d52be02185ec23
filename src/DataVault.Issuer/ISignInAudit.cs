namespace DataVault.Issuer;

/// <summary>
/// Where sign-ins, token issues and changes of accounts and clients are recorded. The issuer waits for it before it answers: what cannot be
/// recorded does not happen. Registered as a singleton.
/// </summary>
public interface ISignInAudit
{
    Task RecordAsync(SignInEvent signIn, CancellationToken cancellationToken);

    /// <summary>Records that somebody is about to make a change: durable before anything is changed.</summary>
    /// <returns>A number by which <see cref="ConfirmAsync"/> names this record.</returns>
    Task<long> IntendAsync(IssuerChange change, CancellationToken cancellationToken);

    /// <summary>Records that the change was made. Called at least once for every change that was; the same id twice is one record.</summary>
    Task ConfirmAsync(MadeChange made, CancellationToken cancellationToken);
}

/// <summary>One event at the vault's door. No member is personal data in clear: people are named by account id.</summary>
/// <param name="Success">False for a refusal.</param>
/// <param name="Kind">A constant of <see cref="SignInKinds"/>.</param>
/// <param name="ActorId">Account id ("D" form) or client id; <c>unknown</c> when nobody was recognised.</param>
/// <param name="Realm">Where the actor belongs.</param>
/// <param name="ActorName">Role or application name.</param>
/// <param name="Subject">The vault's customer id, for a customer's account.</param>
/// <param name="Reason">A short constant for a refusal, for example <c>wrong-password</c>.</param>
public sealed record SignInEvent(
    bool Success, string Kind, string ActorId, Realm Realm, string ActorName, Guid? Subject = null, string? Reason = null);

/// <summary>Kinds of <see cref="SignInEvent"/>.</summary>
public static class SignInKinds
{
    public const string Password = "password";
    /// <summary>The second factor, from an authenticator app.</summary>
    public const string Code = "one-time-code";

    /// <summary>The second factor, from the list for the day on which the app is lost.</summary>
    public const string RecoveryCode = "recovery-code";

    /// <summary>Both factors in one.</summary>
    public const string Passkey = "passkey";

    /// <summary>What a new e-mail address is confirmed with.</summary>
    public const string AddressCode = "address-code";

    /// <summary>What was sent to a mailbox that asked for an account or another password.</summary>
    public const string MailedLink = "mailed-link";

    public const string SignOut = "sign-out";
    public const string ClientSecret = "client-secret";
    public const string TokenIssued = "token-issued";
    public const string CodeReplay = "code-replay";
    public const string RefreshReuse = "refresh-reuse";
}

/// <summary>Somebody, or an application, as an entry of the log names them.</summary>
/// <param name="Realm">Where they belong; null for the vault itself.</param>
/// <param name="Id">Account id ("D" form), client id, or name of the vault's process.</param>
/// <param name="Name">Role or application name.</param>
public sealed record IssuerParty(Realm? Realm, string Id, string Name)
{
    /// <summary>The vault itself: a start, an erasure, a command that an operator gave on its machine.</summary>
    public static IssuerParty Vault { get; } = new(null, "vault-maintenance", "vault-maintenance");
}

/// <summary>A change of an account or of a client.</summary>
/// <param name="Actor">Who makes it.</param>
/// <param name="Object">Whose account or which client is changed.</param>
/// <param name="What">A short constant, for example <c>secret-rotated</c>.</param>
/// <param name="Subject">The vault's customer id, when the account is a customer's.</param>
public sealed record IssuerChange(IssuerParty Actor, IssuerParty Object, string What, Guid? Subject = null);

/// <summary>A change that was made.</summary>
/// <param name="Id">Its own, whatever else is said of it.</param>
/// <param name="Intent">What <see cref="ISignInAudit.IntendAsync"/> gave.</param>
public sealed record MadeChange(Guid Id, long Intent, IssuerChange Change);
