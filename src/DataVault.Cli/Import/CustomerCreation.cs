using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Client;
using DataVault.Client.Wire;

namespace DataVault.Cli.Import;

/// <summary>
/// The customers that one batch is the first to name. Later batches that name them wait for <see cref="Done"/>; a customer that the
/// vault already holds under the key counts as known.
/// </summary>
internal sealed class CustomerCreation
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<(string Key, SourceRecord Record)> _first = [];
    private readonly HashSet<string> _created = new(StringComparer.Ordinal);
    private Dictionary<string, Rejection>? _rejected;

    public Task Done => _done.Task;

    public int Created { get; private set; }

    public void Add(string key, SourceRecord record) => _first.Add((key, record));

    public bool IsCreated(string key) => _created.Contains(key);

    public Rejection? RejectionOf(string key) => _rejected?.GetValueOrDefault(key);

    public async Task RunAsync(LineMapper mapper, ImportWire wire, CancellationToken cancellation)
    {
        try
        {
            List<(string Key, CreateCustomer Customer)> ready = [];
            foreach (var (key, record) in _first)
            {
                var (customer, rejected) = mapper.Customer(record);
                if (customer is null) Reject(key, rejected!);
                else ready.Add((key, customer));
            }
            var pointer = $"/fields/{mapper.Mapping.Customers!.Key}";
            foreach (var part in ready.Chunk(ImportWire.LargestBatch)) await SendAsync(part, pointer, wire, cancellation);
            _first.Clear();
            Created = _created.Count;
            _done.SetResult();
        }
        catch (Exception e)
        {
            _done.SetException(e);
            throw;
        }
    }

    /// <summary>The batch is tallied: of the created keys nothing needs to be kept.</summary>
    public void Forget() => _created.Clear();

    private async Task SendAsync((string Key, CreateCustomer Customer)[] part, string keyPointer, ImportWire wire, CancellationToken cancellation)
    {
        var answers = await wire.CreateAsync([.. part.Select(p => p.Customer)], cancellation);
        foreach (var (answer, (key, _)) in answers.Zip(part))
        {
            if (answer.Written is not null) _created.Add(key);
            else if (!HeldAlready(answer, keyPointer)) Reject(key, ImportWire.Rejection(answer.Problem));
        }
    }

    // A conflict on the key itself means that this customer is held; on another unique field it is somebody else's.
    private static bool HeldAlready(BatchItem answer, string keyPointer) =>
        answer.Status == 409 && (answer.Problem?.Errors is not { Count: > 0 } errors || errors.Any(e => e.Pointer.EndsWith(keyPointer, StringComparison.Ordinal)));

    private void Reject(string key, Rejection why) => (_rejected ??= new(StringComparer.Ordinal))[key] = why;
}

/// <summary>The two batch calls, repeated item by item while the vault is busy.</summary>
internal sealed class ImportWire(VaultClient client, TimeProvider time, long run)
{
    public const int LargestBatch = 1000;
    private const int Rounds = 8;

    public Task<BatchItem[]> CreateAsync(IReadOnlyList<CreateCustomer> customers, CancellationToken cancellation) =>
        RepeatAsync(customers, async part =>
        {
            var batch = new CustomerBatch(Create: part);
            // What a killed run had sent is answered as it was then; another run learns that the customers are held.
            var content = Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(batch, VaultJson.Answers)))[..32];
            return (await client.BatchAsync(batch, string.Create(CultureInfo.InvariantCulture, $"import-{run:x}-{content}"), cancellation)).Items;
        }, item => item.Status, cancellation);

    public Task<EventItem[]> AppendAsync(IReadOnlyList<AppendEvent> events, CancellationToken cancellation) =>
        RepeatAsync(events, async part => (await client.AppendManyAsync(new EventBatch(part), cancellation)).Items, item => item.Status, cancellation);

    public static Rejection Rejection(Problem? problem) =>
        problem?.Errors is [var first, ..] ? new Rejection(first.Code, first.Pointer) : new Rejection(problem?.Slug ?? "refused", "");

    private async Task<TAnswer[]> RepeatAsync<TItem, TAnswer>(
        IReadOnlyList<TItem> items, Func<IReadOnlyList<TItem>, Task<IReadOnlyList<TAnswer>>> send, Func<TAnswer, int> status, CancellationToken cancellation)
    {
        var answers = new TAnswer[items.Count];
        var open = Enumerable.Range(0, items.Count).ToList();
        for (var round = 0; ; round++)
        {
            var got = await send([.. open.Select(i => items[i])]);
            if (got.Count != open.Count) throw new InvalidDataException("The vault answered another number of items than it was sent.");
            for (var n = 0; n < open.Count; n++) answers[open[n]] = got[n];
            open = [.. open.Where(i => status(answers[i]) is 429 or >= 500)];
            if (open.Count == 0) return answers;
            if (round == Rounds) throw new VaultProblemException(new Problem("/problems/unavailable", "unavailable", 503), System.Net.HttpStatusCode.ServiceUnavailable);
            await Task.Delay(TimeSpan.FromMilliseconds(250 << Math.Min(round, 5)), time, cancellation);
        }
    }
}
