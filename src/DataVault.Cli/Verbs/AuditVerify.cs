using System.Net;
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
    internal const int RequestsAtOnce = 4;

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
            await output.WriteLineAsync(options.Json ? VerificationText.Json(report) : VerificationText.Describe(report));
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

    internal static NoteVerifier ReadKey(string key)
    {
        var text = File.Exists(key) ? File.ReadAllText(key) : key;
        return NoteVerifier.TryParseFile(text, out var verifier)
            ? verifier!
            : throw new UsageException("--key is neither a verifier key (name+hash+base64), nor a file with one, with the list of a log's keys, or with a trust policy.");
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

    public Task<byte[]?> MembersAsync(long n, CancellationToken cancellationToken) => ReadAsync(TlogTiles.MembersPath(n), cancellationToken);

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
