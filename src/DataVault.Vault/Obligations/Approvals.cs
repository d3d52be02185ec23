using System.Text;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>A second person's agreement to one disclosure.</summary>
/// <param name="Id">Named in the call that uses it.</param>
/// <param name="Subject">About whom.</param>
/// <param name="Purpose">For what.</param>
/// <param name="Items">Which items at most.</param>
/// <param name="State"><c>requested</c>, <c>approved</c>, <c>refused</c> or <c>used</c>; <c>changed</c> when the row is not what the vault wrote: it agrees to nothing.</param>
/// <param name="AskedAt">When it was asked for.</param>
/// <param name="ExpiresAt">After this it can be neither approved nor used.</param>
public sealed record ApprovalView(Guid Id, SubjectId Subject, string Purpose, IReadOnlyList<string> Items, string State, DateTimeOffset AskedAt, DateTimeOffset ExpiresAt)
{
    /// <summary>The widest form of each item.</summary>
    public IReadOnlyDictionary<string, string> Forms { get; init; } = new Dictionary<string, string>();

    public string? AskedBy { get; init; }

    /// <summary>Why it was asked for; null in a list.</summary>
    public string? Reason { get; init; }

    public string? DecidedBy { get; init; }

    public DateTimeOffset? DecidedAt { get; init; }

    public DateTimeOffset? UsedAt { get; init; }

    public long LogIndex { get; init; }
}

/// <summary>Newest first.</summary>
public sealed record ApprovalPage(IReadOnlyList<ApprovalView> Items, string? Next);

internal sealed record ApprovalRow(Guid Id, SubjectId Subject, Guid Actor, string Purpose, int[] Items, string State, string AskedBy, DateTimeOffset AskedAt, DateTimeOffset ExpiresAt)
{
    /// <summary>The widest form of each item, in the order of the items; none in a row of before forms were kept, which covers nothing.</summary>
    public short[] Forms { get; init; } = [];

    public string? DecidedBy { get; init; }

    public DateTimeOffset? DecidedAt { get; init; }

    public DateTimeOffset? UsedAt { get; init; }

    public long LogIndex { get; init; }

    /// <summary>What only this vault writes (<see cref="OversightSeals"/>).</summary>
    public byte[]? Seal { get; init; }

    /// <summary>Whether this is an agreement to all that is released, in no wider form than was agreed to.</summary>
    public bool Covers(Release release, Guid actor, DateTimeOffset now)
    {
        var agreed = Items.Zip(Forms).ToLookup(pair => pair.First, pair => (Form)pair.Second);
        return (State, Subject, Actor, Purpose) == ("approved", release.Query.Subject, actor, release.Query.Purpose) && ExpiresAt > now
            && release.Permits.All(permit => agreed[AuditLog.ItemCode(permit.Item)].Any(form => permit.Form <= form));
    }
}

/// <summary>Rows of approvals: subject-owned, and gone with the person.</summary>
internal sealed class ApprovalBook(VaultDatabase database, OversightSeals seals, OversightMemory memory, VaultClock clock)
{
    /// <summary>State of a row that the vault did not leave like this.</summary>
    public const string Changed = "changed";

    internal const string Columns =
        "approval_id, subject_id, actor_tag, purpose, items, state, asked_by, asked_at, expires_at, decided_by, decided_at, used_at, log_index, forms, seal";

    private static readonly TimeSpan Margin = TimeSpan.FromDays(1);

    /// <summary>The approval that a release is made under, locked until the transaction ends.</summary>
    /// <exception cref="VaultException">approval-required: none is in force for this recipient, person, purpose and all that is released.</exception>
    public async Task<ApprovalRow> AgreedAsync(DutyWork work, Release release, byte[] actor)
    {
        var approval = release.Query.Approval is { } id ? await LockAsync(work, id) : null;
        return approval?.Covers(release, EntryShape.TagOf(actor), clock.Now) == true && seals.Matches(approval) ? approval : throw VaultException.ApprovalRequired();
    }

    /// <summary>
    /// Uses it up, in the transaction of the release, and first where a row that somebody puts back does not bring it again. A release that then fails has used it up
    /// too: it has to be asked for anew.
    /// </summary>
    /// <exception cref="VaultException">approval-required: it was used before.</exception>
    public async Task SpendAsync(DutyWork work, ApprovalRow approval)
    {
        if (!await memory.SpendAsync(OversightMemory.Approval, approval.Id, approval.ExpiresAt + Margin, work.Cancellation)) throw VaultException.ApprovalRequired();
        await UpdateAsync(work, approval with { State = "used", UsedAt = clock.Now });
    }

    public async Task<ApprovalRow> InsertAsync(DutyWork work, ApprovalRow unsealed)
    {
        var row = unsealed with { Seal = seals.Of(unsealed) };
        await using var command = new NpgsqlCommand(
            """
            insert into vault.approval (approval_id, subject_id, actor_tag, purpose, items, state, asked_by, asked_at, expires_at, log_index, forms, seal)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            """, work.Connection, work.Transaction)
        {
            Parameters =
            {
                new() { Value = row.Id }, new() { Value = row.Subject.Value }, new() { Value = row.Actor }, new() { Value = row.Purpose }, new() { Value = row.Items }, new() { Value = row.State },
                new() { Value = row.AskedBy }, new() { Value = row.AskedAt.UtcDateTime }, new() { Value = row.ExpiresAt.UtcDateTime }, new() { Value = row.LogIndex },
                new() { Value = row.Forms }, new() { Value = row.Seal },
            },
        };
        await command.ExecuteNonQueryAsync(work.Cancellation);
        return row;
    }

    public static async Task<ApprovalRow?> LockAsync(DutyWork work, Guid id)
    {
        await using var command = new NpgsqlCommand($"select {Columns} from vault.approval where approval_id = $1 for update", work.Connection, work.Transaction) { Parameters = { new() { Value = id } } };
        return (await Rows.ReadAsync(command, Row, work.Cancellation)).FirstOrDefault();
    }

    public bool IsChanged(ApprovalRow row) => !seals.Matches(row);

    /// <summary>The state with who decided and when, and when it was used.</summary>
    public async Task<ApprovalRow> UpdateAsync(DutyWork work, ApprovalRow unsealed)
    {
        var row = unsealed with { Seal = seals.Of(unsealed) };
        await using var command = new NpgsqlCommand(
            "update vault.approval set state = $3, decided_by = $4, decided_at = $5, used_at = $6, seal = $7 where subject_id = $1 and approval_id = $2", work.Connection, work.Transaction)
        {
            Parameters =
            {
                new() { Value = row.Subject.Value }, new() { Value = row.Id }, new() { Value = row.State }, new() { Value = row.DecidedBy! }, new() { Value = row.DecidedAt!.Value.UtcDateTime },
                new() { Value = (object?)row.UsedAt?.UtcDateTime ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.TimestampTz }, new() { Value = row.Seal },
            },
        };
        await command.ExecuteNonQueryAsync(work.Cancellation);
        return row;
    }

    /// <summary>All, or those of one asker.</summary>
    public async Task<IReadOnlyList<ApprovalRow>> ListAsync(string? askedBy, string? state, int limit, Guid? before, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            $"""
            select {Columns} from vault.approval where ($1 is null or asked_by = $1) and ($2 is null or state = $2) and ($3 is null or approval_id < $3)
            order by approval_id desc limit $4
            """);
        command.Parameters.Add(new() { Value = (object?)askedBy ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text });
        command.Parameters.Add(new() { Value = (object?)state ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text });
        command.Parameters.Add(new() { Value = (object?)before ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Uuid });
        command.Parameters.Add(new() { Value = limit });
        return await Rows.ReadAsync(command, Row, ct);
    }

    internal static ApprovalRow Row(NpgsqlDataReader row) => new(
        row.GetGuid(0), new SubjectId(row.GetGuid(1)), row.GetGuid(2), row.GetString(3), row.GetFieldValue<int[]>(4), row.GetString(5), row.GetString(6),
        row.GetFieldValue<DateTimeOffset>(7), row.GetFieldValue<DateTimeOffset>(8))
    {
        DecidedBy = row.IsDBNull(9) ? null : row.GetString(9), DecidedAt = row.IsDBNull(10) ? null : row.GetFieldValue<DateTimeOffset>(10),
        UsedAt = row.IsDBNull(11) ? null : row.GetFieldValue<DateTimeOffset>(11), LogIndex = row.GetInt64(12), Forms = row.GetFieldValue<short[]>(13),
        Seal = row.IsDBNull(14) ? null : row.GetFieldValue<byte[]>(14),
    };
}

/// <summary>
/// Four eyes: whoever wants what a rule binds to <c>four-eyes</c> asks for it first, and another person with the capability agrees. An approval holds for
/// this recipient, person, purpose and these items, for a while, once. Each step is an entry of the log in the transaction of the change.
/// </summary>
public sealed class Approvals
{
    private static readonly TimeSpan Validity = TimeSpan.FromHours(4);

    private readonly VaultDatabase database;
    private readonly ApprovalBook book;
    private readonly KeyRegistry keys;
    private readonly AuditLog log;
    private readonly AuditReader reader;
    private readonly Decider decider;
    private readonly OversightDoor door;

    internal Approvals(VaultDatabase database, ApprovalBook book, KeyRegistry keys, AuditLog log, AuditReader reader, Decider decider)
    {
        (this.database, this.book, this.keys, this.log, this.reader, this.decider) = (database, book, keys, log, reader, decider);
        door = new OversightDoor(log, decider, Capabilities.DisclosuresApprove, "approvals");
    }

    /// <summary>Asks for a disclosure. What may not be had with an approval either is refused at once.</summary>
    /// <exception cref="VaultException">not-found, forbidden, invalid-fields, invalid-state when no second person is needed.</exception>
    public async Task<ApprovalView> AskAsync(Recipient recipient, SubjectId subject, string purpose, IReadOnlyList<RequestedItem> items, string reason, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        decider.Purpose(purpose);
        if (!JustificationRule.IsReason(reason)) throw VaultException.Invalid([new("/reason", "missing-member", $"Why, in at most {JustificationRule.MaxLength} characters?")]);
        // Known before anything is known of the person: so what follows tells only of people whom the asker reaches.
        if (!items.Any(item => decider.Policy.Decisions.CouldPermit(recipient, AccessAction.Read, purpose, item.Item)))
            throw await door.RefusedAsync(recipient, VaultException.Forbidden(), (purpose, default), requestId, cancellation);
        using var held = await keys.FindFreshAsync(subject, cancellation);
        var record = held is null ? null : await SubjectRows.FindAsync(database, subject, cancellation);
        if (held is null || record is null || recipient.Kind == RecipientKind.Customer) throw await door.RefusedAsync(recipient, VaultException.NotFound(), (purpose, default), requestId, cancellation);
        if (!FactsCodec.TryDecode(record.Facts, out var facts)) throw decider.Told(recipient, VaultException.Damaged());
        var decision = decider.Decide(recipient, subject, AccessAction.Read, purpose, items, facts);
        if (!decision.Released) throw await door.RefusedAsync(recipient, VaultException.NotFound(), (purpose, held.Tag), requestId, cancellation);
        if (!decision.Obligations.Contains(ObligationNames.FourEyes))
            throw await door.RefusedAsync(recipient, VaultException.InvalidState("No rule asks for a second person here."), (purpose, held.Tag), requestId, cancellation);
        var now = decider.Clock.Now;
        var row = new ApprovalRow(
            decider.Clock.NewId(), subject, EntryShape.TagOf(log.TagOf(recipient)), purpose, Decider.LogIds(decision.Permits), "requested", recipient.Id, now, now + Validity)
        {
            Forms = [.. decision.Permits.Select(permit => (short)permit.Form)],
        };
        var entry = log.Entry(EntryType.ApprovalChange, recipient, held.Tag, purpose, EntryResult.Ok, row.Items, requestId) with { Rules = ["requested", $"approval:{row.Id:D}"] };
        var (described, detail) = log.WithDetail(entry, held, Encoding.UTF8.GetBytes(reason), decider.Clock.Random);
        row = await database.RunAsync(
            async (connection, transaction) =>
            {
                var work = new DutyWork(connection, transaction, cancellation);
                if (!(await SubjectRows.KeepAsync(connection, transaction, [subject], cancellation)).ContainsKey(subject)) throw VaultException.NotFound();
                var kept = row with { LogIndex = await log.AppendWithinAsync(connection, transaction, [new PendingEntry(described, detail)], cancellation) };
                return await book.InsertAsync(work, kept);
            },
            cancellation);
        return View(row) with { Reason = reason };
    }

    /// <summary>For whoever may approve all of them, for others their own.</summary>
    public async Task<ApprovalPage> ListAsync(Recipient recipient, string? state, int limit, string? cursor, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        var page = NewestFirst.Read(limit, cursor);
        var (shown, next) = page.Cut(await book.ListAsync(door.LetsIn(recipient) ? null : recipient.Id, state, page.Sought, page.Before, cancellation), row => row.Id);
        await door.LookAsync(recipient, requestId, cancellation);
        var views = new List<ApprovalView>();
        foreach (var row in shown) views.Add(View(row) with { Reason = await ReasonAsync(row, cancellation) });
        return new ApprovalPage(views, next);
    }

    /// <summary>Agrees or refuses, once, before it expires; never to one's own request.</summary>
    /// <exception cref="VaultException">not-found, invalid-state, forbidden.</exception>
    public async Task<ApprovalView> DecideAsync(Recipient recipient, Guid id, bool approve, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        await door.AuthoriseAsync(recipient, requestId, cancellation);
        try
        {
            var row = await database.RunAsync((connection, transaction) => DecideAsync(new DutyWork(connection, transaction, cancellation), recipient, id, approve, requestId), cancellation);
            return View(row);
        }
        catch (VaultException e) when (e.Slug is "not-found" or "invalid-state" or "forbidden")
        {
            throw await door.RefusedAsync(recipient, e, requestId, cancellation);
        }
    }

    private async Task<ApprovalRow> DecideAsync(DutyWork work, Recipient recipient, Guid id, bool approve, Guid requestId)
    {
        var row = await ApprovalBook.LockAsync(work, id) ?? throw VaultException.NotFound();
        if (book.IsChanged(row)) throw VaultException.InvalidState("The request is not what the vault wrote: ask for the disclosure anew.");
        if (row.State != "requested" || row.ExpiresAt <= decider.Clock.Now) throw VaultException.InvalidState("The request has been decided already, or has expired.");
        if (row.AskedBy == recipient.Id) throw VaultException.Forbidden();
        row = row with { State = approve ? "approved" : "refused", DecidedBy = recipient.Id, DecidedAt = decider.Clock.Now };
        using var held = await keys.GetAsync(row.Subject, work.Cancellation);
        row = await book.UpdateAsync(work, row);
        var entry = log.Entry(EntryType.ApprovalChange, recipient, held.Tag, row.Purpose, EntryResult.Ok, row.Items, requestId) with
        {
            Rules = [row.State, $"approval:{row.Id:D}"],
            Reference = row.LogIndex,
        };
        await log.AppendWithinAsync(work.Connection, work.Transaction, [entry], work.Cancellation);
        return row;
    }

    private async Task<string?> ReasonAsync(ApprovalRow row, CancellationToken cancellation) =>
        await reader.DetailAsync(await reader.EntryAsync(row.LogIndex, cancellation), cancellation) is { } words ? Encoding.UTF8.GetString(words) : null;

    private ApprovalView View(ApprovalRow row) => new(row.Id, row.Subject, row.Purpose, [.. row.Items.Select(NameOf)], book.IsChanged(row) ? ApprovalBook.Changed : row.State, row.AskedAt, row.ExpiresAt)
    {
        // What somebody wrote into a row need not be a form.
        Forms = row.Items.Zip(row.Forms).Where(pair => Enum.IsDefined((Form)pair.Second)).GroupBy(pair => NameOf(pair.First), pair => (Form)pair.Second).ToDictionary(group => group.Key, group => FormNames.Of(group.Max())),
        AskedBy = row.AskedBy, DecidedBy = row.DecidedBy, DecidedAt = row.DecidedAt, UsedAt = row.UsedAt, LogIndex = row.LogIndex,
    };

    private string NameOf(int code) => decider.Policy.Items.FirstOrDefault(item => item.Code == code)?.Name ?? "?";
}
