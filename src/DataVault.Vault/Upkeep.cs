using DataVault.Policy;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// What falls due by the clock alone: people are fed to analytics again when a consent that it rests on has run out, which takes out what may no longer show; answers remembered for
/// repeated calls are forgotten; of a policy that has come into force the notices are kept and the child rules are held against everybody. Several processes may do it at once.
/// </summary>
internal sealed class Upkeep(VaultDatabase database, ActivePolicy policy, NoticeArchive notices, AgeSweep ages, VaultClock clock, ILogger<Upkeep> logger)
    : RoundsWorker(clock.Provider, logger)
{
    private static readonly TimeSpan AnswersKept = TimeSpan.FromDays(1);

    // A new process goes on where the one before stopped, and a little before that: clocks differ between machines.
    private static readonly TimeSpan Overlap = TimeSpan.FromHours(1);

    // INVARIANT: the name changes with what the sweep looks for, so that it begins anew once and finds what the one before it passed over.
    private const string ExpiryTask = "consent-end";

    private DateTimeOffset? lastTurn;

    protected override TimeSpan Rhythm => TimeSpan.FromMinutes(1);

    public override Task<bool> RoundAsync(CancellationToken cancellation) => TurnAsync(cancellation);

    /// <summary>False when a part failed.</summary>
    public async Task<bool> TurnAsync(CancellationToken cancellation) =>
        await TryAsync("the expiry of consents", QueueExpiredAsync, cancellation) & await TryAsync("answers to forget", ForgetAnswersAsync, cancellation)
        & await TryAsync("the notices in force", notices.KeepNewestAsync, cancellation) & await TryAsync("the ages that child rules ask for", SweepAgesAsync, cancellation);

    private async Task SweepAgesAsync(CancellationToken ct)
    {
        await policy.EnsureNewestAsync(ct);
        using var taken = policy.Take();
        if (await ages.RunAsync(ct) is var changed and > 0) logger.LogInformation("Child rules that have come into force changed what is known of {Count} people", changed);
    }

    // A later answer of the same person has queued them itself; a question, a deferral and an objection let the consent run on.
    private async Task QueueExpiredAsync(CancellationToken ct)
    {
        await policy.EnsureNewestAsync(ct);
        using var taken = policy.Take();
        var now = clock.Now;
        var since = lastTurn ?? await SweptUntilAsync(ct) - Overlap;
        // INVARIANT: how far the sweep came is kept beside what it queued, in one transaction: a database restored to an earlier state is swept from there again.
        await database.RunAsync(async (connection, transaction) =>
        {
            await using var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { Note(now), Queue(policy.Current.FeedPurposes, since, now) } };
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

    // A sweep that begins anew looks at whatever else ended a consent too.
    private static NpgsqlBatchCommand Queue(IEnumerable<int> purposes, DateTimeOffset since, DateTimeOffset now) =>
        new("""
            insert into vault.feed_queue (subject_id, enqueued_at, attempt)
            select distinct c.subject_id, $3, 0 from vault.consent_event c
            where ((c.expires > $2 and c.expires <= $3) or ($4 and c.state in (2, 3, 7, 8, 9))) and c.purpose_id = any($1) and not exists (
                select from vault.consent_event n
                where n.subject_id = c.subject_id and n.purpose_id = c.purpose_id and n.sequence > c.sequence and n.state not in (4, 5, 9))
            order by c.subject_id
            on conflict (subject_id) do update set attempt = 0
            """)
        {
            Parameters =
            {
                new NpgsqlParameter<int[]> { TypedValue = [.. purposes] }, new NpgsqlParameter<DateTime> { TypedValue = since.UtcDateTime },
                new NpgsqlParameter<DateTime> { TypedValue = now.UtcDateTime }, new NpgsqlParameter<bool> { TypedValue = since < DateTimeOffset.UnixEpoch },
            },
        };

    private async Task ForgetAnswersAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("delete from vault.idempotency where created_at < $1");
        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = (clock.Now - AnswersKept).UtcDateTime });
        await command.ExecuteNonQueryAsync(ct);
    }
}
