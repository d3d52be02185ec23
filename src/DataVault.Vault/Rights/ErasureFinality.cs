using DataVault.Transparency;
using DataVault.Vault.Keys;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Vault;

/// <summary>The points at which making an erasure final may be cut off and taken up again.</summary>
internal enum FinalityStep { Entered, Certified }

/// <summary>
/// Makes executed erasures final: when the epoch that could open the destroyed key is itself destroyed, no copy of the keys database, however old, brings the
/// key back.
/// <code>
/// executed, certificate ──(1)──> erase.final in the log ──(2)──> certificate that says so, with proofs of both destructions
/// (1) under the lock of the request's row, with the entry's index: one transaction, so that there is one entry however many processes come
/// (2) replaces the certificate; a second one made at the same time is dropped
/// </code>
/// </summary>
internal sealed class ErasureFinality(VaultDatabase database, RequestStore store, EpochLedger epochs, KeyBirths entries, ErasureCertificates certificates)
{
    private const int Most = 500;

    /// <summary>Called after each step; a test cuts off here.</summary>
    internal Action<FinalityStep> StepDone { get; set; } = static _ => { };

    /// <summary>One round over every erasure that can be final by now; what fails with one is thrown once all the others had their turn.</summary>
    /// <returns>How many became so.</returns>
    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        var done = 0;
        Func<Task>[] parts = [() => PlaceEarlierAsync(cancellation), async () => done = await FinaliseAsync(cancellation)];
        await Separately.EachAsync(parts, part => part(), static (_, _) => { }, cancellation);
        return done;
    }

    private async Task<int> FinaliseAsync(CancellationToken cancellation)
    {
        if (!await AnyAsync(cancellation)) return 0;
        var through = await epochs.DestroyedThroughAsync(cancellation);
        var done = 0;
        await EachAsync(await AwaitingAsync(through, cancellation), async request =>
        {
            var index = await EnterAsync(request, cancellation);
            StepDone(FinalityStep.Entered);
            if (await CertifyAsync(request, index, cancellation)) done++;
            StepDone(FinalityStep.Certified);
        }, cancellation);
        return done;
    }

    // A certificate that somebody damaged keeps no other from becoming final.
    private Task EachAsync(List<Guid> requests, Func<Guid, Task> work, CancellationToken cancellation) => Separately.EachAsync(
        requests, work, (request, e) => store.Logger.LogError("The erasure {Request} cannot become final ({Kind}).", request, e.GetType().Name), cancellation);

    private async Task<bool> AnyAsync(CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand("SELECT EXISTS (SELECT FROM vault.closed_request WHERE certificate IS NOT NULL AND final_at IS NULL)");
        return await command.ExecuteScalarAsync(cancellation) is true;
    }

    private async Task<List<Guid>> AwaitingAsync(int through, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(
            $"SELECT request_id FROM vault.closed_request WHERE epoch_id <= $1 AND certificate IS NOT NULL AND final_at IS NULL ORDER BY epoch_id, request_id LIMIT {Most}");
        command.Parameters.Add(new() { Value = through });
        return await Rows.ReadAsync(command, row => row.GetGuid(0), cancellation);
    }

    // Certificates of an earlier version do not say which epoch; the tombstone of the key does.
    private async Task PlaceEarlierAsync(CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand($"SELECT request_id, certificate FROM vault.closed_request WHERE epoch_id IS NULL AND certificate IS NOT NULL AND final_at IS NULL LIMIT {Most}");
        var earlier = (await Rows.ReadAsync(command, row => (row.GetGuid(0), row.GetString(1)), cancellation)).ToDictionary();
        await EachAsync([.. earlier.Keys], async request =>
        {
            var epoch = await epochs.OfAsync(Read(earlier[request]).Statement.KeyCommitment.ToArray(), cancellation);
            await using var update = database.Source.CreateCommand("UPDATE vault.closed_request SET epoch_id = $2, final_due = $3 WHERE request_id = $1");
            update.Parameters.Add(new() { Value = request });
            update.Parameters.Add(new() { Value = epoch });
            update.Parameters.Add(new() { Value = (await epochs.DueAsync(epoch, cancellation)).ToUniversalTime() });
            await update.ExecuteNonQueryAsync(cancellation);
        }, cancellation);
    }

    // (1) A database that was restored from a backup does not know that the log, which goes on, has the entry already.
    private Task<long> EnterAsync(Guid request, CancellationToken cancellation) => store.TransactAsync(async (connection, transaction) =>
    {
        var (text, epoch, _, entered) = await LockAsync(connection, request, cancellation);
        if (entered is { } there) return there;
        var said = Read(text).Statement;
        if (await entries.FindAsync(said.SubjectTag, said.KeyCommitment, [EntryType.EraseFinal], cancellation) is { } earlier)
        {
            await Rows.ExecuteAsync(connection, "UPDATE vault.closed_request SET final_index = $2 WHERE request_id = $1", cancellation, request, earlier);
            return earlier;
        }

        var row = new RequestRow(request, null, RequestKinds.Erasure, RequestStates.Completed, "");
        var entry = store.Entry(EntryType.EraseFinal, SubjectErasure.Eraser, row, said.SubjectTag, request) with
        {
            KeyCommitment = said.KeyCommitment,
            Reference = said.ExecutedIndex,
            RecordVersion = epoch,
        };
        var index = await store.AppendAsync(connection, transaction, entry, cancellation);
        await Rows.ExecuteAsync(connection, "UPDATE vault.closed_request SET final_index = $2 WHERE request_id = $1", cancellation, request, index);
        return index;
    }, cancellation);

    // (2)
    private async Task<bool> CertifyAsync(Guid request, long index, CancellationToken cancellation)
    {
        var (text, epoch, due) = await store.TransactAsync(async (connection, _) =>
        {
            var (certificate, number, until, _) = await LockAsync(connection, request, cancellation);
            return (certificate, number, until);
        }, cancellation);
        var final = await certificates.FinaliseAsync(Read(text), (epoch, due), index, cancellation);
        return await store.TransactAsync(async (connection, _) => await Rows.ExecuteAsync(
            connection, "UPDATE vault.closed_request SET certificate = $2, final_at = $3 WHERE request_id = $1 AND final_at IS NULL", cancellation,
            request, final.ToString(), final.Statement.Final!.Value.At) == 1, cancellation);
    }

    private static async Task<(string Certificate, int Epoch, DateTimeOffset Due, long? Index)> LockAsync(NpgsqlConnection connection, Guid request, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT certificate, epoch_id, final_due, final_index FROM vault.closed_request WHERE request_id = $1 FOR UPDATE", connection)
        {
            Parameters = { new() { Value = request } },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        if (!await reader.ReadAsync(cancellation)) throw VaultException.NotFound();
        return (reader.GetString(0), reader.GetInt32(1), reader.GetFieldValue<DateTimeOffset>(2), reader.IsDBNull(3) ? null : reader.GetInt64(3));
    }

    private static ErasureCertificate Read(string text) =>
        ErasureCertificate.TryParse(text, out var certificate) ? certificate! : throw new InvalidDataException("A stored certificate is not one.");
}
