using System.CommandLine;
using DataVault.Client;
using DataVault.Client.Wire;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault audit counts | export | impact | processing</c>: what officers ask of the log as a whole.</summary>
internal static class AuditReportVerbs
{
    private static readonly string[] s_officer = ["compliance-officer"];

    public static IEnumerable<Verb> Build(VerbContext context) => [Counts(context), Export(context), Impact(context), Processing(context)];

    private static Verb Counts(VerbContext context)
    {
        var asked = new Asked();
        return new Verb(
            "counts", "Count entries by type, result, purpose, actor, field and day.",
            "datavault audit counts --actor support-desk --from 2026-03-01", "datavault audit counts --field email --json")
            .With(asked.All)
            .Does(context, async (session, cancellation) =>
            {
                var counts = await session.Open(s_officer).CountAuditEntriesAsync(asked.Question(session.Parsed), cancellation);
                session.Report.Show(counts, () => Show(counts));
                return ExitCode.Ok;
            });
    }

    private static Verb Export(VerbContext context)
    {
        var asked = new Asked();
        var target = new Argument<string>("file") { Description = "File to write; it must not exist yet." };
        var oldest = new Option<bool>("--oldest-first") { Description = "The oldest entry first." };
        var format = new Option<string?>("--format") { Description = "csv (the standard) or ocsf." };
        return new Verb(
            "export", "Write all entries that match into a file.",
            "datavault audit export reads.csv --type field.read --from 2026-03-01", "datavault audit export march.jsonl --format ocsf --from 2026-03-01 --to 2026-04-01")
            .With([target, oldest, format, .. asked.All])
            .Does(context, async (session, cancellation) =>
            {
                var p = session.Parsed;
                var question = asked.Question(p) with { OldestFirst = p.GetValue(oldest), Format = p.GetValue(format) };
                var vault = session.Open(s_officer);
                return await SaveAsync(session, p.GetRequiredValue(target), () => vault.ExportAuditEntriesAsync(question, cancellation), cancellation);
            });
    }

    private static Verb Impact(VerbContext context)
    {
        var actor = new Option<string?>("--actor") { Description = "Client or account id, name of an application or role, or a tag." };
        var purpose = new Option<string?>("--purpose") { Description = "Purpose that was named." };
        var from = new Option<DateTimeOffset?>("--from") { Description = "Not before." };
        var to = new Option<DateTimeOffset?>("--to") { Description = "Before." };
        var people = new Option<string?>("--people") { Description = "Also write the people concerned into this file (CSV)." };
        var resolve = new Option<bool>("--resolve") { Description = "In that file name customers by id, as far as they were not erased." };
        return new Verb(
            "impact", "Whom and what a credential, a purpose or a stretch of time concerned.",
            "datavault audit impact --actor support-desk --from 2026-03-01 --to 2026-03-02", "datavault audit impact --actor 7f3c --people concerned.csv --resolve")
            .With(actor, purpose, from, to, people, resolve)
            .Does(context, async (session, cancellation) =>
            {
                var p = session.Parsed;
                var question = new ImpactQuestion
                {
                    Actor = p.GetValue(actor), Purpose = p.GetValue(purpose), From = p.GetValue(from), To = p.GetValue(to), Resolve = p.GetValue(resolve),
                };
                var vault = session.Open(s_officer);
                var report = await vault.ImpactAsync(question with { Resolve = false }, cancellation);
                session.Report.Show(report, () => Show(report));
                return p.GetValue(people) is { } file
                    ? await SaveAsync(session, file, () => vault.ExportImpactPeopleAsync(question, cancellation), cancellation)
                    : ExitCode.Ok;
            });
    }

    private static Verb Processing(VerbContext context)
    {
        var days = new Option<int?>("--days") { Description = "How far back the log is looked at; 90 if left out." };
        var file = new Option<string?>("--markdown") { Description = "Also write it into this file, for people to read; it must not exist yet." };
        return new Verb(
            "processing", "The record of processing activities (GDPR 30), made from the policy in force and compared with the log.",
            "datavault audit processing", "datavault audit processing --days 365 --markdown processing.md", "datavault audit processing --json")
            .With(days, file)
            .Does(context, async (session, cancellation) =>
            {
                var record = await session.Open(s_officer).ProcessingRecordAsync(session.Parsed.GetValue(days), cancellation);
                session.Report.Show(record, () => Show(record));
                if (session.Parsed.GetValue(file) is not { } target) return ExitCode.Ok;
                await using var writer = new StreamWriter(OwnFile.Create(target));
                await writer.WriteAsync(ProcessingDocument.Of(record));
                return ExitCode.Ok;
            });
    }

    private static Rows Show(ProcessingRecordView record)
    {
        var table = Report.Table("purpose", "basis", "special", "categories", "roles", "acts", "undeclared");
        foreach (var one in record.Activities)
        {
            table.Row(
                one.Purpose, one.LegalBasis, one.SpecialBasis ?? "", $"{one.Categories.Count:N0}", string.Join(", ", one.Roles.Select(role => role.Role)), one.Entries == 0 ? "not used" : $"{one.Entries:N0}",
                string.Join(", ", one.Undeclared));
        }

        var unknown = record.UnknownPurposes.Count == 0 ? "" : $"not declared: {string.Join(", ", record.UnknownPurposes.Select(count => $"{count.Name} ({count.Entries:N0})"))}\n";
        return new Rows(table, new Text($"policy {record.Policy}; log since {record.From:yyyy-MM-dd}\n{unknown}"));
    }

    private static async Task<int> SaveAsync(Session session, string target, Func<Task<Stream>> open, CancellationToken cancellation)
    {
        await using var file = OwnFile.Create(target);
        try
        {
            await using var answer = await open();
            await answer.CopyToAsync(file, cancellation);
        }
        catch (VaultProblemException)
        {
            File.Delete(target);
            throw;
        }
        if (!session.Report.Json) session.Report.Line($"{target}: {file.Length:N0} bytes");
        return ExitCode.Ok;
    }

    private static Rows Show(AuditCountsView counts)
    {
        var table = Report.Table("by", "", "entries");
        foreach (var (name, facet) in new[]
        {
            ("type", counts.Types), ("result", counts.Results), ("purpose", counts.Purposes), ("actor", counts.Actors), ("field", counts.Fields), ("day", counts.Days),
        })
        {
            foreach (var count in facet) table.Row(name, count.Name, $"{count.Entries:N0}");
        }
        return new Rows(new Text($"{counts.Entries:N0} entries\n"), table);
    }

    private static Rows Show(ImpactView report)
    {
        var facts = Report.Facts(
            ("people", $"{report.People:N0}"), ("erased since", $"{report.ErasedSince:N0}"), ("of a special category", $"{report.SpecialPeople:N0}"),
            ("disclosures", $"{report.Disclosures:N0}"), ("that name nobody", $"{report.Unattributed:N0}"), ("searches", $"{report.Searches:N0}"),
            ("changes", $"{report.Changes:N0}"), ("refused", $"{report.Denied:N0}"), ("first", report.First?.ToString("u")), ("last", report.Last?.ToString("u")),
            ("log size", $"{report.Size:N0}"));
        var fields = Report.Table("field", "category", "special", "people", "disclosures");
        foreach (var field in report.Fields) fields.Row(field.Name, field.Category, field.Special ? "yes" : "", $"{field.People:N0}", $"{field.Disclosures:N0}");
        return new Rows(facts, fields);
    }

    /// <summary>The options that narrow.</summary>
    private sealed class Asked
    {
        private readonly Option<Guid?> _customer = new("--customer") { Description = "About this customer." };
        private readonly Option<string?> _actor = new("--actor") { Description = "Application or role that acted, or a client or account id." };
        private readonly Option<string?> _purpose = new("--purpose") { Description = "Purpose that was named." };
        private readonly Option<string?> _field = new("--field") { Description = "Field concerned, or event: and an event type." };
        private readonly Option<string?> _type = new("--type") { Description = "Entry type, such as field.read." };
        private readonly Option<string?> _result = new("--result") { Description = "ok, denied or error." };
        private readonly Option<DateTimeOffset?> _from = new("--from") { Description = "Not before." };
        private readonly Option<DateTimeOffset?> _to = new("--to") { Description = "Before." };

        public Symbol[] All => [_customer, _actor, _purpose, _field, _type, _result, _from, _to];

        public AuditQuestion Question(ParseResult p) => new()
        {
            Customer = p.GetValue(_customer), Actor = p.GetValue(_actor), Purpose = p.GetValue(_purpose), Field = p.GetValue(_field),
            Type = p.GetValue(_type), Result = p.GetValue(_result), From = p.GetValue(_from), To = p.GetValue(_to),
        };
    }
}
