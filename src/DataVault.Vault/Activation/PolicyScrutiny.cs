using DataVault.Policy;
using DataVault.Transparency;
using Npgsql;

namespace DataVault.Vault;

/// <summary>A version that somebody would like to be in force.</summary>
/// <param name="Files">Path relative to the policy folder, to the text of the file.</param>
/// <param name="Retire">Names of fields and event types that may go although something is held of them.</param>
public sealed record PolicyProposal(IReadOnlyDictionary<string, string> Files, IReadOnlyList<string> Retire);

/// <summary>What was found of a proposal. Without problems it may be activated.</summary>
/// <param name="Policy">Null when it does not load.</param>
/// <param name="Notes">What its activation brings with it.</param>
public sealed record PolicyVerdict(PolicySet? Policy, IReadOnlyList<PolicyProblem> Problems, IReadOnlyList<string> Notes)
{
    public bool Passed => Problems.Count == 0;
}

/// <summary>Makes the schemas of analytics domains, where this process may: changing the schema is an administrator's right, which the vault's own login lacks.</summary>
public delegate Task DomainProvision(IReadOnlyList<AnalyticsDomain> domains, CancellationToken ct);

/// <summary>Everything that stands between a proposal and its activation: it loads, lints, passes its cases, and can follow what is in force over the data that there are.</summary>
internal sealed class PolicyScrutiny(VaultDatabase database, PolicyStore store, LogIndexer indexer)
{
    private const string Written = "select exists (select from audit.shape where type = $1 and items @> array[$2::int])";
    private const string Happened = "select exists (select from vault.event where event_type = $1)";

    public async Task<PolicyVerdict> ExamineAsync(PolicyProposal proposal, PolicySet now, CancellationToken ct)
    {
        PolicySet next;
        try
        {
            next = PolicySet.Load(proposal.Files);
        }
        catch (PolicyException e)
        {
            return new PolicyVerdict(null, e.Problems, []);
        }

        var problems = new List<PolicyProblem>(next.Lint());
        problems.AddRange(PolicySuccession.Problems(await store.NumbersAsync(ct), now, next, proposal.Files));
        var notes = new List<string>();
        await indexer.CatchUpAsync(ct);
        await RetireAsync(proposal, now, next, problems, notes, ct);
        notes.AddRange(Indexes(now, next));
        notes.AddRange(now.Roles.All.Where(role => next.Roles.Find(role.Name) is null).Select(role => $"The role {role.Name} is gone: credentials that carry it may do nothing by it."));
        notes.AddRange(now.Analytics.Where(domain => !next.Analytics.Any(one => one.Name == domain.Name)).Select(domain => $"The analytics domain {domain.Name} is gone: its rows are deleted."));
        return new PolicyVerdict(next, problems, notes);
    }

    /// <summary>Domains whose schema lacks something that this version writes.</summary>
    public async Task<List<AnalyticsDomain>> UnprovidedAsync(PolicySet next, CancellationToken ct)
    {
        var lacking = new List<AnalyticsDomain>();
        foreach (var domain in next.Analytics)
        {
            await using var command = database.Source.CreateCommand(
                """
                select attname::text from pg_attribute where attrelid = (
                    select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = 'customer') and attnum > 0 and not attisdropped
                """);
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = domain.Schema });
            var columns = await Rows.ReadAsync(command, row => row.GetString(0), ct);
            if (columns.Count == 0 || domain.CustomerColumns.Any(column => !columns.Contains(column.Column))) lacking.Add(domain);
        }

        return lacking;
    }

    // What a field holds is sealed, and nobody counts it from outside; that it was ever written, the log says.
    private async Task RetireAsync(PolicyProposal proposal, PolicySet now, PolicySet next, List<PolicyProblem> problems, List<string> notes, CancellationToken ct)
    {
        foreach (var item in PolicySuccession.Retired(now, next))
        {
            if (!await IsHeldAsync(item, ct)) notes.Add($"{item.Name} is gone; nothing was ever written to it.");
            else if (proposal.Retire.Contains(item.Name)) notes.Add($"{item.Name} is gone; what is held of it stays sealed until its person is erased, and nobody can read it.");
            else
            {
                problems.Add(new PolicyProblem(
                    item is FieldDefinition ? "catalogue.yaml" : "events.yaml", 0,
                    $"{item.Name} is gone although values were written to it: they could be neither read nor exported. Keep it under a forbid, or name it as retired."));
            }
        }

        foreach (var unknown in proposal.Retire.Where(name => now.Items.All(item => item.Name != name) || next.Items.Any(item => item.Name == name)))
            problems.Add(new PolicyProblem("", 0, $"{unknown} is named as retired, and is not a field or event type that goes."));
    }

    private async Task<bool> IsHeldAsync(CatalogueItem item, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(item is FieldDefinition ? Written : Happened);
        if (item is FieldDefinition) command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = (int)EntryType.RecordWrite });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = item.Id });
        return (bool)(await command.ExecuteScalarAsync(ct))!;
    }

    private static IEnumerable<string> Indexes(PolicySet now, PolicySet next)
    {
        foreach (var index in next.Catalogue.Indexes)
        {
            if (now.Catalogue.IndexById(index.Id)?.Signature != index.Signature) yield return $"The blind index {index.Name} is built in the background; until then nothing is found by it.";
        }

        foreach (var index in now.Catalogue.Indexes.Where(index => next.Catalogue.IndexById(index.Id) is null))
            yield return $"The blind index {index.Name} is gone: its terms and keys are deleted.";
    }
}
