using System.Text.Json;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>
/// The address of a person that letters go to, as the policy declares it (<c>letters.yaml</c>): read, and looked for, by the process that writes letters, through the gate
/// like by anybody else. Each look is an entry of the log, and without a rule that permits it there is nothing and nobody.
/// </summary>
public sealed class HeldAddresses
{
    private readonly DisclosureGate gate;
    private readonly CustomerSearch search;
    private readonly ActivePolicy policy;

    internal HeldAddresses(DisclosureGate gate, CustomerSearch search, ActivePolicy policy) => (this.gate, this.search, this.policy) = (gate, search, policy);

    /// <summary>What is held of somebody; null when nothing is, or it may not be read.</summary>
    /// <param name="subject">Whose.</param>
    /// <param name="requestId">Under which the entry stands.</param>
    /// <param name="ct">Ends the wait.</param>
    /// <exception cref="VaultException">unavailable.</exception>
    public async Task<string?> ReadAsync(SubjectId subject, Guid requestId, CancellationToken ct)
    {
        if (Field is not { } field) return null;
        try
        {
            using var read = await gate.ReadAsync(new ReadQuery(LetterBook.Writer, subject, SubjectRequests.Purpose, [new RequestedItem(field, null)], Provenance: false, requestId), ct);
            return read.Fields.FirstOrDefault(one => one.Form == Form.Plain) is { } value ? JsonSerializer.Deserialize<string>(value.Utf8Json.Span) : null;
        }
        catch (VaultException e) when (e.Slug is "not-found" or "forbidden" or VaultException.DamagedSlug)
        {
            return null;
        }
    }

    /// <summary>The one person whose address this is; null when there is nobody, or several, or it may not be looked for.</summary>
    /// <exception cref="VaultException">unavailable.</exception>
    public async Task<SubjectId?> FindAsync(string address, Guid requestId, CancellationToken ct)
    {
        if (Field is not { } field) return null;
        try
        {
            var where = new Dictionary<string, SearchCondition> { [field.Name] = SearchCondition.Equal(address) };
            var found = await search.SearchAsync(LetterBook.Writer, SubjectRequests.Purpose, where, [new RequestedItem(field, null)], limit: 1, requestId, ct);
            foreach (var one in found.Results) one.Dispose();
            return found.Results is [var only] ? only.Id : null;
        }
        catch (VaultException e) when (e.Slug is "not-found" or "forbidden" or "invalid-fields" or "invalid-request" or VaultException.DamagedSlug)
        {
            return null;
        }
    }

    private FieldDefinition? Field => policy.Current.Letters?.AddressField;
}
