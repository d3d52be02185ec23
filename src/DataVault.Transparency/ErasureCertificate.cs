// The erasure certificate: docs/formats/erasure-certificate.md ("SPEC erasure-certificate §n" below).
//
// A signed note that says what was erased, followed by a tlog-proof of the entry that recorded the request and one of the entry that recorded
// its execution. Each proof carries its entry as extra data, so that the whole verifies offline with nothing but the log's verifier key.
//
//    datavault/erasure-certificate/v1
//    log <origin>
//    request <uuid>
//    subject <subject tag, 32 hex digits>
//    key-commitment <base64, 32 bytes>
//    requested <index> <time>
//    executed <index> <time>
//    erased <what> <count>                      zero or more
//    issued <time>
//                                               (an empty line)
//    — <signature lines>
//                                               (an empty line)
//    proof erase.request
//    <tlog-proof>
//                                               (an empty line)
//    proof erase.executed
//    <tlog-proof>

using System.Globalization;
using System.Text;

namespace DataVault.Transparency;

/// <summary>What an erasure certificate states. Nothing in it identifies the person once the subject's secret is gone.</summary>
public sealed record ErasureStatement
{
    private const string Header = "datavault/erasure-certificate/v1";
    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";

    /// <summary>Origin of the log.</summary>
    public required string Log { get; init; }

    /// <summary>Id of the request for erasure.</summary>
    public required Guid Request { get; init; }

    /// <summary>Tag of the person in the log, 16 bytes.</summary>
    public required ReadOnlyMemory<byte> SubjectTag { get; init; }

    /// <summary>Commitment to the destroyed key, 32 bytes.</summary>
    public required ReadOnlyMemory<byte> KeyCommitment { get; init; }

    /// <summary>Index of the entry <c>erase.request</c>.</summary>
    public required long RequestedIndex { get; init; }

    /// <summary>Time of that entry.</summary>
    public required DateTimeOffset RequestedAt { get; init; }

    /// <summary>Index of the entry <c>erase.executed</c>.</summary>
    public required long ExecutedIndex { get; init; }

    /// <summary>Time of that entry.</summary>
    public required DateTimeOffset ExecutedAt { get; init; }

    /// <summary>How many of what was erased: a lower-case word with hyphens, and a count.</summary>
    public required IReadOnlyList<KeyValuePair<string, long>> Erased { get; init; }

    /// <summary>When the certificate was issued.</summary>
    public required DateTimeOffset IssuedAt { get; init; }

    /// <summary>The text that is signed.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        void Line(string line) => text.Append(line).Append('\n');
        Line(Header);
        Line($"log {Log}");
        Line($"request {Request:D}");
        Line($"subject {Convert.ToHexStringLower(SubjectTag.Span)}");
        Line($"key-commitment {Convert.ToBase64String(KeyCommitment.Span)}");
        Line(string.Create(CultureInfo.InvariantCulture, $"requested {RequestedIndex} {Timestamp(RequestedAt)}"));
        Line(string.Create(CultureInfo.InvariantCulture, $"executed {ExecutedIndex} {Timestamp(ExecutedAt)}"));
        foreach (var (what, count) in Erased)
            Line(string.Create(CultureInfo.InvariantCulture, $"erased {what} {count}"));
        Line($"issued {Timestamp(IssuedAt)}");
        return text.ToString();
    }

    /// <summary>Reads the text of a statement; only what <see cref="ToText"/> writes.</summary>
    public static bool TryParse(string text, out ErasureStatement? statement)
    {
        var lines = new FieldLines(text);
        lines.Expect(Header);
        statement = new ErasureStatement
        {
            Log = lines.Next("log", 1)[0],
            Request = lines.Guid("request"),
            SubjectTag = lines.Hex("subject"),
            KeyCommitment = lines.Base64("key-commitment"),
            RequestedIndex = lines.Indexed("requested", out var requestedAt),
            RequestedAt = requestedAt,
            ExecutedIndex = lines.Indexed("executed", out var executedAt),
            ExecutedAt = executedAt,
            Erased = lines.Counts("erased"),
            IssuedAt = lines.Time(lines.Next("issued", 1)[0]),
        };
        // SPEC erasure-certificate §2: one statement, one text.
        if (!lines.Ok || !statement.IsWithinLimits() || statement.ToText() != text)
            statement = null;
        return statement is not null;
    }

    /// <summary>True when every value can be written and read back.</summary>
    internal bool IsWithinLimits() =>
        SubjectTag.Length == LogEntry.TagSize
        && KeyCommitment.Length == MerkleHash.Size
        && SignedNote.IsKeyName(Log)
        && RequestedIndex >= 0
        && ExecutedIndex > RequestedIndex
        && Erased.All(pair => pair.Value >= 0 && pair.Key.Length > 0 && pair.Key.All(c => c is (>= 'a' and <= 'z') or '-'));

    private static string Timestamp(DateTimeOffset time) => time.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture);

    /// <summary>Takes a text apart line by line; the first line that is not as due turns <see cref="Ok"/> false for good.</summary>
    private sealed class FieldLines(string text)
    {
        private readonly Queue<string> _lines = new(text.Split('\n'));

        public bool Ok { get; private set; } = true;

        public void Expect(string line) => Ok &= _lines.TryDequeue(out var found) && found == line;

        public string[] Next(string name, int values)
        {
            var parts = _lines.TryDequeue(out var line) ? line.Split(' ') : [];
            Ok &= parts.Length == values + 1 && parts[0] == name;
            return Ok ? parts[1..] : [.. Enumerable.Repeat("", values)];
        }

        public Guid Guid(string name)
        {
            Ok &= System.Guid.TryParseExact(Next(name, 1)[0], "D", out var id);
            return id;
        }

        public byte[] Hex(string name)
        {
            var digits = Next(name, 1)[0];
            Ok &= digits.Length % 2 == 0 && digits.All(char.IsAsciiHexDigitLower);
            return Ok ? Convert.FromHexString(digits) : [];
        }

        public byte[] Base64(string name)
        {
            Ok &= Base64Strict.TryDecode(Next(name, 1)[0], out var bytes);
            return bytes;
        }

        public long Indexed(string name, out DateTimeOffset at)
        {
            var values = Next(name, 2);
            Ok &= Decimals.TryParse(values[0], out var index);
            at = Time(values[1]);
            return index;
        }

        public DateTimeOffset Time(string value)
        {
            Ok &= DateTimeOffset.TryParseExact(value, TimeFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time);
            return time;
        }

        public List<KeyValuePair<string, long>> Counts(string name)
        {
            var counts = new List<KeyValuePair<string, long>>();
            while (Ok && _lines.TryPeek(out var line) && line.StartsWith(name + " ", StringComparison.Ordinal))
            {
                var values = Next(name, 2);
                Ok &= Decimals.TryParse(values[1], out var count);
                counts.Add(KeyValuePair.Create(values[0], count));
            }
            return counts;
        }
    }
}

/// <summary>A signed statement of an erasure with the proofs that the log recorded it.</summary>
public sealed class ErasureCertificate
{
    private const string RequestMarker = "\nproof erase.request\n";
    private const string ExecutionMarker = "\nproof erase.executed\n";

    private ErasureCertificate(ErasureStatement statement, SignedNote note, TlogProof request, TlogProof execution) =>
        (Statement, Note, RequestProof, ExecutionProof) = (statement, note, request, execution);

    /// <summary>What is certified.</summary>
    public ErasureStatement Statement { get; }

    /// <summary>The statement's text with its signatures.</summary>
    public SignedNote Note { get; }

    /// <summary>Proof of the entry <c>erase.request</c>, with the entry as its extra data.</summary>
    public TlogProof RequestProof { get; }

    /// <summary>Proof of the entry <c>erase.executed</c>, with the entry as its extra data.</summary>
    public TlogProof ExecutionProof { get; }

    /// <summary>Signs a statement and joins the proofs to it.</summary>
    /// <param name="statement">What is certified.</param>
    /// <param name="signer">The log's signer.</param>
    /// <param name="request">Proof of the entry <c>erase.request</c>; its extra data are the entry's bytes.</param>
    /// <param name="execution">Proof of the entry <c>erase.executed</c>; likewise.</param>
    /// <exception cref="ArgumentException">The statement is outside its limits.</exception>
    public static ErasureCertificate Issue(ErasureStatement statement, NoteSigner signer, TlogProof request, TlogProof execution)
    {
        if (!statement.IsWithinLimits())
            throw new ArgumentException("The statement of an erasure certificate is outside its limits.", nameof(statement));
        return new ErasureCertificate(statement, signer.Sign(statement.ToText()), request, execution);
    }

    /// <summary>Reads a certificate. That it parsed says nothing of its truth: see <see cref="Verify"/>.</summary>
    public static bool TryParse(string text, out ErasureCertificate? certificate)
    {
        certificate = null;
        var first = text.IndexOf(RequestMarker, StringComparison.Ordinal);
        var second = text.IndexOf(ExecutionMarker, StringComparison.Ordinal);
        if (first < 0 || second < first + RequestMarker.Length)
            return false;
        if (!SignedNote.TryParse(text[..first], out var note)
            || !ErasureStatement.TryParse(note!.Text, out var statement)
            || !TlogProof.TryParse(text[(first + RequestMarker.Length)..second], out var request)
            || !TlogProof.TryParse(text[(second + ExecutionMarker.Length)..], out var execution))
            return false;
        certificate = new ErasureCertificate(statement!, note, request!, execution!);
        return true;
    }

    /// <summary>The certificate as it is stored and sent.</summary>
    public override string ToString() => $"{Note}{RequestMarker}{RequestProof}{ExecutionMarker}{ExecutionProof}";

    /// <summary>Checks everything offline against the log's key: null when the certificate holds, otherwise the first thing wrong with it.</summary>
    public string? Verify(NoteVerifier key)
    {
        // SPEC erasure-certificate §3
        var check = key.Check(Note);
        if (check != NoteCheck.Valid)
            return check == NoteCheck.NotAvailable ? "this machine cannot verify the key's kind of signature" : "the log's key has not signed the statement";
        if (Statement.Log != key.Name)
            return "the statement is about another log than the key's";
        return CheckEntry(RequestProof, EntryType.EraseRequest, Statement.RequestedIndex, Statement.RequestedAt, key)
            ?? CheckEntry(ExecutionProof, EntryType.EraseExecuted, Statement.ExecutedIndex, Statement.ExecutedAt, key);
    }

    private string? CheckEntry(TlogProof proof, EntryType type, long index, DateTimeOffset at, NoteVerifier key)
    {
        var name = EntryTypes.NameOf(type);
        if (proof.Index != index || !proof.Verify(proof.Extra.Span, key))
            return $"the proof of {name} does not lead to a signed checkpoint of the log";
        LogEntry entry;
        try
        {
            entry = LogEntry.Decode(proof.Extra);
        }
        catch (FormatException)
        {
            return $"the entry proved as {name} is not a log entry";
        }
        // SPEC erasure-certificate §4
        if (entry.Type != type || entry.Result != EntryResult.Ok)
            return $"the entry at {index} does not report {name}";
        if (!entry.Subject.Span.SequenceEqual(Statement.SubjectTag.Span) || entry.Time != at.ToUnixTimeMilliseconds())
            return $"the entry {name} concerns another person or time than the statement";
        return type == EntryType.EraseExecuted ? CheckExecution(entry) : null;
    }

    private string? CheckExecution(LogEntry entry)
    {
        // SPEC erasure-certificate §5
        if (!entry.KeyCommitment.Span.SequenceEqual(Statement.KeyCommitment.Span))
            return "the executed erasure destroyed another key than the one stated";
        return entry.Reference is { } reference && reference != Statement.RequestedIndex ? "the executed erasure answers another request" : null;
    }
}
