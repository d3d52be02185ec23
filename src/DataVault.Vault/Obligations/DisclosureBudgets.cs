using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Counts, for each credential and purpose that has a budget, the distinct pairs of a person and a sensitive item that were released in this hour and this day
/// of UTC. A process takes room out of the database in blocks, ahead, and counts against its blocks in memory: the ordinary read costs no round trip.
/// </summary>
/// <remarks>
/// INVARIANT: never more pairs than the budget are released in a window, over all processes and restarts: each pair was covered by room that was taken, under a
/// row lock, from the one budget. It may be found exhausted early, by no more than one block (1/16 of the budget, or what one call needs) for each process
/// that served the credential in the window, and for each taking that failed to commit: what it has taken and not used, and pairs that others released too, until it next takes room and learns of them.
/// </remarks>
internal sealed class DisclosureBudgets(VaultDatabase database, AlertBook alerts, Brakes brakes, BudgetBook book, IServiceKeys keys, VaultClock clock) : IDisposable
{
    public const int Blocks = 16;

    private static readonly TimeSpan Forgotten = TimeSpan.FromDays(2);

    private static readonly (string Name, TimeSpan Length)[] Spans = [("hour", TimeSpan.FromHours(1)), ("day", TimeSpan.FromDays(1))];
    private readonly ConcurrentDictionary<(Guid Actor, string Purpose), Account> accounts = new();
    private readonly Lazy<SecretBytes> markKey = new(() => keys.Derive("budget-mark"));

    /// <summary>Takes what is shown out of the budget. Null when there was room, else how long the credential is stopped.</summary>
    public ValueTask<TimeSpan?> TakeAsync(Recipient recipient, Purpose purpose, IEnumerable<(SubjectId Subject, CatalogueItem Item)> shown, Guid requestId, CancellationToken ct)
    {
        var actor = alerts.TagOf(recipient);
        HashSet<Guid> marks = [.. shown.Where(one => one.Item.Class.IsSensitive).Select(one => MarkOf(actor, purpose.Name, one.Subject, one.Item))];
        if (marks.Count == 0) return new((TimeSpan?)null);
        var account = accounts.GetOrAdd((actor, purpose.Name), _ => new Account());
        return account.TryTake(marks, clock.Now) ? new((TimeSpan?)null) : new(TakeRoomAsync(account, new Demand(recipient, purpose, actor, marks, requestId), ct));
    }

    /// <summary>After a release everything is counted anew.</summary>
    public void Forget(IEnumerable<(Guid Actor, string Purpose)> released)
    {
        foreach (var key in released) accounts.TryRemove(key, out _);
    }

    /// <summary>By which what was taken of a budget in the windows of this moment is kept.</summary>
    public static IEnumerable<byte[]> IdsAt(Guid actor, string purpose, DateTimeOffset now) => Spans.Select(span => IdOf(actor, purpose, (span.Name, StartOf(now, span.Length))));

    public void Dispose()
    {
        if (markKey.IsValueCreated) markKey.Value.Dispose();
    }

    /// <summary>What was counted longer ago than any window is of no use.</summary>
    public async Task TidyAsync(CancellationToken ct)
    {
        await using var batch = database.Source.CreateBatch();
        foreach (var table in new[] { "vault.budget", "vault.budget_mark" })
        {
            batch.BatchCommands.Add(new($"delete from {table} where starts_at < $1") { Parameters = { new() { Value = clock.Now.UtcDateTime.AddDays(-2) } } });
        }

        batch.BatchCommands.Add(new("delete from vault.brake where until < $1") { Parameters = { new() { Value = clock.Now.UtcDateTime.AddDays(-2) } } });
        await batch.ExecuteNonQueryAsync(ct);
    }

    /// <summary>One call that needs room.</summary>
    private sealed record Demand(Recipient Recipient, Purpose Purpose, Guid Actor, HashSet<Guid> Marks, Guid RequestId);

    private async Task<TimeSpan?> TakeRoomAsync(Account account, Demand demand, CancellationToken ct)
    {
        // One at a time for each credential: whoever waits here mostly finds room in what the one before has taken.
        await account.Turn.WaitAsync(ct);
        try
        {
            while (!account.TryTake(demand.Marks, clock.Now))
            {
                if (brakes.Wait(demand.Recipient, demand.Purpose.Name) is { } wait) return wait;
                var windows = account.WindowsAt(clock.Now);
                var reserved = await database.RunAsync((connection, transaction) => ReserveAsync(new DutyWork(connection, transaction, ct), demand, windows), ct);
                // INVARIANT: only what is committed is given out.
                foreach (var change in reserved.Changes) change.Apply();
                if (reserved.StoppedUntil is not { } until) continue;
                if (reserved.Alert is { } alert) await brakes.KnowAsync(demand.Actor, demand.Purpose.Name, alert, until, ct);
                return until - clock.Now;
            }

            return null;
        }
        finally
        {
            account.Turn.Release();
        }
    }

    /// <summary>Room that was taken, or until when the credential is stopped; the alert is in the log then.</summary>
    private sealed record Reservation(DateTimeOffset? StoppedUntil, IReadOnlyList<Change> Changes, Guid? Alert = null);

    private async Task<Reservation> ReserveAsync(DutyWork work, Demand demand, List<Window> windows)
    {
        var limits = await LimitsAsync(work, demand);
        var changes = new List<Change>();
        foreach (var window in windows)
        {
            var limit = limits[window.Span];
            var (counted, known, saved, twice) = await ExchangeAsync(work, demand, window);
            // INVARIANT: asked under the row's lock. What is kept is what the row had: more where somebody put the row back, or where a taking failed to commit.
            var taken = Math.Max(counted, await book.TakenAsync(IdOf(demand, window), work.Cancellation)) - twice;
            var need = window.Missing(demand.Marks, known);
            var room = limit - taken;
            if (need > room) return await StopAsync(work, demand, window);
            // Ahead only where this call uses up what is left, so that no process ever holds more than one block.
            changes.Add(new Change(window, known, saved, need == 0 ? 0 : Math.Max(need, Math.Min(limit / Blocks, room / 2)), taken));
        }

        await book.NoteTakenAsync([.. changes.Select(change => (IdOf(demand, change.Window), change.Taken + change.Granted, change.Window.EndsAt + Forgotten))], work.Cancellation);
        foreach (var change in changes) await SaveAsync(work, demand, change);
        return new Reservation(null, changes);
    }

    /// <summary>Tells the database what this process has released since last time, and learns what all have.</summary>
    private async Task<(long Counted, HashSet<Guid> Known, int Saved, int Twice)> ExchangeAsync(DutyWork work, Demand demand, Window window)
    {
        var unsaved = window.Unsaved();
        await using var batch = new NpgsqlBatch(work.Connection, work.Transaction);
        batch.BatchCommands.Add(Command("insert into vault.budget (actor_tag, purpose, span, starts_at, taken) values ($1, $2, $3, $4, 0) on conflict do nothing", demand, window));
        batch.BatchCommands.Add(Command("select taken from vault.budget where actor_tag = $1 and purpose = $2 and span = $3 and starts_at = $4 for update", demand, window));
        batch.BatchCommands.Add(Command("select mark, seal from vault.budget_mark where actor_tag = $1 and purpose = $2 and span = $3 and starts_at = $4", demand, window));
        await using (var reader = await batch.ExecuteReaderAsync(work.Cancellation))
        {
            await reader.ReadAsync(work.Cancellation);
            var taken = reader.GetInt64(0);
            await reader.NextResultAsync(work.Cancellation);
            var known = new HashSet<Guid>();
            while (await reader.ReadAsync(work.Cancellation))
            {
                // What was counted in another window, or by nobody, is not counted here.
                var mark = reader.GetGuid(0);
                if (RowSeal.Is(reader.IsDBNull(1) ? null : reader.GetFieldValue<byte[]>(1), SealOf(demand, window, mark))) known.Add(mark);
            }

            // What others have released too was taken twice.
            var twice = unsaved.Count(known.Contains);
            known.UnionWith(unsaved);
            return (taken, known, unsaved.Count, twice);
        }
    }

    private async Task SaveAsync(DutyWork work, Demand demand, Change change)
    {
        await using var batch = new NpgsqlBatch(work.Connection, work.Transaction);
        var marks = change.Window.Unsaved().Take(change.Saved).ToArray();
        var save = Command(
            """
            insert into vault.budget_mark (actor_tag, purpose, span, starts_at, mark, seal) select $1, $2, $3, $4, m, s from unnest($5, $6) as u (m, s)
            on conflict (actor_tag, purpose, span, starts_at, mark) do update set seal = excluded.seal
            """, demand, change.Window);
        save.Parameters.Add(new() { Value = marks });
        save.Parameters.Add(new() { Value = marks.Select(mark => SealOf(demand, change.Window, mark)).ToArray() });
        batch.BatchCommands.Add(save);
        var take = Command("update vault.budget set taken = $5 where actor_tag = $1 and purpose = $2 and span = $3 and starts_at = $4", demand, change.Window);
        take.Parameters.Add(new() { Value = change.Taken + change.Granted });
        batch.BatchCommands.Add(take);
        await batch.ExecuteNonQueryAsync(work.Cancellation);
    }

    private async Task<Reservation> StopAsync(DutyWork work, Demand demand, Window window)
    {
        var alert = clock.NewId();
        if (!await brakes.PullAsync(work, (demand.Actor, demand.Purpose.Name), alert, window.EndsAt)) return new Reservation(window.EndsAt, []);
        await alerts.RaiseExhaustedAsync(work, new NewAlert(alert, AlertKinds.BudgetExhausted, demand.Actor, demand.Purpose.Name, null), (demand.Recipient, window.Span, demand.RequestId));
        return new Reservation(window.EndsAt, [], alert);
    }

    private static byte[] IdOf(Demand demand, Window window) => IdOf(demand.Actor, demand.Purpose.Name, (window.Span, window.StartsAt));

    private static byte[] IdOf(Guid actor, string purpose, (string Span, DateTimeOffset StartsAt) window) =>
        SHA256.HashData(Encoding.UTF8.GetBytes($"{actor:D} {window.Span} {window.StartsAt.UtcTicks} {purpose}"));

    private static DateTimeOffset StartOf(DateTimeOffset at, TimeSpan length) => new(at.UtcTicks - (at.UtcTicks % length.Ticks), TimeSpan.Zero);

    private byte[] SealOf(Demand demand, Window window, Guid mark) => RowSeal.Of(markKey.Value, writer =>
    {
        writer.Add(demand.Actor);
        writer.Write(demand.Purpose.Name);
        writer.Write(window.Span);
        writer.Add(window.StartsAt);
        writer.Add(mark);
    });

    private async Task<Dictionary<string, long>> LimitsAsync(DutyWork work, Demand demand)
    {
        var own = await book.FindAsync(work, demand.Actor, demand.Purpose.Name);
        // Of an application's own budget and the purpose's, the tighter counts; what is limited by the hour alone is so by the day too.
        var (perHour, perDay) = (Least(demand.Purpose.Budget?.PerHour, own?.PerHour), Least(demand.Purpose.Budget?.PerDay, own?.PerDay));
        return new() { ["hour"] = perHour ?? perDay ?? 0, ["day"] = perDay ?? 24 * perHour ?? 0 };

        static long? Least(int? one, int? other) => one is { } a && other is { } b ? Math.Min(a, b) : one ?? other;
    }

    private static NpgsqlBatchCommand Command(string sql, Demand demand, Window window) => new(sql)
    {
        Parameters = { new() { Value = demand.Actor }, new() { Value = demand.Purpose.Name }, new() { Value = window.Span }, new() { Value = window.StartsAt.UtcDateTime } },
    };

    // Keyed, so that what was counted names nobody to whoever reads the table; and gone with the day.
    private Guid MarkOf(Guid actor, string purpose, SubjectId subject, CatalogueItem item)
    {
        Span<byte> context = stackalloc byte[AssociatedData.Limit];
        Span<byte> mark = stackalloc byte[16];
        KeyDerivation.Expand(markKey.Value.Span, "mark", new AssociatedData(context, "budget").Add(actor).Add(subject.Value).Add(item.Code).Add(Encoding.UTF8.GetBytes(purpose)).Bytes, mark);
        return new Guid(mark, bigEndian: true);
    }

    private sealed record Change(Window Window, HashSet<Guid> Known, int Saved, long Granted, long Taken)
    {
        public void Apply() => Window.Give(Known, Saved, Granted);
    }

    /// <summary>What one process knows of one credential and purpose.</summary>
    private sealed class Account
    {
        private readonly Lock gate = new();
        private List<Window> windows = [];

        public SemaphoreSlim Turn { get; } = new(1, 1);

        public bool TryTake(HashSet<Guid> marks, DateTimeOffset now)
        {
            lock (gate)
            {
                if (windows.Count == 0 || windows.Exists(window => window.EndsAt <= now) || windows.Exists(window => !window.HasRoomFor(marks))) return false;
                windows.ForEach(window => window.Take(marks));
                return true;
            }
        }

        public List<Window> WindowsAt(DateTimeOffset now)
        {
            lock (gate)
            {
                windows = [.. Spans.Select(span => windows.Find(window => window.Span == span.Name && window.EndsAt > now) ?? new Window(gate, span.Name, now, span.Length))];
                return windows;
            }
        }
    }

    /// <summary>One hour or day: what was released in it, as far as this process knows, and the room that it has left.</summary>
    private sealed class Window(Lock gate, string span, DateTimeOffset now, TimeSpan length)
    {
        private readonly HashSet<Guid> known = [];
        private readonly List<Guid> unsaved = [];
        private long left;

        public string Span => span;

        public DateTimeOffset StartsAt { get; } = StartOf(now, length);

        public DateTimeOffset EndsAt => StartsAt + length;

        public bool HasRoomFor(HashSet<Guid> marks) => marks.Count(mark => !known.Contains(mark)) <= left;

        public void Take(HashSet<Guid> marks)
        {
            foreach (var mark in marks.Where(known.Add))
            {
                unsaved.Add(mark);
                left--;
            }
        }

        public List<Guid> Unsaved()
        {
            lock (gate) return [.. unsaved];
        }

        /// <summary>How much room is lacking for these, once it is known what all have released.</summary>
        public long Missing(HashSet<Guid> marks, HashSet<Guid> all)
        {
            lock (gate) return Math.Max(0, marks.Count(mark => !known.Contains(mark) && !all.Contains(mark)) - left);
        }

        public void Give(HashSet<Guid> all, int saved, long granted)
        {
            lock (gate)
            {
                known.UnionWith(all);
                unsaved.RemoveRange(0, saved);
                left += granted;
            }
        }
    }
}
