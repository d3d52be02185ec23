using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>Proofs for documents that are handed out: waits for a checkpoint over the entry, and signs with the log's key what is said about it.</summary>
internal sealed class SignedProofs(AuditReader log, CheckpointSigner signer, LogMirror mirror, TimeProvider clock)
{
    private const int Tries = 20;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    public string Origin => log.Origin;

    public NoteSigner Signer => signer.Signer;

    public DateTimeOffset Now => clock.GetUtcNow();

    /// <exception cref="VaultException">not-found: there is no such entry; unavailable: it is not signed, although it was waited for.</exception>
    public Task<TlogProof> OfAsync(long index, CancellationToken ct) => SignedAsync(async () =>
    {
        var proof = await log.ProofAsync(index, mirror, ct);
        return TlogProof.TryParse(proof.Text, out var parsed) ? parsed! : throw new InvalidDataException("The proof of the log is not one.");
    }, ct);

    /// <summary>The newest checkpoint. Of a log that has none yet, the first.</summary>
    /// <exception cref="VaultException">unavailable: nothing is signed, although it was waited for.</exception>
    public Task<string> CheckpointAsync(CancellationToken ct) => SignedAsync(async () =>
    {
        if (await log.WitnessedCheckpointAsync(ct) is { } newest) return newest;
        await signer.SignAsync(ct);
        return await log.WitnessedCheckpointAsync(ct) ?? throw VaultException.Unavailable();
    }, ct);

    // Where another process signs the log, its next checkpoint is less than a second away.
    private async Task<T> SignedAsync<T>(Func<Task<T>> ask, CancellationToken ct)
    {
        for (var tried = 1; ; tried++)
        {
            try
            {
                return await ask();
            }
            catch (VaultException e) when (e.Slug == "unavailable" && tried < Tries)
            {
                await Task.Delay(Pause, clock, ct);
            }
        }
    }
}
