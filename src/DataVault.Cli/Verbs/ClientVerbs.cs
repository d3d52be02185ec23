using System.CommandLine;
using System.Text.Json;
using DataVault.Client.Wire;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault clients …</c></summary>
internal static class ClientVerbs
{
    private const string Administrator = "administrator";

    public static Verb Build(VerbContext context) => new Verb("clients", "Applications that may ask for tokens.").With(
        List(context), Register(context), Change(context), Rotate(context), Keys(context), Remove(context));

    private static Verb List(VerbContext context) => new Verb("list", "The registered applications, until when, and from where.", "datavault clients list")
        .Does(context, async (session, cancellation) =>
        {
            var clients = await session.OpenAsPerson(Administrator).ClientsAsync(cancellation);
            session.Report.Show(clients, () => Table(clients));
            return ExitCode.Ok;
        });

    private static Verb Register(VerbContext context)
    {
        var (id, terms) = (Id(), new Terms());
        var keys = new Option<FileInfo?>("--jwks") { Description = "A file with its public keys (JSON Web Key Set): it signs for itself, and has no secret." };
        var bound = new Option<bool>("--dpop") { Description = "Its tokens are worth nothing without a proof of a key of its own (RFC 9449)." };
        return new Verb(
            "register", "Register an application; its secret is shown once.",
            "datavault clients register webshop --name \"Web shop\" --role ingest --purpose service-delivery --network 198.51.100.0/24 --expires 2032-01-01")
            .With([id, keys, bound, .. terms.All])
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var body = new RegisterClient(
                    parsed.GetRequiredValue(id), parsed.GetRequiredValue(terms.Name), parsed.GetRequiredValue(terms.Roles), parsed.GetValue(terms.Purposes) ?? [])
                {
                    AllowedNetworks = parsed.GetValue(terms.Networks),
                    ExpiresAt = parsed.GetValue(terms.Expires),
                    Contact = parsed.GetValue(terms.Contact),
                    Jwks = parsed.GetValue(keys) is { } file ? await ReadAsync(file, cancellation) : null,
                    DpopBound = parsed.GetValue(bound) ? true : null,
                };
                var made = await session.OpenAsPerson(Administrator).RegisterClientAsync(body, cancellation);
                session.Report.Show(made, () => new Text(made.Secret is null ? "Registered, with its keys.\n" : $"Registered. Its secret, shown this once: {made.Secret}\n"));
                return ExitCode.Ok;
            });
    }

    private static Verb Change(VerbContext context)
    {
        var (id, terms) = (Id(), new Terms(required: false));
        Option<bool> anywhere = new("--anywhere") { Description = "It may come from any network." },
            forGood = new("--no-expiry") { Description = "It is not refused from any time on." },
            nobody = new("--no-contact") { Description = "Nobody is to be asked about it." },
            none = new("--no-purposes") { Description = "It may name no purpose." };
        return new Verb(
            "change", "Change what an application is registered with: what is named, and nothing else.",
            "datavault clients change webshop --network 198.51.100.0/24 --network 203.0.113.0/24",
            "datavault clients change webshop --no-expiry")
            .With([id, .. terms.All, anywhere, forGood, nobody, none])
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var (vault, client) = (session.OpenAsPerson(Administrator), parsed.GetRequiredValue(id));
                var known = (await vault.ClientsAsync(cancellation)).FirstOrDefault(one => one.Id == client) ?? throw new UsageException($"No application is registered as {client}.");
                var body = new ChangeClient(
                    parsed.GetValue(terms.Name) ?? known.Name,
                    Named(terms.Roles) ?? known.Roles,
                    parsed.GetValue(none) ? [] : Named(terms.Purposes) ?? known.Purposes,
                    parsed.GetValue(anywhere) ? [] : Named(terms.Networks) ?? known.AllowedNetworks,
                    parsed.GetValue(forGood) ? null : parsed.GetValue(terms.Expires) ?? known.ExpiresAt,
                    parsed.GetValue(nobody) ? null : parsed.GetValue(terms.Contact) ?? known.Contact);
                var changed = await vault.ChangeClientAsync(client, body, cancellation);
                session.Report.Show(changed, () => Table([changed]));
                return ExitCode.Ok;

                IReadOnlyList<string>? Named(Option<string[]> option) => parsed.GetValue(option) is { Length: > 0 } named ? named : null;
            });
    }

    private static Verb Rotate(VerbContext context)
    {
        var id = Id();
        return new Verb("rotate-secret", "Give an application another secret, shown once; the former one works for another day.", "datavault clients rotate-secret webshop")
            .With(id)
            .Does(context, async (session, cancellation) =>
            {
                var made = await session.OpenAsPerson(Administrator).RotateClientSecretAsync(session.Parsed.GetRequiredValue(id), cancellation);
                session.Report.Show(made, () => new Text($"Its secret, shown this once: {made.Secret}\n"));
                return ExitCode.Ok;
            });
    }

    private static Verb Keys(VerbContext context)
    {
        var id = Id();
        var file = new Argument<FileInfo>("file") { Description = "A JSON Web Key Set with public keys; while the application changes over, with the former one too." };
        return new Verb("replace-keys", "Replace the public keys of an application that signs for itself.", "datavault clients replace-keys webshop keys.json")
            .With(id, file)
            .Does(context, async (session, cancellation) =>
            {
                var keys = new ReplaceClientKeys(await ReadAsync(session.Parsed.GetRequiredValue(file), cancellation));
                await session.OpenAsPerson(Administrator).ReplaceClientKeysAsync(session.Parsed.GetRequiredValue(id), keys, cancellation);
                return ExitCode.Ok;
            });
    }

    private static Verb Remove(VerbContext context)
    {
        var id = Id();
        return new Verb("remove", "Remove an application; its tokens end at once.", "datavault clients remove webshop")
            .With(id)
            .Does(context, async (session, cancellation) =>
            {
                await session.OpenAsPerson(Administrator).RemoveClientAsync(session.Parsed.GetRequiredValue(id), cancellation);
                return ExitCode.Ok;
            });
    }

    private static Argument<string> Id() => new("client") { Description = "The application's id." };

    private static async Task<JsonElement> ReadAsync(FileInfo file, CancellationToken cancellation)
    {
        await using var stream = file.OpenRead();
        return await JsonSerializer.DeserializeAsync<JsonElement>(stream, cancellationToken: cancellation);
    }

    private static Table Table(IReadOnlyList<ClientView> clients)
    {
        var table = new Table().AddColumns("id", "name", "roles", "purposes", "networks", "expires");
        foreach (var c in clients)
        {
            table.AddRow(
                Markup.Escape(c.Id), Markup.Escape(c.Name), string.Join(' ', c.Roles), string.Join(' ', c.Purposes), string.Join(' ', c.AllowedNetworks),
                c.ExpiresAt?.ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture) ?? "");
        }
        return table;
    }

    private sealed class Terms(bool required = true)
    {
        public Option<string> Name { get; } = new("--name") { Description = "What people and the log call it.", Required = required };

        public Option<string[]> Roles { get; } = new("--role") { Description = "A role of its tokens; may be given several times.", Required = required };

        public Option<string[]> Purposes { get; } = new("--purpose") { Description = "A purpose that it may name." };

        public Option<string[]> Networks { get; } = new("--network") { Description = "A network (CIDR) that it may come from; none for any." };

        public Option<DateTimeOffset?> Expires { get; } = new("--expires") { Description = "From when on it is refused." };

        public Option<string?> Contact { get; } = new("--contact") { Description = "Whom to ask about it; kept sealed." };

        public Symbol[] All => [Name, Roles, Purposes, Networks, Expires, Contact];
    }
}
