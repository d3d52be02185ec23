using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault.Keys;

/// <summary>
/// Seals everything that the vault database holds of people anew, under the next version of each one's key: record, history, events, in one transaction with
/// the entries that say so. The version of the record stays, so that nobody who wants to change it is told that it changed.
/// </summary>
/// <remarks>Which entries there are: docs/formats/keys.md §9. Details of log entries stay as they are, since the log holds the hash of each.</remarks>
internal sealed class PersonRenewal(VaultDatabase database, KeyRegistry registry, RecordCipher cipher, AuditLog log, ActivePolicy policy, VaultClock clock)
{
    private const string LockSql = $"select {SubjectRows.Columns} from vault.subject where subject_id = $1 and key_version > 0 for update";

    /// <summary>What is to be written of one person.</summary>
    private sealed record Renewed(SubjectKeys Keys, byte[] FormerCommitment, SealedRecord Record, List<HistoryRow> History, List<EventRenewed> Events);

    private sealed record HistoryRow(SubjectId Subject, long RowVersion, DateTimeOffset ChangedAt, byte[] Sealed);

    private sealed record EventRenewed(SubjectId Subject, Guid Id, int Type, DateTimeOffset OccurredAt, DateTimeOffset RecordedAt, byte[] Sealed);

    /// <summary>Renews those who have a next version; the version that each one's record is sealed under by now, and who could not be renewed.</summary>
    public Task<(Dictionary<SubjectId, int> SealedUnder, int LeftOut)> RenewAsync(IEnumerable<SubjectId> people, CancellationToken ct) =>
        database.RunAsync(async (connection, transaction) =>
        {
            var records = await LockAsync(connection, transaction, people, ct);
            // INVARIANT: the keys are fetched under the locks: a version that was dropped meanwhile is not written under.
            var damaged = new List<SubjectId>();
            var held = await registry.GetManyFreshAsync([.. records.Keys], damaged, ct);
            try
            {
                var sealedUnder = records.ToDictionary(r => r.Key, r => r.Value.KeyVersion);
                var open = held.Where(keys => Next(keys, records[keys.Subject]) is not null).ToList();
                var renewed = await OpenAsync(connection, open, records, ct);
                foreach (var one in renewed) sealedUnder[one.Record.Subject] = one.Record.KeyVersion;
                if (renewed.Count > 0) await WriteAsync(connection, transaction, renewed, ct);
                return (sealedUnder, open.Count - renewed.Count + damaged.Count);
            }
            finally
            {
                foreach (var keys in held) keys.Dispose();
            }
        }, ct);

    /// <summary>Under the locks of people's records, the version that each is sealed under; who has anything under another version is not among them.</summary>
    public Task<bool> WithVersionsAsync(IEnumerable<SubjectId> people, Func<IReadOnlyDictionary<SubjectId, int>, Task> act, CancellationToken ct) =>
        database.RunAsync(async (connection, transaction) =>
        {
            var records = await LockAsync(connection, transaction, people, ct);
            await using var command = new NpgsqlCommand(
                """
                select s.subject_id from vault.subject s where s.subject_id = any($1) and (
                    exists (select from vault.event e where e.subject_id = s.subject_id and e.key_version <> s.key_version)
                    or exists (select from vault.history h where h.subject_id = s.subject_id and h.key_version <> s.key_version))
                """, connection, transaction)
            {
                Parameters = { new NpgsqlParameter<Guid[]> { TypedValue = [.. records.Keys.Select(s => s.Value)] } },
            };
            foreach (var mixed in await Rows.ReadAsync(command, row => new SubjectId(row.GetGuid(0)), ct)) records.Remove(mixed);
            await act(records.ToDictionary(r => r.Key, r => r.Value.KeyVersion));
            return true;
        }, ct);

    /// <summary>The vault database knows of the renewal before any of its rows is sealed anew.</summary>
    public Task<bool> BeginAsync(RenewalMark mark, CancellationToken ct) => database.RunAsync(
        async (connection, _) =>
        {
            await ErasureRows.NoteAsync(connection, [mark.Name], mark.At, ct);
            return true;
        }, ct);

    private static async Task<Dictionary<SubjectId, SealedRecord>> LockAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, IEnumerable<SubjectId> people, CancellationToken ct)
    {
        var records = new Dictionary<SubjectId, SealedRecord>();
        await using var batch = new NpgsqlBatch(connection, transaction);
        // By key, one statement each: in the order in which appending events locks them.
        foreach (var person in people.OrderBy(p => p.Value)) batch.BatchCommands.Add(new(LockSql) { Parameters = { new NpgsqlParameter<Guid> { TypedValue = person.Value } } });
        if (batch.BatchCommands.Count == 0) return records;
        await using var reader = await batch.ExecuteReaderAsync(ct);
        do
        {
            while (await reader.ReadAsync(ct)) records.Add(new SubjectId(reader.GetGuid(0)), SubjectRows.Read(reader));
        }
        while (await reader.NextResultAsync(ct));
        return records;
    }

    private static int? Next(SubjectKeys keys, SealedRecord record) => keys.Has(record.KeyVersion + 1) && keys.Has(record.KeyVersion) ? record.KeyVersion + 1 : null;

    private async Task<List<Renewed>> OpenAsync(NpgsqlConnection connection, List<SubjectKeys> held, Dictionary<SubjectId, SealedRecord> records, CancellationToken ct)
    {
        Guid[] ids = [.. held.Select(keys => keys.Subject.Value)];
        var history = (await ReadHistoryAsync(connection, ids, ct)).ToLookup(row => row.Subject);
        var events = (await ReadEventsAsync(connection, ids, ct)).ToLookup(row => row.Subject);
        var renewed = new List<Renewed>(held.Count);
        foreach (var keys in held)
        {
            if (TryRenew(keys, records[keys.Subject], history[keys.Subject], events[keys.Subject]) is { } one) renewed.Add(one);
        }

        return renewed;
    }

    /// <summary>Null for whom something does not open, or is of a type of events that the policy does not know: they keep the key that they have.</summary>
    private Renewed? TryRenew(SubjectKeys keys, SealedRecord record, IEnumerable<HistoryRow> history, IEnumerable<EventRenewed> events)
    {
        try
        {
            var version = record.KeyVersion + 1;
            keys.Select(record.KeyVersion);
            var former = keys.Commitment;
            var after = cipher.Renewed(record, keys, version);
            var changes = history.Select(row => row with { Sealed = cipher.RenewedHistory(row.Sealed, keys, version) }).ToList();
            var happened = events.Select(row => row with { Sealed = cipher.RenewedEvent(row.Sealed, keys, TypeOf(row.Type), row.Id, version) }).ToList();
            return new Renewed(keys, former, after, changes, happened);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private EventTypeDefinition TypeOf(int id) => policy.Current.Events.ById(id) ?? throw new CryptographicException("The policy does not know this type of events.");

    private static async Task<List<HistoryRow>> ReadHistoryAsync(NpgsqlConnection connection, Guid[] people, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select subject_id, row_version, changed_at, sealed from vault.history where subject_id = any($1) order by subject_id, row_version", connection)
        {
            Parameters = { new NpgsqlParameter<Guid[]> { TypedValue = people } },
        };
        return await Rows.ReadAsync(command, row => new HistoryRow(new SubjectId(row.GetGuid(0)), row.GetInt64(1), new DateTimeOffset(row.GetDateTime(2)), row.GetFieldValue<byte[]>(3)), ct);
    }

    private static async Task<List<EventRenewed>> ReadEventsAsync(NpgsqlConnection connection, Guid[] people, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select subject_id, event_id, event_type, occurred_at, recorded_at, sealed from vault.event where subject_id = any($1)", connection)
        {
            Parameters = { new NpgsqlParameter<Guid[]> { TypedValue = people } },
        };
        return await Rows.ReadAsync(
            command,
            row => new EventRenewed(
                new SubjectId(row.GetGuid(0)), row.GetGuid(1), row.GetInt32(2), new DateTimeOffset(row.GetDateTime(3)), new DateTimeOffset(row.GetDateTime(4)), row.GetFieldValue<byte[]>(5)),
            ct);
    }

    private async Task WriteAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, List<Renewed> renewed, CancellationToken ct)
    {
        var entries = new List<LogEntry>();
        foreach (var one in renewed)
        {
            entries.Add(RecordEntry(one));
            if (one.Events.Count == 0) continue;
            var buried = await EventLeaves.BuryAsync(connection, transaction, one.Record.Subject, one.FormerCommitment, ct);
            if (!buried.IsEmpty) entries.Add(Entry(one) with { KeyCommitment = one.FormerCommitment, Seal = buried });
            entries.Add(Entry(one) with { Seal = EventLeaves.Digest(one.Events.Select(Leaf)) });
        }

        await using var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { UpdateRecords(renewed.ConvertAll(one => one.Record)) } };
        foreach (var one in renewed.Where(one => one.History.Count > 0)) AddHistory(batch, one);
        foreach (var one in renewed.Where(one => one.Events.Count > 0)) AddEvents(batch, one);
        await batch.ExecuteNonQueryAsync(ct);
        await log.AppendWithinAsync(connection, transaction, entries, ct);
    }

    private static byte[] Leaf(EventRenewed row) => EventLeaves.Of(row.Subject, row.Id, row.Type, row.OccurredAt, row.RecordedAt, row.Sealed);

    private LogEntry Entry(Renewed one) => log.Entry(EntryType.KeyRotate, LogWorker.Keeper, one.Keys.Tag, "", EntryResult.Ok, []);

    // SPEC keys §9.2
    private LogEntry RecordEntry(Renewed one) => Entry(one) with
    {
        KeyCommitment = one.Keys.Commitment,
        Seal = cipher.Digest(one.Record),
        RecordVersion = one.Record.RowVersion,
        DetailHash = one.History.Count == 0 ? default : SHA256.HashData([.. one.History.SelectMany(row => ProfileTables.HistoryHash(row.ChangedAt, row.Sealed))]),
    };

    private static NpgsqlBatchCommand UpdateRecords(List<SealedRecord> records) =>
        new("update vault.subject s set key_version = u.v, record = u.r, record_seal = u.m from unnest($1, $2, $3, $4) as u (s, v, r, m) where s.subject_id = u.s")
        {
            Parameters =
            {
                new NpgsqlParameter<Guid[]> { TypedValue = [.. records.Select(r => r.Subject.Value)] }, new NpgsqlParameter<int[]> { TypedValue = [.. records.Select(r => r.KeyVersion)] },
                new NpgsqlParameter<byte[][]> { TypedValue = [.. records.Select(r => r.Record)] }, new NpgsqlParameter<byte[][]> { TypedValue = [.. records.Select(r => r.RecordSeal)] },
            },
        };

    // The vault's login may not update history and events, only write and delete them; so a renewed row takes the place of the former.
    private static void AddHistory(NpgsqlBatch batch, Renewed one)
    {
        batch.BatchCommands.Add(new("delete from vault.history where subject_id = $1") { Parameters = { new NpgsqlParameter<Guid> { TypedValue = one.Record.Subject.Value } } });
        batch.BatchCommands.Add(new(
            "insert into vault.history (subject_id, row_version, changed_at, key_version, sealed) select $1, u.r, u.c, $2, u.s from unnest($3, $4, $5) as u (r, c, s)")
        {
            Parameters =
            {
                new NpgsqlParameter<Guid> { TypedValue = one.Record.Subject.Value }, new NpgsqlParameter<int> { TypedValue = one.Record.KeyVersion },
                new NpgsqlParameter<long[]> { TypedValue = [.. one.History.Select(h => h.RowVersion)] },
                new NpgsqlParameter<DateTime[]> { TypedValue = [.. one.History.Select(h => h.ChangedAt.UtcDateTime)] },
                new NpgsqlParameter<byte[][]> { TypedValue = [.. one.History.Select(h => h.Sealed)] },
            },
        });
    }

    private void AddEvents(NpgsqlBatch batch, Renewed one)
    {
        batch.BatchCommands.Add(new("delete from vault.event where subject_id = $1") { Parameters = { new NpgsqlParameter<Guid> { TypedValue = one.Record.Subject.Value } } });
        batch.BatchCommands.Add(new(
            """
            insert into vault.event (subject_id, event_id, event_type, occurred_at, recorded_at, key_version, sealed, batch)
            select $1, u.i, u.t, u.o, u.r, $2, u.s, $3 from unnest($4, $5, $6, $7, $8) as u (i, t, o, r, s)
            """)
        {
            Parameters =
            {
                new NpgsqlParameter<Guid> { TypedValue = one.Record.Subject.Value }, new NpgsqlParameter<int> { TypedValue = one.Record.KeyVersion },
                new NpgsqlParameter<Guid> { TypedValue = clock.NewId() },
                new NpgsqlParameter<Guid[]> { TypedValue = [.. one.Events.Select(e => e.Id)] }, new NpgsqlParameter<int[]> { TypedValue = [.. one.Events.Select(e => e.Type)] },
                new NpgsqlParameter<DateTime[]> { TypedValue = [.. one.Events.Select(e => e.OccurredAt.UtcDateTime)] },
                new NpgsqlParameter<DateTime[]> { TypedValue = [.. one.Events.Select(e => e.RecordedAt.UtcDateTime)] },
                new NpgsqlParameter<byte[][]> { TypedValue = [.. one.Events.Select(e => e.Sealed)] },
            },
        });
    }
}
