using DataVault.Policy;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>Finds whom events are about: by id, or by e-mail, phone or number over the blind indexes, all of a call in one query.</summary>
internal sealed class CustomerLookups(VaultDatabase database, KeyRegistry keys, Decider decider)
{
    /// <summary>In the order asked; an id is taken as it is.</summary>
    public async Task<IReadOnlyList<(SubjectId Subject, VaultException? Error)>> FindAsync(
        Recipient recipient, IReadOnlyList<(CustomerLookup Customer, string Purpose)> sought, CancellationToken ct)
    {
        var terms = sought.Select(one => Term(recipient, one.Customer, one.Purpose)).ToList();
        var found = await FindTermsAsync([.. terms.Select(term => term.Term).OfType<LookupTerm>()], ct);
        return [.. sought.Zip(terms, (one, term) => term.Error is { } error ? (default, error) : Resolve(one.Customer, term.Term, found))];
    }

    private static (SubjectId, VaultException?) Resolve(CustomerLookup customer, LookupTerm? term, ILookup<UInt128, SubjectId> found)
    {
        if (term is null) return (customer.Id!.Value, null);
        var subjects = found[term.Value.Number].Take(2).ToList();
        return subjects.Count switch
        {
            0 => (default, VaultException.NotFound()),
            1 => (subjects[0], null),
            _ => (default, VaultException.Invalid([new("/customer", "ambiguous", "Several customers share this value.")])),
        };
    }

    private (LookupTerm? Term, VaultException? Error) Term(Recipient recipient, CustomerLookup customer, string purpose)
    {
        (string Field, string? Value)[] named = [("email", customer.Email), ("phone", customer.Phone), ("customerNumber", customer.CustomerNumber)];
        var given = named.Where(pair => pair.Value is not null).ToList();
        if (given.Count + (customer.Id is null ? 0 : 1) != 1) return (null, VaultException.Invalid([new("/customer", "one-of", "Exactly one of id, email, phone, customerNumber.")]));
        if (given.Count == 0) return (null, null);
        var (name, value) = given[0];
        if (decider.Policy.Catalogue.Find(name) is not { Index: not FieldIndex.None } field) return (null, VaultException.Invalid([new($"/customer/{name}", "not-searchable", "The catalogue has no index on this field.")]));
        if (!decider.Policy.Decisions.CouldPermit(recipient, AccessAction.Search, purpose, field)) return (null, VaultException.Forbidden());
        return LookupTerms.Sought(field, value!, keys.Index(field.Id), out var term) is { } problem
            ? (null, VaultException.Invalid([new($"/customer/{name}", problem.Code, problem.Message)]))
            : (term, null);
    }

    private async Task<ILookup<UInt128, SubjectId>> FindTermsAsync(IReadOnlyList<LookupTerm> terms, CancellationToken ct)
    {
        if (terms.Count == 0) return Enumerable.Empty<SubjectId>().ToLookup(_ => UInt128.Zero);
        await using var command = database.Reads.CreateCommand(
            """
            select lookup, subject_id from vault.identifier where lookup = any($1)
            union all
            select term, subject_id from vault.search_term where term = any($2)
            """);
        command.Parameters.Add(Distinct(terms, FieldIndex.Unique));
        command.Parameters.Add(Distinct(terms, FieldIndex.Equality));
        var rows = await Rows.ReadAsync(command, row => (Term: LookupTerm.NumberOf(row.GetFieldValue<byte[]>(0)), Subject: new SubjectId(row.GetGuid(1))), ct);
        return rows.ToLookup(row => row.Term, row => row.Subject);
    }

    private static NpgsqlParameter<byte[][]> Distinct(IReadOnlyList<LookupTerm> terms, FieldIndex index) => new()
    {
        TypedValue = [.. terms.Where(term => term.Field.Index == index).DistinctBy(term => term.Number).Select(term => term.Term)],
    };
}
