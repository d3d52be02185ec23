using DataVault.Policy;
using DataVault.Transparency;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>What raises an alert.</summary>
public static class AlertKinds
{
    /// <summary>A credential used up its budget for a purpose and is stopped.</summary>
    public const string BudgetExhausted = "budget-exhausted";

    /// <summary>Somebody touched a person who does not exist.</summary>
    public const string HoneyTouched = "honey-touched";
}

/// <summary>Something that an officer must look at.</summary>
/// <param name="Id">Of the alert.</param>
/// <param name="Kind">One of <see cref="AlertKinds"/>.</param>
/// <param name="At">When it was raised.</param>
/// <param name="Actor">Roles of staff, or name of the application; null when not known yet.</param>
/// <param name="ActorTag">The credential, as the log names it.</param>
/// <param name="Purpose">For what.</param>
/// <param name="About">The entry that raised it; null when none did.</param>
/// <param name="LogIndex">The alert's own entry.</param>
public sealed record AlertView(Guid Id, string Kind, DateTimeOffset At, string? Actor, string ActorTag, string Purpose, long? About, long LogIndex)
{
    /// <summary>Until when the credential is stopped for the purpose; null when it is not.</summary>
    public DateTimeOffset? StoppedUntil { get; init; }

    public string? AcknowledgedBy { get; init; }

    public DateTimeOffset? AcknowledgedAt { get; init; }

    /// <summary>What only this vault writes (<see cref="OversightSeals"/>).</summary>
    internal byte[]? Seal { get; init; }
}

/// <summary>Newest first.</summary>
public sealed record AlertPage(IReadOnlyList<AlertView> Items, string? Next);

internal sealed record NewAlert(Guid Id, string Kind, Guid Actor, string Purpose, long? About);

/// <summary>Rows of alerts; each has an entry of the log, written in the same transaction.</summary>
internal sealed class AlertBook(VaultDatabase database, AuditLog log, OversightSeals seals, VaultClock clock)
{
    /// <summary>Those of the row itself.</summary>
    internal const string OwnColumns = "alert_id, kind, at, null::text, actor_tag, purpose, about, log_index, null::timestamptz, acknowledged_by, acknowledged_at, seal";

    private const string Columns =
        "a.alert_id, a.kind, a.at, n.name, a.actor_tag, a.purpose, a.about, a.log_index, b.until, a.acknowledged_by, a.acknowledged_at, a.seal";

    // An actor's name is kept by the bytes of the tag.
    private const string From =
        """
        from vault.alert a left join vault.brake b on b.alert_id = a.alert_id and b.until > $1
        left join audit.actor n on n.tag = decode(replace(a.actor_tag::text, '-', ''), 'hex')
        """;

    /// <summary>Appends the entry, so call it last; then the row.</summary>
    public async Task<long> RaiseAsync(DutyWork work, NewAlert alert, LogEntry entry)
    {
        var index = await log.AppendWithinAsync(work.Connection, work.Transaction, [entry], work.Cancellation);
        var row = new AlertView(alert.Id, alert.Kind, clock.Now, null, EntryShape.Hex(alert.Actor), alert.Purpose, alert.About, index);
        await using var command = new NpgsqlCommand(
            "insert into vault.alert (alert_id, kind, at, actor_tag, purpose, about, log_index, seal) values ($1, $2, $3, $4, $5, $6, $7, $8)", work.Connection, work.Transaction)
        {
            Parameters =
            {
                new() { Value = alert.Id }, new() { Value = alert.Kind }, new() { Value = row.At.UtcDateTime }, new() { Value = alert.Actor }, new() { Value = alert.Purpose },
                new() { Value = (object?)alert.About ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Bigint }, new() { Value = index }, new() { Value = seals.Of(row) },
            },
        };
        await command.ExecuteNonQueryAsync(work.Cancellation);
        VaultMeters.Alerted(alert.Kind);
        return index;
    }

    /// <summary>The same, of a budget that was used up.</summary>
    public Task<long> RaiseExhaustedAsync(DutyWork work, NewAlert alert, (Recipient Recipient, string Span, Guid Request) by) => RaiseAsync(
        work, alert, log.Entry(EntryType.Alert, by.Recipient, default, alert.Purpose, EntryResult.Denied, [], by.Request) with { Rules = [AlertKinds.BudgetExhausted, "window:" + by.Span] });

    /// <summary>As alerts name a credential.</summary>
    public Guid TagOf(Recipient recipient) => EntryShape.TagOf(log.TagOf(recipient));

    /// <summary>Of these entries those of which there is an alert.</summary>
    public static async Task<HashSet<long>> ToldAsync(DutyWork work, string kind, long[] entries)
    {
        if (entries.Length == 0) return [];
        await using var command = new NpgsqlCommand("select about from vault.alert where kind = $1 and about = any($2)", work.Connection, work.Transaction)
        {
            Parameters = { new() { Value = kind }, new() { Value = entries } },
        };
        return [.. await Rows.ReadAsync(command, row => row.GetInt64(0), work.Cancellation)];
    }

    public async Task<IReadOnlyList<AlertView>> ListAsync(bool? open, int limit, Guid? before, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            $"select {Columns} {From} where ($2 is null or (a.acknowledged_at is null) = $2) and ($3 is null or a.alert_id < $3) order by a.alert_id desc limit $4");
        command.Parameters.Add(new() { Value = clock.Now.UtcDateTime });
        command.Parameters.Add(new() { Value = (object?)open ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Boolean });
        command.Parameters.Add(new() { Value = (object?)before ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Uuid });
        command.Parameters.Add(new() { Value = limit });
        return await Rows.ReadAsync(command, View, ct);
    }

    public async Task<AlertView?> FindAsync(Guid id, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {Columns} {From} where a.alert_id = $2");
        command.Parameters.Add(new() { Value = clock.Now.UtcDateTime });
        command.Parameters.Add(new() { Value = id });
        return (await Rows.ReadAsync(command, View, ct)).FirstOrDefault();
    }

    /// <summary>False when somebody has acknowledged it already. What the vault did not write says nothing of that, and is put right by it.</summary>
    public async Task<bool> AcknowledgeAsync(DutyWork work, Guid id, string by)
    {
        await using var select = new NpgsqlCommand($"select {OwnColumns} from vault.alert where alert_id = $1 for update", work.Connection, work.Transaction) { Parameters = { new() { Value = id } } };
        if (await Rows.ReadAsync(select, Own, work.Cancellation) is not [var found] || (found.AcknowledgedAt is not null && seals.Matches(found))) return false;
        var row = found with { AcknowledgedBy = by, AcknowledgedAt = clock.Now };
        await using var command = new NpgsqlCommand("update vault.alert set acknowledged_by = $2, acknowledged_at = $3, seal = $4 where alert_id = $1", work.Connection, work.Transaction)
        {
            Parameters = { new() { Value = id }, new() { Value = by }, new() { Value = row.AcknowledgedAt.Value.UtcDateTime }, new() { Value = seals.Of(row) } },
        };
        return await command.ExecuteNonQueryAsync(work.Cancellation) == 1;
    }

    public async Task<long> CountOpenAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select count(*) from vault.alert where acknowledged_at is null");
        return (await Rows.ReadAsync(command, row => row.GetInt64(0), ct))[0];
    }

    // Nobody has acknowledged what the vault did not write.
    private AlertView View(NpgsqlDataReader row) => Own(row) is var own && seals.Matches(own) ? own : own with { AcknowledgedBy = null, AcknowledgedAt = null };

    internal static AlertView Own(NpgsqlDataReader row) => new(
        row.GetGuid(0), row.GetString(1), row.GetFieldValue<DateTimeOffset>(2), row.IsDBNull(3) ? null : row.GetString(3), EntryShape.Hex(row.GetGuid(4)), row.GetString(5),
        row.IsDBNull(6) ? null : row.GetInt64(6), row.GetInt64(7))
    {
        StoppedUntil = row.IsDBNull(8) ? null : row.GetFieldValue<DateTimeOffset>(8), AcknowledgedBy = row.IsDBNull(9) ? null : row.GetString(9),
        AcknowledgedAt = row.IsDBNull(10) ? null : row.GetFieldValue<DateTimeOffset>(10), Seal = row.IsDBNull(11) ? null : row.GetFieldValue<byte[]>(11),
    };
}

/// <summary>What waits for an officer; numbers only.</summary>
/// <param name="OpenAlerts">Alerts that nobody has acknowledged.</param>
/// <param name="OpenReviews">Reviews that are to be decided.</param>
/// <param name="OverdueReviews">Those of them whose date has passed.</param>
public sealed record OversightBacklog(long OpenAlerts, long OpenReviews, long OverdueReviews);

/// <summary>Alerts, for officers: seen, acknowledged, and the brake released. Each act is an entry of the log.</summary>
public sealed class Alerts
{
    private readonly VaultDatabase database;
    private readonly AlertBook book;
    private readonly Brakes brakes;
    private readonly ReviewBook reviews;
    private readonly AuditLog log;
    private readonly OversightDoor door;

    internal Alerts(VaultDatabase database, AlertBook book, Brakes brakes, ReviewBook reviews, AuditLog log, Decider decider)
    {
        (this.database, this.book, this.brakes, this.reviews, this.log) = (database, book, brakes, reviews, log);
        door = new OversightDoor(log, decider, Capabilities.AlertsManage, "alerts");
    }

    /// <summary>A page of alerts. The look is an entry of the log.</summary>
    public async Task<AlertPage> ListAsync(Recipient recipient, bool? open, int limit, string? cursor, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        var page = NewestFirst.Read(limit, cursor);
        await door.AuthoriseAsync(recipient, requestId, cancellation);
        var (shown, next) = page.Cut(await book.ListAsync(open, page.Sought, page.Before, cancellation), alert => alert.Id);
        await door.LookAsync(recipient, requestId, cancellation);
        return new AlertPage(shown, next);
    }

    /// <summary>Says that somebody has taken it up.</summary>
    /// <exception cref="VaultException">not-found, or invalid-state when somebody has.</exception>
    public Task<AlertView> AcknowledgeAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken cancellation) =>
        AnswerAsync(recipient, id, "acknowledged", requestId, cancellation);

    /// <summary>Lets a stopped credential go on before its window has passed. Its budget is whole again.</summary>
    /// <exception cref="VaultException">not-found, or invalid-state when the alert stops nobody.</exception>
    public Task<AlertView> ReleaseAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken cancellation) =>
        AnswerAsync(recipient, id, "released", requestId, cancellation);

    /// <summary>How much waits now.</summary>
    public async Task<OversightBacklog> LookAsync(CancellationToken cancellation)
    {
        var (open, overdue) = await reviews.CountAsync(cancellation);
        var backlog = new OversightBacklog(await book.CountOpenAsync(cancellation), open, overdue);
        VaultMeters.Oversight(backlog);
        return backlog;
    }

    private async Task<AlertView> AnswerAsync(Recipient recipient, Guid id, string act, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        await door.AuthoriseAsync(recipient, requestId, cancellation);
        var alert = await book.FindAsync(id, cancellation) ?? throw await door.RefusedAsync(recipient, VaultException.NotFound(), requestId, cancellation);
        var entry = log.Entry(EntryType.Alert, recipient, default, alert.Purpose, EntryResult.Ok, [], requestId) with { Rules = [act, alert.Kind], Reference = alert.LogIndex };
        var done = await database.RunAsync(
            async (connection, transaction) =>
            {
                var work = new DutyWork(connection, transaction, cancellation);
                if (!await (act == "released" ? brakes.ReleaseAsync(work, id) : book.AcknowledgeAsync(work, id, recipient.Id))) return false;
                await log.AppendWithinAsync(connection, transaction, [entry], cancellation);
                return true;
            },
            cancellation);
        if (!done) throw await door.RefusedAsync(recipient, VaultException.InvalidState("Somebody has done this already, or there is nothing to do."), requestId, cancellation);
        return (await book.FindAsync(id, cancellation))!;
    }
}
