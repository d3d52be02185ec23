using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using DataVault.Client.Wire;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.OpenDsr;

/// <summary>
/// Reads a request of a controller strictly. Every problem names a member and a code, and nothing of what was sent; problems of several items are told together.
/// Members that the specification does not know are passed over, as it asks of extensions.
/// </summary>
internal sealed partial class OpenDsrBody
{
    public const int Limit = 64 * 1024;
    private const int MostIdentities = 20;
    private const int MostCallbacks = 5;
    private const int LongestValue = 512;
    private const int Depth = 16;

    // SPEC OpenDSR §7: clocks differ.
    private static readonly TimeSpan Ahead = TimeSpan.FromMinutes(5);
    private static readonly string[] Regulations = ["gdpr", "ccpa"];
    private static readonly string[] OtherFormats = ["sha256", "sha1", "md5"];

    private readonly List<MemberProblem> _problems = [];
    private readonly OpenDsrSettings _settings;
    private readonly DateTimeOffset _now;

    private OpenDsrBody(OpenDsrSettings settings, DateTimeOffset now) => (_settings, _now) = (settings, now);

    /// <exception cref="ProblemException">invalid-request, with what is wrong.</exception>
    public static NewOpenDsrRequest Read(ReadOnlyMemory<byte> body, OpenDsrSettings settings, DateTimeOffset now)
    {
        try
        {
            using var document = JsonDocument.Parse(body, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = Depth });
            return new OpenDsrBody(settings, now).Read(document.RootElement, body);
        }
        catch (JsonException e) when (e.Message.Contains("uplicate", StringComparison.Ordinal))
        {
            throw ProblemException.Member("", "duplicate-member", "A member stands twice.");
        }
        catch (JsonException)
        {
            throw ProblemException.Member("", "malformed", "The body is not well-formed JSON.");
        }
    }

    /// <summary>Lower-case, and of version 4, as the specification wants it; nothing else is a number of a request.</summary>
    public static bool TryReadId(string? text, out Guid id)
    {
        id = Guid.Empty;
        return text is not null && LowerCaseVersion4().IsMatch(text) && Guid.TryParseExact(text, "D", out id);
    }

    private NewOpenDsrRequest Read(JsonElement root, ReadOnlyMemory<byte> body)
    {
        if (root.ValueKind != JsonValueKind.Object) throw ProblemException.Member("", "wrong-type", "An object is wanted.");
        RequireRegulation(root);
        if (!TryReadId(Text(root, "subject_request_id", required: true), out var id))
            Problem("/subject_request_id", "invalid", "Must be a UUID of version 4 in lower-case letters.");
        var kind = Text(root, "subject_request_type", required: true);
        if (kind is null || !OpenDsrWords.Kinds.Contains(kind)) Problem("/subject_request_type", "unsupported", $"Must be one of {string.Join(", ", OpenDsrWords.Kinds.Order())}.");
        RequireSubmitted(Text(root, "submitted_time", required: true));
        if (Text(root, "api_version", required: false) is { } version && version.Split('.')[0] != "2") Problem("/api_version", "unsupported", "This is version 2.0 of OpenDSR.");
        var identities = Identities(root);
        var callbacks = Callbacks(root);
        if (_problems.Count > 0) throw new ProblemException("invalid-request", null, _problems);
        return new NewOpenDsrRequest(id, kind!, identities, callbacks, body);
    }

    private void RequireRegulation(JsonElement root)
    {
        var regulation = Text(root, "regulation", required: !_settings.LenientRegulation);
        if (regulation is not null && !Regulations.Contains(regulation)) Problem("/regulation", "unsupported", "Must be gdpr or ccpa.");
    }

    private void RequireSubmitted(string? text)
    {
        if (text is null) return;
        if (!Rfc3339().IsMatch(text) || !DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var submitted))
            Problem("/submitted_time", "invalid", "Must be a time as RFC 3339 writes it.");
        else if (submitted > _now + Ahead)
            Problem("/submitted_time", "in-the-future", "Lies in the future.");
    }

    private List<OpenDsrIdentity> Identities(JsonElement root)
    {
        var read = new List<OpenDsrIdentity>();
        if (!List(root, "subject_identities", MostIdentities, required: true, out var list)) return read;
        var index = 0;
        foreach (var item in list.EnumerateArray())
        {
            if (Identity(item, $"/subject_identities/{index++}") is { } identity) read.Add(identity);
        }

        if (index == 0) Problem("/subject_identities", "empty", "Says whom the request is about.");
        return read;
    }

    private OpenDsrIdentity? Identity(JsonElement item, string at)
    {
        if (item.ValueKind != JsonValueKind.Object)
        {
            Problem(at, "wrong-type", "An object is wanted.");
            return null;
        }

        var (type, value, format) = (Text(item, "identity_type", true, at), Text(item, "identity_value", true, at), Text(item, "identity_format", true, at));
        if (type is null || value is null || format is null) return null;
        if (value.Length is 0 or > LongestValue) Problem(at + "/identity_value", "out-of-range", $"Has 1 to {LongestValue} characters.");
        if (OtherFormats.Contains(format)) Problem(at + "/identity_format", "unsupported", "Hashed identities are not supported; discovery says which formats are.");
        else if (format != "raw") Problem(at + "/identity_format", "invalid", "Must be a format that discovery names.");
        else return new OpenDsrIdentity(type, value);
        return null;
    }

    private List<Uri> Callbacks(JsonElement root)
    {
        var read = new List<Uri>();
        if (!List(root, "status_callback_urls", MostCallbacks, required: false, out var list)) return read;
        var index = 0;
        foreach (var item in list.EnumerateArray())
        {
            if (item.ValueKind == JsonValueKind.String && Uri.TryCreate(item.GetString(), UriKind.Absolute, out var address)) read.Add(address);
            else Problem($"/status_callback_urls/{index}", "invalid", "Must be an absolute https:// address.");
            index++;
        }

        return read;
    }

    private bool List(JsonElement root, string name, int most, bool required, out JsonElement list)
    {
        if (!root.TryGetProperty(name, out list))
        {
            if (required) Problem("/" + name, "missing-member", "Is required.");
            return false;
        }

        if (list.ValueKind != JsonValueKind.Array) Problem("/" + name, "wrong-type", "A list is wanted.");
        else if (list.GetArrayLength() > most) Problem("/" + name, "out-of-range", $"Has at most {most} items.");
        else return true;
        return false;
    }

    private string? Text(JsonElement from, string name, bool required, string at = "")
    {
        if (!from.TryGetProperty(name, out var member))
        {
            if (required) Problem($"{at}/{name}", "missing-member", "Is required.");
            return null;
        }

        if (member.ValueKind == JsonValueKind.String) return member.GetString();
        Problem($"{at}/{name}", "wrong-type", "A text is wanted.");
        return null;
    }

    private void Problem(string pointer, string code, string message)
    {
        if (!_problems.Exists(problem => problem.Pointer == pointer)) _problems.Add(new MemberProblem(pointer, code, message));
    }

    [GeneratedRegex("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\\z")]
    private static partial Regex LowerCaseVersion4();

    [GeneratedRegex("^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})\\z")]
    private static partial Regex Rfc3339();
}
