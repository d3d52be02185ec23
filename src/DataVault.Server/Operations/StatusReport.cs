using System.Diagnostics;
using System.Globalization;
using DataVault.Client.Wire;
using DataVault.Issuer;
using DataVault.Policy;
using DataVault.Server.Outbound;
using DataVault.Vault;
using Npgsql;

namespace DataVault.Server.Operations;

/// <summary>How the vault does: numbers and states, no personal data.</summary>
internal sealed class StatusReport(
    [FromKeyedServices("vault")] NpgsqlDataSource vault, AuditReader log, Health health, ServerSettings settings, ActivePolicy policy, StatusSources sources)
{
    private static readonly TimeSpan ExpirySoon = TimeSpan.FromDays(30);

    private const string Counts = "SELECT (SELECT count(*) FROM vault.subject), (SELECT count(*) FROM vault.event)";
    private static readonly string ProgramVersion = typeof(StatusReport).Assembly.GetName().Version?.ToString(3) ?? "0";
    private static readonly DateTimeOffset StartedAt = Process.GetCurrentProcess().StartTime.ToUniversalTime();

    public async Task<VaultStatus> MakeAsync(CancellationToken cancellation)
    {
        await using var command = vault.CreateCommand(Counts);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return new VaultStatus(
            ProgramVersion, settings.Development ? "development" : "production", reader.GetInt64(0), reader.GetInt64(1), log.Size,
            log.LatestSigned is { } signed ? $"{signed.Size};{signed.Root64}" : null, policy.Current.Version, await PartsAsync(cancellation), StartedAt);
    }

    // What the log is shown to, and what waits for somebody, stand here and not in the health: a witness that is away makes no vault unready.
    private async Task<IReadOnlyDictionary<string, string>> PartsAsync(CancellationToken cancellation)
    {
        var parts = new SortedDictionary<string, string>((await health.CheckAsync(cancellation)).ToDictionary(p => p.Key, p => p.Value));
        foreach (var (name, state) in sources.Outbound.Parts)
            parts[name] = state;
        var backlog = await sources.Rights.LookAsync(cancellation);
        parts["outbox"] = Describe(backlog.Outbox);
        parts["holds"] = Describe(backlog);
        parts["requests"] = backlog.ForgedRequests == 0 ? Health.Good : string.Create(CultureInfo.InvariantCulture, $"{backlog.ForgedRequests} not written by the vault");
        parts["records"] = log.DamageMet switch
        {
            (0, _) => Health.Good,
            var (calls, last) => string.Create(CultureInfo.InvariantCulture, $"{calls} calls met what the vault did not write, the last in entry {last}: check deep"),
        };
        parts["notices"] = backlog switch
        {
            { ChangedNotices: > 0 } => string.Create(CultureInfo.InvariantCulture, $"{backlog.ChangedNotices} changed in the database, {backlog.OverdueNotices} overdue"),
            { OverdueNotices: > 0 } => string.Create(CultureInfo.InvariantCulture, $"{backlog.OverdueNotices} recipients not told within {RightsWatch.NoticePatience.TotalDays} days"),
            _ => Health.Good,
        };
        parts["letters"] = backlog.LettersToPost == 0 ? Health.Good : string.Create(CultureInfo.InvariantCulture, $"{backlog.LettersToPost} to post");
        if (policy.IsDisputed)
            parts["policy"] = "named otherwise by the database";
        var unconfirmed = await sources.Issuer.UnconfirmedAsync(cancellation);
        parts["changes"] = unconfirmed == 0 ? Health.Good : string.Create(CultureInfo.InvariantCulture, $"{unconfirmed} of accounts or applications not confirmed in the log");
        parts["mail"] = Describe(await sources.Issuer.LettersAsync(cancellation));
        var backups = await sources.Backups.LookAsync(cancellation);
        parts["backups"] = Describe([.. backups.Backups.Where(backup => backup.IsDue)]);
        parts["drill"] = Describe(backups.Drill);
        var older = await sources.SignIns.CountAsync(cancellation);
        parts["sign-ins"] = older == 0 ? Health.Good : string.Create(CultureInfo.InvariantCulture, $"{older} older than they were: restore status");
        var oversight = await sources.Alerts.LookAsync(cancellation);
        parts["alerts"] = oversight.OpenAlerts == 0 ? Health.Good : string.Create(CultureInfo.InvariantCulture, $"{oversight.OpenAlerts} not acknowledged");
        parts["reviews"] = oversight.OverdueReviews == 0 ? Health.Good : string.Create(CultureInfo.InvariantCulture, $"{oversight.OverdueReviews} overdue, {oversight.OpenReviews} open");
        parts["breaches"] = Describe(await sources.Breaches.WatchAsync(cancellation));
        parts["clients"] = await sources.Clients.ExpiryAsync(ExpirySoon, cancellation) switch
        {
            (0, 0) => Health.Good,
            var (expired, soon) => string.Create(CultureInfo.InvariantCulture, $"{expired} expired, {soon} expire within {ExpirySoon.TotalDays} days"),
        };
        if (log.SignerRefusal is { } refusal)
            parts["log"] = refusal;
        return parts;
    }

    private static string Describe(RightsBacklog backlog) => backlog switch
    {
        { ChangedHolds: > 0 } => string.Create(CultureInfo.InvariantCulture, $"{backlog.ChangedHolds} changed in the database, {backlog.OverdueHolds} overdue for review"),
        { OverdueHolds: > 0 } => string.Create(CultureInfo.InvariantCulture, $"{backlog.OverdueHolds} overdue for review"),
        _ => Health.Good,
    };

    private static string Describe(BreachWatch watch) => watch switch
    {
        { Damaged: > 0 } => string.Create(CultureInfo.InvariantCulture, $"{watch.Damaged} changed in the database, {watch.DueSoon} due within a day, {watch.Open} open"),
        { DueSoon: > 0 } => string.Create(CultureInfo.InvariantCulture, $"{watch.DueSoon} due within a day, of them {watch.Overdue} overdue; {watch.Open} open"),
        _ => Health.Good,
    };

    private static string Describe(IReadOnlyList<LastBackup> due) =>
        due.Count == 0 ? Health.Good : "due: " + string.Join(", ", due.Select(backup => $"{BackupFacts.NameOf(backup.Part)}{Since(backup.At)}"));

    private static string Describe(LastDrill drill) => drill.IsDue ? "due" + Since(drill.At) : Health.Good;

    private static string Since(DateTimeOffset? last) => last is { } at ? string.Create(CultureInfo.InvariantCulture, $" (last {at:yyyy-MM-dd})") : " (none in the log)";

    private static string Describe((long Waiting, long Dead) letters) => letters switch
    {
        { Dead: > 0 } => string.Create(CultureInfo.InvariantCulture, $"{letters.Dead} not sent, {letters.Waiting} waiting"),
        { Waiting: > 0 } => string.Create(CultureInfo.InvariantCulture, $"{letters.Waiting} waiting"),
        _ => Health.Good,
    };

    private static string Describe(OutboxState outbox) => outbox switch
    {
        { Dead: > 0 } => string.Create(CultureInfo.InvariantCulture, $"{outbox.Dead} dead, {outbox.Waiting} waiting"),
        { Waiting: > 0 } => string.Create(CultureInfo.InvariantCulture, $"{outbox.Waiting} waiting"),
        _ => Health.Good,
    };
}

/// <summary>Who knows something that only the status tells.</summary>
internal sealed record StatusSources(OutboundState Outbound, RightsWatch Rights, Alerts Alerts, IssuerWatch Issuer, BackupHistory Backups, ClientRegistry Clients, OlderSignIns SignIns, BreachRegister Breaches);
