using Npgsql;

namespace DataVault.Vault.Keys;

/// <summary>How new sealed rows of another database have been, in the keys database: who can only write into the other cannot put an older one back (ADR 26).</summary>
public sealed class RowMemory
{
    private readonly KeysDatabase keys;

    internal RowMemory(KeysDatabase keys) => this.keys = keys;

    /// <summary>False when a newer version was reached; a newer one than that is reached herewith.</summary>
    /// <param name="name">Of the row: opaque.</param>
    /// <param name="version">That it has.</param>
    /// <param name="ct">Ends the wait.</param>
    /// <exception cref="VaultException">The keys database is away: unavailable.</exception>
    public async Task<bool> IsNewestAsync(byte[] name, long version, CancellationToken ct)
    {
        var newest = await NewestAsync(name, ct);
        if (version > newest) await ReachedAsync(name, version, ct);
        return version >= newest;
    }

    /// <summary>The newest version that was reached; 0 when none is known.</summary>
    /// <param name="name">Of the row.</param>
    /// <param name="ct">Ends the wait.</param>
    public Task<long> NewestAsync(byte[] name, CancellationToken ct) => AskAsync(async () =>
    {
        await using var command = keys.Source.CreateCommand("select version from keys.newest_row where name = $1");
        command.Parameters.Add(new() { Value = name });
        return await command.ExecuteScalarAsync(ct) is long version ? version : 0;
    });

    /// <summary>From now on what is older is not the newest.</summary>
    /// <inheritdoc cref="IsNewestAsync"/>
    public Task ReachedAsync(byte[] name, long version, CancellationToken ct) => WriteAsync(name, version, "greatest(m.version, excluded.version)", ct);

    /// <summary>It is the newest again, whatever it has been.</summary>
    /// <inheritdoc cref="IsNewestAsync"/>
    public Task LowerAsync(byte[] name, long version, CancellationToken ct) => WriteAsync(name, version, "excluded.version", ct);

    /// <summary>The places in the list of those rows that are older than they were.</summary>
    /// <param name="rows">Names, each once, and the versions that the rows have.</param>
    /// <param name="ct">Ends the wait.</param>
    public Task<IReadOnlyList<int>> OlderAsync(IReadOnlyList<(byte[] Name, long Version)> rows, CancellationToken ct) => AskAsync<IReadOnlyList<int>>(async () =>
    {
        ArgumentNullException.ThrowIfNull(rows);
        await using var command = keys.Source.CreateCommand(
            "select (u.at - 1)::int from unnest($1, $2) with ordinality as u (n, v, at) join keys.newest_row m on m.name = u.n where m.version > u.v order by u.at");
        command.Parameters.Add(new NpgsqlParameter<byte[][]> { TypedValue = [.. rows.Select(row => row.Name)] });
        command.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = [.. rows.Select(row => row.Version)] });
        return await Rows.ReadAsync(command, row => row.GetInt32(0), ct);
    });

    private Task<int> WriteAsync(byte[] name, long version, string kept, CancellationToken ct) => AskAsync(async () =>
    {
        await using var command = keys.Source.CreateCommand(
            $"insert into keys.newest_row as m (name, version, pending) values ($1, $2, $2) on conflict (name) do update set version = {kept}, pending = {kept}");
        command.Parameters.Add(new() { Value = name });
        command.Parameters.Add(new() { Value = version });
        return await command.ExecuteNonQueryAsync(ct);
    });

    private static async Task<T> AskAsync<T>(Func<Task<T>> ask)
    {
        try
        {
            return await ask();
        }
        catch (Exception e) when (DatabaseFailure.IsOutage(e))
        {
            throw VaultException.Unavailable(e);
        }
    }
}
