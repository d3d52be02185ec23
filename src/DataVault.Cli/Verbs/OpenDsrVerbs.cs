using System.CommandLine;
using DataVault.Client.Wire;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault opendsr …</c></summary>
internal static class OpenDsrVerbs
{
    private const string Administrator = "administrator";

    public static Verb Build(VerbContext context) =>
        new Verb("opendsr", "Controllers that send people's requests by OpenDSR: where each may be called back.").With(List(context), Register(context), Remove(context));

    private static Verb List(VerbContext context) => new Verb("list", "Where each controller may be called back.", "datavault opendsr list")
        .Does(context, async (session, cancellation) =>
        {
            var controllers = await session.OpenAsPerson(Administrator).OpenDsrControllersAsync(cancellation);
            session.Report.Show(controllers, () => controllers.Count == 0 ? new Text("No controller is called back.\n") : Table(controllers));
            return ExitCode.Ok;
        });

    private static Verb Register(VerbContext context)
    {
        var client = Client();
        var hosts = new Option<string[]>("--callback-host") { Description = "A host, with a port where it is not 443; may be given several times, and takes the place of those before.", Required = true };
        return new Verb("register", "Say where a controller, which is a registered application, may be called back.", "datavault opendsr register privacy-portal --callback-host privacy.shop.example")
            .With(client, hosts)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var body = new RegisterOpenDsrController(parsed.GetRequiredValue(hosts));
                var registered = await session.OpenAsPerson(Administrator).RegisterOpenDsrControllerAsync(parsed.GetRequiredValue(client), body, cancellation);
                session.Report.Show(registered, () => Table([registered]));
                return ExitCode.Ok;
            });
    }

    private static Verb Remove(VerbContext context)
    {
        var client = Client();
        return new Verb("remove", "Call a controller back nowhere any more; its requests go on.", "datavault opendsr remove privacy-portal")
            .With(client)
            .Does(context, async (session, cancellation) =>
            {
                await session.OpenAsPerson(Administrator).RemoveOpenDsrControllerAsync(session.Parsed.GetRequiredValue(client), cancellation);
                return ExitCode.Ok;
            });
    }

    private static Argument<string> Client() => new("client") { Description = "The controller's client id." };

    private static Table Table(IReadOnlyList<OpenDsrControllerView> controllers)
    {
        var table = Report.Table("controller", "called back at", "since");
        foreach (var one in controllers) table.Row(one.Client, string.Join(' ', one.CallbackHosts), $"{one.RegisteredAt:u}");
        return table;
    }
}
