using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Tests.Rights;
using Xunit;

namespace DataVault.Vault.Tests.Letters;

/// <summary>The letter that tells of an erasure comes when the person's key is gone, and leaves nothing behind.</summary>
public sealed class PartingLetterTests : IAsyncLifetime
{
    private readonly RecordedPost post = new();
    private RightsWorld world = null!;
    private SubjectId ada;

    private RequestLetters Letters => world.Vault.Get<RequestLetters>();

    private OutboxWorker Worker => world.Vault.Get<OutboxWorker>();

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync(post: post);
        ada = await world.PersonAsync("ada");
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    public async Task It_is_sent_when_the_person_is_gone_and_then_neither_it_nor_its_key_is_left()
    {
        var request = await EraseAsync(ada);
        Assert.Equal("1", Assert.Single(await world.KeysListAsync("select count(*)::text from keys.letter_key")));
        var queued = Assert.Single(await world.ListAsync("select letter from vault.parting_letter where let_out"));
        Assert.Equal("erased", queued);
        await Worker.RunAsync(default);
        var sent = Assert.Single(post.Sent);
        Assert.Equal(("ada@example.com", "Ihre Daten sind gelöscht"), (sent.To, sent.Printed.Subject));
        foreach (var said in new[] { $"https://vault.example/certificates/{request}", "bfdi.bund.de", request.ToString() }) Assert.Contains(said, sent.Printed.Text(), StringComparison.Ordinal);
        Assert.Empty(await world.ListAsync("select letter from vault.parting_letter"));
        Assert.Empty(await world.KeysListAsync("select letter_id::text from keys.letter_key"));
        Assert.Empty(await world.TablesNamingAsync("ada@example.com"));
        Assert.Empty((await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true))).Findings.Select(finding => finding.Message));
    }

    [Fact]
    public async Task Letters_that_were_not_sent_by_then_go_with_the_person_and_are_not_sent()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        await EraseAsync(ada);
        Assert.Empty(await world.ListAsync("select letter from vault.message"));
        await Worker.RunAsync(default);
        Assert.Equal("Ihre Daten sind gelöscht", Assert.Single(post.Sent).Printed.Subject);
        Assert.Empty(await Letters.ListAsync(RightsWorld.Officer, request.Id, Guid.NewGuid(), default));
    }

    [Theory]
    [InlineData(nameof(ErasureStep.Requested))]
    [InlineData(nameof(ErasureStep.KeyDestroyed))]
    [InlineData(nameof(ErasureStep.RowsDeleted))]
    public async Task It_comes_once_wherever_the_erasure_was_cut_off(string name)
    {
        var step = Enum.Parse<ErasureStep>(name);
        world.Vault.Get<SubjectErasure>().StepDone = done =>
        {
            if (done == step) throw new InvalidOperationException("cut off");
        };
        await EraseAsync(ada);
        await Worker.RunAsync(default);
        Assert.Equal(step == ErasureStep.RowsDeleted ? 1 : 0, post.Sent.Count);
        await world.RestartAsync();
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        await Worker.RunAsync(default);
        Assert.Equal("ada@example.com", Assert.Single(post.Sent).To);
    }

    [Fact]
    public async Task What_a_hold_keeps_is_told_with_why_and_until_when_and_nothing_follows()
    {
        var review = world.Clock.GetUtcNow().AddDays(90);
        var hold = await world.Vault.Get<LegalHolds>().PlaceAsync(
            RightsWorld.Officer, new NewHold([ada], ["event:purchase", "iban"], [], "legal-claim", "Case 7", review, null), Guid.NewGuid(), default);
        await EraseAsync(ada);
        await Worker.RunAsync(default);
        var text = Assert.Single(post.Sent).Printed.Text();
        foreach (var said in new[] { "- Bestellungen, Zahlungen und andere Vorgänge", "- Bank- und Zahlungsdaten", "Diese Daten werden für einen Rechtsanspruch gebraucht." }) Assert.Contains(said, text, StringComparison.Ordinal);
        Assert.Contains(Repository.Policy.Letters!.Find("de")!.Day(Repository.Policy.Jurisdictions.Default.DayOf(review)), text, StringComparison.Ordinal);
        await world.Vault.Get<LegalHolds>().ReleaseAsync(RightsWorld.Officer, hold.Id, "settled", Guid.NewGuid(), default);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        await Worker.RunAsync(default);
        Assert.Single(post.Sent);
        Assert.Empty(await world.KeysListAsync("select letter_id::text from keys.letter_key"));
    }

    [Fact]
    public async Task What_cannot_be_sent_is_printed_by_an_officer_and_is_gone_once_it_is_posted_or_after_thirty_days()
    {
        post.Fails = true;
        var request = await EraseAsync(ada);
        for (var attempt = 0; attempt < OutboxStore.DeadAfter; attempt++)
        {
            await Worker.RunAsync(default);
            world.Clock.Advance(TimeSpan.FromHours(7));
        }

        var waiting = Assert.Single((await Letters.ToPostAsync(RightsWorld.Officer, 50, null, Guid.NewGuid(), default)).Items);
        Assert.Equal((request, null), (waiting.Request, waiting.Subject));
        Assert.Contains("Ihre Daten gelöscht", (await Letters.ReadAsync(RightsWorld.Officer, waiting.Id, Guid.NewGuid(), default)).Printed.Html(), StringComparison.Ordinal);
        await Letters.PostedAsync(RightsWorld.Officer, waiting.Id, Guid.NewGuid(), default);
        Assert.Empty(await world.ListAsync("select letter from vault.parting_letter"));
        Assert.Empty(await world.KeysListAsync("select letter_id::text from keys.letter_key"));
        var bob = await world.PersonAsync("bob");
        await EraseAsync(bob);
        Assert.Equal(0, await world.Vault.Get<PartingLetters>().SweepAsync(default));
        world.Clock.Advance(PartingLetters.Kept);
        Assert.Equal(1, await world.Vault.Get<PartingLetters>().SweepAsync(default));
        Assert.Empty(await world.TablesNamingAsync("bob@example.com"));
        Assert.Empty(await world.KeysListAsync("select letter_id::text from keys.letter_key"));
        // Nobody got that one, and the log says so.
        var log = world.Vault.Get<LogStore>();
        var last = (await log.HeadAsync(default)).Size - 1;
        Assert.Equal("way:expired", LogEntry.Decode((await log.EntriesAtAsync([last], default))[last]).Rules[0]);
    }

    [Fact]
    public async Task Neither_database_alone_says_who_it_is_to()
    {
        await EraseAsync(ada);
        Assert.Empty(await world.TablesNamingAsync("ada@example.com"));
        Assert.Empty(await world.TablesNamingAsync(Convert.ToHexStringLower("ada@example.com"u8)));
        Assert.Empty(await world.TablesNamingAsync(ada.ToString()));
        await world.KeysSqlAsync("delete from keys.letter_key");
        await Worker.RunAsync(default);
        Assert.Empty(post.Sent);
        Assert.Empty(await world.ListAsync("select letter from vault.parting_letter"));
    }

    private async Task<Guid> EraseAsync(SubjectId subject)
    {
        var request = await world.OpenAsync(RightsWorld.Customer(subject), RequestKinds.Erasure, subject);
        await world.ApproveAsync(request.Id);
        return request.Id;
    }
}
