using System.Globalization;
using System.Text.Json;
using DataVault.Client;

namespace DataVault.Server.Http;

/// <summary>Writes answers.</summary>
internal static class Answer
{
    public static Task JsonAsync<T>(HttpContext context, T value, int status = StatusCodes.Status200OK)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        var body = JsonSerializer.SerializeToUtf8Bytes(value, VaultJson.Strict);
        context.Response.ContentLength = body.Length;
        return context.Response.Body.WriteAsync(body, context.RequestAborted).AsTask();
    }

    public static Task TextAsync(HttpContext context, string text, string contentType = "text/plain; charset=utf-8")
    {
        context.Response.ContentType = contentType;
        return context.Response.WriteAsync(text, context.RequestAborted);
    }

    // SPEC rfc9110 §8.8.3: a strong validator.
    public static void SetVersion(HttpContext context, long version) => context.Response.Headers.ETag = $"\"{version.ToString(CultureInfo.InvariantCulture)}\"";

    /// <summary>The version that the change is based on; null for <c>*</c>: whatever version there is.</summary>
    /// <exception cref="ProblemException">If-Match is absent, or neither * nor one strong ETag of this API.</exception>
    // SPEC rfc9110 §13.1.1
    public static long? RequiredVersion(HttpContext context)
    {
        var header = context.Request.Headers.IfMatch;
        if (header.Count == 0)
            throw new ProblemException("precondition-required");
        if (header is ["*"])
            return null;
        return header is [{ Length: > 2 and < 24 } tag] && tag[0] == '"' && tag[^1] == '"'
            && long.TryParse(tag.AsSpan(1, tag.Length - 2), NumberStyles.None, CultureInfo.InvariantCulture, out var version)
            ? version
            : throw new ProblemException("version-mismatch");
    }
}
