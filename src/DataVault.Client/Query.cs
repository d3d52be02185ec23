using System.Globalization;
using System.Text;

namespace DataVault.Client;

/// <summary>A path with query parameters; those without a value are left out.</summary>
internal sealed class Query(string path)
{
    private readonly StringBuilder _text = new(path);
    private bool _started = path.Contains('?', StringComparison.Ordinal);

    public Query Add(string name, string? value)
    {
        if (value is null) return this;
        _text.Append(_started ? '&' : '?').Append(name).Append('=').Append(Uri.EscapeDataString(value));
        _started = true;
        return this;
    }

    public Query Add(string name, IReadOnlyList<string>? values) => Add(name, values is null ? null : string.Join(',', values));

    public Query Page(int? limit, string? cursor) => Add("limit", limit?.ToString(CultureInfo.InvariantCulture)).Add("cursor", cursor);

    public override string ToString() => _text.ToString();
}
