using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using DataVault.Vault.Tests.Rights;
using Xunit;

namespace DataVault.Vault.Tests.Check;

/// <summary>Older records are served after a restore that an operator stands behind, as far as it explains them, and after no other.</summary>
public sealed class DeclaredRestoreTests : IAsyncLifetime
{
    private RightsWorld world = null!;
    private SubjectId ada;
    private SubjectId bob;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        (ada, bob) = (await world.PersonAsync("ada"), await world.PersonAsync("bob"));
        await world.ChangeAsync(bob, "Robert");
        await world.BackUpDataAsync();
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    public async Task A_database_that_was_shortened_without_a_word_serves_no_record_that_was_rolled_back_until_an_operator_accepts_it()
    {
        await ChangeAndSeeAsync(ada, "Adele");
        await world.ShortenDataAsync();
        await world.RestartAsync();

        await AssertRefusedAsync(ada);
        await AssertReadsAsync(bob);
        var report = await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true));
        Assert.Contains(report.Findings, finding => finding.Message.Contains("no operator stands behind", StringComparison.Ordinal));
        Assert.Contains(report.Notes, note => note.Contains("Found", StringComparison.Ordinal));

        var acceptance = world.Vault.Get<RestoreAcceptance>();
        var found = Assert.Single(await acceptance.ListAsync());
        Assert.Equal((RestoreWord.Found, false), (found.Word, found.IsBelieved));
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => acceptance.AcceptAsync(found.Index - 1))).Slug);
        var (_, taken, refused) = await acceptance.AcceptAsync(found.Index);
        Assert.Equal((1, 0), (taken, refused));
        await AssertReadsAsync(ada);
        await world.Vault.AssertSoundAsync();
        // The word stands under the key of its day, also when another signs by now.
        await world.Vault.Get<SignerCare>().RotateAsync();
        await world.Vault.Get<CheckpointSigner>().SignAsync();
        await world.Vault.Get<SignerCare>().RetireAsync();
        await world.Vault.AssertSoundAsync();
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => acceptance.AcceptAsync(found.Index))).Slug);
        await world.ChangeAsync(ada, "Ada");
        await world.RestartAsync();
        await AssertReadsAsync(ada);
        await world.Vault.AssertSoundAsync();
    }

    [Fact]
    public async Task A_row_that_is_older_than_an_ordered_restore_explains_is_not_served()
    {
        await ChangeAndSeeAsync(ada, "Adele");
        await ChangeAndSeeAsync(bob, "Bert");
        await world.PutDataBackAsync();
        // Bob's row as it was before the copy was made: under a restore that is sound in itself.
        await world.VaultSqlAsync($"update vault.subject set row_version = row_version - 1 where subject_id = '{bob}'");
        await world.RestartAsync();

        await AssertReadsAsync(ada);
        Assert.True(await RememberedAsync(bob) > 2, "the remembered version was lowered to a row that the restore does not explain");
    }

    [Fact]
    public async Task The_word_of_an_operator_excuses_one_restore_and_not_the_next()
    {
        await ChangeAndSeeAsync(ada, "Adele");
        await world.RestoreDataAsync();
        await AssertReadsAsync(ada);
        Assert.False(File.Exists(Path.Combine(world.Home, "restore.order")));
        await ChangeAndSeeAsync(ada, "Adelheid");
        await world.ShortenDataAsync();
        await world.RestartAsync();

        await AssertRefusedAsync(ada);
        var declared = await world.Vault.Get<RestoreAcceptance>().ListAsync();
        Assert.Equal([RestoreWord.Ordered, RestoreWord.Found], declared.Select(restore => restore.Word));
    }

    [Fact]
    public async Task A_declaration_of_an_earlier_version_is_believed_once_an_operator_has_accepted_it()
    {
        var from = (await world.Vault.Get<LogStore>().HeadAsync(default)).Size;
        await ChangeAndSeeAsync(ada, "Adele");
        await world.ShortenDataAsync();
        // The start writes what an earlier version wrote: the same entry without a signature.
        await world.RestartAsync();
        var head = (await world.Vault.Get<LogStore>().HeadAsync(default)).Size;
        await world.Vault.Get<AuditLog>().AppendAsync(
            world.Vault.Get<AuditLog>().Entry(EntryType.RestoreDeclared, LogWorker.Keeper, default, "", EntryResult.Ok, []) with { Reference = from }, null, default);
        await world.RestartAsync();
        await AssertRefusedAsync(ada);

        await world.Vault.Get<RestoreAcceptance>().AcceptAsync(head);
        await AssertReadsAsync(ada);
        await world.Vault.AssertSoundAsync();
    }

    [Fact]
    public async Task A_failover_that_lost_what_nobody_mirrored_leaves_people_refused_until_an_operator_lets_the_vault_forget_what_the_log_does_not_know()
    {
        // What such a failover leaves behind: the keys database knows of a version, and neither the records nor the log or its mirror do.
        await world.KeysSqlAsync($"update keys.subject_key set newest = 9 where subject_id in ('{ada}', '{bob}')");
        await world.RestartAsync();
        await AssertRefusedAsync(ada);
        var report = await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true));
        Assert.Contains(report.Findings, finding => finding.Message.Contains(ada.ToString(), StringComparison.Ordinal));

        var acceptance = world.Vault.Get<RestoreAcceptance>();
        Assert.Empty(await acceptance.ListAsync());
        var (first, people) = await acceptance.ForgetAsync([ada, ada]);
        Assert.Equal(1, people);
        await AssertReadsAsync(ada);
        await AssertRefusedAsync(bob);
        Assert.Equal((0, 0), await acceptance.ForgetAsync([ada]));

        var entry = LogEntry.Decode((await world.Vault.Get<LogStore>().EntriesAtAsync([first], default))[first]);
        using (var held = await world.Vault.Get<KeyRegistry>().GetAsync(ada)) Assert.Equal(held.Tag.ToArray(), entry.Subject.ToArray());
        Assert.Equal((EntryType.RestoreDeclared, 1), (entry.Type, entry.RecordVersion));
        Assert.Equal(RestoreWord.Forgotten, RestoreDeclaration.Check(entry, first, world.Vault.Get<SignerKeys>().List));
        Assert.Empty(await acceptance.ListAsync());
        Assert.Equal(1, (await acceptance.ForgetAsync([bob])).People);
        await world.RestartAsync();
        await AssertReadsAsync(ada);
        await AssertReadsAsync(bob);
        await world.Vault.AssertSoundAsync();
    }

    [Fact]
    public async Task What_the_log_tells_of_is_not_forgotten_for_anybody()
    {
        await ChangeAndSeeAsync(ada, "Adele");
        await ChangeAndSeeAsync(bob, "Bert");
        await world.ShortenDataAsync();
        await world.RestartAsync();
        await AssertRefusedAsync(ada);

        Assert.Equal((0, 0), await world.Vault.Get<RestoreAcceptance>().ForgetAsync([ada, bob, new SubjectId(Guid.NewGuid())]));
        await AssertRefusedAsync(ada);
        await world.KeysSqlAsync("update keys.subject_key set newest = 9");
        Assert.Equal(2, (await world.Vault.Get<RestoreAcceptance>().ForgetAsync([ada, bob])).People);
        await AssertRefusedAsync(ada);
        Assert.Equal((2, 3), (await RememberedAsync(ada), await RememberedAsync(bob)));

        // The restore that lost them counts once it was meant, and then the log proves no more than what stands there.
        await world.Vault.Get<RestoreAcceptance>().AcceptAsync((await world.Vault.Get<RestoreAcceptance>().ListAsync()).Single().Index);
        await AssertReadsAsync(ada);
        await world.KeysSqlAsync("update keys.subject_key set newest = 9");
        await world.RestartAsync();
        await AssertRefusedAsync(bob);
        await world.Vault.Get<RestoreAcceptance>().ForgetAsync([ada, bob]);
        await AssertReadsAsync(bob);
        await world.Vault.AssertSoundAsync();
    }

    private async Task ChangeAndSeeAsync(SubjectId subject, string name)
    {
        await world.ChangeAsync(subject, name);
        await AssertReadsAsync(subject);
        await world.Vault.Get<NewestVersions>().FlushAsync(default);
    }

    private async Task<long> RememberedAsync(SubjectId subject) =>
        (await world.Vault.Get<NewestVersions>().OlderAsync([(subject.Value, 0)], default)).Single().Newest;

    private async Task AssertRefusedAsync(SubjectId subject) =>
        Assert.Equal("record-damaged", (await Assert.ThrowsAsync<VaultException>(() => AssertReadsAsync(subject))).Slug);

    private async Task AssertReadsAsync(SubjectId subject)
    {
        var query = new ReadQuery(RightsWorld.Support, subject, "customer-support", null, false, Guid.NewGuid());
        Assert.NotEmpty((await world.Vault.Get<DisclosureGate>().ReadAsync(query, default)).Fields);
    }
}
