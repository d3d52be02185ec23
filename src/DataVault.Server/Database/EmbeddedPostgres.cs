using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace DataVault.Server.Database;

/// <param name="Home">The vault's folder; the cluster lies in <c>postgres</c> below it.</param>
/// <param name="LoginRoles">Database roles that this process's system user may log in as over the socket.</param>
/// <param name="SearchPath">The PATH of the process.</param>
internal sealed record EmbeddedPostgresOptions(string Home, IReadOnlyList<string> LoginRoles, string SearchPath)
{
    /// <summary>Off only for throw-away test clusters.</summary>
    public bool Durable { get; init; } = true;

    public Action<string> Progress { get; init; } = _ => { };
}

/// <summary>
/// A private PostgreSQL cluster that belongs to one vault folder.
/// <code>
/// postgres/conf/     configuration, written anew at every start; belongs to this process's user
/// postgres/data/     the cluster; belongs to the database's account, mode 0700
/// postgres/log/      the database's own log
/// socket folder      mode 0700, the only way in for the vault (peer authentication through a map of names)
/// 127.0.0.1:port     for analysts' tools alone: members of dv_analysts, SCRAM passwords
/// </code>
/// The database is started through pg_ctl, so it lives in a session of its own: Ctrl-C reaches only this process, which drains its
/// requests before it stops the database. If this process is killed, the database goes on and the next start adopts it.
/// </summary>
internal sealed class EmbeddedPostgres : IAsyncDisposable
{
    public const string Administrator = "vault_admin";
    public const string AnalystGroup = "dv_analysts";
    private const string LocationFile = "postgres.location";
    private const int LongestSocketPath = 103;
    private static readonly TimeSpan PatienceAtStart = TimeSpan.FromSeconds(60);

    private readonly EmbeddedPostgresOptions _options;
    private readonly PostgresBinaries _binaries;
    private readonly DatabaseAccount _account;
    private readonly string _cluster;

    private EmbeddedPostgres(EmbeddedPostgresOptions options, PostgresBinaries binaries, DatabaseAccount account, string cluster)
    {
        _options = options;
        _binaries = binaries;
        _account = account;
        _cluster = cluster;
        Socket = SocketFolder(cluster);
    }

    /// <summary>Folder of the Unix socket: the host of a connection string.</summary>
    public string Socket { get; }

    /// <summary>TCP port on 127.0.0.1, also the socket's number.</summary>
    public int Port { get; private set; }

    /// <summary>Whether the cluster was made by this start.</summary>
    public bool IsNew { get; private set; }

    public string LogFile => Path.Combine(_cluster, "log", "postgres.log");

    private string Data => Path.Combine(_cluster, "data");

    private string Configuration => Path.Combine(_cluster, "conf");

    /// <summary>Finds or installs PostgreSQL, finds or makes the cluster, and returns once it accepts connections.</summary>
    /// <exception cref="StartupException">One line saying what is wrong and what to do.</exception>
    public static async Task<EmbeddedPostgres> StartAsync(EmbeddedPostgresOptions options, CancellationToken cancellation)
    {
        var cluster = ClusterOf(options.Home);
        var binaries = await PostgresBinaries.ObtainAsync(options.SearchPath, VersionOf(cluster), options.Progress, cancellation);
        var account = DatabaseAccount.Choose();
        cluster = await PlaceAsync(cluster, account, options, cancellation);
        var postgres = new EmbeddedPostgres(options, binaries, account, cluster);
        await postgres.InitialiseAsync(cancellation);
        await postgres.EnsureRunningAsync(cancellation);
        return postgres;
    }

    /// <summary>Connection string of a database for a login role, over the socket.</summary>
    public string ConnectionString(string database, string role) => ConnectionString(Socket, Port, database, role);

    /// <summary>The same for the cluster of a folder that another process of ours runs at this moment; null when there is none.</summary>
    public static Func<string, string, string>? FindRunning(string home)
    {
        // What a killed cluster leaves behind names a process that is none.
        var data = Path.Combine(ClusterOf(home), "data");
        if (RunningProcess(data) is not { } running || File.ReadAllLines(Path.Combine(data, "postmaster.pid")) is not [_, _, _, _, var socket, ..])
            return null;
        return (database, role) => ConnectionString(socket, running.Port, database, role);
    }

    /// <summary>Whether the folder has a cluster, running or not.</summary>
    public static bool IsIn(string home) => VersionOf(ClusterOf(home)) is not null;

    private static string ClusterOf(string home) => RememberedCluster(home) ?? Path.Combine(Path.GetFullPath(home), "postgres");

    private static string ConnectionString(string socket, int port, string database, string role) =>
        new NpgsqlConnectionStringBuilder { Host = socket, Port = port, Database = database, Username = role }.ConnectionString;

    /// <summary>Restarts the database whenever its process is gone, waiting longer after each failure, until cancelled.</summary>
    public async Task SuperviseAsync(Action<string> report, CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        var failures = 0;
        while (await timer.WaitForNextTickAsync(cancellation))
        {
            if (RunningProcess() is not null)
                continue;
            report("The database process is gone; starting it again");
            try
            {
                await LaunchAsync(cancellation);
                failures = 0;
                report("The database is back");
            }
            catch (StartupException e)
            {
                failures = Math.Min(failures + 1, 5);
                report(e.Message);
                await Task.Delay(TimeSpan.FromSeconds(1 << failures), cancellation);
            }
        }
    }

    /// <summary>Stops the database: open transactions are rolled back, everything committed is on disk.</summary>
    public async ValueTask DisposeAsync()
    {
        if (RunningProcess() is not null)
            await _account.RunAsync(_binaries["pg_ctl"], ["stop", "-D", Data, "-m", "fast", "-w", "-t", "60"], CancellationToken.None);
    }

    private static string? RememberedCluster(string home)
    {
        var file = Path.Combine(home, LocationFile);
        return File.Exists(file) ? File.ReadAllText(file).Trim() : null;
    }

    private static string ShortHash(string text) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..16];

    private static int? VersionOf(string cluster)
    {
        var file = Path.Combine(cluster, "data", "PG_VERSION");
        return File.Exists(file) ? int.Parse(File.ReadAllText(file).Trim(), CultureInfo.InvariantCulture) : null;
    }

    private static async Task<string> PlaceAsync(
        string cluster, DatabaseAccount account, EmbeddedPostgresOptions options, CancellationToken cancellation)
    {
        FileModes.MakeFolder(cluster, FileModes.Passable);
        if (await account.CanEnterAsync(cluster, cancellation))
            return cluster;
        Directory.Delete(cluster);
        // Random, so that a vault folder that was deleted and made anew does not meet the database of its predecessor.
        var elsewhere = Path.Combine("/var/lib/datavault", RandomNumberGenerator.GetHexString(16, lowercase: true));
        options.Progress($"The database's account cannot enter {options.Home}: its cluster is placed in {elsewhere}");
        FileModes.MakeFolder(elsewhere, FileModes.Passable);
        await File.WriteAllTextAsync(Path.Combine(options.Home, LocationFile), elsewhere + "\n", cancellation);
        return elsewhere;
    }

    private static string SocketFolder(string cluster)
    {
        var beside = Path.Combine(cluster, "socket");
        return beside.Length + "/.s.PGSQL.65535.lock".Length <= LongestSocketPath ? beside : Path.Combine("/tmp", "datavault-" + ShortHash(cluster));
    }

    private async Task InitialiseAsync(CancellationToken cancellation)
    {
        foreach (var folder in new[] { Path.Combine(_cluster, "log"), Socket })
            await _account.MakePrivateFolderAsync(folder, cancellation);
        FileModes.MakeFolder(Configuration, FileModes.Passable);
        if (Directory.Exists(Data))
            return;
        _options.Progress($"Making a database cluster with PostgreSQL {_binaries.Version} in {_cluster}");
        // A start that is killed half-way leaves only this folder, never half a cluster under the real name.
        var unfinished = Data + ".new";
        if (Directory.Exists(unfinished))
            Directory.Delete(unfinished, recursive: true);
        await _account.MakePrivateFolderAsync(unfinished, cancellation);
        List<string> arguments =
        [
            "-D", unfinished, "-U", Administrator, "--auth-local=peer", "--auth-host=scram-sha-256", "-E", "UTF8",
            OperatingSystem.IsMacOS() ? "--locale=C" : "--locale=C.UTF-8", "--data-checksums", "--no-instructions",
        ];
        if (!_options.Durable)
            arguments.Add("--no-sync");
        var made = await _account.RunAsync(_binaries["initdb"], arguments, cancellation);
        if (!made.Succeeded)
            throw new StartupException($"The database cluster could not be made: {made.LastLine}");
        Directory.Move(unfinished, Data);
        IsNew = true;
    }

    private async Task EnsureRunningAsync(CancellationToken cancellation)
    {
        if (RunningProcess() is { } running)
        {
            Port = running.Port;
            WriteConfiguration();
            await _account.RunAsync(_binaries["pg_ctl"], ["reload", "-D", Data], cancellation);
            if (await AcceptsAsync(cancellation))
            {
                _options.Progress($"Adopted the database that was still running (process {running.Id})");
                return;
            }
            await DisposeAsync();
        }
        Port = ChoosePort();
        WriteConfiguration();
        await LaunchAsync(cancellation);
    }

    private async Task LaunchAsync(CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var started = await _account.RunAsync(
                _binaries["pg_ctl"],
                ["start", "-D", Data, "-l", LogFile, "-w", "-t", "120", "-s", "-o", $"-c config_file='{Path.Combine(Configuration, "postgresql.conf")}'"],
                cancellation);
            if (started.Succeeded || RunningProcess() is not null && await AcceptsAsync(cancellation))
                return;
            // Backends of a killed postmaster hold its shared memory for a moment; a new one refuses to start beside them.
            if (clock.Elapsed > PatienceAtStart)
                throw new StartupException($"PostgreSQL does not start ({started.LastLine}); its log is {LogFile}");
            await Task.Delay(TimeSpan.FromMilliseconds(500), cancellation);
        }
    }

    private async Task<bool> AcceptsAsync(CancellationToken cancellation)
    {
        var settings = new NpgsqlConnectionStringBuilder(ConnectionString("postgres", Administrator)) { Pooling = false, Timeout = 10 };
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        for (var attempt = 0; attempt < 20; attempt++)
        {
            try
            {
                await connection.OpenAsync(cancellation);
                return true;
            }
            catch (NpgsqlException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(250), cancellation);
            }
        }
        return false;
    }

    /// <summary>The live postmaster of this cluster, from its pid file; null when that is absent, stale or of a zombie.</summary>
    private (int Id, int Port)? RunningProcess() => RunningProcess(Data);

    private static (int Id, int Port)? RunningProcess(string data)
    {
        try
        {
            var lines = File.ReadAllLines(Path.Combine(data, "postmaster.pid"));
            var id = int.Parse(lines[0], CultureInfo.InvariantCulture);
            return IsPostmaster(id, data) ? (id, int.Parse(lines[3], CultureInfo.InvariantCulture)) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or IndexOutOfRangeException)
        {
            return null;
        }
    }

    private static bool IsPostmaster(int id, string data)
    {
        try
        {
            if (OperatingSystem.IsLinux())
            {
                // After a reboot the number may belong to any other program; the third field of stat is Z once a process is only waiting to be reaped.
                var command = File.ReadAllText($"/proc/{id}/cmdline").Split('\0');
                var stat = File.ReadAllText($"/proc/{id}/stat");
                return command.Contains(data) && stat[(stat.LastIndexOf(')') + 2)] != 'Z';
            }
            using var process = Process.GetProcessById(id);
            return process.ProcessName.StartsWith("postgres", StringComparison.Ordinal) && !process.HasExited;
        }
        catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private int ChoosePort()
    {
        var file = Path.Combine(Configuration, "port");
        if (File.Exists(file) && int.TryParse(File.ReadAllText(file), CultureInfo.InvariantCulture, out var remembered) && TryBind(remembered) is { } free)
            return free;
        var port = TryBind(0) ?? throw new StartupException("No TCP port is free on 127.0.0.1.");
        File.WriteAllText(file, port.ToString(CultureInfo.InvariantCulture));
        return port;
    }

    private static int? TryBind(int port)
    {
        using var listener = new TcpListener(IPAddress.Loopback, port);
        try
        {
            listener.Start();
            return ((IPEndPoint)listener.LocalEndpoint).Port;
        }
        catch (SocketException)
        {
            return null;
        }
    }

    private void WriteConfiguration()
    {
        File.WriteAllText(Path.Combine(Configuration, "postgresql.conf"), Settings());
        File.WriteAllText(
            Path.Combine(Configuration, "pg_hba.conf"),
            $"local all all peer map=vault\nhost vault +{AnalystGroup} 127.0.0.1/32 scram-sha-256\n");
        var roles = _options.LoginRoles.Append(Administrator);
        File.WriteAllText(
            Path.Combine(Configuration, "pg_ident.conf"),
            string.Concat(roles.Select(role => $"vault {Environment.UserName} {role}\n")));
        foreach (var file in Directory.EnumerateFiles(Configuration))
            FileModes.Set(file, FileModes.PublicFile);
    }

    // The log settings keep statements, parameters and the DETAIL lines of errors, which quote values, out of the database's log.
    private string Settings() => $"""
        data_directory = '{Quoted(Data)}'
        hba_file = '{Quoted(Path.Combine(Configuration, "pg_hba.conf"))}'
        ident_file = '{Quoted(Path.Combine(Configuration, "pg_ident.conf"))}'
        listen_addresses = '127.0.0.1'
        port = {Port}
        unix_socket_directories = '{Quoted(Socket)}'
        password_encryption = 'scram-sha-256'
        max_connections = 150
        shared_buffers = '256MB'
        max_wal_size = '2GB'
        wal_compression = on
        random_page_cost = 1.1
        fsync = {(_options.Durable ? "on" : "off")}
        synchronous_commit = {(_options.Durable ? "on" : "off")}
        full_page_writes = {(_options.Durable ? "on" : "off")}
        log_line_prefix = '%m [%p] %u@%d '
        log_timezone = 'UTC'
        timezone = 'UTC'
        log_error_verbosity = terse
        log_min_error_statement = panic
        log_min_duration_statement = -1
        log_statement = none
        log_parameter_max_length = 0
        log_parameter_max_length_on_error = 0
        """ + "\n";

    private static string Quoted(string path) => path.Replace("'", "''", StringComparison.Ordinal);
}
