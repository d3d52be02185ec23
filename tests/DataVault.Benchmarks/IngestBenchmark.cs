using DataVault.Policy;
using DataVault.Vault;
using Npgsql;

namespace DataVault.Benchmarks;

/// <summary>
/// Times customers and events going in through the vault's own calls (checked, decided, sealed, indexed, logged, durable) against a binary COPY of
/// the same values in clear, and customers against what a team would write first: EF Core with a DataProtection converter on every column.
/// </summary>
internal static class IngestBenchmark
{
    public static async Task RunAsync(BenchmarkOptions options)
    {
        var (rows, slow, rounds, callers) = (options.Number("rows", 20_000), options.Number("slow", 2_000), options.Number("rounds", 7), options.Number("callers", 2));
        await using var vault = await BenchmarkVault.StartAsync();
        Console.WriteLine($"ingest: {rows:N0} customers of {MadeUpCustomer.Fields.Length} fields in calls of {ProfileEditor.MaxBatch:N0}, {callers} callers on either side, fsync on");
        var customers = Enumerable.Range(0, rows).Select(MadeUpCustomer.Make).ToList();
        var run = new IngestRun(vault, callers);
        var copy = new CopyPeer(vault);
        await WarmUpAsync(vault, run, customers);
        foreach (var indexed in new[] { false, true })
        {
            await copy.CreateAsync(indexed);
            var name = indexed ? "binary COPY in clear, indexes on e-mail and phone" : "binary COPY in clear, primary key only";
            await new Paired("vault", name, rounds).RunAsync(
                rows, "customers", () => run.CustomersAsync(customers), () => run.InPartsAsync(customers, copy.WriteAsync), () => Task.WhenAll(vault.EmptyAsync(), copy.EmptyAsync()));
        }
        await NaiveAsync(vault, run, customers[..slow], rounds);
        await EventsAsync(vault, run, copy, customers, rounds);
    }

    // The just-in-time compiler is done with its second and third thoughts after some tens of thousands.
    private static async Task WarmUpAsync(BenchmarkVault vault, IngestRun run, List<MadeUpCustomer> customers)
    {
        for (var done = 0; done < 80_000; done += customers.Count)
        {
            await vault.EmptyAsync();
            await run.CustomersAsync(customers);
        }
    }

    private static async Task NaiveAsync(BenchmarkVault vault, IngestRun run, List<MadeUpCustomer> customers, int rounds)
    {
        var naive = new NaivePeer(vault);
        await naive.CreateAsync();
        await new Paired("vault", "EF Core AddRange + DataProtection per field", rounds).RunAsync(
            customers.Count, "customers", () => run.CustomersAsync(customers), () => run.InPartsAsync(customers, naive.WriteAsync), () => Task.WhenAll(vault.EmptyAsync(), naive.EmptyAsync()));
    }

    private static async Task EventsAsync(BenchmarkVault vault, IngestRun run, CopyPeer copy, List<MadeUpCustomer> customers, int rounds)
    {
        await vault.EmptyAsync();
        var people = await run.CustomersAsync(customers[..(customers.Count / 4)]);
        var events = Enumerable.Range(0, customers.Count).Select(number => MadeUpEvent.Make(number, people[number / 8 % people.Count])).ToList();
        Console.WriteLine($"events: {events.Count:N0} purchases of {people.Count:N0} customers, up to eight properties each");
        await copy.CreateEventsAsync();
        await new Paired("vault", "binary COPY in clear, same keys and index", rounds).RunAsync(
            events.Count, "events", () => run.EventsAsync(events), () => run.InPartsAsync(events, copy.WriteAsync),
            () => Task.WhenAll(vault.AsOwnerAsync("truncate vault.event, vault.feed_queue"), copy.EmptyEventsAsync()));
    }
}

/// <summary>Several callers, each with a share of the work.</summary>
internal sealed class IngestRun(BenchmarkVault vault, int callers)
{
    private readonly ProfileEditor editor = vault.Vault.Get<ProfileEditor>();
    private readonly EventRecorder recorder = vault.Vault.Get<EventRecorder>();

    public async Task<IReadOnlyList<Guid>> CustomersAsync(IReadOnlyList<MadeUpCustomer> customers)
    {
        var ids = new List<Guid>();
        await InPartsAsync(customers, async part =>
        {
            foreach (var call in part.Select(customer => customer.Call).Chunk(ProfileEditor.MaxBatch))
            {
                var results = await editor.CreateManyAsync(BenchmarkVault.Ingest, call, null, Guid.NewGuid(), CancellationToken.None);
                if (results.FirstOrDefault(result => result.Value is null)?.Error is { } error) throw error;
                lock (ids) ids.AddRange(results.Select(result => result.Value!.Id.Value));
            }
        });
        return ids;
    }

    public Task EventsAsync(IReadOnlyList<MadeUpEvent> events) => InPartsAsync(events, async part =>
    {
        foreach (var call in part.Select(one => one.Call).Chunk(EventRecorder.MaxBatch))
        {
            var outcome = await recorder.AppendAsync(BenchmarkVault.Ingest, call, Guid.NewGuid(), CancellationToken.None);
            if (outcome.Items.FirstOrDefault(item => item.Status != EventStatus.Stored) is { } item) throw item.Error ?? throw new InvalidOperationException(item.Status.ToString());
        }
    });

    public Task InPartsAsync<T>(IReadOnlyList<T> items, Func<IReadOnlyList<T>, Task> work) =>
        Task.WhenAll(items.Chunk((items.Count + callers - 1) / callers).Select(part => Task.Run(() => work(part))));
}

/// <summary>The same values in clear by binary COPY, the fastest way into PostgreSQL.</summary>
internal sealed class CopyPeer(BenchmarkVault vault)
{
    private static readonly string Columns = string.Join(", ", MadeUpCustomer.Fields.Select(name => name.ToLowerInvariant()));

    public async Task CreateAsync(bool indexed)
    {
        await vault.OnPeerAsync($"drop table if exists customer; create table customer (id uuid primary key, {string.Join(", ", MadeUpCustomer.Fields.Select(name => name.ToLowerInvariant() + " text"))})");
        if (indexed) await vault.OnPeerAsync("create unique index on customer (email); create index on customer (phone)");
    }

    public Task CreateEventsAsync() => vault.OnPeerAsync(
        """
        create table event (customer uuid, id uuid, type text, at timestamptz, orderid text, sku text, description text, quantity text, unitprice text, total text, channel text,
            country text, primary key (customer, id));
        create index on event (customer, at)
        """);

    public Task EmptyAsync() => vault.OnPeerAsync("truncate customer");

    public Task EmptyEventsAsync() => vault.OnPeerAsync("truncate event");

    public async Task WriteAsync(IReadOnlyList<MadeUpCustomer> customers)
    {
        await using var connection = await vault.Peer.OpenConnectionAsync();
        await using var writer = await connection.BeginBinaryImportAsync($"copy customer (id, {Columns}) from stdin binary");
        foreach (var customer in customers)
        {
            await writer.StartRowAsync();
            await writer.WriteAsync(Guid.CreateVersion7());
            foreach (var value in customer.Values) await writer.WriteAsync(value);
        }
        await writer.CompleteAsync();
    }

    public async Task WriteAsync(IReadOnlyList<MadeUpEvent> events)
    {
        await using var connection = await vault.Peer.OpenConnectionAsync();
        await using var writer = await connection.BeginBinaryImportAsync("copy event from stdin binary");
        foreach (var one in events)
        {
            await writer.StartRowAsync();
            await writer.WriteAsync(one.Customer);
            await writer.WriteAsync(one.Id);
            await writer.WriteAsync(one.Type);
            await writer.WriteAsync(one.At.UtcDateTime);
            foreach (var value in one.Values) await writer.WriteAsync(value);
        }
        await writer.CompleteAsync();
    }
}
