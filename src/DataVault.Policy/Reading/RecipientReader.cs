using DataVault.Policy.Yaml;

namespace DataVault.Policy.Reading;

/// <summary>Reads recipients.yaml: to whom personal data go, and on what terms.</summary>
internal static class RecipientReader
{
    private const int MostSubProcessors = 100;
    private const int MostClients = 100;
    private const int LongestClient = 64;

    private static readonly string[] Roles = ["processor", "controller", "joint-controller"];
    private static readonly string[] Mechanisms = ["adequacy", "scc", "bcr", "derogation"];

    public static RecipientRegistry Recipients(Section? section, IReadOnlyList<AnalyticsDomain> domains)
    {
        if (section is null) return new RecipientRegistry([]);
        var all = new List<DeclaredRecipient>();
        var (taken, clients, theirs) = (new Taken(), new HashSet<string>(StringComparer.Ordinal), new HashSet<string>(StringComparer.Ordinal));
        foreach (var (name, body) in section.Named("recipients"))
        {
            var terms = Terms(body);
            foreach (var client in body.Words("clients").Where(client => !clients.Add(client.Text))) body.Problem(client.Line, $"the application {client.Text} has a recipient already");
            foreach (var domain in body.Words("analytics"))
            {
                if (!domains.Any(one => one.Name == domain.Text)) body.Problem(domain.Line, $"unknown analytics domain {domain.Text}");
                if (!theirs.Add(domain.Text)) body.Problem(domain.Line, $"the analytics domain {domain.Text} has a recipient already");
            }

            var recipient = new DeclaredRecipient(name.Text, terms);
            body.Done();
            if (taken.Claim(body, name)) all.Add(recipient);
        }

        section.Done();
        return new RecipientRegistry([.. all.OrderBy(one => one.Name, StringComparer.Ordinal)]);
    }

    private static RecipientTerms Terms(Section body)
    {
        var clients = body.Words("clients");
        if (clients.Count > MostClients) body.Problem(body.LineOf("clients"), $"more than {MostClients} applications");
        foreach (var client in clients.Where(client => client.Text.Length is 0 or > LongestClient)) body.Problem(client.Line, $"{client.Text} is no id of an application");
        return new RecipientTerms(body.Text("title"), body.Choice("role", Roles), Country(body), body.Text("contact"))
        {
            Agreement = body.OptionalText("agreement"),
            Transfer = Transfer(body),
            SubProcessors = SubProcessors(body),
            Clients = [.. clients.Select(word => word.Text)],
            Analytics = [.. body.Words("analytics").Select(word => word.Text)],
        };
    }

    private static List<SubProcessor> SubProcessors(Section body)
    {
        if (!body.Has("subProcessors")) return [];
        var all = new List<SubProcessor>();
        foreach (var one in body.Listed("subProcessors"))
        {
            all.Add(new SubProcessor(one.Text("name"), Country(one), Transfer(one)));
            one.Done();
        }

        if (all.Count > MostSubProcessors) body.Problem(body.LineOf("subProcessors"), $"more than {MostSubProcessors} sub-processors");
        return all;
    }

    private static string Country(Section body)
    {
        var country = body.Text("country");
        if (country.Length > 0 && !(country.Length == 2 && country.All(char.IsAsciiLetterUpper))) body.Problem(body.LineOf("country"), $"{country} is no country of ISO 3166-1 in two capital letters");
        return country;
    }

    private static TransferMechanism? Transfer(Section body)
    {
        if (body.OptionalMap("transfer") is not { } section) return null;
        var transfer = new TransferMechanism(section.Choice("mechanism", Mechanisms), section.Text("reference"));
        section.Done();
        return transfer;
    }
}
