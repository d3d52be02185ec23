namespace DataVault.Policy;

/// <summary>Finds what is well formed and yet surely not meant. An empty answer is the condition for activating a policy.</summary>
internal sealed class PolicyLint(PolicySet policy)
{
    private readonly HashSet<(CatalogueItem, AccessAction)> permitted =
        [.. policy.Rules.Where(rule => !rule.Forbids).SelectMany(rule => rule.Actions.SelectMany(action => rule.Items.Select(item => (item, action))))];

    private readonly List<PolicyProblem> findings = [];

    public IReadOnlyList<PolicyProblem> Findings()
    {
        foreach (var rule in policy.Rules)
        {
            NothingChosen(rule);
            NeverHolds(rule);
            FedByTheClock(rule);
            WiderThanClass(rule);
            FormWithoutMeans(rule);
            SearchWithoutIndex(rule);
            SpecialWithoutGround(rule);
            OffencesWithoutLaw(rule);
            BreakGlass(rule);
            Unmeetable(rule);
        }

        foreach (var (rule, message) in new ShadowLint(policy).Findings()) Find(rule, message);
        Purposes();
        Roles();
        Items();
        Indexes();
        Domains();
        foreach (var (file, message) in new LetterLint(policy).Findings()) Find(file, message);
        foreach (var (file, message) in new WordingLint(policy).Findings()) Find(file, message);
        foreach (var message in new AutomatedLint(policy).Findings()) Find(AutomatedLint.File, message);
        Cases();
        Rights();
        Suppression();
        Clocks();
        return [.. findings.Distinct().OrderBy(finding => finding.File, StringComparer.Ordinal).ThenBy(finding => finding.Line)];
    }

    private void Find(Rule rule, string message) => findings.Add(new PolicyProblem(rule.File, rule.Line, $"{rule.Id}: {message}"));

    private void Find(string file, string message) => findings.Add(new PolicyProblem(file, 0, message));

    private void NothingChosen(Rule rule)
    {
        if (rule.Items.Count + rule.Ungrounded.Count == 0) Find(rule, "can never match: everything chosen is excepted");
    }

    /// <summary>A condition that no person, or nobody whom the roles reach, can meet.</summary>
    private void NeverHolds(Rule rule)
    {
        if (rule.Guard.Age is { IsNever: true }) Find(rule, "can never hold: no record is both that old and that young");
        var roles = policy.Roles.All.Where(role => policy.Roles.Lineage(role).Any(rule.Roles.Contains));
        if (!rule.Forbids && roles.All(role => policy.Roles.ReachOf(role).Excludes(rule.Guard.Circle))) Find(rule, "can never hold: none of its roles reaches anybody of whom the condition speaks");
    }

    /// <summary>What is fed is decided when somebody's record or consents change; nothing happens when an hour or an age comes.</summary>
    private void FedByTheClock(Rule rule)
    {
        if (!rule.Actions.Contains(AccessAction.Feed) || (rule.Guard.Age is null && rule.Guard.Time is null)) return;
        Find(rule, "feeds analytics by the clock (time, recordAge): what was fed would stay when the condition ends");
    }

    private void WiderThanClass(Rule rule)
    {
        if (rule.Forbids || rule.Form == Form.Withheld || rule.Guard.OwnRecord) return;
        if (rule.Actions.All(action => action is not (AccessAction.Read or AccessAction.Feed))) return;
        foreach (var item in rule.Items.Where(item => item.Class.Widest < rule.Form))
        {
            Find(rule, $"gives {item.Name} {FormNames.Of(rule.Form)}, its class {item.Class.Name} goes no further than {FormNames.Of(item.Class.Widest)}");
        }
    }

    private void FormWithoutMeans(Rule rule)
    {
        if (rule.Forbids || rule.Form != Form.Generalised || rule.Actions.All(action => action is not (AccessAction.Read or AccessAction.Export))) return;
        foreach (var field in rule.Items.OfType<FieldDefinition>().Where(field => field.Generalisation == GeneralisationKind.None))
        {
            Find(rule, $"gives {field.Name} generalised, which the catalogue does not say how to do");
        }
    }

    private void SearchWithoutIndex(Rule rule)
    {
        if (rule.Forbids || !rule.Actions.Contains(AccessAction.Search)) return;
        foreach (var item in rule.Items.Where(item => !policy.Catalogue.IsIndexed(item))) Find(rule, $"permits to search by {item.Name}, which has no index");
    }

    private void SpecialWithoutGround(Rule rule)
    {
        foreach (var item in rule.Ungrounded.Where(item => item.IsSpecialCategory && !rule.HasSpecialGround(policy.Purposes)))
            Find(rule, $"permits the special category {item.Name} without a ground of GDPR Article 9");
    }

    private void OffencesWithoutLaw(Rule rule)
    {
        foreach (var item in rule.Ungrounded.Where(item => item.IsOfOffences && !rule.RestsOnLaw))
            Find(rule, $"permits {item.Name}, which is of offences (GDPR Article 10), for a purpose that no law obliges to");
    }

    private void BreakGlass(Rule rule)
    {
        foreach (var missing in rule.MissingInEmergency) Find(rule, $"is for an emergency and lacks the obligation {missing}");
    }

    /// <summary>Obligations are carried out with a read, and pseudonymising with the feed; where nothing carries them out, the rule permits nothing.</summary>
    private void Unmeetable(Rule rule)
    {
        foreach (var action in rule.Forbids || rule.Obligations.Count == 0 ? [] : rule.Actions)
        {
            var unmet = action switch
            {
                AccessAction.Feed => [],
                AccessAction.Read => rule.Obligations.Intersect([ObligationNames.Pseudonymise]),
                _ => rule.Obligations,
            };
            foreach (var obligation in unmet)
            {
                var instead = action == AccessAction.Search && obligation == ObligationNames.Justification ? "; the justification of a purpose is asked of searches too" : "";
                Find(rule, $"permits no {ActionNames.Of(action)}: nothing carries out {obligation} with it{instead}");
            }
        }
    }

    private void Purposes()
    {
        foreach (var purpose in policy.Purposes.All)
        {
            if (purpose.NeedsConsent && (purpose.Notice.Length == 0 || purpose.NoticeVersion.Length == 0)) Find("purposes.yaml", $"{purpose.Name} rests on consent and has no notice with a version");
            if (!purpose.NeedsConsent && purpose.ConsentMonths is not null) Find("purposes.yaml", $"{purpose.Name} does not rest on consent and limits it");
            Consent(purpose);
            Assessment(purpose);
            var reviewed = policy.Rules.Any(rule => rule.Purposes.Contains(purpose) && rule.Obligations.Contains(ObligationNames.Review));
            if (purpose.StopsAtOverdue is not null && !reviewed) Find("purposes.yaml", $"no release for {purpose.Name} is reviewed: stopsAtOverdue has no effect");
            if (purpose is { DirectMarketing: true, StopsOnObjection: false }) Find("purposes.yaml", $"{purpose.Name} is direct marketing and goes on whoever objects (GDPR Article 21(3))");
            if (purpose.LegalBasis == "explicit-consent" && purpose.SpecialBasis is null) Find("purposes.yaml", $"{purpose.Name} asks explicit consent and names no specialBasis");
            var used = policy.Rules.Any(rule => !rule.Forbids && (rule.Purposes.Contains(purpose) || rule.Guard.Consents.Contains(purpose.Id)));
            if (!used) Find("purposes.yaml", $"no rule permits anything for {purpose.Name}");
        }
    }

    private void Rights()
    {
        foreach (var rule in policy.Rights.SecondOfficer)
        {
            if (!rule.HasCondition) Find("rights.yaml", $"{rule.Name} names no condition but the kind: no officer decides that alone");
            var kinds = rule.Kinds.Count == 0 ? RightsRules.Kinds : rule.Kinds;
            if (rule.Below is { } level && policy.Rights.Methods.Count > 0 && kinds.All(kind => policy.Rights.Needed(kind) >= level)) Find("rights.yaml", $"{rule.Name} can never hold: what it names needs that level anyway");
        }
    }

    private void Suppression()
    {
        foreach (var field in policy.Suppression?.Identifiers.Where(field => !Reachable(field, AccessAction.Search)) ?? [])
            Find("suppression.yaml", $"no rule lets the vault open {field.Name} for look-ups: nothing would be kept of it");
    }

    private void Clocks()
    {
        foreach (var law in policy.Jurisdictions.All)
        {
            if (law.AcknowledgeDays is not null && law.AcknowledgeBy(DateTimeOffset.UnixEpoch) > law.DueAt(DateTimeOffset.UnixEpoch)) Find("jurisdictions.yaml", $"{law.Name} acknowledges receipt after the answer is due");
        }
    }

    // SPEC GDPR 35(1): before the processing, so before the version that declares it is in force.
    private void Assessment(Purpose purpose)
    {
        if (purpose.Assessment is { IsMade: false }) Find("purposes.yaml", $"{purpose.Name} needs an impact assessment: name its reference and the date of its review");
        var special = purpose.SpecialBasis is not null && policy.Rules.Any(rule => !rule.Forbids && rule.Purposes.Contains(purpose) && rule.Items.Any(item => item.IsSpecialCategory));
        if (special && purpose.Assessment?.Criteria.Contains(ImpactAssessment.Special) != true)
            Find("purposes.yaml", $"{purpose.Name} uses special categories, and its assessment does not name the criterion {ImpactAssessment.Special}");
    }

    private void Consent(Purpose purpose)
    {
        if (!purpose.NeedsConsent && purpose.Child is not null) Find("purposes.yaml", $"{purpose.Name} does not rest on consent: its child rule has no effect");
        if (purpose.RenewalDays is not null && purpose.ConsentMonths is null) Find("purposes.yaml", $"consents to {purpose.Name} do not end: nobody is reminded of their renewal");
        if (purpose.Gpc && !purpose.StopsOnObjection) Find("purposes.yaml", $"{purpose.Name} goes on whoever objects: gpc would have no effect");
        foreach (var place in purpose.Child?.AgeIn.Keys.Where(name => policy.Jurisdictions.Find(name) is null) ?? [])
            Find("purposes.yaml", $"the child rule of {purpose.Name} names the unknown jurisdiction {place}");
    }

    private void Roles()
    {
        foreach (var role in policy.Roles.All)
        {
            var lineage = policy.Roles.Lineage(role);
            var idle = lineage.All(one => one.Capabilities.Count == 0) && !policy.Rules.Any(rule => !rule.Forbids && rule.Roles.Any(lineage.Contains));
            if (idle) Find("roles.yaml", $"{role.Name} may do nothing");
            if (!policy.Roles.ReachOf(role).IsEverybody) NearOnly(role, lineage);
            if (policy.Roles.ReachOf(role).IsNobody) Find("roles.yaml", $"{role.Name} reaches nobody: what its parents say excludes each other");
        }
    }

    /// <summary>What a role that reaches some people only must not have, for it would tell of the others.</summary>
    private void NearOnly(Role role, IReadOnlyCollection<Role> lineage)
    {
        foreach (var capability in lineage.SelectMany(one => one.Capabilities).Distinct().Where(Capabilities.AboutEverybody.Contains))
            Find("roles.yaml", $"{role.Name} reaches some people only: {capability} is about everybody, and without effect in it");
        var unique = policy.Rules.Where(rule => !rule.Forbids && rule.Roles.Any(lineage.Contains) && rule.Actions.Any(action => action is AccessAction.Create or AccessAction.Update))
            .SelectMany(rule => rule.Items).OfType<FieldDefinition>().Where(field => field.Index == FieldIndex.Unique).Select(field => field.Name).Distinct();
        foreach (var field in unique) Find("roles.yaml", $"{role.Name} reaches some people only and may write {field}: a conflict would tell it who else is there");
    }

    private void Items()
    {
        foreach (var item in policy.Items)
        {
            var file = item is FieldDefinition ? "catalogue.yaml" : "events.yaml";
            if (!Reachable(item, AccessAction.Export)) Find(file, $"no rule exports {item.Name}: the person concerned could not have it");
            if (!Reachable(item, AccessAction.Erase)) Find(file, $"no rule erases {item.Name}");
            if (!Reachable(item, AccessAction.Create)) Find(file, $"no rule lets anyone record {item.Name}");
            if (item.Infers.Count > 0 && item is FieldDefinition { Origin: "provided" or "observed" }) Find(file, $"{item.Name} says what it lets infer, and is neither derived nor inferred itself");
            if (!item.IsSpecialCategory && SensitiveCategories.IsSpecial(item.Category)) Find(file, $"{item.Name} is of the special category {item.Category} (GDPR Article 9) and does not say special: true");
        }

        foreach (var rule in policy.Retention.Where(rule => policy.Items.All(item => item.Retention != rule.Name) && policy.Models.All.All(model => model.Retention != rule))) Find("retention.yaml", $"nothing is kept by {rule.Name}");
        foreach (var unused in policy.Catalogue.Classes.Where(one => policy.Items.All(item => item.Class != one))) Find("catalogue.yaml", $"the class {unused.Name} is empty");
    }

    // A few values that everybody knows: their terms tell the values to whoever counts them. Beside another field they say little.
    private static bool IsTelling(FieldDefinition field) =>
        field.IsSpecialCategory || field.Rules.Type is ValueType.Boolean or ValueType.Enumeration or ValueType.EnumerationList or ValueType.Country or ValueType.Language;

    private void Indexes()
    {
        foreach (var index in policy.Catalogue.Indexes.Where(index => index.Parts.All(part => IsTelling(part.Field))))
        {
            var what = index.Parts.Any(part => part.Field.IsSpecialCategory) ? "a special category" : "few known values";
            Find("catalogue.yaml", $"the index {index.Name} holds {what} alone: the stored terms would tell them; index it together with another field");
        }

        foreach (var index in policy.Catalogue.Indexes.Where(index => index.IsUnique && index.Parts[0].Field.Rules.IsList))
        {
            Find("catalogue.yaml", $"the index {index.Name} is unique over a list: one person's items would take those of others");
        }

        foreach (var group in policy.Catalogue.Indexes.GroupBy(index => index.Signature.TrimEnd('!')).Where(group => group.Count() > 1))
        {
            Find("catalogue.yaml", $"the indexes {string.Join(" and ", group.Select(index => index.Name))} hold the same");
        }
    }

    private bool Reachable(CatalogueItem item, AccessAction action) => permitted.Contains((item, action));

    private void Domains()
    {
        foreach (var domain in policy.Analytics)
        {
            if (policy.Recipients.OfDomain(domain.Name) is { MayReceive: false } recipient)
                Find("recipients.yaml", $"{recipient.Name} cannot receive the analytics domain {domain.Name}: {string.Join("; ", recipient.Obstacles)}");
            foreach (var column in domain.CustomerColumns)
            {
                if (column.Field.IsSpecialCategory) Find("analytics.yaml", $"{domain.Name}.{column.Column} would hold a special category");
                if (!Reachable(column.Field, AccessAction.Feed)) Find("analytics.yaml", $"{domain.Name}.{column.Column} stays empty: no rule feeds {column.Field.Name}");
            }

            foreach (var type in domain.EventTypes.Select(type => policy.Events.Find(type)!).Where(type => !Reachable(type, AccessAction.Feed)))
            {
                Find("analytics.yaml", $"{domain.Name} stays without {type.Name}: no rule feeds it");
            }
        }
    }

    private void Cases()
    {
        foreach (var failed in policy.RunCases().Where(result => !result.Passed))
        {
            findings.Add(new PolicyProblem(failed.Case.File, failed.Case.Line, $"{failed.Case.Name}: {string.Join("; ", failed.Differences)}"));
        }

        foreach (var rule in policy.UncoveredRules()) Find(policy.Rules.First(one => one.Id == rule), "determines the outcome of no case");
    }
}
