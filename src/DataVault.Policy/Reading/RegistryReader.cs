using System.Globalization;
using DataVault.Policy.Yaml;

namespace DataVault.Policy.Reading;

/// <summary>Reads purposes.yaml, roles.yaml, retention.yaml, jurisdictions.yaml and analytics.yaml.</summary>
internal static class RegistryReader
{
    private static readonly string[] Bases =
        ["consent", "explicit-consent", "contract", "legal-obligation", "vital-interests", "public-task", "legitimate-interests"];

    /// <summary>The letters of GDPR Article 9(2).</summary>
    private static readonly string[] SpecialGrounds = [.. "abcdefghij".Select(letter => $"A9-2-{letter}")];

    /// <summary>A table has a row for each role, purpose and action.</summary>
    private const int MostRoles = 256;
    private const int MostParents = 16;

    private static readonly string[] Triggers = [RetentionRule.LastActivity, RetentionRule.Recorded, RetentionRule.Occurred];

    public static IReadOnlyList<RetentionRule> Retention(Section? section)
    {
        if (section is null) return [];
        var rules = new List<RetentionRule>();
        var taken = new Taken();
        foreach (var (name, body) in section.Named("rules"))
        {
            var rule = new RetentionRule(name.Text, body.Wording("title"), body.Choice("trigger", Triggers), body.Number("months", 1, 1200), body.Wording("ground"));
            body.Done();
            if (taken.Claim(body, name)) rules.Add(rule);
        }

        section.Done();
        return [.. rules.OrderBy(rule => rule.Name, StringComparer.Ordinal)];
    }

    public static PurposeRegistry Purposes(Section? section)
    {
        var purposes = new List<Purpose>();
        var taken = new Taken();
        foreach (var (name, body) in section?.Named("purposes") ?? [])
        {
            var purpose = new Purpose(body.Number("id", 1, 999), name.Text, Terms(body));
            body.Done();
            if (taken.Claim(body, name) && taken.Claim(body, purpose.Id)) purposes.Add(purpose);
        }

        var head = ConsentReader.Head(section);
        section?.Done();
        return new PurposeRegistry([.. purposes.OrderBy(purpose => purpose.Id)], head);
    }

    private static PurposeTerms Terms(Section body)
    {
        var basis = body.Choice("basis", Bases);
        var titles = body.Wording("title");
        var dpv = body.Text("dpv");
        if (dpv.Length > 0 && !Names.IsTerm(dpv, "dpv:")) body.Problem(body.LineOf("dpv"), $"{dpv} is not a dpv: identifier");
        var ground = body.OptionalText("specialBasis");
        if (ground is not null && !SpecialGrounds.Contains(ground)) body.Problem(body.LineOf("specialBasis"), $"specialBasis is {ground}, must be one of {string.Join(", ", SpecialGrounds)}");
        var dutyBound = basis is "legal-obligation" or "vital-interests";
        var (notice, version) = (body.OptionalText("notice") ?? "", body.OptionalText("noticeVersion") ?? "");
        return new PurposeTerms(titles, basis, dpv)
        {
            Notice = notice,
            NoticeVersion = version,
            Consent = ConsentReader.Terms(body, notice, version),
            ConsentMonths = body.OptionalNumber("consentMonths", 1, 1200),
            BreakGlass = body.Flag("breakGlass", false),
            Emergency = new EmergencyTerms(body.OptionalNumber("emergencyMinutes", 1, 1440) ?? EmergencyTerms.UsualMinutes),
            ReviewDays = body.OptionalNumber("reviewDays", 1, 365) ?? 3,
            StopsAtOverdue = body.OptionalNumber("stopsAtOverdue", 1, 1000),
            DirectMarketing = body.Flag("directMarketing", dpv == "dpv:DirectMarketing"),
            Justification = Justification(body.OptionalMap("justification")),
            Budget = Budget(body.OptionalMap("budget")),
            StopsOnObjection = body.Flag("stopsOnObjection", !dutyBound),
            StopsOnRestriction = body.Flag("stopsOnRestriction", !dutyBound),
            SpecialBasis = ground,
            Assessment = Assessment(body.OptionalMap("assessment")),
        };
    }

    private static ImpactAssessment? Assessment(Section? section)
    {
        if (section is null) return null;
        var criteria = section.SomeWords("criteria");
        foreach (var word in criteria.Where(word => !ImpactAssessment.KnownCriteria.Contains(word.Text)))
            section.Problem(word.Line, $"{word.Text} is no criterion, must be one of {string.Join(", ", ImpactAssessment.KnownCriteria)}");
        var reference = section.OptionalText("reference");
        DateOnly? review = null;
        if (section.OptionalText("review") is { } text)
        {
            if (DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day)) review = day;
            else section.Problem(section.LineOf("review"), $"{text} is not a date");
        }

        section.Done();
        return new ImpactAssessment([.. criteria.Select(word => word.Text)], reference, review);
    }

    private static JustificationRule? Justification(Section? section)
    {
        if (section is null) return null;
        var pattern = section.OptionalText("pattern");
        section.Done();
        if (pattern is { Length: > 200 })
        {
            section.Problem(section.LineOf("pattern"), "pattern is longer than 200 characters");
            return new JustificationRule(null);
        }

        try
        {
            return new JustificationRule(pattern);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            section.Problem(section.LineOf("pattern"), "pattern is not a regular expression that can be matched without backtracking");
            return new JustificationRule(null);
        }
    }

    private static DisclosureBudget? Budget(Section? section)
    {
        if (section is null) return null;
        var budget = new DisclosureBudget(section.OptionalNumber("perHour", 1, 1_000_000), section.OptionalNumber("perDay", 1, 1_000_000));
        section.Done();
        if (budget is { PerHour: null, PerDay: null }) section.Problem(section.Line, "a budget says perHour, perDay or both");
        if (budget.PerDay < budget.PerHour) section.Problem(section.LineOf("perDay"), "perDay is less than perHour");
        return budget;
    }

    public static RoleRegistry Roles(Section? section, ConditionReader conditions)
    {
        var roles = new List<(Role Role, Section Body)>();
        var taken = new Taken();
        foreach (var (name, body) in section?.Named("roles") ?? [])
        {
            var capabilities = body.Words("capabilities");
            foreach (var word in capabilities.Where(word => !Capabilities.All.Contains(word.Text))) body.Problem(word.Line, $"unknown capability {word.Text}");
            var role = new Role(name.Text, body.Wording("title"), [.. body.Words("parents").Take(MostParents).Select(word => word.Text)], [.. capabilities.Select(word => word.Text)])
            {
                OwnReach = conditions.Reach(body),
            };
            body.Done();
            if (taken.Claim(body, name)) roles.Add((role, body));
        }

        section?.Done();
        if (roles.Count > MostRoles)
        {
            section!.Problem(section.Line, $"more than {MostRoles} roles");
            roles.RemoveRange(MostRoles, roles.Count - MostRoles);
        }

        var registry = new RoleRegistry([.. roles.Select(pair => pair.Role).OrderBy(role => role.Name, StringComparer.Ordinal)]);
        foreach (var (role, body) in roles) CheckParents(role, body, registry);
        return registry;
    }

    private static void CheckParents(Role role, Section body, RoleRegistry registry)
    {
        var parents = body.Words("parents");
        if (parents.Count > MostParents) body.Problem(body.LineOf("parents"), $"more than {MostParents} parents");
        foreach (var parent in parents.Take(MostParents))
        {
            if (registry.Find(parent.Text) is not { } known) body.Problem(parent.Line, $"unknown role {parent.Text}");
            else if (registry.Lineage(known).Contains(role)) body.Problem(parent.Line, $"{role.Name} would be its own ancestor");
        }
    }

    public static JurisdictionTable Jurisdictions(Section? section)
    {
        var all = new List<Jurisdiction>();
        var taken = new Taken();
        foreach (var (name, body) in section?.Named("jurisdictions") ?? [])
        {
            var jurisdiction = OneJurisdiction(name.Text, body);
            body.Done();
            if (taken.Claim(body, name)) all.Add(jurisdiction);
        }

        var standard = section?.Text("default") ?? "";
        var found = all.Find(item => item.Name == standard);
        if (found is null && standard.Length > 0) section!.Problem(section.LineOf("default"), $"unknown jurisdiction {standard}");
        section?.Done();
        return new JurisdictionTable([.. all.OrderBy(item => item.Name, StringComparer.Ordinal)], found ?? new Jurisdiction("none", "", ("days", 0, 0), (TimeZoneInfo.Utc, false, [])));
    }

    private static Jurisdiction OneJurisdiction(string name, Section body)
    {
        var rule = body.Choice("clock", ["months", "days"]);
        var period = (rule, body.Number("due", 1, 400), body.OptionalNumber("extension", 0, 400) ?? 0);
        var holidays = new List<DateOnly>();
        foreach (var word in body.Words("holidays"))
        {
            if (DateOnly.TryParseExact(word.Text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day)) holidays.Add(day);
            else body.Problem(word.Line, $"{word.Text} is not a date");
        }

        var zone = body.Text("zone");
        var found = Names.Zone(zone);
        if (found is null && zone.Length > 0) body.Problem(body.LineOf("zone"), $"unknown time zone {zone}");
        return new Jurisdiction(name, body.Wording("title"), period, (found ?? TimeZoneInfo.Utc, body.Flag("rolls", false), holidays))
        {
            Stops = Stops(body), PausesBind = body.Flag("pausesBind", false), AcknowledgeDays = body.OptionalNumber("acknowledge", 1, 400),
            Escalations = Escalations(body), EarlierDays = body.OptionalNumber("earlier", 0, 10) ?? 0, Breach = BreachReader.Terms(body),
        };
    }

    private static HashSet<string> Stops(Section body)
    {
        var words = body.Words("stops");
        foreach (var word in words.Where(word => !ClockPause.Causes.Contains(word.Text))) body.Problem(word.Line, $"{word.Text} stops no clock, must be one of {string.Join(", ", ClockPause.Causes)}");
        if (words.Count == 0 && body.IsText("pausesBind") && body.OptionalText("pausesBind") == "true") body.Problem(body.LineOf("pausesBind"), "pausesBind without stops: nothing stops the clock that would bind");
        return [.. words.Select(word => word.Text)];
    }

    private static List<int> Escalations(Section body)
    {
        var words = body.Words("escalations");
        var steps = new List<int>();
        foreach (var word in words)
        {
            if (int.TryParse(word.Text, NumberStyles.None, CultureInfo.InvariantCulture, out var step) && step is > 0 and < 100 && (steps.Count == 0 || step > steps[^1])) steps.Add(step);
            else body.Problem(word.Line, $"{word.Text} is not a percentage between 1 and 99 that is more than the one before");
        }

        return words.Count == 0 ? [50, 75, 90] : steps;
    }

    public static IReadOnlyList<AnalyticsDomain> Analytics(Section? section, Catalogue catalogue, TrackingPlan plan)
    {
        var domains = new List<AnalyticsDomain>();
        var taken = new Taken();
        foreach (var (name, body) in section?.Named("domains") ?? [])
        {
            if (!Names.IsColumn(name.Text)) body.Problem(name.Line, $"{name.Text} is not a domain name: small letters, digits and underscores");
            var domain = Domain(name.Text, body, catalogue, plan);
            body.Done();
            if (taken.Claim(body, name)) domains.Add(domain);
        }

        section?.Done();
        return [.. domains.OrderBy(domain => domain.Name, StringComparer.Ordinal)];
    }

    private static AnalyticsDomain Domain(string name, Section body, Catalogue catalogue, TrackingPlan plan)
    {
        var columns = new List<AnalyticsColumn>();
        foreach (var (column, inner) in body.Named("columns"))
        {
            if (!Names.IsColumn(column.Text)) inner.Problem(column.Line, $"{column.Text} is not a column name: small letters, digits and underscores");
            if (column.Text is "pseudonym" or "updated_on") inner.Problem(column.Line, $"every customer table has {column.Text} already");
            var field = inner.Text("field");
            var generalisation = inner.Choice<GeneralisationKind>("generalisation", GeneralisationKind.None);
            inner.Done();
            if (catalogue.Find(field) is { } found) columns.Add(new AnalyticsColumn(column.Text, found, generalisation));
            else inner.Problem(inner.LineOf("field"), $"unknown field {field}");
        }

        var events = body.Words("events");
        foreach (var word in events.Where(word => plan.Find(word.Text) is null)) body.Problem(word.Line, $"unknown event {word.Text}");
        var dimensions = body.SomeWords("dimensions");
        foreach (var word in dimensions.Where(word => columns.All(column => column.Column != word.Text))) body.Problem(word.Line, $"unknown column {word.Text}");
        return new AnalyticsDomain(
            name, body.Wording("title"), body.Number("minimumCohort", 2, 10_000), columns,
            ([.. events.Select(word => word.Text)], [.. dimensions.Select(word => word.Text)]));
    }
}
