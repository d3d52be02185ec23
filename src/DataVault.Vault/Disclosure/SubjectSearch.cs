using DataVault.Policy;
using DataVault.Vault.Indexes;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// A search: what is asked of each field, and the indexes that answer it. Each condition becomes blind index terms, and the values themselves go no further.
/// Of a truncated or partial index comes a superset, which the gate compares with the opened values.
/// </summary>
internal sealed class SubjectSearch
{
    // Indexes and records are spread over different keys; a materialised list between them is what a distributed PostgreSQL can join.
    private const string OneSql =
        $"""
        with found as materialized (select subject_id from vault.identifier where lookup = $1)
        select h.generation, s.* from vault.index_head h
        left join (select {SubjectRows.Columns} from vault.subject join found using (subject_id)) s on true where h.head = 1
        """;

    private const string AllSql =
        """
        with asked as (select * from unnest($1, $2, $3, $4) with ordinality as a(index_id, epoch, term, question, place)),
        hits as (
            select i.subject_id, a.question, a.place from asked a join vault.identifier i on i.lookup = a.term and i.index_id = a.index_id
            union all
            select t.subject_id, a.question, a.place from asked a join vault.search_term t on t.index_id = a.index_id and t.epoch = a.epoch and t.term = a.term),
        found as materialized (
            select subject_id, array_agg(place) as places from hits where subject_id > $7 group by subject_id having count(distinct question) = $5 order by subject_id limit $6)
        select h.generation, f.subject_id, f.places from vault.index_head h left join found f on true where h.head = 1
        """;

    private readonly IndexPlan plan;
    private readonly Dictionary<FieldDefinition, SearchCondition> conditions;
    private readonly List<LiveIndex> indexes;
    private readonly List<Question> questions;

    private SubjectSearch(IndexPlan plan, Dictionary<FieldDefinition, SearchCondition> conditions, List<LiveIndex> indexes)
    {
        (this.plan, this.conditions, this.indexes) = (plan, conditions, indexes);
        questions = [.. indexes.SelectMany((index, number) => Ask(index, number))];
        IsExact = indexes.TrueForAll(index => !index.Definition.IsTruncated) && conditions.Values.All(condition => condition.Comparison == SearchComparison.Equal)
            && indexes.TrueForAll(index => index.Definition.Parts.All(part => part.Kind == IndexPartKind.Whole));
    }

    public IReadOnlyList<FieldDefinition> Fields => [.. conditions.Keys];

    /// <summary>True when whoever has the terms has the values: nothing needs to be opened to know.</summary>
    public bool IsExact { get; }

    /// <summary>What is asked, whatever becomes of it: enough to decide whether the caller may ask.</summary>
    /// <exception cref="VaultException">A condition names no indexed field, or no value can meet it.</exception>
    public static Dictionary<FieldDefinition, SearchCondition> Read(IReadOnlyDictionary<string, SearchCondition> where, Catalogue catalogue)
    {
        var read = new Dictionary<FieldDefinition, SearchCondition>();
        var problems = new List<FieldProblem>();
        if (where.Count == 0) problems.Add(new("/where", "empty", "At least one term is needed."));
        foreach (var (name, condition) in where)
        {
            if (catalogue.Find(name) is not { } field || !catalogue.IsIndexed(field)) problems.Add(new("/where", "not-searchable", "Names a field that cannot be searched by."));
            else if (condition is null) problems.Add(new($"/where/{name}", "wrong-type", "A text is wanted."));
            else if (condition.Prepare(field) is { } problem) problems.Add(new($"/where/{name}", problem.Code, problem.Message));
            else read.Add(field, condition);
        }

        return problems.Count == 0 ? read : throw VaultException.Invalid(problems);
    }

    /// <summary>Chooses the indexes: the most telling first, each only if it answers for a field that those before do not.</summary>
    /// <exception cref="VaultException">No index answers for some field; which would is said.</exception>
    public static SubjectSearch Over(IndexPlan plan, Dictionary<FieldDefinition, SearchCondition> conditions)
    {
        var covered = new HashSet<FieldDefinition>();
        var chosen = new List<LiveIndex>();
        foreach (var index in plan.Indexes.Where(index => index.IsSearchable && LookupTerms.Sought(index.Definition, conditions.GetValueOrDefault) is not null)
                     .OrderByDescending(index => index.Definition.IsUnique).ThenBy(index => index.Definition.IsTruncated).ThenByDescending(index => index.Definition.Parts.Count)
                     .ThenByDescending(index => index.Complete!.Keys.Bits))
        {
            var fields = index.Definition.Parts.Select(part => part.Field).ToList();
            if (fields.TrueForAll(covered.Contains)) continue;
            covered.UnionWith(fields);
            chosen.Add(index);
        }

        List<FieldProblem> problems = [.. conditions.Keys.Where(field => !covered.Contains(field)).Select(field => Unanswered(plan, field))];
        return problems.Count == 0 ? new SubjectSearch(plan, conditions, chosen) : throw VaultException.Invalid(problems);
    }

    /// <summary>Whether the opened values are what was asked for.</summary>
    public bool IsMetBy(OpenedRecord opened) =>
        conditions.All(condition => opened.FirstOrDefault(field => field.Field.Id == condition.Key.Id) is { } value && condition.Value.IsMetBy(condition.Key, value.Utf8Json.Span));

    /// <summary>The records of those whose terms match; at most one more than <paramref name="limit"/>. One round trip for one identifier, else two.</summary>
    /// <exception cref="StaleIndexPlanException">The plan has changed.</exception>
    public async Task<List<SealedRecord>> FindAsync(VaultDatabase database, int limit, CancellationToken ct)
    {
        if (indexes is [{ Definition.IsUnique: true }]) return await FindOneAsync(database, ct);
        var (candidates, _) = await FindCandidatesAsync(database, limit, Guid.Empty, ct);
        var records = await SubjectRows.FindManyAsync(database, [.. candidates.Take(limit + 1)], ct);
        return [.. records.Values.OrderBy(record => record.Subject.Value)];
    }

    /// <summary>The same among those who pass: whoever does not takes nobody's place. As many round trips as there are pages of people with these terms.</summary>
    /// <exception cref="StaleIndexPlanException">The plan has changed.</exception>
    public async Task<List<SealedRecord>> FindAmongAsync(VaultDatabase database, int limit, Predicate<SealedRecord> passes, CancellationToken ct)
    {
        if (indexes is [{ Definition.IsUnique: true }]) return (await FindOneAsync(database, ct)).FindAll(passes);
        var among = new List<SealedRecord>();
        Guid? after = Guid.Empty;
        while (after is { } from && among.Count <= limit)
        {
            (var candidates, after) = await FindCandidatesAsync(database, limit, from, ct);
            var records = await SubjectRows.FindManyAsync(database, candidates, ct);
            among.AddRange(records.Values.Where(record => passes(record)).OrderBy(record => record.Subject.Value));
        }

        return among;
    }

    private static FieldProblem Unanswered(IndexPlan plan, FieldDefinition field)
    {
        var pointer = $"/where/{field.Name}";
        var holding = plan.Indexes.Where(index => index.Definition.Parts.Any(part => part.Field == field)).ToList();
        if (holding.Count > 0 && holding.TrueForAll(index => !index.IsSearchable))
        {
            var why = holding.Select(index => index.Row.State == IndexStates.Refused ? $"{index.Definition.Name} is refused: {index.Row.Reason}" : $"{index.Definition.Name} is being built.");
            return new(pointer, "index-not-ready", string.Join(" ", why));
        }

        var answers = holding.Where(index => index.IsSearchable).Select(index => $"{index.Definition.Name} by {index.Definition.Describe()}");
        var refused = holding.Where(index => index.Row.State == IndexStates.Refused).Select(index => $" {index.Definition.Name} is refused: {index.Row.Reason}");
        return new(pointer, "no-index", $"No index answers this question; with this field there is: {string.Join("; ", answers)}.{string.Concat(refused)}");
    }

    private IEnumerable<Question> Ask(LiveIndex index, int number)
    {
        var text = LookupTerms.Sought(index.Definition, conditions.GetValueOrDefault)!;
        for (var partition = 0; partition < index.Complete!.Keys.Partitions; partition++)
        {
            yield return new Question(number, index, partition, index.Complete.Keys.Term(text, partition));
        }
    }

    private async Task<List<SealedRecord>> FindOneAsync(VaultDatabase database, CancellationToken ct)
    {
        await using var command = database.Reads.CreateCommand(OneSql);
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = questions[0].Term });
        var rows = await Rows.ReadAsync(database, command, row => (Generation: row.GetInt64(0), Record: row.IsDBNull(1) ? null : SubjectRows.Read(row, 1)), ct);
        ThrowIfStale(rows[0].Generation);
        return rows[0].Record is { } record ? [record] : [];
    }

    /// <returns>A page of them, and after whom the next one begins; null when there is none.</returns>
    private async Task<(List<SubjectId> Candidates, Guid? Next)> FindCandidatesAsync(VaultDatabase database, int limit, Guid after, CancellationToken ct)
    {
        await using var command = database.Reads.CreateCommand(AllSql);
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = [.. questions.Select(question => question.Index.Definition.Id)] });
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = [.. questions.Select(question => question.Index.Complete!.Number)] });
        command.Parameters.Add(new NpgsqlParameter<byte[][]> { TypedValue = [.. questions.Select(question => question.Term)] });
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = [.. questions.Select(question => question.Number)] });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = indexes.Count });
        // Of a bucket only the people of the asked partition are candidates, so as many more are let through before they are sorted out.
        var page = (limit + 1) * indexes.Max(index => index.Complete!.Keys.Partitions);
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = page });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = after });
        var rows = await Rows.ReadAsync(database, command, row => (Generation: row.GetInt64(0), Subject: row.IsDBNull(1) ? default : row.GetGuid(1), Places: row.IsDBNull(2) ? [] : row.GetFieldValue<long[]>(2)), ct);
        ThrowIfStale(rows[0].Generation);
        List<SubjectId> found = [.. rows.Where(row => row.Places.Length > 0 && IsOfItsPartitions(row.Subject, row.Places)).Select(row => new SubjectId(row.Subject))];
        return (found, rows.Count < page ? null : rows[^1].Subject);
    }

    // Another person of the same bucket, but of another partition, was put there by another key: certainly not the value asked for.
    private bool IsOfItsPartitions(Guid subject, long[] places)
    {
        var id = subject.ToByteArray(bigEndian: true);
        var hit = places.Select(place => questions[(int)place - 1]).Where(question => question.Index.Complete!.Keys.PartitionOf(id) == question.Partition);
        return hit.Select(question => question.Number).Distinct().Count() == indexes.Count;
    }

    private void ThrowIfStale(long generation)
    {
        if (generation != plan.Generation) throw new StaleIndexPlanException();
    }

    private sealed record Question(int Number, LiveIndex Index, int Partition, byte[] Term);
}
