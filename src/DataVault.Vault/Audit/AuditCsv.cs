using System.Globalization;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>
/// Entries and persons concerned as a table for a spreadsheet. Written piece by piece, so that any number of rows takes the memory of a few; harmless to
/// open (a cell that a spreadsheet would run as a formula is neutralised).
/// </summary>
public static class AuditCsv
{
    private const int Piece = 500;

    public static Task WriteAsync(Stream target, IAsyncEnumerable<AuditRecord> entries, CancellationToken ct) => WriteAsync(
        target, ["index", "at", "type", "result", "actor", "actorTag", "subjectTag", "persons", "purpose", "fields", "rules", "requestId", "policy"], entries, Row, ct);

    public static Task WriteAsync(Stream target, IAsyncEnumerable<ImpactPerson> people, CancellationToken ct) => WriteAsync(
        target, ["tag", "customer", "erased", "disclosures", "first", "last", "special", "fields"], people, Row, ct);

    /// <summary>What a figure of the desk counts, with the state of the log that it was listed at.</summary>
    public static Task WriteAsync(Stream target, DeskList list, IAsyncEnumerable<DeskRow> rows, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(list);
        return WriteAsync(target, [.. list.About is null ? Array.Empty<string>() : [list.About], .. list.Columns.Select(column => column.Name), .. s_asOf], rows, row => [.. list.About is null ? Array.Empty<string>() : [row.Key ?? ""], .. row.Cells, .. Cells(list.AsOf)], ct);
    }

    /// <summary>The figures of the desk.</summary>
    public static Task WriteAsync(Stream target, DeskView desk, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(desk);
        var rows = desk.Tiles.SelectMany(tile => tile.Figures.Select(figure => (Tile: tile.Name, Figure: figure)));
        return WriteAsync(
            target, ["tile", "figure", "of", "count", "at", "red", .. s_asOf], rows.ToAsyncEnumerable(),
            one => [one.Tile, one.Figure.Name, one.Figure.Of ?? "", one.Figure.Count is { } count ? Number(count) : "", one.Figure.At is { } at ? At(at) : "", one.Figure.IsRed ? "yes" : "no", .. Cells(one.Figure.AsOf)], ct);
    }

    private static readonly string[] s_asOf = ["asOfSize", "asOfRoot", "asOfAt"];

    private static string[] Cells(AsOf asOf) => [Number(asOf.Size), asOf.RootHash, At(asOf.At)];

    public static Task WriteAsync(Stream target, IReadOnlyList<DisclosureLine> lines, CancellationToken ct) => WriteAsync(
        target, ["recipient", "title", "role", "country", "transfer", "through", "kind", "purpose", "fields", "times", "first", "last", "entries"], lines.ToAsyncEnumerable(), Row, ct);

    public static Task WriteAsync(Stream target, IAsyncEnumerable<AutomatedDecisionView> decisions, CancellationToken ct) => WriteAsync(
        target, ["id", "customer", "model", "version", "client", "decidedAt", "state", "outcome", "standing", "score", "human", "inputs", "factors", "reviewBy", "overdue", "request", "reference"], decisions, Row, ct);

    private static async Task WriteAsync<T>(Stream target, IReadOnlyList<string> headings, IAsyncEnumerable<T> items, Func<T, IReadOnlyList<string>> row, CancellationToken ct)
    {
        using var buffer = new MemoryStream();
        using var csv = new SafeCsv(buffer, headings);
        var waiting = 0;
        await foreach (var item in items.WithCancellation(ct))
        {
            csv.Row(row(item));
            if (++waiting % Piece == 0) await FlushAsync(csv, buffer, target, ct);
        }

        await FlushAsync(csv, buffer, target, ct);
    }

    private static async Task FlushAsync(SafeCsv csv, MemoryStream buffer, Stream target, CancellationToken ct)
    {
        csv.Flush();
        await target.WriteAsync(buffer.GetBuffer().AsMemory(0, (int)buffer.Length), ct);
        buffer.SetLength(0);
    }

    private static IReadOnlyList<string> Row(AuditRecord record)
    {
        var entry = record.Entry;
        return
        [
            Number(record.Index), At(DateTimeOffset.FromUnixTimeMilliseconds(entry.Time)), EntryTypes.NameOf(entry.Type), EntryTypes.NameOf(entry.Result), record.Actor ?? "",
            Hex(entry.Actor), Hex(entry.Subject), entry.BulkCount > 0 ? Number(entry.BulkCount) : "", entry.Purpose, string.Join(' ', record.ItemNames),
            string.Join(' ', entry.Rules), Hex(entry.RequestId), Hex(entry.Policy),
        ];
    }

    private static IReadOnlyList<string> Row(ImpactPerson person) =>
    [
        person.Tag, person.Customer?.ToString() ?? "", person.Erased ? "yes" : "no", Number(person.Disclosures), At(person.First), At(person.Last),
        person.Special ? "yes" : "no", string.Join(' ', person.Items),
    ];

    private static IReadOnlyList<string> Row(DisclosureLine line) =>
    [
        line.Recipient ?? "", line.Title, line.Declared?.Role ?? "", line.Declared?.Country ?? "", line.Declared?.Transfer is { } transfer ? $"{transfer.Mechanism}: {transfer.Reference}" : "",
        line.Through, line.Kind, line.Purpose, string.Join(' ', line.Items), Number(line.Times), At(line.First), At(line.Last), string.Join(' ', line.Entries.Select(Number)),
    ];

    private static IReadOnlyList<string> Row(AutomatedDecisionView one) =>
    [
        one.Id.ToString("D"), one.Subject.ToString(), one.Model, one.Version, one.Client, At(one.DecidedAt), one.State, one.Outcome ?? "", one.Standing ?? "",
        one.Score?.ToString(CultureInfo.InvariantCulture) ?? "", one.Human ? "yes" : "no", string.Join(' ', one.Inputs), string.Join(' ', one.Factors), one.ReviewBy is { } by ? At(by) : "",
        one.IsOverdue ? "yes" : "no", one.Request?.ToString("D") ?? "", one.Reference ?? "",
    ];

    private static string Hex(ReadOnlyMemory<byte> bytes) => Convert.ToHexStringLower(bytes.Span);

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static string At(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
}
