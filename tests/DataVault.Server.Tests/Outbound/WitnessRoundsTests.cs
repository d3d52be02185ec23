using System.Security.Cryptography;
using System.Text;
using DataVault.Server.Outbound;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataVault.Server.Tests.Outbound;

/// <summary>The vault as a client of witnesses.</summary>
public sealed class WitnessRoundsTests
{
    [Fact]
    public async Task Each_new_checkpoint_is_cosigned_and_served_with_its_cosignatures()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync(options: With(databases, quorum: 2));
        await using var one = await WitnessStandIn.StartAsync(vault, "witness.example/w1");
        await using var two = await WitnessStandIn.StartAsync(vault, "witness.example/w2");
        using var state = new OutboundState();
        using var rounds = Rounds(vault, state, one, two);
        var policy = $"log {vault.Get<AuditReader>().VerifierKey}\nwitness a {one.Key}\nwitness b {two.Key}\ngroup both all a b\nquorum both\n";
        Assert.True(NoteVerifier.TryParseFile(policy, out var strict));
        for (var i = 0; i < 3; i++)
        {
            await GrowAsync(vault, 5);
            await rounds.RoundAsync(CancellationToken.None);
            Assert.True(strict!.Verify(Parse(await vault.Get<AuditReader>().WitnessedCheckpointAsync())));
        }

        // A newer checkpoint that nobody has cosigned yet does not push out the one that has its quorum, and proofs are made under that.
        await GrowAsync(vault, 1);
        var served = Parse(await vault.Get<AuditReader>().WitnessedCheckpointAsync());
        Assert.StartsWith("datavault.example/log\n15\n", served.Text, StringComparison.Ordinal);
        Assert.True(strict!.Verify(served));
        Assert.StartsWith("datavault.example/log\n16\n", Parse(await vault.Get<AuditReader>().CheckpointAsync()).Text, StringComparison.Ordinal);
        Assert.Equal("ok", State(state, one));
        Assert.Equal(15, one.Latest);
    }

    [Fact]
    public async Task A_witness_that_is_away_delays_nobody_and_catches_up()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync(options: With(databases, quorum: 1));
        await using var one = await WitnessStandIn.StartAsync(vault, "witness.example/w1");
        await using var two = await WitnessStandIn.StartAsync(vault, "witness.example/w2");
        two.Down = true;
        using var state = new OutboundState();
        var clock = new ManualClock(DateTimeOffset.UnixEpoch.AddYears(60));
        using var rounds = Rounds(vault, state, clock, one, two);
        await GrowAsync(vault, 4);
        await rounds.RoundAsync(CancellationToken.None);
        Assert.Equal(("ok", "away"), (State(state, one), State(state, two)));
        Assert.Equal(2, Parse(await vault.Get<AuditReader>().WitnessedCheckpointAsync()).Signatures.Count);

        two.Down = false;
        await GrowAsync(vault, 4);
        clock.Advance(TimeSpan.FromMinutes(2));
        await rounds.RoundAsync(CancellationToken.None);
        Assert.Equal(("ok", "ok"), (State(state, one), State(state, two)));
        Assert.Equal(8, two.Latest);
    }

    [Fact]
    public async Task After_a_restart_the_witness_says_where_it_is()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        await using var one = await WitnessStandIn.StartAsync(vault, "witness.example/w1");
        using var state = new OutboundState();
        await GrowAsync(vault, 3);
        using (var rounds = Rounds(vault, state, one)) await rounds.RoundAsync(CancellationToken.None);
        await GrowAsync(vault, 3);
        using var again = Rounds(vault, state, one);
        await again.RoundAsync(CancellationToken.None);
        Assert.Equal((6L, "ok"), (one.Latest, State(state, one)));
    }

    [Fact]
    public async Task A_witness_that_saw_more_or_another_log_raises_an_alarm()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        await using var one = await WitnessStandIn.StartAsync(vault, "witness.example/w1");
        await using var two = await WitnessStandIn.StartAsync(vault, "witness.example/w2");
        one.Keep(new Checkpoint("datavault.example/log", 500, MerkleHash.Leaf([1])));
        two.Keep(new Checkpoint("datavault.example/log", 2, MerkleHash.Leaf([1])));
        using var state = new OutboundState();
        using var rounds = Rounds(vault, state, one, two);
        await GrowAsync(vault, 3);
        await rounds.RoundAsync(CancellationToken.None);
        Assert.Equal(("contradicts the log", "contradicts the log"), (State(state, one), State(state, two)));
        Assert.Single(Parse(await vault.Get<AuditReader>().CheckpointAsync()).Signatures);
    }

    [Fact]
    public async Task An_answer_that_does_not_bear_the_witnesses_own_signature_is_not_kept()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        await using var one = await WitnessStandIn.StartAsync(vault, "witness.example/w1");
        using var impostor = new CosignatureKey("witness.example/w1", RandomNumberGenerator.GetBytes(32));
        using var state = new OutboundState();
        using var rounds = Rounds(vault, state, (impostor.VerifierKey, one.Address));
        await GrowAsync(vault, 3);
        await rounds.RoundAsync(CancellationToken.None);
        Assert.Equal("answers without its signature", state.Parts.Single().Value);
        Assert.Single(Parse(await vault.Get<AuditReader>().CheckpointAsync()).Signatures);
    }

    internal static async Task GrowAsync(RunningVault vault, int count)
    {
        var log = vault.Get<AuditLog>();
        for (var i = 0; i < count; i++)
            await log.AppendAsync(log.Entry(EntryType.FieldRead, LogWorker.Keeper, default, "", EntryResult.Ok, [i + 1]));
        await vault.Get<AuditReader>().SignAsync();
    }

    private static VaultOptions With(DatabasePerClass databases, int quorum)
    {
        var options = databases.Options();
        return new VaultOptions { DataConnection = options.DataConnection, KeysConnection = options.KeysConnection, Home = options.Home, Development = true, WitnessQuorum = quorum };
    }

    private static string State(OutboundState state, WitnessStandIn witness) => state.Parts.Single(part => part.Key.EndsWith(witness.Name, StringComparison.Ordinal)).Value;

    private static WitnessRounds Rounds(RunningVault vault, OutboundState state, params WitnessStandIn[] witnesses) => Rounds(vault, state, TimeProvider.System, witnesses);

    private static WitnessRounds Rounds(RunningVault vault, OutboundState state, TimeProvider clock, params WitnessStandIn[] witnesses) =>
        Rounds(vault, state, clock, [.. witnesses.Select(w => (w.Key, w.Address))]);

    private static WitnessRounds Rounds(RunningVault vault, OutboundState state, params (string, string)[] witnesses) => Rounds(vault, state, TimeProvider.System, witnesses);

    private static WitnessRounds Rounds(RunningVault vault, OutboundState state, TimeProvider clock, (string Key, string Address)[] witnesses)
    {
        var options = new OutboundOptions { Witnesses = [.. witnesses.Select(w => new WitnessOptions { Key = w.Key, Address = w.Address })] };
        return new WitnessRounds(options, OutboundHttp.Connect(), vault.Get<LogAnchors>(), vault.Get<AuditReader>(), state, new RoundsContext(clock, NullLogger.Instance));
    }

    private static SignedNote Parse(string? text) => SignedNote.TryParse(text ?? "", out var note) ? note! : throw new FormatException("not a note");

    /// <summary>Our own witness behind a web server.</summary>
    private sealed class WitnessStandIn : IWitnessMemory, IAsyncDisposable
    {
        private readonly CosignatureKey _key;
        private StandIn? _server;
        private Checkpoint? _latest;

        private WitnessStandIn(string name) => _key = new CosignatureKey(name, RandomNumberGenerator.GetBytes(32));

        public bool Down { get; set; }

        public string Key => _key.VerifierKey;

        public string Name => _key.Name;

        public string Address => _server!.Address;

        public long Latest => _latest?.Size ?? 0;

        public static async Task<WitnessStandIn> StartAsync(RunningVault vault, string name)
        {
            var memory = new WitnessStandIn(name);
            var witness = new Witness([NoteVerifier.Parse(vault.Get<AuditReader>().VerifierKey)], memory._key, memory, TimeProvider.System);
            memory._server = await StandIn.StartAsync(async context =>
            {
                var answer = memory.Down ? new WitnessAnswer(503, "") : witness.Add(Encoding.UTF8.GetString(await StandIn.BodyAsync(context)));
                context.Response.StatusCode = answer.Status;
                context.Response.ContentType = answer.ContentType;
                await context.Response.WriteAsync(answer.Body);
            });
            return memory;
        }

        Checkpoint? IWitnessMemory.Latest(string origin) => _latest;

        public void Keep(Checkpoint tree) => _latest = tree;

        public async ValueTask DisposeAsync()
        {
            await _server!.DisposeAsync();
            _key.Dispose();
        }
    }
}
