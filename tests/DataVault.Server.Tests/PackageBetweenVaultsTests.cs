using System.IO.Compression;
using System.Net;
using System.Text.Json;
using DataVault.Cli;
using DataVault.Testing;

namespace DataVault.Server.Tests;

/// <summary>From one vault into another, each with its own keys and its own log: what a person takes along arrives as it was, once, and nothing else does.</summary>
public sealed class PackageBetweenVaultsTests(RunningServer from) : IAsyncLifetime
{
    private const string Origin = "other.example/log";
    private readonly RunningServer _to = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("package-between").FullName;

    public async ValueTask InitializeAsync() =>
        _to.Attach(await ServerProcess.StartAsync(new Dictionary<string, string> { ["Vault__SampleCustomers"] = "0", ["Vault__Origin"] = Origin }));

    public async ValueTask DisposeAsync()
    {
        await _to.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    [Requirement("R62", "R59")]
    public async Task What_a_person_takes_along_arrives_as_it_was_once_and_only_as_it_was_signed()
    {
        var file = Path.Combine(_folder, "package.zip");
        await File.WriteAllBytesAsync(file, await MadePackage.OfAsync(from, "moves.house@example.com", ("email", "moves.house@example.com"), ("customerNumber", "MOVES-1")));
        var key = KeyOf(from);

        await RefusedAsync(file, KeyOf(_to), "not taken");
        await RefusedAsync(Changed(file, "data/json/profile.json", "Wanderer", "Wonderer"), key, "not taken");
        await RefusedAsync(Changed(file, "data/json/events", "LAMP", "LUMP"), key, "not taken");
        await RefusedAsync(Without(file, "data/json/consents.jsonld"), key, "not taken");
        Assert.Empty(await FindAsync("moves.house@example.com"));

        var account = await ImportAsync(file, key);
        Assert.Equal("datavault.example/log", account.GetProperty("from").GetString());
        Assert.Equal((2, 0), (account.GetProperty("eventsStored").GetInt32(), account.GetProperty("eventsAlreadyHeld").GetInt32()));
        var consent = Assert.Single(account.GetProperty("consentsElsewhere").EnumerateArray(), one => one.GetProperty("purpose").GetString() == "marketing");
        Assert.Equal(("given", true), (consent.GetProperty("state").GetString(), consent.GetProperty("receiptHolds").GetBoolean()));

        var id = Assert.Single(await FindAsync("moves.house@example.com"));
        Assert.Equal(account.GetProperty("customer").GetGuid(), id);
        await SameProfileAsync(file, id);
        var events = await EventsAsync(id);
        Assert.Equal(Lines(file).Select(line => Told(line, "datavault.example/log: ")).Order(), events.Select(one => Told(one)).Order());
        var consents = await _to.JsonAsync("compliance-officer", HttpMethod.Get, $"/v1/customers/{id}/consents");
        Assert.All(consents.GetProperty("items").EnumerateArray(), one => Assert.NotEqual("given", one.GetProperty("state").GetString()));

        var version = await VersionAsync(id);
        var again = await ImportAsync(file, key);
        Assert.Equal((id, 0, 2), (again.GetProperty("customer").GetGuid(), again.GetProperty("eventsStored").GetInt32(), again.GetProperty("eventsAlreadyHeld").GetInt32()));
        Assert.Equal((version, 2), (await VersionAsync(id), (await EventsAsync(id)).Count));
    }

    // Every value with where it was from and when, as the package says it; what the first vault concluded stays there.
    private async Task SameProfileAsync(string file, Guid id)
    {
        using var profile = JsonDocument.Parse(Entry(file, "data/json/profile.json"));
        var given = profile.RootElement.GetProperty("fields").EnumerateObject().Where(field => field.Value.GetProperty("origin").GetString() is "provided" or "observed").ToList();
        Assert.Equal(["customerNumber", "email", "familyName", "givenName", "occupation"], given.Select(field => field.Name).Order());
        var read = await _to.JsonAsync("support-desk", HttpMethod.Get, $"/v1/customers/{id}?purpose=customer-support&provenance=true");
        var seen = read.GetProperty("fields");
        foreach (var field in given.Where(field => seen.TryGetProperty(field.Name, out _) && !read.GetProperty("forms").TryGetProperty(field.Name, out _)))
        {
            Assert.Equal(field.Value.GetProperty("value").GetString(), seen.GetProperty(field.Name).GetString());
            var provenance = read.GetProperty("provenance").GetProperty(field.Name);
            Assert.Equal($"datavault.example/log: {field.Value.GetProperty("source").GetString()}", provenance.GetProperty("source").GetString());
            Assert.Equal(field.Value.GetProperty("origin").GetString(), provenance.GetProperty("origin").GetString());
            Assert.Equal(field.Value.GetProperty("recordedAt").GetDateTimeOffset(), provenance.GetProperty("recordedAt").GetDateTimeOffset());
        }

        Assert.Equal("Wanderer", seen.GetProperty("familyName").GetString());
        Assert.False(seen.TryGetProperty("segment", out _));
    }

    private static string KeyOf(RunningServer server) => Path.Combine(server.Process.Home, "log.vkey");

    private async Task<List<Guid>> FindAsync(string email)
    {
        var found = await _to.JsonAsync("support-desk", HttpMethod.Post, "/v1/customers/search", new { purpose = "customer-support", where = new { email } });
        return [.. found.GetProperty("results").EnumerateArray().Select(one => one.GetProperty("id").GetGuid())];
    }

    private async Task<List<JsonElement>> EventsAsync(Guid id) =>
        [.. (await _to.JsonAsync("support-desk", HttpMethod.Get, $"/v1/customers/{id}/events?purpose=customer-support")).GetProperty("items").EnumerateArray()];

    private async Task<long> VersionAsync(Guid id) =>
        (await _to.JsonAsync("support-desk", HttpMethod.Get, $"/v1/customers/{id}?purpose=customer-support&fields=familyName")).GetProperty("version").GetInt64();

    private static (Guid, string, DateTimeOffset, string, string) Told(JsonElement one, string from = "") => (
        one.GetProperty("id").GetGuid(), one.GetProperty("type").GetString()!, one.GetProperty("occurredAt").GetDateTimeOffset(), from + one.GetProperty("source").GetString(),
        string.Join(',', one.GetProperty("properties").EnumerateObject().OrderBy(property => property.Name, StringComparer.Ordinal)));

    private static IEnumerable<JsonElement> Lines(string file)
    {
        using var zip = ZipFile.OpenRead(file);
        return [.. zip.Entries.Where(entry => entry.FullName.Contains("data/json/events", StringComparison.Ordinal) && entry.FullName.EndsWith(".ndjson", StringComparison.Ordinal))
            .SelectMany(entry => Text(entry).Split('\n', StringSplitOptions.RemoveEmptyEntries)).Select(line => JsonSerializer.Deserialize<JsonElement>(line))];
    }

    private static string Entry(string file, string path)
    {
        using var zip = ZipFile.OpenRead(file);
        return Text(zip.Entries.Single(entry => entry.FullName.EndsWith(path, StringComparison.Ordinal)));
    }

    private static string Text(ZipArchiveEntry entry)
    {
        using var reader = new StreamReader(entry.Open());
        return reader.ReadToEnd();
    }

    private string Changed(string file, string path, string text, string with) => Rewritten(file, (entry, words) => entry.FullName.Contains(path, StringComparison.Ordinal) ? words.Replace(text, with, StringComparison.Ordinal) : words);

    private string Without(string file, string path) => Rewritten(file, (entry, words) => entry.FullName.EndsWith(path, StringComparison.Ordinal) ? null : words);

    private string Rewritten(string file, Func<ZipArchiveEntry, string, string?> change)
    {
        var copy = Path.Combine(_folder, Guid.NewGuid().ToString("N") + ".zip");
        using var from = ZipFile.OpenRead(file);
        using var to = ZipFile.Open(copy, ZipArchiveMode.Create);
        foreach (var entry in from.Entries)
        {
            using var bytes = new MemoryStream();
            using (var source = entry.Open()) source.CopyTo(bytes);
            var words = System.Text.Encoding.Latin1.GetString(bytes.ToArray());
            if (change(entry, words) is not { } changed) continue;
            using var target = to.CreateEntry(entry.FullName).Open();
            target.Write(System.Text.Encoding.Latin1.GetBytes(changed));
        }

        return copy;
    }

    private async Task RefusedAsync(string file, string key, string why)
    {
        var (code, said) = await RunAsync(file, key);
        Assert.True(code != 0 && said.Contains(why, StringComparison.Ordinal), said);
    }

    private async Task<JsonElement> ImportAsync(string file, string key)
    {
        var (code, said) = await RunAsync(file, key);
        Assert.True(code == 0, said);
        return JsonSerializer.Deserialize<JsonElement>(said);
    }

    private async Task<(int Code, string Said)> RunAsync(string file, string key)
    {
        using var said = new StringWriter();
        using var errors = new StringWriter();
        var host = new CliHost(TextReader.Null, said, errors, _folder, TimeProvider.System);
        var code = await DataVaultCommand.RunAsync(
            host, ["import", "package", file, "--key", key, "--purpose", "service-delivery", "--first-run", Path.Combine(_to.Process.Home, "first-run.json"), "--json"]);
        return (code, said.ToString() + errors);
    }
}
