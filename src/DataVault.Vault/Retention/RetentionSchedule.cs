using System.Security.Cryptography;
using System.Text;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>
/// When what is stored has been kept long enough, by one version of the policy. Months are calendar months in UTC, as in <see cref="DateTimeOffset.AddMonths"/>:
/// what was recorded on 31 January for one month is due on 28 February at the same time of day.
/// </summary>
internal sealed class RetentionSchedule
{
    private readonly Dictionary<string, RetentionRule> rules;
    private readonly Dictionary<int, FieldDefinition> fields;

    public RetentionSchedule(PolicySet policy)
    {
        rules = policy.Retention.ToDictionary(rule => rule.Name, StringComparer.Ordinal);
        fields = policy.Catalogue.Fields.ToDictionary(field => field.Id);
        EventTypes = policy.Events.Types;
        Models = policy.Models.All;
        var kept = policy.Items.Select(item => RuleOf(item)).Concat(Models.Select(model => model.Retention)).ToList();
        ShortestMonths = kept.Count == 0 ? 1 : kept.Min(rule => rule.Months);
        var words = policy.Items.OrderBy(item => item.Code).Select(item => (item.Code, Rule: RuleOf(item))).Select(one => $"{one.Code} {one.Rule.Trigger} {one.Rule.Months}")
            .Concat(Models.Select(model => $"model {model.Name} {model.Retention.Trigger} {model.Retention.Months}"));
        Fingerprint = SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', words)));
    }

    public IReadOnlyList<EventTypeDefinition> EventTypes { get; }

    /// <summary>What decides about people by itself; of one that is declared no more nothing says how long its decisions are kept.</summary>
    public IReadOnlyList<AutomatedModel> Models { get; }

    /// <summary>Whatever is written after a look at somebody is not due before this much later.</summary>
    public int ShortestMonths { get; }

    /// <summary>Of all periods together: when it is another, everybody is looked at again.</summary>
    public byte[] Fingerprint { get; }

    public RetentionRule RuleOf(CatalogueItem item) => rules[item.Retention];

    /// <summary>Null for a field that the policy does not know: nothing says how long it is kept.</summary>
    public FieldDefinition? Field(int id) => fields.GetValueOrDefault(id);

    public EventTypeDefinition? EventType(int id) => EventTypes.FirstOrDefault(type => type.Id == id);

    public DateTimeOffset DueAt(FieldDefinition field, DateTimeOffset recordedAt, DateTimeOffset lastActivity)
    {
        var rule = RuleOf(field);
        return (rule.Trigger == RetentionRule.LastActivity ? lastActivity : recordedAt).ToUniversalTime().AddMonths(rule.Months);
    }
}
