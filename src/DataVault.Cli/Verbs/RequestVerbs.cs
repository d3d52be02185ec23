using System.CommandLine;
using DataVault.Client;
using DataVault.Client.Wire;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault request …</c></summary>
internal static class RequestVerbs
{
    private static readonly string[] s_officer = ["compliance-officer"];
    private static readonly string[] s_kinds = ["access", "portability", "rectification", "erasure", "restriction", "objection", "contest"];

    public static Verb Build(VerbContext context) =>
        new Verb("request", "Requests of customers for their rights: access, portability, rectification, erasure, restriction, objection, contest of an automated decision.").With(
            Open(context), List(context), Get(context), Notes(context), Evidence(context), Verify(context), Choose(context),
            Step(context, "acknowledge", RequestStep.Acknowledge, "Acknowledge receipt to the person."),
            Step(context, "ask", RequestStep.Ask, "Ask the person for something (identity, clarification, fee) with --note; the clock stands still where the law lets it.", "clarification"),
            Step(context, "answer", RequestStep.Answer, "Record that what the person was asked for is there; --reason names what, all of it when left out."),
            Step(context, "extend", RequestStep.Extend, "Prolong the due date, once; needs a reason (complexity, high-volume) and a note, which the person reads.", "complexity"),
            Step(context, "approve", RequestStep.Approve, "Grant a request: the export or the erasure starts, once a second officer agrees where the policy wants one."),
            Step(context, "refuse", RequestStep.Refuse, "Refuse a request; needs a reason and a note, which the person reads.", "process-unfounded"),
            Step(context, "withdraw", RequestStep.Withdraw, "Take a request back for the person, before it is carried out."),
            Step(context, "complete", RequestStep.Complete, "Close a request that was carried out by hand; a contest with --reason decision-upheld, decision-changed or decision-annulled."),
            Step(context, "erase-damaged", RequestStep.EraseDamaged, "Order the erasure of a record that does not open; needs a reason (no-sound-copy, repair-refused, time-limit).", "no-sound-copy"),
            RectificationVerbs.Wanted(context), RectificationVerbs.Rectify(context), Package(context), Certificate(context), LiftRestriction(context), LiftObjection(context), LetterVerbs.Build(context));

    private static Verb Open(VerbContext context)
    {
        var kind = new Argument<string>("kind") { Description = string.Join(", ", s_kinds) };
        kind.AcceptOnlyFromAmong(s_kinds);
        var customer = new Option<Guid?>("--customer") { Description = "The customer's id (left out by customers themselves)." };
        var note = new Option<string?>("--note") { Description = "What the person said; kept sealed." };
        var jurisdiction = new Option<string?>("--jurisdiction") { Description = "Whose law sets the due date, such as eu." };
        var language = new Option<string?>("--language") { Description = "Of the letters about it, such as de." };
        var purposes = new Option<string[]>("--purpose") { Description = "Of an objection, a purpose that it is to; may be given several times, and left out for all that can be objected to." };
        var key = new Option<string?>("--idempotency-key") { Description = "Makes repeating the same command harmless." };
        return new Verb("open", "Open a request for a customer.", "datavault request open erasure --customer 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f")
            .With(kind, customer, note, jurisdiction, language, purposes, key)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var request = new OpenRequest(parsed.GetRequiredValue(kind), parsed.GetValue(customer), parsed.GetValue(note), parsed.GetValue(jurisdiction))
                {
                    Language = parsed.GetValue(language), Purposes = parsed.GetValue(purposes) is { Length: > 0 } named ? named : null,
                };
                return Show(session, await session.Open(s_officer).OpenRequestAsync(request, parsed.GetValue(key), cancellation));
            });
    }

    private static Verb List(VerbContext context)
    {
        var state = new Option<string?>("--state") { Description = "received, verified, confirming, approved, refused, completed, withdrawn, expired or moot." };
        var kind = new Option<string?>("--kind") { Description = "Only this kind." };
        var customer = new Option<Guid?>("--customer") { Description = "Only of this customer." };
        var limit = new Option<int?>("--limit") { Description = "At most so many." };
        var cursor = new Option<string?>("--cursor") { Description = "Where the page before ended." };
        return new Verb("list", "Requests and their due dates.", "datavault request list --state received --json")
            .With(state, kind, customer, limit, cursor)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var page = await session.Open(s_officer).RequestsAsync(
                    parsed.GetValue(state), parsed.GetValue(kind), parsed.GetValue(customer), parsed.GetValue(limit), parsed.GetValue(cursor), cancellation);
                session.Report.Show(page, () => page.Items.Count == 0 ? new Text("No requests.\n") : Show(page.Items));
                return ExitCode.Ok;
            });
    }

    private static Verb Notes(VerbContext context)
    {
        var id = new Argument<Guid>("request") { Description = "The request's id." };
        return new Verb("notes", "What was written down with a request. Reading it is an entry of the log.", "datavault request notes 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f")
            .With(id)
            .Does(context, async (session, cancellation) =>
            {
                var notes = await session.Open(s_officer).RequestNotesAsync(session.Parsed.GetRequiredValue(id), cancellation);
                session.Report.Show(notes, () => notes.Count == 0 ? new Text("Nothing was written down.\n") : Show(notes));
                return ExitCode.Ok;
            });
    }

    private static Verb Get(VerbContext context)
    {
        var id = new Argument<Guid>("request") { Description = "The request's id." };
        return new Verb("get", "One request: where it stands in time, how surely the person is known, what was asked and decided.", "datavault request get 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f")
            .With(id)
            .Does(context, async (session, cancellation) =>
            {
                var request = await session.Open(s_officer).RequestAsync(session.Parsed.GetRequiredValue(id), cancellation);
                session.Report.Show(request, () => Facts(request));
                return ExitCode.Ok;
            });
    }

    private static Verb Evidence(VerbContext context)
    {
        var id = new Argument<Guid>("request") { Description = "The request's id." };
        return new Verb(
            "evidence", "What was shown of the person's identity, until some days after the request is closed; for people alone. Reading it is an entry of the log.",
            "datavault request evidence 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f")
            .With(id)
            .Does(context, async (session, cancellation) =>
            {
                var evidence = await session.OpenAsPerson(s_officer).RequestEvidenceAsync(session.Parsed.GetRequiredValue(id), cancellation);
                session.Report.Show(evidence, () => evidence.Count == 0 ? new Text("Nothing was noted, or it is gone.\n") : Show(evidence));
                return ExitCode.Ok;
            });
    }

    private static Verb Verify(VerbContext context)
    {
        var id = new Argument<Guid>("request") { Description = "The request's id." };
        var method = new Option<string?>("--method") { Description = "How: a method of rights.yaml, such as called-back." };
        var evidence = new Option<string?>("--evidence") { Description = "What was shown; kept sealed, for a short time." };
        var failed = new Option<bool>("--failed") { Description = "It failed." };
        var note = new Option<string?>("--note") { Description = "In words; kept sealed, and the person may read it." };
        return new Verb("verify", "Record that somebody showed, or failed to show, that they are the person.", "datavault request verify 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f --method called-back")
            .With(id, method, evidence, failed, note)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var decision = new DecideRequest(null, parsed.GetValue(note)) { Method = parsed.GetValue(method), Evidence = parsed.GetValue(evidence), Failed = parsed.GetValue(failed) };
                return Show(session, await session.Open(s_officer).DecideAsync(parsed.GetRequiredValue(id), RequestStep.Verify, decision, cancellation));
            });
    }

    private static Verb Choose(VerbContext context)
    {
        var id = new Argument<Guid>("request") { Description = "The request's id." };
        var items = new Option<string[]>("--item") { Description = "A field or event:TYPE; may be given several times." };
        var purposes = new Option<string[]>("--purpose") { Description = "Of an objection, a purpose that goes on in spite of it; may be given several times. Needs a note, which the person reads." };
        var reason = new Option<string?>("--reason") { Description = "Why, such as legal-obligation; left out to grant them again." };
        var review = new Option<DateTimeOffset?>("--review") { Description = "Of an erasure, when to look whether they must still be kept." };
        var note = new Option<string?>("--note") { Description = "In words; kept sealed, and the person may read it." };
        return new Verb(
            "choose", "Decide of single items otherwise than of the rest: an erasure leaves them, a package is without them; of an objection, purposes go on.",
            "datavault request choose 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f --item event:purchase --reason legal-obligation --review 2036-01-01")
            .With(id, items, purposes, reason, review, note)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var decision = new DecideRequest(parsed.GetValue(reason), parsed.GetValue(note))
                {
                    Items = parsed.GetValue(items) is { Length: > 0 } named ? named : null, Purposes = parsed.GetValue(purposes) is { Length: > 0 } weighed ? weighed : null, ReviewAt = parsed.GetValue(review),
                };
                return Show(session, await session.OpenAsPerson(s_officer).DecideAsync(parsed.GetRequiredValue(id), RequestStep.Choose, decision, cancellation));
            });
    }

    private static Table Facts(RightsRequest request)
    {
        var table = Report.Table("what", "how it stands");
        table.Row("request", $"{request.Id}");
        table.Row("kind", request.Kind);
        table.Row("state", request.Outcome is { } outcome ? $"{request.State}, {outcome}" : request.State);
        table.Row("customer", request.Customer is { } customer ? $"{customer}" : "erased");
        table.Row("opened", $"{request.OpenedAt:u} by the {request.OpenedBy}, under {request.Jurisdiction}");
        table.Row("due", $"{request.DueAt:u}{(request.Times is { Overdue: true } ? ", overdue" : request.Times is { StandsStill: true } ? ", and the clock waits for the person" : "")}");
        if (request.Times is { } times)
        {
            table.Row("both clocks", $"strict {times.StrictDueAt:u}, paused {times.PausedDueAt:u}; {times.Elapsed:P0} of the time is gone");
            if (times.AcknowledgeBy is { } by) table.Row("acknowledged", times.AcknowledgedAt is { } at ? $"{at:u}" : $"not yet, by {by:u}");
        }

        if (request.Identity is { } identity) table.Row("identity", $"{identity.Assurance}, {identity.Needed} is needed; {string.Join(", ", identity.Checks.Select(check => check.Passed ? check.Method : check.Method + " failed"))}");
        foreach (var question in request.Questions) table.Row("asked", $"{question.Cause} at {question.From:u}, {(question.Until is { } until ? $"answered {until:u}" : $"waiting until {question.AnswerBy:u}")}");
        if (request.ApprovedFirst is { } first) table.Row("approved first", $"{(first.Mine ? "you" : first.By)}{(first.At is { } at ? $", {at:u}" : "")}");
        foreach (var why in request.SecondFor) table.Row("second officer", why);
        foreach (var one in request.Objections) table.Row("objects to", $"{one.Purpose}: {one.State}{(one.Since is { } since ? $", since {since:u}" : "")}{(one.Reason is { } why ? $", {why} (GDPR {one.Article})" : "")}");
        foreach (var choice in request.Choices) table.Row("refused in part", $"{string.Join(", ", choice.Items)}: {choice.Reason} (GDPR {choice.Article})");
        return table;
    }

    private static Table Show(IReadOnlyList<RequestRemark> notes)
    {
        var table = Report.Table("at", "by", "note");
        foreach (var note in notes) table.Row($"{note.At:u}", note.By, note.Text);
        return table;
    }

    // What becomes of a request no application says.
    private static readonly RequestStep[] OfPeople = [RequestStep.Approve, RequestStep.Refuse, RequestStep.Complete, RequestStep.EraseDamaged];

    // The usual reason, of a step that needs one.
    private static Verb Step(VerbContext context, string name, RequestStep step, string description, string? usual = null)
    {
        var id = new Argument<Guid>("request") { Description = "The request's id." };
        var reason = new Option<string?>("--reason") { Description = "Reason code.", Required = usual is not null };
        var note = new Option<string?>("--note") { Description = "In words; kept sealed, and the person may read it." };
        var outcome = new Option<string?>("--outcome") { Description = "Of a decision that is changed, what it comes to now." };
        var ending = usual is null ? "" : $" --reason {usual}" + (step == RequestStep.EraseDamaged ? "" : " --note \"Because of this\"");
        return new Verb(name, description, $"datavault request {name} 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f{ending}")
            .With(step == RequestStep.Complete ? [id, reason, note, outcome] : [id, reason, note])
            .Does(context, async (session, cancellation) =>
            {
                var decision = new DecideRequest(session.Parsed.GetValue(reason), session.Parsed.GetValue(note)) { Outcome = step == RequestStep.Complete ? session.Parsed.GetValue(outcome) : null };
                var vault = OfPeople.Contains(step) ? session.OpenAsPerson(s_officer) : session.Open(s_officer);
                return Show(session, await vault.DecideAsync(session.Parsed.GetRequiredValue(id), step, decision, cancellation));
            });
    }

    private static Verb Package(VerbContext context)
    {
        var id = new Argument<Guid>("request") { Description = "The request's id." };
        var output = new Option<FileInfo>("--output", "-o") { Description = "Where to write the zip; must not exist.", Required = true };
        return new Verb("package", "Fetch the export of an access or portability request, once, with the token of a person who has just signed in.", "datavault request package 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f -o export.zip --token-file token")
            .With(id, output)
            .Does(context, async (session, cancellation) =>
            {
                var target = session.Parsed.GetRequiredValue(output).FullName;
                var bytes = await SaveAsync(session.OpenAsPerson(s_officer), session.Parsed.GetRequiredValue(id), target, cancellation);
                session.Report.Show(new { file = target, bytes }, () => new Text($"{target}: {bytes:N0} bytes\n"));
                return ExitCode.Ok;
            });
    }

    private static Verb Certificate(VerbContext context)
    {
        var id = new Argument<Guid>("request") { Description = "The request's id." };
        return new Verb("certificate", "Show the signed certificate of an erasure.", "datavault request certificate 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f > erasure.txt")
            .With(id)
            .Does(context, async (session, cancellation) =>
            {
                var certificate = await session.Open(s_officer).CertificateAsync(session.Parsed.GetRequiredValue(id), cancellation);
                if (session.Report.Json) session.Report.Show(new ErasureCertificate(certificate), () => new Text(""));
                else session.Host.Output.Write(certificate);
                return ExitCode.Ok;
            });
    }

    private static Verb LiftRestriction(VerbContext context)
    {
        var id = new Argument<Guid>("customer") { Description = "The customer's id." };
        var reason = LiftReason("person-asked", "accuracy-settled", "claims-settled", "objection-decided");
        return new Verb(
            "lift-restriction", "End a customer's restriction of processing, who is told before. In force everywhere when the command ends.",
            "datavault request lift-restriction 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f --reason accuracy-settled")
            .With(id, reason)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                return Show(session, await session.Open(s_officer).LiftRestrictionAsync(parsed.GetRequiredValue(id), parsed.GetRequiredValue(reason), cancellation));
            });
    }

    private static Verb LiftObjection(VerbContext context)
    {
        var id = new Argument<Guid>("customer") { Description = "The customer's id." };
        var purpose = new Argument<string>("purpose") { Description = "The purpose objected to, such as marketing." };
        var reason = LiftReason("person-asked", "compelling-grounds", "legal-claim");
        return new Verb(
            "lift-objection", "End a customer's objection to a purpose, who is told before; to direct marketing only if they asked. In force everywhere when the command ends.",
            "datavault request lift-objection 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f marketing --reason person-asked")
            .With(id, purpose, reason)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                return Show(session, await session.Open(s_officer).LiftObjectionAsync(
                    parsed.GetRequiredValue(id), parsed.GetRequiredValue(purpose), parsed.GetRequiredValue(reason), cancellation));
            });
    }

    private static Option<string> LiftReason(params string[] reasons)
    {
        var reason = new Option<string>("--reason") { Description = string.Join(", ", reasons), Required = true };
        reason.AcceptOnlyFromAmong(reasons);
        return reason;
    }

    private static int Show(Session session, LimitLifted lifted)
    {
        session.Report.Show(lifted, () => new Text($"Ended at {lifted.At:u}; entry {lifted.Receipt.Index} of the log.\n"));
        return ExitCode.Ok;
    }

    private static int Show(Session session, RightsRequest request)
    {
        session.Report.Show(request, () => Show([request]));
        return ExitCode.Ok;
    }

    private static Table Show(IReadOnlyList<RightsRequest> items)
    {
        var table = Report.Table("request", "kind", "state", "opened", "due", "customer", "from");
        foreach (var item in items) table.Row($"{item.Id}", item.Kind, item.State, $"{item.OpenedAt:u}", $"{item.DueAt:yyyy-MM-dd}", $"{item.Customer}", item.OpenedBy);
        return table;
    }

    // The file is made first: a package that can be fetched once is not fetched for a folder that cannot be written to.
    private static async Task<long> SaveAsync(VaultClient vault, Guid request, string target, CancellationToken cancellation)
    {
        await using var file = OwnFile.Create(target);
        try
        {
            await using var package = await vault.PackageAsync(request, cancellation);
            await package.CopyToAsync(file, cancellation);
            return file.Length;
        }
        catch (VaultProblemException)
        {
            File.Delete(target);
            throw;
        }
    }
}

/// <summary>A file that only its owner reads, and that was not there before.</summary>
internal static class OwnFile
{
    public static FileStream Create(string path)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new FileStream(path, options);
    }
}
