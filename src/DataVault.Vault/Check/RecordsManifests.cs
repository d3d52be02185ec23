using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Says what the vault holds, signed, for whoever compares it with the log without trusting the database: tags, versions and hashes, no value.
/// All of it is of one moment, and names the size and root that the log had then.
/// </summary>
public sealed class RecordsManifests
{
    private const int Step = 512;
    private const int Full = 64 * 1024;
    private const int MostLooks = 100;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private const string EventSql =
        $"""
        select batch, leaf from (
            select batch, {EventLeaves.Sql} as leaf from vault.event where batch is not null union all select batch, leaf from vault.event_gone) as each
        order by batch
        """;

    private readonly VaultDatabase database;
    private readonly KeyRegistry keys;
    private readonly RecordCipher cipher;
    private readonly CheckpointSigner signer;
    private readonly AuditLog log;
    private readonly VaultClock clock;

    internal RecordsManifests(VaultDatabase database, KeyRegistry keys, RecordCipher cipher, CheckpointSigner signer, AuditLog log, VaultClock clock) =>
        (this.database, this.keys, this.cipher, this.signer, this.log, this.clock) = (database, keys, cipher, signer, log, clock);

    /// <summary>Writes the manifest of this moment; the log is signed at least as far when this returns.</summary>
    public async Task WriteAsync(Stream output, CancellationToken ct = default)
    {
        long size;
        await using (var snapshot = await VaultSnapshot.TakeAsync(database, ct))
        {
            var head = (await snapshot.ListAsync("select size, root from audit.head where log_id = 1", row => (Size: row.GetInt64(0), Root: row.GetFieldValue<byte[]>(1)), ct))[0];
            size = head.Size;
            var lines = new MemoryStream();
            using var writer = new RecordsManifestWriter(lines, new ManifestHeader(new Checkpoint(log.Origin, head.Size, head.Root), clock.Now));
            await WritePeopleAsync(writer, () => SendAsync(lines, output, ct), snapshot, ct);
            await foreach (var digest in DigestsAsync(snapshot, EventSql, ct))
            {
                writer.Events(digest);
                if (lines.Length > Full) await SendAsync(lines, output, ct);
            }

            await foreach (var digest in DigestsAsync(snapshot, "select commitment, leaf from vault.event_gone order by commitment", ct)) writer.Gone(digest);
            if ((await snapshot.ListAsync("select count(*) from vault.event where batch is null", row => row.GetInt64(0), ct))[0] is > 0 and var unbound) writer.Unbound(unbound);
            writer.Finish(signer.Signer);
            await SendAsync(lines, output, ct);
        }

        await SignAsync(size, ct);
    }

    // Another process may be the one that signs; it does so within half a second. One that refuses to sign says so itself.
    private async Task SignAsync(long size, CancellationToken ct)
    {
        await signer.SignAsync(ct);
        for (var look = 0; look < MostLooks && (signer.Latest?.Size ?? 0) < size && signer.Refusal is null; look++)
        {
            await Task.Delay(Pause, ct);
            await signer.SignAsync(ct);
        }
    }

    private static async Task SendAsync(MemoryStream lines, Stream output, CancellationToken ct)
    {
        await output.WriteAsync(lines.GetBuffer().AsMemory(0, (int)lines.Length), ct);
        lines.SetLength(0);
    }

    private async Task WritePeopleAsync(RecordsManifestWriter writer, Func<Task> send, VaultSnapshot snapshot, CancellationToken ct)
    {
        await using var history = new Following(snapshot.RowsAsync(
            $"select subject_id, row_version, {ProfileTables.HistoryHashSql} from vault.history order by subject_id, row_version",
            row => new Row(row.GetGuid(0), row.GetInt64(1), row.GetFieldValue<byte[]>(2)), ct));
        await using var consents = new Following(snapshot.RowsAsync($"select {ConsentActs.Columns} from vault.consent_event order by subject_id, sequence", ConsentRow, ct));
        await foreach (var chunk in snapshot.RowsAsync($"select {SubjectRows.Columns} from vault.subject order by subject_id", SubjectRows.Read, ct).Chunk(Step).WithCancellation(ct))
        {
            var held = (await keys.GetManyAsync([.. chunk.Select(record => record.Subject)], ct)).ToDictionary(key => key.Subject);
            foreach (var record in chunk)
            {
                if (held.Remove(record.Subject, out var key)) writer.Record(key.Tag.Span, record.RowVersion, cipher.Digest(record));
                else writer.Stray(record.RowVersion, cipher.Digest(record));
                key?.Dispose();
                await foreach (var row in history.OfAsync(record.Subject)) writer.History(row.Number, row.Hash);
                await foreach (var row in consents.OfAsync(record.Subject)) writer.Consent(row.Number, row.Hash);
            }

            await send();
        }
    }

    private static Row ConsentRow(NpgsqlDataReader row)
    {
        var owned = ConsentActs.Read(row);
        return new Row(owned.Subject.Value, owned.Act.LogIndex, owned.Hash);
    }

    private static async IAsyncEnumerable<byte[]> DigestsAsync(VaultSnapshot snapshot, string sql, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        var leaves = new List<byte[]>();
        object? group = null;
        await foreach (var (key, leaf) in snapshot.RowsAsync(sql, row => (Key: row.GetValue(0), Leaf: row.GetFieldValue<byte[]>(1)), ct))
        {
            if (group is not null && !Same(group, key))
            {
                yield return EventLeaves.Digest(leaves);
                leaves.Clear();
            }

            group = key;
            leaves.Add(leaf);
        }

        if (leaves.Count > 0) yield return EventLeaves.Digest(leaves);
    }

    private static bool Same(object one, object other) => one is byte[] a && other is byte[] b ? a.AsSpan().SequenceEqual(b) : one.Equals(other);

    private sealed record Row(Guid Subject, long Number, byte[] Hash);

    /// <summary>Rows in the order of their subjects, given out as the subjects come by.</summary>
    private sealed class Following(IAsyncEnumerable<Row> rows) : IAsyncDisposable
    {
        private readonly IAsyncEnumerator<Row> each = rows.GetAsyncEnumerator();
        private bool? more;

        public async IAsyncEnumerable<Row> OfAsync(SubjectId subject)
        {
            for (more ??= await each.MoveNextAsync(); more == true && each.Current.Subject.CompareTo(subject.Value) <= 0; more = await each.MoveNextAsync())
            {
                if (each.Current.Subject == subject.Value) yield return each.Current;
            }
        }

        public ValueTask DisposeAsync() => each.DisposeAsync();
    }
}
