using System.Collections.Concurrent;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Vault.Tests.Keys;

/// <summary>The keys lie on a server of their own, which fails in the middle of writes and reads.</summary>
public sealed class KeysOutageTests
{
    private const int Callers = 8;

    [Fact]
    public async Task A_fail_over_of_the_keys_database_loses_nobody_releases_nothing_unlogged_and_needs_nobody()
    {
        await using var primary = await PostgresCluster.StartNewAsync();
        await using var keys = await DatabasePerClass.CreateOnAsync(primary);
        await using var data = await DatabasePerClass.CreateAsync();
        await using var standby = await primary.StartStandbyAsync();
        await primary.ExecuteAsync("postgres", "alter system set synchronous_standby_names = '*'");
        await primary.ExecuteAsync("postgres", "select pg_reload_conf()");
        var options = new VaultOptions
        {
            DataConnection = data.Options().DataConnection, KeysConnection = PostgresCluster.Either(keys.Options().KeysConnection, primary, standby), Home = data.Home, Development = true,
        };
        await using (var vault = await data.StartVaultAsync(options: options))
        {
            await using var load = new PeopleLoad(vault, Callers);
            await load.UntilAsync(() => load.Made.Count >= 40);
            await primary.CrashAsync();
            await load.UntilAsync(() => load.Refused >= 3);
            await standby.PromoteAsync();
            var before = load.Made.Count;
            await load.UntilAsync(() => load.Made.Count >= before + 40);
            await load.StopAsync();
            Assert.Empty(load.Surprises);
            var entries = (await Audit.Log.ReadAllAsync(vault)).Select((entry, index) => (entry, index)).Where(one => one.entry is { Type: EntryType.FieldRead, Result: EntryResult.Ok }).Select(one => (long)one.index).ToHashSet();
            Assert.All(load.Released, index => Assert.Contains(index, entries));
            Assert.True((await Audit.Log.VerifyAsync(vault)).Ok);
            // Another process, which has no key in its cache: everybody who was acknowledged is there and reads.
            await using var next = await data.StartVaultAsync(options: options);
            foreach (var (subject, name) in load.Made) Assert.Equal(name, await PeopleLoad.NameAsync(next, subject));
        }

        await primary.StartAsync();
        await primary.ExecuteAsync("postgres", "alter system reset synchronous_standby_names");
        await primary.ExecuteAsync("postgres", "select pg_reload_conf()");
    }

    /// <summary>Callers who make people and read them again.</summary>
    private sealed class PeopleLoad : IAsyncDisposable
    {
        private readonly CancellationTokenSource stop = new();
        private readonly Task running;
        private int refused;

        public PeopleLoad(RunningVault vault, int callers) => running = Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(() => RunAsync(vault))));

        public ConcurrentDictionary<SubjectId, string> Made { get; } = new();

        public ConcurrentBag<long> Released { get; } = [];

        public ConcurrentBag<string> Surprises { get; } = [];

        public int Refused => refused;

        public async Task UntilAsync(Func<bool> holds)
        {
            for (var waited = 0; !holds(); waited++)
            {
                Assert.True(waited < 2400 && Surprises.IsEmpty, $"made {Made.Count}, refused {Refused}: {string.Join("; ", Surprises)}");
                await Task.Delay(50);
            }
        }

        public async Task StopAsync()
        {
            await stop.CancelAsync();
            await running;
        }

        public async ValueTask DisposeAsync()
        {
            await StopAsync();
            stop.Dispose();
        }

        public static async Task<string?> NameAsync(RunningVault vault, SubjectId subject) =>
            JsonSerializer.Deserialize<string>((await ReadAsync(vault, subject)).Fields.Single().Utf8Json.Span);

        private static Task<Disclosure> ReadAsync(RunningVault vault, SubjectId subject) => vault.Get<DisclosureGate>().ReadAsync(
            new ReadQuery(StoreVault.Support, subject, "customer-support", StoreVault.Items("givenName"), false, Guid.NewGuid()), CancellationToken.None);

        private async Task RunAsync(RunningVault vault)
        {
            while (!stop.IsCancellationRequested)
            {
                var name = "N" + Guid.NewGuid().ToString("N")[..8];
                try
                {
                    var customer = new NewCustomer(StoreVault.Object($$"""{ "givenName": "{{name}}" }"""), "crm", null, "2026-01", "service-delivery", null);
                    var made = await vault.Get<ProfileEditor>().CreateAsync(StoreVault.Ingest, customer, null, Guid.NewGuid(), CancellationToken.None);
                    Made[made.Id] = name;
                    Released.Add((await ReadAsync(vault, made.Id)).LogIndex);
                }
                catch (VaultException e) when (e.Slug == "unavailable")
                {
                    Interlocked.Increment(ref refused);
                    await Task.Delay(20);
                }
                catch (Exception e)
                {
                    Surprises.Add($"{e.GetType().Name} {e.Message}");
                    return;
                }
            }
        }
    }
}
