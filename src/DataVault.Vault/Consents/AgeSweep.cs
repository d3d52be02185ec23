using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Once child rules are in force that were not before, works out for everybody what they make of the sealed date of birth. Until then what nobody knows withholds
/// (<see cref="ConsentFact.MayBeAChilds"/>). Whoever comes out otherwise is sealed anew, with an entry of the log. May be cut off anywhere and done by several processes
/// at once: who comes out the same is left alone.
/// </summary>
internal sealed class AgeSweep(VaultDatabase database, KeyRegistry keys, SubjectFacts facts, ConsentRules rules, AuditLog log)
{
    private const int Batch = 200;
    private const string Mark = "child-rules";

    private static readonly Recipient Keeper = Recipient.Process("vault-maintenance", IndexedValues.Purpose);

    /// <summary>Under the version that the caller took.</summary>
    /// <returns>How many came out otherwise.</returns>
    public async Task<int> RunAsync(CancellationToken ct)
    {
        var asked = rules.AgeRules;
        if (!AgeFacts.Matters(rules.Policy) || await IsDoneAsync(asked, ct)) return 0;
        var changed = 0;
        for (var after = Guid.Empty; ;)
        {
            var records = await NextAsync(after, ct);
            changed += await LookAsync(records, ct);
            if (records.Count < Batch) break;
            after = records[^1].Subject.Value;
        }

        await NoteAsync(asked, ct);
        return changed;
    }

    private async Task<List<SealedRecord>> NextAsync(Guid after, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {SubjectRows.Columns} from vault.subject where subject_id > $1 order by subject_id limit $2");
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = after });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = Batch });
        return await Rows.ReadAsync(command, SubjectRows.Read, ct);
    }

    private async Task<int> LookAsync(List<SealedRecord> records, CancellationToken ct)
    {
        var seen = records.ToDictionary(record => record.Subject);
        var people = await keys.GetManyAsync([.. seen.Keys], ct);
        var changed = 0;
        try
        {
            foreach (var held in people) changed += await LookAsync(held, seen[held.Subject], ct) ? 1 : 0;
            return changed;
        }
        finally
        {
            foreach (var held in people) held.Dispose();
        }
    }

    // Whose record is damaged is shown to nobody either.
    private async Task<bool> LookAsync(SubjectKeys held, SealedRecord seen, CancellationToken ct)
    {
        try
        {
            return await keys.FitAsync(held, seen, database, ct) is { } record && Differs(record, held)
                && await database.RunAsync((connection, transaction) => ChangeAsync(connection, transaction, held, ct), ct);
        }
        catch (CryptographicException)
        {
            return false;
        }
        catch (VaultException e) when (e.Slug == "not-found")
        {
            return false;
        }
    }

    private bool Differs(SealedRecord record, SubjectKeys held) =>
        !FactsCodec.Encode(rules.Aged(facts.Read(record, held), record, held)).AsSpan().SequenceEqual(record.Facts);

    private async Task<bool> ChangeAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, SubjectKeys held, CancellationToken ct)
    {
        if (await facts.ChangeAsync(connection, transaction, held, (record, before) => rules.Aged(before, record, held), ct) is not { } change) return false;
        await using (var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { FeedQueue.Enqueue([held.Subject], rules.Clock.Now) } }) await batch.ExecuteNonQueryAsync(ct);
        var entry = log.Entry(EntryType.RecordWrite, Keeper, held.Tag, IndexedValues.Purpose, EntryResult.Ok, [], rules.Clock.NewId()) with
        {
            Seal = facts.Digest(change.After),
            RecordVersion = change.After.RowVersion,
            Rules = [Mark],
        };
        await log.AppendWithinAsync(connection, transaction, [entry], ct);
        return true;
    }

    // Rules that come back find people whom others have looked at meanwhile: the last sweep counts.
    private async Task<bool> IsDoneAsync(string asked, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select task from vault.upkeep where task like $1 order by done_until desc limit 1");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = TaskOf("%") });
        return await command.ExecuteScalarAsync(ct) is string last && last == TaskOf(asked);
    }

    private async Task NoteAsync(string asked, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            "insert into vault.upkeep (task, done_until) values ($1, clock_timestamp()) on conflict (task) do update set done_until = excluded.done_until");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = TaskOf(asked) });
        await command.ExecuteNonQueryAsync(ct);
    }

    private static string TaskOf(string asked) => $"ages {asked}";
}
