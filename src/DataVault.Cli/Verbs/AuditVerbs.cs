using System.CommandLine;
using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Transparency;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault audit …</c></summary>
internal static class AuditVerbs
{
    private static readonly string[] s_officer = ["compliance-officer"];

    public static Verb Build(VerbContext context) =>
        new Verb("audit", "Search and verify the transparency log.")
            .With([Search(context), Verify(context), Check(context), Save(context), Records(context), AuditKeys.Build(context), AuditTimestamp.Build(context), .. AuditReportVerbs.Build(context)]);

    private static Verb Verify(VerbContext context)
    {
        var log = new Option<string?>("--log") { Description = "A directory of tiles, or the address of a vault (default: --address)." };
        var key = new Option<string?>("--key") { Description = "The log's verifier key, or a file with it (default: .vault/log.vkey here or above). Of a vault that you do not run, get it from somebody you trust." };
        var checkpoint = new Option<string[]>("--checkpoint") { Description = "File of a checkpoint seen before, which the log must continue (repeatable).", DefaultValueFactory = _ => [] };
        return new Verb(
            "verify", "Read the whole log and find the first entry that was changed, removed or put in.",
            "datavault audit verify", "datavault audit verify --key log.vkey", "datavault audit verify --log ./tiles --key log.vkey --checkpoint 2026-01.note --json")
            .With(log, key, checkpoint)
            .Does(context, async (session, cancellation) =>
            {
                var p = session.Parsed;
                var where = p.GetValue(log) ?? session.Address.AbsoluteUri;
                var address = Uri.TryCreate(where, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" ? uri : null;
                using var http = session.Host.Connect(address ?? new Uri("http://localhost"));
                var tokens = address is null ? null : session.TokensFor(address, http, s_officer);
                var options = new AuditVerifyOptions(where, p.GetValue(key) ?? OwnKey(session.Host.WorkingDirectory), p.GetRequiredValue(checkpoint), session.Report.Json, tokens);
                return await AuditVerify.RunAsync(options, http, session.Host.Output, session.Host.Error, cancellation);
            });
    }

    private static Verb Check(VerbContext context)
    {
        var file = new Argument<string>("file") { Description = "An erasure certificate, or the proof of an entry (.tlog-proof)." };
        var key = new Option<string?>("--key") { Description = "The log's verifier key, or a file with it (default: .vault/log.vkey here or above)." };
        var log = new Option<string?>("--log") { Description = "Folder with a copy of the log (audit save): replayed whole, and no entry may contradict the certificate." };
        return new Verb(
            "check", "Verify an erasure certificate or the proof of an entry, offline.",
            "datavault audit check erasure.txt --key log.vkey", "datavault audit check erasure.txt --key log.vkey --log ./log",
            "datavault audit check entry-48211.tlog-proof --key log.vkey --json")
            .With(file, key, log)
            .Does(context, (session, cancellation) => AuditCheck.RunAsync(
                session.Parsed.GetRequiredValue(file), session.Parsed.GetValue(log), AuditVerify.ReadKey(session.Parsed.GetValue(key) ?? OwnKey(session.Host.WorkingDirectory)),
                session.Report, cancellation));
    }

    private static Verb Save(VerbContext context)
    {
        var folder = new Argument<string>("folder") { Description = "Where to; what is there already is not fetched again." };
        return new Verb("save", "Copy the whole log into a folder, for datavault-verify.", "datavault audit save ./log", "datavault-verify replay ./log --key log.vkey")
            .With(folder)
            .Does(context, async (session, cancellation) =>
            {
                using var turns = new SemaphoreSlim(AuditVerify.RequestsAtOnce);
                var size = await LogCopy.SaveAsync(new VaultLogSource(session.Open(s_officer), turns), session.Parsed.GetRequiredValue(folder), cancellation)
                    ?? throw new UsageException("The log has no checkpoint yet.");
                session.Report.Show(new { entries = size }, () => new Text($"{size} entries saved.\n"));
                return ExitCode.Ok;
            });
    }

    private static Verb Records(VerbContext context)
    {
        var file = new Argument<string>("file") { Description = "Where to." };
        return new Verb(
            "records", "Save what the vault holds as tags, versions and hashes, to be compared with the log.",
            "datavault audit records records.txt && datavault audit save ./log", "datavault-verify records records.txt --log ./log --key log.vkey")
            .With(file)
            .Does(context, async (session, cancellation) =>
            {
                await using var manifest = await session.Open(s_officer).RecordsManifestAsync(cancellation);
                await using (var output = new FileStream(session.Parsed.GetRequiredValue(file), FileMode.Create, FileAccess.Write)) await manifest.CopyToAsync(output, cancellation);
                session.Report.Show(new { file = session.Parsed.GetRequiredValue(file) }, () => new Text("Saved. It is signed: datavault-verify records says whether it is whole.\n"));
                return ExitCode.Ok;
            });
    }

    private static string OwnKey(string folder) =>
        VaultFolder.Find(folder, "log.vkey") ?? throw new UsageException("Whose log? Give --key, or run where .vault/log.vkey is.");

    private static Verb Search(VerbContext context)
    {
        var customer = new Option<Guid?>("--customer") { Description = "About this customer." };
        var actor = new Option<string?>("--actor") { Description = "Application or role that acted, or a client or account id." };
        var purpose = new Option<string?>("--purpose") { Description = "Purpose that was named." };
        var field = new Option<string?>("--field") { Description = "Field concerned, or event: and an event type." };
        var type = new Option<string?>("--type") { Description = "Entry type, such as field.read." };
        var result = new Option<string?>("--result") { Description = "ok, denied or error." };
        var from = new Option<DateTimeOffset?>("--from") { Description = "Not before." };
        var to = new Option<DateTimeOffset?>("--to") { Description = "Before." };
        var oldest = new Option<bool>("--oldest-first") { Description = "The oldest entry first." };
        var limit = new Option<int?>("--limit") { Description = "At most so many entries." };
        var cursor = new Option<string?>("--cursor") { Description = "Where the page before ended." };
        return new Verb(
            "search", "Find entries, newest first.",
            "datavault audit search --type field.read --field email --from 2026-01-01", "datavault audit search --result denied --limit 20 --json")
            .With(customer, actor, purpose, field, type, result, from, to, oldest, limit, cursor)
            .Does(context, async (session, cancellation) =>
            {
                var p = session.Parsed;
                var filter = new AuditFilter
                {
                    Customer = p.GetValue(customer), Actor = p.GetValue(actor), Purpose = p.GetValue(purpose), Field = p.GetValue(field),
                    Type = p.GetValue(type), Result = p.GetValue(result), From = p.GetValue(from), To = p.GetValue(to),
                    OldestFirst = p.GetValue(oldest), Limit = p.GetValue(limit), Cursor = p.GetValue(cursor),
                };
                var page = await session.Open(s_officer).AuditEntriesAsync(filter, cancellation);
                session.Report.Show(page, () => Show(page));
                return ExitCode.Ok;
            });
    }

    private static Rows Show(Page<AuditEntryView> page)
    {
        if (page.Items.Count == 0) return new Rows(new Text("No entry matches.\n"));
        var table = Report.Table("entry", "at", "type", "actor", "purpose", "result", "fields");
        foreach (var e in page.Items) table.Row($"{e.Index}", $"{e.At:u}", e.Type, e.Actor ?? e.ActorTag, e.Purpose, e.Result, string.Join(", ", e.Fields));
        return new Rows(table, new Text(page.Next is null ? "" : $"More: --cursor {page.Next}\n"));
    }
}
