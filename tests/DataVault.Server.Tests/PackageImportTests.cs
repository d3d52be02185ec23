using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Cli;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Verifier;

namespace DataVault.Server.Tests;

/// <summary>A package from one vault into another, as whoever has it does: checks it, brings it in, looks at what became of it.</summary>
public sealed class PackageImportTests(RunningServer server) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("package-import").FullName;

    private string Key => Path.Combine(server.Process.Home, "log.vkey");

    private string FirstRun => Path.Combine(server.Process.Home, "first-run.json");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    [Requirement("R62")]
    public async Task A_package_comes_in_with_its_origins_and_times_and_twice_is_once()
    {
        var package = await ExportAsync("takes.along@example.com");
        var (verified, said) = await VerifyAsync(package);
        Assert.True(verified == 0, said);

        var (code, answer) = await ImportAsync(package, Key);
        Assert.True(code == 0, answer);
        var account = JsonSerializer.Deserialize<JsonElement>(answer);
        Assert.Equal(["familyName", "givenName", "occupation"], account.GetProperty("fieldsTaken").EnumerateArray().Select(name => name.GetString()).Order());
        Assert.Contains(account.GetProperty("fieldsNotTaken").EnumerateArray(), left => left.GetProperty("item").GetString() == "segment" && left.GetProperty("reason").GetString() == "concluded-elsewhere");
        Assert.Equal((2, 0), (account.GetProperty("eventsStored").GetInt32(), account.GetProperty("eventsAlreadyHeld").GetInt32()));
        Assert.Contains(account.GetProperty("consentsElsewhere").EnumerateArray(), consent => consent.GetProperty("purpose").GetString() == "marketing" && consent.GetProperty("receiptHolds").GetBoolean());

        var id = account.GetProperty("customer").GetGuid();
        var read = await server.JsonAsync("support-desk", HttpMethod.Get, $"/v1/customers/{id}?purpose=customer-support&fields=familyName&provenance=true");
        Assert.Equal("Wanderer", read.GetProperty("fields").GetProperty("familyName").GetString());
        var provenance = read.GetProperty("provenance").GetProperty("familyName");
        Assert.Equal((": tests", "provided"), (provenance.GetProperty("source").GetString()![^7..], provenance.GetProperty("origin").GetString()));
        Assert.Equal(account.GetProperty("from").GetString() + ": tests", provenance.GetProperty("source").GetString());
        var consents = await server.JsonAsync("compliance-officer", HttpMethod.Get, $"/v1/customers/{id}/consents");
        Assert.All(consents.GetProperty("items").EnumerateArray(), consent => Assert.NotEqual("given", consent.GetProperty("state").GetString()));

        var (again, repeated) = await ImportAsync(package, Key);
        Assert.True(again == 0, repeated);
        var second = JsonSerializer.Deserialize<JsonElement>(repeated);
        Assert.Equal(id, second.GetProperty("customer").GetGuid());
        Assert.Equal((0, 2), (second.GetProperty("eventsStored").GetInt32(), second.GetProperty("eventsAlreadyHeld").GetInt32()));
    }

    [Fact]
    public async Task What_another_signed_is_not_taken_and_somebody_who_is_there_is_not_overwritten()
    {
        var package = await ExportAsync("is.there@example.com", "is.there@example.com");
        using var stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var (foreign, why) = await ImportAsync(package, new NoteSigner("datavault.example/log", stranger).VerifierKey);
        Assert.True(foreign != 0 && why.Contains("not taken", StringComparison.Ordinal), why);
        var (conflict, who) = await ImportAsync(package, Key);
        Assert.True(conflict != 0 && who.Contains("conflict", StringComparison.Ordinal), who);
    }

    private async Task<string> ExportAsync(string account, string? email = null)
    {
        var file = Path.Combine(_folder, "package.zip");
        await File.WriteAllBytesAsync(file, await MadePackage.OfAsync(server, account, email is null ? [] : [("email", email)]));
        return file;
    }

    private async Task<(int Code, string Said)> ImportAsync(string package, string key)
    {
        using var said = new StringWriter();
        using var errors = new StringWriter();
        var host = new CliHost(TextReader.Null, said, errors, _folder, TimeProvider.System);
        var code = await DataVaultCommand.RunAsync(host, ["import", "package", package, "--key", key, "--purpose", "service-delivery", "--first-run", FirstRun, "--json"]);
        return (code, said.ToString() + errors);
    }

    private async Task<(int Code, string Said)> VerifyAsync(string package)
    {
        using var said = new StringWriter();
        using var desk = new Desk(said, said, progress: false);
        return (await VerifyCommand.RunAsync(desk, ["package", package, "--key", Key]), said.ToString());
    }
}
