using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

public sealed class SubjectExportTests : IAsyncLifetime
{
    private RightsWorld world = null!;
    private SubjectId ada;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    [Requirement("R50")]
    public async Task Every_field_and_every_event_that_is_held_is_in_the_package()
    {
        var events = await world.EventsAsync(ada);
        var package = await PackageAsync(RequestKinds.Access);
        using var profile = JsonDocument.Parse(package["profile.json"]);
        Assert.Equal(Repository.Policy.Catalogue.Fields.Select(f => f.Name).Order(), profile.RootElement.GetProperty("fields").EnumerateObject().Select(f => f.Name).Order());
        Assert.Equal("ada@example.com", profile.RootElement.GetProperty("fields").GetProperty("email").GetProperty("value").GetString());
        Assert.Equal(events.Order(), Lines(package["events.jsonl"]).Select(line => line.GetProperty("id").GetGuid()).Order());
        foreach (var type in Repository.Policy.Events.Types)
            Assert.Equal(2, Text(package[$"events/{type.Type}.csv"]).TrimEnd().Split("\r\n").Length);
        Assert.Contains("marketing", Text(package["consents.csv"]));
        Assert.Contains("record.write", Text(package["accesses.csv"]));
        Assert.Contains("CRM", Text(package["accesses.jsonl"]));
    }

    [Fact]
    [Requirement("R62")]
    public async Task A_portability_package_leaves_out_what_the_person_did_not_provide()
    {
        var package = await PackageAsync(RequestKinds.Portability);
        using var profile = JsonDocument.Parse(package["profile.json"]);
        var fields = profile.RootElement.GetProperty("fields").EnumerateObject().Select(f => f.Name).ToList();
        Assert.Equal(Repository.Policy.Catalogue.Fields.Where(f => f.Portable).Select(f => f.Name).Order(), fields.Order());
        Assert.DoesNotContain("notes", fields);
    }

    [Fact]
    [Requirement("R04", "R50", "R54")]
    public async Task Values_that_were_replaced_are_in_the_package_too()
    {
        var patch = new ProfilePatch(new Dictionary<string, JsonElement> { ["familyName"] = JsonSerializer.SerializeToElement("Newname") }, "crm", null, null, "service-delivery");
        await world.Vault.Get<ProfileEditor>().PatchAsync(RightsWorld.Ingest, ada, null, patch, Guid.NewGuid(), default);
        var package = await PackageAsync(RequestKinds.Access);
        Assert.Contains(Lines(package["history.jsonl"]), line => line.GetProperty("field").GetString() == "familyName" && line.GetProperty("value").GetString() == "text of ada");
    }

    [Fact]
    public async Task No_cell_of_a_table_starts_a_formula()
    {
        await world.EventsAsync(ada);
        var package = await PackageAsync(RequestKinds.Access);
        Assert.Contains("'=HYPERLINK(ada)", Text(package["profile.csv"]));
        Assert.Contains(",source,recordedAt,origin,notice\r\n", Text(package["profile.csv"]));
        Assert.Contains("'+447700900123", Text(package["profile.csv"]));
        foreach (var (path, bytes) in package.Where(f => f.Key.EndsWith(".csv", StringComparison.Ordinal)))
            Assert.DoesNotMatch(new Regex("(^|[,\n\uFEFF])\"?[=+@\t]"), Text(bytes));
    }

    [Fact]
    public async Task The_readable_page_shows_the_values_and_fetches_nothing()
    {
        await world.EventsAsync(ada);
        var page = Text((await PackageAsync(RequestKinds.Access))["README.html"]);
        Assert.Contains("ada@example.com", page);
        Assert.Contains("default-src 'none'", page);
        Assert.DoesNotMatch(new Regex("(src|href)=\"(?!#)"), page);
        Assert.DoesNotContain("<script", page);
    }

    [Fact]
    public async Task The_manifest_names_each_file_with_its_hash_and_the_policy()
    {
        var package = await PackageAsync(RequestKinds.Access);
        using var manifest = JsonDocument.Parse(package["manifest.json"]);
        var named = manifest.RootElement.GetProperty("files").EnumerateArray().ToDictionary(f => f.GetProperty("path").GetString()!, f => f.GetProperty("sha256").GetString());
        Assert.Equal(package.Keys.Where(path => path != "manifest.json").Order(), named.Keys.Order());
        Assert.All(named, file => Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(package[file.Key])), file.Value));
        Assert.Equal(Repository.Policy.Version, manifest.RootElement.GetProperty("policyVersion").GetString());
    }

    [Fact]
    public async Task A_customers_export_needs_no_officer_is_logged_and_is_fetched_once()
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Access, ada);
        Assert.Equal((RequestStates.Completed, true), (request.State, request.HasPackage));
        Assert.NotEmpty(await FetchAsync(RightsWorld.Customer(ada), request.Id));
        Assert.False((await world.GetAsync(request.Id)).HasPackage);
        await RefusedAsync("invalid-state", () => FetchAsync(RightsWorld.Customer(ada), request.Id));
        Assert.Empty(Directory.GetFiles(Path.Combine(world.Home, "packages")));
        var page = await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Subject = ada, Type = EntryType.Export });
        Assert.Equal(Repository.Policy.Catalogue.Fields.Count + Repository.Policy.Events.Types.Count, Assert.Single(page.Entries).Entry.Items.Count);
    }

    [Fact]
    public async Task A_package_is_not_for_officers_unless_they_asked_for_somebody_without_a_sign_in()
    {
        var own = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Access, ada);
        await RefusedAsync("forbidden", () => FetchAsync(RightsWorld.Officer, own.Id));
        var letter = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada);
        await world.Requests.VerifyAsync(RightsWorld.Officer, letter.Id, null, Guid.NewGuid(), default);
        Assert.True((await world.ApproveAsync(letter.Id)).HasPackage);
        Assert.NotEmpty(await FetchAsync(RightsWorld.Officer, letter.Id));
    }

    [Fact]
    public async Task No_application_fetches_a_package_that_an_officer_ordered()
    {
        var letter = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada);
        await world.Requests.VerifyAsync(RightsWorld.Officer, letter.Id, null, Guid.NewGuid(), default);
        await world.ApproveAsync(letter.Id);
        var desk = new Recipient(RecipientKind.Application, "desk", "Desk", ["compliance-officer"], ["data-subject-rights"]);
        await RefusedAsync("forbidden", () => FetchAsync(desk, letter.Id));
        Assert.NotEmpty(await FetchAsync(RightsWorld.Officer, letter.Id));
    }

    [Fact]
    public async Task A_package_at_rest_holds_nothing_readable_and_expires()
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Access, ada);
        var file = Assert.Single(Directory.GetFiles(Path.Combine(world.Home, "packages")));
        var bytes = await File.ReadAllBytesAsync(file);
        Assert.Equal(-1, bytes.AsSpan().IndexOf("PK"u8.ToArray().Concat(new byte[] { 3, 4 }).ToArray()));
        world.Clock.Advance(TimeSpan.FromDays(15));
        await RefusedAsync("invalid-state", () => FetchAsync(RightsWorld.Customer(ada), request.Id));
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.False(File.Exists(file));
    }

    [Fact]
    public async Task An_export_that_was_cut_off_is_built_after_the_restart()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada);
        await world.Requests.VerifyAsync(RightsWorld.Officer, request.Id, null, Guid.NewGuid(), default);
        await world.Vault.Get<RequestStore>().ChangeAsync(RightsWorld.Officer, request.Id, row => row with { State = RequestStates.Approved }, Guid.NewGuid(), default);
        await world.RestartAsync();
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.True((await world.GetAsync(request.Id)).HasPackage);
    }

    [Fact]
    public async Task Two_who_build_the_same_package_at_once_leave_one_that_opens()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada);
        await world.Requests.VerifyAsync(RightsWorld.Officer, request.Id, null, Guid.NewGuid(), default);
        var row = await world.Vault.Get<RequestStore>().ChangeAsync(RightsWorld.Officer, request.Id, r => r with { State = RequestStates.Approved }, Guid.NewGuid(), default);
        var export = world.Vault.Get<SubjectExport>();
        var thrown = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Task.Run(async () => await Record.ExceptionAsync(() => export.BuildAsync(row, default)))));
        Assert.Contains(thrown, e => e is null);
        await export.SweepAsync(default);
        Assert.Single(Directory.GetFiles(Path.Combine(world.Home, "packages")));
        Assert.NotEmpty(await FetchAsync(RightsWorld.Officer, request.Id));
    }

    private async Task<Dictionary<string, byte[]>> PackageAsync(string kind)
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), kind, ada);
        using var zip = new ZipArchive(new MemoryStream(await FetchAsync(RightsWorld.Customer(ada), request.Id)));
        return zip.Entries.ToDictionary(entry => entry.FullName, entry =>
        {
            using var content = entry.Open();
            using var copy = new MemoryStream();
            content.CopyTo(copy);
            return copy.ToArray();
        });
    }

    private async Task<byte[]> FetchAsync(Recipient recipient, Guid request)
    {
        await using var stream = await world.Requests.PackageAsync(recipient, request, Guid.NewGuid(), default);
        using var copy = new MemoryStream();
        await stream.CopyToAsync(copy);
        return copy.ToArray();
    }

    private static IEnumerable<JsonElement> Lines(byte[] jsonLines) =>
        Text(jsonLines).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonSerializer.Deserialize<JsonElement>(line));

    private static string Text(byte[] bytes) => Encoding.UTF8.GetString(bytes);

    private static async Task RefusedAsync(string slug, Func<Task> act) => Assert.Equal(slug, (await Assert.ThrowsAsync<VaultException>(act)).Slug);
}
