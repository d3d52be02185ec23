using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>Copies of the databases from before keys of people changed: refused where people would be unreadable, and what was erased of them stays away.</summary>
public sealed class RenewedCopiesTests : IAsyncLifetime
{
    private RightsWorld world = null!;
    private SubjectId ada;
    private SubjectId bob;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        (ada, bob) = (await world.PersonAsync("ada"), await world.PersonAsync("bob"));
        await world.EventsAsync(ada);
        await world.FeedAsync();
        await world.Vault.Get<LegalHolds>().PlaceAsync(
            RightsWorld.Officer, new NewHold([ada], ["email"], ["customer-support"], "legal-claim", "a case", world.Clock.GetUtcNow().AddDays(30)), Guid.NewGuid(), default);
        await world.StopAsync();
        await world.Databases.BackUpAsync(world.Databases.VaultName);
        await world.Databases.BackUpAsync(world.Databases.KeysName);
        await world.RestartAsync();
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    public async Task Keys_from_before_a_renewal_are_refused_until_the_data_of_their_time_are_there_too()
    {
        await world.RotateAsync(RotationLevels.Subjects);
        await world.StopAsync();
        await world.Databases.RestoreAsync(world.Databases.KeysName);
        var refusal = await Assert.ThrowsAsync<VaultStartException>(() => world.RestartAsync());
        Assert.Contains("The keys database is a copy from before", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("2 of 2 records", refusal.Message, StringComparison.Ordinal);
        await using (var data = await OpenAsync(world.Databases.VaultAdmin))
        await using (var keys = await OpenAsync(world.Databases.KeysAdmin))
            Assert.Equal(refusal.Message, await new RestoreLosses(world.Home).RefusalAsync(data, keys));

        await world.Databases.RestoreAsync(world.Databases.VaultName);
        await world.RestartAsync();
        await AssertReadsAsync(bob);
        await world.RotateAsync(RotationLevels.Subjects);
        await world.RestartAsync();
        await AssertReadsAsync(bob);
    }

    [Fact]
    public async Task Data_from_before_a_renewal_are_refused_once_the_former_keys_are_gone()
    {
        await world.RotateAsync(RotationLevels.Subjects);
        await world.PutDataBackAsync();
        var refusal = await Assert.ThrowsAsync<VaultStartException>(() => world.RestartAsync());
        Assert.Contains("The vault database is a copy from before", refusal.Message, StringComparison.Ordinal);
        new RestoreLosses(world.Home).Accept();
        await world.RestartAsync();
        Assert.Equal("unavailable", (await Assert.ThrowsAsync<VaultException>(() => AssertReadsAsync(bob))).Slug);
    }

    [Fact]
    public async Task Data_from_before_a_renewal_that_is_not_settled_are_read_with_the_former_keys()
    {
        var (registry, steps, store) = (world.Vault.Get<KeyRegistry>(), world.Vault.Get<RotationSteps>(), world.Vault.Get<RotationStore>());
        var job = await store.InsertAsync(RotationLevels.Subjects, await steps.Level(RotationLevels.Subjects).PlanAsync(null, default), default);
        await steps.StepAsync(job.Id, default);
        Assert.NotNull(await registry.NextPageAsync(-1, default));
        await world.PutDataBackAsync();
        await world.RestartAsync();
        await AssertReadsAsync(bob);
        await world.Databases.RestoreAsync(world.Databases.VaultName);
    }

    [Fact]
    public async Task Keys_from_before_the_erasure_of_a_part_are_refused()
    {
        await EraseAdaAsync();
        await world.StopAsync();
        await world.Databases.RestoreAsync(world.Databases.KeysName);
        var refusal = await Assert.ThrowsAsync<VaultStartException>(() => world.RestartAsync());
        Assert.Contains("1 of 2 records", refusal.Message, StringComparison.Ordinal);
        new RestoreLosses(world.Home).Accept();
        await world.RestartAsync();
        await AssertReadsAsync(bob);
    }

    [Fact]
    public async Task Both_databases_from_before_the_erasure_of_a_part_keep_what_was_held_and_nothing_else()
    {
        var request = await EraseAdaAsync();
        await world.PutDataBackAsync();
        await world.Databases.RestoreAsync(world.Databases.KeysName);
        await KeysSqlAsync("create function keys.fail() returns trigger language plpgsql as $$ begin raise 'the power is gone'; end $$; create trigger fail before update of generation on keys.page execute function keys.fail()");
        await Assert.ThrowsAsync<PostgresException>(() => world.RestartAsync());
        await KeysSqlAsync("drop trigger fail on keys.page; drop function keys.fail()");
        await world.RestartAsync();

        await AssertOnlyTheHeldIsThereAsync();
        await AssertReadsAsync(bob);
        await world.RestartAsync();
        await AssertOnlyTheHeldIsThereAsync();
        // Opened and approved again, the erasure goes on to its end.
        await Assert.ThrowsAsync<VaultException>(() => world.GetAsync(request));
        var again = await world.ApproveAsync((await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada)).Id);
        Assert.Equal("partial", again.Erasure!.State);
        var hold = (await world.ListAsync("select hold_id::text from vault.hold"))[0];
        await world.Vault.Get<LegalHolds>().ReleaseAsync(RightsWorld.Officer, Guid.Parse(hold), null, Guid.NewGuid(), default);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal(RequestStates.Completed, (await world.GetAsync(again.Id)).State);
        Assert.Empty(await world.TablesNamingAsync(ada.ToString()));
        await world.Vault.AssertSoundAsync();
    }

    [Theory]
    [InlineData("delete from keys.subject_key where subject_id = '{0}'")]
    [InlineData("create function keys.none() returns trigger language plpgsql as 'begin return null; end'; create trigger none before update of successor on keys.subject_key for each row execute function keys.none()")]
    public async Task One_person_whose_part_cannot_be_erased_again_is_closed_and_everybody_else_is_served(string damage)
    {
        Assert.Equal("partial", (await world.ApproveAsync((await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada)).Id)).Erasure!.State);
        await world.PutDataBackAsync();
        await world.Databases.RestoreAsync(world.Databases.KeysName);
        await world.Databases.Cluster.ExecuteAsync(world.Databases.KeysName, string.Format(System.Globalization.CultureInfo.InvariantCulture, damage, ada));
        for (var start = 0; start < 2; start++)
        {
            await world.RestartAsync();
            await AssertReadsAsync(bob);
            Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => AssertReadsAsync(ada))).Slug);
            var report = await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true));
            Assert.Contains(report.Findings, finding => finding.Message.Contains(ada.ToString(), StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task The_data_alone_from_before_the_erasure_of_a_part_lose_what_no_key_opens_and_what_needs_none()
    {
        await EraseAdaAsync();
        await world.PutDataBackAsync();
        await world.RestartAsync();
        Assert.Empty(await world.ListAsync($"select subject_id::text from vault.identifier where subject_id = '{ada}' union all select subject_id::text from vault.consent_event where subject_id = '{ada}' union all select subject_id::text from vault.search_term where subject_id = '{ada}'"));
        await AssertReadsAsync(bob);
        await world.RestartAsync();
        await AssertReadsAsync(bob);
    }

    [Fact]
    public async Task A_start_beside_an_erasure_leaves_it_to_those_who_carry_it_out_and_everybody_elses_analytics_as_they_are()
    {
        var domain = Repository.Policy.Analytics[0];
        var before = await world.ListAsync($"select pseudonym from {domain.Schema}.customer order by 1");
        Assert.Equal(2, before.Count);
        world.Vault.Get<SubjectErasure>().StepDone = done =>
        {
            if (done == ErasureStep.KeyDestroyed) throw new InvalidOperationException("cut off");
        };
        var request = await world.OpenAsync(RightsWorld.Customer(bob), RequestKinds.Erasure, bob);
        await world.ApproveAsync(request.Id);
        await world.RestartAsync();

        Assert.Equal(before, await world.ListAsync($"select pseudonym from {domain.Schema}.customer order by 1"));
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        var text = await world.Requests.CertificateAsync(RightsWorld.Officer, request.Id, Guid.NewGuid(), default);
        Assert.True(ErasureCertificate.TryParse(text, out var certificate));
        Assert.False(certificate!.Statement.Replayed);
        Assert.Single(await world.ListAsync($"select pseudonym from {domain.Schema}.customer"));
        Assert.Empty(await world.TablesNamingAsync(bob.ToString()));
        await world.Vault.AssertSoundAsync();
    }

    [Fact]
    public async Task The_lines_of_a_part_are_read_as_written_and_a_writer_that_died_between_them_is_followed_by_another()
    {
        var home = Directory.CreateTempSubdirectory("dv-journal-").FullName;
        var part = new PartialTombstone(new Tombstone(new byte[32], [.. Enumerable.Range(0, 32).Select(n => (byte)n)], DateTimeOffset.UnixEpoch), [.. Enumerable.Range(1, 20).Select(n => n * 71)]);
        var path = Path.Combine(home, "tombstones.journal");
        using (var one = new TombstoneJournal(home)) await one.AppendAsync(Guid.Empty, part, default);
        using (var file = File.OpenWrite(path)) file.SetLength(2 * 229 + 100);
        using (var two = new TombstoneJournal(home))
        {
            await two.AppendAsync(Guid.Empty, part, default);
            await two.AppendAsync(Guid.Empty, part, default);
            await two.AppendAsync(Guid.Empty, new Tombstone(new byte[32], new byte[32], DateTimeOffset.UnixEpoch), default);
        }

        using (var three = new TombstoneJournal(home))
        {
            Assert.Single(await three.ReadAllAsync(Guid.Empty, default));
            Assert.Equal(7, three.Count);
            var read = Assert.Single(three.Parts).Value;
            Assert.Equal(part.Kept, read.Kept);
            Assert.Equal(part.Name, read.Name);
            Assert.Equal(part.Of.Commitment, read.Of.Commitment);
        }

        Directory.Delete(home, recursive: true);
    }

    private async Task<Guid> EraseAdaAsync()
    {
        var request = await world.ApproveAsync((await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada)).Id);
        Assert.Equal("partial", request.Erasure!.State);
        return request.Id;
    }

    private async Task AssertOnlyTheHeldIsThereAsync()
    {
        var seen = await ReadAsync(ada);
        Assert.Equal(["email"], seen.Fields.Select(field => field.Name));
        Assert.Equal(["keys.subject_key", "vault.hold_subject", "vault.subject"], (await world.TablesNamingAsync(ada.ToString())).Keys.Where(table => table != "vault.request").Order());
        await world.Vault.AssertSoundAsync();
    }

    private async Task AssertReadsAsync(SubjectId subject) => Assert.NotEmpty((await ReadAsync(subject)).Fields);

    private Task<Disclosure> ReadAsync(SubjectId subject) =>
        world.Vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(RightsWorld.Support, subject, "customer-support", null, false, Guid.NewGuid()), default);

    private Task KeysSqlAsync(string sql) => world.Databases.Cluster.ExecuteAsync(world.Databases.KeysName, sql);

    private static async Task<NpgsqlConnection> OpenAsync(string connection)
    {
        var open = new NpgsqlConnection(connection);
        await open.OpenAsync();
        return open;
    }
}
