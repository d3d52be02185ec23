using DataVault.Policy;

namespace DataVault.Vault.Indexes;

/// <summary>The buckets of an index as they are stored: what anybody who reads the database can count.</summary>
/// <param name="Sizes">How many buckets hold how many people.</param>
internal sealed record IndexHistogram(IReadOnlyList<ValueCount> Sizes)
{
    public long Rows => Sizes.Sum(size => size.Times * size.Values);

    public long Buckets => Sizes.Sum(size => size.Values);

    public long Largest => Sizes.Count == 0 ? 0 : Sizes[^1].Times;

    public long Smallest => Sizes.Count == 0 ? 0 : Sizes[0].Times;

    /// <summary>Bits of information that a person's bucket gives about who they are: log₂ of all, less what is left within the bucket, on average.</summary>
    public double LeakedBits => Rows == 0 ? 0 : Sizes.Sum(size => size.Values * ((double)size.Times / Rows) * Math.Log2((double)Rows / size.Times));

    /// <summary>Others that share a person's bucket, on average.</summary>
    public double Coincidences => Rows == 0 ? 0 : Sizes.Sum(size => (double)size.Values * size.Times * (size.Times - 1)) / Rows;

    /// <summary>The size that this share of the buckets does not exceed.</summary>
    public long Quantile(double share)
    {
        var (seen, wanted) = (0L, (long)Math.Ceiling(share * Buckets));
        foreach (var size in Sizes)
        {
            seen += size.Values;
            if (seen >= wanted) return size.Times;
        }

        return Largest;
    }

    public static async Task<IndexHistogram> ReadAsync(VaultDatabase database, IndexDefinition index, int epoch, CancellationToken ct)
    {
        var buckets = index.IsUnique
            ? "select 1::bigint as times, count(*) as buckets from vault.identifier where index_id = $1 and epoch = $2 having count(*) > 0"
            : """
              select times, count(*) as buckets from (select count(*) as times from vault.search_term where index_id = $1 and epoch = $2 group by term) as each
              group by times order by times
              """;
        await using var command = database.Source.CreateCommand(buckets);
        command.Parameters.Add(new() { Value = index.Id });
        command.Parameters.Add(new() { Value = epoch });
        return new IndexHistogram(await Vault.Rows.ReadAsync(command, row => new ValueCount(row.GetInt64(0), row.GetInt64(1)), ct));
    }

    /// <summary>At full length each bucket is one value, so that nothing needs to be opened to know how often values occur.</summary>
    public static async Task<Distribution> ValuesAsync(VaultDatabase database, IndexDefinition index, int epoch, CancellationToken ct)
    {
        var stored = await ReadAsync(database, index, epoch, ct);
        return new Distribution(stored.Rows, stored.Buckets, stored.Largest, stored.Sizes, 1);
    }
}
