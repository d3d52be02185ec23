using System.Text.Json;
using System.Text.Json.Serialization;

namespace DataVault.Client.Wire;

/// <summary>
/// What is asked of one field: its whole value (a plain text), or exactly one of <c>{"prefix": …}</c>, <c>{"year": …}</c> of a date and
/// <c>{"postcode": …}</c> of an address.
/// </summary>
[JsonConverter(typeof(SearchTermConverter))]
public sealed record SearchTerm(string? Value = null, string? Prefix = null, string? Year = null, string? Postcode = null)
{
    /// <summary>The whole value, in any spelling.</summary>
    public static implicit operator SearchTerm(string value) => new(value);

    /// <summary>The whole value, in any spelling.</summary>
    public static SearchTerm FromString(string value) => new(value);

    /// <summary>Terms are personal data.</summary>
    public override string ToString() => nameof(SearchTerm);
}

internal sealed class SearchTermConverter : JsonConverter<SearchTerm>
{
    private sealed record Members(string? Prefix = null, string? Year = null, string? Postcode = null);

    public override SearchTerm? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String) return new SearchTerm(reader.GetString());
        return JsonSerializer.Deserialize<Members>(ref reader, options) is { } members ? new SearchTerm(null, members.Prefix, members.Year, members.Postcode) : null;
    }

    public override void Write(Utf8JsonWriter writer, SearchTerm value, JsonSerializerOptions options)
    {
        if (value.Value is { } whole) writer.WriteStringValue(whole);
        else JsonSerializer.Serialize(writer, new Members(value.Prefix, value.Year, value.Postcode), options);
    }
}

/// <summary>The planner's report: <c>GET /v1/indexes</c>.</summary>
/// <param name="Indexes">Each index that the policy declares.</param>
/// <param name="People">Records of the vault.</param>
/// <param name="TruncatedBits">What all truncated indexes together may tell of one person, in bits.</param>
/// <param name="PopulationBits">What it takes to tell one of all people.</param>
/// <param name="Warning">When the indexes together tell too much.</param>
public sealed record IndexReportView(IReadOnlyList<IndexView> Indexes, long People, double TruncatedBits, double PopulationBits, string? Warning);

/// <summary>One blind index.</summary>
/// <param name="Name">Name in the policy.</param>
/// <param name="On">Fields, and what of them.</param>
/// <param name="State"><c>building</c>, <c>ready</c> or <c>refused</c>.</param>
/// <param name="Searchable">Whether a search uses it now.</param>
/// <param name="Verdict"><c>ok</c>, <c>warn</c> or <c>unsafe</c>; null before it was surveyed.</param>
/// <param name="Reason">Why.</param>
/// <param name="Epoch">The epoch that is searched.</param>
/// <param name="EpochAt">Since when; null when its rotation is due.</param>
/// <param name="NextEpoch">The epoch that is being filled.</param>
/// <param name="Done">People that the running job has passed.</param>
/// <param name="Bits">Bits of each stored term; 128 is full length.</param>
/// <param name="Partitions">Keys that people are spread over.</param>
/// <param name="Stored">What anybody who reads the database can count.</param>
/// <param name="Values">What the last survey saw of the values.</param>
/// <param name="Advice">What the planner would choose.</param>
public sealed record IndexView(
    string Name, IReadOnlyList<string> On, string State, bool Searchable, string? Verdict, string? Reason, int? Epoch, DateTimeOffset? EpochAt, int? NextEpoch, long? Done,
    int? Bits, int? Partitions, IndexBuckets? Stored, IndexValuesView? Values, IndexAdviceView? Advice);

/// <summary>The buckets of an index as they are stored.</summary>
/// <param name="Rows">Terms stored.</param>
/// <param name="Buckets">Different terms.</param>
/// <param name="ExpectedSize">Rows by the number of buckets there could be.</param>
/// <param name="Smallest">People in the smallest bucket.</param>
/// <param name="Median">Half of the buckets are no larger.</param>
/// <param name="P99">99 of 100 buckets are no larger.</param>
/// <param name="Largest">People in the largest bucket.</param>
/// <param name="LargestShare">Their share of all.</param>
/// <param name="Coincidences">Others that share a person's bucket, on average.</param>
/// <param name="LeakedBits">What a person's bucket tells of who they are, in bits, on average.</param>
public sealed record IndexBuckets(
    long Rows, long Buckets, double ExpectedSize, long Smallest, long Median, long P99, long Largest, double LargestShare, double Coincidences, double LeakedBits);

/// <summary>The values of an index when they were last surveyed.</summary>
/// <param name="At">When.</param>
/// <param name="Rows">Values seen.</param>
/// <param name="Distinct">Different ones.</param>
/// <param name="LargestShare">Share of the commonest.</param>
/// <param name="EntropyBits">Their entropy.</param>
/// <param name="Recoverable">The greatest share of people whose value frequency analysis can be expected to get right.</param>
public sealed record IndexValuesView(DateTimeOffset At, long Rows, long Distinct, double LargestShare, double EntropyBits, double Recoverable);

/// <summary>The planner's choice.</summary>
public sealed record IndexAdviceView(int Bits, int Partitions);
