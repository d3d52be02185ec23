using System.Net;
using System.Text;

namespace DataVault.Pure.Tests.Client;

/// <summary>Answers calls from a script and keeps what was sent.</summary>
internal sealed class ScriptedVault : HttpMessageHandler
{
    private readonly Queue<Func<Sent, HttpResponseMessage>> _script = new();
    private readonly Lock _lock = new();

    public List<Sent> Calls { get; } = [];

    public HttpClient Http() => new(this, disposeHandler: false) { BaseAddress = new Uri("http://vault.test") };

    public ScriptedVault Answer(HttpStatusCode status, string body, string type = "application/json", Action<HttpResponseMessage>? also = null)
    {
        _script.Enqueue(_ =>
        {
            var response = new HttpResponseMessage(status) { Content = new StringContent(body, Encoding.UTF8, type) };
            also?.Invoke(response);
            return response;
        });
        return this;
    }

    public ScriptedVault Busy(HttpStatusCode status, int? retryAfter = null) =>
        Answer(status, $$"""{"type":"/problems/unavailable","title":"unavailable","status":{{(int)status}}}""", "application/problem+json", r =>
        {
            if (retryAfter is { } seconds) r.Headers.RetryAfter = new(TimeSpan.FromSeconds(seconds));
        });

    public ScriptedVault Fail()
    {
        _script.Enqueue(_ => throw new HttpRequestException("connection refused"));
        return this;
    }

    public ScriptedVault Token(string token, int lifetime = 300) =>
        Answer(HttpStatusCode.OK, $$"""{"access_token":"{{token}}","token_type":"Bearer","expires_in":{{lifetime}}}""");

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var body = request.Content is null ? "" : await request.Content.ReadAsStringAsync(cancellationToken);
        var sent = new Sent(request.Method.Method, request.RequestUri!.PathAndQuery, body, request.Headers.ToString());
        lock (_lock)
        {
            Calls.Add(sent);
            return _script.Dequeue()(sent);
        }
    }
}

internal sealed record Sent(string Method, string Path, string Body, string Headers);

/// <summary>A clock that jumps over every wait and keeps its length.</summary>
internal sealed class JumpingTime : TimeProvider
{
    private DateTimeOffset _now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public List<TimeSpan> Waits { get; } = [];

    public override DateTimeOffset GetUtcNow() => _now;

    public override long GetTimestamp() => _now.Ticks;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public void Advance(TimeSpan by) => _now += by;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        Waits.Add(dueTime);
        Advance(dueTime);
        ThreadPool.QueueUserWorkItem(_ => callback(state));
        return new Spent();
    }

    private sealed class Spent : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => false;

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
