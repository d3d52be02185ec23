using DataVault.Client.Wire;

namespace DataVault.Server.Tests.Console;

/// <summary>Breaches made of paper: one whose clock runs, and what a case may hold.</summary>
internal static class PaperBreaches
{
    public static readonly Guid Case = Guid.Parse("0198c3f2-6c1a-7000-8000-0000000000be");
    private static readonly DateTimeOffset s_then = new(2025, 3, 3, 9, 30, 0, TimeSpan.Zero);

    public static object Answer(string method, string path, bool empty) => path switch
    {
        "/v1/breaches" when method == "GET" => new Page<BreachSummary>(empty ? [] : [Summary("A key in a public repository", true, 5.5), Summary("Lost backup", false, null)], empty ? null : "more"),
        _ when path.EndsWith("/drafts", StringComparison.Ordinal) => new BreachDraft("authority", "de", "An: die Behörde\n\nMeldung einer Verletzung\n"),
        _ when path.EndsWith("/impact", StringComparison.Ordinal) && method == "GET" => new ImpactComparisonView(2, true, [new("counts/people", 137, 136)], null),
        _ => View(),
    };

    private static BreachSummary Summary(string title, bool runs, double? left) =>
        new(Case, title, "open", s_then, "eu", s_then.AddHours(72), runs, left, 137, "high", runs ? 0 : 1, runs ? [] : ["step 2 is gone"]);

    private static BreachView View() => new(
        Summary("A key in a public repository", true, 5.5), new OpenBreach("A key in a public repository", ["confidentiality"], s_then, "Europe/Brussels") { Description = "Found by a customer.", Controllers = ["Aurelia Ltd"] },
        new BreachFacts { People = 137, Records = 177, Special = true, KeyState = "readable", Risk = "high" }, ["consequences", "measures"],
        [new(1, "opened", s_then, "o1", 41), new(2, "impact", s_then, "o1", 43), new(3, "reported:initial", s_then, "o2", 44)],
        [new(2, 1042, "F1pOvs6J1rOsdXu/ir9N0ZQIfkB9cP/xN/7jNXvOvxk=", s_then, new Dictionary<string, long> { ["people"] = 137, ["records"] = 177, ["specialPeople"] = 40 }, new Dictionary<string, long> { ["email"] = 137 }, new Dictionary<string, long> { ["pd:EmailAddress"] = 137 }, new Dictionary<string, long> { ["eu"] = 137 }, "readable")],
        [new("initial", s_then, "en", "To: the authority\n", "APD-2026-17", "Found at the weekend", ["measures"])], [])
    {
        PeopleDecision = new BreachDecisionView("people", "tell", "The risk is high."),
    };
}
