namespace DataVault.Issuer;

/// <summary>
/// Where sign-ins, token issues and changes of accounts and clients are recorded. The issuer waits for it before it answers: what cannot be
/// recorded does not happen. Registered as a singleton.
/// </summary>
public interface ISignInAudit
{
    Task RecordAsync(SignInEvent signIn, CancellationToken cancellationToken);
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
    public const string SignOut = "sign-out";
    public const string PasswordChange = "password-change";
    public const string ClientSecret = "client-secret";
    public const string TokenIssued = "token-issued";
    public const string CodeReplay = "code-replay";
    public const string RefreshReuse = "refresh-reuse";
    public const string AccountChange = "account-change";
    public const string ClientChange = "client-change";
}
