using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>A consent to record.</summary>
/// <param name="Purpose">The purpose consented to.</param>
/// <param name="State"><c>given</c>, <c>withdrawn</c>, <c>refused</c>, <c>deferred</c>; by others than the person also <c>requested</c>, <c>invalidated</c>, <c>revoked</c>.</param>
/// <param name="Notice">Version of the text that was shown, such as 2026-01; null for the current one.</param>
/// <param name="Channel">Where it was said, a word such as web or phone; null for the kind of recipient.</param>
/// <param name="Expires">Null for as long as the policy lets it last.</param>
public sealed record ConsentStatement(string Purpose, string State, string? Notice = null, string? Channel = null, DateTimeOffset? Expires = null)
{
    /// <summary>Language of the text that was shown; null for the notice's own.</summary>
    public string? Language { get; init; }

    /// <summary>Reference to the authorisation of a guardian who speaks for a child, such as GC-2026-0113.</summary>
    public string? Guardian { get; init; }

    /// <summary>The person was told that they object to this, by a request or by their browser's signal, and consents all the same.</summary>
    public bool LiftsObjection { get; init; }

    /// <summary>The text that was shown, where the vault does not know it. Not from the person.</summary>
    public string? NoticeText { get; init; }

    /// <summary>SHA-256 of that text, where it stays elsewhere. Not from the person.</summary>
    public string? NoticeSha256 { get; init; }

    internal ShownNotice Shown => new(Notice, Language) { Text = NoticeText, Sha256 = NoticeSha256 };
}

/// <summary>A statement that is well formed, with what was shown.</summary>
internal sealed record CheckedStatement(ConsentStatement Said, Purpose Purpose, ConsentStatus Status, CheckedNotice Notice)
{
    public bool Gives => Status == ConsentStatus.Given;

    /// <summary>It lets nothing begin.</summary>
    public bool Ends => Status is not (ConsentStatus.Given or ConsentStatus.Requested);
}

/// <summary>What becomes of a statement: the facts after it, and the act that is kept.</summary>
internal sealed record ConsentOutcome(DecisionFacts After, ConsentAct Act);

/// <summary>What may be said of a consent, by whom, and what follows from it for the facts that decisions look at.</summary>
internal sealed class ConsentRules(ActivePolicy policy, NoticeArchive archive, IndexedValues values, VaultClock clock)
{
    private static readonly ConsentStatus[] OfThePerson = [ConsentStatus.Given, ConsentStatus.Withdrawn, ConsentStatus.Refused, ConsentStatus.Deferred];
    private static readonly ConsentStatus[] OfOthers = [.. OfThePerson, ConsentStatus.Requested, ConsentStatus.Invalidated, ConsentStatus.Revoked];

    /// <summary>The version that the call took.</summary>
    public PolicySet Policy => policy.Current;

    public VaultClock Clock => clock;

    public async Task<CheckedStatement> CheckAsync(Recipient recipient, ConsentStatement said, CancellationToken ct)
    {
        var purpose = Policy.Purposes.Find(said.Purpose) ?? throw VaultException.UnknownPurpose();
        var problems = new List<FieldProblem>();
        if (!purpose.NeedsConsent) problems.Add(new("/purpose", "no-consent-needed", "This purpose does not rest on consent."));
        var status = StatusOf(recipient, said.State, problems);
        CheckWords(recipient, said, status, problems);
        CheckEnd(purpose, said, problems);
        if (problems.Count > 0) throw VaultException.Invalid(problems);
        var known = await archive.KnownAsync(Policy, [(purpose, said.Shown)], ct);
        var (notice, problem) = known.Check(purpose, said.Shown, status == ConsentStatus.Given, "");
        return notice is null ? throw VaultException.Invalid([problem!]) : new CheckedStatement(said, purpose, status, notice);
    }

    /// <summary>Under the lock on the person's row.</summary>
    /// <exception cref="VaultException">Somebody too young consents alone, or the person objects and was not asked about that.</exception>
    public ConsentOutcome Apply(Recipient recipient, CheckedStatement statement, DecisionFacts before, SealedRecord record, SubjectKeys keys)
    {
        var (said, purpose) = (statement.Said, statement.Purpose);
        var earlier = before.Consents.FirstOrDefault(fact => fact.PurposeId == purpose.Id);
        var lifts = statement.Gives && before.ObjectedPurposes.Contains(purpose.Id);
        if (lifts && !said.LiftsObjection)
            throw VaultException.Invalid([new("/liftsObjection", "objected", "The person objects to this purpose: they must be told, and say that they consent all the same.")]);
        var act = new ConsentAct(
            ConsentStates.NameOf(CodeOf(statement, earlier)), clock.Now, statement.Notice.Version, said.Channel ?? ChannelOf(recipient),
            statement.Gives ? said.Expires ?? ProfileDraft.ExpiryOf(purpose, clock.Now) : null, LogIndex: 0)
        {
            RecordedBy = RecorderOf(recipient), NoticeHash = statement.Notice.Hash, Language = statement.Notice.Language,
            Guardian = said.Guardian, LiftsObjection = lifts,
        };
        if (!Changes(statement.Status, earlier)) return new ConsentOutcome(before, act);
        var fact = new ConsentFact(purpose.Id, statement.Status, act.Expires) { DespiteSignal = lifts && purpose.Gpc };
        var objections = lifts ? before.ObjectedPurposes.Where(id => id != purpose.Id).ToList() : before.ObjectedPurposes;
        var after = FactsCodec.With(before, fact) with { ObjectedPurposes = objections };
        return new ConsentOutcome(statement.Gives && purpose.Child is not null ? Aged(after, fact, purpose, said, (record, keys)) : after, act);
    }

    /// <summary>Who is a child depends on where they live: the facts as the sealed date of birth makes them where they now stand.</summary>
    public DecisionFacts Aged(DecisionFacts facts, SealedRecord record, SubjectKeys keys) =>
        AgeFacts.Matters(Policy) ? AgeFacts.With(facts, AgeFacts.Of(values, Policy, record, keys), Policy, clock.Today) : facts;

    /// <inheritdoc cref="AgeFacts.Fingerprint"/>
    public string AgeRules => AgeFacts.Fingerprint(Policy, values);

    public static string ChannelOf(Recipient recipient) => recipient.Kind switch
    {
        RecipientKind.Customer => "customer",
        RecipientKind.Staff => "staff",
        _ => "application",
    };

    public static ConsentRecorder RecorderOf(Recipient recipient) => recipient.Kind switch
    {
        RecipientKind.Customer => ConsentRecorder.Person,
        RecipientKind.Staff => ConsentRecorder.Staff,
        _ => ConsentRecorder.Application,
    };

    /// <summary>Asking again, or wanting to decide later, takes back nothing that the person has decided.</summary>
    public static bool Changes(ConsentStatus status, ConsentFact? earlier) =>
        status is not (ConsentStatus.Requested or ConsentStatus.Deferred)
        || earlier is null || earlier.Status is ConsentStatus.Unknown or ConsentStatus.Requested or ConsentStatus.Deferred;

    public static byte CodeOf(CheckedStatement statement, ConsentFact? earlier) =>
        statement.Gives && earlier is { IsGiven: true } ? ConsentStates.Renewed : (byte)statement.Status;

    private DecisionFacts Aged(DecisionFacts after, ConsentFact fact, Purpose purpose, ConsentStatement said, (SealedRecord Record, SubjectKeys Keys) person)
    {
        if (said.Guardian is not null) after = FactsCodec.With(after, fact with { Backing = ConsentBacking.Guardian });
        var aged = Aged(after, person.Record, person.Keys);
        if (aged.Consents.First(one => one.PurposeId == purpose.Id).MayBeAChilds(aged.Child))
            throw VaultException.Invalid([new("/guardian", "guardian-needed", "At this age a guardian consents; their authorisation is named.")]);
        return aged;
    }

    private static ConsentStatus StatusOf(Recipient recipient, string state, List<FieldProblem> problems)
    {
        var allowed = recipient.Kind == RecipientKind.Customer ? OfThePerson : OfOthers;
        if (ConsentStates.TryParse(state, out var code) && allowed.Contains((ConsentStatus)code)) return (ConsentStatus)code;
        problems.Add(new("/state", "not-listed", $"One of {string.Join(", ", allowed.Select(one => ConsentStates.NameOf((byte)one)))}."));
        return ConsentStatus.Unknown;
    }

    private static void CheckWords(Recipient recipient, ConsentStatement said, ConsentStatus status, List<FieldProblem> problems)
    {
        if (said.Notice is { } notice && !ConsentWords.IsNoticeVersion(notice)) problems.Add(new("/notice", "not-a-version", "A version such as 2026-01 or v2.1."));
        if (said.Channel is { } channel && !ConsentWords.IsChannel(channel)) problems.Add(new("/channel", "not-listed", $"One of {ConsentWords.Channels}."));
        if (said.Language is { } language && !ConsentWords.IsLanguage(language)) problems.Add(new("/language", "not-a-language", "A tag such as en or de-CH."));
        if (said.Shown.IsTold && recipient.Kind == RecipientKind.Customer) problems.Add(new("/noticeText", "not-permitted", "What the person is shown, the vault knows."));
        if (said.Guardian is not { } guardian) return;
        if (recipient.Kind == RecipientKind.Customer) problems.Add(new("/guardian", "not-permitted", "Whoever checks the guardian's authorisation records it."));
        else if (status != ConsentStatus.Given) problems.Add(new("/guardian", "not-needed", "A guardian is named where consent is given."));
        else if (!ConsentWords.IsReference(guardian)) problems.Add(new("/guardian", "not-a-reference", "The number of a file, such as GC-2026-0113."));
    }

    private void CheckEnd(Purpose purpose, ConsentStatement said, List<FieldProblem> problems)
    {
        if (said.Expires <= clock.Now || said.Expires > ProfileDraft.ExpiryOf(purpose, clock.Now))
            problems.Add(new("/expires", "out-of-range", "In the future, and no later than the purpose allows."));
    }
}
