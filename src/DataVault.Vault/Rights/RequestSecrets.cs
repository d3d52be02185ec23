using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// What a request holds sealed under the person's key: its notes and the key of its package. Both were sealed before the row was locked; when the person's
/// key was renewed in between they are sealed anew here, for what is written under an older version would be lost with it.
/// </summary>
internal sealed class RequestSecrets(KeyRegistry keys, RequestNotes notes, PackageFolder packages)
{
    /// <summary>The row with its secrets under the version that is in force until the transaction ends.</summary>
    public async Task<RequestRow> InForceAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, RequestRow row, CancellationToken ct)
    {
        if (row.Notes is null && row.PackageKey is null || row.Subject is not { } subject) return row;
        // INVARIANT: the request is locked before the person's row; whoever renews keys does the same.
        if (!(await SubjectRows.KeepAsync(connection, transaction, [subject], ct)).TryGetValue(subject, out var version)) return row;
        using var held = await keys.GetAsync(subject, ct);
        await keys.MatchAsync(held, version, ct);
        return Renewed(held, row);
    }

    /// <summary>The row with its secrets under the selected version.</summary>
    public RequestRow Renewed(SubjectKeys held, RequestRow row) =>
        row with { Notes = notes.Renewed(held, row.Id, row.Notes), PackageKey = packages.Renewed(held, row.Id, row.PackageKey) };
}
