using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>What a controller asked for. Nobody is named: <paramref name="Request"/> leads to the vault's own request, and is null where nobody, or nobody alone, was meant.</summary>
internal sealed record OpenDsrRow(string Controller, Guid Id, Guid? Request, string Kind, DateTimeOffset ReceivedAt, DateTimeOffset ExpectedAt)
{
    /// <summary>When it was, or of somebody unknown will be, in progress.</summary>
    public DateTimeOffset? BeganAt { get; init; }

    /// <summary>The same of its end.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>The controller took back what was about somebody unknown.</summary>
    public bool Cancelled { get; init; }

    public string? Outcome { get; init; }

    /// <summary>The state that the controller was told last.</summary>
    public string Told { get; init; } = OpenDsrWords.Pending;

    /// <summary>MAC over the body, by which a repetition is known; of an e-mail address a plain hash could be guessed.</summary>
    public byte[] BodyMac { get; init; } = [];

    /// <summary>Where to call back, sealed under a key of the vault: the rest of an address is the controller's own and may mean somebody.</summary>
    public byte[] Callbacks { get; init; } = [];

    public byte[] Seal { get; init; } = [];

    /// <summary>The state of what leads to nobody: it follows its times alone.</summary>
    public string StateAt(DateTimeOffset now) =>
        Cancelled ? OpenDsrWords.Cancelled : now >= EndedAt ? OpenDsrWords.Completed : now >= BeganAt ? OpenDsrWords.InProgress : OpenDsrWords.Pending;
}

/// <summary>How long requests take: from their receipt to when they were in progress, and to their end.</summary>
internal readonly record struct OpenDsrPace(TimeSpan ToBegin, TimeSpan ToEnd);

/// <summary>
/// Rows of OpenDSR. The seal binds a row to the request and the controller: INVARIANT: a row whose seal does not fit leads to nobody's request, tells nobody and
/// gives nothing out. The columns that change can only make the controller be told late or twice.
/// </summary>
internal sealed class OpenDsrStore(VaultDatabase database, AuditLog log, IServiceKeys keys, VaultClock clock)
{
    private const string BodyLabel = "opendsr/body";
    private const string CallbackLabel = "opendsr/callbacks";
    private const string SealLabel = "opendsr/request-seal";
    private const string Select =
        "select controller, dsr_id, request_id, kind, received_at, expected_at, began_at, ended_at, cancelled, outcome, told, body_mac, callbacks, seal from vault.opendsr_request";

    public VaultClock Clock => clock;

    public byte[] MacOf(ReadOnlyMemory<byte> body) => RowSeal.Of(keys, BodyLabel, writer => writer.Write(body.Span));

    public byte[] SealCallbacks(Guid id, IReadOnlyList<Uri> callbacks)
    {
        using var key = keys.Derive(CallbackLabel);
        var content = JsonSerializer.SerializeToUtf8Bytes(callbacks.Select(address => address.OriginalString));
        return SealedValue.Seal(key.Span, 1, 0, content, Context(stackalloc byte[AssociatedData.Limit], id), clock.Random);
    }

    public IReadOnlyList<string> CallbacksOf(OpenDsrRow row)
    {
        using var key = keys.Derive(CallbackLabel);
        var content = new byte[SealedValue.OpenedLength(row.Callbacks.Length)];
        SealedValue.Open(key.Span, row.Callbacks, Context(stackalloc byte[AssociatedData.Limit], row.Id), content);
        return JsonSerializer.Deserialize<string[]>(content)!;
    }

    /// <exception cref="VaultException">The vault did not write the row like this: invalid-state.</exception>
    public OpenDsrRow Genuine(OpenDsrRow row) =>
        RowSeal.Is(row.Seal, SealOf(row)) ? row : throw VaultException.InvalidState("The request is not as the vault wrote it.");

    public async Task<OpenDsrRow?> FindAsync(string controller, Guid id, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(Select + " where controller = $1 and dsr_id = $2");
        command.Parameters.Add(new() { Value = controller });
        command.Parameters.Add(new() { Value = id });
        return (await Rows.ReadAsync(command, Read, ct)).Select(Genuine).FirstOrDefault();
    }

    public async Task<OpenDsrRow> LockAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, OpenDsrRow row, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(Select + " where controller = $1 and dsr_id = $2 for update", connection, transaction)
        {
            Parameters = { new() { Value = row.Controller }, new() { Value = row.Id } },
        };
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? Genuine(Read(reader)) : throw VaultException.NotFound();
    }

    /// <summary>Requests whose controller may have to be told something.</summary>
    public async Task<IReadOnlyList<OpenDsrRow>> ToTellAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            $"""
            select o.* from ({Select} where told in ('pending', 'in_progress')) o
            left join vault.request r on r.request_id = o.request_id left join vault.closed_request c on c.request_id = o.request_id
            where o.request_id is null and (o.cancelled or o.ended_at <= $1 or o.began_at <= $1 and o.told = 'pending')
               or o.request_id is not null and coalesce(r.state, c.state, '') not in ('received', 'verified') and not (o.told = 'in_progress' and coalesce(r.state, c.state, '') in ('confirming', 'approved'))
            """);
        command.Parameters.Add(new() { Value = clock.Now.UtcDateTime });
        return [.. await Rows.ReadAsync(command, Read, ct)];
    }

    /// <summary>How long the latest requests took that were about somebody.</summary>
    public async Task<IReadOnlyList<OpenDsrPace>> PacesAsync(string kind, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            """
            select coalesce(began_at, ended_at) - received_at, ended_at - received_at from vault.opendsr_request
            where kind = $1 and request_id is not null and told = 'completed' and ended_at is not null order by ended_at desc limit 32
            """);
        command.Parameters.Add(new() { Value = kind });
        return [.. await Rows.ReadAsync(command, row => new OpenDsrPace(row.GetTimeSpan(0), row.GetTimeSpan(1)), ct)];
    }

    /// <summary>False: the controller has used the number before.</summary>
    public async Task<bool> TryInsertAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, OpenDsrRow row, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            """
            insert into vault.opendsr_request (controller, dsr_id, request_id, kind, received_at, expected_at, began_at, ended_at, outcome, told, body_mac, callbacks, seal)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) on conflict do nothing
            """,
            connection, transaction)
        {
            Parameters =
            {
                new() { Value = row.Controller }, new() { Value = row.Id }, RequestStore.Optional(row.Request, NpgsqlDbType.Uuid), new() { Value = row.Kind },
                new() { Value = row.ReceivedAt.UtcDateTime }, new() { Value = row.ExpectedAt.UtcDateTime }, RequestStore.Optional(row.BeganAt?.UtcDateTime, NpgsqlDbType.TimestampTz),
                RequestStore.Optional(row.EndedAt?.UtcDateTime, NpgsqlDbType.TimestampTz), RequestStore.Optional(row.Outcome, NpgsqlDbType.Text), new() { Value = row.Told },
                new() { Value = row.BodyMac }, new() { Value = row.Callbacks }, new() { Value = SealOf(row) },
            },
        };
        return await command.ExecuteNonQueryAsync(ct) == 1;
    }

    /// <summary>What is not about anybody alone, with its entry. False: the controller has used the number before.</summary>
    public Task<bool> TryInsertAsync(Recipient controller, OpenDsrRow row, Guid requestId, CancellationToken ct) => database.RunAsync(
        async (connection, transaction) =>
        {
            if (!await TryInsertAsync(connection, transaction, row, ct)) return false;
            await log.AppendWithinAsync(connection, transaction, [Entry(controller, row, OpenDsrWords.Pending, requestId)], ct);
            return true;
        },
        ct);

    /// <summary>Saves what changes of a locked row, with the entry that says how it stands.</summary>
    public async Task SaveAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, OpenDsrRow row, (Recipient Actor, Guid RequestId) by, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            "update vault.opendsr_request set expected_at = $3, began_at = $4, ended_at = $5, cancelled = $6, told = $7 where controller = $1 and dsr_id = $2", connection, transaction)
        {
            Parameters =
            {
                new() { Value = row.Controller }, new() { Value = row.Id }, new() { Value = row.ExpectedAt.UtcDateTime }, RequestStore.Optional(row.BeganAt?.UtcDateTime, NpgsqlDbType.TimestampTz),
                RequestStore.Optional(row.EndedAt?.UtcDateTime, NpgsqlDbType.TimestampTz), new() { Value = row.Cancelled }, new() { Value = row.Told },
            },
        };
        await command.ExecuteNonQueryAsync(ct);
        await log.AppendWithinAsync(connection, transaction, [Entry(by.Actor, row, row.Told, by.RequestId)], ct);
    }

    public Task<T> TransactAsync<T>(Func<NpgsqlConnection, NpgsqlTransaction, Task<T>> work, CancellationToken ct) => database.RunAsync(work, ct);

    /// <summary>A look at how a request stands, by its controller.</summary>
    public Task RecordLookAsync(Recipient controller, Guid id, Guid requestId, CancellationToken ct) =>
        log.AppendAsync(log.Entry(EntryType.RequestRead, controller, default, SubjectRequests.Purpose, EntryResult.Ok, [], requestId) with { Rules = [$"opendsr:{id:D}"] }, null, ct);

    // SPEC log-entry §21
    private LogEntry Entry(Recipient actor, OpenDsrRow row, string state, Guid requestId) =>
        log.Entry(EntryType.OpenDsrRequest, actor, default, SubjectRequests.Purpose, EntryResult.Ok, [], requestId) with
        {
            Rules = [$"opendsr:{row.Kind}:{state}", $"opendsr:{row.Id:D}", .. row.Request is { } request ? [$"request:{request:D}"] : Array.Empty<string>()],
        };

    private byte[] SealOf(OpenDsrRow row) => RowSeal.Of(keys, SealLabel, writer =>
    {
        writer.Write(row.Controller);
        writer.Add(row.Id);
        writer.Add(row.Request ?? Guid.Empty);
        writer.Write(row.Kind);
        writer.Write(row.Outcome ?? "");
        writer.Add(row.ReceivedAt);
        writer.Write(row.BodyMac);
        writer.Write(SHA256.HashData(row.Callbacks));
    });

    private static ReadOnlySpan<byte> Context(Span<byte> buffer, Guid id) => new AssociatedData(buffer, CallbackLabel).Add(id).Bytes;

    private static OpenDsrRow Read(NpgsqlDataReader row) =>
        new(row.GetString(0), row.GetGuid(1), row.IsDBNull(2) ? null : row.GetGuid(2), row.GetString(3), row.GetFieldValue<DateTimeOffset>(4), row.GetFieldValue<DateTimeOffset>(5))
        {
            BeganAt = row.IsDBNull(6) ? null : row.GetFieldValue<DateTimeOffset>(6), EndedAt = row.IsDBNull(7) ? null : row.GetFieldValue<DateTimeOffset>(7),
            Cancelled = row.GetBoolean(8), Outcome = row.IsDBNull(9) ? null : row.GetString(9), Told = row.GetString(10), BodyMac = row.GetFieldValue<byte[]>(11),
            Callbacks = row.GetFieldValue<byte[]>(12), Seal = row.GetFieldValue<byte[]>(13),
        };
}

/// <summary>A controller's number for a request: taken in the transaction of the vault's own request.</summary>
internal sealed record OpenDsrClaim(OpenDsrStore Store, OpenDsrRow Row) : IRequestClaim
{
    public Task<bool> TryTakeAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, CancellationToken ct) => Store.TryInsertAsync(connection, transaction, Row, ct);
}
