using System.Text;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Testing;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests;

/// <summary>Fixture of a test class: a running vault without background work, and the recipients that ask it.</summary>
public class StoreVault : DatabasePerClass, IAsyncLifetime
{
    private int number;

    internal RunningVault Vault { get; private set; } = null!;

    internal ManualClock Clock { get; } = new(new DateTimeOffset(2026, 6, 15, 12, 0, 0, TimeSpan.Zero));

    internal static PolicySet Policy => Repository.Policy;

    internal DisclosureGate Gate => Vault.Get<DisclosureGate>();

    internal CustomerSearch Search => Vault.Get<CustomerSearch>();

    internal ProfileEditor Editor => Vault.Get<ProfileEditor>();

    internal EventRecorder Recorder => Vault.Get<EventRecorder>();

    internal ConsentLedger Consents => Vault.Get<ConsentLedger>();

    internal AnalyticsFeed Feed => Vault.Get<AnalyticsFeed>();

    internal static Recipient Ingest { get; } = new(RecipientKind.Application, "crm-ingest", "CRM", ["ingest"], ["service-delivery"]);

    internal static Recipient Support { get; } = new(RecipientKind.Application, "support-desk", "Support desk", ["customer-support"], ["customer-support"]);

    internal static Recipient Marketing { get; } = new(RecipientKind.Application, "campaigns", "Campaigns", ["marketing"], ["marketing", "personalisation"]);

    internal static Recipient Officer { get; } = new(RecipientKind.Staff, "o1", "Officer", ["compliance-officer"], ["data-subject-rights"]);

    internal static Recipient Person(SubjectId subject) => new(RecipientKind.Customer, "p-" + subject, "customer", ["customer"], ["data-subject-rights"], subject);

    public async ValueTask InitializeAsync()
    {
        await PrepareAsync();
        Vault = await StartVaultAsync(clock: Clock, configure: Configure);
    }

    /// <summary>For a class with a policy of its own, say.</summary>
    protected internal virtual void Configure(IServiceCollection services)
    {
    }

    public new async ValueTask DisposeAsync()
    {
        await Vault.DisposeAsync();
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>A customer with the given fields, over an e-mail address and a number that nobody else has.</summary>
    internal async Task<SubjectId> AddAsync(string fields = "{}", Dictionary<string, string>? consents = null)
    {
        var outcome = await Editor.CreateAsync(Ingest, Customer(fields, consents), null, Guid.NewGuid(), default);
        return outcome.Id;
    }

    internal NewCustomer Customer(string fields = "{}", Dictionary<string, string>? consents = null)
    {
        var unique = Interlocked.Increment(ref number);
        var all = new Dictionary<string, JsonElement>
        {
            ["email"] = Json($"\"person{unique}@example.com\""),
            ["customerNumber"] = Json($"\"C-{unique:D6}\""),
            ["givenName"] = Json("\"Ada\""),
        };
        foreach (var (name, value) in Object(fields)) all[name] = value;
        return new NewCustomer(all, "crm", null, "2026-01", "service-delivery", consents);
    }

    internal Task<Disclosure> ReadAsync(Recipient recipient, SubjectId subject, string purpose, params string[] items) =>
        Gate.ReadAsync(new ReadQuery(recipient, subject, purpose, items.Length == 0 ? null : Items(items), false, Guid.NewGuid()), default);

    /// <summary>What customer service finds by the whole value of one field.</summary>
    internal Task<SearchOutcome> FindAsync(string field, string value, params string[] items) => Search.SearchAsync(
        Support, "customer-support", new Dictionary<string, SearchCondition> { [field] = SearchCondition.Equal(value) }, items.Length == 0 ? null : Items(items), 20, Guid.NewGuid(), default);

    internal static IReadOnlyList<RequestedItem> Items(params string[] names) =>
        [.. names.Select(name => RequestedItem.TryParse(name, Policy.Catalogue, Policy.Events, out var item) ? item : throw new ArgumentException(name))];

    internal static Dictionary<string, JsonElement> Object(string json) => JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(json)!;

    internal static JsonElement Json(string json) => JsonDocument.Parse(json).RootElement.Clone();

    internal static string? Value(Disclosure disclosure, string field) =>
        disclosure.Fields.FirstOrDefault(one => one.Name == field) is { } found ? Encoding.UTF8.GetString(found.Utf8Json.Span) : null;

    internal static string? Reason(Disclosure disclosure, string field) => disclosure.Withheld.FirstOrDefault(one => one.Name == field)?.Reason;

    /// <summary>Entries about a person, oldest first, as type and result.</summary>
    internal async Task<IReadOnlyList<AuditRecord>> EntriesAsync(SubjectId subject)
    {
        var page = await Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Subject = subject, Limit = 500 });
        return [.. page.Entries.Reverse()];
    }

    internal async Task<long> CountAsync(string sql) => Convert.ToInt64(await ScalarAsync(sql), System.Globalization.CultureInfo.InvariantCulture);

    internal async Task<object?> ScalarAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(VaultAdmin);
        await using var command = source.CreateCommand(sql);
        return await command.ExecuteScalarAsync();
    }

    internal Task ExecuteAsync(string sql) => Cluster.ExecuteAsync(VaultName, sql);

    internal NewEvent Purchase(CustomerLookup customer, string total = "12.50", Guid? id = null, string type = "purchase") => new(
        customer, type, Clock.GetUtcNow().AddDays(-3), "shop",
        Object($$"""{"orderId":"O-1","sku":"TEA-7","quantity":1,"unitPrice":{"amount":"{{total}}","currency":"EUR"},"total":{"amount":"{{total}}","currency":"EUR"},"channel":"web","country":"DE"}"""),
        id, "service-delivery");
}
