using System.Buffers;
using System.Globalization;
using System.Text.Json;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server.Outbound;

/// <summary>
/// Log entries as events of the Open Cybersecurity Schema Framework, one JSON object to a line: docs/formats/ocsf.md. Tags, codes and names of
/// applications only: nothing that names a person.
/// </summary>
internal sealed class OcsfEvents(string origin)
{
    private const string SchemaVersion = "1.3.0";
    private static readonly string ProductVersion = typeof(OcsfEvents).Assembly.GetName().Version?.ToString(3) ?? "0";
    private static readonly byte[] NewLine = "\n"u8.ToArray();

    /// <summary>A kind of event: its class, and what was done within it.</summary>
    internal readonly record struct Kind(OcsfClass Class, int Activity, string ActivityName);

    internal enum OcsfClass
    {
        AccountChange = 3001,
        Authentication = 3002,
        UserAccessManagement = 3005,
        DatastoreActivity = 6005,
        ApiActivity = 6003,
        DetectionFinding = 2004,
    }

    /// <summary>One event with its newline.</summary>
    public byte[] Line(AuditRecord record)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
            Write(json, record);
        buffer.Write(NewLine);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>One event.</summary>
    public void Write(Utf8JsonWriter json, AuditRecord record)
    {
        var kind = Of(record.Entry);
        json.WriteStartObject();
        json.WriteNumber("class_uid", (int)kind.Class);
        json.WriteString("class_name", NameOf(kind.Class));
        json.WriteNumber("category_uid", (int)kind.Class / 1000);
        json.WriteString("category_name", CategoryOf(kind.Class));
        json.WriteNumber("activity_id", kind.Activity);
        json.WriteString("activity_name", kind.ActivityName);
        json.WriteNumber("type_uid", (int)kind.Class * 100L + kind.Activity);
        json.WriteNumber("time", record.Entry.Time);
        WriteOutcome(json, record.Entry);
        WriteMetadata(json, record);
        WriteActor(json, record);
        WriteObject(json, record, kind.Class);
        WriteUnmapped(json, record);
        json.WriteEndObject();
    }

    internal static Kind Of(LogEntry entry) => entry.Type switch
    {
        EntryType.FieldRead or EntryType.EventRead or EntryType.DecisionRead or EntryType.Export or EntryType.AnalyticsFeed => new(OcsfClass.DatastoreActivity, 1, "Read"),
        EntryType.Search or EntryType.AnalyticsQuery => new(OcsfClass.DatastoreActivity, 4, "Query"),
        EntryType.RecordWrite when entry.RecordVersion <= 1 => new(OcsfClass.DatastoreActivity, 6, "Create"),
        EntryType.RecordWrite or EntryType.ConsentChange or EntryType.RestrictionLift or EntryType.ObjectionLift or EntryType.NoticeChange or EntryType.DecisionChange => new(OcsfClass.DatastoreActivity, 2, "Update"),
        EntryType.EventAppend or EntryType.DecisionRecord => new(OcsfClass.DatastoreActivity, 6, "Create"),
        EntryType.RecordDelete or EntryType.EraseExecuted or EntryType.EraseFinal or EntryType.RetentionSwept => new(OcsfClass.DatastoreActivity, 7, "Delete"),
        EntryType.SignIn or EntryType.SignInFailed => new(OcsfClass.Authentication, 1, "Logon"),
        EntryType.TokenIssued => new(OcsfClass.Authentication, 3, "Authentication Ticket"),
        EntryType.AccountChange or EntryType.ClientChange => ChangeOf(entry),
        EntryType.RoleChange => new(OcsfClass.UserAccessManagement, 99, "Other"),
        EntryType.Genesis or EntryType.KeyCreate or EntryType.EraseRequest => new(OcsfClass.ApiActivity, 1, "Create"),
        EntryType.AuditRead or EntryType.StatusRead or EntryType.RequestRead or EntryType.PolicyQuestion or EntryType.BreachRead => new(OcsfClass.ApiActivity, 2, "Read"),
        EntryType.KeyRotate or EntryType.PolicyChange or EntryType.RequestChange or EntryType.OpenDsrRequest or EntryType.OpenDsrController or EntryType.SignerRotate => new(OcsfClass.ApiActivity, 3, "Update"),
        EntryType.EpochDestroyed => new(OcsfClass.ApiActivity, 4, "Delete"),
        EntryType.Alert => IsRaised(entry) ? new(OcsfClass.DetectionFinding, 1, "Create") : new(OcsfClass.DetectionFinding, 2, "Update"),
        EntryType.ReviewChange or EntryType.ApprovalChange or EntryType.BreachChange => new(OcsfClass.ApiActivity, 3, "Update"),
        _ => new(OcsfClass.ApiActivity, 99, "Other"),
    };

    // SPEC log-entry §15: what is merely intended is no change yet.
    private static Kind ChangeOf(LogEntry entry) => (entry.Rules is ["done", var what, ..] ? what : "") switch
    {
        "registered" or "created" => new(OcsfClass.AccountChange, 1, "Create"),
        "enabled" => new(OcsfClass.AccountChange, 2, "Enable"),
        "password-changed" => new(OcsfClass.AccountChange, 3, "Password Change"),
        "password-reset" => new(OcsfClass.AccountChange, 4, "Password Reset"),
        "disabled" => new(OcsfClass.AccountChange, 5, "Disable"),
        "removed" => new(OcsfClass.AccountChange, 6, "Delete"),
        _ => new(OcsfClass.AccountChange, 99, "Other"),
    };

    private static string NameOf(OcsfClass @class) => @class switch
    {
        OcsfClass.AccountChange => "Account Change",
        OcsfClass.Authentication => "Authentication",
        OcsfClass.UserAccessManagement => "User Access Management",
        OcsfClass.DatastoreActivity => "Datastore Activity",
        OcsfClass.DetectionFinding => "Detection Finding",
        _ => "API Activity",
    };

    // SPEC log-entry §8: an alert that was answered says how; any other was raised.
    private static bool IsRaised(LogEntry alert) => alert.Rules is not ["acknowledged" or "released" or "planted" or "withdrawn", ..];

    private static string CategoryOf(OcsfClass @class) => ((int)@class / 1000) switch
    {
        2 => "Findings",
        3 => "Identity & Access Management",
        _ => "Application Activity",
    };

    // What was refused, and a sign-in that failed, is worth a look (low); what failed although it was permitted, a repair (medium).
    private static void WriteOutcome(Utf8JsonWriter json, LogEntry entry)
    {
        if (entry.Type == EntryType.Alert && IsRaised(entry))
        {
            // A finding: something that somebody must look at.
            json.WriteNumber("severity_id", 4);
            json.WriteString("severity", "High");
            json.WriteNumber("status_id", 1);
            json.WriteString("status", "New");
            json.WriteString("status_code", EntryTypes.NameOf(entry.Result));
            return;
        }
        var done = entry.Result == EntryResult.Ok && entry.Type is not (EntryType.SignInFailed or EntryType.Denied);
        json.WriteNumber("severity_id", done ? 1 : entry.Result == EntryResult.Error ? 3 : 2);
        json.WriteString("severity", done ? "Informational" : entry.Result == EntryResult.Error ? "Medium" : "Low");
        json.WriteNumber("status_id", done ? 1 : 2);
        json.WriteString("status", done ? "Success" : "Failure");
        json.WriteString("status_code", EntryTypes.NameOf(entry.Result));
    }

    private void WriteMetadata(Utf8JsonWriter json, AuditRecord record)
    {
        json.WriteStartObject("metadata");
        json.WriteString("version", SchemaVersion);
        json.WriteStartObject("product");
        json.WriteString("name", "DataVault");
        json.WriteString("vendor_name", "DataVault");
        json.WriteString("version", ProductVersion);
        json.WriteEndObject();
        json.WriteString("log_name", origin);
        json.WriteString("uid", string.Create(CultureInfo.InvariantCulture, $"{origin}#{record.Index}"));
        json.WriteNumber("sequence", record.Index);
        json.WriteString("correlation_uid", Hex(record.Entry.RequestId));
        json.WriteString("event_code", EntryTypes.NameOf(record.Entry.Type));
        json.WriteEndObject();
    }

    private static void WriteActor(Utf8JsonWriter json, AuditRecord record)
    {
        var tag = Hex(record.Entry.Actor);
        json.WriteStartObject("actor");
        if (record.Actor is not null)
            json.WriteString("app_name", record.Actor);
        WriteUser(json, "user", tag, record.ActorKind);
        json.WriteEndObject();
        // The class of sign-ins asks for the user beside the actor, that of changes for the one who was changed.
        var (changed, kind) = ChangedBy(record.Entry) ?? (tag, record.ActorKind);
        WriteUser(json, "user", changed, kind);
        json.WriteStartObject("src_endpoint");
        json.WriteString("uid", tag);
        json.WriteEndObject();
    }

    private static (string Id, string? Kind)? ChangedBy(LogEntry entry) => entry switch
    {
        { Type: EntryType.ClientChange, Rules: [_, _, var client] } => (client[(client.IndexOf(':', StringComparison.Ordinal) + 1)..], "application"),
        { Type: EntryType.AccountChange, Rules: [_, _, var account] } => (account[(account.IndexOf(':', StringComparison.Ordinal) + 1)..], "staff"),
        { Type: EntryType.AccountChange, Rules: [_, _], Subject.IsEmpty: false } => (Hex(entry.Subject), "customer"),
        _ => null,
    };

    private static void WriteUser(Utf8JsonWriter json, string name, string tag, string? kind)
    {
        json.WriteStartObject(name);
        json.WriteString("uid", tag);
        json.WriteNumber("type_id", kind == "staff" ? 1 : kind is null ? 0 : 99);
        json.WriteString("type", kind ?? "Unknown");
        json.WriteEndObject();
    }

    private void WriteObject(Utf8JsonWriter json, AuditRecord record, OcsfClass @class)
    {
        if (@class == OcsfClass.ApiActivity)
        {
            json.WriteStartObject("api");
            json.WriteString("operation", EntryTypes.NameOf(record.Entry.Type));
            json.WriteEndObject();
        }
        if (@class == OcsfClass.DetectionFinding)
        {
            json.WriteStartObject("finding_info");
            json.WriteString("uid", string.Create(CultureInfo.InvariantCulture, $"{origin}#{(IsRaised(record.Entry) ? record.Index : record.Entry.Reference ?? record.Index)}"));
            json.WriteString("title", record.Entry.Rules.Count > 0 ? record.Entry.Rules[0] : EntryTypes.NameOf(record.Entry.Type));
            json.WriteEndObject();
        }
        if (@class == OcsfClass.DatastoreActivity)
        {
            json.WriteStartObject("database");
            json.WriteString("name", "vault");
            json.WriteNumber("type_id", 1);
            json.WriteEndObject();
        }
    }

    private static void WriteUnmapped(Utf8JsonWriter json, AuditRecord record)
    {
        var entry = record.Entry;
        json.WriteStartObject("unmapped");
        json.WriteString("type", EntryTypes.NameOf(entry.Type));
        if (!entry.Subject.IsEmpty)
            json.WriteString("subject_tag", Hex(entry.Subject));
        if (entry.Purpose.Length > 0)
            json.WriteString("purpose", entry.Purpose);
        WriteList(json, "fields", record.ItemNames);
        WriteList(json, "rules", entry.Rules);
        if (entry.BulkCount > 0)
            json.WriteNumber("subjects", entry.BulkCount);
        json.WriteString("policy", Hex(entry.Policy));
        json.WriteEndObject();
    }

    private static void WriteList(Utf8JsonWriter json, string name, IReadOnlyList<string> values)
    {
        if (values.Count == 0)
            return;
        json.WriteStartArray(name);
        foreach (var value in values)
            json.WriteStringValue(value);
        json.WriteEndArray();
    }

    private static string Hex(ReadOnlyMemory<byte> bytes) => Convert.ToHexStringLower(bytes.Span);
}
