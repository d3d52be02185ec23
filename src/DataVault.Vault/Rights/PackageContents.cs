using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>What a package is made from: the request, the keys and the record, and what the decision point permitted.</summary>
internal sealed record PackageOrder(RequestRow Request, SubjectKeys Keys, SealedRecord Record, Decision Decision, long LogIndex, DateTimeOffset At);

/// <summary>An entry of the log about the person: who did what, when and what for. Staff appear as their roles, never by name.</summary>
internal sealed record ExportedAccess(
    long LogIndex, DateTimeOffset At, string Type, string Actor, string Purpose, string Result, IReadOnlyList<string> Items)
{
    public static ExportedAccess Of(AuditRecord record) => new(
        record.Index, DateTimeOffset.FromUnixTimeMilliseconds(record.Entry.Time), EntryTypes.NameOf(record.Entry.Type),
        record.Actor ?? "not known", record.Entry.Purpose, EntryTypes.NameOf(record.Entry.Result), record.ItemNames);
}

/// <summary>
/// Writes the files of a package: the same facts for people (README.html), for programs (JSON, JSON Lines) and for spreadsheets (CSV).
/// A fact is written as it is read, so a long history needs no more memory than a short one.
/// </summary>
internal sealed class PackageContents(ExportSource source, AuditReader log, RequestStore requests, RequestNotes notes, ActivePolicy policy)
{
    private const int ShownOnPage = 300;

    public async Task WriteAsync(Stream destination, PackageOrder order, CancellationToken cancellation)
    {
        using var package = new PackageWriter(destination, order.At);
        var sections = new List<ReadableTable>();
        var fields = WriteProfile(package, order);
        await WriteChangesAsync(package, order, cancellation);
        sections.Add(await WriteEventsAsync(package, order, cancellation));
        await WriteEventTablesAsync(package, order, cancellation);
        sections.Add(WriteStanding(package, order));
        sections.Add(await WriteConsentsAsync(package, order, cancellation));
        sections.Add(await WriteAccessesAsync(package, order, cancellation));
        sections.Add(await WriteRequestsAsync(package, order, cancellation));
        sections.Add(NotIncluded(order));
        WritePage(package, order, fields, sections);
        WriteManifest(package, order);
    }

    private List<ReadableField> WriteProfile(PackageWriter package, PackageOrder order)
    {
        using var opened = source.Open(order.Record, order.Keys, order.Decision.Permits);
        var fields = opened.OrderBy(f => f.Field.Ordinal).ToList();
        package.WriteJson("profile.json", json =>
        {
            WriteHead(json, order);
            json.WriteStartObject("fields");
            foreach (var field in fields)
                WriteField(json, field);
            json.WriteEndObject();
            json.WriteEndObject();
        });
        var readable = fields.Select(f => new ReadableField(ReadableValue.Category(f.Field.Category), f.Field.Label, ReadableValue.Of(f.Utf8Json), f.Provenance.Source, f.Provenance.RecordedAt)).ToList();
        using var csv = new SafeCsv(package.Open("profile.csv"), "field", "label", "value", "category", "source", "recordedAt", "origin", "notice");
        foreach (var (field, shown) in fields.Zip(readable))
            csv.Row(field.Field.Name, shown.Label, shown.Value, field.Field.Category, shown.Source, Instant(shown.RecordedAt), field.Provenance.Origin, field.Provenance.Notice ?? "");
        return readable;
    }

    private async Task WriteChangesAsync(PackageWriter package, PackageOrder order, CancellationToken cancellation)
    {
        await using var file = package.Open("history.jsonl");
        await foreach (var change in source.ChangesAsync(order.Keys, order.Decision.Permits, cancellation))
            WriteLine(file, json =>
            {
                json.WriteStartObject();
                json.WriteString("field", change.Field.Field.Name);
                json.WritePropertyName("value");
                json.WriteRawValue(change.Field.Utf8Json.Span, skipInputValidation: true);
                WriteProvenance(json, change.Field);
                json.WriteString("replacedAt", change.ReplacedAt);
                json.WriteNumber("replacedInVersion", change.ReplacedIn);
                json.WriteEndObject();
            });
    }

    private async Task<ReadableTable> WriteEventsAsync(PackageWriter package, PackageOrder order, CancellationToken cancellation)
    {
        var recent = new Queue<IReadOnlyList<string>>();
        var count = 0L;
        await using (var file = package.Open("events.jsonl"))
            await foreach (var item in source.EventsAsync(order.Keys, order.Decision.Permits, cancellation))
            {
                WriteLine(file, json => WriteEvent(json, item));
                recent.Enqueue([ReadablePage.When(item.OccurredAt), item.Type.Label, Properties(item), item.Content.Source]);
                if (++count > ShownOnPage) recent.Dequeue();
            }
        var lead = count > ShownOnPage
            ? $"{count} events are held. The latest {ShownOnPage} stand here, all of them in events.jsonl and in the folder events."
            : $"{count} events are held, all of them also in events.jsonl and in the folder events.";
        return new ReadableTable("events", "What happened", lead, ["When", "What", "Details", "Came from"], [.. recent.Reverse()]);
    }

    // One table per type, since each type has columns of its own; the events are read once more per type that the person has.
    private async Task WriteEventTablesAsync(PackageWriter package, PackageOrder order, CancellationToken cancellation)
    {
        foreach (var permit in order.Decision.Permits.Where(p => p.Item is EventTypeDefinition))
        {
            var type = (EventTypeDefinition)permit.Item;
            SafeCsv? table = null;
            await foreach (var item in source.EventsAsync(order.Keys, [permit], cancellation))
            {
                table ??= new SafeCsv(package.Open($"events/{type.Type}.csv"), ["id", "occurredAt", "recordedAt", "source", .. type.Properties.Select(p => p.Name)]);
                using var properties = JsonDocument.Parse(item.Content.Utf8Properties);
                table.Row([item.Id.ToString(), Instant(item.OccurredAt), Instant(item.RecordedAt), item.Content.Source,
                    .. type.Properties.Select(p => properties.RootElement.TryGetProperty(p.Name, out var value) ? ReadableValue.Of(value) : "")]);
            }
            table?.Dispose();
        }
    }

    // Staff and applications appear by the relation, not by name: who they are says nothing of the person.
    private static ReadableTable WriteStanding(PackageWriter package, PackageOrder order)
    {
        var standing = PersonStanding.Of(FactsCodec.Decode(order.Record.Facts));
        string[] relations = [.. standing.Relations.Select(fact => fact.Relation).Distinct()];
        package.WriteJson("standing.json", json => JsonSerializer.Serialize(json, new { standing.Jurisdiction, standing.Residency, standing.Brand, Relations = relations }, PackageJson.Options));
        (string What, string? Value)[] rows = [("Law that applies", standing.Jurisdiction), ("Where the data must stay", standing.Residency), ("Customer of", standing.Brand), ("Who stands to you as", relations.Length > 0 ? string.Join(", ", relations) : null)];
        return new ReadableTable(
            "standing", "Where you stand", "What decides who reaches your data at all, besides the data themselves.", ["What", "As recorded"],
            [.. rows.Where(row => row.Value is not null).Select(row => (IReadOnlyList<string>)[row.What, row.Value!])]);
    }

    private async Task<ReadableTable> WriteConsentsAsync(PackageWriter package, PackageOrder order, CancellationToken cancellation)
    {
        var acts = await source.ConsentsAsync(order.Record.Subject, cancellation);
        package.WriteJson("consents.json", json => JsonSerializer.Serialize(json, acts, PackageJson.Options));
        using (var csv = new SafeCsv(package.Open("consents.csv"), "purpose", "state", "at", "notice", "channel", "expires", "logIndex"))
            foreach (var act in acts)
                csv.Row(act.Purpose, act.State, Instant(act.At), act.Notice ?? "", act.Channel ?? "", act.Expires is { } end ? Instant(end) : "", Number(act.LogIndex));
        var rows = acts.Select(a => (IReadOnlyList<string>)[ReadablePage.When(a.At), policy.Current.Purposes.Find(a.Purpose)?.Title ?? a.Purpose, a.State, a.Notice ?? "", a.Channel ?? ""]);
        return new ReadableTable(
            "consents", "What you agreed to", "Every consent that was asked for, given, refused or withdrawn.", ["When", "For what", "State", "Text shown", "Where"], [.. rows]);
    }

    private async Task<ReadableTable> WriteAccessesAsync(PackageWriter package, PackageOrder order, CancellationToken cancellation)
    {
        var shown = new List<IReadOnlyList<string>>();
        await using (var file = package.Open("accesses.jsonl"))
            await foreach (var access in AccessesAsync(order.Record.Subject, cancellation))
            {
                WriteLine(file, json => JsonSerializer.Serialize(json, access, PackageJson.Options));
                if (shown.Count < ShownOnPage)
                    shown.Add([ReadablePage.When(access.At), access.Actor, access.Type, access.Purpose, string.Join(", ", access.Items), Number(access.LogIndex)]);
            }
        using (var csv = new SafeCsv(package.Open("accesses.csv"), "logIndex", "at", "type", "actor", "purpose", "result", "items"))
            await foreach (var access in AccessesAsync(order.Record.Subject, cancellation))
                csv.Row(Number(access.LogIndex), Instant(access.At), access.Type, access.Actor, access.Purpose, access.Result, string.Join(' ', access.Items));
        return new ReadableTable(
            "accesses", "Who looked, when and why",
            "Every access to your data is an entry of a log that cannot be changed unnoticed; the last column is its number there, by which it can be proved. The newest stand here, all of them in accesses.jsonl.",
            ["When", "Who", "What", "For what", "Which data", "Entry"], shown);
    }

    private async IAsyncEnumerable<ExportedAccess> AccessesAsync(SubjectId subject, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var query = new AuditQuery { Subject = subject, Limit = AuditQuery.MaxLimit };
        do
        {
            var page = await log.SearchAsync(query, cancellation);
            foreach (var record in page.Entries)
                yield return ExportedAccess.Of(record);
            query = query with { Cursor = page.Next };
        }
        while (query.Cursor is not null);
    }

    // The person's requests are data about the person too, with what was written down on them.
    private async Task<ReadableTable> WriteRequestsAsync(PackageWriter package, PackageOrder order, CancellationToken cancellation)
    {
        var rows = await requests.ListAsync(new RequestFilter(Subject: order.Record.Subject), int.MaxValue, null, cancellation);
        var told = new List<object>();
        foreach (var row in rows)
            told.Add(new { row.Id, row.Kind, row.State, row.OpenedAt, row.DueAt, row.CompletedAt, row.Reason, row.OpenedBy, Notes = await notes.ReadAsync(row, cancellation) });
        package.WriteJson("requests.json", json => JsonSerializer.Serialize(json, told, PackageJson.Options));
        var shown = rows.Select(r => (IReadOnlyList<string>)[ReadablePage.When(r.OpenedAt), r.Kind, r.State, ReadablePage.When(r.DueAt), r.Reason ?? ""]);
        return new ReadableTable("requests", "Your requests", "What you asked of us, and how it ended.", ["Opened", "What", "State", "Due", "Reason"], [.. shown]);
    }

    private static ReadableTable NotIncluded(PackageOrder order)
    {
        var rows = order.Decision.Items.Where(i => i.Permit is null).Select(i => (IReadOnlyList<string>)[i.Item.Label, i.Reason ?? ""]);
        return new ReadableTable("not-included", "What is not included", "Items that were left out of this package, and why.", ["What", "Why"], [.. rows]);
    }

    private void WritePage(PackageWriter package, PackageOrder order, List<ReadableField> fields, List<ReadableTable> sections)
    {
        using var writer = new StreamWriter(package.Open("README.html"), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
        var page = new ReadablePage(writer);
        var portable = order.Request.Kind == RequestKinds.Portability;
        page.Open(
            portable ? "Your data to take along" : "Your data",
            $"All that is held about you{(portable ? " and that you may take along" : "")}, as of {ReadablePage.When(order.At)}. This page needs no network. The same is in the other files of this package, for programs and spreadsheets.",
            [("profile", "What is held"), .. sections.Select(s => (s.Id, s.Title)), ("purposes", "What data are used for")]);
        page.Fields("profile", "What is held", "Your profile, and where each value came from.", fields);
        foreach (var section in sections)
            page.Table(section);
        page.Table(new ReadableTable(
            "purposes", "What data are used for", "The purposes, and the ground in law that each rests on. You may object, correct, restrict or have erased: sign in, or write to us.",
            ["Purpose", "Rests on", "In our words"], [.. policy.Current.Purposes.All.Select(p => (IReadOnlyList<string>)[p.Title, p.LegalBasis, p.Notice])]));
        page.Close($"Request {order.Request.Id}. Policy version {policy.Current.Version}. Entry {order.LogIndex} of the log. The checksums of all files are in manifest.json.");
    }

    private void WriteManifest(PackageWriter package, PackageOrder order)
    {
        var files = package.Entries.ToList();
        package.WriteJson("manifest.json", json =>
        {
            WriteHead(json, order);
            json.WriteStartArray("files");
            foreach (var file in files)
            {
                json.WriteStartObject();
                json.WriteString("path", file.Path);
                json.WriteNumber("length", file.Length);
                json.WriteString("sha256", file.Sha256);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    private void WriteHead(Utf8JsonWriter json, PackageOrder order)
    {
        json.WriteStartObject();
        json.WriteString("format", "datavault/package/v1");
        json.WriteString("customer", order.Record.Subject.Value);
        json.WriteString("request", order.Request.Id);
        json.WriteString("kind", order.Request.Kind);
        json.WriteString("createdAt", order.At);
        json.WriteNumber("recordVersion", order.Record.RowVersion);
        json.WriteString("policyVersion", policy.Current.Version);
        json.WriteNumber("logIndex", order.LogIndex);
    }

    private static void WriteField(Utf8JsonWriter json, OpenedField field)
    {
        json.WriteStartObject(field.Field.Name);
        json.WriteString("label", field.Field.Label);
        json.WriteString("category", field.Field.Category);
        json.WritePropertyName("value");
        json.WriteRawValue(field.Utf8Json.Span, skipInputValidation: true);
        WriteProvenance(json, field);
        json.WriteEndObject();
    }

    private static void WriteProvenance(Utf8JsonWriter json, OpenedField field)
    {
        var provenance = field.Provenance;
        json.WriteString("source", provenance.Source);
        json.WriteString("recordedAt", provenance.RecordedAt);
        json.WriteString("origin", provenance.Origin);
        if (provenance.Notice is { } notice) json.WriteString("notice", notice);
        json.WriteNumber("version", field.Version);
    }

    private static void WriteEvent(Utf8JsonWriter json, ExportedEvent item)
    {
        json.WriteStartObject();
        json.WriteString("id", item.Id);
        json.WriteString("type", item.Type.Type);
        json.WriteString("occurredAt", item.OccurredAt);
        json.WriteString("recordedAt", item.RecordedAt);
        json.WriteString("source", item.Content.Source);
        json.WritePropertyName("properties");
        json.WriteRawValue(item.Content.Utf8Properties.Span, skipInputValidation: true);
        json.WriteEndObject();
    }

    private static void WriteLine(Stream file, Action<Utf8JsonWriter> write)
    {
        using (var json = new Utf8JsonWriter(file))
            write(json);
        file.Write("\n"u8);
    }

    private static string Properties(ExportedEvent item)
    {
        using var properties = JsonDocument.Parse(item.Content.Utf8Properties);
        return string.Join("; ", properties.RootElement.EnumerateObject().Select(p => $"{p.Name}: {ReadableValue.Of(p.Value)}"));
    }

    private static string Instant(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}

/// <summary>Names in a package are written as in the rest of the API.</summary>
internal static class PackageJson
{
    public static JsonSerializerOptions Options { get; } = new(JsonSerializerDefaults.Web);
}
