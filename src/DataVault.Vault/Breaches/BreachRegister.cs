using DataVault.Policy;
using DataVault.Transparency;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault;

/// <summary>
/// The register of breaches (GDPR 33(5)): every step of a case is an entry of the log, in its transaction. People of the staff alone come in. Nothing is ever
/// changed or deleted; what turns out otherwise is another step.
/// </summary>
public sealed class BreachRegister
{
    private static readonly TimeSpan Soon = TimeSpan.FromHours(24);

    private readonly VaultDatabase database;
    private readonly BreachBook book;
    private readonly BreachImpacts impacts;
    private readonly AuditLog log;
    private readonly Decider decider;
    private readonly OversightDoor door;

    internal BreachRegister(VaultDatabase database, BreachBook book, BreachImpacts impacts, AuditLog log, Decider decider)
    {
        (this.database, this.book, this.impacts, this.log, this.decider) = (database, book, impacts, log, decider);
        door = new OversightDoor(log, decider, Capabilities.BreachesManage, "breaches");
    }

    /// <summary>Newest first. The look is an entry.</summary>
    public async Task<BreachPage> ListAsync(Recipient recipient, bool openOnly, int limit, string? cursor, Guid requestId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        await door.AuthoriseAsync(recipient, requestId, ct);
        var page = NewestFirst.Read(limit, cursor);
        var before = page.Before?.ToString("N");
        var cases = (await book.AllAsync(ct)).Where(one => !openOnly || one.ClosedAt is null).Where(one => before is null || string.CompareOrdinal(one.Id.ToString("N"), before) < 0);
        var (shown, next) = page.Cut(cases.Take(page.Sought).ToList(), one => one.Id);
        await door.LookAsync(recipient, requestId, ct, EntryType.BreachRead);
        return new BreachPage(shown, next);
    }

    /// <summary>One case. The look is an entry that names it.</summary>
    /// <exception cref="VaultException">not-found, forbidden.</exception>
    public async Task<BreachCase> GetAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        await door.AuthoriseAsync(recipient, requestId, ct);
        var found = await book.FindAsync(id, ct) ?? throw await door.RefusedAsync(recipient, VaultException.NotFound(), requestId, ct);
        await log.AppendAsync(Entry(EntryType.BreachRead, recipient, requestId) with { Rules = [CaseRule(id)] }, null, ct);
        return found;
    }

    /// <summary>A new case.</summary>
    /// <exception cref="VaultException">invalid-fields, forbidden.</exception>
    public Task<BreachCase> OpenAsync(Recipient recipient, BreachOpening opening, Guid requestId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(opening);
        return GuardAsync(recipient, async () =>
        {
            BreachRules.Check(opening, decider.Policy, decider.Clock.Now);
            var regime = Regime(opening.Jurisdiction);
            var content = new BreachContent { Opened = opening with { Jurisdiction = regime.Name }, Hours = regime.Breach.Hours };
            var id = decider.Clock.NewId();
            await database.RunAsync(
                (connection, transaction) => WriteAsync(new DutyWork(connection, transaction, ct), recipient, book.Draft(id, 1, content, recipient.Id), requestId), ct);
            return await KeptAsync(id, 1, ct);
        }, requestId, ct);
    }

    /// <summary>What was found out, the risk, what was done.</summary>
    /// <exception cref="VaultException">not-found, invalid-fields, invalid-state.</exception>
    public Task<BreachCase> FindAsync(Recipient recipient, Guid id, BreachFindings found, Guid requestId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(found);
        return StepAsync(recipient, id, now =>
        {
            BreachRules.Open(now);
            BreachRules.Check(found);
            return new BreachContent { Found = found };
        }, requestId, ct);
    }

    /// <summary>Counts from the log whom it concerned, and keeps the figures with the state of the log that gives them.</summary>
    /// <exception cref="VaultException">not-found, invalid-request: nothing narrows; invalid-state.</exception>
    public Task<BreachCase> AttachAsync(Recipient recipient, Guid id, ImpactQuery query, StolenCopy? copy, Guid requestId, CancellationToken ct) =>
        GuardAsync(recipient, async () =>
        {
            ArgumentNullException.ThrowIfNull(query);
            BreachRules.Open(await book.FindAsync(id, ct) ?? throw VaultException.NotFound());
            // The entry of the question is the last that the count knows of.
            var asked = await log.AppendAsync(Entry(EntryType.ImpactReport, recipient, requestId) with { Rules = [CaseRule(id)] }, null, ct);
            var impact = await impacts.CountAsync(query, copy, asked, ct);
            return await TakeAsync(recipient, id, now =>
            {
                BreachRules.Open(now);
                return new BreachContent { Impact = impact };
            }, requestId, ct);
        }, requestId, ct);

    /// <summary>Counts an attached impact again and compares.</summary>
    /// <param name="step">Its step; null for the newest.</param>
    /// <exception cref="VaultException">not-found: there is none.</exception>
    public async Task<ImpactComparison> CompareAsync(Recipient recipient, Guid id, int? step, Guid requestId, CancellationToken ct)
    {
        var found = await GetAsync(recipient, id, requestId, ct);
        var attached = found.Impacts.LastOrDefault(one => step is null || one.Step == step);
        if (attached.Impact is null) throw await door.RefusedAsync(recipient, VaultException.NotFound(), requestId, ct);
        return await impacts.CompareAsync(attached.Step, attached.Impact, ct);
    }

    /// <summary>A report to the authority went out.</summary>
    /// <exception cref="VaultException">not-found; invalid-fields, such as late-without-reason; invalid-state.</exception>
    public Task<BreachCase> ReportAsync(Recipient recipient, Guid id, BreachReport report, Guid requestId, CancellationToken ct) =>
        StepAsync(recipient, id, now => new BreachContent { Reported = BreachRules.Report(now, report, decider.Clock.Now) }, requestId, ct);

    /// <summary>Whether authority or people are told, and why not.</summary>
    /// <exception cref="VaultException">not-found; invalid-fields; invalid-state: the risk, the regime or the evidence says otherwise.</exception>
    public Task<BreachCase> DecideAsync(Recipient recipient, Guid id, BreachDecision decision, Guid requestId, CancellationToken ct) =>
        StepAsync(recipient, id, now => new BreachContent { Decided = BreachRules.Decide(now, decision, Regime(now.Opening?.Jurisdiction).Breach.Threshold) }, requestId, ct);

    /// <summary>A controller was told by the processor that we are (GDPR 33(2)).</summary>
    /// <exception cref="VaultException">not-found, invalid-fields, invalid-state.</exception>
    public Task<BreachCase> TellControllerAsync(Recipient recipient, Guid id, BreachControllerNotice notice, Guid requestId, CancellationToken ct) =>
        StepAsync(recipient, id, now =>
        {
            BreachRules.Tell(now, notice, decider.Clock.Now);
            return new BreachContent { Told = notice };
        }, requestId, ct);

    /// <exception cref="VaultException">not-found; invalid-state: something that the law wants is left.</exception>
    public Task<BreachCase> CloseAsync(Recipient recipient, Guid id, BreachClosing closing, Guid requestId, CancellationToken ct) =>
        StepAsync(recipient, id, now =>
        {
            BreachRules.Close(now, closing);
            return new BreachContent { Closed = closing };
        }, requestId, ct);

    /// <summary>A draft of what may be said to the authority, the people or a controller. Nothing is sent. The look is an entry.</summary>
    /// <exception cref="VaultException">not-found; invalid-fields; invalid-state: the case says too little.</exception>
    public async Task<string> DraftAsync(Recipient recipient, Guid id, NoticeQuery query, Guid requestId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(query);
        var found = await GetAsync(recipient, id, requestId, ct);
        BreachRules.Draft(found, query);
        return BreachNotices.Draft(found, query, decider.Policy, Regime(found.Opening?.Jurisdiction));
    }

    /// <summary>What the status and the metrics say.</summary>
    public async Task<BreachWatch> WatchAsync(CancellationToken ct)
    {
        var open = (await book.AllAsync(ct)).ToList();
        var damaged = open.Count(one => one.Damage.Count > 0);
        open.RemoveAll(one => one.ClosedAt is not null);
        var running = open.Where(one => one.ClockRuns).Select(one => one.DueAt).OfType<DateTimeOffset>().Order().ToList();
        var now = decider.Clock.Now;
        var state = new BreachWatch(open.Count, running.Count(due => due - now < Soon), running.Count(due => due < now), damaged, running.Count > 0 ? running[0] : null);
        VaultMeters.Breaches(state);
        return state;
    }

    internal Jurisdiction Regime(string? name) => (name is null ? null : decider.Policy.Jurisdictions.Find(name)) ?? decider.Policy.Jurisdictions.Default;

    private Task<BreachCase> StepAsync(Recipient recipient, Guid id, Func<BreachCase, BreachContent> next, Guid requestId, CancellationToken ct) =>
        GuardAsync(recipient, () => TakeAsync(recipient, id, next, requestId, ct), requestId, ct);

    private async Task<BreachCase> TakeAsync(Recipient recipient, Guid id, Func<BreachCase, BreachContent> next, Guid requestId, CancellationToken ct)
    {
        var step = await database.RunAsync(
            async (connection, transaction) =>
            {
                var work = new DutyWork(connection, transaction, ct);
                var now = await book.LockAsync(work, id);
                var content = next(now);
                // INVARIANT: what was committed before is kept before anything more is: a process that died in between has hidden nothing.
                if (now.Kept < now.Next - 1 && now.Steps is [.., var last]) await book.KeepAsync(id, last.Number, ct);
                return await WriteAsync(work, recipient, book.Draft(id, now.Next, content, recipient.Id), requestId);
            },
            ct);
        return await KeptAsync(id, step, ct);
    }

    // INVARIANT: the log's head row is taken last, and nothing but the step's own row is written after it.
    private async Task<int> WriteAsync(DutyWork work, Recipient recipient, BreachRow draft, Guid requestId)
    {
        var entry = Entry(EntryType.BreachChange, recipient, requestId) with
        {
            Rules = [CaseRule(draft.Case), BreachBook.StepRule + draft.Number.ToString(System.Globalization.CultureInfo.InvariantCulture), draft.Kind, BreachBook.HashOf(draft.Sealed)],
        };
        var index = await log.AppendWithinAsync(work.Connection, work.Transaction, [entry], work.Cancellation);
        await book.InsertAsync(work, draft with { LogIndex = index });
        return draft.Number;
    }

    private async Task<BreachCase> KeptAsync(Guid id, int step, CancellationToken ct)
    {
        await book.KeepAsync(id, step, ct);
        return await book.FindAsync(id, ct) ?? throw VaultException.NotFound();
    }

    private async Task<BreachCase> GuardAsync(Recipient recipient, Func<Task<BreachCase>> work, Guid requestId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        await door.AuthoriseAsync(recipient, requestId, ct);
        try
        {
            return await work();
        }
        catch (VaultException e) when (e.Slug is "not-found" or "invalid-state")
        {
            throw await door.RefusedAsync(recipient, e, requestId, ct);
        }
    }

    private LogEntry Entry(EntryType type, Recipient recipient, Guid requestId) => log.Entry(type, recipient, default, "", EntryResult.Ok, [], requestId);

    private static string CaseRule(Guid id) => $"{BreachBook.CaseRule}{id:D}";
}

/// <summary>Meters what of breaches is due: whoever is paged by metrics must not have to look at a page.</summary>
internal sealed class BreachReminder(BreachRegister register, TimeProvider clock, ILogger<BreachReminder> logger) : RoundsWorker(clock, logger)
{
    protected override TimeSpan Rhythm => TimeSpan.FromMinutes(5);

    public override async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        await register.WatchAsync(cancellation);
        return true;
    }
}
