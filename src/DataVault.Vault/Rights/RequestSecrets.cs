using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>What is sealed under people's keys beside requests: their letters and messages, notices to recipients, and what was decided about them.</summary>
internal sealed record SealedBesides(LetterBook Letters, NoticeStore Notices, DecisionRows Decisions, ContestedDecisions Contests);

/// <summary>
/// What a request holds sealed under the person's key: its notes, what was shown of an identity, and the key of its package. All were sealed before the row was locked; when the person's
/// key was renewed in between they are sealed anew here, for what is written under an older version would be lost with it.
/// </summary>
internal sealed class RequestSecrets(VaultDatabase database, KeyRegistry keys, RequestNotes notes, PackageFolder packages, SealedBesides besides, RequestSeals seals)
{
    public RequestSeals Seals => seals;

    public LetterBook Letters => besides.Letters;

    public ContestedDecisions Contests => besides.Contests;

    /// <summary>The row with its secrets under the version that is in force until the transaction ends.</summary>
    public async Task<RequestRow> InForceAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, RequestRow row, CancellationToken ct)
    {
        if (row.Notes is null && row.PackageKey is null && row.Evidence is null || row.Subject is not { } subject) return row;
        // INVARIANT: the request is locked before the person's row; whoever renews keys does the same.
        if (!(await SubjectRows.KeepAsync(connection, transaction, [subject], ct)).TryGetValue(subject, out var version)) return row;
        using var held = await keys.GetAsync(subject, ct);
        await keys.MatchAsync(held, version, ct);
        return Renewed(held, row);
    }

    /// <summary>Seals the secrets of people's requests, and their messages, anew under the version that each one's record is sealed under.</summary>
    public async Task RenewAsync(IReadOnlyList<SubjectId> people, CancellationToken ct)
    {
        await besides.Letters.Inbox.RenewAsync(people, ct);
        await besides.Notices.RenewAsync(people, ct);
        await besides.Decisions.RenewAsync(people, ct);
        await using var command = database.Source.CreateCommand("select request_id from vault.request where subject_id = any($1) and (notes is not null or package_key is not null or evidence is not null)");
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. people.Select(p => p.Value)] });
        foreach (var request in await Rows.ReadAsync(command, row => row.GetGuid(0), ct))
        {
            await database.RunAsync((connection, transaction) => TryRenewAsync(connection, transaction, request, ct), ct);
        }
    }

    // What does not open is left as it is: it keeps nobody else from being renewed.
    private async Task<bool> TryRenewAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, Guid request, CancellationToken ct)
    {
        if (await RequestStore.TryLockAsync(connection, request, ct) is not { } row) return false;
        try
        {
            await RequestStore.WriteSecretsAsync(connection, await InForceAsync(connection, transaction, row, ct), ct);
            return true;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private RequestRow Renewed(SubjectKeys held, RequestRow row) =>
        row with
        {
            Notes = notes.Renewed(held, row.Id, row.Notes),
            Evidence = notes.Renewed(held, row.Id, row.Evidence, RequestNotes.OfIdentity),
            PackageKey = packages.Renewed(held, row.Id, row.PackageKey),
        };
}
