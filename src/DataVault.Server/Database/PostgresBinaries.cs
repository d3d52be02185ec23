using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace DataVault.Server.Database;

/// <summary>The server programs of one PostgreSQL installation, version 15 or later.</summary>
internal sealed partial class PostgresBinaries
{
    public const int OldestVersion = 15;
    private const string ClusterDefaults = "/etc/postgresql-common/createcluster.conf";

    private PostgresBinaries(string folder, int version)
    {
        Folder = folder;
        Version = version;
    }

    public string Folder { get; }

    public int Version { get; }

    public string this[string program] => Path.Combine(Folder, program);

    /// <summary>Finds the programs, or has the system's package manager install them.</summary>
    /// <param name="searchPath">The PATH of the process.</param>
    /// <param name="wanted">Major version that an existing cluster needs, or null.</param>
    /// <exception cref="StartupException">One line saying what to install.</exception>
    public static async Task<PostgresBinaries> ObtainAsync(string searchPath, int? wanted, Action<string> progress, CancellationToken cancellation)
    {
        if (OperatingSystem.IsWindows())
            throw new StartupException("On Windows, start a PostgreSQL server and set ConnectionStrings__Vault and ConnectionStrings__Keys (or use docker compose up).");
        if (await FindAsync(searchPath, wanted, cancellation) is { } found)
            return found;
        var install = Installer(searchPath);
        if (wanted is null && install is not null)
        {
            progress("PostgreSQL is not installed: installing it with the system's package manager");
            await install(cancellation);
            if (await FindAsync(searchPath, wanted, cancellation) is { } installed)
                return installed;
        }
        throw new StartupException(Advice(wanted));
    }

    private static string Advice(int? wanted) =>
        $"PostgreSQL {wanted?.ToString(CultureInfo.InvariantCulture) ?? $"{OldestVersion} or later"} is needed: install it"
        + (OperatingSystem.IsMacOS() ? " (brew install postgresql@17)" : " (Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; Alpine: apk add postgresql)")
        + " or set ConnectionStrings__Vault and ConnectionStrings__Keys to servers of your own.";

    private static async Task<PostgresBinaries?> FindAsync(string searchPath, int? wanted, CancellationToken cancellation)
    {
        var found = new List<PostgresBinaries>();
        foreach (var folder in Folders(searchPath).Distinct())
        {
            if (await ProbeAsync(folder, cancellation) is { } binaries && binaries.Version >= OldestVersion)
                found.Add(binaries);
        }
        return wanted is null ? found.MaxBy(b => b.Version) : found.Find(b => b.Version == wanted);
    }

    /// <summary>The folder of the newest <c>pg_dump</c> and <c>pg_restore</c>, not older than the server; they come without a server too.</summary>
    /// <exception cref="StartupException">One line saying what to install.</exception>
    public static async Task<string> FindToolsAsync(string searchPath, int major, CancellationToken cancellation)
    {
        var path = searchPath.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        var newest = (Version: major - 1, Folder: "");
        foreach (var folder in Folders(searchPath).Concat(path).Where(f => File.Exists(Path.Combine(f, "pg_dump")) && File.Exists(Path.Combine(f, "pg_restore"))))
        {
            if (await VersionOfAsync(Path.Combine(folder, "pg_dump"), cancellation) is { } version && version > newest.Version)
                newest = (version, folder);
        }
        return newest.Folder.Length > 0
            ? newest.Folder
            : throw new StartupException($"pg_dump and pg_restore of PostgreSQL {major} or later are needed here: install PostgreSQL's client programs (Debian, Ubuntu: apt-get install postgresql-client).");
    }

    private static IEnumerable<string> Folders(string searchPath)
    {
        foreach (var entry in searchPath.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
        {
            var program = new FileInfo(Path.Combine(entry, "postgres"));
            if (program.Exists)
                yield return Path.GetDirectoryName(program.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? program.FullName)!;
        }
        string[] patterns =
        [
            "/usr/lib/postgresql/*/bin", "/usr/lib/postgresql*/bin", "/usr/libexec/postgresql*", "/usr/pgsql-*/bin", "/usr/local/pgsql*/bin",
            "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin",
            "/Library/PostgreSQL/*/bin", "/Applications/Postgres.app/Contents/Versions/*/bin",
        ];
        foreach (var folder in patterns.SelectMany(Expand))
            yield return folder;
    }

    private static IEnumerable<string> Expand(string pattern)
    {
        var parent = pattern[..pattern.LastIndexOf('/', pattern.IndexOf('*', StringComparison.Ordinal))];
        var rest = pattern[(parent.Length + 1)..].Split('/', 2);
        return Directory.Exists(parent)
            ? Directory.EnumerateDirectories(parent, rest[0]).Select(d => rest.Length == 2 ? Path.Combine(d, rest[1]) : d)
            : [];
    }

    private static async Task<PostgresBinaries?> ProbeAsync(string folder, CancellationToken cancellation)
    {
        if (!new[] { "postgres", "initdb", "pg_ctl" }.All(p => File.Exists(Path.Combine(folder, p))))
            return null;
        return await VersionOfAsync(Path.Combine(folder, "postgres"), cancellation) is { } version ? new PostgresBinaries(folder, version) : null;
    }

    private static async Task<int?> VersionOfAsync(string program, CancellationToken cancellation)
    {
        var answer = await Command.RunAsync(program, ["--version"], cancellation);
        var match = VersionPattern().Match(answer.Output);
        return answer.Succeeded && match.Success ? int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : null;
    }

    [GeneratedRegex(@"\(PostgreSQL\) (\d+)")]
    private static partial Regex VersionPattern();

    private static Func<CancellationToken, Task>? Installer(string searchPath)
    {
        var root = Environment.IsPrivilegedProcess;
        if (root && OnPath(searchPath, "apt-get"))
            return InstallWithAptAsync;
        if (root && OnPath(searchPath, "dnf"))
            return c => MustAsync("dnf", ["install", "-y", "postgresql-server"], c);
        if (root && OnPath(searchPath, "apk"))
            return c => MustAsync("apk", ["add", "--no-cache", "postgresql"], c);
        return !root && OnPath(searchPath, "brew") ? c => MustAsync("brew", ["install", "postgresql@17"], c) : null;
    }

    private static bool OnPath(string searchPath, string program) =>
        searchPath.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Any(p => File.Exists(Path.Combine(p, program)));

    private static async Task InstallWithAptAsync(CancellationToken cancellation)
    {
        // Debian's package would otherwise create and start a cluster of its own on port 5432.
        Directory.CreateDirectory(Path.GetDirectoryName(ClusterDefaults)!);
        if (!File.Exists(ClusterDefaults))
            await File.WriteAllTextAsync(ClusterDefaults, "create_main_cluster = false\n", cancellation);
        await MustAsync("apt-get", ["update", "-q"], cancellation);
        await MustAsync(
            "apt-get",
            ["install", "-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Options::=--force-confold", "postgresql"],
            cancellation);
    }

    private static async Task MustAsync(string program, string[] arguments, CancellationToken cancellation)
    {
        var answer = await Command.RunAsync(program, arguments, cancellation, new() { ["DEBIAN_FRONTEND"] = "noninteractive" });
        if (!answer.Succeeded)
            throw new StartupException($"{program} {arguments[0]} failed ({answer.LastLine}). {Advice(null)}");
    }
}

/// <summary>A program run to its end, its output captured.</summary>
internal sealed record Command(int ExitCode, string Output, string Error)
{
    public bool Succeeded => ExitCode == 0;

    public string LastLine => (Error.Trim().Length > 0 ? Error : Output).Trim().Split('\n')[^1];

    public static async Task<Command> RunAsync(
        string program, IEnumerable<string> arguments, CancellationToken cancellation, Dictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        foreach (var (name, value) in environment ?? [])
            start.Environment[name] = value;
        using var process = Process.Start(start) ?? throw new StartupException($"{program} could not be started.");
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(cancellation);
        var error = process.StandardError.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        return new Command(process.ExitCode, await output, await error);
    }
}

/// <summary>The server cannot start; the message is one line that says what to do.</summary>
internal sealed class StartupException(string message) : Exception(message);
