using System.Text.Json;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace DataVault.Vault.Tests.Indexes;

/// <summary>Vaults with indexes of a test's own, and people to find in them.</summary>
internal static class IndexWorld
{
    public const string NameIndex = "family-name-start";

    public static readonly string[] Names = ["Hopper", "Hopkins", "Lovelace", "Lovell", "Turing", "Noether", "Curie", "Meitner", "Franklin", "Goeppert"];

    public static Recipient Ingest => StoreVault.Ingest;

    public static Recipient Support => StoreVault.Support;

    /// <summary>The shipped policy with other indexes beside those that fields declare.</summary>
    public static PolicySet PolicyWith(params string[] indexes) => Repository.ChangedPolicy(
        ("catalogue.yaml", "  family-name-start: { id: 1000, on: { familyName: prefix 3 }, bits: auto, partitions: 4 }\n", string.Join('\n', indexes) + "\n"),
        ("catalogue.yaml", "  family-name-and-birth: { id: 1001, on: { familyName: whole, birthDate: whole }, bits: auto }\n", ""),
        ("access/customer-support.yaml", "fields: [email, phone, customerNumber, familyName, birthDate]", "fields: [email, phone, customerNumber, familyName, birthDate, country, postalAddress]"),
        ("access/rights.yaml", "fields: [email, phone, customerNumber, familyName, birthDate]", "fields: [email, phone, customerNumber, familyName, birthDate, country, postalAddress]"));

    public static Task<RunningVault> StartAsync(
        DatabasePerClass databases, PolicySet? policy = null, TimeProvider? clock = null, int batch = 7, int candidates = 2_000, Action<IServiceCollection>? configure = null)
    {
        var usual = databases.Options();
        var options = new VaultOptions
        {
            DataConnection = usual.DataConnection, KeysConnection = usual.KeysConnection, Home = usual.Home, Development = true, IndexShare = 1, IndexBatch = batch,
            SearchCandidates = candidates,
        };
        return databases.StartVaultAsync(clock: clock, options: options, configure: services =>
        {
            if (policy is not null) services.AddSingleton(new ActivePolicy(policy));
            configure?.Invoke(services);
        });
    }

    public static NewCustomer Person(int number, string? name = null, string? more = null)
    {
        var fields = StoreVault.Object(
            $$"""{"email":"person{{number}}@example.com","customerNumber":"C-{{number:D6}}","familyName":"{{name ?? Names[number % Names.Length]}}","birthDate":"19{{50 + number % 40}}-03-{{1 + number % 28:D2}}"}""");
        foreach (var (field, value) in StoreVault.Object(more ?? "{}")) fields[field] = value;
        return new NewCustomer(fields, "crm", null, "2026-01", "service-delivery", null);
    }

    public static async Task<List<SubjectId>> AddAsync(RunningVault vault, IEnumerable<NewCustomer> people)
    {
        var added = new List<SubjectId>();
        foreach (var part in people.Chunk(500))
        {
            var outcomes = await vault.Get<ProfileEditor>().CreateManyAsync(Ingest, part, null, Guid.NewGuid(), default);
            added.AddRange(outcomes.Select(outcome => outcome.Value?.Id ?? throw outcome.Error!));
        }

        return added;
    }

    public static async Task<List<SubjectId>> FindAsync(RunningVault vault, params (string Field, SearchCondition Condition)[] where)
    {
        var outcome = await SearchAsync(vault, where);
        return [.. outcome.Results.Select(result => result.Id)];
    }

    public static Task<SearchOutcome> SearchAsync(RunningVault vault, params (string Field, SearchCondition Condition)[] where) => vault.Get<CustomerSearch>().SearchAsync(
        Support, "customer-support", where.ToDictionary(one => one.Field, one => one.Condition), StoreVault.Items("familyName"), 100, Guid.NewGuid(), default);

    public static IndexDefinition Index(RunningVault vault, string name) => vault.Get<ActivePolicy>().Current.Catalogue.Indexes.Single(index => index.Name == name);

    public static async Task<IndexRow> RowAsync(RunningVault vault, string name) => await vault.Get<IndexChanges>().FindAsync(Index(vault, name), default);

    public static Task<bool> TurnAsync(RunningVault vault) => vault.Get<IndexWorker>().TurnAsync(default);

    public static Task RotateAsync(RunningVault vault, string name) => vault.Get<IndexReporter>().RequestRotationAsync(Index(vault, name), default);

    public static async Task<long> CountAsync(DatabasePerClass databases, string sql)
    {
        await using var source = NpgsqlDataSource.Create(databases.VaultAdmin);
        await using var command = source.CreateCommand("select count(*) from " + sql);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    public static JsonElement Json(string json) => StoreVault.Json(json);
}
