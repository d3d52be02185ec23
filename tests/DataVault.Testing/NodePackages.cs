using System.Diagnostics;

namespace DataVault.Testing;

/// <summary>Packages of npm that tests run on: those of the lock file of a folder under tests, fetched once.</summary>
public static class NodePackages
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>The folder under tests of this name.</summary>
    public static string FolderOf(string name) => Path.Combine(Repository.Root, "tests", name);

    /// <summary>Fetches them. Several test programs may come at once: one of them fetches, the others wait for it.</summary>
    /// <param name="name">Of the folder.</param>
    /// <returns>Why they are not to be had; null when they are there.</returns>
    public static async Task<string?> PrepareAsync(string name)
    {
        if (!Exists("node") || !Exists("npm")) return "There is no node with npm on this machine: apt-get install nodejs npm.";
        var folder = FolderOf(name);
        await using var alone = await AloneAsync(Path.Combine(Path.GetTempPath(), $"datavault-tests-{name}.lock"));
        var (done, due) = (Path.Combine(folder, "node_modules", ".package-lock.json"), Path.Combine(folder, "package-lock.json"));
        if (File.Exists(done) && File.GetLastWriteTimeUtc(done) >= File.GetLastWriteTimeUtc(due)) return null;
        var start = new ProcessStartInfo("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        using var npm = Process.Start(start)!;
        var said = Task.WhenAll(npm.StandardOutput.ReadToEndAsync(), npm.StandardError.ReadToEndAsync());
        await npm.WaitForExitAsync(new CancellationTokenSource(Patience).Token);
        return npm.ExitCode == 0 ? null : $"npm ci in tests/{name} failed: " + string.Join('\n', await said);
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
}
