using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace DataVault.Transparency;

/// <summary>States of a consent as acts bring them about: their codes stand in hashes and never change their meaning.</summary>
/// <remarks>That a consent has expired is no act: a clock tells it (docs/formats/consent-receipt.md §3).</remarks>
public static class ConsentStates
{
    /// <summary>The code of an act by which a consent is given although it was in force already.</summary>
    public const byte Renewed = 6;

    private static readonly (string Name, string Dpv)[] All =
    [
        ("unknown", "dpv:ConsentUnknown"), ("given", "dpv:ConsentGiven"), ("withdrawn", "dpv:ConsentWithdrawn"), ("refused", "dpv:ConsentRefused"),
        ("requested", "dpv:ConsentRequested"), ("deferred", "dpv:ConsentRequestDeferred"), ("renewed", "dpv:RenewedConsentGiven"),
        ("invalidated", "dpv:ConsentInvalidated"), ("revoked", "dpv:ConsentRevoked"), ("objected", "eu-gdpr:A21"),
    ];

    /// <summary>The word for a code; <c>state-99</c> for one of a later version.</summary>
    public static string NameOf(byte code) => code < All.Length ? All[code].Name : $"state-{code}";

    /// <summary>The W3C DPV term for a code. An objection is no state of a consent but the exercise of a right.</summary>
    public static string? DpvOf(byte code) => code < All.Length ? All[code].Dpv : null;

    /// <summary>The code of a word.</summary>
    public static bool TryParse(string name, out byte code)
    {
        var at = Array.FindIndex(All, state => state.Name == name);
        code = (byte)Math.Max(at, 0);
        return at >= 0;
    }
}

/// <summary>Who recorded a consent act. The codes stand in hashes.</summary>
public enum ConsentRecorder : byte
{
    /// <summary>An act from before the vault kept this.</summary>
    NotKept = 0,

    /// <summary>The person, signed in.</summary>
    Person = 1,

    /// <summary>Staff, on the person's behalf.</summary>
    Staff = 2,

    /// <summary>An application in which the person acted.</summary>
    Application = 3,

    /// <summary>A signal of the person's browser, such as <c>Sec-GPC: 1</c>.</summary>
    Signal = 4,
}

/// <summary>A consent act, whole: what its entry in the log holds the hash of.</summary>
public sealed record ConsentEvidence
{
    private static readonly DateTime Epoch = new(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    /// <summary>The person. Stands in no log.</summary>
    public required Guid Subject { get; init; }

    /// <summary>Number of the purpose.</summary>
    public required int Purpose { get; init; }

    /// <summary>Code of <see cref="ConsentStates"/>.</summary>
    public required byte State { get; init; }

    /// <summary>When, to the microsecond.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>When it ends by itself; null for never.</summary>
    public DateTimeOffset? Expires { get; init; }

    /// <summary>Version of the notice shown; empty when none was named.</summary>
    public string Notice { get; init; } = "";

    /// <summary>In which way it was said, such as <c>web</c>.</summary>
    public string Channel { get; init; } = "";

    /// <summary>Who recorded it.</summary>
    public ConsentRecorder RecordedBy { get; init; }

    /// <summary>It was given knowing of an objection, which it lifts.</summary>
    public bool LiftsObjection { get; init; }

    /// <summary>SHA-256 of the notice's text in UTF-8; empty when the vault does not know the text.</summary>
    public ReadOnlyMemory<byte> NoticeHash { get; init; }

    /// <summary>Language of the text shown, such as <c>en</c>; empty when not known.</summary>
    public string Language { get; init; } = "";

    /// <summary>Reference to the authorisation by a guardian who spoke for a child; empty when the person spoke.</summary>
    public string Guardian { get; init; } = "";

    /// <summary>1 of an act from before the vault kept who recorded it, 2 since.</summary>
    public int Form => RecordedBy == ConsentRecorder.NotKept ? 1 : 2;

    /// <summary>What the entry of the act holds as <c>dh</c>.</summary>
    // SPEC record §7.4
    public byte[] Hash() => Form == 1 ? FirstHash() : SecondHash();

    /// <summary>As PostgreSQL keeps a time.</summary>
    public static long Microseconds(DateTimeOffset time) => (time.UtcTicks - Epoch.Ticks) / TimeSpan.TicksPerMicrosecond;

    /// <summary>The text's hash, by which the vault keeps it for ever.</summary>
    public static byte[] HashOf(string notice) => SHA256.HashData(Encoding.UTF8.GetBytes(notice));

    private byte[] FirstHash()
    {
        var (notice, channel) = (Encoding.UTF8.GetBytes(Notice), Encoding.UTF8.GetBytes(Channel));
        return SHA256.HashData([.. "datavault/v1/consent\0"u8, (byte)notice.Length, .. Head(), .. notice, .. channel]);
    }

    // SPEC record §7.5
    private byte[] SecondHash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData("datavault/v2/consent\0"u8);
        hash.AppendData(Head());
        hash.AppendData([(byte)RecordedBy, (byte)(LiftsObjection ? 1 : 0)]);
        foreach (var part in new[] { NoticeHash, Encoding.UTF8.GetBytes(Notice), Encoding.UTF8.GetBytes(Language), Encoding.UTF8.GetBytes(Channel), Encoding.UTF8.GetBytes(Guardian) })
        {
            hash.AppendData([checked((byte)part.Length)]);
            hash.AppendData(part.Span);
        }

        return hash.GetHashAndReset();
    }

    private byte[] Head()
    {
        var head = new byte[37];
        Subject.TryWriteBytes(head, bigEndian: true, out _);
        BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(16), Purpose);
        head[20] = State;
        BinaryPrimitives.WriteInt64BigEndian(head.AsSpan(21), Microseconds(At));
        // No end is the end of time: an act can be given no such date.
        BinaryPrimitives.WriteInt64BigEndian(head.AsSpan(29), Expires is { } end ? Microseconds(end) : long.MaxValue);
        return head;
    }
}
