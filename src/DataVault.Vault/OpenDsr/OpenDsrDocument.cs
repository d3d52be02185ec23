using System.Globalization;
using System.Text.Json;

namespace DataVault.Vault;

/// <summary>The status of a request in the words of OpenDSR: the answer to a question and the body of a callback. It names nobody.</summary>
public static class OpenDsrDocument
{
    private const string Rfc3339 = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";

    public static string Instant(DateTimeOffset at) => at.UtcDateTime.ToString(Rfc3339, CultureInfo.InvariantCulture);

    /// <summary>The bytes that are signed and sent.</summary>
    /// <param name="view">The request.</param>
    /// <param name="options">Whose processor it is.</param>
    /// <param name="callback">Of a callback, where it goes: the receiver compares it with its own address.</param>
    public static byte[] StatusOf(OpenDsrView view, OpenDsrOptions options, string? callback = null)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            json.WriteString("api_version", OpenDsrOptions.ApiVersion);
            json.WriteString("controller_id", view.Controller);
            json.WriteString("expected_completion_time", Instant(view.ExpectedAt));
            if (callback is not null) json.WriteString("status_callback_url", callback);
            json.WriteString("subject_request_id", view.Id);
            json.WriteString("request_status", view.Status);
            WriteResults(json, view, options);
            WriteExtensions(json, view, options, callback is null);
            json.WriteEndObject();
        }

        return bytes.ToArray();
    }

    private static void WriteResults(Utf8JsonWriter json, OpenDsrView view, OpenDsrOptions options)
    {
        if (view.Status != OpenDsrWords.Completed) return;
        json.WriteNumber("results_count", view.Results);
        if (view.HasResults) json.WriteString("results_url", $"{options.Address}/requests/{view.Id:D}/results");
    }

    private static void WriteExtensions(Utf8JsonWriter json, OpenDsrView view, OpenDsrOptions options, bool withCallbacks)
    {
        if (view.Outcome is null && !(withCallbacks && view.Callbacks.Count > 0)) return;
        json.WriteStartObject("extensions");
        json.WriteStartObject(options.Domain);
        if (view.Outcome is not null) json.WriteString("outcome", view.Outcome);
        if (view.Reason is not null) json.WriteString("reason", view.Reason);
        if (withCallbacks && view.Callbacks.Count > 0)
        {
            json.WriteStartArray("callbacks_waiting");
            foreach (var callback in view.Callbacks)
            {
                json.WriteStartObject();
                json.WriteString("request_status", callback.Status);
                json.WriteNumber("attempts", callback.Attempts);
                json.WriteBoolean("dead", callback.IsDead);
                if (callback.Failure is not null) json.WriteString("failure", callback.Failure);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }
}
