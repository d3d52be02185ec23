// Benchmarks of DataVault, each against a named peer in the same run: dotnet run -c Release --project tests/DataVault.Benchmarks -- <name>.
// Results with date and machine are kept in docs/benchmarks.md.

using DataVault.Benchmarks;
using DataVault.Testing;

ScratchFolder.OnDisk = true;

Benchmark[] benchmarks =
[
    new("read", "[people=5000] [rounds=7] [seconds=2] [peers=Multiplexing=true]   audited read over HTTP, against EF Core plaintext and EF Core + DataProtection + audit row", ReadBenchmark.RunAsync),
    new("verify", "[entries=1000000] [rounds=5]   audit verify over a log on disk, against raw SHA-256 over the same bytes", VerifyBenchmark.RunAsync),
    new("proofs", "[sizes=10000,1000000,10000000]   sizes of proofs, and what building and verifying one costs", ProofBenchmark.RunAsync),
    new("search", "[entries=1000000] [people=1000000] [days=365] [rounds=5]   what officers ask of a long log, against an audit table with b-trees", SearchBenchmark.RunAsync),
    new("desk", "[subjects=1000000] [requests=10000] [entries=1000000] [rounds=7]   the officer's screen and its lists, against the same without its indexes", DeskBenchmark.RunAsync),
    new("ingest", "[rows=20000] [slow=2000] [rounds=7] [callers=2]   customers and events in, against COPY in clear and EF Core with DataProtection", IngestBenchmark.RunAsync),
    new("lookup", "[subjects=1000000] [rounds=7] [each=2000] [truncated=0]   by e-mail through the blind index, against a b-tree in clear; truncated=1: by name and birth date, against e-mail", LookupBenchmark.RunAsync),
    new("append", "[rounds=7] [entries=400]   group commit of the log, against INSERT and commit for each entry", AppendBenchmark.RunAsync),
    new("keys", "[sizes=10000,100000,1000000] [erase=200] [renew=5000]   erasing one person among many, the turn of an epoch, a new key for everybody", KeysBenchmark.RunAsync),
    new("gate", "[tombstones=1000000] [people=100000] [back=1000]   a start with many erasures behind it, and one after both databases were restored to before them", GateBenchmark.RunAsync),
    new("decide", "[roles=100] [purposes=50] [fields=200] [rules=2000] [items=30] [rounds=9] [decisions=200000] [slow=400]   one decision, against evaluating rules one by one and ASP.NET Core's authorisation", DecideBenchmark.RunAsync),
    new("questions", "[roles=100] [purposes=50] [fields=200] [rules=2000] [rounds=5]   who-can, what-can, explain and diff over the compiled table, against asking every combination", QuestionsBenchmark.RunAsync),
    new("export", "[events=1000,100000,1000000]   the package of a person with many events: time, and the most memory held", ExportBenchmark.RunAsync),
    new("retention", "[people=2000] [events=50] [rounds=3]   a sweep over people with events that are due, against deleting rows in clear with an audit row", RetentionBenchmark.RunAsync),
    new("identity", "[rounds=9] [tokens=5000] [calls=2000] [signins=8] [iterations=600000]   tokens written and checked, against the signature alone; what the check adds to a call, proofs included; a sign-in, against the password's hash", IdentityBenchmark.RunAsync),
    new("crypto", "[rounds=9] [operations=20000]   sealing, opening and deriving, against other ways to the same bytes", CryptoBenchmark.RunAsync),
];

if (args is ["peers", .. var of])
{
    await Baseline.ServeAsync(new BenchmarkOptions(of));
    return 0;
}

var chosen = benchmarks.SingleOrDefault(benchmark => benchmark.Name == args.FirstOrDefault());
if (chosen is null)
{
    Console.Error.WriteLine("Usage: DataVault.Benchmarks <name> [option=value …]");
    foreach (var benchmark in benchmarks)
        Console.Error.WriteLine($"  {benchmark.Name,-12} {benchmark.Help}");
    return 2;
}

Machine.Print();
await chosen.RunAsync(new BenchmarkOptions(args[1..]));
return 0;
