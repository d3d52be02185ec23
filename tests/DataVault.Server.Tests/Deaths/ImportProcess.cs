using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using DataVault.Testing;

namespace DataVault.Server.Tests.Deaths;

/// <summary>The closing account of an import.</summary>
internal sealed record ImportAccount(long Read, long Accepted, long Rejected, long Duplicates);

/// <summary>The command line's import of made-up invoice lines, as a process that can be killed and started again.</summary>
internal sealed class ImportProcess : IDisposable
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);
    private readonly RunningServer _server;
    private readonly string _folder = Directory.CreateTempSubdirectory("datavault-import-").FullName;
    private Process? _process;
    private Task<string>? _output;
    private Task<string>? _error;

    public ImportProcess(RunningServer server, int lines, int people)
    {
        _server = server;
        var text = new StringBuilder("InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n");
        for (var line = 0; line < lines; line++)
            text.Append(CultureInfo.InvariantCulture, $"I{line / 4},S{line % 97},LAMP,{1 + (line % 9)},2011-03-01 08:{line % 60:00}:00,2.55,kill-{line % people},France\n");
        File.WriteAllText(Input, text.ToString());
    }

    private string Input => Path.Combine(_folder, "lines.csv");

    private string Checkpoint => Path.Combine(_folder, "progress");

    public void Start()
    {
        var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/'));
        var program = Path.Combine(own.Parent!.Parent!.FullName, "DataVault.Cli", own.Name, "datavault.dll");
        var mapping = Path.Combine(Repository.Root, "docs", "examples", "import", "online-retail.yaml");
        var start = new ProcessStartInfo(
            "dotnet",
            [
                program, "import", Input, "--mapping", mapping, "--checkpoint", Checkpoint, "--rejects", Path.Combine(_folder, "rejects.csv"), "--batch", "20", "--parallel", "3",
                "--first-run", Path.Combine(_server.Process.Home, "first-run.json"), "--json",
            ])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = _folder,
        };
        _process?.Dispose();
        _process = Process.Start(start)!;
        (_output, _error) = (_process.StandardOutput.ReadToEndAsync(), _process.StandardError.ReadToEndAsync());
    }

    /// <summary>Waits until so many lines are acknowledged; it must not be done yet.</summary>
    public async Task ReachAsync(int lines)
    {
        await Waiting.UntilAsync($"{lines} lines are imported", () => _process!.HasExited || Read() >= lines);
        if (_process!.HasExited)
            Assert.Fail($"The import ended ({_process.ExitCode}): {await _output!} {await _error!}");
    }

    public async Task KillAsync()
    {
        _process!.Kill();
        await _process.WaitForExitAsync();
    }

    public async Task<ImportAccount> FinishAsync()
    {
        await Waiting.UntilAsync("the import ends", () => _process!.HasExited);
        Assert.True(_process!.ExitCode == 0, $"{await _output!} {await _error!}");
        return JsonSerializer.Deserialize<ImportAccount>(await _output!, Json)!;
    }

    public void Dispose()
    {
        if (_process is { HasExited: false })
            _process.Kill();
        _process?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private long Read()
    {
        if (!File.Exists(Checkpoint))
            return 0;
        using var saved = JsonDocument.Parse(File.ReadAllBytes(Checkpoint));
        return saved.RootElement.GetProperty("account").GetProperty("read").GetInt64();
    }
}
