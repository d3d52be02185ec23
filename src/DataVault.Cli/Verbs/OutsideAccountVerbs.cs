using System.CommandLine;
using DataVault.Client.Wire;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault outside-accounts …</c></summary>
internal static class OutsideAccountVerbs
{
    private const string Administrator = "administrator";

    public static Verb Build(VerbContext context) =>
        new Verb("outside-accounts", "Customers who sign in at a provider of somebody else.").With(Link(context), Unlink(context));

    private static Verb Link(VerbContext context)
    {
        var authority = new Option<string>("--authority") { Description = "The provider's name in the vault's settings.", Required = true };
        var subject = new Option<string>("--subject") { Description = "Who it is there: sub, word for word.", Required = true };
        var customer = new Option<Guid>("--customer") { Description = "Who it is here.", Required = true };
        return new Verb(
            "link", "Say that a subject of a provider is a customer; check who the person is first.",
            "datavault outside-accounts link --authority company --subject 8c5f6c1e --customer 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f")
            .With(authority, subject, customer)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var link = new LinkOutsideAccount(parsed.GetRequiredValue(authority), parsed.GetRequiredValue(subject), parsed.GetRequiredValue(customer));
                var made = await session.OpenAsPerson(Administrator).LinkOutsideAccountAsync(link, cancellation);
                session.Report.Show(made, () => new Text($"Linked. The log calls the person {made.Id:D}.\n"));
                return ExitCode.Ok;
            });
    }

    private static Verb Unlink(VerbContext context)
    {
        var customer = new Argument<Guid>("customer") { Description = "The customer's id." };
        return new Verb(
            "unlink", "End every link of a customer, and the tokens that were accepted by one.", "datavault outside-accounts unlink 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f")
            .With(customer)
            .Does(context, async (session, cancellation) =>
            {
                await session.OpenAsPerson(Administrator).UnlinkOutsideAccountAsync(session.Parsed.GetRequiredValue(customer), cancellation);
                return ExitCode.Ok;
            });
    }
}
