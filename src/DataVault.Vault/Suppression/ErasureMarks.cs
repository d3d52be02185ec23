using System.Security.Cryptography;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>
/// Makes the marks of somebody who is being erased, in the transaction from which there is no way back: the last in which their identifiers can be read. Of an erasure that nobody asked for
/// (retention) nothing is kept, and of a record that does not open nothing can be.
/// </summary>
internal sealed class ErasureMarks(SuppressionKeys keys, SuppressionList list, SuppressionJournal journal, IndexedValues indexed, ActivePolicy policy, VaultClock clock)
{
    /// <summary>Empty where nothing is kept.</summary>
    public async Task<IReadOnlyList<SuppressionMark>> KeepAsync(DutyWork work, RequestRow request, SealedRecord record, SubjectKeys held)
    {
        if (policy.Current.Suppression is not { } rules || request.OpenedBy == RetentionErasures.OpenedBy) return [];
        var hardened = new List<byte[]>();
        using (var opened = indexed.Open(record, held, rules.Identifiers))
        {
            foreach (var field in rules.Identifiers)
            {
                if (opened.Find(field) is not { } value) continue;
                hardened.AddRange(LookupTerms.Strings(field, value).Select(text => keys.Harden(field, text)));
                CryptographicOperations.ZeroMemory(value);
            }
        }

        if (hardened.Count == 0) return [];
        var (epoch, key) = await keys.CurrentAsync(work.Cancellation);
        var (group, expires) = (NewGroup(), clock.Today.AddMonths(rules.Months));
        List<SuppressionMark> marks = [.. hardened.Select((one, number) => new SuppressionMark(group, number, epoch, key.Term(one, 0), expires))];
        await list.InsertAsync(work.Connection, work.Transaction, marks, work.Cancellation);
        return marks;
    }

    // No time in it, and nothing that leads to the request.
    private Guid NewGroup()
    {
        Span<byte> bytes = stackalloc byte[16];
        clock.Random.Fill(bytes);
        return new Guid(bytes);
    }

    /// <summary>After that transaction: a crash in between is made good at the next start.</summary>
    public Task RememberAsync(IReadOnlyList<SuppressionMark> marks, CancellationToken ct) => journal.AppendAsync(marks, [], ct);
}
