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
    private static readonly Lazy<Task<string?>> Missing = new(() => NodePackages.PrepareAsync("oidc"));
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

    private static readonly string Folder = NodePackages.FolderOf("oidc");

    private static ProcessStartInfo Start(string program, params string[] arguments) =>
        new(program, arguments) { WorkingDirectory = Folder, RedirectStandardOutput = true, RedirectStandardError = true };
}
