using DataVault.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Transparency;

public sealed class LogEntryTests
{
    private static readonly byte[] Tag = [.. Enumerable.Range(0x50, 16).Select(i => (byte)i)];
    private static readonly byte[] Hash = [.. Enumerable.Range(0xA0, 32).Select(i => (byte)i)];

    private static readonly LogEntry Full = new()
    {
        Type = EntryType.RecordWrite,
        Time = 1_750_000_000_000,
        Actor = Tag,
        Subject = Tag,
        Purpose = "support",
        Result = EntryResult.Error,
        Items = [0, 23, 24, 255, 256, 65_535, 65_536, int.MaxValue],
        Seal = Hash,
        RecordVersion = 9,
        DetailHash = Hash,
        RequestId = Tag,
        Policy = Tag,
        BulkCount = 300,
        BulkRoot = Hash,
        KeyCommitment = Hash,
        Reference = 0,
        Rules = ["r1", "support-reads-contact"],
    };

    [Fact]
    public void The_smallest_entry_has_exactly_these_bytes()
    {
        var entry = new LogEntry { Type = EntryType.Tick, Time = 0 };
        var zeros = string.Concat(Enumerable.Repeat("00", 16));
        Assert.Equal($"a70101020003010550{zeros}08000d50{zeros}0e50{zeros}", Convert.ToHexStringLower(entry.Encode()));
    }

    [Fact]
    public void A_full_entry_has_exactly_these_bytes()
    {
        var (tag, hash) = (Convert.ToHexStringLower(Tag), Convert.ToHexStringLower(Hash));
        Assert.Equal(
            $"b1" + "0101" + "021b0000019774" + "20dc00" + "0312" + $"0550{tag}" + $"0650{tag}" + "0767737570706f7274" + "0802"
            + "0988" + "00" + "17" + "1818" + "18ff" + "190100" + "19ffff" + "1a00010000" + "1a7fffffff"
            + $"0a5820{hash}" + "0b09" + $"0c5820{hash}" + $"0d50{tag}" + $"0e50{tag}" + $"0f8219012c5820{hash}" + $"105820{hash}" + "1100"
            + "1382" + "627231" + "75737570706f72742d72656164732d636f6e74616374",
            Convert.ToHexStringLower(Full.Encode()));
    }

    [Fact]
    public void What_is_decoded_is_what_was_encoded()
    {
        var decoded = LogEntry.Decode(Full.Encode());
        Assert.Equal(Full, decoded);
        Assert.Equal(Full.Items, decoded.Items);
        Assert.Equal(Full.Rules, decoded.Rules);
        Assert.Equal(0, decoded.Reference);
        Assert.Equal(Full.GetHashCode(), decoded.GetHashCode());
    }

    [Fact]
    public void Random_entries_survive_the_round_trip()
    {
        var random = new Random(7);
        for (var i = 0; i < 2000; i++)
        {
            var entry = RandomEntry(random);
            var encoded = entry.Encode();
            Assert.Equal(encoded, LogEntry.Decode(encoded).Encode());
        }
    }

    [Fact]
    public void Whatever_the_decoder_accepts_is_the_one_encoding_of_an_entry()
    {
        var random = new Random(11);
        var accepted = 0;
        for (var i = 0; i < 50_000; i++)
        {
            var mutant = Mutated(random, RandomEntry(random).Encode());
            if (!TryDecode(mutant, out var entry))
                continue;
            Assert.Equal(mutant, entry!.Encode());
            accepted++;
        }
        // Most changes inside a tag or a hash give another good entry; the rest must be refused.
        Assert.InRange(accepted, 1_000, 45_000);
    }

    [Fact]
    public void Every_truncation_and_every_extension_is_refused()
    {
        var encoded = Full.Encode();
        for (var length = 0; length < encoded.Length; length++)
            Assert.False(TryDecode(encoded[..length], out _));
        Assert.False(TryDecode([.. encoded, 0], out _));
    }

    [Theory]
    [InlineData("a7" + "0101" + "0200", "a7" + "0101" + "021800", "a number longer than needed")]
    [InlineData("a7" + "0101", "a7" + "180101", "a key longer than needed")]
    [InlineData("a7" + "0101", "b80701" + "01", "a map head longer than needed")]
    [InlineData("a7" + "0101", "bf" + "0101", "an indefinite map")]
    [InlineData("a7" + "0101", "a7" + "0102", "another version")]
    [InlineData("a7" + "01010200", "a7" + "02000101", "keys out of order")]
    [InlineData("a7" + "01010200", "a8" + "010101010200", "a key twice")]
    [InlineData("a7" + "010102000301", "a8" + "0101020003010450" + "00000000000000000000000000000000", "the reserved key 4")]
    [InlineData("0301", "0300", "type zero")]
    [InlineData("0301", "031a00010000", "a type above 65535")]
    [InlineData("a7" + "01010200", "a6" + "0101", "no time")]
    [InlineData("0200", "021b7fffffffffffffff", "a time past the year 9999")]
    [InlineData("0200", "0220", "a negative time")]
    [InlineData("0550", "0551" + "00", "an actor of 17 bytes")]
    [InlineData("0800", "0820", "a negative result")]
    public void A_departure_from_the_canonical_form_is_refused(string part, string instead, string what)
    {
        var hex = Convert.ToHexStringLower(new LogEntry { Type = EntryType.Tick, Time = 0 }.Encode());
        var changed = Replace(hex, part, instead);
        Assert.False(TryDecode(Convert.FromHexString(changed), out _), what);
    }

    [Theory]
    [InlineData("a8" + "0101020003010550{t}" + "0650{t}" + "08000d50{t}0e50{t}", true)]
    [InlineData("a8" + "0101020003010550{t}" + "0640" + "08000d50{t}0e50{t}", false)]
    [InlineData("a8" + "0101020003010550{t}" + "0760" + "08000d50{t}0e50{t}", false)]
    [InlineData("a8" + "0101020003010550{t}" + "0763612062" + "08000d50{t}0e50{t}", false)]
    [InlineData("a8" + "0101020003010550{t}" + "0762c3a9" + "08000d50{t}0e50{t}", false)]
    [InlineData("a8" + "0101020003010550{t}" + "0800" + "0980" + "0d50{t}0e50{t}", false)]
    [InlineData("a8" + "0101020003010550{t}" + "0800" + "098101" + "0d50{t}0e50{t}", true)]
    [InlineData("a8" + "0101020003010550{t}" + "0800" + "099f01ff" + "0d50{t}0e50{t}", false)]
    [InlineData("a8" + "0101020003010550{t}" + "0800" + "0b00" + "0d50{t}0e50{t}", false)]
    [InlineData("a8" + "0101020003010550{t}" + "0800" + "0d50{t}0e50{t}" + "0f8200582000{t}{t}", false)]
    [InlineData("a8" + "0101020003010550{t}" + "0800" + "0d50{t}0e50{t}" + "0f82015820{t}{t}", true)]
    [InlineData("a8" + "0101020003010550{t}" + "0800" + "0d50{t}0e50{t}" + "0f8101", false)]
    [InlineData("a8" + "0101020003010550{t}" + "0800" + "0d50{t}0e50{t}" + "1280", false)]
    [InlineData("a8" + "0101020003010550{t}" + "0800" + "0d50{t}0e50{t}" + "13816161", true)]
    [InlineData("a8" + "0101020003010550{t}" + "0800" + "0d50{t}0e50{t}" + "138160", false)]
    [InlineData("a8" + "0101020003010550{t}" + "0800" + "0d50{t}0e50{t}" + "1400", false)]
    [InlineData("a8" + "0101020003010550{t}" + "f600" + "08000d50{t}0e50{t}", false)]
    public void Optional_keys_are_absent_rather_than_empty(string hex, bool good)
    {
        var encoded = Convert.FromHexString(hex.Replace("{t}", Convert.ToHexString(Tag), StringComparison.Ordinal));
        Assert.Equal(good, TryDecode(encoded, out _));
    }

    [Fact]
    public void A_type_of_a_later_version_is_accepted_and_shown_by_number()
    {
        var entry = LogEntry.Decode((Full with { Type = (EntryType)999, Result = (EntryResult)9 }).Encode());
        Assert.Equal("type-999", EntryTypes.NameOf(entry.Type));
        Assert.Equal("result-9", EntryTypes.NameOf(entry.Result));
    }

    [Fact]
    public void Every_type_has_a_name_of_its_own_that_leads_back_to_it()
    {
        Assert.Equal(Enum.GetValues<EntryType>(), EntryTypes.All);
        foreach (var type in EntryTypes.All)
        {
            Assert.True(EntryTypes.TryParse(EntryTypes.NameOf(type), out var found));
            Assert.Equal(type, found);
        }
        Assert.False(EntryTypes.TryParse("Field.Read", out _));
    }

    public static TheoryData<string, Func<LogEntry, LogEntry>> OutsideTheLimits => new()
    {
        { "a time before 1970", entry => entry with { Time = -1 } },
        { "no type", entry => entry with { Type = 0 } },
        { "a short actor tag", entry => entry with { Actor = Tag.AsMemory(0, 15) } },
        { "no request id", entry => entry with { RequestId = default } },
        { "a purpose with blanks", entry => entry with { Purpose = "a b" } },
        { "a purpose with an accent", entry => entry with { Purpose = "café" } },
        { "a long purpose", entry => entry with { Purpose = new string('a', 33) } },
        { "a negative item", entry => entry with { Items = [-1] } },
        { "a short seal", entry => entry with { Seal = Tag } },
        { "a negative version", entry => entry with { RecordVersion = -1 } },
        { "a bulk count without root", entry => entry with { BulkRoot = default } },
        { "a bulk root without count", entry => entry with { BulkCount = 0 } },
        { "a negative reference", entry => entry with { Reference = -1 } },
        { "an empty rule", entry => entry with { Rules = [""] } },
        { "a long rule", entry => entry with { Rules = [new string('a', 65)] } },
        { "more than 2048 bytes", entry => entry with { Rules = [.. Enumerable.Repeat(new string('a', 64), 30)] } },
    };

    [Theory]
    [MemberData(nameof(OutsideTheLimits))]
    public void A_value_outside_its_limits_is_not_written(string what, Func<LogEntry, LogEntry> change)
    {
        var entry = change(Full);
        Assert.True(Record.Exception(() => entry.Encode(new byte[4096])) is ArgumentException, what);
    }

    [Fact]
    public void The_orderer_of_the_log_sets_the_time_last()
    {
        var buffer = new byte[LogEntry.MaxEncodedSize];
        var length = Full.Encode(buffer, 5);
        Assert.Equal(5, LogEntry.Decode(buffer.AsMemory(0, length)).Time);
        Assert.Throws<ArgumentException>(() => Full.Encode(new byte[length - 1]));
    }

    private static string Replace(string hex, string part, string instead)
    {
        var at = hex.IndexOf(part, StringComparison.Ordinal);
        Assert.True(at >= 0);
        return string.Concat(hex.AsSpan(0, at), instead, hex.AsSpan(at + part.Length));
    }

    private static bool TryDecode(byte[] encoded, out LogEntry? entry)
    {
        try
        {
            entry = LogEntry.Decode(encoded);
            return true;
        }
        catch (FormatException)
        {
            entry = null;
            return false;
        }
    }

    private static LogEntry RandomEntry(Random random)
    {
        bool Coin() => random.Next(2) == 0;
        byte[] Bytes(int length)
        {
            var bytes = new byte[length];
            random.NextBytes(bytes);
            return bytes;
        }
        var bulk = Coin() ? 1 + random.Next(100_000) : 0;
        return new LogEntry
        {
            Type = EntryTypes.All[random.Next(EntryTypes.All.Count)],
            Time = random.NextInt64(253_402_300_800_000),
            Actor = Bytes(16),
            Subject = Coin() ? Bytes(16) : default,
            Purpose = Coin() ? "marketing" : "",
            Result = (EntryResult)random.Next(3),
            Items = [.. Enumerable.Range(0, random.Next(12)).Select(_ => random.Next(1 << random.Next(31)))],
            Seal = Coin() ? Bytes(32) : default,
            RecordVersion = random.NextInt64(1L << random.Next(62)),
            DetailHash = Coin() ? Bytes(32) : default,
            RequestId = Bytes(16),
            Policy = Bytes(16),
            BulkCount = bulk,
            BulkRoot = bulk > 0 ? Bytes(32) : default,
            KeyCommitment = Coin() ? Bytes(32) : default,
            Reference = Coin() ? random.NextInt64(long.MaxValue) : null,
            Rules = [.. Enumerable.Range(0, random.Next(4)).Select(i => $"rule-{i}")],
        };
    }

    private static byte[] Mutated(Random random, byte[] bytes)
    {
        var at = random.Next(bytes.Length);
        switch (random.Next(4))
        {
            case 0: return [.. bytes[..at], (byte)random.Next(256), .. bytes[at..]];
            case 1: return [.. bytes[..at], .. bytes[(at + 1)..]];
            case 2:
                bytes[random.Next(Math.Min(12, bytes.Length))] ^= (byte)(1 << random.Next(8));
                return bytes;
            default:
                bytes[at] = (byte)random.Next(256);
                return bytes;
        }
    }
}
