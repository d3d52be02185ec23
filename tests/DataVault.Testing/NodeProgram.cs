using System.Diagnostics;
using System.Text.Json;

namespace DataVault.Testing;

/// <summary>
/// A program of tests/oidc, where providers and clients that others wrote and certified live: it takes lines of JSON and answers each with one. Its packages are
/// those of the lock file, fetched once by npm.
/// </summary>
public sealed class NodeProgram : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private static readonly Lazy<Task<string?>> Missing = new(PrepareAsync);
    private readonly Process _process;
    private readonly SemaphoreSlim _turn = new(1);

    private NodeProgram(Process process) => _process = process;

    /// <summary>Why nothing of it runs here; null when it does.</summary>
    public static Task<string?> WhyNotAsync() => Missing.Value;

    /// <summary>Starts a script and gives it its first line.</summary>
    public static async Task<(NodeProgram Program, JsonElement Answer)> StartAsync(string script, object first)
    {
        if (await WhyNotAsync() is { } reason) throw new InvalidOperationException(reason);
        var start = Start("node", script);
        start.RedirectStandardInput = true;
        var program = new NodeProgram(Process.Start(start)!);
        // Nobody reads what it warns of, and a full pipe would stop it.
        _ = program._process.StandardError.ReadToEndAsync();
        return (program, await program.AskAsync(first));
    }

    /// <summary>Gives it a line and waits for its answer.</summary>
    public async Task<JsonElement> AskAsync(object line)
    {
        await _turn.WaitAsync();
        try
        {
            await _process.StandardInput.WriteLineAsync(JsonSerializer.Serialize(line));
            await _process.StandardInput.FlushAsync();
            var answer = await _process.StandardOutput.ReadLineAsync().WaitAsync(Patience) ?? throw new InvalidOperationException("The program of tests/oidc has ended.");
            return JsonSerializer.Deserialize<JsonElement>(answer);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }
        _process.Dispose();
        _turn.Dispose();
    }

    private static string Folder => Path.Combine(Repository.Root, "tests", "oidc");

    // Several test programs may come at once: one of them fetches, the others wait for it.
    private static async Task<string?> PrepareAsync()
    {
        if (!Exists("node") || !Exists("npm")) return "There is no node with npm on this machine: apt-get install nodejs npm.";
        await using var alone = await AloneAsync(Path.Combine(Path.GetTempPath(), "datavault-tests-oidc.lock"));
        var (done, due) = (Path.Combine(Folder, "node_modules", ".package-lock.json"), Path.Combine(Folder, "package-lock.json"));
        if (File.Exists(done) && File.GetLastWriteTimeUtc(done) >= File.GetLastWriteTimeUtc(due)) return null;
        using var npm = Process.Start(Start("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"))!;
        var said = Task.WhenAll(npm.StandardOutput.ReadToEndAsync(), npm.StandardError.ReadToEndAsync());
        await npm.WaitForExitAsync(new CancellationTokenSource(Patience).Token);
        return npm.ExitCode == 0 ? null : "npm ci in tests/oidc failed: " + string.Join('\n', await said);
    }

    private static async Task<FileStream> AloneAsync(string path)
    {
        for (var waited = Stopwatch.StartNew(); ;)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (waited.Elapsed < Patience)
            {
                await Task.Delay(100);
            }
        }
    }

    private static bool Exists(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, program)));

    private static ProcessStartInfo Start(string program, params string[] arguments) =>
        new(program, arguments) { WorkingDirectory = Folder, RedirectStandardOutput = true, RedirectStandardError = true };
}
