using System.Globalization;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>What is held of the person now and what was held before, and where it came from.</summary>
internal sealed class ProfileSection(ExportSource source)
{
    private static readonly PackageColumn[] Columns =
        ["field", "label", "value", "category", "source", new("recordedAt", "datetime"), "origin", "notice", "retention"];

    private static readonly PackageColumn[] PastColumns =
        ["field", "label", "value", "source", new("recordedAt", "datetime"), "origin", new("replacedAt", "datetime")];

    /// <summary>The current values. In a package to take along only those that the person provided or that were observed of them.</summary>
    public static List<OpenedField> Chosen(PackageOrder order, OpenedRecord record) =>
        [.. record.Where(field => !order.IsPortability || IsPortable(order, field)).OrderBy(field => field.Field.Ordinal)];

    public static bool IsPortable(PackageOrder order, OpenedField field) => order.Portable.Contains(field.Field) && PortableItems.IsFromPerson(field.Provenance.Origin);

    public static void Write(PackageBag package, IReadOnlyList<OpenedField> fields)
    {
        package.Json("data/json/profile.json", json =>
        {
            json.WriteStartObject();
            json.WriteString("format", "datavault/package/v2");
            json.WriteString("customer", package.Order.Record.Subject.Value);
            json.WriteNumber("version", package.Order.Record.RowVersion);
            json.WriteStartObject("fields");
            foreach (var field in fields) WriteField(json, field, LabelOf(package, field));
            json.WriteEndObject();
            json.WriteEndObject();
        });
        package.Table("profile", Columns, fields.Select(field => (IReadOnlyList<string>)
        [
            field.Field.Name, LabelOf(package, field), ReadableValue.Of(field.Utf8Json), field.Field.Category, field.Provenance.Source, PackageBag.Instant(field.Provenance.RecordedAt),
            field.Provenance.Origin, field.Provenance.Notice ?? "", field.Field.Retention,
        ]));
        var words = package.Words;
        package.Page("profile", page => page.Table(
            words["table.values"],
            [words["col.what"], words["col.value"], words["col.kind"], words["col.source"], words["col.recorded"], words["col.origin"], words["col.notice"]],
            fields.Select(field => Row(words, field))));
        WriteProvenance(package, fields);
    }

    /// <summary>Every value that a later one replaced.</summary>
    public async Task WritePastAsync(PackageBag package, CancellationToken cancellation)
    {
        var (order, words) = (package.Order, package.Words);
        var shown = new Queue<IReadOnlyList<PageCell>>();
        var count = 0L;
        using var table = package.Begin(PastColumns);
        using (var lines = package.Lines("data/json/history.ndjson"))
            await foreach (var change in source.ChangesAsync(order.Keys, order.Decision.Permits, cancellation))
            {
                var value = ReadableValue.Of(change.Field.Utf8Json);
                lines.Line(json => WriteChange(json, change));
                table.Row(change.Field.Field.Name, LabelOf(package, change.Field), value, change.Field.Provenance.Source, PackageBag.Instant(change.Field.Provenance.RecordedAt), change.Field.Provenance.Origin, PackageBag.Instant(change.ReplacedAt));
                shown.Enqueue([PageCell.Of(change.Field.Field.Labels, words), ReadableValue.Of(change.Field.Utf8Json, words), change.Field.Provenance.Source, words.When(change.ReplacedAt)]);
                if (++count > PackageBag.Shown) shown.Dequeue();
            }
        package.Take("history", PastColumns, table);
        package.Page("history", page =>
        {
            page.Paragraph(words.Filled("table.count", count, shown.Count, "data/json/history.ndjson"));
            page.Table(words["table.values"], [words["col.what"], words["col.value"], words["col.source"], words["col.replaced"]], shown.Reverse());
        });
    }

    private static PageCell[] Row(PackageWords words, OpenedField field) =>
    [
        PageCell.Of(field.Field.Labels, words), ReadableValue.Of(field.Utf8Json, words), PageCell.Of(field.Field.Class.Labels ?? field.Field.Class.Name, words),
        field.Provenance.Source, words.When(field.Provenance.RecordedAt),
        words.Of("origin", field.Provenance.Origin), field.Provenance.Notice ?? "",
    ];

    private static void WriteProvenance(PackageBag package, IReadOnlyList<OpenedField> fields) => package.Json("meta/provenance.json", json =>
    {
        json.WriteStartArray();
        foreach (var field in fields)
        {
            json.WriteStartObject();
            json.WriteString("path", $"/fields/{field.Field.Name}");
            json.WriteString("source", field.Provenance.Source);
            json.WriteString("recordedAt", PackageBag.Instant(field.Provenance.RecordedAt));
            json.WriteString("origin", field.Provenance.Origin);
            if (field.Provenance.Notice is { } notice) json.WriteString("notice", notice);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });

    private static string LabelOf(PackageBag package, OpenedField field) => field.Field.Labels.In(package.Words.Language).Text;

    private static void WriteField(Utf8JsonWriter json, OpenedField field, string label)
    {
        json.WriteStartObject(field.Field.Name);
        json.WriteString("label", label);
        json.WriteString("category", field.Field.Category);
        WriteValue(json, field);
        json.WriteString("retention", field.Field.Retention);
        json.WriteBoolean("special", field.Field.IsSpecialCategory);
        json.WriteEndObject();
    }

    private static void WriteChange(Utf8JsonWriter json, ExportedChange change)
    {
        json.WriteStartObject();
        json.WriteString("field", change.Field.Field.Name);
        WriteValue(json, change.Field);
        json.WriteString("replacedAt", PackageBag.Instant(change.ReplacedAt));
        json.WriteNumber("replacedInVersion", change.ReplacedIn);
        json.WriteEndObject();
    }

    private static void WriteValue(Utf8JsonWriter json, OpenedField field)
    {
        var provenance = field.Provenance;
        json.WritePropertyName("value");
        json.WriteRawValue(field.Utf8Json.Span, skipInputValidation: true);
        json.WriteString("source", provenance.Source);
        json.WriteString("recordedAt", PackageBag.Instant(provenance.RecordedAt));
        json.WriteString("origin", provenance.Origin);
        if (provenance.Notice is { } notice) json.WriteString("notice", notice);
        json.WriteNumber("version", field.Version);
    }
}
