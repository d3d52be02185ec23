using Microsoft.AspNetCore.WebUtilities;

namespace DataVault.Issuer.Accounts;

/// <summary>What somebody showed to sign in.</summary>
/// <param name="Assurance">The <c>acr</c> of the vault's tokens: 1 one factor, 2 two factors.</param>
/// <param name="Amr">Authentication methods by their names in RFC 8176.</param>
internal sealed record SignInProof(int Assurance, string[] Amr)
{
    public const int OneFactor = 1;
    public const int TwoFactors = 2;

    public static SignInProof Password { get; } = new(OneFactor, ["pwd"]);

    public static SignInProof PasswordAndCode { get; } = new(TwoFactors, ["pwd", "otp", "mfa"]);

    // RFC 8176 has no name for a list of codes on paper.
    public static SignInProof PasswordAndRecoveryCode { get; } = new(TwoFactors, ["pwd", "mfa"]);

    // Whether the key is in hardware, nobody attests.
    public static SignInProof Passkey { get; } = new(TwoFactors, ["swk", "user", "mfa"]);

    /// <summary>What a session was started with.</summary>
    public static SignInProof Of(Session session) => new(session.Assurance, session.Amr);
}

/// <summary>What whoever sends a browser here wants of its session.</summary>
/// <param name="Realm">Whose sign-in is wanted; null for anybody's.</param>
/// <param name="Assurance">At least this <c>acr</c>.</param>
/// <param name="Oldest">The sign-in is no older than this.</param>
/// <param name="Again">Whatever the session is, sign in once more.</param>
internal sealed record SignInDemand(Realm? Realm = null, int Assurance = SignInProof.OneFactor, TimeSpan? Oldest = null, bool Again = false);

/// <summary>The next page on the way to what is demanded.</summary>
/// <param name="Page">Path of the page; it leads back by <c>returnUrl</c>.</param>
/// <param name="Refusal">What a client is told that wants no page shown (OpenID Connect Core 1.0 §3.1.2.6).</param>
internal sealed record SignInStep(string Page, string Refusal)
{
    private readonly Dictionary<string, string?> query = [];

    public static SignInStep SignIn(Realm? realm) =>
        new("/account/login", "login_required") { query = { ["realm"] = RealmNames.Of(realm ?? Realm.Customer) } };

    public static SignInStep Password { get; } = new("/account/password", "interaction_required");

    public static SignInStep Factor { get; } = new("/account/factor", "interaction_required");

    public static SignInStep NewFactor { get; } = new("/account/factor/new", "interaction_required");

    /// <param name="returnTo">Local address that asks again whether the session is enough now.</param>
    public string Address(string returnTo) => QueryHelpers.AddQueryString(Page, new Dictionary<string, string?>(query) { ["returnUrl"] = returnTo });
}

/// <summary>
/// The sign-in, step by step: each page sends the browser back to the address that asked for it, which asks here again, until nothing is missing. So no page knows
/// what comes after it, and none can be gone around: what is not enough for the demand is never taken for it.
/// </summary>
internal sealed class SignInFlow(TimeProvider clock)
{
    /// <summary>Brings a browser to at least what is demanded.</summary>
    /// <returns>Null when its session is enough.</returns>
    public SignInStep? Missing(Session? session, SignInDemand demand)
    {
        if (session is null || demand.Again || (demand.Realm is { } realm && realm != session.Account.Realm) || IsTooOld(session, demand))
            return SignInStep.SignIn(demand.Realm);
        var account = session.Account;
        var lacksFactor = session.Assurance < Math.Max(account.RequiredAssurance, demand.Assurance);
        // INVARIANT: whoever has a second factor shows it before anything is changed: a new password, given out by an administrator, does not undo it.
        if (lacksFactor && account.HasSecondFactor) return SignInStep.Factor;
        if (account.MustChangePassword) return SignInStep.Password;
        return lacksFactor ? SignInStep.NewFactor : null;
    }

    private bool IsTooOld(Session session, SignInDemand demand) => demand.Oldest is { } age && session.AuthTime + age <= clock.GetUtcNow();
}
