using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Npgsql;

namespace DataVault.Vault;

/// <summary>Connections to the database <c>vault</c>.</summary>
internal sealed class VaultDatabase(string connectionString) : DatabaseConnections(connectionString, "vault");

/// <summary>Connections to the database <c>keys</c>: another login, in production another cluster.</summary>
internal sealed class KeysDatabase(string connectionString) : DatabaseConnections(connectionString, "keys");

/// <summary>A pool for transactions, and one that coalesces single reads of many requests into few network packets.</summary>
internal abstract class DatabaseConnections : IAsyncDisposable
{
    /// <summary>So long a database that has gone away is waited for; who comes later is refused at once.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    /// <summary>Failures that lie so far apart are of two outages.</summary>
    private static readonly TimeSpan Apart = TimeSpan.FromSeconds(1);

    /// <summary>A connection that was idle for so long is tried before it is used. No server is restarted in less.</summary>
    private static readonly TimeSpan Idle = TimeSpan.FromMilliseconds(20);

    /// <summary>Connections remembered; a pool has fewer, and what is forgotten is tried once more.</summary>
    private const int MostRemembered = 1024;

    private readonly Lazy<NpgsqlDataSource> reads;
    // When each connection, by its server process, was last known to be alive.
    private readonly ConcurrentDictionary<int, long> alive = new();
    private long awaySince;
    private long failedAt;

    protected DatabaseConnections(string connectionString, string name)
    {
        Source = Build(connectionString, name, multiplexing: false);
        reads = new Lazy<NpgsqlDataSource>(() => Build(connectionString, name + "-reads", multiplexing: true));
        Name = name;
    }

    public string Name { get; }

    public NpgsqlDataSource Source { get; }

    /// <summary>Single statements that only read, outside any transaction: commands of several requests share a connection.</summary>
    public NpgsqlDataSource Reads => reads.Value;

    /// <summary>A connection that answers: what is done over it is not done twice, so it is tried first when nothing was heard over it for a while.</summary>
    /// <exception cref="VaultException">The database is away.</exception>
    public async ValueTask<NpgsqlConnection> OpenAsync(CancellationToken ct = default)
    {
        while (true)
        {
            NpgsqlConnection? connection = null;
            try
            {
                connection = await Source.OpenConnectionAsync(ct);
                if (!alive.TryGetValue(connection.ProcessID, out var last) || Stopwatch.GetElapsedTime(last) > Idle)
                {
                    await using var ask = new NpgsqlCommand("select 1", connection);
                    await ask.ExecuteNonQueryAsync(ct);
                }

                Answered(connection);
                return connection;
            }
            catch (Exception e) when (DatabaseFailure.IsOutage(e))
            {
                if (connection is not null) await connection.DisposeAsync();
                if (!await ComesBackAsync(e, ct)) throw VaultException.Unavailable(e);
            }
            catch
            {
                if (connection is not null) await connection.DisposeAsync();
                throw;
            }
        }
    }

    /// <summary>Something was carried out over a connection: it is alive.</summary>
    public void Answered(NpgsqlConnection connection)
    {
        if (alive.Count > MostRemembered) alive.Clear();
        alive[connection.ProcessID] = Stopwatch.GetTimestamp();
    }

    /// <summary>
    /// After a failure: true when the connection broke and what was asked may be asked again, after a short rest. INVARIANT: only for what has surely not been
    /// carried out, or may be carried out twice: reads outside a transaction, the opening of a connection, a batch of the log that is looked for first.
    /// </summary>
    public async ValueTask<bool> ComesBackAsync(Exception cause, CancellationToken ct)
    {
        if (!DatabaseFailure.IsBroken(cause)) return false;
        Forget(cause);
        var now = Stopwatch.GetTimestamp();
        var last = Interlocked.Exchange(ref failedAt, now);
        if (last == 0 || Stopwatch.GetElapsedTime(last, now) > Apart) Interlocked.Exchange(ref awaySince, now);
        if (Stopwatch.GetElapsedTime(Interlocked.Read(ref awaySince), now) > Patience) return false;
        await Task.Delay(Pause, ct);
        return true;
    }

    /// <summary>
    /// After a server ended, every connection that waits in a pool is dead, and each would cost one more request its answer: all are given up with the first.
    /// </summary>
    public void Forget(Exception cause)
    {
        if (!DatabaseFailure.IsBroken(cause)) return;
        Source.Clear();
        if (reads.IsValueCreated) reads.Value.Clear();
    }

    public async ValueTask DisposeAsync()
    {
        await Source.DisposeAsync();
        if (reads.IsValueCreated) await reads.Value.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    // IncludeErrorDetail stays off: details quote values. The name is set because the default one shows host and user in metrics.
    private static NpgsqlDataSource Build(string connectionString, string name, bool multiplexing)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString)
        {
            ApplicationName = "datavault-" + name,
            IncludeErrorDetail = false,
            Multiplexing = multiplexing,
            NoResetOnClose = true,
            MaxAutoPrepare = 100,
            AutoPrepareMinUsages = 2,
        };
        if (settings.Host?.Contains(',', StringComparison.Ordinal) != true) return new NpgsqlDataSourceBuilder(settings.ConnectionString) { Name = name }.Build();
        // Of several servers the one that takes writes, whichever that is after a fail-over.
        (settings.TargetSessionAttributes, settings.Multiplexing, settings.HostRecheckSeconds) = (null, false, 2);
        return new NpgsqlDataSourceBuilder(settings.ConnectionString) { Name = name }.BuildMultiHost().WithTargetSession(TargetSessionAttributes.Primary);
    }
}

/// <summary>
/// A commit counts only if the server does not warn that it stopped waiting for the standby: PostgreSQL reports success then,
/// although the transaction is on one disk alone and may be lost at fail-over.
/// </summary>
internal sealed class DurabilityGuard : IDisposable
{
    private readonly NpgsqlConnection connection;
    private bool doubtful;

    public DurabilityGuard(NpgsqlConnection connection)
    {
        this.connection = connection;
        connection.Notice += OnNotice;
    }

    /// <exception cref="VaultException">The last commit is not known to be durable.</exception>
    public void ThrowIfDoubtful()
    {
        if (!doubtful) return;
        doubtful = false;
        throw VaultException.Unavailable();
    }

    public void Dispose() => connection.Notice -= OnNotice;

    /// <summary>Commits, and fails unless the commit is durable. Not cancellable: a commit that was sent must be waited for.</summary>
    public static async Task CommitAsync(NpgsqlTransaction transaction)
    {
        using var guard = new DurabilityGuard(transaction.Connection!);
        await transaction.CommitAsync(CancellationToken.None);
        guard.ThrowIfDoubtful();
    }

    // The routine is named in the notice whatever the language of the server's messages.
    internal static bool IsDoubt(PostgresNotice notice) =>
        notice.Routine == "SyncRepWaitForLSN" || notice.MessageText.Contains("synchronous replication", StringComparison.Ordinal);

    private void OnNotice(object sender, NpgsqlNoticeEventArgs e) => doubtful |= IsDoubt(e.Notice);
}

/// <summary>The same guard for what Entity Framework commits.</summary>
internal sealed class DurableCommits : DbTransactionInterceptor
{
    public override async ValueTask<InterceptionResult> TransactionCommittingAsync(
        System.Data.Common.DbTransaction transaction, TransactionEventData eventData, InterceptionResult result, CancellationToken cancellationToken = default)
    {
        await DurabilityGuard.CommitAsync((NpgsqlTransaction)transaction);
        return InterceptionResult.Suppress();
    }
}

/// <summary>Tells a database that is away, restarting or overloaded from a mistake of ours.</summary>
internal static class DatabaseFailure
{
    public static bool IsOutage(Exception e) => e switch
    {
        FileNotFoundException or DirectoryNotFoundException => false,
        PostgresException p => p.IsTransient || p.SqlState is PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown
            or PostgresErrorCodes.CannotConnectNow or PostgresErrorCodes.ReadOnlySqlTransaction or PostgresErrorCodes.QueryCanceled
            or PostgresErrorCodes.InvalidCatalogName,
        NpgsqlException or TimeoutException or SocketException or IOException => true,
        _ => false,
    };

    /// <summary>The same, and what was made of it for a caller.</summary>
    public static bool IsAway(Exception e) => IsOutage(e) || e is VaultException { InnerException: { } cause } && IsOutage(cause);

    /// <summary>The connection is gone, and perhaps the server: whether the last statement was carried out is not known.</summary>
    public static bool IsBroken(Exception e) => e switch
    {
        PostgresException p => p.SqlState is PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.CannotConnectNow
            or PostgresErrorCodes.ReadOnlySqlTransaction,
        NpgsqlException { InnerException: TimeoutException } => false,
        NpgsqlException or SocketException or IOException => true,
        VaultException { InnerException: { } cause } => IsBroken(cause),
        _ => false,
    };

    public static bool IsUniqueViolation(Exception e) => e is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation };
}
