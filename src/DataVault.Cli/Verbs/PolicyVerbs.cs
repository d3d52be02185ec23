using System.CommandLine;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Policy.Reading;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault policy …</c>: questions to a policies folder, or with <c>--vault</c> to the version in force. Each answer names the version that gave it.</summary>
internal static class PolicyVerbs
{
    private static readonly string[] s_roles = ["compliance-officer"];

    private const string ClassPrefix = "class:";
    private const string EveryAction = "all";
    private const string InForce = "in force in the vault";

    public static Verb Build(VerbContext context)
    {
        var folder = new Option<DirectoryInfo?>("--policies") { Description = "The policies folder (default: policies here or above).", Recursive = true };
        return new Verb("policy", "Check, question and compare policies; put one in force.")
            .With(folder, Lint(context, folder), Test(context, folder), Explain(context, folder), WhoCan(context, folder), WhatCan(context, folder))
            .With([.. PolicyVersionVerbs.Build(context)]);
    }

    private static Verb Lint(VerbContext context, Option<DirectoryInfo?> folder)
    {
        var vault = new Option<bool>("--vault") { Description = "Of the version in force, with what only the server knows: roles that nobody has, and credentials with roles or purposes that it does not declare." };
        return new Verb("lint", "Find errors, and rules that can never matter.", "datavault policy lint", "datavault policy lint --policies ../next/policies --json", "datavault policy lint --vault")
            .With(vault)
            .Does(context, async (session, cancellation) =>
            {
                if (session.Parsed.GetValue(vault))
                {
                    var found = await session.Open(["compliance-officer"]).PolicyFindingsAsync(cancellation);
                    session.Report.Show(found, () => found.Items.Count == 0
                        ? new Text($"Nothing found. Policy version {found.PolicyVersion}\n")
                        : new Rows(found.Items.Select(f => new Text($"{f.File}{(f.Line > 0 ? $":{f.Line}" : "")}: {f.Message}\n"))));
                    return found.Items.Count == 0 ? ExitCode.Ok : ExitCode.Failed;
                }

                var findings = Findings(session, folder, out var version);
                session.Report.Show(new { ok = findings.Count == 0, version, findings }, () => findings.Count == 0
                    ? new Text($"Nothing found. Policy version {version}\n")
                    : new Rows(findings.Select(f => new Text($"{f}\n"))));
                return findings.Count == 0 ? ExitCode.Ok : ExitCode.Failed;
            });
    }

    private static Verb Test(VerbContext context, Option<DirectoryInfo?> folder) =>
        new Verb("test", "Run the policy's cases, and say which rules none of them determines.", "datavault policy test")
            .Does(context, (session, _) =>
            {
                var coverage = Load(session, folder).Coverage();
                var (results, failed) = (coverage.Results, coverage.Results.Where(r => !r.Passed).ToList());
                var answer = new
                {
                    coverage.Passed,
                    failed = failed.Select(f => new { f.Case.Name, f.Case.File, f.Case.Line, f.Differences }),
                    rules = coverage.Rules.Count,
                    coverage.Percent,
                    coverage.UncoveredRules,
                };
                session.Report.Show(answer, () => new Rows(
                [
                    .. failed.Select(f => new Text($"{f.Case.File}:{f.Case.Line}: {f.Case.Name}\n  {string.Join("\n  ", f.Differences)}\n")),
                    .. coverage.UncoveredRules.Select(r => new Text($"No case covers the rule {r}.\n")),
                    new Text($"{coverage.Passed} of {results.Count} cases pass; they determine {coverage.Rules.Count - coverage.UncoveredRules.Count} of {coverage.Rules.Count} rules.\n"),
                ]));
                return Task.FromResult(coverage.IsComplete ? ExitCode.Ok : ExitCode.Failed);
            });

    private static Verb Explain(VerbContext context, Option<DirectoryInfo?> folder)
    {
        var roles = new Option<string[]>("--role", "-r") { Description = "Role of the imagined recipient (repeatable).", Required = true };
        var purpose = new Option<string>("--purpose", "-p") { Description = "Purpose asked for.", Required = true };
        var action = new Option<string>("--action") { Description = "What is asked for.", DefaultValueFactory = _ => ActionNames.Of(AccessAction.Read) };
        action.AcceptOnlyFromAmong([.. ActionNames.All]);
        var items = new Option<string?>("--fields", "-f") { Description = "Fields (email, email.masked) and events (event:purchase) with commas between; default all fields." };
        var consents = new Option<string[]>("--consent") { Description = "State of a consent, such as marketing=given (repeatable).", DefaultValueFactory = _ => [] };
        var restricted = new Option<bool>("--restricted") { Description = "The person's processing is restricted." };
        var own = new Option<bool>("--own-record") { Description = "The recipient is the person." };
        var password = new Option<bool>("--password-only") { Description = "Signed in by password alone; otherwise with a second factor." };
        var vault = OfVault();
        return new Verb(
            "explain", "What would be decided, field by field, by which rules and why, and the least that would have to be otherwise.",
            "datavault policy explain --role marketing --purpose marketing --consent marketing=given",
            "datavault policy explain -r customer-support -p customer-support -f email,birthDate --vault --json")
            .With(roles, purpose, action, items, consents, restricted, own, password, vault)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                if (parsed.GetValue(vault))
                {
                    var question = new ExplainRequest(
                        parsed.GetRequiredValue(roles), parsed.GetRequiredValue(purpose), parsed.GetRequiredValue(action), Listed(parsed.GetValue(items)), Stated(parsed.GetRequiredValue(consents)))
                    {
                        Restricted = parsed.GetValue(restricted), OwnRecord = parsed.GetValue(own), Assurance = parsed.GetValue(password) ? "password" : null,
                    };
                    return Show(session, await session.Open(s_roles).ExplainAsync(question, cancellation), InForce);
                }

                var policy = Load(session, folder);
                foreach (var role in parsed.GetRequiredValue(roles)) Known(policy.Roles.Find(role), "role", role, policy.Roles.All.Select(r => r.Name));
                var named = Known(policy.Purposes.Find(parsed.GetRequiredValue(purpose)), "purpose", parsed.GetRequiredValue(purpose), policy.Purposes.All.Select(p => p.Name));
                var facts = Facts(policy, parsed.GetRequiredValue(consents), parsed.GetValue(restricted));
                if (!ActionNames.TryParse(parsed.GetRequiredValue(action), out var asked)) throw new UsageException("Unknown action.");
                var call = new ImaginedCall(parsed.GetRequiredValue(roles), named.Name, asked)
                {
                    Items = Items(policy, parsed.GetValue(items)), Facts = facts, OwnRecord = parsed.GetValue(own), Assurance = parsed.GetValue(password) ? Recipient.Password : Recipient.MultiFactor,
                };
                return Show(session, Say(policy, policy.Questions.Explain(call, session.Host.Time.GetUtcNow())), Place(session, folder));
            });
    }

    private static Verb WhoCan(VerbContext context, Option<DirectoryInfo?> folder)
    {
        var field = new Option<string>("--field", "-f") { Description = "Field, event:TYPE, or class:NAME for all of a class.", Required = true };
        var purpose = new Option<string?>("--purpose", "-p") { Description = "Only for this purpose." };
        var vault = OfVault();
        return new Verb("who-can", "Who can do what with a field, for what purpose, in which form.", "datavault policy who-can --field email", "datavault policy who-can -f event:purchase -p analytics", "datavault policy who-can -f class:health --vault")
            .With(field, purpose, vault)
            .Does(context, async (session, cancellation) =>
            {
                if (session.Parsed.GetValue(vault))
                    return Show(session, await session.Open(s_roles).WhoCanAsync(new WhoCanRequest(session.Parsed.GetRequiredValue(field), session.Parsed.GetValue(purpose), EveryAction), cancellation), InForce);
                var policy = Load(session, folder);
                var asked = session.Parsed.GetRequiredValue(field);
                if (session.Parsed.GetValue(purpose) is { } named) Known(policy.Purposes.Find(named), "purpose", named, policy.Purposes.All.Select(p => p.Name));
                return Show(session, folder, policy, asked.StartsWith(ClassPrefix, StringComparison.Ordinal)
                    ? policy.Questions.WhoCan(
                        Known(policy.Catalogue.Classes.FirstOrDefault(one => one.Name == asked[ClassPrefix.Length..]), "class", asked, policy.Catalogue.Classes.Select(one => one.Name)), session.Parsed.GetValue(purpose))
                    : policy.Questions.WhoCan(Items(policy, asked)![0].Item, session.Parsed.GetValue(purpose)));
            });
    }

    private static Verb WhatCan(VerbContext context, Option<DirectoryInfo?> folder)
    {
        var role = new Option<string?>("--role", "-r") { Description = "Role." };
        var client = new Option<string?>("--of-client") { Description = "An application registered in the vault, by its client id; instead of a role." };
        var vault = OfVault();
        return new Verb(
            "what-can", "What a role or an application can do with which fields, for what purpose, in which form.",
            "datavault policy what-can --role marketing", "datavault policy what-can --of-client campaigns")
            .With(role, client, vault)
            .Does(context, async (session, cancellation) =>
            {
                var (named, of) = (session.Parsed.GetValue(role), session.Parsed.GetValue(client));
                if (named is null == of is null) throw new UsageException("Give either --role or --of-client.");
                if (of is not null || session.Parsed.GetValue(vault)) return Show(session, await session.Open(s_roles).WhatCanAsync(new WhatCanRequest(named, of, EveryAction), cancellation), InForce);
                var policy = Load(session, folder);
                Known(policy.Roles.Find(named!), "role", named!, policy.Roles.All.Select(r => r.Name));
                return Show(session, folder, policy, policy.Questions.WhatCan(named!));
            });
    }

    private static Option<bool> OfVault() => new("--vault") { Description = "Ask the vault about the version in force there, not a folder; that somebody asked is in its log." };

    private static string[]? Listed(string? items) => items?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static Dictionary<string, string> Stated(string[] consents) => consents
        .Select(text => text.Split('=') is [var name, var state] ? (Name: name, State: state) : throw new UsageException($"\"{text}\" is not PURPOSE=STATE."))
        .DistinctBy(consent => consent.Name).ToDictionary(consent => consent.Name, consent => consent.State);

    private static IReadOnlyList<PolicyProblem> Findings(Session session, Option<DirectoryInfo?> folder, out string? version)
    {
        version = null;
        try
        {
            var policy = PolicySet.Load(Read(session, folder));
            version = policy.Version;
            return policy.Lint();
        }
        catch (PolicyException e)
        {
            return e.Problems;
        }
    }

    private static PolicySet Load(Session session, Option<DirectoryInfo?> folder)
    {
        return Parse(Read(session, folder));
    }

    /// <exception cref="InvalidDataException">It does not load; what is wrong is named.</exception>
    public static PolicySet Parse(IReadOnlyDictionary<string, string> files)
    {
        try
        {
            return PolicySet.Load(files);
        }
        catch (PolicyException e)
        {
            throw new InvalidDataException("The policy does not load:\n" + string.Join('\n', e.Problems));
        }
    }

    private static Dictionary<string, string> Read(Session session, Option<DirectoryInfo?> option)
    {
        return Read(Place(session, option));
    }

    private static string Place(Session session, Option<DirectoryInfo?> option) =>
        session.Parsed.GetValue(option)?.FullName ?? Above(session.Host.WorkingDirectory) ?? throw new UsageException("No folder \"policies\" here or above: give --policies.");

    public static Dictionary<string, string> Read(string folder)
    {
        if (!Directory.Exists(folder)) throw new UsageException($"{folder} does not exist.");
        return Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Select(file => (Name: Path.GetRelativePath(folder, file).Replace(Path.DirectorySeparatorChar, '/'), File: file))
            .Where(one => !PolicyFileNames.IsAside(one.Name))
            .ToDictionary(one => one.Name, one => File.ReadAllText(one.File));
    }

    private static string? Above(string start)
    {
        for (var at = new DirectoryInfo(start); at is not null; at = at.Parent)
        {
            var folder = Path.Combine(at.FullName, "policies");
            if (File.Exists(Path.Combine(folder, "catalogue.yaml"))) return folder;
        }
        return null;
    }

    private static List<RequestedItem>? Items(PolicySet policy, string? list) =>
        Listed(list)?
            .Select(text => RequestedItem.TryParse(text, policy.Catalogue, policy.Events, out var item) ? item! : throw new UsageException($"\"{text}\" is neither a field nor an event type."))
            .ToList();

    private static DecisionFacts Facts(PolicySet policy, string[] consents, bool restricted)
    {
        var facts = consents.Select(text =>
        {
            if (text.Split('=') is not [var name, var state] || !Enum.TryParse<ConsentStatus>(state, ignoreCase: true, out var status))
                throw new UsageException($"\"{text}\" is not PURPOSE=STATE with given, withdrawn, refused or unknown.");
            return new ConsentFact(Known(policy.Purposes.Find(name), "purpose", name, policy.Purposes.All.Select(p => p.Name)).Id, status, null) { Backing = ConsentBacking.TakenForGrown };
        });
        return DecisionFacts.None with { Consents = [.. facts], Restricted = restricted };
    }

    private static T Known<T>(T? found, string what, string name, IEnumerable<string> all)
        where T : class =>
        found ?? throw new UsageException($"Unknown {what} \"{name}\": there are {string.Join(", ", all)}.");

    /// <summary>An explanation as the vault would answer it.</summary>
    private static Explanation Say(PolicySet policy, PolicyExplanation explained) => new(policy.Version,
    [
        .. explained.Items.Select(item => new ExplainedField(item.Decision.Item.Name, item.Decision.Reason is null ? FormNames.Of(item.Decision.Form) : null, item.Decision.Reason, item.Decision.RuleIds)
        {
            Path = [.. item.Path.Select(step => new RuleStepView(step.RuleId, step.Forbids ? "forbid" : "permit", step.Forbids ? null : FormNames.Of(step.Form), step.Applies, step.Missing, policy.Questions.WhyOf(step.RuleId)))],
            Facts = [.. item.Facts.Select(fact => new UsedFactView(fact.Condition, fact.Holds))],
            WouldRelease = [.. item.Nearest.Select(change => new WouldReleaseView(change.Changes, FormNames.Of(change.Form)))],
        }),
    ])
    {
        Obligations = explained.Decision.Obligations,
    };

    private static int Show(Session session, Explanation explained, string place)
    {
        session.Report.Show(explained, () =>
        {
            var table = Report.Table("field", "outcome", "rules", "more with");
            foreach (var field in explained.Fields)
            {
                table.Row(
                    field.Field, field.Form ?? $"withheld: {field.Reason}", string.Join(", ", field.Rules),
                    string.Join("\n", field.WouldRelease.Select(change => $"{string.Join(", ", change.Changes)}: {change.Form}")));
            }

            var why = explained.Fields.SelectMany(field => field.Path).Where(step => step.Applies).DistinctBy(step => step.Rule).Select(step => new Text($"{step.Rule}: {step.Why}\n"));
            return new Rows([table, .. why, Answered(explained.PolicyVersion, place)]);
        });
        return explained.Fields.Any(field => field.Form is not null) ? ExitCode.Ok : ExitCode.Refused;
    }

    private static int Show(Session session, Option<DirectoryInfo?> folder, PolicySet policy, IReadOnlyList<PolicyGrant> grants) =>
        Show(session, new Grants(policy.Version, [.. grants.Select(Say)]), Place(session, folder));

    private static int Show(Session session, Grants grants, string place)
    {
        session.Report.Show(grants, () =>
        {
            var table = Report.Table("role", "purpose", "action", "field", "form", "only if", "rules");
            foreach (var grant in grants.Items)
            {
                table.Row(
                    grant.Role, grant.BreakGlass ? grant.Purpose + " (emergency)" : grant.Purpose, grant.Action, grant.Field, grant.Form,
                    string.Join(", ", grant.Conditions.Concat(grant.Obligations.Select(one => "obliges:" + one))), string.Join(", ", grant.Rules));
            }

            return new Rows(grants.Items.Count == 0 ? new Text("Nobody.\n") : table, Answered(grants.PolicyVersion, place));
        });
        return ExitCode.Ok;
    }

    private static Text Answered(string version, string place) => new($"By the policy version {version}, {place}.\n");

    /// <summary>A combination as the vault would answer it.</summary>
    public static Grant Say(PolicyGrant grant) => new(grant.Role, grant.Purpose, grant.Item.Name, FormNames.Of(grant.Form), grant.NeedsConsent, grant.RuleIds)
    {
        Action = ActionNames.Of(grant.Action), Conditions = grant.Conditions, Obligations = grant.Obligations, BreakGlass = grant.BreakGlass,
    };
}
