using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>What the policy calls things, in the languages that people read.</summary>
public sealed class WordingTests
{
    private const int Line = 8;
    private const string Translated = "{ en: Phone, de: Telefon, fr: Téléphone }";

    [Theory]
    [InlineData("de", "de", "Telefon")]
    [InlineData("DE", "de", "Telefon")]
    [InlineData("de-AT", "de", "Telefon")]
    [InlineData("fr-CA", "fr", "Téléphone")]
    [InlineData("zh", "en", "Phone")]
    [InlineData("d", "en", "Phone")]
    [InlineData("", "en", "Phone")]
    [InlineData(null, "en", "Phone")]
    public void A_label_is_read_in_a_language_and_says_which_it_came_to(string? asked, string language, string text)
    {
        var labels = PolicySet.Load(WithLabel(Translated)).Catalogue.Find("phone")!.Labels;
        Assert.Equal(new SaidText(language, text), labels.In(asked));
        Assert.Equal("Phone", labels.Text);
    }

    [Fact]
    public void A_plain_text_is_in_English_and_what_names_no_English_stands_first_in_its_own()
    {
        Assert.Equal([new SaidText("en", "Phone")], PolicySet.Load(PolicyTexts.Small("")).Catalogue.Find("phone")!.Labels.All);
        var german = PolicySet.Load(WithLabel("{ de-CH: Telefon, de: Telefonnummer }")).Catalogue.Find("phone")!;
        Assert.Equal("Telefon", german.Label);
        Assert.Equal(new SaidText("de-CH", "Telefon"), german.Labels.In("en"));
        Assert.Equal(new SaidText("de", "Telefonnummer"), german.Labels.In("de-AT"));
        var late = PolicySet.Load(WithLabel("{ de: Telefon, en: Phone }")).Catalogue.Find("phone")!;
        Assert.Equal("Phone", late.Label);
    }

    [Theory]
    [InlineData("{}", "label names at least one language")]
    [InlineData("{ german: Telefon }", "german is not a language tag such as en or de-CH")]
    [InlineData("{ en: Phone, de: \"\" }", "de is empty")]
    [InlineData("{ en: Phone, de: [Telefon] }", "de must be a text")]
    [InlineData("{ en: Phone, de: ~ }", "de must be a text")]
    [InlineData("[Phone]", "label must be a text")]
    [InlineData("\"\"", "label is empty")]
    [InlineData("{ en: Phone, en: Telephone }", "en stands twice")]
    public void A_wording_that_cannot_be_read_is_refused_where_it_stands(string label, string message)
    {
        var problems = Assert.Throws<PolicyException>(() => PolicySet.Load(WithLabel(label))).Problems;
        Assert.True(problems.Any(problem => problem.File == "catalogue.yaml" && problem.Line == Line && problem.Message.Contains(message, StringComparison.Ordinal)), string.Join('\n', problems));
    }

    [Fact]
    public void Where_a_text_is_translated_the_lint_finds_the_language_that_it_lacks_and_leaves_plain_texts_alone()
    {
        var files = WithLabel(Translated);
        files["catalogue.yaml"] = files["catalogue.yaml"].Replace("label: Passport", "label: { en: Passport, de: Reisepass }", StringComparison.Ordinal);
        Assert.Equal(["catalogue.yaml: the label of passport is not there in fr, which other texts are in"], Findings(files));
        files["catalogue.yaml"] = files["catalogue.yaml"].Replace("de: Reisepass }", "de: Reisepass, fr: Passeport }", StringComparison.Ordinal);
        Assert.Empty(Findings(files));
    }

    /// <summary>A consent to a text that the person could not read is none.</summary>
    [Fact]
    [Requirement("R10")]
    public void Whoever_is_asked_for_consent_in_their_language_reads_the_notice_in_it_or_the_lint_says_so()
    {
        var files = PolicyTexts.Small("");
        files["purposes.yaml"] = files["purposes.yaml"].Replace("title: Offers", "title: { en: Offers, de: Angebote }", StringComparison.Ordinal);
        Assert.Equal(["purposes.yaml: the notice of marketing is not there in de, which other texts are in"], Findings(files));
        files["purposes.yaml"] = files["purposes.yaml"].Replace("notice: We write to you", "notice: We write to you, notices: { de: Wir schreiben Ihnen }", StringComparison.Ordinal);
        Assert.Empty(Findings(files));
    }

    /// <summary>Every text of the shipped policy that a person may come to see, in the four languages of its letters.</summary>
    [Fact]
    [Requirement("R22")]
    public void The_shipped_policy_calls_everything_by_a_name_of_its_own_in_each_language()
    {
        var shipped = PolicyTexts.Shipped();
        Wording[] texts =
        [
            .. shipped.Items.Select(item => item.Labels), .. shipped.Events.Types.SelectMany(type => type.Properties).Select(property => property.Labels!),
            .. shipped.Catalogue.Classes.Select(one => one.Labels!), .. shipped.Purposes.All.Select(purpose => purpose.Titles), .. shipped.Roles.All.Select(role => role.Titles),
            .. shipped.Retention.SelectMany(rule => new[] { rule.Titles, rule.Grounds }), .. shipped.Analytics.Select(domain => domain.Titles), .. shipped.Jurisdictions.All.Select(law => law.Titles),
            .. shipped.People.Brands.Concat(shipped.People.Relations).Concat(shipped.People.Residencies).Select(trait => trait.Titles),
        ];
        Assert.All(texts, text => Assert.Equal(["en", "de", "fr", "zh"], text.Languages));
        // Some names are the same in two languages; no sentence is.
        Assert.All(texts, text => Assert.True(text.Text.Length < 15 || text.All.Select(said => said.Text).Distinct().Count() == 4, text.Text));
        Assert.All(shipped.Purposes.All, purpose => Assert.Equal(["en", "de", "fr", "zh"], purpose.Notices.Select(notice => notice.Language)));
    }

    private static Dictionary<string, string> WithLabel(string label)
    {
        var files = PolicyTexts.Small("");
        files["catalogue.yaml"] = files["catalogue.yaml"].Replace("label: Phone", "label: " + label, StringComparison.Ordinal);
        return files;
    }

    private static IEnumerable<string> Findings(Dictionary<string, string> files) =>
        PolicySet.Load(files).Lint().Select(finding => finding.ToString()).Where(finding => finding.Contains("which other texts are in", StringComparison.Ordinal));
}
