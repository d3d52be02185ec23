using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Server.Database;
using DataVault.Vault;
using Microsoft.Win32.SafeHandles;
using Npgsql;

namespace DataVault.Server.Backup;

/// <summary>Beside a backup: what a listing says of it without its passphrase. Proves nothing.</summary>
internal sealed record BackupManifest(string File, long Bytes, string Sha256, DateTimeOffset ReadAgainAt, BackupFacts Facts);

/// <summary>
/// The commands <c>backup</c>: PostgreSQL's own <c>pg_dump</c> of one database, streamed into an encrypted container, read again, noted in the log. Nothing is
/// on disk in clear, and what is not whole never bears the name of a backup.
/// </summary>
internal sealed class BackupCommands(VaultVisit visit, ServerSettings settings, TimeProvider clock, Action<string> print)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <param name="part">Which database.</param>
    /// <param name="to">A folder, a file that does not exist yet, or <c>-</c> for standard output.</param>
    /// <param name="stop">Ends the work early; nothing is left of it.</param>
    public async Task BackUpAsync(BackupPart part, string to, CancellationToken stop)
    {
        var passphrase = settings.BackupPassphrase(part);
        var file = to == "-" ? null : FileFor(part, to);
        await visit.BesideServersAsync(async databases =>
        {
            await using var app = visit.Assemble(databases.Logins);
            var ledger = app.Services.GetRequiredService<BackupLedger>();
            var begun = await BeginAsync(ledger, part, stop);
            var made = false;
            try
            {
                await MakeAsync(part, databases.Administrator(part), file, passphrase, stop);
                made = true;
            }
            finally
            {
                await ledger.EndAsync(part, begun, made);
            }
        }, stop);
    }

    /// <summary>The command <c>backup drilled</c>: an operator says that the newest backups were restored elsewhere and are sound.</summary>
    public Task DrilledAsync(CancellationToken stop) => visit.BesideServersAsync(async databases =>
    {
        await using var app = visit.Assemble(databases.Logins);
        try
        {
            var entry = await app.Services.GetRequiredService<BackupLedger>().DrilledAsync(stop);
            print(string.Create(CultureInfo.InvariantCulture, $"Entry {entry} says that the backups were tried."));
        }
        catch (VaultException e)
        {
            throw new StartupException(e.Message);
        }
    }, stop);

    /// <summary>Reads a backup from end to end, and what is in it with PostgreSQL's own tool.</summary>
    public async Task VerifyAsync(string file, CancellationToken stop)
    {
        var tools = await PostgresTools.FindAsync(settings.SearchPath, PostgresBinaries.OldestVersion, stop);
        var facts = await ReadAgainAsync(file, tools, stop);
        if (ManifestOf(file) is { } manifest && (manifest.Bytes, manifest.Sha256) != await MeasureAsync(file, stop))
            throw new StartupException($"{file} is whole, but not the file that its manifest is of.");
        print($"{file} is whole: {Describe(facts)}");
    }

    /// <summary>The backups of a folder, oldest first, and which of them are of use.</summary>
    public void List(string folder)
    {
        var manifests = Directory.EnumerateFiles(folder, "*.json").Select(f => ManifestOf(f[..^".json".Length])).OfType<BackupManifest>().OrderBy(m => m.Facts.At).ToList();
        foreach (var m in manifests)
            print($"{m.File}  {Describe(m.Facts)}, {m.Bytes:N0} bytes{(m.Facts.Outdated(settings.Home) is { } outdated ? ": OF NO USE. " + outdated : "")}");
        var oldest = manifests.Find(m => m.Facts.Part == BackupPart.Keys && m.Facts.Outdated(settings.Home) is null);
        print(oldest is null ? "No backup of keys here can be restored." : $"The oldest backup of keys that can be restored is of {oldest.Facts.At:u}.");
    }

    // SPEC backup §4: taken from one snapshot, so that the facts are those of the dump.
    private async Task MakeAsync(BackupPart part, string connection, string? file, string passphrase, CancellationToken stop)
    {
        await using var database = new NpgsqlConnection(connection);
        await database.OpenAsync(stop);
        var tools = await PostgresTools.FindAsync(settings.SearchPath, database.PostgreSqlVersion.Major, stop);
        await using var transaction = await database.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, stop);
        await using var export = new NpgsqlCommand("select pg_export_snapshot()", database, transaction);
        var snapshot = (string)(await export.ExecuteScalarAsync(stop))!;
        var facts = await BackupFacts.ReadAsync(part, database, stop);
        print($"Backing up {Describe(facts)}");
        await using var tool = PostgresTool.Dump(tools, connection, snapshot);
        if (file is null)
        {
            // Not the console's own stream: that one takes a reader who went away for success.
            await using var output = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write);
            await SealAsync(facts, tool, output, passphrase, stop);
            print("Written. What came out of the pipe has not been read again: run backup verify on it.");
            return;
        }

        await WriteAsync(facts, tool, file, passphrase, stop);
        await KeepAsync(facts, file, tools, stop);
    }

    private async Task WriteAsync(BackupFacts facts, PostgresTool tool, string file, string passphrase, CancellationToken stop)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = OwnerOnly;
        try
        {
            await using var output = new FileStream(Unfinished(file), options);
            await SealAsync(facts, tool, output, passphrase, stop);
            output.Flush(flushToDisk: true);
        }
        catch (Exception e)
        {
            File.Delete(Unfinished(file));
            // What .NET makes of EFBIG.
            if (e is ArgumentOutOfRangeException)
                throw new IOException("The file system, or a limit of this process, takes no file of this size.");
            throw;
        }
    }

    // INVARIANT: a file bears its name only after it has been read again from end to end.
    private async Task KeepAsync(BackupFacts facts, string file, PostgresTools tools, CancellationToken stop)
    {
        await ReadAgainAsync(Unfinished(file), tools, stop);
        var (bytes, hash) = await MeasureAsync(Unfinished(file), stop);
        BackupFile.Keep(Unfinished(file), file);
        var manifest = new BackupManifest(Path.GetFileName(file), bytes, hash, clock.GetUtcNow(), facts);
        // Whole, or not there: a listing reads it.
        await File.WriteAllTextAsync(Unfinished(ManifestFile(file)), JsonSerializer.Serialize(manifest, Json), stop);
        File.Move(Unfinished(ManifestFile(file)), ManifestFile(file), overwrite: true);
        print($"{file}: {bytes:N0} bytes, read again and whole.");
    }

    private Task<byte[]> SealAsync(BackupFacts facts, PostgresTool tool, Stream output, string passphrase, CancellationToken stop) =>
        BackupFile.SealAsync(facts, tool.Output, tool.EndAsync, output, passphrase, new BackupProgress("sealed", clock, print), stop);

    private async Task<BackupFacts> ReadAgainAsync(string file, PostgresTools tools, CancellationToken stop)
    {
        await using var input = File.OpenRead(file);
        await using var tool = PostgresTool.Read(tools);
        var facts = await BackupFile.OpenAsync(input, settings.BackupPassphrase, _ => Task.FromResult(tool.Input), new BackupProgress("read again", clock, print), stop);
        await tool.EndAsync();
        return facts;
    }

    private static async Task<long> BeginAsync(BackupLedger ledger, BackupPart part, CancellationToken stop)
    {
        try
        {
            return await ledger.BeginAsync(part, stop);
        }
        catch (VaultException)
        {
            throw new StartupException("The log cannot be written, so no backup is made: every one must be in it.");
        }
    }

    private string FileFor(BackupPart part, string to)
    {
        var file = Directory.Exists(to)
            ? Path.Combine(to, string.Create(CultureInfo.InvariantCulture, $"{BackupFacts.NameOf(part)}-{clock.GetUtcNow():yyyyMMdd'T'HHmmss'Z'}.dvb"))
            : Path.GetFullPath(to);
        return File.Exists(file) ? throw new StartupException($"{file} exists already; a backup is never overwritten.") : file;
    }

    private static string Unfinished(string file) => file + ".unfinished";

    private static string ManifestFile(string file) => file + ".json";

    private static BackupManifest? ManifestOf(string file) =>
        File.Exists(ManifestFile(file)) ? JsonSerializer.Deserialize<BackupManifest>(File.ReadAllText(ManifestFile(file)), Json) : null;

    private static async Task<(long Bytes, string Sha256)> MeasureAsync(string file, CancellationToken stop)
    {
        await using var input = File.OpenRead(file);
        return (input.Length, Convert.ToHexStringLower(await SHA256.HashDataAsync(input, stop)));
    }

    internal static string Describe(BackupFacts facts) => facts.Part == BackupPart.Data
        ? $"data of {facts.At:u}: {facts.People:N0} people, {facts.LogSize:N0} log entries, {facts.Tombstones:N0} erasures"
        : $"keys of {facts.At:u}: {facts.People:N0} people, key epochs {string.Join(", ", facts.Epochs)}, {facts.Tombstones:N0} erasures";
}

/// <summary>Says now and then how far a stream has come.</summary>
internal sealed class BackupProgress(string done, TimeProvider clock, Action<string> print) : IProgress<long>
{
    private static readonly TimeSpan Rhythm = TimeSpan.FromSeconds(5);
    private long _said = clock.GetTimestamp();

    public void Report(long value)
    {
        if (clock.GetElapsedTime(_said) < Rhythm)
            return;
        _said = clock.GetTimestamp();
        print($"{value / 1_000_000:N0} MB {done}");
    }
}
