using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>How the list stands.</summary>
/// <param name="Groups">Erasures of which something is kept.</param>
/// <param name="Marks">Identifiers of which something is kept.</param>
/// <param name="NextExpiry">The day on which the next of them ends.</param>
public sealed record SuppressionFigures(long Groups, long Marks, DateOnly? NextExpiry);

/// <summary>The rows of the suppression list. INVARIANT: a row that does not bear its seal keeps nobody out.</summary>
internal sealed class SuppressionList(VaultDatabase database, SuppressionKeys keys, VaultClock clock)
{
    public const string Columns = "group_id, number, epoch, token, expires_on, seal";
    public const string Living = $"select {Columns} from vault.suppression where token is not null";

    /// <summary>A row as it stands; null where the vault did not write it like this.</summary>
    public SuppressionMark? Genuine((SuppressionMark Mark, byte[] Seal) row) => RowSeal.Is(row.Seal, keys.SealOf(row.Mark)) ? row.Mark : null;

    public static (SuppressionMark Mark, byte[] Seal) Row(NpgsqlDataReader row) => (
        new SuppressionMark(row.GetGuid(0), row.GetInt32(1), row.GetInt32(2), row.GetFieldValue<byte[]>(3), row.GetFieldValue<DateOnly>(4)), row.GetFieldValue<byte[]>(5));

    /// <summary>
    /// Sees that there is a key to make marks under long before the first of them: so it is in every backup of the keys, and marks that the journal brings back after a restore keep somebody out.
    /// </summary>
    public Task ProvideKeyAsync(CancellationToken ct) => keys.CurrentAsync(ct);

    /// <summary>A row that somebody changed is written over.</summary>
    public async Task InsertAsync(NpgsqlConnection connection, NpgsqlTransaction? transaction, IReadOnlyList<SuppressionMark> marks, CancellationToken ct)
    {
        if (marks.Count == 0) return;
        await using var command = new NpgsqlCommand(
            $"""
            insert into vault.suppression ({Columns}) select * from unnest($1, $2, $3, $4, $5, $6)
            on conflict (group_id, number) do update set epoch = excluded.epoch, token = excluded.token, expires_on = excluded.expires_on, seal = excluded.seal
            """, connection, transaction)
        {
            Parameters =
            {
                new NpgsqlParameter<Guid[]> { TypedValue = [.. marks.Select(mark => mark.Group)] }, new NpgsqlParameter<int[]> { TypedValue = [.. marks.Select(mark => mark.Number)] },
                new NpgsqlParameter<int[]> { TypedValue = [.. marks.Select(mark => mark.Epoch)] }, new NpgsqlParameter<byte[][]> { TypedValue = [.. marks.Select(mark => mark.Token)] },
                new NpgsqlParameter<DateOnly[]> { TypedValue = [.. marks.Select(mark => mark.Expires)] }, new NpgsqlParameter<byte[][]> { TypedValue = [.. marks.Select(keys.SealOf)] },
            },
        };
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>The epochs that marks may be of; none of an empty list, so that nothing is hashed in vain.</summary>
    public static async Task<IReadOnlyList<int>> EpochsAsync(NpgsqlConnection connection, NpgsqlTransaction? transaction, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select min(epoch), max(epoch) from vault.suppression where token is not null", connection, transaction);
        var (first, last) = (await Rows.ReadAsync(command, row => row.IsDBNull(0) ? (1, 0) : (row.GetInt32(0), row.GetInt32(1)), ct))[0];
        return [.. Enumerable.Range(first, last - first + 1)];
    }

    /// <summary>The marks that are among these tokens and in force today.</summary>
    public async Task<IReadOnlyList<SuppressionMark>> FindAsync(NpgsqlConnection connection, NpgsqlTransaction? transaction, IReadOnlyList<byte[]> tokens, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand($"select {Columns} from vault.suppression where token = any($1) and expires_on > $2", connection, transaction)
        {
            Parameters = { new NpgsqlParameter<byte[][]> { TypedValue = [.. tokens] }, new NpgsqlParameter<DateOnly> { TypedValue = clock.Today } },
        };
        return [.. (await Rows.ReadAsync(command, Row, ct)).Select(Genuine).OfType<SuppressionMark>()];
    }

    /// <summary>Of these erasures nothing is kept any more.</summary>
    public async Task EndAsync(NpgsqlConnection connection, NpgsqlTransaction? transaction, IReadOnlyCollection<Guid> groups, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            "update vault.suppression s set token = null, epoch = null, seal = u.s from unnest($1, $2) as u (g, s) where s.group_id = u.g", connection, transaction)
        {
            Parameters = { new NpgsqlParameter<Guid[]> { TypedValue = [.. groups] }, new NpgsqlParameter<byte[][]> { TypedValue = [.. groups.Select(keys.SealOfEnd)] } },
        };
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Every mark as it stands, and the groups that were lifted.</summary>
    public async Task<(IReadOnlyList<SuppressionMark> Marks, IReadOnlySet<Guid> Ended)> AllAsync(CancellationToken ct)
    {
        await using var living = database.Source.CreateCommand(Living);
        var marks = (await Rows.ReadAsync(living, Row, ct)).Select(Genuine).OfType<SuppressionMark>().ToList();
        await using var lifted = database.Source.CreateCommand("select group_id, seal from vault.suppression where token is null");
        var ended = await Rows.ReadAsync(lifted, row => (Group: row.GetGuid(0), Seal: row.GetFieldValue<byte[]>(1)), ct);
        return (marks, ended.Where(one => RowSeal.Is(one.Seal, keys.SealOfEnd(one.Group))).Select(one => one.Group).ToHashSet());
    }

    /// <summary>Deletes what is kept long enough, or all of it where the policy keeps none any more.</summary>
    /// <returns>How many marks there were.</returns>
    public static async Task<long> DeleteAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, DateOnly? until, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            "with gone as (delete from vault.suppression where $1::date is null or expires_on <= $1 returning token) select count(token) from gone", connection, transaction)
        {
            Parameters = { new() { Value = (object?)until ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Date } },
        };
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    public async Task<SuppressionFigures> FiguresAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select count(distinct group_id), count(*), min(expires_on) from vault.suppression where token is not null");
        return (await Rows.ReadAsync(command, row => new SuppressionFigures(row.GetInt64(0), row.GetInt64(1), row.IsDBNull(2) ? null : row.GetFieldValue<DateOnly>(2)), ct))[0];
    }
}
