using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

namespace DataVault.Server.Operations;

/// <summary>
/// One JSON object a line: time, level, category, message template with its named values. An exception is written as its type and
/// the places of our own code, since messages of libraries may quote what somebody sent.
/// </summary>
internal sealed class JsonLog(TimeProvider clock) : ConsoleFormatter(FormatName)
{
    public const string FormatName = "vault";

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("time", clock.GetUtcNow().UtcDateTime);
            json.WriteString("level", logEntry.LogLevel.ToString());
            json.WriteString("category", logEntry.Category);
            json.WriteString("message", logEntry.Formatter(logEntry.State, null));
            if (logEntry.Exception is { } failure)
                json.WriteString("failure", Describe(failure));
            json.WriteEndObject();
        }
        textWriter.WriteLine(System.Text.Encoding.UTF8.GetString(buffer.GetBuffer().AsSpan(0, (int)buffer.Length)));
    }

    private static string Describe(Exception failure)
    {
        var places = (failure.StackTrace ?? "").Split('\n').Where(line => line.Contains("DataVault", StringComparison.Ordinal)).Take(4);
        var inner = failure.InnerException is { } cause ? " < " + Describe(cause) : "";
        return string.Join(" < ", places.Select(line => line.Trim()).Prepend(failure.GetType().FullName!)) + inner;
    }
}

/// <summary>The same for a person at a terminal: the level, who speaks, the message.</summary>
internal sealed class PlainLog() : ConsoleFormatter(FormatName)
{
    public const string FormatName = "plain";

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        textWriter.Write(logEntry.LogLevel >= LogLevel.Warning ? $"{logEntry.LogLevel}: " : "");
        textWriter.Write(logEntry.Formatter(logEntry.State, null));
        textWriter.WriteLine(logEntry.Exception is { } failure ? $" ({failure.GetType().Name})" : "");
    }
}
