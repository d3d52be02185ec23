using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;

namespace DataVault.Client;

/// <summary>How a <see cref="VaultClient"/> behaves when the vault is busy or away.</summary>
public sealed record VaultClientOptions
{
    /// <summary>The clock; the system's by default.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>How long calls that may be repeated are repeated, all waiting included. Zero: never.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>
    /// What the browser of the person said in its header <c>Sec-GPC</c>, for an application that calls on the person's behalf: the signal must not be lost on its way.
    /// </summary>
    public string? PrivacySignal { get; init; }

    /// <summary>Spreads the callers: 0 (inclusive) to 1 (exclusive).</summary>
    public Func<double> Jitter { get; init; } = () => RandomNumberGenerator.GetInt32(1 << 20) / (double)(1 << 20);
}

/// <summary>One call on the wire: what to send, and whether sending it twice does no more than sending it once.</summary>
internal sealed record VaultCall(HttpMethod Method, string Path, bool Repeatable)
{
    public byte[]? Body { get; init; }
    public string? IfMatch { get; init; }
    public string? IdempotencyKey { get; init; }
    public Warrant? Warrant { get; init; }
    public string Accept { get; init; } = "application/json";

    public static VaultCall Get(string path) => new(HttpMethod.Get, path, Repeatable: true);

    public static VaultCall Send<T>(HttpMethod method, string path, T body, bool repeatable) =>
        new(method, path, repeatable) { Body = JsonSerializer.SerializeToUtf8Bytes(body, VaultJson.Answers) };
}

/// <summary>
/// Sends calls with the bearer token, repeats what may be repeated on 429, 503 and lost connections (RFC 9110 9.2.2; waiting as
/// Retry-After says), renews a refused token once, and turns every refusal into a <see cref="VaultProblemException"/>.
/// </summary>
internal sealed class VaultTransport(HttpClient http, TokenSource? tokens, VaultClientOptions options)
{
    private static readonly TimeSpan s_first = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(5);

    public async Task<T> AskAsync<T>(VaultCall call, CancellationToken cancellation)
    {
        using var response = await SendAsync(call, cancellation);
        return await ProblemReader.ReadAnswerAsync<T>(response, cancellation);
    }

    public async Task<HttpResponseMessage> SendAsync(VaultCall call, CancellationToken cancellation)
    {
        var started = options.Time.GetTimestamp();
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return await SendWithTokenAsync(call, cancellation);
            }
            catch (VaultProblemException e) when (call.Repeatable && e.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable)
            {
                var wait = e.RetryAfter ?? Backoff(attempt);
                if (options.Time.GetElapsedTime(started) + wait > options.Patience) throw;
                await Task.Delay(wait, options.Time, cancellation);
            }
        }
    }

    private TimeSpan Backoff(int attempt)
    {
        var ceiling = s_first * Math.Pow(2, Math.Min(attempt, 10));
        return (ceiling < s_longest ? ceiling : s_longest) * (0.5 + (options.Jitter() / 2));
    }

    private async Task<HttpResponseMessage> SendWithTokenAsync(VaultCall call, CancellationToken cancellation)
    {
        var token = tokens is null ? null : await tokens.GetAsync(cancellation);
        var response = await SendOnceAsync(call, token, cancellation);
        if (response.StatusCode == HttpStatusCode.Unauthorized && token is not null && tokens!.Renounce(token))
        {
            response.Dispose();
            response = await SendOnceAsync(call, await tokens.GetAsync(cancellation), cancellation);
        }
        if (response.IsSuccessStatusCode) return response;
        using (response) throw await ProblemReader.ReadAsync(response, cancellation);
    }

    private async Task<HttpResponseMessage> SendOnceAsync(VaultCall call, string? token, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(call.Method, call.Path);
        request.Headers.Accept.ParseAdd(call.Accept);
        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (options.PrivacySignal is { Length: > 0 } signal) request.Headers.TryAddWithoutValidation("Sec-GPC", signal);
        if (call.IfMatch is not null) request.Headers.IfMatch.ParseAdd(call.IfMatch);
        if (call.IdempotencyKey is not null) request.Headers.Add("Idempotency-Key", call.IdempotencyKey);
        // A header is ASCII; a reason is in words of any language.
        if (call.Warrant?.Reason is { } reason) request.Headers.Add("Access-Reason", Uri.EscapeDataString(reason));
        if (call.Warrant?.Approval is { } approval) request.Headers.Add("Access-Approval", approval.ToString("D"));
        if (call.Body is not null)
            request.Content = new ByteArrayContent(call.Body) { Headers = { ContentType = new("application/json") } };
        try
        {
            return await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
        }
        catch (HttpRequestException e)
        {
            throw VaultProblemException.Unreachable(e);
        }
        catch (TaskCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw VaultProblemException.Unreachable(e);
        }
    }
}
