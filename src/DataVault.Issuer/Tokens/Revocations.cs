using DataVault.Issuer.Storage;

namespace DataVault.Issuer;

/// <summary>
/// Access tokens are self-contained; this is the short list of those that died before their time: by token, by authorisation (a sign-in at a
/// client and all that came of it), by client. An entry lives as long as such a token could. Other processes see it within
/// <see cref="IssuerOptions.RevocationDelay"/>, this one at once.
/// </summary>
internal sealed class Revocations(IssuerDatabase database, IssuerOptions options, TimeProvider clock) : IDisposable
{
    private readonly SemaphoreSlim loading = new(1, 1);
    private volatile Snapshot current = new([], DateTimeOffset.MinValue);

    public static string OfToken(string jti) => "token:" + jti;
    public static string OfAuthorisation(Guid id) => $"authorisation:{id:N}";
    public static string OfClient(string id) => "client:" + id;

    public async Task RevokeAsync(string key, CancellationToken cancellationToken)
    {
        await RevokeAsync(database, key, cancellationToken);
        Forget();
    }

    /// <summary>The same with others in a transaction; <see cref="Forget"/> is to follow the commit.</summary>
    public Task RevokeAsync(IssuerStatements statements, string key, CancellationToken cancellationToken) =>
        statements.ExecuteAsync(
            "INSERT INTO issuer.revocation (key, until) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET until = excluded.until",
            cancellationToken,
            key,
            Until(clock.GetUtcNow()));

    /// <summary>With others in a transaction; <see cref="Forget"/> is to follow the commit.</summary>
    public static Task LiftAsync(IssuerStatements statements, string key, CancellationToken cancellationToken) =>
        statements.ExecuteAsync("DELETE FROM issuer.revocation WHERE key = $1", cancellationToken, key);

    public async ValueTask<bool> IsRevokedAsync(ValidatedToken token, CancellationToken cancellationToken)
    {
        var keys = (await CurrentAsync(cancellationToken)).Keys;
        if (keys.Count == 0) return false;
        return keys.Contains(OfToken(token.TokenId)) || keys.Contains(OfClient(token.ClientId))
            || (token.Authorisation is { } id && keys.Contains(OfAuthorisation(id)));
    }

    public void Dispose() => loading.Dispose();

    /// <summary>When a token issued now is dead by itself.</summary>
    public DateTimeOffset Until(DateTimeOffset now) => now + options.AccessTokenLifetime + AccessTokenValidator.ClockSkew;

    /// <summary>The next look reads the list again.</summary>
    public void Forget() => current = new Snapshot([], DateTimeOffset.MinValue);

    private async ValueTask<Snapshot> CurrentAsync(CancellationToken cancellationToken)
    {
        var snapshot = current;
        if (IsFresh(snapshot)) return snapshot;
        await loading.WaitAsync(cancellationToken);
        try
        {
            snapshot = current;
            return IsFresh(snapshot) ? snapshot : await LoadAsync(snapshot, cancellationToken);
        }
        finally
        {
            loading.Release();
        }
    }

    // A revocation made while the list was read has replaced the snapshot: then the list just read is used once and not kept.
    private async Task<Snapshot> LoadAsync(Snapshot former, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        var keys = await database.ListAsync("SELECT key FROM issuer.revocation WHERE until > $1", r => r.GetString(0), cancellationToken, now);
        var loaded = new Snapshot([.. keys], now);
        Interlocked.CompareExchange(ref current, loaded, former);
        return loaded;
    }

    private bool IsFresh(Snapshot snapshot) => clock.GetUtcNow() - snapshot.LoadedAt < options.RevocationDelay;

    private sealed record Snapshot(HashSet<string> Keys, DateTimeOffset LoadedAt);
}
