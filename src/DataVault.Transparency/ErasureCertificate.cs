// The erasure certificate: docs/formats/erasure-certificate.md ("SPEC erasure-certificate §n" below).
//
// A signed note that says what was erased, followed by a tlog-proof of each entry that it names. Each proof carries its entry as extra data, so
// that the whole verifies offline with nothing but the log's verifier key.
//
//    datavault/erasure-certificate/v2
//    log <origin>
//    request <uuid>
//    state executed | final
//    subject <subject tag, 32 hex digits>
//    key-commitment <base64, 32 bytes>
//    born <index> <time>                        unless the log no longer keeps that entry
//    requested <index> <time>
//    executed <index> <time>
//    epoch <number>
//    final-at <time>
//    destroyed <index> <time>                   final only
//    final <index> <time>                       final only
//    counts exact | replayed
//    erased <what> <count>                      zero or more
//    residual <what> <count>                    zero or more
//    issued <time>
//                                               (an empty line)
//    — <signature lines>
//                                               (an empty line)
//    proof <entry type>                         one for each entry named, in that order; that of the birth is called "birth"
//    <tlog-proof>
//                                               (an empty line between two)
//
// Version 3 is of a part, which a hold left: state part, neither epoch nor final-at, destroyed, final and counts, and before "issued"
//    kept <item> <code>                         one or more: what is left
// Version 1 has no lines but log, request, subject, key-commitment, requested, executed, erased and issued, and two proofs.

using System.Globalization;
using System.Text;

namespace DataVault.Transparency;

/// <summary>An entry of the log: where it stands, and when it was made.</summary>
/// <param name="Index">Index in the log.</param>
/// <param name="At">Time of the entry.</param>
public readonly record struct LogPlace(long Index, DateTimeOffset At);

/// <summary>What an erasure certificate states. Nothing in it identifies the person once the subject's secret is gone.</summary>
public sealed record ErasureStatement
{
    private const string Header = "datavault/erasure-certificate/v";
    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";

    /// <summary>Version of the format: 2, or 1 of a certificate that was issued before there was another; 3 of one of a part.</summary>
    public int Version { get; init; } = 2;

    /// <summary>Origin of the log.</summary>
    public required string Log { get; init; }

    /// <summary>Id of the request for erasure.</summary>
    public required Guid Request { get; init; }

    /// <summary>Tag of the person in the log, 16 bytes.</summary>
    public required ReadOnlyMemory<byte> SubjectTag { get; init; }

    /// <summary>Commitment to the destroyed key, 32 bytes.</summary>
    public required ReadOnlyMemory<byte> KeyCommitment { get; init; }

    /// <summary>The entry by which the vault committed to the key when it was made; null when the log no longer keeps it, and in version 1.</summary>
    public LogPlace? Born { get; init; }

    /// <summary>Index of the entry <c>erase.request</c>.</summary>
    public required long RequestedIndex { get; init; }

    /// <summary>Time of that entry.</summary>
    public required DateTimeOffset RequestedAt { get; init; }

    /// <summary>Index of the entry <c>erase.executed</c>.</summary>
    public required long ExecutedIndex { get; init; }

    /// <summary>Time of that entry.</summary>
    public required DateTimeOffset ExecutedAt { get; init; }

    /// <summary>The key epoch whose destruction leaves no copy of the keys database, however old, that opens the destroyed key; 0 in version 1.</summary>
    public int Epoch { get; init; }

    /// <summary>When that epoch is destroyed at the latest if the vault runs as it is configured; the Unix epoch in version 1.</summary>
    public DateTimeOffset FinalAt { get; init; }

    /// <summary>The entry <c>epoch.destroyed</c> of that epoch; null until the erasure is final.</summary>
    public LogPlace? Destroyed { get; init; }

    /// <summary>The entry <c>erase.final</c>; null until the erasure is final.</summary>
    public LogPlace? Final { get; init; }

    /// <summary>Of a part: what holds have left, each item's name and its code in the log. Empty of a whole erasure.</summary>
    public IReadOnlyList<KeyValuePair<string, long>> Kept { get; init; } = [];

    /// <summary>A hold has left something.</summary>
    public bool IsPart => Version == PartVersion;

    /// <summary>Version of the format of a certificate of a part.</summary>
    public const int PartVersion = 3;

    /// <summary>No copy of the destroyed key can be opened any more, in any backup.</summary>
    public bool IsFinal => Final is not null;

    /// <summary>
    /// The rows had been deleted before by the replay of the tombstone journal after a restore: <see cref="Erased"/> then counts only what was left to delete.
    /// </summary>
    public bool Replayed { get; init; }

    /// <summary>How many of what was erased: a lower-case word with hyphens, and a count.</summary>
    public required IReadOnlyList<KeyValuePair<string, long>> Erased { get; init; }

    /// <summary>What the erasure could not reach, likewise; empty in version 1.</summary>
    public IReadOnlyList<KeyValuePair<string, long>> Residuals { get; init; } = [];

    /// <summary>When the certificate was issued.</summary>
    public required DateTimeOffset IssuedAt { get; init; }

    /// <summary>The text that is signed.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        void Line(string line) => text.Append(line).Append('\n');
        void Place(string name, LogPlace? place)
        {
            if (place is { } at) Line(string.Create(CultureInfo.InvariantCulture, $"{name} {at.Index} {Timestamp(at.At)}"));
        }
        Line(string.Create(CultureInfo.InvariantCulture, $"{Header}{Version}"));
        Line($"log {Log}");
        Line($"request {Request:D}");
        if (Version > 1) Line(IsPart ? "state part" : IsFinal ? "state final" : "state executed");
        Line($"subject {Convert.ToHexStringLower(SubjectTag.Span)}");
        Line($"key-commitment {Convert.ToBase64String(KeyCommitment.Span)}");
        Place("born", Born);
        Place("requested", new(RequestedIndex, RequestedAt));
        Place("executed", new(ExecutedIndex, ExecutedAt));
        if (Version == 2)
        {
            Line(string.Create(CultureInfo.InvariantCulture, $"epoch {Epoch}"));
            Line($"final-at {Timestamp(FinalAt)}");
            Place("destroyed", Destroyed);
            Place("final", Final);
            Line(Replayed ? "counts replayed" : "counts exact");
        }
        foreach (var (what, count) in Erased)
            Line(string.Create(CultureInfo.InvariantCulture, $"erased {what} {count}"));
        foreach (var (what, count) in Residuals)
            Line(string.Create(CultureInfo.InvariantCulture, $"residual {what} {count}"));
        foreach (var (item, code) in Kept)
            Line(string.Create(CultureInfo.InvariantCulture, $"kept {item} {code}"));
        Line($"issued {Timestamp(IssuedAt)}");
        return text.ToString();
    }

    /// <summary>Reads the text of a statement; only what <see cref="ToText"/> writes.</summary>
    public static bool TryParse(string text, out ErasureStatement? statement)
    {
        var lines = new FieldLines(text);
        statement = text.StartsWith(Header + "1\n", StringComparison.Ordinal) ? ReadFirst(lines)
            : text.StartsWith(Header + "3\n", StringComparison.Ordinal) ? ReadPart(lines) : ReadSecond(lines);
        // SPEC erasure-certificate §2: one statement, one text.
        if (!lines.Ok || !statement.IsWithinLimits() || statement.ToText() != text)
            statement = null;
        return statement is not null;
    }

    private static ErasureStatement ReadFirst(FieldLines lines)
    {
        lines.Expect(Header + "1");
        return new ErasureStatement
        {
            Version = 1,
            Log = lines.Next("log", 1)[0],
            Request = lines.Guid("request"),
            SubjectTag = lines.Hex("subject"),
            KeyCommitment = lines.Base64("key-commitment"),
            RequestedIndex = lines.Indexed("requested", out var requestedAt),
            RequestedAt = requestedAt,
            ExecutedIndex = lines.Indexed("executed", out var executedAt),
            ExecutedAt = executedAt,
            FinalAt = DateTimeOffset.UnixEpoch,
            Erased = lines.Counts("erased"),
            IssuedAt = lines.Time(lines.Next("issued", 1)[0]),
        };
    }

    private static ErasureStatement ReadSecond(FieldLines lines)
    {
        lines.Expect(Header + "2");
        var (log, request) = (lines.Next("log", 1)[0], lines.Guid("request"));
        var final = lines.Either("state", "final", "executed");
        return new ErasureStatement
        {
            Log = log,
            Request = request,
            SubjectTag = lines.Hex("subject"),
            KeyCommitment = lines.Base64("key-commitment"),
            Born = lines.Place("born", lines.Follows("born")),
            RequestedIndex = lines.Indexed("requested", out var requestedAt),
            RequestedAt = requestedAt,
            ExecutedIndex = lines.Indexed("executed", out var executedAt),
            ExecutedAt = executedAt,
            Epoch = lines.Number("epoch"),
            FinalAt = lines.Time(lines.Next("final-at", 1)[0]),
            Destroyed = lines.Place("destroyed", final),
            Final = lines.Place("final", final),
            Replayed = lines.Either("counts", "replayed", "exact"),
            Erased = lines.Counts("erased"),
            Residuals = lines.Counts("residual"),
            IssuedAt = lines.Time(lines.Next("issued", 1)[0]),
        };
    }

    private static ErasureStatement ReadPart(FieldLines lines)
    {
        lines.Expect(Header + "3");
        var (log, request) = (lines.Next("log", 1)[0], lines.Guid("request"));
        lines.Expect("state part");
        return new ErasureStatement
        {
            Version = PartVersion,
            Log = log,
            Request = request,
            SubjectTag = lines.Hex("subject"),
            KeyCommitment = lines.Base64("key-commitment"),
            Born = lines.Place("born", lines.Follows("born")),
            RequestedIndex = lines.Indexed("requested", out var requestedAt),
            RequestedAt = requestedAt,
            ExecutedIndex = lines.Indexed("executed", out var executedAt),
            ExecutedAt = executedAt,
            FinalAt = DateTimeOffset.UnixEpoch,
            Erased = [],
            Kept = lines.Counts("kept"),
            IssuedAt = lines.Time(lines.Next("issued", 1)[0]),
        };
    }

    /// <summary>True when every value can be written and read back.</summary>
    internal bool IsWithinLimits() =>
        SubjectTag.Length == LogEntry.TagSize
        && KeyCommitment.Length == MerkleHash.Size
        && SignedNote.IsKeyName(Log)
        && RequestedIndex >= 0
        && ExecutedIndex > RequestedIndex
        && Erased.Concat(Residuals).All(pair => pair.Value >= 0 && pair.Key.Length > 0 && pair.Key.All(c => c is (>= 'a' and <= 'z') or '-'))
        && Version switch
        {
            PartVersion => IsOfPart(),
            2 => Kept.Count == 0 && IsInOrder(),
            _ => Version == 1 && this is { Born: null, Destroyed: null, Final: null, Replayed: false, Residuals.Count: 0, Kept.Count: 0 },
        };

    // Something is left, and nothing is final.
    private bool IsOfPart() =>
        this is { Destroyed: null, Final: null, Epoch: 0, Replayed: false, Erased.Count: 0, Residuals.Count: 0, Kept.Count: > 0 }
        && (Born is not { } born || (born.Index >= 0 && born.Index < ExecutedIndex))
        && Kept.All(item => item.Value >= 0 && item.Key.Length > 0 && item.Key.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or ':' or '.' or '_'));

    // The order of the log itself: a key is born before it is destroyed (after the request, where a hold kept a part for which a new key was made), and only
    // what was executed becomes final.
    private bool IsInOrder() =>
        Epoch > 0
        && (Born is not { } born || (born.Index >= 0 && born.Index < ExecutedIndex))
        && (Destroyed is null) == (Final is null)
        && (Final is not { } final || (final.Index > Destroyed!.Value.Index && Destroyed.Value.Index > ExecutedIndex));

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

        public bool Follows(string name) => Ok && _lines.TryPeek(out var line) && line.StartsWith(name + " ", StringComparison.Ordinal);

        public bool Either(string name, string yes, string no)
        {
            var value = Next(name, 1)[0];
            Ok &= value == yes || value == no;
            return Ok && value == yes;
        }

        public int Number(string name)
        {
            Ok &= Decimals.TryParse(Next(name, 1)[0], out var number) && number <= int.MaxValue;
            return Ok ? (int)number : 0;
        }

        public LogPlace? Place(string name, bool due) => due ? new LogPlace(Indexed(name, out var at), at) : null;

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
            while (Follows(name))
            {
                var values = Next(name, 2);
                Ok &= Decimals.TryParse(values[1], out var count);
                counts.Add(KeyValuePair.Create(values[0], count));
            }
            return counts;
        }
    }
}

/// <summary>Proofs of the entries that a statement names; each has its entry as its extra data.</summary>
/// <param name="Request">Of <c>erase.request</c>.</param>
/// <param name="Execution">Of <c>erase.executed</c>.</param>
public sealed record ErasureProofs(TlogProof Request, TlogProof Execution)
{
    /// <summary>Of the entry by which the vault committed to the key; present when the statement says where it was born.</summary>
    public TlogProof? Birth { get; init; }

    /// <summary>Of <c>epoch.destroyed</c>; present when the erasure is final.</summary>
    public TlogProof? Destruction { get; init; }

    /// <summary>Of <c>erase.final</c>; present when the erasure is final.</summary>
    public TlogProof? Final { get; init; }

    internal IEnumerable<(string Name, TlogProof Proof)> Named()
    {
        (string, TlogProof?)[] all = [("birth", Birth), ("erase.request", Request), ("erase.executed", Execution), ("epoch.destroyed", Destruction), ("erase.final", Final)];
        return all.Where(one => one.Item2 is not null).Select(one => (one.Item1, one.Item2!));
    }

    /// <summary>Those of a text that begins with the first marker.</summary>
    internal static ErasureProofs? Parse(string text, IReadOnlyList<string> names)
    {
        var proofs = new Dictionary<string, TlogProof>();
        for (var at = 0; at < names.Count; at++)
        {
            var marker = Marker(names[at]);
            var end = at + 1 < names.Count ? text.IndexOf(Marker(names[at + 1]), StringComparison.Ordinal) : text.Length;
            if (end < marker.Length || !text.StartsWith(marker, StringComparison.Ordinal) || !TlogProof.TryParse(text[marker.Length..end], out var proof)) return null;
            proofs[names[at]] = proof!;
            text = text[end..];
        }
        return new ErasureProofs(proofs["erase.request"], proofs["erase.executed"])
        {
            Birth = proofs.GetValueOrDefault("birth"), Destruction = proofs.GetValueOrDefault("epoch.destroyed"), Final = proofs.GetValueOrDefault("erase.final"),
        };
    }

    /// <summary>The proofs that belong to a statement, in their order.</summary>
    internal static IReadOnlyList<string> NamesFor(ErasureStatement statement)
    {
        string[] always = statement.Born is null ? ["erase.request", "erase.executed"] : ["birth", "erase.request", "erase.executed"];
        return statement.IsFinal ? [.. always, "epoch.destroyed", "erase.final"] : always;
    }

    internal static string Marker(string name) => $"\nproof {name}\n";
}

/// <summary>A signed statement of an erasure with the proofs that the log recorded it.</summary>
public sealed class ErasureCertificate
{
    private const string EpochRule = "epoch:";

    private ErasureCertificate(ErasureStatement statement, SignedNote note, ErasureProofs proofs) => (Statement, Note, Proofs) = (statement, note, proofs);

    /// <summary>What is certified.</summary>
    public ErasureStatement Statement { get; }

    /// <summary>The statement's text with its signatures.</summary>
    public SignedNote Note { get; }

    /// <summary>Proofs of the entries that the statement names.</summary>
    public ErasureProofs Proofs { get; }

    /// <summary>Signs a statement and joins the proofs to it.</summary>
    /// <param name="statement">What is certified.</param>
    /// <param name="signer">The log's signer.</param>
    /// <param name="proofs">Of the entries that the statement names, and of no others.</param>
    /// <exception cref="ArgumentException">The statement is outside its limits, or the proofs are not those that belong to it.</exception>
    public static ErasureCertificate Issue(ErasureStatement statement, NoteSigner signer, ErasureProofs proofs)
    {
        if (!statement.IsWithinLimits())
            throw new ArgumentException("The statement of an erasure certificate is outside its limits.", nameof(statement));
        if (!proofs.Named().Select(one => one.Name).SequenceEqual(ErasureProofs.NamesFor(statement)))
            throw new ArgumentException("The proofs are not those of the entries that the statement names.", nameof(proofs));
        return new ErasureCertificate(statement, signer.Sign(statement.ToText()), proofs);
    }

    /// <summary>Reads a certificate of version 1, 2 or 3. That it parsed says nothing of its truth: see <see cref="Verify"/>.</summary>
    public static bool TryParse(string text, out ErasureCertificate? certificate)
    {
        certificate = null;
        var first = text.IndexOf("\nproof ", StringComparison.Ordinal);
        if (first < 0
            || !SignedNote.TryParse(text[..first], out var note)
            || !ErasureStatement.TryParse(note!.Text, out var statement)
            || ErasureProofs.Parse(text[first..], ErasureProofs.NamesFor(statement!)) is not { } proofs)
            return false;
        certificate = new ErasureCertificate(statement!, note, proofs);
        return true;
    }

    /// <summary>The certificate as it is stored and sent.</summary>
    public override string ToString() =>
        Note + string.Concat(Proofs.Named().Select(one => ErasureProofs.Marker(one.Name) + one.Proof));

    /// <summary>Checks everything offline against the log's key: null when the certificate holds, otherwise the first thing wrong with it.</summary>
    public string? Verify(NoteVerifier key)
    {
        // SPEC erasure-certificate §3
        var check = key.Check(Note);
        if (check != NoteCheck.Valid)
            return check == NoteCheck.NotAvailable ? "this machine cannot verify the key's kind of signature" : "the log's key has not signed the statement";
        if (Statement.Log != key.Name)
            return "the statement is about another log than the key's";
        return CheckBirth(key)
            ?? CheckAbout(Proofs.Request, EntryType.EraseRequest, new(Statement.RequestedIndex, Statement.RequestedAt), key)
            ?? CheckAbout(Proofs.Execution, EntryType.EraseExecuted, new(Statement.ExecutedIndex, Statement.ExecutedAt), key)
            ?? CheckFinality(key);
    }

    /// <summary>
    /// What an entry of the log has to say against this certificate, for whoever replays the whole log: null when nothing. A destroyed key that the vault
    /// commits to anew was not destroyed.
    /// </summary>
    /// <param name="index">Index of the entry.</param>
    /// <param name="entry">The entry.</param>
    // SPEC erasure-certificate §7
    public string? Contradiction(long index, LogEntry entry)
    {
        if (entry.Type is not (EntryType.KeyCreate or EntryType.KeyRotate or EntryType.EraseExecuted)
            || !entry.KeyCommitment.Span.SequenceEqual(Statement.KeyCommitment.Span))
            return null;
        if (index > Statement.ExecutedIndex)
            return $"entry {index} ({EntryTypes.NameOf(entry.Type)}) commits to the destroyed key again";
        if (entry.Type == EntryType.EraseExecuted)
            return index == Statement.ExecutedIndex ? null : $"entry {index} says that the same key was destroyed before";
        return Statement.Born is not { } born || born.Index == index ? null : $"entry {index} is another birth of the same key";
    }

    private string? CheckBirth(NoteVerifier key)
    {
        if (Statement.Born is not { } place)
            return null;
        if (Check(Proofs.Birth!, "birth", place, key, out var entry) is { } problem)
            return problem;
        if (entry!.Type is not (EntryType.KeyCreate or EntryType.KeyRotate))
            return "the entry proved as birth does not report a key";
        if (!IsAboutSubject(entry))
            return "the entry proved as birth concerns another person than the statement";
        return HasKey(entry) ? null : "the key at birth is another than the one stated";
    }

    private string? CheckAbout(TlogProof proof, EntryType type, LogPlace place, NoteVerifier key)
    {
        var name = EntryTypes.NameOf(type);
        if (Check(proof, name, place, key, out var entry) is { } problem)
            return problem;
        // SPEC erasure-certificate §4
        if (entry!.Type != type)
            return $"the entry at {place.Index} does not report {name}";
        if (!IsAboutSubject(entry))
            return $"the entry {name} concerns another person or time than the statement";
        return type == EntryType.EraseExecuted ? CheckExecution(entry) : null;
    }

    private string? CheckExecution(LogEntry entry)
    {
        // SPEC erasure-certificate §5
        if (!HasKey(entry))
            return "the executed erasure destroyed another key than the one stated";
        // An entry of an earlier version names no epoch; the entry erase.final does.
        if (entry.Rules.FirstOrDefault(rule => rule.StartsWith(EpochRule, StringComparison.Ordinal)) is { } named && named != RuleOf(Statement.Epoch))
            return "the executed erasure names another key epoch than the statement";
        if (Statement.Version == 2 && entry.Items.Count > 0)
            return "the executed erasure was a part only, which a hold left";
        // SPEC erasure-certificate §9
        if (Statement.IsPart && (entry.Items.Count == 0 || Statement.Kept.Any(kept => entry.Items.Any(item => item == kept.Value))))
            return "the executed erasure is not of a part that leaves what is stated";
        return (Statement.Version > 1 && entry.Reference is null) || (entry.Reference is { } reference && reference != Statement.RequestedIndex)
            ? "the executed erasure answers another request" : null;
    }

    private string? CheckFinality(NoteVerifier key)
    {
        if (Statement.Final is not { } place)
            return null;
        // SPEC erasure-certificate §6
        if (Check(Proofs.Destruction!, "epoch.destroyed", Statement.Destroyed!.Value, key, out var destroyed) is { } missing)
            return missing;
        if (destroyed!.Type != EntryType.EpochDestroyed || destroyed.RecordVersion != Statement.Epoch)
            return "the epoch destroyed is not the one that could open the key";
        if (CheckAbout(Proofs.Final!, EntryType.EraseFinal, place, key) is { } problem)
            return problem;
        var final = LogEntry.Decode(Proofs.Final!.Extra);
        return HasKey(final) && final.Reference == Statement.ExecutedIndex && final.RecordVersion == Statement.Epoch
            ? null : "the entry erase.final is about another erasure";
    }

    private static string? Check(TlogProof proof, string name, LogPlace place, NoteVerifier key, out LogEntry? entry)
    {
        entry = null;
        if (proof.Index != place.Index || !proof.Verify(proof.Extra.Span, key))
            return $"the proof of {name} does not lead to a signed checkpoint of the log";
        try
        {
            entry = LogEntry.Decode(proof.Extra);
        }
        catch (FormatException)
        {
            return $"the entry proved as {name} is not a log entry";
        }
        if (entry.Result != EntryResult.Ok)
            return $"the entry at {place.Index} does not report {name}";
        return entry.Time == place.At.ToUnixTimeMilliseconds() ? null : $"the entry {name} concerns another person or time than the statement";
    }

    /// <summary>How the entry <c>erase.executed</c> names, among its rules, the key epoch that makes it final.</summary>
    public static string RuleOf(int epoch) => string.Create(CultureInfo.InvariantCulture, $"{EpochRule}{epoch}");

    private bool IsAboutSubject(LogEntry entry) => entry.Subject.Span.SequenceEqual(Statement.SubjectTag.Span);

    private bool HasKey(LogEntry entry) => entry.KeyCommitment.Span.SequenceEqual(Statement.KeyCommitment.Span);
}
