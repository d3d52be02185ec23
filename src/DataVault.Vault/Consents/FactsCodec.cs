using System.Buffers.Binary;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>
/// What a decision must know of a subject, as one small column beside the sealed record, so that one round trip brings both
/// (docs/formats/record.md §5):
/// <code>
/// version(1) = 1 | flags(1): 1 restricted, 2 on hold | n(1) | n x { purpose u16 | status u8 | expires i64, unix seconds, 0 = none } | m(1) | m x purpose u16
/// </code>
/// All numbers are big-endian. It is the current state; the history is vault.consent_event.
/// </summary>
internal static class FactsCodec
{
    private const byte Version = 1;
    private const byte RestrictedFlag = 1;
    private const byte HoldFlag = 2;
    private const int ConsentSize = 11;

    public static byte[] Encode(DecisionFacts facts)
    {
        var bytes = new byte[4 + (facts.Consents.Count * ConsentSize) + (facts.ObjectedPurposes.Count * 2)];
        bytes[0] = Version;
        bytes[1] = (byte)((facts.Restricted ? RestrictedFlag : 0) | (facts.OnHold ? HoldFlag : 0));
        bytes[2] = checked((byte)facts.Consents.Count);
        var rest = bytes.AsSpan(3);
        foreach (var consent in facts.Consents)
        {
            BinaryPrimitives.WriteUInt16BigEndian(rest, checked((ushort)consent.PurposeId));
            rest[2] = (byte)consent.Status;
            BinaryPrimitives.WriteInt64BigEndian(rest[3..], consent.Expires?.ToUnixTimeSeconds() ?? 0);
            rest = rest[ConsentSize..];
        }
        rest[0] = checked((byte)facts.ObjectedPurposes.Count);
        rest = rest[1..];
        foreach (var purpose in facts.ObjectedPurposes)
        {
            BinaryPrimitives.WriteUInt16BigEndian(rest, checked((ushort)purpose));
            rest = rest[2..];
        }
        return bytes;
    }

    /// <summary>Throws on bytes that it did not write: facts that cannot be read must not pass for "no objection".</summary>
    // SPEC record §5.2
    public static DecisionFacts Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 4 || bytes[0] != Version) throw new InvalidDataException("The facts of a subject are not readable.");
        if (bytes.Length == 4 && bytes[1] == 0 && bytes[2] == 0 && bytes[3] == 0) return DecisionFacts.None;
        var consents = new ConsentFact[bytes[2]];
        var rest = bytes[3..];
        for (var index = 0; index < consents.Length; index++, rest = rest[ConsentSize..])
        {
            var expires = BinaryPrimitives.ReadInt64BigEndian(rest[3..]);
            consents[index] = new ConsentFact(
                BinaryPrimitives.ReadUInt16BigEndian(rest), (ConsentStatus)rest[2], expires == 0 ? null : DateTimeOffset.FromUnixTimeSeconds(expires));
        }
        var objected = new int[rest[0]];
        rest = rest[1..];
        if (rest.Length != objected.Length * 2) throw new InvalidDataException("The facts of a subject are not readable.");
        for (var index = 0; index < objected.Length; index++) objected[index] = BinaryPrimitives.ReadUInt16BigEndian(rest[(index * 2)..]);
        return new DecisionFacts(consents, objected, (bytes[1] & RestrictedFlag) != 0, (bytes[1] & HoldFlag) != 0);
    }

    public static DecisionFacts With(DecisionFacts facts, ConsentFact changed) =>
        facts with { Consents = [.. facts.Consents.Where(consent => consent.PurposeId != changed.PurposeId), changed] };
}
