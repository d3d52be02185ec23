using DataVault.Policy;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// What falls due by the clock alone: people whose consent to analytics has run out are fed again, which takes them out; answers remembered for
/// repeated calls are forgotten; the notices of a policy that has come into force are kept. Several processes may do both at once.
/// </summary>
internal sealed class Upkeep(VaultDatabase database, ActivePolicy policy, NoticeArchive notices, VaultClock clock, ILogger<Upkeep> logger)
    : RoundsWorker(clock.Provider, logger)
{
    private static readonly TimeSpan AnswersKept = TimeSpan.FromDays(1);

    // A new process goes on where the one before stopped, and a little before that: clocks differ between machines.
    private static readonly TimeSpan Overlap = TimeSpan.FromHours(1);

    private const string ExpiryTask = "consent-expiry";

    private DateTimeOffset? lastTurn;

    protected override TimeSpan Rhythm => TimeSpan.FromMinutes(1);

    public override Task<bool> RoundAsync(CancellationToken cancellation) => TurnAsync(cancellation);

    /// <summary>False when a part failed.</summary>
    public async Task<bool> TurnAsync(CancellationToken cancellation) =>
        await TryAsync("the expiry of consents", QueueExpiredAsync, cancellation) & await TryAsync("answers to forget", ForgetAnswersAsync, cancellation)
        & await TryAsync("the notices in force", notices.KeepNewestAsync, cancellation);

    // A later act of the same person has queued them itself.
    private async Task QueueExpiredAsync(CancellationToken ct)
    {
        await policy.EnsureNewestAsync(ct);
        using var taken = policy.Take();
        var now = clock.Now;
        if (policy.Current.Purposes.Find(AnalyticsFeed.Purpose) is not { } purpose) return;
        var since = lastTurn ?? await SweptUntilAsync(ct) - Overlap;
        // INVARIANT: how far the sweep came is kept beside what it queued, in one transaction: a database restored to an earlier state is swept from there again.
        await database.RunAsync(async (connection, transaction) =>
        {
            await using var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { Note(now), Queue(purpose.Id, since, now) } };
            return await batch.ExecuteNonQueryAsync(ct);
        }, ct);
        lastTurn = now;
    }

    /// <summary>What ran out while no process was there is found from here on.</summary>
    private async Task<DateTimeOffset> SweptUntilAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select done_until from vault.upkeep where task = $1");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = ExpiryTask });
        return await command.ExecuteScalarAsync(ct) is DateTime until ? new DateTimeOffset(until) : DateTimeOffset.UnixEpoch;
    }

    private static NpgsqlBatchCommand Note(DateTimeOffset now) =>
        new("insert into vault.upkeep (task, done_until) values ($1, $2) on conflict (task) do update set done_until = excluded.done_until")
        {
            Parameters = { new NpgsqlParameter<string> { TypedValue = ExpiryTask }, new NpgsqlParameter<DateTime> { TypedValue = now.UtcDateTime } },
        };

    private static NpgsqlBatchCommand Queue(int purpose, DateTimeOffset since, DateTimeOffset now) =>
        new("""
            insert into vault.feed_queue (subject_id, enqueued_at, attempt)
            select c.subject_id, $3, 0 from vault.consent_event c
            where c.expires > $2 and c.expires <= $3 and c.purpose_id = $1 and not exists (
                select from vault.consent_event n where n.subject_id = c.subject_id and n.purpose_id = $1 and n.sequence > c.sequence)
            order by c.subject_id
            on conflict (subject_id) do update set attempt = 0
            """)
        {
            Parameters =
            {
                new NpgsqlParameter<int> { TypedValue = purpose }, new NpgsqlParameter<DateTime> { TypedValue = since.UtcDateTime },
                new NpgsqlParameter<DateTime> { TypedValue = now.UtcDateTime },
            },
        };

    private async Task ForgetAnswersAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("delete from vault.idempotency where created_at < $1");
        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = (clock.Now - AnswersKept).UtcDateTime });
        await command.ExecuteNonQueryAsync(ct);
    }
}
