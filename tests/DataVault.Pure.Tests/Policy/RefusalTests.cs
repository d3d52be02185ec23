using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>A bad policy of each kind is refused, with file and line.</summary>
public sealed class RefusalTests
{
    private const string Rule = "rules:\n  - id: one\n    why: Test\n    roles: [desk]\n    purposes: [service]\n    fields: [email]\n    actions: [read]\n    form: plain\n";

    public static TheoryData<string, string, string, int, string> BadRules => new()
    {
        { "an unknown key", "    form: plain\n", "    form: plain\n    colour: red\n", 9, "unknown key colour" },
        { "a key twice", "    form: plain\n", "    form: plain\n    form: masked\n", 9, "stands twice" },
        { "a missing key", "    why: Test\n", "", 2, "why is missing" },
        { "an unknown role", "[desk]", "[desk, ghost]", 4, "unknown name ghost in roles" },
        { "an unknown purpose", "[service]", "[spying]", 5, "unknown name spying in purposes" },
        { "an unknown field", "[email]", "[email, shoeSize]", 6, "shoeSize names no field" },
        { "an unknown class", "[email]", "[\"class:shoes\"]", 6, "class:shoes names no field" },
        { "an unknown category", "[email]", "[\"category:pd:Shoes\"]", 6, "category:pd:Shoes names no field" },
        { "an unknown event", "fields: [email]", "events: [flight]", 6, "flight names no field" },
        { "an unknown action", "[read]", "[read, peek]", 7, "unknown action peek" },
        { "an unknown form", "form: plain", "form: bare", 8, "form is bare" },
        { "a form that withholds", "form: plain", "form: withheld", 8, "a permit gives a form" },
        { "no form", "    form: plain\n", "", 2, "form is missing" },
        { "a form on a forbid", "    why: Test\n", "    why: Test\n    effect: forbid\n", 9, "only a permit to read, export or feed has a form" },
        { "an unknown effect", "    why: Test\n", "    why: Test\n    effect: maybe\n", 4, "effect is maybe" },
        { "nothing chosen", "    fields: [email]\n", "", 2, "a rule names fields or events" },
        { "an empty list", "[desk]", "[]", 4, "roles must name at least one" },
        { "a name twice", "[desk]", "[desk, desk]", 4, "names desk twice" },
        { "a text for a list", "[desk]", "desk", 4, "roles must be a list" },
        { "a list for a text", "why: Test", "why: [Test]", 3, "why must be a text" },
        { "a null", "why: Test", "why: ~", 3, "why must be a text" },
        { "an exception on a permit", "form: plain\n", "form: plain\n    unless: { ownRecord: true }\n", 9, "a permit has conditions" },
        { "a condition that says nothing", "form: plain\n", "form: plain\n    when: { ownRecord: false }\n", 9, "when says nothing" },
        { "an unknown condition", "form: plain\n", "form: plain\n    when: { fullMoon: true }\n", 9, "unknown key fullMoon" },
        { "an unknown assurance", "form: plain\n", "form: plain\n    when: { assurance: blood }\n", 9, "assurance is blood" },
        { "an unknown brand", "form: plain\n", "form: plain\n    when: { brand: [acne] }\n", 9, "unknown brand acne" },
        { "an unknown residency", "form: plain\n", "form: plain\n    when: { residency: [moon] }\n", 9, "unknown residency moon" },
        { "an unknown jurisdiction", "form: plain\n", "form: plain\n    when: { jurisdiction: [moon] }\n", 9, "unknown jurisdiction moon" },
        { "an unknown relation", "form: plain\n", "form: plain\n    when: { relation: [friend] }\n", 9, "unknown relation friend" },
        { "no brand", "form: plain\n", "form: plain\n    when: { brand: [] }\n", 9, "brand must name at least one" },
        { "a brand as a text", "form: plain\n", "form: plain\n    when: { brand: acme }\n", 9, "brand must be a list" },
        { "a child that is none", "form: plain\n", "form: plain\n    when: { child: maybe }\n", 9, "child must be true or false" },
        { "an age without months", "form: plain\n", "form: plain\n    when: { recordAge: {} }\n", 9, "recordAge says olderThanMonths, youngerThanMonths or both" },
        { "an age of no time", "form: plain\n", "form: plain\n    when: { recordAge: { olderThanMonths: 0 } }\n", 9, "olderThanMonths must be a whole number from 1 to 1200" },
        { "hours without a zone", "form: plain\n", "form: plain\n    when: { time: { from: \"08:00\" } }\n", 9, "zone is missing" },
        { "hours of no zone", "form: plain\n", "form: plain\n    when: { time: { from: \"08:00\", zone: Europe/Atlantis } }\n", 9, "unknown time zone Europe/Atlantis" },
        { "hours of no clock", "form: plain\n", "form: plain\n    when: { time: { from: \"8 am\", zone: UTC } }\n", 9, "must be a clock time from 00:00 to 24:00" },
        { "hours that never open", "form: plain\n", "form: plain\n    when: { time: { from: \"08:00\", to: \"08:00\", zone: UTC } }\n", 9, "from and to are the same" },
        { "hours that never close", "form: plain\n", "form: plain\n    when: { time: { zone: UTC } }\n", 9, "time says nothing" },
        { "an unknown day", "form: plain\n", "form: plain\n    when: { time: { days: [monday], zone: UTC } }\n", 9, "monday is not one of mon" },
        { "a consent that is none", "form: plain\n", "form: plain\n    when: { consent: [service] }\n", 9, "does not rest on consent" },
        { "a flag that is none", "form: plain\n", "form: plain\n    when: { ownRecord: yes }\n", 9, "must be true or false" },
        { "an unknown obligation", "form: plain\n", "form: plain\n    obligations: [pray]\n", 9, "unknown obligation pray" },
        { "an exception that was not chosen", "form: plain\n", "form: plain\n    except: [phone]\n", 9, "phone is excepted but was not chosen" },
        { "a masked event", "fields: [email]\n    actions: [read]\n    form: plain", "events: [purchase]\n    actions: [read]\n    form: masked", 8, "events are given plain or generalised" },
        { "plain values for analysts", "[read]", "[feed]", 8, "fed generalised" },
        { "a masked export", "[read]\n    form: plain", "[export]\n    form: masked", 8, "a package holds plain values" },
        { "an export among reads", "[read]\n    form: plain", "[read, export]\n    form: generalised", 8, "a package holds plain values" },
        { "a bad id", "id: one", "id: one two", 2, "is not a name" },
        { "an alias", "why: Test", "why: &test Test", 3, "anchors, aliases and tags" },
        { "a tag", "why: Test", "why: !!str Test", 3, "anchors, aliases and tags" },
        { "no YAML", "roles: [desk]", "roles: [desk", 4, "not YAML" },
        { "a second document", "form: plain\n", "form: plain\n---\nrules: []\n", 9, "a second document" },
    };

    [Theory]
    [MemberData(nameof(BadRules))]
    public void A_bad_rule_is_refused(string kind, string good, string bad, int line, string message)
    {
        Assert.Contains(good, Rule, StringComparison.Ordinal);
        var files = PolicyTexts.Small("");
        files["access/rules.yaml"] = Rule.Replace(good, bad, StringComparison.Ordinal);
        Refused(files, "access/rules.yaml", line, message, kind);
    }

    public static TheoryData<string, string, string, int, string> BadFiles => new()
    {
        { "catalogue.yaml", "type: phone", "type: telephone", 8, "type is telephone" },
        { "catalogue.yaml", "id: 1, label", "id: 2, label", 8, "the id 2 is taken" },
        { "catalogue.yaml", "id: 1, label", "id: one, label", 8, "id must be a whole number" },
        { "catalogue.yaml", "  phone:", "  email:", 8, "stands twice" },
        { "catalogue.yaml", "class: contact, type: phone", "class: shoes, type: phone", 8, "unknown class shoes" },
        { "catalogue.yaml", "\"pd:TelephoneNumber\"", "Phone", 8, "is not a pd: identifier" },
        { "catalogue.yaml", "mask: phone, retention: usual", "mask: phone, retention: ever", 8, "unknown retention rule ever" },
        { "catalogue.yaml", "mask: phone, retention: usual", "mask: phone", 8, "retention is missing" },
        { "catalogue.yaml", "category: \"pd:TelephoneNumber\", ", "", 8, "category is missing" },
        { "catalogue.yaml", "mask: phone", "mask: veil", 8, "mask is veil" },
        { "catalogue.yaml", "type: phone", "type: enumeration", 8, "an enumeration needs values" },
        { "catalogue.yaml", "widest: masked", "widest: withheld", 3, "needs no fields" },
        { "catalogue.yaml", "official: { id: 3", "official: { id: 2", 3, "the id 2 is taken" },
        { "events.yaml", "type: money", "type: gold", 3, "type is gold" },
        { "events.yaml", "stage: buy", "stage: pray", 3, "stage is pray" },
        { "events.yaml", "purchase:", "Purchase:", 2, "is not an event type" },
        { "purposes.yaml", "basis: contract", "basis: whim", 2, "basis is whim" },
        { "purposes.yaml", "\"dpv:CustomerCare\"", "Care", 2, "is not a dpv: identifier" },
        { "purposes.yaml", "id: 2", "id: 1", 3, "the id 1 is taken" },
        { "purposes.yaml", "A9-2-a", "A6-1-a", 4, "specialBasis is A6-1-a" },
        { "roles.yaml", "parents: [desk]", "parents: [ghost]", 3, "unknown role ghost" },
        { "roles.yaml", "desk: { title: Desk }", "desk: { title: Desk, parents: [chief] }", 2, "its own ancestor" },
        { "roles.yaml", "[status.read]", "[everything]", 3, "unknown capability everything" },
        { "roles.yaml", "{ title: Desk }", "{ title: Desk, reach: [{ brand: [acne] }] }", 2, "unknown brand acne" },
        { "roles.yaml", "{ title: Desk }", "{ title: Desk, reach: [{}] }", 2, "a circle of everybody" },
        { "roles.yaml", "{ title: Desk }", "{ title: Desk, reach: [] }", 2, "reach is all, or names at least one circle" },
        { "roles.yaml", "{ title: Desk }", "{ title: Desk, reach: some }", 2, "reach is some, must be one of all" },
        { "roles.yaml", "{ title: Desk }", "{ title: Desk, reach: { brand: [acme] } }", 2, "reach must be a list" },
        { "people.yaml", "acme: {", "Acme: {", 2, "is not written in small letters" },
        { "people.yaml", "{ title: Acme }", "{ name: Acme }", 2, "title is missing" },
        { "catalogue.yaml", "\"pd:TelephoneNumber\"", "\"pd:telephone number\"", 8, "is not a pd: identifier" },
        { "retention.yaml", "months: 12", "months: 0", 2, "months must be a whole number" },
        { "retention.yaml", "trigger: recorded", "trigger: mood", 2, "trigger is mood" },
        { "jurisdictions.yaml", "default: eu", "default: moon", 1, "unknown jurisdiction moon" },
        { "jurisdictions.yaml", "Europe/Brussels", "Europe/Atlantis", 3, "unknown time zone" },
        { "jurisdictions.yaml", "2026-12-25", "2026-02-30", 3, "is not a date" },
    };

    [Theory]
    [MemberData(nameof(BadFiles))]
    public void A_bad_file_is_refused(string file, string good, string bad, int line, string message)
    {
        var files = PolicyTexts.Small("");
        Assert.Contains(good, files[file], StringComparison.Ordinal);
        files[file] = files[file].Replace(good, bad, StringComparison.Ordinal);
        Refused(files, file, line, message, bad);
    }

    [Theory]
    [InlineData("columns: { a: { field: shoes } }, dimensions: [a]", "unknown field shoes")]
    [InlineData("columns: { pseudonym: { field: email } }, dimensions: [pseudonym]", "has pseudonym already")]
    [InlineData("columns: { \"a; drop\": { field: email } }, dimensions: [\"a; drop\"]", "is not a column name")]
    [InlineData("columns: { a: { field: email } }, dimensions: [b]", "unknown column b")]
    [InlineData("columns: { a: { field: email } }, events: [flight], dimensions: [a]", "unknown event flight")]
    [InlineData("columns: { a: { field: email } }", "dimensions must name at least one")]
    public void A_bad_analytics_domain_is_refused(string contents, string message)
    {
        var files = PolicyTexts.Small("");
        files["analytics.yaml"] = $"domains:\n  one: {{ title: One, minimumCohort: 5, {contents} }}\n";
        Refused(files, "analytics.yaml", 2, message, contents);
    }

    [Theory]
    [InlineData("roles: [ghost], purpose: service, expect: { email: plain }", "unknown role ghost")]
    [InlineData("roles: [desk], purpose: service, expect: { shoes: plain }", "unknown item shoes")]
    [InlineData("roles: [desk], purpose: service, expect: { email: perhaps }", "neither a form nor a reason")]
    [InlineData("roles: [desk], purpose: service", "expect is missing")]
    [InlineData("roles: [desk], purpose: service, facts: { consents: { spying: given } }, expect: { email: plain }", "unknown purpose spying")]
    [InlineData("roles: [desk], purpose: service, facts: { consents: { marketing: maybe } }, expect: { email: plain }", "maybe is not one of")]
    public void A_bad_case_is_refused(string contents, string message)
    {
        var files = PolicyTexts.Small("");
        files["cases/one.yaml"] = $"cases:\n  - {{ name: One, {contents} }}\n";
        Refused(files, "cases/one.yaml", 2, message, contents);
    }

    [Fact]
    public void A_rule_id_that_stands_in_two_files_is_refused()
    {
        var files = PolicyTexts.Small("");
        (files["access/rules.yaml"], files["access/more.yaml"]) = (Rule, Rule);
        Refused(files, "access/rules.yaml", 2, "the rule one is declared twice", "twice");
    }

    [Fact]
    public void A_missing_an_empty_and_a_strange_file_are_refused()
    {
        var files = PolicyTexts.Small("");
        files.Remove("roles.yaml");
        files["purposes.yaml"] = "";
        Refused(files, "roles.yaml", 0, "the file is missing", "missing");
        Refused(files, "purposes.yaml", 0, "the file is empty", "empty");
        files["extra.yaml"] = "rules: []";
        Refused(files, "extra.yaml", 0, "not a policy file", "strange");
    }

    [Fact]
    public void Nesting_without_end_is_refused()
    {
        var files = PolicyTexts.Small("");
        files["access/rules.yaml"] = "rules: " + new string('[', 10_000);
        Refused(files, "access/rules.yaml", 1, "nested too deeply", "deep");
    }

    [Fact]
    public void All_mistakes_are_reported_at_once()
    {
        var files = PolicyTexts.Small("");
        files["access/rules.yaml"] = Rule.Replace("[desk]", "[ghost]", StringComparison.Ordinal).Replace("[email]", "[shoes]", StringComparison.Ordinal);
        files["roles.yaml"] += "\n  odd: { title: Odd, hat: green }";
        Assert.Equal(3, Assert.Throws<PolicyException>(() => PolicySet.Load(files)).Problems.Count);
    }

    private static void Refused(Dictionary<string, string> files, string file, int line, string message, string kind)
    {
        var problems = Assert.Throws<PolicyException>(() => PolicySet.Load(files)).Problems;
        Assert.True(
            problems.Any(problem => problem.File == file && problem.Line == line && problem.Message.Contains(message, StringComparison.Ordinal)),
            $"{kind}: {string.Join(" | ", problems)}");
    }
}
