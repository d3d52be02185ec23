using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>Somebody who does not exist, as the row has it under seal.</summary>
/// <param name="Subject">The record, which looks like any other.</param>
/// <param name="Tag">By which the log names it.</param>
/// <param name="From">Log entries before this one are its making.</param>
/// <param name="Brake">Whoever touches it is stopped for the purpose.</param>
/// <param name="Note">What it was planted for.</param>
/// <param name="PlantedBy">Account of whoever did.</param>
internal sealed record HoneyMark(Guid Subject, Guid Tag, long From, bool Brake, string? Note, string PlantedBy);

/// <summary>A planted person, as officers and administrators see it.</summary>
public sealed record HoneyView(Guid Id, SubjectId Subject, bool Brake, string? Note, DateTimeOffset PlantedAt, string PlantedBy);

/// <summary>
/// Rows of planted people. Who they are is sealed under a key of the vault and kept in memory by every process; the table tells how many there are, and nobody
/// who may only read and search is told even that.
/// </summary>
internal sealed class HoneyBook(VaultDatabase database, OversightMemory memory, IServiceKeys keys, VaultClock clock)
{
    private const string Label = "honey";
    private const string Select = "select honey_id, planted_at, sealed from vault.honey order by honey_id desc";
    private FrozenSet<Guid> subjects = FrozenSet<Guid>.Empty;
    private IReadOnlyList<Kept> kept = [];

    /// <summary>Costs a look into memory, the same for everybody.</summary>
    public bool Contains(SubjectId subject) => Volatile.Read(ref subjects).Contains(subject.Value);

    /// <summary>Nobody was planted when this was last looked at.</summary>
    public bool IsEmpty => Volatile.Read(ref subjects).Count == 0;

    public async Task<IReadOnlyList<(Guid Id, DateTimeOffset PlantedAt, HoneyMark Mark)>> ReadAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(Select);
        kept = await memory.ReadAsync(OversightMemory.Honey, ct);
        return await ReadAsync(command, ct);
    }

    /// <summary>The same within a transaction; what is kept is as of the last look.</summary>
    public async Task<IReadOnlyList<(Guid Id, DateTimeOffset PlantedAt, HoneyMark Mark)>> ReadAsync(DutyWork work)
    {
        await using var command = new NpgsqlCommand(Select, work.Connection, work.Transaction);
        return await ReadAsync(command, work.Cancellation);
    }

    private async Task<IReadOnlyList<(Guid Id, DateTimeOffset PlantedAt, HoneyMark Mark)>> ReadAsync(NpgsqlCommand command, CancellationToken ct)
    {
        var rows = await Rows.ReadAsync(command, row => (Id: row.GetGuid(0), At: row.GetFieldValue<DateTimeOffset>(1), Sealed: row.GetFieldValue<byte[]>(2)), ct);
        // Whoever deletes or spoils a row here has nobody forgotten; what does not open was planted by nobody, and keeps no other from being watched.
        rows.AddRange(kept.Select(one => (Id: new Guid(one.Id, bigEndian: true), At: new DateTimeOffset(one.Number, TimeSpan.Zero), Sealed: one.Value)));
        List<(Guid Id, DateTimeOffset PlantedAt, HoneyMark Mark)> marks = [];
        foreach (var row in rows.Where(row => !marks.Exists(mark => mark.Id == row.Id)))
        {
            if (TryOpen(row.Id, row.Sealed) is { } mark) marks.Add((row.Id, row.At, mark));
        }

        if (marks.Count > 0 || subjects.Count > 0) Volatile.Write(ref subjects, marks.Select(one => one.Mark.Subject).ToFrozenSet());
        return marks;
    }

    /// <summary>How far the log was looked at, as far as is kept.</summary>
    public async Task<long?> SeenAsync(CancellationToken ct) => await memory.ReadAsync(OversightMemory.Watch, ct) is [var watch] ? watch.Number : null;

    public Task SawAsync(long size, CancellationToken ct) => memory.KeepAsync([new Kept(OversightMemory.Watch, Encoding.UTF8.GetBytes(Label)) { Number = size }], ct);

    public async Task InsertAsync(DutyWork work, Guid id, HoneyMark mark)
    {
        await using var command = new NpgsqlCommand("insert into vault.honey (honey_id, planted_at, sealed) values ($1, $2, $3)", work.Connection, work.Transaction)
        {
            Parameters = { new() { Value = id }, new() { Value = clock.Now.UtcDateTime }, new() { Value = Seal(id, mark) } },
        };
        await command.ExecuteNonQueryAsync(work.Cancellation);
    }

    /// <summary>From the commit on, what is in the rows is kept as well.</summary>
    public async Task KeepAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(Select);
        var rows = await Rows.ReadAsync(command, row => new Kept(OversightMemory.Honey, row.GetGuid(0).ToByteArray(bigEndian: true)) { Number = row.GetFieldValue<DateTimeOffset>(1).UtcTicks, Value = row.GetFieldValue<byte[]>(2) }, ct);
        await memory.KeepAsync([.. rows.Where(row => TryOpen(new Guid(row.Id, bigEndian: true), row.Value) is not null)], ct);
    }

    public async Task<bool> DeleteAsync(DutyWork work, Guid id)
    {
        var wasKept = kept.Any(one => new Guid(one.Id, bigEndian: true) == id);
        await memory.ForgetAsync(OversightMemory.Honey, [id.ToByteArray(bigEndian: true)], work.Cancellation);
        await using var command = new NpgsqlCommand("delete from vault.honey where honey_id = $1", work.Connection, work.Transaction) { Parameters = { new() { Value = id } } };
        return await command.ExecuteNonQueryAsync(work.Cancellation) == 1 || wasKept;
    }

    private byte[] Seal(Guid id, HoneyMark mark)
    {
        using var key = keys.Derive(Label);
        return SealedValue.Seal(key.Span, 1, 0, JsonSerializer.SerializeToUtf8Bytes(mark), Context(id, stackalloc byte[AssociatedData.Limit]), clock.Random);
    }

    /// <summary>Null when it does not open.</summary>
    public HoneyMark? TryOpen(Guid id, byte[] value)
    {
        using var key = keys.Derive(Label);
        try
        {
            using var opened = SealedValue.OpenSecret(key.Span, value, Context(id, stackalloc byte[AssociatedData.Limit]));
            return JsonSerializer.Deserialize<HoneyMark>(opened.Span);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static ReadOnlySpan<byte> Context(Guid id, Span<byte> buffer) => new AssociatedData(buffer, Label).Add(id).Bytes;
}

/// <summary>
/// Follows the log for entries about planted people. The reading path knows nothing of them: whatever touches one, by whatever call, stands in the log, and the
/// alarm is raised from there a moment later, each touch once.
/// </summary>
internal sealed class HoneyWatch(VaultDatabase database, HoneyBook honey, AuditLog log, AuditReader reader, AlertBook alerts, Brakes brakes)
{
    private const int Most = 200;
    private static readonly TimeSpan StopFor = TimeSpan.FromHours(24);

    /// <returns>How many touches were found.</returns>
    public async Task<int> FollowAsync(VaultClock clock, CancellationToken ct)
    {
        await honey.ReadAsync(ct);
        if (honey.IsEmpty) return 0;
        await reader.CatchUpAsync(ct);
        // Whoever moves the row ahead has nothing passed over; what is looked at twice is told of once.
        var seen = await honey.SeenAsync(ct);
        var stops = new List<(Guid Actor, string Purpose, Guid Alert, DateTimeOffset Until)>();
        var (found, reached) = await database.RunAsync(
            async (connection, transaction) =>
            {
                var work = new DutyWork(connection, transaction, ct);
                if (await PositionAsync(work) is not { } row) return (0, (long?)null);
                var position = Math.Min(row, seen ?? row);
                // INVARIANT: first the range, then the marks: whoever was planted before an entry of the range is among them.
                var range = await LogSearch.RangeAsync(connection, null, null, ct);
                var marks = await honey.ReadAsync(work);
                var (touches, until) = await FindAsync(work, marks.Select(one => one.Mark), range with { Low = Math.Max(range.Low, position) });
                await using (var advance = new NpgsqlCommand("update vault.watch set position = $1 where task = 'honey'", connection, transaction) { Parameters = { new() { Value = Math.Max(position, until) } } })
                {
                    await advance.ExecuteNonQueryAsync(ct);
                }

                var told = await AlertBook.ToldAsync(work, AlertKinds.HoneyTouched, [.. touches.Select(touch => touch.Entry.Index)]);
                touches.RemoveAll(touch => told.Contains(touch.Entry.Index));
                foreach (var (entry, brake) in touches) stops.AddRange(await RaiseAsync(work, entry, brake, clock));
                return (touches.Count, Math.Max(position, until));
            },
            ct);
        if (reached is { } size && size != seen) await honey.SawAsync(size, ct);
        foreach (var (actor, purpose, alert, until) in stops) await brakes.KnowAsync(actor, purpose, alert, until, ct);
        return found;
    }

    // An entry about several planted people is one touch. Of more than can be looked at in one round, the rest is looked at in the next.
    private async Task<(List<(AuditRecord Entry, bool Brake)> Touches, long Until)> FindAsync(DutyWork work, IEnumerable<HoneyMark> marks, EntryRange range)
    {
        var until = range.High;
        var pulls = new SortedDictionary<long, bool>();
        foreach (var mark in marks)
        {
            var found = await LogSearch.FindAsync(
                work.Connection, new EntryFilter { Subject = mark.Tag }, range with { Low = Math.Max(range.Low, mark.From) }, oldestFirst: true, Most, work.Cancellation);
            if (found.Count == Most) until = Math.Min(until, found[^1] + 1);
            foreach (var index in found) pulls[index] = mark.Brake || pulls.GetValueOrDefault(index);
        }

        var touches = new List<(AuditRecord Entry, bool Brake)>();
        foreach (var (index, brake) in pulls.TakeWhile(pair => pair.Key < until))
        {
            var entry = await reader.EntryAsync(index, work.Cancellation);
            if (entry.ActorKind != "process") touches.Add((entry, brake));
        }

        return (touches, until);
    }

    // Another process that is at it keeps the row.
    private static async Task<long?> PositionAsync(DutyWork work)
    {
        await using var command = new NpgsqlCommand("select position from vault.watch where task = 'honey' for update skip locked", work.Connection, work.Transaction);
        return await command.ExecuteScalarAsync(work.Cancellation) as long?;
    }

    // What was tried while the credential was stopped got nothing and stops it no further: else whoever is let go would at once be stopped for what they tried before.
    private async Task<IEnumerable<(Guid Actor, string Purpose, Guid Alert, DateTimeOffset Until)>> RaiseAsync(DutyWork work, AuditRecord touch, bool brake, VaultClock clock)
    {
        var isStopped = false;
        var until = clock.Now + StopFor;
        var (id, actor) = (clock.NewId(), EntryShape.TagOf(touch.Entry.Actor.Span));
        if (brake && touch.Entry.Purpose.Length > 0 && !touch.Entry.Rules.Contains(ReleaseTerms.StoppedRule))
        {
            isStopped = await brakes.PullAsync(work, (actor, touch.Entry.Purpose), id, until);
        }

        // The person is not named: who may read the log finds the entry that this one refers to.
        var entry = log.Entry(EntryType.Alert, LogWorker.Keeper, default, touch.Entry.Purpose, EntryResult.Ok, []) with
        {
            Actor = touch.Entry.Actor,
            Reference = touch.Index,
            Rules = [AlertKinds.HoneyTouched],
        };
        await alerts.RaiseAsync(work, new NewAlert(id, AlertKinds.HoneyTouched, actor, touch.Entry.Purpose, touch.Index), entry);
        return isStopped ? [(actor, touch.Entry.Purpose, id, until)] : [];
    }
}

/// <summary>
/// Planted people: a customer who was made up and recorded like any other is marked as one whom nobody has a reason to touch. Analytics leave them out as they
/// leave out whoever has not consented. Marking and unmarking are entries of the log that do not name the person.
/// </summary>
public sealed class HoneySubjects
{
    private readonly VaultDatabase database;
    private readonly HoneyBook book;
    private readonly KeyRegistry keys;
    private readonly AuditLog log;
    private readonly Decider decider;
    private readonly OversightDoor door;

    internal HoneySubjects(VaultDatabase database, HoneyBook book, KeyRegistry keys, AuditLog log, Decider decider)
    {
        (this.database, this.book, this.keys, this.log, this.decider) = (database, book, keys, log, decider);
        door = new OversightDoor(log, decider, Capabilities.HoneyManage, "honey");
    }

    /// <exception cref="VaultException">not-found, invalid-state when the person is planted already.</exception>
    public async Task<HoneyView> PlantAsync(Recipient recipient, SubjectId subject, bool brake, string? note, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        await door.AuthoriseAsync(recipient, requestId, cancellation);
        if (note is not null && !JustificationRule.IsReason(note)) throw VaultException.Invalid([new("/note", "too-long", $"At most {JustificationRule.MaxLength} characters.")]);
        using var held = await keys.FindFreshAsync(subject, cancellation) ?? throw await door.RefusedAsync(recipient, VaultException.NotFound(), requestId, cancellation);
        if ((await book.ReadAsync(cancellation)).Any(one => one.Mark.Subject == subject.Value)) throw await door.RefusedAsync(recipient, VaultException.InvalidState("The customer is planted already."), requestId, cancellation);
        var id = decider.Clock.NewId();
        var mark = new HoneyMark(subject.Value, EntryShape.TagOf(held.Tag.Span), 0, brake, note, recipient.Id);
        await ChangeAsync(recipient, "planted", requestId, subject, async (work, index) =>
        {
            await book.InsertAsync(work, id, mark with { From = index });
            return true;
        }, cancellation);
        await book.KeepAsync(cancellation);
        await book.ReadAsync(cancellation);
        return new HoneyView(id, subject, brake, note, decider.Clock.Now, recipient.Id);
    }

    /// <summary>The look is an entry of the log.</summary>
    public async Task<IReadOnlyList<HoneyView>> ListAsync(Recipient recipient, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        await door.AuthoriseAsync(recipient, requestId, cancellation);
        var rows = await book.ReadAsync(cancellation);
        await door.LookAsync(recipient, requestId, cancellation);
        return [.. rows.Select(row => new HoneyView(row.Id, new SubjectId(row.Mark.Subject), row.Mark.Brake, row.Mark.Note, row.PlantedAt, row.Mark.PlantedBy))];
    }

    /// <summary>From now on a customer like any other.</summary>
    /// <exception cref="VaultException">not-found.</exception>
    public async Task WithdrawAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        await door.AuthoriseAsync(recipient, requestId, cancellation);
        var row = (await book.ReadAsync(cancellation)).FirstOrDefault(one => one.Id == id);
        var gone = row.Mark is not null && await ChangeAsync(recipient, "withdrawn", requestId, new SubjectId(row.Mark.Subject), (work, _) => book.DeleteAsync(work, id), cancellation);
        if (!gone) throw await door.RefusedAsync(recipient, VaultException.NotFound(), requestId, cancellation);
        await book.ReadAsync(cancellation);
    }

    // The feed is told to look at the person again: what the domains hold of somebody planted goes the way of a consent that was withdrawn.
    private Task<bool> ChangeAsync(Recipient recipient, string act, Guid requestId, SubjectId subject, Func<DutyWork, long, Task<bool>> change, CancellationToken cancellation) =>
        database.RunAsync(
            async (connection, transaction) =>
            {
                await using (var feed = new NpgsqlCommand(
                    "insert into vault.feed_queue (subject_id, enqueued_at, attempt) values ($1, $2, 0) on conflict (subject_id) do update set attempt = 0", connection, transaction)
                {
                    Parameters = { new() { Value = subject.Value }, new() { Value = decider.Clock.Now.UtcDateTime } },
                })
                {
                    await feed.ExecuteNonQueryAsync(cancellation);
                }

                var entry = log.Entry(EntryType.Alert, recipient, default, "", EntryResult.Ok, [], requestId) with { Rules = [act] };
                var index = await log.AppendWithinAsync(connection, transaction, [entry], cancellation);
                return await change(new DutyWork(connection, transaction, cancellation), index);
            },
            cancellation);
}
