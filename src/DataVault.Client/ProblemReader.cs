using System.Net;
using System.Text.Json;
using DataVault.Client.Wire;

namespace DataVault.Client;

/// <summary>Reads answers: a typed body, or any refusal as a <see cref="VaultProblemException"/>.</summary>
internal static class ProblemReader
{
    private const int LongestProblem = 1 << 20;

    public static async Task<T> ReadAnswerAsync<T>(HttpResponseMessage response, CancellationToken cancellation)
    {
        try
        {
            await using var body = await response.Content.ReadAsStreamAsync(cancellation);
            return await JsonSerializer.DeserializeAsync<T>(body, VaultJson.Answers, cancellation) ?? throw new JsonException("null");
        }
        catch (JsonException)
        {
            // The cause is left out: the reader's message may quote the body.
            throw new VaultProblemException(
                Plain(HttpStatusCode.InternalServerError, "internal", "The vault's answer could not be read."), HttpStatusCode.InternalServerError);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw VaultProblemException.Unreachable(e);
        }
    }

    public static async Task<VaultProblemException> ReadAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        var problem = await TryReadProblemAsync(response, cancellation) ?? Plain(response.StatusCode, SlugOf(response.StatusCode), null);
        return new VaultProblemException(problem, response.StatusCode, RetryAfter(response));
    }

    // SPEC rfc9110 §10.2.3: seconds or a date; a date is measured against the answer's own clock.
    public static TimeSpan? RetryAfter(HttpResponseMessage response) => response.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } when response.Headers.Date is { } sent => date > sent ? date - sent : TimeSpan.Zero,
        _ => null,
    };

    private static async Task<Problem?> TryReadProblemAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        if (response.Content.Headers.ContentType?.MediaType is not ("application/problem+json" or "application/json")) return null;
        try
        {
            await response.Content.LoadIntoBufferAsync(LongestProblem, cancellation);
            using var body = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(cancellation));
            if (body.RootElement.ValueKind != JsonValueKind.Object) return null;
            // SPEC rfc6749 §5.2: the token endpoint has a form of its own.
            return body.RootElement.TryGetProperty("error", out var error) && error.ValueKind == JsonValueKind.String
                ? Plain(response.StatusCode, SlugOf(response.StatusCode), error.GetString())
                : body.RootElement.TryGetProperty("type", out _) ? body.RootElement.Deserialize<Problem>(VaultJson.Answers) : null;
        }
        catch (Exception e) when (e is JsonException or HttpRequestException or IOException)
        {
            return null;
        }
    }

    private static Problem Plain(HttpStatusCode status, string slug, string? detail) => new($"/problems/{slug}", slug, (int)status, detail);

    private static string SlugOf(HttpStatusCode status) => (int)status switch
    {
        401 => "unauthenticated",
        403 => "forbidden",
        404 => "not-found",
        409 => "conflict",
        412 => "version-mismatch",
        413 => "payload-too-large",
        415 => "unsupported-media-type",
        428 => "precondition-required",
        429 => "rate-limited",
        502 or 503 => "unavailable",
        504 => "timeout",
        >= 500 => "internal",
        _ => "invalid-request",
    };
}
