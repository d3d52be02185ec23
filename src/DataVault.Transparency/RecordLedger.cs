using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace DataVault.Transparency;

/// <summary>What the log says that a vault should hold: the newest state of every record, and what belongs to it.</summary>
internal sealed class RecordLedger(long until, NoteVerifier key) : IEntryReader
{
    // "request:" and a UUID
    private const int RequestRule = 8 + 36;

    private readonly Dictionary<UInt128, Person> _people = [];
    private readonly Dictionary<Hash, long> _batches = [];
    private readonly Dictionary<Hash, long> _gone = [];
    private readonly Dictionary<Hash, Hash> _goneUnder = [];
    private readonly Dictionary<long, ConsentAct> _consents = [];
    private readonly DeclaredRestores _restores = new(key);
    private readonly Dictionary<(UInt128 Tag, string Request), UInt128> _approvals = [];
    private readonly Dictionary<long, UInt128> _asked = [];
    private readonly List<Contradiction> _contradictions = [];

    /// <summary>The first entry that knows of single events, history rows and consent acts.</summary>
    private long _boundFrom = long.MaxValue;

    public IReadOnlyDictionary<UInt128, Person> People => _people;

    public Dictionary<Hash, long> Batches => _batches;

    public Dictionary<Hash, long> Gone => _gone;

    public Dictionary<long, ConsentAct> Consents => _consents;

    /// <summary>Where the log contradicts itself: somebody appended what the vault never appends.</summary>
    public IReadOnlyList<Contradiction> Contradictions => _contradictions;

    /// <summary>True when some events were appended before the log knew of single ones.</summary>
    public bool HasUnboundEvents { get; private set; }

    public bool Wants(in EntryGlance entry, ReadOnlySpan<byte> encoded) => entry.Result == EntryResult.Ok
        && (entry.Type is EntryType.KeyCreate or EntryType.KeyRotate or EntryType.RetentionSwept or EntryType.EraseRequest or EntryType.EraseExecuted or EntryType.EventAppend or EntryType.ConsentChange or EntryType.RestoreDeclared or EntryType.RequestChange
            || (entry.SubjectAt > 0 && entry.Has(10) && entry.Has(11)));

    public void Read(long index, ReadOnlyMemory<byte> encoded)
    {
        if (index >= until)
            return;
        var entry = LogEntry.Decode(encoded);
        var isWrite = !entry.Seal.IsEmpty && entry.RecordVersion > 0 && !entry.Subject.IsEmpty;
        switch (entry.Type)
        {
            case EntryType.KeyCreate when !entry.Subject.IsEmpty: Of(entry).BornAt ??= index; break;
            case EntryType.RequestChange when !entry.Subject.IsEmpty: Approve(entry); break;
            case EntryType.EraseRequest when !entry.Subject.IsEmpty: Ask(index, entry); break;
            case EntryType.EraseExecuted: Erase(index, entry); break;
            case EntryType.EventAppend: Append(index, entry); break;
            case EntryType.KeyRotate or EntryType.RetentionSwept when !entry.Subject.IsEmpty: SealAnew(index, entry); break;
            case EntryType.RestoreDeclared: _restores.Read(index, entry); break;
            case EntryType.ConsentChange when !entry.DetailHash.IsEmpty && !entry.Subject.IsEmpty:
                _boundFrom = Math.Min(_boundFrom, index);
                _consents[index] = new ConsentAct(TagOf(entry), Hash.Of(entry.DetailHash.Span));
                break;
        }
        if (isWrite)
            Write(index, entry);
    }

    /// <summary>
    /// Leaves out, when the whole log was read, what tells of a version for a second time: versions of a record rise, but for what a believed restore lost. SPEC
    /// keys §9.2: a record that is sealed anew keeps its version.
    /// </summary>
    public void Settle()
    {
        foreach (var (tag, person) in _people)
        {
            State last = default;
            for (var at = 0; at < person.Writes.Count; at++)
            {
                var write = person.Writes[at];
                if (IsLost(write.Index))
                    continue;
                if (write.Version > last.Version || write.SealsAnew && write.Version == last.Version && write.Seal != last.Seal)
                {
                    last = write;
                    continue;
                }
                _contradictions.Add(new Contradiction(
                    RecordFault.Repeated, tag, write.Index, $"entry {write.Index} tells of version {write.Version} of a record, and entry {last.Index} told of version {last.Version} before"));
                person.Writes.RemoveAt(at--);
                person.History?.RemoveAll(row => row.Index == write.Index);
            }
        }
    }

    /// <summary>SPEC log-entry §9: what a restore that an operator stands behind says is not in the database any more.</summary>
    public bool IsLost(long index) => _restores.Explain(index);

    /// <summary>True when the database was restored after this entry, so that not all that the entry tells of need have been there a second time.</summary>
    public bool IsBeforeRestore(long index) => _restores.IsBefore(index);

    /// <summary>Restores that the log declares, believed or not.</summary>
    public DeclaredRestores Restores => _restores;

    public bool IsBound(long index) => index >= _boundFrom;

    /// <summary>The state that the record should be in; null when it should not be there.</summary>
    public State? Expected(Person person)
    {
        for (var at = person.Writes.Count - 1; at >= 0; at--)
        {
            var write = person.Writes[at];
            if (person.ErasedAt is { } erased && write.Index < erased)
                return null;
            if (!IsLost(write.Index))
                return write;
        }
        return null;
    }

    /// <summary>The newest key that all rows of the person's history were told of under; null when they were told of only as they were written.</summary>
    public NewKey? KeyOf(Person person)
    {
        for (var at = (person.NewKeys?.Count ?? 0) - 1; at >= 0; at--)
        {
            if (!IsLost(person.NewKeys![at].Index))
                return person.NewKeys[at];
        }
        return null;
    }

    private void Approve(LogEntry entry)
    {
        // The first that tells of it: an erasure that waits for something says so in the same words.
        if (entry.Rules is ["request:erasure:approved", var request, ..])
            _approvals.TryAdd((TagOf(entry), request), ActorOf(entry));
    }

    // The process that erases approves nothing.
    private void Ask(long index, LogEntry entry)
    {
        var tag = TagOf(entry);
        _asked[index] = tag;
        Of(entry).IsErasing = true;
        if (!_approvals.TryGetValue((tag, entry.Rules.FirstOrDefault(rule => rule.StartsWith("request:", StringComparison.Ordinal) && rule.Length == RequestRule) ?? ""), out var by) || by == ActorOf(entry))
            _contradictions.Add(new Contradiction(RecordFault.Erasure, tag, index, $"entry {index} begins an erasure that nobody approved"));
    }

    private void Erase(long index, LogEntry entry)
    {
        // SPEC log-entry §14: it names the entry that began the erasure.
        if (!entry.Subject.IsEmpty && !(entry.Reference is { } asked && _asked.TryGetValue(asked, out var whose) && whose == TagOf(entry)))
        {
            _contradictions.Add(new Contradiction(RecordFault.Erasure, TagOf(entry), index, $"entry {index} tells of an erasure that no entry before it began"));
            return;
        }
        // SPEC log-entry §14: with items it tells of a part; the rest of the person is held and still there.
        if (!entry.Subject.IsEmpty)
            Of(entry).IsErasing = false;
        if (!entry.Subject.IsEmpty && entry.Items.Count == 0)
            Of(entry).ErasedAt = index;
        else if (!entry.Subject.IsEmpty)
            Of(entry).PartErasedAt = index;
        Bury(index, entry);
    }

    // The digest is over all that was buried under the key: a later one takes in the earlier.
    private void Bury(long index, LogEntry entry)
    {
        if (entry.Seal.IsEmpty || entry.RecordVersion > 0)
            return;
        var digest = Hash.Of(entry.Seal.Span);
        if (!entry.KeyCommitment.IsEmpty)
        {
            var key = Hash.Of(entry.KeyCommitment.Span);
            if (_goneUnder.TryGetValue(key, out var earlier))
                _gone.Remove(earlier);
            _goneUnder[key] = digest;
        }
        _gone[digest] = index;
    }

    // SPEC log-entry §14 (a part is erased: the rows that are left are told of one by one); SPEC keys §9.2 (all is sealed anew: the rows are told of together). SPEC log-entry §18 (what was kept long enough goes: the same).
    private void SealAnew(long index, LogEntry entry)
    {
        switch (entry.KeyCommitment.IsEmpty, entry.RecordVersion > 0)
        {
            case (false, true):
                (Of(entry).NewKeys ??= []).Add(new NewKey(index, entry.RecordVersion, entry.DetailHash.IsEmpty ? null : Hash.Of(entry.DetailHash.Span)));
                break;
            case (false, false): Bury(index, entry); break;
            case (true, true) when !entry.DetailHash.IsEmpty: (Of(entry).History ??= []).Add(new State(index, entry.RecordVersion, Hash.Of(entry.DetailHash.Span))); break;
            case (true, false) when !entry.Seal.IsEmpty: Append(index, entry); break;
        }
    }

    private void Append(long index, LogEntry entry)
    {
        if (entry.Seal.IsEmpty)
        {
            HasUnboundEvents = true;
            return;
        }
        _boundFrom = Math.Min(_boundFrom, index);
        _batches[Hash.Of(entry.Seal.Span)] = index;
    }

    private void Write(long index, LogEntry entry)
    {
        var person = Of(entry);
        person.Writes.Add(new State(index, entry.RecordVersion, Hash.Of(entry.Seal.Span)) { SealsAnew = entry.Type == EntryType.KeyRotate });
        if (entry.Type != EntryType.RecordWrite || entry.DetailHash.IsEmpty)
            return;
        _boundFrom = Math.Min(_boundFrom, index);
        (person.History ??= []).Add(new State(index, entry.RecordVersion - 1, Hash.Of(entry.DetailHash.Span)));
    }

    private Person Of(LogEntry entry)
    {
        ref var person = ref CollectionsMarshal.GetValueRefOrAddDefault(_people, TagOf(entry), out _);
        return person ??= new Person();
    }

    private static UInt128 TagOf(LogEntry entry) => BinaryPrimitives.ReadUInt128BigEndian(entry.Subject.Span);

    private static UInt128 ActorOf(LogEntry entry) => BinaryPrimitives.ReadUInt128BigEndian(entry.Actor.Span);

    /// <summary>An entry that the entries before it do not allow.</summary>
    public readonly record struct Contradiction(RecordFault Fault, UInt128 Tag, long Index, string Message);

    /// <summary>A state of a record, or a row of its history, and the entry that tells of it.</summary>
    public readonly record struct State(long Index, long Version, Hash Seal)
    {
        /// <summary>Written under a new key.</summary>
        public bool SealsAnew { get; init; }
    }

    /// <summary>A key that took the place of another.</summary>
    /// <param name="Index">The entry that tells of it.</param>
    /// <param name="Version">Of the record at that moment: all rows of the history are of earlier ones.</param>
    /// <param name="History">Over the rows of the history; null when there were none, or each is told of by an entry of its own.</param>
    public readonly record struct NewKey(long Index, long Version, Hash? History);

    /// <summary>A consent act that an entry tells of.</summary>
    public readonly record struct ConsentAct(UInt128 Tag, Hash Hash);

    /// <summary>32 bytes as a value.</summary>
    public readonly record struct Hash(UInt128 High, UInt128 Low)
    {
        public static Hash Of(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt128BigEndian(bytes), BinaryPrimitives.ReadUInt128BigEndian(bytes[16..]));

        public void AppendTo(IncrementalHash hash)
        {
            Span<byte> bytes = stackalloc byte[32];
            BinaryPrimitives.WriteUInt128BigEndian(bytes, High);
            BinaryPrimitives.WriteUInt128BigEndian(bytes[16..], Low);
            hash.AppendData(bytes);
        }
    }

    /// <summary>What the log says of one person.</summary>
    public sealed class Person
    {
        public long? BornAt { get; set; }

        public long? ErasedAt { get; set; }

        /// <summary>An erasure was begun and is not executed: the key goes before the record does.</summary>
        public bool IsErasing { get; set; }

        /// <summary>All but what is held was erased: consents from before are gone.</summary>
        public long? PartErasedAt { get; set; }

        public List<State> Writes { get; } = new(1);

        public List<State>? History { get; set; }

        public List<NewKey>? NewKeys { get; set; }

        public bool IsSeen { get; set; }
    }
}
