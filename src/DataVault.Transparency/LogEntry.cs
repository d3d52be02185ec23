// The leaf of the log: docs/formats/log-entry.md ("SPEC log-entry §n" below).
//
// One CBOR map (RFC 8949) in the core deterministic encoding of §4.2.1, with unsigned integer keys in ascending order, at most 2,048 bytes.
// It holds codes, tags and hashes only: no personal data, no free text. An attribute without a value is left out, never empty.
//
//    1 v        uint      1                          11 rv     uint     record version, >= 1
//    2 t        uint      Unix milliseconds          12 dh     bstr32   SHA-256 of the sealed detail
//    3 type     uint      EntryType                  13 rid    bstr16   request id
//    5 actor    bstr16    actor tag                  14 pol    bstr16   policy version
//    6 subject  bstr16    subject tag                15 bulk   [uint >= 1, bstr32]  subjects and the root over their tags
//    7 purpose  tstr<=32  purpose name               16 kc     bstr32   key commitment
//    8 result   uint      EntryResult                17 ref    uint     index of the entry this one answers
//    9 items    [+ uint]  catalogue item ids         19 rules  [+ tstr<=64]  ids of the determining rules
//   10 seal     bstr32    record seal                 4, 18: reserved

namespace DataVault.Transparency;

/// <summary>One entry of the transparency log. Encodes to deterministic CBOR of at most <see cref="MaxEncodedSize"/> bytes.</summary>
public sealed record LogEntry
{
    /// <summary>Most bytes that an encoded entry may have.</summary>
    public const int MaxEncodedSize = 2048;

    /// <summary>Bytes in a tag, a request id and a policy version.</summary>
    public const int TagSize = 16;

    /// <summary>Most characters in a purpose.</summary>
    public const int MaxPurposeLength = 32;

    /// <summary>Most characters in a rule id.</summary>
    public const int MaxRuleLength = 64;

    internal const long MaxTime = 253_402_300_799_999;
    internal const int MaxListed = 1024;

    private static readonly byte[] NoTag = new byte[TagSize];

    /// <summary>What happened.</summary>
    public required EntryType Type { get; init; }

    /// <summary>When, in Unix milliseconds by the clock of whoever ordered the log; never less than in the entry before.</summary>
    public long Time { get; init; }

    /// <summary>Tag of who acted, 16 bytes; zeros for the vault itself.</summary>
    public ReadOnlyMemory<byte> Actor { get; init; } = NoTag;

    /// <summary>Tag of the person whom it concerns, 16 bytes; empty when there is none or when there are several.</summary>
    public ReadOnlyMemory<byte> Subject { get; init; }

    /// <summary>Name of the purpose; empty when none applies. Printable ASCII without blanks.</summary>
    public string Purpose { get; init; } = "";

    /// <summary>How it ended.</summary>
    public EntryResult Result { get; init; }

    /// <summary>Ids of the catalogue items touched, in the order of the request; an event type counts as 1000 + its id.</summary>
    public IReadOnlyList<int> Items { get; init; } = [];

    /// <summary>Seal of the record after a write, 32 bytes; empty otherwise.</summary>
    public ReadOnlyMemory<byte> Seal { get; init; }

    /// <summary>Version of the record read or written; 0 when no record is concerned.</summary>
    public long RecordVersion { get; init; }

    /// <summary>SHA-256 of the sealed detail kept outside the tree, 32 bytes; empty when there is none.</summary>
    public ReadOnlyMemory<byte> DetailHash { get; init; }

    /// <summary>Id of the request that caused it, 16 bytes.</summary>
    public ReadOnlyMemory<byte> RequestId { get; init; } = NoTag;

    /// <summary>Version of the policy in force, 16 bytes.</summary>
    public ReadOnlyMemory<byte> Policy { get; init; } = NoTag;

    /// <summary>Number of persons concerned when there are several; otherwise 0.</summary>
    public int BulkCount { get; init; }

    /// <summary>RFC 6962 root over the sorted tags of those persons, 32 bytes; empty when <see cref="BulkCount"/> is 0.</summary>
    public ReadOnlyMemory<byte> BulkRoot { get; init; }

    /// <summary>Commitment to a key made or destroyed, 32 bytes; empty otherwise.</summary>
    public ReadOnlyMemory<byte> KeyCommitment { get; init; }

    /// <summary>Index of the entry that this one answers.</summary>
    public long? Reference { get; init; }

    /// <summary>Ids of the rules that determined the decision. Printable ASCII without blanks.</summary>
    public IReadOnlyList<string> Rules { get; init; } = [];

    /// <summary>The encoding as a new array.</summary>
    /// <exception cref="ArgumentException">A value is outside its limits, or the entry would exceed <see cref="MaxEncodedSize"/>.</exception>
    public byte[] Encode()
    {
        Span<byte> buffer = stackalloc byte[MaxEncodedSize];
        return buffer[..Encode(buffer)].ToArray();
    }

    /// <summary>Writes the encoding into <paramref name="destination"/> and returns its length.</summary>
    /// <exception cref="ArgumentException">A value is outside its limits, or the entry does not fit.</exception>
    public int Encode(Span<byte> destination) => Encode(destination, Time);

    /// <summary>Writes the encoding with another time than <see cref="Time"/>: whoever orders the log knows it last.</summary>
    /// <exception cref="ArgumentException">A value is outside its limits, or the entry does not fit.</exception>
    public int Encode(Span<byte> destination, long time)
    {
        Check(time is >= 0 and <= MaxTime, 2, "time");
        Check(Type != 0, 3, "type");
        // SPEC log-entry §1: at most 2,048 bytes, whatever room the caller has.
        var writer = new CborWriter(destination.Length > MaxEncodedSize ? destination[..MaxEncodedSize] : destination);
        writer.Head(CborMajor.Map, (ulong)KeyCount());
        Unsigned(ref writer, 1, 1);
        Unsigned(ref writer, 2, time);
        Unsigned(ref writer, 3, (long)Type);
        Bytes(ref writer, 5, Actor, TagSize, optional: false);
        Bytes(ref writer, 6, Subject, TagSize);
        if (Purpose.Length > 0)
            Text(ref writer, 7, Purpose, MaxPurposeLength);
        Unsigned(ref writer, 8, (long)Result);
        WriteItems(ref writer);
        Bytes(ref writer, 10, Seal, MerkleHash.Size);
        if (RecordVersion != 0)
            Unsigned(ref writer, 11, RecordVersion);
        Bytes(ref writer, 12, DetailHash, MerkleHash.Size);
        Bytes(ref writer, 13, RequestId, TagSize, optional: false);
        Bytes(ref writer, 14, Policy, TagSize, optional: false);
        WriteBulk(ref writer);
        Bytes(ref writer, 16, KeyCommitment, MerkleHash.Size);
        if (Reference is { } reference)
            Unsigned(ref writer, 17, reference);
        WriteRules(ref writer);
        return writer.Written;
    }

    /// <summary>Reads an encoding; the result's byte strings are slices of <paramref name="encoded"/>.</summary>
    /// <exception cref="FormatException">The bytes are not exactly what <see cref="Encode()"/> writes for some entry; the message says where they depart.</exception>
    public static LogEntry Decode(ReadOnlyMemory<byte> encoded)
    {
        // SPEC log-entry §1
        if (encoded.Length > MaxEncodedSize)
            throw new FormatException($"log-entry §1: {encoded.Length} bytes where at most {MaxEncodedSize} are allowed");
        var draft = new LogEntryDraft();
        var reader = new CborReader(encoded);
        var key = 0L;
        try
        {
            var keys = reader.Count(CborMajor.Map, 19);
            for (var previous = 0L; keys > 0; keys--, previous = key)
            {
                key = reader.Unsigned(19);
                // SPEC log-entry §2: ascending, each once.
                if (key <= previous)
                    throw new FormatException("a key out of order");
                draft.Read(key, ref reader);
            }
            if (!reader.AtEnd)
                throw new FormatException("bytes after the entry");
        }
        catch (FormatException exception)
        {
            throw new FormatException($"log-entry, key {key}: {exception.Message}", exception);
        }
        return draft.Complete();
    }

    /// <summary>Two entries are equal when their encodings are.</summary>
    public bool Equals(LogEntry? other) => other is not null && Encode().AsSpan().SequenceEqual(other.Encode());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Type, Time, Purpose, Result, RecordVersion);

    internal static bool IsCode(string text) => !text.AsSpan().ContainsAnyExceptInRange('!', '~');

    private int KeyCount()
    {
        var count = 7;
        count += Present(Subject) + Present(Seal) + Present(DetailHash) + Present(KeyCommitment);
        count += (Purpose.Length > 0 ? 1 : 0) + (Items.Count > 0 ? 1 : 0) + (RecordVersion != 0 ? 1 : 0);
        return count + (BulkCount != 0 ? 1 : 0) + (Reference is null ? 0 : 1) + (Rules.Count > 0 ? 1 : 0);
    }

    private static int Present(ReadOnlyMemory<byte> value) => value.IsEmpty ? 0 : 1;

    private void WriteItems(ref CborWriter writer)
    {
        if (Items.Count == 0)
            return;
        Check(Items.Count <= MaxListed, 9, "number of items");
        writer.Unsigned(9);
        writer.Head(CborMajor.Array, (ulong)Items.Count);
        for (var i = 0; i < Items.Count; i++)
        {
            Check(Items[i] >= 0, 9, "item");
            writer.Unsigned(Items[i]);
        }
    }

    private void WriteBulk(ref CborWriter writer)
    {
        Check(BulkCount >= 0 && (BulkCount > 0) == !BulkRoot.IsEmpty, 15, "bulk count without its root, or root without its count");
        if (BulkCount == 0)
            return;
        Check(BulkRoot.Length == MerkleHash.Size, 15, "length");
        writer.Unsigned(15);
        writer.Head(CborMajor.Array, 2);
        writer.Unsigned(BulkCount);
        writer.Bytes(BulkRoot.Span);
    }

    private void WriteRules(ref CborWriter writer)
    {
        if (Rules.Count == 0)
            return;
        Check(Rules.Count <= MaxListed, 19, "number of rules");
        writer.Unsigned(19);
        writer.Head(CborMajor.Array, (ulong)Rules.Count);
        for (var i = 0; i < Rules.Count; i++)
        {
            Check(Rules[i].Length is > 0 and <= MaxRuleLength && IsCode(Rules[i]), 19, "rule id");
            writer.Text(Rules[i]);
        }
    }

    private static void Unsigned(ref CborWriter writer, int key, long value)
    {
        Check(value >= 0, key, "number");
        writer.Unsigned(key);
        writer.Unsigned(value);
    }

    private static void Text(ref CborWriter writer, int key, string value, int most)
    {
        // SPEC log-entry §6: codes, no free text.
        Check(value.Length <= most && IsCode(value), key, "text");
        writer.Unsigned(key);
        writer.Text(value);
    }

    private static void Bytes(ref CborWriter writer, int key, ReadOnlyMemory<byte> value, int length, bool optional = true)
    {
        // SPEC log-entry §4: absent, never empty.
        if (optional && value.IsEmpty)
            return;
        Check(value.Length == length, key, "length");
        writer.Unsigned(key);
        writer.Bytes(value.Span);
    }

    private static void Check(bool holds, int key, string what)
    {
        if (!holds)
            throw new ArgumentException($"A log entry's key {key} has a {what} outside its limits.");
    }

    /// <summary>What of an entry has been read so far.</summary>
    private struct LogEntryDraft
    {
        private long _time, _type, _result, _recordVersion, _bulkCount;
        private long? _reference;
        private ReadOnlyMemory<byte> _actor, _subject, _seal, _detailHash, _requestId, _policy, _bulkRoot, _keyCommitment;
        private string? _purpose;
        private int[]? _items;
        private string[]? _rules;
        private int _required;

        public void Read(long key, ref CborReader reader)
        {
            switch (key)
            {
                case 1 when reader.Unsigned() != 1: throw new FormatException("a version other than 1");
                case 1: break;
                case 2: _time = reader.Unsigned(MaxTime); break;
                case 3: _type = Positive(reader.Unsigned(ushort.MaxValue)); break;
                case 5: _actor = reader.Bytes(TagSize); break;
                case 6: _subject = reader.Bytes(TagSize); break;
                case 7: _purpose = Code(reader.Text(MaxPurposeLength)); break;
                case 8: _result = reader.Unsigned(byte.MaxValue); break;
                case 9: _items = ReadItems(ref reader); break;
                case 10: _seal = reader.Bytes(MerkleHash.Size); break;
                case 11: _recordVersion = Positive(reader.Unsigned()); break;
                case 12: _detailHash = reader.Bytes(MerkleHash.Size); break;
                case 13: _requestId = reader.Bytes(TagSize); break;
                case 14: _policy = reader.Bytes(TagSize); break;
                case 15: ReadBulk(ref reader); break;
                case 16: _keyCommitment = reader.Bytes(MerkleHash.Size); break;
                case 17: _reference = reader.Unsigned(); break;
                case 19: _rules = ReadRules(ref reader); break;
                default: throw new FormatException("a reserved key");
            }
            if (key is 1 or 2 or 3 or 5 or 8 or 13 or 14)
                _required++;
        }

        public readonly LogEntry Complete()
        {
            // SPEC log-entry §5
            if (_required != 7)
                throw new FormatException("log-entry §5: one of the keys 1, 2, 3, 5, 8, 13 and 14 is missing");
            return new LogEntry
            {
                Type = (EntryType)_type,
                Time = _time,
                Actor = _actor,
                Subject = _subject,
                Purpose = _purpose ?? "",
                Result = (EntryResult)_result,
                Items = _items ?? [],
                Seal = _seal,
                RecordVersion = _recordVersion,
                DetailHash = _detailHash,
                RequestId = _requestId,
                Policy = _policy,
                BulkCount = (int)_bulkCount,
                BulkRoot = _bulkRoot,
                KeyCommitment = _keyCommitment,
                Reference = _reference,
                Rules = _rules ?? [],
            };
        }

        private static int[] ReadItems(ref CborReader reader)
        {
            var items = new int[Positive(reader.Count(CborMajor.Array, MaxListed))];
            for (var i = 0; i < items.Length; i++)
                items[i] = (int)reader.Unsigned(int.MaxValue);
            return items;
        }

        private static string[] ReadRules(ref CborReader reader)
        {
            var rules = new string[Positive(reader.Count(CborMajor.Array, MaxListed))];
            for (var i = 0; i < rules.Length; i++)
                rules[i] = Code(reader.Text(MaxRuleLength));
            return rules;
        }

        private void ReadBulk(ref CborReader reader)
        {
            if (reader.Count(CborMajor.Array, 2) != 2)
                throw new FormatException("an array of other than two elements");
            _bulkCount = Positive(reader.Unsigned(int.MaxValue));
            _bulkRoot = reader.Bytes(MerkleHash.Size);
        }

        // SPEC log-entry §4: a value that says nothing is left out, so it is refused when written.
        private static long Positive(long value) => value > 0 ? value : throw new FormatException("a zero that should be absent");

        // SPEC log-entry §6
        private static string Code(string text) =>
            text.Length > 0 && IsCode(text) ? text : throw new FormatException("text that is empty or not printable ASCII");
    }
}
