using System.Text;
using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault;

/// <summary>What a deletion did.</summary>
/// <param name="Erased">What was deleted, and how many rows of it.</param>
/// <param name="Residuals">What it could not reach.</param>
/// <param name="Replayed">The rows had been deleted before, by the replay of the tombstone journal after a restore.</param>
internal sealed record ErasedRows(IReadOnlyDictionary<string, long> Erased, IReadOnlyDictionary<string, long> Residuals, bool Replayed);

/// <summary>Every row that a person has in the database <c>vault</c>, wherever it lies.</summary>
internal static class ErasureRows
{
    /// <summary>Details are deleted once the log's head is locked: see <see cref="DeleteDetailsAsync"/>.</summary>
    private const string DetailTable = "audit.detail";

    // INVARIANT: the record goes first; whoever writes for the person holds its row, so that nothing is written behind the deletion.
    // A table that keeps anything of a person stands here or in the analytics domains; a test compares this list with the schema.
    private static readonly (string Table, string Counted)[] Tables =
    [
        ("vault.subject", "records"), ("vault.history", "history-versions"), ("vault.identifier", "identifiers"), ("vault.search_term", "search-terms"), ("vault.event", "events"),
        ("vault.consent_event", "consent-events"), ("vault.feed_queue", "queue-rows"), ("vault.hold_subject", "holds"),
        ("vault.message", "messages"), ("vault.approval", "approvals"), ("vault.retention_look", "retention-looks"),
        ("vault.recipient_notice", "recipient-notices"), ("vault.automated_decision", "automated-decisions"),
    ];

    // What of these the holds keep is written anew, not deleted.
    private static readonly string[] KeptInPart = ["vault.subject", "vault.history", "vault.event", "vault.hold_subject"];

    private static readonly string[] AnalyticsTables = ["customer", "purchase", "interaction"];

    /// <summary>A customer is made within one call, so the answer that names them was remembered around the time that their id tells.</summary>
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromMinutes(15);

    public static IEnumerable<string> SubjectTables => Tables.Select(t => t.Table).Append(DetailTable).Append("vault.request");

    /// <summary>What the tombstone journal tells of is carried out here.</summary>
    public static async Task NoteAsync(NpgsqlConnection connection, IReadOnlyList<byte[]> names, DateTimeOffset at, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("INSERT INTO vault.tombstone (subject_hash, at) SELECT u.h, $2 FROM unnest($1) AS u (h) ON CONFLICT DO NOTHING", connection)
        {
            Parameters = { new NpgsqlParameter<byte[][]> { TypedValue = [.. names] }, new() { Value = at.UtcDateTime } },
        };
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Whether a hold in force names the person.</summary>
    public static async Task<bool> IsHeldAsync(NpgsqlConnection connection, SubjectId subject, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(
            "SELECT EXISTS (SELECT FROM vault.hold_subject s JOIN vault.hold h USING (hold_id) WHERE s.subject_id = $1 AND h.released_at IS NULL)", connection)
        {
            Parameters = { new() { Value = subject.Value } },
        };
        return await command.ExecuteScalarAsync(cancellation) is true;
    }

    /// <summary>The requests of the person that have the work of an erasure noted down which is not done.</summary>
    public static async Task<List<(Guid Request, byte[] Work)>> UnderWayAsync(NpgsqlConnection connection, SubjectId subject, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT request_id, work FROM vault.request WHERE subject_id = $1 AND work IS NOT NULL", connection)
        {
            Parameters = { new() { Value = subject.Value } },
        };
        return await Rows.ReadAsync(command, row => (row.GetGuid(0), row.GetFieldValue<byte[]>(1)), cancellation);
    }

    public static async Task NoteClosedAsync(NpgsqlConnection connection, RequestRow row, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("UPDATE vault.closed_request SET work = $2, log_index = $3 WHERE request_id = $1", connection)
        {
            Parameters = { new() { Value = row.Id }, new() { Value = row.Work! }, new() { Value = row.LogIndex } },
        };
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Deletes them all and leaves of each request a row that names nobody; tells how many rows of what there were.</summary>
    public static async Task<ErasedRows> DeleteAsync(
        NpgsqlConnection connection, SubjectId subject, byte[] tombstone, Guid request, IReadOnlyDictionary<string, string> pseudonyms, DateTimeOffset now,
        CancellationToken cancellation)
    {
        var residuals = await ResidualsAsync(connection, (subject, request), cancellation);
        await using var batch = new NpgsqlBatch(connection);
        foreach (var (table, _) in Tables)
            batch.BatchCommands.Add(Command($"DELETE FROM {table} WHERE subject_id = $1", subject.Value));
        AddBeside(batch, subject, pseudonyms);
        batch.BatchCommands.Add(Command("UPDATE vault.hold SET case_ref = NULL, release_ref = NULL WHERE released_at IS NOT NULL AND case_ref IS NOT NULL AND NOT EXISTS (SELECT FROM vault.hold_subject s WHERE s.hold_id = hold.hold_id)"));
        batch.BatchCommands.Add(Command("INSERT INTO vault.tombstone (subject_hash, at) VALUES ($1, $2) ON CONFLICT DO NOTHING", tombstone, now));
        batch.BatchCommands.Add(Command(CloseRequests, subject.Value, request, now));
        batch.BatchCommands.Add(Command("DELETE FROM vault.request WHERE subject_id = $1", subject.Value));
        await batch.ExecuteNonQueryAsync(cancellation);
        var counts = Tables.Select((t, i) => (t.Counted, (long)batch.BatchCommands[i].RecordsAffected)).ToDictionary();
        counts["analytics-rows"] = Enumerable.Range(Tables.Length, pseudonyms.Count * AnalyticsTables.Length).Sum(i => (long)batch.BatchCommands[i].RecordsAffected);
        counts["requests"] = (long)batch.BatchCommands[^1].RecordsAffected;
        return new ErasedRows(counts, residuals, Replayed: batch.BatchCommands[^3].RecordsAffected == 0);
    }

    /// <summary>
    /// Deletes what no hold can keep: look-ups, consents, the rows of every analytics domain, remembered answers, and the person's other requests.
    /// What is kept of the record, its history and the events is written by the caller.
    /// </summary>
    public static async Task DeleteUnheldAsync(
        NpgsqlConnection connection, SubjectId subject, Guid request, IReadOnlyDictionary<string, string> pseudonyms, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var batch = new NpgsqlBatch(connection);
        foreach (var (table, _) in Tables.Where(t => !KeptInPart.Contains(t.Table)))
            batch.BatchCommands.Add(Command($"DELETE FROM {table} WHERE subject_id = $1", subject.Value));
        AddBeside(batch, subject, pseudonyms);
        batch.BatchCommands.Add(Command(CloseRequests + " AND request_id <> $2", subject.Value, request, now));
        batch.BatchCommands.Add(Command("DELETE FROM vault.request WHERE subject_id = $1 AND request_id <> $2", subject.Value, request));
        await batch.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>
    /// INVARIANT: called after the entry of the erasure is appended, with the log's head locked. Whoever appends a detail has locked the head before or waits for
    /// it; the former is seen here, the latter finds the person gone and leaves the detail out (<see cref="LogBatch"/>).
    /// </summary>
    public static async Task<long> DeleteDetailsAsync(NpgsqlConnection connection, SubjectId subject, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"DELETE FROM {DetailTable} WHERE subject_id = $1", connection) { Parameters = { new() { Value = subject.Value } } };
        return await command.ExecuteNonQueryAsync(cancellation);
    }

    // Look-ups in a backup can be tested with guesses as long as their key lives; a package that was made has left the vault, or may have. The letter that tells of
    // the erasure waits to be sent, under a key of its own.
    private static async Task<Dictionary<string, long>> ResidualsAsync(NpgsqlConnection connection, (SubjectId Subject, Guid Request) erased, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(
            """
            SELECT (SELECT count(*) FROM (SELECT index_id FROM vault.identifier WHERE subject_id = $1 UNION SELECT index_id FROM vault.search_term WHERE subject_id = $1) AS used),
                   (SELECT count(*) FROM vault.request WHERE subject_id = $1 AND kind IN ('access', 'portability') AND state = 'completed'),
                   (SELECT count(*) FROM vault.parting_letter WHERE request_id = $2)
            """, connection)
        { Parameters = { new() { Value = erased.Subject.Value }, new() { Value = erased.Request } } };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        var residuals = new Dictionary<string, long> { ["look-up-keys"] = reader.GetInt64(0), ["packages-made"] = reader.GetInt64(1) };
        if (reader.GetInt64(2) is > 0 and var letters) residuals["parting-letters"] = letters;
        return residuals;
    }

    private static void AddBeside(NpgsqlBatch batch, SubjectId subject, IReadOnlyDictionary<string, string> pseudonyms)
    {
        foreach (var (schema, pseudonym) in pseudonyms)
            foreach (var table in AnalyticsTables)
                batch.BatchCommands.Add(Command($"DELETE FROM \"{schema}\".{table} WHERE pseudonym = $1", pseudonym));
        var made = MadeAt(subject);
        batch.BatchCommands.Add(Command(ForgetAnswers, Encoding.UTF8.GetBytes(subject.ToString()), Encoding.UTF8.GetBytes(Guid.Empty.ToString()), made - AnswerWithin, made + AnswerWithin));
    }

    // SPEC RFC 9562 §5.7: the first 48 bits of a version 7 id are Unix milliseconds.
    private static DateTime MadeAt(SubjectId subject) =>
        DateTime.UnixEpoch.AddMilliseconds(Convert.ToInt64(subject.Value.ToString("N")[..12], 16));

    private const string ForgetAnswers = """
        UPDATE vault.idempotency SET body = overlay(body placing $2 from position($1 in body)) WHERE created_at BETWEEN $3 AND $4 AND position($1 in body) > 0
        """;

    // What is left of a request: which right, when, how it ended. The one that is being carried out stays approved until its certificate stands.
    private const string CloseRequests =
        """
        INSERT INTO vault.closed_request (request_id, kind, state, jurisdiction, opened_at, due_at, extended_at, completed_at, reason, opened_by, log_index)
        SELECT request_id, kind,
               CASE WHEN request_id = $2 OR state IN ('refused', 'completed', 'withdrawn', 'expired', 'moot') THEN state WHEN kind = 'erasure' THEN 'completed' ELSE 'moot' END,
               jurisdiction, opened_at, due_at, extended_at, CASE WHEN request_id = $2 THEN NULL ELSE coalesce(completed_at, $3) END,
               CASE WHEN request_id = $2 OR state IN ('refused', 'completed', 'withdrawn', 'expired', 'moot') THEN reason ELSE 'subject-erased' END, opened_by, log_index
        FROM vault.request WHERE subject_id = $1
        """;

    private static NpgsqlBatchCommand Command(string sql, params object[] values)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var value in values) command.Parameters.Add(new NpgsqlParameter { Value = value });
        return command;
    }
}
