using DataVault.Policy;
using DataVault.Vault.Indexes;
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

    /// <summary>The identifiers as the suppression list is asked about them.</summary>
    public Newcomer Newcomer => field ??= new Newcomer(Draft?.Values ?? []);

    /// <summary>Erasures of which nothing is kept any more, since the person came back.</summary>
    public IReadOnlyCollection<Guid> Lifted { get; set; } = [];

    public DecisionFacts Facts => Draft!.Facts;

    public IEnumerable<(SubjectId Subject, LookupTerm Term)> Identifiers => Terms.Where(term => term.Index.IsUnique).Select(term => (subject, term));

    public IEnumerable<(SubjectId Subject, LookupTerm Term)> SharedTerms => Terms.Where(term => !term.Index.IsUnique).Select(term => (subject, term));

    public void Accept(ProfileDraft draft, Decision decision) => (Draft, Decision) = (draft, decision);

    /// <summary>Makes the terms of this plan; again when the plan has changed.</summary>
    public void MakeTerms(IndexPlan plan)
    {
        if (!IsOpen) return;
        var values = Draft!.Values.Where(value => value.Utf8Json is not null).ToDictionary(value => value.Field, value => value.Utf8Json);
        Terms = [.. plan.Holding(values.Keys).SelectMany(index => LookupTerms.Of(index, subject, values.GetValueOrDefault))];
    }

    /// <summary>The first of its identifiers that is among the given ones makes it a conflict.</summary>
    public void RefuseIfTaken(Func<UInt128, bool> isTaken)
    {
        foreach (var (_, term) in Identifiers)
        {
            if (isTaken(term.Number)) Error ??= VaultException.Conflict(term.Index.Parts[0].Field.Name);
        }
    }

    public ItemResult<WriteOutcome> Result() => Error is null ? new(new WriteOutcome(subject, Record!.RowVersion, LogIndex)) : new(Error);
}
