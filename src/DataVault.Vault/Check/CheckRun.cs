using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// One run of a check: what it has found, and the state of the vault database that all its parts look at. Any number of readers share that state,
/// however long the check takes and whatever is written meanwhile.
/// </summary>
internal sealed class CheckRun : IAsyncDisposable
{
    /// <summary>Beyond so many of one kind, more of them say nothing new.</summary>
    private const int MostOfAKind = 20;

    private readonly VaultDatabase database;
    private readonly NpgsqlConnection owner;
    private readonly NpgsqlTransaction transaction;
    private readonly string snapshot;
    private readonly Action<string> progress;
    private readonly List<CheckFinding> findings = [];
    private readonly List<string> notes = [];
    private readonly Dictionary<string, int> found = [];
    private readonly Dictionary<string, long> counted = [];

    private CheckRun(VaultDatabase database, NpgsqlConnection owner, NpgsqlTransaction transaction, string snapshot, Action<string> progress) =>
        (this.database, this.owner, this.transaction, this.snapshot, this.progress) = (database, owner, transaction, snapshot, progress);

    public static async Task<CheckRun> BeginAsync(VaultDatabase database, Action<string> progress, CancellationToken ct)
    {
        var connection = await database.OpenAsync(ct);
        var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, ct);
        await using var export = new NpgsqlCommand("select pg_export_snapshot()", connection, transaction);
        return new CheckRun(database, connection, transaction, (string)(await export.ExecuteScalarAsync(ct))!, progress);
    }

    public void Step(string what) => progress(what);

    public void Wrong(string check, string message)
    {
        var seen = found[check] = found.GetValueOrDefault(check) + 1;
        if (seen <= MostOfAKind) findings.Add(new CheckFinding(check, message));
    }

    public void Note(string note) => notes.Add(note);

    public void Count(string what, long number) => counted[what] = counted.GetValueOrDefault(what) + number;

    public CheckReport Report()
    {
        foreach (var (check, number) in found.Where(kind => kind.Value > MostOfAKind)) findings.Add(new CheckFinding(check, $"and {number - MostOfAKind} more"));
        return new CheckReport([.. findings], [.. notes], counted);
    }

    /// <summary>Rows of a query over the state that the check looks at, one after the other.</summary>
    public async IAsyncEnumerable<T> RowsAsync<T>(
        string sql, Func<NpgsqlDataReader, T> read, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct);
        await using var sharing = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, ct);
        await using (var adopt = new NpgsqlCommand($"set transaction snapshot '{snapshot}'", connection, sharing)) await adopt.ExecuteNonQueryAsync(ct);
        await using var command = new NpgsqlCommand(sql, connection, sharing) { CommandTimeout = 0 };
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct)) yield return read(reader);
    }

    public async Task<List<T>> ListAsync<T>(string sql, Func<NpgsqlDataReader, T> read, CancellationToken ct)
    {
        var rows = new List<T>();
        await foreach (var row in RowsAsync(sql, read, ct)) rows.Add(row);
        return rows;
    }

    public async ValueTask DisposeAsync()
    {
        await transaction.DisposeAsync();
        await owner.DisposeAsync();
    }
}
