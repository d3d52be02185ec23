using DataVault.Policy;
using DataVault.Vault.Indexes;
using Npgsql;

namespace DataVault.Vault;

/// <summary>Finds whom events are about: by id, or by e-mail, phone or number over the blind indexes, all of a call in one query.</summary>
internal sealed class CustomerLookups(VaultDatabase database, IndexPlans plans, Decider decider, SubjectReach reach)
{
    /// <summary>In the order asked; an id is taken as it is.</summary>
    public Task<IReadOnlyList<(SubjectId Subject, VaultException? Error)>> FindAsync(
        Recipient recipient, IReadOnlyList<(CustomerLookup Customer, string Purpose)> sought, CancellationToken ct) =>
        plans.WithPlanAsync(plan => FindAsync(plan, recipient, sought, ct), ct);

    private async Task<IReadOnlyList<(SubjectId Subject, VaultException? Error)>> FindAsync(
        IndexPlan plan, Recipient recipient, IReadOnlyList<(CustomerLookup Customer, string Purpose)> sought, CancellationToken ct)
    {
        var terms = sought.Select(one => Term(plan, recipient, one.Customer, one.Purpose)).ToList();
        var found = await FindTermsAsync(plan, [.. terms.Select(term => term.Term).OfType<LookupTerm>()], ct);
        found = await ReachedAsync(recipient, found, ct);
        return [.. sought.Zip(terms, (one, term) => term.Error is { } error ? (default, error) : Resolve(one.Customer, term.Term, found))];
    }

    // That several share a value must not tell of anybody out of reach. Whether a single one is reached is asked when the event is decided.
    private async Task<ILookup<UInt128, SubjectId>> ReachedAsync(Recipient recipient, ILookup<UInt128, SubjectId> found, CancellationToken ct)
    {
        if (found.All(group => group.Count() == 1) || reach.IsEverybody(recipient)) return found;
        var reached = await reach.AmongAsync(recipient, [.. found.SelectMany(group => group).Distinct()], ct);
        return found.SelectMany(group => group.Where(reached.Contains).Select(subject => (group.Key, Subject: subject))).ToLookup(pair => pair.Key, pair => pair.Subject);
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

    private (LookupTerm? Term, VaultException? Error) Term(IndexPlan plan, Recipient recipient, CustomerLookup customer, string purpose)
    {
        (string Field, string? Value)[] named = [("email", customer.Email), ("phone", customer.Phone), ("customerNumber", customer.CustomerNumber)];
        var given = named.Where(pair => pair.Value is not null).ToList();
        if (given.Count + (customer.Id is null ? 0 : 1) != 1) return (null, VaultException.Invalid([new("/customer", "one-of", "Exactly one of id, email, phone, customerNumber.")]));
        if (given.Count == 0) return (null, null);
        var (name, value) = given[0];
        if (decider.Policy.Catalogue.Find(name) is not { Index: not FieldIndex.None } field || !plan.ById.TryGetValue(field.Id, out var index) || !index.IsSearchable)
        {
            return (null, VaultException.Invalid([new($"/customer/{name}", "not-searchable", "There is no index of whole values on this field.")]));
        }
        if (!decider.Policy.Decisions.CouldPermit(recipient, AccessAction.Search, purpose, field)) return (null, VaultException.Forbidden());
        var condition = SearchCondition.Equal(value);
        if (condition.Prepare(field) is { } problem) return (null, VaultException.Invalid([new($"/customer/{name}", problem.Code, problem.Message)]));
        var text = LookupTerms.Sought(index.Definition, _ => condition)!;
        return (new LookupTerm(index.Definition, index.Complete!.Number, index.Complete.Keys.Term(text, 0)), null);
    }

    // Fields declare indexes of full length and one partition, so one term says it all.
    private async Task<ILookup<UInt128, SubjectId>> FindTermsAsync(IndexPlan plan, IReadOnlyList<LookupTerm> terms, CancellationToken ct)
    {
        if (terms.Count == 0) return Enumerable.Empty<SubjectId>().ToLookup(_ => UInt128.Zero);
        await using var command = database.Reads.CreateCommand(
            """
            with asked as (select distinct * from unnest($1, $2, $3) as a(index_id, epoch, term)),
            found as (
                select a.term, i.subject_id from asked a join vault.identifier i on i.lookup = a.term and i.index_id = a.index_id
                union all
                select a.term, t.subject_id from asked a join vault.search_term t on t.index_id = a.index_id and t.epoch = a.epoch and t.term = a.term)
            select h.generation, f.term, f.subject_id from vault.index_head h left join found f on true where h.head = 1
            """);
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = [.. terms.Select(term => term.Index.Id)] });
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = [.. terms.Select(term => term.Epoch)] });
        command.Parameters.Add(new NpgsqlParameter<byte[][]> { TypedValue = [.. terms.Select(term => term.Term)] });
        var rows = await Rows.ReadAsync(
            database, command, row => (Generation: row.GetInt64(0), Term: row.IsDBNull(1) ? [] : row.GetFieldValue<byte[]>(1), Subject: row.IsDBNull(2) ? default : new SubjectId(row.GetGuid(2))), ct);
        if (rows[0].Generation != plan.Generation) throw new StaleIndexPlanException();
        return rows.Where(row => row.Term.Length > 0).ToLookup(row => LookupTerm.NumberOf(row.Term), row => row.Subject);
    }
}
