using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Unicode;
using DataVault.Client;
using DataVault.Client.Wire;

namespace DataVault.Server.Http;

/// <summary>
/// Reads a JSON body strictly: content type, size, UTF-8, depth, duplicate, unknown and missing members, lone surrogates and NUL are
/// checked before a handler sees anything. SPEC rfc8259 §8.1, §4. Errors name a known member and a code, never what was sent.
/// </summary>
internal static class RequestBody
{
    public const int Small = 16 * 1024;
    public const int Record = 256 * 1024;
    public const int Batch = 8 * 1024 * 1024;

    public static async Task<T> ReadAsync<T>(HttpContext context, int limit)
        where T : class
    {
        RequireJson(context.Request);
        if (context.Request.ContentLength > limit)
            throw TooLarge(limit);
        using var bytes = await FillAsync(context, limit);
        var body = Parse<T>(bytes.Written);
        context.Response.RegisterForDispose(new ParsedValues(body));
        return body;
    }

    /// <summary>A body whose exact bytes count: the same checks but those of members, which are the reader's.</summary>
    public static async Task<ErasedBuffer> ReadRawAsync(HttpContext context, int limit)
    {
        RequireJson(context.Request);
        if (context.Request.ContentLength > limit)
            throw TooLarge(limit);
        var bytes = await FillAsync(context, limit);
        context.Response.RegisterForDispose(bytes);
        if (!Utf8.IsValid(bytes.Written.Span))
            throw ProblemException.Member("", "invalid-utf8", "The body is not UTF-8.");
        try
        {
            RequireSoundText(bytes.Written.Span);
            return bytes;
        }
        catch (JsonException)
        {
            throw ProblemException.Member("", "malformed", "The body is not well-formed JSON.");
        }
    }

    private static void RequireJson(HttpRequest request)
    {
        var type = request.ContentType;
        var isJson = type is not null && Microsoft.Net.Http.Headers.MediaTypeHeaderValue.TryParse(type, out var media)
            && (media.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase) || IsMergePatch(request, media))
            && (!media.Charset.HasValue || media.Charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase));
        if (!isJson || request.Headers.ContentEncoding.Count > 0)
            throw new ProblemException("unsupported-media-type");
    }

    // SPEC rfc7396 §4
    private static bool IsMergePatch(HttpRequest request, Microsoft.Net.Http.Headers.MediaTypeHeaderValue media) =>
        HttpMethods.IsPatch(request.Method) && media.MediaType.Equals("application/merge-patch+json", StringComparison.OrdinalIgnoreCase);

    private static ProblemException TooLarge(int limit) =>
        new("payload-too-large", $"The body of this call may have at most {limit} bytes; split it.");

    private static async Task<ErasedBuffer> FillAsync(HttpContext context, int limit)
    {
        var (reader, body) = (context.Request.BodyReader, new ErasedBuffer());
        try
        {
            while (true)
            {
                var read = await reader.ReadAsync(context.RequestAborted);
                if (body.Written.Length + read.Buffer.Length > limit)
                    throw TooLarge(limit);
                foreach (var part in read.Buffer)
                    Move(part, body);
                reader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                    return body;
            }
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    // The bytes are Kestrel's, and ours until we say that we have read them; then its pool gives them to others as they are.
    private static void Move(ReadOnlyMemory<byte> part, ErasedBuffer body)
    {
        body.Write(part.Span);
        CryptographicOperations.ZeroMemory(MemoryMarshal.AsMemory(part).Span);
    }

    private static T Parse<T>(ReadOnlyMemory<byte> body)
        where T : class
    {
        if (!Utf8.IsValid(body.Span))
            throw ProblemException.Member("", "invalid-utf8", "The body is not UTF-8.");
        try
        {
            RequireSoundText(body.Span);
            return JsonSerializer.Deserialize<T>(body.Span, VaultJson.Strict) ?? throw ProblemException.Member("", "wrong-type", "An object is wanted.");
        }
        catch (JsonException e)
        {
            throw Explain<T>(e);
        }
    }

    // Escapes can spell what UTF-8 cannot (a lone surrogate) and what no text column takes (NUL). And the deserialiser lets null into lists of what is not
    // nullable; members that are lists stand at the first level of every body.
    private static void RequireSoundText(ReadOnlySpan<byte> body)
    {
        var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = VaultJson.Strict.MaxDepth });
        var buffer = ArrayPool<byte>.Shared.Rent(256);
        try
        {
            var inList = false;
            while (reader.Read())
            {
                if (reader.CurrentDepth == 1 && reader.TokenType is JsonTokenType.StartArray or JsonTokenType.EndArray) inList = reader.TokenType == JsonTokenType.StartArray;
                if (inList && reader.CurrentDepth == 2 && reader.TokenType == JsonTokenType.Null)
                    throw ProblemException.Member("", "wrong-type", "A list of the body holds null.");
                if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName) || !reader.ValueIsEscaped)
                    continue;
                if (reader.ValueSpan.Length > buffer.Length)
                {
                    ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
                    buffer = ArrayPool<byte>.Shared.Rent(reader.ValueSpan.Length);
                }
                if (buffer.AsSpan(0, reader.CopyString(buffer)).Contains((byte)0))
                    throw ProblemException.Member("", "invalid-text", "A text contains the character U+0000.");
            }
        }
        catch (InvalidOperationException)
        {
            throw ProblemException.Member("", "invalid-text", "A text contains an escape that is no character.");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }

    private static ProblemException Explain<T>(JsonException failure)
    {
        var (code, message) = failure.Message switch
        {
            var m when m.Contains("could not be mapped", StringComparison.Ordinal) => ("unknown-member", "A member is not known here."),
            var m when m.Contains("uplicate", StringComparison.Ordinal) => ("duplicate-member", "A member stands twice."),
            var m when m.Contains("missing required", StringComparison.Ordinal) => ("missing-member", "A required member is missing: " + Required<T>() + "."),
            var m when m.Contains("maximum", StringComparison.Ordinal) && m.Contains("depth", StringComparison.Ordinal) => ("too-deep", "The body is nested too deeply."),
            var m when m.Contains("converted", StringComparison.Ordinal) || m.Contains("null", StringComparison.Ordinal) => ("wrong-type", "A value has the wrong type."),
            _ => ("malformed", "The body is not well-formed JSON."),
        };
        return new ProblemException("invalid-request", null, new MemberProblem(Pointer<T>(failure.Path), code, message));
    }

    private static string Required<T>() =>
        string.Join(", ", VaultJson.Strict.GetTypeInfo(typeof(T)).Properties.Where(p => p.IsRequired).Select(p => p.Name));

    // The reader's path may contain names that the caller made up; only a first member that the type has is repeated.
    private static string Pointer<T>(string? path)
    {
        if (path is null || !path.StartsWith("$.", StringComparison.Ordinal))
            return "";
        var end = path.AsSpan(2).IndexOfAny('.', '[');
        var first = end < 0 ? path[2..] : path.Substring(2, end);
        if (!VaultJson.Strict.GetTypeInfo(typeof(T)).Properties.Any(p => p.Name == first))
            return "";
        var index = end >= 0 && path[2 + end] == '[' ? path[(3 + end)..].Split(']')[0] : "";
        return "/" + first + (int.TryParse(index, out var number) ? "/" + number : "");
    }
}

/// <summary>The values of a body that were left as JSON: each holds a copy of its bytes, which is erased when the call is over.</summary>
internal sealed class ParsedValues(object body) : IDisposable
{
    public void Dispose()
    {
        foreach (var value in Of(body).SelectMany(values => values.Values))
            Erase(value);
    }

    private static IEnumerable<IReadOnlyDictionary<string, JsonElement>> Of(object body) => body switch
    {
        CreateCustomer create => [create.Fields],
        PatchCustomer patch => [patch.Fields],
        CustomerBatch batch => batch.Create?.Select(create => create.Fields) ?? [],
        AppendEvent one => [one.Properties],
        EventBatch events => events.Events.Select(one => one.Properties),
        _ => [],
    };

    // INVARIANT: true, false and null are the runtime's own, shared by everybody, and hold nothing.
    private static void Erase(JsonElement value)
    {
        if (value.ValueKind is not (JsonValueKind.String or JsonValueKind.Number or JsonValueKind.Object or JsonValueKind.Array))
            return;
        var bytes = JsonMarshal.GetRawUtf8Value(value);
        CryptographicOperations.ZeroMemory(MemoryMarshal.CreateSpan(ref MemoryMarshal.GetReference(bytes), bytes.Length));
    }
}
