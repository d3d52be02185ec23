using System.CommandLine;
using System.Globalization;
using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Policy;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault policy versions|show|activate|return|diff|replay</c>: versions of the policy of a vault that runs.</summary>
internal static class PolicyVersionVerbs
{
    private const string Current = "current";
    private static readonly string[] s_roles = ["compliance-officer"];

    public static IEnumerable<Verb> Build(VerbContext context) =>
        [Versions(context), Show(context), Activate(context), Return(context), Diff(context), Replay(context)];

    private static Verb Versions(VerbContext context)
    {
        var limit = new Option<int>("--limit") { Description = "Most versions to list.", DefaultValueFactory = _ => 50 };
        return new Verb("versions", "Which version came into force when, newest first.", "datavault policy versions", "datavault policy versions --json")
            .With(limit)
            .Does(context, async (session, cancellation) =>
            {
                var page = await session.Open(s_roles).PolicyVersionsAsync(session.Parsed.GetValue(limit), null, cancellation);
                session.Report.Show(page, () =>
                {
                    var table = Report.Table("no", "version", "since", "by", "entry", "");
                    foreach (var one in page.Items)
                        table.Row(Say(one.Sequence), one.Version, one.At.ToString("u", CultureInfo.InvariantCulture), one.By, one.LogIndex is { } index ? Say(index) : "", $"{(one.InForce ? "in force" : "")}{(one.Damage is { } damage ? $", its row is {damage}" : "")}");
                    return table;
                });
                return ExitCode.Ok;
            });
    }

    private static Verb Show(VerbContext context)
    {
        var version = new Argument<string>("version") { Description = "32 hexadecimal digits." };
        var to = new Option<DirectoryInfo?>("--to") { Description = "Write the files into this folder, which must not hold any." };
        return new Verb("show", "The files of a version that was in force.", "datavault policy show 7d3dba45c1e09a52b7f6d0c4a1b2c3d4 --to before")
            .With(version, to)
            .Does(context, async (session, cancellation) =>
            {
                var found = await session.Open(s_roles).PolicyVersionAsync(session.Parsed.GetRequiredValue(version), cancellation);
                if (session.Parsed.GetValue(to) is { } folder) await WriteAsync(folder, found.Files, cancellation);
                session.Report.Show(found, () => new Rows(found.Files.OrderBy(file => file.Key, StringComparer.Ordinal).Select(file => new Text($"{file.Key}  {file.Value.Length:N0} characters\n"))));
                return ExitCode.Ok;
            });
    }

    private static Verb Activate(VerbContext context)
    {
        var folder = new Argument<DirectoryInfo>("folder") { Description = "The policies folder to put in force." };
        var (dry, retire, acknowledge) = (DryRun(), Retire(), Acknowledge());
        return new Verb(
            "activate", "Put a version in force in every process of the vault: it is linted, its cases run, and it is refused whole or taken whole.",
            "datavault policy activate policies --dry-run", "datavault policy activate policies", "datavault policy activate policies --retire shoeSize --acknowledge basis-changed:fraud-prevention")
            .With(folder, dry, retire, acknowledge)
            .Does(context, (session, cancellation) => ProposeAsync(
                session,
                new ActivatePolicy(PolicyVerbs.Read(session.Parsed.GetRequiredValue(folder).FullName), null, session.Parsed.GetValue(dry), session.Parsed.GetRequiredValue(retire))
                {
                    Acknowledge = session.Parsed.GetRequiredValue(acknowledge),
                },
                cancellation));
    }

    private static Verb Return(VerbContext context)
    {
        var version = new Argument<string>("version") { Description = "A version that was in force before." };
        var (dry, retire, acknowledge) = (DryRun(), Retire(), Acknowledge());
        return new Verb("return", "Put an earlier version in force again.", "datavault policy return 7d3dba45c1e09a52b7f6d0c4a1b2c3d4")
            .With(version, dry, retire, acknowledge)
            .Does(context, (session, cancellation) => ProposeAsync(
                session,
                new ActivatePolicy(null, session.Parsed.GetRequiredValue(version), session.Parsed.GetValue(dry), session.Parsed.GetRequiredValue(retire))
                {
                    Acknowledge = session.Parsed.GetRequiredValue(acknowledge),
                },
                cancellation));
    }

    private static Option<bool> DryRun() => new("--dry-run") { Description = "Say what would come of it, and change nothing." };

    private static Option<string[]> Retire() => new("--retire")
    {
        Description = "A field or event type that may go although something is held of it (repeatable).", DefaultValueFactory = _ => [],
    };

    private static Option<string[]> Acknowledge() => new("--acknowledge")
    {
        Description = "A change to what people were told or agreed to that you know of: purpose-gone:NAME or basis-changed:NAME (repeatable).", DefaultValueFactory = _ => [],
    };

    private static Verb Diff(VerbContext context)
    {
        var before = new Argument<string>("old") { Description = "A folder, a version, or \"current\"." };
        var after = new Argument<string>("new") { Description = "The same." };
        return new Verb(
            "diff", "Every combination of role, purpose, action, field, form and conditions that the new version releases and the old did not, and the other way round.",
            "datavault policy diff current policies", "datavault policy diff ../main/policies policies --json")
            .With(before, after)
            .Does(context, async (session, cancellation) =>
            {
                var diff = new PolicyDiff(
                    await FindAsync(session, session.Parsed.GetRequiredValue(before), cancellation), await FindAsync(session, session.Parsed.GetRequiredValue(after), cancellation));
                var differences = diff.Differences().ToList();
                var answer = new
                {
                    released = differences.Where(one => one.Released).Select(one => PolicyVerbs.Say(one.Grant)).ToList(),
                    withdrawn = differences.Where(one => !one.Released).Select(one => PolicyVerbs.Say(one.Grant)).ToList(),
                    forms = diff.Forms,
                    purposes = diff.Purposes,
                    recipients = diff.Recipients,
                    capabilities = diff.RoleCapabilities.Select(one => new { change = one.Given ? "given" : "taken", one.Role, one.Capability }),
                };
                session.Report.Show(answer, () => Tell(diff, differences));
                return ExitCode.Ok;
            });
    }

    private static Verb Replay(VerbContext context)
    {
        var draft = new Argument<string>("new") { Description = "A folder or a version." };
        var since = new Option<string>("--since") { Description = "From when on: 30d, 12h, or a day such as 2026-10-01.", DefaultValueFactory = _ => "30d" };
        return new Verb(
            "replay", "Which past reads a draft would refuse, narrow or release, about how many people. From the log alone: no value is opened.",
            "datavault policy replay --since 30d policies", "datavault policy replay --since 2026-10-01 policies --json")
            .With(draft, since)
            .Does(context, async (session, cancellation) =>
            {
                var named = session.Parsed.GetRequiredValue(draft);
                var question = new ReplayRequest(Since(session.Parsed.GetRequiredValue(since), session.Host.Time.GetUtcNow()), Directory.Exists(named) ? PolicyVerbs.Read(named) : null, Directory.Exists(named) ? null : named);
                var report = await session.Open(s_roles).ReplayPolicyAsync(question, cancellation);
                session.Report.Show(report, () => Tell(report));
                return ExitCode.Ok;
            });
    }

    private static async Task<int> ProposeAsync(Session session, ActivatePolicy proposal, CancellationToken cancellation)
    {
        var vault = proposal.DryRun ? session.Open(s_roles) : session.OpenAsPerson(s_roles);
        var outcome = await vault.ActivatePolicyAsync(proposal, cancellation);
        session.Report.Show(outcome, () => new Rows(
        [
            .. outcome.Problems.Select(problem => new Text($"{problem.File}:{problem.Line}: {problem.Message}\n")),
            .. outcome.Notes.Select(note => new Text(note + "\n")),
            new Text(Outcome(outcome, proposal.DryRun) + "\n"),
        ]));
        return outcome.Problems.Count == 0 ? ExitCode.Ok : ExitCode.Failed;
    }

    private static string Outcome(ActivationView outcome, bool dry) => outcome switch
    {
        { Problems.Count: > 0 } => "It would be refused.",
        { Activated: true } => $"In force since now: {outcome.Version}, in {Say(outcome.Processes)} processes; entry {Say(outcome.LogIndex ?? 0)} of the log.",
        _ when outcome.Version == outcome.Previous => $"{outcome.Version} is in force already.",
        _ => dry ? $"{outcome.Version} could take the place of {outcome.Previous}." : "Nothing was activated.",
    };

    private static async Task<PolicySet> FindAsync(Session session, string named, CancellationToken cancellation)
    {
        if (Directory.Exists(named)) return PolicyVerbs.Parse(PolicyVerbs.Read(named));
        var vault = session.Open(s_roles);
        var version = named == Current ? (await vault.PolicyAsync(cancellation)).Version : named;
        var policy = PolicyVerbs.Parse((await vault.PolicyVersionAsync(version, cancellation)).Files);
        return policy.Version == version ? policy : throw new InvalidDataException($"What the vault sent is the version {policy.Version}, not {version}.");
    }

    private static async Task WriteAsync(DirectoryInfo folder, IReadOnlyDictionary<string, string> files, CancellationToken cancellation)
    {
        if (folder.Exists && folder.EnumerateFileSystemInfos().Any()) throw new UsageException($"{folder.FullName} is not empty.");
        var root = Path.GetFullPath(folder.FullName) + Path.DirectorySeparatorChar;
        foreach (var (name, text) in files)
        {
            var file = Path.GetFullPath(Path.Combine(root, name));
            if (!file.StartsWith(root, StringComparison.Ordinal)) throw new InvalidDataException("A file of the version would lie outside the folder.");
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            await File.WriteAllTextAsync(file, text, cancellation);
        }
    }

    private static DateTimeOffset Since(string text, DateTimeOffset now)
    {
        if (text.Length > 1 && int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count <= 36_500)
        {
            if (text[^1] == 'd') return now.AddDays(-count);
            if (text[^1] == 'h') return now.AddHours(-count);
        }

        return DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day)
            ? new DateTimeOffset(day.ToDateTime(TimeOnly.MinValue), TimeSpan.Zero)
            : throw new UsageException($"\"{text}\" is neither a time back such as 30d nor a day such as 2026-10-01.");
    }

    private static Rows Tell(PolicyDiff diff, List<PolicyDifference> differences)
    {
        var table = Report.Table("", "role", "purpose", "action", "field", "form", "only if", "rules");
        foreach (var (released, grant) in differences)
        {
            table.Row(
                released ? "+" : "-", grant.Role, grant.Purpose, ActionNames.Of(grant.Action), grant.Item.Name, FormNames.Of(grant.Form), string.Join(", ", grant.Conditions),
                string.Join(", ", grant.RuleIds));
        }

        List<IRenderable> parts = differences.Count > 0 ? [table] : [];
        parts.AddRange(diff.Forms.Select(form => new Text($"{form.Item}: {form.What} {form.Before} becomes {form.After}\n")));
        parts.AddRange(diff.Purposes.Select(one => (one.Purpose, one.What, one.Before, one.After)).Concat(diff.Recipients.Select(one => (one.Recipient, one.What, one.Before, one.After))).Select(Tell));
        parts.AddRange(diff.RoleCapabilities.Select(one => new Text($"{(one.Given ? "+" : "-")} {one.Role} {one.Capability}\n")));
        parts.Add(new Text($"Newly released: {Say(differences.Count(one => one.Released))}. No longer: {Say(differences.Count(one => !one.Released))}.\n"));
        return new Rows(parts);
    }

    private static Text Tell((string Of, string What, string Before, string After) change) =>
        new($"{change.Of}: {change.What}{(change.Before.Length > 0 ? $", it was {change.Before}" : "")}{(change.After.Length > 0 ? $", it is {change.After}" : "")}\n");

    private static Rows Tell(ReplayView report)
    {
        var table = Report.Table("field", "would be", "purpose", "caller", "decisions", "people");
        foreach (var line in report.Lines) table.Row(line.Field, line.Fate, line.Purpose, line.Actor, Say(line.Decisions), Say(line.People));
        List<IRenderable> parts = report.Lines.Count > 0 ? [table] : [];
        parts.Add(new Text($"{Say(report.Changed)} of {Say(report.Decisions)} decisions would or might come out otherwise, about {Say(report.People)} people.\n"));
        if (report.Unattributed + report.Unversioned > 0) parts.Add(new Text($"Not judged: {Say(report.Unattributed)} of callers and {Say(report.Unversioned)} by versions that are not known any more.\n"));
        parts.AddRange(report.Limits.Select(limit => new Text("Note: " + limit + "\n")));
        return new Rows(parts);
    }

    private static string Say(long number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
