using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using DataVault.Client.Wire;
using Npgsql;

namespace DataVault.Benchmarks;

/// <summary>The vault as its users run it: the built server as a process of its own, on its embedded PostgreSQL, in an empty folder.</summary>
internal sealed class VaultProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly JsonElement _firstRun;

    private VaultProcess(Process process, string home, int port, JsonElement firstRun)
    {
        (_process, Home, Port, _firstRun) = (process, home, port, firstRun);
        Http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
    }

    public string Home { get; }

    public int Port { get; }

    public HttpClient Http { get; }

    public IPEndPoint EndPoint => new(IPAddress.Loopback, Port);

    public string Host => $"127.0.0.1:{Port}";

    /// <param name="settings">Extra configuration, as environment variables.</param>
    public static async Task<VaultProcess> StartAsync(params (string Name, string Value)[] settings)
    {
        var home = Directory.CreateTempSubdirectory("datavault-bench-").FullName;
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(home, (UnixFileMode)0b111_101_101);
        var port = FreePort();
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "DataVault.Server.dll")])
        {
            WorkingDirectory = home, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.Environment["ASPNETCORE_ENVIRONMENT"] = start.Environment["DOTNET_ENVIRONMENT"] = "Development";
        start.Environment["ASPNETCORE_URLS"] = $"http://127.0.0.1:{port}";
        start.Environment["Vault__Home"] = home;
        foreach (var (name, value) in settings) start.Environment[name] = value;

        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, line) => Console.Error.WriteLine(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        await WaitUntilReadyAsync(process, port);
        var firstRun = JsonSerializer.Deserialize<JsonElement>(await File.ReadAllTextAsync(Path.Combine(home, "first-run.json")));
        return new VaultProcess(process, home, port, firstRun);
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>An access token of a first-run client, by client credentials.</summary>
    public async Task<string> TokenAsync(string client)
    {
        var secret = _firstRun.GetProperty("clients").EnumerateArray().Single(c => c.GetProperty("id").GetString() == client).GetProperty("secret").GetString();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/token")
        {
            Content = new FormUrlEncodedContent(new Dictionary<string, string> { ["grant_type"] = "client_credentials" }),
        };
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{client}:{secret}")));
        using var answer = await Http.SendAsync(request);
        answer.EnsureSuccessStatusCode();
        return (await answer.Content.ReadFromJsonAsync<TokenAnswer>(JsonSerializerOptions.Web))!.AccessToken;
    }

    /// <summary>The embedded cluster's administrator on a database of its own, made if it is not there: where the peers keep their rows.</summary>
    public string AdministratorConnection(string database)
    {
        var port = int.Parse(File.ReadAllText(Path.Combine(Home, "postgres", "conf", "port")), CultureInfo.InvariantCulture);
        return new NpgsqlConnectionStringBuilder
        {
            Host = Path.Combine(Home, "postgres", "socket"), Port = port, Username = "vault_admin", Database = database,
        }.ConnectionString;
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
            Id = Guid.CreateVersion7(), GivenName = $"Given{number}", FamilyName = $"Family{number}", Email = $"person{number}@example.com",
            Phone = $"+4477009{number % 100000:00000}", Street = $"{number} Sample Street", Postcode = $"AB{number % 90} 1CD", City = "Sampleton", Country = "GB",
            BirthDate = $"19{50 + (number % 50)}-0{1 + (number % 9)}-1{number % 10}", Language = "en", LoyaltyTier = "silver", CustomerNumber = $"B{number:0000000}",
        })];

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        using (var signal = Process.Start("kill", ["-INT", $"{_process.Id}"])) await signal!.WaitForExitAsync();
        await _process.WaitForExitAsync();
        _process.Dispose();
        Directory.Delete(Home, recursive: true);
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

    private static async Task WaitUntilReadyAsync(Process process, int port)
    {
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}"), Timeout = TimeSpan.FromSeconds(5) };
        for (var attempt = 0; attempt < 600; attempt++)
        {
            if (process.HasExited) throw new InvalidOperationException("The server ended before it served.");
            try
            {
                using var answer = await http.GetAsync(new Uri("/health/ready", UriKind.Relative));
                if (answer.IsSuccessStatusCode) return;
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
            }

            await Task.Delay(300);
        }

        throw new TimeoutException("The server did not serve in time.");
    }
}
