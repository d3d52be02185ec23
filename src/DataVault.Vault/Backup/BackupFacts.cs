using System.Globalization;
using System.Text.Json;
using DataVault.Transparency;
using Npgsql;

namespace DataVault.Vault;

/// <summary>The two databases of a vault, backed up apart, under passphrases of their own.</summary>
public enum BackupPart
{
    /// <summary>Sealed records, the log, accounts, analytics.</summary>
    Data = 1,

    /// <summary>Wrapped keys.</summary>
    Keys = 2,
}

/// <summary>What a backup says of itself: the first chunk of its container. No personal data.</summary>
/// <param name="Part">Which database.</param>
/// <param name="At">The moment whose state it holds.</param>
/// <param name="Postgres">Version of the database server.</param>
/// <param name="Roles">Group roles whose rights it mentions: they must be there before it is restored.</param>
/// <param name="Tombstones">Erasures that the database had carried out.</param>
/// <param name="People">Records or keys.</param>
/// <param name="LogSize">Entries in the log; data only.</param>
/// <param name="LogRoot">Root of the log, base64; data only.</param>
/// <param name="Epochs">Key epochs that open it; keys only.</param>
public sealed record BackupFacts(
    BackupPart Part, DateTimeOffset At, string Postgres, IReadOnlyList<string> Roles, long Tombstones, long People, long LogSize, string LogRoot, IReadOnlyList<int> Epochs)
{
    /// <summary>The name of the part in a container's header and in commands.</summary>
    public static string NameOf(BackupPart part) => part == BackupPart.Data ? "data" : "keys";

    /// <summary>Null when a backup of keys can still be opened with the slots of a home folder; else why not.</summary>
    public string? Outdated(string home)
    {
        var slots = new Keys.EpochSlots(home, new Cryptography.SystemRandomBytes());
        var gone = Epochs.Where(epoch => !slots.Exists(epoch)).ToList();
        return gone.Count == 0 ? null : $"Its keys were wrapped under key epoch {gone.Min()}, which was destroyed since: nobody can open it any more.";
    }

    /// <summary>What a database holds at this moment.</summary>
    public static async Task<BackupFacts> ReadAsync(BackupPart part, NpgsqlConnection connection, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(connection);
        var roles = await ListAsync(connection, "select rolname::text from pg_roles where rolname like 'dv\\_%' and not rolcanlogin order by 1", row => row.GetString(0), ct);
        var facts = await ListAsync(connection, part == BackupPart.Data ? Data : Keys, row => (
            row.GetFieldValue<DateTimeOffset>(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3), row.GetFieldValue<byte[]>(4), row.GetFieldValue<int[]>(5)), ct);
        var (at, tombstones, people, size, root, epochs) = facts[0];
        return new BackupFacts(part, at, connection.PostgreSqlVersion.ToString(), roles, tombstones, people, size, Convert.ToBase64String(root), epochs);
    }

    /// <summary>The first chunk of a container.</summary>
    public byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, Json);

    /// <exception cref="FormatException">These are not the facts of a backup.</exception>
    public static BackupFacts Parse(ReadOnlySpan<byte> utf8)
    {
        try
        {
            return JsonSerializer.Deserialize<BackupFacts>(utf8, Json) ?? throw new FormatException("The backup says nothing of itself.");
        }
        catch (JsonException)
        {
            throw new FormatException("The backup says nothing of itself.");
        }
    }

    /// <summary>Where a restored database differs from what its backup said; null when it does not.</summary>
    public string? Difference(BackupFacts restored)
    {
        ArgumentNullException.ThrowIfNull(restored);
        var (expected, found) = ((Part, Tombstones, People, LogSize, LogRoot, Epochs.Count), (restored.Part, restored.Tombstones, restored.People, restored.LogSize, restored.LogRoot, restored.Epochs.Count));
        return expected == found ? null : string.Create(CultureInfo.InvariantCulture, $"it should hold {expected} and holds {found}");
    }

    private static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.Web) { UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow };

    private const string Data =
        """
        select now(), (select count(*) from vault.tombstone), (select count(*) from vault.subject), size, root, '{}'::int[] from audit.head where log_id = 1
        """;

    private const string Keys =
        $"""
        select now(), (select count(*) from keys.tombstone), (select count(*) from keys.subject_key), 0::bigint, ''::bytea,
            array(select epoch_id from keys.page where damaged_at is null union ({DataVault.Vault.Keys.VaultKeyring.SelectCurrentEpoch}) order by 1)
        """;

    private static async Task<List<T>> ListAsync<T>(NpgsqlConnection connection, string sql, Func<NpgsqlDataReader, T> read, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        return await Rows.ReadAsync(command, read, ct);
    }
}
