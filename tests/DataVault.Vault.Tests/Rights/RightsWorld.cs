using System.Text.Json;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Keys;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>A vault with people in it, and the hands that a request passes through.</summary>
internal sealed class RightsWorld : IAsyncDisposable
{
    public static readonly DateTimeOffset Start = new(2026, 10, 15, 9, 0, 0, TimeSpan.Zero);
    public static readonly Recipient Ingest = new(RecipientKind.Application, "crm-ingest", "CRM", ["ingest"], ["service-delivery"]);
    public static readonly Recipient Support = new(RecipientKind.Application, "support-desk", "Support desk", ["customer-support"], ["customer-support"]);
    public static readonly Recipient Officer = new(RecipientKind.Staff, "officer-1", "officer", ["compliance-officer"], ["data-subject-rights"]);

    private readonly DatabasePerClass databases;
    private readonly List<RunningVault> vaults = [];

    private readonly ILetterPost? post;

    private RightsWorld(DatabasePerClass databases, ILetterPost? post) => (this.databases, this.post) = (databases, post);

    public ManualClock Clock { get; } = new(Start);

    public RecordedAccounts Accounts { get; } = new();

    public RunningVault Vault => vaults[^1];

    /// <summary>Endpoints of recipients; of the vaults that start from then on.</summary>
    public IReadOnlyList<ErasureRecipient> Recipients { get; set; } = [];

    public SubjectRequests Requests => Vault.Get<SubjectRequests>();

    public string Home => databases.Home;

    public DatabasePerClass Databases => databases;

    /// <param name="cluster">One that only this test uses; null for that of all tests.</param>
    /// <param name="post">What takes letters out of the vault; null where there is no e-mail.</param>
    public static async Task<RightsWorld> CreateAsync(PostgresCluster? cluster = null, ILetterPost? post = null)
    {
        var world = new RightsWorld(cluster is null ? await DatabasePerClass.CreateAsync() : await DatabasePerClass.CreateOnAsync(cluster), post);
        await world.RestartAsync();
        return world;
    }

    /// <summary>A new process on the same databases and home; the one before has ended, whatever it was doing.</summary>
    public async Task RestartAsync(RootKeySource? rootKey = null, RootKeySource? previous = null)
    {
        if (vaults.Count > 0) await Vault.DisposeAsync();
        var given = databases.Options();
        var options = rootKey is null && Recipients.Count == 0 && post is null ? given : new VaultOptions
        {
            DataConnection = given.DataConnection, KeysConnection = given.KeysConnection, Home = given.Home, Development = true, RootKey = rootKey ?? given.RootKey, PreviousRootKey = previous,
            Recipients = Recipients,
            Address = "https://vault.example", LettersByMail = post is not null, ReminderAddresses = post is null ? [] : ["officer@vault.example"],
        };
        vaults.Add(await databases.StartVaultAsync(clock: Clock, configure: Configure, options: options));
    }

    private void Configure(IServiceCollection services)
    {
        services.AddSingleton<ISubjectAccounts>(Accounts);
        if (post is not null) services.AddSingleton(post);
    }

    /// <summary>Another process beside the first. Without workers it listens to nothing: no notification reaches it.</summary>
    public async Task<RunningVault> DeafProcessAsync()
    {
        vaults.Insert(0, await databases.StartVaultAsync(clock: Clock));
        return vaults[0];
    }

    /// <summary>A copy of the data database, of a moment when the log was signed and mirrored as far as it went.</summary>
    public async Task BackUpDataAsync()
    {
        await StopAsync();
        await databases.BackUpAsync(databases.VaultName);
        await RestartAsync();
    }

    /// <summary>Restores that copy as the command does; keys and home folder are as they are now.</summary>
    public async Task RestoreDataAsync()
    {
        await PutDataBackAsync();
        await RestartAsync();
    }

    /// <summary>Puts that copy back without anybody's word, as an administrator of the database alone can. No process runs.</summary>
    public async Task ShortenDataAsync()
    {
        await StopAsync();
        await databases.RestoreAsync(databases.VaultName);
    }

    /// <summary>The same with an operator's word in the home folder. No process runs.</summary>
    public async Task PutDataBackAsync()
    {
        await ShortenDataAsync();
        await using var connection = new NpgsqlConnection(databases.VaultAdmin);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("select size, encode(root, 'base64') from audit.head", connection);
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        new RestoreOrder(Home).Give(reader.GetInt64(0), reader.GetString(1));
    }

    /// <summary>The process ends when the log is signed and mirrored as far as it goes.</summary>
    public async Task StopAsync()
    {
        await Vault.Get<CheckpointSigner>().SignAsync();
        await Vault.DisposeAsync();
        vaults.RemoveAt(vaults.Count - 1);
    }

    public static Recipient Customer(SubjectId subject) =>
        new(RecipientKind.Customer, subject.ToString(), "customer", ["customer"], ["data-subject-rights"], subject);

    /// <summary>A customer with a value in every field of the catalogue, all consents given.</summary>
    public async Task<SubjectId> PersonAsync(string name)
    {
        var consents = Repository.Policy.Purposes.All.Where(p => p.NeedsConsent).ToDictionary(p => p.Name, _ => "given");
        var customer = new NewCustomer(FullProfile.Of(name), "crm", null, "2026-01", "service-delivery", consents);
        return (await Vault.Get<ProfileEditor>().CreateAsync(Ingest, customer, null, Guid.NewGuid(), CancellationToken.None)).Id;
    }

    public async Task<IReadOnlyList<Guid>> EventsAsync(SubjectId subject)
    {
        var events = Repository.Policy.Events.Types.Select(type => new NewEvent(
            new CustomerLookup(Id: subject), type.Type, Start.AddDays(-type.Id), "shop", FullProfile.Properties(type), Guid.NewGuid(), "service-delivery")).ToList();
        var outcome = await Vault.Get<EventRecorder>().AppendAsync(Ingest, events, Guid.NewGuid(), CancellationToken.None);
        Assert.All(outcome.Items, item => Assert.Equal(EventStatus.Stored, item.Status));
        return [.. events.Select(e => e.Id!.Value)];
    }

    /// <summary>One rotation, from its beginning to its end.</summary>
    public async Task RotateAsync(string level)
    {
        var (store, steps) = (Vault.Get<RotationStore>(), Vault.Get<RotationSteps>());
        var job = await store.InsertAsync(level, await steps.Level(level).PlanAsync(null, default), default);
        while ((await store.FindAsync(job.Id, default))!.View is { FinishedAt: null } view)
        {
            var step = await steps.StepAsync(job.Id, default) ?? throw new InvalidOperationException(view.ToString());
            if (step.NotBefore is { } due && due > Clock.GetUtcNow()) Clock.Advance(due - Clock.GetUtcNow());
        }
    }

    public Task ChangeAsync(SubjectId subject, string name) => Vault.Get<ProfileEditor>().PatchAsync(
        Ingest, subject, null, new ProfilePatch(StoreVault.Object($$"""{"givenName": "{{name}}"}"""), "crm", null, "2026-01", "service-delivery"), Guid.NewGuid(), default);

    public async Task FeedAsync() => await Vault.Get<AnalyticsFeed>().DrainAsync(CancellationToken.None);

    /// <summary>Opens a request a moment after the one before: their ids order them.</summary>
    public Task<RequestView> OpenAsync(Recipient recipient, string kind, SubjectId subject, string? note = null)
    {
        Clock.Advance(TimeSpan.FromMilliseconds(1));
        return Requests.OpenAsync(recipient, kind, subject, note, null, Guid.NewGuid(), CancellationToken.None);
    }

    public Task<RequestView> ApproveAsync(Guid id) => Requests.ApproveAsync(Officer, id, null, Guid.NewGuid(), CancellationToken.None);

    public Task<RequestView> GetAsync(Guid id) => Requests.GetAsync(Officer, id, Guid.NewGuid(), CancellationToken.None);

    /// <summary>How many rows of each table say a text anywhere, as the superuser sees them.</summary>
    public async Task<IReadOnlyDictionary<string, long>> TablesNamingAsync(string text)
    {
        var found = new Dictionary<string, long>();
        foreach (var admin in new[] { databases.VaultAdmin, databases.KeysAdmin })
        {
            await using var source = NpgsqlDataSource.Create(admin);
            foreach (var table in await ListAsync(source, "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"))
            {
                await using var command = source.CreateCommand($"select count(*) from {table} t where t::text like '%' || $1 || '%'");
                command.Parameters.Add(new() { Value = text });
                if ((long)(await command.ExecuteScalarAsync())! is > 0 and var count) found[table] = count;
            }
        }
        return found;
    }

    public Task ExecuteAsync(string sql) => databases.Cluster.ExecuteAsync(databases.VaultName, sql);

    public async Task<IReadOnlyList<string>> ListAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(databases.VaultAdmin);
        return await ListAsync(source, sql);
    }

    /// <summary>The same of the database <c>keys</c>.</summary>
    public async Task<IReadOnlyList<string>> KeysListAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(databases.KeysAdmin);
        return await ListAsync(source, sql);
    }

    /// <summary>What an administrator of the database might do to it.</summary>
    public Task VaultSqlAsync(string sql) => databases.Cluster.ExecuteAsync(databases.VaultName, sql);

    public Task KeysSqlAsync(string sql) => databases.Cluster.ExecuteAsync(databases.KeysName, sql);

    public async ValueTask DisposeAsync()
    {
        foreach (var vault in vaults) await vault.DisposeAsync();
        await databases.DisposeAsync();
    }

    private static async Task<List<string>> ListAsync(NpgsqlDataSource source, string sql)
    {
        await using var command = source.CreateCommand(sql);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<string>();
        while (await reader.ReadAsync()) rows.Add(reader.GetString(0));
        return rows;
    }
}

/// <summary>Accounts kept elsewhere.</summary>
internal sealed class RecordedAccounts : ISubjectAccounts
{
    public List<Guid> Removed { get; } = [];

    public List<LinkedAccount> Linked { get; } = [];

    public Task RemoveForSubjectAsync(Guid subject, CancellationToken cancellation)
    {
        Removed.Add(subject);
        Linked.RemoveAll(account => account.Subject == subject);
        return Task.CompletedTask;
    }

    public Task<bool> HasForSubjectAsync(Guid subject, CancellationToken cancellation) => Task.FromResult(Linked.Exists(account => account.Subject == subject));

    public async IAsyncEnumerable<LinkedAccount> ListAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        foreach (var account in Linked.ToList()) yield return await Task.FromResult(account);
    }
}

/// <summary>A valid value for every field and property there is, made from its rules, so that a new field is covered by itself.</summary>
internal static class FullProfile
{
    public static Dictionary<string, JsonElement> Of(string name) => Repository.Policy.Catalogue.Fields.ToDictionary(
        field => field.Name, field => JsonSerializer.SerializeToElement(field.Name switch
        {
            "email" => $"{name}@example.com",
            "customerNumber" => $"N-{name}",
            "givenName" => $"=HYPERLINK({name})",
            _ => ValueOf(field.Rules, name),
        }));

    public static Dictionary<string, JsonElement> Properties(EventTypeDefinition type) =>
        type.Properties.ToDictionary(p => p.Name, p => JsonSerializer.SerializeToElement(ValueOf(p.Rules, type.Type)));

    private static object ValueOf(ValueRules rules, string name) => rules.Type switch
    {
        Policy.ValueType.Email => $"other.{name}@example.org",
        Policy.ValueType.Phone => "+447700900123",
        Policy.ValueType.Date => "1980-02-29",
        Policy.ValueType.Instant => "2026-01-01T00:00:00Z",
        Policy.ValueType.Country => "DE",
        Policy.ValueType.Language => "de",
        Policy.ValueType.Money => new { amount = "12.50", currency = "EUR" },
        Policy.ValueType.Iban => "DE02120300000000202051",
        Policy.ValueType.Integer => (int)(rules.Minimum ?? 1) + 1,
        Policy.ValueType.Decimal => 0.5,
        Policy.ValueType.Boolean => true,
        Policy.ValueType.Enumeration => rules.Values[0],
        Policy.ValueType.EnumerationList => new[] { rules.Values[0] },
        Policy.ValueType.Address => new { street = "Elm 1", postcode = "10999", city = "Berlin", country = "DE" },
        Policy.ValueType.EmailList => new[] { $"more.{name}@example.net" },
        Policy.ValueType.PhoneList => new[] { "+447700900456" },
        Policy.ValueType.TextList => new[] { "one", "two" },
        _ => $"text of {name}"[..Math.Min(rules.MaxLength, 8 + name.Length)],
    };
}
