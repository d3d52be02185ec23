using System.Globalization;
using System.Text.Json;
using DataVault.Client;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>Writes releases straight from the gate's UTF-8 values: no string of a value is ever made.</summary>
internal static class DisclosureWriter
{
    private static readonly JsonEncodedText Id = JsonEncodedText.Encode("id");
    private static readonly JsonEncodedText Version = JsonEncodedText.Encode("version");
    private static readonly JsonEncodedText Fields = JsonEncodedText.Encode("fields");
    private static readonly JsonEncodedText Forms = JsonEncodedText.Encode("forms");
    private static readonly JsonEncodedText Withheld = JsonEncodedText.Encode("withheld");
    private static readonly JsonEncodedText Receipt = JsonEncodedText.Encode("receipt");
    private static readonly JsonEncodedText Index = JsonEncodedText.Encode("index");

    /// <summary>Answers, and leaves nothing of what was released in memory of ours: it is erased once it is written, and so is the buffer.</summary>
    public static async Task AnswerAsync(HttpContext context, IEnumerable<IDisposable> released, Action<Utf8JsonWriter> write)
    {
        using var buffer = new ErasedBuffer();
        try
        {
            using var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { SkipValidation = true });
            write(json);
        }
        finally
        {
            foreach (var one in released)
                one.Dispose();
        }
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = buffer.Written.Length;
        await context.Response.Body.WriteAsync(buffer.Written, context.RequestAborted);
    }

    public static void Write(Utf8JsonWriter json, Disclosure disclosure)
    {
        json.WriteStartObject();
        json.WriteString(Id, disclosure.Id.Value);
        json.WriteNumber(Version, disclosure.Version);
        json.WriteStartObject(Fields);
        foreach (var field in disclosure.Fields)
        {
            json.WritePropertyName(field.Name);
            json.WriteRawValue(field.Utf8Json.Span, skipInputValidation: true);
        }
        json.WriteEndObject();
        WriteForms(json, disclosure);
        WriteWithheld(json, disclosure.Withheld);
        WriteReceipt(json, disclosure.LogIndex);
        WriteProvenance(json, disclosure);
        json.WriteEndObject();
    }

    public static void Write(Utf8JsonWriter json, EventPage page)
    {
        json.WriteStartObject();
        json.WriteStartArray("items");
        foreach (var happened in page.Events)
        {
            json.WriteStartObject();
            json.WriteString(Id, happened.Id);
            json.WriteString("type", happened.Type);
            json.WriteString("occurredAt", Instant(happened.OccurredAt));
            json.WriteString("source", happened.Source);
            json.WritePropertyName("properties");
            json.WriteRawValue(happened.Properties.Span, skipInputValidation: true);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteString("next", page.Next);
        WriteWithheld(json, page.Withheld);
        WriteReceipt(json, page.LogIndex);
        json.WriteEndObject();
    }

    /// <summary>One item of a batch of reads.</summary>
    public static void WriteItem(Utf8JsonWriter json, int index, ItemResult<Disclosure> result)
    {
        json.WriteStartObject();
        json.WriteNumber(Index, index);
        json.WriteNumber("status", result.Error is { } error ? Problems.StatusOf(error) : StatusCodes.Status200OK);
        json.WritePropertyName(result.Value is null ? "problem" : "disclosed");
        if (result.Value is { } disclosure)
            Write(json, disclosure);
        else
            JsonSerializer.Serialize(json, Problems.Of(result.Error!), VaultJson.Strict);
        json.WriteEndObject();
    }

    public static void WriteReceipt(Utf8JsonWriter json, long index)
    {
        json.WriteStartObject(Receipt);
        json.WriteNumber(Index, index);
        json.WriteEndObject();
    }

    private static void WriteForms(Utf8JsonWriter json, Disclosure disclosure)
    {
        json.WriteStartObject(Forms);
        foreach (var field in disclosure.Fields)
        {
            if (field.Form != Form.Plain)
                json.WriteString(field.Name, FormNames.Of(field.Form));
        }
        json.WriteEndObject();
    }

    private static void WriteWithheld(Utf8JsonWriter json, IReadOnlyList<WithheldField> withheld)
    {
        json.WriteStartObject(Withheld);
        foreach (var field in withheld)
            json.WriteString(field.Name, field.Reason);
        json.WriteEndObject();
    }

    private static void WriteProvenance(Utf8JsonWriter json, Disclosure disclosure)
    {
        if (disclosure.Fields.Count == 0 || disclosure.Fields[0].Provenance is null)
            return;
        json.WriteStartObject("provenance");
        foreach (var field in disclosure.Fields)
        {
            if (field.Provenance is not { } provenance)
                continue;
            json.WriteStartObject(field.Name);
            json.WriteString("source", provenance.Source);
            json.WriteString("recordedAt", Instant(provenance.RecordedAt));
            json.WriteString("origin", provenance.Origin);
            json.WriteString("notice", provenance.Notice);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }

    // SPEC rfc3339 §5.6, always UTC.
    private static string Instant(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFF'Z'", CultureInfo.InvariantCulture);
}
