// Entries restore.declared: docs/formats/log-entry.md §9. The server signs each with the log's key, which lies in the home folder: whoever can write to the
// vault database, and so append an entry, cannot make one that is believed. The signature is over
//
//    datavault/restore/v1
//    log <origin>
//    index <index of the entry>
//    entry <base64( SHA-256( encoding of the entry without its signature ) )>
//
// and stands among the rules as base64 of 4-byte key id ‖ signature, one after the other with '.' between, cut into pieces that each begin with "signed:".

using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;

namespace DataVault.Transparency;

/// <summary>What stands behind a declaration of a restore.</summary>
public enum RestoreWord
{
    /// <summary>Nothing: it bears no signature. The vault wrote such before it signed them; anybody who writes to its database can.</summary>
    Unsigned,

    /// <summary>A signature that is not one of the log's key over this entry at this place.</summary>
    Forged,

    /// <summary>The vault found its database to be an older copy. Nobody said that this was meant.</summary>
    Found,

    /// <summary>An operator restored the database by command.</summary>
    Ordered,

    /// <summary>An operator accepts an earlier declaration, the one that the entry's version names.</summary>
    Accepted,

    /// <summary>
    /// No restore: an operator lets the vault forget that it has known one person's record in a newer version than the log tells of, the one that the entry's version names.
    /// </summary>
    Forgotten,
}

/// <summary>A restore as the log tells of it.</summary>
/// <param name="Index">The entry that declares it.</param>
/// <param name="From">The first entry that the restored database had not.</param>
/// <param name="Word">What stands behind it.</param>
/// <param name="AcceptedAt">The entry by which an operator accepted it afterwards.</param>
public sealed record DeclaredRestore(long Index, long From, RestoreWord Word, long? AcceptedAt)
{
    /// <summary>True when what it says was lost need not be looked for.</summary>
    public bool IsBelieved => Word == RestoreWord.Ordered || AcceptedAt is not null;
}

/// <summary>Signs declarations of restores, and checks them.</summary>
public static class RestoreDeclaration
{
    /// <summary>The rule of a restore that an operator carried out by command.</summary>
    public const string OrderedRule = "restore:ordered";

    /// <summary>The rule of a restore that the vault found.</summary>
    public const string FoundRule = "restore:found";

    /// <summary>The rule of an entry by which an operator accepts an earlier declaration.</summary>
    public const string AcceptedRule = "restore:accepted";

    /// <summary>The rule of an entry by which an operator sets what is remembered of one person's record to what the log proves.</summary>
    public const string ForgottenRule = "restore:forgotten";

    private const string SignedPrefix = "signed:";

    /// <summary>The entry with its signature.</summary>
    /// <param name="entry">With the time that it will have: the signature covers it.</param>
    /// <param name="index">Where it will stand.</param>
    /// <param name="signer">The log's key.</param>
    public static LogEntry Sign(LogEntry entry, long index, NoteSigner signer)
    {
        var note = signer.Sign(TextOf(entry, index, signer.Name));
        var signatures = string.Join('.', note.Signatures.Select(Encode));
        return entry with { Rules = [.. entry.Rules, .. signatures.Chunk(LogEntry.MaxRuleLength - SignedPrefix.Length).Select(piece => SignedPrefix + new string(piece))] };
    }

    /// <summary>What stands behind a declaration.</summary>
    /// <param name="entry">An entry <c>restore.declared</c>.</param>
    /// <param name="index">Where it stands.</param>
    /// <param name="key">The log's key or keys.</param>
    public static RestoreWord Check(LogEntry entry, long index, NoteVerifier key)
    {
        var pieces = entry.Rules.Where(IsPiece).Select(rule => rule[SignedPrefix.Length..]).ToList();
        if (pieces.Count == 0)
            return RestoreWord.Unsigned;
        var text = TextOf(entry with { Rules = [.. entry.Rules.Where(rule => !IsPiece(rule))] }, index, key.Name);
        return TryDecode(string.Concat(pieces), key.Name, out var signatures) && key.Verify(new SignedNote(text, signatures))
            ? entry.Rules[0] switch
            {
                OrderedRule => RestoreWord.Ordered,
                FoundRule => RestoreWord.Found,
                AcceptedRule => RestoreWord.Accepted,
                ForgottenRule => RestoreWord.Forgotten,
                _ => RestoreWord.Forged,
            }
            : RestoreWord.Forged;
    }

    private static bool IsPiece(string rule) => rule.StartsWith(SignedPrefix, StringComparison.Ordinal);

    private static string TextOf(LogEntry entry, long index, string origin) => string.Create(
        CultureInfo.InvariantCulture, $"datavault/restore/v1\nlog {origin}\nindex {index}\nentry {Convert.ToBase64String(SHA256.HashData(entry.Encode()))}\n");

    private static string Encode(NoteSignature signature)
    {
        var bytes = new byte[4 + signature.Signature.Length];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, signature.KeyId);
        signature.Signature.Span.CopyTo(bytes.AsSpan(4));
        return Convert.ToBase64String(bytes);
    }

    private static bool TryDecode(string text, string name, out IReadOnlyList<NoteSignature> signatures)
    {
        var read = new List<NoteSignature>();
        signatures = read;
        foreach (var one in text.Split('.'))
        {
            if (!Base64Strict.TryDecode(one, out var bytes) || bytes.Length < 5)
                return false;
            read.Add(new NoteSignature(name, BinaryPrimitives.ReadUInt32BigEndian(bytes), bytes.AsMemory(4)));
        }
        return true;
    }
}

/// <summary>The restores that a log declares, as they are read from it in order.</summary>
public sealed class DeclaredRestores(NoteVerifier key)
{
    private readonly SortedDictionary<long, DeclaredRestore> _told = [];
    private readonly List<DeclaredRestore> _believed = [];

    /// <summary>All of them, in the order of the log.</summary>
    public IReadOnlyCollection<DeclaredRestore> All => _told.Values;

    /// <summary>Takes in an entry <c>restore.declared</c>.</summary>
    public void Read(long index, LogEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        var word = RestoreDeclaration.Check(entry, index, key);
        if (entry.Reference is { } from)
            Tell(new DeclaredRestore(index, from, word is RestoreWord.Accepted or RestoreWord.Forgotten ? RestoreWord.Forged : word, null));
        else if (word == RestoreWord.Accepted && _told.TryGetValue(entry.RecordVersion, out var accepted) && !accepted.IsBelieved)
            Tell(accepted with { AcceptedAt = index });
    }

    private void Tell(DeclaredRestore restore)
    {
        _told[restore.Index] = restore;
        if (restore.IsBelieved)
            _believed.Add(restore);
    }

    /// <summary>The believed restore that explains why what an entry tells of is not in the database any more.</summary>
    public bool Explain(long index) => _believed.Exists(restore => index >= restore.From && index < restore.Index);

    /// <summary>True when a believed restore came after this entry.</summary>
    public bool IsBefore(long index) => _believed.Exists(restore => index < restore.Index);

    /// <summary>A restore that would explain it, were it believed.</summary>
    public DeclaredRestore? WouldExplain(long index) => _told.Values.FirstOrDefault(restore => !restore.IsBelieved && index >= restore.From && index < restore.Index);
}
