using DataVault.Client.Wire;

namespace DataVault.Client;

public sealed partial class VaultClient
{
    /// <summary>The officer's desk: figures, each as of a checkpoint of the log.</summary>
    public Task<OfficerDeskView> DeskAsync(CancellationToken cancellation = default) => GetAsync<OfficerDeskView>(new Query("/v1/desk"), cancellation);

    /// <summary>What a figure of the desk counts.</summary>
    public Task<DeskListView> DeskListAsync(string tile, string figure, string? of = null, int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<DeskListView>(new Query(DeskPath(tile, figure)).Add("of", of).Page(limit, cursor), cancellation);

    /// <summary>All figures of the desk as CSV; the caller disposes the stream.</summary>
    public Task<Stream> ExportDeskAsync(CancellationToken cancellation = default) => CsvAsync("/v1/desk/export", cancellation);

    /// <summary>The whole list behind a figure as CSV; the caller disposes the stream.</summary>
    public Task<Stream> ExportDeskListAsync(string tile, string figure, string? of = null, CancellationToken cancellation = default) =>
        CsvAsync(new Query(DeskPath(tile, figure) + "/export").Add("of", of).ToString(), cancellation);

    private static string DeskPath(string tile, string figure) => $"/v1/desk/{Uri.EscapeDataString(tile)}/{Uri.EscapeDataString(figure)}";

    private async Task<Stream> CsvAsync(string path, CancellationToken cancellation)
    {
        var response = await _wire.SendAsync(new VaultCall(HttpMethod.Get, path, Repeatable: true) { Accept = "text/csv, application/problem+json" }, cancellation);
        return await response.Content.ReadAsStreamAsync(cancellation);
    }
}
