using System.Text.Json;
using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault;

/// <summary>A version as the database has it.</summary>
/// <param name="Version">32 hex digits.</param>
/// <param name="By">Application, process or roles that activated it.</param>
/// <param name="LogIndex">The entry that says so; null for the version that a vault had before it kept versions.</param>
public sealed record PolicyActivation(long Sequence, string Version, DateTimeOffset At, string By, long? LogIndex)
{
    /// <summary>The activation before it; null of the first.</summary>
    internal long? Replaces { get; init; }

    /// <summary>It is what is served by, whatever the database says.</summary>
    public bool InForce { get; init; }

    /// <summary>The database says it no more: somebody deleted or changed its row, and what is here the keys database remembers.</summary>
    public bool IsGone { get; init; }

    /// <summary>What only this vault writes (<see cref="PolicyProof"/>).</summary>
    internal byte[]? Seal { get; init; }
}

/// <summary>
/// The versions in the database. INVARIANT: what is loaded from here has the version that it is filed under, since that is the hash of its content; and an
/// activation counts when its seal says that this vault wrote it: whoever changes files or activations here changes no decision.
/// </summary>
internal sealed class PolicyStore(VaultDatabase database, PolicyProof proof, PolicyNumbers numbers)
{
    /// <summary>Of all processes one activates at a time.</summary>
    public const long LockKey = 0x4441_5641_504F;

    public const string Channel = "policy_activated";

    internal const string Columns = "sequence, version, at, actor, log_index, replaces, seal";

    private const string All = $"select {Columns} from vault.policy_activation order by sequence desc";

    /// <summary>The newest that this vault activated; null when there is none.</summary>
    public async Task<PolicyActivation?> InForceAsync(CancellationToken ct) => (await StandingAsync(ct)).InForce;

    /// <summary>One row, as long as nobody else wrote any.</summary>
    public async Task<PolicyStanding> StandingAsync(CancellationToken ct)
    {
        await using var newest = database.Source.CreateCommand(All + " limit 1");
        var first = await Rows.ReadAsync(newest, Read, ct);
        if (first.Count == 0 || proof.Matches(first[0])) return new PolicyStanding(first.FirstOrDefault(), []);
        await using var all = database.Source.CreateCommand(All);
        return proof.StandingOf(await Rows.ReadAsync(all, Read, ct));
    }

    /// <summary>The same of all rows, which nobody adds to before the transaction ends.</summary>
    public async Task<PolicyStanding> LockAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, CancellationToken ct)
    {
        await using var held = new NpgsqlCommand("select pg_advisory_xact_lock($1)", connection, transaction) { Parameters = { new() { Value = LockKey } } };
        await held.ExecuteNonQueryAsync(ct);
        await using var command = new NpgsqlCommand(All, connection, transaction);
        return proof.StandingOf(await Rows.ReadAsync(command, Read, ct));
    }

    /// <summary>Newest first; what others wrote is left out.</summary>
    public async Task<List<PolicyActivation>> ListAsync(long before, int limit, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {Columns} from vault.policy_activation where sequence < $1 order by sequence desc");
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = before });
        return [.. (await Rows.ReadAsync(command, Read, ct)).Where(proof.Matches).Take(limit)];
    }

    /// <inheritdoc cref="ListAsync"/>
    public async Task<List<PolicyActivation>> OfVersionAsync(string version, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {Columns} from vault.policy_activation where version = $1 order by sequence desc");
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = Convert.FromHexString(version) });
        return [.. (await Rows.ReadAsync(command, Read, ct)).Where(proof.Matches)];
    }

    /// <summary>Every version that was ever in force and when it came, oldest first: what an entry of the log was decided by.</summary>
    public async Task<List<string>> VersionsAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select version from vault.policy_version order by added_at");
        return await Rows.ReadAsync(command, row => Convert.ToHexStringLower(row.GetFieldValue<byte[]>(0)), ct);
    }

    /// <summary>
    /// The newest version that the rows name and that loads, whoever wrote them: for what has to be known before there are keys to tell. Whoever begins with it looks
    /// again before anything is decided (<see cref="PolicyBeginning"/>).
    /// </summary>
    /// <exception cref="PolicyException">Of those that they name, none loads.</exception>
    public static async Task<PolicySet?> NamedAsync(VaultDatabase database, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select version from vault.policy_activation group by version order by max(sequence) desc");
        PolicyException? first = null;
        foreach (var version in await Rows.ReadAsync(command, row => Convert.ToHexStringLower(row.GetFieldValue<byte[]>(0)), ct))
        {
            try
            {
                if (await LoadAsync(database, version, ct) is { } policy) return policy;
            }
            catch (PolicyException e)
            {
                first ??= e;
            }
        }

        return first is null ? null : throw first;
    }

    /// <summary>Null when there is none.</summary>
    public Task<Dictionary<string, string>?> FilesAsync(string version, CancellationToken ct) => FilesAsync(database, version, ct);

    private static async Task<Dictionary<string, string>?> FilesAsync(VaultDatabase database, string version, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select files from vault.policy_version where version = $1");
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = Convert.FromHexString(version) });
        return await command.ExecuteScalarAsync(ct) is byte[] files ? JsonSerializer.Deserialize<Dictionary<string, string>>(files) : null;
    }

    /// <exception cref="PolicyException">This program does not understand it, or it is not what was stored.</exception>
    public Task<PolicySet?> LoadAsync(string version, CancellationToken ct) => LoadAsync(database, version, ct);

    private static async Task<PolicySet?> LoadAsync(VaultDatabase database, string version, CancellationToken ct)
    {
        if (await FilesAsync(database, version, ct) is not { } files) return null;
        var policy = PolicySet.LoadFiled(files);
        if (policy.Version != version) throw new PolicyException([new PolicyProblem("", 0, "The files in the database are not those of the version they are filed under.")]);
        return policy;
    }

    /// <summary>Files the version, and what its numbers mean.</summary>
    public async Task FileAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, PolicySet policy, IReadOnlyDictionary<string, string> files, DateTimeOffset at, CancellationToken ct)
    {
        // Cases are no part of the version: the same rules may come with better ones.
        await using var command = new NpgsqlCommand(
            "insert into vault.policy_version (version, files, added_at) values ($1, $2, $3) on conflict (version) do update set files = excluded.files", connection, transaction)
        {
            Parameters = { new() { Value = policy.VersionBytes.ToArray() }, new() { Value = JsonSerializer.SerializeToUtf8Bytes(files) }, new() { Value = at.UtcDateTime } },
        };
        await command.ExecuteNonQueryAsync(ct);
        await numbers.FileAsync(connection, transaction, policy, ct);
    }

    /// <summary>Removes rows that this vault did not write.</summary>
    public static async Task RemoveAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<PolicyActivation> foreign, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("delete from vault.policy_activation where sequence = any($1)", connection, transaction)
        {
            Parameters = { new() { Value = foreign.Select(one => one.Sequence).ToArray() } },
        };
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Seals the rows of before there were seals; where the log has their entry, only those that it tells of. INVARIANT: called once in the life of a vault.</summary>
    public async Task SealAsync(Func<PolicyActivation, bool> isTold, CancellationToken ct) => await database.RunAsync(
        async (connection, transaction) =>
        {
            foreach (var row in (await LockAsync(connection, transaction, ct)).Foreign.Where(row => row.Seal is null && isTold(row)))
            {
                await using var command = new NpgsqlCommand("update vault.policy_activation set seal = $2 where sequence = $1", connection, transaction)
                {
                    Parameters = { new() { Value = row.Sequence }, new() { Value = proof.SealOf(row) } },
                };
                await command.ExecuteNonQueryAsync(ct);
            }

            return true;
        },
        ct);

    /// <summary>From the commit on it is in force, and every process is told.</summary>
    public async Task ActivateAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, PolicyActivation activation, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands =
            {
                new("insert into vault.policy_activation (sequence, version, at, actor, log_index, replaces, seal) values ($1, $2, $3, $4, $5, $6, $7)")
                {
                    Parameters =
                    {
                        new() { Value = activation.Sequence }, new() { Value = Convert.FromHexString(activation.Version) }, new() { Value = activation.At.UtcDateTime },
                        new() { Value = activation.By }, new() { Value = activation.LogIndex ?? (object)DBNull.Value },
                        new() { Value = activation.Replaces ?? (object)DBNull.Value }, new() { Value = proof.SealOf(activation) },
                    },
                },
                new($"select pg_notify('{Channel}', '')"),
            },
        };
        await batch.ExecuteNonQueryAsync(ct);
    }

    internal static PolicyActivation Read(NpgsqlDataReader row) => new(
        row.GetInt64(0), Convert.ToHexStringLower(row.GetFieldValue<byte[]>(1)), new DateTimeOffset(row.GetDateTime(2)), row.GetString(3), row.IsDBNull(4) ? null : row.GetInt64(4))
    {
        Replaces = row.IsDBNull(5) ? null : row.GetInt64(5), Seal = row.IsDBNull(6) ? null : row.GetFieldValue<byte[]>(6),
    };
}

/// <summary>
/// By which activation each process serves. A process may serve for <see cref="Lease"/> after it last looked, and looks again before it serves on; so whoever
/// activates knows when nobody serves by the version before: each process has said that it follows, or its time is over.
/// </summary>
internal sealed class PolicyProcesses(VaultDatabase database)
{
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(5);

    /// <summary>What the clocks of two machines may run apart within a lease.</summary>
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>INVARIANT: committed before the process looks which activation is in force: one that it does not see then will see it.</summary>
    public async Task AnnounceAsync(Guid process, long sequence, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            """
            insert into vault.policy_process (process, sequence, renewed_at) values ($1, $2, clock_timestamp())
            on conflict (process) do update set sequence = excluded.sequence, renewed_at = excluded.renewed_at
            """);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = process });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = sequence });
        await command.ExecuteNonQueryAsync(ct);
    }

    public async Task LeaveAsync(Guid process, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("delete from vault.policy_process where process = $1");
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = process });
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Returns when no process begins a call by an earlier activation any more; how many processes serve by this one.</summary>
    public async Task<int> FollowedAsync(long sequence, CancellationToken ct)
    {
        while (true)
        {
            await using var command = database.Source.CreateCommand(
                """
                select count(*) filter (where sequence < $1), count(*) filter (where sequence >= $1)
                from vault.policy_process where renewed_at > clock_timestamp() - $2
                """);
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = sequence });
            command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = Lease + Margin });
            var (behind, following) = (await Rows.ReadAsync(command, row => (row.GetInt64(0), (int)row.GetInt64(1)), ct))[0];
            if (behind == 0) return following;
            await Task.Delay(Pause, ct);
        }
    }

    /// <summary>Forgets processes that ended without leaving.</summary>
    public async Task ForgetGoneAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("delete from vault.policy_process where renewed_at < clock_timestamp() - interval '1 hour'");
        await command.ExecuteNonQueryAsync(ct);
    }
}
