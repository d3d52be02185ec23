// The keys of a log over time: docs/formats/checkpoint.md §7. One key to a line, in the order of their use:
//
//    <verifier key> [<from> [<until>]]
//
// A key is accepted on checkpoints of from to until entries. The first begins at 0. Every later one is announced by an entry signer.rotate at index
// from - 1, which commits to it and stands in a tree that the key before has signed; a key ends with an entry signer.rotate at index until that
// refers to its successor's announcement. So whoever trusts the first key can follow to the last without trusting the list.

using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DataVault.Transparency;

/// <summary>One key of a log.</summary>
/// <param name="VerifierKey">The line that <see cref="NoteVerifier.Parse"/> reads.</param>
/// <param name="From">The smallest tree on which it is accepted.</param>
/// <param name="Until">The largest; null while it is in use.</param>
public sealed record LogKey(string VerifierKey, long From, long? Until = null)
{
    /// <summary>The key itself.</summary>
    public NoteVerifier Verifier { get; } = NoteVerifier.Parse(VerifierKey);

    /// <summary>What an entry <c>signer.rotate</c> says of it: SHA-256 of the verifier key.</summary>
    public ReadOnlyMemory<byte> Commitment => CommitmentOf(VerifierKey);

    /// <summary>SHA-256 of a verifier key.</summary>
    public static byte[] CommitmentOf(string verifierKey) => SHA256.HashData(Encoding.UTF8.GetBytes(verifierKey));

    /// <summary>Whether it is accepted on a tree of this size.</summary>
    public bool Covers(long size) => size >= From && (Until is null || size <= Until);
}

/// <summary>
/// The keys of one log, accepted each in its time. A note that is no checkpoint (a certificate's statement) may be signed by any of them: the proofs
/// that it carries have checkpoints.
/// </summary>
public sealed class LogKeys : NoteVerifier
{
    private const int MaxKeys = 256;

    private LogKeys(IReadOnlyList<LogKey> keys)
        : base(keys[0].Verifier.Name, keys[^1].Verifier.KeyId) => Keys = keys;

    /// <summary>The keys in the order of their use.</summary>
    public IReadOnlyList<LogKey> Keys { get; }

    /// <summary>The keys as a list.</summary>
    /// <exception cref="FormatException">They are not the keys of one log, or not in order.</exception>
    public static LogKeys Of(IReadOnlyList<LogKey> keys) =>
        AreInOrder(keys) ? new LogKeys([.. keys]) : throw new FormatException("These are not the keys of one log in the order of their use.");

    /// <summary>Reads a list. Empty lines and lines that begin with # are skipped.</summary>
    public static bool TryParse(string text, out LogKeys? keys)
    {
        keys = null;
        var read = new List<LogKey>();
        foreach (var line in text.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#'))
        {
            if (!TryParseLine(line.Split(' '), out var key))
                return false;
            read.Add(key!);
        }
        if (AreInOrder(read))
            keys = new LogKeys(read);
        return keys is not null;
    }

    /// <summary>The list as it is stored and sent.</summary>
    public override string ToString() => string.Concat(Keys.Select(key =>
        string.Create(CultureInfo.InvariantCulture, $"{key.VerifierKey} {key.From}{(key.Until is { } until ? " " + until.ToString(CultureInfo.InvariantCulture) : "")}\n")));

    /// <inheritdoc/>
    public override NoteCheck Check(SignedNote note)
    {
        var size = Checkpoint.TryParse(note.Text, out var checkpoint) ? checkpoint!.Size : (long?)null;
        // SPEC checkpoint §7: outside its time a key is not known.
        return Combine(Keys.Where(key => size is null || key.Covers(size.Value)).Select(key => key.Verifier.Check(note)));
    }

    /// <summary>
    /// Whether a key follows the one before it: null when the proof leads from the announcement of <paramref name="key"/> to a checkpoint that
    /// <paramref name="before"/> has signed, otherwise what is wrong.
    /// </summary>
    /// <param name="before">The key that is trusted already.</param>
    /// <param name="key">The key that claims to follow it.</param>
    /// <param name="announcement">Proof of the entry <c>signer.rotate</c>, with the entry as its extra data.</param>
    public static string? CheckAnnouncement(LogKey before, LogKey key, TlogProof announcement)
    {
        if (announcement.Index != key.From - 1 || !announcement.Verify(announcement.Extra.Span, before.Verifier, out var checkpoint) || !before.Covers(checkpoint!.Size))
            return "the announcement does not lead to a checkpoint that the key before has signed";
        return SignerChain.IsAnnouncementOf(key, announcement.Extra) ? null : "the entry does not announce this key";
    }

    /// <summary>A known key whose signature fails condemns the note, whatever else is on it.</summary>
    internal static NoteCheck Combine(IEnumerable<NoteCheck> checks)
    {
        var found = checks.ToHashSet();
        return found.Contains(NoteCheck.Invalid) ? NoteCheck.Invalid
            : found.Contains(NoteCheck.Valid) ? NoteCheck.Valid
            : found.Contains(NoteCheck.NotAvailable) ? NoteCheck.NotAvailable : NoteCheck.NotSigned;
    }

    private static bool TryParseLine(string[] parts, out LogKey? key)
    {
        key = null;
        long from = 0, until = 0;
        if (parts.Length > 3 || !TryParse(parts[0], out NoteVerifier? _))
            return false;
        if (parts.Length > 1 && !Decimals.TryParse(parts[1], out from))
            return false;
        if (parts.Length > 2 && (!Decimals.TryParse(parts[2], out until) || until < from))
            return false;
        key = new LogKey(parts[0], from, parts.Length > 2 ? until : null);
        return true;
    }

    // Every key begins after the one before it, and ends, if it has ended, after its successor began: between the two both sign.
    private static bool AreInOrder(IReadOnlyList<LogKey> keys) =>
        keys.Count is > 0 and <= MaxKeys && keys[0].From == 0 && keys[^1].Until is null
        && keys.DistinctBy(key => key.VerifierKey).Count() == keys.Count
        && keys.Zip(keys.Skip(1)).All(pair =>
            pair.First.Verifier.Name == pair.Second.Verifier.Name && pair.First.From < pair.Second.From && (pair.First.Until is not { } until || until >= pair.Second.From));
}

/// <summary>What the log itself says of its keys, gathered while its entries are replayed.</summary>
internal sealed class SignerChain : IEntryReader
{
    private readonly Dictionary<long, LogEntry> _entries = [];

    public bool Wants(in EntryGlance entry, ReadOnlySpan<byte> encoded) => entry.Type == EntryType.SignerRotate;

    public void Read(long index, ReadOnlyMemory<byte> encoded) => _entries[index] = LogEntry.Decode(encoded);

    /// <summary>What the list of keys says of the first <paramref name="size"/> entries, and they do not.</summary>
    public IEnumerable<string> Problems(LogKeys keys, long pruned, long size)
    {
        for (var i = 0; i < keys.Keys.Count; i++)
        {
            var key = keys.Keys[i];
            if (i > 0 && key.From > pruned && key.From <= size && !(_entries.TryGetValue(key.From - 1, out var begun) && Announces(begun, key)))
                yield return $"the log does not announce the key {key.Verifier.KeyId:x8} at entry {key.From - 1}";
            if (key.Until is { } until && until >= pruned && until < size && !(_entries.TryGetValue(until, out var ended) && Ends(ended, key, keys.Keys[i + 1])))
                yield return $"the log does not end the key {key.Verifier.KeyId:x8} at entry {until}";
        }
    }

    public static bool IsAnnouncementOf(LogKey key, ReadOnlyMemory<byte> entry)
    {
        try
        {
            return Announces(LogEntry.Decode(entry), key);
        }
        catch (FormatException)
        {
            return false;
        }
    }

    private static bool Announces(LogEntry entry, LogKey key) =>
        entry is { Type: EntryType.SignerRotate, Result: EntryResult.Ok, Reference: null } && entry.KeyCommitment.Span.SequenceEqual(key.Commitment.Span);

    private static bool Ends(LogEntry entry, LogKey key, LogKey successor) =>
        entry is { Type: EntryType.SignerRotate, Result: EntryResult.Ok } && entry.Reference == successor.From - 1 && entry.KeyCommitment.Span.SequenceEqual(key.Commitment.Span);
}
