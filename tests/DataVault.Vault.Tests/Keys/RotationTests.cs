using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using DataVault.Vault.Tests.Rights;
using Xunit;

namespace DataVault.Vault.Tests.Keys;

/// <summary>Each level rotated: cut off after every step and gone on with by another process, and while people read and write.</summary>
public sealed class RotationTests : IAsyncLifetime
{
    private RightsWorld world = null!;

    public async ValueTask InitializeAsync() => world = await RightsWorld.CreateAsync();

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Theory]
    [Requirement("R73")]
    [InlineData(RotationLevels.Root)]
    [InlineData(RotationLevels.Vault)]
    [InlineData(RotationLevels.Epoch)]
    [InlineData(RotationLevels.Subjects)]
    public async Task A_rotation_that_is_cut_off_after_every_step_is_finished_and_everything_reads(string level)
    {
        var (ada, bob) = (await world.PersonAsync("ada"), await world.PersonAsync("bob"));
        foreach (var person in new[] { ada, bob }) await world.EventsAsync(person);
        await ChangeAsync(ada, "Adele");
        var note = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Rectification, ada, "a note about ada");
        var before = await ReadAllAsync(ada);

        var rotation = await StartAsync(level);
        var steps = 0;
        while (await DoneAsync(rotation.Id) is null)
        {
            // The effect of a step stands, what it says of itself is lost: the next process does it once more.
            var job = (await Store.FindAsync(rotation.Id, default))!;
            await Steps.Level(level).StepAsync(job, default);
            await world.RestartAsync();
            await StepAsync(rotation.Id);
            Assert.Equal(before, await ReadAllAsync(ada));
            Assert.NotEmpty((await ReadAsync(bob)).Fields);
            Assert.InRange(++steps, 1, 100);
        }

        await world.RestartAsync();
        Assert.Equal(before, await ReadAllAsync(ada));
        Assert.Equal("a note about ada", (await world.Requests.NotesAsync(RightsWorld.Officer, note.Id, Guid.NewGuid(), default))[0].Text);
        await ChangeAsync(ada, "Ada");
        await world.EventsAsync(bob);
        var view = (await Store.FindAsync(rotation.Id, default))!.View;
        Assert.Equal((RotationStates.Done, null), (view.State, view.Error));
        Assert.True(view.Done >= view.Total, $"{view.Done} of {view.Total}");
        Assert.Contains((await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Type = EntryType.KeyRotate })).Entries, e => e.Entry.Rules.Contains($"rotation:{level}:done"));
    }

    [Theory]
    [InlineData(RotationLevels.Vault)]
    [InlineData(RotationLevels.Epoch)]
    [InlineData(RotationLevels.Subjects)]
    public async Task People_read_and_write_without_an_error_while_keys_are_rotated(string level)
    {
        var people = new List<SubjectId>();
        for (var i = 0; i < 6; i++) people.Add(await world.PersonAsync("p" + i));
        var other = await world.DeafProcessAsync();
        using var stop = new CancellationTokenSource();
        var rounds = 0;
        async Task UseAsync(RunningVault vault, int from)
        {
            for (var i = from; !stop.IsCancellationRequested; i++)
            {
                var person = people[i % people.Count];
                var query = new ReadQuery(RightsWorld.Support, person, "customer-support", null, false, Guid.NewGuid());
                Assert.NotEmpty((await vault.Get<DisclosureGate>().ReadAsync(query, default)).Fields);
                await vault.Get<ProfileEditor>().PatchAsync(RightsWorld.Ingest, person, null, Patch("Ada" + (char)('a' + (i % 26))), Guid.NewGuid(), default);
                Assert.Equal(EventStatus.Stored, (await vault.Get<EventRecorder>().AppendAsync(RightsWorld.Ingest, [Event(person)], Guid.NewGuid(), default)).Items[0].Status);
                var events = await vault.Get<DisclosureGate>().ReadEventsAsync(RightsWorld.Customer(person), person, "data-subject-rights", null, 500, null, Guid.NewGuid(), default);
                Assert.NotEmpty(events.Events);
                Interlocked.Increment(ref rounds);
            }
        }

        var using1 = Task.Run(() => UseAsync(world.Vault, 0));
        var using2 = Task.Run(() => UseAsync(other, 3));
        for (var turn = 0; turn < 3 && !using1.IsFaulted && !using2.IsFaulted; turn++)
        {
            var rotation = await StartAsync(level);
            var seen = Volatile.Read(ref rounds);
            while (await DoneAsync(rotation.Id) is null)
            {
                await StepAsync(rotation.Id);
                if (using1.IsFaulted || using2.IsFaulted) break;
            }

            while (Volatile.Read(ref rounds) < seen + 4 && !using1.IsFaulted && !using2.IsFaulted) await Task.Yield();
        }

        await stop.CancelAsync();
        await Task.WhenAll(using1, using2);
        foreach (var person in people) Assert.NotEmpty(await ReadAllAsync(person));
    }

    [Fact]
    public async Task A_renewed_person_has_the_same_tag_and_pseudonyms_and_another_commitment_which_the_log_tells()
    {
        var ada = await world.PersonAsync("ada");
        await world.EventsAsync(ada);
        await ChangeAsync(ada, "Adele");
        var before = await FactsOfAsync(ada);
        await DriveAsync(RotationLevels.Subjects);
        var after = await FactsOfAsync(ada);
        Assert.Equal((before.Tag, before.Pseudonym), (after.Tag, after.Pseudonym));
        Assert.NotEqual(before.Commitment, after.Commitment);
        Assert.Equal(before.Version + 1, after.Version);

        var record = (await SubjectRows.FindAsync(world.Vault.Get<VaultDatabase>(), ada, default))!;
        var told = (await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Subject = ada, Type = EntryType.KeyRotate })).Entries.Select(e => e.Entry).Reverse().ToList();
        Assert.Equal(3, told.Count);
        Assert.Equal((record.RowVersion, after.Commitment), (told[0].RecordVersion, Hex(told[0].KeyCommitment)));
        Assert.Equal(Hex(world.Vault.Get<RecordCipher>().Digest(record)), Hex(told[0].Seal));
        Assert.Equal([before.Commitment, ""], told.Skip(1).Select(e => Hex(e.KeyCommitment)));
        var batches = await world.ListAsync($"select encode(sha256(string_agg({EventLeaves.Sql}, ''::bytea order by {EventLeaves.Sql})), 'hex') from vault.event where subject_id = '{ada}' group by batch");
        Assert.Equal([Hex(told[2].Seal)], batches);
        var changes = await world.ListAsync($"select encode(sha256(string_agg({ProfileTables.HistoryHashSql}, ''::bytea order by row_version)), 'hex') from vault.history where subject_id = '{ada}'");
        Assert.Equal([Hex(told[0].DetailHash)], changes);
    }

    [Fact]
    public async Task The_version_that_a_caller_read_before_the_renewal_is_still_the_one_that_he_changes()
    {
        var ada = await world.PersonAsync("ada");
        var read = await ReadAsync(ada);
        var job = await StartAsync(RotationLevels.Subjects);
        await StepAsync(job.Id);
        var outcome = await world.Vault.Get<ProfileEditor>().PatchAsync(RightsWorld.Ingest, ada, read.Version, Patch("Adele"), Guid.NewGuid(), default);
        Assert.Equal(read.Version + 1, outcome.Version);
    }

    [Fact]
    public async Task After_the_grace_nothing_of_a_former_key_is_left_and_its_values_do_not_open()
    {
        var ada = await world.PersonAsync("ada");
        var stale = (await SubjectRows.FindAsync(world.Vault.Get<VaultDatabase>(), ada, default))!;
        await DriveAsync(RotationLevels.Subjects);
        Assert.Equal(["0"], await world.KeysListAsync("select count(*)::text from keys.subject_key where other is not null or key_version <> 2"));
        using var held = await world.Vault.Get<KeyRegistry>().GetAsync(ada);
        await Assert.ThrowsAsync<StaleKeyException>(async () => await world.Vault.Get<KeyRegistry>().MatchAsync(held, stale));
    }

    [Fact]
    public async Task What_does_not_open_keeps_its_key_and_the_rotation_says_of_how_many()
    {
        var (ada, bob) = (await world.PersonAsync("ada"), await world.PersonAsync("bob"));
        await world.VaultSqlAsync($"update vault.subject set record = set_byte(record, 60, 255 - get_byte(record, 60)) where subject_id = '{bob}'");
        var rotation = await DriveAsync(RotationLevels.Subjects);
        Assert.StartsWith("1 people", rotation.Error, StringComparison.Ordinal);
        Assert.NotEmpty((await ReadAsync(ada)).Fields);
        Assert.Equal([$"{bob}|1"], await world.KeysListAsync("select subject_id || '|' || key_version from keys.subject_key where key_version = 1 and other is null"));
    }

    [Fact]
    public async Task Somebody_erased_in_the_middle_of_a_rotation_is_gone_with_both_versions()
    {
        var (ada, bob) = (await world.PersonAsync("ada"), await world.PersonAsync("bob"));
        var job = await StartAsync(RotationLevels.Subjects);
        await StepAsync(job.Id);
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        await world.ApproveAsync(request.Id);
        Assert.Empty(await world.KeysListAsync($"select 1::text from keys.subject_key where subject_id = '{ada}'"));
        Assert.NotEmpty(await ReadAllAsync(bob));
        while (await DoneAsync(job.Id) is null) await StepAsync(job.Id);
        await world.RestartAsync();
        Assert.NotEmpty(await ReadAllAsync(bob));
    }

    [Fact]
    public async Task A_vault_key_that_was_rotated_away_opens_nothing_any_more()
    {
        var ada = await world.PersonAsync("ada");
        byte[] former;
        using (var key = world.Vault.Get<VaultKeys>().Copy(1)) former = key.Span.ToArray();
        await DriveAsync(RotationLevels.Vault);
        Assert.Equal(["2"], await world.KeysListAsync("select version::text from keys.vault_key where wrapped is not null"));
        Assert.Empty(await world.KeysListAsync("select name from keys.root where vault_key_version < 2 and wrapped is not null union all select epoch_id::text from keys.epoch where vault_key_version < 2 and wrapped is not null"));
        using (var wrapping = KeyDerivation.Expand(former, "root-wrap"))
        {
            foreach (var wrapped in await world.KeysListAsync("select encode(wrapped, 'hex') from keys.root"))
                Assert.ThrowsAny<System.Security.Cryptography.CryptographicException>(() => SealedValue.OpenSecret(wrapping.Span, Convert.FromHexString(wrapped), []));
        }

        Assert.Throws<VaultStartException>(() => world.Vault.Get<VaultKeys>().Copy(1));
        await world.RestartAsync();
        Assert.NotEmpty((await ReadAsync(ada)).Fields);
    }

    [Fact]
    public async Task A_root_key_that_was_rotated_away_opens_nothing_any_more()
    {
        var ada = await world.PersonAsync("ada");
        var old = new RootKeySource.SealedFile { Path = Path.Combine(world.Home, "root.key") };
        var next = new RootKeySource.SealedFile { Path = Path.Combine(world.Home, "next", "root.key") };
        await Assert.ThrowsAsync<VaultStartException>(() => world.RestartAsync(next));
        await world.RestartAsync(next, old);
        Assert.NotEmpty((await ReadAsync(ada)).Fields);
        await DriveAsync(RotationLevels.Root);
        await world.RestartAsync(next);
        Assert.NotEmpty((await ReadAsync(ada)).Fields);
        await Assert.ThrowsAsync<VaultStartException>(() => world.RestartAsync(old));
        await world.RestartAsync(next);
    }

    [Fact]
    public async Task Of_several_processes_one_works_and_another_goes_on_when_it_ends()
    {
        await world.PersonAsync("ada");
        var other = await world.DeafProcessAsync();
        var job = await StartAsync(RotationLevels.Vault);
        await using (var holder = await world.Vault.Get<KeysDatabase>().OpenAsync())
        {
            await using var take = new Npgsql.NpgsqlCommand("select pg_advisory_lock(75047377131090)", holder);
            await take.ExecuteNonQueryAsync();
            Assert.False(await other.Get<RotationRunner>().DriveAsync(null, rest: false, default));
            await using var release = new Npgsql.NpgsqlCommand("select pg_advisory_unlock_all()", holder);
            await release.ExecuteNonQueryAsync();
        }

        Assert.True(await other.Get<RotationRunner>().DriveAsync(null, rest: false, default));
        Assert.NotNull(await DoneAsync(job.Id));
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(async () =>
        {
            await StartAsync(RotationLevels.Subjects);
            await StartAsync(RotationLevels.Subjects);
        })).Slug);
    }

    private RotationStore Store => world.Vault.Get<RotationStore>();

    private RotationSteps Steps => world.Vault.Get<RotationSteps>();

    private async Task<RotationView> StartAsync(string level) => await Store.InsertAsync(level, await Steps.Level(level).PlanAsync(null, default), default);

    private async Task StepAsync(Guid id)
    {
        var step = await Steps.StepAsync(id, default);
        if (step?.NotBefore is { } due && due > world.Clock.GetUtcNow()) world.Clock.Advance(due - world.Clock.GetUtcNow());
        if (step is null) Assert.Fail((await Store.FindAsync(id, default))!.View.ToString());
    }

    private async Task<RotationView> DriveAsync(string level)
    {
        var job = await StartAsync(level);
        while (await DoneAsync(job.Id) is null) await StepAsync(job.Id);
        return (await Store.FindAsync(job.Id, default))!.View;
    }

    private async Task<DateTimeOffset?> DoneAsync(Guid id) => (await Store.FindAsync(id, default))!.View.FinishedAt;

    private Task<Disclosure> ReadAsync(SubjectId subject) =>
        world.Vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(RightsWorld.Support, subject, "customer-support", null, false, Guid.NewGuid()), default);

    private async Task<IReadOnlyList<string>> ReadAllAsync(SubjectId subject)
    {
        var me = RightsWorld.Customer(subject);
        var gate = world.Vault.Get<DisclosureGate>();
        var record = await gate.ReadAsync(new ReadQuery(me, subject, "data-subject-rights", null, false, Guid.NewGuid()), default);
        var events = await gate.ReadEventsAsync(me, subject, "data-subject-rights", null, 500, null, Guid.NewGuid(), default);
        Assert.NotEmpty(record.Fields);
        return
        [
            .. record.Fields.Select(field => $"{field.Name}={Convert.ToHexString(field.Utf8Json.Span)}"),
            .. events.Events.Select(one => $"{one.Id}={Convert.ToHexString(one.Properties.Span)}"),
        ];
    }

    private Task<WriteOutcome> ChangeAsync(SubjectId subject, string name) =>
        world.Vault.Get<ProfileEditor>().PatchAsync(RightsWorld.Ingest, subject, null, Patch(name), Guid.NewGuid(), default);

    private static ProfilePatch Patch(string name) => new(StoreVault.Object($$"""{"givenName": "{{name}}"}"""), "crm", null, "2026-01", "service-delivery");

    private static NewEvent Event(SubjectId subject)
    {
        var type = Repository.Policy.Events.Types[0];
        return new(new CustomerLookup(Id: subject), type.Type, RightsWorld.Start, "shop", FullProfile.Properties(type), Guid.NewGuid(), "service-delivery");
    }

    private async Task<(string Tag, string Pseudonym, string Commitment, int Version)> FactsOfAsync(SubjectId subject)
    {
        using var held = await world.Vault.Get<KeyRegistry>().GetFreshAsync(subject);
        var pseudonym = AnalyticsRows.PseudonymsOf(held, world.Vault.Get<KeyRegistry>(), Repository.Policy)[0].Pseudonym;
        return (Hex(held.Tag), pseudonym, Hex(held.Commitment), held.KeyVersion);
    }

    private static string Hex(ReadOnlyMemory<byte> bytes) => Convert.ToHexStringLower(bytes.Span);
}
