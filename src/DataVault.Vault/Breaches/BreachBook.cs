using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Cryptography;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>A step as its row has it.</summary>
/// <param name="Sealed">What it says, under a key of the vault.</param>
/// <param name="Seal">What only this vault writes, over the whole row.</param>
internal sealed record BreachRow(Guid Case, int Number, string Kind, DateTimeOffset At, string By, long LogIndex, byte[] Sealed, byte[] Seal);

/// <summary>
/// Rows of the breach register: steps of cases, each written once. What a case is comes of its steps and of nothing else.
/// <code>
/// entry of the log     breach:CASE  step:NUMBER  KIND  content:SHA-256 of what is sealed
/// row                  what is sealed, bound to case and number; a MAC over the whole row with the index of its entry
/// keys database        of each case how many steps there are
/// </code>
/// INVARIANT: the vault's own login cannot change or delete a row. Who can has every altered row shown by its MAC, every missing one by its number, and all of them by the log.
/// </summary>
internal sealed class BreachBook(VaultDatabase database, IServiceKeys keys, OversightMemory memory, VaultClock clock)
{
    public const string Columns = "breach_id, step, kind, at, by_account, log_index, sealed, seal";

    public const string CaseRule = "breach:";
    public const string StepRule = "step:";
    public const string ContentRule = "content:";

    private const string Label = "breach-step";
    private const string SealLabel = "breach-seal";

    public static BreachRow Row(NpgsqlDataReader row) => new(
        row.GetGuid(0), row.GetInt32(1), row.GetString(2), row.GetFieldValue<DateTimeOffset>(3), row.GetString(4), row.GetInt64(5), row.GetFieldValue<byte[]>(6), row.GetFieldValue<byte[]>(7));

    /// <summary>As the rule of an entry names what a step says: 43 characters, for a rule has no room for more.</summary>
    public static string HashOf(byte[] value) => ContentRule + Base64Url.EncodeToString(SHA256.HashData(value));

    public bool Matches(BreachRow row) => RowSeal.Is(row.Seal, SealOf(row));

    /// <summary>A step that is not written yet: what it says is sealed, since the entry names the hash of that.</summary>
    public BreachRow Draft(Guid id, int number, BreachContent content, string by)
    {
        using var key = keys.Derive(Label);
        var words = JsonSerializer.SerializeToUtf8Bytes(content);
        var value = SealedValue.Seal(key.Span, 1, 0, words, Context(id, number, stackalloc byte[AssociatedData.Limit]), clock.Random);
        CryptographicOperations.ZeroMemory(words);
        return new BreachRow(id, number, content.Kind, clock.Now, by, 0, value, []);
    }

    public async Task InsertAsync(DutyWork work, BreachRow draft)
    {
        await using var command = new NpgsqlCommand($"insert into vault.breach_step ({Columns}) values ($1, $2, $3, $4, $5, $6, $7, $8)", work.Connection, work.Transaction)
        {
            Parameters =
            {
                new() { Value = draft.Case }, new() { Value = draft.Number }, new() { Value = draft.Kind }, new() { Value = draft.At.UtcDateTime }, new() { Value = draft.By },
                new() { Value = draft.LogIndex }, new() { Value = draft.Sealed }, new() { Value = SealOf(draft) },
            },
        };
        await command.ExecuteNonQueryAsync(work.Cancellation);
    }

    /// <summary>The case as it stands, and nobody else takes a step of it until the transaction ends.</summary>
    /// <exception cref="VaultException">not-found.</exception>
    public async Task<BreachCase> LockAsync(DutyWork work, Guid id)
    {
        await using (var wait = new NpgsqlCommand("select pg_advisory_xact_lock(hashtextextended('breach:' || $1::text, 0))", work.Connection, work.Transaction) { Parameters = { new() { Value = id } } })
            await wait.ExecuteNonQueryAsync(work.Cancellation);
        await using var command = new NpgsqlCommand($"select {Columns} from vault.breach_step where breach_id = $1 order by step", work.Connection, work.Transaction) { Parameters = { new() { Value = id } } };
        var rows = await Rows.ReadAsync(command, Row, work.Cancellation);
        return Fold(id, rows, (await KeptAsync(work.Cancellation)).GetValueOrDefault(id)) ?? throw VaultException.NotFound();
    }

    /// <summary>From the commit on, nobody takes the newest step away unseen; nor does who deletes the case. A process that died before this is made up for at the next step.</summary>
    public Task KeepAsync(Guid id, int step, CancellationToken ct) => memory.RaiseAsync(OversightMemory.Breach, id.ToByteArray(bigEndian: true), step, ct);

    /// <summary>All cases, newest first; those of which nothing is left but that they were there, too.</summary>
    public async Task<IReadOnlyList<BreachCase>> AllAsync(CancellationToken ct)
    {
        var kept = await KeptAsync(ct);
        await using var command = database.Source.CreateCommand($"select {Columns} from vault.breach_step order by breach_id desc, step");
        var rows = (await Rows.ReadAsync(command, Row, ct)).GroupBy(row => row.Case).ToDictionary(group => group.Key, group => group.ToList());
        return
        [
            .. rows.Keys.Union(kept.Keys).OrderByDescending(id => id.ToString("N"), StringComparer.Ordinal)
                .Select(id => Fold(id, rows.GetValueOrDefault(id) ?? [], kept.GetValueOrDefault(id))).OfType<BreachCase>(),
        ];
    }

    public async Task<BreachCase?> FindAsync(Guid id, CancellationToken ct)
    {
        var kept = await KeptAsync(ct);
        await using var command = database.Source.CreateCommand($"select {Columns} from vault.breach_step where breach_id = $1 order by step");
        command.Parameters.Add(new() { Value = id });
        return Fold(id, await Rows.ReadAsync(command, Row, ct), kept.GetValueOrDefault(id));
    }

    private async Task<Dictionary<Guid, int>> KeptAsync(CancellationToken ct) =>
        (await memory.ReadAsync(OversightMemory.Breach, ct)).ToDictionary(one => new Guid(one.Id, bigEndian: true), one => (int)one.Number);

    // A row of somebody else's says nothing, and its number keeps no step of ours away: the next takes the next that is free.
    private BreachCase? Fold(Guid id, List<BreachRow> rows, int kept)
    {
        if (rows.Count == 0 && kept == 0) return null;
        var made = new BreachCase(id) { Kept = kept };
        foreach (var row in rows)
        {
            if (Open(row) is { } content) made.Take(row, content);
            else made.Damaged($"step {row.Number} is not as the vault wrote it");
        }

        var there = rows.Select(row => row.Number).ToHashSet();
        var last = Math.Max(kept, made.Steps.Count > 0 ? made.Steps[^1].Number : 0);
        for (var number = 1; number <= last; number++)
        {
            if (!there.Contains(number)) made.Damaged($"step {number} is gone");
        }

        made.Next = last + 1;
        while (there.Contains(made.Next)) made.Next++;
        return made;
    }

    private BreachContent? Open(BreachRow row)
    {
        if (!Matches(row)) return null;
        try
        {
            using var key = keys.Derive(Label);
            using var opened = SealedValue.OpenSecret(key.Span, row.Sealed, Context(row.Case, row.Number, stackalloc byte[AssociatedData.Limit]));
            return JsonSerializer.Deserialize<BreachContent>(opened.Span);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private byte[] SealOf(BreachRow row) => RowSeal.Of(keys, SealLabel, writer =>
    {
        writer.Add(row.Case);
        writer.Write(row.Number);
        writer.Write(row.Kind);
        writer.Add((DateTimeOffset?)row.At);
        writer.Write(row.By);
        writer.Write(row.LogIndex);
        writer.Write(row.Sealed.Length);
        writer.Write(row.Sealed);
    });

    private static ReadOnlySpan<byte> Context(Guid id, int number, Span<byte> buffer) => new AssociatedData(buffer, Label).Add(id).Add(number).Bytes;
}
