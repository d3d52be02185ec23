using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;

namespace DataVault.Server.Tests.Deaths;

/// <summary>A released answer that has arrived whole.</summary>
internal sealed record Arrived(Guid Customer, IReadOnlyList<string> Fields, long Index);

/// <summary>
/// Callers that give every item a name of its own (idempotency key, event id) and repeat it until it is acknowledged, through whatever dies
/// meanwhile. Notes what was acknowledged and every other answer.
/// </summary>
internal sealed class StubbornLoad(RunningServer server, string run)
{
    public const int EventsEach = 4;
    private const string Writer = "crm-ingest";
    private static readonly Dictionary<string, string> Consents = new() { ["personalisation"] = "given" };
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    /// <summary>Customer number to id, of acknowledged customers.</summary>
    public ConcurrentDictionary<string, Guid> Customers { get; } = new();

    public ConcurrentDictionary<Guid, byte> Events { get; } = new();

    /// <summary>Log positions told with the acknowledgements, with the entry's type.</summary>
    public ConcurrentDictionary<long, string> Receipts { get; } = new();

    public ConcurrentBag<Arrived> Released { get; } = [];

    /// <summary>Answers that were neither success nor "try again later".</summary>
    public ConcurrentBag<string> Surprises { get; } = [];

    public int Refused { get; private set; }

    /// <summary>Writes customers, one or several a call, and events of each.</summary>
    public Task WriteAsync(int writers, int calls) =>
        Task.WhenAll(Enumerable.Range(0, writers).Select(writer => Task.Run(async () =>
        {
            for (var call = 0; call < calls; call++)
            {
                var numbers = Enumerable.Range(0, call % 2 == 0 ? 1 : 5).Select(n => $"{run}-{writer}-{call}-{n}").ToList();
                await CreateAsync(numbers);
                await AppendAsync(numbers);
            }
        })));

    /// <summary>Reads customers at random until told to stop.</summary>
    public Task ReadAsync(int readers, IReadOnlyList<Guid> customers, CancellationToken stop) =>
        Task.WhenAll(Enumerable.Range(0, readers).Select(reader => Task.Run(async () =>
        {
            for (var n = reader; !stop.IsCancellationRequested; n++)
            {
                var id = customers[n * 7 % customers.Count];
                var answer = await TryAsync("support-desk", HttpMethod.Get, $"/v1/customers/{id}?purpose=customer-support&fields=givenName,email,customerNumber", null, null);
                if (answer is not { } disclosed)
                    await Task.Delay(Pause, CancellationToken.None);
                else
                    Released.Add(new(id, [.. disclosed.GetProperty("fields").EnumerateObject().Select(f => f.Name)], disclosed.GetProperty("receipt").GetProperty("index").GetInt64()));
            }
        })));

    /// <summary>Repeats a call until it is answered: a connection that died with the database is found out when it is used next.</summary>
    public async Task<JsonElement> InsistAsync(string who, HttpMethod method, string path, object? body = null, string? key = null)
    {
        while (true)
        {
            if (await TryAsync(who, method, path, body, key) is { } answer)
                return answer;
            Assert.True(Surprises.Count < 10, string.Join('\n', Surprises));
            await Task.Delay(Pause);
        }
    }

    private async Task CreateAsync(List<string> numbers)
    {
        var bodies = numbers.Select(number => new { fields = new { givenName = "Kay", familyName = "Ninelives", customerNumber = number, email = $"{number}@example.com" }, source = "tests", consents = Consents }).ToList();
        var answer = bodies.Count == 1
            ? await InsistAsync(Writer, HttpMethod.Post, "/v1/customers", bodies[0], numbers[0])
            : await InsistAsync(Writer, HttpMethod.Post, "/v1/customers/batch", new { create = bodies }, numbers[0]);
        var written = bodies.Count == 1 ? [answer] : answer.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("written")).ToList();
        foreach (var (number, one) in numbers.Zip(written))
        {
            Customers[number] = one.GetProperty("id").GetGuid();
            Receipts[one.GetProperty("receipt").GetProperty("index").GetInt64()] = "record.write";
        }
    }

    private async Task AppendAsync(List<string> numbers)
    {
        var ids = numbers.SelectMany(_ => Enumerable.Range(0, EventsEach), (number, _) => (Number: number, Id: Guid.CreateVersion7())).ToList();
        var events = ids.Select(e => new
        {
            id = e.Id, customer = new { customerNumber = e.Number }, type = "page_view", occurredAt = "2026-03-01T10:15:00Z", source = "tests", properties = new { path = "/lamps" },
        });
        var answer = await InsistAsync(Writer, HttpMethod.Post, "/v1/events/batch", new { events });
        foreach (var item in answer.GetProperty("items").EnumerateArray())
            Events[item.GetProperty("id").GetGuid()] = 0;
    }

    private async Task<JsonElement?> TryAsync(string who, HttpMethod method, string path, object? body, string? key)
    {
        try
        {
            using var answer = await server.SendAsync(who, method, path, body, request =>
            {
                if (key is not null)
                    request.Headers.Add("Idempotency-Key", key);
            });
            var text = await answer.Content.ReadAsStringAsync();
            if (answer.IsSuccessStatusCode)
                return JsonDocument.Parse(text).RootElement;
            if (answer.StatusCode == HttpStatusCode.ServiceUnavailable && answer.Headers.RetryAfter is not null)
                Refused++;
            else
                Surprises.Add($"{(int)answer.StatusCode} {text}\n{WhatItSays(text)}");
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            // The connection was refused or broke off: nothing was acknowledged.
        }
        return null;
    }

    // What the server's log has under the answer's trace.
    private string WhatItSays(string problem)
    {
        using var read = JsonDocument.Parse(problem);
        var trace = read.RootElement.GetProperty("traceId").GetString()!;
        return string.Join('\n', server.Process.Output.Split('\n').Where(line => line.Contains(trace, StringComparison.Ordinal)));
    }
}
