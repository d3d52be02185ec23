using DataVault.Issuer.Storage;

namespace DataVault.Issuer.Accounts;

/// <summary>
/// Counts wrong passwords by account handle, for addresses with an account and without one alike: the row, the statement and the answer are the
/// same, so that a lock tells nobody whether an account exists. An attempt is counted before the password is looked at, so that parallel guesses
/// do not slip past.
/// </summary>
internal sealed class SignInAttempts(IssuerDatabase database, IssuerOptions options, TimeProvider clock)
{
    /// <summary>False when the address is locked, or whatever else was counted has had its <paramref name="most"/>.</summary>
    public async Task<bool> BeginAsync(string handle, CancellationToken cancellationToken, int? most = null)
    {
        var now = clock.GetUtcNow();
        var allowed = most ?? options.SignInAttempts;
        var attempts = await database.FirstAsync(
            """
            INSERT INTO issuer.sign_in_attempt AS t (handle, failures, until) VALUES ($1, 1, $3)
            ON CONFLICT (handle) DO UPDATE SET
                failures = CASE WHEN t.until > $2 THEN t.failures + 1 ELSE 1 END,
                until = CASE WHEN t.until > $2 AND t.failures >= $4 THEN t.until ELSE $3 END
            RETURNING failures
            """,
            r => new Count(r.GetInt32(0)),
            cancellationToken,
            handle,
            now,
            now + options.LockoutPeriod,
            allowed);
        return attempts!.Failures <= allowed;
    }

    public Task ClearAsync(string handle, CancellationToken cancellationToken) => ClearAsync(database, handle, cancellationToken);

    /// <summary>The same with others in a transaction.</summary>
    public static Task ClearAsync(IssuerStatements statements, string handle, CancellationToken cancellationToken) =>
        statements.ExecuteAsync("DELETE FROM issuer.sign_in_attempt WHERE handle = $1", cancellationToken, handle);

    private sealed record Count(int Failures);
}
