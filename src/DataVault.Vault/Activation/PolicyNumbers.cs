using System.Globalization;
using System.Text;
using DataVault.Policy;
using DataVault.Vault.Keys;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// What each number of any version stood for: in the vault database, and in the keys database, so that nobody has a later version give a number to something else
/// by writing in the first. INVARIANT: where they differ the keys database is right, and what only one of them knows counts.
/// </summary>
internal sealed class PolicyNumbers(VaultDatabase database, OversightMemory memory, OnceBook once) : IHostedService
{
    private const string Kept = "policy-numbers-kept";

    public async Task<List<PolicyMeaning>> KnownAsync(CancellationToken ct)
    {
        var kept = await KeptAsync(ct);
        var numbers = kept.Select(one => (one.Kind, one.Id)).ToHashSet();
        return [.. kept, .. (await StoredAsync(ct)).Where(one => !numbers.Contains((one.Kind, one.Id)))];
    }

    public async Task<List<PolicyMeaning>> KeptAsync(CancellationToken ct) => [.. (await memory.ReadAsync(OversightMemory.PolicyNumber, ct)).Select(MeaningOf)];

    /// <summary>
    /// Files what the numbers of a version mean. They are kept before the commit: a version that fails to commit has taken its numbers, and none of them can then be given to something else.
    /// </summary>
    public async Task FileAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, PolicySet policy, CancellationToken ct)
    {
        var numbers = PolicyMeaning.Of(policy);
        await memory.KeepAsync([.. numbers.Select(KeptOf)], ct);
        await using var command = new NpgsqlCommand("insert into vault.policy_id (kind, id, name) select * from unnest($1, $2, $3) on conflict (kind, id) do nothing", connection, transaction)
        {
            Parameters =
            {
                new() { Value = numbers.Select(one => one.Kind).ToArray() }, new() { Value = numbers.Select(one => one.Id).ToArray() }, new() { Value = numbers.Select(one => one.Name).ToArray() },
            },
        };
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Keeps those from before any were kept, once.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (await once.IsDoneAsync(Kept, cancellationToken)) return;
        await memory.KeepAsync([.. (await StoredAsync(cancellationToken)).Select(KeptOf)], cancellationToken);
        await once.NoteAsync(Kept, cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private async Task<List<PolicyMeaning>> StoredAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select kind, id, name from vault.policy_id");
        return await Rows.ReadAsync(command, Read, ct);
    }

    public static PolicyMeaning Read(NpgsqlDataReader row) => new(row.GetString(0), row.GetInt32(1), row.GetString(2));

    private static Kept KeptOf(PolicyMeaning one) =>
        new(OversightMemory.PolicyNumber, Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{one.Kind} {one.Id}"))) { Value = Encoding.UTF8.GetBytes(one.Name) };

    private static PolicyMeaning MeaningOf(Kept kept)
    {
        var id = Encoding.UTF8.GetString(kept.Id);
        var space = id.LastIndexOf(' ');
        return new PolicyMeaning(id[..space], int.Parse(id.AsSpan(space + 1), NumberStyles.None, CultureInfo.InvariantCulture), Encoding.UTF8.GetString(kept.Value));
    }
}
