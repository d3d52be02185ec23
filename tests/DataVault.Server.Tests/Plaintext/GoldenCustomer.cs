using System.IO.Compression;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using DataVault.Testing;

namespace DataVault.Server.Tests.Plaintext;

/// <summary>What is demanded of the person in whose name something was written wherever the vault keeps anything of people. What is new and not planted fails by its name.</summary>
internal static partial class GoldenCustomer
{
    /// <summary>
    /// Tables that hold no row of this customer: work of seconds, what only a provider outside brings along, what this domain has no events for, notices of a correction or
    /// restriction, which this customer has none of, and what a controller asks in somebody's name.
    /// </summary>
    private static readonly string[] Passing = ["vault.feed_queue", "issuer.change", "issuer.outside_link", "analytics_commerce.interaction", "vault.recipient_notice", "vault.opendsr_request"];

    private static readonly string[] AfterTheErasure = ["vault.outbox", "vault.parting_letter", "vault.suppression", "vault.tombstone", "keys.tombstone"];

    /// <summary>Words that the person does not get, and why.</summary>
    private static readonly Dictionary<string, string> NotTheirs = new()
    {
        ["review"] = "what an officer judges of an employee's act", ["case"] = "what the company prepares for a court or an authority", ["release"] = "of the same case",
        ["key"] = "of the calling application", ["notice"] = "refused: nobody knows this text", ["channel"] = "refused with it",
        ["misplaced"] = "refused and not kept", ["wrong password"] = "refused and not kept", ["nobody"] = "refused and not kept", ["reason"] = "refused and not kept",
        ["actor"] = "a question that found nothing",
    };

    /// <summary>Words that are not in the package yet: what was shown of an identity, and why somebody looked.</summary>
    private static readonly string[] NotYet = ["approval", "emergency", "evidence", "refund"];

    /// <summary>Every table in which something of a customer can stand has a row of this one.</summary>
    /// <param name="naming">Tables with rows that name the person.</param>
    /// <param name="filled">Tables with any row.</param>
    public static void IsPlantedEverywhere(IReadOnlyCollection<string> naming, IReadOnlyCollection<string> filled)
    {
        var about = Holdings.Read().Values.Where(holding => holding.Of == "customer" || holding.Columns.Contains("subject_id")).ToList();
        var missing = about.Where(holding => holding.Columns.Contains("subject_id") ? !naming.Contains(holding.Table) : !filled.Contains(holding.Table))
            .Select(holding => holding.Table).Except(Passing).Except(AfterTheErasure).ToList();
        Assert.True(missing.Count == 0, $"Nothing of the person is planted in {string.Join(", ", missing)}.");
    }

    /// <summary>Whatever was planted is in the package, and each file that docs/holdings.md names is.</summary>
    public static void IsFoundIn(byte[] package, Canaries canaries)
    {
        using var zip = new ZipArchive(new MemoryStream(package));
        var all = new StringBuilder();
        foreach (var entry in zip.Entries)
        {
            using var content = new StreamReader(entry.Open());
            all.Append(Plain(content.ReadToEnd())).Append('\n');
        }

        var text = all.ToString();
        var lost = canaries.Held.Where(held => !text.Contains(held, StringComparison.Ordinal)).Concat(
            canaries.Places.Where(place => !NotTheirs.ContainsKey(place) && !text.Contains(canaries.Said(place), StringComparison.Ordinal)).Select(place => $"what was said at '{place}'"));
        Assert.Equal(NotYet.Select(place => $"what was said at '{place}'"), lost.Order(StringComparer.Ordinal));
        var files = zip.Entries.Select(entry => entry.Name).ToHashSet(StringComparer.Ordinal);
        Assert.Subset(files, Holdings.Read().Values.SelectMany(holding => FileName().Matches(holding.Package).Select(file => file.Value)).ToHashSet(StringComparer.Ordinal));
    }

    // JSON, HTML and CSV each write some characters in their own way.
    private static string Plain(string content) => WebUtility.HtmlDecode(Escape().Replace(content, match => ((char)Convert.ToInt32(match.Groups[1].Value, 16)).ToString()));

    [GeneratedRegex(@"\\u([0-9a-fA-F]{4})")]
    private static partial Regex Escape();

    [GeneratedRegex(@"[a-z-]+\.(nd)?json")]
    private static partial Regex FileName();
}
