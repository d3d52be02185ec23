using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Primitives;

namespace DataVault.Issuer.Protocol;

/// <summary>Parameters of a protocol call: each at most once (RFC 6749 §3.1), of bounded length, an empty one as if absent.</summary>
internal sealed class OAuthRequest
{
    private const int LongestValue = 4096;

    private readonly Dictionary<string, string> values;

    private OAuthRequest(Dictionary<string, string> values) => this.values = values;

    public string? this[string name] => values.GetValueOrDefault(name);

    /// <summary>Null when the query or the form is malformed.</summary>
    public static async Task<OAuthRequest?> ReadAsync(HttpContext context)
    {
        if (HttpMethods.IsGet(context.Request.Method)) return Parse(context.Request.Query);
        if (!context.Request.HasFormContentType || context.Request.ContentType!.StartsWith("multipart/", StringComparison.OrdinalIgnoreCase)) return null;
        return await ReadFormAsync(context) is { } form ? Parse(form) : null;
    }

    public static async Task<IFormCollection?> ReadFormAsync(HttpContext context)
    {
        try
        {
            return await context.Request.ReadFormAsync(context.RequestAborted);
        }
        catch (Exception e) when (e is InvalidDataException or BadHttpRequestException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>The same request as a local address without the named parameters.</summary>
    public string ToLocalAddress(string path, params string[] without) => QueryHelpers.AddQueryString(
        path, values.Where(v => !without.Contains(v.Key)).Select(v => KeyValuePair.Create(v.Key, (string?)v.Value)));

    public static OAuthRequest? Parse(IEnumerable<KeyValuePair<string, StringValues>> given)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in given)
        {
            // RFC 8707 §2: resource alone may be said several times. No address has a space in it, so several are one that nobody is registered for.
            if (name == "resource" && value.Count > 1) return Parse(given.Where(g => g.Key != name).Append(new(name, string.Join(' ', value.ToArray()))));
            if (value.Count != 1 || value[0]!.Length > LongestValue || value[0]!.Contains('\0', StringComparison.Ordinal)) return null;
            if (value[0]!.Length > 0) values[name] = value[0]!;
        }

        return new OAuthRequest(values);
    }
}
