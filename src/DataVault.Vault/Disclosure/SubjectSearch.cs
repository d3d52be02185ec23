using DataVault.Policy;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>A search by exact values: each became a blind index term, and the values themselves go no further.</summary>
internal sealed class SubjectSearch
{
    // Indexes and records are spread over different keys; a materialised list between them is what a distributed PostgreSQL can join.
    private const string OneSql =
        $"""
        with found as materialized (select subject_id from vault.identifier where lookup = $1)
        select {SubjectRows.Columns} from vault.subject join found using (subject_id)
        """;

    private const string AllSql =
        $"""
        with found as materialized (
            select subject_id from (
                select subject_id, lookup as term from vault.identifier where lookup = any($1)
                union all
                select subject_id, term from vault.search_term where term = any($2)) as each
            group by subject_id having count(distinct term) = $3 order by subject_id limit $4)
        select {SubjectRows.Columns} from vault.subject join found using (subject_id) order by subject_id
        """;

    private readonly List<LookupTerm> terms = [];

    public IReadOnlyList<RequestedItem> Fields => [.. terms.Select(term => new RequestedItem(term.Field, null))];

    public int[] LogIds => [.. terms.Select(term => AuditLog.ItemCode(term.Field))];

    /// <exception cref="VaultException">A term names no searchable field, or cannot be a value of it.</exception>
    public static SubjectSearch Parse(IReadOnlyDictionary<string, string> where, Catalogue catalogue, KeyRegistry keys)
    {
        var search = new SubjectSearch();
        var problems = new List<FieldProblem>();
        if (where.Count == 0) problems.Add(new("/where", "empty", "At least one term is needed."));
        foreach (var (name, text) in where)
        {
            if (catalogue.Find(name) is not { Index: not FieldIndex.None } field) problems.Add(new("/where", "not-searchable", "Names a field that cannot be searched by."));
            else if (text is null) problems.Add(new($"/where/{name}", "wrong-type", "A text is wanted."));
            else if (LookupTerms.Sought(field, text, keys.Index(field.Id), out var term) is { } problem) problems.Add(new($"/where/{name}", problem.Code, problem.Message));
            else search.terms.Add(term);
        }
        return problems.Count == 0 ? search : throw VaultException.Invalid(problems);
    }

    /// <summary>The records of those who match every term. One round trip, whatever the number of terms.</summary>
    public async Task<List<SealedRecord>> FindAsync(VaultDatabase database, int limit, CancellationToken ct)
    {
        await using var command = database.Reads.CreateCommand(terms is [{ Field.Index: FieldIndex.Unique }] ? OneSql : AllSql);
        if (terms is [{ Field.Index: FieldIndex.Unique } only])
        {
            command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = only.Term });
        }
        else
        {
            command.Parameters.Add(Terms(FieldIndex.Unique));
            command.Parameters.Add(Terms(FieldIndex.Equality));
            command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = terms.Count });
            command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = limit });
        }
        return await Rows.ReadAsync(command, SubjectRows.Read, ct);
    }

    private NpgsqlParameter<byte[][]> Terms(FieldIndex index) =>
        new() { TypedValue = [.. terms.Where(term => term.Field.Index == index).Select(term => term.Term)] };
}
