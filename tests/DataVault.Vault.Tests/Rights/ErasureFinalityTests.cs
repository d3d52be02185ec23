using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

public sealed class ErasureFinalityTests : IAsyncLifetime
{
    private RightsWorld world = null!;
    private SubjectId ada;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
        await world.PersonAsync("bob");
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    [Requirement("R57")]
    public async Task An_erasure_is_executed_first_and_final_when_the_epoch_of_its_key_is_destroyed()
    {
        var request = await EraseAsync();
        var executed = await CertificateAsync(request);
        Assert.False(executed.Statement.IsFinal);
        Assert.Equal(new ErasureProgress("executed", executed.Statement.FinalAt), Simple(await world.GetAsync(request)));
        Assert.Equal(0, await world.Vault.Get<ErasureFinality>().RunAsync(default));
        await DestroyEpochsAsync();
        Assert.True(world.Clock.GetUtcNow() >= executed.Statement.FinalAt);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        var final = await CertificateAsync(request);
        Assert.True(final.Statement.IsFinal);
        Assert.Equal(executed.Statement.FinalAt, final.Statement.FinalAt);
        Assert.Equal((executed.Statement.Born, executed.Statement.ExecutedIndex), (final.Statement.Born, final.Statement.ExecutedIndex));
        Assert.Equal("final", (await world.GetAsync(request)).Erasure!.State);
        Assert.Equal(0, await world.Vault.Get<ErasureFinality>().RunAsync(default));
        Assert.Single(await EntriesAsync(EntryType.EraseFinal));
    }

    [Fact]
    public async Task A_row_of_somebody_erased_that_an_administrator_puts_back_is_named_and_not_taken_for_an_erasure_under_way()
    {
        await world.VaultSqlAsync("drop schema if exists kept cascade; create schema kept; create table kept.subject as table vault.subject");
        await EraseAsync();
        Assert.Empty(await FindingsAsync());
        await world.VaultSqlAsync($"insert into vault.subject select * from kept.subject where subject_id = '{ada}'");
        Assert.Contains(await FindingsAsync(), finding => finding == $"{ada} is erased, and has a record: somebody put its row back");

        async Task<List<string>> FindingsAsync() => [.. (await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions())).Findings.Select(finding => finding.Message)];
    }

    [Fact]
    public async Task The_whole_log_bears_the_certificate_out_and_no_other_persons_key()
    {
        var request = await EraseAsync();
        await DestroyEpochsAsync();
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        var certificate = await CertificateAsync(request);
        var records = (await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Limit = 500 })).Entries;
        Assert.Equal(EntryType.KeyCreate, records.Single(r => r.Index == certificate.Statement.Born!.Value.Index).Entry.Type);
        Assert.All(records, record => Assert.Null(certificate.Contradiction(record.Index, record.Entry)));
    }

    [Fact]
    public async Task What_was_held_and_renewed_before_it_was_erased_is_final_in_the_end_and_agrees_with_the_log_all_the_way()
    {
        await world.EventsAsync(ada);
        await world.ChangeAsync(ada, "Adele");
        var holds = world.Vault.Get<LegalHolds>();
        var hold = await holds.PlaceAsync(
            RightsWorld.Officer, new NewHold([ada], ["email", "givenName", "event:purchase"], ["customer-support"], "legal-claim", "a case", world.Clock.GetUtcNow().AddDays(30)), Guid.NewGuid(), default);
        var opened = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        Assert.Equal("partial", (await world.ApproveAsync(opened.Id)).Erasure!.State);
        await world.Vault.AssertSoundAsync();
        await world.RotateAsync(RotationLevels.Subjects);
        await world.RotateAsync(RotationLevels.Subjects);
        await world.Vault.AssertSoundAsync();
        await holds.ReleaseAsync(RightsWorld.Officer, hold.Id, null, Guid.NewGuid(), default);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal("executed", (await world.GetAsync(opened.Id)).Erasure!.State);
        Assert.Empty(await world.TablesNamingAsync(ada.ToString()));
        await world.Vault.AssertSoundAsync();
        await DestroyEpochsAsync();
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        var certificate = await CertificateAsync(opened.Id);
        Assert.True(certificate.Statement.IsFinal);
        var records = (await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Limit = 500 })).Entries;
        Assert.Equal(EntryType.KeyRotate, records.Single(r => r.Index == certificate.Statement.Born!.Value.Index).Entry.Type);
        Assert.All(records, record => Assert.Null(certificate.Contradiction(record.Index, record.Entry)));
        await world.Vault.AssertSoundAsync();
    }

    [Fact]
    public async Task The_key_of_every_person_is_in_the_log_at_birth_one_by_one_or_in_bulk()
    {
        var editor = world.Vault.Get<ProfileEditor>();
        var people = Enumerable.Range(0, 40).Select(i => new NewCustomer(new Dictionary<string, System.Text.Json.JsonElement> { ["customerNumber"] = System.Text.Json.JsonSerializer.SerializeToElement($"B-{i}") }, "crm", null, null, "service-delivery", null)).ToList();
        var made = (await editor.CreateManyAsync(RightsWorld.Ingest, people, null, Guid.NewGuid(), default)).Select(item => item.Value!.Id).Append(ada).ToList();
        foreach (var subject in made)
        {
            using var keys = await world.Vault.Get<KeyRegistry>().GetAsync(subject);
            Assert.NotNull(await world.Vault.Get<KeyBirths>().FindAsync(keys.Tag, keys.Commitment, default));
        }
    }

    [Theory]
    [InlineData((int)FinalityStep.Entered)]
    [InlineData((int)FinalityStep.Certified)]
    public async Task Finality_that_is_cut_off_after_any_step_is_reached_after_the_restart_with_one_entry(int step)
    {
        var request = await EraseAsync();
        await DestroyEpochsAsync();
        world.Vault.Get<ErasureFinality>().StepDone = done =>
        {
            if (done == (FinalityStep)step) throw new InvalidOperationException("cut off");
        };
        await Assert.ThrowsAsync<InvalidOperationException>(() => world.Vault.Get<ErasureFinality>().RunAsync(default));
        await world.RestartAsync();
        await world.Vault.Get<ErasureFinality>().RunAsync(default);
        Assert.True((await CertificateAsync(request)).Statement.IsFinal);
        Assert.Single(await EntriesAsync(EntryType.EraseFinal));
    }

    [Fact]
    public async Task Processes_that_make_an_erasure_final_at_once_leave_one_entry_and_one_certificate()
    {
        var request = await EraseAsync();
        await DestroyEpochsAsync();
        var finality = world.Vault.Get<ErasureFinality>();
        var done = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => finality.RunAsync(default))));
        Assert.Equal(1, done.Sum());
        Assert.True((await CertificateAsync(request)).Statement.IsFinal);
        Assert.Single(await EntriesAsync(EntryType.EraseFinal));
    }

    [Fact]
    public async Task An_epoch_whose_slot_is_still_there_makes_nothing_final()
    {
        var request = await EraseAsync();
        var slot = Path.Combine(world.Home, "epochs", "1.slot");
        var bytes = await File.ReadAllBytesAsync(slot);
        await DestroyEpochsAsync();
        await File.WriteAllBytesAsync(slot, bytes);
        Assert.Equal(0, await world.Vault.Get<ErasureFinality>().RunAsync(default));
        Assert.False((await CertificateAsync(request)).Statement.IsFinal);
        File.Delete(slot);
        Assert.Equal(1, await world.Vault.Get<ErasureFinality>().RunAsync(default));
    }

    [Fact]
    public async Task What_the_log_was_not_told_of_an_epoch_before_a_crash_is_entered_later_and_once()
    {
        world.Clock.Advance(TimeSpan.FromDays(2));
        var epochs = world.Vault.Get<EpochRotation>();
        await epochs.BeginAsync(2, default);
        world.Clock.Advance(TimeSpan.FromDays(9));
        await epochs.DestroyOldAsync(default);
        await world.RestartAsync();
        var worker = world.Vault.Get<KeyWorker>();
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => worker.TurnEpochsAsync(false, default)));
        Assert.Equal([1], (await EntriesAsync(EntryType.EpochDestroyed)).Select(entry => (int)entry.RecordVersion));
        Assert.Equal([2, 3], (await EntriesAsync(EntryType.KeyRotate)).Select(entry => (int)entry.RecordVersion).Where(epoch => epoch > 0).Order());
    }

    [Fact]
    public async Task An_erasure_of_an_earlier_version_becomes_final_too()
    {
        var request = await EraseAsync();
        var text = (await CertificateAsync(request)).ToString();
        await world.ExecuteAsync("update vault.closed_request set epoch_id = null, final_due = null where certificate is not null");
        await DestroyEpochsAsync();
        Assert.Equal(1, await world.Vault.Get<ErasureFinality>().RunAsync(default));
        var final = await CertificateAsync(request);
        Assert.True(final.Statement.IsFinal);
        Assert.NotEqual(text, final.ToString());
    }

    [Fact]
    public async Task A_certificate_that_somebody_damaged_keeps_no_other_from_becoming_final()
    {
        var damaged = await EraseAsync();
        ada = await world.PersonAsync("cid");
        var other = await EraseAsync();
        var last = await world.PersonAsync("dan");
        var earlier = await world.OpenAsync(RightsWorld.Customer(last), RequestKinds.Erasure, last);
        await world.ApproveAsync(earlier.Id);
        await world.ExecuteAsync($"update vault.closed_request set certificate = 'no certificate' where request_id = '{damaged}'");
        await world.ExecuteAsync($"update vault.closed_request set epoch_id = null, final_due = null where request_id in ('{damaged}', '{earlier.Id}')");
        await DestroyEpochsAsync();
        await Assert.ThrowsAsync<InvalidDataException>(() => world.Vault.Get<ErasureFinality>().RunAsync(default));
        foreach (var request in new[] { other, earlier.Id }) Assert.True((await CertificateAsync(request)).Statement.IsFinal);
    }

    private static ErasureProgress Simple(RequestView view) => new(view.Erasure!.State, view.Erasure.FinalAt);

    private async Task<Guid> EraseAsync()
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        return (await world.ApproveAsync(request.Id)).Id;
    }

    private async Task DestroyEpochsAsync()
    {
        var worker = world.Vault.Get<KeyWorker>();
        world.Clock.Advance(TimeSpan.FromHours(25));
        await worker.TurnEpochsAsync(false, default);
        world.Clock.Advance(TimeSpan.FromDays(8));
        await worker.TurnEpochsAsync(false, default);
    }

    private async Task<ErasureCertificate> CertificateAsync(Guid request)
    {
        var text = await world.Requests.CertificateAsync(RightsWorld.Officer, request, Guid.NewGuid(), default);
        Assert.True(ErasureCertificate.TryParse(text, out var certificate));
        Assert.Null(certificate!.Verify(NoteVerifier.Parse(world.Vault.Get<AuditReader>().VerifierKey)));
        return certificate;
    }

    private async Task<IReadOnlyList<LogEntry>> EntriesAsync(EntryType type) =>
        [.. (await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Type = type })).Entries.Select(record => record.Entry)];
}
