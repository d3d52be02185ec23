using System.Diagnostics;
using Npgsql;

namespace DataVault.Testing;

/// <summary>
/// A throw-away PostgreSQL cluster: made in the folder for such things, reached over a Unix socket, gone with the process that made it, however that ends
/// (a shell between the two waits for its input to close). Not durable: never for anything but tests.
/// </summary>
public sealed class PostgresCluster : IAsyncDisposable
{
    private const string Superuser = "postgres";
    private const string Keeper =
        """
        "$1" -D "$2/data" -k "$2" >>"$2/log" 2>&1 & p=$!
        read -r order
        if [ "$order" = stop ]; then kill -INT $p; wait $p; exit 0; fi
        if [ "$order" = crash ]; then kill -QUIT $p; wait $p; exit 0; fi
        kill -QUIT $p; wait $p; rm -rf "$2"
        """;

    private static readonly Lazy<Task<PostgresCluster>> SharedCluster = new(StartNewAsync);
    private readonly string folder;
    private readonly string binaries;
    private Process? keeper;

    private PostgresCluster(string folder, string binaries)
    {
        (this.folder, this.binaries) = (folder, binaries);
        keeper = StartKeeper();
    }

    /// <summary>The cluster of this test process.</summary>
    public static Task<PostgresCluster> SharedAsync() => SharedCluster.Value;

    /// <summary>A cluster of one's own, for tests that stop or break it.</summary>
    public static async Task<PostgresCluster> StartNewAsync()
    {
        var binaries = FindBinaries();
        var folder = await MakeFolderAsync();
        await RunAsAccountAsync(Path.Combine(binaries, "initdb"), "-D", folder + "/data", "-A", "trust", "-U", Superuser, "--no-sync", "-E", "UTF8", "--locale=C");
        await RunAsAccountAsync("sh", "-c", $"printf '%s\\n' {Quoted(Settings)} >> {folder}/data/postgresql.conf");
        var cluster = new PostgresCluster(folder, binaries);
        await cluster.WaitAsync();
        return cluster;
    }

    public string ConnectionString(string database, string login = Superuser) =>
        $"Host={folder};Username={login};Database={database};Timeout=5;Command Timeout=30";

    /// <summary>Each statement by itself, as the superuser.</summary>
    public async Task ExecuteAsync(string database, params string[] statements)
    {
        await using var connection = new NpgsqlConnection(ConnectionString(database) + ";Pooling=false");
        await connection.OpenAsync();
        foreach (var sql in statements)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync();
        }
    }

    /// <summary>Stops the server in order; its data stay.</summary>
    public Task StopAsync() => OrderAsync("stop");

    /// <summary>Ends the server as a power cut would; its data stay.</summary>
    public Task CrashAsync() => OrderAsync("crash");

    public async Task StartAsync()
    {
        keeper = StartKeeper();
        await WaitAsync();
    }

    /// <summary>A copy of this server that follows it by streaming replication, and can be promoted.</summary>
    public async Task<PostgresCluster> StartStandbyAsync()
    {
        var place = await MakeFolderAsync();
        await RunAsAccountAsync(Tool("pg_basebackup"), "-h", folder, "-U", Superuser, "-D", place + "/data", "-R", "-X", "stream", "-c", "fast", "--no-sync");
        var standby = new PostgresCluster(place, binaries);
        await standby.WaitAsync();
        return standby;
    }

    /// <summary>What <c>pg_dump</c> writes of a database.</summary>
    public async Task<byte[]> DumpAsync(string database, params string[] options)
    {
        using var process = Start([Tool("pg_dump"), "-h", folder, "-U", Superuser, "-d", database, .. options], input: false);
        using var dump = new MemoryStream();
        var complaints = process.StandardError.ReadToEndAsync();
        await process.StandardOutput.BaseStream.CopyToAsync(dump);
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new InvalidOperationException($"pg_dump failed: {await complaints}");
        return dump.ToArray();
    }

    /// <summary>Makes a database of a dump in PostgreSQL's custom format, in place of the one that has the name.</summary>
    public async Task RestoreDumpAsync(string database, byte[] dump)
    {
        NpgsqlConnection.ClearAllPools();
        await ExecuteAsync("postgres", $"drop database if exists {database} with (force)");
        await ExecuteAsync("postgres", $"create database {database} template template0");
        using var process = Start([Tool("pg_restore"), "-h", folder, "-U", Superuser, "-d", database, "--exit-on-error"], input: true);
        await process.StandardInput.BaseStream.WriteAsync(dump);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new InvalidOperationException($"pg_restore ended with {process.ExitCode}.");
    }

    /// <summary>Lets a standby take writes.</summary>
    public Task PromoteAsync() => ExecuteAsync("postgres", "select pg_promote(true, 60)");

    /// <summary>The same connection string to whichever of two servers takes writes.</summary>
    public static string Either(string connectionString, PostgresCluster one, PostgresCluster other) =>
        new NpgsqlConnectionStringBuilder(connectionString) { Host = one.folder + "," + other.folder }.ConnectionString;

    /// <summary>Whether <see cref="LimitFilesAsync"/> can be had here; where the tests must run whole, it must.</summary>
    public static bool CanLimitFiles => File.Exists("/usr/bin/prlimit") || Environment.GetEnvironmentVariable("CI") == "true";

    /// <summary>No file of the server may grow beyond so many bytes, as on a full disk; null lifts the limit.</summary>
    public async Task LimitFilesAsync(long? bytes)
    {
        var server = int.Parse((await File.ReadAllLinesAsync(folder + "/data/postmaster.pid"))[0], System.Globalization.CultureInfo.InvariantCulture);
        var children = await File.ReadAllTextAsync($"/proc/{server}/task/{server}/children");
        await LimitAsync(server, bytes);
        foreach (var child in children.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            try
            {
                await LimitAsync(int.Parse(child, System.Globalization.CultureInfo.InvariantCulture), bytes);
            }
            catch (InvalidOperationException) when (!Directory.Exists("/proc/" + child))
            {
                // It ended by itself, as the server's short-lived workers do.
                continue;
            }
        }
    }

    private static Task LimitAsync(int process, long? bytes) =>
        RunAsAccountAsync("prlimit", "--pid", $"{process}", $"--fsize={(bytes is { } limit ? limit : "unlimited")}:unlimited");

    public async ValueTask DisposeAsync()
    {
        if (keeper is not { } running) return;
        keeper = null;
        running.StandardInput.Close();
        await running.WaitForExitAsync();
        running.Dispose();
    }

    private static async Task<string> MakeFolderAsync()
    {
        var folder = ScratchFolder.NewPath("dv-");
        if (IsRoot) await RunAsync("install", "-d", "-m", "700", "-o", Superuser, "-g", Superuser, folder);
        else await RunAsync("install", "-d", "-m", "700", folder);
        return folder;
    }

    private static IReadOnlyList<string> Settings =>
        ["listen_addresses = ''", "fsync = off", "full_page_writes = off", "max_connections = 400", "shared_buffers = 128MB", "max_wal_size = 1GB", "log_min_messages = warning"];

    private static bool IsRoot => !OperatingSystem.IsWindows() && Environment.UserName == "root";

    private async Task OrderAsync(string order)
    {
        var running = keeper ?? throw new InvalidOperationException("The server does not run.");
        keeper = null;
        await running.StandardInput.WriteLineAsync(order);
        running.StandardInput.Close();
        await running.WaitForExitAsync();
        running.Dispose();
    }

    private Process StartKeeper() => Start(AsAccount("sh", "-c", Keeper, "sh", Path.Combine(binaries, "postgres"), folder), input: true);

    private async Task WaitAsync()
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                await ExecuteAsync("postgres", "select 1");
                return;
            }
            catch (NpgsqlException) when (attempt < 300 && keeper is { HasExited: false })
            {
                await Task.Delay(50);
            }
        }
    }

    private static string FindBinaries() =>
        Folders().FirstOrDefault(bin => File.Exists(Path.Combine(bin, "initdb")) && File.Exists(Path.Combine(bin, "postgres")))
        ?? throw new InvalidOperationException("These tests need PostgreSQL 15 or later: apt-get install postgresql.");

    // A server may be on the path by its two programs alone.
    private static string Tool(string name) => Folders().Select(bin => Path.Combine(bin, name)).FirstOrDefault(File.Exists) ?? name;

    private static IEnumerable<string> Folders()
    {
        var onPath = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        var usual = new[] { "/usr/lib/postgresql", "/usr/pgsql", "/usr/local/pgsql", "/opt/homebrew/opt" }
            .Where(Directory.Exists).SelectMany(Directory.GetDirectories).OrderDescending().Select(versioned => Path.Combine(versioned, "bin"));
        return onPath.Concat(usual);
    }

    private static string[] AsAccount(params string[] command) =>
        IsRoot ? ["setpriv", "--reuid=" + Superuser, "--regid=" + Superuser, "--clear-groups", "--reset-env", .. command] : command;

    private static Task RunAsAccountAsync(params string[] command) => RunAsync(AsAccount(command));

    private static async Task RunAsync(params string[] command)
    {
        using var process = Start(command, input: false);
        var output = await process.StandardOutput.ReadToEndAsync() + await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{command[0]} failed: {output}");
    }

    private static Process Start(string[] command, bool input)
    {
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardInput = input, RedirectStandardOutput = !input, RedirectStandardError = !input, WorkingDirectory = "/",
        };
        return Process.Start(start) ?? throw new InvalidOperationException($"{command[0]} did not start.");
    }

    private static string Quoted(IEnumerable<string> words) => string.Join(' ', words.Select(word => "'" + word.Replace("'", "'\\''", StringComparison.Ordinal) + "'"));
}
