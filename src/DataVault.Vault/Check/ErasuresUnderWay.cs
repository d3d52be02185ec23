using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>Erasures that are begun and not done: a row that the vault wrote, with work that opens. What somebody else wrote there, or put back, excuses nothing.</summary>
internal sealed class ErasuresUnderWay(VaultDatabase database, ErasureNotebook notebook, RequestSeals seals, LogStore log)
{
    public async Task<List<(RequestRow Request, ErasureWork Work)>> ListAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(RequestStore.SelectOpen + " where work is not null");
        var rows = (await Rows.ReadAsync(command, RequestStore.Row, ct)).Where(row => seals.Fits(row) || row.Seal is null && seals.TakesUnsealed).ToList();
        var older = await seals.Memory.OlderAsync([.. rows.Select(row => (row.Id, row.LogIndex))], ct);
        return [.. rows.Where(row => !older.Contains(row.Id)).Select(row => (Request: row, Work: Opened(row)!)).Where(one => one.Work is not null)];
    }

    /// <summary>Whose erasure is begun and not done.</summary>
    public async Task<HashSet<SubjectId>> PeopleAsync(CancellationToken ct) => [.. (await ListAsync(ct)).Select(one => one.Request.Subject!.Value)];

    /// <summary>Whether the log tells that an erasure of the person was begun which the vault has noted down.</summary>
    public async Task<bool> IncludesAsync(SubjectId subject, CancellationToken ct)
    {
        foreach (var (request, work) in (await ListAsync(ct)).Where(one => one.Request.Subject == subject))
        {
            if ((await log.EntriesAtAsync([work.RequestedIndex], ct)).TryGetValue(work.RequestedIndex, out var encoded) && IsAbout(LogEntry.Decode(encoded), request, work)) return true;
        }

        return false;
    }

    private static bool IsAbout(LogEntry entry, RequestRow request, ErasureWork work) =>
        entry.Type == EntryType.EraseRequest && entry.Subject.Span.SequenceEqual(work.Tag) && entry.Rules.Contains($"request:{request.Id:D}");

    private ErasureWork? Opened(RequestRow row)
    {
        try
        {
            return notebook.Open(row);
        }
        catch (Exception e) when (e is CryptographicException or JsonException)
        {
            return null;
        }
    }
}
