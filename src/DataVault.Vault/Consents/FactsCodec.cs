using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>
/// What a decision must know of a subject, as one small column beside the sealed record, so that one round trip brings both
/// (docs/formats/record.md §5):
/// <code>
/// version(1) = 1 | flags(1): 1 restricted, 2 on hold | n(1) | n x { purpose u16 | status u8 | expires i64, unix seconds, 0 = none } | m(1) | m x purpose u16
/// version(1) = 2, when there are legal holds or only their remainder is left: the same, with flag 4 remainder, and then
///              h(1) | h x { three lists, each k u16 | k x u16: items, classes, purposes }
/// version(1) = 3, when something is known of age, or of a consent more than given, withdrawn or refused: as 2, with flags 8 child, 16 no child;
///              the status then is bits 0-3, bits 4-5 on whose word it rests, bit 6 given despite a signal
/// version(1) = 4, when a trait is known or somebody stands in a relation to the person: as 3, and then
///              three words: jurisdiction, residency, brand | r(1) | r x two words: relation, recipient; a word is length(1) | ASCII, empty = not known
/// version(1) = 5, when it is known which holds they are: as 4, and then h x id(16), zero = not known
/// </code>
/// All numbers are big-endian. It is the current state; the history is vault.consent_event and, of holds, the log.
/// </summary>
internal static class FactsCodec
{
    private const byte Version = 1;
    private const byte VersionWithHolds = 2;
    private const byte VersionWithAge = 3;
    private const byte VersionWithStanding = 4;
    private const byte VersionWithHoldIds = 5;
    private const int IdSize = 16;
    private const byte RestrictedFlag = 1;
    private const byte HoldFlag = 2;
    private const byte RemainderFlag = 4;
    private const byte ChildFlag = 8;
    private const byte NoChildFlag = 16;
    private const byte SignalBit = 0x40;
    private const int ConsentSize = 11;

    private static readonly DecisionFacts OnlyChild = DecisionFacts.None with { Child = true };
    private static readonly DecisionFacts OnlyGrown = DecisionFacts.None with { Child = false };

    private static readonly long LastSecond = DateTimeOffset.MaxValue.ToUnixTimeSeconds();

    public static byte[] Encode(DecisionFacts facts)
    {
        var aged = facts.Child is not null || facts.Consents.Any(IsTold);
        var named = facts.Holds.Any(hold => hold.Id != Guid.Empty);
        var standing = StandingCodec.Encode(facts, evenIfNothing: named);
        var held = aged || standing.Length > 0 || facts.Holds.Count > 0 || facts.Remainder;
        var holds = facts.Holds.Sum(hold => 6 + (2 * (hold.Items.Count + hold.Classes.Count + hold.Purposes.Count)));
        var bytes = new byte[4 + (facts.Consents.Count * ConsentSize) + (facts.ObjectedPurposes.Count * 2) + (held ? 1 + holds : 0) + standing.Length + (named ? facts.Holds.Count * IdSize : 0)];
        bytes[0] = named ? VersionWithHoldIds : standing.Length > 0 ? VersionWithStanding : aged ? VersionWithAge : held ? VersionWithHolds : Version;
        bytes[1] = (byte)((facts.Restricted ? RestrictedFlag : 0) | (facts.OnHold ? HoldFlag : 0) | (facts.Remainder ? RemainderFlag : 0) | AgeFlag(facts.Child));
        bytes[2] = checked((byte)facts.Consents.Count);
        var rest = bytes.AsSpan(3);
        foreach (var consent in facts.Consents)
        {
            BinaryPrimitives.WriteUInt16BigEndian(rest, checked((ushort)consent.PurposeId));
            rest[2] = StatusByte(consent);
            BinaryPrimitives.WriteInt64BigEndian(rest[3..], consent.Expires?.ToUnixTimeSeconds() ?? 0);
            rest = rest[ConsentSize..];
        }
        rest[0] = checked((byte)facts.ObjectedPurposes.Count);
        rest = Write(rest[1..], facts.ObjectedPurposes);
        if (!held) return bytes;
        rest[0] = checked((byte)facts.Holds.Count);
        rest = rest[1..];
        foreach (var list in facts.Holds.SelectMany(hold => new[] { hold.Items, hold.Classes, hold.Purposes }))
        {
            BinaryPrimitives.WriteUInt16BigEndian(rest, checked((ushort)list.Count));
            rest = Write(rest[2..], list);
        }
        standing.CopyTo(rest);
        rest = rest[standing.Length..];
        for (var index = 0; named && index < facts.Holds.Count; index++) facts.Holds[index].Id.TryWriteBytes(rest[(index * IdSize)..], bigEndian: true, out _);
        return bytes;
    }

    private static bool IsTold(ConsentFact consent) => consent.Status > ConsentStatus.Refused || consent.Backing != ConsentBacking.Own || consent.DespiteSignal;

    private static int AgeFlag(bool? child) => child switch { null => 0, true => ChildFlag, false => NoChildFlag };

    private static byte StatusByte(ConsentFact consent) => (byte)((int)consent.Status | ((int)consent.Backing << 4) | (consent.DespiteSignal ? SignalBit : 0));

    private static Span<byte> Write(Span<byte> rest, IReadOnlyList<int> numbers)
    {
        foreach (var number in numbers)
        {
            BinaryPrimitives.WriteUInt16BigEndian(rest, checked((ushort)number));
            rest = rest[2..];
        }
        return rest;
    }

    /// <summary>Refuses bytes that it did not write: facts that cannot be read must not pass for "no objection".</summary>
    /// <exception cref="CryptographicException">Not what was written; the same face as a record that does not match its seal.</exception>
    // SPEC record §5.2
    public static DecisionFacts Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 4 || bytes[0] is < Version or > VersionWithHoldIds) throw Unreadable();
        var aged = bytes[0] >= VersionWithAge;
        if (bytes.Length == 4 && bytes[0] == Version && bytes[1] == 0 && bytes[2] == 0 && bytes[3] == 0) return DecisionFacts.None;
        if (bytes is [VersionWithAge, ChildFlag or NoChildFlag, 0, 0, 0]) return bytes[1] == ChildFlag ? OnlyChild : OnlyGrown;
        var consents = new ConsentFact[bytes[2]];
        var rest = bytes[3..];
        if (rest.Length <= consents.Length * ConsentSize) throw Unreadable();
        for (var index = 0; index < consents.Length; index++, rest = rest[ConsentSize..]) consents[index] = Consent(rest, aged);
        var objected = Numbers(rest[1..], rest[0], out rest);
        var holds = bytes[0] == Version ? [] : Holds(ref rest);
        var (traits, related) = bytes[0] >= VersionWithStanding ? StandingCodec.Decode(ref rest) : (SubjectTraits.None, []);
        if (bytes[0] == VersionWithHoldIds) Name(holds, ref rest);
        if (!rest.IsEmpty) throw Unreadable();
        return new DecisionFacts(consents, objected, (bytes[1] & RestrictedFlag) != 0, (bytes[1] & HoldFlag) != 0)
        {
            Holds = holds, Remainder = (bytes[1] & RemainderFlag) != 0, Child = aged ? Child(bytes[1]) : null, Traits = traits, RelatedTo = related,
        };
    }

    private static HoldFact[] Holds(ref ReadOnlySpan<byte> rest)
    {
        if (rest.IsEmpty) throw Unreadable();
        var holds = new HoldFact[rest[0]];
        rest = rest[1..];
        for (var index = 0; index < holds.Length; index++) holds[index] = new HoldFact(List(ref rest), List(ref rest), List(ref rest));
        return holds;
    }

    private static void Name(HoldFact[] holds, ref ReadOnlySpan<byte> rest)
    {
        if (rest.Length < holds.Length * IdSize) throw Unreadable();
        for (var index = 0; index < holds.Length; index++, rest = rest[IdSize..]) holds[index] = holds[index] with { Id = new Guid(rest[..IdSize], bigEndian: true) };
    }

    private static int[] List(ref ReadOnlySpan<byte> rest)
    {
        if (rest.Length < 2) throw Unreadable();
        return Numbers(rest[2..], BinaryPrimitives.ReadUInt16BigEndian(rest), out rest);
    }

    private static int[] Numbers(ReadOnlySpan<byte> bytes, int count, out ReadOnlySpan<byte> rest)
    {
        if (bytes.Length < count * 2) throw Unreadable();
        var numbers = new int[count];
        for (var index = 0; index < count; index++) numbers[index] = BinaryPrimitives.ReadUInt16BigEndian(bytes[(index * 2)..]);
        rest = bytes[(count * 2)..];
        return numbers;
    }

    /// <summary>The same where one subject's damage must not stop the others.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out DecisionFacts? facts)
    {
        try
        {
            facts = Decode(bytes);
            return true;
        }
        catch (CryptographicException)
        {
            facts = null;
            return false;
        }
    }

    private static bool? Child(byte flags) => (flags & (ChildFlag | NoChildFlag)) switch
    {
        0 => null,
        ChildFlag => true,
        NoChildFlag => false,
        _ => throw Unreadable(),
    };

    private static ConsentFact Consent(ReadOnlySpan<byte> bytes, bool aged)
    {
        var expires = BinaryPrimitives.ReadInt64BigEndian(bytes[3..]);
        var (status, backing, signal) = aged ? (bytes[2] & 0x0f, bytes[2] >> 4 & 3, bytes[2] & SignalBit) : (bytes[2], 0, 0);
        var most = aged ? ConsentStatus.Revoked : ConsentStatus.Refused;
        if (status > (int)most || bytes[2] > 0x7f || expires < 0 || expires > LastSecond) throw Unreadable();
        return new ConsentFact(BinaryPrimitives.ReadUInt16BigEndian(bytes), (ConsentStatus)status, expires == 0 ? null : DateTimeOffset.FromUnixTimeSeconds(expires))
        {
            Backing = (ConsentBacking)backing, DespiteSignal = signal != 0,
        };
    }

    internal static CryptographicException Unreadable() => new("The facts of a subject are not readable.");

    public static DecisionFacts With(DecisionFacts facts, ConsentFact changed) =>
        facts with { Consents = [.. facts.Consents.Where(consent => consent.PurposeId != changed.PurposeId), changed] };
}
