using System.Diagnostics;
using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault.Indexes;

/// <summary>
/// Builds and re-builds indexes in small steps. Where a build stands is in the plan alone, written in the transaction of the step itself: whoever goes on, after
/// whatever death, does the next step.
/// </summary>
internal sealed class IndexBuilder(VaultDatabase database, IndexPlans plans, IndexScan scan, IndexChanges changes, SurveySeal seal, IndexPolicy policy)
{
    private const int RetireBatch = 5_000;

    /// <summary>The next step of an index; false when nothing is to be done.</summary>
    /// <exception cref="VaultException">A database is away; the step is as if not begun.</exception>
    public async Task<bool> StepAsync(IndexDefinition index, CancellationToken ct)
    {
        var row = await changes.FindAsync(index, ct);
        if (row.Old is not null) return await RetireAsync(row, index, ct);
        if (row.Next is not null) return await FillOrSwitchAsync(index, ct);
        if (await policy.NeedsSurveyAsync(index, row, ct)) return await SurveyAsync(index, row, ct);
        return false;
    }

    /// <summary>Goes on until nothing is to be done.</summary>
    public async Task FinishAsync(IndexDefinition index, CancellationToken ct)
    {
        while (await StepAsync(index, ct))
        {
        }
    }

    /// <summary>Deletes what is left of indexes that the policy does not declare any more.</summary>
    public async Task<bool> DropAsync(CancellationToken ct)
    {
        var (_, rows) = await IndexRows.ReadAllAsync(database, ct);
        if (rows.Find(row => row.State == IndexStates.Dropped) is not { } dropped) return false;
        return await RetireAsync(dropped, null, ct);
    }

    private async Task<bool> SurveyAsync(IndexDefinition index, IndexRow row, CancellationToken ct)
    {
        if (scan.Closed(index) is { } closed)
        {
            await changes.RefuseAsync(index, $"The policy does not let vault-maintenance search by {closed.Name} for {IndexedValues.Purpose}, so it cannot be filled.", null, ct);
            return false;
        }

        var values = row.Complete is { } complete && !index.IsTruncated
            ? await IndexHistogram.ValuesAsync(database, index, complete.Epoch, ct)
            : await scan.SurveyAsync(index, policy.RestAsync, ct);
        var survey = new Survey(policy.Now, values);
        var advice = IndexPlanner.Advise(index, values, policy.SearchLimit);
        if (advice.Verdict == IndexVerdict.Unsafe && IndexPolicy.IsNew(index, row))
        {
            await changes.RefuseAsync(index, advice.Reason, seal.Seal(index, survey), ct);
            return false;
        }

        if (!policy.NeedsBuild(index, row, advice.Bits))
        {
            await changes.NoteAsync(index, seal.Seal(index, survey), ct);
            return false;
        }

        await changes.BeginAsync(index, advice.Bits, survey, seal.Seal(index, survey), ct);
        return true;
    }

    private async Task<bool> FillOrSwitchAsync(IndexDefinition index, CancellationToken ct)
    {
        var watch = Stopwatch.StartNew();
        try
        {
            var filled = await plans.WriteAsync(static _ => { }, (plan, connection, transaction) => FillAsync(plan.ById[index.Id], plan, connection, transaction, ct), ct);
            if (filled == FillResult.Last) await changes.SwitchAsync(index, ct);
        }
        catch (HeldTwiceException)
        {
            await changes.RefuseAsync(index, $"Several people hold the same {index.Parts[0].Field.Name}: it cannot be unique.", null, ct);
        }

        await policy.RestAsync(watch.Elapsed, ct);
        return true;
    }

    private enum FillResult
    {
        More,
        Last,
    }

    // The rows of the people first, then the lock on the plan: the order of every writer.
    private async Task<FillResult> FillAsync(LiveIndex index, IndexPlan plan, NpgsqlConnection connection, NpgsqlTransaction transaction, CancellationToken ct)
    {
        if (index.Next is not { } next || await IndexRows.FindAsync(connection, transaction, index.Definition.Id, ct) is not { } row) throw new StaleIndexPlanException();
        var (records, people) = await scan.LockNextAsync(connection, transaction, index.Definition, row.Cursor ?? Guid.Empty, policy.Batch, ct);
        var filling = index with { Complete = null, Next = next };
        var terms = new List<(SubjectId Subject, LookupTerm Term)>();
        foreach (var person in people)
        {
            using (person) terms.AddRange(LookupTerms.Of(filling, person.Subject, person.Values.GetValueOrDefault).Select(term => (person.Subject, term)));
        }

        if (index.Definition.IsUnique) await ClaimAsync(connection, transaction, plan, terms, ct);
        else await IndexPlans.HoldAsync(connection, transaction, plan, ct);
        await using var batch = new NpgsqlBatch(connection, transaction);
        if (!index.Definition.IsUnique && terms.Count > 0) batch.BatchCommands.Add(ProfileTables.AddTerms(terms));
        batch.BatchCommands.Add(IndexRows.Progress(index.Definition.Id, records.Count > 0 ? records[^1].Subject.Value : row.Cursor, records.Count));
        await batch.ExecuteNonQueryAsync(ct);
        return records.Count < policy.Batch ? FillResult.Last : FillResult.More;
    }

    private static async Task ClaimAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, IndexPlan plan, List<(SubjectId Subject, LookupTerm Term)> terms, CancellationToken ct)
    {
        if (terms.GroupBy(term => term.Term.Number).Any(group => group.Select(term => term.Subject).Distinct().Skip(1).Any())) throw new HeldTwiceException();
        var claimed = await ProfileTables.ClaimAsync(connection, transaction, plan, terms, ct);
        var missing = terms.Where(term => !claimed.Contains(term.Term.Number)).ToList();
        if (missing.Count == 0) return;
        // Their own: written by a change since the epoch began, or by a step that was repeated. Anybody else's: held twice.
        await using var command = new NpgsqlCommand(
            "select count(*) from unnest($1, $2) as u(lookup, subject_id) join vault.identifier i on i.lookup = u.lookup and i.subject_id <> u.subject_id", connection, transaction)
        {
            Parameters = { new() { Value = missing.Select(term => term.Term.Term).ToArray() }, new() { Value = missing.Select(term => term.Subject.Value).ToArray() } },
        };
        if ((long)(await command.ExecuteScalarAsync(ct))! > 0) throw new HeldTwiceException();
    }

    private async Task<bool> RetireAsync(IndexRow row, IndexDefinition? index, CancellationToken ct)
    {
        var watch = Stopwatch.StartNew();
        var kept = new[] { row.Complete?.Epoch, row.Next?.Epoch }.OfType<int>().ToArray();
        var more = await DeleteTermsAsync(row, kept, ct) | await DeleteIdentifiersAsync(row, kept, ct);
        if (!more) await changes.RetiredAsync(row, index, ct);
        await policy.RestAsync(watch.Elapsed, ct);
        return true;
    }

    private Task<bool> DeleteTermsAsync(IndexRow row, int[] kept, CancellationToken ct) => database.RunAsync(async (connection, transaction) =>
    {
        await using var command = new NpgsqlCommand(
            $"""
            delete from vault.search_term t using (
                select subject_id, epoch, term from vault.search_term where index_id = $1 and epoch <> all($2) limit {RetireBatch}) as gone
            where t.subject_id = gone.subject_id and t.index_id = $1 and t.epoch = gone.epoch and t.term = gone.term
            """, connection, transaction)
        {
            Parameters = { new() { Value = row.IndexId }, new() { Value = kept } },
        };
        return await command.ExecuteNonQueryAsync(ct) > 0;
    }, ct);

    // Identifiers are sorted by themselves alone, so the whole table is passed once, in their order.
    private Task<bool> DeleteIdentifiersAsync(IndexRow row, int[] kept, CancellationToken ct) => database.RunAsync(async (connection, transaction) =>
    {
        await using var page = new NpgsqlCommand(
            $"select lookup from (select lookup from vault.identifier where lookup > $1 order by lookup limit {RetireBatch}) as next order by lookup desc limit 1", connection, transaction)
        {
            Parameters = { new() { Value = row.Cursor is { } at ? at.ToByteArray(bigEndian: true) : [] } },
        };
        if (await page.ExecuteScalarAsync(ct) is not byte[] last) return false;
        await using var batch = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands =
            {
                new("delete from vault.identifier where lookup > $1 and lookup <= $2 and index_id = $3 and epoch <> all($4)")
                {
                    Parameters = { new() { Value = page.Parameters[0].Value }, new() { Value = last }, new() { Value = row.IndexId }, new() { Value = kept } },
                },
                IndexRows.Progress(row.IndexId, new Guid(last, bigEndian: true), RetireBatch),
            },
        };
        await batch.ExecuteNonQueryAsync(ct);
        return true;
    }, ct);

    private sealed class HeldTwiceException() : Exception("An identifier is held by several people.");
}
