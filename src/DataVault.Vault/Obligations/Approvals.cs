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
/// <param name="State"><c>requested</c>, <c>approved</c>, <c>refused</c> or <c>used</c>.</param>
/// <param name="AskedAt">When it was asked for.</param>
/// <param name="ExpiresAt">After this it can be neither approved nor used.</param>
public sealed record ApprovalView(Guid Id, SubjectId Subject, string Purpose, IReadOnlyList<string> Items, string State, DateTimeOffset AskedAt, DateTimeOffset ExpiresAt)
{
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
    public string? DecidedBy { get; init; }

    public DateTimeOffset? DecidedAt { get; init; }

    public DateTimeOffset? UsedAt { get; init; }

    public long LogIndex { get; init; }
}

/// <summary>Rows of approvals: subject-owned, and gone with the person.</summary>
internal sealed class ApprovalBook(VaultDatabase database, VaultClock clock)
{
    private const string Columns =
        "approval_id, subject_id, actor_tag, purpose, items, state, asked_by, asked_at, expires_at, decided_by, decided_at, used_at, log_index";

    /// <summary>Uses an approval up, in the transaction of the release.</summary>
    /// <exception cref="VaultException">approval-required: none is in force for this recipient, person, purpose and all that is released.</exception>
    public async Task UseAsync(DutyWork work, Release release, byte[] actor)
    {
        await using var command = new NpgsqlCommand(
            """
            update vault.approval set state = 'used', used_at = $7
            where subject_id = $1 and approval_id = $2 and actor_tag = $3 and purpose = $4 and items @> $5 and state = 'approved' and expires_at > $6
            """, work.Connection, work.Transaction)
        {
            Parameters =
            {
                new() { Value = release.Query.Subject.Value }, new() { Value = release.Query.Approval ?? Guid.Empty }, new() { Value = EntryShape.TagOf(actor) }, new() { Value = release.Query.Purpose },
                new() { Value = release.Permits.Select(permit => permit.Item.Code).ToArray() }, new() { Value = clock.Now.UtcDateTime }, new() { Value = clock.Now.UtcDateTime },
            },
        };
        if (await command.ExecuteNonQueryAsync(work.Cancellation) != 1) throw VaultException.ApprovalRequired();
    }

    public static async Task InsertAsync(DutyWork work, ApprovalRow row)
    {
        await using var command = new NpgsqlCommand(
            """
            insert into vault.approval (approval_id, subject_id, actor_tag, purpose, items, state, asked_by, asked_at, expires_at, log_index)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            """, work.Connection, work.Transaction)
        {
            Parameters =
            {
                new() { Value = row.Id }, new() { Value = row.Subject.Value }, new() { Value = row.Actor }, new() { Value = row.Purpose }, new() { Value = row.Items }, new() { Value = row.State },
                new() { Value = row.AskedBy }, new() { Value = row.AskedAt.UtcDateTime }, new() { Value = row.ExpiresAt.UtcDateTime }, new() { Value = row.LogIndex },
            },
        };
        await command.ExecuteNonQueryAsync(work.Cancellation);
    }

    public static async Task<ApprovalRow?> LockAsync(DutyWork work, Guid id)
    {
        await using var command = new NpgsqlCommand($"select {Columns} from vault.approval where approval_id = $1 for update", work.Connection, work.Transaction) { Parameters = { new() { Value = id } } };
        return (await Rows.ReadAsync(command, Row, work.Cancellation)).FirstOrDefault();
    }

    public static async Task DecideAsync(DutyWork work, ApprovalRow row)
    {
        await using var command = new NpgsqlCommand(
            "update vault.approval set state = $3, decided_by = $4, decided_at = $5 where subject_id = $1 and approval_id = $2", work.Connection, work.Transaction)
        {
            Parameters = { new() { Value = row.Subject.Value }, new() { Value = row.Id }, new() { Value = row.State }, new() { Value = row.DecidedBy! }, new() { Value = row.DecidedAt!.Value.UtcDateTime } },
        };
        await command.ExecuteNonQueryAsync(work.Cancellation);
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

    private static ApprovalRow Row(NpgsqlDataReader row) => new(
        row.GetGuid(0), new SubjectId(row.GetGuid(1)), row.GetGuid(2), row.GetString(3), row.GetFieldValue<int[]>(4), row.GetString(5), row.GetString(6),
        row.GetFieldValue<DateTimeOffset>(7), row.GetFieldValue<DateTimeOffset>(8))
    {
        DecidedBy = row.IsDBNull(9) ? null : row.GetString(9), DecidedAt = row.IsDBNull(10) ? null : row.GetFieldValue<DateTimeOffset>(10),
        UsedAt = row.IsDBNull(11) ? null : row.GetFieldValue<DateTimeOffset>(11), LogIndex = row.GetInt64(12),
    };
}

/// <summary>
/// Four eyes: whoever wants what a rule binds to <c>four-eyes</c> asks for it first, and another person with the capability agrees. An approval holds for
/// this recipient, person, purpose and these items, for a while, once. Each step is an entry of the log in the transaction of the change.
/// </summary>
public sealed class Approvals
{
    private const int LargestPage = 200;
    private static readonly TimeSpan Validity = TimeSpan.FromHours(4);

    private readonly VaultDatabase database;
    private readonly ApprovalBook book;
    private readonly KeyRegistry keys;
    private readonly AuditLog log;
    private readonly AuditReader reader;
    private readonly Decider decider;

    internal Approvals(VaultDatabase database, ApprovalBook book, KeyRegistry keys, AuditLog log, AuditReader reader, Decider decider) =>
        (this.database, this.book, this.keys, this.log, this.reader, this.decider) = (database, book, keys, log, reader, decider);

    /// <summary>Asks for a disclosure. What may not be had with an approval either is refused at once.</summary>
    /// <exception cref="VaultException">not-found, forbidden, invalid-fields, invalid-state when no second person is needed.</exception>
    public async Task<ApprovalView> AskAsync(Recipient recipient, SubjectId subject, string purpose, IReadOnlyList<RequestedItem> items, string reason, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        decider.Purpose(purpose);
        if (!JustificationRule.IsReason(reason)) throw VaultException.Invalid([new("/reason", "missing-member", $"Why, in at most {JustificationRule.MaxLength} characters?")]);
        // Known before anything is known of the person: so what follows tells only of people whom the asker reaches.
        if (!items.Any(item => decider.Policy.Decisions.CouldPermit(recipient, AccessAction.Read, purpose, item.Item)))
            throw await RefusedAsync(recipient, purpose, default, VaultException.Forbidden(), requestId, cancellation);
        using var held = await keys.FindFreshAsync(subject, cancellation);
        var record = held is null ? null : await SubjectRows.FindAsync(database, subject, cancellation);
        if (held is null || record is null || recipient.Kind == RecipientKind.Customer) throw await RefusedAsync(recipient, purpose, default, VaultException.NotFound(), requestId, cancellation);
        if (!FactsCodec.TryDecode(record.Facts, out var facts)) throw decider.Told(recipient, VaultException.Unavailable());
        var decision = decider.Decide(recipient, subject, AccessAction.Read, purpose, items, facts);
        if (!decision.Released) throw await RefusedAsync(recipient, purpose, held.Tag, VaultException.NotFound(), requestId, cancellation);
        if (!decision.Obligations.Contains(ObligationNames.FourEyes))
            throw await RefusedAsync(recipient, purpose, held.Tag, VaultException.InvalidState("No rule asks for a second person here."), requestId, cancellation);
        var now = decider.Clock.Now;
        var row = new ApprovalRow(
            decider.Clock.NewId(), subject, EntryShape.TagOf(log.TagOf(recipient)), purpose, Decider.LogIds(decision.Permits), "requested", recipient.Id, now, now + Validity);
        var entry = log.Entry(EntryType.ApprovalChange, recipient, held.Tag, purpose, EntryResult.Ok, row.Items, requestId) with { Rules = ["requested", $"approval:{row.Id:D}"] };
        var (described, detail) = log.WithDetail(entry, held, Encoding.UTF8.GetBytes(reason), decider.Clock.Random);
        row = await database.RunAsync(
            async (connection, transaction) =>
            {
                var work = new DutyWork(connection, transaction, cancellation);
                if (!(await SubjectRows.KeepAsync(connection, transaction, [subject], cancellation)).ContainsKey(subject)) throw VaultException.NotFound();
                var kept = row with { LogIndex = await log.AppendWithinAsync(connection, transaction, [new PendingEntry(described, detail)], cancellation) };
                await ApprovalBook.InsertAsync(work, kept);
                return kept;
            },
            cancellation);
        return View(row) with { Reason = reason };
    }

    /// <summary>For whoever may approve all of them, for others their own.</summary>
    public async Task<ApprovalPage> ListAsync(Recipient recipient, string? state, int limit, string? cursor, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        if (limit is < 1 or > LargestPage) throw VaultException.BadRequest($"The limit is between 1 and {LargestPage}.");
        Guid? before = null;
        if (cursor is not null) before = Guid.TryParseExact(cursor, "N", out var id) ? id : throw VaultException.BadRequest("The cursor is not valid.");
        var rows = await book.ListAsync(MayApprove(recipient) ? null : recipient.Id, state, limit + 1, before, cancellation);
        await log.AppendAsync(log.Entry(EntryType.AuditRead, recipient, default, "", EntryResult.Ok, [], requestId) with { Rules = ["approvals"] }, null, cancellation);
        var views = new List<ApprovalView>();
        foreach (var row in rows.Take(limit)) views.Add(View(row) with { Reason = await ReasonAsync(row, cancellation) });
        return new ApprovalPage(views, rows.Count > limit ? rows[limit - 1].Id.ToString("N") : null);
    }

    /// <summary>Agrees or refuses, once, before it expires; never to one's own request.</summary>
    /// <exception cref="VaultException">not-found, invalid-state, forbidden.</exception>
    public async Task<ApprovalView> DecideAsync(Recipient recipient, Guid id, bool approve, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        if (!MayApprove(recipient)) throw await RefusedAsync(recipient, "", default, VaultException.Forbidden(), requestId, cancellation);
        try
        {
            var row = await database.RunAsync((connection, transaction) => DecideAsync(new DutyWork(connection, transaction, cancellation), recipient, id, approve, requestId), cancellation);
            return View(row);
        }
        catch (VaultException e) when (e.Slug is "not-found" or "invalid-state" or "forbidden")
        {
            throw await RefusedAsync(recipient, "", default, e, requestId, cancellation);
        }
    }

    private async Task<ApprovalRow> DecideAsync(DutyWork work, Recipient recipient, Guid id, bool approve, Guid requestId)
    {
        var row = await ApprovalBook.LockAsync(work, id) ?? throw VaultException.NotFound();
        if (row.State != "requested" || row.ExpiresAt <= decider.Clock.Now) throw VaultException.InvalidState("The request has been decided already, or has expired.");
        if (row.AskedBy == recipient.Id) throw VaultException.Forbidden();
        row = row with { State = approve ? "approved" : "refused", DecidedBy = recipient.Id, DecidedAt = decider.Clock.Now };
        using var held = await keys.GetAsync(row.Subject, work.Cancellation);
        await ApprovalBook.DecideAsync(work, row);
        var entry = log.Entry(EntryType.ApprovalChange, recipient, held.Tag, row.Purpose, EntryResult.Ok, row.Items, requestId) with
        {
            Rules = [row.State, $"approval:{row.Id:D}"],
            Reference = row.LogIndex,
        };
        await log.AppendWithinAsync(work.Connection, work.Transaction, [entry], work.Cancellation);
        return row;
    }

    private bool MayApprove(Recipient recipient) =>
        recipient.Kind == RecipientKind.Staff && decider.Policy.Decisions.HasCapability(recipient.Roles, Capabilities.DisclosuresApprove);

    private async Task<string?> ReasonAsync(ApprovalRow row, CancellationToken cancellation) =>
        await reader.DetailAsync(await reader.EntryAsync(row.LogIndex, cancellation), cancellation) is { } words ? Encoding.UTF8.GetString(words) : null;

    private ApprovalView View(ApprovalRow row) => new(
        row.Id, row.Subject, row.Purpose, [.. row.Items.Select(code => decider.Policy.Items.FirstOrDefault(item => item.Code == code)?.Name ?? "?")], row.State, row.AskedAt, row.ExpiresAt)
    {
        AskedBy = row.AskedBy, DecidedBy = row.DecidedBy, DecidedAt = row.DecidedAt, UsedAt = row.UsedAt, LogIndex = row.LogIndex,
    };

    private async Task<VaultException> RefusedAsync(Recipient recipient, string purpose, ReadOnlyMemory<byte> tag, VaultException refusal, Guid requestId, CancellationToken cancellation)
    {
        await log.AppendAsync(log.Entry(EntryType.Denied, recipient, tag, purpose, EntryResult.Denied, [], requestId) with { Rules = ["approvals"] }, null, cancellation);
        return refusal;
    }
}
