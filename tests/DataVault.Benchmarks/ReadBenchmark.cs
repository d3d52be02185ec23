using System.Diagnostics;
using System.Net;
using DataVault.Testing;

namespace DataVault.Benchmarks;

/// <summary>
/// Audited, policy-checked, decrypted read of 6 of 12 fields over HTTP, against (a) a minimal API with EF Core on the same
/// plaintext row, (b) EF Core with a DataProtection converter per field and an audit row per read, (c) pgcrypto without audit. All four answer the
/// same load from the same machine in the same minute: one round runs each of them, the next in the reverse order.
/// </summary>
internal sealed class ReadBenchmark(int people, int rounds, TimeSpan duration, string peerPool)
{
    private const string Fields = "givenName,familyName,email,phone,customerNumber,loyaltyTier";
    private const int WarmRequests = 60_000;
    private const int WarmTurns = 20;
    private static readonly int[] CallerCounts = [1, 16, 64];

    public static Task RunAsync(BenchmarkOptions options) =>
        new ReadBenchmark(options.Number("people", 5000), options.Number("rounds", 7), TimeSpan.FromSeconds(options.Number("seconds", 2)), options.Text("peers", "")).RunAsync();

    private async Task RunAsync()
    {
        await using var vault = await VaultUnderLoad.StartAsync();
        var persons = VaultUnderLoad.MakePeople(people);
        var ids = await vault.CreateAsync(persons);
        var token = await vault.TokenAsync("support-desk");
        var port = ServerProcess.FreePort();
        var jwks = await vault.Http.GetStringAsync(new Uri("/.well-known/jwks.json", UriKind.Relative));
        using var peers = await StartPeersAsync($"{vault.AdministratorConnection("baseline")};{peerPool}", port, jwks);

        var sides = new[]
        {
            Side("vault", vault.EndPoint, ids, id => $"/v1/customers/{id}?purpose=customer-support&fields={Fields}", vault.Host, token),
            Side("EF Core plaintext", new IPEndPoint(IPAddress.Loopback, port), persons.Select(p => p.Id), id => $"/plain/{id}", $"127.0.0.1:{port}", token),
            Side("EF Core + DataProtection + audit row", new IPEndPoint(IPAddress.Loopback, port), persons.Select(p => p.Id), id => $"/protected/{id}?purpose=customer-support", $"127.0.0.1:{port}", token),
            Side("pgcrypto, unaudited", new IPEndPoint(IPAddress.Loopback, port), persons.Select(p => p.Id), id => $"/pgcrypto/{id}", $"127.0.0.1:{port}", token),
        };
        foreach (var side in sides) await WarmUpAsync(side.Load);
        foreach (var callers in CallerCounts) await CompareAsync(sides, callers);
        peers.Kill();
    }

    /// <summary>The peers' own process, as the vault has one.</summary>
    private async Task<Process> StartPeersAsync(string connection, int port, string jwks)
    {
        string[] arguments = [Environment.GetCommandLineArgs()[0], "peers", $"people={people}", $"port={port}", $"connection={connection}", $"jwks={jwks}"];
        var process = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true })!;
        return await process.StandardOutput.ReadLineAsync() == Baseline.Serving ? process : throw new InvalidOperationException("The peers did not start.");
    }

    private static (string Name, LoadGenerator Load) Side(
        string name, IPEndPoint target, IEnumerable<Guid> ids, Func<Guid, string> path, string host, string token) =>
        (name, new LoadGenerator(target, [.. ids.Select(id => LoadGenerator.Get(path(id), host, token))]));

    // Until the run-time has compiled what it runs for good: a young process spends most of its time on that.
    private static async Task WarmUpAsync(LoadGenerator load)
    {
        for (var (served, turn) = (0, 0); served < WarmRequests && turn < WarmTurns; turn++)
            served += (await load.RunAsync(64, TimeSpan.FromSeconds(2))).Requests;
    }

    private async Task CompareAsync((string Name, LoadGenerator Load)[] sides, int callers)
    {
        foreach (var side in sides) await side.Load.RunAsync(callers, duration);
        var results = sides.ToDictionary(side => side.Name, _ => new List<LoadResult>());
        for (var round = 0; round < rounds; round++)
        {
            foreach (var (name, load) in round % 2 == 0 ? sides : sides.Reverse()) results[name].Add(await load.RunAsync(callers, duration));
        }

        Print(callers, sides[0].Name, results);
    }

    private static void Print(int callers, string ours, Dictionary<string, List<LoadResult>> results)
    {
        Console.WriteLine($"{callers} callers");
        foreach (var (name, runs) in results)
        {
            var ratios = runs.Select((run, round) => results[ours][round].PerSecond / run.PerSecond).Order().ToArray();
            Console.WriteLine(
                $"  {name,-38} {Median(runs, r => r.PerSecond),8:0} requests/s   p50 {Median(runs, r => r.P50Milliseconds),7:0.00} ms   p99 {Median(runs, r => r.P99Milliseconds),7:0.00} ms"
                + $"   vault is {ratios[ratios.Length / 2]:0.00}x ({ratios[0]:0.00} to {ratios[^1]:0.00})   failures {runs.Sum(r => r.Failures)}");
        }
    }

    private static double Median(List<LoadResult> runs, Func<LoadResult, double> figure)
    {
        var ordered = runs.Select(figure).Order().ToArray();
        return ordered[ordered.Length / 2];
    }
}
