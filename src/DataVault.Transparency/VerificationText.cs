using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace DataVault.Transparency;

/// <summary>Reports as people and programs read them.</summary>
public static class VerificationText
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        // Base64 stays legible; the output is for terminals and programs, never for a page.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    /// <summary>Any of the answers below, or an anonymous object, as indented JSON.</summary>
    public static string Json(object answer) => JsonSerializer.Serialize(answer, Options);

    /// <summary>A report of a log as JSON.</summary>
    public static string Json(VerificationReport report) => Json((object)Answer(report));

    /// <summary>A report of a log in lines for people.</summary>
    public static string Describe(VerificationReport report)
    {
        var text = new List<string>();
        if (report.Origin.Length > 0)
            text.Add($"log         {report.Origin}");
        if (!report.Root.IsEmpty)
            text.Add(string.Create(CultureInfo.InvariantCulture, $"checkpoint  {report.Size:N0} entries, root {Convert.ToBase64String(report.Root.Span)}"));
        if (report is { FirstTime: { } first, LastTime: { } last })
            text.Add($"period      {Time(first)} to {Time(last)}");
        if (report.EarlierCheckpoints > 0)
            text.Add($"continues   {report.EarlierCheckpoints} earlier checkpoint{(report.EarlierCheckpoints == 1 ? "" : "s")}");
        if (report.PrunedBelow > 0)
            text.Add(string.Create(CultureInfo.InvariantCulture, $"pruned      the entries before {report.PrunedBelow:N0}, as a later entry says; their hashes lead to the root"));
        text.AddRange(report.Findings.Select(finding => $"BAD         {finding.Message}"));
        if (report.Findings.Count == VerificationReport.MaxFindings)
            text.Add("            and perhaps more");
        text.Add(report.Ok
            ? "OK          every entry is as signed"
            : report.FirstBadIndex is { } index ? $"FAILED      the first bad entry is {index}" : "FAILED      the log cannot be trusted");
        return string.Join(Environment.NewLine, text);
    }

    /// <summary>A report of records in lines for people.</summary>
    public static string Describe(RecordsReport report)
    {
        var text = new List<string>();
        if (report.Manifest is { } manifest)
            text.Add(string.Create(CultureInfo.InvariantCulture, $"manifest    of {manifest.MadeAt:u}, when {manifest.Tree.Origin} had {manifest.Tree.Size:N0} entries"));
        text.Add(string.Create(CultureInfo.InvariantCulture, $"compared    {report.Records:N0} records, {report.EventBatches:N0} batches of events, {report.Rows:N0} rows of histories and consents"));
        if (report.Unverified > 0)
            text.Add(string.Create(CultureInfo.InvariantCulture, $"not known   {report.Unverified:N0} rows from before the log told of each"));
        text.AddRange(report.Restores.Select(restore => string.Create(CultureInfo.InvariantCulture, $"restored    entry {restore.Index} to the state at entry {restore.From}: {Say(restore)}")));
        text.AddRange(report.Log.Findings.Select(finding => $"BAD LOG     {finding.Message}"));
        text.AddRange(report.Findings.Select(finding => $"BAD         {finding.Message}{(finding.Tag is null ? "" : $" (person {finding.Tag})")}"));
        if (report.Findings.Count == RecordsReport.MaxFindings)
            text.Add("            and perhaps more");
        text.Add(report.Ok ? "OK          every record is as the log tells" : $"FAILED      {report.Findings.Count} finding{(report.Findings.Count == 1 ? "" : "s")}");
        return string.Join(Environment.NewLine, text);
    }

    /// <summary>A report of records as JSON.</summary>
    public static string Json(RecordsReport report) => Json((object)new
    {
        report.Ok, report.Manifest?.MadeAt, report.Manifest?.Tree.Size, report.Records, report.EventBatches, report.Rows, report.Unverified,
        Restores = report.Restores.Select(restore => new { restore.Index, restore.From, Word = restore.Word.ToString(), restore.AcceptedAt, restore.IsBelieved }), report.Findings, Log = Answer(report.Log),
    });

    /// <summary>An entry as one line for people.</summary>
    public static string Describe(long index, LogEntry entry) => string.Create(
        CultureInfo.InvariantCulture,
        $"{index,10}  {Time(entry.Time)}  {EntryTypes.NameOf(entry.Type),-16} {EntryTypes.NameOf(entry.Result),-6} {(entry.Purpose.Length > 0 ? entry.Purpose : "-"),-20} by {Convert.ToHexStringLower(entry.Actor.Span)[..8]}  items {(entry.Items.Count > 0 ? string.Join(",", entry.Items) : "-")}");

    private static string Say(DeclaredRestore restore) => restore switch
    {
        { Word: RestoreWord.Ordered } => "by an operator's command, as the log's key says",
        { AcceptedAt: { } at } => string.Create(CultureInfo.InvariantCulture, $"accepted by an operator in entry {at}, as the log's key says"),
        { Word: RestoreWord.Found } => "found by the vault; no operator has accepted it, so what it lost is reported",
        { Word: RestoreWord.Unsigned } => "not signed, so anybody may have written it: what it lost is reported",
        _ => "the signature is not one of the log's key: what it lost is reported",
    };

    private static object Answer(VerificationReport report) => new
    {
        report.Ok,
        report.Origin,
        report.Size,
        Root = Convert.ToBase64String(report.Root.Span),
        report.EarlierCheckpoints,
        report.PrunedBelow,
        From = report.FirstTime is { } first ? Time(first) : null,
        To = report.LastTime is { } last ? Time(last) : null,
        report.FirstBadIndex,
        report.Problem,
        report.Findings,
    };

    private static string Time(long milliseconds) =>
        DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
}
