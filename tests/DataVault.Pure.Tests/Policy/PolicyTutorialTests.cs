using System.Text.RegularExpressions;
using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>The tutorial of docs/formats/policy.md, carried out on the shipped policy step by step.</summary>
public sealed partial class PolicyTutorialTests
{
    [GeneratedRegex(@"```(?<kind>yaml|text)\n(?<body>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();

    [Fact]
    public void Each_step_does_what_the_tutorial_says()
    {
        var document = File.ReadAllText(Path.Combine(PolicyTexts.ShippedFolder(), "..", "docs", "formats", "policy.md"));
        var files = PolicyTexts.ShippedFiles();
        var (steps, findings) = (0, 0);
        foreach (Match block in Block().Matches(document[document.IndexOf("## 7. Tutorial", StringComparison.Ordinal)..]))
        {
            var body = block.Groups["body"].Value;
            if (block.Groups["kind"].Value == "yaml")
            {
                var (path, text) = (body.Split('\n')[0].TrimStart('#', ' '), body[(body.IndexOf('\n', StringComparison.Ordinal) + 1)..]);
                files[path] = files.TryGetValue(path, out var before) ? before.TrimEnd() + "\n" + text : text;
                if (++steps == 1) Assert.Empty(PolicySet.Load(files).Lint());
                continue;
            }

            Assert.Equal(body.Split('\n', StringSplitOptions.RemoveEmptyEntries), PolicySet.Load(files).Lint().Select(finding => finding.ToString()));
            findings++;
        }

        Assert.Equal((5, 4), (steps, findings));
        var done = PolicySet.Load(files);
        Assert.True(done.Coverage().IsComplete);
        Assert.Equal(100, done.Coverage().Percent);
        Assert.Equal(["plain"], done.Decide(
            PolicyTexts.Application("shop-counter", "size-advice"), AccessAction.Read, "size-advice",
            new DecisionFacts([new ConsentFact(14, ConsentStatus.Given, null) { Backing = ConsentBacking.TakenForGrown }], [], false, false) { Traits = SubjectTraits.None with { Brand = "house" } }, "shoeSize").Outcomes());
    }
}
