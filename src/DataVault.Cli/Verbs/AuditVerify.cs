using System.Globalization;
using System.Net;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using DataVault.Client;
using DataVault.Transparency;

namespace DataVault.Cli.Verbs;

/// <summary>What <c>audit verify</c> is asked.</summary>
/// <param name="Log">A directory of tiles, or the address of a vault.</param>
/// <param name="Key">The log's verifier key, or a file that holds it.</param>
/// <param name="Checkpoints">Files of checkpoints seen before, which the log must continue.</param>
/// <param name="Json">Whether to print the report as JSON.</param>
/// <param name="Tokens">How to sign in to a vault, which gives entry bundles only to who may read its log.</param>
internal sealed record AuditVerifyOptions(string Log, string Key, IReadOnlyList<string> Checkpoints, bool Json, TokenSource? Tokens = null);

/// <summary>
/// The verb <c>audit verify</c>: reads a whole log, from a directory or over HTTP, and says whether it is as signed and, if not, which
/// entry is the first that is not. It uses DataVault.Transparency alone and so shares no code with whatever wrote the log.
/// Exit code 0: as signed; 1: not; 2: not asked properly, or the log could not be read.
/// </summary>
internal static class AuditVerify
{
    public const int Sound = 0;
    public const int Bad = 1;
    public const int Usage = 2;

    // The verifier reads ahead; a vault has others to answer too.
    private const int RequestsAtOnce = 4;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        // Base64 stays legible; the output is for terminals and programs, never for a page.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    private const string Refused =
        "The entry bundles need a credential with audit.read, such as a compliance officer's: give --client and --secret-file, or --token-file, "
        + "or run where .vault/first-run.json of this vault is. Without one, verify a copy of the tiles with --log DIRECTORY.";

    public static async Task<int> RunAsync(AuditVerifyOptions options, HttpClient http, TextWriter output, TextWriter error, CancellationToken cancellationToken)
    {
        try
        {
            var verifier = new LogVerifier(ReadKey(options.Key));
            var earlier = options.Checkpoints.Select(ReadCheckpoint).ToList();
            using var turns = new SemaphoreSlim(RequestsAtOnce);
            var report = await verifier.VerifyAsync(Open(options, http, turns), earlier, cancellationToken);
            await output.WriteLineAsync(options.Json ? ToJson(report) : ToText(report));
            return report.Ok ? Sound : Bad;
        }
        catch (UsageException exception)
        {
            await error.WriteLineAsync(exception.Message);
        }
        catch (VaultProblemException problem) when (problem.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
        {
            await error.WriteLineAsync($"The log could not be read: {problem.Message}{Environment.NewLine}{Refused}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or HttpRequestException or VaultProblemException)
        {
            await error.WriteLineAsync($"The log could not be read: {exception.Message}");
        }
        return Usage;
    }

    internal static string ToText(VerificationReport report)
    {
        var text = new List<string>();
        if (report.Origin.Length > 0)
            text.Add($"log         {report.Origin}");
        if (!report.Root.IsEmpty)
            text.Add(string.Create(CultureInfo.InvariantCulture, $"checkpoint  {report.Size:N0} entries, root {Convert.ToBase64String(report.Root.Span)}"));
        if (report is { FirstTime: { } first, LastTime: { } last })
            text.Add($"period      {Time(first)} to {Time(last)}");
        if (report.EarlierCheckpoints > 0)
            text.Add($"continues   {report.EarlierCheckpoints} earlier checkpoint{(report.EarlierCheckpoints == 1 ? "" : "s")}");
        text.AddRange(report.Findings.Select(finding => $"BAD         {finding.Message}"));
        if (report.Findings.Count == VerificationReport.MaxFindings)
            text.Add("            and perhaps more");
        text.Add(report.Ok
            ? "OK          every entry is as signed"
            : report.FirstBadIndex is { } index ? $"FAILED      the first bad entry is {index}" : "FAILED      the log cannot be trusted");
        return string.Join(Environment.NewLine, text);
    }

    private static string ToJson(VerificationReport report) => JsonSerializer.Serialize(
        new
        {
            report.Ok,
            report.Origin,
            report.Size,
            Root = Convert.ToBase64String(report.Root.Span),
            report.EarlierCheckpoints,
            From = report.FirstTime is { } first ? Time(first) : null,
            To = report.LastTime is { } last ? Time(last) : null,
            report.FirstBadIndex,
            report.Problem,
            report.Findings,
        },
        Json);

    private static string Time(long milliseconds) =>
        DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    internal static NoteVerifier ReadKey(string key)
    {
        var line = File.Exists(key) ? File.ReadAllText(key).Trim() : key;
        return NoteVerifier.TryParse(line, out var verifier) ? verifier! : throw new UsageException("--key is neither a verifier key (name+hash+base64) nor a file that holds one.");
    }

    private static SignedNote ReadCheckpoint(string file)
    {
        if (!File.Exists(file))
            throw new UsageException($"--checkpoint {file}: there is no such file.");
        return SignedNote.TryParse(File.ReadAllText(file), out var note) ? note! : throw new UsageException($"--checkpoint {file}: not a signed note.");
    }

    private static ILogSource Open(AuditVerifyOptions options, HttpClient http, SemaphoreSlim turns)
    {
        if (Uri.TryCreate(options.Log, UriKind.Absolute, out var address) && address.Scheme is "http" or "https")
        {
            http.BaseAddress = address;
            return new VaultLogSource(new VaultClient(http, options.Tokens), turns);
        }
        return Directory.Exists(options.Log) ? new TileDirectory(options.Log) : throw new UsageException($"--log {options.Log}: neither a directory nor an address.");
    }
}

/// <summary>A log as a vault serves it under <c>/audit/</c>.</summary>
internal sealed class VaultLogSource(VaultClient vault, SemaphoreSlim turns) : ILogSource
{
    public async Task<string?> CheckpointAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await vault.CheckpointAsync(cancellationToken);
        }
        catch (VaultProblemException problem) when (problem.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }
    }

    public Task<byte[]?> TileAsync(int level, long n, int width, CancellationToken cancellationToken) =>
        ReadAsync(TlogTiles.TilePath(level, n, width), cancellationToken);

    public Task<byte[]?> EntryBundleAsync(long n, int width, CancellationToken cancellationToken) =>
        ReadAsync(TlogTiles.EntriesPath(n, width), cancellationToken);

    private async Task<byte[]?> ReadAsync(string path, CancellationToken cancellationToken)
    {
        await turns.WaitAsync(cancellationToken);
        try
        {
            return await vault.TileAsync(path["tile/".Length..], cancellationToken);
        }
        catch (VaultProblemException problem) when (problem.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }
        finally
        {
            turns.Release();
        }
    }
}
