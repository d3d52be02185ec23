using System.Text.Json;
using System.Text.RegularExpressions;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>One checked value of a write; null bytes remove the field.</summary>
internal readonly record struct DraftValue(FieldDefinition Field, byte[]? Utf8Json);

/// <summary>
/// The checked input of a write: every value in canonical form, where it comes from, what is consented to. Made whole or not at all:
/// <see cref="Read"/> throws with one problem per bad member.
/// </summary>
internal sealed partial class ProfileDraft
{
    public const int LongestLabel = 64;

    private static readonly string[] Origins = ["provided", "observed", "derived", "inferred"];

    private ProfileDraft(IReadOnlyList<DraftValue> values, string source, string? origin, string? notice, DecisionFacts facts) =>
        (Values, Source, Origin, Notice, Facts) = (values, source, origin, notice, facts);

    /// <summary>What was shown for each consent of somebody new, by purpose.</summary>
    public IReadOnlyDictionary<int, CheckedNotice> Shown { get; private init; } = new Dictionary<int, CheckedNotice>();

    public IReadOnlyList<DraftValue> Values { get; }

    public string Source { get; }

    public string? Origin { get; }

    public string? Notice { get; }

    /// <summary>When the values were collected; null for now.</summary>
    public DateTimeOffset? CollectedAt { get; private init; }

    /// <summary>Of somebody new: what they consent to, where they stand, and what their date of birth says.</summary>
    public DecisionFacts Facts { get; }

    public IReadOnlyList<RequestedItem> Items => [.. Values.Select(value => new RequestedItem(value.Field, null))];

    // A name that looks like one may be pointed at; anything else may be a value in the wrong place and is not repeated.
    [GeneratedRegex("^[A-Za-z][A-Za-z0-9]{0,39}$")]
    private static partial Regex NameLike();

    public static ProfileDraft Read(NewCustomer customer, PolicySet policy, KnownNotices notices, DateTimeOffset now)
    {
        var problems = new List<FieldProblem>();
        var values = ReadFields(customer.Fields, policy.Catalogue, now, removals: false, problems);
        CheckOrigin(customer.Source, customer.Origin, customer.Notice, problems);
        CheckTime(customer.CollectedAt, now, problems);
        problems.AddRange(customer.Standing?.Problems(policy, "/standing") ?? []);
        var facts = new DecisionFacts(ReadConsents(customer.Consents, policy.Purposes, now, problems), [], Restricted: false, OnHold: false);
        facts = Aged(customer.Standing?.In(facts) ?? facts, values, policy, now, problems);
        var shown = ReadNotices(customer, facts, policy.Purposes, notices, problems);
        if (values.Count == 0 && problems.Count == 0) problems.Add(new("/fields", "empty", "At least one field is needed."));
        if (problems.Count > 0) throw VaultException.Invalid(problems);
        return new ProfileDraft(values, customer.Source, customer.Origin, customer.Notice, facts) { Shown = shown, CollectedAt = customer.CollectedAt };
    }

    private static Dictionary<int, CheckedNotice> ReadNotices(NewCustomer customer, DecisionFacts facts, PurposeRegistry purposes, KnownNotices notices, List<FieldProblem> problems)
    {
        var shown = new Dictionary<int, CheckedNotice>(facts.Consents.Count);
        if (customer.ConsentNotices?.Keys.Any(name => customer.Consents?.ContainsKey(name) != true) == true) problems.Add(new("/consentNotices", "no-consent", "Each belongs to a consent."));
        foreach (var fact in facts.Consents)
        {
            var purpose = purposes.ById(fact.PurposeId)!;
            var said = customer.ShownFor(purpose.Name);
            var pointer = $"/consentNotices/{purpose.Name}";
            if (said.Version is not null && !ConsentWords.IsNoticeVersion(said.Version)) problems.Add(new(pointer + "/version", "not-a-version", "A version such as 2026-01 or v2.1."));
            if (said.Language is not null && !ConsentWords.IsLanguage(said.Language)) problems.Add(new(pointer + "/language", "not-a-language", "A tag such as en or de-CH."));
            var (notice, problem) = notices.Check(purpose, said, fact.IsGiven, pointer);
            if (problem is not null) problems.Add(problem);
            else shown[fact.PurposeId] = notice!;
        }

        return shown;
    }

    public static ProfileDraft Read(ProfilePatch patch, Catalogue catalogue, DateTimeOffset now)
    {
        var problems = new List<FieldProblem>();
        var values = ReadFields(patch.Fields, catalogue, now, removals: true, problems);
        CheckOrigin(patch.Source, patch.Origin, patch.Notice, problems);
        CheckTime(patch.CollectedAt, now, problems);
        if (values.Count == 0 && problems.Count == 0) problems.Add(new("/fields", "empty", "At least one field is needed."));
        if (problems.Count > 0) throw VaultException.Invalid(problems);
        return new ProfileDraft(values, patch.Source, patch.Origin, patch.Notice, DecisionFacts.None) { CollectedAt = patch.CollectedAt };
    }

    private static List<DraftValue> ReadFields(IReadOnlyDictionary<string, JsonElement> fields, Catalogue catalogue, DateTimeOffset now, bool removals, List<FieldProblem> problems)
    {
        var values = new List<DraftValue>(fields.Count);
        foreach (var (name, value) in fields)
        {
            if (catalogue.Find(name) is not { } field)
            {
                problems.Add(new(NameLike().IsMatch(name) ? $"/fields/{name}" : "/fields", "unknown-field", "The catalogue has no such field."));
            }
            else if (value.ValueKind == JsonValueKind.Null)
            {
                if (removals) values.Add(new(field, null));
            }
            else if (FieldValues.Normalise(field.Rules, value, DateOnly.FromDateTime(now.UtcDateTime), out var utf8Json) is { } problem)
            {
                problems.Add(new($"/fields/{name}{problem.Path}", problem.Code, problem.Message));
            }
            else
            {
                values.Add(new(field, utf8Json));
            }
        }
        return values;
    }

    private static void CheckOrigin(string source, string? origin, string? notice, List<FieldProblem> problems)
    {
        if (!IsLabel(source)) problems.Add(new("/source", "not-a-label", $"1 to {LongestLabel} characters without controls."));
        if (origin is not null && !Origins.Contains(origin)) problems.Add(new("/origin", "not-listed", "One of provided, observed, derived, inferred."));
        if (notice is not null && !ConsentWords.IsNoticeVersion(notice)) problems.Add(new("/notice", "not-a-version", "A version such as 2026-01 or v2.1."));
    }

    private static void CheckTime(DateTimeOffset? collectedAt, DateTimeOffset now, List<FieldProblem> problems)
    {
        if (collectedAt is { } at && (at > now || at < DateTimeOffset.UnixEpoch)) problems.Add(new("/collectedAt", "out-of-range", "Not in the future, and not before 1970."));
    }

    public static bool IsLabel(string? text) => text is { Length: > 0 and <= LongestLabel } && TextRules.Text(text, LongestLabel) is { Length: > 0 };

    private static List<ConsentFact> ReadConsents(
        IReadOnlyDictionary<string, string>? consents, PurposeRegistry purposes, DateTimeOffset now, List<FieldProblem> problems)
    {
        var facts = new List<ConsentFact>();
        foreach (var (name, state) in consents ?? new Dictionary<string, string>())
        {
            var pointer = NameLike().IsMatch(name.Replace("-", "", StringComparison.Ordinal)) ? $"/consents/{name}" : "/consents";
            var status = state switch { "given" => ConsentStatus.Given, "refused" => ConsentStatus.Refused, _ => ConsentStatus.Unknown };
            if (purposes.Find(name) is not { } purpose) problems.Add(new(pointer, "unknown-purpose", "There is no such purpose."));
            else if (!purpose.NeedsConsent) problems.Add(new(pointer, "no-consent-needed", "This purpose does not rest on consent."));
            else if (status == ConsentStatus.Unknown) problems.Add(new(pointer, "not-listed", "One of given, refused."));
            else facts.Add(new ConsentFact(purpose.Id, status, status == ConsentStatus.Given ? ExpiryOf(purpose, now) : null));
        }
        return facts;
    }

    // A child's consent needs a guardian, whose authorisation is recorded by a call of its own.
    private static DecisionFacts Aged(DecisionFacts facts, List<DraftValue> values, PolicySet policy, DateTimeOffset now, List<FieldProblem> problems)
    {
        if (!AgeFacts.Matters(policy)) return facts;
        facts = AgeFacts.With(facts, AgeOf(values, policy), policy, DateOnly.FromDateTime(now.UtcDateTime));
        foreach (var fact in facts.Consents.Where(fact => fact.IsGiven && fact.MayBeAChilds(facts.Child)))
        {
            if (policy.Purposes.ById(fact.PurposeId) is { Child: not null } purpose)
                problems.Add(new($"/consents/{purpose.Name}", "guardian-needed", "At this age a guardian consents; their authorisation is recorded with the consent."));
        }
        return facts;
    }

    /// <summary>What the values of a write tell of age.</summary>
    public static AgeEvidence AgeOf(IEnumerable<DraftValue> values, PolicySet policy) =>
        new(Looked: true, values.FirstOrDefault(value => value.Field == AgeFacts.FieldOf(policy)) is { Utf8Json: { } date } ? AgeFacts.Parse(date) : null);

    public static DateTimeOffset? ExpiryOf(Purpose purpose, DateTimeOffset now) => purpose.ConsentMonths is { } months ? now.AddMonths(months) : null;
}
