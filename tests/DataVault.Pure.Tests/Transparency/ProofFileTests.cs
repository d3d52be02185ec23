using DataVault.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Transparency;

public sealed class ProofFileTests
{
    private static readonly byte[] Subject = [.. Enumerable.Repeat((byte)7, 16)];
    private static readonly byte[] Commitment = [.. Enumerable.Repeat((byte)9, 32)];
    private static readonly DateTimeOffset BornAt = DateTimeOffset.FromUnixTimeMilliseconds(1_690_000_000_123);
    private static readonly DateTimeOffset RequestedAt = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_123);
    private static readonly DateTimeOffset ExecutedAt = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_900_456);

    [Fact]
    public void A_proof_file_survives_its_text_and_verifies()
    {
        var entries = MemoryLog.Entries(300);
        var proof = Prove(entries, 77);
        Assert.True(TlogProof.TryParse(proof.ToString(), out var parsed));
        Assert.Equal(proof.ToString(), parsed!.ToString());
        Assert.Equal(77, parsed.Index);
        Assert.True(parsed.Verify(entries[77], MemoryLog.Verifier));
        Assert.False(parsed.Verify(entries[78], MemoryLog.Verifier));
        Assert.False((parsed with { Index = 78 }).Verify(entries[77], MemoryLog.Verifier));
    }

    [Fact]
    public void A_proof_of_a_log_with_one_entry_has_no_hashes()
    {
        var entries = MemoryLog.Entries(1);
        var proof = Prove(entries, 0) with { Extra = default };
        Assert.StartsWith("c2sp.org/tlog-proof@v1\nindex 0\n\nvault.example/log\n1\n", proof.ToString(), StringComparison.Ordinal);
        Assert.True(TlogProof.TryParse(proof.ToString(), out var parsed));
        Assert.True(parsed!.Verify(entries[0], MemoryLog.Verifier));
    }

    [Fact]
    public void Any_changed_character_of_a_proof_file_is_noticed_unless_it_is_extra_data()
    {
        var entries = MemoryLog.Entries(5);
        var text = (Prove(entries, 2) with { Extra = default }).ToString();
        for (var i = 0; i < text.Length; i++)
        {
            var changed = string.Concat(text.AsSpan(0, i), text[i] == '1' ? "3" : "1", text.AsSpan(i + 1));
            Assert.False(TlogProof.TryParse(changed, out var proof) && proof!.Verify(entries[2], MemoryLog.Verifier), $"character {i}");
        }
    }

    [Theory]
    [InlineData("c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v2\n")]
    [InlineData("index 2\n", "index 02\n")]
    [InlineData("index 2\n", "")]
    [InlineData("index 2\n", "extra \nindex 2\n")]
    [InlineData("index 2\n", "index 2\nAAAA\n")]
    [InlineData("index 2\n", "index 2\n\n")]
    public void What_is_not_a_proof_file_is_refused(string part, string instead)
    {
        var text = (Prove(MemoryLog.Entries(5), 2) with { Extra = default }).ToString();
        Assert.False(TlogProof.TryParse(text.Replace(part, instead, StringComparison.Ordinal), out _));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_erasure_certificate_survives_its_text_and_verifies_offline(bool final)
    {
        var certificate = Certificate(final);
        Assert.True(ErasureCertificate.TryParse(certificate.ToString(), out var parsed));
        Assert.Equal(certificate.ToString(), parsed!.ToString());
        Assert.Null(parsed.Verify(MemoryLog.Verifier));
        Assert.Equal((40, 60, final), (parsed.Statement.RequestedIndex, parsed.Statement.ExecutedIndex, parsed.Statement.IsFinal));
        Assert.Equal([KeyValuePair.Create("fields", 18L), KeyValuePair.Create("analytics-rows", 3L)], parsed.Statement.Erased);
        Assert.Equal([KeyValuePair.Create("look-up-keys", 2L)], parsed.Statement.Residuals);
        Assert.Equal((RequestedAt, ExecutedAt, new LogPlace(10, BornAt)), (parsed.Statement.RequestedAt, parsed.Statement.ExecutedAt, parsed.Statement.Born!.Value));
        Assert.Equal(final ? new LogPlace(80, ExecutedAt.AddDays(8)) : null, parsed.Statement.Destroyed);
    }

    [Fact]
    public void A_birth_that_the_log_no_longer_keeps_is_left_out_and_not_made_up()
    {
        var entries = Entries(static (_, entry) => entry);
        var statement = Statement(final: false) with { Born = null };
        var certificate = ErasureCertificate.Issue(statement, MemoryLog.Signer, new ErasureProofs(Prove(entries, 40), Prove(entries, 60)));
        Assert.True(ErasureCertificate.TryParse(certificate.ToString(), out var parsed));
        Assert.Null(parsed!.Verify(MemoryLog.Verifier));
        Assert.Throws<ArgumentException>(() => ErasureCertificate.Issue(Statement(final: false), MemoryLog.Signer, parsed.Proofs));
    }

    [Fact]
    public void Any_changed_character_of_a_certificate_is_noticed()
    {
        var text = Certificate(final: true).ToString();
        for (var i = 0; i < text.Length; i++)
        {
            var changed = string.Concat(text.AsSpan(0, i), text[i] == '1' ? "3" : "1", text.AsSpan(i + 1));
            Assert.False(ErasureCertificate.TryParse(changed, out var parsed) && parsed!.Verify(MemoryLog.Verifier) is null, $"character {i}");
        }
    }

    [Fact]
    public void A_certificate_whose_entries_say_something_else_is_refused()
    {
        Func<LogEntry, LogEntry>[] any = [entry => entry with { Type = EntryType.RequestChange }, entry => entry with { Result = EntryResult.Denied }, entry => entry with { Time = entry.Time + 1 }];
        Func<LogEntry, LogEntry> person = entry => entry with { Subject = new byte[16] };
        Func<LogEntry, LogEntry> key = entry => entry with { KeyCommitment = new byte[32] };
        Func<LogEntry, LogEntry> epoch = entry => entry with { RecordVersion = 3 };
        Func<LogEntry, LogEntry> answer = entry => entry with { Reference = 41 };
        (int Index, Func<LogEntry, LogEntry>[] Changes)[] cases =
        [
            (10, [.. any, person, key]), (40, [.. any, person]), (60, [.. any, person, key, entry => entry with { Rules = ["epoch:3"] }, answer, entry => entry with { Reference = null }, entry => entry with { Items = [1] }]),
            (80, [.. any, epoch]), (90, [.. any, person, key, epoch, answer]),
        ];
        foreach (var (index, changes) in cases)
        {
            foreach (var change in changes)
                Assert.NotNull(Certificate(final: true, (at, entry) => at == index ? change(entry) : entry).Verify(MemoryLog.Verifier));
        }
    }

    [Fact]
    public void A_key_that_lives_again_after_its_destruction_contradicts_the_certificate()
    {
        var certificate = Certificate(final: true);
        LogEntry Entry(EntryType type) => new() { Type = type, Subject = Subject, KeyCommitment = Commitment };
        Assert.Null(certificate.Contradiction(10, Entry(EntryType.KeyCreate)));
        Assert.Null(certificate.Contradiction(60, Entry(EntryType.EraseExecuted)));
        Assert.Null(certificate.Contradiction(90, Entry(EntryType.EraseFinal)));
        Assert.Null(certificate.Contradiction(95, Entry(EntryType.KeyCreate) with { KeyCommitment = new byte[32] }));
        Assert.Contains("another birth", certificate.Contradiction(11, Entry(EntryType.KeyCreate)));
        Assert.Contains("destroyed before", certificate.Contradiction(50, Entry(EntryType.EraseExecuted)));
        Assert.Contains("destroyed key again", certificate.Contradiction(95, Entry(EntryType.KeyCreate)));
        Assert.Contains("destroyed key again", certificate.Contradiction(95, Entry(EntryType.KeyRotate)));
    }

    [Fact]
    public void A_certificate_is_verified_with_the_logs_key_only()
    {
        using var key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        var other = NoteVerifier.Parse(new NoteSigner(MemoryLog.Origin, key).VerifierKey);
        Assert.Equal("the log's key has not signed the statement", Certificate().Verify(other));
    }

    [Fact]
    public void A_statement_outside_its_limits_is_not_signed()
    {
        var good = Statement(final: true);
        var proofs = Certificate(final: true).Proofs;
        ErasureStatement[] bad =
        [
            good with { SubjectTag = Commitment },
            good with { ExecutedIndex = good.RequestedIndex },
            good with { Log = "a log" },
            good with { Erased = [KeyValuePair.Create("Two words", 1L)] },
            good with { Erased = [KeyValuePair.Create("fields", -1L)] },
            good with { Residuals = [KeyValuePair.Create("fields", -1L)] },
            good with { Epoch = 0 },
            good with { Version = 1 },
            good with { Version = 3 },
            good with { Born = good.Final },
            good with { Destroyed = null },
            good with { Final = good.Born },
        ];
        Assert.All(bad, statement => Assert.Throws<ArgumentException>(() => ErasureCertificate.Issue(statement, MemoryLog.Signer, proofs)));
    }

    private static ErasureStatement Statement(bool final) => new()
    {
        Log = MemoryLog.Origin,
        Request = Guid.Parse("0199f3a0-5c1e-7b2a-8c3d-4e5f60718293"),
        SubjectTag = Subject,
        KeyCommitment = Commitment,
        Born = new LogPlace(10, BornAt),
        RequestedIndex = 40,
        RequestedAt = RequestedAt,
        ExecutedIndex = 60,
        ExecutedAt = ExecutedAt,
        Epoch = 7,
        FinalAt = ExecutedAt.AddDays(8),
        Destroyed = final ? new LogPlace(80, ExecutedAt.AddDays(8)) : null,
        Final = final ? new LogPlace(90, ExecutedAt.AddDays(8)) : null,
        Erased = [KeyValuePair.Create("fields", 18L), KeyValuePair.Create("analytics-rows", 3L)],
        Residuals = [KeyValuePair.Create("look-up-keys", 2L)],
        IssuedAt = ExecutedAt.AddSeconds(1),
    };

    internal static ErasureCertificate Certificate(bool final = false, Func<int, LogEntry, LogEntry>? change = null)
    {
        var entries = Entries(change ?? (static (_, entry) => entry));
        var proofs = new ErasureProofs(Prove(entries, 40), Prove(entries, 60)) { Birth = Prove(entries, 10) };
        if (final) proofs = proofs with { Destruction = Prove(entries, 80), Final = Prove(entries, 90) };
        return ErasureCertificate.Issue(Statement(final), MemoryLog.Signer, proofs);
    }

    internal static List<byte[]> Entries(Func<int, LogEntry, LogEntry> change)
    {
        var about = new LogEntry { Type = EntryType.KeyCreate, Time = BornAt.ToUnixTimeMilliseconds(), Subject = Subject, KeyCommitment = Commitment };
        var executed = about with { Type = EntryType.EraseExecuted, Time = ExecutedAt.ToUnixTimeMilliseconds(), Rules = [ErasureCertificate.RuleOf(7)], Reference = 40 };
        var last = ExecutedAt.AddDays(8).ToUnixTimeMilliseconds();
        long TimeAt(int index) => index switch { < 40 => about.Time, < 60 => RequestedAt.ToUnixTimeMilliseconds(), < 80 => executed.Time, _ => last };
        var entries = MemoryLog.Entries(100).Select((entry, index) => (LogEntry.Decode(entry) with { Time = TimeAt(index) }).Encode()).ToList();
        void Put(int index, LogEntry entry) => entries[index] = change(index, entry).Encode();
        Put(10, about);
        Put(40, about with { Type = EntryType.EraseRequest, Time = RequestedAt.ToUnixTimeMilliseconds() });
        Put(60, executed);
        Put(80, new LogEntry { Type = EntryType.EpochDestroyed, Time = last, RecordVersion = 7 });
        Put(90, executed with { Type = EntryType.EraseFinal, Time = last, RecordVersion = 7, Reference = 60 });
        return entries;
    }

    internal static TlogProof Prove(List<byte[]> entries, int index)
    {
        var log = MemoryLog.Of(entries);
        var node = TlogTiles.NodeReader(entries.Count, (level, n, width) => log.Files[TlogTiles.TilePath(level, n, width)]);
        Assert.True(SignedNote.TryParse(log.Note, out var note));
        return new TlogProof(index, InclusionProof.Build(index, entries.Count, node), note!, entries[index]);
    }
}
