using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>What the log knows of a person whose key does not open.</summary>
/// <param name="Tag">The person in the log.</param>
/// <param name="Commitment">What the vault committed to when it made the key that is in force.</param>
internal sealed record LoggedKey(byte[] Tag, byte[] Commitment);

/// <summary>
/// People's tags in the log: from their keys, and where a key does not open, from the log itself. The digest of the record needs no key and names the person, so
/// the entry that bears it tells whose record it is, whatever somebody wrote into other rows. Where the record is damaged too, a request that stands as the vault
/// wrote it leads to its entry, and so do events that were written together: their digest names the person as well.
/// </summary>
internal sealed class SubjectTags(VaultDatabase database, KeyRegistry keys, RecordCipher cipher, LogStore store, LogIndexer indexer, LogMirror mirror)
{
    private const int Step = 1_000;
    private const int MostBatches = 20;

    /// <summary>The entry of a change is made within its transaction, and so about when the row says that it was changed.</summary>
    private static readonly TimeSpan Around = TimeSpan.FromMinutes(5);

    // Entries that bear the digest of a record.
    private static readonly int[] OfRecords =
    [
        (int)EntryType.RecordWrite, (int)EntryType.ConsentChange, (int)EntryType.HoldChange, (int)EntryType.RequestChange, (int)EntryType.KeyRotate, (int)EntryType.RetentionSwept,
        (int)EntryType.RestrictionLift, (int)EntryType.ObjectionLift,
    ];

    private readonly LogSearch search = new(database);
    private readonly IndexedHolds indexed = new(store, indexer, new LogSearch(database));

    /// <exception cref="VaultException">Unknown or erased: not-found. Neither the key opens nor does the log know the record: invalid-state.</exception>
    public async Task<byte[]> OfAsync(SubjectId subject, Func<Task<IReadOnlyList<RequestRow>>> requests, CancellationToken cancellation)
    {
        try
        {
            using var held = await keys.GetFreshAsync(subject, cancellation);
            return held.Tag.ToArray();
        }
        catch (CryptographicException)
        {
            return (await LoggedAsync(subject, requests, cancellation)).Tag;
        }
    }

    /// <summary>Keys of those who exist and whose keys open.</summary>
    public Task<IReadOnlyList<SubjectKeys>> HoldAsync(IReadOnlyList<SubjectId> subjects, CancellationToken cancellation) => keys.GetManyFreshAsync(subjects, cancellation);

    /// <summary>What the log has of a person, found by what is stored of them.</summary>
    /// <param name="subject">Who.</param>
    /// <param name="requests">Gives those requests of the person that stand as the vault wrote them.</param>
    /// <param name="cancellation">Ends the search.</param>
    /// <exception cref="VaultException">No record: not-found. No entry about what is stored: invalid-state.</exception>
    public async Task<LoggedKey> LoggedAsync(SubjectId subject, Func<Task<IReadOnlyList<RequestRow>>> requests, CancellationToken cancellation)
    {
        var (record, changed) = await RecordAsync(subject, cancellation);
        await indexer.CatchUpAsync(cancellation);
        var about = await OfRecordAsync(record, changed, cancellation) ?? await OfRequestsAsync(await requests(), cancellation) ?? await OfEventsAsync(subject, cancellation)
            ?? throw VaultException.InvalidState("The key of this person does not open, and the log knows neither the record as it is stored nor any request or event of theirs.");
        var made = await FirstAsync(
            new EntryFilter { Subject = EntryShape.TagOf(about.Subject.Span), Types = [(int)EntryType.KeyCreate, (int)EntryType.KeyRotate] }, (null, null), oldestFirst: false,
            // SPEC keys §9.2: the entry about a record names the key that it is sealed under; one about events that were buried names the key before.
            entry => !entry.KeyCommitment.IsEmpty && (entry.Type == EntryType.KeyCreate || entry.RecordVersion > 0), cancellation)
            ?? throw VaultException.InvalidState("The log does not tell of the making of this person's key.");
        return new LoggedKey(about.Subject.ToArray(), made.KeyCommitment.ToArray());
    }

    private async Task<LogEntry?> OfRecordAsync(SealedRecord record, DateTimeOffset changed, CancellationToken cancellation)
    {
        var digest = cipher.Digest(record);
        bool IsOfRecord(LogEntry entry) => entry.RecordVersion == record.RowVersion && entry.Seal.Span.SequenceEqual(digest) && !entry.Subject.IsEmpty;
        // When a key was renewed stands in the log only: the row keeps its time.
        return await FirstAsync(new EntryFilter { Types = OfRecords }, (changed - Around, changed + Around), oldestFirst: true, IsOfRecord, cancellation)
            ?? await FirstAsync(new EntryFilter { Types = [(int)EntryType.KeyRotate] }, (changed, null), oldestFirst: true, IsOfRecord, cancellation);
    }

    // The seal of a request binds the person and the entry.
    private async Task<LogEntry?> OfRequestsAsync(IReadOnlyList<RequestRow> requests, CancellationToken cancellation)
    {
        var found = await store.EntriesAtAsync([.. requests.Select(request => request.LogIndex)], cancellation);
        return requests.Where(request => found.ContainsKey(request.LogIndex)).Select(request => (request.Id, Entry: LogEntry.Decode(found[request.LogIndex])))
            .FirstOrDefault(one => !one.Entry.Subject.IsEmpty && one.Entry.Rules.Contains($"request:{one.Id:D}")).Entry;
    }

    // Those that were written together with events of others have another digest, and tell nothing here.
    private async Task<LogEntry?> OfEventsAsync(SubjectId subject, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(
            $"""
            select recorded, sha256(leaves) from
            (select batch, min(recorded_at) as recorded, string_agg(leaf, ''::bytea order by leaf) as leaves
             from (select batch, recorded_at, {EventLeaves.Sql} as leaf from vault.event where subject_id = $1 and batch is not null) e group by batch) b
            order by recorded desc limit {MostBatches}
            """);
        command.Parameters.Add(new() { Value = subject.Value });
        foreach (var (at, digest) in await Rows.ReadAsync(command, row => (row.GetFieldValue<DateTimeOffset>(0), row.GetFieldValue<byte[]>(1)), cancellation))
        {
            var about = await FirstAsync(
                new EntryFilter { Types = [(int)EntryType.EventAppend] }, (at - Around, at + Around), oldestFirst: true, entry => entry.Seal.Span.SequenceEqual(digest) && !entry.Subject.IsEmpty, cancellation);
            if (about is not null) return about;
        }

        return null;
    }

    /// <summary>Reads the whole log: for what is seldom done and cannot be undone.</summary>
    public Task<ToldHolds> HoldsAsync(CancellationToken cancellation) => ToldHolds.ReadAsync(store, mirror, cancellation);

    /// <inheritdoc cref="IndexedHolds.InForceAsync"/>
    public Task<IReadOnlyList<KeyValuePair<Guid, ToldHold>>> HoldsInForceAsync(CancellationToken cancellation) => indexed.InForceAsync(cancellation);

    private async Task<(SealedRecord Record, DateTimeOffset ChangedAt)> RecordAsync(SubjectId subject, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand($"select {SubjectRows.Columns}, updated_at from vault.subject where subject_id = $1");
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = subject.Value });
        var rows = await Rows.ReadAsync(command, row => (SubjectRows.Read(row), row.GetFieldValue<DateTimeOffset>(6)), cancellation);
        return rows.Count == 1 ? rows[0] : throw VaultException.NotFound();
    }

    private Task<LogEntry?> FirstAsync(
        EntryFilter filter, (DateTimeOffset? From, DateTimeOffset? Until) when, bool oldestFirst, Func<LogEntry, bool> isIt, CancellationToken cancellation) =>
        search.ReadAsync(async connection =>
        {
            for (var range = await LogSearch.RangeAsync(connection, when.From, when.Until, cancellation); !range.IsEmpty;)
            {
                var indexes = await LogSearch.FindAsync(connection, filter, range, oldestFirst, Step, cancellation);
                var found = (await store.EntriesAtAsync(indexes, cancellation)).ToDictionary(pair => pair.Key, pair => LogEntry.Decode(pair.Value));
                if (indexes.Select(index => found[index]).FirstOrDefault(isIt) is { } entry) return entry;
                if (indexes.Count < Step) return null;
                range = oldestFirst ? range with { Low = indexes[^1] + 1 } : range with { High = indexes[^1] };
            }

            return null;
        }, cancellation);
}
