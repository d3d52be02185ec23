using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>The transaction in which an obligation is carried out.</summary>
internal readonly record struct DutyWork(NpgsqlConnection Connection, NpgsqlTransaction Transaction, CancellationToken Cancellation);

/// <summary>What is left to write once the entry of a release has its index.</summary>
/// <param name="Release">The release.</param>
/// <param name="Emergency">The review of an emergency that this release belongs to; null when it begins one, or is none.</param>
/// <param name="MessageKeys">The person's keys, where a message is to be sealed.</param>
/// <param name="Untold">Items that the message lists: those released of which the person has not been told in this emergency.</param>
internal sealed record DueDuty(Release Release, ReviewRow? Emergency, SubjectKeys? MessageKeys, IReadOnlyList<string> Untold)
{
    /// <summary>The message's id, where there is one to be.</summary>
    public Guid Message { get; init; }
}

/// <summary>The duties of one transaction, each with the place of its entry.</summary>
internal sealed class DueDuties : IAsyncDisposable
{
    private readonly List<(DueDuty Duty, int At)> all = [];

    public IReadOnlyList<(DueDuty Duty, int At)> All => all;

    public void Add(DueDuty duty, int at) => all.Add((duty, at));

    public ValueTask DisposeAsync()
    {
        foreach (var (duty, _) in all) duty.MessageKeys?.Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>
/// Carries out obligations within the transaction of the release's entry: an approval is used up, the person gets a message, an officer a review. Of an
/// emergency the first release opens the review; those within its window join it. Each that shows items the person has not been told of writes a message.
/// </summary>
internal sealed class Duties(ApprovalBook approvals, ReviewBook reviews, SubjectInbox inbox, AuditLog log, Decider decider)
{
    /// <summary>Obligations that a read can meet; the reason is checked before.</summary>
    public static IReadOnlyList<string> Known { get; } = [ObligationNames.Justification, ObligationNames.NotifySubject, ObligationNames.Review, ObligationNames.FourEyes];

    public static bool AreDue(Release release) =>
        release.Refused is null && release.Decision.Obligations.Count > 0 && release.Decision.Obligations.Any(obligation => obligation != ObligationNames.Justification);

    /// <summary>Whether so many reviews of what the recipient got are overdue that the purpose gives nothing further.</summary>
    public async ValueTask<bool> OwesAsync(Recipient recipient, Purpose purpose, CancellationToken ct) =>
        purpose.StopsAtOverdue is { } most && await reviews.OverdueOfAsync(EntryShape.TagOf(log.TagOf(recipient)), purpose.Name, ct) >= most;

    /// <summary>What must be there before the entry is written.</summary>
    /// <exception cref="VaultException">approval-required, reason-required, not-found when the person is being erased.</exception>
    public async Task<DueDuty> PrepareAsync(DutyWork work, Release release)
    {
        var approval = release.Decision.Obligations.Contains(ObligationNames.FourEyes) ? await approvals.AgreedAsync(work, release, log.TagOf(release.Query.Recipient)) : null;
        var due = await ComposeAsync(work, release);
        try
        {
            // Last: what stands in the way of the release uses nothing up.
            if (approval is not null) await approvals.SpendAsync(work, approval);
            return due;
        }
        catch
        {
            due.MessageKeys?.Dispose();
            throw;
        }
    }

    private async Task<DueDuty> ComposeAsync(DutyWork work, Release release)
    {
        var obligations = release.Decision.Obligations;
        var purpose = decider.Purpose(release.Query.Purpose);
        var emergency = purpose.BreakGlass && obligations.Contains(ObligationNames.Review) ? await reviews.JoinAsync(work, WindowOf(release)) : null;
        if (emergency is null && ReleaseTerms.ReasonProblem(release.Query.Recipient, purpose, release.Decision, release.Query.Justification) is { } problem) throw problem;
        if (!obligations.Contains(ObligationNames.NotifySubject)) return new DueDuty(release, emergency, null, []);
        var held = await inbox.KeysAsync(work, release.Query.Subject);
        try
        {
            HashSet<string> told = emergency is null ? [] : await inbox.ToldAsync(work, held, emergency.OpenedAt, emergency.Entries);
            List<string> untold = [.. release.Shown.Select(permit => permit.Item.Name).Where(name => !told.Contains(name))];
            if (untold.Count > 0) return new DueDuty(release, emergency, held, untold) { Message = inbox.Clock.NewId() };
        }
        catch
        {
            held.Dispose();
            throw;
        }

        held.Dispose();
        return new DueDuty(release, emergency, null, []);
    }

    /// <summary>What names the entry: the log's head is locked, so this is one round trip for all of them.</summary>
    public async Task FollowAsync(DutyWork work, DueDuties due, long first)
    {
        if (due.All.Count == 0) return;
        await using var batch = new NpgsqlBatch(work.Connection, work.Transaction);
        var joined = new Dictionary<Guid, ReviewRow>();
        foreach (var (duty, at) in due.All)
        {
            var purpose = decider.Purpose(duty.Release.Query.Purpose);
            if (duty.Emergency is { } emergency) joined[emergency.Id] = Joined(joined.GetValueOrDefault(emergency.Id, emergency), first + at);
            else if (duty.Release.Decision.Obligations.Contains(ObligationNames.Review)) batch.BatchCommands.Add(reviews.Open(WindowOf(duty.Release), new(duty.Release.Query.Subject, duty.Release.Query.Recipient.Id), purpose, first + at));
            if (duty.MessageKeys is { } keys) inbox.Write(batch, keys, duty.Message, MessageOf(duty, first + at));
        }

        foreach (var review in joined.Values) batch.BatchCommands.Add(reviews.Keep(review));
        if (batch.BatchCommands.Count > 0) await batch.ExecuteNonQueryAsync(work.Cancellation);
    }

    private static ReviewRow Joined(ReviewRow review, long entry) => review with { Entries = [.. review.Entries, entry] };

    private static MessageContent MessageOf(DueDuty duty, long index)
    {
        var (purpose, recipient) = (duty.Release.Query.Purpose, duty.Release.Query.Recipient);
        return new("disclosure", purpose, duty.Untold, recipient.Kind == RecipientKind.Staff ? string.Join(", ", recipient.Roles) : recipient.DisplayName, index);
    }

    private EmergencyWindow WindowOf(Release release) => new(
        EntryShape.TagOf(log.TagOf(release.Query.Recipient)), EntryShape.TagOf(release.Keys.Tag.Span), release.Query.Purpose);
}
