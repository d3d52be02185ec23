using System.Security.Cryptography;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Transparency;

public sealed class EntryGlanceTests
{
    [Fact]
    public void A_glance_accepts_what_decoding_accepts_and_refuses_what_it_refuses()
    {
        var random = new Random(7);
        var (accepted, refused) = (0, 0);
        for (var round = 0; round < 400; round++)
        {
            var sound = Entry(random).Encode();
            Compare(sound);
            for (var change = 0; change < 60; change++)
            {
                var changed = Change(sound, random);
                if (Compare(changed)) accepted++;
                else refused++;
            }
        }

        Assert.True(accepted > 1_000 && refused > 1_000, $"{accepted} accepted, {refused} refused: the changes show too little");
    }

    [Fact]
    public void What_a_glance_says_is_what_the_entry_says()
    {
        var random = new Random(8);
        for (var round = 0; round < 200; round++)
        {
            var entry = Entry(random);
            var encoded = entry.Encode();
            Assert.True(EntryGlance.TryRead(encoded, out var glance));
            Assert.Equal((entry.Time, entry.Type, entry.Result), (glance.Time, glance.Type, glance.Result));
            Assert.Equal(entry.Subject.ToArray(), glance.SubjectAt == 0 ? [] : encoded[glance.SubjectAt..(glance.SubjectAt + 16)]);
            Assert.Equal((!entry.Seal.IsEmpty, entry.RecordVersion > 0, entry.Rules.Count > 0), (glance.Has(10), glance.Has(11), glance.Has(19)));
        }
    }

    [Fact]
    public void Hashes_are_the_same_by_libcrypto_and_by_dotnet()
    {
        var random = new Random(9);
        Assert.True(Sha256.IsNative || !OperatingSystem.IsLinux());
        for (var length = 0; length < 2_100; length += 13)
        {
            var (first, second) = (new byte[length], new byte[length % 64]);
            random.NextBytes(first);
            random.NextBytes(second);
            var (one, other) = (new byte[32], new byte[32]);
            Sha256.Hash(1, first, second, one);
            Sha256.Managed(1, first, second, other);
            Assert.Equal(SHA256.HashData([1, .. first, .. second]), one);
            Assert.Equal(one, other);
        }
    }

    [Fact]
    public void A_hash_may_be_written_over_its_own_input_and_never_beside_a_buffer()
    {
        var pair = new byte[64];
        new Random(10).NextBytes(pair);
        var expected = SHA256.HashData([1, .. pair]);
        MerkleHash.Node(pair.AsSpan(0, 32), pair.AsSpan(32), pair.AsSpan(32));
        Assert.Equal(expected, pair[32..]);
        Assert.Throws<ArgumentOutOfRangeException>(() => Sha256.Hash(0, [1], default, new byte[31]));
    }

    private static bool Compare(byte[] encoded)
    {
        var glanced = EntryGlance.TryRead(encoded, out _);
        Assert.True(glanced == Decodes(encoded), $"{Convert.ToHexString(encoded)}: a glance says {glanced}");
        return glanced;
    }

    private static bool Decodes(byte[] encoded)
    {
        try
        {
            return LogEntry.Decode(encoded) is not null;
        }
        catch (FormatException)
        {
            return false;
        }
    }

    private static byte[] Change(byte[] sound, Random random)
    {
        var changed = sound.ToArray();
        switch (random.Next(4))
        {
            case 0: changed[random.Next(changed.Length)] = (byte)random.Next(256); break;
            case 1: changed = [.. changed, (byte)random.Next(256)]; break;
            case 2: changed = changed[..random.Next(changed.Length)]; break;
            default:
                var at = random.Next(changed.Length);
                changed = [.. changed[..at], .. changed[(at + 1)..]];
                break;
        }

        return changed;
    }

    private static LogEntry Entry(Random random)
    {
        byte[] Maybe(int length)
        {
            var bytes = new byte[random.Next(2) * length];
            random.NextBytes(bytes);
            return bytes;
        }
        var bulk = Maybe(32);
        return new LogEntry
        {
            Type = (EntryType)random.Next(1, 70), Time = random.NextInt64(1L << 42), Subject = Maybe(16), Purpose = random.Next(2) == 0 ? "" : "customer-support",
            Result = (EntryResult)random.Next(3), Items = [.. Enumerable.Range(0, random.Next(4)).Select(_ => random.Next(70_000))], Seal = Maybe(32),
            RecordVersion = random.Next(2) * random.NextInt64(1L << 40), DetailHash = Maybe(32), BulkCount = bulk.Length == 0 ? 0 : random.Next(1, 300), BulkRoot = bulk,
            KeyCommitment = Maybe(32), Reference = random.Next(2) == 0 ? null : random.Next(100_000), Rules = random.Next(2) == 0 ? [] : ["a-rule", "another"],
        };
    }
}
