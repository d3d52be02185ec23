using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>Proofs for documents that are handed out: waits for a checkpoint over the entry, and signs with the log's key what is said about it.</summary>
internal sealed class SignedProofs(AuditReader log, CheckpointSigner signer, TimeProvider clock)
{
    private const int Tries = 20;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    public string Origin => log.Origin;

    public NoteSigner Signer => signer.Signer;

    public DateTimeOffset Now => clock.GetUtcNow();

    /// <exception cref="VaultException">not-found: there is no such entry; unavailable: it is not signed, although it was waited for.</exception>
    // Where another process signs the log, its next checkpoint is less than a second away.
    public async Task<TlogProof> OfAsync(long index, CancellationToken ct)
    {
        for (var tried = 1; ; tried++)
        {
            try
            {
                var proof = await log.ProofAsync(index, ct);
                return TlogProof.TryParse(proof.Text, out var parsed) ? parsed! : throw new InvalidDataException("The proof of the log is not one.");
            }
            catch (VaultException e) when (e.Slug == "unavailable" && tried < Tries)
            {
                await Task.Delay(Pause, clock, ct);
            }
        }
    }

    public async Task<ConsentReceipt> ReceiptAsync(ConsentReceiptStatement statement, long index, CancellationToken ct) =>
        ConsentReceipt.Issue(statement, Origin, Signer, await OfAsync(index, ct));

    /// <summary>The newest checkpoint.</summary>
    public async Task<string> CheckpointAsync(CancellationToken ct) => await log.WitnessedCheckpointAsync(ct) ?? throw VaultException.Unavailable();
}
