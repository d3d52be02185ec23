using System.Text;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using DataVault.Vault.Tests.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Audit;

public sealed class AuditReaderTests : IAsyncLifetime
{
    private DatabasePerClass databases = null!;
    private RunningVault vault = null!;

    private AuditReader Reader => vault.Get<AuditReader>();

    public async ValueTask InitializeAsync()
    {
        databases = await DatabasePerClass.CreateAsync();
        vault = await databases.StartVaultAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await vault.DisposeAsync();
        await databases.DisposeAsync();
    }

    [Fact]
    public async Task Entries_are_found_by_person_actor_item_purpose_type_result_and_time()
    {
        var ada = await PersonAsync();
        var bob = await PersonAsync();
        var officer = new Recipient(RecipientKind.Staff, "7f", "7f", ["compliance-officer"], []);
        await AppendAsync(EntryType.FieldRead, Log.Desk, ada.Tag, "customer-support", EntryResult.Ok, People.Field("email"));
        await AppendAsync(EntryType.FieldRead, Log.Desk, bob.Tag, "customer-support", EntryResult.Ok, People.Field("phone"));
        await AppendAsync(EntryType.Denied, officer, ada.Tag, "marketing", EntryResult.Denied, People.Field("email"));
        await AppendAsync(EntryType.EventRead, Log.Desk, ada.Tag, "customer-support", EntryResult.Ok, Repository.Policy.Events.Find("purchase")!);

        Assert.Equal([3, 2, 0], await FindAsync(new() { Subject = ada.Subject }));
        Assert.Equal([1], await FindAsync(new() { Subject = bob.Subject }));
        Assert.Equal([2], await FindAsync(new() { Actor = "compliance-officer" }));
        Assert.Equal([3, 1, 0], await FindAsync(new() { Actor = "Support desk" }));
        Assert.Equal([2, 0], await FindAsync(new() { Item = People.Field("email") }));
        Assert.Equal([3], await FindAsync(new() { Item = Repository.Policy.Events.Find("purchase") }));
        Assert.Equal([2], await FindAsync(new() { Purpose = "marketing" }));
        Assert.Equal([2], await FindAsync(new() { Result = EntryResult.Denied }));
        Assert.Equal([0], await FindAsync(new() { Type = EntryType.FieldRead, Subject = ada.Subject }));
        Assert.Empty(await FindAsync(new() { From = TimeProvider.System.GetUtcNow().AddHours(1) }));
        Assert.Equal([3, 2, 1, 0], await FindAsync(new() { Until = TimeProvider.System.GetUtcNow().AddHours(1) }));
        Assert.Empty(await FindAsync(new() { Actor = "nobody" }));
        Assert.Empty(await FindAsync(new() { Subject = People.NewId() }));

        var page = await Reader.SearchAsync(new() { Subject = ada.Subject });
        Assert.Equal(("Support desk", "application"), (page.Entries[0].Actor, page.Entries[0].ActorKind));
        Assert.Equal(["event:purchase"], page.Entries[0].ItemNames);
        Assert.Equal(["email"], page.Entries[1].ItemNames);
        Assert.Equal("compliance-officer", page.Entries[1].Actor);
    }

    [Fact]
    public async Task Pages_follow_each_other_and_a_bad_cursor_or_limit_is_refused()
    {
        for (var i = 0; i < 25; i++) await Log.AppendAsync(vault, i);
        var seen = new List<long>();
        string? cursor = null;
        do
        {
            var page = await Reader.SearchAsync(new() { Limit = 10, Cursor = cursor });
            seen.AddRange(page.Entries.Select(entry => entry.Index));
            cursor = page.Next;
        }
        while (cursor is not null);

        Assert.Equal(Enumerable.Range(0, 25).Reverse().Select(i => (long)i), seen);
        foreach (var bad in new AuditQuery[] { new() { Limit = 0 }, new() { Limit = 1001 }, new() { Cursor = "x" }, new() { Cursor = "-1" } })
            Assert.Equal("invalid-request", (await Assert.ThrowsAsync<VaultException>(() => Reader.SearchAsync(bad))).Slug);
    }

    [Fact]
    public async Task Indexing_twice_and_from_two_processes_makes_each_row_once()
    {
        await using var second = await databases.StartVaultAsync();
        for (var i = 0; i < 300; i++) await Log.AppendAsync(i % 2 == 0 ? vault : second, i);
        await Task.WhenAll(Enumerable.Range(0, 6).Select(i => (i % 2 == 0 ? Reader : second.Get<AuditReader>()).CatchUpAsync()));
        Assert.Equal(300, await People.CountAsync(vault, "audit.entry_index"));
        Assert.Equal(1, await People.CountAsync(vault, "audit.tile"));
    }

    [Fact]
    public async Task A_detail_opens_for_as_long_as_the_person_is_there()
    {
        var person = await PersonAsync();
        var trail = vault.Get<AuditTrail>();
        var index = await trail.RecordAsync(EntryType.SignIn, Log.Desk, "", EntryResult.Ok, person.Subject, "from 192.0.2.7");
        var vaults = await trail.RecordAsync(EntryType.SignInFailed, Log.Desk, "", EntryResult.Denied, null, "unknown account");

        var record = await Reader.EntryAsync(index);
        Assert.Equal("from 192.0.2.7", Encoding.UTF8.GetString((await Reader.DetailAsync(record))!));
        Assert.Equal("unknown account", Encoding.UTF8.GetString((await Reader.DetailAsync(await Reader.EntryAsync(vaults)))!));
        Assert.Equal(person.Tag.ToArray(), record.Entry.Subject.ToArray());

        await vault.Get<KeyRegistry>().DestroyAsync(person.Subject);
        Assert.Null(await Reader.DetailAsync(record));
        Assert.Empty(await FindAsync(new() { Subject = person.Subject }));
        Assert.True((await Log.VerifyAsync(vault)).Ok);
    }

    [Fact]
    public async Task Details_hold_nothing_readable_in_the_database()
    {
        var person = await PersonAsync();
        await vault.Get<AuditTrail>().RecordAsync(EntryType.SignIn, Log.Desk, "", EntryResult.Ok, person.Subject, "canary-192.0.2.7");
        Assert.Equal(0, await People.CountAsync(vault, "audit.detail where position('canary'::bytea in sealed) > 0"));
        Assert.Equal(0, await People.CountAsync(vault, "audit.batch where position('canary'::bytea in entries) > 0"));
    }

    private async Task<(SubjectId Subject, ReadOnlyMemory<byte> Tag)> PersonAsync()
    {
        var record = await People.CreateAsync(vault, "ada@example.com");
        using var keys = await vault.Get<KeyRegistry>().GetAsync(record.Subject);
        return (keys.Subject, keys.Tag);
    }

    private Task<long> AppendAsync(EntryType type, Recipient actor, ReadOnlyMemory<byte> tag, string purpose, EntryResult result, CatalogueItem item) =>
        vault.Get<AuditLog>().AppendAsync(vault.Get<AuditLog>().Entry(type, actor, tag, purpose, result, [AuditLog.ItemCode(item)]));

    private async Task<IEnumerable<long>> FindAsync(AuditQuery query) => (await Reader.SearchAsync(query)).Entries.Select(entry => entry.Index);
}
