using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Indexes;
using Npgsql;

namespace DataVault.Vault;

/// <summary>Why somebody who was erased may be taken in again: a closed list, for the code stands in the log for ever.</summary>
public static class ReturnGrounds
{
    /// <summary>What the person did; <c>person-asked</c> is for an officer to say, to whom they wrote.</summary>
    public static IReadOnlyList<string> All { get; } = ["account-opened", "consent-given", "contract", "person-asked"];
}

/// <summary>Where a customer comes from who is taken in from a package.</summary>
/// <param name="Log">Origin of the log of the vault that made it.</param>
/// <param name="Case">The request that it answered.</param>
public sealed record PackageOrigin(string Log, Guid Case);

/// <summary>The identifiers of one person on the way in.</summary>
internal sealed class Newcomer(IEnumerable<DraftValue> values)
{
    private List<(FieldDefinition Field, byte[] Hash)>? hashes;

    public bool IsPrepared => hashes is not null;

    public IReadOnlyList<(FieldDefinition Field, byte[] Hash)> Hashes => hashes ?? [];

    /// <summary>The dear part; done once, whichever plan is in force.</summary>
    public void Prepare(SuppressionRules rules, SuppressionKeys keys) =>
        hashes ??= [.. values.Where(value => value.Utf8Json is not null && rules.Identifiers.Any(field => field.Id == value.Field.Id))
            .SelectMany(value => LookupTerms.Strings(value.Field, value.Utf8Json).Select(text => (value.Field, keys.Harden(value.Field, text))))];
}

/// <summary>Somebody on the way in who has an identifier that is kept out.</summary>
internal sealed record SuppressionHit(Newcomer Of, FieldDefinition Field, Guid Group);

/// <summary>
/// Asks the suppression list about people on their way in, in the transaction that takes them in and after their identifiers are claimed: an erasure that is under way has made its marks before it
/// lets go of an identifier. INVARIANT: who may not know of the list is answered as if somebody held the identifier, and pays for the slow hash whatever the answer.
/// </summary>
internal sealed class SuppressionDoor(SuppressionKeys keys, SuppressionList list, SuppressionJournal journal, Decider decider, VaultOptions options)
{
    private const int ParallelFrom = 4;

    public bool MayKnow(Recipient recipient) =>
        recipient.Kind != RecipientKind.Customer && decider.Policy.Decisions.HasCapability(recipient.Roles, Capabilities.SuppressionsManage);

    /// <summary>What a caller is told.</summary>
    public VaultException Told(Recipient recipient, FieldDefinition field) => MayKnow(recipient) ? VaultException.Suppressed(field.Name) : VaultException.Conflict(field.Name);

    /// <summary>Before identifiers are claimed, for those who may not know: else a taken identifier were answered sooner than one that is kept out.</summary>
    public async Task PrepareAsync(Recipient recipient, NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<Newcomer> people, CancellationToken ct)
    {
        if (decider.Policy.Suppression is not { } rules || MayKnow(recipient)) return;
        if ((await SuppressionList.EpochsAsync(connection, transaction, ct)).Count > 0) Prepare(rules, people);
    }

    /// <summary>Those of the people who are kept out, one hit for each mark that is met.</summary>
    public async Task<IReadOnlyList<SuppressionHit>> FindAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<Newcomer> people, CancellationToken ct)
    {
        if (decider.Policy.Suppression is not { } rules || people.Count == 0) return [];
        var epochs = await SuppressionList.EpochsAsync(connection, transaction, ct);
        if (epochs.Count == 0) return [];
        Prepare(rules, people);
        var tokens = new List<(Newcomer Of, FieldDefinition Field, byte[] Token)>();
        foreach (var epoch in epochs)
        {
            if (await keys.EpochAsync(epoch, ct) is not { } key) continue;
            tokens.AddRange(people.SelectMany(person => person.Hashes.Select(one => (person, one.Field, key.Term(one.Hash, 0)))));
        }

        if (tokens.Count == 0) return [];
        var kept = (await list.FindAsync(connection, transaction, [.. tokens.Select(one => one.Token)], ct)).ToLookup(mark => LookupTerm.NumberOf(mark.Token), mark => mark.Group);
        return [.. tokens.SelectMany(one => kept[LookupTerm.NumberOf(one.Token)].Select(group => new SuppressionHit(one.Of, one.Field, group)))];
    }

    /// <summary>Whether these packages were made by this very vault for people whom it has erased since.</summary>
    public async Task<IReadOnlySet<Guid>> ErasedHereAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, IEnumerable<PackageOrigin?> packages, CancellationToken ct)
    {
        var own = packages.OfType<PackageOrigin>().Where(package => package.Log == options.Origin).Select(package => package.Case).Distinct().ToArray();
        if (own.Length == 0) return new HashSet<Guid>();
        await using var command = new NpgsqlCommand("select request_id from vault.closed_request where request_id = any($1)", connection, transaction)
        {
            Parameters = { new NpgsqlParameter<Guid[]> { TypedValue = own } },
        };
        return (await Rows.ReadAsync(command, row => row.GetGuid(0), ct)).ToHashSet();
    }

    /// <summary>Lets people in again who came back themselves; the entry about it is the caller's.</summary>
    public Task LiftAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyCollection<Guid> groups, CancellationToken ct) =>
        groups.Count == 0 ? Task.CompletedTask : list.EndAsync(connection, transaction, groups, ct);

    /// <summary>After that transaction.</summary>
    public Task RememberAsync(IReadOnlyCollection<Guid> lifted, CancellationToken ct) => journal.AppendAsync([], lifted, ct);

    private void Prepare(SuppressionRules rules, IReadOnlyList<Newcomer> people)
    {
        if (people.Count < ParallelFrom)
        {
            foreach (var person in people) person.Prepare(rules, keys);
        }
        else Parallel.ForEach(people, person => person.Prepare(rules, keys));
    }
}
