using System.Globalization;
using System.Text;
using System.Text.Json;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>
/// The generalised form: the group that a value belongs to. Pure. Null where the kind does not fit the value, and then nothing is shown.
/// </summary>
internal static class Generaliser
{
    private const int OldestBand = 90;
    private const int AdultFrom = 18;

    private static readonly decimal[] AmountSteps = [0, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000];
    private static readonly (long Most, string Band)[] CountBands = [(0, "0"), (1, "1"), (5, "2-5"), (20, "6-20"), (100, "21-100")];

    public static string? Generalise(GeneralisationKind kind, JsonElement value, DateOnly today) => kind switch
    {
        GeneralisationKind.AgeBand => Date(value) is { } born ? AgeBand(born, today) : null,
        GeneralisationKind.Year => Date(value)?.Year.ToString(CultureInfo.InvariantCulture),
        GeneralisationKind.Region => Region(value),
        GeneralisationKind.Country => Country(value),
        GeneralisationKind.AmountBand => AmountBand(value),
        GeneralisationKind.Initial => Text(value) is { } text && Rune.TryGetRuneAt(text, 0, out var first) ? first.ToString() : null,
        GeneralisationKind.Domain => Text(value) is { } email && email.Contains('@', StringComparison.Ordinal) ? email[(email.LastIndexOf('@') + 1)..] : null,
        GeneralisationKind.CountBand => CountBand(value),
        _ => null,
    };

    /// <summary>Ten years wide; children and the very old, being few, share one band each.</summary>
    public static string AgeBand(DateOnly born, DateOnly today)
    {
        var age = today.Year - born.Year - (today < born.AddYears(today.Year - born.Year) ? 1 : 0);
        if (age < AdultFrom) return "0-17";
        if (age >= OldestBand) return "90+";
        var from = age / 10 * 10;
        return string.Create(CultureInfo.InvariantCulture, $"{Math.Max(from, AdultFrom)}-{from + 9}");
    }

    private static string? Region(JsonElement value)
    {
        if (Country(value) is not { } country) return null;
        var postcode = Member(value, "postcode");
        return postcode is { Length: > 3 } ? $"{country}-{postcode[..2].ToUpperInvariant()}" : country;
    }

    private static string? Country(JsonElement value) => value.ValueKind == JsonValueKind.Object ? Member(value, "country") : Text(value);

    private static string? AmountBand(JsonElement value)
    {
        var isMoney = value.ValueKind == JsonValueKind.Object;
        if (!TryAmount(value, out var amount)) return null;
        var band = Band(Math.Abs(amount));
        return (amount < 0 ? "-" : "") + (isMoney && Member(value, "currency") is { } currency ? $"{band} {currency}" : band);
    }

    private static string Band(decimal amount)
    {
        var index = Array.FindLastIndex(AmountSteps, step => step <= amount);
        return index == AmountSteps.Length - 1
            ? string.Create(CultureInfo.InvariantCulture, $"{AmountSteps[index]}+")
            : string.Create(CultureInfo.InvariantCulture, $"{AmountSteps[index]}-{AmountSteps[index + 1]}");
    }

    private static bool TryAmount(JsonElement value, out decimal amount)
    {
        amount = 0;
        return value.ValueKind switch
        {
            JsonValueKind.Number => value.TryGetDecimal(out amount),
            JsonValueKind.Object => decimal.TryParse(Member(value, "amount"), NumberStyles.Number, CultureInfo.InvariantCulture, out amount),
            _ => false,
        };
    }

    private static string? CountBand(JsonElement value)
    {
        long count;
        if (value.ValueKind == JsonValueKind.Array) count = value.GetArrayLength();
        else if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt64(out count)) return null;
        foreach (var (most, band) in CountBands)
        {
            if (count <= most) return band;
        }
        return "101+";
    }

    private static DateOnly? Date(JsonElement value) =>
        DateOnly.TryParseExact(Text(value), "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date) ? date : null;

    private static string? Text(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static string? Member(JsonElement value, string name) =>
        value.ValueKind == JsonValueKind.Object && value.TryGetProperty(name, out var member) ? Text(member) : null;
}
