using System.Security.Cryptography;
using System.Text;

namespace DataVault.Cryptography;

/// <summary>How many shares a group gets, and how many of them open it.</summary>
public sealed record RecoveryGroup(int Threshold, int Shares);

/// <summary>
/// Recovery shares of a secret (SLIP-0039, two levels: groups, and members of a group), as words that people can write down and other tools can read.
/// An instance collects shares until they suffice.
/// </summary>
public sealed class RecoveryShares : IDisposable
{
    private const int Rounds = 4;
    private const int RoundIterations = 2500;
    private const int MostId = 0x7FFF;

    // SLIP-0039 leaves the choice; 10,000 · 2^1 iterations, as the reference implementation does.
    private const int IterationExponent = 1;

    private readonly List<RecoveryShare> shares = [];

    private RecoveryShare First => shares.Count > 0 ? shares[0] : throw new RecoveryShareException("There is no share.");

    /// <summary>Shares of groups that suffice are there in sufficient number.</summary>
    public bool Suffice => shares.Count > 0 && Groups().Count(IsComplete) >= First.Set.GroupThreshold;

    /// <summary>What is there and what is missing, for the person who types them in.</summary>
    public string Progress => shares.Count == 0 ? "no share yet" : string.Join("; ", Groups().Select(group =>
        $"group {group.Key + 1}: {group.Count()} of {group.First().MemberThreshold}")) + $"; groups needed: {First.Set.GroupThreshold}";

    /// <summary>Makes the shares of a secret, group by group.</summary>
    /// <param name="secret">16 bytes or more, an even number.</param>
    /// <param name="groupThreshold">So many groups together open it.</param>
    /// <param name="passphrase">Needed again to combine; may be empty. A wrong one is not noticed: it gives another secret.</param>
    public static IReadOnlyList<IReadOnlyList<string>> Split(
        SecretBytes secret, int groupThreshold, IReadOnlyList<RecoveryGroup> groups, ReadOnlySpan<byte> passphrase, IRandomBytes random)
    {
        RefuseImpossible(secret, groupThreshold, groups);
        Span<byte> id = stackalloc byte[2];
        random.Fill(id);
        var set = new ShareSet((id[0] << 8 | id[1]) & MostId, Extendable: true, IterationExponent, groupThreshold, groups.Count, secret.Length);
        using var encrypted = Encipher(secret, set, passphrase, Enumerable.Range(0, Rounds));
        var answer = new List<IReadOnlyList<string>>();
        foreach (var group in ShamirSecret.Split(groupThreshold, groups.Count, encrypted, random))
        {
            using var groupSecret = group.Y;
            answer.Add(SplitGroup(set, group.X, groups[group.X], groupSecret, random));
        }

        return answer;
    }

    public static SecretBytes Combine(IEnumerable<string> mnemonics, ReadOnlySpan<byte> passphrase = default)
    {
        using var collected = new RecoveryShares();
        foreach (var mnemonic in mnemonics) collected.Add(mnemonic);
        return collected.Combine(passphrase);
    }

    /// <exception cref="RecoveryShareException">It does not read, or does not fit those that are there.</exception>
    public void Add(string mnemonic)
    {
        var share = RecoveryShare.Parse(mnemonic);
        try
        {
            RefuseForeign(share);
            shares.Add(share);
        }
        catch
        {
            share.Dispose();
            throw;
        }
    }

    public SecretBytes Combine(ReadOnlySpan<byte> passphrase = default)
    {
        if (!Suffice) throw new RecoveryShareException($"These shares do not suffice ({Progress}).");
        var set = First.Set;
        var groups = Groups().Where(IsComplete)
            .Select(group => new SharePoint((byte)group.Key, ShamirSecret.Recover(group.First().MemberThreshold, [.. group.Select(s => new SharePoint((byte)s.MemberIndex, s.Value))])))
            .ToList();
        try
        {
            using var encrypted = ShamirSecret.Recover(set.GroupThreshold, groups);
            return Encipher(encrypted, set, passphrase, Enumerable.Range(0, Rounds).Reverse());
        }
        finally
        {
            foreach (var group in groups) group.Y.Dispose();
        }
    }

    public void Dispose()
    {
        foreach (var share in shares) share.Dispose();
    }

    private static List<string> SplitGroup(ShareSet set, int index, RecoveryGroup group, SecretBytes secret, IRandomBytes random)
    {
        var answer = new List<string>();
        foreach (var member in ShamirSecret.Split(group.Threshold, group.Shares, secret, random))
        {
            using var share = new RecoveryShare(set, index, member.X, group.Threshold, member.Y);
            answer.Add(share.ToString());
        }

        return answer;
    }

    private IEnumerable<IGrouping<int, RecoveryShare>> Groups() => shares.GroupBy(share => share.GroupIndex).OrderBy(group => group.Key);

    private static bool IsComplete(IGrouping<int, RecoveryShare> group) => group.Count() >= group.First().MemberThreshold;

    private void RefuseForeign(RecoveryShare share)
    {
        if (shares.Count == 0) return;
        if (share.Set != First.Set) throw new RecoveryShareException("The share belongs to another set of shares.");
        foreach (var other in shares.Where(s => s.GroupIndex == share.GroupIndex))
        {
            if (other.MemberThreshold != share.MemberThreshold) throw new RecoveryShareException("The share contradicts another of its group.");
            if (other.MemberIndex == share.MemberIndex) throw new RecoveryShareException("This share is there already.");
        }
    }

    private static void RefuseImpossible(SecretBytes secret, int groupThreshold, IReadOnlyList<RecoveryGroup> groups)
    {
        if (secret.Length < 16 || secret.Length % 2 != 0) throw new RecoveryShareException("A secret to share has an even number of bytes, at least 16.");
        if (groups.Count is < 1 or > ShamirSecret.MostShares || groupThreshold < 1 || groupThreshold > groups.Count)
            throw new RecoveryShareException($"There are 1 to {ShamirSecret.MostShares} groups, and no more are needed than there are.");
        if (groups.Any(g => g.Shares is < 1 or > ShamirSecret.MostShares || g.Threshold < 1 || g.Threshold > g.Shares))
            throw new RecoveryShareException($"A group has 1 to {ShamirSecret.MostShares} shares and needs no more than it has.");
        if (groups.Any(g => g is { Threshold: 1, Shares: > 1 }))
            throw new RecoveryShareException("Several shares that each suffice would be copies of one: make a single share and copy it.");
    }

    // A Feistel network of four rounds; the rounds backwards undo it.
    private static SecretBytes Encipher(SecretBytes input, ShareSet set, ReadOnlySpan<byte> passphrase, IEnumerable<int> rounds)
    {
        var half = input.Length / 2;
        var (left, right) = (SecretBytes.CopyOf(input.Span[..half]), SecretBytes.CopyOf(input.Span[half..]));
        foreach (var round in rounds)
        {
            using var mask = RoundKey(round, right, set, passphrase);
            for (var i = 0; i < half; i++) left.Span[i] ^= mask.Span[i];
            (left, right) = (right, left);
        }

        using (left)
        using (right)
        {
            var output = new SecretBytes(input.Length);
            right.Span.CopyTo(output.Span);
            left.Span.CopyTo(output.Span[half..]);
            return output;
        }
    }

    private static SecretBytes RoundKey(int round, SecretBytes half, ShareSet set, ReadOnlySpan<byte> passphrase)
    {
        using var password = new SecretBytes(1 + passphrase.Length);
        password.Span[0] = (byte)round;
        passphrase.CopyTo(password.Span[1..]);
        var prefix = set.Extendable ? [] : (byte[])[.. Encoding.ASCII.GetBytes("shamir"), (byte)(set.Id >> 8), (byte)set.Id];
        using var salt = new SecretBytes(prefix.Length + half.Length);
        prefix.CopyTo(salt.Span);
        half.Span.CopyTo(salt.Span[prefix.Length..]);
        var key = new SecretBytes(half.Length);
        Rfc2898DeriveBytes.Pbkdf2(password.Span, salt.Span, key.Span, RoundIterations << set.IterationExponent, HashAlgorithmName.SHA256);
        return key;
    }
}
