using System.Globalization;

namespace DataVault.Transparency;

/// <summary>A file that a person was handed: an erasure certificate, a consent receipt, or the proof of an entry.</summary>
/// <param name="Kind"><c>erasure-certificate</c>, <c>consent-receipt</c> or <c>tlog-proof</c>.</param>
/// <param name="Problem">The first thing wrong with it; null when it holds.</param>
/// <param name="States">What it says, by name.</param>
public sealed record HandedDocument(string Kind, string? Problem, IReadOnlyDictionary<string, string> States)
{
    /// <summary>Far above any certificate; a proof has at most 63 hashes.</summary>
    public const int LongestFile = 256 * 1024;

    private ErasureCertificate? Certificate { get; init; }

    private IReadOnlyList<TlogProof> Proofs { get; init; } = [];

    /// <summary>Reads and checks a text; null when it is none of them.</summary>
    public static HandedDocument? Check(string text, NoteVerifier key)
    {
        if (ErasureCertificate.TryParse(text, out var certificate))
            return new HandedDocument("erasure-certificate", certificate!.Verify(key), Describe(certificate.Statement)) { Certificate = certificate, Proofs = [.. certificate.Proofs.Named().Select(one => one.Proof)] };
        if (ConsentReceipt.TryParse(text, out var receipt))
            return new HandedDocument("consent-receipt", receipt!.Verify(key), Describe(receipt)) { Proofs = [receipt.Proof] };
        return TlogProof.TryParse(text, out var proof) ? new HandedDocument("tlog-proof", Verify(proof!, key), Describe(proof!)) { Proofs = [proof!] } : null;
    }

    /// <summary>
    /// Replays a whole log, which must continue every checkpoint that the documents rest on, and gives the documents again: one that an entry of the log
    /// contradicts has that as its problem. To be relied upon when the log is sound, and for the entries that it still keeps.
    /// </summary>
    /// <param name="documents">What was handed over.</param>
    /// <param name="log">The log.</param>
    /// <param name="key">The log's key.</param>
    /// <param name="progress">Told now and then how many entries have been replayed.</param>
    /// <param name="cancellationToken">Ends the work early.</param>
    public static async Task<(VerificationReport Log, IReadOnlyList<HandedDocument> Documents)> CompareAsync(
        IReadOnlyList<HandedDocument> documents, ILogSource log, NoteVerifier key, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        var reader = new ContradictionReader([.. documents.Select(document => document.Certificate).OfType<ErasureCertificate>()]);
        var checkpoints = documents.SelectMany(document => document.Proofs).Select(proof => proof.Checkpoint).DistinctBy(note => note.ToString()).ToList();
        var report = await new LogVerifier(key) { Progress = progress }.VerifyAsync(log, checkpoints, [], [reader], cancellationToken);
        var compared = documents.Select(document => document with { Problem = document.Problem ?? (document.Certificate is { } one ? reader.Found.GetValueOrDefault(one) : null) });
        return (report, [.. compared]);
    }

    private static string? Verify(TlogProof proof, NoteVerifier key)
    {
        if (proof.Extra.IsEmpty)
            return "the proof does not carry its entry";
        return proof.Verify(proof.Extra.Span, key) ? null : "the proof does not lead from its entry to a checkpoint that the log's key has signed";
    }

    private static Dictionary<string, string> Describe(ErasureStatement statement)
    {
        var facts = new Dictionary<string, string>
        {
            ["log"] = statement.Log,
            ["request"] = $"{statement.Request}",
        };
        if (statement.Version > 1)
        {
            facts["state"] = statement.IsPart ? "part" : statement.IsFinal ? "final" : "executed";
            facts["birth"] = statement.Born is { } born ? Place(born.Index, born.At) : "no longer in the log";
        }
        facts["requested"] = Place(statement.RequestedIndex, statement.RequestedAt);
        facts["executed"] = Place(statement.ExecutedIndex, statement.ExecutedAt);
        if (statement.Version == 2)
            AddFinality(facts, statement);
        foreach (var (what, count) in statement.Erased)
            facts[$"erased {what}"] = count.ToString(CultureInfo.InvariantCulture);
        foreach (var (what, count) in statement.Residuals)
            facts[$"residual {what}"] = count.ToString(CultureInfo.InvariantCulture);
        if (statement.IsPart)
            facts["kept"] = string.Join(", ", statement.Kept.Select(item => item.Key));
        return facts;
    }

    private static void AddFinality(Dictionary<string, string> facts, ErasureStatement statement)
    {
        facts["epoch"] = statement.Epoch.ToString(CultureInfo.InvariantCulture);
        facts["final-at"] = $"{statement.FinalAt:u}";
        if (statement is { Destroyed: { } destroyed, Final: { } final })
        {
            facts["epoch destroyed"] = Place(destroyed.Index, destroyed.At);
            facts["final"] = Place(final.Index, final.At);
        }
        facts["counts"] = statement.Replayed ? "replayed" : "exact";
    }

    private static Dictionary<string, string> Describe(ConsentReceipt receipt)
    {
        var (act, said) = (receipt.Statement.Act, receipt.Statement);
        var facts = new Dictionary<string, string>
        {
            ["receipt"] = $"{said.Id}",
            ["purpose"] = said.Purpose,
            ["state"] = ConsentStates.NameOf(act.State),
            ["at"] = $"{act.At:u}",
            ["expires"] = act.Expires is { } end ? $"{end:u}" : "never",
            ["notice"] = $"{act.Notice} {act.Language}".Trim(),
            ["entry"] = receipt.Proof.Index.ToString(CultureInfo.InvariantCulture),
        };
        if (act.Guardian.Length > 0)
            facts["guardian"] = act.Guardian;
        if (!act.NoticeHash.IsEmpty)
            facts["notice-sha256"] = Convert.ToHexStringLower(act.NoticeHash.Span);
        return facts;
    }

    private static Dictionary<string, string> Describe(TlogProof proof)
    {
        var facts = new Dictionary<string, string> { ["entry"] = proof.Index.ToString(CultureInfo.InvariantCulture) };
        try
        {
            var entry = LogEntry.Decode(proof.Extra);
            facts["type"] = EntryTypes.NameOf(entry.Type);
            facts["at"] = $"{DateTimeOffset.FromUnixTimeMilliseconds(entry.Time):u}";
            facts["purpose"] = entry.Purpose;
            facts["result"] = EntryTypes.NameOf(entry.Result);
        }
        catch (FormatException)
        {
            facts["type"] = "not an entry of a DataVault log";
        }
        return facts;
    }

    private static string Place(long index, DateTimeOffset at) => string.Create(CultureInfo.InvariantCulture, $"entry {index}, {at:u}");

    /// <summary>Hears, of every entry that commits to a key or tells of one destroyed, what it has to say against the certificates.</summary>
    // SPEC erasure-certificate §7
    private sealed class ContradictionReader(IReadOnlyList<ErasureCertificate> certificates) : IEntryReader
    {
        /// <summary>The first of each certificate.</summary>
        public Dictionary<ErasureCertificate, string> Found { get; } = [];

        public bool Wants(in EntryGlance entry, ReadOnlySpan<byte> encoded) =>
            certificates.Count > 0 && entry.Type is EntryType.KeyCreate or EntryType.KeyRotate or EntryType.EraseExecuted;

        public void Read(long index, ReadOnlyMemory<byte> encoded)
        {
            var entry = LogEntry.Decode(encoded);
            foreach (var certificate in certificates)
            {
                if (certificate.Contradiction(index, entry) is { } said)
                    Found.TryAdd(certificate, said);
            }
        }
    }
}
