using System.Text;
using System.Text.Json;
using DataVault.Client;

namespace DataVault.Cli.Import;

/// <summary>The closing account, and while the import runs the account so far. INVARIANT: Read = Accepted + Rejected + Duplicates.</summary>
internal sealed record Account(long Read, long Accepted, long Rejected, long Duplicates, long CustomersCreated, long EventsStored)
{
    public static readonly Account Empty = new(0, 0, 0, 0, 0, 0);

    /// <summary>How often each reason was given.</summary>
    public SortedDictionary<string, long> Reasons { get; init; } = new(StringComparer.Ordinal);

    public bool AddsUp => Read == Accepted + Rejected + Duplicates && Rejected == Reasons.Values.Sum();

    public Account Plus(BatchOutcome batch)
    {
        var reasons = new SortedDictionary<string, long>(Reasons, StringComparer.Ordinal);
        foreach (var line in batch.Rejected) reasons[line.Why.Reason] = reasons.GetValueOrDefault(line.Why.Reason) + 1;
        return new Account(
            Read + batch.Lines, Accepted + batch.Accepted, Rejected + batch.Rejected.Count, Duplicates + batch.Duplicates,
            CustomersCreated + batch.CustomersCreated, EventsStored + batch.EventsStored)
        { Reasons = reasons };
    }
}

/// <summary>A line that was not taken, for the rejects file.</summary>
internal sealed record RejectedLine(long Line, string Raw, Rejection Why);

/// <summary>What became of one batch; once it is here, the vault has acknowledged every accepted line in it.</summary>
internal sealed record BatchOutcome(
    int Lines, int Accepted, int Duplicates, int CustomersCreated, int EventsStored, IReadOnlyList<RejectedLine> Rejected);

/// <summary>What the checkpoint file holds. <see cref="Run"/> tells one import of a file from the next.</summary>
internal sealed record SavedProgress(
    int Version, long Run, string Mapping, string Address, long InputLength, DateTime InputModified, long RejectsLength, Account Account);

/// <summary>
/// The checkpoint and the rejects file beside the input. A batch is committed when its rejects are on the disk and the checkpoint
/// that counts it has replaced the one before; what a crash leaves behind in the rejects file is cut off on the next start.
/// </summary>
internal sealed class ImportJournal : IDisposable
{
    private readonly string _checkpoint;
    private readonly FileStream _rejects;
    private readonly SourceFile _input;
    private readonly SavedProgress _identity;

    private ImportJournal(ImportPaths paths, SourceFile input, SavedProgress progress)
    {
        (_checkpoint, _input, _identity) = (paths.Checkpoint, input, progress);
        Account = progress.Account;
        Resumed = Account.Read > 0;
        _rejects = PrivateFile(paths.Rejects, FileMode.OpenOrCreate);
        _rejects.SetLength(progress.RejectsLength);
        _rejects.Seek(0, SeekOrigin.End);
        Save();
    }

    /// <summary>The same after a crash, another one when the file is imported anew.</summary>
    public long Run => _identity.Run;

    public Account Account { get; private set; }

    public bool Resumed { get; }

    public static ImportJournal Open(ImportPaths paths, SourceFile input, Mapping mapping, string address, long run, bool restart)
    {
        var file = new FileInfo(paths.Input);
        var fresh = new SavedProgress(1, run, mapping.Fingerprint, address, file.Length, file.LastWriteTimeUtc, 0, Account.Empty);
        if (restart || !File.Exists(paths.Checkpoint)) return new ImportJournal(paths, input, fresh);
        var saved = Read(paths.Checkpoint);
        if (saved is null || saved with { Run = run, RejectsLength = 0, Account = Account.Empty } != fresh)
            throw new UsageException(
                $"{paths.Checkpoint} belongs to another state of the input, the mapping or the address; give --restart to begin anew (what the vault holds is recognised).");
        return new ImportJournal(paths, input, saved);
    }

    public void Commit(BatchOutcome batch)
    {
        if (batch.Rejected.Count > 0)
        {
            _rejects.Write(Encoding.UTF8.GetBytes(Lines(batch.Rejected)));
            _rejects.Flush(flushToDisk: true);
        }
        Account = Account.Plus(batch);
        Save();
    }

    /// <summary>All is done: the checkpoint goes, and so does a rejects file with nothing in it.</summary>
    public void Close()
    {
        var empty = _rejects.Length == 0;
        _rejects.Dispose();
        if (empty) File.Delete(_rejects.Name);
        File.Delete(_checkpoint);
    }

    public void Dispose() => _rejects.Dispose();

    private static SavedProgress? Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<SavedProgress>(File.ReadAllBytes(path), VaultJson.Answers);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private void Save()
    {
        var saved = _identity with { RejectsLength = _rejects.Length, Account = Account };
        var next = _checkpoint + ".new";
        using (var file = PrivateFile(next, FileMode.Create))
        {
            JsonSerializer.Serialize(file, saved, VaultJson.Answers);
            file.Flush(flushToDisk: true);
        }
        File.Move(next, _checkpoint, overwrite: true);
    }

    private string Lines(IReadOnlyList<RejectedLine> rejected)
    {
        var text = new StringBuilder();
        if (_rejects.Length == 0 && _input.Header is { } header) text.Append("rejected_line,rejected_reason,rejected_at,").Append(header).Append('\n');
        foreach (var line in rejected) text.Append(Line(line)).Append('\n');
        return text.ToString();
    }

    private string Line(RejectedLine line) => _input.Header is not null
        ? $"{line.Line},{line.Why.Reason},{line.Why.At},{line.Raw}"
        : JsonSerializer.Serialize(new { line = line.Line, reason = line.Why.Reason, at = line.Why.At, original = line.Raw });

    // Rejected lines are personal data: for the owner's eyes only.
    private static FileStream PrivateFile(string path, FileMode mode)
    {
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.ReadWrite, Share = FileShare.Read };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new FileStream(path, options);
    }
}

/// <summary>The input and the two files that an import keeps.</summary>
internal sealed record ImportPaths(string Input, string Checkpoint, string Rejects)
{
    /// <summary>Beside the input, or in <paramref name="fallback"/> when the input's folder cannot be written to.</summary>
    public static ImportPaths For(string input, InputFormat format, string? checkpoint, string? rejects, string fallback)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(input))!;
        var home = Path.Combine(CanWrite(folder) ? folder : fallback, Path.GetFileName(input));
        return new ImportPaths(Path.GetFullPath(input), checkpoint ?? home + ".checkpoint", rejects ?? $"{home}.rejects.{format.Kind}");
    }

    private static bool CanWrite(string folder)
    {
        // An account that may write anywhere (root) still leaves a folder alone that its owner made read-only.
        if (!OperatingSystem.IsWindows() && !File.GetUnixFileMode(folder).HasFlag(UnixFileMode.UserWrite)) return false;
        try
        {
            using var probe = new FileStream(Path.Combine(folder, $".datavault-{Environment.ProcessId}"), new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                Options = FileOptions.DeleteOnClose,
            });
            return true;
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            return false;
        }
    }
}
