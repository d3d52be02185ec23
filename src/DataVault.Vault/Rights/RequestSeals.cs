using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Vault.Keys;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>
/// Tells requests that the vault wrote from rows that somebody else put into the table. The seal is a MAC under a key of the vault over what a request is carried
/// out by: whose it is, what it asks for, where it stands, when it is due, what happened to it, how far an erasure has come, and the entry of the log that says who put it there.
/// </summary>
internal sealed class RequestSeals(VaultKeyring keys, VaultDatabase database, VaultOptions options, IRandomBytes random, RequestMemory memory)
{
    private const string Label = "rights/request-seal";
    private const int MicrosecondTicks = 10;

    /// <summary>Which of the rows that bear a seal is the newest.</summary>
    public RequestMemory Memory => memory;

    /// <summary>Before the first start with seals has sealed what was there.</summary>
    public bool TakesUnsealed => !File.Exists(Done);

    private string Done => Path.Combine(options.Home, "requests-sealed");

    public byte[] Of(RequestRow row) => Of(row, "3", Times(row), row.EncodedCourse is { } course ? Convert.ToHexString(SHA256.HashData(course)) : "-");

    // Rows from before the times and the course were sealed too; they have no course, and get a seal of today when they are saved next.
    private byte[] Former(RequestRow row) => Of(row, "2");

    private static string Times(RequestRow row) => string.Join(
        ' ', new DateTimeOffset?[] { row.OpenedAt, row.DueAt, row.ExtendedAt, row.CompletedAt }.Select(at => (at?.UtcTicks / MicrosecondTicks ?? -1).ToString(CultureInfo.InvariantCulture)));

    // Text of PostgreSQL holds no zero characters: no two rows give the same bytes.
    private byte[] Of(RequestRow row, string form, params string[] more)
    {
        var subject = row.Subject ?? throw new ArgumentException("A closed row has no seal.", nameof(row));
        using var key = keys.Derive(Label);
        return HMACSHA256.HashData(key.Span, Encoding.UTF8.GetBytes(string.Join(
            '\0', [form, row.Id.ToString("D"), subject.Value.ToString("D"), row.Kind, row.State, row.Jurisdiction, row.Reason is null ? "-" : "+" + row.Reason, row.OpenedBy,
            row.LogIndex.ToString(CultureInfo.InvariantCulture), row.Work is null ? "-" : Convert.ToHexString(SHA256.HashData(row.Work)), .. more])));
    }

    /// <summary>False of a row that the vault did not leave like this. Of a closed one nothing is carried out but what its work says, which is sealed.</summary>
    public bool Fits(RequestRow row) => row.Subject is null || row.Seal is { } seal
        && (CryptographicOperations.FixedTimeEquals(seal, Of(row)) || (row.EncodedCourse is null && CryptographicOperations.FixedTimeEquals(seal, Former(row))));

    /// <summary>
    /// Requests from before there were seals are taken as they are, once: the home folder remembers that it was done, so that nobody who writes into the table
    /// has theirs sealed at a later start.
    /// </summary>
    public async Task SealOldAsync(CancellationToken ct)
    {
        if (!TakesUnsealed) return;
        await database.RunAsync(async (connection, _) =>
        {
            foreach (var row in await RequestStore.LockUnsealedAsync(connection, ct)) await WriteAsync(connection, row, ct);
            return true;
        }, ct);
        DurableFile.CreateOnce(Done, Encoding.ASCII.GetBytes(keys.VaultId.ToString()), random);
    }

    /// <summary>The index of the row's newest entry, the work that is noted with it, and the seal over the row with both.</summary>
    public async Task<RequestRow> WriteAsync(NpgsqlConnection connection, RequestRow row, CancellationToken ct)
    {
        var seal = Of(row);
        await using var command = new NpgsqlCommand("UPDATE vault.request SET log_index = $3, seal = $4, work = $5 WHERE subject_id = $1 AND request_id = $2", connection)
        {
            Parameters =
            {
                new() { Value = row.Subject!.Value.Value }, new() { Value = row.Id }, new() { Value = row.LogIndex }, new() { Value = seal },
                RequestStore.Optional(row.Work, NpgsqlDbType.Bytea),
            },
        };
        await command.ExecuteNonQueryAsync(ct);
        return row with { Seal = seal };
    }
}
