using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Cryptography;
using DataVault.Issuer;
using DataVault.Issuer.Mailing;
using DataVault.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>
/// An issuer by itself on a port of this machine, with a database, a clock and an audit of its own. Its login can do what <c>dv_issuer</c> can and no more.
/// </summary>
public class IssuerHost : IAsyncLifetime
{
    public const string Callback = "https://console.example/callback";
    public const string SignOutAddress = "https://console.example/signed-out";

    internal static readonly IssuerParty Administrator = new(Realm.Staff, "0b7f36c2-54c0-4b0a-9a52-6d1f5f0c3e11", "administrator");

    private static readonly DateTimeOffset Start = new(2030, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly Lazy<Task<string>> Template = new(MakeTemplateAsync);
    private readonly string breached = Path.Combine(Path.GetTempPath(), $"breached-{Guid.NewGuid():N}");
    private WebApplication? application;
    private string console = "";

    /// <summary>What the issuer goes by.</summary>
    private protected virtual TimeProvider Time => Clock;

    /// <summary>What takes e-mail out; null for none.</summary>
    private protected virtual ILetterCarrier? Carrier => Letters;

    internal RecordedLetters Letters { get; } = new();
    internal ManualClock Clock { get; } = new(Start);
    internal RecordedSignIns SignIns { get; } = new();
    internal HeldCustomers Held { get; } = new();
    internal RememberedMark Mark { get; } = new();
    internal RowsReached Memory { get; } = new();
    internal string AdminConnection { get; private set; } = "";
    internal string LoginConnection { get; private set; } = "";
    internal string Address { get; private set; } = "";
    internal IServiceProvider Services => application!.Services;
    internal ClientRegistry Clients => Services.GetRequiredService<ClientRegistry>();
    internal AccountRegistry Accounts => Services.GetRequiredService<AccountRegistry>();
    internal IAccessTokenValidator Validator => Services.GetRequiredService<IAccessTokenValidator>();
    internal (string Id, string Secret) Console => ("console", console);

    public async ValueTask InitializeAsync()
    {
        // As the downloader writes it: in order, and in lines of different lengths.
        var words = Enumerable.Range(0, 500).Select(n => "another " + n).Append("in the breach file");
#pragma warning disable CA5350 // What such files are ordered by.
        var lines = words.Select((word, n) => $"{Convert.ToHexString(SHA1.HashData(Encoding.UTF8.GetBytes(word)))}:{n * n}");
#pragma warning restore CA5350
        await File.WriteAllLinesAsync(breached, lines.Order(StringComparer.Ordinal));
        await MakeDatabaseAsync();
        await StartAsync();
        console = await Clients.RegisterAsync(ClientRegistration.SignIn("console", "Console", [Callback], [SignOutAddress]), Administrator);
    }

    public async ValueTask DisposeAsync()
    {
        if (application is not null) await application.DisposeAsync();
        File.Delete(breached);
        GC.SuppressFinalize(this);
    }

    internal IssuerOptions Options() => new()
    {
        Connection = LoginConnection,
        Issuer = Address,
        Development = true,
        PasswordIterations = 1000,
        BreachedPasswords = breached,
    };

    internal async Task<Person> PersonAsync(string role)
    {
        var email = $"{Guid.NewGuid():N}@people.example";
        var issued = await Accounts.CreateAsync(email, role, Administrator, role == "customer" ? Guid.NewGuid() : null, lasting: true);
        return new Person(email, issued.OneTimePassword, issued.Id, issued.CodeSecret is { } secret ? Authenticator.Of(secret, Clock) : null);
    }

    /// <summary>An application with a registration and a secret of its own.</summary>
    internal async Task<(string Id, string Secret)> ApplicationAsync()
    {
        var id = "app-" + Guid.NewGuid().ToString("N")[..8];
        return (id, await Clients.RegisterAsync(ClientRegistration.Application(id, "Campaigns", ["marketing"], ["marketing", "personalisation"]), Administrator));
    }

    internal async Task<(HttpStatusCode Status, JsonElement Body)> TokenAsync(params (string Name, string Value)[] form)
    {
        using var client = new HttpClient();
        using var content = new FormUrlEncodedContent(form.Select(f => KeyValuePair.Create(f.Name, f.Value)));
        using var answer = await client.PostAsync(Address + "/connect/token", content);
        return (answer.StatusCode, await answer.Content.ReadFromJsonAsync<JsonElement>());
    }

    internal Task<(HttpStatusCode Status, JsonElement Body)> ConsoleTokenAsync(params (string Name, string Value)[] form) =>
        TokenAsync([("client_id", Console.Id), ("client_secret", Console.Secret), .. form]);

    internal Task<(HttpStatusCode Status, JsonElement Body)> ExchangeAsync(SignInAttempt attempt, string code) =>
        ConsoleTokenAsync(("grant_type", "authorization_code"), ("code", code), ("redirect_uri", Callback), ("code_verifier", attempt.Verifier));

    internal async Task<List<string>> QueryAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(AdminConnection);
        await using var command = source.CreateCommand(sql);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<string>();
        while (await reader.ReadAsync()) rows.Add(Convert.ToString(reader[0], System.Globalization.CultureInfo.InvariantCulture)!);
        return rows;
    }

    /// <summary>Another process at the same address, with the same database.</summary>
    internal async Task RestartAsync()
    {
        await application!.DisposeAsync();
        await StartAsync();
    }

    private async Task StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls(Address.Length == 0 ? "http://127.0.0.1:0" : Address);
        builder.Logging.ClearProviders();
        var options = Options();
        builder.Services.AddSingleton<IServiceKeys, FixedServiceKeys>();
        builder.Services.AddSingleton(Time);
        builder.Services.AddSingleton<ISignInAudit>(SignIns);
        builder.Services.AddSingleton<ISealingMark>(Mark);
        if (Carrier is { } carrier) builder.Services.AddSingleton(carrier);
        builder.Services.AddSingleton<IRowMemory>(Memory);
        builder.Services.AddSingleton<IStaffRoles, FixedStaffRoles>();
        builder.Services.AddSingleton<IHeldPeople>(Held);
        builder.Services.AddIssuer(options);
        application = builder.Build();
        application.MapIssuer();
        await application.StartAsync();
        options.Issuer = Address = application.Urls.Single();
    }

    private static async Task<string> MakeTemplateAsync()
    {
        const string name = "issuer_template";
        var cluster = await PostgresCluster.SharedAsync();
        await cluster.ExecuteAsync("postgres", $"create database {name}");
        await IssuerMigrator.MigrateAsync(cluster.ConnectionString(name) + ";Pooling=false", CancellationToken.None);
        return name;
    }

    private async Task MakeDatabaseAsync()
    {
        var cluster = await PostgresCluster.SharedAsync();
        var name = "issuer_" + Guid.NewGuid().ToString("N");
        await cluster.ExecuteAsync("postgres", $"create database {name} template {await Template.Value}", $"create role {name} login in role dv_issuer");
        AdminConnection = cluster.ConnectionString(name);
        LoginConnection = cluster.ConnectionString(name, name);
    }
}

/// <summary>Somebody with an account; staff with an authenticator app.</summary>
internal sealed record Person(string Email, string Password, Guid Id, Authenticator? Telephone = null);

/// <summary>One authorization request: state, nonce and the PKCE pair.</summary>
internal sealed record SignInAttempt(string State, string Nonce, string Verifier)
{
    public static SignInAttempt New() => new(Guid.NewGuid().ToString("N"), Guid.NewGuid().ToString("N"), Guid.NewGuid().ToString("N") + Guid.NewGuid().ToString("N"));

    public string Challenge => System.Buffers.Text.Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(Verifier)));

    public Dictionary<string, string> Parameters => new()
    {
        ["client_id"] = "console",
        ["redirect_uri"] = IssuerHost.Callback,
        ["response_type"] = "code",
        ["scope"] = "openid",
        ["state"] = State,
        ["nonce"] = Nonce,
        ["code_challenge"] = Challenge,
        ["code_challenge_method"] = "S256",
    };

    public string Address(params (string Name, string? Value)[] changes)
    {
        var parameters = Parameters;
        foreach (var (name, value) in changes)
        {
            if (value is null) parameters.Remove(name);
            else parameters[name] = value;
        }

        return "/connect/authorize?" + string.Join('&', parameters.Select(p => $"{p.Key}={Uri.EscapeDataString(p.Value)}"));
    }
}

internal sealed class FixedStaffRoles : IStaffRoles
{
    private static readonly Dictionary<string, IReadOnlyList<string>> Purposes = new()
    {
        ["customer-support"] = ["customer-support", "emergency", "refunds", "complaints"],
        ["marketing"] = ["marketing", "personalisation"],
        ["compliance-officer"] = ["data-subject-rights", "legal-obligation"],
        ["analyst"] = ["analytics"],
        ["administrator"] = [],
    };

    public bool Exists(string role) => Purposes.ContainsKey(role);

    public IReadOnlyList<string> PurposesOf(string role) => Purposes.GetValueOrDefault(role, []);
}

/// <summary>What a vault holds; it counts who asks whose an address is.</summary>
internal sealed class HeldCustomers : IHeldPeople
{
    private readonly ConcurrentDictionary<string, Guid> held = new(StringComparer.OrdinalIgnoreCase);
    private int questions;

    /// <summary>While set, the vault does not answer.</summary>
    public bool IsAway { get; set; }

    public int Questions => Volatile.Read(ref questions);

    public Guid Take(string email) => held[email] = Guid.NewGuid();

    public void Forget(string email) => held.TryRemove(email, out _);

    public Task<Guid?> FindAsync(string email, Guid question, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref questions);
        if (IsAway) throw new TimeoutException();
        return Task.FromResult(held.TryGetValue(email, out var subject) ? subject : (Guid?)null);
    }

    public Task<string?> AddressOfAsync(Guid subject, Guid question, CancellationToken cancellationToken) =>
        Task.FromResult<string?>(held.FirstOrDefault(pair => pair.Value == subject).Key);
}

/// <summary>Keys that depend on the label only.</summary>
internal sealed class FixedServiceKeys : IServiceKeys
{
    public SecretBytes Derive(string label) => SecretBytes.CopyOf(SHA256.HashData(Encoding.UTF8.GetBytes(label)));
}

/// <summary>Out of the reach of whoever writes into the issuer's database.</summary>
internal sealed class RememberedMark : ISealingMark
{
    private readonly ConcurrentDictionary<string, bool> set = new();

    public bool IsSet { set => Put(SealingMarks.Rows, value); }

    public bool AreChangesSet { set => Put(SealingMarks.Changes, value); }

    public Task<bool> IsSetAsync(string what, CancellationToken cancellationToken) => Task.FromResult(set.GetValueOrDefault(what));

    public Task SetAsync(string what, CancellationToken cancellationToken)
    {
        Put(what, true);
        return Task.CompletedTask;
    }

    private void Put(string what, bool value) => set[what] = value;
}

/// <summary>The same of what rows have reached.</summary>
internal sealed class RowsReached : IRowMemory
{
    private readonly ConcurrentDictionary<string, long> reached = new();

    public Task<bool> IsNewestAsync(ReadOnlyMemory<byte> row, long version, CancellationToken cancellationToken) =>
        Task.FromResult(reached.AddOrUpdate(Name(row), version, (_, known) => Math.Max(known, version)) == version);

    public Task ReachedAsync(ReadOnlyMemory<byte> row, long version, CancellationToken cancellationToken) => IsNewestAsync(row, version, cancellationToken);

    public Task<long> NewestAsync(ReadOnlyMemory<byte> row, CancellationToken cancellationToken) => Task.FromResult(reached.GetValueOrDefault(Name(row)));

    public Task<IReadOnlyList<int>> OlderAsync(IReadOnlyList<(byte[] Row, long Version)> rows, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<int>>([.. Enumerable.Range(0, rows.Count).Where(at => reached.GetValueOrDefault(Name(rows[at].Row)) > rows[at].Version)]);

    public Task LowerAsync(ReadOnlyMemory<byte> row, long version, CancellationToken cancellationToken)
    {
        reached[Name(row)] = version;
        return Task.CompletedTask;
    }

    private static string Name(ReadOnlyMemory<byte> row) => Convert.ToHexString(row.Span);
}

/// <summary>Records in memory; like the log it takes a confirmation once.</summary>
internal sealed class RecordedSignIns : ISignInAudit
{
    private readonly ConcurrentQueue<SignInEvent> events = new();
    private readonly ConcurrentQueue<IssuerChange> intents = new();
    private readonly ConcurrentDictionary<Guid, MadeChange> confirmed = new();

    public IReadOnlyList<SignInEvent> All => [.. events];

    /// <summary>In the order of their numbers.</summary>
    public IReadOnlyList<IssuerChange> Intents => [.. intents];

    public IReadOnlyList<MadeChange> Confirmed => [.. confirmed.Values.OrderBy(made => made.Intent)];

    /// <summary>While set, nothing can be recorded.</summary>
    public bool IsAway { get; set; }

    /// <summary>While set, what concerns this client or account cannot be confirmed.</summary>
    public string? Unconfirmable { get; set; }

    public Task RecordAsync(SignInEvent signIn, CancellationToken cancellationToken)
    {
        events.Enqueue(signIn);
        return Task.CompletedTask;
    }

    public Task<long> IntendAsync(IssuerChange change, CancellationToken cancellationToken)
    {
        if (IsAway) throw new TimeoutException();
        lock (intents)
        {
            intents.Enqueue(change);
            return Task.FromResult(intents.Count - 1L);
        }
    }

    public Task ConfirmAsync(MadeChange made, CancellationToken cancellationToken)
    {
        if (IsAway || made.Change.Object.Id == Unconfirmable) throw new TimeoutException();
        confirmed.TryAdd(made.Id, made);
        return Task.CompletedTask;
    }
}
