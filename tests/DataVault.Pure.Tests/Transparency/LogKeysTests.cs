using System.Net;
using System.Security.Cryptography;
using DataVault.Cli;
using DataVault.Pure.Tests.Client;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Transparency;

public sealed class LogKeysTests : IDisposable
{
    private const int Announced = 3;
    private const int Ended = 6;
    private readonly ECDsa newKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly NoteSigner next;

    public LogKeysTests() => next = new NoteSigner(MemoryLog.Origin, newKey);

    private static LogKey First => new(MemoryLog.Signer.VerifierKey, 0, Ended);

    private LogKey Second => new(next.VerifierKey, Announced + 1);

    private LogKeys Both => LogKeys.Of([First, Second]);

    [Fact]
    public void Each_key_is_accepted_in_its_time_only()
    {
        foreach (var (size, old, @new) in new[] { (3, true, false), (4, true, true), (6, true, true), (7, false, true) })
        {
            var text = new Checkpoint(MemoryLog.Origin, size, MerkleHash.Empty.ToArray()).ToText();
            Assert.Equal(old ? NoteCheck.Valid : NoteCheck.NotSigned, Both.Check(MemoryLog.Signer.Sign(text)));
            Assert.Equal(@new ? NoteCheck.Valid : NoteCheck.NotSigned, Both.Check(next.Sign(text)));
            Assert.Equal(NoteCheck.Valid, Both.Check(next.Sign(text).With(MemoryLog.Signer.Sign(text).Signatures[0])));
        }
    }

    [Fact]
    public void A_false_signature_of_one_key_condemns_what_the_other_signed()
    {
        var text = new Checkpoint(MemoryLog.Origin, 5, MerkleHash.Empty.ToArray()).ToText();
        Assert.Equal(NoteCheck.Invalid, Both.Check(next.Sign(text).With(MemoryLog.Signer.Sign(text + "x\n").Signatures[0])));
    }

    [Fact]
    public void A_list_reads_back_as_it_was_written_and_one_key_alone_is_a_list()
    {
        Assert.True(LogKeys.TryParse("# keys of the log\n\n" + Both, out var read));
        Assert.Equal(Both.ToString(), read!.ToString());
        Assert.True(LogKeys.TryParse(MemoryLog.Signer.VerifierKey + "\n", out var single));
        Assert.Equal((MemoryLog.Signer.VerifierKey, 0L, null), (single!.Keys.Single().VerifierKey, single.Keys[0].From, single.Keys[0].Until));
        Assert.True(NoteVerifier.TryParseFile(Both.ToString(), out var verifier));
        Assert.IsType<LogKeys>(verifier);
    }

    [Fact]
    public void A_list_out_of_order_is_refused()
    {
        var (a, b) = (MemoryLog.Signer.VerifierKey, next.VerifierKey);
        string[] bad =
        [
            "", "nonsense", $"{a} 1", $"{a} 0 5", $"{a} 0 3\n{b} 4", $"{a} 0\n{b} 0", $"{a} 0\n{a} 4", $"{a} 0 9 9\n{b} 4", $"{a} 00\n{b} 4", $"{a} 0\n{b} 4 9",
            $"{a} 0\n{new NoteSigner("other.example/log", newKey).VerifierKey} 4",
        ];
        Assert.All(bad, text => Assert.False(LogKeys.TryParse(text, out _), text));
    }

    [Fact]
    public async Task The_verifier_follows_the_chain_through_the_log_itself()
    {
        var log = Log(Announcement(Second), Ending(First));
        var text = new Checkpoint(MemoryLog.Origin, 9, log.Root).ToText();
        log.Note = next.Sign(text).ToString();
        Assert.True((await new LogVerifier(Both).VerifyAsync(log)).Ok);

        using var strangers = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var stranger = new NoteSigner(MemoryLog.Origin, strangers);
        log.Note = stranger.Sign(text).ToString();
        var forged = await new LogVerifier(LogKeys.Of([First with { Until = null }, new LogKey(stranger.VerifierKey, Announced + 1)])).VerifyAsync(log);
        Assert.Contains(forged.Findings, finding => finding.Fault == LogFault.Keys && finding.Message.Contains("does not announce", StringComparison.Ordinal));
        log.Note = next.Sign(text).ToString();
        var shifted = await new LogVerifier(LogKeys.Of([First with { Until = 7 }, Second])).VerifyAsync(log);
        Assert.Contains(shifted.Findings, finding => finding.Fault == LogFault.Keys && finding.Message.Contains("does not end", StringComparison.Ordinal));
    }

    [Fact]
    public void An_announcement_is_proved_under_the_key_before_it()
    {
        var entries = Entries(Announcement(Second), Ending(First));
        var checkpoint = MemoryLog.Signer.Sign(new Checkpoint(MemoryLog.Origin, 5, Root(entries, 5)).ToText());
        var proof = new TlogProof(Announced, InclusionProof.Build(Announced, 5, (height, index) => Node(entries, height, index)), checkpoint, entries[Announced]);
        Assert.Null(LogKeys.CheckAnnouncement(First, Second, proof));
        Assert.NotNull(LogKeys.CheckAnnouncement(First, Second with { From = 5 }, proof));
        Assert.NotNull(LogKeys.CheckAnnouncement(Second with { From = 0 }, Second, proof));
        Assert.NotNull(LogKeys.CheckAnnouncement(First with { Until = 4 }, Second, proof));
        Assert.NotNull(LogKeys.CheckAnnouncement(First, Second, proof with { Extra = entries[2] }));
        Assert.NotNull(LogKeys.CheckAnnouncement(First, new LogKey(MemoryLog.Signer.VerifierKey, Announced + 1), proof));
    }

    [Fact]
    public async Task The_command_follows_the_keys_from_the_one_that_is_trusted_and_no_further_than_they_lead()
    {
        var entries = Entries(Announcement(Second), Ending(First));
        var checkpoint = MemoryLog.Signer.Sign(new Checkpoint(MemoryLog.Origin, 5, Root(entries, 5)).ToText());
        var proof = new TlogProof(Announced, InclusionProof.Build(Announced, 5, (height, index) => Node(entries, height, index)), checkpoint, entries[Announced]);
        var file = Path.Combine(Directory.CreateTempSubdirectory("keys").FullName, "log.vkey");
        Assert.Equal(ExitCode.Ok, await AuditKeysAsync(First.VerifierKey, file, Both.ToString(), proof.ToString()));
        Assert.Equal(Both.ToString(), await File.ReadAllTextAsync(file));
        // Who knows the newest already needs no proof; who knows neither is not convinced by the list.
        Assert.Equal(ExitCode.Ok, await AuditKeysAsync(Second.VerifierKey, file, Both.ToString()));
        using var strangers = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var stranger = new NoteSigner(MemoryLog.Origin, strangers).VerifierKey;
        Assert.Equal(ExitCode.Failed, await AuditKeysAsync(stranger, file, Both.ToString()));
        var forged = LogKeys.Of([First with { Until = null }, new LogKey(stranger, Announced + 1)]);
        Assert.Equal(ExitCode.Failed, await AuditKeysAsync(First.VerifierKey, file, forged.ToString(), proof.ToString()));
        Assert.Equal(Both.ToString(), await File.ReadAllTextAsync(file));
    }

    public void Dispose() => newKey.Dispose();

    private static async Task<int> AuditKeysAsync(string trusted, string file, params string[] answers)
    {
        var vault = new ScriptedVault();
        foreach (var answer in answers) vault.Answer(HttpStatusCode.OK, answer, "text/plain");
        var host = new CliHost(TextReader.Null, TextWriter.Null, TextWriter.Null, Path.GetTempPath(), TimeProvider.System)
        {
            Connect = address => new HttpClient(vault, disposeHandler: false) { BaseAddress = address },
        };
        return await DataVaultCommand.RunAsync(host, ["audit", "keys", "--key", trusted, "--output", file, "--address", "http://vault.test"]);
    }

    private static LogEntry Announcement(LogKey key) =>
        MemoryLog.Entry(Announced, new Random(1)) with { Type = EntryType.SignerRotate, KeyCommitment = key.Commitment, Items = [] };

    private static LogEntry Ending(LogKey key) =>
        MemoryLog.Entry(Ended, new Random(1)) with { Type = EntryType.SignerRotate, KeyCommitment = key.Commitment, Items = [], Reference = Announced };

    private static List<byte[]> Entries(LogEntry announcement, LogEntry ending)
    {
        var entries = MemoryLog.Entries(9);
        (entries[Announced], entries[Ended]) = (announcement.Encode(), ending.Encode());
        return entries;
    }

    private static MemoryLog Log(LogEntry announcement, LogEntry ending) => MemoryLog.Of(Entries(announcement, ending));

    private static byte[] Root(List<byte[]> entries, int size)
    {
        var range = CompactRange.Empty();
        foreach (var entry in entries.Take(size)) range.Append(MerkleHash.Leaf(entry));
        return range.Root();
    }

    private static byte[] Node(List<byte[]> entries, int height, long index) =>
        height == 0 ? MerkleHash.Leaf(entries[(int)index]) : MerkleHash.Node(Node(entries, height - 1, 2 * index), Node(entries, height - 1, 2 * index + 1));
}
