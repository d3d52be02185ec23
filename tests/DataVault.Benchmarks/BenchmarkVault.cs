using DataVault.Policy;
using DataVault.Testing;
using Npgsql;

namespace DataVault.Benchmarks;

/// <summary>
/// A vault in this process on a private PostgreSQL cluster whose commits are durable, and a database for the peers on the same cluster.
/// The workers of a server (signing checkpoints, indexing the log, feeding analytics) do not run.
/// </summary>
internal sealed class BenchmarkVault : IAsyncDisposable
{
    private const string PeerName = "peer";

    private readonly DatabasePerClass databases;

    private BenchmarkVault(DatabasePerClass databases, RunningVault vault, NpgsqlConnectionStringBuilder peer)
    {
        (this.databases, Vault, Peer) = (databases, vault, NpgsqlDataSource.Create(peer));
        peer.Multiplexing = true;
        PeerReads = NpgsqlDataSource.Create(peer);
    }

    public RunningVault Vault { get; }

    /// <summary>Where the peers keep their tables; the same settings of the driver as the vault has.</summary>
    public NpgsqlDataSource Peer { get; }

    /// <summary>The same for single reads, over connections that callers share, as the vault reads.</summary>
    public NpgsqlDataSource PeerReads { get; }

    public static Recipient Ingest { get; } = new(RecipientKind.Application, "crm-ingest", "CRM", ["ingest"], ["service-delivery"]);

    public static async Task<BenchmarkVault> StartAsync()
    {
        var cluster = await PostgresCluster.SharedAsync();
        foreach (var setting in new[] { "fsync = on", "full_page_writes = on", "shared_buffers = '2GB'", "max_wal_size = '4GB'" })
            await cluster.ExecuteAsync("postgres", "alter system set " + setting);
        await cluster.StopAsync();
        await cluster.StartAsync();
        var databases = await DatabasePerClass.CreateAsync();
        await cluster.ExecuteAsync("postgres", "create database " + PeerName);
        var vault = await databases.StartVaultAsync();
        var settings = new NpgsqlConnectionStringBuilder(cluster.ConnectionString(PeerName)) { NoResetOnClose = true, MaxAutoPrepare = 100, AutoPrepareMinUsages = 2, CommandTimeout = 600 };
        return new BenchmarkVault(databases, vault, settings);
    }

    public string Home => databases.Home;

    /// <summary>Another process of the same vault, started as after a restart.</summary>
    public Task<RunningVault> StartBesideAsync() => databases.StartVaultAsync();

    /// <summary>Connection to the vault's database as its owner.</summary>
    public string VaultAdmin => databases.VaultAdmin;

    /// <summary>Runs as the owner of the vault's database.</summary>
    public Task AsOwnerAsync(string sql) => databases.Cluster.ExecuteAsync(databases.VaultName, sql);

    public Task OnKeysAsync(string sql) => databases.Cluster.ExecuteAsync(databases.KeysName, sql);

    public Task OnPeerAsync(string sql) => databases.Cluster.ExecuteAsync(PeerName, sql);

    /// <summary>Size of a relation of the vault or of the peer.</summary>
    public async Task<long> SizeAsync(bool ofPeer, string relation)
    {
        await using var connection = new NpgsqlConnection(databases.Cluster.ConnectionString(ofPeer ? PeerName : databases.VaultName) + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand($"select pg_total_relation_size('{relation}')", connection);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Empties what ingest fills, so that every round begins alike. The log is left: it cannot be emptied, and it does not grow slower.</summary>
    public async Task EmptyAsync()
    {
        await AsOwnerAsync("truncate vault.subject, vault.identifier, vault.search_term, vault.event, vault.feed_queue");
        await OnKeysAsync("truncate keys.subject_key, keys.page");
    }

    public async ValueTask DisposeAsync()
    {
        await Vault.DisposeAsync();
        await Peer.DisposeAsync();
        await PeerReads.DisposeAsync();
        await databases.DisposeAsync();
    }
}
