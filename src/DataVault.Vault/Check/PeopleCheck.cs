using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>
/// What needs everybody's keys: that every sealed value opens under them, and that no analytics row is of nobody. The keys are in another database, and go on
/// while this one is looked at as it was: whoever seems damaged is looked at again (<see cref="SecondLook"/>).
/// </summary>
internal sealed class PeopleCheck(CheckRun run, KeyRegistry keys, RecordCipher cipher, ActivePolicy policy, SecondLook again)
{
    private const int Step = 256;

    private readonly HashSet<string> pseudonyms = new(StringComparer.Ordinal);
    private readonly SortedDictionary<SubjectId, List<CheckFinding>> suspects = new(Comparer<SubjectId>.Create((one, other) => one.Value.CompareTo(other.Value)));

    public async Task RunAsync(CancellationToken ct)
    {
        run.Step("Sealed values of people");
        await foreach (var chunk in run.Snapshot.RowsAsync($"select {SubjectRows.Columns} from vault.subject order by subject_id", SubjectRows.Read, ct).Chunk(Step).WithCancellation(ct))
        {
            var records = chunk.ToDictionary(record => record.Subject);
            await OpenAsync(records.Keys, held =>
            {
                if (!again.IsIntact(records[held.Subject], held)) Suspect(held.Subject, "records", $"the record of {held.Subject} does not match its seal, or does not open");
                foreach (var (domain, pseudonym) in AnalyticsRows.PseudonymsOf(held, keys, policy.Current)) pseudonyms.Add(domain.Schema + ' ' + pseudonym);
            }, ct);
        }

        await HistoryAsync(ct);
        await EventsAsync(ct);
        foreach (var (subject, findings) in suspects) await again.JudgeAsync(run, subject, findings, ct);
        var strangers = new List<(string Table, string Pseudonym)>();
        foreach (var domain in policy.Current.Analytics)
        {
            foreach (var table in AnalyticsSchema.Tables(domain))
            {
                await foreach (var pseudonym in run.Snapshot.RowsAsync($"select distinct pseudonym from {table}", row => row.GetString(0), ct))
                {
                    if (!pseudonyms.Contains(domain.Schema + ' ' + pseudonym)) strangers.Add((table, pseudonym));
                }
            }
        }

        await again.JudgeStrangersAsync(run, strangers, ct);
    }

    private void Suspect(SubjectId subject, string check, string message)
    {
        if (!suspects.TryGetValue(subject, out var findings)) suspects[subject] = findings = [];
        findings.Add(new CheckFinding(check, message));
    }

    private async Task HistoryAsync(CancellationToken ct)
    {
        await foreach (var chunk in run.Snapshot.RowsAsync(
            "select subject_id, row_version, sealed from vault.history order by subject_id",
            row => (Subject: new SubjectId(row.GetGuid(0)), Version: row.GetInt64(1), Sealed: row.GetFieldValue<byte[]>(2)), ct).Chunk(Step).WithCancellation(ct))
        {
            var rows = chunk.ToLookup(row => row.Subject);
            await OpenAsync([.. rows.Select(person => person.Key)], held =>
            {
                foreach (var row in rows[held.Subject].Where(row => !cipher.IsIntactHistory(held, row.Sealed)))
                    Suspect(held.Subject, "history", $"the history of {held.Subject} at version {row.Version} does not open");
            }, ct);
        }
    }

    private async Task EventsAsync(CancellationToken ct)
    {
        await foreach (var chunk in run.Snapshot.RowsAsync("select subject_id, event_id, event_type, occurred_at, sealed from vault.event order by subject_id", EventRows.Read, ct).Chunk(Step).WithCancellation(ct))
        {
            run.Count("events", chunk.Length);
            var rows = chunk.ToLookup(row => row.Subject);
            await OpenAsync([.. rows.Select(person => person.Key)], held =>
            {
                foreach (var row in rows[held.Subject].Where(row => !again.IsIntact(row, held))) Suspect(held.Subject, "events", $"the event {row.Id} of {held.Subject} does not open");
            }, ct);
        }
    }

    private async Task OpenAsync(IReadOnlyCollection<SubjectId> people, Action<SubjectKeys> look, CancellationToken ct)
    {
        var damaged = new List<SubjectId>();
        foreach (var held in await keys.GetManyAsync([.. people], damaged, ct))
        {
            using (held) look(held);
        }

        foreach (var subject in damaged.Where(subject => !suspects.ContainsKey(subject))) Suspect(subject, "keys", $"the key of {subject} does not open");
    }
}

/// <summary>The records against the log, by the verifier that auditors use.</summary>
internal sealed class RecordsCheck(CheckRun run, RecordsManifests manifests, AuditReader log, LogMirror mirror, VaultOptions options, SecondLook again)
{
    private const int Looks = 3;

    public async Task RunAsync(CancellationToken ct)
    {
        run.Step("Records against the log");
        DurableFile.EnsureFolder(options.Home);
        var (report, partial) = await CompareAsync(ct);
        // Whose key went between the look at the records and that at the keys is being erased: the next look finds the log saying so.
        for (var look = 1; look < Looks && report.Findings.Any(finding => finding.Fault == RecordFault.NoKey || IsOfPart(finding) && !partial); look++)
            (report, partial) = await CompareAsync(ct);
        foreach (var finding in report.Log.Findings) run.Wrong("log", finding.Message);
        foreach (var finding in report.Findings.Where(finding => !partial || !IsOfPart(finding))) run.Wrong("records-against-log", finding.Message);
        if (partial && report.Findings.Count(IsOfPart) is > 0 and var open)
            run.Note($"An erasure in part is under way: {open} differences in consents and events may be its own, and are judged when it is done.");
        run.Count("records against the log", report.Records);
    }

    // What a part takes of consents and events is gone with its first transaction; the log says so with the last.
    private static bool IsOfPart(RecordFinding finding) => finding.Fault is RecordFault.Consent or RecordFault.Events;

    private async Task<(RecordsReport Report, bool Partial)> CompareAsync(CancellationToken ct)
    {
        var partial = await again.IsPartUnderWayAsync(ct);
        await using var file = new FileStream(
            Path.Combine(options.Home, "records-check.part"), FileMode.Create, FileAccess.ReadWrite, FileShare.None, 1 << 16, FileOptions.DeleteOnClose);
        await manifests.WriteAsync(file, ct);
        file.Position = 0;
        var report = await new RecordsVerifier(log.Keys).VerifyAsync(new OwnLog(log, mirror), file, ct);
        return (report, partial || await again.IsPartUnderWayAsync(ct));
    }
}
