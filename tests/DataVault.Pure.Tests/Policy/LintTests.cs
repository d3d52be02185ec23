using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>Each finding of the lint has been seen; <see cref="ShippedPolicyTests"/> sees it silent.</summary>
public sealed class LintTests
{
    private static IReadOnlyList<string> Lint(string rules, Action<Dictionary<string, string>>? change = null)
    {
        var files = PolicyTexts.Small(rules);
        change?.Invoke(files);
        return [.. PolicySet.Load(files).Lint().Select(finding => finding.ToString())];
    }

    [Theory]
    [InlineData("fields: [phone], actions: [search]", "permits to search by phone, which has no index")]
    [InlineData("fields: [phone], actions: [read], form: generalised", "gives phone generalised, which the catalogue does not say how to do")]
    [InlineData("fields: [passport], actions: [read], form: plain", "gives passport plain, its class official goes no further than masked")]
    [InlineData("fields: [allergies], actions: [read], form: plain", "permits the special category allergies without a ground")]
    [InlineData("fields: [email], except: [email], actions: [read], form: plain", "can never match")]
    [InlineData("fields: [email], actions: [search], obligations: [justification]", "permits no search: nothing carries out justification with it; the justification of a purpose")]
    [InlineData("fields: [email], actions: [update], obligations: [four-eyes]", "permits no update: nothing carries out four-eyes with it")]
    [InlineData("fields: [email], actions: [read], form: plain, obligations: [pseudonymise]", "permits no read: nothing carries out pseudonymise with it")]
    public void A_doubtful_rule_is_found_where_it_stands(string contents, string finding) =>
        Assert.Contains(Lint($"  - {{ id: one, why: Test, roles: [desk], purposes: [service], {contents} }}"), found => found.StartsWith("access/rules.yaml:2: one: " + finding, StringComparison.Ordinal));

    [Theory]
    [InlineData("roles: [desk], fields: [email], actions: [read], form: plain")]
    [InlineData("roles: [desk, campaign], fields: [all], actions: [read, update], form: plain")]
    public void A_shadowed_permit_is_found(string wide)
    {
        var narrow = "  - { id: narrow, why: Test, purposes: [service], roles: [lead], fields: [email], actions: [read], form: masked }\n";
        Assert.Contains(Lint($"{narrow}  - {{ id: wide, why: Test, purposes: [service], {wide} }}"), found => found.Contains("narrow: is shadowed", StringComparison.Ordinal));
        Assert.DoesNotContain(Lint(narrow), found => found.Contains("is shadowed", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("roles: [desk], fields: [email], actions: [read], form: token")]
    [InlineData("roles: [campaign], fields: [email], actions: [read], form: plain")]
    [InlineData("roles: [desk], fields: [email], actions: [read], form: plain, when: { assurance: mfa }")]
    [InlineData("roles: [desk], fields: [email], actions: [read], form: plain, obligations: [review]")]
    public void A_permit_that_still_adds_something_is_not_shadowed(string other) =>
        Assert.DoesNotContain(
            Lint($"  - {{ id: narrow, why: Test, purposes: [service], roles: [lead], fields: [email], actions: [read], form: masked }}\n  - {{ id: other, why: Test, purposes: [service], {other} }}"),
            found => found.Contains("narrow: is shadowed", StringComparison.Ordinal));

    [Theory]
    [InlineData("", "effect: forbid, roles: [desk], fields: [all], actions: [read]", true)]
    [InlineData("", "effect: forbid, roles: [desk], fields: [all], actions: [read], unless: { assurance: mfa }", false)]
    [InlineData("", "effect: forbid, roles: [desk], fields: [phone], actions: [read]", false)]
    [InlineData("when: { brand: [acme] }", "effect: forbid, roles: [all], fields: [email], actions: [read], unless: { brand: [nova] }", true)]
    [InlineData("when: { brand: [acme, nova] }", "effect: forbid, roles: [all], fields: [email], actions: [read], unless: { brand: [nova] }", false)]
    [InlineData("when: { child: true }", "effect: forbid, roles: [all], fields: [email], actions: [read], unless: { child: false }", true)]
    [InlineData("when: { recordAge: { olderThanMonths: 6 } }", "effect: forbid, roles: [all], fields: [email], actions: [read], unless: { recordAge: { youngerThanMonths: 6 } }", true)]
    [InlineData("when: { recordAge: { olderThanMonths: 6 } }", "effect: forbid, roles: [all], fields: [email], actions: [read], unless: { recordAge: { youngerThanMonths: 7 } }", false)]
    [InlineData("when: { time: { days: [sat, sun], zone: UTC } }", "effect: forbid, roles: [all], fields: [email], actions: [read], unless: { time: { days: [mon], from: \"08:00\", zone: UTC } }", true)]
    [InlineData("when: { time: { days: [sun], from: \"22:00\", to: \"06:00\", zone: UTC } }", "effect: forbid, roles: [all], fields: [email], actions: [read], unless: { time: { days: [mon], zone: UTC } }", false)]
    [InlineData("when: { time: { days: [sat], zone: UTC } }", "effect: forbid, roles: [all], fields: [email], actions: [read], unless: { time: { days: [mon], zone: Europe/Brussels } }", false)]
    public void A_permit_that_the_forbids_take_whole_contradicts_them(string condition, string forbid, bool found)
    {
        var permit = $"  - {{ id: narrow, why: Test, purposes: [service], roles: [lead], fields: [email], actions: [read], form: masked{(condition.Length > 0 ? ", " + condition : "")} }}\n";
        Assert.Equal(found, Lint($"{permit}  - {{ id: limit, why: Test, purposes: [service], {forbid} }}").Contains("access/rules.yaml:2: narrow: contradicts the forbids: they take all that it permits"));
    }

    [Theory]
    [InlineData("brand: [acme]", "brand: [acme]", true)]
    [InlineData("brand: [acme]", "brand: [acme, nova]", true)]
    [InlineData("brand: [acme, nova]", "brand: [acme]", false)]
    [InlineData("brand: [acme], child: false", "brand: [acme]", true)]
    [InlineData("brand: [acme]", "brand: [acme], child: false", false)]
    [InlineData("recordAge: { olderThanMonths: 7 }", "recordAge: { olderThanMonths: 6 }", true)]
    [InlineData("recordAge: { olderThanMonths: 6 }", "recordAge: { olderThanMonths: 7 }", false)]
    [InlineData("time: { days: [mon], from: \"09:00\", to: \"10:00\", zone: UTC }", "time: { days: [mon, tue], zone: UTC }", true)]
    [InlineData("time: { days: [mon], zone: UTC }", "time: { from: \"08:00\", zone: UTC }", false)]
    [InlineData("time: { days: [mon], zone: UTC }", "time: { days: [mon], zone: Europe/Brussels }", false)]
    [InlineData("assurance: mfa, consent: [marketing]", "assurance: mfa", true)]
    public void A_permit_under_more_conditions_than_another_is_shadowed(string narrow, string wide, bool found)
    {
        static string Permit(string id, string condition) => $"  - {{ id: {id}, why: Test, purposes: [service], roles: [desk], fields: [email], actions: [read], form: masked, when: {{ {condition} }} }}\n";
        Assert.Equal(found, Lint(Permit("narrow", narrow) + Permit("a-wide", wide)).Any(finding => finding.Contains("narrow: is shadowed", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("recordAge: { youngerThanMonths: 6 }", true)]
    [InlineData("time: { days: [mon], zone: UTC }", true)]
    [InlineData("brand: [acme]", false)]
    public void Analytics_is_not_fed_by_the_clock(string condition, bool found)
    {
        var rule = $"  - {{ id: fed, why: Test, purposes: [service], roles: [desk], fields: [email], actions: [feed], form: generalised, when: {{ {condition} }} }}\n";
        Assert.Equal(found, Lint(rule).Any(finding => finding.Contains("fed: feeds analytics by the clock", StringComparison.Ordinal)));
    }

    [Fact]
    public void Terms_of_a_purpose_that_change_nothing_or_that_no_objection_stops_are_found()
    {
        var findings = Lint("", files => files["purposes.yaml"] = files["purposes.yaml"].Replace("notice: We write to you, ", "stopsAtOverdue: 2, directMarketing: true, stopsOnObjection: false, notice: We write to you, ", StringComparison.Ordinal));
        Assert.Contains("purposes.yaml: no release for marketing is reviewed: stopsAtOverdue has no effect", findings);
        Assert.Contains("purposes.yaml: marketing is direct marketing and goes on whoever objects (GDPR Article 21(3))", findings);
    }

    [Fact]
    public void A_condition_that_can_never_hold_is_found()
    {
        static string Permit(string id, string condition) => $"  - {{ id: {id}, why: Test, purposes: [service], roles: [desk], fields: [email], actions: [read], form: masked, when: {{ {condition} }} }}\n";
        var findings = Lint(Permit("age", "recordAge: { olderThanMonths: 6, youngerThanMonths: 6 }") + Permit("brand", "brand: [nova]") + Permit("near", "brand: [acme]"), files =>
            files["roles.yaml"] = files["roles.yaml"].Replace("{ title: Desk }", "{ title: Desk, reach: [{ brand: [acme] }] }", StringComparison.Ordinal));
        Assert.Contains("access/rules.yaml:2: age: can never hold: no record is both that old and that young", findings);
        Assert.Contains("access/rules.yaml:3: brand: can never hold: none of its roles reaches anybody of whom the condition speaks", findings);
        Assert.DoesNotContain(findings, finding => finding.Contains("near: can never hold", StringComparison.Ordinal));
    }

    [Fact]
    public void A_role_that_reaches_nobody_is_found()
    {
        var findings = Lint("", files => files["roles.yaml"] = files["roles.yaml"]
            .Replace("{ title: Desk }", "{ title: Desk, reach: [{ brand: [acme] }] }", StringComparison.Ordinal)
            .Replace("{ title: Campaigns }", "{ title: Campaigns, reach: [{ brand: [nova] }] }", StringComparison.Ordinal));
        Assert.Contains("roles.yaml: chief reaches nobody: what its parents say excludes each other", findings);
        Assert.DoesNotContain(findings, finding => finding.StartsWith("roles.yaml: lead reaches nobody", StringComparison.Ordinal));
    }

    [Fact]
    [Requirement("R16")]
    public void A_special_category_that_is_not_called_one_is_found() =>
        Assert.Contains(
            "catalogue.yaml: allergies is of the special category pd:Health (GDPR Article 9) and does not say special: true",
            Lint("", files => files["catalogue.yaml"] = files["catalogue.yaml"].Replace("special: true, ", "", StringComparison.Ordinal)));

    /// <summary>W3C DPV counts offences among no special categories: so they are looked for by themselves.</summary>
    [Theory]
    [InlineData("purposes: [service], roles: [desk], fields: [all], actions: [read], form: masked", true)]
    [InlineData("purposes: [service], roles: [desk], fields: [passport], actions: [create]", true)]
    [InlineData("purposes: [wellbeing], roles: [desk], fields: [passport], actions: [read], form: masked", true)]
    [InlineData("purposes: [service], roles: [desk], fields: [all], except: [passport], actions: [read], form: masked", false)]
    [InlineData("purposes: [rights], roles: [desk], fields: [passport], actions: [read], form: masked", false)]
    [InlineData("purposes: [rights], roles: [customer], fields: [all], actions: [export], form: plain", false)]
    [Requirement("R17")]
    public void Offences_are_for_what_a_law_obliges_to_alone(string rule, bool found)
    {
        var findings = Lint($"  - {{ id: one, why: Test, {rule} }}", files => files["catalogue.yaml"] = files["catalogue.yaml"].Replace("pd:OfficialID", "pd:CriminalConviction", StringComparison.Ordinal));
        Assert.Equal(found, findings.Contains("access/rules.yaml:2: one: permits passport, which is of offences (GDPR Article 10), for a purpose that no law obliges to"));
    }

    /// <summary>No rule gives what it has no ground for, whoever says nothing of the lint: neither a special category, nor what lets it be inferred, nor an offence.</summary>
    [Theory]
    [InlineData("category: \"pd:OfficialID\"", "service", true)]
    [InlineData("category: \"pd:OfficialID\", special: true", "service", false)]
    [InlineData("category: \"pd:OfficialID\", origin: derived, infers: [\"pd:Habit\"]", "service", true)]
    [InlineData("category: \"pd:OfficialID\", origin: derived, infers: [\"pd:Habit\", \"pd:Health\"]", "service", false)]
    [InlineData("category: \"pd:OfficialID\", origin: derived, infers: [\"pd:Health\"]", "wellbeing", true)]
    [InlineData("category: \"pd:CriminalConviction\"", "service", false)]
    [InlineData("category: \"pd:CriminalConviction\"", "wellbeing", false)]
    [InlineData("category: \"pd:CriminalConviction\"", "rights", true)]
    [InlineData("category: \"pd:OfficialID\", origin: inferred, infers: [\"pd:CriminalCharge\"]", "service", false)]
    [Requirement("R16", "R17", "R18")]
    public void What_is_special_of_offences_or_lets_either_be_inferred_is_permitted_on_its_ground_alone(string category, string purpose, bool permitted)
    {
        var files = PolicyTexts.Small($"  - {{ id: one, why: Test, purposes: [{purpose}], roles: [desk], fields: [email, passport], actions: [create] }}");
        files["catalogue.yaml"] = files["catalogue.yaml"].Replace("category: \"pd:OfficialID\"", category, StringComparison.Ordinal);
        var policy = PolicySet.Load(files);
        var desk = new Recipient(RecipientKind.Staff, "d", "d", ["desk"], [purpose]);
        Assert.Equal(permitted, policy.Decisions.CouldPermit(desk, AccessAction.Create, purpose, policy.Catalogue.Find("passport")!));
        Assert.True(policy.Decisions.CouldPermit(desk, AccessAction.Create, purpose, policy.Catalogue.Find("email")!));
        Assert.Equal(!permitted, policy.Lint().Any(finding => finding.Message.StartsWith("one: permits ", StringComparison.Ordinal) && finding.Message.Contains("passport", StringComparison.Ordinal) && finding.Message.Contains("Article", StringComparison.Ordinal)));
    }

    [Fact]
    [Requirement("R18")]
    public void What_people_provide_infers_nothing_and_says_what_it_is() => Assert.Contains(
        "catalogue.yaml: phone says what it lets infer, and is neither derived nor inferred itself",
        Lint("", files => files["catalogue.yaml"] = files["catalogue.yaml"].Replace("category: \"pd:TelephoneNumber\"", "category: \"pd:TelephoneNumber\", infers: [\"pd:Health\"]", StringComparison.Ordinal)));

    [Theory]
    [InlineData("purposes: [service]", true)]
    [InlineData("purposes: [marketing]", true)]
    [InlineData("purposes: [wellbeing]", false)]
    [Requirement("R16")]
    public void A_basis_alone_opens_no_special_category(string purposes, bool found) => Assert.Equal(
        found,
        Lint($"  - {{ id: one, why: Test, {purposes}, roles: [desk], fields: [allergies], actions: [read], form: plain }}")
            .Any(finding => finding.Contains("permits the special category allergies without a ground of GDPR Article 9", StringComparison.Ordinal)));

    [Fact]
    public void Of_two_rules_that_say_the_same_one_is_found()
    {
        var findings = Lint("""
              - { id: one, why: Test, purposes: [service], roles: [desk], fields: [email], actions: [read], form: masked }
              - { id: two, why: Test, purposes: [service], roles: [desk], fields: [email], actions: [read], form: masked }
              - { id: three, why: Test, effect: forbid, purposes: [service], roles: [desk], fields: [phone], actions: [read] }
              - { id: four, why: Test, effect: forbid, purposes: [service], roles: [desk], fields: [all], actions: [read], except: [email] }
            """).Where(found => found.Contains("is shadowed", StringComparison.Ordinal));
        Assert.Equal(["access/rules.yaml:3: two: is shadowed: others forbid it or permit as much already", "access/rules.yaml:4: three: is shadowed by a wider forbid"], findings);
    }

    [Fact]
    public void Words_that_nobody_uses_are_found()
    {
        var findings = Lint("  - { id: one, why: Test, roles: [desk], purposes: [service], fields: [email], actions: [read], form: plain }");
        Assert.Contains("roles.yaml: campaign may do nothing", findings);
        Assert.Contains("purposes.yaml: no rule permits anything for marketing", findings);
        Assert.Contains("catalogue.yaml: no rule exports email: the person concerned could not have it", findings);
        Assert.Contains("catalogue.yaml: no rule erases email", findings);
        Assert.Contains("events.yaml: no rule lets anyone record event:purchase", findings);
        Assert.DoesNotContain("roles.yaml: lead may do nothing", findings);
    }

    [Fact]
    public void A_consent_without_notice_is_found() =>
        Assert.Contains("purposes.yaml: marketing rests on consent and has no notice with a version", Lint("", files => files["purposes.yaml"] = files["purposes.yaml"].Replace("notice: We write to you, ", "", StringComparison.Ordinal)));

    [Fact]
    public void An_emergency_without_its_obligations_is_refused_when_it_reads()
    {
        var refused = Assert.Throws<PolicyException>(() => Lint(
            "  - { id: one, why: Test, roles: [desk], purposes: [service], fields: [email], actions: [read], form: plain, obligations: [review] }",
            files => files["purposes.yaml"] = files["purposes.yaml"].Replace("title: Service,", "title: Service, breakGlass: true,", StringComparison.Ordinal)));
        var findings = refused.Problems.Select(problem => problem.ToString()).ToList();
        Assert.Contains("access/rules.yaml:2: one: is for an emergency and lacks the obligation justification", findings);
        Assert.Contains("access/rules.yaml:2: one: is for an emergency and lacks the obligation notify-subject", findings);
    }

    [Fact]
    public void A_domain_with_special_or_unfed_columns_is_found()
    {
        var findings = Lint("", files => files["analytics.yaml"] = "domains:\n  one: { title: One, minimumCohort: 5, columns: { a: { field: allergies } }, events: [purchase], dimensions: [a] }");
        Assert.Contains("analytics.yaml: one.a would hold a special category", findings);
        Assert.Contains("analytics.yaml: one.a stays empty: no rule feeds allergies", findings);
        Assert.Contains("analytics.yaml: one stays without event:purchase: no rule feeds it", findings);
    }

    [Fact]
    public void A_failed_case_and_an_uncovered_rule_are_found()
    {
        var findings = Lint(
            "  - { id: one, why: Test, roles: [desk], purposes: [service], fields: [email], actions: [read], form: plain }\n  - { id: two, why: Test, roles: [desk], purposes: [service], fields: [phone], actions: [read], form: plain, obligations: [review] }",
            files => files["cases/all.yaml"] = "cases:\n  - { name: Wrong, roles: [desk], purpose: service, expect: { email: masked } }\n");
        Assert.Contains("cases/all.yaml:2: Wrong: email: expected masked, got plain", findings);
        Assert.Contains("access/rules.yaml:3: two: determines the outcome of no case", findings);
        Assert.DoesNotContain("access/rules.yaml:2: one: determines the outcome of no case", findings);
    }

    [Fact]
    public void A_case_that_overlooks_an_obligation_fails()
    {
        var findings = Lint(
            "  - { id: one, why: Test, roles: [desk], purposes: [service], fields: [email], actions: [read], form: plain, obligations: [review] }",
            files => files["cases/all.yaml"] = "cases:\n  - { name: Careless, roles: [desk], purpose: service, expect: { email: plain } }\n");
        Assert.Contains("cases/all.yaml:2: Careless: obligations: expected [], got [review]", findings);
    }
}
