using DataVault.Policy;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Every notice that was ever in force, by its hash, so that what a person read can be shown years later. Texts are kept when a policy comes into
/// force, and again in the transaction of each act that names one: no act names a text that is not there.
/// </summary>
internal sealed class NoticeArchive(VaultDatabase database, ActivePolicy policy, VaultClock clock) : IHostedService
{
    private string? kept;

    public Task StartAsync(CancellationToken cancellationToken) => KeepNewestAsync(cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Keeps all notices of the policy in force, once for each version of it.</summary>
    public async Task KeepNewestAsync(CancellationToken ct)
    {
        var newest = policy.Newest;
        if (kept == newest.Version) return;
        await using var batch = database.Source.CreateBatch();
        foreach (var (purpose, notice) in newest.Purposes.Notices.All) batch.BatchCommands.Add(Keep(purpose, notice, clock.Now));
        if (batch.BatchCommands.Count > 0) await batch.ExecuteNonQueryAsync(ct);
        kept = newest.Version;
    }

    public static NpgsqlBatchCommand Keep(int purpose, NoticeText notice, DateTimeOffset now) =>
        new("insert into vault.notice (purpose_id, version, language, hash, text, kept_at) values ($1, $2, $3, $4, $5, $6) on conflict do nothing")
        {
            Parameters =
            {
                new NpgsqlParameter<int> { TypedValue = purpose }, new NpgsqlParameter<string> { TypedValue = notice.Version },
                new NpgsqlParameter<string> { TypedValue = notice.Language }, new NpgsqlParameter<byte[]> { TypedValue = notice.Hash.ToArray() },
                new NpgsqlParameter<string> { TypedValue = notice.Text }, new NpgsqlParameter<DateTime> { TypedValue = now.UtcDateTime },
            },
        };

    /// <summary>The notice of an earlier version, as it was last in force; null when this vault never had it.</summary>
    public async Task<NoticeText?> FindAsync(int purpose, string version, string language, CancellationToken ct)
    {
        await using var command = database.Reads.CreateCommand(
            "select text from vault.notice where purpose_id = $1 and version = $2 and language = $3 order by kept_at desc limit 1");
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = purpose });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = version });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = language });
        var found = await Rows.ReadAsync(command, row => row.GetString(0), ct);
        return found.Count > 0 ? new NoticeText(version, language, found[0]) : null;
    }

    /// <summary>The texts of these hashes, by the hash in hexadecimal.</summary>
    public async Task<IReadOnlyDictionary<string, string>> TextsAsync(IEnumerable<ReadOnlyMemory<byte>> hashes, CancellationToken ct)
    {
        await using var command = database.Reads.CreateCommand("select distinct on (hash) hash, text from vault.notice where hash = any($1)");
        command.Parameters.Add(new NpgsqlParameter<byte[][]> { TypedValue = [.. hashes.Where(hash => !hash.IsEmpty).Select(hash => hash.ToArray())] });
        var found = await Rows.ReadAsync(command, row => (Hash: row.GetFieldValue<byte[]>(0), Text: row.GetString(1)), ct);
        return found.ToDictionary(one => Convert.ToHexStringLower(one.Hash), one => one.Text);
    }
}
