using DataVault.Cryptography;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>What the rows of activations say.</summary>
/// <param name="InForce">The newest that this vault wrote; null when there is none.</param>
/// <param name="Foreign">Rows that somebody else wrote or changed.</param>
internal sealed record PolicyStanding(PolicyActivation? InForce, IReadOnlyList<PolicyActivation> Foreign);

/// <summary>
/// Tells the activations that this vault wrote from those that somebody else did: each row bears a keyed hash over what it puts in force, when, by whom, by which
/// entry of the log, and what it replaces. That a row is the newest is for <see cref="PolicyMemory"/> to say.
/// </summary>
internal sealed class PolicyProof(IServiceKeys keys)
{
    private const string Label = "policy-activation-seal";

    public byte[] SealOf(PolicyActivation activation) => RowSeal.Of(keys, Label, writer =>
    {
        writer.Write(activation.Sequence);
        writer.Write(activation.Version);
        writer.Add(activation.At);
        writer.Write(activation.By);
        writer.Add(activation.LogIndex);
        writer.Add(activation.Replaces);
    });

    public bool Matches(PolicyActivation activation) => RowSeal.Is(activation.Seal, SealOf(activation));

    /// <param name="rows">All rows, newest first.</param>
    public PolicyStanding StandingOf(IReadOnlyList<PolicyActivation> rows) => new(rows.FirstOrDefault(Matches), [.. rows.Where(row => !Matches(row))]);
}

/// <summary>The newest activation that any process of this vault has followed.</summary>
/// <param name="At">When one first did.</param>
internal sealed record RememberedPolicy(long Sequence, string Version, byte[] Seal, long? LogIndex, DateTimeOffset At);

/// <summary>
/// Remembers in the keys database which activation is the newest, so that nobody takes one back by what they do to the vault database. INVARIANT: only ever
/// raised, but for a restore behind which an operator stands.
/// </summary>
internal sealed class PolicyMemory(KeysDatabase keys, TimeProvider clock)
{
    public async Task<RememberedPolicy?> RecallAsync(CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand("select sequence, version, seal, log_index, at from keys.policy_memory");
        return (await Rows.ReadAsync(
            command, row => new RememberedPolicy(row.GetInt64(0), Convert.ToHexStringLower(row.GetFieldValue<byte[]>(1)), row.GetFieldValue<byte[]>(2), row.IsDBNull(3) ? null : row.GetInt64(3), new DateTimeOffset(row.GetDateTime(4))), ct)).FirstOrDefault();
    }

    public Task RememberAsync(PolicyActivation activation, CancellationToken ct) => WriteAsync(activation, "m.sequence < excluded.sequence", ct);

    /// <summary>After a restore to before the newest, somebody stands behind it.</summary>
    public Task LowerAsync(PolicyActivation activation, CancellationToken ct) => WriteAsync(activation, "true", ct);

    private async Task WriteAsync(PolicyActivation activation, string where, CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand(
            $"""
            insert into keys.policy_memory as m (id, sequence, version, seal, log_index, at) values (1, $1, $2, $3, $4, $5)
            on conflict (id) do update set sequence = excluded.sequence, version = excluded.version, seal = excluded.seal, log_index = excluded.log_index, at = excluded.at where {where}
            """);
        command.Parameters.Add(new() { Value = activation.Sequence });
        command.Parameters.Add(new() { Value = Convert.FromHexString(activation.Version) });
        command.Parameters.Add(new() { Value = activation.Seal! });
        command.Parameters.Add(new() { Value = activation.LogIndex ?? (object)DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Bigint });
        command.Parameters.Add(new() { Value = clock.GetUtcNow().UtcDateTime });
        await command.ExecuteNonQueryAsync(ct);
    }
}
