using DataVault.Policy;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>A customer on its way into the vault: what came, what was made of it, and what stopped it.</summary>
internal sealed class PendingCustomer(NewCustomer item, SubjectId subject)
{
    public NewCustomer Item => item;

    public SubjectId Subject => subject;

    public ProfileDraft? Draft { get; private set; }

    public Decision? Decision { get; private set; }

    public IReadOnlyList<LookupTerm> Terms { get; private set; } = [];

    public VaultException? Error { get; set; }

    public SubjectKeys? Keys { get; set; }

    public SealedRecord? Record { get; set; }

    public long LogIndex { get; set; }

    public bool IsOpen => Error is null;

    public DecisionFacts Facts => new(Draft!.Consents, [], Restricted: false, OnHold: false);

    public IEnumerable<(SubjectId Subject, LookupTerm Term)> TermsOf(FieldIndex index) =>
        Terms.Where(term => term.Field.Index == index).Select(term => (subject, term));

    public void Accept(ProfileDraft draft, Decision decision, IReadOnlyList<LookupTerm> terms) => (Draft, Decision, Terms) = (draft, decision, terms);

    /// <summary>The first of its identifiers that is among the given ones makes it a conflict.</summary>
    public void RefuseIfTaken(Func<UInt128, bool> isTaken)
    {
        foreach (var (_, term) in TermsOf(FieldIndex.Unique))
        {
            if (isTaken(term.Number)) Error ??= VaultException.Conflict(term.Field.Name);
        }
    }

    public ItemResult<WriteOutcome> Result() => Error is null ? new(new WriteOutcome(subject, Record!.RowVersion, LogIndex)) : new(Error);
}
