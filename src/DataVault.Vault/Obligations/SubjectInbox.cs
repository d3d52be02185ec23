using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>What a message to a person says.</summary>
/// <param name="Kind">Code of what happened: <c>disclosure</c>, or of what is about to end: <c>restriction.lift</c>, <c>objection.lift</c>.</param>
/// <param name="Purpose">For what.</param>
/// <param name="Items">Fields and event types.</param>
/// <param name="Who">Roles of staff, or name of the application; no person's name.</param>
/// <param name="Entry">Index of the log entry.</param>
internal sealed record MessageContent(string Kind, string Purpose, IReadOnlyList<string> Items, string Who, long Entry)
{
    /// <summary>Of a letter, what it says.</summary>
    public LetterContent? Letter { get; init; }
}

/// <summary>
/// Messages to people, sealed under each one's key: written in the transaction of what they tell, and told outside the vault by the outbox where a channel
/// is configured. What goes outside is that there is a message, and never what it says.
/// </summary>
internal sealed class SubjectInbox(VaultDatabase database, KeyRegistry keys, OutboxStore outbox, VaultOptions options, VaultClock clock)
{
    public const string Kind = "subject.message";

    /// <summary>SPEC log-entry §8: before the id of the message that tells the person of the entry.</summary>
    public const string MessageRule = "message:";

    /// <summary>The entry that a message tells of names it, so that a message that is gone is missed.</summary>
    public static LogEntry Named(LogEntry entry, Guid message) => entry with { Rules = [.. entry.Rules, $"{MessageRule}{message:D}"] };

    /// <summary>The person's keys under the version that is in force until the transaction ends; the caller disposes them.</summary>
    /// <exception cref="VaultException">not-found: the person is gone.</exception>
    public async Task<SubjectKeys> KeysAsync(DutyWork work, SubjectId subject)
    {
        var versions = await SubjectRows.KeepAsync(work.Connection, work.Transaction, [subject], work.Cancellation);
        if (!versions.TryGetValue(subject, out var version)) throw VaultException.NotFound();
        var held = await keys.GetAsync(subject, work.Cancellation);
        try
        {
            await keys.MatchAsync(held, version, work.Cancellation);
            return held;
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    public VaultClock Clock => clock;

    public void Write(NpgsqlBatch batch, SubjectKeys held, Guid id, MessageContent content) => Write(batch, held, id, content, null);

    /// <summary>The same in a round trip of its own.</summary>
    public async Task TellAsync(DutyWork work, SubjectKeys held, Guid id, MessageContent content)
    {
        await using var batch = new NpgsqlBatch(work.Connection, work.Transaction);
        Write(batch, held, id, content);
        await batch.ExecuteNonQueryAsync(work.Cancellation);
    }

    /// <summary>A letter: a message that also waits to be sent, by the outbox or by an officer.</summary>
    public void Write(NpgsqlBatch batch, SubjectKeys held, MessageContent content, LetterRow letter) => Write(batch, held, letter.Id, content, letter);

    private void Write(NpgsqlBatch batch, SubjectKeys held, Guid id, MessageContent content, LetterRow? letter)
    {
        batch.BatchCommands.Add(new(
            "insert into vault.message (subject_id, message_id, created_at, sealed, request_id, letter, way, log_index) values ($1, $2, $3, $4, $5, $6, $7, $8)")
        {
            Parameters =
            {
                new() { Value = held.Subject.Value }, new() { Value = id }, new() { Value = clock.Now.UtcDateTime }, new() { Value = Seal(held, id, content) },
                RequestStore.Optional(letter?.Request, NpgsqlDbType.Uuid), RequestStore.Optional(letter?.Kind, NpgsqlDbType.Text),
                RequestStore.Optional(letter?.Way, NpgsqlDbType.Text), RequestStore.Optional(letter?.LogIndex, NpgsqlDbType.Bigint),
            },
        });
        var mailed = letter?.Way == LetterWays.Mail;
        if (mailed) batch.BatchCommands.Add(outbox.Insert(LetterMail.Message(id)));
        // The outbox has one message to a number, and that of the letter is taken by the letter itself.
        Announce(batch, held, id, mailed ? clock.NewId() : id);
    }

    private byte[] Seal(SubjectKeys held, Guid id, MessageContent content)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(content);
        var value = held.SealWords(Of(id), body, clock.Random);
        CryptographicOperations.ZeroMemory(body);
        return value;
    }

    // What goes outside is that there is a message, and never what it says.
    private void Announce(NpgsqlBatch batch, SubjectKeys held, Guid id, Guid call)
    {
        if (options.MessageChannel is not { } channel) return;
        var notice = JsonSerializer.SerializeToUtf8Bytes(new { type = Kind, timestamp = clock.Now.UtcDateTime, data = new { customer = held.Subject.Value, message = id } });
        batch.BatchCommands.Add(outbox.Insert(new OutboxMessage(call, Kind, channel, notice, Attempts: 0)));
    }

    /// <summary>What the person has been told of these entries. A message that is gone or does not open has told nothing.</summary>
    public async Task<HashSet<string>> ToldAsync(DutyWork work, SubjectKeys held, DateTimeOffset since, IReadOnlyList<long> entries)
    {
        await using var command = new NpgsqlCommand("select message_id, sealed from vault.message where subject_id = $1 and created_at >= $2", work.Connection, work.Transaction)
        {
            Parameters = { new() { Value = held.Subject.Value }, new() { Value = since.UtcDateTime } },
        };
        var told = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (id, value) in await Rows.ReadAsync(command, row => (Id: row.GetGuid(0), Sealed: row.GetFieldValue<byte[]>(1)), work.Cancellation))
        {
            if (OpenOrNull(held, id, value) is { } content && entries.Contains(content.Entry)) told.UnionWith(content.Items);
        }

        return told;
    }

    /// <summary>Newest first; one more than the limit tells that there are further ones.</summary>
    public async Task<IReadOnlyList<(Guid Id, DateTimeOffset At, MessageContent Content)>> ListAsync(SubjectKeys held, int limit, Guid? before, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            "select message_id, created_at, sealed from vault.message where subject_id = $1 and ($2 is null or message_id < $2) order by message_id desc limit $3");
        command.Parameters.Add(new() { Value = held.Subject.Value });
        command.Parameters.Add(new() { Value = (object?)before ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Uuid });
        command.Parameters.Add(new() { Value = limit });
        var rows = await Rows.ReadAsync(command, row => (Id: row.GetGuid(0), At: row.GetFieldValue<DateTimeOffset>(1), Sealed: row.GetFieldValue<byte[]>(2)), ct);
        return [.. rows.Select(row => (row.Id, row.At, Open(held, row.Id, row.Sealed)))];
    }

    /// <summary>Seals people's messages anew under the version that each one's record is sealed under.</summary>
    public async Task RenewAsync(IReadOnlyList<SubjectId> people, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select distinct subject_id from vault.message where subject_id = any($1)");
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. people.Select(person => person.Value)] });
        foreach (var person in await Rows.ReadAsync(command, row => new SubjectId(row.GetGuid(0)), ct))
        {
            await database.RunAsync((connection, transaction) => RenewAsync(new DutyWork(connection, transaction, ct), person), ct);
        }
    }

    private async Task<bool> RenewAsync(DutyWork work, SubjectId person)
    {
        if (!(await SubjectRows.KeepAsync(work.Connection, work.Transaction, [person], work.Cancellation)).ContainsKey(person)) return false;
        using var held = await KeysAsync(work, person);
        await using var select = new NpgsqlCommand("select message_id, sealed from vault.message where subject_id = $1 for update", work.Connection, work.Transaction)
        {
            Parameters = { new() { Value = person.Value } },
        };
        var rows = await Rows.ReadAsync(select, row => (Id: row.GetGuid(0), Sealed: row.GetFieldValue<byte[]>(1)), work.Cancellation);
        await using var batch = new NpgsqlBatch(work.Connection, work.Transaction);
        foreach (var (id, value) in rows)
        {
            // What does not open is left as it is: it keeps nobody from being renewed.
            if (OlderOrNull(held, id, value) is not { } content) continue;
            batch.BatchCommands.Add(new("update vault.message set sealed = $3 where subject_id = $1 and message_id = $2")
            {
                Parameters = { new() { Value = person.Value }, new() { Value = id }, new() { Value = held.SealWords(Of(id), content, clock.Random) } },
            });
            CryptographicOperations.ZeroMemory(content);
        }

        if (batch.BatchCommands.Count > 0) await batch.ExecuteNonQueryAsync(work.Cancellation);
        return true;
    }

    /// <exception cref="CryptographicException">It is not what was sealed for this row.</exception>
    public MessageContent Open(SubjectKeys held, Guid id, byte[] value)
    {
        var content = held.OpenWords(Of(id), value);
        var message = JsonSerializer.Deserialize<MessageContent>(content) ?? throw new CryptographicException("The message is empty.");
        CryptographicOperations.ZeroMemory(content);
        return message;
    }

    private MessageContent? OpenOrNull(SubjectKeys held, Guid id, byte[] value)
    {
        try
        {
            return Open(held, id, value);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    /// <summary>What is sealed under an older version of the key; null of what is not, or does not open.</summary>
    private byte[]? OlderOrNull(SubjectKeys held, Guid id, byte[] value)
    {
        try
        {
            return SealedValue.KeyVersionOf(value) == held.KeyVersion ? null : held.OpenWords(Of(id), value);
        }
        catch (CryptographicException e) when (e is not StaleKeyException)
        {
            return null;
        }
    }

    private WordsContext Of(Guid message) => new("message", keys.VaultId, message);
}

/// <summary>A message as its person reads it.</summary>
public sealed record MessageView(Guid Id, DateTimeOffset At, string Kind, string Purpose, IReadOnlyList<string> Items, string Who, long LogIndex)
{
    /// <summary>Of a letter, its words.</summary>
    public RenderedLetter? Letter { get; init; }
}

/// <summary>Newest first.</summary>
public sealed record MessagePage(IReadOnlyList<MessageView> Items, string? Next);

/// <summary>A person's own messages. Reading them is an entry of the log.</summary>
public sealed class SubjectMessages
{
    private readonly SubjectInbox inbox;
    private readonly KeyRegistry keys;
    private readonly AuditLog log;

    internal SubjectMessages(SubjectInbox inbox, KeyRegistry keys, AuditLog log) => (this.inbox, this.keys, this.log) = (inbox, keys, log);

    public async Task<MessagePage> ListAsync(Recipient recipient, int limit, string? cursor, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        if (recipient is not { Kind: RecipientKind.Customer, Subject: { } subject }) throw VaultException.NotFound();
        var page = NewestFirst.Read(limit, cursor);
        using var held = await keys.GetFreshAsync(subject, cancellation);
        var entry = log.Entry(EntryType.AuditRead, recipient, held.Tag, recipient.Purposes.Count > 0 ? recipient.Purposes[0] : "", EntryResult.Ok, [], requestId) with { Rules = ["messages"] };
        try
        {
            var (shown, next) = page.Cut(await inbox.ListAsync(held, page.Sought, page.Before, cancellation), message => message.Id);
            await log.AppendAsync(entry, null, cancellation);
            return new MessagePage([.. shown.Select(View)], next);
        }
        catch (CryptographicException e)
        {
            throw await log.FailedAsync(entry, e, cancellation);
        }
    }

    private static MessageView View((Guid Id, DateTimeOffset At, MessageContent Content) message) => new(
        message.Id, message.At, message.Content.Kind, message.Content.Purpose, message.Content.Items, message.Content.Who, message.Content.Entry)
    {
        Letter = message.Content.Letter?.Printed,
    };
}
