using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Consents;

/// <summary>A vault whose policy begins without any child rule.</summary>
public sealed class AgelessVault : StoreVault
{
    private const string Rule = "    child: { age: 16, in: { uk: 13, us-ca: 16, cn: 14 } }\n";

    internal static PolicySet Without { get; } = Repository.ChangedPolicy(("purposes.yaml", Rule, ""));

    internal static PolicySet With { get; } = StoreVault.Policy;

    /// <summary>Somebody without a date of birth is taken for a child.</summary>
    internal static PolicySet Strict { get; } = Repository.ChangedPolicy(("purposes.yaml", "    child: { age: 16,", "    child: { age: 16, unknown: child,"));

    /// <summary>The vault itself may not look at dates of birth.</summary>
    internal static PolicySet Blind { get; } = Repository.ChangedPolicy(("access/rights.yaml", "familyName, birthDate]", "familyName]"));

    protected internal override void Configure(IServiceCollection services) => services.AddSingleton(new ActivePolicy(Without));

    internal Task<bool> EnforceAsync(PolicySet policy)
    {
        Vault.Get<ActivePolicy>().Swap(policy);
        return Vault.Get<Upkeep>().TurnAsync(default);
    }
}

/// <summary>Child rules that come into force, and what stands in facts of before.</summary>
public sealed class AgeSweepTests : IAsyncLifetime
{
    // The clock stands at 15 June 2026, and purposes ask for sixteen years.
    private const string Child = """{"birthDate":"2010-06-16"}""";
    private const string Sixteen = """{"birthDate":"2010-06-15"}""";

    private readonly AgelessVault store = new();

    private ActivePolicy Active => store.Vault.Get<ActivePolicy>();

    public ValueTask InitializeAsync() => store.InitializeAsync();

    public ValueTask DisposeAsync() => store.DisposeAsync();

    [Fact]
    public async Task New_child_rules_withhold_of_everybody_whose_age_nobody_knows_and_bind_all_once_they_were_held_against_them()
    {
        var (child, grown, unknown) = (await AddAsync(Child), await AddAsync(Sixteen), await AddAsync("{}"));
        foreach (var subject in new[] { child, grown, unknown }) Assert.Null(await ReadAsync(subject));
        Active.Swap(AgelessVault.With);
        foreach (var subject in new[] { child, grown, unknown }) Assert.Equal(Reasons.ConsentMissing, await ReadAsync(subject));

        Assert.True(await store.EnforceAsync(AgelessVault.With));
        Assert.Equal((Reasons.ConsentMissing, null, null), (await ReadAsync(child), await ReadAsync(grown), await ReadAsync(unknown)));
        var entry = (await store.EntriesAsync(child))[^2].Entry;
        Assert.Equal((EntryType.RecordWrite, "child-rules", 2L), (entry.Type, entry.Rules.Single(), entry.RecordVersion));
        Assert.Equal(2, (await store.ReadAsync(Support, grown, "customer-support", "givenName")).Version);
        Assert.True(await store.EnforceAsync(AgelessVault.With));
        Assert.Equal(2, (await store.ReadAsync(Support, grown, "customer-support", "givenName")).Version);
        Assert.True((await store.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true), _ => { }, default)).Ok);
    }

    [Fact]
    public async Task Where_the_rule_takes_unknown_ages_for_children_nobody_without_a_date_of_birth_consents_alone()
    {
        var (unknown, guarded) = (await AddAsync("{}"), await AddAsync("{}"));
        await store.EnforceAsync(AgelessVault.Strict);
        Assert.Equal(Reasons.ConsentMissing, await ReadAsync(unknown));
        Assert.Equal("guardian-needed", await CodeAsync(unknown));
        await store.Consents.SetAsync(Support, guarded, new ConsentStatement("marketing", "given") { Guardian = "GC-7" }, Guid.NewGuid(), default);
        Assert.Null(await ReadAsync(guarded));
        await PatchAsync(unknown, Sixteen);
        Assert.Null(await ReadAsync(unknown));
    }

    [Fact]
    public async Task A_vault_that_may_no_longer_look_forgets_no_child_and_takes_nobody_new_for_grown_up()
    {
        await store.EnforceAsync(AgelessVault.With);
        var (child, grown) = (await store.AddAsync(Child), await AddAsync(Sixteen));
        var later = await store.AddAsync();
        await store.EnforceAsync(AgelessVault.Blind);
        Assert.Equal("guardian-needed", await CodeAsync(child));
        Assert.Equal("guardian-needed", await CodeAsync(later));
        Assert.Null(await ReadAsync(grown));
        await store.EnforceAsync(AgelessVault.With);
        Assert.Equal("guardian-needed", await CodeAsync(child));
        await store.Consents.SetAsync(Person(later), later, new ConsentStatement("marketing", "given"), Guid.NewGuid(), default);
        Assert.Null(await ReadAsync(later));
    }

    [Fact]
    public async Task A_rule_that_asks_for_more_years_binds_those_who_were_old_enough_for_the_one_before()
    {
        await store.EnforceAsync(AgelessVault.With);
        var subject = await AddAsync(Sixteen);
        await store.EnforceAsync(Repository.ChangedPolicy(("purposes.yaml", "child: { age: 16,", "child: { age: 18,")));
        Assert.Equal(Reasons.ConsentMissing, await ReadAsync(subject));
        await store.EnforceAsync(AgelessVault.With);
        Assert.Null(await ReadAsync(subject));
    }

    private Task<SubjectId> AddAsync(string fields) => store.AddAsync(fields, new() { ["marketing"] = "given" });

    private async Task<string?> ReadAsync(SubjectId subject) => (await store.ReadAsync(Marketing, subject, "marketing", "email")).Refused;

    private Task<WriteOutcome> PatchAsync(SubjectId subject, string fields) =>
        store.Editor.PatchAsync(Ingest, subject, null, new ProfilePatch(Object(fields), "crm", null, null, "service-delivery"), Guid.NewGuid(), default);

    private async Task<string> CodeAsync(SubjectId subject) => Assert.Single((await Assert.ThrowsAsync<VaultException>(
        () => store.Consents.SetAsync(Person(subject), subject, new ConsentStatement("marketing", "given"), Guid.NewGuid(), default))).Errors).Code;
}
