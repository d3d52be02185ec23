using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault;

namespace DataVault.Benchmarks;

/// <summary>
/// The package of a person with many events: from the approved request to the sealed file, with the most memory that the process held meanwhile beyond what
/// it held before. Memory stays flat when the largest takes hardly more than the smallest.
/// </summary>
internal sealed class ExportBenchmark(IReadOnlyList<int> sizes)
{
    private const int Batch = 1_000;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);

    public static Task RunAsync(BenchmarkOptions options) =>
        new ExportBenchmark([.. options.Text("events", "1000,100000,1000000").Split(',').Select(size => int.Parse(size, CultureInfo.InvariantCulture))]).RunAsync();

    private async Task RunAsync()
    {
        await using var vault = await BenchmarkVault.StartAsync();
        await MeasureAsync(vault, 100);
        Console.WriteLine($"{"events",12} {"seconds",10} {"events/s",12} {"package MB",12} {"memory before MB",18} {"peak MB",10} {"managed peak MB",16}");
        foreach (var size in sizes)
        {
            var (took, octets, before, peak, managed) = await MeasureAsync(vault, size);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{size,12:N0} {took.TotalSeconds,10:0.00} {size / took.TotalSeconds,12:N0} {octets / 1e6,12:0.0} {before / 1e6,18:0} {peak / 1e6,10:0} {managed / 1e6,16:0}"));
        }
    }

    private static async Task<(TimeSpan Took, long Octets, long Before, long Peak, long Managed)> MeasureAsync(BenchmarkVault vault, int events)
    {
        var person = await FillAsync(vault, events);
        var officer = new Recipient(RecipientKind.Staff, "officer-1", "officer", ["compliance-officer"], ["data-subject-rights"]);
        var requests = vault.Vault.Get<SubjectRequests>();
        var store = vault.Vault.Get<RequestStore>();
        var opened = await requests.OpenAsync(officer, RequestKinds.Access, person, null, null, Guid.NewGuid(), default, null);
        var row = await store.ChangeAsync(officer, opened.Id, request => request with { State = RequestStates.Approved }, Guid.NewGuid(), default);
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        using var process = Process.GetCurrentProcess();
        var before = process.WorkingSet64;
        using var done = new CancellationTokenSource();
        var watching = WatchAsync(process, done.Token);
        var began = Stopwatch.GetTimestamp();
        await vault.Vault.Get<SubjectExport>().BuildAsync(row, default);
        var took = Stopwatch.GetElapsedTime(began);
        await done.CancelAsync();
        var (peak, managed) = await watching;
        var file = Directory.GetFiles(Path.Combine(vault.Home, "packages")).Select(path => new FileInfo(path)).OrderByDescending(one => one.LastWriteTimeUtc).First();
        return (took, file.Length, before, peak, managed);
    }

    private static async Task<(long WorkingSet, long Managed)> WatchAsync(Process process, CancellationToken done)
    {
        var (most, managed) = (0L, 0L);
        while (!done.IsCancellationRequested)
        {
            process.Refresh();
            (most, managed) = (Math.Max(most, process.WorkingSet64), Math.Max(managed, GC.GetTotalMemory(forceFullCollection: false)));
            await Task.Delay(Look, CancellationToken.None);
        }
        return (most, managed);
    }

    private static async Task<SubjectId> FillAsync(BenchmarkVault vault, int events)
    {
        JsonElement Json(string text) => JsonSerializer.Deserialize<JsonElement>(text);
        var fields = new Dictionary<string, JsonElement> { ["givenName"] = Json("\"Ada\""), ["familyName"] = Json("\"Example\"") };
        var person = (await vault.Vault.Get<ProfileEditor>().CreateAsync(BenchmarkVault.Ingest, new NewCustomer(fields, "crm", null, null, "service-delivery", null), null, Guid.NewGuid(), default)).Id;
        var recorder = vault.Vault.Get<EventRecorder>();
        var first = DateTimeOffset.UtcNow.AddYears(-2);
        for (var at = 0; at < events; at += Batch)
        {
            var batch = Enumerable.Range(at, Math.Min(Batch, events - at)).Select(number => new NewEvent(
                new CustomerLookup(Id: person), "purchase", first.AddSeconds(number), "shop",
                new Dictionary<string, JsonElement>
                {
                    ["orderId"] = Json($"\"A-{number}\""), ["sku"] = Json($"\"SKU-{number % 500}\""), ["quantity"] = Json("1"),
                    ["unitPrice"] = Json("""{"amount":"49.90","currency":"EUR"}"""), ["total"] = Json("""{"amount":"49.90","currency":"EUR"}"""),
                }, Guid.NewGuid(), "service-delivery")).ToList();
            await recorder.AppendAsync(BenchmarkVault.Ingest, batch, Guid.NewGuid(), default);
        }
        return person;
    }
}
