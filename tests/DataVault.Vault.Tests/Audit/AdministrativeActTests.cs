using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using DataVault.Vault.Tests.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Audit;

/// <summary>Entries of what is done in another database than the log's.</summary>
public sealed class AdministrativeActTests
{
    private static readonly Recipient Administrator = new(RecipientKind.Staff, "0b7f36c2", "administrator", ["administrator"], []);
    private static readonly Recipient Shop = new(RecipientKind.Application, "webshop", "Web shop", [], []);

    [Fact]
    public async Task An_act_is_entered_before_and_after_by_its_actor_and_names_its_object()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        var (trail, id) = (vault.Get<AuditTrail>(), Guid.NewGuid());
        var act = new AdministrativeAct(EntryType.ClientChange, Administrator, Shop, "registered", null);

        var intent = await trail.IntendAsync(act);
        await trail.ConfirmAsync(act, id, intent);

        var found = (await vault.Get<AuditReader>().SearchAsync(new() { Actor = "administrator", OldestFirst = true })).Entries;
        Assert.Equal([["intended", "registered", "client:webshop"], ["done", "registered", "client:webshop"]], found.Select(one => one.Entry.Rules));
        Assert.Equal([null, intent], found.Select(one => one.Entry.Reference));
        Assert.Equal(id.ToByteArray(bigEndian: true), found[1].Entry.RequestId.ToArray());
        Assert.Empty((await vault.Get<AuditReader>().SearchAsync(new() { Actor = "webshop" })).Entries);
    }

    [Fact]
    public async Task A_restore_lists_the_acts_upon_applications_and_accounts_that_it_undoes()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using (var vault = await databases.StartVaultAsync()) await DoneAsync(vault, "registered");
        await databases.BackUpAsync(databases.VaultName);
        await using (var vault = await databases.StartVaultAsync())
        {
            await DoneAsync(vault, "removed");
            await vault.Get<AuditTrail>().IntendAsync(new AdministrativeAct(EntryType.ClientChange, Administrator, Shop, "changed", null));
            await vault.Get<CheckpointSigner>().SignAsync();
        }

        await databases.RestoreAsync(databases.VaultName);
        await using var restored = await databases.StartVaultAsync();
        var acceptance = restored.Get<RestoreAcceptance>();
        var lost = Assert.Single(await acceptance.LostActsAsync(Assert.Single(await acceptance.ListAsync())));
        Assert.Equal(("removed", "client:webshop"), (lost.What, lost.Object));
    }

    [Fact]
    public async Task After_a_restore_of_both_databases_the_log_says_who_has_back_what_was_taken_from_them_once()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        var staff = new Recipient(RecipientKind.Staff, "1c7f36c2", "analyst", ["analyst"], []);
        var ada = default(SubjectId);
        await using (var vault = await databases.StartVaultAsync())
        {
            ada = (await People.CreateAsync(vault, "ada@example.com")).Subject;
            await DoneAsync(vault, "registered");
            var (_, size) = await vault.Get<UndoneActs>().LookAsync();
            await vault.Get<UndoneActs>().DoneAsync(size);
        }

        foreach (var name in new[] { databases.VaultName, databases.KeysName }) await databases.BackUpAsync(name);
        await using (var vault = await databases.StartVaultAsync())
        {
            await DoneAsync(vault, "secret-rotated");
            await vault.Get<AuditTrail>().RecordAsync(EntryType.SignIn, staff, "", EntryResult.Ok, null, null);
            await DoneAsync(vault, new AdministrativeAct(EntryType.AccountChange, Administrator, new(RecipientKind.Customer, "c", "customer", [], []), "disabled", ada));
            await DoneAsync(vault, new AdministrativeAct(EntryType.AccountChange, Administrator, Administrator, "disabled", null));
            await DoneAsync(vault, new AdministrativeAct(EntryType.AccountChange, Administrator, Administrator, "enabled", null));
        }

        foreach (var name in new[] { databases.VaultName, databases.KeysName }) await databases.RestoreAsync(name);
        await using var restored = await databases.StartVaultAsync();
        var acts = restored.Get<UndoneActs>();
        var (found, _) = await acts.LookAsync();
        Assert.Equal((1, 0), (found.Restores, found.Explained.Count));
        Assert.Equal([ada.Value], found.People);
        Assert.Contains("client:webshop", found.Names);
        Assert.DoesNotContain(await acts.NameOfAsync(Administrator, null), found.Names);

        var acceptance = restored.Get<RestoreAcceptance>();
        await acceptance.AcceptAsync(Assert.Single(await acceptance.ListAsync()).Index);
        var (accepted, size2) = await acts.LookAsync();
        Assert.Equal((1, 4), (accepted.Explained[await acts.NameOfAsync(staff, null)], accepted.Explained[await acts.NameOfAsync(Administrator, null)]));
        await acts.DoneAsync(size2);
        Assert.Equal(0, (await acts.LookAsync()).Undone.Restores);
    }

    [Fact]
    public async Task Accounts_are_named_by_the_tag_that_they_act_under_and_customers_by_the_persons()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        var trail = vault.Get<AuditTrail>();
        using var ada = await vault.Get<KeyRegistry>().GetAsync((await People.CreateAsync(vault, "ada@example.com")).Subject);
        var customer = new Recipient(RecipientKind.Customer, "c", "customer", [], []);

        await trail.IntendAsync(new(EntryType.AccountChange, Administrator, Administrator, "disabled", null));
        await trail.IntendAsync(new(EntryType.AccountChange, Administrator, customer, "created", ada.Subject));
        await trail.IntendAsync(new(EntryType.ClientChange, Administrator, new(RecipientKind.Application, new string('a', 64), "Long", [], []), "removed", null));

        var entries = (await Log.ReadAllAsync(vault))[^3..];
        Assert.Equal("account:" + Convert.ToHexStringLower(entries[0].Actor.Span), entries[0].Rules[2]);
        Assert.Equal(["intended", "created"], entries[1].Rules);
        Assert.Equal(ada.Tag.ToArray(), entries[1].Subject.ToArray());
        Assert.Equal("client:".Length + 32, entries[2].Rules[2].Length);
    }

    [Fact]
    public async Task An_act_is_confirmed_once_however_many_processes_try_at_once()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var one = await databases.StartVaultAsync();
        await using var two = await databases.StartVaultAsync();
        var act = new AdministrativeAct(EntryType.ClientChange, Administrator, Shop, "registered", null);
        var ids = Enumerable.Range(0, 8).Select(_ => Guid.NewGuid()).ToList();
        var intent = await one.Get<AuditTrail>().IntendAsync(act);

        await Task.WhenAll(ids.SelectMany(id => new[] { one, two, one, two }.Select(vault => Task.Run(() => vault.Get<AuditTrail>().ConfirmAsync(act, id, intent)))));

        var confirmed = (await Log.ReadAllAsync(one)).Where(entry => entry.Reference == intent).Select(entry => new Guid(entry.RequestId.Span, bigEndian: true));
        Assert.Equal(ids.Order(), confirmed.Order());
        Assert.True((await Log.VerifyAsync(one)).Ok);
    }

    private static Task DoneAsync(RunningVault vault, string what) => DoneAsync(vault, new AdministrativeAct(EntryType.ClientChange, Administrator, Shop, what, null));

    private static async Task DoneAsync(RunningVault vault, AdministrativeAct act)
    {
        var trail = vault.Get<AuditTrail>();
        await trail.ConfirmAsync(act, Guid.NewGuid(), await trail.IntendAsync(act));
        await vault.Get<CheckpointSigner>().SignAsync();
    }
}
