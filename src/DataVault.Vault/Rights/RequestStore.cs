using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>A request as its row has it. A closed row of an erased person has no subject.</summary>
internal sealed record RequestRow(Guid Id, SubjectId? Subject, string Kind, string State, string Jurisdiction)
{
    public DateTimeOffset OpenedAt { get; init; }

    public DateTimeOffset DueAt { get; init; }

    public DateTimeOffset? ExtendedAt { get; init; }

    public DateTimeOffset? CompletedAt { get; init; }

    public string? Reason { get; init; }

    public string OpenedBy { get; init; } = "";

    /// <summary>The same without which controller it was: to the rules a controller is an application.</summary>
    public string OpenedByKind => OpenedBy.StartsWith(OpenDsrCourier.RecipientPrefix, StringComparison.Ordinal) ? "application" : OpenedBy;

    public long LogIndex { get; init; }

    /// <summary>Notes, each sealed under the person's key and preceded by its length.</summary>
    public byte[]? Notes { get; init; }

    /// <summary>Key of the package, sealed under the person's key; null before there is one and once it was fetched.</summary>
    public byte[]? PackageKey { get; init; }

    public DateTimeOffset? PackageExpires { get; init; }

    /// <summary>What a resumed erasure must know, sealed under a key of the vault.</summary>
    public byte[]? Work { get; init; }

    public bool HasCertificate { get; init; }

    /// <summary>What happened to it besides its state.</summary>
    public RequestCourse Course
    {
        get => RequestCourse.Decode(EncodedCourse);
        init => EncodedCourse = value.Encode();
    }

    /// <summary>The same as it was written: a later version, which writes it otherwise, still knows the row's seal.</summary>
    public byte[]? EncodedCourse { get; init; }

    /// <summary>What was shown of the person's identity: words sealed under their key, like notes.</summary>
    public byte[]? Evidence { get; init; }

    /// <summary>The language that whoever opens it wants to be written to in; no part of the row, for the first letter keeps it.</summary>
    public string? Language { get; init; }

    /// <summary>Of an objection, what the step does to the person's standing; no part of the row.</summary>
    public ObjectionStep? Objecting { get; init; }

    /// <summary>How a contested decision was decided; no part of the row, for the decision keeps it.</summary>
    public DecisionVerdict? Verdict { get; init; }

    /// <summary>What the entry of a change says besides, in codes; no part of the row.</summary>
    public IReadOnlyList<string> Said { get; init; } = [];

    /// <summary>By what the vault knows the row again (<see cref="RequestSeals"/>).</summary>
    public byte[]? Seal { get; init; }

    /// <summary>When an executed erasure becomes final at the latest.</summary>
    public DateTimeOffset? FinalDue { get; init; }

    /// <summary>When no copy of the destroyed key could be opened any more, and the certificate said so.</summary>
    public DateTimeOffset? FinalAt { get; init; }

    /// <summary>Carried out. Why it once took longer is no reason of how it ended.</summary>
    public RequestRow Done(DateTimeOffset at) => this with { State = RequestStates.Completed, CompletedAt = at, Reason = Reason == Course.ExtendedFor ? null : Reason, Course = Course.Answered(at) };

    /// <summary>Of a contest that is over, how it ended.</summary>
    public string? Outcome => Kind == RequestKinds.Contest && State == RequestStates.Completed ? Reason : null;

    public double? Progress => State switch
    {
        RequestStates.Approved when Kind == RequestKinds.Erasure => Subject is null ? 0.9 : Work is null ? 0 : 0.3,
        RequestStates.Approved when RequestKinds.CarriedOutByVault(Kind) => 0,
        _ => null,
    };
}

/// <summary>Rows of requests, and the log entry that every change of one brings with it in the same transaction.</summary>
internal sealed class RequestStore(
    VaultDatabase database, AuditLog log, SubjectTags tags, RequestSecrets secrets, VaultClock clock, ILogger<RequestStore> logger)
{
    private const string Columns =
        "request_id, subject_id, kind, state, jurisdiction, opened_at, due_at, extended_at, completed_at, reason, opened_by, log_index, notes, package_key, package_expires_at, work";
    private const string Open = $"SELECT {Columns}, false, NULL::timestamptz, NULL::timestamptz, seal, course, evidence FROM vault.request";
    private const string Closed = """
        SELECT request_id, NULL::uuid, kind, state, jurisdiction, opened_at, due_at, extended_at, completed_at, reason, opened_by, log_index,
               NULL::bytea, NULL::bytea, NULL::timestamptz, work, certificate IS NOT NULL, final_due, final_at, NULL::bytea, NULL::bytea, NULL::bytea FROM vault.closed_request
        """;

    public VaultClock Clock => clock;

    /// <summary>Of everything that is done about requests.</summary>
    public ILogger Logger => logger;

    public DateTimeOffset Now => clock.Now;

    public RequestSeals Seals => secrets.Seals;

    /// <summary>The decisions that contests are about.</summary>
    public ContestedDecisions Contests => secrets.Contests;

    /// <summary>The regime that the person lives under, and the oldest open request of that kind.</summary>
    public async Task<(string? Regime, RequestRow? Earlier)> SituationAsync(SubjectId subject, string kind, CancellationToken cancellation)
    {
        await using var connection = await database.OpenAsync(cancellation);
        string? regime;
        await using (var command = new NpgsqlCommand("SELECT jurisdiction, facts FROM vault.subject WHERE subject_id = $1", connection) { Parameters = { new() { Value = subject.Value } } })
        {
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            if (!await reader.ReadAsync(cancellation)) throw VaultException.NotFound();
            var known = FactsCodec.TryDecode(reader.GetFieldValue<byte[]>(1), out var facts) ? facts.Traits.Jurisdiction : null;
            regime = known ?? (reader.IsDBNull(0) ? null : reader.GetString(0));
        }

        await using var earlier = new NpgsqlCommand($"{Open} WHERE subject_id = $1 AND kind = $2 AND state = ANY($3) ORDER BY opened_at, request_id LIMIT 1", connection)
        {
            Parameters = { new() { Value = subject.Value }, new() { Value = kind }, new() { Value = RequestStates.Open.ToArray() } },
        };
        return (regime, (await ReadAsync(earlier, cancellation)).FirstOrDefault());
    }

    /// <summary>Stores a new request that went through the given states; each is an entry.</summary>
    public async Task<RequestRow> InsertAsync(Recipient recipient, RequestRow row, IReadOnlyList<string> states, Guid requestId, CancellationToken cancellation)
    {
        var entries = await EntriesAsync(recipient, row, states, requestId, cancellation);
        row = row with { State = states[^1] };
        return await TransactAsync((connection, transaction) => InsertAsync(connection, transaction, recipient, row, (entries, requestId), cancellation), cancellation);
    }

    /// <summary>The same once for a key; null when another call has it.</summary>
    public async Task<RequestRow?> InsertAsync(
        Recipient recipient, RequestRow row, IReadOnlyList<string> states, Guid requestId, IRequestClaim claim, CancellationToken cancellation)
    {
        var entries = await EntriesAsync(recipient, row, states, requestId, cancellation);
        row = row with { State = states[^1] };
        return await TransactAsync(
            async (connection, transaction) => await claim.TryTakeAsync(connection, transaction, cancellation)
                ? await InsertAsync(connection, transaction, recipient, row, (entries, requestId), cancellation) : null,
            cancellation);
    }

    private async Task<List<LogEntry>> EntriesAsync(Recipient recipient, RequestRow row, IReadOnlyList<string> states, Guid requestId, CancellationToken cancellation)
    {
        var tag = await TagAsync(row.Subject!.Value, cancellation);
        return [.. states.Select(state => Entry(EntryType.RequestChange, recipient, row with { State = state }, tag, requestId))];
    }

    private async Task<RequestRow> InsertAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, Recipient recipient, RequestRow row, (List<LogEntry> Entries, Guid RequestId) said, CancellationToken cancellation)
    {
        var work = new DutyWork(connection, transaction, cancellation);
        if (row.Objecting is { } step)
        {
            row = await step.TakeAsync(work, row);
            said.Entries[^1] = step.Told(said.Entries[^1]);
        }

        // INVARIANT: nothing is written behind an erasure, which deletes the person's row first.
        if (recipient.Kind == RecipientKind.Customer) await LimitAsync(connection, transaction, row, cancellation);
        else if ((await SubjectRows.KeepAsync(connection, transaction, [row.Subject!.Value], cancellation)).Count == 0) throw VaultException.NotFound();
        row = await secrets.InForceAsync(connection, transaction, row, cancellation);
        await using (var insert = new NpgsqlCommand($"INSERT INTO vault.request ({Columns}, course, evidence, answer_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)", connection))
        {
            AddValues(insert.Parameters, row);
            await insert.ExecuteNonQueryAsync(cancellation);
        }
        var order = row.Objecting?.LetterOf(row) ?? new LetterOrder(LetterKind.Received);
        using var letter = await secrets.Letters.WriteAsync(work, LetterAbout.Of(row), order with { Language = row.Language }, said.RequestId);
        var saved = await LoggedAsync(connection, transaction, row, letter is null ? said.Entries : [letter.Entry, .. said.Entries], cancellation);
        if (letter is not null) await secrets.Letters.KeepAsync(work, letter, saved.LogIndex - said.Entries.Count);
        return saved;
    }

    /// <summary>
    /// Customers open a few requests a day, each of which may build a package; what protects them is counted apart, so that nobody who asked often cannot object any more.
    /// Counted under the lock on the person's row, so that calls at once do not pass together.
    /// </summary>
    private async Task LimitAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, RequestRow row, CancellationToken cancellation)
    {
        var subject = row.Subject!.Value;
        if (await SubjectRows.LockAsync(connection, transaction, subject, cancellation) is null) throw VaultException.NotFound();
        var most = RequestKinds.Protects(row.Kind) ? SubjectRequests.MostProtectionsByCustomer : SubjectRequests.MostOpenedByCustomer;
        await using var command = new NpgsqlCommand(
            "SELECT opened_at FROM vault.request WHERE subject_id = $1 AND opened_by = 'customer' AND opened_at > $2 AND kind = ANY($4) ORDER BY opened_at DESC OFFSET $3 LIMIT 1", connection, transaction)
        {
            Parameters =
            {
                new() { Value = subject.Value }, new() { Value = (clock.Now - SubjectRequests.LimitWindow).UtcDateTime }, new() { Value = most - 1 },
                new() { Value = RequestKinds.All.Where(kind => RequestKinds.Protects(kind) == RequestKinds.Protects(row.Kind)).ToArray() },
            },
        };
        if (await command.ExecuteScalarAsync(cancellation) is DateTime limiting)
            throw VaultException.RateLimited(new DateTimeOffset(limiting) + SubjectRequests.LimitWindow - clock.Now);
    }

    public async Task<RequestRow?> FindAsync(Guid id, CancellationToken cancellation)
    {
        await using var connection = await database.OpenAsync(cancellation);
        await using var command = new NpgsqlCommand($"{Open} WHERE request_id = $1 UNION ALL {Closed} WHERE request_id = $1", connection)
        {
            Parameters = { new() { Value = id } },
        };
        return (await ReadAsync(command, cancellation)).FirstOrDefault();
    }

    public async Task<IReadOnlyList<RequestRow>> ListAsync(RequestFilter filter, int limit, Guid? before, CancellationToken cancellation)
    {
        const string Narrow = "WHERE ($1 IS NULL OR state = $1) AND ($2 IS NULL OR kind = $2) AND ($4 IS NULL OR request_id < $4)";
        await using var connection = await database.OpenAsync(cancellation);
        await using var command = new NpgsqlCommand(
            $"{Open} {Narrow} AND ($3 IS NULL OR subject_id = $3) UNION ALL {Closed} {Narrow} AND $3 IS NULL ORDER BY request_id DESC LIMIT $5", connection)
        {
            Parameters =
            {
                Optional(filter.State, NpgsqlDbType.Text), Optional(filter.Kind, NpgsqlDbType.Text), Optional(filter.Subject?.Value, NpgsqlDbType.Uuid),
                Optional(before, NpgsqlDbType.Uuid), new() { Value = limit },
            },
        };
        return await ReadAsync(command, cancellation);
    }

    /// <summary>Approved requests that the vault has to carry out, and erasures that lack their certificate.</summary>
    public async Task<IReadOnlyList<RequestRow>> UnfinishedAsync(CancellationToken cancellation)
    {
        await using var connection = await database.OpenAsync(cancellation);
        await using var command = new NpgsqlCommand(
            $"{Open} WHERE state = 'approved' AND kind NOT IN ('rectification', 'contest') UNION ALL {Closed} WHERE state = 'approved' ORDER BY request_id", connection);
        return await ReadAsync(command, cancellation);
    }

    /// <summary>Requests that have a package, or are about to.</summary>
    public async Task<IReadOnlyList<RequestRow>> WithPackageAsync(CancellationToken cancellation)
    {
        await using var connection = await database.OpenAsync(cancellation);
        await using var command = new NpgsqlCommand(
            $"{Open} WHERE package_key IS NOT NULL OR state = 'approved' AND kind IN ('access', 'portability')", connection);
        return await ReadAsync(command, cancellation);
    }

    /// <summary>Changes a request under a lock of its row, with an entry in the same transaction.</summary>
    /// <param name="recipient">Who changes it.</param>
    /// <param name="id">Which request; not found once the person has been erased.</param>
    /// <param name="decide">From the row as it stands to the row as it shall be; throws to change nothing.</param>
    /// <param name="requestId">For the log.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="mark">What changed, where that is not the state.</param>
    public async Task<RequestRow> ChangeAsync(
        Recipient recipient, Guid id, Func<RequestRow, RequestRow> decide, Guid requestId, CancellationToken cancellation, string? mark = null) =>
        await TransactAsync(async (connection, transaction) =>
        {
            var row = await BesidesAsync(new DutyWork(connection, transaction, cancellation), decide(await LockAsync(connection, id, cancellation)));
            var tag = await TagAsync(row.Subject!.Value, cancellation);
            return await SaveAsync(connection, transaction, row, Entry(EntryType.RequestChange, recipient, row, tag, requestId, mark), cancellation);
        }, cancellation);

    /// <summary>The same, and the person is told of it in the transaction of the change: neither is there without the other.</summary>
    /// <param name="recipient">Who changes it.</param>
    /// <param name="id">Which request.</param>
    /// <param name="decide">As above.</param>
    /// <param name="notice">What the person is told of the row as it then is.</param>
    /// <param name="requestId">For the log.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async Task<RequestRow> TellAsync(
        Recipient recipient, Guid id, Func<RequestRow, RequestRow> decide, Func<RequestRow, RequestNotice> notice, Guid requestId, CancellationToken cancellation) =>
        await TransactAsync(async (connection, transaction) =>
        {
            var work = new DutyWork(connection, transaction, cancellation);
            var row = await BesidesAsync(work, decide(await LockAsync(connection, id, cancellation)));
            return (await TellAsync(work, recipient, row, notice(row), requestId, [])).Saved;
        }, cancellation);

    private static async Task<RequestRow> BesidesAsync(DutyWork work, RequestRow row) => row.Objecting is { } step ? await step.TakeAsync(work, row) : row;

    /// <summary>The same of a locked row, as the last act of a transaction that has entries of its own.</summary>
    /// <returns>The row, and the index of the first entry.</returns>
    public async Task<(RequestRow Saved, long First)> TellAsync(DutyWork work, Recipient recipient, RequestRow row, RequestNotice told, Guid requestId, IReadOnlyList<LogEntry> before)
    {
        var letters = secrets.Letters;
        // INVARIANT: the person's row is locked before the log's head.
        using var held = await letters.Inbox.KeysAsync(work, row.Subject!.Value);
        using var letter = told.Letter is null ? null : await letters.WriteAsync(work, LetterAbout.Of(row), told.Letter, requestId);
        var (message, entry) = (clock.NewId(), Entry(EntryType.RequestChange, recipient, row, held.Tag, requestId, told.Mark));
        List<LogEntry> entries = letter is null ? [.. before, SubjectInbox.Named(entry, message)] : [.. before, letter.Entry, entry];
        var saved = await SaveAsync(work.Connection, work.Transaction, row, entries, work.Cancellation);
        var who = recipient.Kind == RecipientKind.Staff ? string.Join(", ", recipient.Roles) : recipient.DisplayName;
        if (letter is not null) await letters.KeepAsync(work, letter, saved.LogIndex - 1);
        else await letters.Inbox.TellAsync(work, held, message, new MessageContent(told.Code, SubjectRequests.Purpose, [], who, saved.LogIndex));
        return (saved, saved.LogIndex - entries.Count + 1);
    }

    /// <summary>Of the same person and kind, under the lock of the person's row; not the one that is there.</summary>
    public static async Task<IReadOnlyList<RequestRow>> OpenBesideAsync(DutyWork work, RequestRow row)
    {
        await using var command = new NpgsqlCommand($"{Open} WHERE subject_id = $1 AND kind = $2 AND state = ANY($3) AND request_id <> $4", work.Connection, work.Transaction)
        {
            Parameters = { new() { Value = row.Subject!.Value.Value }, new() { Value = row.Kind }, new() { Value = RequestStates.Open.ToArray() }, new() { Value = row.Id } },
        };
        return await ReadAsync(command, work.Cancellation);
    }

    /// <summary>Open requests whose person was asked for something and has not answered by now.</summary>
    public async Task<IReadOnlyList<RequestRow>> UnansweredAsync(CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand($"{Open} WHERE answer_by <= $1 ORDER BY request_id");
        command.Parameters.Add(new() { Value = clock.Now.UtcDateTime });
        return await ReadAsync(command, cancellation);
    }

    /// <summary>Forgets what was noted of people's identities with requests that were closed before.</summary>
    /// <returns>Of how many.</returns>
    public async Task<int> ForgetEvidenceAsync(DateTimeOffset closedBefore, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand("UPDATE vault.request SET evidence = NULL WHERE evidence IS NOT NULL AND completed_at <= $1 AND NOT state = ANY($2)");
        command.Parameters.Add(new() { Value = closedBefore.UtcDateTime });
        command.Parameters.Add(new() { Value = RequestStates.Open.ToArray() });
        return await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Saves a locked row and appends the entry about it.</summary>
    public Task<RequestRow> SaveAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, RequestRow row, LogEntry entry, CancellationToken cancellation) =>
        SaveAsync(connection, transaction, row, [entry], cancellation);

    /// <summary>The same, and the person is told of it by a letter, where the policy has letters.</summary>
    public async Task<RequestRow> SaveAsync(DutyWork work, RequestRow row, List<LogEntry> entries, LetterOrder order, Guid requestId)
    {
        using var letter = await secrets.Letters.WriteAsync(work, LetterAbout.Of(row), order, requestId);
        var saved = await SaveAsync(work.Connection, work.Transaction, row, letter is null ? entries : [letter.Entry, .. entries], work.Cancellation);
        if (letter is not null) await secrets.Letters.KeepAsync(work, letter, saved.LogIndex - entries.Count);
        return saved;
    }

    /// <summary>The same with several entries; the last is the one about the request.</summary>
    public async Task<RequestRow> SaveAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, RequestRow row, List<LogEntry> entries, CancellationToken cancellation)
    {
        row = await secrets.InForceAsync(connection, transaction, row, cancellation);
        await Seals.Memory.BeginAsync(row.Id, row.LogIndex, cancellation);
        await using (var update = new NpgsqlCommand(
            """
            UPDATE vault.request SET kind = $3, state = $4, jurisdiction = $5, opened_at = $6, due_at = $7, extended_at = $8, completed_at = $9, reason = $10,
                   opened_by = $11, log_index = $12, notes = $13, package_key = $14, package_expires_at = $15, work = $16, course = $17, evidence = $18, answer_by = $19
            WHERE request_id = $1 AND subject_id = $2
            """, connection))
        {
            AddValues(update.Parameters, row);
            await update.ExecuteNonQueryAsync(cancellation);
        }
        return await LoggedAsync(connection, transaction, row, entries, cancellation);
    }

    /// <summary>INVARIANT: whatever is carried out or changed is a row that the vault wrote, and the newest of them: looked at under the lock.</summary>
    public async Task<RequestRow> LockAsync(NpgsqlConnection connection, Guid id, CancellationToken cancellation)
    {
        var row = Genuine(await TryLockAsync(connection, id, cancellation) ?? throw VaultException.NotFound());
        return await Seals.Memory.IsNewestAsync(row.Id, row.LogIndex, cancellation) ? row : throw PutBack(row.Id);
    }

    /// <exception cref="VaultException">The vault did not write the row like this: invalid-state.</exception>
    public RequestRow Genuine(RequestRow row)
    {
        if (Seals.Fits(row)) return row;
        logger.LogCritical("The row of request {Request} is not one that the vault wrote: nothing of it is carried out. Find out who writes into the database.", row.Id);
        throw VaultException.InvalidState("The request is not as the vault wrote it.");
    }

    /// <summary>Of the row of an erased person: an order that was finished is not finished again.</summary>
    /// <param name="row">With its work.</param>
    /// <param name="executed">The entry that the work names.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async Task<bool> IsUnfinishedAsync(RequestRow row, long executed, CancellationToken cancellation)
    {
        if (await Seals.Memory.IsNewestAsync(row.Id, executed, cancellation)) return true;
        // Another process may have been quicker.
        return await FindAsync(row.Id, cancellation) is { HasCertificate: true } ? false : throw PutBack(row.Id);
    }

    // Requests of the person that stand as the vault wrote them.
    private async Task<IReadOnlyList<RequestRow>> GenuineOfAsync(SubjectId subject, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand($"{Open} WHERE subject_id = $1 ORDER BY request_id");
        command.Parameters.Add(new() { Value = subject.Value });
        return [.. (await ReadAsync(command, cancellation)).Where(Seals.Fits)];
    }

    /// <summary>The work of an erasure, noted down with the row as it was just saved.</summary>
    public Task<RequestRow> NoteWorkAsync(NpgsqlConnection connection, RequestRow row, CancellationToken cancellation) => Seals.WriteAsync(connection, row, cancellation);

    /// <inheritdoc cref="RequestSeals.SealOldAsync"/>
    public Task SealOldAsync(CancellationToken cancellation) => Seals.SealOldAsync(cancellation);

    /// <summary>Requests that wait to be carried out and that the vault did not write like this, or not last.</summary>
    public async Task<int> CountForgedAsync(CancellationToken cancellation)
    {
        var waiting = await UnfinishedAsync(cancellation);
        return waiting.Count(row => !Seals.Fits(row)) + (await PutBackAsync([.. waiting.Where(Seals.Fits)], cancellation)).Count;
    }

    /// <summary>Of these requests the open ones that are older than they were, whoever works on them meanwhile.</summary>
    public async Task<List<Guid>> PutBackAsync(IReadOnlyList<RequestRow> rows, CancellationToken cancellation)
    {
        var open = rows.Where(row => row.Subject is not null).ToDictionary(row => row.Id, row => row.LogIndex);
        var putBack = new List<Guid>();
        foreach (var id in await Seals.Memory.OlderAsync([.. open.Select(row => (row.Key, row.Value))], cancellation))
        {
            if (await FindAsync(id, cancellation) is { Subject: not null } now && now.LogIndex == open[id]) putBack.Add(id);
        }

        return putBack;
    }

    /// <summary>Rows without a seal, locked.</summary>
    public static async Task<IReadOnlyList<RequestRow>> LockUnsealedAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"{Open} WHERE seal IS NULL FOR UPDATE", connection);
        return await ReadAsync(command, cancellation);
    }

    /// <summary>Open requests as a check sees them.</summary>
    public const string SelectOpen = Open;

    /// <summary>Of a locked row, what is sealed under the person's key.</summary>
    public static async Task WriteSecretsAsync(NpgsqlConnection connection, RequestRow row, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("UPDATE vault.request SET notes = $2, package_key = $3, evidence = $4 WHERE request_id = $1", connection)
        {
            Parameters = { new() { Value = row.Id }, Optional(row.Notes, NpgsqlDbType.Bytea), Optional(row.PackageKey, NpgsqlDbType.Bytea), Optional(row.Evidence, NpgsqlDbType.Bytea) },
        };
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Null once the person has been erased.</summary>
    public static async Task<RequestRow?> TryLockAsync(NpgsqlConnection connection, Guid id, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"{Open} WHERE request_id = $1 FOR UPDATE", connection) { Parameters = { new() { Value = id } } };
        return (await ReadAsync(command, cancellation)).FirstOrDefault();
    }

    public Task<T> TransactAsync<T>(Func<NpgsqlConnection, NpgsqlTransaction, Task<T>> work, CancellationToken cancellation) =>
        database.RunAsync(work, cancellation);

    /// <summary>Appends one entry as the last act of a transaction.</summary>
    public Task<long> AppendAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, LogEntry entry, CancellationToken cancellation) =>
        log.AppendWithinAsync(connection, transaction, [entry], cancellation);

    /// <summary>The same of entries by which an erasure goes on whose request is closed; the one before them put the request where it stood. Returns the index of the last.</summary>
    public async Task<long> AppendClosingAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, (Guid Request, long Before, IReadOnlyList<LogEntry> Entries) step, CancellationToken cancellation)
    {
        await Seals.Memory.BeginAsync(step.Request, step.Before, cancellation);
        var index = await log.AppendWithinAsync(connection, transaction, step.Entries, cancellation) + step.Entries.Count - 1;
        await Seals.Memory.NoteAsync(step.Request, index, cancellation);
        return index;
    }

    /// <summary>A disclosure that a request leads to; durable when it returns.</summary>
    public async Task<long> RecordAsync(Recipient recipient, RequestRow row, EntryType type, Decision? decision, Guid requestId, CancellationToken cancellation)
    {
        ReadOnlyMemory<byte> tag = row.Subject is { } subject ? await TagAsync(subject, cancellation) : default;
        var entry = Entry(type, recipient, row, tag, requestId) with { Items = [.. (decision?.Permits ?? []).Select(permit => AuditLog.ItemCode(permit.Item))] };
        return await log.AppendAsync(entry with { Rules = [.. entry.Rules, .. decision?.RuleIds ?? []] }, null, cancellation);
    }

    /// <summary>A look at requests; durable when it returns. Of persons whose key is gone no tag is left to name.</summary>
    public async Task RecordLookAsync(Recipient recipient, IReadOnlyList<RequestRow> rows, Guid requestId, CancellationToken cancellation)
    {
        var held = await tags.HoldAsync([.. rows.Select(row => row.Subject).OfType<SubjectId>().Distinct()], cancellation);
        try
        {
            var entry = rows.Count == 1
                ? Entry(EntryType.RequestRead, recipient, rows[0], default, requestId)
                : log.Entry(EntryType.RequestRead, recipient, default, SubjectRequests.Purpose, EntryResult.Ok, [], requestId);
            await log.AppendAsync(AuditLog.Concerning(entry, held.Select(key => key.Tag)), cancellation);
        }
        finally
        {
            foreach (var key in held) key.Dispose();
        }
    }

    /// <summary>Records that a call was refused; returns what to throw. A person who is unknown or erased has no tag to name.</summary>
    public async Task<VaultException> DeniedAsync(
        Recipient recipient, SubjectId? subject, VaultException refusal, Guid requestId, CancellationToken cancellation)
    {
        ReadOnlyMemory<byte> tag = default;
        try
        {
            if (subject is { } known) tag = await TagAsync(known, cancellation);
        }
        catch (VaultException e) when (e.Slug is "not-found" or "invalid-state")
        {
            tag = default;
        }
        await log.AppendAsync(
            log.Entry(EntryType.Denied, recipient, tag, SubjectRequests.Purpose, EntryResult.Denied, [], requestId), null, cancellation);
        return refusal;
    }

    public async Task<string?> CertificateAsync(Guid id, CancellationToken cancellation)
    {
        await using var connection = await database.OpenAsync(cancellation);
        await using var command = new NpgsqlCommand(
            "SELECT certificate FROM vault.closed_request WHERE request_id = $1 UNION ALL SELECT part_certificate FROM vault.request WHERE request_id = $1", connection)
        {
            Parameters = { new() { Value = id } },
        };
        return await command.ExecuteScalarAsync(cancellation) as string;
    }

    /// <summary>The entry of a change: which right, which state, which request.</summary>
    public LogEntry Entry(EntryType type, Recipient recipient, RequestRow row, ReadOnlyMemory<byte> tag, Guid requestId, string? mark = null)
    {
        var entry = log.Entry(type, recipient, tag, SubjectRequests.Purpose, EntryResult.Ok, [], requestId) with
        {
            Rules = [mark ?? $"request:{row.Kind}:{row.State}", $"request:{row.Id:D}", .. row.Outcome is { } outcome && type == EntryType.RequestChange ? ["outcome:" + outcome] : Array.Empty<string>(), .. row.Said],
        };
        return type == EntryType.RequestChange ? row.Objecting?.Told(entry) ?? entry : entry;
    }

    public Task<byte[]> TagAsync(SubjectId subject, CancellationToken cancellation) => tags.OfAsync(subject, () => GenuineOfAsync(subject, cancellation), cancellation);

    /// <inheritdoc cref="SubjectTags.HoldsAsync"/>
    public Task<ToldHolds> ToldHoldsAsync(CancellationToken cancellation) => tags.HoldsAsync(cancellation);

    /// <inheritdoc cref="IndexedHolds.InForceAsync"/>
    public Task<IReadOnlyList<KeyValuePair<Guid, ToldHold>>> HoldsInForceAsync(CancellationToken cancellation) => tags.HoldsInForceAsync(cancellation);

    /// <inheritdoc cref="SubjectTags.LoggedAsync"/>
    public Task<LoggedKey> LoggedAsync(SubjectId subject, CancellationToken cancellation) => tags.LoggedAsync(subject, () => GenuineOfAsync(subject, cancellation), cancellation);

    // INVARIANT: the log's head row is locked last, and nothing but this row's own index and seal is written after it.
    private async Task<RequestRow> LoggedAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, RequestRow row, List<LogEntry> entries, CancellationToken cancellation)
    {
        var work = new DutyWork(connection, transaction, cancellation);
        row = row with { LogIndex = await Contests.AppendAsync(work, row, entries, all => log.AppendWithinAsync(connection, transaction, all, cancellation)) };
        await Seals.Memory.NoteAsync(row.Id, row.LogIndex, cancellation);
        return await Seals.WriteAsync(connection, row, cancellation);
    }

    private VaultException PutBack(Guid id)
    {
        logger.LogCritical("The row of request {Request} is older than it was: somebody put it back, and nothing of it is carried out. Find out who writes into the database.", id);
        return VaultException.InvalidState("The request is older than it was.");
    }

    private static void AddValues(NpgsqlParameterCollection parameters, RequestRow row)
    {
        parameters.AddRange(new NpgsqlParameter[]
        {
            new() { Value = row.Id }, new() { Value = row.Subject!.Value.Value }, new() { Value = row.Kind }, new() { Value = row.State },
            new() { Value = row.Jurisdiction }, new() { Value = row.OpenedAt }, new() { Value = row.DueAt }, Optional(row.ExtendedAt, NpgsqlDbType.TimestampTz),
            Optional(row.CompletedAt, NpgsqlDbType.TimestampTz), Optional(row.Reason, NpgsqlDbType.Text), new() { Value = row.OpenedBy },
            new() { Value = row.LogIndex }, Optional(row.Notes, NpgsqlDbType.Bytea), Optional(row.PackageKey, NpgsqlDbType.Bytea),
            Optional(row.PackageExpires, NpgsqlDbType.TimestampTz), Optional(row.Work, NpgsqlDbType.Bytea), Optional(row.EncodedCourse, NpgsqlDbType.Bytea),
            Optional(row.Evidence, NpgsqlDbType.Bytea), Optional(RequestStates.IsOpen(row.State) ? row.Course.AnswerBy : null, NpgsqlDbType.TimestampTz),
        });
    }

    internal static NpgsqlParameter Optional(object? value, NpgsqlDbType type) => new() { Value = value ?? DBNull.Value, NpgsqlDbType = type };

    private static async Task<List<RequestRow>> ReadAsync(NpgsqlCommand command, CancellationToken cancellation)
    {
        var rows = new List<RequestRow>();
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
            rows.Add(Row(reader));
        return rows;
    }

    public static RequestRow Row(NpgsqlDataReader reader) =>
        new(reader.GetGuid(0), reader.IsDBNull(1) ? null : new SubjectId(reader.GetGuid(1)), reader.GetString(2), reader.GetString(3), reader.GetString(4))
        {
            OpenedAt = reader.GetFieldValue<DateTimeOffset>(5), DueAt = reader.GetFieldValue<DateTimeOffset>(6),
            ExtendedAt = Instant(reader, 7), CompletedAt = Instant(reader, 8), Reason = reader.IsDBNull(9) ? null : reader.GetString(9),
            OpenedBy = reader.GetString(10), LogIndex = reader.GetInt64(11), Notes = Bytes(reader, 12), PackageKey = Bytes(reader, 13),
            PackageExpires = Instant(reader, 14), Work = Bytes(reader, 15), HasCertificate = reader.GetBoolean(16), FinalDue = Instant(reader, 17), FinalAt = Instant(reader, 18),
            Seal = Bytes(reader, 19), EncodedCourse = Bytes(reader, 20), Evidence = Bytes(reader, 21),
        };

    private static DateTimeOffset? Instant(NpgsqlDataReader reader, int at) => reader.IsDBNull(at) ? null : reader.GetFieldValue<DateTimeOffset>(at);

    private static byte[]? Bytes(NpgsqlDataReader reader, int at) => reader.IsDBNull(at) ? null : reader.GetFieldValue<byte[]>(at);
}
