// One share as SLIP-0039 writes it: words of 10 bits,
//
//    id (15 bits) ‖ extendable (1) ‖ iteration exponent (4) ‖ group index (4) ‖ group threshold - 1 (4) ‖ group count - 1 (4)
//    ‖ member index (4) ‖ member threshold - 1 (4) ‖ zero padding (at most 8) ‖ value ‖ RS1024 checksum (30)

using System.Collections.Frozen;
using System.Text;

namespace DataVault.Cryptography;

/// <summary>A recovery share does not read or does not fit the others. Says nothing of its words.</summary>
public sealed class RecoveryShareException(string message) : Exception(message);

/// <summary>What all shares of one secret have in common.</summary>
internal readonly record struct ShareSet(int Id, bool Extendable, int IterationExponent, int GroupThreshold, int GroupCount, int ValueLength);

internal sealed class RecoveryShare(ShareSet set, int groupIndex, int memberIndex, int memberThreshold, SecretBytes value) : IDisposable
{
    private const int BitsPerWord = 10;
    private const int HeaderWords = 4;
    private const int ChecksumWords = 3;
    private const int FewestWords = 20;
    private const int MostPadding = 8;

    private static readonly string[] Words = ReadWords();
    private static readonly FrozenDictionary<string, int> Numbers = Words.Select((word, number) => (word, number)).ToFrozenDictionary(p => p.word, p => p.number, StringComparer.OrdinalIgnoreCase);

    public ShareSet Set => set;
    public int GroupIndex => groupIndex;
    public int MemberIndex => memberIndex;
    public int MemberThreshold => memberThreshold;
    public SecretBytes Value => value;

    public static RecoveryShare Parse(string mnemonic)
    {
        var words = mnemonic.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Select(Number).ToArray();
        if (words.Length < FewestWords) throw new RecoveryShareException($"A share has at least {FewestWords} words; this one has {words.Length}.");
        var extendable = (words[1] >> 4 & 1) == 1;
        if (Rs1024(extendable, words) != 1) throw new RecoveryShareException("A word of the share is wrong, missing or in another place: its checksum does not hold.");
        var value = ReadValue(words);
        var header = Header(words);
        var set = new ShareSet((int)(header >> 25), extendable, Nibble(header, 20), Nibble(header, 12) + 1, Nibble(header, 8) + 1, value.Length);
        if (set.GroupThreshold <= set.GroupCount) return new RecoveryShare(set, Nibble(header, 16), Nibble(header, 4), Nibble(header, 0) + 1, value);
        value.Dispose();
        throw new RecoveryShareException("The share asks for more groups than there are.");
    }

    /// <summary>The words, with blanks between. A string cannot be erased: make it last, show it once.</summary>
    public override string ToString()
    {
        var bits = value.Length * 8;
        var words = new int[HeaderWords + (bits + BitsPerWord - 1) / BitsPerWord + ChecksumWords];
        var header = (long)set.Id << 25 | (set.Extendable ? 1L << 24 : 0) | (long)set.IterationExponent << 20
            | (long)groupIndex << 16 | (long)(set.GroupThreshold - 1) << 12 | (long)(set.GroupCount - 1) << 8 | (long)memberIndex << 4 | (long)(memberThreshold - 1);
        for (var i = 0; i < HeaderWords; i++) words[i] = (int)(header >> (HeaderWords - 1 - i) * BitsPerWord) & 0x3FF;
        var end = (words.Length - ChecksumWords) * BitsPerWord;
        for (var bit = 0; bit < bits; bit++)
        {
            var at = end - bits + bit;
            words[at / BitsPerWord] |= (value.Span[bit / 8] >> 7 - bit % 8 & 1) << BitsPerWord - 1 - at % BitsPerWord;
        }

        var checksum = Rs1024(set.Extendable, words) ^ 1;
        for (var i = 0; i < ChecksumWords; i++) words[^(ChecksumWords - i)] = (int)(checksum >> (ChecksumWords - 1 - i) * BitsPerWord) & 0x3FF;
        return string.Join(' ', words.Select(number => Words[number]));
    }

    public void Dispose() => value.Dispose();

    private static int Number(string word) =>
        Numbers.TryGetValue(word, out var number) ? number : throw new RecoveryShareException("The share has a word that is not on the list of SLIP-0039.");

    private static long Header(int[] words) => words.Take(HeaderWords).Aggregate(0L, (bits, word) => bits << BitsPerWord | (long)word);

    private static int Nibble(long header, int shift) => (int)(header >> shift) & 0xF;

    private static SecretBytes ReadValue(int[] words)
    {
        var bits = (words.Length - HeaderWords - ChecksumWords) * BitsPerWord;
        var padding = bits % 16;
        if (padding > MostPadding) throw new RecoveryShareException($"A share of {words.Length} words does not exist.");
        var start = HeaderWords * BitsPerWord;
        if (Enumerable.Range(start, padding).Any(at => Bit(words, at) != 0)) throw new RecoveryShareException("The share's padding is not zero.");
        var value = new SecretBytes((bits - padding) / 8);
        for (var bit = 0; bit < bits - padding; bit++) value.Span[bit / 8] |= (byte)(Bit(words, start + padding + bit) << 7 - bit % 8);
        return value;
    }

    private static int Bit(int[] words, int at) => words[at / BitsPerWord] >> BitsPerWord - 1 - at % BitsPerWord & 1;

    /// <summary>The Reed-Solomon checksum over GF(1024); 1 when the words end with the right one, and what to exclusive-or in when they end with zeros.</summary>
    private static uint Rs1024(bool extendable, int[] words)
    {
        ReadOnlySpan<uint> generator = [0xe0e040, 0x1c1c080, 0x3838100, 0x7070200, 0xe0e0009, 0x1c0c2412, 0x38086c24, 0x3090fc48, 0x21b1f890, 0x3f3f120];
        var sum = 1u;
        foreach (var word in (extendable ? "shamir_extendable" : "shamir").Select(c => (uint)c).Concat(words.Select(w => (uint)w)))
        {
            var top = sum >> 20;
            sum = (sum & 0xFFFFF) << 10 ^ word;
            for (var i = 0; i < generator.Length; i++)
            {
                if ((top >> i & 1) != 0) sum ^= generator[i];
            }
        }

        return sum;
    }

    private static string[] ReadWords()
    {
        using var stream = typeof(RecoveryShare).Assembly.GetManifestResourceStream("slip-0039-words.txt")!;
        using var reader = new StreamReader(stream, Encoding.ASCII);
        return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
