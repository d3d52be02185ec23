using DataVault.Policy;
using DataVault.Testing;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>A policy with half a letter is refused: what is wrong in a letter would be found by whoever gets it.</summary>
public sealed class LetterPolicyTests
{
    [Fact]
    public void The_shipped_letters_are_whole_in_four_languages_and_the_lint_finds_nothing()
    {
        var letters = Repository.Policy.Letters!;
        Assert.Equal(["de", "en", "fr", "zh"], letters.Languages.Select(one => one.Tag).Order(StringComparer.Ordinal));
        Assert.Equal("en", letters.Standard.Tag);
        Assert.Empty(Repository.Policy.Lint());
    }

    [Theory]
    [InlineData("  resumed:", "  resumes:", "the letter resumed is missing")]
    [InlineData("    process-unfounded:", "    process-unheard:", "process-unfounded is missing")]
    [InlineData("The reason: {reason}\n      If you think", "The reason: {givenName}\n      If you think", "{givenName} is not known here")]
    [InlineData("The reason: {reason}\n      If you think", "There is a reason.\n      If you think", "the letter refused does not say {reason}")]
    [InlineData("The reason: {reason}\n      If you think", "The reason: {reason\n      If you think", "a brace that is not closed")]
    [InlineData("supervisory authority at any time: {authority}.", "supervisory authority at any time.", "neither particulars nor closing say {authority}")]
    [InlineData("date: \"{day} {month} {year}\"", "date: \"{day} {month}\"", "date lacks {year}")]
    [InlineData("November, December]", "December]", "months must name twelve")]
    [InlineData("subject: We have received your request", "subject: \"We have\\nBcc: all@example.com\"", "the subject has more than one line")]
    [InlineData("greeting: Hello,", "greeting: Hello {contact},", "greeting may name nothing in braces")]
    [InlineData("greeting: Hello,", "greeting: Hello,\nsignature: me", "unknown key signature")]
    public void What_is_missing_unknown_or_broken_in_a_letter_is_a_problem_with_its_file(string text, string with, string message)
    {
        var refused = Assert.Throws<PolicyException>(() => Repository.ChangedPolicy(("letters/en.yaml", text, with)));
        Assert.Contains(refused.Problems, problem => problem.File == "letters/en.yaml" && problem.Message.Contains(message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("standard: en", "standard: es", "letters/es.yaml is missing")]
    [InlineData("address: email", "address: phone", "phone is no field of the type email")]
    [InlineData("language: language", "language: nothing", "nothing is no field of the type language")]
    public void The_standard_and_the_fields_must_be_there(string text, string with, string message)
    {
        var refused = Assert.Throws<PolicyException>(() => Repository.ChangedPolicy(("letters.yaml", text, with)));
        Assert.Contains(refused.Problems, problem => problem.File == "letters.yaml" && problem.Message.Contains(message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_language_without_letters_yaml_is_a_problem_and_a_policy_without_either_writes_none()
    {
        var files = PolicyTexts.Small("");
        Assert.Null(PolicySet.Load(files).Letters);
        files["letters/en.yaml"] = File.ReadAllText(Path.Combine(PolicyTexts.ShippedFolder(), "letters", "en.yaml"));
        Assert.Contains(Assert.Throws<PolicyException>(() => PolicySet.Load(files)).Problems, problem => problem.Message.StartsWith("letters.yaml is missing", StringComparison.Ordinal));
    }

    [Fact]
    public void The_lint_finds_letters_that_would_reach_nobody_or_say_too_little()
    {
        var unread = Repository.ChangedPolicy(("access/rights.yaml", "fields: [email, language, country]", "fields: [language, country]"));
        Assert.Contains(unread.Lint(), finding => finding.Message == "no rule lets rights-letters read email in plain");
        var unnamed = Repository.ChangedPolicy(("letters/de.yaml", "    behaviour: wie Sie unsere Dienste nutzen\n", ""));
        Assert.Contains(unnamed.Lint(), finding => finding is { File: "letters/de.yaml", Message: "no words for the class behaviour" });
    }

    [Fact]
    public void A_changed_word_of_a_letter_is_another_version()
    {
        var changed = Repository.ChangedPolicy(("letters/zh.yaml", "您好", "您好吗"));
        Assert.NotEqual(Repository.Policy.Version, changed.Version);
    }
}
