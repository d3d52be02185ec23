namespace DataVault.Vault.Keys;

/// <summary>What is done once in the life of a vault, noted in the keys database: who can only write into the vault database cannot make it be done again.</summary>
public sealed class OnceBook
{
    private readonly KeysDatabase keys;
    private readonly TimeProvider clock;

    internal OnceBook(KeysDatabase keys, TimeProvider clock) => (this.keys, this.clock) = (keys, clock);

    /// <param name="what">A short constant.</param>
    /// <param name="ct">Ends the wait.</param>
    public async Task<bool> IsDoneAsync(string what, CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand("select 1 from keys.once where what = $1");
        command.Parameters.Add(new() { Value = what });
        return await command.ExecuteScalarAsync(ct) is not null;
    }

    /// <inheritdoc cref="IsDoneAsync"/>
    public async Task NoteAsync(string what, CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand("insert into keys.once (what, at) values ($1, $2) on conflict do nothing");
        command.Parameters.Add(new() { Value = what });
        command.Parameters.Add(new() { Value = clock.GetUtcNow().UtcDateTime });
        await command.ExecuteNonQueryAsync(ct);
    }
}
