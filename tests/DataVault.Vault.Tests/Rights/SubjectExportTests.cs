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
        using var profile = JsonDocument.Parse(package["data/json/profile.json"]);
        Assert.Equal(Repository.Policy.Catalogue.Fields.Select(f => f.Name).Order(), profile.RootElement.GetProperty("fields").EnumerateObject().Select(f => f.Name).Order());
        Assert.Equal("ada@example.com", profile.RootElement.GetProperty("fields").GetProperty("email").GetProperty("value").GetString());
        Assert.Equal(events.Order(), Lines(package["data/json/events.ndjson"]).Select(line => line.GetProperty("id").GetGuid()).Order());
        foreach (var type in Repository.Policy.Events.Types)
            Assert.Equal(2, Text(package[$"data/csv/events-{type.Type}.csv"]).TrimEnd().Split("\r\n").Length);
        Assert.Contains("marketing", Text(package["data/csv/consents.csv"]));
        Assert.Contains("record.write", Text(package["data/csv/access-log.csv"]));
        Assert.Contains("CRM", Text(package["data/json/access-log.ndjson"]));
    }

    [Fact]
    [Requirement("R62")]
    public async Task A_portability_package_has_what_was_provided_or_observed_under_consent_or_contract_and_nothing_else()
    {
        await world.EventsAsync(ada);
        var (whole, taken) = (await PackageAsync(RequestKinds.Access), await PackageAsync(RequestKinds.Portability));
        var fields = Fields(taken);
        Assert.Subset(Fields(whole).Keys.ToHashSet(), fields.Keys.ToHashSet());
        Assert.All(fields, field => Assert.Equal(Fields(whole)[field.Key].GetProperty("value").GetRawText(), field.Value.GetProperty("value").GetRawText()));
        Assert.Contains("email", fields.Keys);
        var policy = Repository.Policy;
        var underConsentOrContract = policy.Purposes.All.Where(purpose => purpose.LegalBasis is "consent" or "explicit-consent" or "contract").SelectMany(policy.Questions.UsedFor).Select(item => item.Name).ToHashSet();
        foreach (var field in policy.Catalogue.Fields)
            Assert.Equal(field.Portable && field.Origin is "provided" or "observed" && field.Portable && underConsentOrContract.Contains(field.Name), fields.ContainsKey(field.Name));
        Assert.DoesNotContain("notes", fields.Keys);
        Assert.DoesNotContain("churnRisk", fields.Keys);
        Assert.DoesNotContain(taken.Keys, path => path.Contains("access-log", StringComparison.Ordinal) || path.Contains("requests", StringComparison.Ordinal) || path.Contains("history", StringComparison.Ordinal));
        Assert.Contains("churnRisk", Text(taken["meta/withheld.json"]));
        Assert.Subset(Lines(whole["data/json/events.ndjson"]).Select(line => line.GetRawText()).ToHashSet(), Lines(taken["data/json/events.ndjson"]).Select(line => line.GetRawText()).ToHashSet());
        Assert.Equal(Text(whole["data/portable/person.jsonld"]), Text(taken["data/portable/person.jsonld"]));
    }

    [Fact]
    [Requirement("R04", "R50", "R54")]
    public async Task Values_that_were_replaced_are_in_the_package_too()
    {
        var patch = new ProfilePatch(new Dictionary<string, JsonElement> { ["familyName"] = JsonSerializer.SerializeToElement("Newname") }, "crm", null, null, "service-delivery");
        await world.Vault.Get<ProfileEditor>().PatchAsync(RightsWorld.Ingest, ada, null, patch, Guid.NewGuid(), default);
        var package = await PackageAsync(RequestKinds.Access);
        Assert.Contains(Lines(package["data/json/history.ndjson"]), line => line.GetProperty("field").GetString() == "familyName" && line.GetProperty("value").GetString() == "text of ada");
    }

    [Fact]
    public async Task No_cell_of_a_table_starts_a_formula()
    {
        await world.EventsAsync(ada);
        var package = await PackageAsync(RequestKinds.Access);
        Assert.Contains("'=HYPERLINK(ada)", Text(package["data/csv/profile.csv"]));
        Assert.Contains(",source,recordedAt,origin,notice,retention\r\n", Text(package["data/csv/profile.csv"]));
        Assert.Contains("'+447700900123", Text(package["data/csv/profile.csv"]));
        foreach (var (path, bytes) in package.Where(f => f.Key.EndsWith(".csv", StringComparison.Ordinal)))
            Assert.DoesNotMatch(new Regex("(^|[,\n\uFEFF])\"?[=+@\t]"), Text(bytes));
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
    public async Task What_cannot_be_built_is_tried_ever_more_rarely_for_each_attempt_is_an_entry()
    {
        await world.Vault.Get<ProfileEditor>().PatchAsync(
            RightsWorld.Ingest, ada, null, new ProfilePatch(StoreVault.Object("""{"familyName": "Other"}"""), "crm", null, "2026-01", "service-delivery"), Guid.NewGuid(), default);
        await world.VaultSqlAsync("update vault.history set sealed = set_byte(sealed, length(sealed) - 5, get_byte(sealed, length(sealed) - 5) # 1)");
        Assert.Equal(RequestStates.Approved, (await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Access, ada)).State);
        for (var round = 0; round < 40; round++)
        {
            await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
            world.Clock.Advance(TimeSpan.FromSeconds(30));
        }

        Assert.InRange((await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Subject = ada, Type = EntryType.Export })).Entries.Count, 5, 12);
    }

    [Fact]
    public async Task A_package_that_another_server_has_is_not_said_to_be_fetched()
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Access, ada);
        var file = Assert.Single(Directory.GetFiles(Path.Combine(world.Home, "packages")));
        File.Move(file, file + ".elsewhere");
        await RefusedAsync("invalid-state", () => FetchAsync(RightsWorld.Customer(ada), request.Id));
        File.Move(file + ".elsewhere", file);
        Assert.NotEmpty(await FetchAsync(RightsWorld.Customer(ada), request.Id));
    }

    [Fact]
    public async Task A_request_that_somebody_forged_keeps_no_others_package_from_going()
    {
        var forged = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Access, ada);
        var bob = await world.PersonAsync("bob");
        await world.OpenAsync(RightsWorld.Customer(bob), RequestKinds.Access, bob);
        await world.ExecuteAsync($"update vault.request set jurisdiction = 'uk' where request_id = '{forged.Id}'");
        world.Clock.Advance(TimeSpan.FromDays(15));
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => world.Vault.Get<SubjectExport>().SweepAsync(default))).Slug);
        Assert.Empty(Directory.GetFiles(Path.Combine(world.Home, "packages")));
        Assert.Equal([forged.Id.ToString()], await world.ListAsync("select request_id::text from vault.request where package_key is not null"));
    }

    [Fact]
    public async Task A_package_is_not_for_officers_unless_they_asked_for_somebody_without_a_sign_in()
    {
        var own = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Access, ada);
        await RefusedAsync("forbidden", () => FetchAsync(RightsWorld.Officer, own.Id));
        var letter = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada);
        await world.Requests.VerifyAsync(RightsWorld.Officer, letter.Id, null, Guid.NewGuid(), default, "document-seen");
        Assert.True((await world.ApproveAsync(letter.Id)).HasPackage);
        Assert.NotEmpty(await FetchAsync(RightsWorld.Officer, letter.Id));
    }

    [Fact]
    public async Task No_application_fetches_a_package_that_an_officer_ordered()
    {
        var letter = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada);
        await world.Requests.VerifyAsync(RightsWorld.Officer, letter.Id, null, Guid.NewGuid(), default, "document-seen");
        await world.ApproveAsync(letter.Id);
        var desk = new Recipient(RecipientKind.Application, "desk", "Desk", ["compliance-officer"], ["data-subject-rights"]);
        await RefusedAsync("forbidden", () => FetchAsync(desk, letter.Id));
        Assert.NotEmpty(await FetchAsync(RightsWorld.Officer, letter.Id));
    }

    [Fact]
    public async Task The_package_of_somebody_who_can_sign_in_no_officer_fetches_alone_and_they_hear_of_it_at_once()
    {
        var second = new Recipient(RecipientKind.Staff, "officer-2", "officer", ["compliance-officer"], ["data-subject-rights"]);
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada);
        await world.Requests.VerifyAsync(RightsWorld.Officer, request.Id, null, Guid.NewGuid(), default, "document-seen");
        world.Accounts.Linked.Add(new LinkedAccount(ada.Value, RightsWorld.Start));
        var confirming = await world.ApproveAsync(request.Id);
        Assert.Equal((RequestStates.Confirming, RightsWorld.Officer.Id, world.Clock.GetUtcNow()), (confirming.State, confirming.Facts.ApprovedFirst!.By, confirming.Facts.ApprovedFirst.At));
        Assert.Contains("You approved it first", (await Assert.ThrowsAsync<VaultException>(() => world.ApproveAsync(request.Id))).Message, StringComparison.Ordinal);
        Assert.True((await world.Requests.ApproveAsync(second, request.Id, null, Guid.NewGuid(), default)).HasPackage);
        Assert.NotEmpty(await FetchAsync(RightsWorld.Officer, request.Id));
        Assert.Equal("package-handed-out", (await world.Vault.Get<RequestLetters>().ListAsync(RightsWorld.Customer(ada), request.Id, Guid.NewGuid(), default))[^1].Kind);

        // Approved while there was no account, or under a policy without the rule: theirs alone.
        var (before, bob) = (await world.PersonAsync("before"), await world.PersonAsync("bob"));
        var other = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Access, before);
        await world.Requests.VerifyAsync(RightsWorld.Officer, other.Id, null, Guid.NewGuid(), default, "document-seen");
        Assert.True((await world.ApproveAsync(other.Id)).HasPackage);
        world.Accounts.Linked.Add(new LinkedAccount(before.Value, RightsWorld.Start));
        await RefusedAsync("invalid-state", () => FetchAsync(RightsWorld.Officer, other.Id));
        Assert.NotEmpty(await FetchAsync(RightsWorld.Customer(before), other.Id));
        await RefusedAsync("not-found", () => FetchAsync(RightsWorld.Customer(bob), other.Id));
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
        await world.Requests.VerifyAsync(RightsWorld.Officer, request.Id, null, Guid.NewGuid(), default, "document-seen");
        await world.Vault.Get<RequestStore>().ChangeAsync(RightsWorld.Officer, request.Id, row => row with { State = RequestStates.Approved }, Guid.NewGuid(), default);
        await world.RestartAsync();
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.True((await world.GetAsync(request.Id)).HasPackage);
    }

    [Fact]
    public async Task Two_who_build_the_same_package_at_once_leave_one_that_opens()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada);
        await world.Requests.VerifyAsync(RightsWorld.Officer, request.Id, null, Guid.NewGuid(), default, "document-seen");
        var row = await world.Vault.Get<RequestStore>().ChangeAsync(RightsWorld.Officer, request.Id, r => r with { State = RequestStates.Approved }, Guid.NewGuid(), default);
        var export = world.Vault.Get<SubjectExport>();
        var thrown = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Task.Run(async () => await Record.ExceptionAsync(() => export.BuildAsync(row, default)))));
        Assert.Contains(thrown, e => e is null);
        await export.SweepAsync(default);
        Assert.Single(Directory.GetFiles(Path.Combine(world.Home, "packages")));
        Assert.NotEmpty(await FetchAsync(RightsWorld.Officer, request.Id));
    }

    private Task<Dictionary<string, byte[]>> PackageAsync(string kind) => OpenedPackage.OfAsync(world, ada, kind);

    private static Dictionary<string, JsonElement> Fields(Dictionary<string, byte[]> package) =>
        JsonSerializer.Deserialize<JsonElement>(package["data/json/profile.json"]).GetProperty("fields").EnumerateObject().ToDictionary(field => field.Name, field => field.Value);

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
