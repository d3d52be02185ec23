using System.Text.Json;
using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault;

/// <summary>A version as the database has it.</summary>
/// <param name="Version">32 hex digits.</param>
/// <param name="By">Application, process or roles that activated it.</param>
/// <param name="LogIndex">The entry that says so; null for the version that a vault had before it kept versions.</param>
public sealed record PolicyActivation(long Sequence, string Version, DateTimeOffset At, string By, long? LogIndex);

/// <summary>
/// The versions in the database. INVARIANT: what is loaded from here has the version that it is filed under, since that is the hash of its content: whoever
/// changes the files here changes no decision, but makes the vault refuse to serve.
/// </summary>
internal sealed class PolicyStore(VaultDatabase database)
{
    /// <summary>Of all processes one activates at a time.</summary>
    public const long LockKey = 0x4441_5641_504F;

    public const string Channel = "policy_activated";

    private const string Newest = "select sequence, version, at, actor, log_index from vault.policy_activation order by sequence desc limit 1";

    /// <summary>Null in a vault that has activated none yet.</summary>
    public async Task<PolicyActivation?> InForceAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(Newest);
        return (await Rows.ReadAsync(command, Read, ct)).FirstOrDefault();
    }

    public static async Task<PolicyActivation?> LockInForceAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, CancellationToken ct)
    {
        await using var held = new NpgsqlCommand("select pg_advisory_xact_lock($1)", connection, transaction) { Parameters = { new() { Value = LockKey } } };
        await held.ExecuteNonQueryAsync(ct);
        await using var command = new NpgsqlCommand(Newest, connection, transaction);
        return (await Rows.ReadAsync(command, Read, ct)).FirstOrDefault();
    }

    /// <summary>Newest first.</summary>
    public async Task<List<PolicyActivation>> ListAsync(long before, int limit, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            "select sequence, version, at, actor, log_index from vault.policy_activation where sequence < $1 order by sequence desc limit $2");
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = before });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = limit });
        return await Rows.ReadAsync(command, Read, ct);
    }

    public async Task<List<PolicyActivation>> OfVersionAsync(string version, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            "select sequence, version, at, actor, log_index from vault.policy_activation where version = $1 order by sequence desc");
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = Convert.FromHexString(version) });
        return await Rows.ReadAsync(command, Read, ct);
    }

    /// <summary>Every version that was ever in force and when it came, oldest first: what an entry of the log was decided by.</summary>
    public async Task<List<string>> VersionsAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select version from vault.policy_version order by added_at");
        return await Rows.ReadAsync(command, row => Convert.ToHexStringLower(row.GetFieldValue<byte[]>(0)), ct);
    }

    /// <summary>Null when there is none.</summary>
    public async Task<Dictionary<string, string>?> FilesAsync(string version, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select files from vault.policy_version where version = $1");
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = Convert.FromHexString(version) });
        return await command.ExecuteScalarAsync(ct) is byte[] files ? JsonSerializer.Deserialize<Dictionary<string, string>>(files) : null;
    }

    /// <exception cref="PolicyException">This program does not understand it, or it is not what was stored.</exception>
    public async Task<PolicySet?> LoadAsync(string version, CancellationToken ct)
    {
        if (await FilesAsync(version, ct) is not { } files) return null;
        var policy = PolicySet.Load(files);
        if (policy.Version != version) throw new PolicyException([new PolicyProblem("", 0, "The files in the database are not those of the version they are filed under.")]);
        return policy;
    }

    public async Task<List<PolicyMeaning>> NumbersAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select kind, id, name from vault.policy_id");
        return await Rows.ReadAsync(command, row => new PolicyMeaning(row.GetString(0), row.GetInt32(1), row.GetString(2)), ct);
    }

    /// <summary>Files the version, and what its numbers mean.</summary>
    public static async Task FileAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, PolicySet policy, IReadOnlyDictionary<string, string> files, DateTimeOffset at, CancellationToken ct)
    {
        var numbers = PolicyMeaning.Of(policy);
        await using var batch = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands =
            {
                // Cases are no part of the version: the same rules may come with better ones.
                new("insert into vault.policy_version (version, files, added_at) values ($1, $2, $3) on conflict (version) do update set files = excluded.files")
                {
                    Parameters = { new() { Value = policy.VersionBytes.ToArray() }, new() { Value = JsonSerializer.SerializeToUtf8Bytes(files) }, new() { Value = at.UtcDateTime } },
                },
                new("insert into vault.policy_id (kind, id, name) select * from unnest($1, $2, $3) on conflict (kind, id) do nothing")
                {
                    Parameters =
                    {
                        new() { Value = numbers.Select(one => one.Kind).ToArray() }, new() { Value = numbers.Select(one => one.Id).ToArray() }, new() { Value = numbers.Select(one => one.Name).ToArray() },
                    },
                },
            },
        };
        await batch.ExecuteNonQueryAsync(ct);
    }

    /// <summary>From the commit on it is in force, and every process is told.</summary>
    public static async Task ActivateAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, PolicyActivation activation, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands =
            {
                new("insert into vault.policy_activation (sequence, version, at, actor, log_index) values ($1, $2, $3, $4, $5)")
                {
                    Parameters =
                    {
                        new() { Value = activation.Sequence }, new() { Value = Convert.FromHexString(activation.Version) }, new() { Value = activation.At.UtcDateTime },
                        new() { Value = activation.By }, new() { Value = activation.LogIndex ?? (object)DBNull.Value },
                    },
                },
                new($"select pg_notify('{Channel}', '')"),
            },
        };
        await batch.ExecuteNonQueryAsync(ct);
    }

    private static PolicyActivation Read(NpgsqlDataReader row) => new(
        row.GetInt64(0), Convert.ToHexStringLower(row.GetFieldValue<byte[]>(1)), new DateTimeOffset(row.GetDateTime(2)), row.GetString(3), row.IsDBNull(4) ? null : row.GetInt64(4));
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
