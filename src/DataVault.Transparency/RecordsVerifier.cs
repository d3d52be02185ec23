using System.Globalization;
using System.Security.Cryptography;

namespace DataVault.Transparency;

/// <summary>What is wrong with the records of a vault.</summary>
public enum RecordFault
{
    /// <summary>The manifest is malformed, not signed, or of another log or another state than the one verified.</summary>
    Manifest,

    /// <summary>A record is newer than any entry about it: it was written past the log.</summary>
    UnloggedWrite,

    /// <summary>A record stands in an older state than the newest that the log tells of.</summary>
    RolledBack,

    /// <summary>A record has the newest version and is not what was written.</summary>
    SealDiffers,

    /// <summary>A record that the log tells of is not there, and nobody erased it.</summary>
    Deleted,

    /// <summary>A record of an erased person is there.</summary>
    Resurrected,

    /// <summary>A record of a person of whose key no entry tells.</summary>
    NoBirth,

    /// <summary>A record for which there is no key.</summary>
    NoKey,

    /// <summary>Events were changed, deleted or added.</summary>
    Events,

    /// <summary>A row of a record's history was changed, deleted or added.</summary>
    History,

    /// <summary>A consent act was changed, deleted or added.</summary>
    Consent,

    /// <summary>The log tells of a version of a record for a second time: somebody appended to it what the vault never appends.</summary>
    Repeated,

    /// <summary>The log tells of an erasure that nobody approved, or that was never begun.</summary>
    Erasure,
}

/// <summary>One thing wrong with the records of a vault.</summary>
/// <param name="Fault">What kind of thing.</param>
/// <param name="Tag">Tag of the person concerned in hexadecimal digits, where that can be said.</param>
/// <param name="Entry">The entry that the records contradict, where there is one.</param>
/// <param name="Message">A sentence about it.</param>
public sealed record RecordFinding(RecordFault Fault, string? Tag, long? Entry, string Message);

/// <summary>Outcome of comparing the records of a vault with its log.</summary>
public sealed record RecordsReport
{
    /// <summary>Most findings that a report lists.</summary>
    public const int MaxFindings = 1000;

    /// <summary>True when log and records are without a finding.</summary>
    public bool Ok => Log.Ok && Findings.Count == 0;

    /// <summary>What the replay of the log found; records are compared only with a log that is sound.</summary>
    public required VerificationReport Log { get; init; }

    /// <summary>The state of the log that the records were compared with; null when the manifest cannot be read.</summary>
    public ManifestHeader? Manifest { get; init; }

    /// <summary>Records compared.</summary>
    public long Records { get; init; }

    /// <summary>Batches of events compared.</summary>
    public long EventBatches { get; init; }

    /// <summary>Rows of histories and consent acts compared.</summary>
    public long Rows { get; init; }

    /// <summary>Rows from before the log knew of each, of which it says nothing.</summary>
    public long Unverified { get; init; }

    /// <summary>Restores that the log declares. What one that is not believed says was lost is reported as if it had not been declared.</summary>
    public IReadOnlyList<DeclaredRestore> Restores { get; init; } = [];

    /// <summary>What is wrong; at most <see cref="MaxFindings"/>.</summary>
    public IReadOnlyList<RecordFinding> Findings { get; init; } = [];
}

/// <summary>Compares what a vault says it holds with what its log says it should hold.</summary>
public sealed class RecordsVerifier(NoteVerifier key)
{
    /// <summary>Told now and then how many entries have been replayed.</summary>
    public IProgress<long>? Progress { get; init; }

    /// <summary>Replays the log, then compares the manifest with it.</summary>
    /// <param name="log">The log, at least as long as the manifest says.</param>
    /// <param name="manifest">The manifest; must be able to seek.</param>
    /// <param name="cancellationToken">Ends the work early.</param>
    public async Task<RecordsReport> VerifyAsync(ILogSource log, Stream manifest, CancellationToken cancellationToken = default)
    {
        if (RecordsManifest.Check(manifest, key, out var header) is { } problem)
            return Refused(new VerificationReport(), null, $"the manifest {problem}");
        var ledger = new RecordLedger(header!.Tree.Size, key);
        var replayed = await new LogVerifier(key) { Progress = Progress }.VerifyAsync(log, [], [header.Tree], [ledger], cancellationToken);
        if (!replayed.Ok)
            return Refused(replayed, header, "the log cannot be relied upon, so the records were not compared with it");
        return Compare(ledger, header, manifest) with { Log = replayed };
    }

    /// <summary>Compares within a program that has replayed the log itself.</summary>
    internal static RecordsReport Compare(RecordLedger ledger, ManifestHeader header, Stream manifest)
    {
        ledger.Settle();
        var comparison = new RecordComparison(ledger);
        try
        {
            foreach (var words in RecordsManifest.Read(manifest))
                comparison.Take(words);
        }
        catch (FormatException exception)
        {
            return Refused(new VerificationReport(), header, $"the manifest has a line that it should not: {exception.Message}");
        }
        return comparison.Finish() with { Manifest = header };
    }

    private static RecordsReport Refused(VerificationReport log, ManifestHeader? header, string message) =>
        new() { Log = log, Manifest = header, Findings = [new RecordFinding(RecordFault.Manifest, null, null, message)] };
}

/// <summary>One comparison under way.</summary>
internal sealed class RecordComparison(RecordLedger ledger)
{
    private readonly List<RecordFinding> _findings = [];
    private long _records, _batches, _rows, _unverified;
    private (UInt128 Tag, RecordLedger.Person? Person) _current;
    private RecordLedger.NewKey? _key;
    private IncrementalHash? _sealedAnew;

    public void Take(string[] words)
    {
        if (words[0] is not ("history" or "consent"))
            Close();
        switch (words)
        {
            case ["record", var tag, var version, var seal]: Record(Tag(tag), Number(version), Hash(seal)); break;
            case ["stray", var version, var seal]: Stray(Number(version), Hash(seal)); break;
            case ["history", var version, var hash]: History(Number(version), Hash(hash)); break;
            case ["consent", var entry, var hash]: Consent(Number(entry), Hash(hash)); break;
            case ["events", var digest]: Events(Hash(digest)); break;
            case ["gone", var digest]: Gone(Hash(digest)); break;
            case ["unbound", var count]: Unbound(Number(count)); break;
            default: throw new FormatException(words[0]);
        }
    }

    public RecordsReport Finish()
    {
        Close();
        foreach (var wrong in ledger.Contradictions)
            Report(wrong.Fault, wrong.Tag, wrong.Index, wrong.Message);
        foreach (var (tag, person) in ledger.People)
            Missing(tag, person);
        foreach (var (index, act) in ledger.Consents)
        {
            var person = ledger.People.GetValueOrDefault(act.Tag);
            if (!ledger.IsLost(index) && person?.ErasedAt is null && !(index < person?.PartErasedAt))
                Report(RecordFault.Consent, act.Tag, index, $"the consent act of entry {index} is gone or was changed");
        }
        foreach (var index in ledger.Batches.Values.Where(index => !ledger.IsLost(index)).Order())
            Report(RecordFault.Events, null, index, $"the events that entry {index} appended are not all there as they were written");
        foreach (var index in ledger.Gone.Values.Where(index => !ledger.IsBeforeRestore(index)).Order())
            Report(RecordFault.Events, null, index, $"what is kept of the events that entry {index} erased was changed or is gone");
        return new RecordsReport
        {
            Log = new VerificationReport(), Records = _records, EventBatches = _batches, Rows = _rows, Unverified = _unverified, Restores = [.. ledger.Restores.All],
            Findings = [.. _findings.OrderBy(finding => finding.Entry ?? long.MaxValue).Take(RecordsReport.MaxFindings)],
        };
    }

    private void Record(UInt128 tag, long version, RecordLedger.Hash seal)
    {
        _records++;
        var person = ledger.People.GetValueOrDefault(tag);
        _current = (tag, person);
        _key = person is null ? null : ledger.KeyOf(person);
        _sealedAnew = _key?.History is null ? null : IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        if (person is null || person.Writes.Count == 0)
        {
            Report(RecordFault.UnloggedWrite, tag, null, $"version {version} of a record is there, and no entry tells of the person's record");
            return;
        }
        if (person.IsSeen)
            Report(RecordFault.UnloggedWrite, tag, null, "two records have the same tag");
        person.IsSeen = true;
        if (person.BornAt is null)
            Report(RecordFault.NoBirth, tag, person.Writes[0].Index, "no entry tells of the making of the person's key");
        if (ledger.Expected(person) is not { } due)
            Report(RecordFault.Resurrected, tag, person.ErasedAt, Gone(person));
        else if (version != due.Version || seal != due.Seal)
            Report(Fault(version, due), tag, due.Index, Differs(person, version, seal, due));
    }

    private static RecordFault Fault(long version, RecordLedger.State due) =>
        version > due.Version ? RecordFault.UnloggedWrite : version < due.Version ? RecordFault.RolledBack : RecordFault.SealDiffers;

    private static string Gone(RecordLedger.Person person) => person.ErasedAt is { } erased
        ? $"the person was erased by entry {erased}, and a record of theirs is there"
        : "all that the log tells of the record was lost in a declared restore, and a record is there";

    private static string Differs(RecordLedger.Person person, long version, RecordLedger.Hash seal, RecordLedger.State due)
    {
        if (version == due.Version)
            return $"version {version} of the record is not what entry {due.Index} wrote";
        if (version > due.Version)
            return $"version {version} of the record is there, and the newest that the log tells of is {due.Version}, by entry {due.Index}";
        var older = person.Writes.FindLast(write => write.Version == version && write.Seal == seal);
        var where = older.Version == 0 ? $"in a version {version} that no entry tells of" : $"as entry {older.Index} left it";
        return $"the record stands {where}, and entry {due.Index} wrote version {due.Version}";
    }

    private void Stray(long version, RecordLedger.Hash seal)
    {
        var (tag, person, write) = ledger.People.SelectMany(pair => pair.Value.Writes.Select(write => (pair.Key, Person: pair.Value, write)))
            .FirstOrDefault(one => one.write.Version == version && one.write.Seal == seal);
        // The key of somebody who is being erased goes before the record does; what is still there is compared all the same.
        if (person is { IsErasing: true, ErasedAt: null })
        {
            Record(tag, version, seal);
            return;
        }
        _records++;
        // The row is that of a person whose record is missing otherwise: said once.
        if (person is not null)
            person.IsSeen = true;
        (_current, _key) = (default, null);
        var whose = person is null ? "no entry tells of it" : person.ErasedAt is { } erased ? $"entry {write.Index} wrote it and entry {erased} erased the person" : $"entry {write.Index} wrote it";
        Report(person?.ErasedAt is null ? RecordFault.NoKey : RecordFault.Resurrected, null, person?.ErasedAt, $"a record of version {version} has no key: {whose}");
    }

    private void History(long version, RecordLedger.Hash hash)
    {
        _rows++;
        var (tag, person) = _current;
        if (_sealedAnew is not null && version < _key!.Value.Version)
        {
            hash.AppendTo(_sealedAnew);
            return;
        }
        var known = person?.History?.FindIndex(row => row.Index > From(_key) && row.Version == version && row.Seal == hash) ?? -1;
        if (known >= 0)
        {
            person!.History!.RemoveAt(known);
            return;
        }
        var write = person?.Writes.FindLast(write => write.Version == version + 1) ?? default;
        if (write.Version > 0 && !ledger.IsBound(write.Index))
            _unverified++;
        else
            Report(RecordFault.History, tag, write.Version > 0 ? write.Index : null, $"the history row of version {version} is not one that the log tells of");
    }

    /// <summary>After the last row of a person's history.</summary>
    private void Close()
    {
        if (_sealedAnew is null)
            return;
        if (RecordLedger.Hash.Of(_sealedAnew.GetHashAndReset()) != _key!.Value.History)
            Report(RecordFault.History, _current.Tag, _key.Value.Index, $"the history rows that entry {_key.Value.Index} tells of are not all there as they were sealed then");
        _sealedAnew.Dispose();
        (_sealedAnew, _key) = (null, null);
    }

    private static long From(RecordLedger.NewKey? key) => key?.Index ?? -1;

    private void Consent(long entry, RecordLedger.Hash hash)
    {
        _rows++;
        var (tag, _) = _current;
        if (ledger.Consents.TryGetValue(entry, out var act) && act.Tag == tag && act.Hash == hash)
            ledger.Consents.Remove(entry);
        else if (!ledger.IsBound(entry))
            _unverified++;
        else
            Report(RecordFault.Consent, tag, entry, $"a consent act names entry {entry}, which tells of no such act");
    }

    private void Events(RecordLedger.Hash digest)
    {
        _batches++;
        if (!ledger.Batches.Remove(digest))
            Report(RecordFault.Events, null, null, "a batch of events is not one that the log tells of: it was changed, added, or is incomplete");
    }

    private void Gone(RecordLedger.Hash digest)
    {
        if (!ledger.Gone.Remove(digest) && !ledger.Gone.Values.Any(ledger.IsBeforeRestore))
            Report(RecordFault.Events, null, null, "events are said to be erased, and no erasure tells of them");
    }

    private void Unbound(long count)
    {
        _unverified += count;
        if (count > 0 && !ledger.HasUnboundEvents)
            Report(RecordFault.Events, null, null, $"{count} events belong to no batch, and no entry tells of such");
    }

    private void Missing(UInt128 tag, RecordLedger.Person person)
    {
        if (ledger.Expected(person) is not { } due)
            return;
        if (!person.IsSeen)
            Report(RecordFault.Deleted, tag, due.Index, $"the record that entry {due.Index} wrote is gone, and nobody erased it");
        var from = From(ledger.KeyOf(person));
        foreach (var row in (person.History ?? []).Where(row => person.IsSeen && row.Index > from && !ledger.IsLost(row.Index)))
            Report(RecordFault.History, tag, row.Index, $"the history row of version {row.Version}, which entry {row.Index} wrote, is gone or was changed");
    }

    private void Report(RecordFault fault, UInt128? tag, long? entry, string message) =>
        _findings.Add(new RecordFinding(fault, tag?.ToString("x32", CultureInfo.InvariantCulture), entry, message + Remark(entry)));

    private string Remark(long? entry) => entry is { } index && ledger.Restores.WouldExplain(index) is { } restore
        ? string.Create(CultureInfo.InvariantCulture, $"; entry {restore.Index} declares a restore that would explain it, and no operator stands behind that entry")
        : "";

    private static UInt128 Tag(string text) => text.Length == 32 ? UInt128.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) : throw new FormatException("a tag");

    private static long Number(string text) => Decimals.TryParse(text, out var number) ? number : throw new FormatException("a number");

    private static RecordLedger.Hash Hash(string text) => text.Length == 64 ? RecordLedger.Hash.Of(Convert.FromHexString(text)) : throw new FormatException("a hash");
}
