using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

public sealed class IndexGrammarTests
{
    [Fact]
    public void Fields_declare_full_length_indexes_and_the_section_declares_the_others()
    {
        var indexes = PolicySet.Load(PolicyTexts.ShippedFiles()).Catalogue.Indexes;
        Assert.Equal([(5, "email", true), (7, "phone", false), (23, "customerNumber", true)], indexes.Where(index => index.Id < 1000).Select(index => (index.Id, index.Name, index.IsUnique)));
        Assert.All(indexes.Where(index => index.Id < 1000), index => Assert.Equal((IndexDefinition.FullBits, 1, false), (index.Bits, index.Partitions, index.IsTruncated)));
        var start = indexes.Single(index => index.Name == "family-name-start");
        Assert.Equal((null, 4, "familyName (first 3)"), (start.Bits, start.Partitions, start.Describe()));
        Assert.True(indexes.Single(index => index.Name == "family-name-and-birth").IsCompound);
    }

    [Theory]
    [InlineData("names: { id: 999, on: { familyName: whole } }", "id must be a whole number from 1000 to 1999")]
    [InlineData("names: { id: 1000 }", "on must say which fields the index holds")]
    [InlineData("names: { id: 1000, on: {} }", "an index holds 1 to 4 fields")]
    [InlineData("names: { id: 1000, on: { nickname: whole } }", "unknown field nickname")]
    [InlineData("names: { id: 1000, on: { familyName: prefix 0 } }", "prefix 0 of familyName cannot be indexed")]
    [InlineData("names: { id: 1000, on: { familyName: prefix 10 } }", "prefix 10 of familyName cannot be indexed")]
    [InlineData("names: { id: 1000, on: { familyName: year } }", "year of familyName cannot be indexed")]
    [InlineData("names: { id: 1000, on: { postalAddress: whole } }", "whole of postalAddress cannot be indexed")]
    [InlineData("names: { id: 1000, on: { creditLimit: whole } }", "whole of creditLimit cannot be indexed")]
    [InlineData("names: { id: 1000, on: { familyName: whole }, bits: 1 }", "bits must be auto, full, or a whole number from 2 to 32")]
    [InlineData("names: { id: 1000, on: { familyName: whole }, bits: 33 }", "bits must be auto, full, or a whole number from 2 to 32")]
    [InlineData("names: { id: 1000, on: { familyName: whole }, partitions: 17 }", "partitions must be a whole number from 1 to 16")]
    [InlineData("names: { id: 1000, on: { familyName: whole }, bits: full, partitions: 2 }", "at full length they do nothing")]
    [InlineData("names: { id: 1000, on: { familyName: whole, interests: whole } }", "a list cannot be part of an index over several fields")]
    [InlineData("email: { id: 1000, on: { familyName: whole } }", "email is already the index that the field declares")]
    public void What_is_no_index_is_refused_with_its_reason(string index, string problem)
    {
        var error = Assert.Throws<PolicyException>(() => PolicySet.Load(With(index)));
        Assert.Contains(error.Problems, found => found.Message.Contains(problem, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("land: { id: 1000, on: { country: whole } }", "the index land holds few known values alone")]
    [InlineData("sex: { id: 1000, on: { gender: whole, loyaltyTier: whole } }", "the index sex holds few known values alone")]
    [InlineData("board: { id: 1000, on: { advisoryBoardMember: whole } }", "the index board holds few known values alone")]
    [InlineData("diet: { id: 1000, on: { dietaryRequirements: whole } }", "the index diet holds a special category alone")]
    [InlineData("again: { id: 1000, on: { email: whole } }", null)]
    [InlineData("twin: { id: 1000, on: { phone: whole } }", "the indexes phone and twin hold the same")]
    [InlineData("land-and-birth: { id: 1000, on: { country: whole, birthDate: whole } }", null)]
    public void The_lint_finds_indexes_that_tell_too_much_or_nothing_new(string index, string? finding)
    {
        var findings = PolicySet.Load(With(index)).Lint().Select(found => found.Message).ToList();
        if (finding is not null) Assert.Contains(findings, found => found.Contains(finding, StringComparison.Ordinal));
        else Assert.DoesNotContain(findings, found => found.Contains("few known values", StringComparison.Ordinal));
    }

    private static Dictionary<string, string> With(string index)
    {
        var files = PolicyTexts.ShippedFiles().ToDictionary(file => file.Key, file => file.Value);
        files["catalogue.yaml"] = files["catalogue.yaml"].Replace("\nindexes:\n", $"\nindexes:\n  {index}\n", StringComparison.Ordinal)
            .Replace("  family-name-start: { id: 1000,", "  family-name-start: { id: 1998,", StringComparison.Ordinal);
        return files;
    }
}
