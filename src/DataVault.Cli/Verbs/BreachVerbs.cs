using System.CommandLine;
using System.Globalization;
using DataVault.Client.Wire;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault breach …</c></summary>
internal static class BreachVerbs
{
    private const string AnId = "0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f";
    private static readonly string[] s_officer = ["compliance-officer"];

    public static Verb Build(VerbContext context) =>
        new Verb("breach", "The register of breaches: cases, the hours that are left, reports and decisions. Sign in as a person.").With(
            List(context), Show(context), Open(context), Find(context), Impact(context), Compare(context), Draft(context), Submit(context), Decide(context), Tell(context), Close(context));

    private static Argument<Guid> Case() => new("case") { Description = "The breach's id." };

    private static Option<FileInfo> TextFile() => new("--text") { Description = "File with the text as it went out.", Required = true };

    private static Option<string> Language() => new("--language") { Description = "en, de, fr or zh.", DefaultValueFactory = _ => "en" };

    private static Verb List(VerbContext context)
    {
        var open = new Option<bool>("--open") { Description = "Only those that are not closed." };
        return new Verb("list", "Breaches, newest first.", "datavault breach list --open").With(open).Does(context, async (session, cancellation) =>
        {
            var page = await session.OpenAsPerson(s_officer).BreachesAsync(session.Parsed.GetValue(open), cancellation: cancellation);
            session.Report.Show(page, () => page.Items.Count == 0 ? new Text("No breaches.\n") : Table(page.Items));
            return page.Items.Any(one => one.Damage.Count > 0) ? ExitCode.Failed : ExitCode.Ok;
        });
    }

    private static Verb Show(VerbContext context)
    {
        var id = Case();
        return new Verb("show", "One breach, with every step, report and decision.", $"datavault breach show {AnId}").With(id)
            .Does(context, async (session, cancellation) => Show(session, await session.OpenAsPerson(s_officer).BreachAsync(session.Parsed.GetRequiredValue(id), cancellation)));
    }

    private static Verb Open(VerbContext context)
    {
        var title = new Option<string>("--title") { Description = "A few words.", Required = true };
        var natures = new Option<string>("--nature") { Description = "confidentiality, integrity, availability; several with commas.", Required = true };
        var aware = new Option<DateTimeOffset>("--aware") { Description = "Since when it is reasonably certain: the clock runs from here.", Required = true };
        var zone = new Option<string>("--zone") { Description = "IANA time zone in which people read that.", Required = true };
        var jurisdiction = new Option<string?>("--jurisdiction") { Description = "Regime; the policy's own if left out." };
        var controllers = new Option<string[]>("--controller") { Description = "As a processor: a controller to tell. May be given several times." };
        var description = new Option<string?>("--description") { Description = "What happened, as far as it is known." };
        return new Verb("open", "Note a breach.", "datavault breach open --title \"Key in a public repository\" --nature confidentiality --aware 2026-06-15T14:00+02:00 --zone Europe/Brussels")
            .With(title, natures, aware, zone, jurisdiction, controllers, description).Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var named = parsed.GetValue(controllers) ?? [];
                var breach = new OpenBreach(parsed.GetRequiredValue(title), Split(parsed.GetRequiredValue(natures)), parsed.GetRequiredValue(aware), parsed.GetRequiredValue(zone))
                {
                    Jurisdiction = parsed.GetValue(jurisdiction), Description = parsed.GetValue(description), Controllers = named, Side = named.Length > 0 ? "processor" : "controller",
                };
                return Show(session, await session.OpenAsPerson(s_officer).OpenBreachAsync(breach, cancellation));
            });
    }

    private static Verb Find(VerbContext context)
    {
        var id = Case();
        var people = new Option<long?>("--people") { Description = "People concerned, about." };
        var records = new Option<long?>("--records") { Description = "Records concerned, about." };
        var categories = new Option<string?>("--categories") { Description = "Categories of data, with commas between." };
        var consequences = new Option<string?>("--consequences") { Description = "What may come of it." };
        var measures = new Option<string?>("--measures") { Description = "What was done and will be done." };
        var risk = new Option<string?>("--risk") { Description = "none, low or high." };
        var reasons = new Option<string?>("--reasons") { Description = "Why this risk." };
        return new Verb("find", "Add what was found out; what is left out stays as it was.", $"datavault breach find {AnId} --risk high --reasons \"Addresses together with diets\"")
            .With(id, people, records, categories, consequences, measures, risk, reasons).Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var facts = new BreachFacts
                {
                    People = parsed.GetValue(people), Records = parsed.GetValue(records), Categories = parsed.GetValue(categories) is { } named ? Split(named) : null,
                    Consequences = parsed.GetValue(consequences), Measures = parsed.GetValue(measures), Risk = parsed.GetValue(risk), RiskReasons = parsed.GetValue(reasons),
                };
                return Show(session, await session.OpenAsPerson(s_officer).FindBreachAsync(parsed.GetRequiredValue(id), facts, cancellation));
            });
    }

    private static Verb Impact(VerbContext context)
    {
        var id = Case();
        var actor = new Option<string?>("--actor") { Description = "Credential, name of an application or role, or a tag." };
        var purpose = new Option<string?>("--purpose") { Description = "Purpose named." };
        var from = new Option<DateTimeOffset?>("--from") { Description = "Not before." };
        var to = new Option<DateTimeOffset?>("--to") { Description = "Before." };
        var databases = new Option<string?>("--databases") { Description = "Instead: databases that were copied: vault, keys." };
        var backups = new Option<string?>("--backups") { Description = "Instead: backups that were copied: data, keys." };
        var passphrases = new Option<bool>("--passphrases") { Description = "With their passphrases." };
        var rootKey = new Option<bool>("--root-key") { Description = "And the root key." };
        return new Verb("impact", "Count from the log whom it concerned, and keep the figures with the case.", $"datavault breach impact {AnId} --actor campaigns --from 2026-06-01Z --to 2026-06-15Z", $"datavault breach impact {AnId} --databases vault,keys")
            .With(id, actor, purpose, from, to, databases, backups, passphrases, rootKey).Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var copied = parsed.GetValue(databases) is not null || parsed.GetValue(backups) is not null;
                var impact = new AttachImpact
                {
                    Actor = parsed.GetValue(actor), Purpose = parsed.GetValue(purpose), From = parsed.GetValue(from), To = parsed.GetValue(to),
                    Copy = copied ? new CopiedStores
                    {
                        Databases = Split(parsed.GetValue(databases) ?? ""), Backups = Split(parsed.GetValue(backups) ?? ""), Passphrases = parsed.GetValue(passphrases), RootKey = parsed.GetValue(rootKey),
                    } : null,
                };
                return Show(session, await session.OpenAsPerson(s_officer).AttachImpactAsync(parsed.GetRequiredValue(id), impact, cancellation));
            });
    }

    private static Verb Compare(VerbContext context)
    {
        var id = Case();
        var step = new Option<int?>("--step") { Description = "The step that attached it; the newest if left out." };
        return new Verb("compare", "Count an attached impact again from the log as it was then, and compare.", $"datavault breach compare {AnId}").With(id, step).Does(context, async (session, cancellation) =>
        {
            var found = await session.OpenAsPerson(s_officer).CompareImpactAsync(session.Parsed.GetRequiredValue(id), session.Parsed.GetValue(step), cancellation);
            session.Report.Show(found, () =>
            {
                var table = Report.Table("figure", "said", "counted");
                foreach (var one in found.Differences) table.Row(one.Name, Number(one.Said), Number(one.Counted));
                return new Rows(new Text($"root {(found.RootHolds ? "holds" : "DOES NOT HOLD")}; {(found.Unknown is { } why ? $"cannot be counted again: {why}" : $"{found.Differences.Count} differences")}\n"), table);
            });
            return found is { RootHolds: true, Differences.Count: 0 } ? ExitCode.Ok : ExitCode.Failed;
        });
    }

    private static Verb Draft(VerbContext context)
    {
        var id = Case();
        var audience = new Argument<string>("audience") { Description = "authority, people or controller." };
        var phase = new Option<string?>("--phase") { Description = "Of a report: initial, further or final." };
        var controller = new Option<string?>("--controller") { Description = "Of a notice to a controller, which." };
        var late = new Option<string?>("--late") { Description = "Why the report is late." };
        var language = Language();
        return new Verb("draft", "Draft what may be said; nothing is sent.", $"datavault breach draft {AnId} authority --language de > report.txt")
            .With(id, audience, language, phase, controller, late).Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var ask = new AskBreachDraft(parsed.GetRequiredValue(audience), parsed.GetRequiredValue(language)) { Phase = parsed.GetValue(phase), Controller = parsed.GetValue(controller), LateReason = parsed.GetValue(late) };
                var draft = await session.OpenAsPerson(s_officer).DraftBreachAsync(parsed.GetRequiredValue(id), ask, cancellation);
                session.Report.Show(draft, () => new Text(draft.Text));
                return ExitCode.Ok;
            });
    }

    private static Verb Submit(VerbContext context)
    {
        var id = Case();
        var phase = new Argument<string>("phase") { Description = "initial, further or final." };
        var submitted = new Option<DateTimeOffset?>("--submitted") { Description = "When; now if left out." };
        var reference = new Option<string?>("--reference") { Description = "What the authority calls it." };
        var late = new Option<string?>("--late") { Description = "Why the first report comes after its time." };
        var (language, text) = (Language(), TextFile());
        return new Verb("report", "Note down a report to the authority that went out.", $"datavault breach report {AnId} initial --text report.txt --reference APD-2026-17")
            .With(id, phase, text, language, submitted, reference, late).Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var report = new SubmitBreachReport(parsed.GetRequiredValue(phase), parsed.GetRequiredValue(language), await ReadAsync(parsed.GetRequiredValue(text), cancellation))
                {
                    SubmittedAt = parsed.GetValue(submitted), Reference = parsed.GetValue(reference), LateReason = parsed.GetValue(late),
                };
                return Show(session, await session.OpenAsPerson(s_officer).ReportBreachAsync(parsed.GetRequiredValue(id), report, cancellation));
            });
    }

    private static Verb Decide(VerbContext context)
    {
        var id = Case();
        var about = new Argument<string>("about") { Description = "authority or people." };
        var outcome = new Argument<string>("outcome") { Description = "tell or do-not-tell." };
        var reason = new Option<string>("--reason") { Description = "Why.", Required = true };
        var code = new Option<string?>("--code") { Description = "By which rule people are not told, such as risk-not-high." };
        var published = new Option<FileInfo?>("--public-notice") { Description = "File with what is published instead of letters." };
        return new Verb("decide", "Decide whether authority or people are told.", $"datavault breach decide {AnId} people do-not-tell --code risk-not-high --reason \"Weighed by two of us\"")
            .With(id, about, outcome, reason, code, published).Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var decision = new BreachDecisionView(parsed.GetRequiredValue(about), parsed.GetRequiredValue(outcome), parsed.GetRequiredValue(reason))
                {
                    Code = parsed.GetValue(code), PublicNotice = parsed.GetValue(published) is { } file ? await ReadAsync(file, cancellation) : null,
                };
                return Show(session, await session.OpenAsPerson(s_officer).DecideBreachAsync(parsed.GetRequiredValue(id), decision, cancellation));
            });
    }

    private static Verb Tell(VerbContext context)
    {
        var id = Case();
        var controller = new Argument<string>("controller") { Description = "One of those of the case." };
        var (language, text) = (Language(), TextFile());
        return new Verb("tell", "As a processor: note down that a controller was told.", $"datavault breach tell {AnId} \"Aurelia Ltd\" --text notice.txt").With(id, controller, text, language)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var notice = new ControllerNoticeView(parsed.GetRequiredValue(controller), parsed.GetRequiredValue(language), await ReadAsync(parsed.GetRequiredValue(text), cancellation));
                return Show(session, await session.OpenAsPerson(s_officer).TellControllerAsync(parsed.GetRequiredValue(id), notice, cancellation));
            });
    }

    private static Verb Close(VerbContext context)
    {
        var id = Case();
        var lessons = new Option<string>("--lessons") { Description = "What was learnt.", Required = true };
        return new Verb("close", "Close a case of which nothing is left that the law wants.", $"datavault breach close {AnId} --lessons \"Keys are bound to networks now\"").With(id, lessons)
            .Does(context, async (session, cancellation) =>
                Show(session, await session.OpenAsPerson(s_officer).CloseBreachAsync(session.Parsed.GetRequiredValue(id), new CloseBreach(session.Parsed.GetRequiredValue(lessons)), cancellation)));
    }

    private static async Task<string> ReadAsync(FileInfo file, CancellationToken cancellation) =>
        file.Exists ? await File.ReadAllTextAsync(file.FullName, cancellation) : throw new UsageException($"There is no file {file.Name}.");

    private static string[] Split(string named) => named.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private static int Show(Session session, BreachView breach)
    {
        session.Report.Show(breach, () =>
        {
            var steps = Report.Table("step", "", "at", "by", "entry");
            foreach (var step in breach.Steps) steps.Row(Number(step.Number), step.Kind, Time(step.At), step.By, Number(step.LogIndex));
            return new Rows(Table([breach.Summary]), new Text(breach.Missing.Count > 0 ? $"not known yet: {string.Join(", ", breach.Missing)}\n" : "everything is known that a final report says\n"), steps);
        });
        return breach.Summary.Damage.Count > 0 ? ExitCode.Failed : ExitCode.Ok;
    }

    private static Table Table(IReadOnlyList<BreachSummary> breaches)
    {
        var table = Report.Table("breach", "title", "state", "aware", "due", "hours left", "people", "risk", "reports", "damage");
        foreach (var one in breaches)
        {
            table.Row(
                one.Id.ToString(), one.Title, one.State, Time(one.AwareAt), Time(one.DueAt), one.HoursLeft?.ToString("0.0", CultureInfo.InvariantCulture) ?? "–", Number(one.People), one.Risk ?? "–",
                Number(one.Reports), string.Join("; ", one.Damage));
        }

        return table;
    }

    private static string Number(long? number) => number?.ToString("N0", CultureInfo.InvariantCulture) ?? "–";

    private static string Time(DateTimeOffset? at) => at?.ToUniversalTime().ToString("yyyy-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture) ?? "–";
}
