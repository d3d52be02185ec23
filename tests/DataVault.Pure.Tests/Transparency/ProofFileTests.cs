using DataVault.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Transparency;

public sealed class ProofFileTests
{
    private static readonly byte[] Subject = [.. Enumerable.Repeat((byte)7, 16)];
    private static readonly byte[] Commitment = [.. Enumerable.Repeat((byte)9, 32)];
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

    [Fact]
    public void An_erasure_certificate_survives_its_text_and_verifies_offline()
    {
        var certificate = Certificate();
        Assert.True(ErasureCertificate.TryParse(certificate.ToString(), out var parsed));
        Assert.Equal(certificate.ToString(), parsed!.ToString());
        Assert.Null(parsed.Verify(MemoryLog.Verifier));
        Assert.Equal((40, 90), (parsed.Statement.RequestedIndex, parsed.Statement.ExecutedIndex));
        Assert.Equal([KeyValuePair.Create("fields", 18L), KeyValuePair.Create("analytics-rows", 3L)], parsed.Statement.Erased);
        Assert.Equal((RequestedAt, ExecutedAt), (parsed.Statement.RequestedAt, parsed.Statement.ExecutedAt));
    }

    [Fact]
    public void Any_changed_character_of_a_certificate_is_noticed()
    {
        var text = Certificate().ToString();
        for (var i = 0; i < text.Length; i++)
        {
            var changed = string.Concat(text.AsSpan(0, i), text[i] == '1' ? "3" : "1", text.AsSpan(i + 1));
            Assert.False(ErasureCertificate.TryParse(changed, out var parsed) && parsed!.Verify(MemoryLog.Verifier) is null, $"character {i}");
        }
    }

    [Fact]
    public void A_certificate_whose_entries_say_something_else_is_refused()
    {
        Func<LogEntry, LogEntry>[] requests =
        [
            entry => entry with { Type = EntryType.RequestChange },
            entry => entry with { Result = EntryResult.Denied },
            entry => entry with { Subject = new byte[16] },
            entry => entry with { Time = entry.Time + 1 },
        ];
        foreach (var change in requests)
            Assert.NotNull(Certificate(request: change).Verify(MemoryLog.Verifier));
        Func<LogEntry, LogEntry>[] executions = [.. requests, entry => entry with { KeyCommitment = new byte[32] }, entry => entry with { Reference = 41 }];
        foreach (var change in executions)
            Assert.NotNull(Certificate(execution: change).Verify(MemoryLog.Verifier));
        Assert.Null(Certificate(execution: entry => entry with { Reference = null }).Verify(MemoryLog.Verifier));
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
        var good = Statement();
        var proof = Prove(MemoryLog.Entries(2), 1);
        ErasureStatement[] bad =
        [
            good with { SubjectTag = Commitment },
            good with { ExecutedIndex = good.RequestedIndex },
            good with { Log = "a log" },
            good with { Erased = [KeyValuePair.Create("Two words", 1L)] },
            good with { Erased = [KeyValuePair.Create("fields", -1L)] },
        ];
        Assert.All(bad, statement => Assert.Throws<ArgumentException>(() => ErasureCertificate.Issue(statement, MemoryLog.Signer, proof, proof)));
    }

    private static ErasureStatement Statement() => new()
    {
        Log = MemoryLog.Origin,
        Request = Guid.Parse("0199f3a0-5c1e-7b2a-8c3d-4e5f60718293"),
        SubjectTag = Subject,
        KeyCommitment = Commitment,
        RequestedIndex = 40,
        RequestedAt = RequestedAt,
        ExecutedIndex = 90,
        ExecutedAt = ExecutedAt,
        Erased = [KeyValuePair.Create("fields", 18L), KeyValuePair.Create("analytics-rows", 3L)],
        IssuedAt = ExecutedAt.AddSeconds(1),
    };

    internal static ErasureCertificate Certificate(Func<LogEntry, LogEntry>? request = null, Func<LogEntry, LogEntry>? execution = null)
    {
        var requested = new LogEntry { Type = EntryType.EraseRequest, Time = RequestedAt.ToUnixTimeMilliseconds(), Subject = Subject };
        var executed = requested with
        {
            Type = EntryType.EraseExecuted,
            Time = ExecutedAt.ToUnixTimeMilliseconds(),
            KeyCommitment = Commitment,
            Reference = 40,
        };
        var entries = MemoryLog.Entries(100);
        entries[40] = (request?.Invoke(requested) ?? requested).Encode();
        entries[90] = (execution?.Invoke(executed) ?? executed).Encode();
        return ErasureCertificate.Issue(Statement(), MemoryLog.Signer, Prove(entries, 40), Prove(entries, 90));
    }

    private static TlogProof Prove(List<byte[]> entries, int index)
    {
        var log = MemoryLog.Of(entries);
        var node = TlogTiles.NodeReader(entries.Count, (level, n, width) => log.Files[TlogTiles.TilePath(level, n, width)]);
        Assert.True(SignedNote.TryParse(log.Note, out var note));
        return new TlogProof(index, InclusionProof.Build(index, entries.Count, node), note!, entries[index]);
    }
}
