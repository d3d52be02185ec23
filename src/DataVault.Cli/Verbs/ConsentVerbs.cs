using System.CommandLine;
using System.Globalization;
using DataVault.Client.Wire;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault consent …</c></summary>
internal static class ConsentVerbs
{
    private static readonly string[] s_roles = ["customer-support", "marketing"];
    private static readonly string[] s_officer = ["compliance-officer"];

    public static Verb Build(VerbContext context) =>
        new Verb("consent", "See, record and prove consents.").With(List(context), Set(context), ReceiptOf(context), Prove(context), Figures(context), Renewals(context));

    private static Verb List(VerbContext context)
    {
        var id = new Argument<Guid>("customer") { Description = "The customer's id." };
        return new Verb("list", "Consent states of a customer.", "datavault consent list 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f")
            .With(id)
            .Does(context, async (session, cancellation) =>
            {
                var consents = await session.Open(s_roles).ConsentsAsync(session.Parsed.GetRequiredValue(id), cancellation);
                session.Report.Show(consents, () => Show(consents.Items));
                return ExitCode.Ok;
            });
    }

    private static Verb Set(VerbContext context)
    {
        var id = new Argument<Guid>("customer") { Description = "The customer's id." };
        var purpose = new Argument<string>("purpose") { Description = "Purpose, such as marketing." };
        var state = new Argument<string>("state") { Description = "given, withdrawn, refused; requested, deferred; invalidated, revoked." };
        state.AcceptOnlyFromAmong("given", "withdrawn", "refused", "requested", "deferred", "invalidated", "revoked");
        var language = new Option<string?>("--language") { Description = "Language of the notice that was shown, such as de." };
        var guardian = new Option<string?>("--guardian") { Description = "Reference to the authorisation of a child's guardian, such as GC-2026-0113." };
        var lifts = new Option<bool>("--lifts-objection") { Description = "The person was told that they object to this purpose, and consents all the same." };
        var notice = new Option<string?>("--notice") { Description = "Version of the notice that was shown." };
        var file = new Option<string?>("--notice-file") { Description = "Text of a notice that the vault does not know, of a consent given elsewhere." };
        var hash = new Option<string?>("--notice-sha256") { Description = "SHA-256 of that text, where the text stays elsewhere." };
        var channel = new Option<string>("--channel") { Description = "How it was said.", DefaultValueFactory = _ => "cli" };
        var expires = new Option<DateTimeOffset?>("--expires") { Description = "When it ends by itself." };
        return new Verb(
            "set", "Record that a customer gave, withdrew or refused consent. In force everywhere when the command ends.",
            "datavault consent set 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f marketing withdrawn --channel phone")
            .With(id, purpose, state, notice, file, hash, channel, expires, language, guardian, lifts)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var act = new SetConsent(parsed.GetRequiredValue(state), parsed.GetValue(notice), parsed.GetValue(channel), parsed.GetValue(expires))
                {
                    Language = parsed.GetValue(language), Guardian = parsed.GetValue(guardian), LiftsObjection = parsed.GetValue(lifts) ? true : null,
                    NoticeText = parsed.GetValue(file) is { } path ? await File.ReadAllTextAsync(path, cancellation) : null, NoticeSha256 = parsed.GetValue(hash),
                };
                var written = await session.Open(s_roles).SetConsentAsync(parsed.GetRequiredValue(id), parsed.GetRequiredValue(purpose), act, cancellation);
                session.Report.Show(written, () => Show([written.Consent]));
                return ExitCode.Ok;
            });
    }

    private static Verb ReceiptOf(VerbContext context)
    {
        var id = new Argument<Guid>("customer") { Description = "The customer's id." };
        var purpose = new Argument<string>("purpose") { Description = "Purpose, such as marketing." };
        var entry = new Option<long?>("--entry") { Description = "Log entry of the act; the newest act when absent." };
        return new Verb(
            "receipt", "The receipt of a consent act, to standard output: datavault-verify receipt checks it offline.",
            "datavault consent receipt 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f marketing > receipt.json")
            .With(id, purpose, entry)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var text = await session.Open(s_roles).ConsentReceiptAsync(parsed.GetRequiredValue(id), parsed.GetRequiredValue(purpose), parsed.GetValue(entry), cancellation);
                await context.Host.Output.WriteAsync(text);
                return ExitCode.Ok;
            });
    }

    private static Verb Prove(VerbContext context)
    {
        var id = new Argument<Guid>("customer") { Description = "The customer's id." };
        var purpose = new Argument<string>("purpose") { Description = "Purpose, such as marketing." };
        var at = new Option<DateTimeOffset?>("--at") { Description = "The instant asked about; now when absent." };
        var folder = new Option<string?>("--receipts") { Description = "Folder to write each receipt into, for datavault-verify." };
        return new Verb(
            "prove", "Everything about a consent as it stood at an instant: acts, notices as shown, receipts, proofs.",
            "datavault consent prove 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f marketing --at 2026-03-01T00:00:00Z --receipts evidence")
            .With(id, purpose, at, folder)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var proof = await session.Open(s_officer).ConsentProofAsync(parsed.GetRequiredValue(id), parsed.GetRequiredValue(purpose), parsed.GetValue(at), cancellation);
                if (parsed.GetValue(folder) is { } into) await WriteReceiptsAsync(into, proof, cancellation);
                session.Report.Show(proof, () => Show(proof));
                return ExitCode.Ok;
            });
    }

    private static async Task WriteReceiptsAsync(string folder, ConsentProof proof, CancellationToken cancellation)
    {
        Directory.CreateDirectory(folder);
        for (var at = 0; at < proof.Receipts.Count; at++)
            await File.WriteAllTextAsync(Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{proof.Purpose}-{at + 1:0000}.json")), proof.Receipts[at].GetRawText(), cancellation);
    }

    private static Table Show(ConsentProof proof)
    {
        var table = Report.Table("purpose", "at", "state", "valid", "acts", "stopped by", "missing");
        table.Row(
            proof.Purpose, $"{proof.At:u}", proof.State, proof.Valid ? "yes" : "no", $"{proof.Receipts.Count}", string.Join(", ", proof.Stops), string.Join("; ", proof.Missing));
        return table;
    }

    private static Verb Figures(VerbContext context) =>
        new Verb("figures", "How many people stand how to each purpose that rests on consent.", "datavault consent figures")
            .Does(context, async (session, cancellation) =>
            {
                var figures = await session.Open(s_officer).ConsentFiguresAsync(cancellation);
                session.Report.Show(figures, () =>
                {
                    var table = Report.Table("purpose", "given", "end soon", "without notice", "withdrawn", "refused", "expired", "object by signal");
                    string Of(ConsentFigure figure, string state) => $"{figure.States.GetValueOrDefault(state)}";
                    foreach (var one in figures.Items)
                        table.Row(one.Purpose, Of(one, "given"), $"{one.RenewalDue}", $"{one.WithoutNotice}", Of(one, "withdrawn"), Of(one, "refused"), Of(one, "expired"), $"{one.Objected}");
                    return table;
                });
                return ExitCode.Ok;
            });

    private static Verb Renewals(VerbContext context)
    {
        var purpose = new Argument<string>("purpose") { Description = "Purpose, such as marketing." };
        var cursor = new Option<string?>("--cursor") { Description = "The next of the page before." };
        return new Verb("renewals", "Consents that end soon and should be asked for again.", "datavault consent renewals marketing")
            .With(purpose, cursor)
            .Does(context, async (session, cancellation) =>
            {
                var page = await session.Open(s_roles).ConsentRenewalsAsync(session.Parsed.GetRequiredValue(purpose), 500, session.Parsed.GetValue(cursor), cancellation);
                session.Report.Show(page, () =>
                {
                    var table = Report.Table("customer", "purpose", "expires");
                    foreach (var one in page.Items) table.Row($"{one.Customer}", one.Purpose, $"{one.Expires:u}");
                    return table;
                });
                return ExitCode.Ok;
            });
    }

    private static Table Show(IReadOnlyList<ConsentState> items)
    {
        var table = Report.Table("purpose", "state", "since", "expires", "basis");
        foreach (var item in items) table.Row(item.Purpose, item.State, $"{item.Since:u}", $"{item.Expires:u}", item.LegalBasis);
        return table;
    }
}
