using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server.Outbound;

/// <summary>Where exported entries go. INVARIANT: <see cref="Next"/> after a restart is the first entry that was not written whole.</summary>
internal interface ISink : IDisposable
{
    string Name { get; }

    int Batch { get; }

    /// <summary>Whether this process is the one that writes; opens the sink.</summary>
    bool TryClaim();

    /// <summary>First entry that is still to come.</summary>
    long Next { get; }

    /// <summary>Takes lines; they are with the receiver, and counted, when it returns.</summary>
    Task WriteAsync(IReadOnlyList<byte[]> lines, CancellationToken cancellation);
}

/// <summary>Passes every signed entry on in OCSF, in order. Reads what is signed already, and so never keeps the log waiting.</summary>
internal sealed class LogExport(ISink sink, OcsfEvents events, LogAnchors anchors, OutboundState state, RoundsContext context) : RoundsWorker(context.Clock, context.Logger)
{
    protected override TimeSpan Rhythm => TimeSpan.FromSeconds(1);

    public override async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        if (!sink.TryClaim())
            return true;
        try
        {
            while (sink.Next < anchors.Signed)
            {
                var entries = await anchors.EntriesAsync(sink.Next, sink.Batch, cancellation);
                if (entries.Count == 0)
                    break;
                await sink.WriteAsync([.. entries.Select(events.Line)], cancellation);
            }
            state.Set(sink.Name, OutboundState.Good, anchors.Signed - sink.Next);
            return true;
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellation.IsCancellationRequested)
        {
            state.Set(sink.Name, "away", anchors.Signed - sink.Next);
            throw;
        }
    }

    public override void Dispose()
    {
        sink.Dispose();
        base.Dispose();
    }
}

/// <summary>How far an export is: the next entry, and for a file its length then. One line, replaced whole and flushed.</summary>
internal sealed class ExportCursor(string path)
{
    private const string Header = "datavault export 1";

    public (long Next, long Length) Read()
    {
        if (!File.Exists(path))
            return (0, 0);
        var read = File.ReadAllText(path).TrimEnd('\n').Split(' ');
        return read.Length == 5 && string.Join(' ', read[..3]) == Header && long.TryParse(read[3], NumberStyles.None, CultureInfo.InvariantCulture, out var next)
            && long.TryParse(read[4], NumberStyles.None, CultureInfo.InvariantCulture, out var length)
            ? (next, length)
            : throw new InvalidDataException($"The cursor {Path.GetFileName(path)} is damaged.");
    }

    public void Write(long next, long length)
    {
        var draft = path + ".new";
        using (var file = new FileStream(draft, FileMode.Create, FileAccess.Write))
        {
            file.Write(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Header} {next} {length}\n")));
            file.Flush(flushToDisk: true);
        }
        DurableRename.Move(draft, path, overwrite: true);
    }
}

/// <summary>What both sinks share: one process at a time has the cursor.</summary>
internal abstract class CursorSink(string home, string name, string cursor) : ISink
{
    private readonly ExportCursor _cursor = new(cursor);
    private FileStream? _claim;

    public string Name => "export " + name;

    public abstract int Batch { get; }

    public long Next { get; private set; }

    protected long Length { get; private set; }

    public bool TryClaim()
    {
        if (_claim is not null)
            return true;
        FileStream claim;
        try
        {
            claim = new FileStream(Path.Combine(home, $"log-export-{name}.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException)
        {
            return false;
        }
        try
        {
            (Next, Length) = _cursor.Read();
            Open();
            _claim = claim;
            return true;
        }
        finally
        {
            if (_claim is null)
                claim.Dispose();
        }
    }

    public abstract Task WriteAsync(IReadOnlyList<byte[]> lines, CancellationToken cancellation);

    public virtual void Dispose() => _claim?.Dispose();

    protected virtual void Open()
    {
    }

    protected void Advance(int entries, long length)
    {
        _cursor.Write(Next + entries, length);
        (Next, Length) = (Next + entries, length);
    }
}

/// <summary>
/// JSON Lines in a file: flushed before the cursor counts them, and cut back to what the cursor counted after a crash, so that each entry stands there once.
/// </summary>
internal sealed class FileSink(FileExportOptions options, string home) : CursorSink(home, "file", options.Path + ".cursor")
{
    private FileStream? _file;

    public override int Batch => 500;

    public override async Task WriteAsync(IReadOnlyList<byte[]> lines, CancellationToken cancellation)
    {
        if (Length >= options.MaxBytes)
            Rotate();
        var file = _file ??= OpenFile();
        // After a failure half-way the file is longer than was counted.
        file.SetLength(Length);
        file.Position = Length;
        foreach (var line in lines)
            await file.WriteAsync(line, cancellation);
        file.Flush(flushToDisk: true);
        Advance(lines.Count, file.Length);
    }

    public override void Dispose()
    {
        _file?.Dispose();
        base.Dispose();
    }

    // A file that somebody took away or emptied is begun anew; the cursor says what they have got.
    protected override void Open()
    {
        _file = OpenFile();
        if (_file.Length < Length)
            Advance(0, _file.Length);
    }

    private FileStream OpenFile()
    {
        var how = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.Write, Share = FileShare.Read };
        if (!OperatingSystem.IsWindows())
            how.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead;
        return new FileStream(options.Path, how);
    }

    // The name tells the first entry that is not in the file. Killed in between, the new file is found missing and begun.
    private void Rotate()
    {
        _file?.Dispose();
        _file = null;
        if (File.Exists(options.Path))
            DurableRename.Move(options.Path, string.Create(CultureInfo.InvariantCulture, $"{options.Path}.{Next:D12}"), overwrite: true);
        Advance(0, 0);
    }
}

/// <summary>JSON Lines posted in batches. An entry may arrive twice, when an answer was lost; its <c>metadata.uid</c> tells.</summary>
internal sealed class HttpSink(HttpExportOptions options, string home, HttpMessageInvoker http, string origin)
    : CursorSink(home, "http", Path.Combine(home, "log-export-http.cursor"))
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public override int Batch => options.Batch;

    public override async Task WriteAsync(IReadOnlyList<byte[]> lines, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Patience);
        using var request = new HttpRequestMessage(HttpMethod.Post, options.Address) { Content = new ByteArrayContent([.. lines.SelectMany(line => line)]) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-ndjson");
        if (options.TokenFile is { } token)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (await File.ReadAllTextAsync(token, cancellation)).Trim());
        // The same batch has the same key, so that a receiver that looks at it takes no entry twice.
        var batch = string.Create(CultureInfo.InvariantCulture, $"{origin} {Next} {lines.Count}");
        request.Headers.Add("Idempotency-Key", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(batch)))[..32]);
        using var answer = await http.SendAsync(request, limit.Token);
        if (answer.StatusCode is < HttpStatusCode.OK or >= HttpStatusCode.MultipleChoices)
            throw new HttpRequestException("The receiver did not take the entries.", null, answer.StatusCode);
        Advance(lines.Count, 0);
    }
}
