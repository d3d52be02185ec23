using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Keys;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>Where a notice to a recipient stands.</summary>
public static class NoticeStates
{
    /// <summary>In the outbox: it is sent until it is delivered.</summary>
    public const string Queued = "queued";

    /// <summary>The recipient's endpoint took it.</summary>
    public const string Delivered = "delivered";

    /// <summary>The recipient said that they know of it.</summary>
    public const string Acknowledged = "acknowledged";

    /// <summary>Nobody is told by the vault: an officer tells them.</summary>
    public const string Manual = "manual";

    /// <summary>An officer told them.</summary>
    public const string Done = "done";

    /// <summary>Nobody told them, for a reason of GDPR 19.</summary>
    public const string Waived = "waived";

    public static IReadOnlyList<string> All { get; } = [Queued, Delivered, Acknowledged, Manual, Done, Waived];

    /// <summary>Why nobody tells them.</summary>
    public static IReadOnlyList<string> Waivers { get; } = ["impossible", "disproportionate-effort"];

    /// <summary>Whether somebody has still to be told.</summary>
    public static bool IsOpen(string state) => state is Queued or Manual;
}

/// <summary>A notice as its row has it.</summary>
/// <param name="Subject">Null: of somebody who is erased, or is being erased.</param>
internal sealed record NoticeRow(Guid Id, SubjectId? Subject, Guid? Request, string Kind, string State)
{
    public string? Code { get; init; }

    public DateTimeOffset At { get; init; }

    public DateTimeOffset ChangedAt { get; init; }

    public byte[] Sealed { get; init; } = [];

    public byte[]? Seal { get; init; }

    /// <summary>Failed deliveries so far, and the last failure; of one that is in the outbox.</summary>
    public (int Attempts, string? Failure) Delivery { get; init; }
}

/// <summary>Who is told what, as it is sealed.</summary>
/// <param name="Recipient">Name in the policy or the configuration.</param>
/// <param name="Reference">By what they know the person; empty once they have been told of an erasure.</param>
/// <param name="Items">Fields and event types; none of everything.</param>
internal sealed record NoticeContent(string Recipient, string Reference, IReadOnlyList<string> Items);

/// <summary>
/// The table vault.recipient_notice. What a notice says is sealed: of the living under their key, of the erased under a key of the vault. A seal over the row tells
/// it from one that somebody else wrote.
/// </summary>
internal sealed class NoticeStore(VaultDatabase database, KeyRegistry keys, VaultClock clock)
{
    private const string Label = "recipient-notice";
    private const string SealLabel = "recipient-notice/seal";
    private const string Columns = "n.notice_id, n.subject_id, n.request_id, n.kind, n.state, n.code, n.created_at, n.changed_at, n.sealed, n.seal";

    private const int Rest = 100;
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(5);

    /// <summary>How many rows are not as the vault left them, and until when nobody counts again.</summary>
    private sealed record ChangedNotices(long Count, DateTimeOffset Until);

    private volatile ChangedNotices? newest;

    public VaultClock Clock => clock;

    public Task<T> TransactAsync<T>(Func<NpgsqlConnection, NpgsqlTransaction, Task<T>> work, CancellationToken ct) => database.RunAsync(work, ct);

    public NpgsqlBatchCommand Insert(NoticeRow row) =>
        new("""
            insert into vault.recipient_notice (subject_id, notice_id, request_id, kind, state, code, created_at, changed_at, sealed, seal)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing
            """)
        {
            Parameters =
            {
                new() { Value = row.Subject?.Value ?? Guid.Empty }, new() { Value = row.Id }, RequestStore.Optional(row.Request, NpgsqlDbType.Uuid), new() { Value = row.Kind },
                new() { Value = row.State }, RequestStore.Optional(row.Code, NpgsqlDbType.Text), new() { Value = row.At.UtcDateTime }, new() { Value = row.ChangedAt.UtcDateTime },
                new() { Value = row.Sealed }, new() { Value = SealOf(row) },
            },
        };

    /// <summary>Locked until the transaction ends; null when there is none.</summary>
    public static async Task<NoticeRow?> LockAsync(NpgsqlConnection connection, Guid id, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand($"select {Columns}, 0, null::text from vault.recipient_notice n where n.notice_id = $1 for update", connection) { Parameters = { new() { Value = id } } };
        return (await Rows.ReadAsync(command, Read, ct)).FirstOrDefault();
    }

    /// <returns>The row with its seal.</returns>
    public async Task<NoticeRow> SaveAsync(NpgsqlConnection connection, NoticeRow row, CancellationToken ct)
    {
        row = row with { Seal = SealOf(row) };
        await using var command = new NpgsqlCommand(
            "update vault.recipient_notice set state = $3, code = $4, changed_at = $5, sealed = $6, seal = $7 where subject_id = $1 and notice_id = $2", connection)
        {
            Parameters =
            {
                new() { Value = row.Subject?.Value ?? Guid.Empty }, new() { Value = row.Id }, new() { Value = row.State }, RequestStore.Optional(row.Code, NpgsqlDbType.Text),
                new() { Value = row.ChangedAt.UtcDateTime }, new() { Value = row.Sealed }, new() { Value = row.Seal },
            },
        };
        await command.ExecuteNonQueryAsync(ct);
        return row;
    }

    public async Task<NoticeRow?> FindAsync(Guid id, CancellationToken ct) => await ListAsync(new NoticeFilter(Notice: id), null, 1, ct) is [var row, ..] ? row : null;

    /// <summary>Newest first.</summary>
    public async Task<IReadOnlyList<NoticeRow>> ListAsync(NoticeFilter filter, (DateTimeOffset At, Guid Id)? before, int limit, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            $"""
            select {Columns}, coalesce(o.attempts, 0), o.failure from vault.recipient_notice n left join vault.outbox o on o.message_id = n.notice_id
            where ($1 is null or n.subject_id = $1) and ($2 is null or n.request_id = $2) and ($3::text[] is null or n.state = any($3))
              and ($4 is null or (n.created_at, n.notice_id) < ($4, $5)) and ($7 is null or n.notice_id = $7)
            order by n.created_at desc, n.notice_id desc limit $6
            """);
        command.Parameters.Add(RequestStore.Optional(filter.Subject?.Value, NpgsqlDbType.Uuid));
        command.Parameters.Add(RequestStore.Optional(filter.Request, NpgsqlDbType.Uuid));
        command.Parameters.Add(RequestStore.Optional(filter.States?.ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text));
        command.Parameters.Add(RequestStore.Optional(before?.At.UtcDateTime, NpgsqlDbType.TimestampTz));
        command.Parameters.Add(new() { Value = before?.Id ?? Guid.Empty });
        command.Parameters.Add(new() { Value = limit });
        command.Parameters.Add(RequestStore.Optional(filter.Notice, NpgsqlDbType.Uuid));
        return await Rows.ReadAsync(command, Read, ct);
    }

    /// <summary>Notices that wait for somebody since before an instant, and those that the vault did not leave like this.</summary>
    public async Task<(long Overdue, long Changed)> WatchAsync(DateTimeOffset since, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select count(*) from vault.recipient_notice where state in ('{NoticeStates.Queued}', '{NoticeStates.Manual}') and created_at < $1");
        command.Parameters.Add(new() { Value = since.UtcDateTime });
        return ((long)(await command.ExecuteScalarAsync(ct))!, (await ChangedAsync(ct)).Count);
    }

    // Every row is looked at: whoever asks often gets the count of before, so that this takes a hundredth of the time at most.
    private async Task<ChangedNotices> ChangedAsync(CancellationToken ct)
    {
        if (newest is { } known && clock.Now < known.Until) return known;
        var began = clock.Provider.GetTimestamp();
        await using var command = database.Source.CreateCommand($"select {Columns}, 0, null::text from vault.recipient_notice n");
        var changed = 0L;
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            if (!Fits(Read(reader))) changed++;
        }

        var pause = clock.Provider.GetElapsedTime(began) * Rest;
        return newest = new ChangedNotices(changed, clock.Now + (pause < LongestPause ? pause : LongestPause));
    }

    /// <summary>False of a row that the vault did not leave like this.</summary>
    public bool Fits(NoticeRow row) => RowSeal.Is(row.Seal, SealOf(row));

    /// <param name="row">Whose content it will be.</param>
    /// <param name="content">What it says.</param>
    /// <param name="held">The person's keys; null: of somebody who is erased.</param>
    public byte[] Sealed(NoticeRow row, NoticeContent content, SubjectKeys? held)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(content);
        try
        {
            if (held is not null) return held.SealWords(Of(row.Id), bytes, clock.Random);
            using var key = keys.Derive(Label);
            return SealedValue.Seal(key.Span, 1, 0, bytes, Context(stackalloc byte[AssociatedData.Limit], row.Id), clock.Random);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    /// <summary>Null when it does not open: nobody knows whom it was for.</summary>
    public NoticeContent? OpenOrNull(NoticeRow row, SubjectKeys? held)
    {
        try
        {
            return row.Subject is null ? OpenOwn(row) : held is null ? null : Read(held.OpenWords(Of(row.Id), row.Sealed));
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    /// <summary>Seals people's notices anew under the version that each one's record is sealed under.</summary>
    public async Task RenewAsync(IReadOnlyList<SubjectId> people, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select distinct subject_id from vault.recipient_notice where subject_id = any($1)");
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. people.Select(person => person.Value)] });
        foreach (var person in await Rows.ReadAsync(command, row => new SubjectId(row.GetGuid(0)), ct))
        {
            await database.RunAsync((connection, transaction) => RenewAsync(new DutyWork(connection, transaction, ct), person), ct);
        }
    }

    private async Task<bool> RenewAsync(DutyWork work, SubjectId person)
    {
        if (!(await SubjectRows.KeepAsync(work.Connection, work.Transaction, [person], work.Cancellation)).TryGetValue(person, out var version)) return false;
        using var held = await keys.GetAsync(person, work.Cancellation);
        await keys.MatchAsync(held, version, work.Cancellation);
        await using var select = new NpgsqlCommand($"select {Columns}, 0, null::text from vault.recipient_notice n where n.subject_id = $1 for update", work.Connection, work.Transaction)
        {
            Parameters = { new() { Value = person.Value } },
        };
        // What somebody changed, or does not open, is left as it is: it is shown as such.
        foreach (var row in (await Rows.ReadAsync(select, Read, work.Cancellation)).Where(row => SealedValue.KeyVersionOf(row.Sealed) != held.KeyVersion && Fits(row)))
        {
            if (OpenOrNull(row, held) is { } content) await SaveAsync(work.Connection, row with { Sealed = Sealed(row, content, held) }, work.Cancellation);
        }

        return true;
    }

    private NoticeContent OpenOwn(NoticeRow row)
    {
        using var key = keys.Derive(Label);
        var bytes = new byte[SealedValue.OpenedLength(row.Sealed.Length)];
        SealedValue.Open(key.Span, row.Sealed, Context(stackalloc byte[AssociatedData.Limit], row.Id), bytes);
        return Read(bytes);
    }

    private static NoticeContent Read(byte[] bytes)
    {
        var content = JsonSerializer.Deserialize<NoticeContent>(bytes) ?? throw new CryptographicException("The notice is empty.");
        CryptographicOperations.ZeroMemory(bytes);
        return content;
    }

    private byte[] SealOf(NoticeRow row) => RowSeal.Of(keys, SealLabel, writer =>
    {
        writer.Add(row.Subject?.Value ?? Guid.Empty);
        writer.Add(row.Id);
        writer.Add(row.Request ?? Guid.Empty);
        writer.Write(row.Kind);
        writer.Write(row.State);
        writer.Write(row.Code is null ? "-" : "+" + row.Code);
        writer.Add(row.At);
        writer.Add(row.ChangedAt);
        writer.Write(SHA256.HashData(row.Sealed));
    });

    private WordsContext Of(Guid id) => new(Label, keys.VaultId, id);

    private static ReadOnlySpan<byte> Context(Span<byte> buffer, Guid id) => new AssociatedData(buffer, Label).Add(id).Bytes;

    private static NoticeRow Read(NpgsqlDataReader reader) => new(
        reader.GetGuid(0), reader.GetGuid(1) is var subject && subject == Guid.Empty ? null : new SubjectId(subject), reader.IsDBNull(2) ? null : reader.GetGuid(2), reader.GetString(3), reader.GetString(4))
    {
        Code = reader.IsDBNull(5) ? null : reader.GetString(5), At = reader.GetFieldValue<DateTimeOffset>(6), ChangedAt = reader.GetFieldValue<DateTimeOffset>(7),
        Sealed = reader.GetFieldValue<byte[]>(8), Seal = reader.GetFieldValue<byte[]>(9), Delivery = (reader.GetInt32(10), reader.IsDBNull(11) ? null : reader.GetString(11)),
    };
}

/// <summary>Which notices to list; null members do not narrow.</summary>
internal sealed record NoticeFilter(SubjectId? Subject = null, Guid? Request = null, FrozenSet<string>? States = null, Guid? Notice = null);
