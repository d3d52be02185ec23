using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>A hold as its row has it.</summary>
internal sealed record HoldRow(Guid Id, string Authority, HoldFact Scope, string PlacedBy, DateTimeOffset PlacedAt, DateTimeOffset ReviewAt)
{
    public byte[]? CaseRef { get; init; }

    public int People { get; init; }

    public DateTimeOffset? ExpiresAt { get; init; }

    public string? ReleasedBy { get; init; }

    public DateTimeOffset? ReleasedAt { get; init; }

    public byte[]? ReleaseRef { get; init; }

    public byte[]? Seal { get; init; }

    public long LogIndex { get; init; }

    /// <summary>There is no such row: somebody deleted it, or a restore is older than it. This is what the log says.</summary>
    public bool IsMissing { get; init; }
}

/// <summary>
/// Rows of holds, and what follows from them: the facts of each person concerned, which every decision looks at, and an entry of the log about each person,
/// all in one transaction. People are locked in the order of their ids.
/// INVARIANT: facts are changed by exactly the hold that is placed or ended, never made anew from rows: these can be changed or deleted by others.
/// </summary>
internal sealed class HoldStore(RequestStore requests, KeyRegistry keys, SubjectFacts facts, AuditLog log, ErasureNotebook notebook, VaultDatabase database)
{
    internal const string Columns =
        "hold_id, authority, items, classes, purposes, case_ref, people, placed_by, placed_at, review_at, expires_at, released_by, released_at, log_index, release_ref, seal";
    internal const string MemberColumns = "hold_id, subject_id, behind, seal";
    private const string Case = "hold-case";
    private const string Release = "hold-release";
    private const int MostHolds = 100;
    private static readonly Recipient Keeper = LogWorker.Keeper;

    private readonly HoldSeals seals = new(keys);
    private readonly ConcurrentDictionary<Guid, bool> reported = new();

    private DateTimeOffset Now => requests.Now;

    public Task<HoldRow> PlaceAsync(
        Recipient recipient, HoldRow row, IReadOnlyList<SubjectId> subjects, string reference, Guid requestId, CancellationToken cancellation) =>
        WithKeysAsync(subjects, allOfThem: true, (held, _, connection, transaction) => PlaceAsync(connection, transaction, (recipient, row with { CaseRef = Seal(Case, row.Id, reference) }), held, requestId, cancellation), cancellation);

    private async Task<HoldRow> PlaceAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, (Recipient Recipient, HoldRow Row) placed, List<SubjectKeys> held, Guid requestId, CancellationToken cancellation)
    {
        await InsertAsync(connection, placed.Row, cancellation);
        var entries = new List<LogEntry>(held.Count);
        foreach (var subject in held)
        {
            if (await SubjectRows.LockAsync(connection, transaction, subject.Subject, cancellation) is null || await IsLostAsync(connection, subject.Subject, cancellation)) throw VaultException.NotFound();
            var member = new HoldMember(placed.Row.Id, subject.Subject, Behind: false, null);
            await Rows.ExecuteAsync(
                connection, "insert into vault.hold_subject (subject_id, hold_id, seal) values ($1, $2, $3)", cancellation, member.Subject.Value, member.Hold, seals.Of(member, HoldSeals.Placed));
            entries.Add(await FollowAsync(connection, transaction, subject, Entry(placed.Recipient, placed.Row, ToldHolds.PlacedRule, requestId), holds => With(holds, placed.Row), cancellation) ?? throw VaultException.NotFound());
        }
        var first = await log.AppendWithinAsync(connection, transaction, entries, cancellation);
        await Rows.ExecuteAsync(connection, "update vault.hold set log_index = $2 where hold_id = $1", cancellation, placed.Row.Id, first);
        return placed.Row with { LogIndex = first, Seal = seals.Of(placed.Row, HoldSeals.Placed) };
    }

    /// <summary>
    /// Ends a hold, once; who comes second finds it ended. One whose row is not what was written ends by nobody's clock: an officer may end it, while the row says what
    /// the log does. A row that was deleted is made anew of what the log says, and ended.
    /// </summary>
    public async Task<(HoldRow Row, IReadOnlyList<SubjectId> Subjects)> ReleaseAsync(
        Recipient recipient, Guid id, string? reason, Guid requestId, CancellationToken cancellation)
    {
        var missing = await TryMissingAsync(recipient, id, cancellation);
        var subjects = missing is null ? (await SubjectsAsync([id], cancellation))[id].ToList() : await NamedAsync(id, cancellation);
        var row = await WithKeysAsync(subjects, allOfThem: false, async (held, damaged, connection, transaction) =>
        {
            var current = await LockAsync(connection, id, cancellation) ?? await PutBackAsync(connection, missing, subjects, cancellation);
            var changed = !seals.Matches(current);
            if (current.ReleasedAt is not null && !changed) throw VaultException.InvalidState("The hold has ended already.");
            var members = (await MembersAsync(connection, id, cancellation)).ToDictionary(member => member.Subject);
            var told = changed ? await ToldAsync(recipient, current, cancellation) : null;
            current = current with { ReleasedAt = Now, ReleasedBy = recipient.Id, ReleaseRef = reason is null ? null : Seal(Release, id, reason) };
            current = current with { Seal = seals.Of(current, HoldSeals.IsAdopted(current.Seal) ? HoldSeals.Adopted : HoldSeals.Placed) };
            await EndAsync(connection, current, cancellation);
            var entry = Entry(recipient, current, ToldHolds.ReleasedRule, requestId);
            var entries = new List<LogEntry>(held.Count);
            foreach (var subject in held)
            {
                var isMember = members.TryGetValue(subject.Subject, out var member) && seals.Matches(member) || told?.People.Contains(Convert.ToHexString(subject.Tag.Span)) == true;
                if (await TryFollowAsync(connection, transaction, subject, entry, holds => Without(holds, current, isMember), damaged, cancellation) is { } about) entries.Add(about);
            }
            foreach (var subject in damaged.Where(members.ContainsKey)) await BehindAsync(connection, members[subject], true, cancellation);
            var first = await log.AppendWithinAsync(connection, transaction, entries.Count > 0 ? entries : [entry], cancellation);
            await Rows.ExecuteAsync(connection, "update vault.hold set log_index = $2 where hold_id = $1", cancellation, id, first);
            return current with { LogIndex = first };
        }, cancellation);
        return (row, subjects);
    }

    /// <summary>The holds that the log has in force and that have no row.</summary>
    public async Task<IReadOnlyList<HoldRow>> MissingAsync(CancellationToken cancellation)
    {
        var told = await requests.HoldsInForceAsync(cancellation);
        if (told.Count == 0) return [];
        await using var command = database.Source.CreateCommand("select hold_id from vault.hold where hold_id = any($1)");
        command.Parameters.Add(new() { Value = told.Select(hold => hold.Key).ToArray() });
        var there = (await Rows.ReadAsync(command, row => row.GetGuid(0), cancellation)).ToHashSet();
        return [.. told.Where(hold => !there.Contains(hold.Key)).Select(hold => hold.Value.Missing(hold.Key)).OrderByDescending(row => row.Id)];
    }

    /// <summary>One hold by its id, or what the log knows of it when its row is gone.</summary>
    public async Task<HoldRow?> FindAsync(Guid id, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand($"select {Columns} from vault.hold where hold_id = $1");
        command.Parameters.Add(new() { Value = id });
        return (await Rows.ReadAsync(command, Row, cancellation)).FirstOrDefault() ?? (await MissingAsync(cancellation)).FirstOrDefault(row => row.Id == id);
    }

    /// <summary>Whom a hold without a row is about, as far as anybody can tell: people's facts name it, or rows of its people are left.</summary>
    public async Task<List<SubjectId>> NamedAsync(Guid id, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(
            "select subject_id from vault.subject where position($2 in facts) > 0 union select m.subject_id from vault.hold_subject m join vault.subject s using (subject_id) where m.hold_id = $1 order by 1");
        command.Parameters.Add(new() { Value = id });
        command.Parameters.Add(new() { Value = id.ToByteArray(bigEndian: true) });
        return await Rows.ReadAsync(command, row => new SubjectId(row.GetGuid(0)), cancellation);
    }

    // The whole log is asked once its tables say that there is such a hold: whoever acts by the clock ends none without a row.
    private async Task<HoldRow?> TryMissingAsync(Recipient recipient, Guid id, CancellationToken cancellation)
    {
        if (recipient == Keeper || await FindAsync(id, cancellation) is not { IsMissing: true }) return null;
        return (await requests.ToldHoldsAsync(cancellation)).All.GetValueOrDefault(id) is { ReleasedAt: null } told ? told.Missing(id) : null;
    }

    private async Task<HoldRow> PutBackAsync(NpgsqlConnection connection, HoldRow? missing, IReadOnlyList<SubjectId> subjects, CancellationToken cancellation)
    {
        if (missing is null) throw VaultException.NotFound();
        await InsertAsync(connection, missing, cancellation);
        foreach (var member in subjects.Select(subject => new HoldMember(missing.Id, subject, Behind: false, null)))
        {
            await Rows.ExecuteAsync(
                connection, "insert into vault.hold_subject (subject_id, hold_id, seal) values ($1, $2, $3) on conflict (subject_id, hold_id) do update set behind = false, seal = excluded.seal",
                cancellation, member.Subject.Value, member.Hold, seals.Of(member, HoldSeals.Placed));
        }

        return missing with { Seal = seals.Of(missing, HoldSeals.Placed), IsMissing = false };
    }

    /// <summary>Tells, once, of each hold whose row is gone.</summary>
    public async Task ReportMissingAsync(CancellationToken cancellation)
    {
        foreach (var missing in await MissingAsync(cancellation))
        {
            if (reported.TryAdd(missing.Id, true)) requests.Logger.LogCritical("The row of hold {Hold} is gone, and the log has it in force. It stays in force until an officer releases it.", missing.Id);
        }
    }

    /// <summary>Ends the holds whose own end has come. A review date ends nothing.</summary>
    public async Task ExpireAsync(CancellationToken cancellation)
    {
        foreach (var changed in await ChangedAsync(cancellation))
        {
            if (reported.TryAdd(changed, true)) requests.Logger.LogCritical("The rows of hold {Hold} are not what the vault wrote. It stays in force.", changed);
        }

        await using var command = database.Source.CreateCommand("select hold_id from vault.hold where released_at is null and expires_at <= $1 order by hold_id");
        command.Parameters.Add(new() { Value = Now.UtcDateTime });
        await Separately.EachAsync(
            await Rows.ReadAsync(command, row => row.GetGuid(0), cancellation), id => ExpireAsync(id, cancellation),
            (id, e) => requests.Logger.LogError("Hold {Hold} could not end ({Kind}).", id, e.GetType().Name), cancellation);
        await FollowLaterAsync(cancellation);
    }

    private async Task ExpireAsync(Guid id, CancellationToken cancellation)
    {
        try
        {
            await ReleaseAsync(Keeper, id, null, id, cancellation);
        }
        catch (VaultException e) when (e.Slug == "invalid-state")
        {
            requests.Logger.LogDebug("Hold {Hold} was ended by another process, or its row is not what the vault wrote.", id);
        }
    }

    /// <summary>
    /// Brings the records after whose people a hold has let go while they did not open: repaired, they would be held for ever. An entry about each, as at the
    /// release.
    /// </summary>
    public async Task FollowLaterAsync(CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand($"select {MemberColumns} from vault.hold_subject where behind order by subject_id, hold_id");
        await Separately.EachAsync(
            await Rows.ReadAsync(command, Member, cancellation), member => FollowLaterAsync(member, cancellation),
            (member, e) => requests.Logger.LogError("A record could not be brought after the end of a hold ({Kind}).", e.GetType().Name), cancellation);
    }

    private Task<bool> FollowLaterAsync(HoldMember member, CancellationToken cancellation) => WithKeysAsync([member.Subject], allOfThem: false, async (held, damaged, connection, transaction) =>
    {
        if (held.Count == 0 || await LockAsync(connection, member.Hold, cancellation) is not { ReleasedAt: not null } ended || !seals.Matches(ended)) return false;
        var current = (await MembersAsync(connection, ended.Id, cancellation)).Find(one => one.Subject == member.Subject);
        if (current is not { Behind: true } || !seals.Matches(current)) return false;
        var entry = Entry(Keeper, ended, ToldHolds.ReleasedRule, ended.Id);
        if (await TryFollowAsync(connection, transaction, held[0], entry, holds => Without(holds, ended, isMember: true), damaged, cancellation) is not { } about) return false;
        await BehindAsync(connection, current, false, cancellation);
        await log.AppendWithinAsync(connection, transaction, [about], cancellation);
        return true;
    }, cancellation);

    // What somebody else wrote is not sealed on the way.
    private Task<int> BehindAsync(NpgsqlConnection connection, HoldMember member, bool behind, CancellationToken cancellation)
    {
        object seal = seals.Matches(member) ? seals.Of(member with { Behind = behind }, member.Seal![0]) : member.Seal ?? [];
        return Rows.ExecuteAsync(
            connection, "update vault.hold_subject set behind = $3, seal = $4 where subject_id = $1 and hold_id = $2", cancellation, member.Subject.Value, member.Hold, behind, seal);
    }

    /// <summary>Seals what has no seal yet as it stands: once, when seals come to a vault that has holds (<see cref="HoldAdoption"/>).</summary>
    public Task AdoptAsync(CancellationToken cancellation) => database.RunAsync(async (connection, _) =>
    {
        await using var select = new NpgsqlCommand($"select {Columns} from vault.hold where seal is null order by hold_id for update", connection);
        foreach (var row in await Rows.ReadAsync(select, Row, cancellation))
            await Rows.ExecuteAsync(connection, "update vault.hold set seal = $2 where hold_id = $1", cancellation, row.Id, seals.Of(row, HoldSeals.Adopted));
        await using var members = new NpgsqlCommand($"select {MemberColumns} from vault.hold_subject where seal is null order by subject_id, hold_id", connection);
        foreach (var member in await Rows.ReadAsync(members, Member, cancellation))
        {
            await Rows.ExecuteAsync(
                connection, "update vault.hold_subject set seal = $3 where subject_id = $1 and hold_id = $2", cancellation, member.Subject.Value, member.Hold, seals.Of(member, HoldSeals.Adopted));
        }

        return true;
    }, cancellation);

    /// <summary>The holds whose rows, or those of whose people, are not what the vault wrote.</summary>
    public async Task<IReadOnlyList<Guid>> ChangedAsync(CancellationToken cancellation)
    {
        await using var rows = database.Source.CreateCommand($"select {Columns} from vault.hold");
        await using var people = database.Source.CreateCommand($"select {MemberColumns} from vault.hold_subject");
        var changed = (await Rows.ReadAsync(rows, Row, cancellation)).Where(row => !seals.Matches(row)).Select(row => row.Id);
        return [.. changed.Concat((await Rows.ReadAsync(people, Member, cancellation)).Where(member => !seals.Matches(member)).Select(member => member.Hold)).Distinct().Order()];
    }

    public bool IsChanged(HoldRow row) => !seals.Matches(row);

    /// <summary>How many open holds somebody should have looked at by now.</summary>
    public async Task<long> CountOverdueAsync(CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand("select count(*) from vault.hold where released_at is null and review_at <= $1");
        command.Parameters.Add(new() { Value = Now.UtcDateTime });
        return (await Rows.ReadAsync(command, row => row.GetInt64(0), cancellation))[0];
    }

    public async Task<IReadOnlyList<HoldRow>> ListAsync(HoldFilter filter, int limit, Guid? before, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(
            $"""
            select {Columns} from vault.hold h where ($1 is null or (released_at is null) = $1) and (not $2 or (released_at is null and review_at <= $3))
            and ($4 is null or exists (select from vault.hold_subject s where s.hold_id = h.hold_id and s.subject_id = $4)) and ($5 is null or hold_id < $5)
            order by hold_id desc limit $6
            """);
        command.Parameters.Add(Optional(filter.Open, NpgsqlDbType.Boolean));
        command.Parameters.Add(new() { Value = filter.Overdue });
        command.Parameters.Add(new() { Value = Now.UtcDateTime });
        command.Parameters.Add(Optional(filter.Subject?.Value, NpgsqlDbType.Uuid));
        command.Parameters.Add(Optional(before, NpgsqlDbType.Uuid));
        command.Parameters.Add(new() { Value = limit });
        return await Rows.ReadAsync(command, Row, cancellation);
    }

    /// <summary>Those of each hold who are still there, by id.</summary>
    public async Task<ILookup<Guid, SubjectId>> SubjectsAsync(IReadOnlyList<Guid> holds, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand("select hold_id, subject_id from vault.hold_subject where hold_id = any($1) order by subject_id");
        command.Parameters.Add(new() { Value = holds.ToArray() });
        return (await Rows.ReadAsync(command, row => (row.GetGuid(0), new SubjectId(row.GetGuid(1))), cancellation)).ToLookup(pair => pair.Item1, pair => pair.Item2);
    }

    /// <summary>The holds in force about people, as these may know of them.</summary>
    public async Task<ILookup<SubjectId, HoldGround>> GroundsAsync(IReadOnlyList<SubjectId> subjects, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(
            "select s.subject_id, h.authority, h.review_at, h.expires_at from vault.hold_subject s join vault.hold h using (hold_id) where s.subject_id = any($1) and h.released_at is null order by h.hold_id");
        command.Parameters.Add(new() { Value = subjects.Select(subject => subject.Value).ToArray() });
        var rows = await Rows.ReadAsync(
            command, row => (new SubjectId(row.GetGuid(0)), new HoldGround(row.GetString(1), row.GetFieldValue<DateTimeOffset>(2), Instant(row, 3))), cancellation);
        return rows.ToLookup(pair => pair.Item1, pair => pair.Item2);
    }

    /// <summary>Erasures of people that wait for a hold to end.</summary>
    public async Task<IReadOnlyList<RequestRow>> WaitingErasuresAsync(IReadOnlyList<SubjectId> subjects, CancellationToken cancellation) =>
        [.. (await requests.UnfinishedAsync(cancellation)).Where(row => row.Kind == RequestKinds.Erasure && row.Subject is { } subject && subjects.Contains(subject))];

    /// <summary>The case; null when there is none any more, or it does not open (<see cref="IsUnreadable"/>).</summary>
    public string? CaseOf(HoldRow row) => Open(Case, row.Id, row.CaseRef);

    /// <summary>Words that were written of the hold do not open.</summary>
    public bool IsUnreadable(HoldRow row) => (row.CaseRef is not null && CaseOf(row) is null) || (row.ReleaseRef is not null && ReleaseOf(row) is null);

    /// <summary>Why it was released.</summary>
    public string? ReleaseOf(HoldRow row) => Open(Release, row.Id, row.ReleaseRef);

    public Task<long> DeniedAsync(Recipient recipient, Guid requestId, CancellationToken cancellation) =>
        log.AppendAsync(log.Entry(EntryType.Denied, recipient, default, SubjectRequests.Purpose, EntryResult.Denied, [], requestId) with { Rules = ["holds"] }, null, cancellation);

    public Task<long> RecordLookAsync(Recipient recipient, Guid requestId, CancellationToken cancellation) =>
        log.AppendAsync(log.Entry(EntryType.RequestRead, recipient, default, SubjectRequests.Purpose, EntryResult.Ok, [], requestId) with { Rules = ["holds"] }, null, cancellation);

    // Whose record does not open keeps the others from nothing, and follows once it is repaired.
    private async Task<LogEntry?> TryFollowAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, SubjectKeys subject, LogEntry entry, Func<IReadOnlyList<HoldFact>, IReadOnlyList<HoldFact>> change, List<SubjectId> damaged,
        CancellationToken cancellation)
    {
        try
        {
            return await FollowAsync(connection, transaction, subject, entry, change, cancellation);
        }
        catch (Exception e) when (e is CryptographicException or InvalidDataException)
        {
            damaged.Add(subject.Subject);
            return null;
        }
        catch (VaultException e) when (e.Slug == "not-found")
        {
            // The person is being erased as a whole.
            return null;
        }
    }

    // The person's facts name every hold in force, so that a decision needs no other look.
    private async Task<LogEntry?> FollowAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, SubjectKeys subject, LogEntry entry, Func<IReadOnlyList<HoldFact>, IReadOnlyList<HoldFact>> change, CancellationToken cancellation)
    {
        var changed = await facts.ChangeAsync(connection, transaction, subject, before => before with { Holds = change(before.Holds) }, cancellation);
        return changed is { } done ? entry with { Subject = subject.Tag, Seal = facts.Digest(done.After), RecordVersion = done.After.RowVersion } : null;
    }

    private static IReadOnlyList<HoldFact> With(IReadOnlyList<HoldFact> holds, HoldRow row) =>
        holds.Count < MostHolds ? [.. holds, row.Scope with { Id = row.Id }] : throw VaultException.InvalidState($"At most {MostHolds} holds may be in force about one person.");

    // Facts from before holds were named in them have one as it was placed. Of several alike one goes.
    private static IReadOnlyList<HoldFact> Without(IReadOnlyList<HoldFact> holds, HoldRow row, bool isMember)
    {
        var ended = holds.FirstOrDefault(hold => hold.Id == row.Id)
            ?? (isMember && HoldSeals.IsAdopted(row.Seal) ? holds.FirstOrDefault(hold => hold.Id == Guid.Empty && IsSame(hold, row.Scope)) : null);
        return [.. holds.Where(hold => !ReferenceEquals(hold, ended))];
    }

    private static bool IsSame(HoldFact one, HoldFact other) =>
        one.Items.SequenceEqual(other.Items) && one.Classes.SequenceEqual(other.Classes) && one.Purposes.SequenceEqual(other.Purposes);

    private async Task<ToldHold> ToldAsync(Recipient recipient, HoldRow row, CancellationToken cancellation)
    {
        if (recipient != Keeper && (await requests.ToldHoldsAsync(cancellation)).All.GetValueOrDefault(row.Id) is { ReleasedAt: null } told && told.IsAs(row)) return told;
        throw VaultException.InvalidState("The row of this hold is not what the vault wrote, nor what the log says of it: it stays in force until the row is put back.");
    }

    // From the moment that an erasure of the whole is noted there is no way back: such a person is as good as erased.
    private async Task<bool> IsLostAsync(NpgsqlConnection connection, SubjectId subject, CancellationToken cancellation) =>
        (await ErasureRows.UnderWayAsync(connection, subject, cancellation)).Any(
            one => !notebook.Open(new RequestRow(one.Request, subject, RequestKinds.Erasure, RequestStates.Approved, "") { Work = one.Work }).Partial);

    private LogEntry Entry(Recipient recipient, HoldRow row, string act, Guid requestId) =>
        log.Entry(EntryType.HoldChange, recipient, default, SubjectRequests.Purpose, EntryResult.Ok, row.Scope.Items, requestId) with
        {
            Rules = [act, "authority:" + row.Authority, $"hold:{row.Id:D}", .. row.Scope.Classes.Select(id => $"class:{id}")],
        };

    private async Task<T> WithKeysAsync<T>(
        IReadOnlyList<SubjectId> subjects, bool allOfThem, Func<List<SubjectKeys>, List<SubjectId>, NpgsqlConnection, NpgsqlTransaction, Task<T>> work, CancellationToken cancellation)
    {
        var damaged = new List<SubjectId>();
        var held = (await keys.GetManyAsync([.. subjects.OrderBy(subject => subject.Value)], damaged, cancellation)).ToList();
        try
        {
            if (allOfThem && damaged.Count > 0) throw VaultException.Damaged();
            if (allOfThem && held.Count < subjects.Count) throw VaultException.NotFound();
            var done = await database.RunAsync((connection, transaction) => work(held, damaged, connection, transaction), cancellation);
            await facts.CommittedAsync(held, cancellation);
            return done;
        }
        catch (CryptographicException e)
        {
            throw VaultException.Damaged(e);
        }
        finally
        {
            held.ForEach(one => one.Dispose());
        }
    }

    private async Task InsertAsync(NpgsqlConnection connection, HoldRow row, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(
            "insert into vault.hold (hold_id, authority, items, classes, purposes, case_ref, people, placed_by, placed_at, review_at, expires_at, log_index, seal) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12)", connection)
        {
            Parameters =
            {
                new() { Value = row.Id }, new() { Value = row.Authority }, new() { Value = row.Scope.Items.ToArray() }, new() { Value = row.Scope.Classes.ToArray() },
                new() { Value = row.Scope.Purposes.ToArray() }, Optional(row.CaseRef, NpgsqlDbType.Bytea), new() { Value = row.People }, new() { Value = row.PlacedBy },
                new() { Value = row.PlacedAt.UtcDateTime }, new() { Value = row.ReviewAt.UtcDateTime }, Optional(row.ExpiresAt?.UtcDateTime, NpgsqlDbType.TimestampTz),
                new() { Value = seals.Of(row, HoldSeals.Placed) },
            },
        };
        await command.ExecuteNonQueryAsync(cancellation);
    }

    private static async Task EndAsync(NpgsqlConnection connection, HoldRow row, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("update vault.hold set released_at = $2, released_by = $3, release_ref = $4, seal = $5 where hold_id = $1", connection)
        {
            Parameters = { new() { Value = row.Id }, new() { Value = row.ReleasedAt!.Value.UtcDateTime }, new() { Value = row.ReleasedBy! }, Optional(row.ReleaseRef, NpgsqlDbType.Bytea), new() { Value = row.Seal! } },
        };
        await command.ExecuteNonQueryAsync(cancellation);
    }

    private static async Task<HoldRow?> LockAsync(NpgsqlConnection connection, Guid id, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"select {Columns} from vault.hold where hold_id = $1 for update", connection) { Parameters = { new() { Value = id } } };
        return (await Rows.ReadAsync(command, Row, cancellation)).FirstOrDefault();
    }

    internal static HoldRow Row(NpgsqlDataReader row) => new(
        row.GetGuid(0), row.GetString(1), new HoldFact(row.GetFieldValue<int[]>(2), row.GetFieldValue<int[]>(3), row.GetFieldValue<int[]>(4)), row.GetString(7),
        row.GetFieldValue<DateTimeOffset>(8), row.GetFieldValue<DateTimeOffset>(9))
    {
        CaseRef = row.IsDBNull(5) ? null : row.GetFieldValue<byte[]>(5), People = row.GetInt32(6), ExpiresAt = Instant(row, 10),
        ReleasedBy = row.IsDBNull(11) ? null : row.GetString(11), ReleasedAt = Instant(row, 12), LogIndex = row.GetInt64(13),
        ReleaseRef = row.IsDBNull(14) ? null : row.GetFieldValue<byte[]>(14), Seal = row.IsDBNull(15) ? null : row.GetFieldValue<byte[]>(15),
    };

    internal static HoldMember Member(NpgsqlDataReader row) =>
        new(row.GetGuid(0), new SubjectId(row.GetGuid(1)), row.GetBoolean(2), row.IsDBNull(3) ? null : row.GetFieldValue<byte[]>(3));

    private static async Task<List<HoldMember>> MembersAsync(NpgsqlConnection connection, Guid hold, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"select {MemberColumns} from vault.hold_subject where hold_id = $1 order by subject_id", connection) { Parameters = { new() { Value = hold } } };
        return await Rows.ReadAsync(command, Member, cancellation);
    }

    private byte[] Seal(string label, Guid hold, string words)
    {
        using var key = keys.Derive(label);
        return SealedValue.Seal(key.Span, 1, 0, Encoding.UTF8.GetBytes(words), Context(label, hold, stackalloc byte[AssociatedData.Limit]), requests.Clock.Random);
    }

    private string? Open(string label, Guid hold, byte[]? words)
    {
        if (words is null) return null;
        using var key = keys.Derive(label);
        try
        {
            using var opened = SealedValue.OpenSecret(key.Span, words, Context(label, hold, stackalloc byte[AssociatedData.Limit]));
            return Encoding.UTF8.GetString(opened.Span);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static ReadOnlySpan<byte> Context(string label, Guid hold, Span<byte> buffer) => new AssociatedData(buffer, label).Add(hold).Bytes;

    private static DateTimeOffset? Instant(NpgsqlDataReader row, int at) => row.IsDBNull(at) ? null : row.GetFieldValue<DateTimeOffset>(at);

    private static NpgsqlParameter Optional(object? value, NpgsqlDbType type) => new() { Value = value ?? DBNull.Value, NpgsqlDbType = type };
}
