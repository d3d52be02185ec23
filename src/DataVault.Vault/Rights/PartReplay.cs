using System.Security.Cryptography;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Erases again what had been erased of a person, when a restored database has the whole of them. What holds kept then is kept now, whatever holds the restored
/// database knows: nothing that was evidence goes by a restore, and nothing that was erased comes back by one.
/// </summary>
/// <remarks>INVARIANT: cut off anywhere it is finished at the next start: the rows that are left name the next key, which waits beside the former.</remarks>
internal sealed class PartReplay(VaultDatabase vault, KeysDatabase keys, KeyRegistry registry, Remainder remainder, AuditLog log, ILogger<PartReplay> logger)
{
    /// <param name="journal">What was erased in part.</param>
    /// <param name="underWay">Erasures that go on by themselves.</param>
    /// <param name="ct">Ends the start.</param>
    public async Task RunAsync(TombstoneJournal journal, ErasuresUnderWay underWay, CancellationToken ct)
    {
        var parts = journal.Parts.Values.Where(part => journal.Find(part.Of.SubjectHash) < 0).ToList();
        if (parts.Count == 0) return;
        byte[][] names = [.. parts.Select(part => part.Name)];
        await using var keyed = await keys.OpenAsync(ct);
        await using var data = await vault.OpenAsync(ct);
        var (inKeys, inVault) = (await RestoreFit.NotedAsync(keyed, "keys.tombstone", names, ct), await RestoreFit.NotedAsync(data, "vault.tombstone", names, ct));
        var lacked = parts.Where(part => !inVault.Contains(RestoreFit.NameOf(part.Name))).GroupBy(part => RestoreFit.NameOf(part.Of.SubjectHash)).ToDictionary(of => of.Key, of => of.ToList());
        var going = await underWay.PeopleAsync(ct);
        if (lacked.Count > 0) await ReplayAsync(lacked, part => inKeys.Contains(RestoreFit.NameOf(part.Name)), going, ct);
        await FinishAsync(parts.ToLookup(part => RestoreFit.NameOf(part.Of.SubjectHash)), going, ct);
    }

    private async Task ReplayAsync(Dictionary<UInt128, List<PartialTombstone>> lacked, Func<PartialTombstone, bool> isInKeys, HashSet<SubjectId> underWay, CancellationToken ct)
    {
        foreach (var subject in await PeopleAsync(ct))
        {
            if (!lacked.Remove(RestoreFit.NameOf(registry.TombstoneHash(subject)), out var parts) || underWay.Contains(subject)) continue;
            try
            {
                if (isInKeys(parts[^1])) await ClearAsync(subject, parts, ct);
                else await CutAsync(subject, parts, ct);
                logger.LogWarning("A part of a person that was erased since the restored copy was erased again. Its request may be older than that, or missing: see that it is there.");
            }
            catch (Exception e) when (e is CryptographicException or StaleKeyException)
            {
                // Neither is it served: the record does not match its seal, or is older than it was and no restore explains that yet.
                logger.LogError("A part of a person that was erased could not be erased again ({Kind}); the record is not served.", e.GetType().Name);
            }
            catch (VaultException e) when (e.Slug == "not-found")
            {
                logger.LogError("A part of a person that was erased could not be erased again: there is no key of theirs, so nothing of theirs is read. Check deep names them.");
            }
        }

        // Of these there is no record any more.
        var gone = lacked.Values.SelectMany(parts => parts).ToList();
        if (gone.Count > 0) await vault.RunAsync((connection, _) => NoteAsync(connection, gone, ct), ct);
    }

    // Both databases are from before the part.
    private async Task CutAsync(SubjectId subject, List<PartialTombstone> parts, CancellationToken ct)
    {
        using var from = await registry.GetFreshAsync(subject, ct);
        await registry.MatchAsync(from, await remainder.RecordAsync(subject, ct), ct);
        using var to = await TrySuccessorAsync(from, ct);
        if (to is null)
        {
            await CloseAsync(subject, ct);
            return;
        }

        await vault.RunAsync(
            async (connection, transaction) =>
            {
                var record = await SubjectRows.LockAsync(connection, transaction, subject, ct) ?? throw VaultException.NotFound();
                var cut = new RemainderCut(
                    record, (from, to), remainder.Facts(record, from), await RequestAsync(connection, subject, ct), remainder.Pseudonyms(from, registry), parts[^1].Kept.ToHashSet());
                var left = await remainder.CutAsync(connection, transaction, cut, ct);
                var about = log.Entry(EntryType.KeyRotate, LogWorker.Keeper, from.Tag, "", EntryResult.Ok, []);
                await log.AppendWithinAsync(connection, transaction, remainder.TellOf(left, about, to), ct);
                await ErasureRows.DeleteDetailsAsync(connection, subject, ct);
                return await NoteAsync(connection, parts, ct);
            }, ct);
        remainder.Committed(to);
        await registry.SucceedAsync(subject, to.KeyVersion, parts, ct);
    }

    // Null when this key takes none. An outage is no such answer, and ends the start.
    private async Task<SubjectKeys?> TrySuccessorAsync(SubjectKeys from, CancellationToken ct)
    {
        try
        {
            return await registry.SuccessorAsync(from, ct);
        }
        catch (VaultException e) when (e.Slug == "unavailable")
        {
            (await registry.GetFreshAsync(from.Subject, ct)).Dispose();
            return null;
        }
    }

    // INVARIANT: what was erased is not served because it cannot be erased again; nobody else waits for that.
    private async Task CloseAsync(SubjectId subject, CancellationToken ct)
    {
        await vault.RunAsync(
            async (connection, _) =>
            {
                await SubjectRows.CloseAsync(connection, subject, ct);
                return true;
            }, ct);
        logger.LogCritical(
            "A part of a person that was erased could not be erased again: their key in the restored database takes no other. The person is closed; check deep names them. Restore both databases from another time.");
    }

    // The vault database alone is from before the part: what is sealed opens with no key any more, and what is not sealed must go.
    private Task<bool> ClearAsync(SubjectId subject, List<PartialTombstone> parts, CancellationToken ct) => vault.RunAsync(
        async (connection, transaction) =>
        {
            using var held = await registry.GetFreshAsync(subject, ct);
            await SubjectRows.LockAsync(connection, transaction, subject, ct);
            await ErasureRows.DeleteUnheldAsync(connection, subject, await RequestAsync(connection, subject, ct), remainder.Pseudonyms(held, registry), parts[^1].Of.At, ct);
            await ErasureRows.DeleteDetailsAsync(connection, subject, ct);
            return await NoteAsync(connection, parts, ct);
        }, ct);

    // Cut off between the transactions of the two databases; one whose erasure is under way is finished by that.
    private async Task FinishAsync(ILookup<UInt128, PartialTombstone> parts, HashSet<SubjectId> underWay, CancellationToken ct)
    {
        await using var waiting = keys.Source.CreateCommand("select subject_id, successor from keys.subject_key where successor is not null");
        foreach (var (id, version) in await Rows.ReadAsync(waiting, row => (row.GetGuid(0), SealedValue.KeyVersionOf(row.GetFieldValue<byte[]>(1))), ct))
        {
            var subject = new SubjectId(id);
            if (underWay.Contains(subject) || parts[RestoreFit.NameOf(registry.TombstoneHash(subject))].ToList() is not { Count: > 0 } of) continue;
            await using var cut = vault.Source.CreateCommand("select exists (select from vault.subject where subject_id = $1 and key_version = $2)");
            cut.Parameters.Add(new() { Value = id });
            cut.Parameters.Add(new() { Value = version });
            if (await cut.ExecuteScalarAsync(ct) is not true) continue;
            try
            {
                await registry.SucceedAsync(subject, version, of, ct);
            }
            catch (CryptographicException)
            {
                logger.LogError("The key of a person of whom a part was erased does not open; nothing of theirs is served. Check deep names them.");
            }
        }
    }

    private static async Task<bool> NoteAsync(NpgsqlConnection connection, List<PartialTombstone> parts, CancellationToken ct)
    {
        await ErasureRows.NoteAsync(connection, parts.ConvertAll(part => part.Name), parts[^1].Of.At, ct);
        return true;
    }

    /// <summary>The erasure that the person has asked for, as far as the restored database knows of it; it stays, to be carried on.</summary>
    private static async Task<Guid> RequestAsync(NpgsqlConnection connection, SubjectId subject, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select request_id from vault.request where subject_id = $1 and kind = 'erasure' and completed_at is null order by opened_at limit 1", connection)
        {
            Parameters = { new() { Value = subject.Value } },
        };
        return await command.ExecuteScalarAsync(ct) is Guid request ? request : Guid.Empty;
    }

    private async Task<List<SubjectId>> PeopleAsync(CancellationToken ct)
    {
        await using var command = vault.Source.CreateCommand("select subject_id from vault.subject");
        command.CommandTimeout = 0;
        return await Rows.ReadAsync(command, row => new SubjectId(row.GetGuid(0)), ct);
    }
}
