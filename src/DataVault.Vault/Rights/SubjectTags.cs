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
/// the entry that bears it tells whose record it is, whatever somebody wrote into other rows.
/// </summary>
internal sealed class SubjectTags(VaultDatabase database, KeyRegistry keys, RecordCipher cipher, LogStore store, LogIndexer indexer, LogMirror mirror)
{
    private const int Step = 1_000;

    /// <summary>The entry of a change is made within its transaction, and so about when the row says that it was changed.</summary>
    private static readonly TimeSpan Around = TimeSpan.FromMinutes(5);

    // Entries that bear the digest of a record.
    private static readonly int[] OfRecords =
    [
        (int)EntryType.RecordWrite, (int)EntryType.ConsentChange, (int)EntryType.HoldChange, (int)EntryType.RequestChange, (int)EntryType.KeyRotate, (int)EntryType.RetentionSwept,
    ];

    private readonly LogSearch search = new(database);

    /// <exception cref="VaultException">Unknown or erased: not-found. Neither the key opens nor does the log know the record: invalid-state.</exception>
    public async Task<byte[]> OfAsync(SubjectId subject, CancellationToken cancellation)
    {
        try
        {
            using var held = await keys.GetFreshAsync(subject, cancellation);
            return held.Tag.ToArray();
        }
        catch (CryptographicException)
        {
            return (await LoggedAsync(subject, cancellation)).Tag;
        }
    }

    /// <summary>Keys of those who exist and whose keys open.</summary>
    public Task<IReadOnlyList<SubjectKeys>> HoldAsync(IReadOnlyList<SubjectId> subjects, CancellationToken cancellation) => keys.GetManyFreshAsync(subjects, cancellation);

    /// <summary>What the log has of a person, found by the record as it is stored.</summary>
    /// <exception cref="VaultException">No record: not-found. No entry about it: invalid-state.</exception>
    public async Task<LoggedKey> LoggedAsync(SubjectId subject, CancellationToken cancellation)
    {
        var (record, changed) = await RecordAsync(subject, cancellation);
        await indexer.CatchUpAsync(cancellation);
        var digest = cipher.Digest(record);
        bool IsOfRecord(LogEntry entry) => entry.RecordVersion == record.RowVersion && entry.Seal.Span.SequenceEqual(digest) && !entry.Subject.IsEmpty;
        // When a key was renewed stands in the log only: the row keeps its time.
        var about = await FirstAsync(new EntryFilter { Types = OfRecords }, (changed - Around, changed + Around), oldestFirst: true, IsOfRecord, cancellation)
            ?? await FirstAsync(new EntryFilter { Types = [(int)EntryType.KeyRotate] }, (changed, null), oldestFirst: true, IsOfRecord, cancellation)
            ?? throw VaultException.InvalidState("The key of this person does not open, and no entry of the log is about the record as it is stored.");
        var made = await FirstAsync(
            new EntryFilter { Subject = EntryShape.TagOf(about.Subject.Span), Types = [(int)EntryType.KeyCreate, (int)EntryType.KeyRotate] }, (null, null), oldestFirst: false,
            // SPEC keys §9.2: the entry about a record names the key that it is sealed under; one about events that were buried names the key before.
            entry => !entry.KeyCommitment.IsEmpty && (entry.Type == EntryType.KeyCreate || entry.RecordVersion > 0), cancellation)
            ?? throw VaultException.InvalidState("The log does not tell of the making of this person's key.");
        return new LoggedKey(about.Subject.ToArray(), made.KeyCommitment.ToArray());
    }

    /// <summary>Reads the whole log: for what is seldom done and cannot be undone.</summary>
    public Task<ToldHolds> HoldsAsync(CancellationToken cancellation) => ToldHolds.ReadAsync(store, mirror, cancellation);

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
