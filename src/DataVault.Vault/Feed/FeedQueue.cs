using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault;

/// <summary>Who must be looked at by the analytics feed again.</summary>
internal static class FeedQueue
{
    // INVARIANT: an existing row is updated, not left alone. The update waits for a feed that is about to remove the row, and makes a feed that
    // comes later wait for us; without it a change committed between the feed's look and its removal would never be fed.
    private const string Sql =
        """
        insert into vault.feed_queue (subject_id, enqueued_at, attempt) select id, $2, 0 from unnest($1) as u(id)
        on conflict (subject_id) do update set attempt = 0
        """;

    /// <summary>Subjects are queued in the order of their ids, so that two writers never wait for each other.</summary>
    public static NpgsqlBatchCommand Enqueue(IEnumerable<SubjectId> subjects, DateTimeOffset now) => new(Sql)
    {
        Parameters =
        {
            new NpgsqlParameter<Guid[]> { TypedValue = [.. subjects.Select(subject => subject.Value).Distinct().Order()] },
            new NpgsqlParameter<DateTime> { TypedValue = now.UtcDateTime },
        },
    };
}
