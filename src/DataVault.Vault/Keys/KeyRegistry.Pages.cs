using System.Security.Cryptography;
using DataVault.Cryptography;
using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault.Keys;

/// <summary>A page key as it is stored.</summary>
/// <param name="IsSetAside">It did not open when it was looked at; until it is mended nothing new comes under it.</param>
internal sealed record StoredPage(long Id, int Generation, int Epoch, byte[] Wrapped, bool IsSetAside);

/// <summary>
/// Pages: opened, locked, keyed anew, mended. A page whose key does not open costs its own people their keys and nobody else anything:
/// <code>
/// does not open under a root that opens  ->  set aside by the turn of the epochs, and told  ->  its root is destroyed when its time comes
///                                                                                          \->  opens again before that: keyed anew (mended)
/// </code>
/// INVARIANT: what was set aside is never wrapped under another root: mended, it has a new generation. So whoever was erased from it in between is in no copy
/// that an epoch after the erasure opens, and the root's destruction waits for nothing that is damaged (ADR 24).
/// </summary>
internal sealed partial class KeyRegistry
{
    /// <summary>The wrapped form of a page key under another epoch root; null when it does not open.</summary>
    internal byte[]? RewrapPage(StoredPage page, SecretBytes? oldRoot, SecretBytes newRoot)
    {
        using var key = TryOpen(page, oldRoot);
        return key is null ? null : WrapPage(new Page(page.Id, page.Generation, page.Epoch, key), newRoot);
    }

    /// <summary>Pages that were set aside.</summary>
    internal async Task<IReadOnlyList<long>> SetAsideAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select page_id from keys.page where damaged_at is not null order by page_id");
        return await Rows.ReadAsync(command, row => row.GetInt64(0), ct);
    }

    /// <summary>Keys a page anew that was set aside, if its key opens by now, or is in the memory of this process.</summary>
    /// <returns>False: it does not.</returns>
    internal async Task<bool> MendAsync(long page, CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await using (var take = TakePage(connection, page)) await take.ExecuteNonQueryAsync(ct);
        await using var select = new NpgsqlCommand(SelectPage + " where page_id = $1 and damaged_at is not null", connection) { Parameters = { new() { Value = page } } };
        if (await Rows.ReadAsync(select, row => PageAt(row, 0), ct) is not [var stored]) return false;
        if (!cache.TryGetPage(stored.Id, stored.Generation, out var key))
        {
            using var root = await keyring.TryEpochRootAsync(stored.Epoch, connection, ct);
            if (TryOpen(stored, root) is not { } opened) return false;
            key = cache.AddPage(stored.Id, stored.Generation, opened);
        }

        await using var command = new NpgsqlCommand(Select + " where s.page_id = $1" + LockMembers, connection) { Parameters = { new() { Value = page } } };
        var members = (await Rows.ReadAsync(command, Member, ct)).ConvertAll(row => (row.Wrapped, (SecretBytes?)key));
        await using var current = new NpgsqlCommand(VaultKeyring.SelectCurrentEpoch, connection);
        await using var batch = new NpgsqlBatch(connection);
        await AddRekeyingAsync(batch, members, (page, stored.Generation + 1, (int)(await current.ExecuteScalarAsync(ct))!), opens: true, ct);
        await batch.ExecuteNonQueryAsync(ct);
        await DurabilityGuard.CommitAsync(transaction);
        foreach (var (wrapped, _) in members) cache.Remove(wrapped.Subject);
        return true;
    }

    private const string SelectPage = "select page_id, generation, epoch_id, wrapped, damaged_at is not null, count from keys.page p";

    private static NpgsqlBatch TakePage(NpgsqlConnection connection, long page) => new(connection)
    {
        BatchCommands = { new(StandBack), new("select 1 from keys.page where page_id = $1 for update") { Parameters = { new() { Value = page } } } },
    };

    private static StoredPage PageAt(NpgsqlDataReader row, int at) =>
        new(row.GetInt64(at), row.GetInt32(at + 1), row.GetInt32(at + 2), row.GetFieldValue<byte[]>(at + 3), row.GetBoolean(at + 4));

    private static (WrappedKey Wrapped, StoredPage Page) Member(NpgsqlDataReader row)
    {
        var page = PageAt(row, 3);
        var wrapped = new WrappedKey(
            new SubjectId(row.GetGuid(0)), row.GetInt32(1), page.Id, page.Generation, row.GetFieldValue<byte[]>(2), row.IsDBNull(8) ? null : row.GetFieldValue<byte[]>(8));
        wrapped.Saw(row.GetInt64(9));
        return (wrapped, page);
    }

    /// <summary>People's keys with those of their pages; null for a page that does not open.</summary>
    private async Task<List<(WrappedKey Wrapped, SecretBytes? Page)>> WithPagesAsync(List<(WrappedKey Wrapped, StoredPage Page)> rows, NpgsqlConnection? held, CancellationToken ct)
    {
        var found = new List<(WrappedKey, SecretBytes?)>(rows.Count);
        HashSet<long>? damaged = null;
        foreach (var (wrapped, stored) in rows)
        {
            var key = damaged?.Contains(stored.Id) == true ? null : await PageKeyAsync(stored, held, ct);
            if (key is null) (damaged ??= []).Add(stored.Id);
            found.Add((wrapped, key));
        }

        return found;
    }

    private async ValueTask<SecretBytes?> PageKeyAsync(StoredPage page, NpgsqlConnection? held, CancellationToken ct)
    {
        if (cache.TryGetPage(page.Id, page.Generation, out var known)) return known;
        if (page.IsSetAside) return null;
        using var root = await keyring.TryEpochRootAsync(page.Epoch, held, ct);
        return TryOpen(page, root) is { } key ? cache.AddPage(page.Id, page.Generation, key) : null;
    }

    private SecretBytes? TryOpen(StoredPage page, SecretBytes? root)
    {
        if (root is null) return null;
        try
        {
            return SealedValue.OpenSecret(root.Span, page.Wrapped, PageContext(page.Id, page.Generation, stackalloc byte[AssociatedData.Limit]));
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private byte[] WrapPage(Page page, SecretBytes epochRoot) =>
        SealedValue.Seal(epochRoot.Span, (uint)page.Generation, 0, page.Key.Span, PageContext(page.Id, page.Generation, stackalloc byte[AssociatedData.Limit]), random);

    // SKIP LOCKED: processes that create at the same time fill different pages instead of waiting for each other.
    private async Task<(int Epoch, Page? Open)> TakeOpenPageAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        var epoch = 0;
        for (var after = -1L; ;)
        {
            StoredPage stored;
            int count;
            await using (var batch = new NpgsqlBatch(connection)
            {
                BatchCommands =
                {
                    new(StandBack),
                    new(VaultKeyring.SelectCurrentEpoch),
                    new(SelectPage + $" where count < {PageSize} and damaged_at is null and page_id > $1 order by page_id limit 1 for update skip locked") { Parameters = { new() { Value = after } } },
                },
            })
            await using (var reader = await batch.ExecuteReaderAsync(ct))
            {
                await reader.ReadAsync(ct);
                epoch = reader.GetInt32(0);
                await reader.NextResultAsync(ct);
                if (!await reader.ReadAsync(ct)) return (epoch, null);
                (stored, count) = (PageAt(reader, 0), reader.GetInt32(5));
            }

            // Nobody new comes under a key that does not open.
            if (await PageKeyAsync(stored, connection, ct) is { } key) return (epoch, new Page(stored.Id, stored.Generation, stored.Epoch, key) { Count = count });
            after = stored.Id;
        }
    }

    private async Task<(int Epoch, List<(WrappedKey Wrapped, SecretBytes? Page)> Members)> LockPageAsync(NpgsqlConnection connection, SubjectId subject, CancellationToken ct)
    {
        int epoch;
        await using (var page = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new(StandBack),
                new("select page_id from keys.page where page_id = (select page_id from keys.subject_key where subject_id = $1) for update")
                {
                    Parameters = { new() { Value = subject.Value } },
                },
                new(VaultKeyring.SelectCurrentEpoch),
            },
        })
        await using (var rows = await page.ExecuteReaderAsync(ct))
        {
            await rows.NextResultAsync(ct);
            await rows.ReadAsync(ct);
            epoch = rows.GetInt32(0);
        }

        await using var command = new NpgsqlCommand(Select + " where s.page_id = (select page_id from keys.subject_key where subject_id = $1)" + LockMembers, connection)
        {
            Parameters = { new() { Value = subject.Value } },
        };
        return (epoch, await WithPagesAsync(await Rows.ReadAsync(command, Member, ct), connection, ct));
    }

    /// <summary>Gives a page a new key, under which its members are wrapped again. One whose key does not open stays as it is, but for its count.</summary>
    private async Task AddRekeyingAsync(
        NpgsqlBatch batch, List<(WrappedKey Wrapped, SecretBytes? Page)> members, (long Id, int Generation, int Epoch) next, bool opens, CancellationToken ct)
    {
        if (!opens)
        {
            batch.BatchCommands.Add(new("update keys.page set count = $2 where page_id = $1") { Parameters = { new() { Value = next.Id }, new() { Value = members.Count } } });
            return;
        }

        using var key = SecretBytes.Random(KeyDerivation.KeySize, random);
        using var root = await keyring.EpochRootAsync(next.Epoch, batch.Connection, ct);
        var fresh = new Page(next.Id, next.Generation, next.Epoch, key);
        AddPage(batch, fresh, root, Rewrap(members, fresh));
    }

    private void AddPage(NpgsqlBatch batch, Page fresh, SecretBytes root, List<WrappedKey> members)
    {
        batch.BatchCommands.Add(new("update keys.page set generation = $2, epoch_id = $3, wrapped = $4, count = $5, damaged_at = null, damage_told = false where page_id = $1")
        {
            Parameters = { new() { Value = fresh.Id }, new() { Value = fresh.Generation }, new() { Value = fresh.Epoch }, new() { Value = WrapPage(fresh, root) }, new() { Value = members.Count } },
        });
        batch.BatchCommands.Add(UpdateKeys(members));
    }

    private static void AddNotice(NpgsqlBatch batch, SubjectId changed) =>
        batch.BatchCommands.Add(new($"select pg_notify('{GoneChannel}', $1)") { Parameters = { new() { Value = changed.ToString() } } });

    private static void AddDestruction(NpgsqlBatch batch, SubjectId subject, byte[] hash, KeyDestruction d)
    {
        batch.BatchCommands.Add(new("delete from keys.subject_key where subject_id = $1") { Parameters = { new() { Value = subject.Value } } });
        batch.BatchCommands.Add(Note(hash, d));
    }

    private List<WrappedKey> Rewrap(IEnumerable<(WrappedKey Wrapped, SecretBytes? Page)> members, Page fresh)
    {
        var result = new List<WrappedKey>();
        foreach (var (member, page) in members)
        {
            try
            {
                byte[] Moved(byte[] wrapped) => Rewrap(member, wrapped, page, fresh);
                result.Add(new WrappedKey(member.Subject, member.KeyVersion, fresh.Id, fresh.Generation, Moved(member.Wrapped), member.Other is null ? null : Moved(member.Other)));
            }
            catch (CryptographicException)
            {
                // A row that somebody damaged opens for nobody any more; it must not keep another person's erasure from being done.
                result.Add(member);
            }

            GC.KeepAlive(page);
        }

        return result;
    }

    private byte[] Rewrap(WrappedKey member, byte[] wrapped, SecretBytes? page, Page fresh)
    {
        Span<byte> context = stackalloc byte[AssociatedData.Limit];
        using var secrets = SealedValue.OpenSecret(page!.Span, wrapped, SubjectContext(member.Subject, member.PageId, member.Generation, context));
        return SealedValue.Seal(fresh.Key.Span, (uint)SealedValue.KeyVersionOf(wrapped), 0, secrets.Span, SubjectContext(member.Subject, fresh.Id, fresh.Generation, context), random);
    }
}
