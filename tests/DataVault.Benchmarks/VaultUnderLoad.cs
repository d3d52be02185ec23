using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using DataVault.Client.Wire;
using DataVault.Testing;
using Npgsql;

namespace DataVault.Benchmarks;

/// <summary>The vault as its users run it: the built server as a process of its own, on its embedded PostgreSQL, filled over HTTP.</summary>
internal sealed class VaultUnderLoad(ServerProcess server) : IAsyncDisposable
{
    public HttpClient Http { get; } = new() { BaseAddress = server.Address };

    public IPEndPoint EndPoint => new(IPAddress.Loopback, server.Address.Port);

    public string Host => server.Address.Authority;

    public static async Task<VaultUnderLoad> StartAsync() =>
        new(await ServerProcess.StartAsync(new Dictionary<string, string> { ["Limits__RequestsPerSecond"] = "1000000" }));

    /// <summary>The embedded cluster's administrator on a database of its own: where the peers keep their rows.</summary>
    public string AdministratorConnection(string database) =>
        new NpgsqlConnectionStringBuilder(server.DatabaseConnection(database)) { Pooling = true }.ConnectionString;

    /// <summary>An access token of a first-run client, by client credentials.</summary>
    public async Task<string> TokenAsync(string client)
    {
        var secret = server.Secrets.Clients.Single(known => known.Id == client).Secret;
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/token")
        {
            Content = new FormUrlEncodedContent(new Dictionary<string, string> { ["grant_type"] = "client_credentials" }),
        };
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{client}:{secret}")));
        using var answer = await Http.SendAsync(request);
        answer.EnsureSuccessStatusCode();
        return (await answer.Content.ReadFromJsonAsync<TokenAnswer>(JsonSerializerOptions.Web))!.AccessToken;
    }

    /// <summary>Creates the people over HTTP in batches and returns their ids, in order.</summary>
    public async Task<IReadOnlyList<Guid>> CreateAsync(IReadOnlyList<Person> people)
    {
        var ids = new List<Guid>(people.Count);
        var token = await TokenAsync("crm-ingest");
        foreach (var chunk in people.Chunk(500))
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/customers/batch")
            {
                Content = JsonContent.Create(new CustomerBatch([.. chunk.Select(ToCustomer)], Purpose: "service-delivery"), options: JsonSerializerOptions.Web),
            };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
            using var answer = await Http.SendAsync(request);
            answer.EnsureSuccessStatusCode();
            var result = await answer.Content.ReadFromJsonAsync<BatchResult>(JsonSerializerOptions.Web);
            ids.AddRange(result!.Items.Select(item => item.Written?.Id ?? throw new InvalidOperationException(item.Problem?.Detail)));
        }

        return ids;
    }

    public static IReadOnlyList<Person> MakePeople(int count) =>
        [.. Enumerable.Range(0, count).Select(number => new Person
        {
            Id = new Guid(number, 0, 0x7000, 0x80, 0, 0, 0, 0, 0, 0, 0), GivenName = $"Given{number}", FamilyName = $"Family{number}", Email = $"person{number}@example.com",
            Phone = $"+4477009{number % 100000:00000}", Street = $"{number} Sample Street", Postcode = $"AB{number % 90} 1CD", City = "Sampleton", Country = "GB",
            BirthDate = $"19{50 + (number % 50)}-0{1 + (number % 9)}-1{number % 10}", Language = "en", LoyaltyTier = "silver", CustomerNumber = $"B{number:0000000}",
        })];

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await server.DisposeAsync();
    }

    private static CreateCustomer ToCustomer(Person p) => new(
        new Dictionary<string, JsonElement>
        {
            ["givenName"] = Json(p.GivenName), ["familyName"] = Json(p.FamilyName), ["email"] = Json(p.Email), ["phone"] = Json(p.Phone),
            ["postalAddress"] = Json(new { street = p.Street, postcode = p.Postcode, city = p.City, country = p.Country }),
            ["birthDate"] = Json(p.BirthDate), ["language"] = Json(p.Language), ["country"] = Json(p.Country),
            ["loyaltyTier"] = Json(p.LoyaltyTier), ["customerNumber"] = Json(p.CustomerNumber), ["interests"] = Json(new[] { "books" }),
            ["contactPreference"] = Json("email"),
        },
        "benchmark", Purpose: "service-delivery");

    private static JsonElement Json<T>(T value) => JsonSerializer.SerializeToElement(value);
}
