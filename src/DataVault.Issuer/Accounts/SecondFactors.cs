using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Storage;

namespace DataVault.Issuer.Accounts;

/// <summary>The secret of an authenticator app that somebody is about to set up, and the same sealed for the form that brings it back.</summary>
internal sealed record CodeEnrolment(string Secret, string Sealed);

/// <summary>
/// Checks the second factor of somebody who has shown the first: a code of an authenticator app, or one of the recovery codes. Each works once, decided by one
/// conditional UPDATE over the account's seal, so that two sign-ins with one code are one. Wrong ones are counted by account as wrong passwords are.
/// </summary>
internal sealed class SecondFactors(IssuerDatabase database, SignInAttempts attempts, IssuerSecrets secrets, ISignInAudit audit, TimeProvider clock)
{
    /// <summary>A new secret, bound to this session: nobody else's form brings it in.</summary>
    public CodeEnrolment Begin(Session session)
    {
        Span<byte> secret = stackalloc byte[TimeCodes.SecretLength];
        secrets.Random.Fill(secret);
        return new CodeEnrolment(Base32.Encode(secret), Convert.ToBase64String(secrets.Seal(EnrolmentContext(session), secret)));
    }

    /// <summary>The enrolment that a form brought back; null when it is not of this session.</summary>
    public CodeEnrolment? Read(Session session, string sealedSecret)
    {
        try
        {
            using var secret = secrets.Open(EnrolmentContext(session), Convert.FromBase64String(sealedSecret));
            return new CodeEnrolment(Base32.Encode(secret.Span), sealedSecret);
        }
        catch (Exception e) when (e is FormatException or CryptographicException)
        {
            return null;
        }
    }

    /// <summary>The step of a code, by which the app shows that it has the secret; null when it is none of now.</summary>
    public long? Confirm(CodeEnrolment enrolment, string code) => TimeCodes.Match(Base32.Decode(enrolment.Secret)!, Plain(code), clock.GetUtcNow(), after: 0);

    /// <summary>What was shown, or null when it is not right; why is not told.</summary>
    public async Task<SignInProof?> CheckAsync(Session session, string given, CancellationToken cancellationToken)
    {
        var text = Plain(given);
        var isCode = text.Length == TimeCodes.Digits && text.All(char.IsAsciiDigit);
        var account = await database.FirstAsync(
            $"SELECT {AccountFacts.Columns} FROM issuer.account a WHERE a.id = $1", r => AccountFacts.Row(r), cancellationToken, session.Account.Id);
        if (account is null || !await secrets.Rows.HoldAsync(account, cancellationToken)) return null;
        var allowed = await attempts.BeginAsync(Counter(account), cancellationToken);
        var reason = allowed ? await RefusalAsync(account, text, isCode, cancellationToken) : "locked";
        await audit.RecordAsync(
            new SignInEvent(
                reason is null, isCode ? SignInKinds.Code : SignInKinds.RecoveryCode, account.Id.ToString("D"), account.Realm, account.DisplayName, account.SubjectId, reason),
            cancellationToken);
        if (reason is not null) return null;
        await attempts.ClearAsync(Counter(account), cancellationToken);
        return isCode ? SignInProof.PasswordAndCode : SignInProof.PasswordAndRecoveryCode;
    }

    /// <summary>Under which wrong codes are counted.</summary>
    public static string Counter(Account account) => "factor/" + account.UserName;

    public static string SecretContext(Guid account) => $"account/{account:N}/code-secret";

    private async Task<string?> RefusalAsync(Account account, string text, bool isCode, CancellationToken cancellationToken)
    {
        var before = account.Seal;
        if (!(isCode ? TakeCode(account, text) : TakeRecoveryCode(account, text))) return isCode ? "wrong-code" : "wrong-recovery-code";
        var seal = secrets.Rows.Of(account);
        // Another concurrency stamp, so that what Identity has read before this does not write over it.
        var taken = await database.ExecuteAsync(
            "UPDATE issuer.account SET code_step = $3, recovery_hashes = $4, concurrency_stamp = $5, seal = $6 WHERE id = $1 AND seal = $2",
            cancellationToken,
            account.Id,
            before,
            account.CodeStep,
            account.RecoveryHashes,
            Uuid.Version7(clock, secrets.Random).ToString("N"),
            seal);
        if (taken == 0) return "used-at-the-same-time";
        await secrets.Rows.ReachedAsync("account", account.Id.ToString("D"), RowSeals.VersionIn(seal), cancellationToken);
        return null;
    }

    private bool TakeCode(Account account, string code)
    {
        if (account.CodeSecretSealed is null) return false;
        using var secret = secrets.Open(SecretContext(account.Id), account.CodeSecretSealed);
        if (TimeCodes.Match(secret.Span, code, clock.GetUtcNow(), account.CodeStep ?? 0) is not { } step) return false;
        account.CodeStep = step;
        return true;
    }

    private static bool TakeRecoveryCode(Account account, string code)
    {
        if (RecoveryCode.Without(account.RecoveryHashes ?? [], code) is not { } rest) return false;
        account.RecoveryHashes = rest;
        return true;
    }

    private static string Plain(string typed) => string.Concat(typed.Where(c => c is not (' ' or '-'))).ToUpperInvariant();

    private static string EnrolmentContext(Session session) => $"account/{session.Account.Id:N}/enrolment/{session.Id:N}";
}

/// <summary>Codes on paper, for the day on which the authenticator app is lost: 80 random bits each, so that their SHA-256 can be kept as it is.</summary>
internal static class RecoveryCode
{
    private const int Count = 10;
    private const int Length = 10;

    /// <summary>What is shown, once, and what is kept.</summary>
    public static (IReadOnlyList<string> Shown, byte[] Hashes) Make(IRandomBytes random)
    {
        var shown = new List<string>(Count);
        var kept = new List<byte>(Count * SHA256.HashSizeInBytes);
        Span<byte> bytes = stackalloc byte[Length];
        for (var i = 0; i < Count; i++)
        {
            random.Fill(bytes);
            var text = Base32.Encode(bytes);
            shown.Add($"{text[..4]}-{text[4..8]}-{text[8..12]}-{text[12..]}");
            kept.AddRange(Hash(text));
        }

        return (shown, [.. kept]);
    }

    public static int CountIn(byte[]? hashes) => (hashes?.Length ?? 0) / SHA256.HashSizeInBytes;

    /// <summary>What is left after this code was used; null when it is none of them.</summary>
    public static byte[]? Without(byte[] hashes, string code)
    {
        var given = Hash(code);
        var chunks = hashes.Chunk(SHA256.HashSizeInBytes).ToList();
        var rest = chunks.Where(hash => !CryptographicOperations.FixedTimeEquals(hash, given)).ToList();
        return rest.Count == chunks.Count ? null : [.. rest.SelectMany(hash => hash)];
    }

    private static byte[] Hash(string code) => SHA256.HashData(Encoding.UTF8.GetBytes(code));
}
