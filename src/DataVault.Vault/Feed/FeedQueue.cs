using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault;

/// <summary>Who must be looked at by the analytics feed again.</summary>
internal static class FeedQueue
{
    // INVARIANT: an existing row is updated, not left alone. The update waits for a feed that is about to remove the row, and makes a feed that
    // comes later wait for us; without it a change committed between the feed's look and its removal would never be fed.
    private const string Sql = NewSql + " on conflict (subject_id) do update set attempt = 0";
    private const string NewSql = "insert into vault.feed_queue (subject_id, enqueued_at, attempt) select id, $2, 0 from unnest($1) as u(id)";

    /// <summary>Subjects are queued in the order of their ids, so that two writers never wait for each other.</summary>
    public static NpgsqlBatchCommand Enqueue(IEnumerable<SubjectId> subjects, DateTimeOffset now) => Command(Sql, subjects.Select(subject => subject.Value).Distinct().Order(), now);

    /// <summary>The same for subjects that this transaction makes: nobody can have queued them.</summary>
    public static NpgsqlBatchCommand EnqueueNew(IEnumerable<SubjectId> subjects, DateTimeOffset now) => Command(NewSql, subjects.Select(subject => subject.Value), now);

    /// <summary>Everybody, once something that all rows depend on has changed.</summary>
    public static async Task<int> EnqueueAllAsync(NpgsqlConnection connection, NpgsqlTransaction transaction)
    {
        await using var command = new NpgsqlCommand(
            "insert into vault.feed_queue (subject_id, enqueued_at, attempt) select subject_id, now(), 0 from vault.subject order by subject_id on conflict (subject_id) do update set attempt = 0",
            connection, transaction);
        return await command.ExecuteNonQueryAsync();
    }

    private static NpgsqlBatchCommand Command(string sql, IEnumerable<Guid> subjects, DateTimeOffset now) => new(sql)
    {
        Parameters = { new NpgsqlParameter<Guid[]> { TypedValue = [.. subjects] }, new NpgsqlParameter<DateTime> { TypedValue = now.UtcDateTime } },
    };
}
