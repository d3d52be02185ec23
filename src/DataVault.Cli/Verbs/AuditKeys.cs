using System.CommandLine;
using DataVault.Client;
using DataVault.Transparency;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary>
/// The verb <c>audit keys</c>: which keys have signed a log, and whether each was announced under the one before it, from a key that the caller trusts
/// already. Exit code 0: every key follows; 1: one does not.
/// </summary>
internal static class AuditKeys
{
    public static Verb Build(VerbContext context)
    {
        var key = new Option<string?>("--key") { Description = "A key of the log that you trust, or a file with one (default: .vault/log.vkey here or above)." };
        var output = new Option<string?>("--output") { Description = "Write the list to this file, for --key of the other verbs." };
        return new Verb(
            "keys", "Follow the log's signing keys from one that you know to the newest.",
            "datavault audit keys", "datavault audit keys --key first.vkey --output log.vkey")
            .With(key, output)
            .Does(context, async (session, cancellation) =>
            {
                var vault = session.OpenPublic();
                if (!LogKeys.TryParse(await vault.LogKeysAsync(cancellation), out var listed)) throw new InvalidDataException("The vault's answer is not a list of keys.");
                var problem = await FollowAsync(vault, Trusted(session, key), listed!, cancellation);
                if (problem is null && session.Parsed.GetValue(output) is { } file) await File.WriteAllTextAsync(file, listed!.ToString(), cancellation);
                session.Report.Show(
                    new { ok = problem is null, problem, keys = listed!.Keys.Select(k => new { key = k.VerifierKey, from = k.From, until = k.Until }) },
                    () => Show(listed!, problem));
                return problem is null ? ExitCode.Ok : ExitCode.Failed;
            });
    }

    private static LogKeys Trusted(Session session, Option<string?> key)
    {
        var given = session.Parsed.GetValue(key) ?? VaultFolder.Find(session.Host.WorkingDirectory, "log.vkey") ?? throw new UsageException("Which key do you trust? Give --key, or run where .vault/log.vkey is.");
        return LogKeys.TryParse(File.Exists(given) ? File.ReadAllText(given) : given, out var keys) ? keys! : throw new UsageException("--key is neither a verifier key nor a file that holds one.");
    }

    /// <summary>Null when every key of the list that comes after a trusted one was announced under the key before it.</summary>
    private static async Task<string?> FollowAsync(VaultClient vault, LogKeys trusted, LogKeys listed, CancellationToken cancellation)
    {
        var known = trusted.Keys.Select(k => k.VerifierKey).ToHashSet();
        var last = listed.Keys.ToList().FindLastIndex(k => known.Contains(k.VerifierKey));
        if (last < 0) return "none of the vault's keys is the one that you trust";
        for (var i = last + 1; i < listed.Keys.Count; i++)
        {
            var proof = await vault.KeyAnnouncementAsync($"{listed.Keys[i].Verifier.KeyId:x8}", cancellation);
            var problem = TlogProof.TryParse(proof, out var announcement) ? LogKeys.CheckAnnouncement(listed.Keys[i - 1], listed.Keys[i], announcement!) : "the announcement is not a proof";
            if (problem is not null) return $"key {listed.Keys[i].Verifier.KeyId:x8}: {problem}";
        }
        return null;
    }

    private static Rows Show(LogKeys listed, string? problem)
    {
        var table = Report.Table("key", "from entries", "until");
        foreach (var key in listed.Keys) table.Row($"{key.Verifier.KeyId:x8}", $"{key.From:N0}", key.Until is { } until ? $"{until:N0}" : "in use");
        return new Rows(table, new Text(problem is null ? "OK: each key was announced under the one before it.\n" : $"FAILED: {problem}.\n"));
    }
}
