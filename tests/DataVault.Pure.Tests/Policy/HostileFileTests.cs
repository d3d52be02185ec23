using System.Globalization;
using System.Text;
using DataVault.Policy;
using DataVault.Policy.Reading;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>Files that somebody wrote to do harm: each is refused by name, after little work, and with an error that can be read.</summary>
public sealed class HostileFileTests
{
    /// <summary>Of memory, over the whole of a loading. What does no harm to a server is no attack.</summary>
    private const long MostBytes = 400L << 20;

    private const int MegaByte = 1 << 20;

    public static TheoryData<string, string, int, string> Files => new()
    {
        { "a huge file", "rules: []\n#" + new string('x', MegaByte), 0, "longer than" },
        { "a bomb of aliases", "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nrules: *c\n", 1, "anchors, aliases and tags" },
        { "an alias alone", "rules: *nobody\n", 1, "anchors, aliases and tags" },
        { "a merge key", "rules:\n  - <<: { id: one }\n    why: Test\n", 2, "unknown key <<" },
        { "a tag of a type", "rules: !!python/object/apply:os.system [ls]\n", 1, "anchors, aliases and tags" },
        { "a tag on a key", "!!str rules: []\n", 1, "anchors, aliases and tags" },
        { "an anchor on a key", "&a rules: []\n", 1, "anchors, aliases and tags" },
        { "an alias as a key", "rules: []\n*a : 1\n", 2, "anchors, aliases and tags" },
        { "lists within lists", "rules: " + new string('[', 500_000), 1, "nested too deeply" },
        { "lists within lists by dashes", "rules:\n" + string.Concat(Enumerable.Range(0, 60).Select(depth => new string(' ', depth) + "-\n")), 0, "nested too deeply" },
        { "mappings within mappings", "rules: " + string.Concat(Enumerable.Repeat("{a: ", 100_000)), 1, "nested too deeply" },
        { "a mapping as a key", "rules: []\n? {a: b}\n: c\n", 2, "not YAML" },
        { "keys without end", "rules: []\n" + string.Concat(Enumerable.Range(0, 100_000).Select(number => $"k{number}:\n")), 2, "unknown key k0" },
        { "the same key without end", string.Concat(Enumerable.Repeat("rules: []\n", 90_000)), 2, "stands twice" },
        { "a line without end", "rules: [\"" + new string('x', MegaByte - 100) + "\"]\n", 1, "must be a mapping" },
        { "quotes without end", "rules: \"" + new string('x', MegaByte - 100), 1, "not YAML" },
        { "rules without end", "rules:\n" + string.Concat(Enumerable.Repeat("- {}\n", 200_000)), 2, "why is missing" },
        { "words without end", "rules:\n  - id: one\n    why: Test\n    roles: [" + string.Concat(Enumerable.Repeat("desk, ", 100_000)) + "]\n", 4, "names more than" },
        { "a null byte", "rules: []\n# \0\n", 2, "U+0000, which cannot be seen" },
        { "a bell", "rules: []\n#\a\n", 2, "U+0007, which cannot be seen" },
        { "a turned line", "rules: []\n# \u202e\n", 2, "U+202E, which cannot be seen" },
        { "a hidden join", "rules: []\n\n# de\u200bsk\n", 3, "U+200B, which cannot be seen" },
        { "half a character", "rules: []\n# \ud800\n", 2, "not UTF-8" },
        { "bytes that were no text", "rules: []\n# " + Encoding.UTF8.GetString([0xc3, 0x28]) + "\n", 2, "not UTF-8" },
        { "a directive", "%YAML 9.9\n---\nrules: []\n", 1, "not YAML" },
        { "nothing but comments", string.Concat(Enumerable.Repeat("#\n", 400_000)), 0, "the file is empty" },
        { "a text for the whole file", "hello\n", 1, "the file must be a mapping" },
        { "a list for the whole file", "- rules\n", 1, "the file must be a mapping" },
        { "a number for the rules", "rules: 7\n", 1, "rules must be a list" },
        { "a text for a rule", "rules: [one]\n", 1, "each of rules must be a mapping" },
        { "a mapping for a word", "rules: [{ id: { a: b }, why: Test }]\n", 1, "id must be a text" },
        { "a list in a list of words", "rules: [{ id: one, why: Test, roles: [[desk]] }]\n", 1, "roles must be a list of texts" },
        { "a text for the condition", "rules: [{ id: one, why: Test, when: always }]\n", 1, "when must be a mapping" },
    };

    [Theory]
    [MemberData(nameof(Files))]
    public void A_hostile_file_of_rules_is_refused_where_it_is_wrong(string kind, string text, int line, string message)
    {
        var files = PolicyTexts.Small("");
        files["access/rules.yaml"] = text;
        var problems = Refused(kind, files);
        Assert.True(
            problems.Any(problem => problem.File == "access/rules.yaml" && (line == 0 || problem.Line == line) && problem.Message.Contains(message, StringComparison.Ordinal)),
            $"{kind}: {string.Join(" | ", problems.Take(5))}");
    }

    public static TheoryData<string, string> Registries => new()
    {
        { "catalogue.yaml", "classes: { contact: { id: 2 } }\nfields:\n" + Flood("  f{0}: {{ id: 1, class: contact, retention: never }}\n", 20_000) },
        { "catalogue.yaml", "fields: {}\nclasses:\n" + Flood("  c{0}: {{ id: 1 }}\n", 50_000) },
        { "catalogue.yaml", "classes: {}\nfields: {}\nindexes:\n" + Flood("  i{0}: {{ on: {{ none: whole }} }}\n", 25_000) },
        { "events.yaml", "events:\n" + Flood("  e{0}: {{ id: 1 }}\n", 50_000) },
        { "purposes.yaml", "purposes:\n" + Flood("  p{0}: {{ id: 1 }}\n", 50_000) },
        { "roles.yaml", "roles:\n" + Flood("  r{0}: {{ parents: [r0] }}\n", 35_000) },
        { "people.yaml", "brands:\n" + Flood("  B{0}: {{}}\n", 60_000) },
        { "retention.yaml", "rules:\n" + Flood("  r{0}: {{}}\n", 60_000) },
        { "analytics.yaml", "domains:\n" + Flood("  d{0}: {{}}\n", 60_000) },
        { "jurisdictions.yaml", "jurisdictions:\n" + Flood("  j{0}: {{}}\n", 60_000) },
        { "cases/all.yaml", "cases:\n" + Flood("- {{ name: n{0} }}\n", 50_000) },
    };

    [Theory]
    [MemberData(nameof(Registries))]
    public void A_flood_in_any_file_is_refused(string file, string text)
    {
        var files = PolicyTexts.Small("");
        files[file] = text;
        Assert.Contains(Refused(file, files), problem => problem.File == file);
    }

    [Theory]
    [InlineData("access/limits.yml", "access/limits.yml", "all end in .yaml")]
    [InlineData("access/limits.YAML", "access/limits.YAML", "all end in .yaml")]
    [InlineData("access/limits.yaml.orig", "access/limits.yaml.orig", "all end in .yaml")]
    [InlineData("catalogue.yml", "catalogue.yml", "all end in .yaml")]
    [InlineData("README.md", "README.md", "all end in .yaml")]
    [InlineData("schema/access.json", "schema/access.json", "all end in .yaml")]
    [InlineData("stop.yaml", "stop.yaml", "rules stand in access/")]
    [InlineData("Access/stop.yaml", "Access/stop.yaml", "rules stand in access/")]
    [InlineData("access/deeper/stop.yaml", "access/deeper/stop.yaml", "rules stand in access/")]
    [InlineData("access/../roles.yaml", "access/../roles.yaml", "not a name of a file")]
    [InlineData("../access/stop.yaml", "../access/stop.yaml", "not a name of a file")]
    [InlineData("/access/stop.yaml", "/access/stop.yaml", "not a name of a file")]
    [InlineData("access//stop.yaml", "access//stop.yaml", "not a name of a file")]
    [InlineData("access\\stop.yaml", "access\\stop.yaml", "not a name of a file")]
    [InlineData("C:/access/stop.yaml", "C:/access/stop.yaml", "not a name of a file")]
    [InlineData("access/.stop.yaml", "access/.stop.yaml", "not a name of a file")]
    [InlineData("access/st\0op.yaml", "access/st\\u0000op.yaml", "not a name of a file")]
    [InlineData("access/\u202elmay.yaml", "access/\\u202elmay.yaml", "not a name of a file")]
    [InlineData("", "", "not a name of a file")]
    public void A_file_whose_name_is_none_of_a_policy_is_refused_by_it_and_never_passed_over(string name, string shown, string message)
    {
        var files = PolicyTexts.Small("");
        files[name] = "rules: []\n";
        var problem = Assert.Single(Refused(name, files));
        Assert.Equal((shown, 0), (problem.File, problem.Line));
        Assert.Contains(message, problem.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("README.md", true)]
    [InlineData("roles.yaml~", true)]
    [InlineData("schema/access.json", true)]
    [InlineData("schema/made/of.yaml", true)]
    [InlineData(".git/config", true)]
    [InlineData(".github/workflows/lint.yml", true)]
    [InlineData("access/.limits.yaml.swp", true)]
    [InlineData("access/limits.yaml~", true)]
    [InlineData("roles.yaml", false)]
    [InlineData("roles.yml", false)]
    [InlineData("old/roles.YML", false)]
    [InlineData(".roles.yaml", false)]
    [InlineData("access/limits.yaml", false)]
    [InlineData("access/limits", false)]
    [InlineData("access/.limits.yaml", false)]
    [InlineData("Cases/limits.txt", false)]
    [InlineData("access/limits.yaml.orig", false)]
    public void What_stands_beside_a_policy_in_a_folder_is_left_out_and_what_may_be_meant_as_a_part_is_not(string name, bool aside) =>
        Assert.Equal(aside, PolicyFileNames.IsAside(name));

    private static string Flood(string line, int count) =>
        string.Concat(Enumerable.Range(0, count).Select(number => string.Format(CultureInfo.InvariantCulture, line, number)));

    [Fact]
    public void Roles_in_a_circle_are_refused_however_long_it_is()
    {
        var files = PolicyTexts.Small("");
        files["roles.yaml"] = "roles:\n" + string.Concat(Enumerable.Range(0, 200).Select(number => $"  r{number}: {{ title: Test, parents: [r{(number + 1) % 200}] }}\n"));
        Assert.Contains(Refused("circle", files), problem => problem is { File: "roles.yaml", Line: 2 } && problem.Message == "r0 would be its own ancestor");
        files["roles.yaml"] = "roles:\n  self: { title: Test, parents: [self] }\n";
        Assert.Contains(Refused("self", files), problem => problem.Message == "self would be its own ancestor");
        files["roles.yaml"] = "roles:\n" + string.Concat(Enumerable.Range(0, 250).Select(number =>
            $"  r{number}: {{ title: Test, parents: [{string.Join(", ", Enumerable.Range(0, 250).Select(parent => $"r{parent}"))}] }}\n"));
        Assert.Contains(Refused("everybody of everybody", files), problem => problem.Message == "r0 would be its own ancestor");
        Assert.Contains(Refused("everybody of everybody", files), problem => problem.Message == "more than 16 parents");
    }

    [Fact]
    public void More_than_the_table_can_hold_is_refused_before_it_is_made()
    {
        var files = PolicyTexts.Small("");
        files["roles.yaml"] = "roles:\n" + string.Concat(Enumerable.Range(0, 257).Select(number => $"  r{number}: {{ title: Test }}\n"));
        Assert.Contains(Refused("roles", files), problem => problem.Message == "more than 256 roles");

        files = PolicyTexts.Small(string.Concat(Enumerable.Range(0, 4097).Select(number => Rule(number, "[desk]"))));
        Assert.Contains(Refused("rules", files), problem => problem.Message == "more than 4096 rules");

        files = Many(roles: 200, purposes: 100, fields: 200, rules: 1);
        Assert.Contains(Refused("cells", files), problem => problem.Message.StartsWith("roles times purposes times fields", StringComparison.Ordinal));

        files = Many(roles: 100, purposes: 100, fields: 250, rules: 200);
        Assert.Contains(Refused("combinations", files), problem => problem.Message.Contains("combinations of role, purpose, action and item", StringComparison.Ordinal));
    }

    [Fact]
    public void Many_files_and_much_text_are_refused()
    {
        var files = PolicyTexts.Small("");
        for (var number = 0; number < 1_001; number++) files[string.Create(CultureInfo.InvariantCulture, $"access/{number}.yaml")] = "rules: []";
        Assert.Contains(Refused("files", files), problem => problem.Message == "more than 1000 files");
        files = PolicyTexts.Small("");
        for (var number = 0; number < 9; number++) files[string.Create(CultureInfo.InvariantCulture, $"cases/{number}.yaml")] = "#" + new string(' ', MegaByte - 1);
        Assert.Contains(Refused("text", files), problem => problem.Message.StartsWith("more than 8 million characters", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("../../../etc/passwd")]
    [InlineData("/etc/localtime")]
    [InlineData("Europe/../../../etc/hostname")]
    [InlineData("Europe\\Brussels")]
    public void A_time_zone_is_a_name_and_no_path(string zone)
    {
        var files = PolicyTexts.Small($"  - {{ id: one, why: Test, roles: [desk], purposes: [service], fields: [email], actions: [read], form: plain, when: {{ time: {{ zone: '{zone}', from: \"08:00\" }} }} }}");
        Assert.Contains(Refused(zone, files), problem => problem.Message.StartsWith("unknown time zone", StringComparison.Ordinal));
    }

    [Fact]
    public void A_flood_of_mistakes_is_reported_in_part_and_counted()
    {
        var files = PolicyTexts.Small("");
        files["access/rules.yaml"] = "rules:\n" + string.Concat(Enumerable.Repeat("- {}\n", 1_000));
        var problems = Refused("flood", files);
        Assert.Equal(201, problems.Count);
        Assert.Matches("^and [0-9]+ more$", problems[^1].Message);
    }

    [Fact]
    public void A_message_shows_no_more_of_a_file_than_can_be_read()
    {
        var files = PolicyTexts.Small("");
        files["access/rules.yaml"] = "rules: []\n\"\\e[31m\\a" + new string('x', 900) + "\": 1\n";
        var problem = Refused("escape", files).Single();
        Assert.StartsWith("unknown key ?[31m?xxx", problem.Message, StringComparison.Ordinal);
        Assert.InRange(problem.Message.Length, 100, 401);
    }

    /// <summary>Each shipped file with something of it doubled, dropped, moved, exchanged or overwritten: it loads or is refused.</summary>
    [Fact]
    public void Damage_anywhere_is_refused_or_without_effect_but_never_a_crash()
    {
        var shipped = PolicyTexts.ShippedFiles().Where(file => file.Key.EndsWith(".yaml", StringComparison.Ordinal)).ToDictionary();
        var names = shipped.Keys.Order(StringComparer.Ordinal).ToArray();
        var refused = 0;
        for (var seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            var file = names[random.Next(names.Length)];
            var damaged = new Dictionary<string, string>(shipped) { [file] = Damage(random, shipped[file], shipped[names[random.Next(names.Length)]]) };
            var refusal = Record.Exception(() => PolicySet.Load(damaged));
            Assert.True(refusal is null or PolicyException, $"seed {seed} in {file}: {refusal}");
            if (refusal is PolicyException { Problems: var problems })
            {
                refused++;
                Assert.All(problems, problem => Assert.True(problem.File.Length > 0 && problem.Message.Length > 0, $"seed {seed}: {problem}"));
            }
        }

        Assert.InRange(refused, 80, 199);
    }

    private static string Damage(Random random, string text, string other)
    {
        string[] debris =
        [
            "[", "]", "{", "}", ":", "-", "\"", "'", "#", "&a", "*a", "!", "|", ">", "%", "@", "\t", "\0", "\n", "? ", "~", "\ud800", "---", "...", "<<: ", ", ", "\u0085", "\u2028", "\ufeff",
            "99999999999999999999", "-1", "1e9", "true", "null", "all", "[[", "{{", "\r", "\\", "`", "  ", "0x10", ".inf", "2026-02-30",
        ];
        var (at, length) = (random.Next(text.Length), random.Next(1, 60));
        var end = Math.Min(text.Length, at + length);
        var lines = text.Split('\n');
        var (line, elsewhere) = (random.Next(lines.Length), random.Next(lines.Length));
        switch (random.Next(7))
        {
            case 0: return text[..at] + debris[random.Next(debris.Length)] + text[Math.Min(text.Length, at + random.Next(4))..];
            case 1: return text[..at] + text[end..];
            case 2: return text[..end] + text[at..];
            case 3: (lines[line], lines[elsewhere]) = (lines[elsewhere], lines[line]); break;
            case 4: lines[line] = new string(' ', random.Next(8)) + lines[line].TrimStart(); break;
            case 5: lines[line] = other.Split('\n') is var others ? others[random.Next(others.Length)] : ""; break;
            default: return text[..at] + (char)random.Next(1, 0x3000) + text[at..];
        }

        return string.Join('\n', lines);
    }

    private static string Rule(int number, string roles, string purposes = "[service]", string fields = "[email]") =>
        $"  - {{ id: r{number}, why: Test, roles: {roles}, purposes: {purposes}, fields: {fields}, actions: [read], form: plain }}\n";

    private static Dictionary<string, string> Many(int roles, int purposes, int fields, int rules)
    {
        var files = PolicyTexts.Small("");
        files["roles.yaml"] = "roles:\n" + string.Concat(Enumerable.Range(0, roles).Select(number => $"  r{number}: {{ title: Test }}\n"));
        files["purposes.yaml"] = "purposes:\n" + string.Concat(Enumerable.Range(1, purposes).Select(number => $"  p{number}: {{ id: {number}, title: Test, basis: contract, dpv: \"dpv:CustomerCare\" }}\n"));
        files["catalogue.yaml"] = "classes: { contact: { id: 2 }, transaction: { id: 20 } }\nfields:\n" + string.Concat(Enumerable.Range(1, fields).Select(number => $"  f{number}: {{ id: {number}, label: Test, class: contact, type: text, category: \"pd:Contact\", retention: usual }}\n"));
        files["access/rules.yaml"] = "rules:\n" + string.Concat(Enumerable.Range(0, rules).Select(number => Rule(number, "[all]", "[all]", "[all]")));
        return files;
    }

    private static IReadOnlyList<PolicyProblem> Refused(string kind, Dictionary<string, string> files)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var problems = Assert.Throws<PolicyException>(() => PolicySet.Load(files)).Problems;
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated < MostBytes, $"{kind}: {allocated >> 20} MiB");
        Assert.InRange(problems.Count, 1, 201);
        return problems;
    }
}
