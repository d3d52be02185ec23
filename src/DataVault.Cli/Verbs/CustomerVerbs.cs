using System.CommandLine;
using System.Text.Json;
using DataVault.Client;
using DataVault.Client.Wire;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault customer …</c></summary>
internal static class CustomerVerbs
{
    private static readonly string[] s_readers = ["customer-support", "marketing"];

    public static Verb Build(VerbContext context) =>
        new Verb("customer", "Look at, find and create customers.").With(Get(context), Search(context), Create(context), Standing(context));

    public static Option<string?> Purpose() => new("--purpose", "-p") { Description = "What for (needed unless the client has one purpose only)." };

    private static Verb Get(VerbContext context)
    {
        var id = new Argument<Guid>("id") { Description = "The customer's id." };
        var purpose = Purpose();
        var fields = new Option<string?>("--fields", "-f") { Description = "Fields with commas between; name.masked asks for less. Default: all that the policy allows." };
        var provenance = new Option<bool>("--provenance") { Description = "Say where each value came from." };
        var reason = new Option<string?>("--reason") { Description = "Why, or the ticket's number, where the purpose asks for it." };
        var approval = new Option<Guid?>("--approval") { Description = "The approval to use up, where a second person must agree (datavault approvals ask)." };
        return new Verb(
            "get", "Release fields of a customer. The release is logged before it is shown.",
            "datavault customer get 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f --purpose customer-support",
            "datavault customer get 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f -p marketing -f givenName,email.masked --json")
            .With(id, purpose, fields, provenance, reason, approval)
            .Does(context, async (session, cancellation) =>
            {
                var vault = session.Open(s_readers, session.Parsed.GetValue(purpose));
                var released = await vault.ReadAsync(
                    session.Parsed.GetRequiredValue(id), session.PurposeOr(session.Parsed.GetValue(purpose)), new Warrant(session.Parsed.GetValue(reason), session.Parsed.GetValue(approval)),
                    Split(session.Parsed.GetValue(fields)), session.Parsed.GetValue(provenance), cancellation);
                session.Report.Show(released, () => Show(released));
                return released.Fields.Count == 0 && released.Withheld.Count > 0 ? ExitCode.Refused : ExitCode.Ok;
            });
    }

    private static Verb Search(VerbContext context)
    {
        var email = new Option<string?>("--email") { Description = "E-mail address (- reads it from standard input)." };
        var phone = new Option<string?>("--phone") { Description = "Phone number, E.164 (- reads it from standard input)." };
        var number = new Option<string?>("--number") { Description = "Customer number (- reads it from standard input)." };
        var name = new Option<string?>("--family-name") { Description = "Family name; Hop* finds all that begin so (- reads it from standard input)." };
        var birth = new Option<string?>("--birth-date") { Description = "Date of birth, YYYY-MM-DD; together with the family name (- reads it from standard input)." };
        var purpose = Purpose();
        var fields = new Option<string?>("--fields", "-f") { Description = "Fields to release of what is found." };
        return new Verb(
            "search", "Find customers by e-mail, phone, number, or name and date of birth.",
            "datavault customer search --family-name 'Hop*' --purpose customer-support -f givenName,familyName",
            "datavault customer search --number 17850 --purpose customer-support -f country",
            "echo ada@example.com | datavault customer search --email - -p customer-support")
            .With(email, phone, number, name, birth, purpose, fields)
            .Does(context, async (session, cancellation) =>
            {
                var where = Terms(session, ("email", email), ("phone", phone), ("customerNumber", number), ("familyName", name), ("birthDate", birth));
                var vault = session.Open(s_readers, session.Parsed.GetValue(purpose));
                var question = new SearchCustomers(session.PurposeOr(session.Parsed.GetValue(purpose)), where, Split(session.Parsed.GetValue(fields)));
                var found = await vault.SearchAsync(question, cancellation);
                session.Report.Show(found, () => found.Results.Count == 0 ? new Text("Nobody found.\n") : new Rows(found.Results.Select(Show)));
                return ExitCode.Ok;
            });
    }

    private static Verb Create(VerbContext context)
    {
        var body = new Argument<string>("fields") { Description = "JSON object of fields; @file reads a file, - standard input." };
        var source = new Option<string>("--source") { Description = "The system that supplies the data.", DefaultValueFactory = _ => "cli" };
        var purpose = Purpose();
        var key = new Option<string?>("--idempotency-key") { Description = "Makes repeating the same command harmless." };
        return new Verb(
            "create", "Create a customer.",
            """datavault customer create '{"givenName":"Ada","email":"ada@example.com"}' --source crm""",
            "datavault customer create @customer.json --idempotency-key order-4711")
            .With(body, source, purpose, key)
            .Does(context, async (session, cancellation) =>
            {
                var fields = Fields(session, session.Parsed.GetRequiredValue(body));
                var vault = session.Open(["ingest", "customer-support"], session.Parsed.GetValue(purpose));
                var customer = new CreateCustomer(fields, session.Parsed.GetValue(source)!, Purpose: session.Parsed.GetValue(purpose));
                var written = await vault.CreateAsync(customer, session.Parsed.GetValue(key), cancellation);
                session.Report.Show(written, () => Report.Facts(("customer", $"{written.Id}"), ("version", $"{written.Version}"), ("log entry", $"{written.Receipt.Index}")));
                return ExitCode.Ok;
            });
    }

    private static Verb Standing(VerbContext context)
    {
        var id = new Argument<Guid>("id") { Description = "The customer's id." };
        var jurisdiction = new Option<string?>("--jurisdiction") { Description = "The law that applies, by a name of the policy; '' for not known." };
        var residency = new Option<string?>("--residency") { Description = "Where the data must stay; '' for not known." };
        var brand = new Option<string?>("--brand") { Description = "Whose customer it is; '' for not known." };
        var relations = new Option<string[]>("--relation") { Description = "Who stands how to the customer, as assigned-agent=ID (repeatable; instead of those recorded; '' for nobody).", DefaultValueFactory = _ => [] };
        var purpose = Purpose();
        return new Verb(
            "standing", "Show, or say, where a customer stands: which decides who reaches them. What is not named stays as it is.",
            "datavault customer standing 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f",
            "datavault customer standing 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f --brand house --relation assigned-agent=support-desk")
            .With(id, jurisdiction, residency, brand, relations, purpose)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var vault = session.Open(["ingest", "compliance-officer"], parsed.GetValue(purpose));
                var held = await vault.StandingAsync(parsed.GetRequiredValue(id), parsed.GetValue(purpose), cancellation);
                var wanted = new Standing(
                    Said(parsed.GetValue(jurisdiction), held.Standing.Jurisdiction), Said(parsed.GetValue(residency), held.Standing.Residency), Said(parsed.GetValue(brand), held.Standing.Brand),
                    Relations(parsed.GetRequiredValue(relations)) ?? held.Standing.Relations);
                var says = new[] { jurisdiction, residency, brand }.Any(option => parsed.GetValue(option) is not null) || parsed.GetRequiredValue(relations).Length > 0;
                if (says) held = await vault.SetStandingAsync(held.Id, new SetStanding(wanted, parsed.GetValue(purpose)), held.Version, cancellation);
                session.Report.Show(held, () => Report.Facts(
                    ("jurisdiction", held.Standing.Jurisdiction ?? "not known"), ("residency", held.Standing.Residency ?? "not known"), ("brand", held.Standing.Brand ?? "not known"),
                    ("relations", string.Join(", ", (held.Standing.Relations ?? []).Select(one => $"{one.Name}={one.Recipient}"))), ("version", $"{held.Version}"), ("log entry", $"{held.Receipt.Index}")));
                return ExitCode.Ok;
            });
    }

    private static string? Said(string? given, string? held) => given switch { null => held, "" => null, _ => given };

    private static Relation[]? Relations(string[] given)
    {
        if (given.Length == 0) return null;
        return [.. given.Where(one => one.Length > 0).Select(one => one.Split('=', 2) is [var name, var recipient] ? new Relation(name, recipient) : throw new UsageException("A relation is written name=recipient."))];
    }

    private static Rows Show(Disclosed released)
    {
        var table = Report.Table("field", "value", "form");
        foreach (var (name, value) in released.Fields) table.Row(name, Say(value), released.Forms.GetValueOrDefault(name, "plain"));
        foreach (var (name, reason) in released.Withheld) table.Row(name, "", $"withheld: {reason}");
        return new Rows(new Text($"{released.Id}, version {released.Version}, log entry {released.Receipt.Index}"), table);
    }

    internal static string Say(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();

    private static Dictionary<string, SearchTerm> Terms(Session session, params (string Name, Option<string?> Option)[] terms)
    {
        var where = new Dictionary<string, SearchTerm>();
        foreach (var (name, option) in terms)
        {
            if (session.Parsed.GetValue(option) is not { } value) continue;
            var text = value == "-" ? session.Host.Input.ReadLine()?.Trim() ?? "" : value;
            where[name] = name == "familyName" && text.EndsWith('*') ? new SearchTerm(Prefix: text[..^1]) : text;
        }
        return where.Count > 0 ? where : throw new UsageException("Whom to look for? Give --email, --phone, --number, or --family-name.");
    }

    internal static Dictionary<string, JsonElement> Fields(Session session, string given)
    {
        var text = given switch
        {
            "-" => session.Host.Input.ReadToEnd(),
            ['@', .. var file] => File.ReadAllText(Path.Combine(session.Host.WorkingDirectory, file)),
            _ => given,
        };
        try
        {
            return JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(text, VaultJson.Strict) ?? throw new JsonException();
        }
        catch (JsonException)
        {
            throw new UsageException("The fields are not one JSON object.");
        }
    }

    private static string[]? Split(string? list) => list?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}
