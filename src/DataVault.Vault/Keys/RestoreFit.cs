using System.Buffers.Binary;
using System.Globalization;
using DataVault.Cryptography;
using Npgsql;

namespace DataVault.Vault.Keys;

/// <summary>
/// Whether the two databases are of the same time, as far as people's keys go. A renewal, and the erasure of a part, put other keys in the place of those that
/// records were sealed under: with a copy of one database from before and the other from after, people are unreadable, and nothing else would say so.
/// </summary>
/// <remarks>
/// The journal tells what there was, and each database notes what it has carried out, the keys first. Only where one has noted what the other has not is
/// every record compared with its key.
/// </remarks>
internal sealed class RestoreFit(TombstoneJournal journal, RestoreLosses losses)
{
    private const int Chunk = 2000;

    public TombstoneJournal Journal => journal;

    /// <summary>Why the vault cannot be served from these databases; null when it can. The journal has been read.</summary>
    public async Task<string?> RefusalAsync(NpgsqlConnection vault, NpgsqlConnection keys, CancellationToken ct)
    {
        var accepted = losses.AcceptedLines;
        var parts = journal.Parts.Where(part => part.Key >= accepted && journal.Find(part.Value.Of.SubjectHash) < 0).Select(part => (part.Value.Name, part.Value.Of.At)).ToList();
        var renewals = journal.Renewals.Where(renewal => renewal.Key >= accepted).Select(renewal => (renewal.Value.Name, renewal.Value.At)).ToList();
        if (parts.Count + renewals.Count == 0) return null;
        byte[][] names = [.. parts.Concat(renewals).Select(mark => mark.Name)];
        var (inVault, inKeys) = (await NotedAsync(vault, "vault.tombstone", names, ct), await NotedAsync(keys, "keys.tombstone", names, ct));
        var keysLack = parts.Concat(renewals).Where(mark => Has(inVault, mark.Name) && !Has(inKeys, mark.Name)).ToList();
        // Of a part the former key is gone for good, and should be: then the vault database's rows are cleared as far as they can be (RestoreGate).
        var vaultLacks = renewals.Where(mark => Has(inKeys, mark.Name) && !Has(inVault, mark.Name)).ToList();
        if (keysLack.Count + vaultLacks.Count == 0) return null;
        var (people, newer, older) = await CompareAsync(vault, keys, ct);
        return (newer, older) switch
        {
            ( > 0, _) when keysLack.Count > 0 => Say("keys", keysLack.Min(mark => mark.At), newer, people, "are sealed under keys that it does not hold", "data"),
            (_, > 0) when vaultLacks.Count > 0 => Say("vault", vaultLacks.Min(mark => mark.At), older, people, "are sealed under keys that were destroyed since", "keys"),
            _ => null,
        };
    }

    private static string Say(string database, DateTimeOffset since, long unreadable, long people, string why, string other) => string.Create(
        CultureInfo.InvariantCulture,
        $"The {database} database is a copy from before {since.UtcDateTime:u}, when people's keys were renewed: {unreadable} of {people} records {why}. Restore a newer backup of it, or the {other} of its time as well. To lose these records for good: restore accept losses");

    private static bool Has(HashSet<UInt128> noted, byte[] name) => noted.Contains(NameOf(name));

    /// <summary>The first half of a name of the journal: enough to tell them apart.</summary>
    public static UInt128 NameOf(byte[] name) => BinaryPrimitives.ReadUInt128BigEndian(name);

    /// <summary>Which of these a database has noted.</summary>
    public static async Task<HashSet<UInt128>> NotedAsync(NpgsqlConnection connection, string table, byte[][] names, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand($"select subject_hash from {table} where subject_hash = any($1)", connection) { Parameters = { new NpgsqlParameter<byte[][]> { TypedValue = names } } };
        return [.. await Rows.ReadAsync(command, row => NameOf(row.GetFieldValue<byte[]>(0)), ct)];
    }

    // Who has no key at all came after the copy, or is being made: that is named by a check and was said of every restore.
    private static async Task<(long People, long Newer, long Older)> CompareAsync(NpgsqlConnection vault, NpgsqlConnection keys, CancellationToken ct)
    {
        var (people, newer, older) = (0L, 0L, 0L);
        await using var command = new NpgsqlCommand("select subject_id, key_version from vault.subject where key_version > 0", vault) { CommandTimeout = 0 };
        await using var reader = await command.ExecuteReaderAsync(ct);
        var some = new Dictionary<Guid, int>(Chunk);
        for (var more = true; more;)
        {
            more = await reader.ReadAsync(ct);
            if (more) some[reader.GetGuid(0)] = reader.GetInt32(1);
            if (more && some.Count < Chunk) continue;
            foreach (var (version, inForce, beside, successor) in await KeysOfAsync(keys, some, ct))
            {
                if (version == inForce || version == beside || (successor && version == inForce + 1)) continue;
                if (version > inForce) newer++;
                else older++;
            }

            people += some.Count;
            some.Clear();
        }

        return (people, newer, older);
    }

    private static async Task<List<(int Version, int InForce, int Beside, bool Successor)>> KeysOfAsync(NpgsqlConnection keys, Dictionary<Guid, int> people, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select subject_id, key_version, other, successor is not null from keys.subject_key where subject_id = any($1)", keys)
        {
            Parameters = { new NpgsqlParameter<Guid[]> { TypedValue = [.. people.Keys] } },
        };
        return await Rows.ReadAsync(
            command, row => (people[row.GetGuid(0)], row.GetInt32(1), row.IsDBNull(2) ? 0 : SealedValue.KeyVersionOf(row.GetFieldValue<byte[]>(2)), row.GetBoolean(3)), ct);
    }
}
