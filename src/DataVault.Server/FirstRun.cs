using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Issuer;
using DataVault.Server.Database;
using DataVault.Vault;

namespace DataVault.Server;

/// <summary>What a first start in Development made: applications, people and analysts' logins with random secrets, for whoever tries the vault out.</summary>
internal sealed record FirstRunFile(
    string Address, IReadOnlyList<FirstRunClient> Clients, IReadOnlyList<FirstRunPerson> People, IReadOnlyList<AnalystLogin> Analytics, Guid Customer);

internal sealed record FirstRunClient(string Id, string Secret, IReadOnlyList<string> Roles, IReadOnlyList<string> Purposes);

/// <param name="CodeSecret">What an authenticator app is given (Base32), for staff, who sign in with two factors.</param>
internal sealed record FirstRunPerson(string Email, string Password, string Role, string? CodeSecret = null);

/// <summary>
/// Fills an empty Development vault, and says how to use it. A first start that was broken off is repeated whole: every step either
/// finds its work done or does it again; <c>first-run.json</c> is written last.
/// </summary>
internal sealed class FirstRun(IServiceProvider services, VaultHome home, ServerSettings settings, Action<string> print)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    private static readonly (string Id, string Name, string Role, string[] Purposes)[] Applications =
    [
        ("crm-ingest", "CRM", "ingest", ["service-delivery"]),
        ("support-desk", "Support desk", "customer-support", ["customer-support"]),
        ("refund-desk", "Refunds and complaints", "customer-support", ["refunds", "complaints"]),
        ("credit-check", "Check of payment terms", "customer-support", ["billing"]),
        ("campaigns", "Campaigns", "marketing", ["marketing", "personalisation"]),
        ("officer-tools", "Compliance tools", "compliance-officer", ["data-subject-rights"]),
        ("privacy-portal", "Privacy portal of a controller (OpenDSR)", "opendsr-controller", ["data-subject-rights"]),
        ("operations", "Operations", "administrator", []),
    ];

    private static readonly (string Email, string Role)[] Staff =
    [
        ("officer@vault.example", "compliance-officer"),
        ("analyst@vault.example", "analyst"),
        ("admin@vault.example", "administrator"),
    ];

    public bool IsDone => File.Exists(home.FirstRunFile);

    public async Task FillAsync(EmbeddedPostgres? postgres, CancellationToken cancellation)
    {
        var sample = await LoadSampleAsync(cancellation);
        print("Registering applications and people");
        var clients = await RegisterClientsAsync(cancellation);
        var people = await RegisterPeopleAsync(sample, cancellation);
        var analytics = postgres is null ? [] : await CreateAnalystsAsync(postgres, cancellation);
        var made = new FirstRunFile(settings.Address, clients, people, analytics, sample.Customer.Value);
        FileModes.WriteSecret(home.FirstRunFile, JsonSerializer.Serialize(made, Json));
    }

    /// <summary>Prints address, sign-ins and three calls to paste; with secrets on the first start only.</summary>
    public void Announce(bool withSecrets)
    {
        var made = Current();
        print("");
        print($"DataVault listens on {string.Join(", ", settings.Urls)}   (console {settings.Address}/console, API {settings.Address}/docs)");
        print($"Passkeys work at names only: {AtName(settings.Address)}/account");
        print($"Sign-ins and secrets of this machine: {home.FirstRunFile}");
        if (!withSecrets)
            return;
        print("");
        foreach (var person in made.People)
            print($"  {person.Role,-20} {person.Email,-36} {person.Password}");
        print("  Staff sign in with a code besides: dotnet run --project src/DataVault.Cli -- first-run code officer@vault.example");
        foreach (var login in made.Analytics)
            print($"  psql, {login.Domain,-14} PGPASSWORD={login.Password} psql -h {login.Host} -p {login.Port} -U {login.User} {login.Database}");
        PrintCalls(made);
    }

    private static string AtName(string address) =>
        new Uri(address) is { IsLoopback: true, HostNameType: not UriHostNameType.Dns } number ? new UriBuilder(number) { Host = "localhost" }.Uri.GetLeftPart(UriPartial.Authority) : address;

    // A later start may serve elsewhere; whoever reads the file must find this one.
    private FirstRunFile Current()
    {
        var made = JsonSerializer.Deserialize<FirstRunFile>(File.ReadAllText(home.FirstRunFile), Json)!;
        if (made.Address == settings.Address)
            return made;
        made = made with { Address = settings.Address };
        FileModes.WriteSecret(home.FirstRunFile, JsonSerializer.Serialize(made, Json));
        return made;
    }

    private void PrintCalls(FirstRunFile made)
    {
        var support = made.Clients.First(c => c.Id == "support-desk");
        var email = made.People.First(p => p.Role == IssuerOptions.CustomerRole).Email;
        print($$"""

            Three calls to paste:

              TOKEN=$(curl -s {{settings.Address}}/connect/token -d grant_type=client_credentials -u {{support.Id}}:{{support.Secret}} | sed 's/.*"access_token":"\([^"]*\)".*/\1/')

              curl -s {{settings.Address}}/v1/customers/search -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
                   -d '{"purpose":"customer-support","where":{"email":"{{email}}"},"fields":["givenName","email"]}'

              curl -s "{{settings.Address}}/v1/customers/{{made.Customer}}?purpose=customer-support" -H "Authorization: Bearer $TOKEN"

            """);
    }

    private async Task<SampleSummary> LoadSampleAsync(CancellationToken cancellation)
    {
        var count = Math.Max(1, settings.SampleCustomers);
        print($"Loading {count} made-up customers");
        return await services.GetRequiredService<SampleData>().LoadAsync(count, SampleData.DefaultSeed, new Progress(print), cancellation);
    }

    private async Task<List<FirstRunClient>> RegisterClientsAsync(CancellationToken cancellation)
    {
        var registry = services.GetRequiredService<ClientRegistry>();
        var made = new List<FirstRunClient>();
        foreach (var (id, name, role, purposes) in Applications)
        {
            var secret = NewSecret(43);
            await registry.EnsureAsync(ClientRegistration.Application(id, name, [role], purposes), secret, cancellation);
            made.Add(new FirstRunClient(id, secret, [role], purposes));
        }
        return made;
    }

    private async Task<List<FirstRunPerson>> RegisterPeopleAsync(SampleSummary sample, CancellationToken cancellation)
    {
        var registry = services.GetRequiredService<AccountRegistry>();
        foreach (var account in await registry.ListAsync(Realm.Staff, cancellation))
            await registry.RemoveAsync(account.Id, IssuerParty.Vault, cancellation);
        await registry.RemoveForSubjectAsync(sample.Customer.Value, cancellation);
        var made = new List<FirstRunPerson>();
        // A company's own policy may know other roles.
        var roles = services.GetRequiredService<IStaffRoles>();
        foreach (var (email, role) in Staff.Where(one => roles.Exists(one.Role)).Append((sample.CustomerEmail, IssuerOptions.CustomerRole)))
        {
            var subject = role == IssuerOptions.CustomerRole ? sample.Customer.Value : (Guid?)null;
            var issued = await registry.CreateAsync(email, role, IssuerParty.Vault, subject, lasting: true, cancellation);
            made.Add(new FirstRunPerson(email, issued.OneTimePassword, role, issued.CodeSecret));
        }
        return made;
    }

    private async Task<List<AnalystLogin>> CreateAnalystsAsync(EmbeddedPostgres postgres, CancellationToken cancellation)
    {
        var provisioning = new Provisioning(
            postgres.ConnectionString("vault", EmbeddedPostgres.Administrator), postgres.ConnectionString("keys", EmbeddedPostgres.Administrator));
        var made = new List<AnalystLogin>();
        foreach (var domain in services.GetRequiredService<ActivePolicy>().Current.Analytics)
        {
            var login = new AnalystLogin(domain.Name, "127.0.0.1", postgres.Port, "vault", "dv_bi_" + domain.Name, NewSecret(32));
            await provisioning.CreateAnalystAsync(login, cancellation);
            made.Add(login);
        }
        return made;
    }

    private static string NewSecret(int length) =>
        RandomNumberGenerator.GetString("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", length);

    // Reports at once and in order, unlike Progress<T>, which posts to the thread pool.
    private sealed class Progress(Action<string> print) : IProgress<SampleProgress>
    {
        private long _shown;

        public void Report(SampleProgress value)
        {
            var step = value.EventsOf == 0 ? 0 : 4 * value.Events / value.EventsOf;
            if (step > _shown)
                print($"  {value.Events} of {value.EventsOf} events");
            _shown = step;
        }
    }
}
