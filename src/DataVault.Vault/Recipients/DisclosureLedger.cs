using System.Data;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;
using DataVault.Vault.Storage;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>What one recipient was given of one person through one application, role or analytics domain, for one purpose (GDPR 15(1)(c)).</summary>
/// <param name="Recipient">Its name in the policy; null: the controller's own.</param>
/// <param name="Title">Legal name of the recipient, or of the controller.</param>
/// <param name="Through">Name of the application, roles of staff, or the analytics domain.</param>
/// <param name="Kind">Type of the entries, such as <c>field.read</c>; <c>search</c>: the person was found by these items.</param>
/// <param name="Purpose">For what.</param>
/// <param name="Items">Fields and event types.</param>
public sealed record DisclosureLine(string? Recipient, string Title, string Through, string Kind, string Purpose, IReadOnlyList<string> Items)
{
    /// <summary>The recipient as the policy declares it; null of the controller's own.</summary>
    public DeclaredRecipient? Declared { get; init; }

    /// <summary>The analytics domain, where it is one.</summary>
    public AnalyticsDomain? Domain { get; init; }

    /// <summary>How many entries say so.</summary>
    public long Times { get; init; }

    public DateTimeOffset First { get; init; }

    public DateTimeOffset Last { get; init; }

    /// <summary>Indexes of the entries, the newest of them first; at most <see cref="DisclosureLedger.MostEntries"/>.</summary>
    public IReadOnlyList<long> Entries { get; init; } = [];
}

/// <summary>What the log says that somebody was given, by actor and items.</summary>
internal sealed record Given(EntryShape Shape, long Times, DateTimeOffset First, DateTimeOffset Last, long[] Entries);

/// <summary>
/// Who was given what of a person: a question to the log by the person's tag, answered from its index. There is no other record of it. Looks at the own record by the
/// person, and the vault's own work, are no disclosures.
/// </summary>
public sealed class DisclosureLedger
{
    public const int MostEntries = 100;

    private static readonly int[] Disclosures =
        [(int)EntryType.FieldRead, (int)EntryType.EventRead, (int)EntryType.Search, (int)EntryType.Export, (int)EntryType.AnalyticsFeed];

    private readonly VaultDatabase database;
    private readonly LogSearch search;
    private readonly LogIndexer indexer;
    private readonly AuditLog log;
    private readonly ReaderNames names;
    private readonly KeyRegistry keys;
    private readonly ActivePolicy policy;

    internal DisclosureLedger(VaultDatabase database, LogIndexer indexer, AuditLog log, ReaderNames names, KeyRegistry keys, ActivePolicy policy) =>
        (this.database, search, this.indexer, this.log, this.names, this.keys, this.policy) = (database, new LogSearch(database), indexer, log, names, keys, policy);

    internal PolicySet Policy => policy.Current;

    /// <summary>By recipient, the controller's own last. Empty when the person is unknown or erased. Whoever calls decides who may, and enters the look.</summary>
    public async Task<IReadOnlyList<DisclosureLine>> OfAsync(SubjectId subject, CancellationToken ct)
    {
        if (await names.TagAsync(subject, ct) is not { } tag) return [];
        await indexer.CatchUpAsync(ct);
        var given = await search.ReadAsync(connection => GivenAsync(connection, tag, ct), ct);
        var (actors, clients, own) = (await ActorsAsync(given, ct), ClientsByTag(), OwnTags());
        return
        [
            .. given.Where(one => !own.Contains(one.Shape.Actor)).SelectMany(one => Lines(one, actors.GetValueOrDefault(one.Shape.Actor), clients.GetValueOrDefault(one.Shape.Actor)))
                .GroupBy(line => (line.Recipient, line.Title, line.Through, line.Kind, line.Purpose)).Select(Merged)
                .OrderBy(line => line.Recipient is null).ThenBy(line => line.Title, StringComparer.Ordinal).ThenBy(line => line.Through, StringComparer.Ordinal)
                .ThenBy(line => line.Purpose, StringComparer.Ordinal).ThenBy(line => line.Kind, StringComparer.Ordinal),
        ];
    }

    /// <summary>Everything that the log has seen so far is in the index afterwards.</summary>
    internal Task CatchUpAsync(CancellationToken ct) => indexer.CatchUpAsync(ct);

    /// <summary>What was given of the person whose tag it is, within a transaction of the caller's.</summary>
    internal static async Task<List<Given>> GivenAsync(NpgsqlConnection connection, byte[] tag, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            """
            with known as materialized (select code, type, actor, purpose, result, items from audit.shape where type = any($2) and result = 0),
                 seen as (select e.index, e.at, e.shape from audit.entry_index e where e.subject = $1
                          union all
                          select e.index, e.at, e.shape from audit.bulk_member m join audit.entry_index e using (index) where m.subject = $1)
            select k.type, k.actor, k.purpose, k.result, k.items, count(*), min(s.at), max(s.at), (array_agg(s.index order by s.index desc))[1:$3]
            from seen s join known k on k.code = s.shape group by k.code, k.type, k.actor, k.purpose, k.result, k.items
            """, connection);
        LogSearch.Add(command, EntryShape.TagOf(tag), NpgsqlDbType.Uuid);
        LogSearch.Add(command, Disclosures, NpgsqlDbType.Array | NpgsqlDbType.Integer);
        LogSearch.Add(command, MostEntries, NpgsqlDbType.Integer);
        return await Rows.ReadAsync(command, row => new Given(
            LogSearch.ShapeOf(row, 0), row.GetInt64(5), row.GetFieldValue<DateTimeOffset>(6), row.GetFieldValue<DateTimeOffset>(7), row.GetFieldValue<long[]>(8)), ct);
    }

    /// <summary>Items of a feed that one domain receives: the entry is about all domains together.</summary>
    internal static IEnumerable<int> FedTo(AnalyticsDomain domain, PolicySet policy, EntryShape shape)
    {
        var theirs = domain.CustomerColumns.Select(column => column.Field.Code).Concat(domain.EventTypes.Select(type => policy.Events.Find(type)!.Code)).ToHashSet();
        return shape.Items.Where(theirs.Contains);
    }

    /// <summary>By what analytics domains know somebody, by schema.</summary>
    internal Dictionary<string, string> PseudonymsOf(SubjectKeys held) => AnalyticsRows.PseudonymsOf(held, keys, Policy).ToDictionary(one => one.Domain.Schema, one => one.Pseudonym);

    /// <summary>The tag by which the log knows an application.</summary>
    internal Guid TagOf(string client) => EntryShape.TagOf(log.ActorOf(RecipientKind.Application, client));

    private Dictionary<Guid, DeclaredRecipient> ClientsByTag() =>
        Policy.Recipients.All.SelectMany(recipient => recipient.Clients.Select(client => (Tag: TagOf(client), recipient))).ToDictionary(pair => pair.Tag, pair => pair.recipient);

    // By their tags, which nobody can write into a table: the person, and what the vault does for them.
    private HashSet<Guid> OwnTags() =>
    [
        EntryShape.TagOf(log.ActorOf(RecipientKind.Customer, "customer")),
        .. new[] { SubjectErasure.Eraser, SubjectExport.Exporter, IndexedValues.Keeper }.Select(process => EntryShape.TagOf(log.ActorOf(RecipientKind.Process, process.Id))),
    ];

    private async Task<Dictionary<Guid, ActorRow>> ActorsAsync(List<Given> given, CancellationToken ct)
    {
        var tags = given.Select(one => one.Shape.Actor.ToByteArray(bigEndian: true)).DistinctBy(Convert.ToHexString).ToList();
        await using var context = Contexts.Vault(database.Source);
        return (await context.Actors.Where(actor => tags.Contains(actor.Tag)).ToListAsync(ct)).ToDictionary(actor => EntryShape.TagOf(actor.Tag));
    }

    private IEnumerable<DisclosureLine> Lines(Given given, ActorRow? actor, DeclaredRecipient? recipient)
    {
        var shape = given.Shape;
        if ((EntryType)shape.Type == EntryType.AnalyticsFeed)
        {
            foreach (var domain in Policy.Analytics)
            {
                var items = FedTo(domain, Policy, shape).ToList();
                if (items.Count > 0) yield return Line(given, Policy.Recipients.OfDomain(domain.Name), domain.Title, items) with { Domain = domain };
            }
        }
        else
        {
            yield return Line(given, recipient, actor?.Name ?? EntryShape.Hex(shape.Actor), shape.Items);
        }
    }

    private DisclosureLine Line(Given given, DeclaredRecipient? recipient, string through, IReadOnlyList<int> items) => new(
        recipient?.Name, recipient?.Title ?? Policy.Purposes.Controller?.Name ?? "", through, EntryTypes.NameOf((EntryType)given.Shape.Type), given.Shape.Purpose,
        [.. items.Select(names.Item)])
    {
        Declared = recipient,
        Times = given.Times,
        First = given.First,
        Last = given.Last,
        Entries = given.Entries,
    };

    private static DisclosureLine Merged(IEnumerable<DisclosureLine> lines) => lines.First() with
    {
        Items = [.. lines.SelectMany(line => line.Items).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)],
        Times = lines.Sum(line => line.Times),
        First = lines.Min(line => line.First),
        Last = lines.Max(line => line.Last),
        Entries = [.. lines.SelectMany(line => line.Entries).Distinct().OrderDescending().Take(MostEntries)],
    };
}
