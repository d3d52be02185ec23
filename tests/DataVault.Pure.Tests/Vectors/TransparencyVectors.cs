using System.Globalization;
using DataVault.Pure.Tests.Transparency;
using DataVault.Transparency;

namespace DataVault.Pure.Tests.Vectors;

/// <summary>The log and what is handed out of it. Signatures are made once; what is checked of them is that they still verify.</summary>
internal static class TransparencyVectors
{
    public static IReadOnlyList<VectorKind> Kinds { get; } =
    [
        new("log-entries", Entries, Entry), new("trees", Trees, Tree), new("tile-paths", TilePaths, TilePath), new("entry-bundles", Bundles, Bundle),
        new("checkpoints", Checkpoints, SignedCheckpoint), new("proofs", Proofs, Proof), new("erasure-certificates", Superseded, Certificate),
        new("erasure-certificates-2", Certificates, Certificate), new("consent-acts", Acts, Act), new("consent-receipts", Receipts, Receipt),
    ];

    private static IEnumerable<Vector> Entries()
    {
        var bytes = new CountedBytes("log-entries");
        yield return new()
        {
            ["type"] = $"{(int)EntryType.FieldRead}", ["time"] = "1700000000123", ["actor"] = bytes.Hex(16), ["subject"] = bytes.Hex(16), ["purpose"] = "customer-support", ["result"] = "0",
            ["items"] = "1 2 300", ["seal"] = "", ["recordVersion"] = "7", ["detail"] = bytes.Hex(32), ["request"] = bytes.Hex(16), ["policy"] = bytes.Hex(16), ["bulk"] = "0", ["bulkRoot"] = "",
            ["commitment"] = "", ["reference"] = "", ["rules"] = "support.read support.mask",
        };
        yield return new()
        {
            ["type"] = $"{(int)EntryType.EraseExecuted}", ["time"] = "0", ["actor"] = bytes.Hex(16), ["subject"] = bytes.Hex(16), ["purpose"] = "", ["result"] = "0",
            ["items"] = "", ["seal"] = "", ["recordVersion"] = "0", ["detail"] = "", ["request"] = bytes.Hex(16), ["policy"] = bytes.Hex(16), ["bulk"] = "0", ["bulkRoot"] = "",
            ["commitment"] = bytes.Hex(32), ["reference"] = "0", ["rules"] = "",
        };
        yield return new()
        {
            ["type"] = $"{(int)EntryType.Export}", ["time"] = "253402300799999", ["actor"] = bytes.Hex(16), ["subject"] = "", ["purpose"] = "analytics", ["result"] = "1",
            ["items"] = "65535", ["seal"] = bytes.Hex(32), ["recordVersion"] = "1", ["detail"] = "", ["request"] = bytes.Hex(16), ["policy"] = bytes.Hex(16), ["bulk"] = "100000", ["bulkRoot"] = bytes.Hex(32),
            ["commitment"] = "", ["reference"] = "4294967296", ["rules"] = "",
        };
    }

    private static Vector Entry(Vector v)
    {
        var entry = new LogEntry
        {
            Type = (EntryType)v.Number("type"), Time = v.Long("time"), Actor = v.Bytes("actor"), Subject = v.Bytes("subject"), Purpose = v["purpose"], Result = (EntryResult)v.Number("result"),
            Items = [.. Words(v["items"]).Select(i => int.Parse(i, CultureInfo.InvariantCulture))], Seal = v.Bytes("seal"), RecordVersion = v.Long("recordVersion"), DetailHash = v.Bytes("detail"),
            RequestId = v.Bytes("request"), Policy = v.Bytes("policy"), BulkCount = v.Number("bulk"), BulkRoot = v.Bytes("bulkRoot"), KeyCommitment = v.Bytes("commitment"),
            Reference = v["reference"].Length == 0 ? null : v.Long("reference"), Rules = Words(v["rules"]),
        };
        var encoded = entry.Encode();
        var decoded = LogEntry.Decode(v.TryGetValue("encoded", out var stored) ? Convert.FromHexString(stored) : encoded);
        return new() { ["encoded"] = Vector.Hex(encoded), ["decodedAgain"] = Vector.Hex(decoded.Encode()), ["leaf"] = Vector.Hex(MerkleHash.Leaf(encoded)) };
    }

    private static IEnumerable<Vector> Trees()
    {
        var bytes = new CountedBytes("trees");
        foreach (var size in new[] { 1, 2, 7, 8, 13 })
            yield return new() { ["entries"] = Vector.Hex(Enumerable.Range(0, size).Select(_ => bytes.Next(20))), ["index"] = $"{size / 2}", ["oldSize"] = $"{Math.Max(1, size - 3)}" };
    }

    private static Vector Tree(Vector v)
    {
        var leaves = v.List("entries").Select(entry => MerkleHash.Leaf(entry)).ToList();
        byte[] Node(int height, long index) => height == 0 ? leaves[(int)index] : MerkleHash.Node(Node(height - 1, 2 * index), Node(height - 1, (2 * index) + 1));
        return new()
        {
            ["root"] = Vector.Hex(Subtree.Root(0, leaves.Count, Node)),
            ["inclusion"] = Vector.Hex(InclusionProof.Build(v.Number("index"), leaves.Count, Node)),
            ["consistency"] = Vector.Hex(ConsistencyProof.Build(v.Number("oldSize"), leaves.Count, Node)),
        };
    }

    private static IEnumerable<Vector> TilePaths()
    {
        foreach (var (level, n, width) in new[] { (0, 0L, 256), (1, 1_234_067L, 256), (7, 5L, 17), (-1, 999_999L, 255), (-1, 1_000L, 256) })
            yield return new() { ["level"] = $"{level}", ["n"] = $"{n}", ["width"] = $"{width}" };
    }

    private static Vector TilePath(Vector v)
    {
        var (level, n, width) = (v.Number("level"), v.Long("n"), v.Number("width"));
        return new() { ["path"] = level == TlogTiles.EntriesLevel ? TlogTiles.EntriesPath(n, width) : TlogTiles.TilePath(level, n, width) };
    }

    private static IEnumerable<Vector> Bundles()
    {
        var bytes = new CountedBytes("entry-bundles");
        yield return new() { ["entries"] = $"{bytes.Hex(1)} {bytes.Hex(200)} {bytes.Hex(300)}" };
    }

    private static Vector Bundle(Vector v)
    {
        var bundle = EntryBundle.Encode([.. v.List("entries").Select(entry => (ReadOnlyMemory<byte>)entry)]);
        return new() { ["bundle"] = Vector.Hex(bundle), ["entries"] = Vector.Hex(EntryBundle.Decode(bundle).Select(entry => entry.ToArray())) };
    }

    private static IEnumerable<Vector> Checkpoints()
    {
        var checkpoint = new Checkpoint(MemoryLog.Origin, 48_213, new CountedBytes("checkpoints").Next(32));
        yield return new() { ["note"] = MemoryLog.Signer.Sign(checkpoint.ToText()).ToString(), ["key"] = MemoryLog.Signer.VerifierKey };
    }

    private static Vector SignedCheckpoint(Vector v)
    {
        var read = SignedNote.TryParse(v["note"], out var note) & Checkpoint.TryParse(note!.Text, out var checkpoint);
        return new()
        {
            ["verdict"] = read ? $"{NoteVerifier.Parse(v["key"]).Check(note)}" : "does not read", ["size"] = $"{checkpoint!.Size}", ["origin"] = checkpoint.Origin,
            ["root"] = Vector.Hex(checkpoint.Root.Span), ["note"] = note.ToString(),
        };
    }

    private static IEnumerable<Vector> Proofs()
    {
        yield return new() { ["proof"] = ProofFileTests.Certificate().Proofs.Execution.ToString(), ["key"] = MemoryLog.Signer.VerifierKey };
    }

    private static Vector Proof(Vector v)
    {
        var read = TlogProof.TryParse(v["proof"], out var proof);
        return new()
        {
            ["verdict"] = read && proof!.Verify(proof.Extra.Span, NoteVerifier.Parse(v["key"])) ? "valid" : "invalid", ["index"] = $"{proof!.Index}", ["proof"] = proof.ToString(),
            ["entry"] = Vector.Hex(proof.Extra.Span),
        };
    }

    // Version 1 was written before there was another. It is read for ever, and issued no more.
    private static IEnumerable<Vector> Superseded() => [];

    private static IEnumerable<Vector> Certificates() => new[] { false, true }.Select(final => new Vector
    {
        ["certificate"] = ProofFileTests.Certificate(final).ToString(), ["key"] = MemoryLog.Signer.VerifierKey,
    });

    private static Vector Certificate(Vector v)
    {
        var read = ErasureCertificate.TryParse(v["certificate"], out var certificate);
        return new()
        {
            ["verdict"] = read ? certificate!.Verify(NoteVerifier.Parse(v["key"])) ?? "valid" : "does not read", ["certificate"] = certificate!.ToString(),
            ["executed"] = $"{certificate.Statement.ExecutedIndex}", ["commitment"] = Vector.Hex(certificate.Statement.KeyCommitment.Span),
        };
    }

    // Form 1 is of acts from before the vault kept who recorded them; its hash stands in old logs.
    private static IEnumerable<Vector> Acts() => new[] { 0, 1, 2, 3, 4 }.Select(by => new Vector
    {
        ["subject"] = "01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77", ["purpose"] = "3", ["state"] = $"{(by == 4 ? 9 : 1 + by)}", ["at"] = "1772360100123456", ["expires"] = by % 2 == 0 ? "" : "1835432100000001",
        ["notice"] = by == 4 ? "" : "2026-01", ["channel"] = by == 4 ? "gpc" : "web", ["by"] = $"{by}", ["lifts"] = by == 1 ? "1" : "0",
        ["noticeHash"] = by is 0 or 4 ? "" : new CountedBytes("consent-acts").Hex(32), ["language"] = by is 0 or 4 ? "" : "de", ["guardian"] = by == 2 ? "GC-2026-0113" : "",
    });

    private static Vector Act(Vector v) => new()
    {
        ["hash"] = Vector.Hex(new ConsentEvidence
        {
            Subject = Guid.Parse(v["subject"]), Purpose = v.Number("purpose"), State = (byte)v.Number("state"), At = DateTimeOffset.UnixEpoch.AddMicroseconds(v.Long("at")),
            Expires = v["expires"].Length == 0 ? null : DateTimeOffset.UnixEpoch.AddMicroseconds(v.Long("expires")), Notice = v["notice"], Channel = v["channel"],
            RecordedBy = (ConsentRecorder)v.Number("by"), LiftsObjection = v["lifts"] == "1", NoticeHash = v.Bytes("noticeHash"), Language = v["language"], Guardian = v["guardian"],
        }.Hash()),
    };

    private static IEnumerable<Vector> Receipts()
    {
        yield return new() { ["receipt"] = ConsentReceiptTests.Receipt().ToString(), ["key"] = MemoryLog.Signer.VerifierKey };
    }

    private static Vector Receipt(Vector v)
    {
        var read = ConsentReceipt.TryParse(v["receipt"], out var receipt);
        return new()
        {
            ["verdict"] = read ? receipt!.Verify(NoteVerifier.Parse(v["key"])) ?? "valid" : "does not read", ["receipt"] = receipt!.ToString(), ["id"] = $"{receipt.Statement.Id}",
            ["act"] = Vector.Hex(receipt.Statement.Act.Hash()), ["entry"] = $"{receipt.Proof.Index}",
        };
    }

    private static string[] Words(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
