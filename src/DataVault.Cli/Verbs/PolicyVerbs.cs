using System.CommandLine;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Policy.Reading;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault policy …</c>: questions to a policies folder, without a vault.</summary>
internal static class PolicyVerbs
{
    private const string ClassPrefix = "class:";

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
        return new Verb(
            "explain", "What would be decided, field by field, by which rules and why, and the least that would have to be otherwise.",
            "datavault policy explain --role marketing --purpose marketing --consent marketing=given",
            "datavault policy explain -r customer-support -p customer-support -f email,birthDate --json")
            .With(roles, purpose, action, items, consents, restricted, own, password)
            .Does(context, (session, _) =>
            {
                var (policy, parsed) = (Load(session, folder), session.Parsed);
                foreach (var role in parsed.GetRequiredValue(roles)) Known(policy.Roles.Find(role), "role", role, policy.Roles.All.Select(r => r.Name));
                var named = Known(policy.Purposes.Find(parsed.GetRequiredValue(purpose)), "purpose", parsed.GetRequiredValue(purpose), policy.Purposes.All.Select(p => p.Name));
                var facts = Facts(policy, parsed.GetRequiredValue(consents), parsed.GetValue(restricted));
                if (!ActionNames.TryParse(parsed.GetRequiredValue(action), out var asked)) throw new UsageException("Unknown action.");
                var call = new ImaginedCall(parsed.GetRequiredValue(roles), named.Name, asked)
                {
                    Items = Items(policy, parsed.GetValue(items)), Facts = facts, OwnRecord = parsed.GetValue(own), Assurance = parsed.GetValue(password) ? Recipient.Password : Recipient.MultiFactor,
                };
                var explained = policy.Questions.Explain(call, session.Host.Time.GetUtcNow());
                Show(session, policy, explained);
                return Task.FromResult(explained.Decision.Released ? ExitCode.Ok : ExitCode.Refused);
            });
    }

    private static Verb WhoCan(VerbContext context, Option<DirectoryInfo?> folder)
    {
        var field = new Option<string>("--field", "-f") { Description = "Field, event:TYPE, or class:NAME for all of a class.", Required = true };
        var purpose = new Option<string?>("--purpose", "-p") { Description = "Only for this purpose." };
        return new Verb("who-can", "Who can do what with a field, for what purpose, in which form.", "datavault policy who-can --field email", "datavault policy who-can -f event:purchase -p analytics", "datavault policy who-can -f class:health")
            .With(field, purpose)
            .Does(context, (session, _) =>
            {
                var policy = Load(session, folder);
                var asked = session.Parsed.GetRequiredValue(field);
                if (session.Parsed.GetValue(purpose) is { } named) Known(policy.Purposes.Find(named), "purpose", named, policy.Purposes.All.Select(p => p.Name));
                return Show(session, asked.StartsWith(ClassPrefix, StringComparison.Ordinal)
                    ? policy.Questions.WhoCan(
                        Known(policy.Catalogue.Classes.FirstOrDefault(one => one.Name == asked[ClassPrefix.Length..]), "class", asked, policy.Catalogue.Classes.Select(one => one.Name)), session.Parsed.GetValue(purpose))
                    : policy.Questions.WhoCan(Items(policy, asked)![0].Item, session.Parsed.GetValue(purpose)));
            });
    }

    private static Verb WhatCan(VerbContext context, Option<DirectoryInfo?> folder)
    {
        var role = new Option<string?>("--role", "-r") { Description = "Role." };
        var client = new Option<string?>("--of-client") { Description = "An application registered in the vault, by its client id; instead of a role." };
        return new Verb(
            "what-can", "What a role or an application can do with which fields, for what purpose, in which form.",
            "datavault policy what-can --role marketing", "datavault policy what-can --of-client campaigns")
            .With(role, client)
            .Does(context, async (session, cancellation) =>
            {
                var (named, of) = (session.Parsed.GetValue(role), session.Parsed.GetValue(client));
                if (named is null == of is null) throw new UsageException("Give either --role or --of-client.");
                if (of is not null) return Show(session, (await session.Open(["compliance-officer"]).WhatCanAsync(new WhatCanRequest(null, of, "all"), cancellation)).Items);
                var policy = Load(session, folder);
                Known(policy.Roles.Find(named!), "role", named!, policy.Roles.All.Select(r => r.Name));
                return await Show(session, policy.Questions.WhatCan(named!));
            });
    }

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
        var folder = session.Parsed.GetValue(option)?.FullName ?? Above(session.Host.WorkingDirectory)
            ?? throw new UsageException("No folder \"policies\" here or above: give --policies.");
        return Read(folder);
    }

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
        list?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
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

    private static void Show(Session session, PolicySet policy, PolicyExplanation explained)
    {
        var answer = new
        {
            policyVersion = policy.Version,
            fields = explained.Items.Select(i => new
            {
                field = i.Decision.Item.Name, form = i.Decision.Reason is null ? FormNames.Of(i.Decision.Form) : null, reason = i.Decision.Reason, rules = i.Decision.RuleIds,
                path = i.Path.Select(step => new { rule = step.RuleId, effect = step.Forbids ? "forbid" : "permit", step.Applies, step.Missing }),
                facts = i.Facts.Select(fact => new { fact.Condition, fact.Holds }),
                wouldRelease = i.Nearest.Select(change => new { change.Changes, form = FormNames.Of(change.Form) }),
            }),
            explained.Decision.Obligations,
        };
        session.Report.Show(answer, () =>
        {
            var table = Report.Table("field", "outcome", "rules", "more with");
            foreach (var (decision, nearest) in explained.Items.Select(item => (item.Decision, item.Nearest)))
            {
                table.Row(
                    decision.Item.Name, decision.Reason is null ? FormNames.Of(decision.Form) : $"withheld: {decision.Reason}", string.Join(", ", decision.RuleIds),
                    string.Join("\n", nearest.Select(change => $"{string.Join(", ", change.Changes)}: {FormNames.Of(change.Form)}")));
            }

            var why = explained.Items.SelectMany(i => i.Path).Where(step => step.Applies).Select(step => step.RuleId).Distinct().Select(id => new Text($"{id}: {policy.Questions.WhyOf(id)}\n"));
            return new Rows([table, .. why]);
        });
    }

    private static Task<int> Show(Session session, IReadOnlyList<PolicyGrant> grants) => Task.FromResult(Show(session, [.. grants.Select(Say)]));

    private static int Show(Session session, IReadOnlyList<Grant> grants)
    {
        session.Report.Show(grants, () =>
        {
            var table = Report.Table("role", "purpose", "action", "field", "form", "only if", "rules");
            foreach (var grant in grants)
            {
                table.Row(
                    grant.Role, grant.BreakGlass ? grant.Purpose + " (emergency)" : grant.Purpose, grant.Action, grant.Field, grant.Form,
                    string.Join(", ", grant.Conditions.Concat(grant.Obligations.Select(one => "obliges:" + one))), string.Join(", ", grant.Rules));
            }

            return grants.Count == 0 ? new Text("Nobody.\n") : table;
        });
        return ExitCode.Ok;
    }

    /// <summary>A combination as the vault would answer it.</summary>
    public static Grant Say(PolicyGrant grant) => new(grant.Role, grant.Purpose, grant.Item.Name, FormNames.Of(grant.Form), grant.NeedsConsent, grant.RuleIds)
    {
        Action = ActionNames.Of(grant.Action), Conditions = grant.Conditions, Obligations = grant.Obligations, BreakGlass = grant.BreakGlass,
    };
}
