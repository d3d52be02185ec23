using System.Text.Json;
using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

public sealed class ShippedPolicyTests
{
    private static readonly PolicySet Shipped = PolicyTexts.Shipped();

    [Fact]
    public void The_lint_finds_nothing() => Assert.Empty(Shipped.Lint());

    [Fact]
    public void Every_case_passes() =>
        Assert.Empty(Shipped.RunCases().Where(result => !result.Passed).Select(result => $"{result.Case.Name}: {string.Join("; ", result.Differences)}"));

    [Fact]
    public void Every_rule_determines_a_case() => Assert.Empty(Shipped.UncoveredRules());

    [Fact]
    public void The_version_is_of_what_decides_and_of_nothing_else()
    {
        var files = PolicyTexts.ShippedFiles();
        Assert.Equal(32, Shipped.Version.Length);
        Assert.Equal(Shipped.Version, Convert.ToHexStringLower(Shipped.VersionBytes.Span));
        files["access/marketing.yaml"] = files["access/marketing.yaml"].ReplaceLineEndings("\r\n");
        files.Remove("cases/marketing.yaml");
        Assert.Equal(Shipped.Version, PolicySet.Load(files).Version);
        files["access/marketing.yaml"] = files["access/marketing.yaml"].Replace("form: masked", "form: plain", StringComparison.Ordinal);
        Assert.NotEqual(Shipped.Version, PolicySet.Load(files).Version);
    }

    [Fact]
    public void Who_can_see_health_data_is_a_short_list()
    {
        var readers = Shipped.Questions.WhoCan(Shipped.Catalogue.Find("dietaryRequirements")!).Where(grant => grant.Action == AccessAction.Read).ToList();
        Assert.Equal(["customer data-subject-rights own-record", "customer-support emergency mfa", "customer-support wellbeing consent:wellbeing,no-objection:wellbeing,no-restriction,not-of-a-child-alone:wellbeing"],
            readers.Select(grant => $"{grant.Role} {grant.Purpose} {string.Join(',', grant.Conditions)}").Order());
        Assert.True(readers.Single(grant => grant.Purpose == "wellbeing").NeedsConsent);
        Assert.False(readers.Single(grant => grant.Purpose == "emergency").NeedsConsent);
    }

    /// <summary>But for the rights of the person, the deletion when its time is over, and whoever records it. Of a class of its own: a rule that names a class means all of it.</summary>
    [Fact]
    [Requirement("R03", "R70")]
    public void A_field_that_is_new_is_for_no_purpose_until_somebody_allows_it()
    {
        var files = PolicyTexts.ShippedFiles();
        files["catalogue.yaml"] += "\n  shoeSize: { id: 77, label: Size of shoes, class: apparel, type: integer, category: \"pd:Size\", retention: interest }\n";
        files["catalogue.yaml"] = files["catalogue.yaml"].Replace("classes:\n", "classes:\n  apparel: { id: 30 }\n", StringComparison.Ordinal);
        var policy = PolicySet.Load(files);
        var shown = policy.Questions.WhoCan(policy.Catalogue.Find("shoeSize")!).Where(grant => grant.Action is AccessAction.Read or AccessAction.Search or AccessAction.Feed).ToList();
        Assert.All(shown, grant => Assert.Equal(("customer", "data-subject-rights"), (grant.Role, grant.Purpose)));
        Assert.DoesNotContain(policy.Analytics.SelectMany(domain => domain.CustomerColumns), column => column.Field.Name == "shoeSize");
    }

    [Fact]
    public void Who_can_and_what_can_are_two_views_of_the_same()
    {
        var byItem = Shipped.Items.SelectMany(item => Shipped.Questions.WhoCan(item)).Select(Key).Order();
        var byRole = Shipped.Roles.All.SelectMany(role => Shipped.Questions.WhatCan(role.Name)).Select(Key).Order();
        Assert.Equal(byItem, byRole);
        Assert.Empty(Shipped.Questions.WhatCan("administrator"));
        Assert.Empty(Shipped.Questions.WhatCan("ghost"));
        Assert.All(Shipped.Questions.WhatCan("marketing"), grant => Assert.True(grant.NeedsConsent));

        static string Key(PolicyGrant grant) => $"{grant.Role}/{grant.Purpose}/{grant.Action}/{grant.Item}/{grant.Form}/{string.Join(',', grant.RuleIds)}";
    }

    [Fact]
    public void An_explanation_names_the_rules_and_their_reasons()
    {
        var decision = Shipped.Questions.Explain(["customer-support"], "customer-support", AccessAction.Read, Shipped.Parse("email", "iban"), DecisionFacts.None, PolicyTexts.Now);
        Assert.Equal(["masked", "not-permitted"], decision.Outcomes());
        Assert.Equal(["support-reads-contact-masked"], decision.Items[0].RuleIds);
        Assert.Equal("The caller says the address, the desk compares", Shipped.Questions.WhyOf("support-reads-contact-masked"));
        Assert.Null(Shipped.Questions.WhyOf("no-such-rule"));
    }

    [Fact]
    public void Every_file_points_to_its_schema()
    {
        foreach (var (path, text) in PolicyTexts.ShippedFiles().Where(file => file.Key.EndsWith(".yaml", StringComparison.Ordinal)))
        {
            var schema = text.Split('\n')[0].Replace("# yaml-language-server: $schema=", "", StringComparison.Ordinal).Trim();
            Assert.True(File.Exists(Path.Combine(PolicyTexts.ShippedFolder(), Path.GetDirectoryName(path)!, schema)), path);
        }
    }

    /// <summary>What an editor offers is what the reader accepts.</summary>
    [Theory]
    [InlineData("catalogue", "type", typeof(DataVault.Policy.ValueType))]
    [InlineData("catalogue", "mask", typeof(MaskKind))]
    [InlineData("catalogue", "generalisation", typeof(GeneralisationKind))]
    [InlineData("analytics", "generalisation", typeof(GeneralisationKind))]
    [InlineData("catalogue", "index", typeof(FieldIndex))]
    [InlineData("events", "type", typeof(DataVault.Policy.ValueType))]
    [InlineData("access", "actions", typeof(AccessAction))]
    [InlineData("cases", "action", typeof(AccessAction))]
    [InlineData("cases", "recipient", typeof(RecipientKind))]
    public void A_schema_offers_the_words_of_the_language(string schema, string key, Type words)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(PolicyTexts.ShippedFolder(), "schema", schema + ".json")));
        var offered = Property(document.RootElement, key)!.Value;
        if (offered.TryGetProperty("items", out var items)) offered = items;
        var known = words == typeof(AccessAction) ? ActionNames.All : Enum.GetNames(words).Select(JsonNamingPolicy.CamelCase.ConvertName);
        Assert.Equal(known, offered.GetProperty("enum").EnumerateArray().Select(word => word.GetString()));
    }

    private static JsonElement? Property(JsonElement element, string key)
    {
        if (element.ValueKind != JsonValueKind.Object) return null;
        if (element.TryGetProperty("properties", out var properties) && properties.ValueKind == JsonValueKind.Object
            && properties.TryGetProperty(key, out var found) && found.ValueKind == JsonValueKind.Object) return found;
        return element.EnumerateObject().Select(member => Property(member.Value, key)).FirstOrDefault(inner => inner is not null);
    }
}
