using DataVault.Policy;
using DataVault.Transparency;
using Npgsql;

namespace DataVault.Vault;

/// <summary>The roles of an application, as they are now.</summary>
public sealed record KnownApplication(string Id, IReadOnlyList<string> Roles);

/// <summary>What of the recorded decisions a draft would make otherwise, of one field to one caller.</summary>
/// <param name="Item">Field or event type.</param>
/// <param name="Purpose">Purpose of the calls.</param>
/// <param name="Actor">Application, process or roles.</param>
/// <param name="Entries">Decisions.</param>
/// <param name="People">Distinct persons whom they were about.</param>
public sealed record ReplayLine(string Item, ReadFate Fate, string Purpose, string Actor, long Entries, long People);

/// <summary>A field over all callers.</summary>
public sealed record ReplayField(string Item, ReadFate Fate, long Entries, long People);

/// <summary>What came of a replay.</summary>
/// <param name="Entries">Recorded decisions that were looked at.</param>
/// <param name="Changed">Those of which some item would come out otherwise, or might.</param>
/// <param name="People">Distinct persons whom the changed ones were about.</param>
/// <param name="Unattributed">Decisions whose recipient's roles are not known any more; they are not judged.</param>
/// <param name="Unversioned">Decisions by a version that the vault does not keep or this program does not understand; they are not judged.</param>
/// <param name="Limits">What the log does not keep, and what was assumed instead.</param>
public sealed record ReplayReport(
    DateTimeOffset Since, DateTimeOffset Until, string Draft, long Entries, long Changed, long People, long Unattributed, long Unversioned,
    IReadOnlyList<ReplayField> Fields, IReadOnlyList<ReplayLine> Lines)
{
    public IReadOnlyList<string> Limits { get; } =
    [
        "The log names who asked, for which purpose, which items, and whether they were released: not the form, nor the facts of the person. What was released was so by one of the ways of the version in force then, and all of these are held against the draft.",
        "Depends: released by the draft only where a further condition held then, which the log does not tell.",
        "Releasable: refused then, and open under the draft on conditions that may not have held. A refusal names what was asked for, not why.",
        "Roles of staff and processes are those of then; of applications, those that they have now.",
        "Calls that were under way while a version came into force count to the one that the log puts before them.",
    ];
}

/// <summary>
/// Recorded decisions under a draft. Read from the index of the log alone: no value is opened, and no person is named. Decisions of the same caller, purpose, result
/// and items are one question, asked once and counted.
/// </summary>
public sealed class PolicyReplay
{
    private static readonly int[] Replayed = [(int)EntryType.FieldRead, (int)EntryType.EventRead, (int)EntryType.Denied];

    private readonly VaultDatabase database;
    private readonly AuditReader reader;
    private readonly AuditLog log;
    private readonly PolicyStore store;
    private readonly ActivePolicy active;
    private readonly TimeProvider clock;

    internal PolicyReplay(VaultDatabase database, AuditReader reader, AuditLog log, PolicyStore store, ActivePolicy active, TimeProvider clock) =>
        (this.database, this.reader, this.log, this.store, this.active, this.clock) = (database, reader, log, store, active, clock);

    /// <param name="draft">What the decisions are held against.</param>
    /// <param name="since">From when on.</param>
    /// <param name="applications">Who has which roles.</param>
    public async Task<ReplayReport> RunAsync(PolicySet draft, DateTimeOffset since, IReadOnlyList<KnownApplication> applications, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(draft);
        await reader.CatchUpAsync(ct);
        var tags = applications.ToDictionary(one => EntryShape.TagOf(log.ActorOf(RecipientKind.Application, one.Id)), one => one.Roles);
        var tally = new ReplayTally();
        var search = new LogSearch(database);
        await search.ReadAsync(async connection =>
        {
            var range = await LogSearch.RangeAsync(connection, since, null, ct);
            var actors = await ActorsAsync(connection, ct);
            foreach (var (part, version) in await PartsAsync(range, ct))
            {
                var diff = await DiffAsync(version, draft, ct);
                foreach (var (code, shape, entries) in await ShapesAsync(connection, part, ct))
                    Judge(tally, diff, new Asked(code, part, shape, entries), tags.GetValueOrDefault(shape.Actor) ?? actors.GetValueOrDefault(shape.Actor)?.Roles, actors.GetValueOrDefault(shape.Actor)?.Name);
            }

            await tally.CountPeopleAsync(connection, ct);
            return true;
        }, ct);
        return tally.Report(since, clock.GetUtcNow(), draft, active.Current);
    }

    /// <summary>Decisions that are the same question.</summary>
    internal sealed record Asked(int Shape, EntryRange Range, EntryShape What, long Entries);

    private sealed record NamedActor(string Name, IReadOnlyList<string>? Roles);

    private static void Judge(ReplayTally tally, PolicyDiff? diff, Asked asked, IReadOnlyList<string>? roles, string? name)
    {
        tally.Entries += asked.Entries;
        if (diff is null) tally.Unversioned += asked.Entries;
        else if (roles is null) tally.Unattributed += asked.Entries;
        else
        {
            var released = asked.What.Result == (short)EntryResult.Ok;
            foreach (var code in asked.What.Items)
            {
                var fate = diff.FateOf(roles, asked.What.Purpose, AccessAction.Read, code, released);
                if (fate != ReadFate.Same) tally.Add(code, fate, name ?? string.Join(", ", roles), asked);
            }
        }
    }

    // The version that decided is the one that was activated last before the entry.
    private async Task<List<(EntryRange Part, string? Version)>> PartsAsync(EntryRange range, CancellationToken ct)
    {
        var activations = (await store.ListAsync(long.MaxValue, int.MaxValue, ct)).OrderBy(one => one.Sequence).ToList();
        var starts = activations.Select(one => one.LogIndex ?? 0).ToList();
        var parts = new List<(EntryRange, string?)>();
        if (activations.Count == 0) return [(range, active.Current.Version)];
        for (var at = 0; at < activations.Count; at++)
        {
            var part = new EntryRange(Math.Max(range.Low, starts[at]), Math.Min(range.High, at + 1 < starts.Count ? starts[at + 1] : range.High));
            if (!part.IsEmpty) parts.Add((part, activations[at].Version));
        }

        return parts;
    }

    private async Task<PolicyDiff?> DiffAsync(string? version, PolicySet draft, CancellationToken ct)
    {
        try
        {
            var then = version == active.Current.Version ? active.Current : version is null ? null : await store.LoadAsync(version, ct);
            return then is null ? null : new PolicyDiff(then, draft);
        }
        catch (PolicyException)
        {
            return null;
        }
    }

    private static async Task<List<(int Code, EntryShape Shape, long Entries)>> ShapesAsync(NpgsqlConnection connection, EntryRange range, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            """
            select s.code, s.type, s.actor, s.purpose, s.result, s.items, count(*) from audit.entry_index e join audit.shape s on s.code = e.shape
            where e.index >= $1 and e.index < $2 and s.type = any($3) and cardinality(s.items) > 0 group by s.code, s.type, s.actor, s.purpose, s.result, s.items
            """, connection);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = range.Low });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = range.High });
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = Replayed });
        return await Rows.ReadAsync(
            command, row => (row.GetInt32(0), new EntryShape(row.GetInt32(1), row.GetGuid(2), row.GetString(3), row.GetInt16(4), row.GetFieldValue<int[]>(5)), row.GetInt64(6)), ct);
    }

    private static async Task<Dictionary<Guid, NamedActor>> ActorsAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select tag, name, kind from audit.actor", connection);
        var rows = await Rows.ReadAsync(command, row => (Tag: EntryShape.TagOf(row.GetFieldValue<byte[]>(0)), Name: row.GetString(1), Kind: row.GetString(2)), ct);
        return rows.ToDictionary(row => row.Tag, row => new NamedActor(row.Name, row.Kind switch
        {
            "staff" => row.Name.Split(", "),
            "process" or "customer" => [row.Name],
            _ => null,
        }));
    }
}

/// <summary>What a replay gathers.</summary>
internal sealed class ReplayTally
{
    private readonly Dictionary<(int Item, ReadFate Fate, string Purpose, string Actor), List<PolicyReplay.Asked>> lines = [];
    private readonly Dictionary<(int Item, ReadFate Fate, string Purpose, string Actor), long> peopleOfLines = [];
    private readonly Dictionary<(int Item, ReadFate Fate), long> peopleOfFields = [];
    private long people;

    public long Entries { get; set; }

    public long Unattributed { get; set; }

    public long Unversioned { get; set; }

    public void Add(int item, ReadFate fate, string actor, PolicyReplay.Asked asked)
    {
        var key = (item, fate, asked.What.Purpose, actor);
        if (!lines.TryGetValue(key, out var list)) lines[key] = list = [];
        list.Add(asked);
    }

    public async Task CountPeopleAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        foreach (var (key, asked) in lines) peopleOfLines[key] = await PeopleAsync(connection, asked, ct);
        foreach (var group in lines.GroupBy(line => (line.Key.Item, line.Key.Fate)))
            peopleOfFields[group.Key] = await PeopleAsync(connection, group.SelectMany(line => line.Value), ct);
        people = await PeopleAsync(connection, lines.Values.SelectMany(asked => asked), ct);
    }

    public ReplayReport Report(DateTimeOffset since, DateTimeOffset until, PolicySet draft, PolicySet now)
    {
        string NameOf(int code) => draft.Items.Concat(now.Items).FirstOrDefault(item => item.Code == code)?.Name ?? code.ToString(System.Globalization.CultureInfo.InvariantCulture);
        return new ReplayReport(
            since, until, draft.Version, Entries, Distinct(lines.Values.SelectMany(asked => asked)).Sum(one => one.Entries), people, Unattributed, Unversioned,
            [
                .. lines.GroupBy(line => (line.Key.Item, line.Key.Fate)).OrderBy(group => group.Key.Item).ThenBy(group => group.Key.Fate).Select(group => new ReplayField(
                    NameOf(group.Key.Item), group.Key.Fate, Distinct(group.SelectMany(line => line.Value)).Sum(one => one.Entries), peopleOfFields[group.Key])),
            ],
            [
                .. lines.OrderBy(line => line.Key.Item).ThenBy(line => line.Key.Fate).ThenBy(line => line.Key.Purpose, StringComparer.Ordinal).ThenBy(line => line.Key.Actor, StringComparer.Ordinal).Select(line => new ReplayLine(
                    NameOf(line.Key.Item), line.Key.Fate, line.Key.Purpose, line.Key.Actor, line.Value.Sum(one => one.Entries), peopleOfLines[line.Key])),
            ]);
    }

    private static IEnumerable<PolicyReplay.Asked> Distinct(IEnumerable<PolicyReplay.Asked> asked) => asked.DistinctBy(one => (one.Shape, one.Range));

    private static async Task<long> PeopleAsync(NpgsqlConnection connection, IEnumerable<PolicyReplay.Asked> asked, CancellationToken ct)
    {
        var all = Distinct(asked).ToList();
        if (all.Count == 0) return 0;
        await using var command = new NpgsqlCommand(
            """
            select count(distinct e.subject) from unnest($1, $2, $3) as a(shape, low, high) join audit.entry_index e on e.shape = a.shape and e.index >= a.low and e.index < a.high
            """, connection);
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = [.. all.Select(one => one.Shape)] });
        command.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = [.. all.Select(one => one.Range.Low)] });
        command.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = [.. all.Select(one => one.Range.High)] });
        return (await Rows.ReadAsync(command, row => row.GetInt64(0), ct))[0];
    }
}
