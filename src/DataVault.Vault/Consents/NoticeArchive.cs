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

    /// <summary>Which of these the vault has: those of the policy itself need no look. Of an earlier version the text counts that was last in force.</summary>
    public async Task<KnownNotices> KnownAsync(PolicySet current, IEnumerable<(Purpose Purpose, ShownNotice Shown)> meant, CancellationToken ct)
    {
        var asked = meant.Select(one => (one.Purpose, Key: KnownNotices.Key(one.Purpose, one.Shown)))
            .Where(one => one.Key.Version != one.Purpose.NoticeVersion && ConsentWords.IsNoticeVersion(one.Key.Version) && ConsentWords.IsLanguage(one.Key.Language)).Distinct().ToList();
        var found = new Dictionary<(int, string, string), NoticeText>();
        if (asked.Count == 0) return new KnownNotices(current, found);
        await using var command = database.Reads.CreateCommand(
            """
            select distinct on (n.purpose_id, n.version, n.language) n.purpose_id, n.version, n.language, n.text
            from vault.notice n join unnest($1, $2, $3) as a(purpose_id, version, language) using (purpose_id, version, language)
            order by n.purpose_id, n.version, n.language, n.kept_at desc
            """);
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = [.. asked.Select(one => one.Purpose.Id)] });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. asked.Select(one => one.Key.Version)] });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. asked.Select(one => one.Key.Language)] });
        foreach (var (purpose, text) in await Rows.ReadAsync(command, row => (row.GetInt32(0), new NoticeText(row.GetString(1), row.GetString(2), row.GetString(3))), ct))
            found[(purpose, text.Version, text.Language)] = text;
        return new KnownNotices(current, found);
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
