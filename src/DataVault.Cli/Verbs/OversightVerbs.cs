using System.CommandLine;
using DataVault.Client.Wire;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault reviews …</c>, <c>approvals …</c>, <c>alerts …</c>, <c>honey …</c>, <c>budgets …</c></summary>
internal static class OversightVerbs
{
    private const string AnId = "0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f";
    private static readonly string[] s_officer = ["compliance-officer"];
    private static readonly string[] s_planters = ["compliance-officer", "administrator"];
    private static readonly string[] s_readers = ["customer-support", "marketing", "compliance-officer"];
    private static readonly string[] s_administrator = ["administrator"];

    public static IEnumerable<Verb> Build(VerbContext context) =>
    [
        new Verb("reviews", "Releases that an officer looks at afterwards, such as those of an emergency.").With(ListReviews(context), ShowReview(context), DecideReview(context)),
        new Verb("approvals", "Disclosures that need a second person.").With(Ask(context), ListApprovals(context), Agree(context, "approve", "Agree to a disclosure that another person asked for."), Agree(context, "refuse", "Refuse it.")),
        new Verb("alerts", "Budgets that were used up, planted customers who were touched.").With(
            ListAlerts(context), Answer(context, "acknowledge", "Say that you take an alert up."), Answer(context, "release", "Let the credential that it stopped go on.")),
        new Verb("honey", "Planted customers: whoever touches one raises an alert.").With(Plant(context), ListHoney(context), Withdraw(context)),
        new Verb("budgets", "Tighter budgets of single applications.").With(SetBudget(context), ListBudgets(context)),
    ];

    private static Argument<Guid> Id(string what) => new(what) { Description = $"The {what}'s id." };

    private static Verb ListReviews(VerbContext context)
    {
        var state = new Option<string?>("--state") { Description = "open or decided." };
        var overdue = new Option<bool>("--overdue") { Description = "Only those whose date has passed." };
        return new Verb("list", "Reviews, newest first.", "datavault reviews list --overdue").With(state, overdue).Does(context, async (session, cancellation) =>
        {
            var page = await session.OpenAsPerson(s_officer).ReviewsAsync(session.Parsed.GetValue(state), session.Parsed.GetValue(overdue), cancellation: cancellation);
            session.Report.Show(page, () => page.Items.Count == 0 ? new Text("No reviews.\n") : Show(page.Items));
            return ExitCode.Ok;
        });
    }

    private static Verb ShowReview(VerbContext context)
    {
        var id = Id("review");
        return new Verb("show", "One review, with whom it is about, the reason that was given and what was shown.", $"datavault reviews show {AnId}").With(id).Does(
            context, async (session, cancellation) => Show(session, await session.OpenAsPerson(s_officer).ReviewAsync(session.Parsed.GetRequiredValue(id), cancellation)));
    }

    private static Verb DecideReview(VerbContext context)
    {
        var id = Id("review");
        var outcome = new Argument<string>("outcome") { Description = "justified or unjustified." };
        var words = new Option<string>("--words") { Description = "Why.", Required = true };
        return new Verb("decide", "Say whether a release was justified.", $"datavault reviews decide {AnId} justified --words \"The lot was recalled\"")
            .With(id, outcome, words).Does(context, async (session, cancellation) =>
            {
                var said = session.Parsed.GetRequiredValue(outcome);
                if (said is not ("justified" or "unjustified")) throw new UsageException("The outcome is justified or unjustified.");
                var decided = new ReviewOutcome(said == "justified", session.Parsed.GetRequiredValue(words));
                return Show(session, await session.OpenAsPerson(s_officer).DecideReviewAsync(session.Parsed.GetRequiredValue(id), decided, cancellation));
            });
    }

    private static Verb Ask(VerbContext context)
    {
        var customer = Id("customer");
        var purpose = CustomerVerbs.Purpose();
        var fields = new Option<string>("--fields", "-f") { Description = "Fields with commas between.", Required = true };
        var reason = new Option<string>("--reason") { Description = "Why.", Required = true };
        return new Verb("ask", "Ask another person to agree to a disclosure.", $"datavault approvals ask {AnId} -p billing -f iban --reason \"A refund came back\"")
            .With(customer, purpose, fields, reason).Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var named = parsed.GetRequiredValue(fields).Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
                var ask = new AskApproval(parsed.GetRequiredValue(customer), named, parsed.GetRequiredValue(reason), parsed.GetValue(purpose));
                return Show(session, await session.Open(s_readers, parsed.GetValue(purpose)).AskApprovalAsync(ask, cancellation));
            });
    }

    private static Verb ListApprovals(VerbContext context)
    {
        var state = new Option<string?>("--state") { Description = "requested, approved, refused or used." };
        return new Verb("list", "Approvals, newest first: your own, or all if you may approve.", "datavault approvals list --state requested").With(state).Does(context, async (session, cancellation) =>
        {
            var page = await session.OpenAsPerson(s_officer).ApprovalsAsync(session.Parsed.GetValue(state), cancellation: cancellation);
            session.Report.Show(page, () => page.Items.Count == 0 ? new Text("No approvals.\n") : Show(page.Items));
            return ExitCode.Ok;
        });
    }

    private static Verb Agree(VerbContext context, string step, string what)
    {
        var id = Id("approval");
        return new Verb(step, what, $"datavault approvals {step} {AnId}").With(id).Does(
            context, async (session, cancellation) => Show(session, await session.OpenAsPerson(s_officer).DecideApprovalAsync(session.Parsed.GetRequiredValue(id), step == "approve", cancellation)));
    }

    private static Verb ListAlerts(VerbContext context)
    {
        var state = new Option<string?>("--state") { Description = "open or acknowledged." };
        return new Verb("list", "Alerts, newest first.", "datavault alerts list --state open").With(state).Does(context, async (session, cancellation) =>
        {
            var page = await session.OpenAsPerson(s_officer).AlertsAsync(session.Parsed.GetValue(state), cancellation: cancellation);
            session.Report.Show(page, () => page.Items.Count == 0 ? new Text("No alerts.\n") : Show(page.Items));
            return ExitCode.Ok;
        });
    }

    private static Verb Answer(VerbContext context, string step, string what)
    {
        var id = Id("alert");
        return new Verb(step, what, $"datavault alerts {step} {AnId}").With(id).Does(context, async (session, cancellation) =>
        {
            var (vault, named) = (session.OpenAsPerson(s_officer), session.Parsed.GetRequiredValue(id));
            var alert = await (step == "release" ? vault.ReleaseBrakeAsync(named, cancellation) : vault.AcknowledgeAlertAsync(named, cancellation));
            session.Report.Show(alert, () => Show([alert]));
            return ExitCode.Ok;
        });
    }

    private static Verb Plant(VerbContext context)
    {
        var customer = Id("customer");
        var brake = new Option<bool>("--brake") { Description = "Stop whoever touches them, for the purpose, for a day." };
        var note = new Option<string?>("--note") { Description = "What for; kept sealed." };
        return new Verb("plant", "Mark a made-up customer.", $"datavault honey plant {AnId} --brake").With(customer, brake, note).Does(context, async (session, cancellation) =>
        {
            var plant = new PlantHoney(session.Parsed.GetRequiredValue(customer), session.Parsed.GetValue(brake), session.Parsed.GetValue(note));
            var planted = await session.OpenAsPerson(s_planters).PlantHoneyAsync(plant, cancellation);
            session.Report.Show(planted, () => Show([planted]));
            return ExitCode.Ok;
        });
    }

    private static Verb ListHoney(VerbContext context) =>
        new Verb("list", "Planted customers.", "datavault honey list").Does(context, async (session, cancellation) =>
        {
            var page = await session.OpenAsPerson(s_planters).HoneyAsync(cancellation);
            session.Report.Show(page, () => page.Items.Count == 0 ? new Text("Nobody is planted.\n") : Show(page.Items));
            return ExitCode.Ok;
        });

    private static Verb Withdraw(VerbContext context)
    {
        var id = new Argument<Guid>("planting") { Description = "Its id, from honey list." };
        return new Verb("withdraw", "Make a planted customer one like any other.", $"datavault honey withdraw {AnId}").With(id).Does(context, async (session, cancellation) =>
        {
            await session.OpenAsPerson(s_planters).WithdrawHoneyAsync(session.Parsed.GetRequiredValue(id), cancellation);
            session.Report.Show(new { withdrawn = session.Parsed.GetRequiredValue(id) }, () => new Text("Withdrawn.\n"));
            return ExitCode.Ok;
        });
    }

    private static Verb SetBudget(VerbContext context)
    {
        var client = new Argument<string>("client") { Description = "Client id." };
        var purpose = new Option<string>("--purpose", "-p") { Description = "A purpose that the policy gives a budget.", Required = true };
        var hour = new Option<int?>("--per-hour") { Description = "Most pairs of a person and a sensitive field in an hour." };
        var day = new Option<int?>("--per-day") { Description = "The same in a day." };
        return new Verb("set", "Hold an application to less than the policy allows; without numbers, to what it allows.", "datavault budgets set support-desk -p emergency --per-hour 5")
            .With(client, purpose, hour, day).Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var budget = new ApplicationBudget(parsed.GetRequiredValue(client), parsed.GetRequiredValue(purpose), parsed.GetValue(hour), parsed.GetValue(day));
                var set = await session.OpenAsPerson(s_administrator).SetBudgetAsync(budget, cancellation);
                session.Report.Show(set, () => Show([set]));
                return ExitCode.Ok;
            });
    }

    private static Verb ListBudgets(VerbContext context) =>
        new Verb("list", "Tighter budgets of single applications.", "datavault budgets list").Does(context, async (session, cancellation) =>
        {
            var page = await session.OpenAsPerson(s_administrator).BudgetsAsync(cancellation);
            session.Report.Show(page, () => page.Items.Count == 0 ? new Text("No application has a budget of its own.\n") : Show(page.Items));
            return ExitCode.Ok;
        });

    private static int Show(Session session, Review review)
    {
        session.Report.Show(review, () => Report.Facts(
            ("review", $"{review.Id}"), ("state", review.State), ("purpose", review.Purpose), ("who", review.Actor), ("account", review.Account ?? ""), ("customer", $"{review.Customer}"), ("reason", review.Reason ?? ""),
            ("shown", string.Join(", ", review.Items ?? [])), ("log entries", string.Join(", ", review.Entries)), ("due", $"{review.DueAt:u}"), ("outcome", review.Outcome ?? "")));
        return ExitCode.Ok;
    }

    private static int Show(Session session, Approval approval)
    {
        session.Report.Show(approval, () => Show([approval]));
        return ExitCode.Ok;
    }

    private static Table Show(IReadOnlyList<Review> reviews)
    {
        var table = Report.Table("review", "purpose", "who", "account", "releases", "due", "state");
        foreach (var one in reviews) table.Row($"{one.Id}", one.Purpose, one.Actor, one.Account ?? "", $"{one.Entries.Count}", $"{one.DueAt:u}", one.Overdue ? "overdue" : one.State);
        return table;
    }

    private static Table Show(IReadOnlyList<Approval> approvals)
    {
        var table = Report.Table("approval", "customer", "purpose", "fields", "until", "state");
        foreach (var one in approvals) table.Row($"{one.Id}", $"{one.Customer}", one.Purpose, string.Join(", ", one.Fields.Select(field => one.Forms.TryGetValue(field, out var form) ? $"{field}.{form}" : field)), $"{one.ExpiresAt:u}", one.State);
        return table;
    }

    private static Table Show(IReadOnlyList<Alert> alerts)
    {
        var table = Report.Table("alert", "kind", "when", "who", "purpose", "entry", "stopped until", "acknowledged");
        foreach (var one in alerts) table.Row($"{one.Id}", one.Kind, $"{one.At:u}", one.Actor ?? one.ActorTag, one.Purpose, $"{one.About ?? one.Index}", $"{one.StoppedUntil:u}", one.AcknowledgedBy ?? "");
        return table;
    }

    private static Table Show(IReadOnlyList<HoneyCustomer> planted)
    {
        var table = Report.Table("planting", "customer", "brake", "since", "note");
        foreach (var one in planted) table.Row($"{one.Id}", $"{one.Customer}", one.Brake ? "yes" : "no", $"{one.PlantedAt:u}", one.Note ?? "");
        return table;
    }

    private static Table Show(IReadOnlyList<ApplicationBudget> budgets)
    {
        var table = Report.Table("client", "purpose", "per hour", "per day");
        foreach (var one in budgets) table.Row(one.Client, one.Purpose, one.PerHour is { } hour ? $"{hour}" : "policy", one.PerDay is { } day ? $"{day}" : "policy");
        return table;
    }
}
