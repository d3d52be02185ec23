using System.Runtime.CompilerServices;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>An event of a package.</summary>
internal sealed record ExportedEvent(Guid Id, EventTypeDefinition Type, DateTimeOffset OccurredAt, DateTimeOffset RecordedAt, EventContent Content);

/// <summary>A value that a later one replaced. Lives as long as the enumeration stands at it.</summary>
internal sealed record ExportedChange(long ReplacedIn, DateTimeOffset ReplacedAt, OpenedField Field);

/// <summary>A consent act of a package.</summary>
internal sealed record ExportedConsent(string Purpose, string State, DateTimeOffset At, string? Notice, string? Channel, DateTimeOffset? Expires, long LogIndex)
{
    /// <summary>Language of the text shown.</summary>
    public string? Language { get; init; }

    /// <summary>SHA-256 of the text shown.</summary>
    public string? NoticeSha256 { get; init; }

    /// <summary><c>person</c>, <c>staff</c>, <c>application</c> or <c>signal</c>.</summary>
    public string? RecordedBy { get; init; }

    /// <summary>Reference to a guardian's authorisation.</summary>
    public string? Guardian { get; init; }
}

/// <summary>Reads for a package, page by page, and opens only what a permit of the export names.</summary>
internal sealed class ExportSource(VaultDatabase database, KeyRegistry registry, RecordCipher cipher, DecisionRows decisions, ActivePolicy policy)
{
    private const int Page = 500;

    /// <summary>The record, fitting the keys.</summary>
    /// <exception cref="System.Security.Cryptography.CryptographicException">It is not what was last written: nothing is decided by it.</exception>
    public async Task<SealedRecord> RecordAsync(SubjectKeys held, CancellationToken cancellation)
    {
        if (await SubjectRows.FindAsync(database, held.Subject, cancellation) is not { } found) throw VaultException.NotFound();
        var record = await registry.FitAsync(held, found, database, cancellation) ?? throw VaultException.NotFound();
        cipher.Verify(record, held);
        return record;
    }

    /// <summary>The current values; the caller disposes them.</summary>
    public OpenedRecord Open(SealedRecord record, SubjectKeys keys, IReadOnlyList<FieldPermit> permits) => cipher.Open(record, keys, permits);

    /// <summary>Every value that was held before, oldest first.</summary>
    public async IAsyncEnumerable<ExportedChange> ChangesAsync(
        SubjectKeys keys, IReadOnlyList<FieldPermit> permits, [EnumeratorCancellation] CancellationToken cancellation)
    {
        await using var connection = await database.OpenAsync(cancellation);
        await using var command = new NpgsqlCommand(
            "SELECT row_version, changed_at, sealed FROM vault.history WHERE subject_id = $1 ORDER BY row_version", connection)
        {
            Parameters = { new() { Value = keys.Subject.Value } },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
        {
            var sealedChange = reader.GetFieldValue<byte[]>(2);
            await registry.HoldAsync(keys, RecordCodec.Unpack(sealedChange).Select(group => group.Sealed.ToArray()), cancellation);
            using var opened = cipher.OpenHistory(keys, sealedChange, permits);
            foreach (var field in opened)
                yield return new ExportedChange(reader.GetInt64(0), reader.GetFieldValue<DateTimeOffset>(1), field);
        }
    }

    /// <summary>Events of the permitted types, oldest first, in pages so that a long history needs little memory.</summary>
    public async IAsyncEnumerable<ExportedEvent> EventsAsync(
        SubjectKeys keys, IReadOnlyList<FieldPermit> permits, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var byType = permits.Where(p => p.Item is EventTypeDefinition).ToDictionary(p => p.Item.Id);
        var after = (At: DateTimeOffset.MinValue, Id: Guid.Empty);
        while (true)
        {
            var page = await PageAsync(keys, byType, after, cancellation);
            foreach (var item in page)
                yield return item;
            if (page.Count < Page) yield break;
            after = (page[^1].OccurredAt, page[^1].Id);
        }
    }

    /// <summary>How many events of the permitted types there are.</summary>
    public async Task<long> CountEventsAsync(SubjectKeys keys, IReadOnlyList<FieldPermit> permits, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand("SELECT count(*) FROM vault.event WHERE subject_id = $1 AND event_type = ANY($2)");
        command.Parameters.Add(new() { Value = keys.Subject.Value });
        command.Parameters.Add(new() { Value = permits.Select(permit => permit.Item).OfType<EventTypeDefinition>().Select(type => type.Id).ToArray() });
        return (long)(await command.ExecuteScalarAsync(cancellation))!;
    }

    public async Task<IReadOnlyList<ExportedConsent>> ConsentsAsync(SubjectId subject, CancellationToken cancellation) =>
        [.. (await ConsentActs.OfAsync(database, subject, cancellation)).Reverse().Select(owned => Exported(owned.Purpose, owned.Act))];

    /// <summary>What models and rules decided, newest first.</summary>
    public async Task<List<OpenedDecision>> DecisionsAsync(SubjectKeys keys, CancellationToken cancellation)
    {
        var rows = await decisions.ListAsync(new DecisionTerms { Subject = keys.Subject }, null, int.MaxValue, cancellation);
        await registry.HoldAsync(keys, rows.SelectMany(row => new[] { row.Sealed, row.Review }.OfType<byte[]>()), cancellation);
        return [.. rows.Select(row => decisions.Open(row, keys))];
    }

    /// <summary>The same as they are stored, oldest first, for their receipts.</summary>
    public async Task<IReadOnlyList<OwnedAct>> ConsentActsAsync(SubjectId subject, CancellationToken cancellation) =>
        [.. (await ConsentActs.OfAsync(database, subject, cancellation)).Reverse()];

    private ExportedConsent Exported(int purpose, ConsentAct act) =>
        new(policy.Current.Purposes.ById(purpose)?.Name ?? "", act.State, act.At, act.Notice, act.Channel, act.Expires, act.LogIndex)
        {
            Language = act.Language, NoticeSha256 = act.NoticeHash.IsEmpty ? null : Convert.ToHexStringLower(act.NoticeHash.Span), Guardian = act.Guardian,
            RecordedBy = act.RecordedBy == ConsentRecorder.NotKept ? null : act.RecordedBy.ToString().ToLowerInvariant(),
        };

    private async Task<List<ExportedEvent>> PageAsync(
        SubjectKeys keys, Dictionary<int, FieldPermit> permits, (DateTimeOffset At, Guid Id) after, CancellationToken cancellation)
    {
        await using var connection = await database.OpenAsync(cancellation);
        await using var command = new NpgsqlCommand(
            """
            SELECT event_id, event_type, occurred_at, recorded_at, sealed FROM vault.event
            WHERE subject_id = $1 AND event_type = ANY($2) AND (occurred_at, event_id) > ($3, $4) ORDER BY occurred_at, event_id LIMIT $5
            """, connection)
        {
            Parameters =
            {
                new() { Value = keys.Subject.Value }, new() { Value = permits.Keys.ToArray() }, new() { Value = after.At }, new() { Value = after.Id }, new() { Value = Page },
            },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var page = new List<ExportedEvent>();
        while (await reader.ReadAsync(cancellation))
        {
            var (id, permit) = (reader.GetGuid(0), permits[reader.GetInt32(1)]);
            var sealedEvent = reader.GetFieldValue<byte[]>(4);
            await registry.HoldAsync(keys, [sealedEvent], cancellation);
            var content = EventContent.Decode(cipher.OpenEvent(keys, permit, id, sealedEvent));
            page.Add(new ExportedEvent(id, (EventTypeDefinition)permit.Item, reader.GetFieldValue<DateTimeOffset>(2), reader.GetFieldValue<DateTimeOffset>(3), content));
        }
        return page;
    }

    private static string? Text(NpgsqlDataReader reader, int at) => reader.IsDBNull(at) ? null : reader.GetString(at);
}
