using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Keeps the pseudonymised domains in step with the vault: takes changed subjects from the queue, decides for each as the recipient
/// <c>analytics-feed</c>, and writes what may be shown, generalised, under the domain's pseudonym. Without consent it removes instead.
/// <code>
/// one batch, one transaction:   lock subject rows, by id  ->  take queue rows  ->  decide, open, generalise  ->  write or remove  ->  log  ->  commit
/// </code>
/// INVARIANT: locks are taken in that order everywhere (subject, queue, analytics rows, head of the log), so a withdrawal waits for the batch or
/// the batch for the withdrawal, and neither for ever. Queue rows are taken before events are read: what is written later queues again.
/// </summary>
public sealed class AnalyticsFeed : RoundsWorker
{
    public const string Purpose = "analytics";
    private const int BatchSize = 64;
    private const int SetAside = 1;

    /// <summary>A customer's burst of events is fed once, after it.</summary>
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(1);

    private readonly VaultDatabase database;
    private readonly FeedReader reader;
    private readonly AuditLog log;
    private readonly VaultClock clock;
    private readonly ILogger<AnalyticsFeed> logger;

    internal AnalyticsFeed(VaultDatabase database, FeedReader reader, AuditLog log, VaultClock clock, ILogger<AnalyticsFeed> logger)
        : base(clock.Provider, logger) =>
        (this.database, this.reader, this.log, this.clock, this.logger) = (database, reader, log, clock, logger);

    internal static readonly Recipient Feeder = Recipient.Process("analytics-feed", Purpose);

    /// <summary>Feeds everything that is queued; returns how many subjects were looked at.</summary>
    public async Task<int> DrainAsync(CancellationToken ct)
    {
        var total = 0;
        for (int fed; (fed = await FeedBatchAsync(clock.Now, ct)) > 0;) total += fed;
        return total;
    }

    protected override TimeSpan Rhythm => TimeSpan.FromMilliseconds(500);

    protected override TimeSpan LongestPause => TimeSpan.FromSeconds(10);

    public override async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        while (await FeedBatchAsync(clock.Now - Settle, cancellation) > 0)
        {
        }

        return true;
    }

    private async Task<int> FeedBatchAsync(DateTimeOffset queuedBefore, CancellationToken ct)
    {
        var candidates = await CandidatesAsync(queuedBefore, ct);
        if (candidates.Count > 0) await reader.Policy.EnsureNewestAsync(ct);
        using var taken = reader.Policy.Take();
        return candidates.Count == 0
            ? 0
            : await database.RunAsync((connection, transaction) => FeedAsync(connection, transaction, candidates, ct), ct);
    }

    private async Task<int> FeedAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, List<SubjectId> candidates, CancellationToken ct)
    {
        var locked = await FeedReader.LockAsync(connection, transaction, candidates, ct);
        var taken = await TakeAsync(connection, transaction, candidates, ct);
        using var batch = await reader.ReadAsync(connection, transaction, [.. locked.Where(record => taken.Contains(record.Subject))], ct);
        await FeedWriter.WriteAsync(connection, transaction, batch, clock.Today, ct);
        await SetAsideAsync(connection, transaction, batch.Failed, ct);
        if (batch.Subjects.Count > 0) await log.AppendWithinAsync(connection, transaction, [Entry(batch)], ct);
        return taken.Count;
    }

    private async Task<List<SubjectId>> CandidatesAsync(DateTimeOffset queuedBefore, CancellationToken ct)
    {
        await using var command = database.Reads.CreateCommand(
            "select subject_id from vault.feed_queue where enqueued_at <= $1 and attempt < $2 order by enqueued_at limit $3");
        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = queuedBefore.UtcDateTime });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = SetAside });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = BatchSize });
        var subjects = await Rows.ReadAsync(command, row => new SubjectId(row.GetGuid(0)), ct);
        return [.. subjects.OrderBy(subject => subject.Value)];
    }

    // Rows that somebody is just adding to are left for the next batch instead of waited for.
    private static async Task<HashSet<SubjectId>> TakeAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, List<SubjectId> subjects, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            """
            delete from vault.feed_queue where subject_id in
                (select subject_id from vault.feed_queue where subject_id = any($1) order by subject_id for update skip locked)
            returning subject_id
            """, connection, transaction);
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. subjects.Select(subject => subject.Value)] });
        return [.. await Rows.ReadAsync(command, row => new SubjectId(row.GetGuid(0)), ct)];
    }

    /// <summary>Those of whom something does not open wait, out of the way, until their next change.</summary>
    private async Task SetAsideAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<SubjectId> failed, CancellationToken ct)
    {
        if (failed.Count == 0) return;
        logger.LogError("Of {Count} people something does not open and was not fed to analytics", failed.Count);
        await using var command = new NpgsqlCommand(
            "insert into vault.feed_queue (subject_id, enqueued_at, attempt) select id, $2, $3 from unnest($1) as u(id) on conflict (subject_id) do nothing",
            connection, transaction);
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. failed.Select(subject => subject.Value)] });
        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = clock.Now.UtcDateTime });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = SetAside });
        await command.ExecuteNonQueryAsync(ct);
    }

    private PendingEntry Entry(FeedBatch batch) => AuditLog.Concerning(
        log.Entry(EntryType.AnalyticsFeed, Feeder, default, Purpose, EntryResult.Ok, batch.Items, clock.NewId()), batch.Subjects.Select(subject => subject.Keys.Tag));
}
