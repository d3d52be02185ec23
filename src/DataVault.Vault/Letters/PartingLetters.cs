using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>The last letter to somebody who is being erased, prepared.</summary>
/// <param name="Entry">To be appended with the entries of the step.</param>
/// <param name="Sealed">Under a key of its own.</param>
internal sealed record PendingParting(LogEntry Entry, Guid Id, Guid Request, LetterKind Kind, string Way, byte[] Sealed);

/// <summary>
/// Letters that tell of an erasure. The person's key is gone when they are sent, so each is sealed under a key of its own, which lies in the keys database: neither
/// database alone opens one.
/// <code>
/// the erasure begins: key made, letter written, held back  ──>  the rows go: let out, in that transaction  ──>  sent, posted or expired: letter and key deleted
/// </code>
/// INVARIANT: the key goes before the row that it opens; nothing of a letter lives longer than <see cref="Kept"/> after it was written.
/// </summary>
internal sealed class PartingLetters(VaultDatabase database, KeysDatabase keys, IServiceKeys service, LetterBook book, OutboxStore outbox, VaultClock clock)
{
    public const string Kind = "parting-letter";

    /// <summary>SPEC log-entry §23: before the number of such a letter, which is no message of the inbox and is not missed there.</summary>
    public const string Rule = "parting:";

    /// <summary>However long the sending takes.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromDays(30);

    private const string Label = "letters/parting";
    private const string Columns = "letter_id, request_id, letter, way, log_index, created_at, sealed";

    /// <summary>Prepares it while there is somebody to write to. Null when nobody is to be told.</summary>
    public async Task<PendingParting?> WriteAsync(DutyWork work, RequestRow row, (SubjectKeys? Held, ReadOnlyMemory<byte> Tag) person, LetterOrder order, Guid requestId)
    {
        if (order.Kind == LetterKind.Erased) order = order with { Until = clock.Now + Kept };
        if (await book.PartAsync(work, row, person, order, requestId) is not { } written) return null;
        var content = JsonSerializer.SerializeToUtf8Bytes(new Content(written.To, written.Content));
        using var key = new SecretBytes(KeyDerivation.KeySize);
        clock.Random.Fill(key.Span);
        var value = SealedValue.Seal(key.Span, 1, 0, content, Context(stackalloc byte[AssociatedData.Limit], "letter", written.Id), clock.Random);
        CryptographicOperations.ZeroMemory(content);
        await KeepKeyAsync(written.Id, key, work.Cancellation);
        return new PendingParting(written.Entry, written.Id, row.Id, order.Kind, written.To is null ? LetterWays.Post : LetterWays.Mail, value);
    }

    /// <summary>After the entry. The letter stays where it is until <see cref="LetOutAsync"/>.</summary>
    public async Task KeepAsync(DutyWork work, PendingParting letter, long index)
    {
        await using var command = new NpgsqlCommand(
            "insert into vault.parting_letter (letter_id, request_id, letter, way, log_index, created_at, expires_at, sealed) values ($1, $2, $3, $4, $5, $6, $7, $8)", work.Connection, work.Transaction)
        {
            Parameters =
            {
                new() { Value = letter.Id }, new() { Value = letter.Request }, new() { Value = LetterKinds.NameOf(letter.Kind) }, new() { Value = letter.Way }, new() { Value = index },
                new() { Value = clock.Now.UtcDateTime }, new() { Value = (clock.Now + Kept).UtcDateTime }, new() { Value = letter.Sealed },
            },
        };
        await command.ExecuteNonQueryAsync(work.Cancellation);
    }

    /// <summary>In the transaction in which the person's rows go: not before, and not without it.</summary>
    public async Task LetOutAsync(DutyWork work, Guid request)
    {
        await using var command = new NpgsqlCommand("update vault.parting_letter set let_out = true where request_id = $1 and not let_out returning letter_id, way", work.Connection, work.Transaction)
        {
            Parameters = { new() { Value = request } },
        };
        var letters = await Rows.ReadAsync(command, row => (Id: row.GetGuid(0), Way: row.GetString(1)), work.Cancellation);
        foreach (var letter in letters.Where(one => one.Way == LetterWays.Mail))
            await outbox.EnqueueAsync(work.Connection, work.Transaction, new OutboxMessage(letter.Id, Kind, LetterBook.Writer.Id, JsonSerializer.SerializeToUtf8Bytes(new { letter = letter.Id }), Attempts: 0), work.Cancellation);
    }

    public async Task<LetterRow?> FindAsync(Guid id, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {Columns} from vault.parting_letter where letter_id = $1 and let_out");
        command.Parameters.Add(new() { Value = id });
        return (await Rows.ReadAsync(command, Read, ct)).FirstOrDefault();
    }

    /// <summary>About one request; none once it was sent.</summary>
    public async Task<List<LetterRow>> OfRequestAsync(Guid request, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {Columns} from vault.parting_letter where request_id = $1 and let_out order by letter_id");
        command.Parameters.Add(new() { Value = request });
        return await Rows.ReadAsync(command, Read, ct);
    }

    /// <summary>What waits for an officer, oldest first.</summary>
    public async Task<List<LetterRow>> ToPostAsync(int limit, Guid? after, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {Columns} from vault.parting_letter where let_out and way = '{LetterWays.Post}' and ($1 is null or letter_id > $1) order by letter_id limit $2");
        command.Parameters.Add(new() { Value = (object?)after ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Uuid });
        command.Parameters.Add(new() { Value = limit });
        return await Rows.ReadAsync(command, Read, ct);
    }

    public async Task<long> CountAsync(string way, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select count(*) from vault.parting_letter where let_out and way = $1");
        command.Parameters.Add(new() { Value = way });
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>What it says, and where it goes; null once its key is gone.</summary>
    public async Task<(string? To, LetterContent Content)?> OpenAsync(LetterRow letter, CancellationToken ct)
    {
        using var key = await FindKeyAsync(letter.Id, ct);
        if (key is null) return null;
        var content = new byte[SealedValue.OpenedLength(letter.Sealed.Length)];
        SealedValue.Open(key.Span, letter.Sealed, Context(stackalloc byte[AssociatedData.Limit], "letter", letter.Id), content);
        var opened = JsonSerializer.Deserialize<Content>(content) ?? throw new CryptographicException("The letter is empty.");
        CryptographicOperations.ZeroMemory(content);
        return (opened.To, opened.Letter);
    }

    /// <summary>What could not be sent waits for an officer, for as long as there is left.</summary>
    public static async Task<bool> MoveAsync(DutyWork work, Guid letter, string way)
    {
        await using var command = new NpgsqlCommand("update vault.parting_letter set way = $2 where letter_id = $1 and way <> $2", work.Connection, work.Transaction)
        {
            Parameters = { new() { Value = letter }, new() { Value = way } },
        };
        return await command.ExecuteNonQueryAsync(work.Cancellation) == 1;
    }

    /// <summary>The row of a letter that has arrived, in the transaction of the entry that says so. False: it is gone already.</summary>
    public static async Task<bool> DeleteAsync(DutyWork work, Guid letter)
    {
        await using var command = new NpgsqlCommand("delete from vault.parting_letter where letter_id = $1", work.Connection, work.Transaction) { Parameters = { new() { Value = letter } } };
        return await command.ExecuteNonQueryAsync(work.Cancellation) == 1;
    }

    /// <summary>Deletes what has been kept long enough: keys first, whatever became of the rows.</summary>
    /// <returns>How many letters nobody got.</returns>
    public async Task<int> SweepAsync(CancellationToken ct)
    {
        await using (var old = keys.Source.CreateCommand("delete from keys.letter_key where made_at <= $1"))
        {
            old.Parameters.Add(new() { Value = (clock.Now - Kept).UtcDateTime });
            await old.ExecuteNonQueryAsync(ct);
        }

        return await database.RunAsync((connection, transaction) => ExpireAsync(new DutyWork(connection, transaction, ct)), ct);
    }

    // Nobody got them, and the log says so.
    private async Task<int> ExpireAsync(DutyWork work)
    {
        await using var command = new NpgsqlCommand($"delete from vault.parting_letter where expires_at <= $1 returning {Columns}", work.Connection, work.Transaction)
        {
            Parameters = { new() { Value = clock.Now.UtcDateTime } },
        };
        var expired = await Rows.ReadAsync(command, Read, work.Cancellation);
        if (expired.Count > 0) await book.TellWayAsync(work, expired, "way:expired");
        return expired.Count;
    }

    /// <summary>The key of a letter that needs none any more.</summary>
    public async Task ForgetAsync(Guid letter, CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand("delete from keys.letter_key where letter_id = $1");
        command.Parameters.Add(new() { Value = letter });
        await command.ExecuteNonQueryAsync(ct);
    }

    private async Task KeepKeyAsync(Guid letter, SecretBytes key, CancellationToken ct)
    {
        using var by = service.Derive(Label);
        var wrapped = SealedValue.Seal(by.Span, 1, 0, key.Span, Context(stackalloc byte[AssociatedData.Limit], "key", letter), clock.Random);
        await using var command = keys.Source.CreateCommand("insert into keys.letter_key (letter_id, wrapped, made_at) values ($1, $2, $3)");
        command.Parameters.Add(new() { Value = letter });
        command.Parameters.Add(new() { Value = wrapped });
        command.Parameters.Add(new() { Value = clock.Now.UtcDateTime });
        await command.ExecuteNonQueryAsync(ct);
    }

    private async Task<SecretBytes?> FindKeyAsync(Guid letter, CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand("select wrapped from keys.letter_key where letter_id = $1");
        command.Parameters.Add(new() { Value = letter });
        if (await command.ExecuteScalarAsync(ct) is not byte[] wrapped) return null;
        using var by = service.Derive(Label);
        var key = new SecretBytes(KeyDerivation.KeySize);
        SealedValue.Open(by.Span, wrapped, Context(stackalloc byte[AssociatedData.Limit], "key", letter), key.Span);
        return key;
    }

    private static ReadOnlySpan<byte> Context(Span<byte> buffer, string what, Guid id) => new AssociatedData(buffer, Label + "/" + what).Add(id).Bytes;

    private static LetterRow Read(NpgsqlDataReader row) => new(row.GetGuid(0), row.GetGuid(1), row.GetString(2), row.GetString(3), row.GetInt64(4))
    {
        At = row.GetFieldValue<DateTimeOffset>(5), Sealed = row.GetFieldValue<byte[]>(6),
    };

    private sealed record Content(string? To, LetterContent Letter);
}
