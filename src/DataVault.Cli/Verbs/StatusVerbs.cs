using System.CommandLine;
using DataVault.Cryptography;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault status</c> and <c>datavault first-run</c></summary>
internal static class StatusVerbs
{
    private static readonly string[] s_roles = ["administrator"];

    public static Verb Status(VerbContext context)
    {
        var ready = new Option<bool>("--ready") { Description = "Only ask whether the vault can serve (needs no credential)." };
        return new Verb("status", "How the vault does.", "datavault status", "datavault status --ready && echo up")
            .With(ready)
            .Does(context, async (session, cancellation) =>
            {
                if (session.Parsed.GetValue(ready)) return await ReadyAsync(session, cancellation);
                var status = await session.Open(s_roles).StatusAsync(cancellation);
                session.Report.Show(status, () => Report.Facts(
                [
                    ("address", $"{session.Address}"), ("version", status.Version), ("mode", status.Mode), ("started", $"{status.StartedAt:u}"),
                    ("customers", $"{status.Customers:N0}"), ("events", $"{status.Events:N0}"), ("log entries", $"{status.LogSize:N0}"),
                    ("checkpoint", status.Checkpoint), ("policy", status.PolicyVersion), .. status.Health.Select(h => (h.Key, (string?)h.Value)),
                ]));
                return ExitCode.Ok;
            });
    }

    public static Verb FirstRun(VerbContext context)
    {
        var secrets = new Option<bool>("--secrets") { Description = "Show secrets and passwords." };
        return new Verb("first-run", "Show the address and the sign-ins that a vault in Development made on its first start.", "datavault first-run", "datavault first-run --secrets --json")
            .With(secrets, Code(context))
            .Does(context, (session, _) =>
            {
                var file = FirstRunOf(session);
                var shown = session.Parsed.GetValue(secrets) ? file : Hide(file);
                session.Report.Show(shown, () => Show(shown));
                return Task.FromResult(ExitCode.Ok);
            });
    }

    // The authenticator app of people who exist in Development alone.
    private static Verb Code(VerbContext context)
    {
        var email = new Argument<string>("email") { Description = "One of the staff of first-run.json." };
        return new Verb("code", "The code that the authenticator app of a first-run person would show now.", "datavault first-run code officer@vault.example")
            .With(email)
            .Does(context, (session, _) =>
            {
                var person = FirstRunOf(session).People.FirstOrDefault(p => p.Email == session.Parsed.GetValue(email));
                if (person?.CodeSecret is not { } text || Base32.Decode(text) is not { } secret) throw new UsageException("No such member of the staff has a key of an authenticator app there.");
                var code = TimeCodes.Code(secret, TimeCodes.StepOf(session.Host.Time.GetUtcNow()));
                session.Report.Show(new { code }, () => new Text(code + "\n"));
                return Task.FromResult(ExitCode.Ok);
            });
    }

    private static FirstRun FirstRunOf(Session session) =>
        session.FirstRunOrNull() ?? throw new UsageException("No .vault/first-run.json here or above: start the vault first, or give --first-run.");

    private static async Task<int> ReadyAsync(Session session, CancellationToken cancellation)
    {
        var ready = await session.OpenPublic().IsReadyAsync(cancellation);
        session.Report.Show(new { ready }, () => new Text(ready ? "ready\n" : "not ready\n"));
        return ready ? ExitCode.Ok : ExitCode.Unavailable;
    }

    private static FirstRun Hide(FirstRun file) => file with
    {
        Clients = [.. file.Clients.Select(c => c with { Secret = "(hidden: --secrets)" })],
        People = [.. file.People.Select(p => p with { Password = "(hidden: --secrets)", CodeSecret = p.CodeSecret is null ? null : "(hidden: --secrets)" })],
    };

    private static Rows Show(FirstRun file)
    {
        var clients = Report.Table("application", "secret", "roles", "purposes");
        foreach (var c in file.Clients) clients.Row(c.Id, c.Secret, string.Join(", ", c.Roles), string.Join(", ", c.Purposes));
        var people = Report.Table("person", "password", "key of the authenticator app", "role");
        foreach (var p in file.People) people.Row(p.Email, p.Password, p.CodeSecret ?? "", p.Role);
        return new Rows(new Text($"{file.Address}\n"), clients, people);
    }
}
