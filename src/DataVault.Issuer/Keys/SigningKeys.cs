using System.Security.Cryptography;
using DataVault.Cryptography;
using DataVault.Issuer.Storage;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.Tokens;
using Npgsql;

namespace DataVault.Issuer.Keys;

/// <summary>
/// The issuer's ES256 keys. Life of a key: published (in the JWKS) → signs → only verifies → gone. A successor is published one overlap before
/// it signs, and a retired key stays one overlap after it stopped, so that no verifier with a cached JWKS ever meets an unknown key.
/// Keys are made when one is needed; processes share them through the table.
/// </summary>
internal sealed class SigningKeys(
    IssuerDatabase database, IssuerSecrets secrets, IssuerOptions options, TimeProvider clock, ILogger<SigningKeys> logger) : IDisposable
{
    private static readonly TimeSpan SnapshotLife = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan UnknownKeyPause = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim loading = new(1, 1);
    private volatile Snapshot current = new([], DateTimeOffset.MinValue);

    /// <summary>Keys that verifiers should know, oldest first.</summary>
    public async ValueTask<IReadOnlyList<PublishedKey>> PublishedAsync(CancellationToken cancellationToken) =>
        (await CurrentAsync(SnapshotLife, cancellationToken)).Keys;

    public async ValueTask<SigningCredentials> SignerAsync(CancellationToken cancellationToken)
    {
        var snapshot = await CurrentAsync(SnapshotLife, cancellationToken);
        var key = Active(snapshot.Keys) ?? throw new InvalidOperationException("There is no signing key.");
        return key.Credentials(secrets);
    }

    /// <summary>Null when the key is not ours. An unknown id makes us look again, but not more often than once in ten seconds.</summary>
    public async ValueTask<ECDsaSecurityKey?> FindAsync(string? kid, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(kid)) return null;
        var found = (await CurrentAsync(SnapshotLife, cancellationToken)).Find(kid);
        return found ?? (await CurrentAsync(UnknownKeyPause, cancellationToken)).Find(kid);
    }

    public void Dispose() => loading.Dispose();

    private async ValueTask<Snapshot> CurrentAsync(TimeSpan life, CancellationToken cancellationToken)
    {
        var snapshot = current;
        if (clock.GetUtcNow() - snapshot.LoadedAt < life) return snapshot;
        await loading.WaitAsync(cancellationToken);
        try
        {
            if (ReferenceEquals(snapshot, current)) current = await LoadAsync(snapshot, cancellationToken);
            return current;
        }
        finally
        {
            loading.Release();
        }
    }

    private async Task<Snapshot> LoadAsync(Snapshot former, CancellationToken cancellationToken)
    {
        var keys = await ReadAsync(former, cancellationToken);
        if (NeedsSuccessor(keys) is { } activeFrom)
        {
            await CreateAsync(activeFrom, cancellationToken);
            keys = await ReadAsync(former, cancellationToken);
        }

        return new Snapshot(keys, clock.GetUtcNow());
    }

    // Keeps the key objects of the former snapshot: IdentityModel caches its signature providers by them. A public key that the vault holds no private one of is
    // somebody else's, whoever put it there.
    private async Task<List<PublishedKey>> ReadAsync(Snapshot former, CancellationToken cancellationToken)
    {
        var keys = await ListAsync(former, cancellationToken);
        foreach (var foreign in keys.Where(key => !former.Keys.Contains(key) && !key.IsPair(secrets)).ToList())
        {
            logger.LogError("The signing key {Kid} is not the vault's, and is refused: run check, and find out who can write into the database.", foreign.Kid);
            keys.Remove(foreign);
        }

        return keys;
    }

    private Task<List<PublishedKey>> ListAsync(Snapshot former, CancellationToken cancellationToken) => database.ListAsync(
        """
        SELECT kid, public_key, private_sealed, active_from, retires_at
        FROM issuer.signing_key WHERE expires_at > $1 ORDER BY active_from, kid
        """,
        r => former.Keys.FirstOrDefault(k => k.Kid == r.GetString(0))
            ?? new PublishedKey(r.GetString(0), (byte[])r[1], (byte[])r[2], r.Time(3), r.Time(4)),
        cancellationToken,
        clock.GetUtcNow());

    private PublishedKey? Active(IReadOnlyList<PublishedKey> keys)
    {
        var now = clock.GetUtcNow();
        return keys.LastOrDefault(k => k.ActiveFrom <= now && now < k.RetiresAt);
    }

    private DateTimeOffset? NeedsSuccessor(List<PublishedKey> keys)
    {
        var now = clock.GetUtcNow();
        var last = keys.Count == 0 ? now : keys.Max(k => k.RetiresAt);
        if (last <= now) return now;
        return last - now <= options.SigningKeyOverlap ? last : null;
    }

    // The lock keeps two processes from making a key each at the same moment; two would be harmless.
    private async Task CreateAsync(DateTimeOffset activeFrom, CancellationToken cancellationToken)
    {
        await using var connection = await database.Source.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var guard = new NpgsqlCommand("SELECT pg_advisory_xact_lock(hashtext('issuer.signing_key'))", connection, transaction);
        await guard.ExecuteNonQueryAsync(cancellationToken);
        await using var insert = InsertCommand(connection, transaction, activeFrom);
        await insert.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    private NpgsqlCommand InsertCommand(NpgsqlConnection connection, NpgsqlTransaction transaction, DateTimeOffset activeFrom)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var kid = Uuid.Version7(clock, secrets.Random).ToString("N");
        var privateKey = key.ExportPkcs8PrivateKey();
        var retiresAt = activeFrom + options.SigningKeyLifetime;
        try
        {
            object[] values =
            [
                kid, key.ExportSubjectPublicKeyInfo(), secrets.Seal(PublishedKey.Context(kid), privateKey),
                activeFrom, retiresAt, retiresAt + options.SigningKeyOverlap,
            ];
            var command = new NpgsqlCommand(
                """
                INSERT INTO issuer.signing_key (kid, public_key, private_sealed, active_from, retires_at, expires_at)
                SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (SELECT FROM issuer.signing_key WHERE retires_at > $4)
                """,
                connection,
                transaction);
            foreach (var value in values) command.Parameters.Add(new NpgsqlParameter { Value = value });
            return command;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(privateKey);
        }
    }

    private sealed record Snapshot(IReadOnlyList<PublishedKey> Keys, DateTimeOffset LoadedAt)
    {
        public ECDsaSecurityKey? Find(string kid) => Keys.FirstOrDefault(k => k.Kid == kid)?.PublicKey;
    }
}

/// <summary>A signing key as the table holds it; the private half is opened when it first signs.</summary>
internal sealed class PublishedKey
{
    private readonly byte[] wrapped;
    private readonly Lock opening = new();
    private SigningCredentials? credentials;

    public PublishedKey(string kid, byte[] publicKey, byte[] privateSealed, DateTimeOffset activeFrom, DateTimeOffset retiresAt)
    {
        (Kid, ActiveFrom, RetiresAt, wrapped) = (kid, activeFrom, retiresAt, privateSealed);
        var key = ECDsa.Create();
        key.ImportSubjectPublicKeyInfo(publicKey, out _);
        PublicKey = new ECDsaSecurityKey(key) { KeyId = kid };
        Point = key.ExportParameters(false).Q;
    }

    public string Kid { get; }
    public DateTimeOffset ActiveFrom { get; }
    public DateTimeOffset RetiresAt { get; }
    public ECDsaSecurityKey PublicKey { get; }
    public ECPoint Point { get; }

    public static string Context(string kid) => "signing-key/" + kid;

    public SigningCredentials Credentials(IssuerSecrets secrets)
    {
        lock (opening) return credentials ??= Open(secrets);
    }

    /// <summary>Whether the sealed private half is the vault's and of this public one.</summary>
    public bool IsPair(IssuerSecrets secrets)
    {
        try
        {
            return ((ECDsaSecurityKey)Credentials(secrets).Key).ECDsa.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(PublicKey.ECDsa.ExportSubjectPublicKeyInfo());
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private SigningCredentials Open(IssuerSecrets secrets)
    {
        using var privateKey = secrets.Open(Context(Kid), wrapped);
        var key = ECDsa.Create();
        key.ImportPkcs8PrivateKey(privateKey.Span, out _);
        return new SigningCredentials(new ECDsaSecurityKey(key) { KeyId = Kid }, SecurityAlgorithms.EcdsaSha256);
    }
}
