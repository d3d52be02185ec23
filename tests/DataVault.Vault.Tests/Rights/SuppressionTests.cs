using System.Text.Json;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>Who was erased is not taken in again from an old file, unless they come back themselves.</summary>
public sealed class SuppressionTests : IAsyncLifetime
{
    private const string Marks = "select token::text from vault.suppression where token is not null";
    private RightsWorld world = null!;

    public async ValueTask InitializeAsync() => world = await RightsWorld.CreateAsync();

    public ValueTask DisposeAsync() => world.DisposeAsync();

    private ProfileEditor Editor => world.Vault.Get<ProfileEditor>();

    [Fact]
    [Requirement("R59")]
    public async Task Who_was_erased_is_not_taken_in_again_from_an_old_file_by_any_way_in()
    {
        var erased = await EraseAsync(await world.PersonAsync("ada"));
        var bob = await world.PersonAsync("bob");
        Assert.Equal(("suppressed", "/fields/email"), await RefusalAsync(RightsWorld.Ingest, Somebody("ada@example.com", null)));
        Assert.Equal(("suppressed", "/fields/email"), await RefusalAsync(RightsWorld.Ingest, Somebody(" ADA@Example.com ", null)));
        Assert.Equal(("suppressed", "/fields/customerNumber"), await RefusalAsync(RightsWorld.Ingest, Somebody("new.address@example.com", "N-ada")));
        var patch = new ProfilePatch(StoreVault.Object("""{"email": "ada@example.com"}"""), "crm", null, null, "service-delivery");
        Assert.Equal("suppressed", (await Assert.ThrowsAsync<VaultException>(() => Editor.PatchAsync(RightsWorld.Ingest, bob, null, patch, Guid.NewGuid(), default))).Slug);

        var batch = await Editor.CreateManyAsync(RightsWorld.Ingest, [Somebody("cyd@example.com", null), Somebody("ada@example.com", "N-9"), Somebody("bob@example.com", null)], null, Guid.NewGuid(), default);
        Assert.Equal([null, "suppressed", "conflict"], batch.Select(item => item.Error?.Slug));
        // What was refused has claimed nothing, and a name is no hash of anybody.
        Assert.NotNull((await Editor.CreateManyAsync(RightsWorld.Ingest, [Somebody("eve@example.com", "N-9")], null, Guid.NewGuid(), default))[0].Value);

        var denied = (await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Type = EntryType.Denied })).Entries;
        Assert.Equal(5, denied.Count(entry => entry.Entry.Rules.Contains("suppressed")));
        Assert.True(ErasureCertificate.TryParse(await world.Requests.CertificateAsync(RightsWorld.Officer, erased, Guid.NewGuid(), default), out var certificate));
        Assert.Equal(2, certificate!.Statement.Residuals.Single(one => one.Key == "suppression-marks").Value);
    }

    [Fact]
    [Requirement("R59")]
    public async Task Who_may_not_know_of_the_erased_is_answered_as_if_somebody_held_the_value()
    {
        await EraseAsync(await world.PersonAsync("ada"));
        await world.PersonAsync("bob");
        var (erased, living) = (await ThrownAsync(RightsWorld.Support, Somebody("ada@example.com", null, "customer-support")), await ThrownAsync(RightsWorld.Support, Somebody("bob@example.com", null, "customer-support")));
        Assert.Equal((living.Slug, living.Message), (erased.Slug, erased.Message));
        Assert.Equal(living.Errors, erased.Errors);
        var returning = Somebody("ada@example.com", null, "customer-support") with { Returning = "person-asked" };
        Assert.Equal("forbidden", (await ThrownAsync(RightsWorld.Support, returning)).Slug);
        Assert.Equal("forbidden", (await ThrownAsync(RightsWorld.Ingest, Somebody("ada@example.com", null) with { Returning = "because" })).Slug);
    }

    [Fact]
    [Requirement("R59")]
    public async Task Who_comes_back_is_taken_in_on_record_and_stays_in_after_a_restore()
    {
        await EraseAsync(await world.PersonAsync("ada"));
        await world.BackUpDataAsync();
        var back = await Editor.CreateAsync(RightsWorld.Ingest, Somebody("ada@example.com", null) with { Returning = "account-opened" }, null, Guid.NewGuid(), default);
        var entry = Assert.Single((await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Subject = back.Id, Type = EntryType.SuppressionLifted })).Entries).Entry;
        Assert.Equal(["ground:account-opened", "erasures:1"], entry.Rules);
        // The number that they had before goes with the address.
        Assert.Empty(await world.ListAsync(Marks));
        await EraseAsync(back.Id);
        Assert.Single(await world.ListAsync(Marks));
        Assert.Equal("suppressed", (await RefusalAsync(RightsWorld.Ingest, Somebody("ada@example.com", null))).Slug);

        // A database from before they came back has the first marks again, and the journal knows better.
        await world.RestoreDataAsync();
        Assert.Single(await world.ListAsync(Marks));
        Assert.NotNull(await Editor.CreateAsync(RightsWorld.Ingest, Somebody("new.address@example.com", "N-ada"), null, Guid.NewGuid(), default));
        Assert.Equal("suppressed", (await RefusalAsync(RightsWorld.Ingest, Somebody("ada@example.com", null))).Slug);
    }

    [Fact]
    [Requirement("R59", "R57")]
    public async Task A_restored_database_still_knows_whom_it_erased_since()
    {
        var ada = await world.PersonAsync("ada");
        await world.BackUpDataAsync();
        await EraseAsync(ada);
        await world.RestoreDataAsync();
        Assert.Equal(2, (await world.ListAsync(Marks)).Count);
        Assert.Equal("suppressed", (await RefusalAsync(RightsWorld.Ingest, Somebody("ada@example.com", null))).Slug);
    }

    [Fact]
    [Requirement("R59")]
    public async Task An_officer_lets_somebody_in_who_asks_and_an_application_lets_in_nobody()
    {
        await EraseAsync(await world.PersonAsync("ada"));
        var list = world.Vault.Get<Suppressions>();
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => list.LiftAsync(RightsWorld.Ingest, "email", "ada@example.com", "person-asked", Guid.NewGuid(), default))).Slug);
        Assert.Equal("invalid-fields", (await Assert.ThrowsAsync<VaultException>(() => list.LiftAsync(RightsWorld.Officer, "givenName", "Ada", "person-asked", Guid.NewGuid(), default))).Slug);
        Assert.Equal(0, (await list.LiftAsync(RightsWorld.Officer, "email", "nobody@example.com", "person-asked", Guid.NewGuid(), default)).Erasures);
        var state = await list.StateAsync(RightsWorld.Officer, Guid.NewGuid(), default);
        Assert.Equal((1, 2, "legal-obligation"), (state.Figures.Groups, state.Figures.Marks, state.Rules!.Purpose.LegalBasis));
        Assert.Equal(1, (await list.LiftAsync(RightsWorld.Officer, "email", "Ada@Example.com", "person-asked", Guid.NewGuid(), default)).Erasures);
        Assert.NotNull(await Editor.CreateAsync(RightsWorld.Ingest, Somebody("ada@example.com", "N-ada"), null, Guid.NewGuid(), default));
    }

    [Fact]
    [Requirement("R59", "R58")]
    public async Task A_mark_is_forgotten_with_its_time_and_its_key_with_the_last_of_them()
    {
        await EraseAsync(await world.PersonAsync("ada"));
        world.Clock.Advance(RightsWorld.Start.AddMonths(36).AddDays(-1) - world.Clock.GetUtcNow());
        await RoundAsync();
        Assert.Equal(2, (await world.ListAsync(Marks)).Count);
        await EraseAsync(await world.PersonAsync("bob"));
        world.Clock.Advance(TimeSpan.FromDays(2));
        await RoundAsync();
        Assert.Equal(2, (await world.ListAsync(Marks)).Count);
        Assert.Equal(["false", "true"], await world.KeysListAsync($"select (wrapped is not null)::text from keys.index_epoch where index_id = {SuppressionKeys.List} order by epoch"));
        Assert.Equal(2, File.ReadAllLines(Path.Combine(world.Home, "suppression.journal")).Length);
        var entry = Assert.Single((await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Type = EntryType.SuppressionExpired })).Entries).Entry;
        Assert.Equal(["marks:2"], entry.Rules);
        Assert.NotNull(await Editor.CreateAsync(RightsWorld.Ingest, Somebody("ada@example.com", null), null, Guid.NewGuid(), default));
        Assert.Equal("suppressed", (await RefusalAsync(RightsWorld.Ingest, Somebody("bob@example.com", null))).Slug);
    }

    [Fact]
    [Requirement("R59", "R58")]
    public async Task A_policy_without_the_file_keeps_nothing_and_forgets_what_was_kept()
    {
        await EraseAsync(await world.PersonAsync("ada"));
        var files = Repository.ChangedFiles();
        files.Remove("suppression.yaml");
        world.Vault.Get<ActivePolicy>().Swap(PolicySet.Load(files));
        var request = await EraseAsync(await world.PersonAsync("bob"));
        Assert.Equal(2, (await world.ListAsync(Marks)).Count);
        Assert.DoesNotContain("suppression", await world.Requests.CertificateAsync(RightsWorld.Officer, request, Guid.NewGuid(), default), StringComparison.Ordinal);
        await RoundAsync();
        Assert.Empty(await world.ListAsync("select group_id::text from vault.suppression"));
        Assert.Empty(File.ReadAllText(Path.Combine(world.Home, "suppression.journal")));
        Assert.NotNull(await Editor.CreateAsync(RightsWorld.Ingest, Somebody("ada@example.com", null), null, Guid.NewGuid(), default));
    }

    [Fact]
    [Requirement("R59")]
    public async Task A_number_that_the_policy_names_keeps_out_whichever_field_it_comes_in()
    {
        world.Vault.Get<ActivePolicy>().Swap(Repository.ChangedPolicy(("suppression.yaml", "[email, customerNumber]", "[email, phone]")));
        await EraseAsync(await world.PersonAsync("ada"));
        var customer = Somebody("new.address@example.com", null);
        var fields = customer.Fields.Append(new("phone", JsonSerializer.SerializeToElement("+44 7700 900123"))).ToDictionary();
        Assert.Equal(("suppressed", "/fields/phone"), await RefusalAsync(RightsWorld.Ingest, customer with { Fields = fields }));
    }

    [Fact]
    [Requirement("R59")]
    public async Task A_package_of_this_vault_of_somebody_whom_it_has_erased_is_refused_whatever_it_says()
    {
        var ada = await world.PersonAsync("ada");
        var access = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Access, ada);
        await EraseAsync(ada);
        var own = world.Vault.Get<VaultOptions>().Origin;
        var other = Somebody("new.address@example.com", null);
        Assert.Equal("erased-here", (await ThrownAsync(RightsWorld.Ingest, other with { Package = new PackageOrigin(own, access.Id) })).Slug);
        Assert.NotNull(await Editor.CreateAsync(RightsWorld.Ingest, other with { Package = new PackageOrigin("other.example/log", access.Id) }, null, Guid.NewGuid(), default));
        var back = Somebody("ada@example.com", null) with { Package = new PackageOrigin(own, access.Id), Returning = "person-asked" };
        Assert.NotNull(await Editor.CreateAsync(RightsWorld.Ingest, back, null, Guid.NewGuid(), default));
    }

    [Fact]
    [Requirement("R59")]
    public async Task What_somebody_does_to_the_marks_in_the_database_is_found_and_undone()
    {
        await EraseAsync(await world.PersonAsync("ada"));
        await EraseAsync(await world.PersonAsync("bob"));
        await world.VaultSqlAsync("delete from vault.suppression where number = 0; update vault.suppression set expires_on = expires_on + 1000");
        var findings = (await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions())).Findings.Where(finding => finding.Check == "suppression").Select(finding => finding.Message).ToList();
        Assert.Equal(2, findings.Count(message => message.EndsWith("it keeps nobody out", StringComparison.Ordinal)));
        Assert.Contains(findings, message => message.StartsWith("2 marks of people who were erased are gone", StringComparison.Ordinal));
        await world.RestartAsync();
        foreach (var name in new[] { "ada", "bob" })
        {
            Assert.Equal("/fields/email", (await RefusalAsync(RightsWorld.Ingest, Somebody($"{name}@example.com", null))).Pointer);
            Assert.Equal("/fields/customerNumber", (await RefusalAsync(RightsWorld.Ingest, Somebody("new.address@example.com", $"N-{name}"))).Pointer);
        }

        Assert.DoesNotContain((await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions())).Findings, finding => finding.Check == "suppression");
    }

    [Fact]
    [Requirement("R59")]
    public async Task An_erasure_that_nobody_asked_for_keeps_nobody_out()
    {
        var ada = await world.PersonAsync("ada");
        await world.Vault.Get<RetentionErasures>().OpenAsync(ada, default);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Empty(await world.ListAsync("select group_id::text from vault.suppression"));
        await world.PersonAsync("ada");
    }

    private async Task<Guid> EraseAsync(SubjectId subject)
    {
        var request = await world.OpenAsync(RightsWorld.Customer(subject), RequestKinds.Erasure, subject);
        Assert.Equal(RequestStates.Completed, (await world.ApproveAsync(request.Id)).State);
        return request.Id;
    }

    private async Task RoundAsync() => Assert.True(await world.Vault.Get<SuppressionExpiry>().RoundAsync(default));

    private static NewCustomer Somebody(string email, string? number, string purpose = "service-delivery")
    {
        var fields = new Dictionary<string, JsonElement> { ["email"] = JsonSerializer.SerializeToElement(email), ["givenName"] = JsonSerializer.SerializeToElement("Old file") };
        if (number is not null) fields["customerNumber"] = JsonSerializer.SerializeToElement(number);
        return new NewCustomer(fields, "old-file", null, null, purpose, null);
    }

    private async Task<VaultException> ThrownAsync(Recipient recipient, NewCustomer customer) =>
        await Assert.ThrowsAsync<VaultException>(() => Editor.CreateAsync(recipient, customer, null, Guid.NewGuid(), default));

    private async Task<(string Slug, string? Pointer)> RefusalAsync(Recipient recipient, NewCustomer customer)
    {
        var thrown = await ThrownAsync(recipient, customer);
        return (thrown.Slug, thrown.Errors.Select(error => error.Pointer).FirstOrDefault());
    }
}
