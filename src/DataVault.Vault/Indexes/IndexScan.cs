using System.Buffers.Binary;
using System.Security.Cryptography;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault.Indexes;

/// <summary>One person's values of the fields of an index, copied from the record; the caller erases them.</summary>
internal sealed record ScannedPerson(SubjectId Subject, Dictionary<FieldDefinition, byte[]> Values) : IDisposable
{
    public void Dispose()
    {
        foreach (var value in Values.Values) CryptographicOperations.ZeroMemory(value);
    }
}

/// <summary>Goes through everybody in bounded batches and opens, under maintenance permits, what an index is made of.</summary>
internal sealed class IndexScan(VaultDatabase database, KeyRegistry keys, IndexedValues values, IRandomBytes random)
{
    private const int SurveyBatch = 500;
    private const string After = $"select {SubjectRows.Columns} from vault.subject where subject_id > $1 order by subject_id limit $2";

    /// <summary>The next people in the order of their ids; their rows stay as they are until the transaction ends. Shorter than asked for: they were the last.</summary>
    public async Task<(List<SealedRecord> Records, List<ScannedPerson> People)> LockNextAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, IndexDefinition index, Guid after, int count, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(After + " for no key update", connection, transaction) { Parameters = { new() { Value = after }, new() { Value = count } } };
        var records = await Rows.ReadAsync(command, SubjectRows.Read, ct);
        return (records, await OpenAsync(index, records, ct));
    }

    /// <summary>Counts the values of an index over everybody, without storing anything.</summary>
    public async Task<Distribution> SurveyAsync(IndexDefinition index, Func<CancellationToken, Task> rest, CancellationToken ct)
    {
        var sketch = new DistributionSketch();
        using var key = SecretBytes.Random(KeyDerivation.KeySize, random);
        using var hashing = new BlindIndexKey(key.Span);
        for (var after = Guid.Empty; ;)
        {
            await using var command = database.Source.CreateCommand(After);
            command.Parameters.Add(new() { Value = after });
            command.Parameters.Add(new() { Value = SurveyBatch });
            var records = await Rows.ReadAsync(command, SubjectRows.Read, ct);
            await CountAsync(index, records, hashing, sketch, ct);
            if (records.Count < SurveyBatch) return sketch.Result();
            after = records[^1].Subject.Value;
            await rest(ct);
        }
    }

    /// <summary>The first field that the policy does not let the vault open, so that an index over it could never be filled.</summary>
    public FieldDefinition? Closed(IndexDefinition index) => index.Parts.Select(part => part.Field).FirstOrDefault(field => !values.MayOpen(field));

    private async Task CountAsync(IndexDefinition index, List<SealedRecord> records, BlindIndexKey hashing, DistributionSketch sketch, CancellationToken ct)
    {
        try
        {
            foreach (var person in await OpenAsync(index, records, ct)) Count(index, person, hashing, sketch);
        }
        catch (StaleKeyException) when (records.Count > 1)
        {
            // Somebody's key was renewed between row and key: one by one, without those.
            foreach (var record in records) await CountAsync(index, [record], hashing, sketch, ct);
        }
        catch (StaleKeyException)
        {
            // One value more or less does not change a distribution.
        }
    }

    private static void Count(IndexDefinition index, ScannedPerson person, BlindIndexKey hashing, DistributionSketch sketch)
    {
        using (person)
        {
            Span<byte> term = stackalloc byte[BlindIndexKey.TermSize];
            foreach (var text in LookupTerms.Normalised(index, person.Values.GetValueOrDefault))
            {
                hashing.Term(text, term);
                sketch.Add(BinaryPrimitives.ReadUInt64BigEndian(term));
                CryptographicOperations.ZeroMemory(text);
            }
        }
    }

    private async Task<List<ScannedPerson>> OpenAsync(IndexDefinition index, List<SealedRecord> records, CancellationToken ct)
    {
        List<FieldDefinition> fields = [.. index.Parts.Select(part => part.Field)];
        var held = await IndexedValues.HoldAsync(keys, records, ct);
        try
        {
            return [.. records.Where(record => held.ContainsKey(record.Subject)).Select(record => Open(record, held[record.Subject], fields))];
        }
        finally
        {
            foreach (var key in held.Values) key.Dispose();
        }
    }

    // A record that does not open cannot be found by its values either; reading it says so. It keeps nobody else out of the index.
    private ScannedPerson Open(SealedRecord record, SubjectKeys key, List<FieldDefinition> fields)
    {
        var found = new Dictionary<FieldDefinition, byte[]>(fields.Count);
        if (!FactsCodec.TryDecode(record.Facts, out _)) return new ScannedPerson(record.Subject, found);
        try
        {
            using var opened = values.Open(record, key, fields);
            foreach (var field in fields)
            {
                if (opened.Find(field) is { } value) found[field] = value;
            }
        }
        catch (CryptographicException)
        {
            found.Clear();
        }

        return new ScannedPerson(record.Subject, found);
    }
}
