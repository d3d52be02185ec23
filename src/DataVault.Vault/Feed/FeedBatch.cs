using DataVault.Policy;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>A subject of a batch: keys for its length, what may be fed, and who it is in each domain.</summary>
internal sealed class FedSubject(SubjectKeys keys, SealedRecord record, IReadOnlyList<FieldPermit> permits, IReadOnlyList<DomainPseudonym> pseudonyms) : IDisposable
{
    public SubjectId Subject => record.Subject;

    public SubjectKeys Keys => keys;

    public SealedRecord Record => record;

    /// <summary>Empty without consent, and then everything goes.</summary>
    public IReadOnlyList<FieldPermit> Permits => permits;

    public IReadOnlyList<FieldPermit> FieldPermits { get; } = [.. permits.Where(permit => permit.Item is FieldDefinition)];

    public FieldPermit? PermitOf(int eventType) => permits.FirstOrDefault(permit => permit.Item is EventTypeDefinition && permit.Item.Id == eventType);

    public string Pseudonym(AnalyticsDomain domain) => pseudonyms.First(pseudonym => pseudonym.Domain == domain).Pseudonym;

    public void Dispose() => keys.Dispose();
}

/// <summary>An event of the vault that a domain should have a row of.</summary>
internal readonly record struct FedEvent(FedSubject Subject, Guid Id, EventTypeDefinition Type);

/// <summary>What one domain should look like for the subjects of a batch, and what it takes to get there.</summary>
internal sealed class DomainPlan(AnalyticsDomain domain)
{
    public AnalyticsDomain Domain => domain;

    public List<CustomerRow> Customers { get; } = [];

    public List<string> Gone { get; } = [];

    public Dictionary<(string Pseudonym, string EventKey), FedEvent> Wanted { get; } = [];

    public List<(string Table, string Pseudonym, string EventKey)> Stale { get; } = [];

    public List<ActivityRow> Purchases { get; } = [];

    public List<ActivityRow> Interactions { get; } = [];

    public static string TableOf(EventTypeDefinition type) => type.Class.Name == "transaction" ? "purchase" : "interaction";
}

/// <summary>The subjects of one transaction of the feed.</summary>
internal sealed class FeedBatch(IReadOnlyList<FedSubject> subjects, List<SubjectId> failed, IReadOnlyList<DomainPlan> plans) : IDisposable
{
    public IReadOnlyList<FedSubject> Subjects => subjects;

    /// <summary>Those of whom something does not open: it is not fed, and what does open is.</summary>
    public IReadOnlyList<SubjectId> Failed => failed;

    public void Fail(SubjectId subject)
    {
        if (!failed.Contains(subject)) failed.Add(subject);
    }

    public IReadOnlyList<DomainPlan> Plans => plans;

    public int[] Items => [.. subjects.SelectMany(subject => subject.Permits).Select(permit => AuditLog.ItemCode(permit.Item)).Distinct().Order()];

    public void Dispose()
    {
        foreach (var subject in subjects) subject.Dispose();
    }
}
