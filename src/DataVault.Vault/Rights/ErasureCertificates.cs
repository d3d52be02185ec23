using System.Text.Json;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>What a resumed erasure must know, for the person's keys can no longer tell it.</summary>
/// <param name="Tag">The person in the log.</param>
/// <param name="Commitment">Commitment to the key destroyed.</param>
/// <param name="RequestedIndex">Entry <c>erase.request</c>.</param>
/// <param name="Pseudonyms">Analytics schema to the person's pseudonym there; forgotten once the rows are deleted.</param>
/// <param name="ExecutedIndex">Entry <c>erase.executed</c>; 0 before.</param>
/// <param name="Erased">What was deleted, and how many rows of it.</param>
internal sealed record ErasureWork(
    byte[] Tag, byte[] Commitment, long RequestedIndex, IReadOnlyDictionary<string, string> Pseudonyms, long ExecutedIndex,
    IReadOnlyDictionary<string, long> Erased);

/// <summary>Keeps the work with the request's row, sealed under a key of the vault and bound to the request.</summary>
internal sealed class ErasureNotebook(VaultKeyring keys, IRandomBytes random)
{
    private const string Label = "rights/erasure";

    /// <summary>By what the vault database notes that it has carried out the erasure.</summary>
    public byte[] TombstoneHash(SubjectId subject) => keys.TombstoneHash(subject);

    public byte[] Seal(Guid request, ErasureWork work)
    {
        using var key = keys.Derive(Label);
        var context = new AssociatedData(stackalloc byte[AssociatedData.Limit], Label).Add(request);
        return SealedValue.Seal(key.Span, 1, 0, JsonSerializer.SerializeToUtf8Bytes(work), context.Bytes, random);
    }

    public ErasureWork Open(RequestRow row)
    {
        using var key = keys.Derive(Label);
        var context = new AssociatedData(stackalloc byte[AssociatedData.Limit], Label).Add(row.Id);
        using var opened = SealedValue.OpenSecret(key.Span, row.Work, context.Bytes);
        return JsonSerializer.Deserialize<ErasureWork>(opened.Span)!;
    }
}

/// <summary>
/// Issues the certificate of an erasure whose rows are gone: waits for a checkpoint over both entries, joins the proofs, signs, and closes
/// the request, with an entry of the log.
/// </summary>
internal sealed class ErasureCertificates(RequestStore store, ErasureNotebook notebook, AuditReader log, CheckpointSigner signer, VaultClock clock)
{
    private const int Tries = 20;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    public async Task<RequestRow> IssueAsync(RequestRow row, CancellationToken cancellation)
    {
        if (row.HasCertificate) return row;
        var work = notebook.Open(row);
        var request = await ProofAsync(work.RequestedIndex, cancellation);
        var execution = await ProofAsync(work.ExecutedIndex, cancellation);
        var statement = new ErasureStatement
        {
            Log = log.Origin, Request = row.Id, SubjectTag = work.Tag, KeyCommitment = work.Commitment,
            RequestedIndex = work.RequestedIndex, RequestedAt = TimeOf(request), ExecutedIndex = work.ExecutedIndex, ExecutedAt = TimeOf(execution),
            Erased = [.. work.Erased], IssuedAt = store.Now,
        };
        var certificate = ErasureCertificate.Issue(statement, signer.Signer, request, execution).ToString();
        return await store.TransactAsync((connection, transaction) => CloseAsync(connection, transaction, row, work, certificate, cancellation), cancellation);
    }

    private async Task<RequestRow> CloseAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, RequestRow row, ErasureWork work, string certificate, CancellationToken cancellation)
    {
        var closed = row with { State = RequestStates.Completed, CompletedAt = store.Now, Work = null, HasCertificate = true };
        // Two processes may come here at once; the first certificate stands.
        await using var update = new NpgsqlCommand(
            """
            UPDATE vault.closed_request SET certificate = $2, state = 'completed', completed_at = $3, work = NULL
            WHERE request_id = $1 AND certificate IS NULL
            """, connection)
        { Parameters = { new() { Value = row.Id }, new() { Value = certificate }, new() { Value = closed.CompletedAt!.Value } } };
        if (await update.ExecuteNonQueryAsync(cancellation) == 0) return closed;
        var entry = store.Entry(EntryType.RequestChange, SubjectErasure.Eraser, closed, work.Tag, row.Id);
        closed = closed with { LogIndex = await store.AppendAsync(connection, transaction, entry, cancellation) };
        await using var index = new NpgsqlCommand("UPDATE vault.closed_request SET log_index = $2 WHERE request_id = $1", connection)
        {
            Parameters = { new() { Value = row.Id }, new() { Value = closed.LogIndex } },
        };
        await index.ExecuteNonQueryAsync(cancellation);
        return closed;
    }

    // Where another process signs the log, its next checkpoint is less than a second away.
    private async Task<TlogProof> ProofAsync(long index, CancellationToken cancellation)
    {
        for (var tried = 1; ; tried++)
        {
            try
            {
                var proof = await log.ProofAsync(index, cancellation);
                return TlogProof.TryParse(proof.Text, out var parsed) ? parsed! : throw new InvalidDataException("The proof of the log is not one.");
            }
            catch (VaultException e) when (e.Slug == "unavailable" && tried < Tries)
            {
                await Task.Delay(Pause, clock.Provider, cancellation);
            }
        }
    }

    private static DateTimeOffset TimeOf(TlogProof proof) => DateTimeOffset.FromUnixTimeMilliseconds(LogEntry.Decode(proof.Extra).Time);
}
