using DataVault.Cryptography;
using DataVault.Vault.Keys;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Tells what the vault wrote of approvals, reviews and alerts from what somebody else did. INVARIANT: a row that does not match agrees to nothing, closes nothing
/// and counts as nobody's answer.
/// </summary>
internal sealed class OversightSeals(IServiceKeys keys)
{
    public bool Matches(ApprovalRow row) => RowSeal.Is(row.Seal, Of(row));

    public bool Matches(ReviewRow row) => RowSeal.Is(row.Seal, Of(row));

    public bool Matches(AlertView row) => RowSeal.Is(row.Seal, Of(row));

    public byte[] Of(ApprovalRow row) => RowSeal.Of(keys, "approval-seal", writer =>
    {
        writer.Add(row.Id);
        writer.Add(row.Subject.Value);
        writer.Add(row.Actor);
        writer.Write(row.Purpose);
        writer.Write(row.Items.Length);
        foreach (var item in row.Items) writer.Write(item);
        writer.Write(row.Forms.Length);
        foreach (var form in row.Forms) writer.Write(form);
        writer.Write(row.State);
        writer.Write(row.AskedBy);
        writer.Write(row.DecidedBy ?? "");
        writer.Write(row.LogIndex);
        foreach (var at in (DateTimeOffset?[])[row.AskedAt, row.ExpiresAt, row.DecidedAt, row.UsedAt]) writer.Add(at);
    });

    public byte[] Of(ReviewRow row) => RowSeal.Of(keys, "review-seal", writer =>
    {
        writer.Add(row.Id);
        writer.Add(row.Actor);
        writer.Add(row.SubjectTag);
        writer.Write(row.Purpose);
        writer.Write(row.Entries.Length);
        foreach (var entry in row.Entries) writer.Write(entry);
        writer.Write(row.State);
        writer.Write(row.DecidedBy ?? "");
        writer.Add(row.LogIndex);
        foreach (var at in (DateTimeOffset?[])[row.OpenedAt, row.DueAt, row.CoversUntil, row.DecidedAt]) writer.Add(at);
    });

    public byte[] Of(AlertView row) => RowSeal.Of(keys, "alert-seal", writer =>
    {
        writer.Add(row.Id);
        writer.Write(row.Kind);
        writer.Write(row.ActorTag);
        writer.Write(row.Purpose);
        writer.Add(row.About);
        writer.Write(row.LogIndex);
        writer.Write(row.AcknowledgedBy ?? "");
        foreach (var at in (DateTimeOffset?[])[row.At, row.AcknowledgedAt]) writer.Add(at);
    });
}

/// <summary>Something that is kept.</summary>
/// <param name="Kind">One of the constants of <see cref="OversightMemory"/>.</param>
/// <param name="Id">Of its kind.</param>
internal sealed record Kept(string Kind, byte[] Id)
{
    public long Number { get; init; }

    public byte[] Value { get; init; } = [];

    /// <summary>When it is of no use any more; null: until it is forgotten.</summary>
    public DateTimeOffset? Until { get; init; }
}

/// <summary>
/// What oversight relies on, kept in the keys database as well, so that nobody undoes it in the vault database: what is there and not here counts, what is here and
/// not there counts too.
/// </summary>
internal sealed class OversightMemory(KeysDatabase keys, TimeProvider clock)
{
    public const string Approval = "approval";
    public const string Brake = "brake";
    public const string Breach = "breach";
    public const string Budget = "budget";
    public const string Honey = "honey";
    public const string Limit = "limit";
    public const string PolicyNumber = "policy-number";
    public const string Watch = "watch";

    /// <summary>Uses something up that can be used once. False when it was.</summary>
    public async Task<bool> SpendAsync(string kind, Guid id, DateTimeOffset until, CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand("insert into keys.kept (kind, id, until) values ($1, $2, $3) on conflict do nothing");
        command.Parameters.Add(new() { Value = kind });
        command.Parameters.Add(new() { Value = id.ToByteArray(bigEndian: true) });
        command.Parameters.Add(new() { Value = until.UtcDateTime });
        return await command.ExecuteNonQueryAsync(ct) == 1;
    }

    public async Task<IReadOnlyList<Kept>> ReadAsync(string kind, CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand("select id, number, value, until from keys.kept where kind = $1 and (until is null or until > $2)");
        command.Parameters.Add(new() { Value = kind });
        command.Parameters.Add(new() { Value = clock.GetUtcNow().UtcDateTime });
        return await Rows.ReadAsync(
            command, row => new Kept(kind, row.GetFieldValue<byte[]>(0)) { Number = row.GetInt64(1), Value = row.GetFieldValue<byte[]>(2), Until = row.IsDBNull(3) ? null : row.GetFieldValue<DateTimeOffset>(3) }, ct);
    }

    /// <summary>Null when nothing of that id is kept.</summary>
    public async Task<byte[]?> FindAsync(string kind, byte[] id, CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand("select value from keys.kept where kind = $1 and id = $2");
        command.Parameters.Add(new() { Value = kind });
        command.Parameters.Add(new() { Value = id });
        return await command.ExecuteScalarAsync(ct) as byte[];
    }

    /// <summary>The numbers of these, in their order; 0 of what is not kept.</summary>
    public async Task<long[]> NumbersAsync(string kind, IReadOnlyList<byte[]> ids, CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand(
            "select coalesce(k.number, 0) from unnest($2) with ordinality as u (id, n) left join keys.kept k on k.kind = $1 and k.id = u.id order by u.n");
        command.Parameters.Add(new() { Value = kind });
        command.Parameters.Add(new NpgsqlParameter<byte[][]> { TypedValue = [.. ids] });
        return [.. await Rows.ReadAsync(command, row => row.GetInt64(0), ct)];
    }

    /// <summary>Keeps these as they are now.</summary>
    public async Task KeepAsync(IReadOnlyList<Kept> all, CancellationToken ct)
    {
        if (all.Count == 0) return;
        await using var batch = keys.Source.CreateBatch();
        foreach (var one in all)
        {
            batch.BatchCommands.Add(new(
                """
                insert into keys.kept (kind, id, number, value, until) values ($1, $2, $3, $4, $5)
                on conflict (kind, id) do update set number = excluded.number, value = excluded.value, until = excluded.until
                """)
            {
                Parameters =
                {
                    new() { Value = one.Kind }, new() { Value = one.Id }, new() { Value = one.Number }, new() { Value = one.Value },
                    new() { Value = (object?)one.Until?.UtcDateTime ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.TimestampTz },
                },
            });
        }

        await batch.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Keeps a number that only grows, whoever else keeps it meanwhile.</summary>
    public async Task RaiseAsync(string kind, byte[] id, long number, CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand(
            "insert into keys.kept as k (kind, id, number) values ($1, $2, $3) on conflict (kind, id) do update set number = greatest(k.number, excluded.number)");
        command.Parameters.Add(new() { Value = kind });
        command.Parameters.Add(new() { Value = id });
        command.Parameters.Add(new() { Value = number });
        await command.ExecuteNonQueryAsync(ct);
    }

    public async Task ForgetAsync(string kind, IReadOnlyList<byte[]> ids, CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand("delete from keys.kept where kind = $1 and id = any($2)");
        command.Parameters.Add(new() { Value = kind });
        command.Parameters.Add(new NpgsqlParameter<byte[][]> { TypedValue = [.. ids] });
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Forgets what is of no use any more.</summary>
    public async Task TidyAsync(CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand("delete from keys.kept where until < $1");
        command.Parameters.Add(new() { Value = clock.GetUtcNow().UtcDateTime });
        await command.ExecuteNonQueryAsync(ct);
    }
}

/// <summary>Seals what stands there from before there were seals, once. That it was done is kept in the keys database: who empties a seal later is not helped.</summary>
internal sealed class OversightAdoption(VaultDatabase database, OversightSeals seals, HoneyBook honey, OnceBook once) : IHostedService
{
    private const string Sealed = "oversight-sealed";

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        // At every start: a process may have ended between planting somebody and keeping the mark.
        await honey.KeepAsync(cancellationToken);
        if (await once.IsDoneAsync(Sealed, cancellationToken)) return;
        await database.RunAsync(async (connection, _) =>
        {
            await SealAsync(connection, "vault.approval", "approval_id", ApprovalBook.Columns, ApprovalBook.Row, row => (row.Id, seals.Of(row)), cancellationToken);
            await SealAsync(connection, "vault.review", "review_id", ReviewBook.Columns, ReviewBook.Row, row => (row.Id, seals.Of(row)), cancellationToken);
            await SealAsync(connection, "vault.alert", "alert_id", AlertBook.OwnColumns, AlertBook.Own, row => (row.Id, seals.Of(row)), cancellationToken);
            return true;
        }, cancellationToken);
        await once.NoteAsync(Sealed, cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private static async Task SealAsync<T>(
        NpgsqlConnection connection, string table, string key, string columns, Func<NpgsqlDataReader, T> read, Func<T, (Guid Id, byte[] Seal)> seal, CancellationToken ct)
    {
        await using var select = new NpgsqlCommand($"select {columns} from {table} where seal is null for update", connection);
        var rows = (await Rows.ReadAsync(select, read, ct)).Select(seal).ToList();
        await using var update = new NpgsqlCommand($"update {table} t set seal = u.s from unnest($1, $2) as u (id, s) where t.{key} = u.id", connection)
        {
            Parameters = { new() { Value = rows.Select(row => row.Id).ToArray() }, new() { Value = rows.Select(row => row.Seal).ToArray() } },
        };
        await update.ExecuteNonQueryAsync(ct);
    }
}
