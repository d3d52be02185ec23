using System.CommandLine;
using DataVault.Client.Wire;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault consent …</c></summary>
internal static class ConsentVerbs
{
    private static readonly string[] s_roles = ["customer-support", "marketing"];

    public static Verb Build(VerbContext context) => new Verb("consent", "See and record consents.").With(List(context), Set(context));

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
        var state = new Argument<string>("state") { Description = "given, withdrawn or refused." };
        state.AcceptOnlyFromAmong("given", "withdrawn", "refused");
        var notice = new Option<string?>("--notice") { Description = "Version of the notice that was shown." };
        var channel = new Option<string>("--channel") { Description = "How it was said.", DefaultValueFactory = _ => "cli" };
        var expires = new Option<DateTimeOffset?>("--expires") { Description = "When it ends by itself." };
        return new Verb(
            "set", "Record that a customer gave, withdrew or refused consent. In force everywhere when the command ends.",
            "datavault consent set 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f marketing withdrawn --channel phone")
            .With(id, purpose, state, notice, channel, expires)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var act = new SetConsent(parsed.GetRequiredValue(state), parsed.GetValue(notice), parsed.GetValue(channel), parsed.GetValue(expires));
                var written = await session.Open(s_roles).SetConsentAsync(parsed.GetRequiredValue(id), parsed.GetRequiredValue(purpose), act, cancellation);
                session.Report.Show(written, () => Show([written.Consent]));
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
