using DataVault.Issuer;
using DataVault.Issuer.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>A change of an account or a client, and what is recorded of it, whatever dies when.</summary>
public sealed class ChangeLedgerTests : IAsyncLifetime
{
    private readonly IssuerHost host = new();

    private ChangeLedger Ledger => host.Services.GetRequiredService<ChangeLedger>();

    public async ValueTask InitializeAsync()
    {
        await host.InitializeAsync();
        // Its first round would confirm what a test says that it confirms itself.
        await host.Services.GetServices<IHostedService>().OfType<ChangeRelay>().Single().StopAsync(default);
    }

    public ValueTask DisposeAsync() => host.DisposeAsync();

    [Fact]
    public async Task Who_makes_a_change_is_recorded_as_actor_and_what_is_changed_as_object()
    {
        var (id, _) = await host.ApplicationAsync();
        await host.Clients.RotateSecretAsync(id, IssuerHost.Administrator);
        var person = await host.PersonAsync("analyst");
        await host.Accounts.ChangePasswordAsync(person.Id, person.Password, "four plain words together");
        await host.Clients.RemoveAsync(id, IssuerHost.Administrator);

        var account = new IssuerParty(Realm.Staff, person.Id.ToString("D"), "analyst");
        var application = new IssuerParty(Realm.Application, id, "Campaigns");
        IssuerChange[] due =
        [
            new(IssuerHost.Administrator, application, "registered"), new(IssuerHost.Administrator, application, "secret-rotated"),
            new(IssuerHost.Administrator, account, "created"), new(account, account, "password-changed"), new(IssuerHost.Administrator, application, "removed"),
        ];
        Assert.Equal(due, host.SignIns.Intents.Skip(1));
        Assert.Equal(due, host.SignIns.Confirmed.Skip(1).Select(made => made.Change));
        Assert.Empty(await WaitingAsync());
    }

    [Theory]
    [InlineData(nameof(ChangeStep.Intended), false)]
    [InlineData(nameof(ChangeStep.Written), false)]
    [InlineData(nameof(ChangeStep.Committed), true)]
    [InlineData(nameof(ChangeStep.Confirmed), true)]
    public async Task A_change_and_its_record_stand_or_fall_together_wherever_it_is_cut_off(string at, bool made)
    {
        var before = host.SignIns.Intents.Count;
        CutOff(at);
        var registration = ClientRegistration.Application("cut-off", "Cut off", [], []);
        await Record.ExceptionAsync(() => host.Clients.RegisterAsync(registration, IssuerHost.Administrator));
        Restart();

        await Ledger.ConfirmAllAsync(default);
        await Ledger.ConfirmAllAsync(default);

        Assert.Equal(made, (await host.Clients.ListAsync()).Any(client => client.Registration.Id == "cut-off"));
        Assert.Equal(before + 1, host.SignIns.Intents.Count);
        Assert.Equal(made ? 1 : 0, host.SignIns.Confirmed.Count(one => one.Change.Object.Id == "cut-off" && one.Intent == before));
        Assert.Empty(await WaitingAsync());
    }

    [Theory]
    [InlineData(nameof(ChangeStep.Intended), false)]
    [InlineData(nameof(ChangeStep.Written), false)]
    [InlineData(nameof(ChangeStep.Committed), true)]
    [InlineData(nameof(ChangeStep.Confirmed), true)]
    public async Task So_do_the_changes_of_accounts_that_reach_into_several_tables(string at, bool made)
    {
        var person = await host.PersonAsync("analyst");
        CutOff(at);
        await Record.ExceptionAsync(() => host.Accounts.SetDisabledAsync(person.Id, true, IssuerHost.Administrator));
        Restart();

        await Ledger.ConfirmAllAsync(default);

        Assert.Equal(made, (await host.Accounts.ListAsync(Realm.Staff)).Single(account => account.Id == person.Id).Disabled);
        Assert.Equal(made ? 1 : 0, host.SignIns.Confirmed.Count(one => one.Change.What == "disabled"));
        Assert.Empty(await WaitingAsync());
    }

    [Fact]
    public async Task What_cannot_be_recorded_does_not_happen()
    {
        host.SignIns.IsAway = true;
        await Assert.ThrowsAsync<TimeoutException>(() => host.PersonAsync("analyst"));
        await Assert.ThrowsAsync<TimeoutException>(host.ApplicationAsync);
        host.SignIns.IsAway = false;

        Assert.Equal(host.Console.Id, Assert.Single(await host.Clients.ListAsync()).Registration.Id);
        Assert.Empty(await host.Accounts.ListAsync(Realm.Staff));
    }

    [Fact]
    public async Task A_record_that_fails_after_the_change_is_made_up_for_and_the_answer_is_not_lost()
    {
        Ledger.Reached = step => host.SignIns.IsAway = step == ChangeStep.Committed;
        var (id, secret) = await host.ApplicationAsync();
        Restart();
        Assert.Equal(id, Assert.Single(await WaitingAsync()));

        host.SignIns.IsAway = false;
        Assert.Equal(1, await Ledger.ConfirmAllAsync(default));

        Assert.Equal(id, host.SignIns.Confirmed[^1].Change.Object.Id);
        Assert.NotEmpty(secret);
        Assert.Empty(await WaitingAsync());
    }

    [Fact]
    public async Task A_change_that_cannot_be_confirmed_keeps_no_later_one_from_its_turn()
    {
        var (stuck, _) = await UnconfirmedAsync();
        var (later, _) = await UnconfirmedAsync();
        await host.QueryAsync("INSERT INTO issuer.change SELECT gen_random_uuid(), 0, 'nowhere', '', '', 'nowhere', 'unreadable', '', '', NULL");
        host.SignIns.Unconfirmable = stuck;

        Assert.Equal(1, await Ledger.ConfirmAllAsync(default));

        Assert.Equal(later, host.SignIns.Confirmed[^1].Change.Object.Id);
        Assert.Equal([stuck, "unreadable"], (await WaitingAsync()).Order(StringComparer.Ordinal).OrderBy(id => id == "unreadable"));
        host.SignIns.Unconfirmable = null;
        Assert.Equal(1, await Ledger.ConfirmAllAsync(default));
    }

    [Fact]
    public async Task A_change_of_before_there_were_seals_is_confirmed_after_the_upgrade_and_none_that_comes_later()
    {
        var (id, _) = await UnconfirmedAsync();
        await host.QueryAsync("UPDATE issuer.change SET seal = NULL, version = 0");
        Assert.Equal(0, await Ledger.ConfirmAllAsync(default));
        host.Mark.AreChangesSet = false;
        await host.Services.GetServices<IHostedService>().OfType<FirstSealing>().Single().StartAsync(default);
        Assert.Equal(1, await Ledger.ConfirmAllAsync(default));
        Assert.Equal(id, host.SignIns.Confirmed[^1].Change.Object.Id);
    }

    [Fact]
    public async Task What_is_so_already_is_no_change()
    {
        var registration = ClientRegistration.Application("crm", "CRM", ["ingest"], ["service-delivery"]);
        var secret = new string('s', 43);
        await host.Clients.EnsureAsync(registration, secret);
        await host.Clients.EnsureAsync(registration, secret);
        await host.Clients.EnsureAsync(registration with { Purposes = [] }, secret);

        Assert.Equal([(IssuerParty.Vault, "registered"), (IssuerParty.Vault, "changed")], host.SignIns.Confirmed.Skip(1).Select(made => (made.Change.Actor, made.Change.What)));
    }

    private async Task<(string Id, string Secret)> UnconfirmedAsync()
    {
        Ledger.Reached = step => host.SignIns.IsAway = step == ChangeStep.Committed;
        var made = await host.ApplicationAsync();
        Restart();
        host.SignIns.IsAway = false;
        return made;
    }

    private void CutOff(string at) => Ledger.Reached = step =>
    {
        if (step.ToString() == at) throw new OperationCanceledException("cut off");
    };

    private void Restart() => Ledger.Reached = static _ => { };

    private Task<List<string>> WaitingAsync() => host.QueryAsync("SELECT object_id FROM issuer.change");
}
