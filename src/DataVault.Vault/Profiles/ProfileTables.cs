using System.Buffers.Binary;
using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Indexes;
using Npgsql;

namespace DataVault.Vault;

/// <summary>The index tables of profiles: unique identifiers, claimed for the whole vault, and terms that people may share.</summary>
internal static class ProfileTables
{
    /// <summary>
    /// Holds the plan, then claims unique identifiers, in one round trip. Returned are those that are claimed now; a missing one is somebody else's. Claims are
    /// made in the order of the terms, so that two writers never wait for each other.
    /// </summary>
    /// <exception cref="StaleIndexPlanException">The terms were made by a plan that is not in force any more.</exception>
    public static async Task<HashSet<UInt128>> ClaimAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, IndexPlan plan, IEnumerable<(SubjectId Subject, LookupTerm Term)> claims, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction);
        foreach (var hold in IndexPlans.Hold()) batch.BatchCommands.Add(hold);
        var sorted = claims.OrderBy(claim => claim.Term.Number).ToList();
        if (sorted.Count > 0) batch.BatchCommands.Add(Claim(sorted));
        await using var reader = await batch.ExecuteReaderAsync(ct);
        await IndexPlans.ThrowIfStaleAsync(reader, plan, ct);
        var claimed = new HashSet<UInt128>(sorted.Count);
        while (sorted.Count > 0 && await reader.ReadAsync(ct)) claimed.Add(LookupTerm.NumberOf(reader.GetFieldValue<byte[]>(0)));
        return claimed;
    }

    public static NpgsqlBatchCommand Claim(IReadOnlyList<(SubjectId Subject, LookupTerm Term)> sorted) =>
        new("""
            insert into vault.identifier (lookup, index_id, subject_id, epoch) select * from unnest($1, $2, $3, $4)
            on conflict (lookup) do nothing returning lookup
            """)
        {
            Parameters =
            {
                new NpgsqlParameter<byte[][]> { TypedValue = [.. sorted.Select(claim => claim.Term.Term)] },
                new NpgsqlParameter<int[]> { TypedValue = [.. sorted.Select(claim => claim.Term.Index.Id)] },
                new NpgsqlParameter<Guid[]> { TypedValue = [.. sorted.Select(claim => claim.Subject.Value)] },
                new NpgsqlParameter<int[]> { TypedValue = [.. sorted.Select(claim => claim.Term.Epoch)] },
            },
        };

    public static NpgsqlBatchCommand Release(IEnumerable<SubjectId> subjects, IEnumerable<int> indexes) =>
        new("delete from vault.identifier where subject_id = any($1) and index_id = any($2)")
        {
            Parameters =
            {
                new NpgsqlParameter<Guid[]> { TypedValue = [.. subjects.Select(subject => subject.Value)] },
                new NpgsqlParameter<int[]> { TypedValue = [.. indexes] },
            },
        };

    public static NpgsqlBatchCommand RemoveTerms(SubjectId subject, IEnumerable<int> indexes) =>
        new("delete from vault.search_term where subject_id = $1 and index_id = any($2)")
        {
            Parameters = { new NpgsqlParameter<Guid> { TypedValue = subject.Value }, new NpgsqlParameter<int[]> { TypedValue = [.. indexes] } },
        };

    public static NpgsqlBatchCommand AddTerms(IReadOnlyList<(SubjectId Subject, LookupTerm Term)> terms) =>
        new("insert into vault.search_term (subject_id, index_id, term, epoch) select * from unnest($1, $2, $3, $4) on conflict do nothing")
        {
            Parameters =
            {
                new NpgsqlParameter<Guid[]> { TypedValue = [.. terms.Select(term => term.Subject.Value)] },
                new NpgsqlParameter<int[]> { TypedValue = [.. terms.Select(term => term.Term.Index.Id)] },
                new NpgsqlParameter<byte[][]> { TypedValue = [.. terms.Select(term => term.Term.Term)] },
                new NpgsqlParameter<int[]> { TypedValue = [.. terms.Select(term => term.Term.Epoch)] },
            },
        };

    public static NpgsqlBatchCommand AddHistory(SealedRecord before, byte[] history, DateTimeOffset now) =>
        new("insert into vault.history (subject_id, row_version, changed_at, key_version, sealed) values ($1, $2, $3, $4, $5)")
        {
            Parameters =
            {
                new NpgsqlParameter<Guid> { TypedValue = before.Subject.Value }, new NpgsqlParameter<long> { TypedValue = before.RowVersion },
                new NpgsqlParameter<DateTime> { TypedValue = now.UtcDateTime }, new NpgsqlParameter<int> { TypedValue = before.KeyVersion },
                new NpgsqlParameter<byte[]> { TypedValue = history },
            },
        };

    /// <summary>A history row as the log knows it, in SQL; the same as <see cref="HistoryHash"/>.</summary>
    public const string HistoryHashSql = "sha256(timestamptz_send(changed_at) || sealed)";

    // SPEC record §7.3
    public static byte[] HistoryHash(DateTimeOffset changedAt, byte[] history)
    {
        var input = new byte[8 + history.Length];
        BinaryPrimitives.WriteInt64BigEndian(input, EventLeaves.Microseconds(changedAt));
        history.CopyTo(input, 8);
        return SHA256.HashData(input);
    }
}
