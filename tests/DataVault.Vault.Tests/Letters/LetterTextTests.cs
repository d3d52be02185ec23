using System.Text;
using DataVault.Policy;
using DataVault.Testing;
using Xunit;

namespace DataVault.Vault.Tests.Letters;

/// <summary>The letters of the shipped policy, word for word: what changes in them is seen in a review.</summary>
public sealed class LetterTextTests
{
    private static readonly DateTimeOffset s_now = new(2026, 11, 1, 23, 30, 0, TimeSpan.Zero);

    private static readonly LetterScene s_scene = new(Repository.Policy, s_now, "https://vault.example");

    public static TheoryData<string> Languages => [.. Repository.Policy.Letters!.Languages.Select(one => one.Tag)];

    [Theory]
    [MemberData(nameof(Languages))]
    public void Every_letter_says_word_for_word_what_was_reviewed(string language)
    {
        var letters = LetterKinds.All.Select(kind => (Kind: kind, Printed: Print(kind, language))).ToList();
        Same(language + ".txt", letters.Select(one => $"===== {LetterKinds.NameOf(one.Kind)}: {one.Printed.Subject}\n\n{one.Printed.Text()}\n"));
        Same(language + ".html", letters.Select(one => one.Printed.Html()));
    }

    [Theory]
    [MemberData(nameof(Languages))]
    [Requirement("R66", "R81")]
    public void Every_letter_names_the_request_the_controller_the_officer_and_the_authority_and_leaves_no_gap(string language)
    {
        foreach (var kind in LetterKinds.All)
        {
            var text = Print(kind, language).Text();
            foreach (var said in new[] { "Example Trading Company", "privacy@example.com", "dpo@example.com", "Commission nationale de l'informatique et des libertés (CNIL)" })
                Assert.True(text.Contains(said, StringComparison.Ordinal), $"{language} {kind}: {said}");
            Assert.Equal(kind is not (LetterKind.RestrictionLifted or LetterKind.ObjectionLifted), text.Contains("019c0000-0000-7000-8000-000000000001", StringComparison.Ordinal));
            Assert.DoesNotContain('{', text);
            Assert.DoesNotContain("  ", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_refusal_and_what_stays_say_why_and_name_the_court_and_the_authority()
    {
        foreach (var language in Repository.Policy.Letters!.Languages)
        {
            foreach (var reason in LetterCodes.Tables["refusals"])
            {
                var text = s_scene.Print(About(RequestKinds.Erasure), new LetterOrder(LetterKind.Refused) { Reason = reason }, language, "FR").Text();
                Assert.Contains(language.Words("refusals", reason), text, StringComparison.Ordinal);
            }

            foreach (var kind in new[] { LetterKind.Refused, LetterKind.PartlyRefused, LetterKind.ContestDecided })
            {
                var list = Print(kind, language.Tag).Blocks.Last(block => block.Kind == LetterBlockKind.List);
                Assert.Equal(2, list.Lines.Count);
            }
        }
    }

    [Fact]
    public void What_is_filled_in_stays_text_on_its_line_and_in_its_direction()
    {
        const string Hostile = "<script>alert(1)</script>\r\nBcc: all@example.com\u202egnp\u2066\u200b\0\"'&";
        var press = new LetterPress(Repository.Policy.Letters!.Standard).With(LetterSlots.Contact, Hostile).WithEach(LetterSlots.Kept, [Hostile, Hostile]);
        var printed = press.Print(LetterKind.PartlyRefused);
        var text = printed.Text();
        Assert.Contains("Bcc: all@example.comgnp", text, StringComparison.Ordinal);
        Assert.All(text.Split('\n'), line => Assert.False(line.StartsWith("Bcc", StringComparison.Ordinal)));
        Assert.DoesNotContain(text, letter => letter is '\r' or '\0' or '\u202e' or '\u2066' or '\u200b');
        Assert.Contains("&lt;script&gt;alert(1)&lt;/script&gt;", printed.Html(), StringComparison.Ordinal);
        Assert.DoesNotContain("<script", printed.Html(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("de-AT", "de")]
    [InlineData("zh-Hans-CN", "zh")]
    [InlineData("FR", "fr")]
    [InlineData("ja", "en")]
    [InlineData("", "en")]
    [InlineData("../../etc/passwd", "en")]
    [InlineData(null, "en")]
    public void A_language_is_found_without_its_region_and_otherwise_the_standard_one_is_taken(string? wish, string language) =>
        Assert.Equal(language, Repository.Policy.Letters!.Choose([wish]).Tag);

    [Fact]
    public void The_day_is_that_of_the_law_the_request_is_under_and_is_written_as_people_write_it()
    {
        // Half past eleven at night by UTC: in Brussels it is the next day.
        var received = Print(LetterKind.Received, "de");
        Assert.Contains("Datum: 2. November 2026", received.Text(), StringComparison.Ordinal);
        Assert.Contains("Date\u00a0: 2 novembre 2026", Print(LetterKind.Received, "fr").Text(), StringComparison.Ordinal);
        Assert.Contains("日期：2026年11月2日", Print(LetterKind.Received, "zh").Text(), StringComparison.Ordinal);
        Assert.Equal("1er janvier 2027", Repository.Policy.Letters!.Find("fr")!.Day(new DateOnly(2027, 1, 1)));
    }

    [Fact]
    public void What_every_refusal_and_extension_names_has_words()
    {
        foreach (var reason in RequestReasons.Refusals.Except(["withdrawn-by-customer", Justifications.CompellingGrounds])) Assert.Contains(reason, LetterCodes.Tables["refusals"]);
        Assert.Contains(Justifications.CompellingGrounds, LetterCodes.Tables["ends"]);
        foreach (var reason in RequestReasons.Extensions) Assert.Contains(reason, LetterCodes.Tables["extensions"]);
        foreach (var outcome in RequestReasons.Outcomes) Assert.Contains(outcome, LetterCodes.Tables["outcomes"]);
        foreach (var kind in RequestKinds.All) Assert.Contains(kind, LetterCodes.Tables["rights"]);
        foreach (var ground in HoldAuthorities.All) Assert.Contains(ground, LetterCodes.Tables["grounds"]);
    }

    private static RenderedLetter Print(LetterKind kind, string language)
    {
        var table = LetterCodes.TableOf(kind);
        var order = new LetterOrder(kind)
        {
            Reason = table is null ? null : LetterCodes.Tables[table][0], Until = new DateTimeOffset(2026, 11, 16, 12, 0, 0, TimeSpan.Zero),
            Kept = ["transaction", "financial"], Purposes = ["marketing"], Marked = new DateOnly(2029, 11, 1),
        };
        var about = kind is LetterKind.RestrictionLifted or LetterKind.ObjectionLifted ? new LetterAbout(default, "eu", null) : About(RightOf(kind));
        return s_scene.Print(about, order, Repository.Policy.Letters!.Find(language)!, "FR");
    }

    private static string RightOf(LetterKind kind) => kind switch
    {
        LetterKind.Rectified => RequestKinds.Rectification,
        LetterKind.Restricted => RequestKinds.Restriction,
        LetterKind.Objected => RequestKinds.Objection,
        LetterKind.ContestDecided => RequestKinds.Contest,
        LetterKind.Erased or LetterKind.PartlyRefused => RequestKinds.Erasure,
        _ => RequestKinds.Access,
    };

    private static LetterAbout About(string right) => LetterAbout.Of(new RequestRow(new Guid("019c0000-0000-7000-8000-000000000001"), new SubjectId(Guid.Empty), right, RequestStates.Received, "eu")
    {
        OpenedAt = s_now.AddDays(-3), DueAt = Repository.Policy.Jurisdictions.Default.DueAt(s_now.AddDays(-3)), OpenedBy = "customer",
    })!;

    private static void Same(string file, IEnumerable<string> parts)
    {
        var actual = string.Concat(parts);
        var golden = Path.Combine(Repository.Root, "tests", "DataVault.Vault.Tests", "Letters", "Golden", file);
        var written = Path.Combine(AppContext.BaseDirectory, file);
        File.WriteAllText(written, actual, new UTF8Encoding(false));
        Assert.True(File.Exists(golden) && File.ReadAllText(golden).ReplaceLineEndings("\n") == actual, $"{file} is not what was reviewed: compare it with {written}, and put that in its place if it is meant.");
    }
}
