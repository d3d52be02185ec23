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
    IReadOnlyDictionary<string, long> Erased)
{
    /// <summary>A hold stood in the way of some items when this was noted: they are kept until it ends. False: everything goes, and there is no way back.</summary>
    public bool Partial { get; init; }

    /// <summary>Codes of the items that were left when a part was executed; null before.</summary>
    public IReadOnlyList<int>? Kept { get; init; }

    /// <summary>The part that was executed is done in the keys database too, and beside the databases.</summary>
    public bool PartSettled { get; init; }

    /// <summary>Entry <c>erase.executed</c> of the newest part; 0 before, and of one of an earlier version.</summary>
    public long PartExecutedIndex { get; init; }

    /// <summary>Codes of the items of that part, until its entry stands in the log.</summary>
    public IReadOnlyList<int> PartGone { get; init; } = [];

    /// <summary>Digest over the events that were deleted with that part.</summary>
    public byte[] PartBuried { get; init; } = [];

    /// <summary>Identifiers of which a mark is kept, so that nobody takes the person in again.</summary>
    public int Marks { get; init; }

    /// <summary>The epoch whose destruction makes the erasure final; 0 before the key was destroyed, and in work of an earlier version.</summary>
    public int Epoch { get; init; }

    /// <summary>The rows had been deleted before, by the replay of the tombstone journal after a restore.</summary>
    public bool Replayed { get; init; }

    /// <summary>The record was not what was last written, and an officer ordered it to be erased as it was.</summary>
    public bool RecordDamaged { get; init; }

    /// <summary>The key did not open either: what is certified of it comes from the log, and the pseudonyms are known to nobody.</summary>
    public bool KeyDamaged { get; init; }

    /// <summary>What the erasure could not reach.</summary>
    public IReadOnlyDictionary<string, long> Residuals { get; init; } = new Dictionary<string, long>();
}

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

/// <summary>Finds the entry by which the vault committed to a person's key when it was made.</summary>
internal sealed class KeyBirths(VaultDatabase database, LogStore store, LogIndexer indexer)
{
    // Keys of one person: one, and one more for each renewal and each part that a hold left.
    private const int Most = 1_000;

    private readonly LogSearch search = new(database);

    /// <returns>Null when the log no longer keeps the entry.</returns>
    public Task<long?> FindAsync(ReadOnlyMemory<byte> tag, ReadOnlyMemory<byte> commitment, CancellationToken cancellation) =>
        FindAsync(tag, commitment, [EntryType.KeyCreate, EntryType.KeyRotate], cancellation);

    /// <summary>The first entry of these types that bears the person's tag and the commitment.</summary>
    public async Task<long?> FindAsync(ReadOnlyMemory<byte> tag, ReadOnlyMemory<byte> commitment, EntryType[] types, CancellationToken cancellation)
    {
        await indexer.CatchUpAsync(cancellation);
        var filter = new EntryFilter { Subject = EntryShape.TagOf(tag.Span), Types = [.. types.Select(type => (int)type)] };
        var indexes = await search.ReadAsync(
            async connection => await LogSearch.FindAsync(connection, filter, await LogSearch.RangeAsync(connection, null, null, cancellation), oldestFirst: true, Most, cancellation),
            cancellation);
        foreach (var (index, bytes) in (await store.EntriesAtAsync(indexes, cancellation)).OrderBy(pair => pair.Key))
        {
            if (LogEntry.Decode(bytes).KeyCommitment.Span.SequenceEqual(commitment.Span)) return index;
        }

        return null;
    }
}

/// <summary>
/// Issues the certificate of an erasure whose rows are gone: waits for a checkpoint over every entry that it names, joins the proofs, signs. The first,
/// which says that the erasure was executed, closes the request with an entry of the log; the second, once no copy of the key can be opened any more,
/// takes its place (<see cref="ErasureFinality"/>).
/// </summary>
internal sealed class ErasureCertificates(RequestStore store, ErasureNotebook notebook, SignedProofs log, KeyBirths births, EpochLedger epochs, ActivePolicy policy)
{
    public async Task<RequestRow> IssueAsync(RequestRow row, CancellationToken cancellation)
    {
        if (row.HasCertificate) return row;
        var work = notebook.Open(row);
        if (!await store.IsUnfinishedAsync(row, work.ExecutedIndex, cancellation)) return await store.FindAsync(row.Id, cancellation) ?? row;
        if (work.Epoch == 0) work = work with { Epoch = await epochs.OfAsync(work.Commitment, cancellation) };
        var proofs = new ErasureProofs(await log.OfAsync(work.RequestedIndex, cancellation), await log.OfAsync(work.ExecutedIndex, cancellation))
        {
            Birth = await BirthAsync(work.Tag, work.Commitment, cancellation),
        };
        var statement = new ErasureStatement
        {
            Log = log.Origin, Request = row.Id, SubjectTag = work.Tag, KeyCommitment = work.Commitment, Born = PlaceOf(proofs.Birth),
            RequestedIndex = work.RequestedIndex, RequestedAt = TimeOf(proofs.Request), ExecutedIndex = work.ExecutedIndex, ExecutedAt = TimeOf(proofs.Execution),
            Epoch = work.Epoch, FinalAt = await epochs.DueAsync(work.Epoch, cancellation), Replayed = work.Replayed,
            Erased = [.. work.Erased], Residuals = [.. work.Residuals], IssuedAt = store.Now,
        };
        var certificate = ErasureCertificate.Issue(statement, log.Signer, proofs);
        return await store.TransactAsync((connection, transaction) => CloseAsync(connection, transaction, row, work, certificate, cancellation), cancellation);
    }

    /// <summary>Certifies the part that is executed, where holds keep the rest: for whoever has nothing left but the number of the request. Once for each part.</summary>
    public async Task IssuePartAsync(RequestRow row, CancellationToken cancellation)
    {
        var work = notebook.Open(row);
        if (work is not { Partial: true, PartSettled: true, PartExecutedIndex: > 0 and var executed, Kept: { Count: > 0 } kept } || await CertifiedPartAsync(row.Id, cancellation) == executed) return;
        var proofs = new ErasureProofs(await log.OfAsync(work.RequestedIndex, cancellation), await log.OfAsync(executed, cancellation)) { Birth = await BirthAsync(work.Tag, work.Commitment, cancellation) };
        var statement = new ErasureStatement
        {
            Version = ErasureStatement.PartVersion, Log = log.Origin, Request = row.Id, SubjectTag = work.Tag, KeyCommitment = work.Commitment, Born = PlaceOf(proofs.Birth),
            RequestedIndex = work.RequestedIndex, RequestedAt = TimeOf(proofs.Request), ExecutedIndex = executed, ExecutedAt = TimeOf(proofs.Execution),
            FinalAt = DateTimeOffset.UnixEpoch, Erased = [], IssuedAt = store.Now,
            Kept = [.. policy.Current.Items.Where(item => kept.Contains(item.Code)).Select(item => KeyValuePair.Create(item.Name, (long)item.Code))],
        };
        var certificate = ErasureCertificate.Issue(statement, log.Signer, proofs).ToString();
        await store.TransactAsync(async (connection, transaction) =>
        {
            // That of a later part stays.
            await using var update = new NpgsqlCommand("UPDATE vault.request SET part_index = $2, part_certificate = $3 WHERE request_id = $1 AND (part_index IS NULL OR part_index < $2)", connection, transaction)
            {
                Parameters = { new() { Value = row.Id }, new() { Value = executed }, new() { Value = certificate } },
            };
            return await update.ExecuteNonQueryAsync(cancellation);
        }, cancellation);
    }

    // The entry of the part that is certified; null before one is.
    private Task<long?> CertifiedPartAsync(Guid request, CancellationToken cancellation) => store.TransactAsync(async (connection, transaction) =>
    {
        await using var command = new NpgsqlCommand("SELECT part_index FROM vault.request WHERE request_id = $1", connection, transaction) { Parameters = { new() { Value = request } } };
        return await command.ExecuteScalarAsync(cancellation) as long?;
    }, cancellation);

    /// <summary>The certificate that says that the erasure is final, made from the one before and the entries since.</summary>
    public async Task<ErasureCertificate> FinaliseAsync(ErasureCertificate executed, (int Epoch, DateTimeOffset Due) end, long finalIndex, CancellationToken cancellation)
    {
        var said = executed.Statement;
        var proofs = executed.Proofs with
        {
            Birth = executed.Proofs.Birth ?? await BirthAsync(said.SubjectTag, said.KeyCommitment, cancellation),
            Destruction = await log.OfAsync(await epochs.DestroyedAtAsync(end.Epoch, cancellation), cancellation),
            Final = await log.OfAsync(finalIndex, cancellation),
        };
        var statement = said with
        {
            Version = 2,
            Born = PlaceOf(proofs.Birth),
            Epoch = end.Epoch,
            FinalAt = end.Due,
            Destroyed = PlaceOf(proofs.Destruction),
            Final = PlaceOf(proofs.Final),
            IssuedAt = store.Now,
        };
        return ErasureCertificate.Issue(statement, log.Signer, proofs);
    }

    private async Task<RequestRow> CloseAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, RequestRow row, ErasureWork work, ErasureCertificate certificate, CancellationToken cancellation)
    {
        var due = certificate.Statement.FinalAt;
        var closed = row with { State = RequestStates.Completed, CompletedAt = store.Now, Work = null, HasCertificate = true, FinalDue = due };
        // Two processes may come here at once; the first certificate stands.
        await using var update = new NpgsqlCommand(
            """
            UPDATE vault.closed_request SET certificate = $2, state = 'completed', completed_at = $3, work = NULL, epoch_id = $4, final_due = $5
            WHERE request_id = $1 AND certificate IS NULL
            """, connection)
        {
            Parameters =
            {
                new() { Value = row.Id }, new() { Value = certificate.ToString() }, new() { Value = closed.CompletedAt!.Value }, new() { Value = work.Epoch },
                new() { Value = due.ToUniversalTime() },
            },
        };
        if (await update.ExecuteNonQueryAsync(cancellation) == 0) return closed;
        var entry = store.Entry(EntryType.RequestChange, SubjectErasure.Eraser, closed, work.Tag, row.Id);
        closed = closed with { LogIndex = await store.AppendClosingAsync(connection, transaction, (row.Id, work.ExecutedIndex, [entry]), cancellation) };
        await using var index = new NpgsqlCommand("UPDATE vault.closed_request SET log_index = $2 WHERE request_id = $1", connection)
        {
            Parameters = { new() { Value = row.Id }, new() { Value = closed.LogIndex } },
        };
        await index.ExecuteNonQueryAsync(cancellation);
        return closed;
    }

    private async Task<TlogProof?> BirthAsync(ReadOnlyMemory<byte> tag, ReadOnlyMemory<byte> commitment, CancellationToken cancellation) =>
        await births.FindAsync(tag, commitment, cancellation) is { } index ? await log.OfAsync(index, cancellation) : null;

    private static LogPlace? PlaceOf(TlogProof? proof) => proof is null ? null : new LogPlace(proof.Index, TimeOf(proof));

    private static DateTimeOffset TimeOf(TlogProof proof) => DateTimeOffset.FromUnixTimeMilliseconds(LogEntry.Decode(proof.Extra).Time);
}
