using System.Diagnostics;
using System.Globalization;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Vault;
using DataVault.Vault.Keys;

namespace DataVault.Benchmarks;

/// <summary>
/// What the key hierarchy costs at scale: destroying one person's key among few and among many, the turn of an epoch over every page, and a new key for everybody.
/// No peer: who encrypts under one key for all cannot do any of it.
/// </summary>
internal static class KeysBenchmark
{
    private const int Call = 20 * KeyRegistry.PageSize;

    public static async Task RunAsync(BenchmarkOptions options)
    {
        var sizes = options.Text("sizes", "10000,100000,1000000").Split(',').Select(text => int.Parse(text, CultureInfo.InvariantCulture)).ToList();
        var (erased, renewed) = (options.Number("erase", 200), options.Number("renew", 5_000));
        await using var vault = await BenchmarkVault.StartAsync();
        await RenewAsync(vault, renewed);
        await vault.EmptyAsync();
        var people = new List<SubjectId>();
        foreach (var size in sizes)
        {
            await GrowAsync(vault, people, size);
            await EraseAsync(vault, people, erased);
        }

        await TurnAsync(vault, people.Count);
    }

    // By the vault's own call, so that pages are filled as they are in use.
    private static async Task GrowAsync(BenchmarkVault vault, List<SubjectId> people, int size)
    {
        var keys = vault.Vault.Get<KeyRegistry>();
        var (clock, before, random) = (Stopwatch.StartNew(), people.Count, new SystemRandomBytes());
        while (people.Count < size)
        {
            var more = Enumerable.Range(0, Math.Min(Call, size - people.Count)).Select(_ => new SubjectId(Uuid.Version7(TimeProvider.System, random))).ToList();
            foreach (var made in await keys.CreateAsync(more)) made.Dispose();
            people.AddRange(more);
        }

        await vault.OnKeysAsync("vacuum analyze keys.subject_key, keys.page");
        Console.WriteLine($"{size:N0} people: {(people.Count - before) / clock.Elapsed.TotalSeconds:N0} keys made a second");
    }

    private static async Task EraseAsync(BenchmarkVault vault, List<SubjectId> people, int count)
    {
        var keys = vault.Vault.Get<KeyRegistry>();
        var random = new Random(people.Count);
        var times = new List<double>();
        var processor = Machine.ProcessorSeconds();
        for (var i = 0; i < count; i++)
        {
            var at = random.Next(people.Count);
            var began = Stopwatch.GetTimestamp();
            await keys.DestroyAsync(people[at]);
            times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            people.RemoveAt(at);
        }

        processor = Machine.ProcessorSeconds() - processor;
        times.Sort();
        Console.WriteLine($"  one of {people.Count:N0} erased: median {times[count / 2]:F2} ms, 95th percentile {times[count * 95 / 100]:F2} ms, processor {1000 * processor / count:F2} ms");
    }

    private static async Task TurnAsync(BenchmarkVault vault, int people)
    {
        var epochs = vault.Vault.Get<EpochRotation>();
        var (current, _) = await epochs.LookAsync(CancellationToken.None);
        var (clock, processor, pages, longest) = (Stopwatch.StartNew(), Machine.ProcessorSeconds(), 0, 0.0);
        await epochs.BeginAsync(current + 1, CancellationToken.None);
        for (var wrapped = -1; wrapped != 0; pages += wrapped)
        {
            var began = Stopwatch.GetTimestamp();
            wrapped = await epochs.RewrapChunkAsync(CancellationToken.None);
            longest = Math.Max(longest, Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        }

        processor = Machine.ProcessorSeconds() - processor;
        Console.WriteLine($"epoch changed over {people:N0} people: {pages:N0} pages in {clock.Elapsed.TotalMilliseconds:N0} ms, processor {1000 * processor:N0} ms, longest transaction {longest:F1} ms");
    }

    // Up to the grace, in which former keys are kept; dropping them afterwards rewrites their rows only.
    private static async Task RenewAsync(BenchmarkVault vault, int people)
    {
        var run = new IngestRun(vault, callers: 1);
        await run.CustomersAsync([.. Enumerable.Range(0, people).Select(MadeUpCustomer.Make)]);
        var (steps, store) = (vault.Vault.Get<RotationSteps>(), vault.Vault.Get<RotationStore>());
        var level = steps.Level(RotationLevels.Subjects);
        var job = await store.InsertAsync(RotationLevels.Subjects, await level.PlanAsync(null, CancellationToken.None), CancellationToken.None);
        var (clock, processor) = (Stopwatch.StartNew(), Machine.ProcessorSeconds());
        while (await steps.StepAsync(job.Id, CancellationToken.None) is { NotBefore: null })
        {
        }

        var (seconds, used) = (clock.Elapsed.TotalSeconds, Machine.ProcessorSeconds() - processor);
        var done = (await store.FindAsync(job.Id, CancellationToken.None))!.View;
        if (done.Done != people || done.Error is not null) throw new InvalidOperationException($"{done.Done} of {people} were renewed.");
        Console.WriteLine($"{people:N0} people of {MadeUpCustomer.Fields.Length} fields under new keys: {people / seconds:N0} a second by one worker, {people / used:N0} a second of processor");
    }

}
