using System.Diagnostics;
using System.Globalization;
using DataVault.Server.Database;
using Npgsql;

namespace DataVault.Server.Backup;

/// <summary>One run of <c>pg_dump</c> or <c>pg_restore</c>, whose stream passes through this process. Killed when it is disposed of before its end.</summary>
internal sealed class PostgresTool : IAsyncDisposable
{
    private readonly Process _process;
    private readonly string _name;
    private readonly Task<string> _errors;

    private PostgresTool(ProcessStartInfo start)
    {
        _name = Path.GetFileName(start.FileName);
        (start.RedirectStandardInput, start.RedirectStandardOutput, start.RedirectStandardError, start.WorkingDirectory) = (true, true, true, "/");
        _process = Process.Start(start) ?? throw new StartupException($"{_name} could not be started.");
        _errors = _process.StandardError.ReadToEndAsync();
    }

    /// <summary>What the tool writes.</summary>
    public Stream Output => _process.StandardOutput.BaseStream;

    /// <summary>What the tool reads.</summary>
    public Stream Input => _process.StandardInput.BaseStream;

    /// <summary>Dumps one database as it was when the snapshot was taken. What is sealed does not compress; the log does, a little.</summary>
    public static PostgresTool Dump(PostgresTools tools, string connection, string snapshot)
    {
        var tool = new PostgresTool(At(tools.Dump, connection, ["--format=custom", "--compress=1", "--no-password", "--no-publications", "--no-subscriptions", "--snapshot=" + snapshot]));
        tool._process.StandardInput.Close();
        return tool;
    }

    /// <summary>Restores into an empty database.</summary>
    public static PostgresTool Restore(PostgresTools tools, string connection) =>
        new(At(tools.Restore, connection, ["--no-owner", "--exit-on-error", "--no-password", "--dbname=" + new NpgsqlConnectionStringBuilder(connection).Database]));

    /// <summary>Reads a dump from end to end and changes nothing.</summary>
    public static PostgresTool Read(PostgresTools tools) => new(new ProcessStartInfo(tools.Restore, ["--file=/dev/null"]));

    /// <summary>Tells the tool that nothing more comes, and waits for its end.</summary>
    /// <exception cref="StartupException">It failed.</exception>
    public async Task EndAsync()
    {
        _process.StandardInput.Close();
        await _process.WaitForExitAsync();
        if (_process.ExitCode != 0)
            throw new StartupException($"{_name} failed: {await LastErrorAsync()}");
    }

    /// <summary>What the tool complained of last.</summary>
    public async Task<string> LastErrorAsync() => (await _errors).Trim().Split('\n')[^1];

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    // By environment, so that nothing of a connection stands in the list of processes.
    private static ProcessStartInfo At(string program, string connection, IEnumerable<string> arguments)
    {
        var settings = new NpgsqlConnectionStringBuilder(connection);
        var start = new ProcessStartInfo(program, arguments);
        var environment = new Dictionary<string, string?>
        {
            ["PGHOST"] = settings.Host, ["PGPORT"] = settings.Port.ToString(CultureInfo.InvariantCulture), ["PGDATABASE"] = settings.Database, ["PGUSER"] = settings.Username,
            ["PGPASSWORD"] = settings.Password, ["PGPASSFILE"] = settings.Passfile, ["PGSSLROOTCERT"] = settings.RootCertificate, ["PGSSLMODE"] = ModeOf(settings.SslMode),
        };
        foreach (var (name, value) in environment.Where(e => e.Value is { Length: > 0 }))
            start.Environment[name] = value;
        return start;
    }

    private static string ModeOf(SslMode mode) => mode switch
    {
        SslMode.VerifyCA => "verify-ca",
        SslMode.VerifyFull => "verify-full",
        _ => mode.ToString().ToLowerInvariant(),
    };
}

/// <summary>PostgreSQL's own backup tools, at least as new as the server that they work on.</summary>
internal sealed record PostgresTools(string Dump, string Restore)
{
    /// <param name="searchPath">The PATH of the process.</param>
    /// <param name="major">Version of the server that they work on.</param>
    /// <param name="cancellation">Ends the search.</param>
    /// <exception cref="StartupException">They are not installed.</exception>
    public static async Task<PostgresTools> FindAsync(string searchPath, int major, CancellationToken cancellation)
    {
        var folder = await PostgresBinaries.FindToolsAsync(searchPath, major, cancellation);
        return new PostgresTools(Path.Combine(folder, "pg_dump"), Path.Combine(folder, "pg_restore"));
    }
}
