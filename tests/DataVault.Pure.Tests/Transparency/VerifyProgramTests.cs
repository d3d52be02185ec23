using System.Security.Cryptography;
using DataVault.Transparency;
using DataVault.Verifier;
using Xunit;

namespace DataVault.Pure.Tests.Transparency;

/// <summary>The verifier as an auditor uses it: files in, words and an exit code out.</summary>
public sealed class VerifyProgramTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("verify-program-");
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task A_sound_log_ends_in_0_and_an_altered_one_in_1_with_the_first_bad_entry()
    {
        var entries = MemoryLog.Entries(700);
        Assert.Equal(0, await RunAsync("replay", Save(MemoryLog.Of(entries), "sound")));
        Assert.Contains("every entry is as signed", _output.ToString(), StringComparison.Ordinal);

        var altered = MemoryLog.Of(entries);
        entries[300][20] ^= 1;
        altered.WriteEntries(entries);
        Assert.Equal(1, await RunAsync("replay", Save(altered, "altered"), "--json"));
        Assert.Contains("\"firstBadIndex\": 300", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wrong_usage_ends_in_2_and_what_cannot_be_read_in_3()
    {
        Assert.Equal(2, await RunAsync("replay"));
        Assert.Equal(2, await RunAsync("no-such-verb"));
        Assert.Equal(2, await VerifyCommand.RunAsync(Desk(), ["replay", _folder.FullName, "--key", "nonsense"]));
        Assert.Equal(3, await RunAsync("replay", Path.Combine(_folder.FullName, "not-there")));
        Assert.Equal(3, await RunAsync("note", Path.Combine(_folder.FullName, "not-there")));
        Assert.Equal(3, await RunAsync("certificate", Write("empty", "")));
    }

    [Fact]
    public async Task Two_peoples_checkpoints_are_told_apart_from_a_fork()
    {
        var entries = MemoryLog.Entries(900);
        var log = Save(MemoryLog.Of(entries), "log");
        var early = Write("early", MemoryLog.Of(entries[..400]).Note);
        var late = Write("late", MemoryLog.Of(entries).Note);
        var other = entries[..400];
        other[17] = MemoryLog.Entry(17, new Random(99)).Encode();
        var forked = Write("forked", MemoryLog.Of(other).Note);

        Assert.Equal(0, await RunAsync("compare", late, late));
        Assert.Equal(0, await RunAsync("compare", late, early, "--log", log));
        Assert.Equal(1, await RunAsync("compare", late, early));
        Assert.Contains("UNPROVED", _output.ToString(), StringComparison.Ordinal);
        Assert.Equal(1, await RunAsync("compare", early, forked));
        Assert.Equal(1, await RunAsync("compare", forked, late, "--log", log));
        Assert.Contains("FORK", _output.ToString(), StringComparison.Ordinal);
        Assert.Equal(1, await RunAsync("compare", early, Write("stranger", MemoryLog.Of(entries[..2]).Note.Replace("vault.example", "other.example", StringComparison.Ordinal))));
    }

    [Fact]
    public async Task A_consistency_proof_stands_in_for_the_tiles()
    {
        var entries = MemoryLog.Entries(900);
        var (early, late) = (Write("early", MemoryLog.Of(entries[..400]).Note), Write("late", MemoryLog.Of(entries).Note));
        var hashes = entries.ConvertAll(entry => SHA256.HashData([0, .. entry]));
        var proof = ConsistencyProof.Build(400, 900, (height, index) => MemoryLog.NaiveRoot(hashes, (int)(index << height), (int)((index + 1) << height)));
        Assert.Equal(0, await RunAsync("consistency", early, late, "--proof", Write("proof", string.Join('\n', proof.Select(Convert.ToBase64String)))));
        Assert.Equal(1, await RunAsync("consistency", early, late, "--proof", Write("false", string.Join('\n', proof.Skip(1).Select(Convert.ToBase64String)))));
        Assert.Equal(3, await RunAsync("consistency", early, late, "--proof", Write("noise", "?")));
    }

    [Fact]
    public async Task A_persons_history_is_every_entry_with_their_tag()
    {
        var tag = Enumerable.Repeat((byte)7, 16).ToArray();
        var random = new Random(3);
        var entries = Enumerable.Range(0, 600).Select(i => (i % 97 == 5 ? MemoryLog.Entry(i, random) with { Subject = tag } : MemoryLog.Entry(i, random)).Encode()).ToList();
        var log = Save(MemoryLog.Of(entries), "log");
        Assert.Equal(0, await RunAsync("history", "--tag", Convert.ToHexString(tag), "--log", log));
        Assert.Contains("7 entries", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("       102  ", _output.ToString(), StringComparison.Ordinal);
        Assert.Equal(2, await RunAsync("history", "--tag", "07", "--log", log));
    }

    [Fact]
    public async Task A_persons_history_has_what_is_about_several_of_whom_they_are_one_and_says_whose_list_is_missing()
    {
        var tag = Enumerable.Repeat((byte)7, 16).ToArray();
        var random = new Random(4);
        var with = BulkMembers.Of([MemoryLog.Entry(0, random).Subject, tag, MemoryLog.Entry(0, random).Subject]);
        var without = BulkMembers.Of([MemoryLog.Entry(0, random).Subject, MemoryLog.Entry(0, random).Subject]);
        var about = new Dictionary<int, BulkMembers> { [3] = with, [4] = without, [299] = with };
        var log = MemoryLog.Of([.. Enumerable.Range(0, 300).Select(i => Several(MemoryLog.Entry(i, random), about.GetValueOrDefault(i)).Encode())]);
        log.Files[TlogTiles.MembersPath(0)] = MembersBundle.Encode([new(3, with.Tags), new(4, without.Tags)]);
        log.Files[TlogTiles.MembersPath(1)] = MembersBundle.Encode([new(43, with.Tags)]);

        Assert.Equal(0, await RunAsync("history", "--tag", Convert.ToHexString(tag), "--log", Save(log, "whole")));
        Assert.Contains("2 entries", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("       299  ", _output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("not known", _output.ToString(), StringComparison.Ordinal);

        log.Files.Remove(TlogTiles.MembersPath(1));
        Assert.Equal(0, await RunAsync("history", "--tag", Convert.ToHexString(tag), "--log", Save(log, "unlisted")));
        Assert.Contains("not known   whether the person is among those whom 1 entries are about: their lists are not in this copy (the first is entry 299)", _output.ToString(), StringComparison.Ordinal);

        log.Files[TlogTiles.MembersPath(1)] = MembersBundle.Encode([new(43, without.Tags)]);
        Assert.Equal(1, await RunAsync("history", "--tag", Convert.ToHexString(tag), "--log", Save(log, "altered")));
        Assert.Contains("the list of those whom entry 299 is about is not the one", _output.ToString(), StringComparison.Ordinal);
    }

    private static LogEntry Several(LogEntry entry, BulkMembers? members) =>
        members is null ? entry : entry with { Subject = default, BulkCount = members.Count, BulkRoot = members.Root() };

    [Fact]
    public async Task A_proof_of_an_entry_and_a_notes_signature_are_checked()
    {
        var entries = MemoryLog.Entries(5);
        var log = MemoryLog.Of(entries);
        var hashes = entries.ConvertAll(entry => SHA256.HashData([0, .. entry]));
        var path = InclusionProof.Build(3, 5, (height, index) => MemoryLog.NaiveRoot(hashes, (int)(index << height), (int)((index + 1) << height)));
        Assert.True(SignedNote.TryParse(log.Note, out var note));
        var proof = Write("3.tlog-proof", new TlogProof(3, path, note!, entries[3]).ToString());
        Assert.Equal(0, await RunAsync("inclusion", proof));
        Assert.Equal(1, await RunAsync("inclusion", proof, Write("false.tlog-proof", new TlogProof(2, path, note!, entries[3]).ToString())));
        Assert.Equal(0, await RunAsync("note", Write("checkpoint", log.Note)));
        Assert.Equal(1, await RunAsync("note", Write("changed", log.Note.Replace("\n5\n", "\n6\n", StringComparison.Ordinal))));
    }

    [Theory]
    [InlineData(EntryType.KeyCreate)]
    [InlineData(EntryType.KeyRotate)]
    public async Task A_certificate_is_held_against_the_whole_log_and_the_entry_that_contradicts_it_is_named(EntryType type)
    {
        var certificate = Write("erasure.txt", ProofFileTests.Certificate(final: true).ToString());
        var entries = ProofFileTests.Entries(static (_, entry) => entry);
        Assert.Equal(0, await RunAsync("certificate", certificate, "--log", Save(MemoryLog.Of(entries), "sound")));
        foreach (var fact in new[] { "state                    final", "birth                    entry 10", "final-at", "residual look-up-keys    2", "every entry is as signed" })
            Assert.Contains(fact, _output.ToString(), StringComparison.Ordinal);

        var again = LogEntry.Decode(entries[10]) with { Type = type, Time = LogEntry.Decode(entries[^1]).Time };
        Assert.Equal(1, await RunAsync("certificate", certificate, "--log", Save(MemoryLog.Of([.. entries, again.Encode()]), "again"), "--json"));
        Assert.Contains($"\"problem\": \"entry 100 ({EntryTypes.NameOf(type)}) commits to the destroyed key again\"", _output.ToString(), StringComparison.Ordinal);
        Assert.Equal(0, await RunAsync("certificate", certificate));
    }

    [Fact]
    public async Task A_log_that_does_not_continue_what_a_certificate_rests_on_is_refused()
    {
        var certificate = Write("erasure.txt", ProofFileTests.Certificate().ToString());
        var entries = ProofFileTests.Entries(static (_, entry) => entry);
        entries[70] = (LogEntry.Decode(entries[70]) with { Purpose = "marketing" }).Encode();
        Assert.Equal(1, await RunAsync("certificate", certificate, "--log", Save(MemoryLog.Of(entries), "fork")));
        Assert.Contains("is not what the earlier checkpoint of 100 entries signed", _output.ToString(), StringComparison.Ordinal);
        Assert.Equal(1, await RunAsync("certificate", certificate, "--log", Save(MemoryLog.Of(entries[..65]), "short")));
        Assert.Equal(3, await RunAsync("certificate", certificate, "--log", Path.Combine(_folder.FullName, "not-there")));
    }

    private Desk Desk() => new(_output, _error, progress: false);

    private async Task<int> RunAsync(params string[] arguments)
    {
        using var desk = Desk();
        return await VerifyCommand.RunAsync(desk, [.. arguments, "--key", MemoryLog.Signer.VerifierKey]);
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }

    private string Save(MemoryLog log, string name)
    {
        foreach (var (file, bytes) in log.Files)
        {
            var path = Path.Combine(_folder.FullName, name, file);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, bytes);
        }
        File.WriteAllText(Path.Combine(_folder.FullName, name, "checkpoint"), log.Note);
        return Path.Combine(_folder.FullName, name);
    }
}
