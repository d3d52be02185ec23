using DataVault.Policy;
using DataVault.Vault.Indexes;
using Npgsql;

namespace DataVault.Vault;

/// <summary>A value of this field is that of somebody who was erased; what the caller is told of it depends on who they are.</summary>
internal sealed class KeptOutException(FieldDefinition by) : Exception("The value is kept out.")
{
    public FieldDefinition By => by;
}

/// <summary>Who may have which identifier: nobody whose value another record holds, and nobody who was erased and is brought in from an old file.</summary>
internal sealed class Identifiers(IndexPlans plans, SuppressionDoor suppression)
{
    public IndexPlans Plans => plans;

    public SuppressionDoor Suppression => suppression;

    /// <summary>
    /// Refuses those among the people who are kept out, and lets in again those who came back themselves. Their identifiers are claimed by now; whoever refuses releases them.
    /// </summary>
    /// <returns>Those refused here.</returns>
    public async Task<IReadOnlyList<PendingCustomer>> RefuseAsync(
        Recipient recipient, NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<PendingCustomer> people, CancellationToken ct)
    {
        var erased = await suppression.ErasedHereAsync(connection, transaction, people.Select(item => item.Item.Package), ct);
        foreach (var item in people.Where(item => item.Item is { Returning: null, Package: { } package } && erased.Contains(package.Case))) item.Error = VaultException.ErasedHere();
        foreach (var of in (await suppression.FindAsync(connection, transaction, [.. people.Where(item => item.IsOpen).Select(item => item.Newcomer)], ct)).ToLookup(hit => hit.Of))
        {
            var item = people.First(one => one.Newcomer == of.Key);
            if (item.Item.Returning is null) item.Error = suppression.Told(recipient, of.First().Field);
            else item.Lifted = [.. of.Select(hit => hit.Group).Distinct()];
        }

        await suppression.LiftAsync(connection, transaction, [.. people.SelectMany(item => item.Lifted).Distinct()], ct);
        IReadOnlyList<PendingCustomer> refused = [.. people.Where(item => !item.IsOpen)];
        VaultMeters.KeptOut(refused.Count);
        return refused;
    }
}
