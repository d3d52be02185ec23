using DataVault.Policy;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>Items of one category that a purpose uses, and how long they are kept.</summary>
/// <param name="Category">W3C DPV identifier.</param>
/// <param name="Special">GDPR Article 9.</param>
/// <param name="Items">Names of fields and event types.</param>
/// <param name="Retention">Titles of the retention rules that keep them, with their months.</param>
public sealed record ProcessedCategory(string Category, bool Special, IReadOnlyList<string> Items, IReadOnlyList<string> Retention)
{
    /// <summary>The log shows an act with one of the items for this purpose.</summary>
    public bool Used { get; init; }
}

/// <summary>A recipient as the policy in force declares it, beside what the log shows that it was given.</summary>
/// <param name="Recipient">The recipient.</param>
/// <param name="Entries">Disclosures to it that the log shows of the days looked at; 0: declared, unused.</param>
/// <param name="Purposes">For what.</param>
public sealed record ProcessingRecipient(DeclaredRecipient Recipient, long Entries, IReadOnlyList<string> Purposes);

/// <summary>Who may do what for a purpose.</summary>
/// <param name="Role">The role.</param>
/// <param name="Title">The role in words.</param>
/// <param name="Actions">What it may do: <c>read</c>, <c>export</c> …</param>
/// <param name="Forms">In which forms it may be shown something.</param>
public sealed record ProcessingRole(string Role, string Title, IReadOnlyList<string> Actions, IReadOnlyList<string> Forms);

/// <summary>One activity of processing: a purpose as the policy in force declares it, beside what the log shows of it.</summary>
/// <param name="Purpose">The purpose.</param>
/// <param name="Categories">What is used.</param>
/// <param name="Roles">By whom.</param>
/// <param name="Entries">Acts for this purpose that the log shows of the days looked at.</param>
/// <param name="Actors">Applications and roles that acted, and how often.</param>
/// <param name="Undeclared">Items that were handled for it and that no rule in force names for it.</param>
public sealed record ProcessingActivity(
    Purpose Purpose, IReadOnlyList<ProcessedCategory> Categories, IReadOnlyList<ProcessingRole> Roles, long Entries, IReadOnlyList<AuditCount> Actors, IReadOnlyList<string> Undeclared);

/// <summary>The record of processing activities (GDPR 30), made from the policy in force and compared with the log.</summary>
/// <param name="Controller">Who answers for it; null where the policy does not say.</param>
/// <param name="PolicyVersion">The version in force.</param>
/// <param name="MadeAt">When.</param>
/// <param name="From">Since when the log was looked at.</param>
/// <param name="Activities">By purpose.</param>
/// <param name="UnknownPurposes">Purposes that the log shows and the policy in force does not declare, and how often.</param>
/// <param name="Checkpoint">The newest state of the log, signed.</param>
public sealed record ProcessingRecord(
    ControllerIdentity? Controller, string PolicyVersion, DateTimeOffset MadeAt, DateTimeOffset From, IReadOnlyList<ProcessingActivity> Activities, IReadOnlyList<AuditCount> UnknownPurposes,
    string Checkpoint)
{
    /// <summary>To whom data go outside the controller's own departments.</summary>
    public IReadOnlyList<ProcessingRecipient> Recipients { get; init; } = [];

    /// <summary>What decides about people by itself.</summary>
    public IReadOnlyList<AutomatedModel> Models { get; init; } = [];
}

/// <summary>Makes the record of processing activities: nothing in it is kept by hand, so nothing in it is out of date.</summary>
public sealed class ProcessingRecords
{
    public const int MostDays = 3650;

    private readonly AuditReader log;
    private readonly SignedProofs proofs;
    private readonly ActivePolicy policy;
    private readonly VaultClock clock;

    internal ProcessingRecords(AuditReader log, SignedProofs proofs, ActivePolicy policy, VaultClock clock) => (this.log, this.proofs, this.policy, this.clock) = (log, proofs, policy, clock);

    /// <param name="days">How far back the log is looked at, 1 to <see cref="MostDays"/>.</param>
    /// <param name="ct">Ends the work.</param>
    /// <exception cref="VaultException">invalid-request: the days are out of range.</exception>
    public async Task<ProcessingRecord> MakeAsync(int days, CancellationToken ct)
    {
        if (days is < 1 or > MostDays) throw VaultException.BadRequest($"The days are between 1 and {MostDays}.");
        var current = policy.Current;
        var from = clock.Now.AddDays(-days);
        var all = await log.CountAsync(new AuditQuery { From = from, Result = EntryResult.Ok }, ct);
        var activities = new List<ProcessingActivity>();
        foreach (var purpose in current.Purposes.All) activities.Add(await ActivityAsync(current, purpose, from, ct));
        var unknown = all.Purposes.Where(count => count.Name.Length > 0 && current.Purposes.Find(count.Name) is null).ToList();
        return new ProcessingRecord(current.Purposes.Controller, current.Version, clock.Now, from, activities, unknown, await proofs.CheckpointAsync(ct))
        {
            Recipients = await RecipientsAsync(current, from, ct), Models = current.Models.All,
        };
    }

    private async Task<List<ProcessingRecipient>> RecipientsAsync(PolicySet current, DateTimeOffset from, CancellationToken ct)
    {
        var recipients = new List<ProcessingRecipient>();
        foreach (var recipient in current.Recipients.All)
        {
            var (entries, purposes) = (0L, new SortedSet<string>(StringComparer.Ordinal));
            foreach (var query in Disclosures(recipient).Select(query => query with { From = from, Result = EntryResult.Ok }))
            {
                var found = await log.CountAsync(query, ct);
                entries += found.Entries;
                purposes.UnionWith(found.Purposes.Select(purpose => purpose.Name));
            }

            recipients.Add(new ProcessingRecipient(recipient, entries, [.. purposes]));
        }

        return recipients;
    }

    // The feed is one act for all domains: whoever has one has what was fed.
    private static IEnumerable<AuditQuery> Disclosures(DeclaredRecipient recipient)
    {
        EntryType[] ofClients = [EntryType.FieldRead, EntryType.EventRead, EntryType.Search, EntryType.Export];
        foreach (var client in recipient.Clients)
            foreach (var type in ofClients) yield return new AuditQuery { Actor = client, Type = type };
        if (recipient.Analytics.Count > 0) yield return new AuditQuery { Type = EntryType.AnalyticsFeed };
    }

    private async Task<ProcessingActivity> ActivityAsync(PolicySet current, Purpose purpose, DateTimeOffset from, CancellationToken ct)
    {
        var grants = current.Questions.WhoCan(purpose);
        var used = await log.CountAsync(new AuditQuery { Purpose = purpose.Name, From = from, Result = EntryResult.Ok }, ct);
        var declared = grants.Select(grant => grant.Item.Name).ToHashSet(StringComparer.Ordinal);
        return new ProcessingActivity(
            purpose, Categories(current, grants, [.. used.Items.Select(item => item.Name)]), Roles(current, grants), used.Entries, used.Actors, [.. used.Items.Select(item => item.Name).Where(name => !declared.Contains(name))]);
    }

    private static List<ProcessedCategory> Categories(PolicySet current, IReadOnlyList<PolicyGrant> grants, HashSet<string> used)
    {
        var rules = current.Retention.ToDictionary(rule => rule.Name, StringComparer.Ordinal);
        return
        [
            .. from item in grants.Select(grant => grant.Item).Distinct()
               group item by item.Category into category
               orderby category.Key
               select new ProcessedCategory(
                   category.Key, category.Any(item => item.IsSpecialCategory), [.. category.OrderBy(item => item.Code).Select(item => item.Name)],
                   [.. category.Select(item => rules[item.Retention]).Distinct().OrderBy(rule => rule.Name, StringComparer.Ordinal).Select(rule => $"{rule.Title}: {rule.Months} months")])
               {
                   Used = category.Any(item => used.Contains(item.Name)),
               },
        ];
    }

    private static List<ProcessingRole> Roles(PolicySet current, IReadOnlyList<PolicyGrant> grants) =>
    [
        .. from grant in grants
           group grant by grant.Role into role
           orderby role.Key
           select new ProcessingRole(
               role.Key, current.Roles.Find(role.Key)!.Title, [.. role.Select(grant => grant.Action).Distinct().Order().Select(ActionNames.Of)],
               [.. role.Where(grant => grant.Form != Form.Withheld).Select(grant => grant.Form).Distinct().OrderDescending().Select(FormNames.Of)]),
    ];
}
