using System.Text.Json;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>
/// What happened: one reading of all events, oldest first, becomes the JSON lines, a table for each type, the page, and what the person may take along.
/// </summary>
internal sealed class EventsSection(ExportSource source)
{
    // So often the share that is done is told.
    private const int Told = 5_000;

    public async Task WriteAsync(PackageBag package, PortableFiles portable, CancellationToken cancellation)
    {
        var order = package.Order;
        var permits = order.Decision.Permits.Where(permit => permit.Item is EventTypeDefinition && (!order.IsPortability || order.Portable.Contains(permit.Item))).ToList();
        var total = await source.CountEventsAsync(order.Keys, permits, cancellation);
        var done = 0L;
        order.Progress(0);
        var tables = new SortedDictionary<string, TypeTable>(StringComparer.Ordinal);
        try
        {
            using (var lines = package.Lines("data/json/events.ndjson"))
                await foreach (var item in source.EventsAsync(order.Keys, permits, cancellation))
                {
                    using var properties = JsonDocument.Parse(item.Content.Utf8Properties);
                    lines.Line(json => WriteEvent(json, item));
                    if (!tables.TryGetValue(item.Type.Type, out var table)) tables.Add(item.Type.Type, table = new TypeTable(package, item.Type));
                    table.Add(item, properties.RootElement, package.Words);
                    if (order.Portable.Contains(item.Type)) portable.Add(item, properties.RootElement);
                    if (++done % Told == 0) order.Progress(total > 0 ? Math.Min(1, (double)done / total) : 1);
                }
            foreach (var table in tables.Values) table.Take(package);
            package.Page("events", page =>
            {
                foreach (var table in tables.Values) table.Show(page, package.Words);
                if (tables.Count == 0) page.Paragraph(package.Words["table.nothing"]);
            });
        }
        finally
        {
            foreach (var table in tables.Values) table.Dispose();
        }
    }

    private static void WriteEvent(Utf8JsonWriter json, ExportedEvent item)
    {
        json.WriteStartObject();
        json.WriteString("id", item.Id);
        json.WriteString("type", item.Type.Type);
        json.WriteString("occurredAt", PackageBag.Instant(item.OccurredAt));
        json.WriteString("recordedAt", PackageBag.Instant(item.RecordedAt));
        json.WriteString("source", item.Content.Source);
        json.WritePropertyName("properties");
        json.WriteRawValue(item.Content.Utf8Properties.Span, skipInputValidation: true);
        json.WriteEndObject();
    }

    /// <summary>The events of one type, with the columns of that type.</summary>
    private sealed class TypeTable : IDisposable
    {
        private readonly EventTypeDefinition type;
        private readonly PackageColumn[] columns;
        private readonly SpooledTable table;
        private readonly Queue<IReadOnlyList<PageCell>> shown = new();

        public TypeTable(PackageBag package, EventTypeDefinition type)
        {
            this.type = type;
            columns = ["id", new("occurredAt", "datetime"), new("recordedAt", "datetime"), "source", .. type.Properties.Select(property => new PackageColumn(property.Name))];
            table = package.Begin(columns);
        }

        public void Add(ExportedEvent item, JsonElement properties, PackageWords words)
        {
            var values = type.Properties.Select(property => properties.TryGetProperty(property.Name, out var value) ? value : default).ToList();
            table.Row([item.Id.ToString(), PackageBag.Instant(item.OccurredAt), PackageBag.Instant(item.RecordedAt), item.Content.Source, .. values.Select(value => ReadableValue.Of(value))]);
            shown.Enqueue([words.When(item.OccurredAt), .. values.Select(value => (PageCell)ReadableValue.Of(value, words)), item.Content.Source]);
            if (shown.Count > PackageBag.Shown) shown.Dequeue();
        }

        public void Take(PackageBag package) => package.Take($"events-{type.Type}", columns, table);

        public void Show(PackagePage page, PackageWords words)
        {
            var (language, label) = type.Labels.In(words.Language);
            page.Heading(label, language);
            page.Paragraph(words.Filled("table.count", table.Rows, shown.Count, $"data/csv/events-{type.Type}.csv"));
            page.Table(PageCell.Of(type.Labels, words), [words["col.when"], .. type.Properties.Select(property => PageCell.Of(property.Labels ?? property.Name, words)), words["col.source"]], shown.Reverse());
        }

        public void Dispose() => table.Dispose();
    }
}
