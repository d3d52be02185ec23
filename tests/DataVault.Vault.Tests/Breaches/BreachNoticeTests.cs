using Xunit;
using static DataVault.Vault.BreachWords;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Breaches;

/// <summary>What is said of a breach: everything that the law wants, in four languages, of what the case knows.</summary>
public sealed class BreachNoticeTests(BreachVault store) : IClassFixture<BreachVault>
{
    private static readonly Dictionary<string, string> Noon = new()
    {
        ["en"] = "15 June 2026, 14:00 (Europe/Brussels)", ["de"] = "15. Juni 2026, 14:00 Uhr (Europe/Brussels)", ["fr"] = "15 juin 2026 à 14:00 (Europe/Brussels)", ["zh"] = "2026年6月15日 14:00（Europe/Brussels）",
    };

    private static readonly Dictionary<string, string> Addresses = new() { ["en"] = "e-mail addresses", ["de"] = "E-Mail-Adressen", ["fr"] = "adresses électroniques", ["zh"] = "电子邮箱" };

    public static TheoryData<string, string> Drafts => [.. from audience in BreachNotices.Audiences from language in BreachNotices.Languages select (audience, language)];

    [Theory]
    [MemberData(nameof(Drafts))]
    [Requirement("R75")]
    public async Task A_draft_says_what_the_law_wants(string audience, string language)
    {
        var id = await FullAsync();
        var text = await DraftAsync(id, audience, language);
        // GDPR 33(3) and 34(2): what happened, whom to ask, what may come of it, what was done.
        Assert.All(["Somebody used a stolen key", "dpo@example.com", "Unwanted messages", "The key was withdrawn", Noon[language]], part => Assert.Contains(part, text, StringComparison.Ordinal));
        Assert.DoesNotContain("email address", text, StringComparison.Ordinal);
        Assert.DoesNotContain("{{", text, StringComparison.Ordinal);
        Assert.DoesNotContain(text.Split('\n'), line => line.StartsWith('?') || line.StartsWith('!'));
        if (audience != AboutPeople) Assert.All(["137", "177", Addresses[language], id.ToString()], part => Assert.Contains(part, text, StringComparison.Ordinal));
        if (audience == AboutPeople) Assert.Contains("dataprotectionauthority.be", text, StringComparison.Ordinal);
        if (audience == Controller) Assert.Contains("Aurelia Ltd", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("en", "number of people, number of records, categories of data, likely consequences, measures")]
    [InlineData("de", "Zahl der Personen, Zahl der Datensätze, Kategorien der Daten, wahrscheinliche Folgen, Maßnahmen")]
    [InlineData("fr", "nombre de personnes, nombre d'enregistrements, catégories de données, conséquences probables, mesures")]
    [InlineData("zh", "涉及人数、记录数量、信息种类、可能的危害、措施")]
    public async Task What_is_not_known_yet_is_promised(string language, string missing) =>
        Assert.Contains(missing, await DraftAsync((await store.OpenAsync()).Id, AboutAuthority, language), StringComparison.Ordinal);

    [Fact]
    public async Task A_late_report_bears_its_reason_and_what_somebody_writes_is_never_a_place_to_fill()
    {
        var opened = await store.Register.OpenAsync(Officer, store.Opening() with { Description = "?late {{dpo}} {{contact}}\n!due x" }, Guid.NewGuid(), default);
        var text = await store.Register.DraftAsync(Officer, opened.Id, new NoticeQuery(AboutAuthority, "en") { LateReason = "Nobody was there" }, Guid.NewGuid(), default);
        Assert.Contains("for this reason: Nobody was there", text, StringComparison.Ordinal);
        Assert.Contains("?late {{dpo}} {{contact}}\n!due x", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("readers", "en")]
    [InlineData(AboutAuthority, "tlh")]
    [InlineData(Controller, "en")]
    public async Task What_there_is_no_draft_of_is_refused(string audience, string language)
    {
        var id = (await store.OpenAsync()).Id;
        Assert.Equal("invalid-fields", (await Assert.ThrowsAsync<VaultException>(() => store.Register.DraftAsync(Officer, id, new NoticeQuery(audience, language), Guid.NewGuid(), default))).Slug);
    }

    private async Task<Guid> FullAsync()
    {
        var opening = store.Opening() with { Side = Processor, Controllers = ["Aurelia Ltd"], Description = "Somebody used a stolen key" };
        var id = (await store.Register.OpenAsync(Officer, opening, Guid.NewGuid(), default)).Id;
        await store.FindAsync(id, BreachVault.Everything);
        return id;
    }

    private Task<string> DraftAsync(Guid id, string audience, string language) =>
        store.Register.DraftAsync(Officer, id, new NoticeQuery(audience, language) { Controller = audience == Controller ? "Aurelia Ltd" : null }, Guid.NewGuid(), default);
}
