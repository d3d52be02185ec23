using System.Globalization;
using DataVault.Policy;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>What came of an act that was held against the log: its receipt, or what contradicts it.</summary>
internal sealed record WitnessedAct(ConsentReceipt? Receipt, string? Problem);

/// <summary>
/// Makes receipts of acts. INVARIANT: nothing is signed of an act before its entry of the log was read, with the proof that the signed log holds it, and says the
/// same of the same person: what somebody wrote into the rows is named and not attested.
/// </summary>
internal sealed class ConsentWitness(SignedProofs proofs, NoticeArchive archive, PastPolicies past, ActivePolicy policy)
{
    /// <param name="tag">The person in the log.</param>
    /// <param name="purpose">The purpose of the acts.</param>
    /// <param name="acts">Every act for it, oldest first.</param>
    /// <param name="which">Those to make receipts of.</param>
    /// <param name="withdrawAt">Where consents are withdrawn; null to leave it out.</param>
    /// <param name="ct">Ends the waiting.</param>
    public async Task<List<WitnessedAct>> WitnessAsync(ReadOnlyMemory<byte> tag, Purpose purpose, List<OwnedAct> acts, Range which, Uri? withdrawAt, CancellationToken ct)
    {
        var texts = await archive.TextsAsync(acts.Select(owned => owned.Act.NoticeHash), ct);
        var (from, count) = which.GetOffsetAndLength(acts.Count);
        var made = new List<WitnessedAct>(count);
        for (var at = from; at < from + count; at++)
        {
            var (proof, problem) = await ProofAsync(acts[at], purpose, tag, ct);
            made.Add(proof is null
                ? new WitnessedAct(null, problem)
                : new WitnessedAct(await IssueAsync(proof, purpose, acts[at], at > 0 ? acts[at - 1].Hash : default, texts, withdrawAt, ct), null));
        }

        return made;
    }

    /// <inheritdoc cref="SignedProofs.CheckpointAsync"/>
    public Task<string> CheckpointAsync(CancellationToken ct) => proofs.CheckpointAsync(ct);

    private async Task<(TlogProof? Proof, string? Problem)> ProofAsync(OwnedAct owned, Purpose purpose, ReadOnlyMemory<byte> tag, CancellationToken ct)
    {
        var index = owned.Act.LogIndex.ToString(CultureInfo.InvariantCulture);
        try
        {
            var proof = await proofs.OfAsync(owned.Act.LogIndex, ct);
            return Contradiction(LogEntry.Decode(proof.Extra), owned, purpose, tag) is { } problem ? (null, $"entry {index} {problem}") : (proof, null);
        }
        catch (VaultException e) when (e.Slug == "not-found")
        {
            return (null, $"entry {index} is not in the log, although an act names it");
        }
    }

    private static string? Contradiction(LogEntry entry, OwnedAct owned, Purpose purpose, ReadOnlyMemory<byte> tag)
    {
        if (entry.Type != EntryType.ConsentChange || entry.Result != EntryResult.Ok) return "tells of no consent act, although an act names it";
        if (!entry.Subject.Span.SequenceEqual(tag.Span)) return "tells of another person than the act that names it";
        if (entry.Purpose != purpose.Name) return "tells of another purpose than the act that names it";
        return entry.DetailHash.Span.SequenceEqual(owned.Hash) ? null : "tells of another act than the one that is stored";
    }

    private async Task<ConsentReceipt> IssueAsync(
        TlogProof proof, Purpose purpose, OwnedAct owned, ReadOnlyMemory<byte> before, IReadOnlyDictionary<string, string> texts, Uri? withdrawAt, CancellationToken ct)
    {
        // In the words of the version that the act was decided by. Of one that the vault does not keep, today's: the receipt names which.
        var then = await past.FindAsync(LogEntry.Decode(proof.Extra).Policy, ct) ?? policy.Current;
        var shown = then.Purposes.ById(purpose.Id) ?? purpose;
        if (then.Purposes.ById(purpose.Id) is null) then = policy.Current;
        return ConsentReceipt.Issue(Statement(then, shown, owned, before, texts, withdrawAt), proofs.Origin, proofs.Signer, proof);
    }

    private static ConsentReceiptStatement Statement(
        PolicySet then, Purpose purpose, OwnedAct owned, ReadOnlyMemory<byte> before, IReadOnlyDictionary<string, string> texts, Uri? withdrawAt) => new()
        {
            Act = owned.Act.Evidence(owned.Subject, owned.Purpose), Purpose = purpose.Name, Title = purpose.Titles.In(owned.Act.Language).Text, Dpv = purpose.Dpv, LegalBasis = purpose.LegalBasis,
            SpecialBasis = purpose.SpecialBasis, NoticeText = texts.GetValueOrDefault(Convert.ToHexStringLower(owned.Act.NoticeHash.Span)),
            Categories = CategoriesOf(then, purpose), PolicyVersion = then.Version, Before = before,
            WithdrawAt = ConsentFold.IsValid(owned.Act.State) ? withdrawAt?.AbsoluteUri : null,
            Controller = then.Purposes.Controller is { } who ? new ReceiptController(who.Name, who.Address, who.Contact) : null,
        };

    /// <summary>What the policy lets be used for the purpose, as categories of data.</summary>
    private static List<string> CategoriesOf(PolicySet then, Purpose purpose) =>
        [.. then.Questions.UsedFor(purpose).Select(item => item.Category).Where(category => category.Length > 0).Distinct().Order(StringComparer.Ordinal)];
}
