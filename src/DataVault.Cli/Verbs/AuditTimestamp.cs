using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using DataVault.Transparency;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary>
/// The verb <c>audit timestamp</c>: verifies offline that an authority saw a checkpoint at a time. It needs what <c>/audit/timestamp/SIZE</c> and
/// <c>/audit/timestamp/SIZE/checkpoint</c> gave, and the authority's root certificates. Exit code 0: it holds; 1: it does not.
/// </summary>
internal static class AuditTimestamp
{
    public static Verb Build(VerbContext context)
    {
        var token = new Argument<string>("token") { Description = "The timestamp token." };
        var checkpoint = new Option<string>("--checkpoint") { Description = "The checkpoint that was timestamped, byte for byte.", Required = true };
        var roots = new Option<string>("--roots") { Description = "PEM file of the authority's root certificates.", Required = true };
        var key = new Option<string?>("--key") { Description = "The log's verifier key, or a file with it (default: .vault/log.vkey here or above)." };
        return new Verb(
            "timestamp", "Verify an authority's timestamp of a checkpoint, offline.",
            "datavault audit timestamp 4711.tst --checkpoint 4711.note --roots tsa.pem --key log.vkey")
            .With(token, checkpoint, roots, key)
            .Does(context, (session, _) =>
            {
                var p = session.Parsed;
                var note = File.ReadAllText(p.GetRequiredValue(checkpoint));
                var given = p.GetValue(key) ?? VaultFolder.Find(session.Host.WorkingDirectory, "log.vkey") ?? throw new UsageException("Whose log? Give --key, or run where .vault/log.vkey is.");
                var (problem, time) = Verify(File.ReadAllBytes(p.GetRequiredValue(token)), note, p.GetRequiredValue(roots), AuditVerify.ReadKey(given));
                session.Report.Show(
                    new { ok = problem is null, problem, time },
                    () => new Text(problem is null ? $"OK: the authority saw this checkpoint at {time:u}.\n" : $"FAILED: {problem}\n"));
                return Task.FromResult(problem is null ? ExitCode.Ok : ExitCode.Failed);
            });
    }

    private static (string? Problem, DateTimeOffset? Time) Verify(byte[] token, string note, string roots, NoteVerifier key)
    {
        if (!SignedNote.TryParse(note, out var signed) || !key.Verify(signed!))
            return ("The checkpoint is not signed by the log's key.", null);
        try
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(roots);
            return (null, TimestampToken.Verify(token, Encoding.UTF8.GetBytes(note), authorities).Time);
        }
        catch (CryptographicException e)
        {
            return (e.Message, null);
        }
    }
}
