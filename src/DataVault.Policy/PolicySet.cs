using System.Collections.Frozen;
using DataVault.Policy.Reading;

namespace DataVault.Policy;

/// <summary>
/// A policy as loaded: immutable, complete, identified by the hash of its content. Reading the files is the caller's business,
/// so that this assembly touches no disk.
/// </summary>
public sealed class PolicySet
{
    private readonly byte[] version;

    private PolicySet(PolicySource source, IReadOnlyList<RetentionRule> retention, PolicyWords words, IReadOnlyList<Rule> rules, RecipientRegistry recipients)
    {
        Recipients = recipients;
        version = source.Version();
        Version = Convert.ToHexStringLower(version);
        (Retention, Catalogue, Events) = (retention, words.Catalogue, words.Events);
        (Purposes, Roles, Rules) = (words.Purposes, words.Roles, rules);
        (People, Jurisdictions) = (words.People, words.Jurisdictions);
        FeedPurposes = rules.Where(rule => rule.Actions.Contains(AccessAction.Feed))
            .SelectMany(rule => rule.Purposes.Select(purpose => purpose.Id).Concat(rule.Guard.Consents)).ToFrozenSet();
        Items = [.. Catalogue.Fields, .. Events.Types];
        Decisions = new PolicyDecisionPoint(Items, rules, Roles, Purposes, recipients.BarredClients);
        Questions = new PolicyQuestions(this);
    }

    /// <summary>32 hex digits.</summary>
    public string Version { get; }

    public ReadOnlyMemory<byte> VersionBytes => version;

    public Catalogue Catalogue { get; }

    public TrackingPlan Events { get; }

    public PurposeRegistry Purposes { get; }

    public RoleRegistry Roles { get; }

    public IReadOnlyList<RetentionRule> Retention { get; }

    /// <summary>Ids of the purposes whose consents may decide what is fed to analytics.</summary>
    public IReadOnlySet<int> FeedPurposes { get; }

    public required IReadOnlyList<AnalyticsDomain> Analytics { get; init; }

    /// <summary>Outside the controller's own departments, whom personal data go to.</summary>
    public RecipientRegistry Recipients { get; }

    /// <summary>What decides about people by itself.</summary>
    public required ModelRegistry Models { get; init; }

    public JurisdictionTable Jurisdictions { get; }

    /// <summary>How requests for rights are verified and decided.</summary>
    public required RightsRules Rights { get; init; }

    /// <summary>The words for brands, residencies and relations.</summary>
    public PeopleRegistry People { get; }

    public required IReadOnlyList<PolicyCase> Cases { get; init; }

    /// <summary>How those who were erased are kept from being taken in again; null where nobody is.</summary>
    public SuppressionRules? Suppression { get; private init; }

    /// <summary>What people are told of their requests, in words; null of a policy that has no letters.</summary>
    public required LetterTemplates? Letters { get; init; }

    public PolicyDecisionPoint Decisions { get; }

    public PolicyQuestions Questions { get; }

    /// <summary>Fields and event types; <see cref="CatalogueItem.Ordinal"/> is the position here.</summary>
    public IReadOnlyList<CatalogueItem> Items { get; }

    internal IReadOnlyList<Rule> Rules { get; }

    /// <summary>Reads a policy, whole or not at all.</summary>
    /// <param name="files">Path relative to the policy folder, to the text of the file. A file whose name is none of a policy is a problem.</param>
    /// <exception cref="PolicyException">Something is wrong; all of it is listed with file and line.</exception>
    public static PolicySet Load(IReadOnlyDictionary<string, string> files)
    {
        ArgumentNullException.ThrowIfNull(files);
        var problems = new ProblemList();
        PolicyFileNames.Check(files.Keys, problems);
        problems.ThrowIfAny();
        return LoadFiled(files);
    }

    /// <summary>
    /// Reads a version as a vault filed it, from before names were looked at too: what it held besides YAML was never read, and its version, the hash of what was,
    /// says that it is the same.
    /// </summary>
    /// <inheritdoc cref="Load"/>
    public static PolicySet LoadFiled(IReadOnlyDictionary<string, string> files)
    {
        ArgumentNullException.ThrowIfNull(files);
        var problems = new ProblemList();
        var source = new PolicySource(files, problems);
        var retention = RegistryReader.Retention(source.Required("retention.yaml"));
        var items = new CatalogueReader(retention);
        var catalogue = items.Catalogue(source.Required("catalogue.yaml"));
        var events = items.Events(source.Required("events.yaml"), catalogue.Fields.Count);
        var purposes = RegistryReader.Purposes(source.Required("purposes.yaml"));
        var people = PeopleReader.People(source.Optional("people.yaml"));
        var jurisdictions = RegistryReader.Jurisdictions(source.Required("jurisdictions.yaml"));
        var rights = RightsReader.Rights(source.Optional("rights.yaml"), people, jurisdictions);
        var conditions = new ConditionReader(people, jurisdictions);
        var roles = RegistryReader.Roles(source.Required("roles.yaml"), conditions);
        var rules = new RuleReader(catalogue, events, purposes, roles, conditions).Rules(source.Rules);
        var analytics = RegistryReader.Analytics(source.Optional("analytics.yaml"), catalogue, events);
        var recipients = RecipientReader.Recipients(source.Optional("recipients.yaml"), analytics);
        var cases = new CaseReader(new PolicyWords(catalogue, events, purposes, roles, people, jurisdictions)).Cases(source.Cases);
        var suppression = SuppressionReader.Suppression(source.Optional("suppression.yaml"), catalogue, purposes);
        var letters = LetterReader.Letters(source.Optional("letters.yaml"), source.Letters, catalogue);
        var models = new AutomatedReader(new PolicyWords(catalogue, events, purposes, roles, people, jurisdictions), retention).Models(source.Optional("automated.yaml"));
        problems.ThrowIfAny();
        return new PolicySet(source, retention, new PolicyWords(catalogue, events, purposes, roles, people, jurisdictions), rules, recipients)
        {
            Models = models,
            Analytics = analytics,
            Cases = cases,
            Letters = letters,
            Rights = rights,
            Suppression = suppression,
        };
    }

    /// <summary>Which version the files are, whether or not they load.</summary>
    /// <exception cref="PolicyException">They are more than a policy may be.</exception>
    public static string VersionOf(IReadOnlyDictionary<string, string> files)
    {
        ArgumentNullException.ThrowIfNull(files);
        return Convert.ToHexStringLower(new PolicySource(files, new ProblemList()).Version());
    }

    /// <summary>What is allowed by the language and yet surely not meant.</summary>
    public IReadOnlyList<PolicyProblem> Lint() => new PolicyLint(this).Findings();

    public IReadOnlyList<CaseResult> RunCases() => [.. Cases.Select(one => CaseRunner.Run(one, Decisions))];

    /// <summary>Rules that determine the outcome of no case.</summary>
    public IReadOnlyList<string> UncoveredRules() => Coverage().UncoveredRules;

    /// <summary>Runs the cases, and says how far they reach. A policy that is not wholly covered is not activated.</summary>
    public CaseCoverage Coverage()
    {
        var results = RunCases();
        var covered = results.SelectMany(result => result.RuleIds).ToHashSet(StringComparer.Ordinal);
        return new CaseCoverage(results, [.. Rules.Select(rule => rule.Id)], [.. Rules.Select(rule => rule.Id).Where(id => !covered.Contains(id))]);
    }
}
