using System.CommandLine;
using DataVault.Client.Wire;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault recipients …</c>: to whom data go, what they were given, and what they are told.</summary>
internal static class RecipientVerbs
{
    private const string Officer = "compliance-officer";

    public static Verb Build(VerbContext context) =>
        new Verb("recipients", "To whom data go outside the controller's own departments, what they were given, and what they are told (GDPR 15, 19, 28, 44).")
            .With(List(context), Disclosures(context), Notices(context), Done(context), Waive(context));

    private static Verb List(VerbContext context) =>
        new Verb("list", "Recipients of the policy in force, and what keeps one from receiving any data.", "datavault recipients list").Does(context, async (session, cancellation) =>
        {
            var recipients = await session.Open([Officer]).RecipientsAsync(cancellation);
            var table = Report.Table("recipient", "title", "role", "country", "agreement", "transfer", "theirs", "receives nothing");
            foreach (var one in recipients.Items)
            {
                table.Row(
                    one.Name, one.Title, one.Role, one.Country, one.Agreement ?? "", one.Transfer is { } transfer ? $"{transfer.Mechanism} ({transfer.Reference})" : "",
                    string.Join(", ", one.Clients.Concat(one.Analytics)), string.Join("; ", one.Obstacles));
            }

            session.Report.Show(recipients, () => table);
            return ExitCode.Ok;
        });

    private static Verb Disclosures(VerbContext context)
    {
        var customer = new Argument<Guid>("customer") { Description = "The customer's id." };
        return new Verb("disclosures", "Who was given what of a customer, for what and when, as the log has it.", "datavault recipients disclosures 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f")
            .With(customer)
            .Does(context, async (session, cancellation) =>
            {
                var given = await session.Open([Officer]).DisclosuresAsync(session.Parsed.GetRequiredValue(customer), cancellation);
                var table = Report.Table("who", "through", "kind", "purpose", "fields", "times", "first", "last", "newest entry");
                foreach (var line in given.Items)
                {
                    table.Row(
                        line.Title, line.Through, line.Kind, line.Purpose, string.Join(", ", line.Fields), $"{line.Times}", $"{line.First:u}", $"{line.Last:u}",
                        line.Entries.Count > 0 ? $"{line.Entries[0]}" : "");
                }

                session.Report.Show(given, () => table);
                return ExitCode.Ok;
            });
    }

    private static Verb Notices(VerbContext context)
    {
        var request = new Option<Guid?>("--request") { Description = "Only those of this request." };
        var customer = new Option<Guid?>("--customer") { Description = "Only those about this customer." };
        var all = new Option<bool>("--all") { Description = "Also those that nobody has to be told of any more." };
        return new Verb(
            "notices", "Notices of rectifications, erasures and restrictions that recipients have still to be told of.", "datavault recipients notices",
            "datavault recipients notices --request 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f --all")
            .With(request, customer, all)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var page = await session.Open([Officer]).NoticesAsync(parsed.GetValue(request), parsed.GetValue(customer), open: !parsed.GetValue(all), cancellation: cancellation);
                session.Report.Show(page, () => page.Items.Count == 0 ? new Text("Nobody has to be told.\n") : Show(page.Items));
                return ExitCode.Ok;
            });
    }

    private static Verb Done(VerbContext context)
    {
        var id = new Argument<Guid>("notice") { Description = "The notice's id." };
        return new Verb("done", "You have told the recipient.", "datavault recipients done 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f").With(id)
            .Does(context, async (session, cancellation) => Show(session, await session.OpenAsPerson(Officer).NoticeDoneAsync(session.Parsed.GetRequiredValue(id), cancellation)));
    }

    private static Verb Waive(VerbContext context)
    {
        var id = new Argument<Guid>("notice") { Description = "The notice's id." };
        var reason = new Option<string>("--reason") { Description = "impossible or disproportionate-effort.", Required = true };
        reason.AcceptOnlyFromAmong("impossible", "disproportionate-effort");
        return new Verb("waive", "Nobody tells the recipient, for a reason of GDPR 19.", "datavault recipients waive 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f --reason disproportionate-effort").With(id, reason)
            .Does(context, async (session, cancellation) => Show(
                session, await session.OpenAsPerson(Officer).WaiveNoticeAsync(session.Parsed.GetRequiredValue(id), session.Parsed.GetRequiredValue(reason), cancellation)));
    }

    private static int Show(Session session, RecipientNotice notice)
    {
        session.Report.Show(notice, () => Show([notice]));
        return ExitCode.Ok;
    }

    private static Table Show(IReadOnlyList<RecipientNotice> notices)
    {
        var table = Report.Table("notice", "recipient", "contact", "of", "known as", "fields", "state", "since", "tried", "damage");
        foreach (var notice in notices)
        {
            table.Row(
                $"{notice.Id}", notice.Title ?? notice.Recipient ?? "", notice.Contact ?? "", notice.Kind, notice.Reference ?? "", notice.Fields.Count == 0 ? "everything" : string.Join(", ", notice.Fields),
                notice.State + (notice.Reason is { } reason ? $" ({reason})" : ""), $"{notice.ChangedAt:u}", notice.Attempts == 0 ? "" : $"{notice.Attempts}, {notice.Failure}{(notice.Dead ? " (dead)" : "")}", notice.Damage ?? "");
        }

        return table;
    }
}
