using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Tells requests that the vault wrote from rows that somebody else put into the table. The seal is a MAC under a key of the vault over what a request is carried
/// out by: whose it is, what it asks for, where it stands, and the entry of the log that says who put it there.
/// </summary>
internal sealed class RequestSeals(VaultKeyring keys, VaultDatabase database, VaultOptions options, IRandomBytes random)
{
    private const string Label = "rights/request-seal";

    // Text of PostgreSQL holds no zero characters: no two rows give the same bytes.
    public byte[] Of(RequestRow row)
    {
        var subject = row.Subject ?? throw new ArgumentException("A closed row has no seal.", nameof(row));
        using var key = keys.Derive(Label);
        return HMACSHA256.HashData(key.Span, Encoding.UTF8.GetBytes(string.Join(
            '\0', "1", row.Id.ToString("D"), subject.Value.ToString("D"), row.Kind, row.State, row.Jurisdiction, row.Reason is null ? "-" : "+" + row.Reason, row.OpenedBy,
            row.LogIndex.ToString(CultureInfo.InvariantCulture))));
    }

    /// <summary>False of a row that the vault did not leave like this. Of a closed one nothing is carried out but what its work says, which is sealed.</summary>
    public bool Fits(RequestRow row) => row.Subject is null || row.Seal is { } seal && CryptographicOperations.FixedTimeEquals(seal, Of(row));

    /// <summary>
    /// Requests from before there were seals are taken as they are, once: the home folder remembers that it was done, so that nobody who writes into the table
    /// has theirs sealed at a later start.
    /// </summary>
    public async Task SealOldAsync(CancellationToken ct)
    {
        var done = Path.Combine(options.Home, "requests-sealed");
        if (File.Exists(done)) return;
        await database.RunAsync(async (connection, _) =>
        {
            foreach (var row in await RequestStore.LockUnsealedAsync(connection, ct)) await WriteAsync(connection, row, ct);
            return true;
        }, ct);
        DurableFile.CreateOnce(done, Encoding.ASCII.GetBytes(keys.VaultId.ToString()), random);
    }

    /// <summary>The index of the row's newest entry, and the seal over the row with it.</summary>
    public async Task<RequestRow> WriteAsync(NpgsqlConnection connection, RequestRow row, CancellationToken ct)
    {
        var seal = Of(row);
        await using var command = new NpgsqlCommand("UPDATE vault.request SET log_index = $3, seal = $4 WHERE subject_id = $1 AND request_id = $2", connection)
        {
            Parameters = { new() { Value = row.Subject!.Value.Value }, new() { Value = row.Id }, new() { Value = row.LogIndex }, new() { Value = seal } },
        };
        await command.ExecuteNonQueryAsync(ct);
        return row with { Seal = seal };
    }
}
