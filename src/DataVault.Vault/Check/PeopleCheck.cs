using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>What needs everybody's keys: that every sealed value opens under them, and that no analytics row is of nobody.</summary>
internal sealed class PeopleCheck(CheckRun run, KeyRegistry keys, RecordCipher cipher, ActivePolicy policy)
{
    private const int Step = 256;

    private readonly HashSet<string> pseudonyms = new(StringComparer.Ordinal);

    public async Task RunAsync(CancellationToken ct)
    {
        run.Step("Sealed values of people");
        await foreach (var chunk in run.Snapshot.RowsAsync($"select {SubjectRows.Columns} from vault.subject order by subject_id", SubjectRows.Read, ct).Chunk(Step).WithCancellation(ct))
        {
            foreach (var held in await keys.GetManyAsync([.. chunk.Select(record => record.Subject)], ct))
            {
                using (held)
                {
                    if (!cipher.IsIntact(chunk.First(record => record.Subject == held.Subject), held)) run.Wrong("records", $"the record of {held.Subject} does not match its seal, or does not open");
                    foreach (var (domain, pseudonym) in AnalyticsRows.PseudonymsOf(held, keys, policy.Current)) pseudonyms.Add(domain.Schema + ' ' + pseudonym);
                }
            }
        }

        await HistoryAsync(ct);
        await EventsAsync(ct);
        foreach (var domain in policy.Current.Analytics)
        {
            foreach (var table in AnalyticsSchema.Tables(domain)) await AnalyticsAsync(domain, table, ct);
        }
    }

    private async Task HistoryAsync(CancellationToken ct)
    {
        await foreach (var chunk in run.Snapshot.RowsAsync(
            "select subject_id, row_version, sealed from vault.history order by subject_id",
            row => (Subject: new SubjectId(row.GetGuid(0)), Version: row.GetInt64(1), Sealed: row.GetFieldValue<byte[]>(2)), ct).Chunk(Step).WithCancellation(ct))
        {
            await OpenAsync(chunk.GroupBy(row => row.Subject), (held, row) =>
            {
                if (!cipher.IsIntactHistory(held, row.Sealed)) run.Wrong("history", $"the history of {held.Subject} at version {row.Version} does not open");
            }, ct);
        }
    }

    private async Task EventsAsync(CancellationToken ct)
    {
        await foreach (var chunk in run.Snapshot.RowsAsync("select subject_id, event_id, event_type, occurred_at, sealed from vault.event order by subject_id", EventRows.Read, ct).Chunk(Step).WithCancellation(ct))
        {
            run.Count("events", chunk.Length);
            await OpenAsync(chunk.GroupBy(row => row.Subject), (held, row) =>
            {
                if (policy.Current.Events.ById(row.TypeId) is { } type && !cipher.IsIntactEvent(held, type, row.Id, row.Sealed)) run.Wrong("events", $"the event {row.Id} of {held.Subject} does not open");
            }, ct);
        }
    }

    private async Task OpenAsync<T>(IEnumerable<IGrouping<SubjectId, T>> people, Action<SubjectKeys, T> look, CancellationToken ct)
    {
        var rows = people.ToDictionary(person => person.Key);
        foreach (var held in await keys.GetManyAsync([.. rows.Keys], ct))
        {
            using (held)
            {
                foreach (var row in rows[held.Subject]) look(held, row);
            }
        }
    }

    private async Task AnalyticsAsync(AnalyticsDomain domain, string table, CancellationToken ct)
    {
        await foreach (var pseudonym in run.Snapshot.RowsAsync($"select distinct pseudonym from {table}", row => row.GetString(0), ct))
        {
            if (!pseudonyms.Contains(domain.Schema + ' ' + pseudonym)) run.Wrong("analytics", $"{table} has rows of {pseudonym}, who is nobody");
        }
    }
}

/// <summary>The records against the log, by the verifier that auditors use.</summary>
internal sealed class RecordsCheck(CheckRun run, RecordsManifests manifests, AuditReader log, LogMirror mirror, VaultOptions options)
{
    public async Task RunAsync(CancellationToken ct)
    {
        run.Step("Records against the log");
        DurableFile.EnsureFolder(options.Home);
        await using var file = new FileStream(
            Path.Combine(options.Home, "records-check.part"), FileMode.Create, FileAccess.ReadWrite, FileShare.None, 1 << 16, FileOptions.DeleteOnClose);
        await manifests.WriteAsync(file, ct);
        file.Position = 0;
        if (!NoteVerifier.TryParseFile(log.VerifierKey, out var key)) throw new CryptographicException("The log's own key cannot be read.");
        var report = await new RecordsVerifier(key!).VerifyAsync(new OwnLog(log, mirror), file, ct);
        foreach (var finding in report.Log.Findings) run.Wrong("log", finding.Message);
        foreach (var finding in report.Findings) run.Wrong("records-against-log", finding.Message);
        run.Count("records against the log", report.Records);
    }
}
