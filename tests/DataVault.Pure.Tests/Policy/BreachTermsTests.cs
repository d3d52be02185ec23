using System.Globalization;
using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>The clock of a breach, the authorities, and what a regime may say of them.</summary>
public sealed class BreachTermsTests
{
    private static readonly JurisdictionTable Table = PolicyTexts.Shipped().Jurisdictions;

    /// <summary>Seventy-two hours have passed when as many have passed, whatever the clock on the wall did: an hour earlier on it in autumn, later in spring.</summary>
    [Theory]
    [InlineData("eu", "2026-10-23T12:00:00+02:00", "2026-10-26T11:00:00+01:00")]
    [InlineData("eu", "2027-03-26T12:00:00+01:00", "2027-03-29T13:00:00+02:00")]
    [InlineData("eu", "2026-10-25T02:30:00+02:00", "2026-10-28T01:30:00+01:00")]
    [InlineData("eu", "2026-10-25T02:30:00+01:00", "2026-10-28T02:30:00+01:00")]
    [InlineData("uk", "2027-03-27T09:15:00+00:00", "2027-03-30T10:15:00+01:00")]
    [InlineData("eu", "2026-12-24T18:00:00+01:00", "2026-12-27T18:00:00+01:00")]
    [Requirement("R74")]
    public void The_authority_is_told_within_seventy_two_elapsed_hours(string regime, string aware, string due) =>
        Assert.Equal(At(due), Table.Find(regime)!.Breach.DueAt(At(aware)));

    [Theory]
    [InlineData("us-ca")]
    [InlineData("cn")]
    public void A_law_that_counts_no_hours_has_no_clock(string regime)
    {
        var breach = Table.Find(regime)!.Breach;
        Assert.Null(breach.Hours);
        Assert.Null(breach.DueAt(PolicyTexts.Now));
        Assert.Equal(BreachThreshold.Any, breach.Threshold);
    }

    [Fact]
    [Requirement("R78")]
    public void Another_deadline_and_threshold_are_a_line_of_the_policy()
    {
        var breach = Regime("breach: { hours: 96, threshold: highRisk, authority: { name: A, address: B, web: \"https://a.example\" } }").Breach;
        Assert.Equal(PolicyTexts.Now.AddHours(96), breach.DueAt(PolicyTexts.Now));
        Assert.Equal(BreachThreshold.HighRisk, breach.Threshold);
    }

    [Fact]
    public void Every_shipped_regime_names_an_authority_with_address_and_a_contact()
    {
        Assert.All(Table.All, regime =>
        {
            Assert.NotEmpty(regime.Breach.Authority!.Name);
            Assert.NotEmpty(regime.Breach.Authority.Address);
            Assert.StartsWith("https://", regime.Breach.Authority.Web, StringComparison.Ordinal);
            Assert.Contains('@', regime.Breach.Contact!.Email);
        });
    }

    [Fact]
    public void People_may_complain_where_they_live()
    {
        var breach = Table.Find("eu")!.Breach;
        Assert.Equal("https://www.cnil.fr", breach.AuthorityOf("FR")!.Web);
        Assert.Same(breach.Authority, breach.AuthorityOf("JP"));
        Assert.Same(breach.Authority, breach.AuthorityOf(null));
        // The twenty-seven of the Union and the three others of the European Economic Area; "NO" is quoted, or YAML readers of old take it for a no.
        Assert.Equal(30, breach.Countries.Count);
        Assert.Contains("NO", breach.Countries.Keys);
    }

    [Fact]
    public void A_regime_that_says_nothing_of_breaches_has_no_clock_and_no_authority()
    {
        var breach = Regime("").Breach;
        Assert.Null(breach.DueAt(PolicyTexts.Now));
        Assert.Null(breach.AuthorityOf("FR"));
    }

    [Theory]
    [InlineData("{ hours: 0 }", "hours must be a whole number from 1 to 8784")]
    [InlineData("{ hours: 72 }", "hours count until an authority is told, and none is named")]
    [InlineData("{ threshold: some }", "threshold is some, must be one of any, risk, highRisk")]
    [InlineData("{ dpo: { name: A, email: nobody } }", "nobody is not an address")]
    [InlineData("{ authority: { name: A, web: \"https://a.example\" } }", "address is missing")]
    [InlineData("{ authority: { name: A, address: B, web: \"http://a.example\" } }", "http://a.example is not an https address")]
    [InlineData("{ authority: { name: A, address: B, web: \"https://a.example\", countries: { France: { name: C, web: \"https://c.example\" } } } }", "France is not a country")]
    [InlineData("{ deadline: 72 }", "unknown key deadline")]
    public void What_a_regime_cannot_mean_is_refused(string block, string message)
    {
        var problems = Assert.Throws<PolicyException>(() => Regime("breach: " + block)).Problems;
        Assert.Contains(problems, problem => problem.File == "jurisdictions.yaml" && problem.Message.Contains(message, StringComparison.Ordinal));
    }

    private static Jurisdiction Regime(string more)
    {
        var files = PolicyTexts.Small("");
        files["jurisdictions.yaml"] = $"default: eu\njurisdictions:\n  eu:\n    title: EU\n    clock: months\n    due: 1\n    zone: Europe/Brussels\n    {more}\n";
        return PolicySet.Load(files).Jurisdictions.Default;
    }

    private static DateTimeOffset At(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);
}
