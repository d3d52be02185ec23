using System.Globalization;

namespace DataVault.Server.Tests.Console;

/// <summary>The pages of the register of breaches, and the pack of evidence.</summary>
public sealed class BreachPageTests(RunningServer server)
{
    [Fact, Requirement("R74")]
    public async Task An_officer_notes_counts_drafts_and_reports_a_breach_by_forms_alone_and_takes_the_evidence_along()
    {
        using var visitor = new ConsoleVisitor(new Uri(server.Http.BaseAddress!, "/"));
        await visitor.SignInAsync(await server.StaffAsync("compliance-officer"));
        await visitor.OpenAsync("/console/officer/breaches");
        var aware = DateTimeOffset.UtcNow.AddHours(-60).ToString("yyyy-MM-dd'T'HH:mm", CultureInfo.InvariantCulture);
        await visitor.SubmitAsync(
            "/console/officer/breaches", ("title", "Found by the officer"), ("natures", "confidentiality"), ("aware", aware), ("zone", "UTC"), ("jurisdiction", "eu"), ("description", "A key was found"));
        var place = visitor.Place;
        Says(visitor, "Found by the officer", "hours left", "A key was found");

        await visitor.SubmitAsync(place + "/impact", ("actor", "support-desk"));
        Says(visitor, "What was counted");
        await visitor.SubmitAsync(place + "/compare");
        Says(visitor, "Every figure comes out the same");
        await visitor.SubmitAsync(place + "/draft", ("audience", "authority"), ("language", "de"), ("phase", "initial"));
        Says(visitor, "Meldung einer Verletzung");
        await visitor.SubmitAsync(place + "/report", ("phase", "final"), ("language", "de"), ("text", "Alles, was ist"));
        // Refused, and what was typed is there again.
        Says(visitor, "Alles, was ist", "role=\"alert\"");
        await visitor.SubmitAsync(place + "/report", ("phase", "initial"), ("language", "de"), ("text", "Was bekannt ist"));
        Says(visitor, "clock stopped");

        await visitor.OpenAsync("/console/officer/breaches");
        Says(visitor, "Found by the officer");
        await visitor.SubmitAsync("/console/officer/breaches/evidence", ("purpose", "marketing"));
        Assert.StartsWith("PK", visitor.Page, StringComparison.Ordinal);
    }

    private static void Says(ConsoleVisitor visitor, params string[] words) =>
        Assert.All(words, word => Assert.Contains(word, System.Net.WebUtility.HtmlDecode(visitor.Page), StringComparison.Ordinal));
}
