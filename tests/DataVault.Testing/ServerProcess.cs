using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Npgsql;

namespace DataVault.Testing;

/// <summary>What a Development server wrote of its first start.</summary>
public sealed record FirstRunSecrets(string Address, IReadOnlyList<FirstRunApplication> Clients, IReadOnlyList<FirstRunAccount> People, IReadOnlyList<FirstRunLogin> Analytics, Guid Customer);

/// <summary>An application of the first start.</summary>
public sealed record FirstRunApplication(string Id, string Secret, IReadOnlyList<string> Roles, IReadOnlyList<string> Purposes);

/// <summary>A person of the first start.</summary>
public sealed record FirstRunAccount(string Email, string Password, string Role, string? CodeSecret = null);

/// <summary>An analyst's database login of the first start.</summary>
public sealed record FirstRunLogin(string Domain, string Host, int Port, string Database, string User, string Password);

/// <summary>
/// The built server as a process of its own, on a free port, with a home of its own (and so with its own database). What it is told
/// differs from a plain start only in the size of the sample, the cost of password hashes, the rate limit of strangers and how many of them may fail to sign in.
/// </summary>
public sealed class ServerProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);
    private readonly IReadOnlyDictionary<string, string> _settings;
    private readonly StringBuilder _output = new();
    private readonly bool _limitable;
    private Process? _process;

    private ServerProcess(string home, int port, IReadOnlyDictionary<string, string> settings, bool limitable = false)
    {
        _limitable = limitable;
        Home = home;
        Address = new Uri($"http://127.0.0.1:{port}");
        _settings = settings;
    }

    public string Home { get; }

    public Uri Address { get; }

    /// <summary>The process's temporary folder.</summary>
    public string TemporaryFolder => Path.Combine(Path.GetDirectoryName(Home)!, "tmp");

    public int ProcessId => _process!.Id;

    /// <summary>Everything that the process has written.</summary>
    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    public FirstRunSecrets Secrets => JsonSerializer.Deserialize<FirstRunSecrets>(File.ReadAllText(Path.Combine(Home, "first-run.json")), Json)!;

    /// <summary>Starts a server on a new home and waits until it is ready.</summary>
    /// <param name="settings">What it is told beside.</param>
    /// <param name="port">Where it listens, when somebody must know before; a free one otherwise.</param>
    /// <param name="limitable">Whether <see cref="LimitFilesAsync"/> is asked of it.</param>
    public static async Task<ServerProcess> StartAsync(IReadOnlyDictionary<string, string>? settings = null, int? port = null, bool limitable = false)
    {
        // Readable for the account that the database runs as.
        var home = Directory.CreateDirectory(ScratchFolder.NewPath("datavault-test-")).FullName;
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(home, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        var server = new ServerProcess(Path.Combine(home, ".vault"), port ?? FreePort(), settings ?? new Dictionary<string, string>(), limitable);
        server.Launch();
        await server.WaitUntilReadyAsync();
        return server;
    }

    /// <summary>Runs the server's command <c>migrate</c> and gives its exit code and output.</summary>
    public static Task<(int ExitCode, string Output)> MigrateAsync(IReadOnlyDictionary<string, string> settings) => RunOnceAsync(settings, "migrate");

    /// <summary>Runs the program where there is no vault, and gives its exit code and output.</summary>
    public static async Task<(int ExitCode, string Output)> RunOnceAsync(IReadOnlyDictionary<string, string> settings, params string[] arguments)
    {
        var once = new ServerProcess(Path.Combine(Path.GetTempPath(), "datavault-migrate", ".vault"), FreePort(), settings);
        var start = once.StartInfo();
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        return await RunAsync(start);
    }

    /// <summary>Runs a command of the server on this home, beside the server or after its end, and gives its exit code and output.</summary>
    public Task<(int ExitCode, string Output)> CommandAsync(params string[] arguments)
    {
        var start = StartInfo();
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        return RunAsync(start);
    }

    /// <summary>Starts a command of the server on this home and leaves its input to the caller.</summary>
    public Process BeginCommand(params string[] arguments)
    {
        var start = StartInfo();
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        start.RedirectStandardInput = true;
        return Process.Start(start)!;
    }

    /// <summary>The same through a shell, for what stands around a command: pipes and limits. <c>"$@"</c> is the command.</summary>
    public Task<(int ExitCode, string Output)> ShellAsync(string script, params string[] arguments) => RunAsync(InShell(StartInfo(), script, arguments));

    /// <summary>
    /// No file of this process may grow beyond so many bytes, as on a full disk; null lifts the limit. Of its database nothing is asked: that is another process.
    /// </summary>
    public async Task LimitFilesAsync(long? bytes)
    {
        using var limit = Process.Start("prlimit", ["--pid", $"{ProcessId}", $"--fsize={(bytes is { } most ? most : "unlimited")}:unlimited"]);
        await limit.WaitForExitAsync();
        if (limit.ExitCode != 0)
            throw new InvalidOperationException("prlimit failed.");
    }

    private static ProcessStartInfo InShell(ProcessStartInfo start, string script, params string[] arguments)
    {
        string[] command = [start.FileName, .. start.ArgumentList, .. arguments];
        start.ArgumentList.Clear();
        start.FileName = "bash";
        foreach (var argument in new[] { "-c", script, "bash" }.Concat(command))
            start.ArgumentList.Add(argument);
        return start;
    }

    /// <summary>Starts the process again on the same home after it has ended.</summary>
    public async Task RestartAsync()
    {
        Launch();
        await WaitUntilReadyAsync();
    }

    /// <summary>Starts a second process, on this home unless told otherwise, and gives its exit code and output.</summary>
    public Task<(int ExitCode, string Output)> StartAnotherAsync(params (string Name, string Value)[] settings)
    {
        var start = StartInfo();
        foreach (var (name, value) in settings)
            start.Environment[name] = value;
        return RunAsync(start);
    }

    /// <summary>SIGKILL: no clean-up of any kind.</summary>
    public async Task KillAsync()
    {
        _process!.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>SIGKILL of the database's main process.</summary>
    public void KillDatabase()
    {
        using var database = Process.GetProcessById(DatabaseProcessId());
        database.Kill();
    }

    /// <summary>The folder of the database's tables, indexes and log of changes.</summary>
    public string DatabaseFolder => Path.Combine(Home, "postgres", "data");

    public int DatabaseProcessId() => int.Parse(DatabaseLines()[0], System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Host (a folder), port and login of the database's administrator.</summary>
    public (string Host, string Port, string User) DatabaseAdministrator() => (DatabaseLines()[4], DatabaseLines()[3], "vault_admin");

    /// <summary>Connection string of the administrator of the server's own database.</summary>
    public string DatabaseConnection(string database)
    {
        var (host, port, user) = DatabaseAdministrator();
        return $"Host={host};Port={port};Username={user};Database={database};Pooling=false;Command Timeout=60";
    }

    /// <summary>Runs statements as the administrator of the server's own database, each by itself.</summary>
    public async Task DatabaseAsync(string database, params string[] statements)
    {
        await using var connection = new NpgsqlConnection(DatabaseConnection(database));
        await connection.OpenAsync();
        foreach (var statement in statements)
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync();
        }
    }

    private string[] DatabaseLines() => File.ReadAllLines(Path.Combine(DatabaseFolder, "postmaster.pid"));

    /// <summary>
    /// Asks the process to end, and gives its exit code. SIGTERM, which is handled as Ctrl-C is: SIGINT is ignored in whatever a shell started in
    /// the background.
    /// </summary>
    public async Task<int> StopAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
        await _process!.WaitForExitAsync(new CancellationTokenSource(Patience).Token);
        return _process.ExitCode;
    }

    public async Task WaitUntilReadyAsync()
    {
        using var http = new HttpClient { BaseAddress = Address };
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < Patience)
        {
            if (_process!.HasExited)
                throw new InvalidOperationException($"The server ended with {_process.ExitCode}:\n{Output}");
            if (await IsReadyAsync(http))
                return;
            await Task.Delay(100);
        }
        throw new TimeoutException($"The server was not ready in time:\n{Output}");
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
            await StopAsync();
        _process?.Dispose();
        Directory.Delete(Path.GetDirectoryName(Home)!, recursive: true);
    }

    private static async Task<bool> IsReadyAsync(HttpClient http)
    {
        try
        {
            using var answer = await http.GetAsync("/health/ready");
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(ProcessStartInfo start)
    {
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync(new CancellationTokenSource(Patience).Token);
        return (process.ExitCode, await output + await error);
    }

    private void Launch()
    {
        // .NET would keep what it compiles in a file of its own, which the limit is not about.
        _process = new Process { StartInfo = _limitable ? InShell(StartInfo(), "trap '' XFSZ; export DOTNET_EnableWriteXorExecute=0; exec \"$@\"") : StartInfo() };
        _process.OutputDataReceived += (_, line) => Keep(line.Data);
        _process.ErrorDataReceived += (_, line) => Keep(line.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    private void Keep(string? line)
    {
        lock (_output)
            _output.AppendLine(line);
    }

    private ProcessStartInfo StartInfo()
    {
        var start = new ProcessStartInfo("dotnet", [ServerAssembly()]) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Repository.Root };
        start.Environment["ASPNETCORE_ENVIRONMENT"] = "Development";
        start.Environment["ASPNETCORE_URLS"] = Address.GetLeftPart(UriPartial.Authority);
        start.Environment["Vault__Home"] = Home;
        start.Environment["Vault__SampleCustomers"] = "25";
        start.Environment["Issuer__PasswordIterations"] = "1000";
        start.Environment["Limits__AnonymousRequestsPerSecond"] = "5000";
        start.Environment["Limits__FailedSignIns"] = "100000";
        // What the run-time learns of a process by watching it pays only in one that lives longer.
        start.Environment["DOTNET_TieredPGO"] = "0";
        start.Environment["TMPDIR"] = Directory.CreateDirectory(TemporaryFolder).FullName;
        foreach (var (name, value) in _settings)
            start.Environment[name] = value;
        return start;
    }

    // artifacts/bin/{test project}/{configuration}/ stands beside artifacts/bin/DataVault.Server/{configuration}/
    private static string ServerAssembly()
    {
        var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/'));
        return Path.Combine(own.Parent!.Parent!.FullName, "DataVault.Server", own.Name, "DataVault.Server.dll");
    }

    /// <summary>A TCP port on 127.0.0.1 that nobody listens on at this moment.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
