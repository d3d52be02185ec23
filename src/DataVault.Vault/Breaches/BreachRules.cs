using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>What may be done next with a case, and what the law wants in it. INVARIANT: asked under the case's lock, of the steps as they stand then.</summary>
internal static class BreachRules
{
    public const int MaxText = 20_000;
    private const int MaxTitle = 200;
    private const int MaxName = 200;
    private const int MaxListed = 100;

    public static void Check(BreachOpening opening, PolicySet policy, DateTimeOffset now)
    {
        var problems = new Problems();
        problems.Text("/title", opening.Title, MaxTitle);
        if (opening.Natures.Count == 0) problems.Add("/natures", "missing-member", "Say what was broken: confidentiality, integrity or availability.");
        foreach (var nature in opening.Natures) problems.Word("/natures", nature, BreachWords.Natures);
        problems.Word("/side", opening.Side, BreachWords.Sides);
        if (!TimeZoneInfo.TryFindSystemTimeZoneById(opening.Zone, out _)) problems.Add("/zone", "unknown-word", "The zone is an IANA time zone, such as Europe/Brussels.");
        if (opening.AwareAt > now) problems.Add("/awareAt", "out-of-range", "Nobody is aware of anything in the future.");
        if (opening.SuspectedAt > opening.AwareAt) problems.Add("/suspectedAt", "out-of-range", "A suspicion comes before the certainty.");
        if (opening.Jurisdiction is { } regime && policy.Jurisdictions.Find(regime) is null) problems.Add("/jurisdiction", "unknown-word", "The policy knows no such jurisdiction.");
        if (opening.Side == BreachWords.Processor && opening.Controllers.Count == 0) problems.Add("/controllers", "missing-member", "A processor names the controllers whom it tells.");
        if (opening.Controllers.Count > MaxListed) problems.Add("/controllers", "too-many", $"At most {MaxListed}.");
        foreach (var name in opening.Controllers) problems.Text("/controllers", name, MaxName);
        problems.Text("/description", opening.Description, MaxText, optional: true);
        problems.Throw();
    }

    public static void Check(BreachFindings found)
    {
        var problems = new Problems();
        if (found == new BreachFindings()) problems.Add("", "missing-member", "Say something that was found.");
        if (found.People < 0) problems.Add("/people", "out-of-range", "A number of people is not negative.");
        if (found.Records < 0) problems.Add("/records", "out-of-range", "A number of records is not negative.");
        if (found.KeyState is { } state) problems.Word("/keyState", state, BreachWords.KeyStates);
        if (found.Risk is { } risk) problems.Word("/risk", risk, BreachWords.Risks);
        if (found.Risk is not null && string.IsNullOrWhiteSpace(found.RiskReasons)) problems.Add("/riskReasons", "missing-member", "A risk is assessed with reasons.");
        foreach (var (at, list) in new[] { ("/categories", found.Categories), ("/peopleCategories", found.PeopleCategories) })
        {
            if (list?.Count > MaxListed) problems.Add(at, "too-many", $"At most {MaxListed}.");
            foreach (var one in list ?? []) problems.Text(at, one, MaxName);
        }

        if (found.Places?.Count > MaxListed) problems.Add("/places", "too-many", $"At most {MaxListed}.");
        foreach (var (place, people) in found.Places ?? new Dictionary<string, long>())
        {
            problems.Text("/places", place, MaxName);
            if (people < 0) problems.Add("/places", "out-of-range", "A number of people is not negative.");
        }

        foreach (var (at, text) in new[] { ("/consequences", found.Consequences), ("/measures", found.Measures), ("/riskReasons", found.RiskReasons) })
            if (text is not null) problems.Text(at, text, MaxText);
        problems.Throw();
    }

    /// <summary>A report may go out now, with what is known; the case says what it lacks.</summary>
    public static BreachReport Report(BreachCase now, BreachReport report, DateTimeOffset at)
    {
        Open(now);
        var problems = new Problems();
        problems.Word("/phase", report.Phase, BreachWords.Phases);
        problems.Text("/text", report.Text, MaxText);
        if (report.SubmittedAt > at) problems.Add("/submittedAt", "out-of-range", "A report was not submitted in the future.");
        if (now.Opening is { } opening && report.SubmittedAt < opening.AwareAt) problems.Add("/submittedAt", "out-of-range", "Nobody reports a breach before being aware of it.");
        if (report.Reference is { } reference) problems.Text("/reference", reference, MaxName);
        if (report.LateReason is { } reason) problems.Text("/lateReason", reason, MaxText);
        // SPEC GDPR 33(1): after the hours, the report is accompanied by reasons for the delay.
        if (now.Reports.Count == 0 && report.SubmittedAt > now.DueAt && string.IsNullOrWhiteSpace(report.LateReason))
            problems.Add("/lateReason", "late-without-reason", "The time for the first report is over: it goes out with the reasons for the delay.");
        // SPEC GDPR 33(4): what is not known yet may come in phases; the last phase has it all.
        if (report.Phase == BreachWords.Final)
        {
            foreach (var member in now.Missing) problems.Add("/" + member, "missing-member", $"The final report says {member}, and the case does not know it yet.");
            if (now.Findings.Risk is null) problems.Add("/risk", "missing-member", "The risk is assessed before the final report.");
        }

        problems.Throw();
        if (now.Reports.Any(one => one.Phase == BreachWords.Final)) throw VaultException.InvalidState("The final report was submitted.");
        if (report.Phase == BreachWords.Initial && now.Reports.Count > 0) throw VaultException.InvalidState("The initial report was submitted.");
        if (report.Phase == BreachWords.Further && now.Reports.Count == 0) throw VaultException.InvalidState("No initial report was submitted.");
        return report with { Missing = now.Missing };
    }

    public static BreachDecision Decide(BreachCase now, BreachDecision decision, BreachThreshold threshold)
    {
        Open(now);
        var problems = new Problems();
        problems.Word("/about", decision.About, BreachWords.Abouts);
        problems.Word("/outcome", decision.Outcome, BreachWords.Outcomes);
        problems.Text("/reason", decision.Reason, MaxText);
        if (decision.PublicNotice is { } notice) problems.Text("/publicNotice", notice, MaxText);
        problems.Throw();
        if (now.Findings.Risk is not { } risk) throw VaultException.InvalidState("The risk is assessed before anything is decided.");
        if (decision.Outcome == BreachWords.Tell) return decision with { Code = null, Evidence = null };
        return decision.About == BreachWords.AboutAuthority ? Silent(now, decision, threshold, risk) : Exempt(now, decision, risk);
    }

    public static void Close(BreachCase now, BreachClosing closing)
    {
        Open(now);
        var problems = new Problems();
        problems.Text("/lessons", closing.Lessons, MaxText);
        problems.Throw();
        var left = new List<string>();
        if (now.AuthorityDecision is not { Outcome: BreachWords.DoNotTell } && now.Reports.All(report => report.Phase != BreachWords.Final)) left.Add("the final report, or the decision that the authority is not told");
        if (now.PeopleDecision is null) left.Add("the decision whether the people are told");
        if (now.Opening is { } opening) left.AddRange(opening.Controllers.Except(now.ControllersTold.Select(one => one.Controller)).Select(name => $"the notice to the controller {name}"));
        if (left.Count > 0) throw VaultException.InvalidState($"Before the case is closed: {string.Join("; ", left)}.");
    }

    public static void Tell(BreachCase now, BreachControllerNotice notice, DateTimeOffset at)
    {
        Open(now);
        var problems = new Problems();
        if (now.Opening?.Controllers.Contains(notice.Controller) != true) problems.Add("/controller", "unknown-word", "The case names no such controller.");
        if (notice.ToldAt > at) problems.Add("/toldAt", "out-of-range", "Nobody was told in the future.");
        problems.Text("/text", notice.Text, MaxText);
        problems.Throw();
    }

    public static void Draft(BreachCase now, NoticeQuery query)
    {
        var problems = new Problems();
        problems.Word("/audience", query.Audience, BreachNotices.Audiences);
        problems.Word("/language", query.Language, BreachNotices.Languages);
        problems.Word("/phase", query.Phase, BreachWords.Phases);
        if (query.Audience == BreachNotices.Controller && now.Opening?.Controllers.Contains(query.Controller ?? "") != true) problems.Add("/controller", "unknown-word", "The case names no such controller.");
        problems.Throw();
        if (now.Opening is null) throw FirstStepLost();
    }

    public static void Open(BreachCase now)
    {
        if (now.Opening is null) throw FirstStepLost();
        if (now.ClosedAt is not null) throw VaultException.InvalidState("The case is closed.");
    }

    private static VaultException FirstStepLost() =>
        VaultException.InvalidState("The first step of the case is not as the vault wrote it: open a new case, and find out who writes into the database.");

    // SPEC GDPR 33(1): unless the breach is unlikely to result in a risk; a regime may ask for more, or for less.
    private static BreachDecision Silent(BreachCase now, BreachDecision decision, BreachThreshold threshold, string risk)
    {
        if (now.Reports.Count > 0) throw VaultException.InvalidState("The authority was told already.");
        var free = threshold switch { BreachThreshold.Any => false, BreachThreshold.Risk => risk == BreachWords.NoRisk, _ => risk != BreachWords.HighRisk };
        if (!free) throw VaultException.InvalidState("By this regime, and with the risk as it is assessed, the authority is told.");
        return decision with { Code = risk == BreachWords.NoRisk ? BreachWords.RiskUnlikely : BreachWords.RiskNotHigh, Evidence = null };
    }

    // SPEC GDPR 34(3)
    private static BreachDecision Exempt(BreachCase now, BreachDecision decision, string risk)
    {
        var problems = new Problems();
        problems.Word("/code", decision.Code ?? "", BreachWords.Exemptions);
        if (decision.Code == BreachWords.DisproportionateEffort && decision.PublicNotice is null)
            problems.Add("/publicNotice", "missing-member", "Who writes to nobody publishes what happened, so that people are informed as well.");
        if (decision.Code == BreachWords.RiskMitigated && now.Findings.Measures is null) problems.Add("/measures", "missing-member", "The case does not say what was done that the risk is over.");
        problems.Throw();
        if (decision.Code == BreachWords.RiskNotHigh && risk == BreachWords.HighRisk) throw VaultException.InvalidState("The risk is assessed as high.");
        if (decision.Code != BreachWords.DataIneffective) return decision with { Evidence = null };
        if (!now.IsUnintelligible)
            throw VaultException.InvalidState("Nothing shows that what was breached is unintelligible: an attached impact or what was found since says otherwise, or no impact is attached.");
        return decision with { Evidence = now.Impacts[^1].Step };
    }

    /// <summary>Everything that is wrong with an input, told at once.</summary>
    private sealed class Problems
    {
        private readonly List<FieldProblem> found = [];

        public void Add(string pointer, string code, string message) => found.Add(new FieldProblem(pointer, code, message));

        public void Word(string pointer, string word, IReadOnlyList<string> words)
        {
            if (!words.Contains(word)) Add(pointer, "unknown-word", $"One of {string.Join(", ", words)}.");
        }

        public void Text(string pointer, string text, int most, bool optional = false)
        {
            if (!optional && string.IsNullOrWhiteSpace(text)) Add(pointer, "missing-member", "This must be said.");
            else if (text.Length > most) Add(pointer, "too-long", $"At most {most} characters.");
        }

        public void Throw()
        {
            if (found.Count > 0) throw VaultException.Invalid(found);
        }
    }
}
