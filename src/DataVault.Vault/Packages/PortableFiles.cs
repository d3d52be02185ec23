using System.Text;
using System.Text.Json;
using DataVault.Policy;
using ValueType = DataVault.Policy.ValueType;

namespace DataVault.Vault;

/// <summary>
/// What the person may take along (GDPR Article 20), in forms that other services read: schema.org JSON-LD, a vCard, and events as Segment's
/// <c>identify</c> and <c>track</c> calls.
/// </summary>
internal sealed class PortableFiles(PackageBag package) : IDisposable
{
    private const string Folder = "data/portable/";
    private readonly SpooledFile orders = package.Spool.Begin();
    private readonly SpooledFile tracks = package.Spool.Begin();
    private Utf8JsonWriter? ordered;

    private Guid Person => package.Order.Record.Subject.Value;

    /// <summary>An event, in its turn.</summary>
    public void Add(ExportedEvent item, JsonElement properties)
    {
        WriteTrack(item);
        if (properties.TryGetProperty("orderId", out var order) && item.Type.Type == "purchase") WriteOrder(item, order, properties);
    }

    /// <summary>Writes all files.</summary>
    public void Write(IReadOnlyList<OpenedField> fields)
    {
        var portable = fields.Where(field => ProfileSection.IsPortable(package.Order, field)).ToList();
        package.Json($"{Folder}person.jsonld", json => WritePerson(json, portable));
        package.Text($"{Folder}contact.vcf", Card(portable));
        using (var file = package.Open($"{Folder}segment-events.ndjson"))
        {
            WriteIdentify(file, portable);
            tracks.CopyTo(file);
        }
        using (var file = package.Open($"{Folder}orders.jsonld")) WriteOrders(file);
    }

    public void Dispose()
    {
        ordered?.Dispose();
        orders.Dispose();
        tracks.Dispose();
    }

    private void WriteOrders(Stream file)
    {
        file.Write("{\"@context\":\"https://schema.org\",\"@graph\":["u8);
        ordered?.Flush();
        orders.CopyTo(file);
        file.Write("]}\n"u8);
    }

    private void WriteOrder(ExportedEvent item, JsonElement order, JsonElement properties)
    {
        if (ordered is not null) orders.Writing.Write(",\n"u8);
        ordered ??= new Utf8JsonWriter(orders.Writing);
        ordered.WriteStartObject();
        ordered.WriteString("@type", "Order");
        ordered.WriteString("@id", $"urn:uuid:{item.Id:D}");
        ordered.WriteString("orderNumber", ReadableValue.Of(order));
        ordered.WriteString("orderDate", PackageBag.Instant(item.OccurredAt));
        ordered.WriteStartObject("customer");
        ordered.WriteString("@id", $"urn:uuid:{Person:D}");
        ordered.WriteEndObject();
        if (properties.TryGetProperty("total", out var total)) WriteMoney(ordered, "totalPaymentDue", total);
        ordered.WriteStartObject("orderedItem");
        ordered.WriteString("@type", "OrderItem");
        if (properties.TryGetProperty("quantity", out var quantity)) ordered.WriteString("orderQuantity", ReadableValue.Of(quantity));
        ordered.WriteStartObject("orderedItem");
        ordered.WriteString("@type", "Product");
        if (properties.TryGetProperty("sku", out var sku)) ordered.WriteString("sku", ReadableValue.Of(sku));
        if (properties.TryGetProperty("description", out var description)) ordered.WriteString("name", ReadableValue.Of(description));
        ordered.WriteEndObject();
        ordered.WriteEndObject();
        ordered.WriteEndObject();
        ordered.Flush();
        ordered.Reset();
    }

    private static void WriteMoney(Utf8JsonWriter json, string name, JsonElement money)
    {
        if (money.ValueKind != JsonValueKind.Object || !money.TryGetProperty("amount", out var amount) || !money.TryGetProperty("currency", out var currency)) return;
        json.WriteStartObject(name);
        json.WriteString("@type", "MonetaryAmount");
        json.WriteString("value", ReadableValue.Of(amount));
        json.WriteString("currency", ReadableValue.Of(currency));
        json.WriteEndObject();
    }

    private void WriteTrack(ExportedEvent item)
    {
        using (var json = new Utf8JsonWriter(tracks.Writing))
        {
            json.WriteStartObject();
            json.WriteString("type", "track");
            json.WriteString("event", item.Type.Type);
            json.WriteString("messageId", item.Id);
            json.WriteString("userId", Person);
            json.WriteString("timestamp", PackageBag.Instant(item.OccurredAt));
            json.WritePropertyName("properties");
            json.WriteRawValue(item.Content.Utf8Properties.Span, skipInputValidation: true);
            json.WriteEndObject();
        }
        tracks.Writing.Write("\n"u8);
    }

    private void WriteIdentify(Stream file, List<OpenedField> fields)
    {
        using (var json = new Utf8JsonWriter(file))
        {
            json.WriteStartObject();
            json.WriteString("type", "identify");
            json.WriteString("messageId", package.Order.Request.Id);
            json.WriteString("userId", Person);
            json.WriteString("timestamp", PackageBag.Instant(package.Order.At));
            json.WriteStartObject("traits");
            foreach (var field in fields)
            {
                json.WritePropertyName(field.Field.Name);
                json.WriteRawValue(field.Utf8Json.Span, skipInputValidation: true);
            }
            json.WriteEndObject();
            json.WriteEndObject();
        }
        file.Write("\n"u8);
    }

    // What schema.org has a name for is under that name too; everything is under the catalogue's.
    private void WritePerson(Utf8JsonWriter json, List<OpenedField> fields)
    {
        json.WriteStartObject();
        json.WriteString("@context", "https://schema.org");
        json.WriteString("@type", "Person");
        json.WriteString("@id", $"urn:uuid:{Person:D}");
        foreach (var field in fields)
        {
            if (SchemaNames.GetValueOrDefault(field.Field.Name) is { } name) json.WriteString(name, ReadableValue.Of(field.Utf8Json));
            if (field.Field is { Name: "postalAddress", Rules.Type: ValueType.Address }) WriteAddress(json, field);
        }
        json.WriteStartArray("additionalProperty");
        foreach (var field in fields)
        {
            json.WriteStartObject();
            json.WriteString("@type", "PropertyValue");
            json.WriteString("propertyID", field.Field.Name);
            json.WriteString("name", field.Field.Labels.In(package.Words.Language).Text);
            json.WritePropertyName("value");
            json.WriteRawValue(field.Utf8Json.Span, skipInputValidation: true);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static readonly Dictionary<string, string> SchemaNames = new(StringComparer.Ordinal)
    {
        ["givenName"] = "givenName", ["familyName"] = "familyName", ["preferredName"] = "alternateName", ["salutation"] = "honorificPrefix", ["email"] = "email",
        ["phone"] = "telephone", ["birthDate"] = "birthDate", ["gender"] = "gender", ["language"] = "knowsLanguage", ["occupation"] = "jobTitle", ["vatNumber"] = "vatID",
    };

    private static void WriteAddress(Utf8JsonWriter json, OpenedField field)
    {
        using var address = JsonDocument.Parse(field.Utf8Json);
        json.WriteStartObject("address");
        json.WriteString("@type", "PostalAddress");
        foreach (var (ours, theirs) in new[] { ("street", "streetAddress"), ("extra", "extendedAddress"), ("postcode", "postalCode"), ("city", "addressLocality"), ("region", "addressRegion"), ("country", "addressCountry") })
        {
            if (address.RootElement.TryGetProperty(ours, out var line)) json.WriteString(theirs, ReadableValue.Of(line));
        }
        json.WriteEndObject();
    }

    // SPEC rfc6350 §3.1
    private string Card(List<OpenedField> fields)
    {
        var byName = fields.ToDictionary(field => field.Field.Name, StringComparer.Ordinal);
        string Value(string name) => byName.TryGetValue(name, out var field) ? Escaped(ReadableValue.Of(field.Utf8Json)) : "";
        var lines = new List<string> { "BEGIN:VCARD", "VERSION:4.0", $"UID:urn:uuid:{Person:D}" };
        var full = $"{Value("givenName")} {Value("familyName")}".Trim();
        lines.Add($"FN:{(full.Length > 0 ? full : Value("customerNumber"))}");
        lines.Add($"N:{Value("familyName")};{Value("givenName")};;{Value("salutation")};");
        foreach (var field in fields)
        {
            if (field.Field.Rules.Type is ValueType.Email or ValueType.EmailList) lines.AddRange(Each(field).Select(text => $"EMAIL:{text}"));
            if (field.Field.Rules.Type is ValueType.Phone or ValueType.PhoneList) lines.AddRange(Each(field).Select(text => $"TEL;VALUE=uri:tel:{text}"));
            if (field.Field.Rules.Type == ValueType.Address) lines.Add($"ADR{(field.Field.Name == "deliveryAddress" ? ";TYPE=delivery" : "")}:{Address(field)}");
        }
        if (Value("birthDate") is { Length: 10 } born) lines.Add($"BDAY:{born.Replace("-", "", StringComparison.Ordinal)}");
        if (Value("language") is { Length: > 0 } language) lines.Add($"LANG:{language}");
        if (Value("occupation") is { Length: > 0 } occupation) lines.Add($"TITLE:{occupation}");
        lines.Add("END:VCARD");
        return string.Concat(lines.Select(Folded));
    }

    private static IEnumerable<string> Each(OpenedField field)
    {
        using var value = JsonDocument.Parse(field.Utf8Json);
        return value.RootElement.ValueKind == JsonValueKind.Array ? [.. value.RootElement.EnumerateArray().Select(item => Escaped(ReadableValue.Of(item)))] : [Escaped(ReadableValue.Of(value.RootElement))];
    }

    private static string Address(OpenedField field)
    {
        using var address = JsonDocument.Parse(field.Utf8Json);
        string Line(string name) => address.RootElement.TryGetProperty(name, out var line) ? Escaped(ReadableValue.Of(line)) : "";
        return $";{Line("extra")};{Line("street")};{Line("city")};{Line("region")};{Line("postcode")};{Line("country")}";
    }

    // SPEC rfc6350 §3.4
    private static string Escaped(string text) => text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace(",", "\\,", StringComparison.Ordinal)
        .Replace(";", "\\;", StringComparison.Ordinal).ReplaceLineEndings("\\n");

    // SPEC rfc6350 §3.2: at most 75 octets to a line, and a character is not cut.
    private static string Folded(string line)
    {
        var folded = new StringBuilder();
        var octets = 0;
        foreach (var rune in line.EnumerateRunes())
        {
            if (octets + rune.Utf8SequenceLength > 74)
            {
                folded.Append("\r\n ");
                octets = 1;
            }
            folded.Append(rune.ToString());
            octets += rune.Utf8SequenceLength;
        }
        return folded.Append("\r\n").ToString();
    }
}
