using System.Collections.Frozen;
using System.Globalization;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Analytics;
using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Issuer;
using DataVault.Vault;
using Microsoft.AspNetCore.Http.Timeouts;
using Npgsql;

namespace DataVault.Server.Http;

/// <summary>A refusal found at the edge. The detail names members and rules, never a value.</summary>
internal sealed class ProblemException(string slug, string? detail = null, params IReadOnlyList<MemberProblem> errors) : Exception(slug)
{
    public string Slug { get; } = slug;

    public string? Detail { get; } = detail;

    public IReadOnlyList<MemberProblem> Errors { get; } = errors;

    public static ProblemException Member(string pointer, string code, string message) =>
        new("invalid-request", null, new MemberProblem(pointer, code, message));
}

/// <summary>What fails from where too much has failed already.</summary>
internal sealed class TooManyFailures(TimeSpan retryAfter) : Exception("rate-limited")
{
    public TimeSpan RetryAfter { get; } = retryAfter;
}

/// <summary>
/// Every refusal leaves as problem details. SPEC rfc9457 §3. The type is <c>/problems/{slug}</c>, which itself can be fetched; no
/// problem repeats anything that the caller sent.
/// </summary>
internal static class Problems
{
    public const string ContentType = "application/problem+json";

    /// <summary>Status and standard advice of each slug.</summary>
    public static readonly FrozenDictionary<string, (int Status, string Advice)> Catalogue = new Dictionary<string, (int, string)>
    {
        ["invalid-request"] = (400, "The request is not formed as the API document says; see errors."),
        ["unknown-field"] = (400, "A field named in the request is not in the catalogue; GET /v1/policy lists those that are."),
        ["unknown-purpose"] = (400, "The purpose is missing or not in the registry; GET /v1/policy lists those that are."),
        ["unauthenticated"] = (401, "Send a valid access token: Authorization: Bearer …, obtained at /connect/token."),
        [StepUp.Slug] = (401, "This act wants a sign-in with two factors that is not old; WWW-Authenticate says how old it may be. Sign in again (datavault login), then repeat it. The refusal is in the audit log."),
        ["forbidden"] = (403, "The credential's roles or purposes do not permit this. The refusal is in the audit log."),
        ["reason-required"] = (403, "The purpose or a rule asks for a reason: send it as the header Access-Reason, percent-encoded UTF-8. The refusal is in the audit log."),
        ["reason-mismatch"] = (403, "The reason in Access-Reason is not of the form that the purpose asks for, such as the number of a ticket. The refusal is in the audit log."),
        ["approval-required"] = (403, "A second person must agree first: ask at POST /v1/approvals and send the id as Access-Approval. The refusal is in the audit log."),
        ["reviews-overdue"] = (403, "Reviews of earlier releases to this credential are overdue; once an officer has decided them, it goes on. The refusal is in the audit log."),
        ["not-found"] = (404, "There is no such thing, or it is out of this credential's reach."),
        ["method-not-allowed"] = (405, "The resource does not know this method; the Allow header lists those that it knows."),
        ["not-acceptable"] = (406, "The answer cannot be given in the form asked for."),
        ["conflict"] = (409, "A unique identifier in the request is held already."),
        ["suppressed"] = (409, "Who had an identifier in the request was erased, and is not taken in again from an old file: delete them there too. If they came back themselves, say how with returning. The refusal is in the audit log."),
        ["erased-here"] = (409, "The package was made by this very vault, which has erased the person since. If they came back themselves, say how with returning."),
        ["invalid-state"] = (409, "The resource is not in a state that permits this step."),
        ["evidence-contradicted"] = (409, "What is stored contradicts the log or the sealed record, so nothing is signed; see errors. Trying again does not help: the operator compares with DataVault.Server check deep."),
        ["version-mismatch"] = (412, "The record has changed since it was read: read it again and repeat with the new ETag."),
        ["payload-too-large"] = (413, "The body is larger than this call takes; split it."),
        ["unsupported-media-type"] = (415, "Send the body as application/json in UTF-8."),
        ["invalid-fields"] = (422, "Some values break their field's rules; see errors."),
        ["policy-refused"] = (422, "This version of the policy cannot come into force; see errors. The one in force stays."),
        ["idempotency-mismatch"] = (422, "This Idempotency-Key was used for another request."),
        ["precondition-required"] = (428, "Send If-Match with the ETag of the version that the change is based on, or * for whatever version there is."),
        ["budget-exhausted"] = (429, "The credential's budget for this purpose is used up, or an officer stopped it; Retry-After says until when. The refusal is in the audit log."),
        ["rate-limited"] = (429, "Too many requests; try again after the time in Retry-After."),
        ["headers-too-large"] = (431, "The request's headers are too large."),
        ["internal"] = (500, "The server failed; the operator finds the cause under the traceId."),
        ["record-damaged"] = (500, "What is stored of this is not what the vault wrote, so nothing of it is released. Trying again does not help: the operator runs DataVault.Server check deep. The refusal is in the audit log."),
        ["unavailable"] = (503, "A part that the answer depends on is away, and nothing is released without it; try again."),
        ["timeout"] = (504, "The request took longer than allowed and was given up."),
    }.ToFrozenDictionary();

    private static readonly TimeSpan DefaultRetry = TimeSpan.FromSeconds(1);

    /// <summary>Outermost middleware but for headers: turns exceptions and bare status codes into problems.</summary>
    public static async Task HandleAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context);
            if (context.Response is { StatusCode: >= 400, HasStarted: false, ContentLength: null, ContentType: null })
                await WriteAsync(context, SlugOf(context.Response.StatusCode));
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            await AnswerAsync(context, e);
        }
    }

    public static Task WriteAsync(
        HttpContext context, string slug, string? detail = null, IReadOnlyList<MemberProblem>? errors = null, TimeSpan? retryAfter = null)
    {
        var (status, advice) = Catalogue[slug];
        var problem = Make(slug, detail ?? advice, errors) with { TraceId = RequestIdentity.Of(context).ToString("D") };
        var response = context.Response;
        response.StatusCode = status;
        response.Headers.CacheControl = "no-store";
        if (status == 401)
            Caller.Challenge(context);
        if (status is 429 or 503)
            response.Headers.RetryAfter = Math.Max(1, (int)Math.Ceiling((retryAfter ?? DefaultRetry).TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        response.ContentType = ContentType;
        return response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(problem, VaultJson.Strict), context.RequestAborted).AsTask();
    }

    /// <summary>The problem of one item of a batch.</summary>
    public static Problem Of(VaultException failure) =>
        Make(failure.Slug, DetailOf(failure) ?? Catalogue[failure.Slug].Advice, Members(failure));

    /// <inheritdoc cref="Of(VaultException)"/>
    public static Problem Of(ProblemException failure) => Make(failure.Slug, failure.Detail ?? Catalogue[failure.Slug].Advice, failure.Errors);

    public static int StatusOf(VaultException failure) => Catalogue[failure.Slug].Status;

    private static Problem Make(string slug, string detail, IReadOnlyList<MemberProblem>? errors)
    {
        var title = slug.Replace('-', ' ');
        return new Problem($"/problems/{slug}", char.ToUpperInvariant(title[0]) + title[1..], Catalogue[slug].Status, detail, errors is { Count: > 0 } ? errors : null);
    }

    // What a state forbids is said in the vault's own words, which hold nothing of anybody (VaultException.InvalidState): whoever is refused knows what is missing.
    private static string? DetailOf(VaultException failure) => failure.Slug is "invalid-state" or "invalid-request" ? failure.Message : null;

    private static List<MemberProblem> Members(VaultException failure) =>
        [.. failure.Errors.Select(e => new MemberProblem(e.Pointer, e.Code, e.Message))];

    private static Task AnswerAsync(HttpContext context, Exception failure)
    {
        context.Response.Clear();
        ResponseHeaders.Apply(context);
        switch (failure)
        {
            case VaultException vault:
                return WriteAsync(context, vault.Slug, DetailOf(vault), Members(vault), vault.RetryAfter);
            case TooManyFailures waiting:
                return WriteAsync(context, "rate-limited", retryAfter: waiting.RetryAfter);
            case ProblemException edge:
                return WriteAsync(context, edge.Slug, edge.Detail, edge.Errors);
            case AnalyticsException analytics:
                return WriteAsync(context, analytics.Slug, analytics.Message);
            case IssuerException issuer:
                return WriteAsync(context, issuer.Slug, issuer.Message);
            case BadHttpRequestException bad:
                return WriteAsync(context, SlugOf(bad.StatusCode));
            case OperationCanceledException when context.Features.Get<IHttpRequestTimeoutFeature>()?.RequestTimeoutToken.IsCancellationRequested == true:
                return WriteAsync(context, "timeout");
            case OperationCanceledException when context.RequestAborted.IsCancellationRequested:
                context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
                return Task.CompletedTask;
            default:
                Log(context, failure, IsAway(failure) ? LogLevel.Warning : LogLevel.Error);
                return WriteAsync(context, SlugOf(failure));
        }
    }

    // Only types and places are logged: an exception's message may quote what somebody sent.
    private static void Log(HttpContext context, Exception failure, LogLevel level) =>
        context.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger("DataVault.Server.Problems").Log(
            level, "Request {RequestId} failed with {Failure} at {Place}", RequestIdentity.Of(context), Describe(failure), Place(failure));

    private static string Describe(Exception failure) =>
        (failure is PostgresException postgres ? $"PostgresException {postgres.SqlState}" : failure.GetType().Name)
        + (failure.InnerException is { } inner ? " < " + Describe(inner) : "");

    private static string Place(Exception failure) =>
        string.Join(" < ", (failure.StackTrace ?? "").Split('\n').Where(line => line.Contains("DataVault", StringComparison.Ordinal)).Take(4).Select(line => line.Trim()));

    /// <summary>Of what nobody caught before. Stored bytes that are not what was sealed are no failure of the server: nothing of them is served.</summary>
    internal static string SlugOf(Exception failure) => failure is CryptographicException || IsAway(failure) ? "unavailable" : "internal";

    // EF Core hands on what its database says inside an exception of its own.
    private static bool IsAway(Exception failure) =>
        failure is NpgsqlException or TimeoutException or SocketException || failure is { InnerException: NpgsqlException or TimeoutException or SocketException };

    private static string SlugOf(int status) => status switch
    {
        401 => "unauthenticated",
        403 => "forbidden",
        404 => "not-found",
        405 => "method-not-allowed",
        406 => "not-acceptable",
        409 => "invalid-state",
        412 => "version-mismatch",
        413 => "payload-too-large",
        415 => "unsupported-media-type",
        422 => "invalid-fields",
        428 => "precondition-required",
        429 => "rate-limited",
        431 => "headers-too-large",
        503 => "unavailable",
        504 => "timeout",
        >= 500 => "internal",
        _ => "invalid-request",
    };
}
