using DataVault.Policy;
using DataVault.Vault.Keys;

namespace DataVault.Vault.Indexes;

/// <summary>Values of one person that an index needs, in clear; disposing erases them.</summary>
internal sealed class OpenedValues(OpenedRecord? record, IReadOnlyList<FieldDefinition> refused) : IDisposable
{
    /// <summary>Fields that the policy does not let the vault open for its indexes.</summary>
    public IReadOnlyList<FieldDefinition> Refused { get; } = refused;

    /// <summary>A copy, which the caller erases.</summary>
    public byte[]? Find(FieldDefinition field) => record?.FirstOrDefault(opened => opened.Field.Id == field.Id)?.Utf8Json.ToArray();

    public void Dispose() => record?.Dispose();
}

/// <summary>
/// Opens what indexes are made of, for the vault itself: as a process with a role and a purpose, decided by the policy like any other, with permits to search
/// and for nothing else. Nothing of it leaves the vault; what becomes of it is keyed hashes.
/// </summary>
internal sealed class IndexedValues(RecordCipher cipher, Decider decider)
{
    public const string Purpose = "legal-obligation";

    /// <summary>The vault itself, looking after what it keeps.</summary>
    public static readonly Recipient Keeper = Recipient.Process("vault-maintenance", Purpose);

    /// <summary>The keys of these people that fit their rows; who is being erased is left out. To be disposed by the caller.</summary>
    /// <exception cref="StaleKeyException">A row is older than its key: read it again.</exception>
    public static async Task<Dictionary<SubjectId, SubjectKeys>> HoldAsync(KeyRegistry keys, IReadOnlyList<SealedRecord> records, CancellationToken ct)
    {
        var held = (await keys.GetManyAsync([.. records.Where(record => record.KeyVersion != SubjectRows.Closed).Select(record => record.Subject)], ct)).ToDictionary(key => key.Subject);
        foreach (var record in records)
        {
            if (!held.TryGetValue(record.Subject, out var key)) continue;
            try
            {
                await keys.MatchAsync(key, record, ct);
            }
            catch (VaultException e) when (e.Slug == "not-found")
            {
                held.Remove(record.Subject);
                key.Dispose();
            }
        }

        return held;
    }

    /// <exception cref="System.Security.Cryptography.CryptographicException">The record was changed, mixed or rolled back.</exception>
    public OpenedValues Open(SealedRecord record, SubjectKeys keys, IReadOnlyList<FieldDefinition> fields)
    {
        if (fields.Count == 0) return new OpenedValues(null, []);
        cipher.Verify(record, keys);
        var items = fields.Select(field => new RequestedItem(field, null)).ToList();
        var decision = decider.Decide(Keeper, record.Subject, AccessAction.Search, Purpose, items, FactsCodec.Decode(record.Facts));
        var opened = decision.Permits.Count == 0 ? null : cipher.Open(record, keys, decision.Permits);
        return new OpenedValues(opened, [.. decision.Items.Where(item => item.Permit is null).Select(item => item.Item).OfType<FieldDefinition>()]);
    }

    /// <summary>Whether the policy lets the vault open these at all; if not, an index over them cannot be built.</summary>
    public bool MayOpen(FieldDefinition field) => decider.Policy.Decisions.CouldPermit(Keeper, AccessAction.Search, Purpose, field);
}
