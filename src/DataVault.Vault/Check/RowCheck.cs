using DataVault.Policy;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>Rows of one kind against what the log tells of them.</summary>
internal interface IToldCheck
{
    /// <param name="log">Has been read.</param>
    /// <param name="ct">Ends the check.</param>
    Task RunAsync(LogCheck log, CancellationToken ct);
}

/// <summary>What rows say of each other: whose rows belong to nobody, whose request stands where no entry put it, which package has no request.</summary>
internal sealed class RowCheck(CheckRun run, PackageFolder packages, VaultDatabase database, IReadOnlyList<IToldCheck> told, RequestStore store)
{
    private const int Looks = 20;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    // Whatever is keyed by a person, by now and in later versions too.
    private const string SubjectTables =
        """
        select format('%I.%I', n.nspname, c.relname) from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
        where a.attname = 'subject_id' and c.relkind in ('r', 'p') and not c.relispartition and n.nspname in ('vault', 'audit')
          and format('%I.%I', n.nspname, c.relname) <> 'vault.subject' and has_table_privilege(c.oid, 'select')
        order by 1
        """;

    private sealed record Request(Guid Id, string Kind, string State, long LogIndex, bool Open, bool Certified);

    private readonly List<Request> requests = [];

    public async Task RunAsync(LogCheck log, CancellationToken ct)
    {
        run.Step("Rows of people");
        foreach (var table in await run.Snapshot.ListAsync(SubjectTables, row => row.GetString(0), ct)) await StrayAsync(table, ct);
        await FactsAsync(ct);
        await LoadRequestsAsync(ct);
        await SealsAsync(ct);
        foreach (var request in requests) log.Wanted.TryAdd(request.LogIndex, null);
        await PackagesAsync(ct);
    }

    /// <summary>After the log has been read.</summary>
    public async Task CompareWithAsync(LogCheck log, CancellationToken ct)
    {
        foreach (var check in told) await check.RunAsync(log, ct);
        foreach (var request in requests) Compare(request, log.Wanted.GetValueOrDefault(request.LogIndex));
        run.Count("requests", requests.Count);
    }

    private async Task StrayAsync(string table, CancellationToken ct)
    {
        var stray = await run.Snapshot.ListAsync(
            // The nil id says that a row names nobody: of an erased person.
            $"select t.subject_id, count(*) from {table} t where t.subject_id is not null and t.subject_id <> '{Guid.Empty}' and not exists (select from vault.subject s where s.subject_id = t.subject_id) group by 1 order by 1",
            row => (Subject: row.GetGuid(0), Count: row.GetInt64(1)), ct);
        foreach (var (subject, count) in stray) run.Wrong("rows", $"{table} has {count} rows of {subject}, who has no record");
    }

    private async Task FactsAsync(CancellationToken ct)
    {
        await foreach (var (subject, version, facts, record) in run.Snapshot.RowsAsync(
            "select subject_id, row_version, facts, record from vault.subject", row => (row.GetGuid(0), row.GetInt64(1), row.GetFieldValue<byte[]>(2), row.GetFieldValue<byte[]>(3)), ct))
        {
            run.Count("records", 1);
            if (version < 1) run.Wrong("records", $"the record of {subject} has the version {version}");
            if (!FactsCodec.TryDecode(facts, out _)) run.Wrong("records", $"the facts of {subject} cannot be read");
            if (!Unpacks(record)) run.Wrong("records", $"the record of {subject} cannot be read");
        }
    }

    private static bool Unpacks(byte[] record)
    {
        try
        {
            return RecordCodec.Unpack(record) is var groups && groups.Select(group => group.ClassId).Distinct().Count() == groups.Count;
        }
        catch (Exception e) when (e is InvalidDataException or OverflowException)
        {
            return false;
        }
    }

    private async Task LoadRequestsAsync(CancellationToken ct) => requests.AddRange(await run.Snapshot.ListAsync(
        """
        select request_id, kind, state, log_index, true, false from vault.request
        union all select request_id, kind, state, log_index, false, certificate is not null from vault.closed_request
        """,
        row => new Request(row.GetGuid(0), row.GetString(1), row.GetString(2), row.GetInt64(3), row.GetBoolean(4), row.GetBoolean(5)), ct));

    private async Task SealsAsync(CancellationToken ct)
    {
        var found = await run.Snapshot.ListAsync(RequestStore.SelectOpen, RequestStore.Row, ct);
        foreach (var request in found.Where(request => !store.Seals.Fits(request))) run.Wrong("requests", $"the request {request.Id} is not as the vault wrote it: nothing of it is carried out");
        foreach (var id in await store.PutBackAsync([.. found.Where(store.Seals.Fits)], ct)) run.Wrong("requests", $"the request {id} is older than it was: somebody put its row back, and nothing of it is carried out");
    }

    private void Compare(Request request, LogEntry? entry)
    {
        if (!RequestKinds.All.Contains(request.Kind) || !RequestStates.All.Contains(request.State)) run.Wrong("requests", $"the request {request.Id} is of the kind {request.Kind} in the state {request.State}");
        else if (entry is null || !entry.Rules.Contains($"request:{request.Id:D}")) run.Wrong("requests", $"the request {request.Id} was logged by entry {request.LogIndex}, which is not about it");
        else if (request is { Open: false, Kind: RequestKinds.Erasure, State: RequestStates.Completed, Certified: false } && entry.Type == EntryType.EraseExecuted)
            run.Wrong("requests", $"the erasure {request.Id} is completed and has no certificate");
        else if (request is { Open: false, State: RequestStates.Approved }) run.Note($"The erasure {request.Id} has no certificate yet.");
    }

    private async Task PackagesAsync(CancellationToken ct)
    {
        var open = requests.Where(request => request.Open).Select(request => request.Id).ToHashSet();
        foreach (var (path, request) in packages.Files().Where(file => !open.Contains(file.Request)))
        {
            if (await IsLeftAsync(path, request, ct)) run.Wrong("packages", $"the file {Path.GetFileName(path)} is of a request that is not open");
        }

        run.Count("packages", packages.Files().Count);
    }

    // The request was opened since, or the file is about to go: an erasure removes it right after the rows.
    private async Task<bool> IsLeftAsync(string path, Guid request, CancellationToken ct)
    {
        for (var look = 0; look < Looks && File.Exists(path); look++)
        {
            await using var command = database.Source.CreateCommand("select exists (select from vault.request where request_id = $1)");
            command.Parameters.Add(new() { Value = request });
            if (await command.ExecuteScalarAsync(ct) is true) return false;
            await Task.Delay(Pause, ct);
        }

        return File.Exists(path);
    }
}
