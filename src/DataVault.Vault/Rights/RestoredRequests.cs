using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault;

/// <summary>
/// A database that was restored has older requests by right. They go on from where they stand there when a restore behind which an operator stands explains it
/// exactly; any other that is older than it was is not carried out.
/// </summary>
internal sealed class RestoredRequests(VaultDatabase database, ErasureNotebook notebook, RequestSeals seals, RestoreDeclarations restores, ILogger<RestoredRequests> logger)
{
    private const string Erased = "select request_id, work from vault.closed_request where work is not null and certificate is null";

    /// <summary>Before anything is carried out. The log is read only when there are such.</summary>
    public async Task AcceptAsync(CancellationToken ct)
    {
        var rows = await RowsAsync(ct);
        if ((await seals.Memory.OlderAsync(rows, ct)).Count == 0) return;
        try
        {
            var (declared, _) = await restores.ReadAsync(0, ct);
            var taken = await seals.Memory.AcceptAsync([.. declared.Where(restore => restore.IsBelieved)], rows, ct);
            logger.LogWarning("Of a declared restore {Taken} requests are older and go on from where they stand.", taken);
        }
        catch (VaultException e)
        {
            // They are not carried out until the next start can look.
            logger.LogError("Restores that the log declares cannot be looked at now ({Slug}).", e.Slug);
        }
    }

    private async Task<List<(Guid, long)>> RowsAsync(CancellationToken ct)
    {
        await using var open = database.Source.CreateCommand(RequestStore.SelectOpen);
        await using var closed = database.Source.CreateCommand(Erased);
        return
        [
            .. (await Rows.ReadAsync(open, RequestStore.Row, ct)).Where(seals.Fits).Select(row => (row.Id, row.LogIndex)),
            .. (await Rows.ReadAsync(closed, row => (Id: row.GetGuid(0), Work: row.GetFieldValue<byte[]>(1)), ct)).Select(row => (row.Id, ExecutedAt(row.Id, row.Work))).Where(row => row.Item2 > 0),
        ];
    }

    private long ExecutedAt(Guid request, byte[] work)
    {
        try
        {
            return notebook.Open(new RequestRow(request, null, "", "", "") { Work = work }).ExecutedIndex;
        }
        catch (Exception e) when (e is CryptographicException or JsonException)
        {
            return 0;
        }
    }
}
