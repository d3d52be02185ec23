using System.Diagnostics.Metrics;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>What operators watch of the vault itself. Types and results only; nothing that names a person, a field or a caller.</summary>
internal static class VaultMeters
{
    private static readonly Meter Meter = new("DataVault.Vault");

    /// <summary>Entries made durable by this process through the group commit, by type and result; the rate of <c>denied</c> is worth an alarm.</summary>
    private static readonly Counter<long> Entries = Meter.CreateCounter<long>("datavault.log.entries", "{entry}", "Log entries made durable");

    private static readonly Counter<long> Refused = Meter.CreateCounter<long>("datavault.log.refused", "{entry}", "Log entries that could not be made durable; their calls answered 503");

    private static readonly UpDownCounter<long> Waiting = Meter.CreateUpDownCounter<long>("datavault.log.waiting", "{entry}", "Log entries queued for the group commit");

    private static readonly Histogram<double> Commit = Meter.CreateHistogram<double>("datavault.log.commit.duration", "s", "Time of one group commit");

    private static readonly Gauge<long> OutboxWaiting = Meter.CreateGauge<long>("datavault.outbox.waiting", "{message}", "Messages to recipients that are not delivered yet");

    private static readonly Gauge<long> OutboxDead = Meter.CreateGauge<long>("datavault.outbox.dead", "{message}", "Messages to recipients that failed again and again");

    public static void Outbox(long waiting, long dead)
    {
        OutboxWaiting.Record(waiting);
        OutboxDead.Record(dead);
    }

    private static readonly Gauge<long> BackupsDue = Meter.CreateGauge<long>("datavault.backups.due", "{backup}", "1 when a backup of that part, or a drill, is due; else 0");

    public static void Backups(BackupState state)
    {
        foreach (var backup in state.Backups) BackupsDue.Record(backup.IsDue ? 1 : 0, new KeyValuePair<string, object?>("of", BackupFacts.NameOf(backup.Part)));
        BackupsDue.Record(state.Drill.IsDue ? 1 : 0, new KeyValuePair<string, object?>("of", BackupHistory.DrillRule));
    }

    private static readonly Counter<long> Older = Meter.CreateCounter<long>("datavault.records.older", "{record}", "Records refused because a newer version of them was known: rolled back in the database");

    private static readonly Counter<long> DamageMet = Meter.CreateCounter<long>("datavault.records.damaged", "{call}", "Calls that met something that the vault did not write: changed, mixed or rolled back in the database");

    private static readonly Counter<long> WorkFailed = Meter.CreateCounter<long>("datavault.worker.failures", "{round}", "Rounds of background work that failed, by worker");

    private static readonly Gauge<long> WorkFailing = Meter.CreateGauge<long>("datavault.worker.failing", "{round}", "How many rounds of a worker have failed in a row; 0 when the last went well");

    public static void Round(string worker, int failures)
    {
        if (failures > 0) WorkFailed.Add(1, new KeyValuePair<string, object?>("worker", worker));
        WorkFailing.Record(failures, new KeyValuePair<string, object?>("worker", worker));
    }

    /// <summary>By kind; any of them is worth an alarm.</summary>
    private static readonly Counter<long> Alerts = Meter.CreateCounter<long>("datavault.alerts", "{alert}", "Alerts raised by this process");

    private static readonly Gauge<long> AlertsOpen = Meter.CreateGauge<long>("datavault.alerts.open", "{alert}", "Alerts that nobody has acknowledged");

    private static readonly Gauge<long> ReviewsOpen = Meter.CreateGauge<long>("datavault.reviews.open", "{review}", "Reviews that are to be decided");

    private static readonly Gauge<long> ReviewsOverdue = Meter.CreateGauge<long>("datavault.reviews.overdue", "{review}", "Reviews whose date has passed");

    public static void Alerted(string kind) => Alerts.Add(1, new KeyValuePair<string, object?>("kind", kind));

    public static void Oversight(OversightBacklog backlog)
    {
        AlertsOpen.Record(backlog.OpenAlerts);
        ReviewsOpen.Record(backlog.OpenReviews);
        ReviewsOverdue.Record(backlog.OverdueReviews);
    }

    private static readonly Gauge<long> BreachesOpen = Meter.CreateGauge<long>("datavault.breaches.open", "{case}", "Breaches whose case is not closed");

    private static readonly Gauge<long> BreachesDue = Meter.CreateGauge<long>("datavault.breaches.due", "{case}", "Breaches whose authority must be told within a day, or should have been");

    private static readonly Gauge<long> BreachesDamaged = Meter.CreateGauge<long>("datavault.breaches.damaged", "{case}", "Breaches of whose record something is gone or was changed in the database");

    public static void Breaches(BreachWatch state)
    {
        BreachesOpen.Record(state.Open);
        BreachesDue.Record(state.DueSoon);
        BreachesDamaged.Record(state.Damaged);
    }

    public static void Queued() => Waiting.Add(1);

    public static void Taken(int count) => Waiting.Add(-count);

    public static void Committed(IReadOnlyList<PendingEntry> batch, TimeSpan took)
    {
        Commit.Record(took.TotalSeconds);
        if (!Entries.Enabled) return;
        // One measurement for a run of entries of one kind: under load most of a batch is one.
        for (var (i, run) = (0, 1); i < batch.Count; i += run)
        {
            var (type, result) = (batch[i].Entry.Type, batch[i].Entry.Result);
            for (run = 1; i + run < batch.Count && batch[i + run].Entry.Type == type && batch[i + run].Entry.Result == result;) run++;
            Entries.Add(run, new("type", EntryTypes.NameOf(type)), new("result", EntryTypes.NameOf(result)));
        }
    }

    private static readonly Counter<long> OutKept = Meter.CreateCounter<long>("datavault.suppression.refused", "{customer}", "People who were not taken in, since they were erased");

    public static void KeptOut(int count)
    {
        if (count > 0) OutKept.Add(count);
    }

    public static void RolledBack() => Older.Add(1);

    public static void Damaged() => DamageMet.Add(1);

    public static void Failed(int count) => Refused.Add(count);
}
