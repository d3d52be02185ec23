using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>What purposes.yaml says of consent.</summary>
public sealed class ConsentTermsTests
{
    private const string Rule = "  - { id: reads, why: T, roles: [desk], purposes: [offers], fields: [email], actions: [read], form: plain }\n";

    [Fact]
    public void Notices_have_languages_a_version_and_the_hash_of_their_text()
    {
        var policy = Load("notice: We write to you, noticeLanguage: en-GB, notices: { de: Wir schreiben Ihnen }, noticeVersion: v2");
        var purpose = policy.Purposes.Find("offers")!;
        Assert.Equal([("v2", "en-GB", "We write to you"), ("v2", "de", "Wir schreiben Ihnen")], purpose.Notices.Select(one => (one.Version, one.Language, one.Text)));
        var german = policy.Purposes.Notices.Find(purpose, "de")!;
        Assert.Equal(System.Security.Cryptography.SHA256.HashData("Wir schreiben Ihnen"u8), german.Hash.ToArray());
        Assert.Null(policy.Purposes.Notices.Find(purpose, "fr"));
    }

    [Theory]
    [InlineData("notice: A, noticeVersion: v1, noticeLanguage: English", "is not a language tag")]
    [InlineData("notice: A, noticeVersion: v1, notices: { en: B }", "stands under notice")]
    [InlineData("notices: { de: B }", "needs one under notice")]
    [InlineData("notice: A, noticeVersion: v1, child: { age: 0 }", "whole number from 1 to 21")]
    [InlineData("notice: A, noticeVersion: v1, child: { age: 16, in: { eu: young } }", "is not an age")]
    [InlineData("notice: A, noticeVersion: v1, child: { age: 16, unknown: perhaps }", "must be one of adult, child")]
    [InlineData("notice: A, noticeVersion: v1, child: 16", "must be a mapping")]
    [InlineData("notice: A, noticeVersion: v1, renewalDays: 0", "whole number from 1 to 365")]
    [InlineData("notice: A, noticeVersion: v1, gpc: perhaps", "must be true or false")]
    public void What_makes_no_sense_is_refused_with_its_line(string terms, string message)
    {
        var error = Assert.Throws<PolicyException>(() => Load(terms));
        Assert.Contains(error.Problems, problem => problem.File == "purposes.yaml" && problem.Line > 0 && problem.Message.Contains(message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("notice: A, noticeVersion: v1, renewalDays: 30", "do not end")]
    [InlineData("notice: A, noticeVersion: v1, gpc: true, stopsOnObjection: false", "gpc would have no effect")]
    [InlineData("notice: A, noticeVersion: v1, child: { age: 16, in: { mars: 12 } }", "unknown jurisdiction mars")]
    [InlineData("basis: contract, child: { age: 16 }", "does not rest on consent")]
    public void What_has_no_effect_is_found_by_the_lint(string terms, string message) =>
        Assert.Contains(Load(terms).Lint(), finding => finding.Message.Contains(message, StringComparison.Ordinal));

    [Theory]
    [Requirement("R15")]
    [InlineData("2010-06-01", null, "2026-05-31", true)]
    [InlineData("2010-06-01", null, "2026-06-01", false)]
    [InlineData("2010-06-01", "uk", "2023-06-01", false)]
    [InlineData("2010-06-01", "uk", "2023-05-31", true)]
    [InlineData("2012-02-29", "uk", "2025-02-28", true)]
    [InlineData("2012-02-29", "uk", "2025-03-01", false)]
    [InlineData("2012-02-29", null, "2028-02-29", false)]
    [InlineData("9999-01-01", null, "2026-01-01", true)]
    public void Somebody_is_a_child_until_the_birthday_that_the_rule_of_the_place_names(string born, string? place, string today, bool child)
    {
        var rule = new ChildRule(16, new Dictionary<string, int> { ["uk"] = 13 }, UnknownIsChild: false);
        Assert.Equal(child, rule.IsChild(DateOnly.Parse(born, null), place, DateOnly.Parse(today, null)));
    }

    [Fact]
    [Requirement("R15")]
    public void Somebody_of_unknown_age_is_what_the_rule_says()
    {
        Assert.False(new ChildRule(16, new Dictionary<string, int>(), UnknownIsChild: false).IsChild(null, null, default));
        Assert.True(new ChildRule(16, new Dictionary<string, int>(), UnknownIsChild: true).IsChild(null, null, default));
    }

    [Fact]
    public void The_controller_and_the_day_of_the_signal_are_read()
    {
        var files = Files("notice: A, noticeVersion: v1");
        files["purposes.yaml"] = "controller: { name: N, address: A, contact: C }\ngpcSince: 2026-11-22\n" + files["purposes.yaml"];
        var purposes = PolicySet.Load(files).Purposes;
        Assert.Equal((new ControllerIdentity("N", "A", "C"), new DateOnly(2026, 11, 22)), (purposes.Controller, purposes.GpcSince));
        files["purposes.yaml"] = files["purposes.yaml"].Replace("2026-11-22", "soon", StringComparison.Ordinal);
        Assert.Contains("soon is not a date", Assert.Throws<PolicyException>(() => PolicySet.Load(files)).Problems.Single().Message, StringComparison.Ordinal);
    }

    private static PolicySet Load(string terms) => PolicySet.Load(Files(terms));

    private static Dictionary<string, string> Files(string terms)
    {
        var files = PolicyTexts.Small(Rule);
        var basis = terms.Contains("basis:", StringComparison.Ordinal) ? "" : "basis: consent, ";
        files["purposes.yaml"] = $"purposes:\n  offers: {{ id: 1, title: T, {basis}dpv: \"dpv:DirectMarketing\", {terms} }}\n";
        return files;
    }
}
