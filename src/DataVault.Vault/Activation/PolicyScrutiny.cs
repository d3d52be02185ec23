using System.Text.Json;
using DataVault.Policy;
using DataVault.Transparency;
using Npgsql;

namespace DataVault.Vault;

/// <summary>A version that somebody would like to be in force.</summary>
/// <param name="Files">Path relative to the policy folder, to the text of the file.</param>
/// <param name="Retire">Names of fields and event types that may go although something is held of them.</param>
public sealed record PolicyProposal(IReadOnlyDictionary<string, string> Files, IReadOnlyList<string> Retire)
{
    /// <summary>Changes that whoever proposes it knows of, by <see cref="WeightyChange.Name"/>.</summary>
    public IReadOnlyList<string> Acknowledge { get; init; } = [];
}

/// <summary>What was found of a proposal. Without problems it may be activated.</summary>
/// <param name="Policy">Null when it does not load.</param>
/// <param name="Notes">What its activation brings with it.</param>
public sealed record PolicyVerdict(PolicySet? Policy, IReadOnlyList<PolicyProblem> Problems, IReadOnlyList<string> Notes)
{
    public bool Passed => Problems.Count == 0;

    /// <summary>Changes that have to be named, and are not: each is among the problems too.</summary>
    public IReadOnlyList<string> ToAcknowledge { get; init; } = [];

    /// <summary>Fields and event types that go although something is held of them: named as retired.</summary>
    public IReadOnlyList<CatalogueItem> Retired { get; init; } = [];

    /// <summary>Changes that were named.</summary>
    public IReadOnlyList<WeightyChange> Acknowledged { get; init; } = [];
}

/// <summary>Makes the schemas of analytics domains, where this process may: changing the schema is an administrator's right, which the vault's own login lacks.</summary>
public delegate Task DomainProvision(IReadOnlyList<AnalyticsDomain> domains, CancellationToken ct);

/// <summary>Everything that stands between a proposal and its activation: it loads, lints, passes its cases, and can follow what is in force over the data that there are.</summary>
internal sealed class PolicyScrutiny(VaultDatabase database, PolicyStore store, PolicyNumbers numbers, LogIndexer indexer)
{
    private const string Written = "select exists (select from audit.shape where type = $1 and items @> array[$2::int])";
    private const string Happened = "select exists (select from vault.event where event_type = $1)";
    private const string Used = "select exists (select from audit.shape where purpose = $1) or exists (select from vault.consent_event where purpose_id = $2)";

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
        var known = await numbers.KnownAsync(ct);
        var succession = new PolicySuccession(known, now, next, await EarlierAsync(PolicySuccession.Returning(known, now, next), now, ct), proposal.Files);
        problems.AddRange(succession.Problems());
        problems.AddRange(await NoticesAsync(now, next, ct));
        var notes = new List<string>();
        await indexer.CatchUpAsync(ct);
        var retired = await RetireAsync(proposal, succession.Retired(), problems, notes, ct);
        var weighty = await WeighAsync(succession.Weighty(), notes, ct);
        List<WeightyChange> unnamed = [.. weighty.Where(change => !proposal.Acknowledge.Contains(change.Name))];
        problems.AddRange(unnamed.Select(change => change.Unnamed));
        problems.AddRange(proposal.Acknowledge.Except(weighty.Select(change => change.Name)).Select(name => new PolicyProblem("", 0, $"{name} is acknowledged, and is not a change of this version.")));
        notes.AddRange(Indexes(now, next));
        notes.AddRange(now.Roles.All.Where(role => next.Roles.Find(role.Name) is null).Select(role => $"The role {role.Name} is gone: credentials that carry it may do nothing by it."));
        notes.AddRange(now.Analytics.Where(domain => !next.Analytics.Any(one => one.Name == domain.Name)).Select(domain => $"The analytics domain {domain.Name} is gone: its rows are deleted."));
        return new PolicyVerdict(next, problems, notes)
        {
            Retired = retired, ToAcknowledge = [.. unnamed.Select(change => change.Name)], Acknowledged = [.. weighty.Except(unnamed)],
        };
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

    /// <summary>Versions of before, newest first, until one was found for each thing that comes back. Their files are hashed: nobody can have changed what they say.</summary>
    private async Task<List<PolicySet>> EarlierAsync(IReadOnlyList<PolicyMeaning> returning, PolicySet now, CancellationToken ct)
    {
        var (open, found) = (returning.ToHashSet(), new List<PolicySet>());
        foreach (var version in (await store.VersionsAsync(ct)).Where(version => version != now.Version).Reverse())
        {
            if (open.Count == 0) break;
            if (await LoadOrNullAsync(version, ct) is not { } policy) continue;
            found.Add(policy);
            open.ExceptWith(PolicyMeaning.Of(policy));
        }

        return found;
    }

    private async Task<PolicySet?> LoadOrNullAsync(string version, CancellationToken ct)
    {
        try
        {
            return await store.LoadAsync(version, ct);
        }
        catch (Exception e) when (e is PolicyException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Notices that say something else than a notice of before of the same version, which is in force no more.</summary>
    private async Task<List<PolicyProblem>> NoticesAsync(PolicySet now, PolicySet next, CancellationToken ct)
    {
        List<(int Purpose, NoticeText Notice)> all = [.. next.Purposes.Notices.All.Except(now.Purposes.Notices.All)];
        await using var command = database.Source.CreateCommand(
            """
            select p.purpose, p.version, p.language from unnest($1, $2, $3, $4) as p(purpose, version, language, hash)
            join vault.notice n on n.purpose_id = p.purpose and n.version = p.version and n.language = p.language
            group by p.purpose, p.version, p.language, p.hash having not bool_or(n.hash = p.hash)
            """);
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = [.. all.Select(one => one.Purpose)] });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. all.Select(one => one.Notice.Version)] });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. all.Select(one => one.Notice.Language)] });
        command.Parameters.Add(new NpgsqlParameter<byte[][]> { TypedValue = [.. all.Select(one => one.Notice.Hash.ToArray())] });
        var other = await Rows.ReadAsync(command, row => (Purpose: row.GetInt32(0), Version: row.GetString(1), Language: row.GetString(2)), ct);
        var told = now.Purposes.Notices.All.Select(one => (one.Purpose, one.Notice.Version, one.Notice.Language)).ToHashSet();
        return
        [
            .. other.Where(one => !told.Contains(one)).Select(one => new PolicyProblem(
                "purposes.yaml", 0, PolicySuccession.OtherNotice(next.Purposes.ById(one.Purpose)!, one.Version, one.Language))),
        ];
    }

    /// <summary>Of a purpose that goes, only what somebody agreed to or was recorded for has to be named.</summary>
    private async Task<List<WeightyChange>> WeighAsync(IReadOnlyList<WeightyChange> changes, List<string> notes, CancellationToken ct)
    {
        var weighty = new List<WeightyChange>();
        foreach (var change in changes)
        {
            await using var command = database.Source.CreateCommand(Used);
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = change.Purpose.Name });
            command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = change.Purpose.Id });
            if ((bool)(await command.ExecuteScalarAsync(ct))!) weighty.Add(change);
            else notes.Add($"{change.Name}: nobody agreed to it, and no entry of the log names it.");
        }

        return weighty;
    }

    // What a field holds is sealed, and nobody counts it from outside; that it was ever written, the log says.
    private async Task<List<CatalogueItem>> RetireAsync(PolicyProposal proposal, IReadOnlyList<CatalogueItem> going, List<PolicyProblem> problems, List<string> notes, CancellationToken ct)
    {
        foreach (var item in going)
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

        foreach (var unknown in proposal.Retire.Where(name => going.All(item => item.Name != name)))
            problems.Add(new PolicyProblem("", 0, $"{unknown} is named as retired, and is not a field or event type that goes."));
        return [.. going.Where(item => proposal.Retire.Contains(item.Name))];
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
